//! The opening handshake of a client, and connections that are through with it.

use std::{
    io::{Error, Read, Result, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::plan::Kind;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// What answers the key above.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// How long a server has for anything that a blocking connection waits for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// So many connections share one of our addresses, which has some 28,000 ports.
const CONNECTIONS_PER_ADDRESS: usize = 20_000;

/// Connects and upgrades, one after the other.
pub fn open_all(
    address: SocketAddr,
    connections: usize,
    kind: Kind,
) -> impl Iterator<Item = Result<TcpStream>> {
    (0..connections).map(move |number| {
        let host = (number / CONNECTIONS_PER_ADDRESS + 1) as u32;
        let from = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 0, 0)) + host);
        let opened = connect(address, from).and_then(|mut stream| {
            upgrade(&mut stream, kind)?;
            Ok(stream)
        });
        opened.map_err(|error| Error::other(format!("connection {}: {error}", number + 1)))
    })
}

/// Connects from one of our addresses. The end will be a reset, so that no port waits for a while
/// before it can be used again.
pub fn connect(to: SocketAddr, from: Ipv4Addr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    socket.connect_timeout(&to.into(), TIMEOUT)?;
    Ok(socket.into())
}

/// The opening handshake: the server's answer.
pub fn upgrade(stream: &mut TcpStream, kind: Kind) -> Result<Vec<u8>> {
    stream.write_all(&request(kind))?;
    let mut answer = vec![];
    while !answer.ends_with(b"\r\n\r\n") {
        let mut bytes = [0; 1024];
        match stream.read(&mut bytes)? {
            0 => return Err(Error::other("connection closed instead of an answer")),
            size => answer.extend_from_slice(&bytes[..size]),
        }
    }
    check(&answer, kind)?;
    Ok(answer)
}

pub fn request(kind: Kind) -> Vec<u8> {
    let offer = kind.extension();
    let field = offer.map_or(String::new(), |name| format!("{EXTENSIONS}: {name}\r\n"));
    format!("{REQUEST}{field}\r\n").into()
}

/// Whether an answer is what the request above asks for.
pub fn check(answer: &[u8], kind: Kind) -> Result<()> {
    check_text(&String::from_utf8_lossy(answer), kind).map_err(Error::other)
}

fn check_text(answer: &str, kind: Kind) -> std::result::Result<(), String> {
    if !answer.starts_with("HTTP/1.1 101 ") {
        return Err(format!("not upgraded: {}", answer.lines().next().unwrap_or_default()));
    }
    let value_of = |wanted: &str| {
        let mut fields = answer.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    if value_of("Sec-WebSocket-Accept") != Some(ACCEPT) {
        return Err("wrong accept value".into());
    }
    let agreed = value_of(EXTENSIONS).unwrap_or_default();
    let is_as_wanted = match kind {
        Kind::Binary | Kind::Text => agreed.is_empty(),
        Kind::Json => {
            agreed.contains("server_no_context_takeover")
                && agreed.contains("client_no_context_takeover")
        }
        Kind::Takeover => agreed.starts_with("permessage-deflate") && !agreed.contains("takeover"),
    };
    if is_as_wanted { Ok(()) } else { Err(format!("agreed on {agreed:?}")) }
}
