//! What the echo servers share: their command line and the answer to an upgrade request; for those
//! on tokio also a runtime, an upgrade and two loops that echo in batches.

use base64::{Engine, prelude::BASE64_STANDARD};

#[cfg(feature = "tokio")]
mod echo;
#[cfg(feature = "tokio")]
mod serve;

#[cfg(feature = "tokio")]
pub use {
    echo::{echo_batched, echo_collected},
    serve::{serve, upgrade},
};

/// The address on the command line, `--listen ADDRESS`.
pub fn listen_address() -> std::net::SocketAddr {
    let address = std::env::args().skip_while(|argument| argument != "--listen").nth(1);
    let address = address.and_then(|address| address.parse().ok());
    address.expect("the command line should have --listen ADDRESS")
}

/// Whether a flag is on the command line.
pub fn has_flag(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

/// The answer to an upgrade request; `None` if there is no key in it. Nothing else is looked at:
/// compression is agreed on if the command line says so.
pub fn answer(request: &str) -> Option<String> {
    let key = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value.trim())
    })?;
    let mut hash = sha1_smol::Sha1::from(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = BASE64_STANDARD.encode(hash.digest().bytes());
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{}\r\n",
        extension().map_or(String::new(), |name| format!("Sec-WebSocket-Extensions: {name}\r\n"))
    ))
}

/// The compression on the command line: `--deflate`, with `--takeover` or without.
pub fn extension() -> Option<&'static str> {
    has_flag("--deflate").then(|| match has_flag("--takeover") {
        true => "permessage-deflate",
        false => "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    })
}
