//! Echo with tokio-tungstenite, in batches. Its read buffer is 16 KiB here, which is faster than
//! the 128 KiB it has by default, since it zeroes the buffer before each read.

use tokio_tungstenite::{accept_async_with_config, tungstenite::protocol::WebSocketConfig};

fn main() {
    common::serve(|stream| async {
        let config = WebSocketConfig::default().read_buffer_size(16 * 1024);
        let Ok(socket) = accept_async_with_config(stream, Some(config)).await else { return };
        common::echo_batched(socket, |message| message.is_text() || message.is_binary()).await;
    });
}
