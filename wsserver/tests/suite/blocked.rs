//! Clients that take nothing for a while, in the middle of a frame.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use wscore::{CloseCode, Frame, OpCode, Role};
use wsserver::{ClientId, Config, End, Overload, To};
use wsutil::{OwnedMessage, Reader, Timeout};

use crate::{
    overload,
    service::{Call, Served, masked, quick, read_all, read_head, request, serve},
};

/// More than the system's buffers take.
const LARGE: usize = 12_000_000;

/// One who was sent a large frame and takes nothing.
fn stuck(served: &Served) -> (TcpStream, ClientId) {
    let stream = served.upgraded();
    let id = served.opened();
    served.handle().send(id, &[7; LARGE]).unwrap();
    (stream, id)
}

/// All that was sent so far has come to the loop.
fn settle(served: &Served) {
    let (mut other, id) = served.connect_known();
    served.handle().send(id, "settled").unwrap();
    assert_eq!(other.receive_owned().unwrap(), Some("settled".into()));
    other.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(served.closed().0, id);
}

/// What comes, until the stream ends or so many have come.
fn frames(stream: &mut TcpStream, count: usize) -> Vec<(OpCode, Vec<u8>)> {
    let mut reader = Reader::new(stream, Role::Client);
    let mut frames = vec![];
    while frames.len() < count {
        let Ok(Some(header)) = reader.next_frame() else { break };
        let mut payload = vec![];
        reader.read_to_end(&mut payload).unwrap();
        frames.push((header.opcode, payload));
    }
    frames
}

#[test]
fn s12_one_that_is_stuck_in_a_large_frame_is_gone_in_time_whatever_the_budget() {
    let served = serve(Config { max_total_queued: 100_000, ..quick() });
    let (mut good, _) = served.connect_known();
    let (_stuck, id) = stuck(&served);
    let mut echoes = 0;
    loop {
        good.send("still here").unwrap();
        assert_eq!(good.receive_owned().unwrap(), Some("still here".into()));
        echoes += 1;
        if let Ok(call) = served.calls.try_recv() {
            assert_eq!(call, Call::Close(id, End::Slow));
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(echoes > 1);
    // Nobody is kept out for it.
    served.connect_known();
}

#[test]
fn s12_what_may_be_dropped_goes_before_who_waits() {
    let config = Config {
        max_total_queued: 20 << 20,
        max_queued_bytes: 100 << 20,
        max_queued_messages: 100_000,
        ..Config::default()
    };
    let served = serve(config);
    let (mut slow, id) = stuck(&served);
    let handle = served.handle();
    handle.join(id, "prices").unwrap();
    for _ in 0..200 {
        let publish = handle.to(To::Room("prices")).overload(Overload::DropOldest);
        assert_eq!(publish.send(&[8; 100_000]), Ok(1));
    }
    settle(&served);
    assert!(handle.is_open(id));
    handle.send(id, "last").unwrap();
    let mut got = 0;
    loop {
        match frames(&mut slow, 1).pop() {
            Some((OpCode::Text, last)) => break assert_eq!(last, b"last"),
            Some((OpCode::Binary, payload)) => got += u64::from(payload.len() == 100_000),
            other => panic!("{:?}", other.map(|(opcode, _)| opcode)),
        }
    }
    assert_eq!(served.call(), Call::Drain(id, 200 - got));
    assert!(got < 190);
}

#[test]
fn s12_the_latest_of_each_room_is_kept() {
    let served = serve(Config::default());
    let (mut slow, id) = stuck(&served);
    let handle = served.handle();
    for room in ["eur", "usd"] {
        handle.join(id, room).unwrap();
    }
    for price in ["1", "2"] {
        for room in ["eur", "usd"] {
            let publish = handle.to(To::Room(room)).overload(Overload::KeepLatest(1));
            publish.send(&format!("{room} {price}")).unwrap();
        }
    }
    settle(&served);
    let got: Vec<_> = frames(&mut slow, 3).into_iter().skip(1).map(|(_, text)| text).collect();
    assert_eq!(got, [b"eur 2", b"usd 2"]);
    assert_eq!(served.call(), Call::Drain(id, 2));
}

#[test]
fn s12_a_close_that_waits_is_what_the_client_is_told() {
    let served = serve(quick());
    let (mut slow, id) = stuck(&served);
    let handle = served.handle();
    handle.send(id, "behind it").unwrap();
    handle.close(id, CloseCode(4000), "kicked").unwrap();
    // Nothing is behind a close frame, and nothing of it counts.
    for _ in 0..100 {
        handle.send(id, &[9; 100_000]).unwrap();
    }
    settle(&served);
    let frames = overload::frames(&read_all(&mut slow));
    let last: Vec<_> = frames.iter().skip(1).map(|(first, bytes)| (*first, &bytes[..])).collect();
    assert_eq!(last, [(0x81, &b"behind it"[..]), (0x88, b"\x0f\xa0kicked")]);
    assert_eq!(served.closed(), (id, End::TimedOut(Timeout::Close)));
    // One that never takes it is told nothing else.
    let (mut never, id) = stuck(&served);
    handle.close(id, CloseCode(4000), "kicked").unwrap();
    while served.handle().is_open(id) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut all = vec![];
    let _ = never.read_to_end(&mut all);
    assert!(!all.windows(13).any(|bytes| bytes == b"slow consumer"));
}

#[test]
fn s2_what_waits_for_one_that_ends_is_not_sent_nor_what_comes_then() {
    let served = serve(Config::default());
    let (stream, id) = stuck(&served);
    served.handle().send(id, "behind it").unwrap();
    settle(&served);
    // The service checks what it can still do.
    drop(stream);
    assert_eq!(served.closed(), (id, End::Disconnected));
}

#[test]
fn s13_pongs_that_came_while_a_call_took_long_are_seen() {
    // More than the loop takes at once.
    const CLIENTS: usize = 1500;
    let second = Duration::from_secs(1);
    let config = Config { ping_after: second, pong_timeout: second, ..Config::default() };
    let served = serve(config);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| served.upgraded()).collect();
    let mut sleeper = served.upgraded();
    for client in &mut clients {
        let mut ping = [0; 2];
        client.read_exact(&mut ping).unwrap();
        assert_eq!(ping, [0x89, 0]);
    }
    sleeper.write_all(&masked(&Frame::text("sleep 3000"))).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    for client in &mut clients {
        client.write_all(&masked(&Frame::pong("").unwrap())).unwrap();
    }
    // It is served when all that came in the meantime was looked at.
    sleeper.write_all(&masked(&Frame::text("awake"))).unwrap();
    let mut awake = [0; 7];
    while &awake != b"\x81\x05awake" {
        awake.rotate_left(1);
        sleeper.read_exact(&mut awake[6..]).unwrap();
    }
    let ends = served.calls.try_iter().filter(|call| matches!(call, Call::Close(..)));
    assert_eq!(ends.count(), 0);
}

#[test]
fn an_answer_is_lingered_over_for_no_longer_than_a_second() {
    let hour = Duration::from_secs(3600);
    let served =
        serve(Config { write_timeout: hour, handshake_timeout: hour, ..Config::default() });
    let mut stream = served.stream();
    stream.write_all(request("/?refused").as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 401 "));
    // The client does not close.
    served.until(|handle| handle.metrics().contains("wsserver_connections 0\n"));
}

#[test]
fn s6_who_leaves_and_joins_again_has_not_left() {
    let served = serve(Config::default());
    let (mut client, id) = served.connect_as("user=ann");
    client.send("join hall").unwrap();
    assert_eq!(client.receive_owned().unwrap(), Some(OwnedMessage::Text("Ok(true)".to_owned())));
    client.send("rejoin hall").unwrap();
    client.send("tell").unwrap();
    assert!(matches!(served.call(), Call::Message(..)));
    assert!(served.handle().has_joined(id, "hall"));
    // Both in one turn: it leaves, and ends.
    served.handle().leave(id, "hall");
    drop(client);
    assert_eq!(served.call(), Call::Leave(id, "hall".to_owned()));
    assert!(matches!(served.call(), Call::Close(..)));
}
