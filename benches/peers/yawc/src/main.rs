//! Echo with yawc, in batches, with the buffers of its own benchmark: 128 KiB to read, 64 KiB to
//! write. Text is checked, which it does not do by default.

use futures_util::StreamExt;
use yawc::{CompressionLevel, Frame, OpCode, Options, Role, WebSocket};

fn main() {
    common::serve(|mut stream| async {
        if common::upgrade(&mut stream).await.is_err() {
            return;
        }
        let extension = common::extension();
        let socket =
            WebSocket::from_stream_with_extensions(stream, Role::Server, extension, options());
        let Ok(socket) = socket else { return };
        common::echo_batched(socket.map(Ok), is_data).await;
    });
}

fn options() -> Options {
    let options = Options::default()
        .with_utf8()
        .with_limits(64 << 20, 128 << 20)
        .with_read_buffer_capacity(128 * 1024)
        .with_backpressure_boundary(64 * 1024);
    if common::extension().is_none() {
        return options.without_compression();
    }
    let options = options.with_compression_level(CompressionLevel::default());
    if common::has_flag("--takeover") {
        return options;
    }
    options.server_no_context_takeover().client_no_context_takeover()
}

fn is_data(frame: &Frame) -> bool {
    matches!(frame.opcode(), OpCode::Text | OpCode::Binary)
}
