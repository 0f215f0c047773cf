//! Two loops that echo in batches, so that replies to one read are written at once.

use std::{
    future::poll_fn,
    task::Poll::{Pending, Ready},
};

use futures_util::{Sink, SinkExt, Stream, StreamExt};

/// Echoes what `is_data` lets through, and flushes when there is nothing to read: what yawc,
/// tokio-tungstenite and sockudo-ws do in their own benchmarks.
pub async fn echo_batched<Socket, Message, Error>(
    mut socket: Socket,
    is_data: impl Fn(&Message) -> bool,
) where
    Socket: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    let mut is_flushed = true;
    loop {
        let next = poll_fn(|context| {
            let next = socket.poll_next_unpin(context);
            if next.is_pending() && !is_flushed {
                match socket.poll_flush_unpin(context) {
                    Ready(Ok(())) => is_flushed = true,
                    Ready(Err(error)) => return Ready(Some(Err(error))),
                    Pending => {}
                }
            }
            next
        });
        let Some(Ok(message)) = next.await else { return };
        if is_data(&message) {
            if socket.feed(message).await.is_err() {
                return;
            }
            is_flushed = false;
        }
    }
}

/// Takes all messages there are, at most 32, then echoes them with one flush: for a library that
/// flushes before each read, as tokio-websockets does.
pub async fn echo_collected<Socket, Message, Error>(
    mut socket: Socket,
    is_data: impl Fn(&Message) -> bool,
) where
    Socket: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    let mut batch = Vec::with_capacity(32);
    loop {
        let is_open = poll_fn(|context| {
            while batch.len() < 32 {
                match socket.poll_next_unpin(context) {
                    Ready(Some(Ok(message))) if is_data(&message) => batch.push(message),
                    Ready(Some(Ok(_))) => {}
                    Ready(_) => return Ready(false),
                    Pending if batch.is_empty() => return Pending,
                    Pending => break,
                }
            }
            Ready(true)
        });
        let is_open = is_open.await;
        for message in batch.drain(..) {
            if socket.feed(message).await.is_err() {
                return;
            }
        }
        if socket.flush().await.is_err() || !is_open {
            return;
        }
    }
}
