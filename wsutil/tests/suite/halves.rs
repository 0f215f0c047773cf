//! Connections in halves: many senders, one receiver, one that writes.

use std::{
    collections::HashMap,
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use wscore::{CloseCode, Handshake, OpCode, Role, Rsv};
use wsutil::{Connection, Endpoint, Error, SendError, Timeout};

use crate::cases::{frame, parse};

/// Both ends of a connection over loopback.
pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, client)
}

pub(crate) fn over(stream: TcpStream, role: Role) -> Connection<TcpStream> {
    Connection::from_parts(stream, Endpoint::new(role), Handshake::default())
}

const SENDERS: u32 = 4;
const EACH: u32 = 500;

/// Counts up for each sender: nothing is lost, and each one's order is kept.
#[derive(Default)]
struct Tally(HashMap<u32, u32>);

impl Tally {
    fn note(&mut self, message: &[u8]) {
        let (sender, rest) = message.split_first_chunk::<4>().unwrap();
        let (number, padding) = rest.split_first_chunk::<4>().unwrap();
        let next = self.0.entry(u32::from_be_bytes(*sender)).or_default();
        assert_eq!(u32::from_be_bytes(*number), *next, "the order of a sender is kept");
        assert!(padding.iter().all(|byte| *byte == 7));
        *next += 1;
    }
    fn check(&self) {
        assert_eq!(self.0.len(), SENDERS as usize);
        assert!(self.0.values().all(|count| *count == EACH));
    }
}

fn numbered(sender: u32, number: u32) -> Vec<u8> {
    let padding = vec![7; (number as usize * 37) % 3000];
    [&sender.to_be_bytes()[..], &number.to_be_bytes(), &padding].concat()
}

#[test]
fn many_threads_send_and_control_frames_pass() {
    for role in [Role::Server, Role::Client] {
        let (one, another) = tcp_pair();
        let other = if role == Role::Server { Role::Client } else { Role::Server };
        let peer = thread::spawn(move || {
            let mut peer = over(another, other);
            let mut tally = Tally::default();
            peer.ping(b"hello?").unwrap();
            while let Some((message, mut reply)) = peer.receive().unwrap() {
                tally.note(message.as_bytes());
                reply.ping(b"still there?").unwrap();
            }
            tally.check();
            peer.close_status().unwrap().code
        });
        let (mut receiver, sender, flusher) = over(one, role).split(TcpStream::try_clone).unwrap();
        let flusher = thread::spawn(move || flusher.run());
        let senders: Vec<_> = (0..SENDERS)
            .map(|name| {
                let sender = sender.clone();
                thread::spawn(move || {
                    for number in 0..EACH {
                        sender.send(&numbered(name, number)).unwrap();
                    }
                })
            })
            .collect();
        let receiving = thread::spawn(move || {
            assert!(receiver.receive().unwrap().is_none());
            receiver.close_status().unwrap().code
        });
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        sender.close(CloseCode(3000), "done").unwrap();
        assert_eq!(sender.send("late"), Err(SendError::Closed));
        assert_eq!(peer.join().unwrap(), CloseCode(3000));
        assert_eq!(receiving.join().unwrap(), CloseCode(3000));
        flusher.join().unwrap().unwrap();
        assert!(sender.is_closed());
    }
}

#[test]
fn many_tasks_send_and_control_frames_pass() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (one, another) = tokio::io::duplex(10_000);
        let peer = tokio::spawn(async move {
            let endpoint = Endpoint::new(Role::Client);
            let mut peer =
                wsutil::tokio::Connection::from_parts(another, endpoint, Handshake::default());
            let mut tally = Tally::default();
            while let Some((message, mut reply)) = peer.receive().await.unwrap() {
                tally.note(message.as_bytes());
                reply.ping(b"still there?").unwrap();
            }
            tally.check();
        });
        let endpoint = Endpoint::new(Role::Server);
        let connection = wsutil::tokio::Connection::from_parts(one, endpoint, Handshake::default());
        let (mut receiver, sender, flusher) = connection.split(tokio::io::split).await.unwrap();
        sender.set_limit(20_000);
        let flusher = tokio::spawn(flusher.run());
        let receiving = tokio::spawn(async move { receiver.receive().await.unwrap().is_none() });
        let senders: Vec<_> = (0..SENDERS)
            .map(|name| {
                let sender = sender.clone();
                tokio::spawn(async move {
                    for number in 0..EACH {
                        sender.send(&numbered(name, number)).await.unwrap();
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.await.unwrap();
        }
        sender.close(CloseCode::NORMAL, "").unwrap();
        peer.await.unwrap();
        assert!(receiving.await.unwrap());
        flusher.await.unwrap().unwrap();
    });
}

#[test]
fn tr9_a_peer_that_does_not_read_fills_the_queue_and_no_more() {
    let (one, another) = tcp_pair();
    let (_receiver, sender, flusher) = over(one, Role::Server).split(TcpStream::try_clone).unwrap();
    let flusher = thread::spawn(move || flusher.run());
    let message = vec![1; 100_000];
    // What the sockets hold comes on top.
    let full = (0..10_000).find_map(|_| sender.try_send(&message).err());
    assert!(matches!(full, Some(SendError::Full { pending }) if pending <= (1 << 20) + 100_010));
    assert!(sender.pending() >= 1 << 20);
    drop(another);
    assert!(flusher.join().unwrap().is_err());
    assert_eq!(sender.send("late"), Err(SendError::Closed));
}

#[test]
fn fr24_a_peer_that_never_answers_our_close() {
    let (one, another) = tcp_pair();
    let connection = over(one, Role::Server).with_close_timeout(Duration::from_millis(50));
    let (mut receiver, sender, flusher) = connection.split(TcpStream::try_clone).unwrap();
    let flusher = thread::spawn(move || flusher.run());
    sender.close(CloseCode::NORMAL, "").unwrap();
    assert!(receiver.receive().unwrap_err().close_code().is_some());
    assert_eq!(flusher.join().unwrap().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    drop(another);

    let (one, another) = tcp_pair();
    let mut connection = over(one, Role::Server).with_close_timeout(Duration::from_millis(50));
    let error = connection.close(CloseCode::NORMAL, "").unwrap_err();
    assert!(matches!(error, Error::TimedOut(Timeout::Close)));
    assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));
    drop(another);
}

/// A ping, as a client sends it.
fn ping() -> Vec<u8> {
    frame(Role::Server, true, Rsv::NONE, OpCode::Ping, b"still here")
}

#[test]
fn fr24_a_peer_that_pings_instead_of_answering_our_close() {
    use std::io::{Read, Write};

    let (one, mut another) = tcp_pair();
    let connection = over(one, Role::Server).with_close_timeout(Duration::from_millis(100));
    let (mut receiver, sender, flusher) = connection.split(TcpStream::try_clone).unwrap();
    let flusher = thread::spawn(move || flusher.run());
    let receiving = thread::spawn(move || receiver.receive().map(|_| ()).is_err());
    sender.close(CloseCode::NORMAL, "").unwrap();
    let mut pongs = another.try_clone().unwrap();
    let reading =
        thread::spawn(move || while pongs.read(&mut [0; 1024]).is_ok_and(|len| len > 0) {});
    // Until it is hung up on.
    let mut pings = 0;
    while pings < 2000 && another.write_all(&ping()).is_ok() {
        pings += 1;
        thread::sleep(Duration::from_millis(5));
    }
    drop(another);
    assert_eq!(flusher.join().unwrap().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert!(receiving.join().unwrap());
    reading.join().unwrap();
}

#[test]
fn fr24_a_peer_that_pings_instead_of_answering_our_close_to_tasks() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(async {
        let (one, another) = tokio::io::duplex(1000);
        let endpoint = Endpoint::new(Role::Server);
        let connection = wsutil::tokio::Connection::from_parts(one, endpoint, Handshake::default())
            .with_close_timeout(Duration::from_secs(3));
        let (mut receiver, sender, flusher) = connection.split(tokio::io::split).await.unwrap();
        let flusher = tokio::spawn(flusher.run());
        let receiving = tokio::spawn(async move { receiver.receive().await.is_err() });
        sender.close(CloseCode::NORMAL, "").unwrap();
        let (mut pongs, mut another) = tokio::io::split(another);
        tokio::spawn(
            async move { while pongs.read(&mut [0; 1024]).await.is_ok_and(|len| len > 0) {} },
        );
        let mut pings = 0;
        while pings < 1000 && !flusher.is_finished() && another.write_all(&ping()).await.is_ok() {
            pings += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(pings <= 4, "{pings} pings in 3 seconds");
        assert_eq!(flusher.await.unwrap().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        assert!(receiving.await.unwrap());
    });
}

#[test]
fn one_close_frame_is_sent_whoever_sends_it() {
    use std::io::{Read, Write};

    let (one, mut another) = tcp_pair();
    let (mut receiver, sender, flusher) =
        over(one, Role::Server).split(TcpStream::try_clone).unwrap();
    let flusher = thread::spawn(move || flusher.run());
    sender.send("first").unwrap();
    sender.close(CloseCode(3000), "ours").unwrap();
    another.write_all(&frame(Role::Server, true, Rsv::NONE, OpCode::Close, b"\x0b\xb9")).unwrap();
    another.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(receiver.receive().unwrap().is_none());
    assert_eq!(receiver.close_status().unwrap().code, CloseCode(3001));
    flusher.join().unwrap().unwrap();
    let mut written = vec![];
    another.read_to_end(&mut written).unwrap();
    let frames = parse(&written, Role::Server);
    let opcodes: Vec<_> = frames.iter().map(|frame| frame.opcode).collect();
    assert_eq!(opcodes, [OpCode::Text, OpCode::Close]);
    assert_eq!(frames[1].payload, b"\x0b\xb8ours");
}

#[test]
fn halves_end_together_however_the_receiver_ends() {
    use std::net::Shutdown;

    // By the end of the stream.
    let (one, another) = tcp_pair();
    let (mut receiver, sender, flusher) =
        over(one, Role::Server).split(TcpStream::try_clone).unwrap();
    let flusher = thread::spawn(move || flusher.run());
    another.shutdown(Shutdown::Both).unwrap();
    assert!(matches!(receiver.receive(), Err(Error::Disconnected { .. })));
    assert!(flusher.join().unwrap().is_err());
    assert_eq!(sender.send("late"), Err(SendError::Closed));

    // By being dropped: what is queued is written.
    let (one, another) = tcp_pair();
    let (receiver, sender, flusher) = over(one, Role::Server).split(TcpStream::try_clone).unwrap();
    sender.send("last").unwrap();
    drop(receiver);
    flusher.run().unwrap();
    assert!(sender.is_closed());
    let mut peer = over(another, Role::Client);
    assert_eq!(peer.receive_owned().unwrap(), Some("last".into()));
    assert!(peer.receive().is_err());
}

#[test]
fn tr9_a_flusher_does_not_wait_for_ever() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(async {
        let (one, another) = tokio::io::duplex(1000);
        let endpoint = Endpoint::new(Role::Server);
        let connection = wsutil::tokio::Connection::from_parts(one, endpoint, Handshake::default());
        let deadlines = wsutil::Deadlines::default().write(Duration::from_secs(10));
        let connection = connection.with_deadlines(deadlines);
        let (_receiver, sender, flusher) = connection.split(tokio::io::split).await.unwrap();
        let flusher = tokio::spawn(flusher.run());
        sender.send(&vec![1; 100_000]).await.unwrap();
        let more = tokio::spawn({
            let sender = sender.clone();
            async move {
                loop {
                    sender.send("more").await?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        });
        assert_eq!(flusher.await.unwrap().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        let refused: Result<(), SendError> = more.await.unwrap();
        assert_eq!(refused, Err(SendError::Closed));
        drop(another);
    });
}

#[test]
fn a_split_keeps_what_was_sent_before() {
    // Behind a close frame nothing is sent.
    let (one, another) = tcp_pair();
    let mut server = over(one, Role::Server);
    over(another.try_clone().unwrap(), Role::Client).send("x").unwrap();
    let (_, mut reply) = server.receive().unwrap().unwrap();
    reply.close(CloseCode::NORMAL, "").unwrap();
    let (_receiver, sender, _flusher) = server.split(TcpStream::try_clone).unwrap();
    assert_eq!(sender.send("late"), Err(SendError::Closed));
    // Inside a message there is no place for others.
    let (one, _another) = tcp_pair();
    let mut server = over(one, Role::Server);
    server.send_piece(wsutil::Kind::Text, false, b"begun").unwrap();
    let refused = server.split(TcpStream::try_clone);
    assert!(matches!(refused, Err(Error::Send(SendError::MessageOpen))));
}

#[test]
fn prepared_messages_through_senders_are_the_same_small_and_large() {
    for size in [10, 100_000] {
        let (one, another) = tcp_pair();
        let (_receiver, sender, flusher) =
            over(one, Role::Server).split(TcpStream::try_clone).unwrap();
        let flusher = thread::spawn(move || flusher.run());
        let news = wsutil::Prepared::new(&vec![5; size]);
        sender.try_send_prepared(&news).unwrap();
        sender.send("between").unwrap();
        sender.try_send_prepared(&news).unwrap();
        let mut peer = over(another, Role::Client);
        for expected in [size, 7, size] {
            assert_eq!(peer.receive_owned().unwrap().unwrap().as_bytes().len(), expected);
        }
        drop(sender);
        drop(_receiver);
        flusher.join().unwrap().unwrap();
    }
}

#[test]
fn a_receiver_that_ends_frees_a_flusher_that_cannot_write() {
    let (one, _another) = tcp_pair();
    let deadlines = wsutil::Deadlines::default().idle(Duration::from_millis(50));
    let connection = over(one, Role::Server).with_deadlines(deadlines).unwrap();
    let (mut receiver, sender, flusher) = connection.split(TcpStream::try_clone).unwrap();
    let flusher = thread::spawn(move || flusher.run());
    sender.send(&vec![1; 20 << 20]).unwrap();
    assert!(matches!(receiver.receive(), Err(Error::TimedOut(Timeout::Idle))));
    assert!(flusher.join().unwrap().is_err());
}

#[test]
fn the_answer_to_a_close_is_not_lost_behind_many_pongs() {
    use std::io::{Read, Write};

    let (one, mut another) = tcp_pair();
    let (mut receiver, sender, flusher) =
        over(one, Role::Server).split(TcpStream::try_clone).unwrap();
    // Nothing is written until all is received: more pongs wait than may.
    let ping = frame(Role::Server, true, Rsv::NONE, OpCode::Ping, &[7; 100]);
    another.write_all(&ping.repeat(600)).unwrap();
    another.write_all(&frame(Role::Server, true, Rsv::NONE, OpCode::Close, b"\x03\xe8")).unwrap();
    another.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(receiver.receive().unwrap().is_none());
    flusher.run().unwrap();
    drop((receiver, sender));
    let mut written = vec![];
    another.read_to_end(&mut written).unwrap();
    let last = parse(&written, Role::Server).pop().unwrap();
    assert_eq!((last.opcode, &last.payload[..]), (OpCode::Close, &b"\x03\xe8"[..]));
}
