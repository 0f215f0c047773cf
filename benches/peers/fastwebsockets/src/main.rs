//! Echo with fastwebsockets: as in its own example, which writes each reply at once. With `--split`
//! through its unstable halves and a buffer, flushed when there is nothing to read: the only way to
//! write several replies together. With `--broadcast` one half reads for all, and the other writes
//! what comes from a channel of tokio.

use std::{convert::Infallible, pin::pin, sync::Arc};

use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, Role, WebSocket,
    WebSocketError, WebSocketWrite, after_handshake_split,
};
use futures_util::future::poll_immediate;
use tokio::{
    io::BufWriter,
    net::{TcpStream, tcp::OwnedWriteHalf},
    sync::broadcast::{self, Receiver, Sender},
};

/// A message for all, and whether it is text.
type News = (OpCode, Arc<[u8]>);

fn main() {
    if common::has_flag("--broadcast") {
        let everyone = broadcast::channel::<News>(1024).0;
        common::serve(move |mut stream| {
            let everyone = everyone.clone();
            async move {
                if common::upgrade(&mut stream).await.is_ok() {
                    // As below.
                    let _ = tell_all(stream, everyone).await;
                }
            }
        });
    }
    let is_split = common::has_flag("--split");
    common::serve(move |mut stream| async move {
        if common::upgrade(&mut stream).await.is_err() {
            return;
        }
        // An error is the end of this connection, whatever it is.
        let _ = if is_split { echo_split(stream).await } else { echo(stream).await };
    });
}

async fn echo(stream: TcpStream) -> Result<(), WebSocketError> {
    let mut socket = WebSocket::after_handshake(stream, Role::Server);
    socket.set_writev(true);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

async fn echo_split(stream: TcpStream) -> Result<(), WebSocketError> {
    let (reader, writer) = stream.into_split();
    let writer = BufWriter::with_capacity(16 * 1024, writer);
    let (reader, mut writer) = after_handshake_split(reader, writer, Role::Server);
    let mut reader = FragmentCollectorRead::new(reader);
    let mut answer = |_: Frame<'_>| async { Ok::<(), Infallible>(()) };
    loop {
        let mut next = pin!(reader.read_frame(&mut answer));
        let frame = match poll_immediate(next.as_mut()).await {
            Some(frame) => frame?,
            None => {
                writer.flush().await?;
                next.await?
            }
        };
        match frame.opcode {
            OpCode::Text | OpCode::Binary => writer.write_frame(frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

async fn tell_all(stream: TcpStream, everyone: Sender<News>) -> Result<(), WebSocketError> {
    let (reader, writer) = stream.into_split();
    let (reader, writer) = after_handshake_split(reader, writer, Role::Server);
    let mut reader = FragmentCollectorRead::new(reader);
    tokio::spawn(pass_on(everyone.subscribe(), writer));
    let mut answer = |_: Frame<'_>| async { Ok::<(), Infallible>(()) };
    loop {
        let frame = reader.read_frame(&mut answer).await?;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => {
                // Somebody listens, if only to find that its client is gone.
                let _ = everyone.send((frame.opcode, frame.payload[..].into()));
            }
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

/// Writes to one client until it is gone.
async fn pass_on(mut news: Receiver<News>, mut writer: WebSocketWrite<OwnedWriteHalf>) {
    while let Ok((opcode, payload)) = news.recv().await {
        let frame = Frame::new(true, opcode, None, Payload::Borrowed(&payload));
        if writer.write_frame(frame).await.is_err() {
            return;
        }
    }
}
