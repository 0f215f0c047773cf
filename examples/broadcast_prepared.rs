//! Tells every client what any of them says: each message is encoded once, whoever gets it.

mod common;

use std::{
    error::Error,
    net::TcpStream,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use wscore::CloseCode;
use wsutil::{Deadlines, Prepared, Sender};

/// Who gets what is said.
static CLIENTS: Mutex<Vec<Sender>> = Mutex::new(Vec::new());

fn main() {
    common::run("Tells every client what any of them says.", |stream| common::log(serve(stream)));
}

fn serve(stream: TcpStream) -> Result<(), Box<dyn Error>> {
    let seconds = Duration::from_secs;
    let deadlines = Deadlines::heartbeat(seconds(25), seconds(20)).write(seconds(10));
    let connection = wsutil::accept(stream)?.with_deadlines(deadlines)?;
    let (mut receiver, sender, flusher) = connection.split(TcpStream::try_clone)?;
    thread::spawn(move || flusher.run());
    clients().push(sender);
    while let Some(message) = receiver.receive()? {
        broadcast(&Prepared::new(message));
    }
    Ok(())
}

/// Queues a message for everyone. Those who are gone are forgotten; those who read too slowly are
/// disconnected, as they would miss messages.
fn broadcast(message: &Prepared) {
    clients().retain(|client| {
        let is_queued = client.try_send_prepared(message).is_ok();
        if !is_queued {
            // Nothing to do if it is closed already.
            let _ = client.close(CloseCode::POLICY_VIOLATION, "reads too slowly");
        }
        is_queued
    });
}

fn clients() -> MutexGuard<'static, Vec<Sender>> {
    CLIENTS.lock().unwrap_or_else(PoisonError::into_inner)
}
