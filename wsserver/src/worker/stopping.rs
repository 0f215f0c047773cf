//! The end of a loop: clients are told to go, and have a while to do so.

use std::time::{Duration, Instant};

use wscore::CloseCode;

use super::Worker;
use crate::{
    End, Handler, Overload,
    connection::{Stage, Turn},
    overload::Item,
};

/// So many connections are closed at once, and others after a while.
const BATCH: usize = 10_000;
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Stopping {
    /// `None` for as long as it takes.
    pub(super) until: Option<Instant>,
    /// When the next ones are closed, and from which key on.
    pub(super) next: Instant,
    from: usize,
}

impl<H: Handler> Worker<H> {
    pub(super) fn stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        self.listeners.clear();
        self.accepting.again = None;
        let now = Instant::now();
        let until = now.checked_add(self.config.shutdown_timeout);
        self.stopping = Some(Stopping { until, next: now, from: 0 });
    }

    /// Goes on with a shutdown, if there is one: whether it is done.
    pub(super) fn is_stopped(&mut self) -> bool {
        let Some(stopping) = &mut self.stopping else { return false };
        let now = Instant::now();
        if stopping.next <= now {
            let end = stopping.from + BATCH;
            let batch = stopping.from..end;
            stopping.from = end;
            stopping.next = now + PAUSE;
            let close = Item::Close(CloseCode::GOING_AWAY, "".into());
            for key in batch {
                match self.clients.get(key).map(|entry| &entry.stage) {
                    Some(Stage::Open(_)) => self.put(key, &close, Overload::Disconnect),
                    Some(Stage::Handshake { .. }) => self.remove(key),
                    _ => {}
                }
            }
            let keys = std::mem::take(&mut self.sent_to);
            keys.into_iter().for_each(|key| self.flush(key));
        }
        let is_late = self
            .stopping
            .as_ref()
            .and_then(|stopping| stopping.until)
            .is_some_and(|until| until <= now);
        self.clients.is_empty() || is_late
    }

    /// Drops all that is left.
    pub(super) fn abort(&mut self) {
        self.mailbox().close();
        let keys: Vec<_> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.with_work(key, |_, _, _, work| {
                Turn::Lost(work.ending.take().unwrap_or(End::Aborted))
            });
            self.remove(key);
        }
    }
}
