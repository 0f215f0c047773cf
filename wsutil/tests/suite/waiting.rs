//! Deadlines, and how a connection ends on a real stream.

use std::{
    io::{Read, Write},
    net::Shutdown,
    thread,
    time::Duration,
};

use wscore::{CloseCode, Handshake, OpCode, ProtocolError, Role, Rsv};
use wsutil::{Deadlines, Endpoint, Error, MessageError, Timeout};

use crate::{
    cases::{frame, parse},
    halves::{over, tcp_pair},
};

const SECOND: Duration = Duration::from_secs(1);

/// Runs under a clock of its own, which goes on when all tasks wait.
fn with_paused_clock<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(future)
}

type Async = wsutil::tokio::Connection<tokio::io::DuplexStream>;

fn pair(buffer: usize) -> (Async, Async) {
    let (one, another) = tokio::io::duplex(buffer);
    let server = Async::from_parts(one, Endpoint::new(Role::Server), Handshake::default());
    let client = Async::from_parts(another, Endpoint::new(Role::Client), Handshake::default());
    (server, client)
}

fn heartbeat() -> Deadlines {
    Deadlines::heartbeat(25 * SECOND, 20 * SECOND)
}

#[test]
fn tr10_a_black_hole_is_found() {
    with_paused_clock(async {
        let (server, client) = pair(1000);
        let mut server = server.with_deadlines(heartbeat());
        let start = tokio::time::Instant::now();
        let error = server.receive().await.unwrap_err();
        assert!(matches!(error, Error::TimedOut(Timeout::Pong)));
        // The paused clock is exact but for the timer's millisecond.
        let took = start.elapsed();
        assert!(took >= 45 * SECOND && took < 46 * SECOND, "{took:?}");
        assert!(matches!(server.receive().await, Err(Error::TimedOut(Timeout::Pong))));
        drop(client);
    });
}

#[test]
fn tr10_a_black_hole_is_found_while_we_are_blocked_writing() {
    with_paused_clock(async {
        let (server, client) = pair(1000);
        let mut server = server.with_deadlines(heartbeat().write(10 * SECOND));
        let _ = tokio::time::timeout(SECOND, server.send(&vec![1; 100_000])).await;
        let error = server.receive().await.unwrap_err();
        assert!(matches!(error, Error::TimedOut(Timeout::Write)));
        drop(client);
    });
}

#[test]
fn a_peer_that_answers_pings_stays() {
    with_paused_clock(async {
        let (server, mut client) = pair(1000);
        let mut server = server.with_deadlines(heartbeat());
        let client = tokio::spawn(async move {
            let waited = tokio::time::timeout(3600 * SECOND, client.receive()).await;
            assert!(waited.is_err(), "nothing comes but pings");
            client.close(CloseCode::GOING_AWAY, "").await.unwrap();
        });
        assert!(server.receive().await.unwrap().is_none());
        assert!(server.round_trip().is_some());
        client.await.unwrap();
    });
}

#[test]
fn fr34_a_message_that_drips_is_failed() {
    with_paused_clock(async {
        let (one, mut another) = tokio::io::duplex(1000);
        let server = Async::from_parts(one, Endpoint::new(Role::Server), Handshake::default());
        let mut server = server.with_deadlines(heartbeat().message(60 * SECOND));
        let dripping = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let whole = frame(Role::Server, true, Rsv::NONE, OpCode::Binary, &[1; 1000]);
            for byte in whole {
                if another.write_all(&[byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(SECOND).await;
            }
            let mut written = vec![];
            another.read_to_end(&mut written).await.unwrap();
            written
        });
        let error = server.receive().await.unwrap_err();
        assert!(matches!(
            error,
            Error::Peer(MessageError::TooSlow) | Error::TimedOut(Timeout::Message)
        ));
        drop(server);
        let written = dripping.await.unwrap();
        let close = parse(&written, Role::Server).pop().unwrap();
        assert_eq!((close.opcode, &close.payload[..2]), (OpCode::Close, &b"\x03\xf0"[..]));
    });
}

#[test]
fn fr24_fr25_a_peer_that_does_not_close() {
    with_paused_clock(async {
        // Never answers our close.
        let (mut server, client) = pair(1000);
        let start = tokio::time::Instant::now();
        let error = server.close(CloseCode::NORMAL, "").await.unwrap_err();
        assert!(matches!(error, Error::TimedOut(Timeout::Close)));
        assert!(start.elapsed() >= 5 * SECOND && start.elapsed() < 6 * SECOND);
        drop(client);
        // Answers it, and keeps the stream open.
        let (mut server, mut client) = pair(1000);
        let start = tokio::time::Instant::now();
        let closing = tokio::spawn(async move { server.close(CloseCode::NORMAL, "").await });
        assert!(client.receive().await.unwrap().is_none());
        closing.await.unwrap().unwrap();
        assert!(start.elapsed() < 4 * SECOND);
    });
}

#[test]
fn tr7_a_close_that_is_dropped_is_sent_once_and_goes_on() {
    with_paused_clock(async {
        let (mut server, mut client) = pair(1000);
        for _ in 0..3 {
            let waited = tokio::time::timeout(SECOND, server.close(CloseCode(3000), "bye")).await;
            assert!(waited.is_err());
        }
        let client = tokio::spawn(async move {
            assert!(client.receive().await.unwrap().is_none());
            client.close_status().unwrap().code
        });
        server.close(CloseCode(3000), "bye").await.unwrap();
        assert_eq!(client.await.unwrap(), CloseCode(3000));
    });
}

#[test]
fn a_blocking_connection_keeps_its_deadlines_too() {
    let (one, another) = tcp_pair();
    let ten = Duration::from_millis(10);
    let mut server =
        over(one, Role::Server).with_deadlines(Deadlines::heartbeat(ten, ten)).unwrap();
    assert!(matches!(server.receive(), Err(Error::TimedOut(Timeout::Pong))));
    drop(another);

    let (one, mut another) = tcp_pair();
    let deadlines = Deadlines::default().message(ten);
    let mut server = over(one, Role::Server).with_deadlines(deadlines).unwrap();
    let begun = frame(Role::Server, true, Rsv::NONE, OpCode::Binary, &[1; 1000]);
    another.write_all(&begun[..10]).unwrap();
    let waiting = thread::spawn(move || server.receive().map(|_| ()));
    let mut written = vec![];
    another.read_to_end(&mut written).unwrap();
    drop(another);
    assert!(matches!(waiting.join().unwrap(), Err(Error::Peer(MessageError::TooSlow))));
    assert_eq!(parse(&written, Role::Server)[0].payload[..2], *b"\x03\xf0");
}

#[test]
fn a_blocking_peer_that_answers_pings_stays() {
    let (one, mut another) = tcp_pair();
    let deadlines = Deadlines::heartbeat(Duration::from_millis(5), 10 * SECOND);
    let mut server = over(one, Role::Server).with_deadlines(deadlines).unwrap();
    let client = thread::spawn(move || {
        for _ in 0..3 {
            let ping = wscore::read_frame(&mut another, 125).unwrap();
            let pong = frame(Role::Server, true, Rsv::NONE, OpCode::Pong, &ping.payload);
            another.write_all(&pong).unwrap();
        }
        wsutil::write_client_text(&mut another, "still here").unwrap();
    });
    assert!(server.receive().unwrap().is_some());
    client.join().unwrap();
    assert!(server.round_trip().is_some());
}

#[test]
fn fr26_a_close_reaches_a_peer_whose_bytes_are_unread() {
    for _ in 0..20 {
        let (one, mut another) = tcp_pair();
        let mut wire = b"\xff\xff".to_vec();
        wire.resize(50_000, 0);
        another.write_all(&wire).unwrap();
        let server = thread::spawn(move || over(one, Role::Server).receive().map(|_| ()));
        let mut written = vec![];
        another.read_to_end(&mut written).unwrap();
        let close = parse(&written, Role::Server).pop().unwrap();
        assert_eq!((close.opcode, &close.payload[..2]), (OpCode::Close, &b"\x03\xea"[..]));
        another.shutdown(Shutdown::Both).unwrap();
        drop(another);
        let error = server.join().unwrap().unwrap_err();
        let reserved = ProtocolError::OpCodeReserved(OpCode::Reserved15);
        assert!(matches!(error, Error::Peer(MessageError::Protocol(error)) if error == reserved));
    }
}

#[test]
fn fr14_the_closing_handshake_over_a_real_stream() {
    for (code, reason) in [(CloseCode::NORMAL, ""), (CloseCode(4999), "wörds")] {
        let (one, another) = tcp_pair();
        let client = thread::spawn(move || {
            let mut client = over(another, Role::Client);
            client.close(code, reason).unwrap();
            client.close_status().cloned().unwrap()
        });
        let mut server = over(one, Role::Server);
        assert!(server.receive().unwrap().is_none());
        let status = server.close_status().unwrap();
        assert_eq!((status.code, &*status.reason), (code, reason));
        // RFC 6455 §5.5.1: the answer has the same code.
        let status = client.join().unwrap();
        assert_eq!((status.code, &*status.reason), (code, ""));
    }
}
