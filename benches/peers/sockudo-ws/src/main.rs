//! Echo with sockudo-ws, in batches, with its defaults and the allocator it recommends.

use sockudo_ws::{
    CompressedWebSocketStream, Config, DeflateConfig, Http1, protocol::Message,
    server::WebSocketServer,
};

fn main() {
    common::serve(|mut stream| async {
        if common::extension().is_some() {
            if common::upgrade(&mut stream).await.is_ok() {
                let socket =
                    CompressedWebSocketStream::server(stream, Config::default(), deflate());
                common::echo_batched(socket, is_data).await;
            }
            return;
        }
        let server = WebSocketServer::<Http1>::new(Config::default());
        let Ok((socket, _)) = server.accept(stream).await else { return };
        common::echo_batched(socket, is_data).await;
    });
}

fn deflate() -> DeflateConfig {
    let is_alone = !common::has_flag("--takeover");
    DeflateConfig {
        server_no_context_takeover: is_alone,
        client_no_context_takeover: is_alone,
        ..DeflateConfig::default()
    }
}

fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_))
}
