//! A service that tells the test what happens to it, and clients.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Deref,
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant},
};

use wscore::{Frame, Headers, Rejection, Request};
use wsserver::{
    Admission, Builder, Client, ClientId, Config, End, Handler, JoinError, Running, Server,
    ServerHandle, To,
};
use wsutil::{Connection, Message, OwnedMessage, SendError};

/// How long anything may take that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the service was called for.
#[derive(Debug, PartialEq)]
pub(crate) enum Call {
    Open(ClientId),
    Message(ClientId, OwnedMessage),
    Close(ClientId, End),
    Leave(ClientId, String),
    /// How many messages were dropped.
    Drain(ClientId, u64),
    Ping(ClientId, Vec<u8>),
    Pong(ClientId, Vec<u8>),
    /// What should not have happened, in a call whose panic the server would catch.
    Broken(&'static str),
}

/// What is sent at once to some, in bytes: more than is gathered before it is written.
pub(crate) const HISTORY: usize = 200_000;

/// The session of those whose pings and pongs are told of.
const CONTROL: usize = 100_000;

/// The session of those who are a user's.
const USER: usize = 300_000;

/// Echoes, counts what it echoed to each connection, and does what some texts say.
pub(crate) struct Service(Sender<Call>);

fn admission(query: &str) -> Admission<usize> {
    Admission::new(if query.contains("user=") { USER } else { 0 })
}

impl Service {
    fn check(&self, is_right: bool, what: &'static str) {
        if !is_right {
            let _ = self.0.send(Call::Broken(what));
        }
    }

    fn check_user(&self, client: &Client<'_, usize>) {
        self.check(client.user().is_some() == (*client.session() >= USER), "whose it is");
    }
}

impl Handler for Service {
    type Session = usize;

    fn authenticate(&self, request: &Request<'_>) -> Result<Admission<usize>, Rejection> {
        match request.query() {
            Some("refused") => Err(Rejection::new(401).header("WWW-Authenticate", "Ticket")?),
            Some("panic") => panic!("as it was to"),
            Some("history") => Ok(Admission::new(HISTORY)),
            Some("headers") => {
                Ok(Admission::new(0).with_headers(Headers::new().with("X-Who", "you")?))
            }
            Some("control") => Ok(Admission::new(CONTROL)),
            Some("protocol") => Ok(Admission::new(0).with_protocol("chat")),
            Some(query) => {
                Ok(query.split('&').fold(admission(query), |admission, pair| {
                    match pair.split_once('=') {
                        Some(("user", user)) => admission.with_user(user),
                        Some(("name", name)) => admission.with_name(name),
                        _ => admission,
                    }
                }))
            }
            None => Ok(Admission::new(0)),
        }
    }

    fn on_open(&self, client: &mut Client<'_, usize>) {
        let _ = self.0.send(Call::Open(client.id()));
        if *client.session() == HISTORY {
            client.send(&[7; HISTORY]).unwrap();
            client.send(&[8; HISTORY]).unwrap();
        }
    }

    fn on_message(&self, client: &mut Client<'_, usize>, message: Message<'_>) {
        *client.session_mut() += 1;
        let text = message.as_text().unwrap_or_default();
        let (command, rest) = text.split_once(' ').unwrap_or((text, ""));
        match command {
            "count" => {
                let count = client.session().to_string();
                client.send(&count).unwrap();
            }
            "close" => client.close(wscore::CloseCode::NORMAL, "as you wish").unwrap(),
            "panic" => panic!("as it was to"),
            "flood" => while client.send(&[0; 1 << 16]).is_ok() {},
            "tell" => {
                let _ = self.0.send(Call::Message(client.id(), message.to_owned()));
            }
            "sleep" => std::thread::sleep(Duration::from_millis(rest.parse().unwrap())),
            "rejoin" => {
                client.leave(rest);
                client.join(rest).unwrap();
            }
            "join" => {
                let joined = format!("{:?}", client.join(rest));
                client.send(&joined).unwrap();
            }
            "leave" => {
                let left = client.leave(rest).to_string();
                client.send(&left).unwrap();
            }
            "say" => {
                let (room, text) = rest.split_once(' ').unwrap();
                client.to(To::Room(room)).send(text).unwrap();
            }
            "others" => {
                client.to(To::All).but(client.id()).send(rest).unwrap();
            }
            _ => client.send(message).unwrap(),
        }
    }

    fn on_ping(&self, client: &mut Client<'_, usize>, payload: &[u8]) {
        if (CONTROL..HISTORY).contains(client.session()) {
            let _ = self.0.send(Call::Ping(client.id(), payload.to_owned()));
        }
    }

    fn on_pong(&self, client: &mut Client<'_, usize>, payload: &[u8]) {
        if (CONTROL..HISTORY).contains(client.session()) {
            let _ = self.0.send(Call::Pong(client.id(), payload.to_owned()));
        }
    }

    fn on_drain(&self, client: &mut Client<'_, usize>, dropped: u64) {
        let _ = self.0.send(Call::Drain(client.id(), dropped));
    }

    fn on_wake(&self, client: &mut Client<'_, usize>) {
        client.send("awake").unwrap();
        client.ping(b"awake").unwrap();
    }

    fn on_leave(&self, client: &mut Client<'_, usize>, room: &str) {
        self.check(!client.has_joined(room), "it left, and is there");
        self.check_user(client);
        let _ = self.0.send(Call::Leave(client.id(), room.to_owned()));
    }

    fn on_close(&self, client: &mut Client<'_, usize>, end: &End) {
        self.check(client.send("too late") == Err(SendError::Closed), "sent at its end");
        self.check(client.join("too late") == Err(JoinError::Gone), "joined at its end");
        self.check_user(client);
        let _ = self.0.send(Call::Close(client.id(), end.clone()));
    }
}

/// A running server; it is shut down at the end of the test.
pub(crate) struct Guard {
    running: Option<Running>,
    pub(crate) address: SocketAddr,
}

pub(crate) fn guard(with: impl FnOnce(Builder) -> Builder, handler: impl Handler) -> Guard {
    let server = with(Server::builder().listen("127.0.0.1:0").unwrap()).handler(handler);
    let address = server.addresses().unwrap()[0];
    Guard { running: Some(server.start().unwrap()), address }
}

impl Guard {
    pub(crate) fn handle(&self) -> ServerHandle {
        self.running.as_ref().unwrap().handle()
    }

    pub(crate) fn connect(&self) -> Connection<TcpStream> {
        self.connect_to("/")
    }

    pub(crate) fn connect_to(&self, target: &str) -> Connection<TcpStream> {
        let connection = wsutil::connect(&format!("ws://{}{target}", self.address)).unwrap();
        connection.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        connection
    }

    /// Waits until the server itself says so.
    pub(crate) fn until(&self, is_so: impl Fn(&ServerHandle) -> bool) {
        let (handle, start) = (self.handle(), Instant::now());
        while !is_so(&handle) {
            assert!(start.elapsed() < PATIENCE, "it never came so");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Shuts it down, and waits for its end.
    pub(crate) fn stop(&mut self) -> Option<wsserver::Report> {
        let running = self.running.take()?;
        running.handle().shutdown();
        (!std::thread::panicking()).then(|| running.join().unwrap())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A server with the [`Service`].
pub(crate) struct Served {
    guard: Guard,
    pub(crate) calls: Receiver<Call>,
}

impl Deref for Served {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.guard
    }
}

pub(crate) fn serve(config: Config) -> Served {
    serve_with(|builder| builder.config(config))
}

pub(crate) fn serve_with(with: impl FnOnce(Builder) -> Builder) -> Served {
    let (sender, calls) = channel();
    Served { guard: guard(with, Service(sender)), calls }
}

impl Served {
    /// A connection, and how it is called.
    pub(crate) fn connect_known(&self) -> (Connection<TcpStream>, ClientId) {
        let connection = self.connect();
        (connection, self.opened())
    }

    /// A connection whose request has this query, and how it is called.
    pub(crate) fn connect_as(&self, query: &str) -> (Connection<TcpStream>, ClientId) {
        (self.connect_to(&format!("/?{query}")), self.opened())
    }

    pub(crate) fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A stream behind the handshake.
    pub(crate) fn upgraded(&self) -> TcpStream {
        let mut stream = self.stream();
        stream.write_all(request("/").as_bytes()).unwrap();
        let answer = read_head(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        stream
    }

    pub(crate) fn call(&self) -> Call {
        self.calls.recv_timeout(PATIENCE).expect("nothing was called")
    }

    pub(crate) fn opened(&self) -> ClientId {
        match self.call() {
            Call::Open(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn closed(&self) -> (ClientId, End) {
        match self.call() {
            Call::Close(id, end) => (id, end),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn stop(mut self) -> wsserver::Report {
        self.guard.stop().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.guard.stop().is_some() {
            for call in self.calls.try_iter() {
                assert!(!matches!(call, Call::Broken(_)), "{call:?}");
            }
        }
    }
}

/// A request for this target.
pub(crate) fn request(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The head of an answer, and not a byte further.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// All that comes until the stream ends.
pub(crate) fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![];
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// A frame as a client sends it.
pub(crate) fn masked<P: AsRef<[u8]>>(frame: &Frame<P>) -> Vec<u8> {
    let mut bytes = vec![];
    frame.encode_masked([1, 2, 3, 4], &mut bytes).unwrap();
    bytes
}

/// Config with deadlines that tests wait for.
pub(crate) fn quick() -> Config {
    let soon = Duration::from_secs(1);
    Config {
        handshake_timeout: soon,
        message_timeout: soon,
        write_timeout: soon,
        close_timeout: soon,
        ..Config::default()
    }
}
