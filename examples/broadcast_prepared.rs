//! Tells every client what any of them says: each message is encoded once, whoever gets it.

mod common;

use std::{
    error::Error,
    net::TcpStream,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use wsutil::{Prepared, Sender};

/// Who gets what is said.
static CLIENTS: Mutex<Vec<Sender>> = Mutex::new(Vec::new());

fn main() {
    common::run("Tells every client what any of them says.", |stream| common::log(serve(stream)));
}

fn serve(stream: TcpStream) -> Result<(), Box<dyn Error>> {
    let connection = wsutil::accept(stream)?;
    let (mut receiver, sender, flusher) = connection.split(TcpStream::try_clone)?;
    thread::spawn(move || flusher.run());
    clients().push(sender);
    while let Some(message) = receiver.receive()? {
        broadcast(&Prepared::new(message));
    }
    Ok(())
}

/// Queues a message for everyone; those who are gone, and those who read too slowly, are dropped.
fn broadcast(message: &Prepared) {
    clients().retain(|client| client.try_send_prepared(message).is_ok());
}

fn clients() -> MutexGuard<'static, Vec<Sender>> {
    CLIENTS.lock().unwrap_or_else(PoisonError::into_inner)
}
