//! A runtime on one thread with a task for each connection, and a plain upgrade for libraries that
//! take a stream that is upgraded already.

use std::io::{Error, Result};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::unconstrained,
};

/// Listens where the command line says and runs `handle` for each connection.
pub fn serve<Handling>(handle: impl Fn(TcpStream) -> Handling)
where
    Handling: Future<Output = ()> + Send + 'static,
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime should start");
    runtime.block_on(async {
        let address = crate::listen_address();
        let listener = TcpListener::bind(address).await.expect("the address should be free");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            // As the libraries' own benchmarks have it: without tokio's budget for each task.
            tokio::spawn(unconstrained(handle(stream)));
        }
    });
}

/// Answers the upgrade request that comes first.
pub async fn upgrade(stream: &mut TcpStream) -> Result<()> {
    let mut request = Vec::with_capacity(1024);
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Err(Error::other("closed before its request was complete"));
        }
    }
    let request = std::str::from_utf8(&request).map_err(Error::other)?;
    let answer = crate::answer(request).ok_or_else(|| Error::other("no key"))?;
    stream.write_all(answer.as_bytes()).await
}
