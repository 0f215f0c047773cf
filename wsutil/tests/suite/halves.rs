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
    assert!(receiver.receive().is_err());
    assert_eq!(flusher.join().unwrap().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    drop(another);

    let (one, another) = tcp_pair();
    let mut connection = over(one, Role::Server).with_close_timeout(Duration::from_millis(50));
    let error = connection.close(CloseCode::NORMAL, "").unwrap_err();
    assert!(matches!(error, Error::TimedOut(Timeout::Close)));
    assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));
    drop(another);
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
