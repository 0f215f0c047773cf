//! What others send to connections of this loop.

use std::{cmp::Reverse, io::Write, mem};

use super::{Worker, id};
use crate::{
    Client, ClientId, End, Handler, Overload,
    connection::{Open, SLOW, Stage, Turn},
    io::passing,
    mailbox::Command,
    overload::{Item, QueueLimits, Refused},
    publish::Publication,
};

impl<H: Handler> Worker<H> {
    /// Does what another thread wants.
    pub(super) fn obey(&mut self, command: Command, is_last: bool) {
        match command {
            Command::Adopt(stream) => self.adopt(stream),
            Command::Send(id, item) => {
                if let Some(key) = self.key(id) {
                    self.metrics().delivered.add(1);
                    self.put(key, &item, Overload::Disconnect);
                }
            }
            Command::Publish(publication) => self.publish(&publication, is_last),
            Command::Left(id) => self.left(id),
            Command::Wake(id) => self.call(id, H::on_wake),
            Command::Shutdown => self.stop(),
        }
    }

    /// Has the handler told of rooms that a connection has left.
    fn left(&mut self, id: ClientId) {
        self.call(id, |_, client| client.effects.has_left = true);
    }

    /// Has the handler do something with a connection, if it is still there.
    fn call(&mut self, id: ClientId, call: impl FnOnce(&H, &mut Client<'_, H::Session>)) {
        let Some(key) = self.key(id) else { return };
        self.with_work(key, |open, context, stream, work| {
            open.call(context, stream, work, |client| call(context.handler, client));
            open.flush(context, stream, work)
        });
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
                Err(Refused::Closing) => Turn::Wait,
                Err(Refused::Full) => {
                    work.give_up(SLOW, End::Slow, context.now);
                    open.flush(context, stream, work)
                }
            }
        });
        let Some(entry) = self.clients.get_mut(key) else { return };
        let Stage::Open(open) = &entry.stage else { return };
        // One that takes nothing now says when it does again.
        let is_to_flush = open.work.as_ref().is_some_and(|work| work.blocked.is_none());
        if is_to_flush && !mem::replace(&mut entry.is_sent_to, true) {
            self.sent_to.push(key);
        }
    }

    /// Publishes something, behind which there is nothing for now if it is the `last`: else what
    /// goes to the same connection leaves in one write.
    fn publish(&mut self, publication: &Publication, is_last: bool) {
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
            // Nothing waits, and nothing follows: what is encoded goes out as it is.
            let is_direct = is_last && open.work.is_none();
            match (item, open.agreed) {
                (Item::Prepared(message), None) if is_direct => {
                    match passing(|| entry.stream.write(message.frame())) {
                        Ok(Some(all)) if all == message.frame().len() => {}
                        Ok(written) => self.put_rest(key, item, written.unwrap_or(0)),
                        // That it is gone is told when it is read from.
                        Err(_) => {}
                    }
                }
                _ if is_direct => self.put_rest(key, item, 0),
                _ => self.put(key, item, *overload),
            }
        }
        self.metrics().delivered.add(delivered);
        self.members = members;
    }

    /// Has a message sent at once, of whose frame so many bytes are written.
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
        let Some(entry) = self.clients.get_mut(key) else { return };
        entry.is_sent_to = false;
        let Stage::Open(open) = &entry.stage else { return };
        if open.work.as_ref().is_some_and(|work| work.blocked.is_none()) {
            self.with_work(key, Open::flush);
        }
    }

    /// Drops what may be dropped, and then gives up those for whom most waits, while it is too much
    /// for all together.
    pub(super) fn shed(&mut self) {
        if self.shared().queued() <= self.config.max_total_queued {
            return;
        }
        let keys = self.clients.iter().map(|(key, _)| key);
        let mut waits: Vec<_> = keys.map(|key| (Reverse(self.waits(key)), key)).collect();
        waits.retain(|(waits, _)| waits.0 > 0);
        waits.sort_unstable();
        // Others may have more than their part, and let go of it when they come to it.
        let part = self.config.max_total_queued / self.shared().loops.len();
        let mut own: usize = waits.iter().map(|(waits, _)| waits.0).sum();
        for is_dropped in [true, false] {
            for (_, key) in &waits {
                if own <= part || self.shared().queued() <= self.config.max_total_queued {
                    return;
                }
                let before = self.waits(*key);
                self.with_work(*key, |open, context, stream, work| {
                    if is_dropped {
                        context.metrics.dropped.add(work.queue.drop_some());
                        return Turn::Wait;
                    }
                    work.give_up(SLOW, End::Slow, context.now);
                    open.flush(context, stream, work)
                });
                own -= before.saturating_sub(self.waits(*key));
            }
        }
    }

    /// How much waits for a connection, in bytes, as the server's totals know it.
    fn waits(&self, key: usize) -> usize {
        match self.clients.get(key).map(|entry| &entry.stage) {
            Some(Stage::Open(open)) => open.work.as_ref().map_or(0, |work| work.counted_waits()),
            _ => 0,
        }
    }
}
