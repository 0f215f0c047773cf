//! The floor: an echo server in an event loop that checks nothing. One read into a buffer for all
//! clients, requests turned into replies in place, one write. A message that is not all here is
//! answered as far as it came, which no server can do that hands over whole messages.
//!
//! With `--broadcast` the reply goes to all clients, with one write for each.

mod broadcast;
mod unmask;

use std::io::{self, ErrorKind, Read, Write};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;

/// The token of the listener; others are keys of clients.
const LISTENER: Token = Token(usize::MAX);

/// How many bytes are read at once.
const BUFFER_SIZE: usize = 512 * 1024;

/// The buffer begins in the middle of a page: some processors copy at half the speed to a place that
/// is a little further in its page than what is copied, which in the kernel often begins a page.
const PAGE: usize = 4096;

/// The longest header of a client's frame.
const MAX_HEADER: usize = 14;

fn main() -> io::Result<()> {
    let mut listener = TcpListener::bind(common::listen_address())?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut clients = Slab::new();
    let mut memory = vec![0; BUFFER_SIZE + 2 * PAGE];
    let start = memory.as_ptr().align_offset(PAGE) + PAGE / 2;
    let buffer = &mut memory[start..start + BUFFER_SIZE];
    let is_broadcast = common::has_flag("--broadcast");
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            match event.token() {
                LISTENER => accept(&listener, &poll, &mut clients)?,
                Token(key) => {
                    let is_closed = event.is_read_closed();
                    let served = match is_broadcast {
                        true => broadcast::serve(&mut clients, key, buffer, is_closed),
                        false => clients[key].serve(buffer, is_closed),
                    };
                    // An error is the end of this client, whatever it is.
                    if served.is_err() {
                        clients.remove(key);
                    }
                }
            }
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, clients: &mut Slab<Client>) -> io::Result<()> {
    while let Ok((mut stream, _)) = listener.accept() {
        stream.set_nodelay(true)?;
        let entry = clients.vacant_entry();
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(entry.key()), both)?;
        entry.insert(Client::new(stream));
    }
    Ok(())
}

struct Client {
    stream: TcpStream,
    is_upgraded: bool,
    /// How much of the current payload is still to come, and the key, turned to that place.
    payload_left: usize,
    key: [u8; 4],
    /// The start of a header that is not all here.
    header: [u8; MAX_HEADER],
    header_size: usize,
    /// What the socket did not take, and how much of it went since.
    unsent: Vec<u8>,
    unsent_start: usize,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            is_upgraded: false,
            payload_left: 0,
            key: [0; 4],
            header: [0; MAX_HEADER],
            header_size: 0,
            unsent: Vec::new(),
            unsent_start: 0,
        }
    }

    /// Echoes until the socket has nothing more, or takes nothing more.
    fn serve(&mut self, buffer: &mut [u8], is_closed: bool) -> io::Result<()> {
        // Nothing is read while something waits to be written.
        while self.flush()? {
            let is_drained = self.echo(buffer)?;
            // What came last with the end is read up to the end, which is not told again.
            if is_drained && self.unsent.is_empty() && !is_closed {
                break;
            }
        }
        Ok(())
    }

    /// Writes what was left: whether all of it went.
    fn flush(&mut self) -> io::Result<bool> {
        if !self.unsent.is_empty() {
            self.unsent_start += some(self.stream.write(&self.unsent[self.unsent_start..]))?;
            if self.unsent_start < self.unsent.len() {
                return Ok(false);
            }
            self.unsent.clear();
            self.unsent_start = 0;
        }
        Ok(true)
    }

    /// Reads once and writes once: whether the socket has nothing more.
    fn echo(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let (reply, is_drained) = self.receive(buffer)?;
        if reply > 0 {
            self.send(&buffer[..reply])?;
        }
        Ok(is_drained)
    }

    /// Reads once and turns what came into a reply in the buffer: how long it is, and whether the
    /// socket has nothing more.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        let start = self.header_size;
        buffer[..start].copy_from_slice(&self.header[..start]);
        let size = match self.stream.read(&mut buffer[start..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            result => start + some(result)?,
        };
        if size == start {
            return Ok((0, true));
        }
        if !self.is_upgraded {
            self.upgrade(&buffer[..size])?;
            return Ok((0, true));
        }
        Ok((self.reply(buffer, size), size < buffer.len()))
    }

    /// Writes once; what does not go waits.
    fn send(&mut self, reply: &[u8]) -> io::Result<()> {
        let written = some(self.stream.write(reply))?;
        self.unsent.extend_from_slice(&reply[written..]);
        Ok(())
    }

    /// Answers the request, which is expected to be all here.
    fn upgrade(&mut self, request: &[u8]) -> io::Result<()> {
        let answer = std::str::from_utf8(request).ok().and_then(common::answer);
        self.stream.write_all(answer.ok_or(ErrorKind::InvalidData)?.as_bytes())?;
        self.is_upgraded = true;
        Ok(())
    }

    /// Turns the requests in `buffer[..size]` into replies, in place: how long they are together.
    ///
    /// A reply is shorter than its request by the key, so it never reaches what is still to read.
    fn reply(&mut self, buffer: &mut [u8], size: usize) -> usize {
        self.header_size = 0;
        let (mut read, mut written) = (0, 0);
        loop {
            let payload = self.payload_left.min(size - read);
            unmask::move_down(&mut buffer[written..read + payload], read - written, self.key);
            self.key.rotate_left(payload % 4);
            self.payload_left -= payload;
            read += payload;
            written += payload;
            if read == size {
                return written;
            }
            let Some((header_size, payload)) = parse(&buffer[read..size]) else {
                self.header_size = size - read;
                self.header[..size - read].copy_from_slice(&buffer[read..size]);
                return written;
            };
            let first = buffer[read];
            read += header_size;
            self.payload_left = payload;
            self.key.copy_from_slice(&buffer[read - 4..read]);
            written += put_header(&mut buffer[written..], first, payload);
        }
    }
}

/// How many bytes went; none if the socket is not ready.
fn some(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// The sizes of a masked frame's header and payload, if the header is all here.
fn parse(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(1)? & 127 {
        126 if bytes.len() < 8 => None,
        126 => Some((8, u16::from_be_bytes([bytes[2], bytes[3]]).into())),
        127 if bytes.len() < 14 => None,
        127 => {
            let size = bytes[2..10].iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
            Some((14, size))
        }
        _ if bytes.len() < 6 => None,
        size => Some((6, size.into())),
    }
}

/// Writes a frame's header without a key: how long it is.
fn put_header(buffer: &mut [u8], first: u8, payload: usize) -> usize {
    buffer[0] = first;
    match payload {
        0..126 => {
            buffer[1] = payload as u8;
            2
        }
        126..65536 => {
            buffer[1] = 126;
            buffer[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
            4
        }
        _ => {
            buffer[1] = 127;
            buffer[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
            10
        }
    }
}
