//! Echo with `Reader` and `Writer`: messages of any size through a small buffer, by `io::copy`.

pub(crate) mod common;

use std::{
    error::Error,
    io::{self, Write},
    net::TcpStream,
};

use wscore::{OpCode, Replay, Role};
use wsutil::{Reader, Writer};

fn main() {
    common::run_upgraded("Echoes WebSocket messages, as streams.", echo);
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
