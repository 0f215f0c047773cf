//! Echo with `Reader` and `Writer`: messages of any size through a small buffer, by `io::copy`.

pub(crate) mod common;

use std::{
    error::Error,
    io::{self, Write},
    net::TcpStream,
    time::Duration,
};

use wscore::{DeadlineStream, OpCode, Replay, Role, Upgrader, lingering_close};
use wsutil::{Reader, Writer};

fn main() {
    common::run("Echoes WebSocket messages, as streams.", |mut stream| {
        let mut timed = DeadlineStream::new(&mut stream, Duration::from_secs(10));
        let upgraded = Upgrader::new().upgrade(&mut timed);
        drop(timed);
        let served = upgraded.map_err(Into::into).and_then(|up| echo(&stream, up.early_data));
        common::log(served);
        lingering_close(stream);
    });
}

/// Echoes until the client closes, which is answered.
pub(crate) fn echo(stream: &TcpStream, early_data: Vec<u8>) -> Result<(), Box<dyn Error>> {
    let mut reader = Reader::new(Replay::new(early_data, stream), Role::Server);
    let mut writer = Writer::new(stream, Role::Server, OpCode::Text).with_fragments(64 * 1024);
    while let Some(header) = reader.next_frame()? {
        writer.begin(header.opcode)?;
        io::copy(&mut reader, &mut writer)?;
        writer.flush()?;
    }
    Ok(())
}
