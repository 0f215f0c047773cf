//! Messages are echoed, in order, whatever way they come.

use std::io::{Read, Write};

use wscore::{CloseCode, Frame};
use wsserver::{Config, End};
use wsutil::{Error, MessageError, OwnedMessage};

use crate::service::{
    Call, HISTORY, Served, masked, read_all, read_head, request, serve, serve_with,
};

#[test]
fn messages_of_all_sizes_come_back_from_any_number_of_threads() {
    for threads in 1..=3 {
        let served = serve_with(|builder| builder.threads(threads));
        let mut clients: Vec<_> = (0..7).map(|_| served.connect()).collect();
        for size in [0, 1, 125, 126, 4096, 65_535, 65_536, 1 << 20] {
            for (number, client) in clients.iter_mut().enumerate() {
                let text: String = "aé中🦀".chars().cycle().skip(number).take(size / 4).collect();
                client.send(&text).unwrap();
                assert_eq!(client.receive_owned().unwrap(), Some(OwnedMessage::Text(text)));
                let bytes: Vec<_> = (0..size).map(|at| (at * 31 + number) as u8).collect();
                client.send(&bytes).unwrap();
                assert_eq!(client.receive_owned().unwrap(), Some(OwnedMessage::Binary(bytes)));
            }
        }
        assert_eq!(served.handle().count(), 7);
    }
}

#[test]
fn s11_messages_that_come_together_are_answered_in_order() {
    let served = serve(Config::default());
    let mut client = served.connect();
    for number in 0..5000 {
        client.feed(&number.to_string()).unwrap();
    }
    client.flush().unwrap();
    for number in 0..5000 {
        let message = client.receive_owned().unwrap();
        assert_eq!(message, Some(OwnedMessage::Text(number.to_string())));
    }
}

#[test]
fn s2_what_is_sent_at_once_comes_behind_the_answer() {
    let served = serve(Config::default());
    let mut client = wsutil::connect(&format!("ws://{}/?history", served.address)).unwrap();
    for byte in [7, 8] {
        assert_eq!(client.receive_owned().unwrap(), Some(vec![byte; HISTORY].into()));
    }
}

#[test]
fn s2_each_connection_has_its_own_session() {
    let served = serve(Config::default());
    let (mut one, mut other) = (served.connect(), served.connect());
    for _ in 0..3 {
        one.send("echo").unwrap();
        one.receive().unwrap();
    }
    for (client, count) in [(&mut one, "4"), (&mut other, "1")] {
        client.send("count").unwrap();
        assert_eq!(client.receive_owned().unwrap(), Some(count.into()));
    }
}

/// A conversation byte by byte, and cut at every place.
#[test]
fn bytes_may_be_cut_anywhere() {
    let frames = [
        masked(&Frame::text("one")),
        masked(&Frame::ping("p").unwrap()),
        masked(&Frame::new(wscore::OpCode::Text, false, "tw")),
        masked(&Frame::ping("").unwrap()),
        masked(&Frame::new(wscore::OpCode::Continuation, true, "o")),
        masked(&Frame::close(wscore::CloseBody::new(CloseCode::NORMAL, "bye").unwrap())),
    ]
    .concat();
    let said = [request("/").as_bytes(), &frames].concat();
    let wanted = b"\x81\x03one\x8a\x01p\x8a\x00\x81\x03two\x88\x02\x03\xe8";
    let served = serve(Config::default());
    let check = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut stream = served.stream();
        pieces.for_each(|piece| stream.write_all(piece).unwrap());
        read_head(&mut stream);
        assert_eq!(read_all(&mut stream), wanted);
        served.opened();
        let End::Closed(status) = served.closed().1 else { panic!("it was closed") };
        assert_eq!((status.code, &*status.reason), (CloseCode::NORMAL, "bye"));
    };
    check(&mut said.chunks(1));
    // Early data: all in one.
    check(&mut std::iter::once(&said[..]));
    for cut in (1..said.len()).step_by(3) {
        let (one, other) = said.split_at(cut);
        check(&mut [one, other].into_iter());
    }
}

/// Says this, reads to the end: what came, and how the connection ended.
fn ends(served: &Served, said: &[u8]) -> (Vec<u8>, End) {
    let mut stream = served.upgraded();
    served.opened();
    stream.write_all(said).unwrap();
    (read_all(&mut stream), served.closed().1)
}

#[test]
fn a_peer_that_breaks_a_rule_is_told_and_no_other() {
    let served = serve(Config::default());
    let mut good = served.connect();
    served.opened();
    for (said, told, end) in [
        (
            &b"\x81\x01a"[..],
            1002,
            End::Peer(MessageError::Protocol(wscore::ProtocolError::MaskMissing)),
        ),
        (&masked(&Frame::text([0xff])), 1007, End::Peer(MessageError::TextNotUtf8)),
        (
            &masked(&Frame::binary(vec![0; (1 << 20) + 1])),
            1009,
            End::Peer(MessageError::Protocol(wscore::ProtocolError::FrameTooLarge {
                len: (1 << 20) + 1,
                limit: 1 << 20,
            })),
        ),
    ] {
        let (got, ended) = ends(&served, said);
        assert_eq!(got[..1], [0x88]);
        assert_eq!(u16::from_be_bytes([got[2], got[3]]), told);
        assert_eq!(ended, end);
        good.send("still here").unwrap();
        assert_eq!(good.receive_owned().unwrap(), Some("still here".into()));
    }
}

#[test]
fn an_end_without_a_close_frame_is_told_as_such() {
    let served = serve(Config::default());
    for said in [&b""[..], b"\x81", b"\x81\x85\0\0\0\0He", &masked(&Frame::text("whole"))] {
        let mut stream = served.upgraded();
        served.opened();
        stream.write_all(said).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut got = vec![];
        stream.read_to_end(&mut got).unwrap();
        assert_eq!(got.is_empty(), said.len() < 10);
        assert_eq!(served.closed().1, End::Disconnected);
    }
}

#[test]
fn what_came_before_an_end_is_answered_and_the_end_is_seen() {
    let served = serve(Config::default());
    for count in [1, 31, 32, 33, 1000] {
        let frames = masked(&Frame::text("hello")).repeat(count);
        let said = [request("/").as_bytes(), &frames].concat();
        // The handshake and the end in one, and one after the other.
        for cut in [0, request("/").len(), said.len() - 1] {
            let mut stream = served.stream();
            stream.write_all(&said[..cut]).unwrap();
            if cut > 0 {
                served.opened();
            }
            stream.write_all(&said[cut..]).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            read_head(&mut stream);
            assert_eq!(read_all(&mut stream), b"\x81\x05hello".repeat(count));
            if cut == 0 {
                served.opened();
            }
            assert_eq!(served.closed().1, End::Disconnected);
        }
    }
}

#[test]
fn the_service_closes_a_connection() {
    let served = serve(Config::default());
    let (mut client, id) = served.connect_known();
    client.send("close").unwrap();
    assert_eq!(client.receive_owned().unwrap(), None);
    let (closed, End::Closed(status)) = served.closed() else { panic!("it was closed") };
    assert_eq!((closed, status.code), (id, CloseCode::NORMAL));
    assert!(matches!(client.send("late"), Err(Error::Send(_))));
}

#[test]
fn s2_pings_and_pongs_are_told_of_in_their_place() {
    let served = serve(Config::default());
    let (_plain, _) = served.connect_known();
    let mut stream = served.stream();
    stream.write_all(request("/?control").as_bytes()).unwrap();
    read_head(&mut stream);
    let id = served.opened();
    let mut bytes = masked(&Frame::ping("one").unwrap());
    bytes.extend(masked(&Frame::text("tell")));
    bytes.extend(masked(&Frame::pong([7; 125]).unwrap()));
    bytes.extend(masked(&Frame::ping("").unwrap()));
    stream.write_all(&bytes).unwrap();
    let ping = |payload: &[u8]| Call::Ping(id, payload.to_owned());
    assert_eq!(served.call(), ping(b"one"));
    assert_eq!(served.call(), Call::Message(id, "tell".into()));
    assert_eq!(served.call(), Call::Pong(id, vec![7; 125]));
    assert_eq!(served.call(), ping(b""));
    let mut pongs = [0; 7];
    stream.read_exact(&mut pongs).unwrap();
    assert_eq!(&pongs, b"\x8a\x03one\x8a\x00");
}
