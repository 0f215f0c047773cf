//! What others send to connections of this loop.

use std::{cmp::Reverse, io::Write, mem};

use super::{Worker, id};
use crate::{
    ClientId, End, Handler, Overload,
    connection::{Entry, Open, SLOW, Stage, Turn},
    io::passing,
    mailbox::Command,
    overload::{Full, Item, QueueLimits},
    publish::Publication,
};

impl<H: Handler> Worker<H> {
    /// Does what another thread wants.
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Adopt(stream) => self.adopt(stream),
            Command::Send(id, item) => {
                if let Some(key) = self.key(id) {
                    self.metrics().delivered.add(1);
                    self.put(key, &item, Overload::Disconnect);
                }
            }
            Command::Publish(publication) => self.publish(&publication),
            Command::Left(id, room) => {
                let Some(key) = self.key(id) else { return };
                self.with_work(key, |open, context, stream, work| {
                    open.call(context, stream, work, |client| {
                        context.handler.on_leave(client, &room);
                    });
                    open.flush(context, stream, work)
                });
            }
            Command::Shutdown => self.stop(),
        }
    }

    /// The place of a connection that is open.
    fn key(&self, to: ClientId) -> Option<usize> {
        let key = to.key as usize;
        let entry = self.clients.get(key)?;
        let is_it = matches!(entry.stage, Stage::Open(_));
        (is_it && to == id(self.index, key, entry.generation)).then_some(key)
    }

    /// Has something sent to an open connection, behind what waits for it.
    pub(super) fn put(&mut self, key: usize, item: &Item, overload: Overload) {
        let is_scarce = self.shared().queued() > self.config.max_total_queued;
        self.with_work(key, |open, context, stream, work| {
            if work.blocked.is_none() && work.endpoint.sending().is_to_write() {
                match open.flush(context, stream, work) {
                    Turn::Wait => {}
                    ended => return ended,
                }
            }
            let limits = QueueLimits { is_scarce, ..context.config.queue_limits() };
            match work.put(item, overload, limits) {
                Ok(dropped) => {
                    context.metrics.dropped.add(dropped);
                    Turn::Wait
                }
                Err(Full) => {
                    work.give_up(SLOW, End::Slow, context.now);
                    open.flush(context, stream, work)
                }
            }
        });
        let Some(Entry { stage: Stage::Open(open), .. }) = self.clients.get(key) else { return };
        // One that takes nothing now says when it does again.
        if open.work.as_ref().is_some_and(|work| work.blocked.is_none()) {
            self.sent_to.push(key);
        }
    }

    fn publish(&mut self, publication: &Publication) {
        let Publication { target, number, item, but, overload } = publication;
        let mut members = mem::take(&mut self.members);
        members.clear();
        let here = &self.shared().loops[usize::from(self.index)];
        members.extend(here.directory().keys(target, *number));
        let mut delivered = 0;
        for key in members.iter().map(|key| *key as usize) {
            let Some(entry) = self.clients.get_mut(key) else { continue };
            let Stage::Open(open) = &entry.stage else { continue };
            if *but == Some(id(self.index, key, entry.generation)) {
                continue;
            }
            delivered += 1;
            let mut written = 0;
            if let (None, None, Item::Prepared(message)) = (&open.work, &open.agreed, item) {
                // Nothing waits: what is encoded goes out as it is.
                match passing(|| entry.stream.write(message.frame())) {
                    Ok(Some(all)) if all == message.frame().len() => continue,
                    Ok(some) => written = some.unwrap_or(0),
                    // That it is gone is told when it is read from.
                    Err(_) => continue,
                }
            }
            if written > 0 {
                self.put_rest(key, item, written);
            } else {
                self.put(key, item, *overload);
            }
        }
        self.metrics().delivered.add(delivered);
        self.members = members;
    }

    /// Has the rest of a frame sent, of which so many bytes are written.
    fn put_rest(&mut self, key: usize, item: &Item, written: usize) {
        self.with_work(key, |open, context, stream, work| {
            let mut sending = work.endpoint.sending();
            if item.put(&mut sending).is_ok() {
                sending.written(written);
            }
            open.flush(context, stream, work)
        });
    }

    /// Writes what others sent to a connection.
    pub(super) fn flush(&mut self, key: usize) {
        let Some(Entry { stage: Stage::Open(open), .. }) = self.clients.get(key) else { return };
        if open.work.as_ref().is_some_and(|work| work.blocked.is_none()) {
            self.with_work(key, Open::flush);
        }
    }

    /// Gives up those for whom most waits, while it is too much for all together.
    pub(super) fn shed(&mut self) {
        if self.shared().queued() <= self.config.max_total_queued {
            return;
        }
        let waits = self.clients.iter().filter_map(|(key, entry)| match &entry.stage {
            Stage::Open(open) => open.work.as_ref().map(|work| (Reverse(work.waits()), key)),
            _ => None,
        });
        let mut waits: Vec<_> = waits.filter(|(waits, _)| waits.0 > 0).collect();
        waits.sort_unstable();
        for (_, key) in waits {
            if self.shared().queued() <= self.config.max_total_queued {
                return;
            }
            self.with_work(key, |open, context, stream, work| {
                work.give_up(SLOW, End::Slow, context.now);
                open.flush(context, stream, work)
            });
        }
    }
}
