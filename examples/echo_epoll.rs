//! Echo with `Endpoint` under an event loop of one's own: one thread, non-blocking sockets, one
//! receive buffer for all connections, all replies to one read in one write.

pub(crate) mod common;

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr},
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;
use wscore::{RequestParser, Role, Upgrader};
use wsflate::Deflate;
use wsutil::{Endpoint, Step};

fn main() {
    let (address, deflate) = common::listen_options("Echoes WebSocket messages, in an event loop.");
    common::stop_on_ctrl_c();
    if let Err(error) = listen(&address, deflate) {
        common::fail(&format!("cannot serve on {address}: {error}"));
    }
}

fn listen(address: &str, deflate: Option<Deflate>) -> io::Result<()> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let mut listener = TcpListener::bind(address)?;
    let mut clients = Loop::new(deflate)?;
    clients.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        if clients.turn()? {
            clients.accept(&listener)?;
        }
    }
}

/// The token of the listener; others are keys of clients.
const LISTENER: Token = Token(usize::MAX);

/// How long a client has for its request.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How soon a client is asked for again that could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// How long a client that was closed has to go.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// How many bytes of a client that was closed are thrown away.
const LINGER_BYTES: usize = 64 * 1024;

pub(crate) struct Loop {
    poll: Poll,
    events: Events,
    upgrader: Upgrader<'static>,
    deflate: Option<Deflate>,
    clients: Slab<Client>,
    /// Clients with a deadline, the earliest first; some are gone already.
    deadlines: std::collections::VecDeque<(Instant, usize)>,
    /// A client could not be accepted, and is to be asked for again soon.
    accepts_again: bool,
}

struct Client {
    stream: TcpStream,
    stage: Stage,
    deadline: Option<Instant>,
}

enum Stage {
    /// The request, as far as it came.
    Handshake(Box<RequestParser>, Vec<u8>),
    Open(Box<Endpoint>),
    /// All is said; so many bytes are still thrown away.
    Lingering(usize),
}

/// What becomes of a client.
#[derive(PartialEq, Eq)]
enum Next {
    /// It waits for the socket.
    Wait,
    /// It is gone.
    Drop,
}

impl Loop {
    pub(crate) fn new(deflate: Option<Deflate>) -> io::Result<Self> {
        let upgrader = Upgrader::new();
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            upgrader: match &deflate {
                Some(deflate) => upgrader.negotiate(deflate.clone()),
                None => upgrader,
            },
            deflate,
            clients: Slab::new(),
            deadlines: Default::default(),
            accepts_again: false,
        })
    }

    /// Takes in a client whose handshake was done elsewhere.
    #[allow(dead_code, reason = "for the server of the Autobahn suite")]
    pub(crate) fn add_upgraded(&mut self, stream: TcpStream, endpoint: Endpoint) -> io::Result<()> {
        self.add(stream, Stage::Open(Box::new(endpoint)), None)
    }

    /// Whether a client is left.
    #[allow(dead_code, reason = "for the server of the Autobahn suite")]
    pub(crate) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Waits for sockets and serves them: whether there are new ones to accept.
    pub(crate) fn turn(&mut self) -> io::Result<bool> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        self.forget_met_deadlines();
        let timeout =
            self.deadlines.front().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let timeout = if self.accepts_again { Some(ACCEPT_AGAIN) } else { timeout };
        match self.poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let mut is_new = self.accepts_again;
        for event in &events {
            match event.token() {
                LISTENER => is_new = true,
                Token(key) => self.serve(key, event.is_read_closed()),
            }
        }
        self.events = events;
        self.drop_late();
        Ok(is_new)
    }

    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        self.accepts_again = false;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    // A reply is small and should not wait for the next one.
                    let _ = stream.set_nodelay(true);
                    let parser = Box::new(self.upgrader.parser());
                    self.add(stream, Stage::Handshake(parser, vec![]), Some(HANDSHAKE_TIMEOUT))?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // That of one connection, or the lack of descriptors, which passes: others are served
                // meanwhile.
                Err(_) => {
                    self.accepts_again = true;
                    return Ok(());
                }
            }
        }
    }

    fn add(
        &mut self,
        stream: TcpStream,
        stage: Stage,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let key = self.clients.insert(Client { stream, stage, deadline: None });
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut self.clients[key].stream, Token(key), both)?;
        if let Some(timeout) = timeout {
            self.set_deadline(key, timeout);
        }
        Ok(())
    }

    fn set_deadline(&mut self, key: usize, timeout: Duration) {
        let at = Instant::now() + timeout;
        self.clients[key].deadline = Some(at);
        let place = self.deadlines.partition_point(|(other, _)| *other <= at);
        self.deadlines.insert(place, (at, key));
    }

    /// So that the clock is asked only while there is something to wait for.
    fn forget_met_deadlines(&mut self) {
        while let Some(&(at, key)) = self.deadlines.front() {
            if self.clients.get(key).is_some_and(|client| client.deadline == Some(at)) {
                return;
            }
            self.deadlines.pop_front();
        }
    }

    fn drop_late(&mut self) {
        while let Some(&(at, key)) = self.deadlines.front().filter(|(at, _)| *at <= Instant::now())
        {
            self.deadlines.pop_front();
            if self.clients.get(key).is_some_and(|client| client.deadline == Some(at)) {
                self.clients.remove(key);
            }
        }
    }

    fn serve(&mut self, key: usize, is_read_closed: bool) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let lingered = matches!(client.stage, Stage::Lingering(_));
        // An error is the end of this client, whatever it is.
        if client.serve(&self.upgrader, self.deflate.as_ref(), is_read_closed).unwrap_or(Next::Drop)
            == Next::Drop
        {
            self.clients.remove(key);
        } else if !lingered && matches!(client.stage, Stage::Lingering(_)) {
            self.set_deadline(key, LINGER_TIME);
        }
    }
}

impl Client {
    fn serve(
        &mut self,
        upgrader: &Upgrader<'_>,
        deflate: Option<&Deflate>,
        is_read_closed: bool,
    ) -> io::Result<Next> {
        if let Stage::Handshake(parser, received) = &mut self.stage {
            match shake_hands(&mut self.stream, upgrader, deflate, parser, received)? {
                Shaken::Wait => return Ok(Next::Wait),
                Shaken::Open(endpoint) => self.stage = Stage::Open(endpoint),
                Shaken::Refused => self.linger()?,
            }
            self.deadline = None;
        }
        if let Stage::Open(endpoint) = &mut self.stage {
            match echo(&mut self.stream, endpoint, is_read_closed)? {
                Some(next) => return Ok(next),
                None => self.linger()?,
            }
        }
        self.discard()
    }

    /// Says that nothing more is written.
    fn linger(&mut self) -> io::Result<()> {
        self.stage = Stage::Lingering(LINGER_BYTES);
        self.stream.shutdown(Shutdown::Write)
    }

    /// Reads what the client still sends, so that the last bytes to it are not overtaken by a
    /// reset.
    fn discard(&mut self) -> io::Result<Next> {
        let Stage::Lingering(left) = &mut self.stage else { return Ok(Next::Wait) };
        let mut discarded = [0; 4096];
        while *left > 0 {
            match read(&mut self.stream, &mut discarded)? {
                Some(0) => return Ok(Next::Drop),
                Some(read) => *left = left.saturating_sub(read),
                None => return Ok(Next::Wait),
            }
        }
        Ok(Next::Drop)
    }
}

/// How far a handshake is.
enum Shaken {
    Wait,
    Open(Box<Endpoint>),
    Refused,
}

fn shake_hands(
    stream: &mut TcpStream,
    upgrader: &Upgrader<'_>,
    deflate: Option<&Deflate>,
    parser: &mut RequestParser,
    received: &mut Vec<u8>,
) -> io::Result<Shaken> {
    let mut room = [0; 2048];
    loop {
        match read(stream, &mut room)? {
            Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Some(read) => received.extend_from_slice(&room[..read]),
            None => return Ok(Shaken::Wait),
        }
        let mut answer = vec![];
        let shaken = match upgrader.advance(parser, received, &mut (), &mut answer) {
            Ok(None) => continue,
            Ok(Some((handshake, size))) => {
                let mut endpoint = Endpoint::new(Role::Server);
                if let Some(deflate) = deflate {
                    if let Some(agreed) = deflate.agreed(Role::Server, &handshake) {
                        endpoint.set_deflate(deflate, agreed);
                    }
                }
                endpoint.receive(&received[size..]);
                Shaken::Open(Box::new(endpoint))
            }
            Err(_) => Shaken::Refused,
        };
        // A socket that nothing was written to has room for this.
        stream.write_all(&answer)?;
        return Ok(shaken);
    }
}

/// Echoes what can be read now: what becomes of the client, or `None` once all is said.
fn echo(
    stream: &mut TcpStream,
    endpoint: &mut Endpoint,
    is_read_closed: bool,
) -> io::Result<Option<Next>> {
    // Nothing more is read from a client that takes nothing.
    if !endpoint.sending().write_to(stream)? {
        return Ok(Some(Next::Wait));
    }
    let mut is_drained = false;
    loop {
        match endpoint.step() {
            Ok(Step::Message) => {
                let (message, mut sending) = endpoint.message();
                sending.message(message).map_err(io::Error::other)?;
            }
            Ok(Step::Piece) => {}
            Ok(Step::Write) => {
                if !endpoint.sending().write_to(stream)? {
                    return Ok(Some(Next::Wait));
                }
            }
            Ok(Step::Read) => {
                if !endpoint.sending().write_to(stream)? || is_drained {
                    endpoint.park();
                    return Ok(Some(Next::Wait));
                }
                let room = endpoint.room();
                let size = room.len();
                let read = match read(stream, room)? {
                    Some(0) => return Ok(Some(Next::Drop)),
                    read => read.unwrap_or(0),
                };
                endpoint.received(read);
                // With less than there was room for, the socket is empty, and says when it is not;
                // but of its end it has told us already.
                is_drained = read == 0 || read < size && !is_read_closed;
            }
            Ok(Step::Closed) | Err(_) => {
                return Ok(if endpoint.sending().write_to(stream)? {
                    None
                } else {
                    Some(Next::Wait)
                });
            }
        }
    }
}

/// One read; `None` if there is nothing now.
fn read(stream: &mut TcpStream, room: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match stream.read(room) {
            Ok(read) => return Ok(Some(read)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}
