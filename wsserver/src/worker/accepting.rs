//! New connections, spread over the workers.

use std::{
    io::Write,
    net::Shutdown,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use mio::{Interest, Token, net::TcpStream};
use wscore::Rejection;

use super::Worker;
use crate::{
    Handler,
    connection::{Entry, Stage},
    handshake::Opening,
    io::passing,
    mailbox::Command,
    wheel::Tick,
};

/// Connections that are accepted at once.
const ACCEPTS: usize = 256;

/// How soon, at first and at the latest, it is tried again to accept where that failed.
const ACCEPT_AGAIN: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// How long a client that is refused is asked to wait, in seconds.
const RETRY_AFTER: u32 = 2;

/// Where the next connection goes, and when it is looked for if the last one could not be had.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    next_worker: usize,
    pub(super) again: Option<(Instant, Duration)>,
}

impl Accepting {
    /// There may be a connection, from this time on.
    pub(super) const fn look_at(&mut self, at: Instant) {
        // What failed is tried again when it is time.
        if self.again.is_none() {
            self.again = Some((at, ACCEPT_AGAIN[0]));
        }
    }
}

impl<H: Handler> Worker<H> {
    /// Accepts what there is, if there may be something.
    pub(super) fn accept(&mut self) {
        let Some((at, pause)) = self.accepting.again else { return };
        if at > Instant::now() {
            return;
        }
        self.accepting.again = None;
        for place in 0..self.listeners.len() {
            for accepted in 1.. {
                if accepted > ACCEPTS {
                    // Others have their turn.
                    self.accepting.look_at(at);
                    break;
                }
                match passing(|| self.listeners[place].accept()) {
                    Ok(Some((stream, _))) => self.spread(stream),
                    Ok(None) => break,
                    // That of one connection, or the lack of descriptors, which passes: others are
                    // served meanwhile.
                    Err(_) => {
                        let next = (pause * 2).min(ACCEPT_AGAIN[1]);
                        self.accepting.again = Some((Instant::now() + pause, next));
                        return;
                    }
                }
            }
        }
    }

    /// Gives a new connection to the next worker.
    fn spread(&mut self, mut stream: TcpStream) {
        let before = self.shared.connections.fetch_add(1, Ordering::Relaxed);
        if before >= self.config.max_connections {
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            return refuse(&mut stream);
        }
        let worker = self.accepting.next_worker;
        self.accepting.next_worker = (worker + 1) % self.shared.mailboxes.len();
        if worker == usize::from(self.index) {
            self.adopt(stream);
        } else if self.shared.mailboxes[worker].post(Command::Adopt(stream)).is_err() {
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn adopt(&mut self, mut stream: TcpStream) {
        if self.handshakes >= self.config.max_handshakes || self.stopping.is_some() {
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            return refuse(&mut stream);
        }
        // A reply is small and should not wait for the next one.
        let _ = stream.set_nodelay(true);
        let until = self.now.after(self.config.handshake_timeout);
        self.generation = self.generation.wrapping_add(1);
        let key = self.clients.insert(Entry {
            stream,
            generation: self.generation,
            is_again: false,
            filed: Tick::NEVER,
            stage: Stage::Handshake { opening: Box::new(Opening::new()), until },
        });
        self.handshakes += 1;
        let both = Interest::READABLE | Interest::WRITABLE;
        let stream = &mut self.clients[key].stream;
        if self.poll.registry().register(stream, Token(key), both).is_err() {
            return self.remove(key);
        }
        self.file(key);
    }
}

/// Tells a client that there are too many, as far as its stream takes it.
fn refuse(stream: &mut TcpStream) {
    let mut answer = vec![];
    Rejection::new(503).retry_after(RETRY_AFTER).encode(&mut answer);
    let _ = stream.write(&answer);
    let _ = stream.shutdown(Shutdown::Write);
}
