//! Echo with tokio-websockets: without limits and without cutting replies into frames. It flushes
//! before each read, so the messages there are get collected first.

use tokio_websockets::{Config, Limits, ServerBuilder};

fn main() {
    common::serve(|stream| async {
        let builder = ServerBuilder::new()
            .config(Config::default().frame_size(usize::MAX))
            .limits(Limits::unlimited());
        let Ok((_, socket)) = builder.accept(stream).await else { return };
        common::echo_collected(socket, |message| message.is_text() || message.is_binary()).await;
    });
}
