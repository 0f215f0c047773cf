//! Echo with `Connection`, one thread for each: pings, closing and limits are the library's part.

mod common;

use std::{error::Error, net::TcpStream};

use wsflate::Deflate;

fn main() {
    common::run_deflate("Echoes WebSocket messages.", serve);
}

fn serve(stream: TcpStream, deflate: Option<&Deflate>) -> Result<(), Box<dyn Error>> {
    let mut connection = match deflate {
        Some(deflate) => wsutil::accept_deflate(stream, deflate)?,
        None => wsutil::accept(stream)?,
    };
    while let Some((message, mut reply)) = connection.receive()? {
        reply.send(message)?;
    }
    Ok(())
}
