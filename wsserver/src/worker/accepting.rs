//! New connections, spread over the workers.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Interest, Token, net::TcpStream};
use wscore::Rejection;

use super::Worker;
use crate::{
    Handler,
    connection::{Entry, Lingering, Rest, Stage},
    guard::guarded,
    io::passing,
    mailbox::Command,
    wheel::Tick,
};

/// Connections that are accepted at once.
const ACCEPTS: usize = 256;

/// How soon, at first and at the latest, it is tried again to accept where that failed.
const ACCEPT_AGAIN: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// No descriptor is left, to the system or to the process: the same on all that have `epoll` or
/// `kqueue`.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// How long a client that is refused is asked to wait, in seconds: not all of them as long.
const RETRY_AFTER: std::ops::RangeInclusive<u32> = 1..=5;

/// Where the next connection goes, and when it is looked for if the last one could not be had.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    next_worker: usize,
    refused: u32,
    /// A descriptor to do without when there are no others.
    spare: Option<File>,
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
                    Ok(Some((stream, peer))) => self.spread(stream, peer),
                    Ok(None) => break,
                    // That of one connection.
                    Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                    // The lack of descriptors or memory, which passes: others are served meanwhile.
                    Err(error) => {
                        if matches!(error.raw_os_error(), Some(ENFILE | EMFILE)) {
                            self.shed_one(place);
                        }
                        let next = (pause * 2).min(ACCEPT_AGAIN[1]);
                        self.accepting.again = Some((Instant::now() + pause, next));
                        return;
                    }
                }
            }
        }
    }

    /// Ends a connection that there is no descriptor for, with one that is kept for this: it need
    /// not wait until it gives up by itself.
    fn shed_one(&mut self, place: usize) {
        if self.accepting.spare.take().is_some() {
            if let Ok((mut stream, _)) = self.listeners[place].accept() {
                let _ = stream.write(&self.refusal());
            }
        }
        self.keep_spare();
    }

    pub(super) fn keep_spare(&mut self) {
        if self.listeners.is_empty() {
            return;
        }
        self.accepting.spare = File::open("/dev/null").ok();
    }

    /// Gives a new connection to the next worker.
    fn spread(&mut self, stream: TcpStream, peer: SocketAddr) {
        let connections = self.shared().accepted();
        let is_welcome = guarded(|| self.handler.accept(peer)).unwrap_or(false);
        if !is_welcome || connections > self.config.max_connections {
            return self.refuse(stream, connections);
        }
        let worker = self.accepting.next_worker;
        self.accepting.next_worker = (worker + 1) % self.shared().loops.len();
        if worker == usize::from(self.index) {
            self.adopt(stream);
        } else if self.shared().loops[worker].mailbox.post(Command::Adopt(stream)).is_err() {
            self.shared().gone();
        }
    }

    /// Tells a client that there are too many.
    fn refuse(&mut self, stream: TcpStream, connections: usize) {
        self.metrics().refused.add(1);
        if connections > self.config.max_connections + self.shared().max_refusals {
            return self.shared().gone();
        }
        let rest = Rest::new(self.refusal(), None);
        // What it sends is waited for, so that the answer is not overtaken by a reset.
        let stage = Stage::Lingering(Lingering::new(rest, self.now));
        let Some(key) = self.insert(stream, stage) else { return };
        if !self.clients[key].discard(true, self.now, &self.config).unwrap_or(false) {
            self.remove(key);
        }
    }

    fn refusal(&mut self) -> Vec<u8> {
        let mut answer = vec![];
        let (first, last) = RETRY_AFTER.into_inner();
        let after = first + self.accepting.refused % (last - first + 1);
        self.accepting.refused = self.accepting.refused.wrapping_add(1);
        Rejection::new(503).retry_after(after).encode(&mut answer);
        answer
    }

    /// Takes a connection over: where it is.
    fn insert(&mut self, stream: TcpStream, stage: Stage<H::Session>) -> Option<usize> {
        self.generation = self.generation.wrapping_add(1).max(1);
        let generation = self.generation;
        let entry = Entry {
            stream,
            generation,
            is_again: false,
            is_sent_to: false,
            filed: Tick::NEVER,
            stage,
        };
        let key = self.clients.insert(entry);
        let both = Interest::READABLE | Interest::WRITABLE;
        let stream = &mut self.clients[key].stream;
        if self.poll.registry().register(stream, Token(key), both).is_err() {
            self.remove(key);
            return None;
        }
        self.file(key);
        Some(key)
    }

    pub(super) fn adopt(&mut self, stream: TcpStream) {
        let is_full = self.handshakes >= self.config.max_handshakes
            || self.shared().queued() > self.config.max_total_queued;
        if self.stopping.is_some() || is_full {
            let connections = self.shared().connections();
            return self.refuse(stream, connections);
        }
        // A reply is small and should not wait for the next one.
        let _ = stream.set_nodelay(true);
        let until = self.now.after(self.config.handshake_timeout);
        self.handshakes += 1;
        self.insert(stream, Stage::Handshake { opening: None, until });
    }
}
