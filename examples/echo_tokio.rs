//! Echo with `wsutil::tokio::Connection`, one task for each.

mod common;

use std::{error::Error, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use wsflate::Deflate;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (address, deflate) =
        common::listen_options("Echoes WebSocket messages, with tokio on one thread.");
    common::stop_on_ctrl_c();
    let listener = match TcpListener::bind(&address).await {
        Ok(listener) => listener,
        Err(error) => common::fail(&format!("cannot listen on {address}: {error}")),
    };
    let bound = listener.local_addr().map_or(address, |address| address.to_string());
    println!("listening on ws://{bound}/");
    loop {
        // An error here is that of one connection, or the lack of descriptors, which passes.
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let deflate = deflate.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, deflate.as_ref()).await {
                eprintln!("{}", common::in_one_line(&*error));
            }
        });
    }
}

async fn serve(
    stream: TcpStream,
    deflate: Option<&Deflate>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    // A reply is small and should not wait for the next one.
    stream.set_nodelay(true)?;
    let mut connection = match deflate {
        Some(deflate) => wsutil::tokio::accept_deflate(stream, deflate).await?,
        None => wsutil::tokio::accept(stream).await?,
    };
    while let Some((message, mut reply)) = connection.receive().await? {
        reply.send(message).await?;
    }
    Ok(())
}
