//! What is allocated and held, counted: the figures of the README.
//!
//! `cargo test -p wsutil --all-features figures -- --nocapture` prints them.

use std::{
    io::{self, IoSlice, Read, Write},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wscore::{Frame, Handshake, OpCode, Role};
use wsutil::{Connection, Endpoint, Error, Plain};

use crate::{
    counting::{allocated, held},
    rig::block_on,
};

/// A peer that allocates nothing: it sends the same bytes some times, and then has no more for now.
#[derive(Debug)]
struct Peer<'b> {
    burst: &'b [u8],
    at: usize,
    bursts: usize,
    written: usize,
}

impl<'b> Peer<'b> {
    fn new(burst: &'b [u8], bursts: usize) -> Self {
        Self { burst, at: 0, bursts, written: 0 }
    }
}

impl Read for Peer<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.bursts == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = room.len().min(self.burst.len() - self.at);
        room[..len].copy_from_slice(&self.burst[self.at..self.at + len]);
        self.at += len;
        if self.at == self.burst.len() {
            (self.at, self.bursts) = (0, self.bursts - 1);
        }
        Ok(len)
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len();
        Ok(bytes.len())
    }
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        self.written += len;
        Ok(len)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Peer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.read(room.initialize_unfilled()) {
            Err(_) => Poll::Pending,
            Ok(read) => {
                room.advance(read);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Peer<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write_vectored(pieces))
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Masked messages of these sizes, one behind the other.
fn burst(sizes: &[usize]) -> Vec<u8> {
    let mut bytes = vec![];
    for size in sizes {
        Frame::binary(vec![7; *size]).encode_masked([1, 2, 3, 4], &mut bytes).unwrap();
    }
    bytes
}

fn blocking(peer: Peer<'_>) -> Connection<Plain<Peer<'_>>> {
    Connection::from_parts(Plain(peer), Endpoint::new(Role::Server), Handshake::default())
}

/// Echoes until the peer has no more for now: how many messages.
fn echo(connection: &mut Connection<Plain<Peer<'_>>>) -> usize {
    let mut messages = 0;
    loop {
        match connection.receive() {
            Ok(Some((message, mut reply))) => reply.send(message).unwrap(),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return messages,
            other => panic!("{other:?}"),
        }
        messages += 1;
    }
}

type Async<'b> = wsutil::tokio::Connection<Peer<'b>>;

fn asynchronous(peer: Peer<'_>) -> Async<'_> {
    Async::from_parts(peer, Endpoint::new(Role::Server), Handshake::default())
}

/// As [`echo`]; futures that are pending are dropped.
fn echo_async(connection: &mut Async<'_>) -> usize {
    let mut messages = 0;
    loop {
        let received = std::pin::pin!(connection.receive());
        match received.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(Some((message, mut reply)))) => block_on(reply.send(message)).unwrap(),
            Poll::Pending => return messages,
            Poll::Ready(other) => panic!("{other:?}"),
        }
        messages += 1;
    }
}

const SIZES: [&[usize]; 5] = [&[16; 16], &[125], &[1024; 16], &[16 << 10], &[0, 125, 126, 65_536]];

#[test]
fn figures_a_message_in_the_steady_state_allocates_nothing() {
    for sizes in SIZES {
        let burst = burst(sizes);
        let mut connection = blocking(Peer::new(&burst, 2));
        echo(&mut connection);
        connection.get_mut().0.bursts = 100;
        let mut messages = 0;
        let (times, _) = allocated(|| messages = echo(&mut connection));
        println!("blocking: {times} allocations for {messages} messages of {} B", sizes[0]);
        assert_eq!((times, messages), (0, 100 * sizes.len()));

        let mut connection = asynchronous(Peer::new(&burst, 2));
        echo_async(&mut connection);
        connection.get_mut().bursts = 100;
        let (times, _) = allocated(|| messages = echo_async(&mut connection));
        println!("tokio: {times} allocations for {messages} messages of {} B", sizes[0]);
        assert_eq!((times, messages), (0, 100 * sizes.len()));
    }
}

#[test]
fn figures_readers_and_writers_allocate_nothing_and_helpers_once_a_message() {
    for sizes in SIZES {
        let burst = burst(sizes);
        let mut reader = wsutil::Reader::new(Peer::new(&burst, 0), Role::Server);
        let mut writer = wsutil::Writer::new(io::sink(), Role::Server, OpCode::Text);
        let mut echo = |bursts| {
            reader.get_mut().bursts = bursts;
            for _ in 0..bursts * sizes.len() {
                writer.begin(reader.next_frame().unwrap().unwrap().opcode).unwrap();
                io::copy(&mut reader, &mut writer).unwrap();
                writer.flush().unwrap();
            }
        };
        echo(2);
        let (times, _) = allocated(|| echo(100));
        assert_eq!(times, 0, "Reader and Writer, messages of {} B", sizes[0]);

        let mut peer = Peer::new(&burst, 100);
        for size in sizes {
            let (times, _) = allocated(|| {
                let (message, opcode) = wsutil::read_client_data(&mut peer).unwrap();
                assert_eq!(message.len(), *size);
                wsutil::write_server_message(&mut io::sink(), opcode, &message).unwrap();
            });
            println!("helpers: {times} allocations for a message of {size} B");
            // Room for a payload doubles with what has come of it, from 8 KiB on.
            let doubled = (size / 8192).checked_ilog2().map_or(0, |times| times as usize + 1);
            assert!(times <= 1 + doubled, "{times} for {size} B");
        }
    }
}

#[test]
fn figures_a_compressed_message_in_the_steady_state_allocates_nothing() {
    use wsflate::{Agreed, Config, Deflate, Direction, WindowBits};

    // Each message by itself, so that the same burst can come again and again.
    let deflate = Deflate::new(Config::default());
    let direction = Direction { takeover: false, window: WindowBits::MAX };
    let agreed = Agreed { send: direction, receive: direction };
    for size in [100, 350, 1024, 16 << 10] {
        let text: String = (0..)
            .flat_map(|i: u32| format!("{i},").into_bytes())
            .take(size)
            .map(char::from)
            .collect();
        let mut client = Endpoint::new(Role::Client);
        client.set_deflate(&deflate, agreed);
        for _ in 0..4 {
            client.sending().message(&*text).unwrap();
        }
        let burst = client.pieces().collect::<Vec<_>>().concat();
        let mut endpoint = Endpoint::new(Role::Server);
        endpoint.set_deflate(&deflate, agreed);
        let peer = Plain(Peer::new(&burst, 2));
        let mut connection = Connection::from_parts(peer, endpoint, Handshake::default());
        echo(&mut connection);
        connection.get_mut().0.bursts = 100;
        let mut messages = 0;
        let (times, _) = allocated(|| messages = echo(&mut connection));
        println!("compressed: {times} allocations for {messages} messages of {size} B");
        assert_eq!((times, messages), (0, 400));
    }
}

#[test]
fn figures_an_idle_connection_holds_nothing() {
    let small = burst(&[125]);
    let large = burst(&[512 << 10]);
    // The thread's own buffers are made before anything is counted.
    for _ in 0..4 {
        echo(&mut blocking(Peer::new(&small, 1)));
        echo(&mut blocking(Peer::new(&large, 1)));
        echo_async(&mut asynchronous(Peer::new(&large, 1)));
    }

    let mut connections: Vec<Connection<_>> = Vec::with_capacity(100);
    let mut tasks: Vec<Async<'_>> = Vec::with_capacity(100);
    for (name, bytes) in
        [("new", None), ("after 125 B", Some(&small)), ("after 512 KiB", Some(&large))]
    {
        connections.clear();
        tasks.clear();
        let (heap, _) = held(|| {
            for _ in 0..100 {
                let mut connection = blocking(Peer::new(bytes.map_or(&[], |bytes| bytes), 1));
                if bytes.is_some() {
                    assert_eq!(echo(&mut connection), 1);
                }
                connections.push(connection);
            }
        });
        let inline = size_of::<Connection<Plain<()>>>();
        println!("blocking, {name}: {} B of heap, {inline} B of its own", heap / 100);
        assert!(heap / 100 <= 512, "{heap} B of heap");
        let (heap, _) = held(|| {
            for _ in 0..100 {
                let mut connection = asynchronous(Peer::new(bytes.map_or(&[], |bytes| bytes), 1));
                if bytes.is_some() {
                    assert_eq!(echo_async(&mut connection), 1);
                }
                tasks.push(connection);
            }
        });
        let inline = size_of::<wsutil::tokio::Connection<()>>();
        println!("tokio, {name}: {} B of heap, {inline} B of its own", heap / 100);
        assert!(heap / 100 <= 512, "{heap} B of heap");
    }
}

#[test]
fn a_message_that_has_begun_holds_about_what_has_come_of_it() {
    let whole = burst(&[100_000]);
    echo(&mut blocking(Peer::new(&burst(&[125]), 1)));
    for come in [1, 10, 139, 1000, 5000, 40_000] {
        let mut connection = asynchronous(Peer::new(&whole[..come], 1));
        let (heap, _) = held(|| assert_eq!(echo_async(&mut connection), 0));
        let most = (4 * come + 64).next_power_of_two().min(128 << 10);
        assert!(heap <= most as isize, "{heap} B for {come}");
    }
}
