//! The end of a connection: the rest of an answer, and what a client still sends.

use std::{
    io::{self, Write},
    mem,
    net::Shutdown,
    sync::Arc,
    time::Duration,
};

use socket2::SockRef;

use super::{Entry, Stage};
use crate::{
    Config,
    guard::guarded_drop,
    io::{passing, read},
    wheel::Tick,
};

/// How many bytes of a client that was closed are thrown away.
const LINGER_BYTES: usize = 64 * 1024;

/// How long that may take.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// What is still to be written of an answer.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    head: Vec<u8>,
    /// Behind the head: shared by all who get it.
    body: Option<Arc<[u8]>>,
    written: usize,
}

impl Rest {
    pub(crate) fn new(head: Vec<u8>, body: Option<Arc<[u8]>>) -> Self {
        Self { head, body, written: 0 }
    }

    /// The next bytes; none are left if it is empty.
    fn next(&self) -> &[u8] {
        let body = self.body.as_deref().unwrap_or_default();
        match self.head.get(self.written..) {
            Some(head) if !head.is_empty() => head,
            _ => &body[self.written - self.head.len()..],
        }
    }
}

/// A connection to which all is said but for the rest of an answer.
#[derive(Debug)]
pub(crate) struct Lingering {
    rest: Rest,
    /// So many bytes of the client are still thrown away.
    left: usize,
    pub(super) until: Tick,
}

impl Lingering {
    pub(crate) fn new(rest: Rest, now: Tick) -> Box<Self> {
        Box::new(Self { rest, left: LINGER_BYTES, until: now.after(LINGER_TIME) })
    }
}

impl<S> Entry<S> {
    /// Has the system throw away what it still has for the client, which does not take it.
    pub(crate) fn reset(&self) {
        // It is closed in any case.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Says that nothing more is written, behind this: whether it is to be waited for.
    pub(crate) fn linger(&mut self, rest: Rest, now: Tick, config: &Config) -> io::Result<bool> {
        let stage = Stage::Lingering(Lingering::new(rest, now));
        guarded_drop(mem::replace(&mut self.stage, stage));
        self.discard(true, now, config)
    }

    /// Writes the rest, and reads what a client that was closed still sends, so that the last bytes
    /// to it are not overtaken by a reset: whether it is to be waited for.
    pub(crate) fn discard(
        &mut self,
        is_first: bool,
        now: Tick,
        config: &Config,
    ) -> io::Result<bool> {
        let Stage::Lingering(lingering) = &mut self.stage else { return Ok(true) };
        let Lingering { rest, left, until } = &mut **lingering;
        let mut is_to_end = is_first;
        while !rest.next().is_empty() {
            match passing(|| self.stream.write(rest.next()))? {
                Some(0) => return Ok(false),
                Some(written) => {
                    rest.written += written;
                    (*until, is_to_end) = (now.after(config.write_timeout), true);
                }
                None if is_first => {
                    *until = now.after(config.write_timeout);
                    return Ok(true);
                }
                None => return Ok(true),
            }
        }
        if is_to_end {
            *rest = Rest::default();
            *until = now.after(LINGER_TIME);
            self.stream.shutdown(Shutdown::Write)?;
        }
        let mut discarded = [0; 4096];
        while *left > 0 {
            match read(&mut self.stream, &mut discarded)? {
                Some(0) => return Ok(false),
                Some(read) => *left = left.saturating_sub(read),
                None => return Ok(true),
            }
        }
        Ok(false)
    }
}
