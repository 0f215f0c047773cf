//! Silence, panics, shutdown: one end for each connection.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use wscore::{CloseCode, Frame};
use wsserver::{Config, End, Report, To};
use wsutil::{Error, Timeout};

use crate::service::{Call, masked, quick, read_all, serve, serve_with};

#[test]
fn s11_a_panic_closes_its_connection_with_1011_and_no_other() {
    let served = serve(Config::default());
    let (mut good, _) = served.connect_known();
    for _ in 0..3 {
        let (mut bad, id) = served.connect_known();
        bad.feed("panic").unwrap();
        bad.feed("never handed out").unwrap();
        bad.flush().unwrap();
        assert_eq!(bad.receive_owned().unwrap(), None);
        assert_eq!(bad.close_status().unwrap().code, CloseCode::INTERNAL_ERROR);
        assert_eq!(served.closed(), (id, End::Panicked));
        good.send("still here").unwrap();
        assert_eq!(good.receive_owned().unwrap(), Some("still here".into()));
    }
}

#[test]
fn s13_who_does_not_answer_a_ping_is_dropped_and_who_does_is_not() {
    let config = Config {
        ping_after: Duration::from_millis(100),
        pong_timeout: Duration::from_secs(1),
        ..Config::default()
    };
    let served = serve(config);
    let mut silent = served.upgraded();
    let dropped = served.opened();
    let (mut good, _) = served.connect_known();
    // It answers pings while it waits for a message.
    let waits = std::thread::spawn(move || (good.receive_owned(), good));
    assert_eq!(served.closed(), (dropped, End::TimedOut(Timeout::Pong)));
    assert!(read_all(&mut silent).starts_with(b"\x89\x00"));
    // A while longer.
    let mut silent = served.upgraded();
    let dropped = served.opened();
    assert_eq!(served.closed(), (dropped, End::TimedOut(Timeout::Pong)));
    drop(read_all(&mut silent));
    assert_eq!(served.handle().to(To::All).send("news"), Ok(1));
    let (message, _good) = waits.join().unwrap();
    assert_eq!(message.unwrap(), Some("news".into()));
}

#[test]
fn s13_a_message_that_drips_is_failed() {
    let served = serve(quick());
    let mut stream = served.upgraded();
    let id = served.opened();
    let frame = masked(&Frame::binary([0; 4000]));
    let drips = {
        let mut stream = stream.try_clone().unwrap();
        std::thread::spawn(move || {
            // Each byte is a sign of life, and none makes the message whole in time.
            frame.iter().all(|byte| {
                std::thread::sleep(Duration::from_millis(5));
                stream.write_all(&[*byte]).is_ok()
            })
        })
    };
    assert_eq!(served.closed(), (id, End::TimedOut(Timeout::Message)));
    assert!(read_all(&mut stream).starts_with(b"\x88"));
    assert!(!drips.join().unwrap(), "it was waited for");
}

#[test]
fn s13_messages_that_overlap_reads_are_each_in_time() {
    let served = serve(Config { message_timeout: Duration::from_secs(2), ..Config::default() });
    let (mut stream, _) = (served.upgraded(), served.opened());
    let frame = masked(&Frame::text("hello"));
    let (beginning, end) = frame.split_at(4);
    let both = [end, beginning].concat();
    stream.write_all(beginning).unwrap();
    for _ in 0..30 {
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(&both).unwrap();
        let mut echo = [0; 7];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"\x81\x05hello");
    }
}

#[test]
fn s13_a_message_that_is_late_does_not_hide_that_nothing_is_taken() {
    let served = serve(quick());
    let mut stream = served.upgraded();
    let id = served.opened();
    stream.write_all(b"\x01\x80\0\0\0\0").unwrap();
    // Pings until their pongs have no room: it is not failed before, as bytes come.
    let pings = masked(&Frame::ping([7; 125]).unwrap()).repeat(1000);
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    while stream.write_all(&pings).is_ok() {}
    let (closed, end) = served.closed();
    assert_eq!(closed, id);
    assert!(matches!(end, End::TimedOut(_)), "{end:?}");
}

#[test]
fn s13_a_client_that_does_not_answer_a_close_frame_is_dropped() {
    let served = serve(quick());
    let mut stream = served.upgraded();
    let id = served.opened();
    served.handle().close(id, CloseCode::NORMAL, "").unwrap();
    assert_eq!(served.closed(), (id, End::TimedOut(Timeout::Close)));
    assert_eq!(read_all(&mut stream), b"\x88\x02\x03\xe8");
}

#[test]
fn s14_a_shutdown_closes_with_1001_and_reports() {
    // The one that answers nothing is aborted after the time for an answer, or for all.
    let config = Config {
        close_timeout: Duration::from_secs(2),
        shutdown_timeout: Duration::MAX,
        ..Config::default()
    };
    let served = serve_with(|builder| builder.threads(2).config(config));
    let (mut one, _) = served.connect_known();
    let (mut other, _) = served.connect_known();
    let _answers_nothing = served.upgraded();
    let aborted = served.opened();
    let lost = served.upgraded();
    served.opened();
    drop(lost);
    assert_eq!(served.closed().1, End::Disconnected);
    let _in_handshake = served.stream();
    let address = served.address;
    served.handle().shutdown();
    for client in [&mut one, &mut other] {
        assert!(client.receive_owned().unwrap().is_none());
        assert_eq!(client.close_status().unwrap().code, CloseCode::GOING_AWAY);
        assert!(matches!(served.closed().1, End::Closed(_)));
    }
    assert_eq!(served.call(), Call::Close(aborted, End::Aborted));
    let Report { closed, lost, aborted, .. } = served.stop();
    assert_eq!((closed, lost, aborted), (2, 1, 1));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_shutdown_of_a_server_without_connections_is_quick_and_can_be_asked_for_twice() {
    let served = serve(Config::default());
    served.handle().shutdown();
    served.handle().shutdown();
    assert_eq!(served.stop(), Report::default());
}

#[test]
fn one_end_for_each_that_was_opened() {
    let served = serve_with(|builder| builder.threads(2));
    let mut open = std::collections::HashSet::new();
    for round in 0..100 {
        let mut client = served.connect();
        match round % 5 {
            0 => drop(client),
            1 => client.close(CloseCode::NORMAL, "").unwrap(),
            2 => client.send("panic").unwrap(),
            3 => client.send("close").unwrap(),
            _ => {
                client.send("echo").unwrap();
                assert!(!matches!(client.receive(), Err(Error::Peer(_))));
            }
        }
    }
    let mut ends = 0;
    while ends < 100 {
        match served.call() {
            Call::Open(id) => assert!(open.insert(id)),
            Call::Close(id, _) => {
                assert!(open.remove(&id));
                ends += 1;
            }
            _ => {}
        }
    }
    assert!(open.is_empty());
    assert_eq!(served.handle().count(), 0);
}
