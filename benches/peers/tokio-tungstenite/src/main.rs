//! Echo with tokio-tungstenite, in batches. Its read buffer is 16 KiB here, which is faster than
//! the 128 KiB it has by default, since it zeroes the buffer before each read.
//!
//! With `--broadcast` what comes goes to all, through a channel of tokio that each task listens to.

use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, select, sync::broadcast};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

fn main() {
    if common::has_flag("--broadcast") {
        let (everyone, _) = broadcast::channel(1024);
        common::serve(move |stream| {
            let everyone = everyone.clone();
            async move {
                let Some(socket) = accept(stream).await else { return };
                tell_all(socket, everyone).await;
            }
        });
    }
    common::serve(|stream| async {
        let Some(socket) = accept(stream).await else { return };
        common::echo_batched(socket, is_data).await;
    });
}

async fn accept(stream: TcpStream) -> Option<WebSocketStream<TcpStream>> {
    let config = WebSocketConfig::default().read_buffer_size(16 * 1024);
    accept_async_with_config(stream, Some(config)).await.ok()
}

async fn tell_all(mut socket: WebSocketStream<TcpStream>, everyone: broadcast::Sender<Message>) {
    let mut news = everyone.subscribe();
    loop {
        select! {
            next = socket.next() => {
                let Some(Ok(message)) = next else { return };
                if is_data(&message) && everyone.send(message).is_err() {
                    return;
                }
            }
            message = news.recv() => {
                let Ok(message) = message else { return };
                if socket.send(message).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}
