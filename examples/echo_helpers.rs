//! Echo with one call for each message, on the bare stream.

pub(crate) mod common;

use std::{error::Error, net::TcpStream};

use wscore::Replay;
use wsutil::{read_client_data, write_server_message};

fn main() {
    common::run_upgraded("Echoes WebSocket messages, with the helpers.", echo);
}

/// Echoes until the client closes, which is answered.
pub(crate) fn echo(stream: &TcpStream, early_data: Vec<u8>) -> Result<(), Box<dyn Error>> {
    let mut stream = Replay::new(early_data, stream);
    loop {
        match read_client_data(&mut stream) {
            Ok((message, opcode)) => write_server_message(&mut stream, opcode, &message)?,
            Err(wsutil::Error::Closed(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
