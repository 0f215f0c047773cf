//! Echoes every message piece by piece, as it comes: memory does not depend on its size.

mod common;

use std::{error::Error, net::TcpStream};

fn main() {
    common::run("Echoes WebSocket messages in fragments, as they come.", |stream| {
        common::log(serve(stream));
    });
}

fn serve(stream: TcpStream) -> Result<(), Box<dyn Error>> {
    let mut connection = wsutil::accept(stream)?.with_limits(wsutil::Limits::NONE);
    while let Some((piece, mut reply)) = connection.receive_piece()? {
        reply.send_piece(piece.kind, piece.last, piece.payload)?;
    }
    Ok(())
}
