//! Echo with yawc, in batches, with the buffers of its own benchmark: 128 KiB to read, 64 KiB to
//! write. Text is checked, which it does not do by default.

use futures_util::StreamExt;
use yawc::{Frame, OpCode, Options, Role, WebSocket};

fn main() {
    common::serve(|mut stream| async {
        if common::upgrade(&mut stream).await.is_err() {
            return;
        }
        let Ok(socket) = WebSocket::from_stream(stream, Role::Server, options()) else { return };
        common::echo_batched(socket.map(Ok), is_data).await;
    });
}

fn options() -> Options {
    Options::default()
        .with_utf8()
        .with_limits(64 << 20, 128 << 20)
        .with_read_buffer_capacity(128 * 1024)
        .with_backpressure_boundary(64 * 1024)
        .without_compression()
}

fn is_data(frame: &Frame) -> bool {
    matches!(frame.opcode(), OpCode::Text | OpCode::Binary)
}
