//! Many small things: memory stays bounded, and nothing that matters is lost.

use wscore::{Frame, OpCode, Role, Rsv};
use wsutil::{Endpoint, Limits, Step};

use crate::{
    cases::{frame, parse},
    counting::held,
    sending::take,
};

/// Feeds the same bytes many times, and takes what is written: the most that the heap grew.
fn flood(endpoint: &mut Endpoint, bytes: &[u8], times: usize, read_by_peer: bool) -> isize {
    let (_, peak) = held(|| {
        for _ in 0..times {
            endpoint.receive(bytes);
            loop {
                match endpoint.step().expect("a flood breaks no rule") {
                    Step::Message | Step::Piece | Step::Closed => unreachable!(),
                    Step::Write => {}
                    Step::Read => break,
                }
            }
            if read_by_peer {
                endpoint.written(endpoint.pending());
            }
            endpoint.park();
        }
    });
    peak
}

fn server() -> Endpoint {
    let mut endpoint = Endpoint::new(Role::Server);
    endpoint.set_limits(Limits { fragments: u32::MAX, ..Limits::default() });
    // The buffers of this thread are made before anything is counted.
    endpoint.receive(&frame(Role::Server, true, Rsv::NONE, OpCode::Ping, b""));
    assert_eq!(endpoint.step(), Ok(Step::Read));
    endpoint.written(endpoint.pending());
    endpoint.park();
    endpoint
}

#[test]
fn cve_2026_48779_fragments_of_one_byte_cost_a_byte() {
    let mut endpoint = server();
    endpoint.receive(&frame(Role::Server, false, Rsv::NONE, OpCode::Binary, b"0"));
    let more = frame(Role::Server, false, Rsv::NONE, OpCode::Continuation, b"1").repeat(64);
    let peak = flood(&mut endpoint, &more, 131_072 / 64, true);
    assert!(peak <= 2 * 131_072 + (64 << 10), "{peak} B");
    endpoint.receive(&frame(Role::Server, true, Rsv::NONE, OpCode::Continuation, b"2"));
    assert_eq!(endpoint.step(), Ok(Step::Message));
    assert_eq!(endpoint.message().0.as_bytes().len(), 131_072 + 2);
}

#[test]
fn cve_2026_12151_empty_fragments_cost_nothing() {
    let mut endpoint = server();
    endpoint.receive(&frame(Role::Server, false, Rsv::NONE, OpCode::Text, b""));
    let more = frame(Role::Server, false, Rsv::NONE, OpCode::Continuation, b"").repeat(1000);
    let peak = flood(&mut endpoint, &more, 1000, true);
    assert!(peak <= 4096, "{peak} B");
}

#[test]
fn cve_2021_3690_unsolicited_pongs_cost_nothing() {
    let mut endpoint = server();
    let pongs = frame(Role::Server, true, Rsv::NONE, OpCode::Pong, &[b'p'; 125]).repeat(1000);
    let peak = flood(&mut endpoint, &pongs, 1000, true);
    assert!(peak <= 4096, "{peak} B");
}

#[test]
fn fr35_cve_2026_11586_pings_of_a_peer_that_does_not_read() {
    let mut endpoint = server();
    let pings = frame(Role::Server, true, Rsv::NONE, OpCode::Ping, &[b'p'; 125]).repeat(1000);
    let peak = flood(&mut endpoint, &pings, 1000, false);
    assert!(peak <= 16 << 10, "{peak} B");
    assert!(endpoint.pending() <= 64 * 127, "{} B wait", endpoint.pending());
    endpoint.receive(&frame(Role::Server, true, Rsv::NONE, OpCode::Ping, b"the newest"));
    assert_eq!(endpoint.step(), Ok(Step::Read));
    let pongs = parse(&take(&mut endpoint), Role::Server);
    assert_eq!(pongs.len(), 65);
    assert!(pongs.iter().all(|pong| pong.opcode == OpCode::Pong));
    assert_eq!(pongs.last().unwrap().payload, b"the newest");
    // There is room again.
    endpoint.receive(&frame(Role::Server, true, Rsv::NONE, OpCode::Ping, b"one more"));
    assert_eq!(endpoint.step(), Ok(Step::Read));
    assert_eq!(parse(&take(&mut endpoint), Role::Server)[0].payload, b"one more");
}

#[test]
fn fr35_every_ping_of_a_burst_is_answered_if_the_peer_reads() {
    let mut endpoint = server();
    let pings: Vec<u8> = (0..1000_u32)
        .flat_map(|at| frame(Role::Server, true, Rsv::NONE, OpCode::Ping, &at.to_be_bytes()))
        .collect();
    endpoint.receive(&pings);
    let mut written = vec![];
    while let Step::Write = endpoint.step().unwrap() {
        written.extend(take(&mut endpoint));
    }
    written.extend(take(&mut endpoint));
    let pongs = parse(&written, Role::Server);
    assert_eq!(pongs.len(), 1000);
    for (at, pong) in pongs.iter().enumerate() {
        assert_eq!(pong.payload, (at as u32).to_be_bytes());
    }
}

#[test]
fn cve_2022_35922_a_declared_length_allocates_nothing() {
    for len in [16 << 20, 1 << 32, (1_u64 << 62) - 1] {
        let mut endpoint = server();
        endpoint.set_limits(Limits::NONE);
        let header = [&[0x82, 0xff][..], &len.to_be_bytes(), &[0; 4], b"begun"].concat();
        let (_, peak) = held(|| {
            endpoint.receive(&header);
            assert_eq!(endpoint.step(), Ok(Step::Read));
            endpoint.park();
        });
        assert!(peak <= 4096, "{peak} B for {len}");
        // The stateless helpers too.
        let mut stream = crate::rig::Script::whole(&header);
        let (_, peak) = held(|| {
            let reader = wsutil::Reader::without_replies(&mut stream, Role::Server);
            let mut reader = reader.with_limits(Limits::NONE);
            let mut payload = vec![];
            reader.next_frame().unwrap();
            assert!(reader.read_message(&mut payload).is_err());
            assert_eq!(payload, b"begun");
        });
        assert!(peak <= 64 << 10, "{peak} B for {len}");
    }
}

#[test]
fn cve_2020_35896_what_we_send_to_a_peer_that_does_not_read_is_bounded() {
    let mut endpoint = server();
    let message = vec![1; 10_000];
    let mut sent = 0;
    while endpoint.sending().message(&message).is_ok() {
        sent += 1;
        assert!(sent < 1000, "what waits has no end");
    }
    assert!(endpoint.pending() <= (1 << 20) + message.len() + 14);
    // It is refused, not cut: all that was taken arrives.
    let frames = parse(&take(&mut endpoint), Role::Server);
    assert_eq!(frames.len(), sent);
    endpoint.sending().message(&message).unwrap();
}

#[test]
fn fr37_many_frames_in_one_read() {
    let mut endpoint = server();
    let mut bytes = vec![];
    for at in 0..100_000_u32 {
        Frame::binary(at.to_be_bytes()).encode_masked([1, 2, 3, 4], &mut bytes).unwrap();
    }
    endpoint.receive(&bytes);
    for at in 0..100_000_u32 {
        assert_eq!(endpoint.step(), Ok(Step::Message));
        assert_eq!(endpoint.message().0.as_bytes(), at.to_be_bytes());
    }
    assert_eq!(endpoint.step(), Ok(Step::Read));
}

#[test]
fn nothing_follows_the_close_that_fails_a_flooding_peer() {
    let mut endpoint = server();
    let pings = frame(Role::Server, true, Rsv::NONE, OpCode::Ping, b"p").repeat(70);
    endpoint.receive(&[&pings[..], b"\xff\xff"].concat());
    while let Ok(Step::Write) = endpoint.step() {}
    let frames = parse(&take(&mut endpoint), Role::Server);
    assert_eq!(frames.len(), 65);
    assert_eq!(frames.last().unwrap().opcode, OpCode::Close);
}

#[test]
fn what_has_come_of_a_message_may_wait_whatever_its_size() {
    // A large message first, so that there is a large buffer.
    for power in [512 << 10, 1 << 20] {
        for held in [power - 2100, power - 2048, power - 2047, power - 1, power, power + 1] {
            let mut endpoint = server();
            let mask = [1, 2, 3, 4];
            let mut wire = vec![];
            Frame::binary(vec![1; 5 << 20]).encode_masked(mask, &mut wire).unwrap();
            endpoint.receive(&wire);
            assert_eq!(endpoint.step(), Ok(Step::Message));
            let payload: Vec<u8> = (0..2 << 20).map(|at| at as u8).collect();
            wire.clear();
            Frame::binary(&payload).encode_masked(mask, &mut wire).unwrap();
            let (head, tail) = wire.split_at(held + 14);
            endpoint.receive(head);
            assert_eq!(endpoint.step(), Ok(Step::Read));
            endpoint.park();
            endpoint.receive(tail);
            assert_eq!(endpoint.step(), Ok(Step::Message));
            assert!(endpoint.message().0.as_bytes() == payload, "{held}");
        }
    }
}
