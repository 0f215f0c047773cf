//! Echo of compressed messages with `Reader` and `Writer`: any size through a small buffer.

pub(crate) mod common;

use std::{
    error::Error,
    io::{self, Write},
    net::TcpStream,
    time::Duration,
};

use wscore::{DeadlineStream, OpCode, Replay, Role, Upgraded, Upgrader, lingering_close};
use wsflate::{Config, Deflate};
use wsutil::{Reader, Writer};

fn main() {
    let deflate = Deflate::new(Config::TAKEOVER);
    common::run("Echoes compressed WebSocket messages, as streams.", move |mut stream| {
        let mut timed = DeadlineStream::new(&mut stream, Duration::from_secs(10));
        let upgraded = Upgrader::new().negotiate(&deflate).upgrade(&mut timed);
        drop(timed);
        common::log(upgraded.map_err(Into::into).and_then(|up| echo(&stream, up, &deflate)));
        lingering_close(stream);
    });
}

/// Echoes until the client closes, which is answered.
pub(crate) fn echo(
    stream: &TcpStream,
    upgraded: Upgraded,
    deflate: &Deflate,
) -> Result<(), Box<dyn Error>> {
    let agreed = deflate.agreed(Role::Server, &upgraded.handshake);
    let mut reader = Reader::new(Replay::new(upgraded.early_data, stream), Role::Server);
    let mut writer = Writer::new(stream, Role::Server, OpCode::Text).with_fragments(64 * 1024);
    if let Some(agreed) = agreed {
        reader = reader.with_deflate(deflate, agreed);
        writer = writer.with_deflate(deflate, agreed);
    }
    while let Some(header) = reader.next_frame()? {
        writer.begin(header.opcode)?;
        io::copy(&mut reader, &mut writer)?;
        writer.flush()?;
    }
    Ok(())
}
