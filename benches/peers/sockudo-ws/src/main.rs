//! Echo with sockudo-ws, in batches, with its defaults and the allocator it recommends.

use sockudo_ws::{Config, Http1, protocol::Message, server::WebSocketServer};

fn main() {
    common::serve(|stream| async {
        let server = WebSocketServer::<Http1>::new(Config::default());
        let Ok((socket, _)) = server.accept(stream).await else { return };
        common::echo_batched(socket, is_data).await;
    });
}

fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_))
}
