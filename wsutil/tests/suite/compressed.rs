//! Messages that are compressed on the wire: what is sent, and that the peer understands it.

use std::{io::Write, net::TcpStream, thread};

use proptest::{prelude::*, test_runner::RngSeed};
use wscore::{CloseCode, Frame, Handshake, OpCode, Role, Rsv};
use wsflate::{Agreed, Config, Deflate, Direction, WindowBits};
use wsutil::{
    Connection, Endpoint, Kind, Message, OwnedMessage, Plain, Prepared, Reader, Step, Writer,
};

use crate::{
    cases::parse,
    halves::{over, tcp_pair},
    rig::{Script, block_on},
    sending::take,
};

fn direction(takeover: bool, bits: u8) -> Direction {
    Direction { takeover, window: WindowBits::new(bits).unwrap() }
}

/// The same for both directions.
fn both(takeover: bool, bits: u8) -> Agreed {
    Agreed { send: direction(takeover, bits), receive: direction(takeover, bits) }
}

fn end(role: Role, deflate: &Deflate, agreed: Agreed) -> Endpoint {
    let mut endpoint = Endpoint::new(role);
    endpoint.set_deflate(deflate, agreed);
    endpoint
}

/// What the other end makes of all that waits.
fn pass(from: &mut Endpoint, to: &mut Endpoint) -> Vec<OwnedMessage> {
    to.receive(&take(from));
    let mut messages = vec![];
    loop {
        match to.step().expect("it is understood") {
            Step::Message => messages.push(to.message().0.to_owned()),
            Step::Read => return messages,
            step => panic!("{step:?}"),
        }
    }
}

fn long(word: &str) -> String {
    word.repeat(40)
}

#[test]
fn df19_df24_what_is_sent_is_compressed_where_it_is_worth_it() {
    for role in [Role::Server, Role::Client] {
        let deflate = Deflate::default();
        let mut endpoint = end(role, &deflate, both(false, 15));
        let mut seed = 1u64;
        let noise: Vec<u8> = (0..100)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        for (message, is_compressed) in [
            (Message::Text(&long("again ")), true),
            (Message::Text("too small"), false),
            (Message::Text(""), false),
            // It would not be smaller.
            (Message::Binary(&noise), false),
        ] {
            endpoint.sending().message(message).unwrap();
            let [frame] = &parse(&take(&mut endpoint), role)[..] else { panic!("one frame") };
            assert_eq!(frame.rsv == Rsv::RSV1, is_compressed);
            assert_eq!(frame.payload.len() < message.as_bytes().len(), is_compressed);
            // Each message decodes by itself.
            let mut fresh = wsflate::Decompressor::new(&deflate, direction(false, 15));
            let out = wsflate::decompress_frame(frame, &mut fresh, 1000).unwrap();
            assert_eq!(&out.payload[..], message.as_bytes());
        }
        endpoint.sending().set_compression(false);
        endpoint.sending().message(&*long("again ")).unwrap();
        assert_eq!(parse(&take(&mut endpoint), role)[0].rsv, Rsv::NONE);
    }
}

#[test]
fn df11_the_bit_is_on_first_frames_only() {
    let deflate = Deflate::default();
    let mut endpoint = end(Role::Server, &deflate, both(true, 15));
    endpoint.set_fragment_size(Some(5));
    endpoint.sending().message(&*long("again ")).unwrap();
    endpoint.sending().ping(b"ping").unwrap();
    endpoint.set_fragment_size(None);
    endpoint.sending().piece(Kind::Text, false, b"one ").unwrap();
    endpoint.sending().ping(b"ping").unwrap();
    endpoint.sending().piece(Kind::Text, false, b"two ").unwrap();
    endpoint.sending().piece(Kind::Text, true, b"").unwrap();
    endpoint.sending().close(CloseCode::NORMAL, "").unwrap();
    let frames = parse(&take(&mut endpoint), Role::Server);
    for frame in &frames {
        assert_eq!(frame.rsv == Rsv::RSV1, frame.opcode == OpCode::Text, "{frame:?}");
    }
    assert_eq!(frames.iter().filter(|frame| frame.rsv == Rsv::RSV1).count(), 2);
    assert!(frames.len() > 7);
}

#[test]
fn a_piece_that_is_sent_can_be_read_at_once() {
    for takeover in [false, true] {
        let deflate = Deflate::default();
        let mut server = end(Role::Server, &deflate, both(takeover, 15));
        let mut client = end(Role::Client, &deflate, both(takeover, 15));
        for _ in 0..3 {
            for (piece, fin) in [("one ", false), ("", false), ("two ", false), ("three", true)] {
                server.sending().piece(Kind::Text, fin, piece.as_bytes()).unwrap();
                client.receive(&take(&mut server));
                if piece.is_empty() {
                    assert_eq!(client.step_piece(), Ok(Step::Read));
                    continue;
                }
                assert_eq!(client.step_piece(), Ok(Step::Piece));
                let (lent, _) = client.piece();
                assert_eq!((lent.payload, lent.last), (piece.as_bytes(), fin));
            }
        }
    }
}

#[test]
fn a_large_message_comes_in_pieces_of_bounded_size() {
    let deflate = Deflate::default();
    let mut server = end(Role::Server, &deflate, both(true, 15));
    let mut client = end(Role::Client, &deflate, both(true, 15));
    let zeros = vec![0; 10 << 20];
    server.sending().message(&zeros).unwrap();
    client.receive(&take(&mut server));
    let mut come = 0;
    loop {
        assert_eq!(client.step_piece(), Ok(Step::Piece));
        let (piece, _) = client.piece();
        assert!(piece.payload.len() <= 512 << 10);
        come += piece.payload.len();
        if piece.last {
            break;
        }
    }
    assert_eq!(come, zeros.len());
    // The rest of one that was begun in pieces is skipped, and counts for what follows.
    server.sending().message(&zeros).unwrap();
    server.sending().message(&*long("behind ")).unwrap();
    client.receive(&take(&mut server));
    assert_eq!(client.step_piece(), Ok(Step::Piece));
    assert_eq!(client.step(), Ok(Step::Message));
    assert_eq!(client.message().0, Message::Text(&long("behind ")));
}

#[test]
fn df22_one_prepared_message_for_mixed_peers() {
    let deflate = Deflate::new(Config::TAKEOVER);
    let news = Prepared::new(&*long("news ")).with_deflate(&deflate);
    let small = Prepared::new("small").with_deflate(&deflate);
    let plain = Prepared::new(&*long("plain ")).clone();
    for role in [Role::Server, Role::Client] {
        let other = if role == Role::Server { Role::Client } else { Role::Server };
        for agreed in
            [both(false, 15), both(true, 15), both(true, 9), both(false, 9), both(true, 8)]
        {
            let mut from = end(role, &deflate, agreed);
            let mut to = end(other, &deflate, agreed);
            for _ in 0..3 {
                let before = long("before ");
                from.sending().message(&*before).unwrap();
                from.sending().prepared(&news).unwrap();
                from.sending().message(&*long("news before ")).unwrap();
                from.sending().prepared(&small).unwrap();
                from.sending().prepared(&plain).unwrap();
                let said = pass(&mut from, &mut to);
                let expected: Vec<OwnedMessage> = vec![
                    before.into(),
                    long("news ").into(),
                    long("news before ").into(),
                    "small".into(),
                    long("plain ").into(),
                ];
                assert_eq!(said, expected, "{role:?} {agreed:?}");
            }
        }
        // Where it was not agreed on, as it is.
        let mut without = Endpoint::new(role);
        without.sending().prepared(&news).unwrap();
        let [Frame { rsv, payload, .. }] = &parse(&take(&mut without), role)[..] else { panic!() };
        assert_eq!((*rsv, &payload[..]), (Rsv::NONE, long("news ").as_bytes()));
    }
}

#[test]
fn df21_a_message_whose_future_is_dropped_is_sent_all_the_same() {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    let deflate = Deflate::new(Config::TAKEOVER);
    let agreed = both(true, 15);
    let script = Script { write_size: 7, write_blocks: true, ..Script::new([]) };
    let endpoint = end(Role::Server, &deflate, agreed);
    let mut connection =
        wsutil::tokio::Connection::from_parts(script, endpoint, Handshake::default());
    let messages = [long("first "), long("second "), long("third ")];
    for message in &messages {
        let mut sent = pin!(connection.send(&**message));
        // However far it came.
        let polled = sent.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending | Poll::Ready(Ok(()))));
    }
    block_on(connection.flush()).unwrap();
    let (stream, ..) = connection.into_parts();
    let mut client = end(Role::Client, &deflate, agreed);
    client.receive(&stream.written);
    for message in &messages {
        assert_eq!(client.step(), Ok(Step::Message));
        assert_eq!(client.message().0, Message::Text(message));
    }
}

#[test]
fn df1_connections_negotiate_and_echo() {
    use wscore::{Dialer, Upgrader};

    for (server_config, client_config) in [
        (Config::default(), Config::default()),
        (Config::TAKEOVER, Config::TAKEOVER),
        (Config::TAKEOVER, Config::default()),
        (Config { dedicated: true, ..Config::TAKEOVER }, Config { level: 9, ..Config::TAKEOVER }),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let serving = thread::spawn(move || {
            let deflate = Deflate::new(server_config);
            let mut stream = listener.accept().unwrap().0;
            let upgraded = Upgrader::new().negotiate(&deflate).upgrade(&mut stream).unwrap();
            let mut connection = Connection::server(stream, upgraded).with_deflate(&deflate);
            while let Some((message, mut reply)) = connection.receive().unwrap() {
                reply.send(message).unwrap();
            }
        });
        let deflate = Deflate::new(client_config);
        let (stream, handshake) = Dialer::new().negotiate(&deflate).dial(&url).unwrap();
        let mut connection = Connection::client(stream, handshake).with_deflate(&deflate);
        assert_eq!(connection.handshake().extensions().len(), 1);
        for size in [0, 10, 1000, 100_000] {
            let message: String = "echo ".chars().cycle().take(size).collect();
            connection.send(&*message).unwrap();
            assert_eq!(connection.receive_owned().unwrap(), Some((&*message).into()));
        }
        connection.close(CloseCode::NORMAL, "").unwrap();
        serving.join().unwrap();
    }
}

#[test]
fn senders_of_halves_compress_in_the_order_in_which_they_are_written() {
    let deflate = Deflate::new(Config::TAKEOVER);
    let news = Prepared::new(&*long("news ")).with_deflate(&deflate);
    for role in [Role::Server, Role::Client] {
        let other = if role == Role::Server { Role::Client } else { Role::Server };
        let (one, another) = tcp_pair();
        let connection =
            Connection::from_parts(one, end(role, &deflate, both(true, 12)), Handshake::default());
        let (receiver, sender, flusher) = connection.split(TcpStream::try_clone).unwrap();
        let flushing = thread::spawn(move || flusher.run());
        let senders: Vec<_> = (0..4)
            .map(|name| {
                let (sender, news) = (sender.clone(), news.clone());
                thread::spawn(move || {
                    for number in 0..200 {
                        sender.send(&*long(&format!("{name}:{number} "))).unwrap();
                        if number % 10 == 0 {
                            sender.send_prepared(&news).unwrap();
                        }
                    }
                })
            })
            .collect();
        let mut peer = Connection::from_parts(
            another,
            end(other, &deflate, both(true, 12)),
            Handshake::default(),
        );
        let mut next = [0; 4];
        for _ in 0..4 * (200 + 20) {
            let Some(OwnedMessage::Text(text)) = peer.receive_owned().unwrap() else { panic!() };
            if text == long("news ") {
                continue;
            }
            let (name, number) = text.split(' ').next().unwrap().split_once(':').unwrap();
            let name: usize = name.parse().unwrap();
            assert_eq!(text, long(&format!("{name}:{} ", next[name])));
            assert_eq!(number.parse(), Ok(next[name]));
            next[name] += 1;
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        drop(receiver);
        flushing.join().unwrap().unwrap();
    }
}

#[test]
fn a_compressed_message_without_with_deflate_fails() {
    let (one, another) = tcp_pair();
    let mut server = over(one, Role::Server);
    let deflate = Deflate::default();
    let mut client = Connection::from_parts(
        another,
        end(Role::Client, &deflate, both(false, 15)),
        Handshake::default(),
    );
    client.send(&*long("again ")).unwrap();
    let error = server.receive().unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::PROTOCOL_ERROR));
}

/// What is done with one message.
#[derive(Clone, Debug)]
enum How {
    Whole,
    Pieces(usize),
    Prepared,
    Plain,
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Whole),
        2 => (1..2000usize).prop_map(How::Pieces),
        1 => Just(How::Prepared),
        1 => Just(How::Plain),
    ]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (any::<u8>(), 1..3000usize).prop_map(|(byte, len)| vec![byte; len]),
        proptest::collection::vec(any::<u8>(), 0..300),
        "[a-d]{0,40}".prop_map(|text| text.repeat(20).into_bytes()),
        // Found again when most of it is not remembered any more.
        (4_000..20_000u32).prop_map(|len| {
            let noise: Vec<_> =
                (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
            noise.repeat(2)
        }),
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn endpoints_understand_each_other(
        all in proptest::collection::vec((message(), how()), 1..10), takeover in any::<bool>(),
        bits in 8..16u8, fragment in 1..3000usize, server in any::<bool>(),
    ) {
        let (role, other) = if server { (Role::Server, Role::Client) } else { (Role::Client, Role::Server) };
        let deflate = Deflate::new(Config { min_size: 10, ..Config::TAKEOVER });
        let agreed = both(takeover, bits);
        let (mut from, mut to) = (end(role, &deflate, agreed), end(other, &deflate, agreed));
        from.set_fragment_size(Some(fragment));
        for (message, how) in &all {
            let mut sending = from.sending();
            sending.set_compression(true);
            match how {
                How::Whole => sending.message(message).unwrap(),
                How::Plain => {
                    sending.set_compression(false);
                    sending.message(message).unwrap();
                }
                How::Prepared => {
                    sending.prepared(&Prepared::new(message).with_deflate(&deflate)).unwrap();
                }
                How::Pieces(size) => {
                    for piece in message.chunks(*size) {
                        sending.piece(Kind::Binary, false, piece).unwrap();
                    }
                    sending.piece(Kind::Binary, true, b"").unwrap();
                }
            }
            prop_assert_eq!(pass(&mut from, &mut to), vec![OwnedMessage::Binary(message.clone())]);
            from.park();
            to.park();
        }
    }

    #[test]
    fn what_a_writer_writes_a_reader_reads(
        all in proptest::collection::vec(message(), 1..8), takeover in any::<bool>(), bits in 8..16u8,
        fragment in prop_oneof![1..3000usize, Just(usize::MAX)], room in 1..5000usize, server in any::<bool>(),
    ) {
        let (role, other) = if server { (Role::Server, Role::Client) } else { (Role::Client, Role::Server) };
        let deflate = Deflate::new(Config { min_size: 10, ..Config::TAKEOVER });
        let agreed = both(takeover, bits);
        let mut stream = vec![];
        let mut writer = Writer::new(&mut stream, role, OpCode::Binary)
            .with_fragments(fragment)
            .with_deflate(&deflate, agreed);
        for message in &all {
            writer.begin(OpCode::Binary).unwrap();
            writer.write_all(message).unwrap();
            writer.flush().unwrap();
        }
        drop(writer);
        let mut reader = Reader::without_replies(&stream[..], other).with_deflate(&deflate, agreed);
        for (number, message) in all.iter().enumerate() {
            prop_assert!(reader.next_frame().unwrap().is_some());
            let mut payload = vec![];
            if number % 2 == 0 {
                reader.read_message(&mut payload).unwrap();
            } else {
                let mut place = vec![0; room];
                loop {
                    let len = std::io::Read::read(&mut reader, &mut place).unwrap();
                    payload.extend_from_slice(&place[..len]);
                    if len == 0 {
                        break;
                    }
                }
            }
            prop_assert_eq!(&payload, message);
        }
    }
}

#[test]
fn the_blocking_connection_echoes_what_it_inflates() {
    let deflate = Deflate::new(Config::TAKEOVER);
    let agreed = both(true, 15);
    let mut client = end(Role::Client, &deflate, agreed);
    let messages = [long("one "), "small".to_owned(), "large ".repeat(20_000)];
    for message in &messages {
        client.sending().message(&**message).unwrap();
    }
    let script = Script::new([crate::rig::Step::Bytes(take(&mut client))]);
    let endpoint = end(Role::Server, &deflate, agreed);
    let mut server = Connection::from_parts(Plain(script), endpoint, Handshake::default());
    for message in &messages {
        let (lent, mut reply) = server.receive().unwrap().unwrap();
        assert_eq!(lent, Message::Text(message));
        reply.send(lent).unwrap();
    }
    assert!(server.receive().is_err());
    client.receive(&server.into_parts().0.0.written);
    for message in &messages {
        assert_eq!(client.step(), Ok(Step::Message));
        assert_eq!(client.message().0, Message::Text(message));
    }
}

#[test]
fn df14_a_message_of_the_limit_in_flushed_fragments() {
    let deflate = Deflate::default();
    let mut seed = 1u64;
    let noise: Vec<u8> = (0..1000)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        })
        .collect();
    for (extra, is_ok) in [(0, true), (1, false)] {
        for size in [1, 4, 16, 64, 500] {
            let message = [&noise[..], &vec![0; extra]].concat();
            let mut from = end(Role::Server, &deflate, both(true, 15));
            let mut to = end(Role::Client, &deflate, both(true, 15));
            to.set_limits(wsutil::Limits { message: 1000, ..Default::default() });
            for piece in message.chunks(size) {
                from.sending().piece(Kind::Binary, false, piece).unwrap();
            }
            from.sending().piece(Kind::Binary, true, b"").unwrap();
            to.receive(&take(&mut from));
            let step = to.step();
            if is_ok {
                assert_eq!(step, Ok(Step::Message), "pieces of {size}");
                assert_eq!(to.message().0.as_bytes(), message);
            } else {
                assert_eq!(step, Err(wsutil::MessageError::TooLarge { limit: 1000 }));
            }
        }
    }
}

#[test]
fn a_message_that_has_come_is_not_late_while_it_is_decompressed() {
    use std::time::Duration;

    let deflate = Deflate::default();
    let mut from = end(Role::Client, &deflate, both(true, 15));
    let mut to = end(Role::Server, &deflate, both(true, 15));
    let deadlines = wsutil::Deadlines::default().message(Duration::from_secs(5));
    to.set_deadlines(deadlines, Duration::ZERO);
    from.sending().message(&vec![0; 8 << 20]).unwrap();
    to.receive(&take(&mut from));
    let mut come = 0;
    for second in 0.. {
        assert_eq!(to.step_piece(), Ok(Step::Piece));
        let (piece, _) = to.piece();
        come += piece.payload.len();
        if piece.last {
            break;
        }
        assert!(to.tick(Duration::from_secs(second)).is_ok(), "after {second} s");
    }
    assert_eq!(come, 8 << 20);
}

/// Its compressors flush so many times.
struct Fails(usize);

impl wsflate::Codec for Fails {
    fn compressor(&self, _: WindowBits) -> Box<dyn wsflate::Compress> {
        Box::new(FailsIn(self.0))
    }
}

struct FailsIn(usize);

impl wsflate::Compress for FailsIn {
    fn compress(&mut self, input: &[u8], room: &mut [u8], _: bool) -> wsflate::CodecStep {
        // A stored block, and an empty one, as long as it works.
        let len = u8::try_from(input.len()).unwrap();
        let block = [&[0, len, 0, !len, 0xff], input, &[0, 0, 0, 0xff, 0xff]].concat();
        let block = if self.0 == 0 { &block[..3] } else { &block[..] };
        self.0 = self.0.saturating_sub(1);
        room[..block.len()].copy_from_slice(block);
        wsflate::CodecStep { read: input.len(), written: block.len(), wants_room: false }
    }
    fn reset(&mut self) {}
    fn prime(&mut self, _: &[u8]) {}
}

#[test]
fn a_codec_that_fails_breaks_no_stream() {
    use wsutil::SendError::NotCompressed;

    let config = Config { min_size: 0, ..Config::default() };
    let good = Deflate::new(config);
    let agreed = both(false, 15);
    // Before anything of the message is sent: the ones behind it are not compressed.
    let mut from = end(Role::Server, &Deflate::with_codec(config, Fails(0)), agreed);
    let mut to = end(Role::Client, &good, agreed);
    assert_eq!(from.sending().message("lost"), Err(NotCompressed));
    from.sending().message("plain").unwrap();
    assert_eq!(pass(&mut from, &mut to), vec![OwnedMessage::from("plain")]);
    // Inside a message: nothing can follow but a close frame.
    let mut from = end(Role::Server, &Deflate::with_codec(config, Fails(1)), agreed);
    let mut to = end(Role::Client, &good, agreed);
    from.sending().piece(Kind::Text, false, b"begun").unwrap();
    for _ in 0..2 {
        assert_eq!(from.sending().piece(Kind::Text, true, b"more"), Err(NotCompressed));
    }
    from.sending().close(CloseCode::INTERNAL_ERROR, "").unwrap();
    to.receive(&take(&mut from));
    assert_eq!(to.step(), Ok(Step::Closed));

    let mut stream = vec![];
    let mut writer = Writer::new(&mut stream, Role::Server, OpCode::Text)
        .with_fragments(5)
        .with_deflate(&Deflate::with_codec(config, Fails(1)), agreed);
    writer.write_all(b"begun").unwrap();
    assert!(writer.write_all(b" more, and more").is_err());
    assert!(writer.write_all(b"again").is_err());
    assert!(writer.flush().is_err());
}

#[test]
fn a_sender_sends_what_is_not_to_be_compressed() {
    let deflate = Deflate::new(Config::TAKEOVER);
    let (one, another) = tcp_pair();
    let endpoint = end(Role::Server, &deflate, both(true, 15));
    let connection = Connection::from_parts(one, endpoint, Handshake::default());
    let (receiver, sender, flusher) = connection.split(TcpStream::try_clone).unwrap();
    sender.send_uncompressed(&*long("secret ")).unwrap();
    sender.send(&*long("open ")).unwrap();
    drop(receiver);
    flusher.run().unwrap();
    let mut written = vec![];
    std::io::Read::read_to_end(&mut { another }, &mut written).unwrap();
    let frames = parse(&written, Role::Server);
    assert_eq!(frames[0].payload, long("secret ").as_bytes());
    assert_eq!((frames[0].rsv, frames[1].rsv), (Rsv::NONE, Rsv::RSV1));
}
