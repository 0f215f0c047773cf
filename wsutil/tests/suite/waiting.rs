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
        for deadlines in [heartbeat().write(10 * SECOND), heartbeat()] {
            // While a future sends,
            let (server, client) = pair(1000);
            let mut server = server.with_deadlines(deadlines);
            let error = server.send(&vec![1; 100_000]).await.unwrap_err();
            assert!(matches!(error, Error::TimedOut(Timeout::Write)), "{error:?}");
            drop(client);
            // and while one receives.
            let (server, client) = pair(1000);
            let mut server = server.with_deadlines(deadlines);
            let _ = tokio::time::timeout(SECOND, server.send(&vec![1; 100_000])).await;
            let error = server.receive().await.unwrap_err();
            assert!(matches!(error, Error::TimedOut(Timeout::Write | Timeout::Pong)), "{error:?}");
            drop(client);
        }
    });
}

#[test]
fn deadlines_hold_for_one_message_and_one_standstill() {
    with_paused_clock(async {
        // Longer than each deadline, but never for one message, or without progress.
        let (server, mut client) = pair(100);
        let deadlines = heartbeat().message(10 * SECOND).write(10 * SECOND);
        let mut server = server.with_deadlines(deadlines);
        let echo = tokio::spawn(async move {
            while let Some((message, mut reply)) = server.receive().await.unwrap() {
                reply.send(message).await.unwrap();
            }
        });
        for _ in 0..60 {
            client.send_piece(wsutil::Kind::Text, false, b"half").await.unwrap();
            tokio::time::sleep(SECOND).await;
            client.send_piece(wsutil::Kind::Text, true, &[b'x'; 300]).await.unwrap();
            assert_eq!(client.receive_owned().await.unwrap().unwrap().as_bytes().len(), 304);
        }
        client.close(CloseCode::NORMAL, "").await.unwrap();
        echo.await.unwrap();
    });
}

#[test]
fn a_pong_that_waits_in_the_stream_counts() {
    with_paused_clock(async {
        let (server, mut client) = pair(1000);
        let mut server = server.with_deadlines(heartbeat());
        let ponging = tokio::spawn(async move { client.receive().await.map(|_| ()) });
        // The ping goes out, and then nobody looks for long.
        assert!(tokio::time::timeout(26 * SECOND, server.receive()).await.is_err());
        tokio::time::sleep(100 * SECOND).await;
        assert!(tokio::time::timeout(10 * SECOND, server.receive()).await.is_err());
        assert!(server.round_trip().is_some());
        ponging.abort();
    });
}

#[test]
fn a_close_ends_in_time_though_the_peer_never_stops() {
    // Pings, as many as are read.
    struct Flood(Vec<u8>);
    impl tokio::io::AsyncRead for Flood {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            room: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            let len = self.0.len().min(room.remaining());
            room.put_slice(&self.0[..len]);
            std::task::Poll::Ready(Ok(()))
        }
    }
    impl tokio::io::AsyncWrite for Flood {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            bytes: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::task::Poll::Ready(Ok(bytes.len()))
        }
        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
    }
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(async {
        let ping = frame(Role::Server, true, Rsv::NONE, OpCode::Ping, b"");
        let endpoint = Endpoint::new(Role::Server);
        let flood = Flood(ping.repeat(100));
        let server = wsutil::tokio::Connection::from_parts(flood, endpoint, Handshake::default());
        let mut server = server.with_close_timeout(Duration::from_millis(20));
        let error = server.close(CloseCode::NORMAL, "").await.unwrap_err();
        assert!(matches!(error, Error::TimedOut(Timeout::Close)));
    });
}

#[test]
fn fr24_a_close_by_reply_is_bounded_too() {
    with_paused_clock(async {
        let (mut server, mut client) = pair(1000);
        client.send("close me").await.unwrap();
        let (_, mut reply) = server.receive().await.unwrap().unwrap();
        reply.close(CloseCode::NORMAL, "").unwrap();
        let error = server.receive().await.unwrap_err();
        assert!(matches!(error, Error::TimedOut(Timeout::Close)));
    });
    let (one, another) = tcp_pair();
    let mut client = over(another, Role::Client);
    client.send("close me").unwrap();
    let mut server = over(one, Role::Server).with_close_timeout(Duration::from_millis(20));
    let (_, mut reply) = server.receive().unwrap().unwrap();
    reply.close(CloseCode::NORMAL, "").unwrap();
    assert!(matches!(server.receive(), Err(Error::TimedOut(Timeout::Close))));
}

#[test]
fn a_deadline_that_is_over_leaves_no_timeout_behind() {
    let (one, mut another) = tcp_pair();
    let deadlines = Deadlines::default().message(SECOND);
    let mut server = over(one, Role::Server).with_deadlines(deadlines).unwrap();
    let whole = frame(Role::Server, true, Rsv::NONE, OpCode::Binary, &[1; 100]);
    another.write_all(&whole[..50]).unwrap();
    let peer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(10));
        another.write_all(&whole[50..]).unwrap();
        thread::sleep(Duration::from_millis(1200));
        another.write_all(&whole).unwrap();
        another
    });
    assert!(server.receive().unwrap().is_some());
    assert!(server.receive().unwrap().is_some(), "an idle connection waits for ever");
    drop(peer.join().unwrap());
}

#[test]
fn stream_and_sink_in_two_tasks_wake_each_other() {
    use futures_core::Stream;
    use futures_sink::Sink;
    use std::{future::poll_fn, pin::Pin, sync::Arc};
    use tokio::sync::Mutex;

    with_paused_clock(async {
        let (server, mut client) = pair(1000);
        let server = Arc::new(Mutex::new(server));
        let sink = server.clone();
        let sending = tokio::spawn(async move {
            let large = wsutil::OwnedMessage::Binary(vec![1; 5000]);
            Pin::new(&mut *sink.lock().await).start_send(large).unwrap();
            // The lock is held for a poll at a time, as a split of `futures` does it.
            poll_fn(|cx| match sink.try_lock() {
                Ok(mut sink) => Pin::new(&mut *sink).poll_flush(cx),
                Err(_) => unreachable!("one thread"),
            })
            .await
            .unwrap();
        });
        let receiving = tokio::spawn(async move {
            poll_fn(|cx| match server.try_lock() {
                Ok(mut stream) => Pin::new(&mut *stream).poll_next(cx),
                Err(_) => unreachable!("one thread"),
            })
            .await
        });
        assert_eq!(client.receive_owned().await.unwrap().unwrap().as_bytes().len(), 5000);
        let sent = tokio::time::timeout(SECOND, sending).await;
        sent.expect("the sink is woken when all is written").unwrap();
        receiving.abort();
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

#[test]
fn a_blocking_echo_outlives_its_write_deadline() {
    let (one, another) = tcp_pair();
    let deadlines = Deadlines::default().write(Duration::from_millis(30));
    let mut server = over(one, Role::Server).with_deadlines(deadlines).unwrap();
    let echo = thread::spawn(move || {
        while let Some((message, mut reply)) = server.receive().unwrap() {
            reply.send(message).unwrap();
        }
    });
    let mut client = over(another, Role::Client);
    for _ in 0..20 {
        client.send("ping-pong").unwrap();
        assert!(client.receive().unwrap().is_some());
        thread::sleep(Duration::from_millis(5));
    }
    client.close(CloseCode::NORMAL, "").unwrap();
    echo.join().unwrap();
}

#[test]
fn a_sink_that_closes_ends_the_stream_in_another_task() {
    use futures_core::Stream;
    use futures_sink::Sink;
    use std::{cell::RefCell, future::poll_fn, pin::Pin, rc::Rc};

    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        for by_deadline in [false, true] {
            let (server, mut client) = pair(1000);
            let server = server.with_deadlines(Deadlines::default().write(5 * SECOND));
            let server = Rc::new(RefCell::new(server));
            let stream = server.clone();
            let receiving = tokio::task::spawn_local(poll_fn(move |cx| {
                Pin::new(&mut *stream.borrow_mut()).poll_next(cx)
            }));
            tokio::task::yield_now().await;
            if by_deadline {
                // The sink waits for a peer that takes nothing, and both learn of it.
                let large = wsutil::OwnedMessage::Binary(vec![1; 50_000]);
                Pin::new(&mut *server.borrow_mut()).start_send(large).unwrap();
                let flush = poll_fn(|cx| Pin::new(&mut *server.borrow_mut()).poll_flush(cx));
                assert!(flush.await.is_err());
            } else {
                let close = poll_fn(|cx| Pin::new(&mut *server.borrow_mut()).poll_close(cx));
                let (closed, received) = tokio::join!(close, client.receive());
                closed.unwrap();
                assert!(received.unwrap().is_none());
            }
            let ended = tokio::time::timeout(SECOND, receiving).await;
            let ended = ended.expect("the stream is woken when all is over").unwrap();
            assert!(matches!(ended, None | Some(Err(_))), "{ended:?}");
        }
    });
}
