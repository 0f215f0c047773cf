//! Streams that take a byte at a time, block, fail and are interrupted; futures that are dropped.

use std::{
    io,
    pin::pin,
    task::{Context, Poll, Waker},
};

use wscore::{Handshake, OpCode, Role, Rsv};
use wsutil::{Connection, Endpoint, Error, Kind, OwnedMessage, Plain};

use crate::{
    cases::{frame, parse},
    rig::{Script, Step, block_on},
};

/// What a client sends in these tests: small and large messages, fragments, pings, a close.
fn wire() -> Vec<u8> {
    let put = |fin, opcode, payload: &[u8]| frame(Role::Server, fin, Rsv::NONE, opcode, payload);
    [
        put(true, OpCode::Text, b"hello"),
        put(true, OpCode::Ping, b"ping"),
        put(true, OpCode::Binary, &[7; 9000]),
        put(false, OpCode::Text, "wör".as_bytes()),
        put(true, OpCode::Ping, b"inside"),
        put(true, OpCode::Continuation, b"ld"),
        put(true, OpCode::Close, b"\x03\xe8"),
    ]
    .concat()
}

/// What an echo writes then.
fn check_written(written: &[u8]) {
    let frames = parse(written, Role::Server);
    let expected: [(OpCode, &[u8]); 6] = [
        (OpCode::Text, b"hello"),
        (OpCode::Pong, b"ping"),
        (OpCode::Binary, &[7; 9000]),
        (OpCode::Pong, b"inside"),
        (OpCode::Text, "wörld".as_bytes()),
        (OpCode::Close, b"\x03\xe8"),
    ];
    let seen: Vec<_> = frames.iter().map(|frame| (frame.opcode, &frame.payload[..])).collect();
    assert_eq!(seen, expected);
}

type Blocking = Connection<Plain<Script>>;
type Async = wsutil::tokio::Connection<Script>;

fn blocking(script: Script) -> Blocking {
    Connection::from_parts(Plain(script), Endpoint::new(Role::Server), Handshake::default())
}

fn asynchronous(script: Script) -> Async {
    Async::from_parts(script, Endpoint::new(Role::Server), Handshake::default())
}

/// Echoes, however often the stream would block.
fn echo(connection: &mut Blocking) -> Result<(), Error> {
    loop {
        match connection.receive() {
            Ok(Some((message, mut reply))) => match reply.send(message) {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => result?,
            },
            Ok(None) => return Ok(()),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn echo_async(connection: &mut Async) -> Result<(), Error> {
    while let Some((message, mut reply)) = connection.receive().await? {
        reply.send(message).await?;
    }
    Ok(())
}

/// A runtime with a timer, for futures that are polled by hand.
fn with_timer<T>(work: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _guard = runtime.enter();
    work()
}

#[test]
fn tr1_writes_of_any_size_and_blocks_before_each() {
    for read_size in [1, 7, 100_000] {
        for write_size in [1, 3, 4096, usize::MAX] {
            for blocks in [false, true] {
                let mut script = Script::pieces(&wire(), read_size);
                script.write_size = write_size;
                script.write_blocks = blocks;
                let mut connection = blocking(script.clone());
                echo(&mut connection).unwrap();
                while let Err(Error::Io(_)) = connection.flush() {}
                check_written(&connection.into_parts().0.0.written);
                with_timer(|| {
                    let mut connection = asynchronous(script);
                    block_on(echo_async(&mut connection)).unwrap();
                    check_written(&connection.into_parts().0.written);
                });
            }
        }
    }
}

#[test]
fn tr1_a_stream_that_takes_nothing_is_an_error_and_no_loop() {
    let wire = wire();
    // Without the close: a peer that has closed may be gone, which is no error.
    let mut script = Script::whole(&wire[..wire.len() - 8]);
    script.write_size = 0;
    let error = echo(&mut blocking(script.clone())).unwrap_err();
    assert!(matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WriteZero));
    with_timer(|| {
        let error = block_on(echo_async(&mut asynchronous(script))).unwrap_err();
        assert!(matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WriteZero));
    });
}

#[test]
fn tr2_interrupted_and_blocked_reads_lose_nothing() {
    for kind in [io::ErrorKind::Interrupted, io::ErrorKind::WouldBlock] {
        let script = Script::pieces(&wire(), 5).failing(kind);
        let mut connection = blocking(script.clone());
        echo(&mut connection).unwrap();
        check_written(&connection.into_parts().0.0.written);
        if kind == io::ErrorKind::WouldBlock {
            with_timer(|| {
                let mut connection = asynchronous(script);
                block_on(echo_async(&mut connection)).unwrap();
                check_written(&connection.into_parts().0.written);
            });
        }
    }
}

#[test]
fn tr6_the_nth_read_or_write_fails() {
    let whole = Script::pieces(&wire(), 500);
    let reads = whole.steps.len();
    for fails_at in 0..reads {
        let mut script = whole.clone();
        script.steps.insert(fails_at, Step::Fail(io::ErrorKind::ConnectionReset));
        let mut connection = blocking(script.clone());
        check_reset(&echo(&mut connection).unwrap_err());
        check_reset(&connection.receive().unwrap_err());
        assert!(connection.send("late").is_err());
        with_timer(|| {
            let mut connection = asynchronous(script);
            check_reset(&block_on(echo_async(&mut connection)).unwrap_err());
            check_reset(&block_on(connection.receive()).unwrap_err());
            assert!(block_on(connection.send("late")).is_err());
        });
    }
    for fails_behind in 0..6 {
        let mut script = whole.clone();
        script.write_size = 2000;
        script.write_fails_behind = fails_behind;
        let mut connection = blocking(script.clone());
        // The last write is the answer to the close: the peer may be gone then.
        if echo(&mut connection).is_err() {
            assert!(connection.receive().is_err(), "errors are sticky");
        }
        assert!(
            connection.get_ref().0.writes <= fails_behind,
            "nothing is written behind a failure"
        );
        with_timer(|| {
            let mut connection = asynchronous(script);
            if block_on(echo_async(&mut connection)).is_err() {
                assert!(block_on(connection.receive()).is_err(), "errors are sticky");
            }
        });
    }
}

fn check_reset(error: &Error) {
    let Error::Io(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn tr7_every_future_is_dropped_wherever_it_waits() {
    with_timer(|| {
        for read_size in [1, 10, 5000] {
            let mut script = Script::pieces(&wire(), read_size).failing(io::ErrorKind::WouldBlock);
            script.write_size = 700;
            script.write_blocks = true;
            let mut connection = asynchronous(script);
            loop {
                match poll_once(connection.receive()) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(None)) => break,
                    Poll::Ready(Ok(Some((message, mut reply)))) => {
                        // Sent whole, though nobody waits for it.
                        let _ = poll_once(reply.send(message));
                    }
                    Poll::Ready(Err(error)) => panic!("{error:?}"),
                }
            }
            check_written(&connection.into_parts().0.written);
        }
    });
}

#[test]
fn tr7_a_large_message_is_sent_whole_though_its_future_is_dropped() {
    with_timer(|| {
        let large = vec![9; 300_000];
        for role in [Role::Server, Role::Client] {
            let mut script = Script::new([]);
            script.write_size = 1000;
            script.write_blocks = true;
            let endpoint = Endpoint::new(role);
            let mut connection = Async::from_parts(script, endpoint, Handshake::default());
            assert!(poll_once(connection.send(&large)).is_pending());
            assert!(poll_once(connection.ping(b"behind")).is_pending());
            assert!(poll_once(connection.send("last")).is_pending());
            block_on(connection.flush()).unwrap();
            let frames = parse(&connection.get_ref().written, role);
            let opcodes: Vec<_> = frames.iter().map(|frame| frame.opcode).collect();
            assert_eq!(opcodes, [OpCode::Binary, OpCode::Ping, OpCode::Text]);
            assert_eq!(frames[0].payload, large);
        }
    });
}

#[test]
fn a_large_message_that_would_block_is_sent_whole_later() {
    let large = vec![9; 300_000];
    let mut script = Script::new([]);
    script.write_size = 1000;
    script.write_blocks = true;
    let mut connection = blocking(script);
    assert!(matches!(connection.send(&large), Err(Error::Io(_))));
    while connection.flush().is_err() {}
    assert_eq!(parse(&connection.get_ref().0.written, Role::Server)[0].payload, large);
}

#[test]
fn replies_to_one_read_leave_in_one_write() {
    let message = frame(Role::Server, true, Rsv::NONE, OpCode::Binary, &[1; 100]);
    let script = Script::whole(&message.repeat(50));
    let mut connection = blocking(script.clone());
    assert!(matches!(echo(&mut connection), Err(Error::Disconnected { .. })));
    assert_eq!(connection.get_ref().0.writes, 1);
    with_timer(|| {
        let mut connection = asynchronous(script);
        assert!(block_on(echo_async(&mut connection)).is_err());
        assert_eq!(connection.get_ref().writes, 1);
    });
}

#[test]
fn pieces_are_echoed_as_they_come() {
    let wire = wire();
    let mut connection = blocking(Script::pieces(&wire, 100));
    while let Some((piece, mut reply)) = connection.receive_piece().unwrap() {
        reply.send_piece(piece.kind, piece.last, piece.payload).unwrap();
    }
    let frames = parse(&connection.get_ref().0.written, Role::Server);
    let data = frames.iter().filter(|frame| frame.opcode.is_data());
    let bytes: Vec<u8> = data.flat_map(|frame| frame.payload.clone()).collect();
    assert_eq!(bytes, [b"hello", &[7; 9000][..], "wörld".as_bytes()].concat());
}

#[test]
fn stream_and_sink_of_owned_messages() {
    use futures_core::{FusedStream, Stream};
    use futures_sink::Sink;
    use std::{future::poll_fn, pin::Pin};

    with_timer(|| {
        block_on(async {
            let mut connection = asynchronous(Script::pieces(&wire(), 11));
            let mut messages: Vec<OwnedMessage> = vec![];
            while let Some(message) = poll_fn(|cx| Pin::new(&mut connection).poll_next(cx)).await {
                let message = message.unwrap();
                messages.push(message.clone());
                poll_fn(|cx| Pin::new(&mut connection).poll_ready(cx)).await.unwrap();
                Pin::new(&mut connection).start_send(message).unwrap();
            }
            assert!(connection.is_terminated());
            assert_eq!(messages.len(), 3);
            assert_eq!(messages[2].kind(), Kind::Text);
            check_written(&connection.into_parts().0.written);

            // An error comes once, and then the end.
            let mut connection = asynchronous(Script::whole(b"\xff\xff"));
            let first = poll_fn(|cx| Pin::new(&mut connection).poll_next(cx)).await;
            assert!(matches!(first, Some(Err(Error::Peer(_)))));
            assert!(poll_fn(|cx| Pin::new(&mut connection).poll_next(cx)).await.is_none());
        });
    });
}

#[test]
fn fr35_every_ping_of_a_burst_is_answered_by_the_drivers() {
    let pings = frame(Role::Server, true, Rsv::NONE, OpCode::Ping, b"p").repeat(1000);
    let mut connection = blocking(Script::whole(&pings));
    assert!(echo(&mut connection).is_err());
    assert_eq!(parse(&connection.get_ref().0.written, Role::Server).len(), 1000);
    with_timer(|| {
        let mut connection = asynchronous(Script::whole(&pings));
        assert!(block_on(echo_async(&mut connection)).is_err());
        assert_eq!(parse(&connection.get_ref().written, Role::Server).len(), 1000);
    });
}

/// A stream that holds back what is written to it until it is flushed.
#[derive(Debug, Default)]
struct Holding {
    held: Vec<u8>,
    out: Vec<u8>,
}

impl io::Read for Holding {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl io::Write for Holding {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.append(&mut self.held);
        Ok(())
    }
}

#[test]
fn a_stream_that_holds_back_is_flushed_whatever_the_size() {
    for size in [1, 5000, 20_000, 300_000] {
        let stream = Plain(Holding::default());
        let endpoint = Endpoint::new(Role::Server);
        let mut connection = Connection::from_parts(stream, endpoint, Handshake::default());
        connection.send(&vec![1; size]).unwrap();
        let written = &connection.get_ref().0.out;
        assert_eq!(parse(written, Role::Server)[0].payload.len(), size);
    }
}

#[test]
fn a_reader_whose_reply_is_cut_sends_nothing_more() {
    let pings = frame(Role::Server, true, Rsv::NONE, OpCode::Ping, b"a long ping").repeat(2);
    let mut script = Script::whole(&pings);
    script.write_size = 3;
    script.write_blocks = true;
    let mut reader = wsutil::Reader::new(&mut script, Role::Server);
    assert!(matches!(reader.next_frame(), Err(Error::TimedOut(_))));
    assert!(matches!(reader.next_frame(), Err(Error::TimedOut(_))), "it is sticky");
    assert!(script.written.len() < 13);
}

#[test]
fn control_frames_are_shown_before_they_are_answered() {
    use std::sync::{Arc, Mutex};
    use wsutil::Control;

    let seen = Arc::new(Mutex::new(vec![]));
    let shared = seen.clone();
    let mut connection = blocking(Script::pieces(&wire(), 100)).on_control(move |control| {
        let mut seen = shared.lock().unwrap();
        match control {
            Control::Ping(payload) => seen.push(String::from_utf8(payload.to_vec()).unwrap()),
            Control::Pong(_) => seen.push("pong".into()),
            Control::Close(reason) => seen.push(reason.unwrap().code.to_string()),
        }
    });
    echo(&mut connection).unwrap();
    assert_eq!(*seen.lock().unwrap(), ["ping", "inside", "1000 (normal closure)"]);
    check_written(&connection.into_parts().0.0.written);
}

#[test]
fn messages_are_cut_into_fragments_of_the_size_that_is_wanted() {
    let large = vec![9; 100_000];
    let mut connection = blocking(Script::new([])).with_fragments(30_000);
    connection.send(&large).unwrap();
    connection.send("small").unwrap();
    let frames = parse(&connection.get_ref().0.written, Role::Server);
    let seen: Vec<_> = frames.iter().map(|f| (f.opcode, f.fin, f.payload.len())).collect();
    let expected = [
        (OpCode::Binary, false, 30_000),
        (OpCode::Continuation, false, 30_000),
        (OpCode::Continuation, false, 30_000),
        (OpCode::Continuation, true, 10_000),
        (OpCode::Text, true, 5),
    ];
    assert_eq!(seen, expected);
}
