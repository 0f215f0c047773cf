//! Echo with `Connection`, one thread for each: pings, closing and limits are the library's part.

mod common;

use std::{error::Error, net::TcpStream};

fn main() {
    common::run("Echoes WebSocket messages.", |stream| common::log(serve(stream)));
}

fn serve(stream: TcpStream) -> Result<(), Box<dyn Error>> {
    let mut connection = wsutil::accept(stream)?;
    while let Some((message, mut reply)) = connection.receive()? {
        reply.send(message)?;
    }
    Ok(())
}
