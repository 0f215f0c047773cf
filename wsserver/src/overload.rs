//! What waits for a client that does not take what is sent.
//!
//! It is held by reference, beside the frames that are encoded already: each of those who get the
//! same message holds the same bytes, and what is dropped was never compressed.

use std::collections::VecDeque;

use wscore::CloseCode;
use wsutil::{OwnedMessage, Prepared, SendError, Sending};

/// What becomes of a message for a client that has too much waiting for it already.
///
/// How much that is, [`Config::max_queued_bytes`](crate::Config::max_queued_bytes) and
/// [`Config::max_queued_messages`](crate::Config::max_queued_messages) say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overload {
    /// What waits and may be dropped is, the oldest first; where there is nothing of that, the
    /// client is told 1008 and disconnected: a gap is worse than connecting again.
    #[default]
    Disconnect,
    /// This message is dropped.
    DropNewest,
    /// The oldest of those messages that may be dropped are, and this one if there are none.
    DropOldest,
    /// A message with the same key to the same room, user or all that still waits is dropped, at any
    /// time: only the latest one counts. If there is none, as [`DropOldest`](Self::DropOldest).
    KeepLatest(u64),
}

/// What each thing that waits costs beside its payload, in bytes.
const OVERHEAD: usize = 64;

/// How many bytes are encoded at a time of what waits.
const FEED: usize = 64 * 1024;

/// Something for a client.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Message(OwnedMessage),
    Prepared(Prepared),
    Close(CloseCode, Box<str>),
}

impl Item {
    pub(crate) fn cost(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Message(message) => message.as_bytes().len(),
                Self::Prepared(message) => message.payload().len(),
                Self::Close(_, reason) => reason.len(),
            }
    }

    fn put_once(&self, sending: &mut Sending<'_>) -> Result<(), SendError> {
        match self {
            Self::Message(message) => sending.message(message),
            Self::Prepared(message) => sending.prepared(message),
            Self::Close(code, reason) => sending.close(*code, reason),
        }
    }

    /// Has it sent, uncompressed where compressing it fails.
    pub(crate) fn put(&self, sending: &mut Sending<'_>) -> Result<(), SendError> {
        match self.put_once(sending) {
            Err(SendError::NotCompressed) => self.put_once(sending),
            done => done,
        }
    }
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) bytes: usize,
    pub(crate) messages: usize,
    /// Too much waits for all together: what may be dropped does not wait.
    pub(crate) is_scarce: bool,
}

/// Why something does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Nothing more can wait, and nothing of what does may be dropped.
    Full,
    /// A close frame waits, behind which nothing is sent.
    Closing,
}

/// What waits for one client, in order.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    items: VecDeque<(Item, Overload)>,
    cost: usize,
    /// Messages that were dropped, and the client's handler was not told of.
    pub(crate) dropped: u64,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What waits costs so much, in bytes.
    pub(crate) const fn cost(&self) -> usize {
        self.cost
    }

    /// Has something wait behind all that does: how many messages were dropped for it.
    pub(crate) fn push(
        &mut self,
        item: Item,
        overload: Overload,
        limits: QueueLimits,
    ) -> Result<u64, Refused> {
        if self.close().is_some() {
            return Err(Refused::Closing);
        }
        let before = self.dropped;
        let (cost, is_close) = (item.cost(), matches!(item, Item::Close(..)));
        // A close frame takes no room from others: it is the last one.
        let is_kept = is_close || self.make_room(cost, overload, limits)?;
        if is_kept {
            self.cost += cost;
            self.items.push_back((item, overload));
        } else {
            self.dropped += 1;
        }
        Ok(self.dropped - before)
    }

    /// Drops what gives way to something that costs so much: whether there is room for it.
    fn make_room(
        &mut self,
        cost: usize,
        overload: Overload,
        limits: QueueLimits,
    ) -> Result<bool, Refused> {
        let is_latest = matches!(overload, Overload::KeepLatest(_));
        let replaces = is_latest && self.drop_first(|other| other == overload);
        if limits.is_scarce && overload != Overload::Disconnect && !replaces {
            return Ok(false);
        }
        // One alone may be of any size.
        while !self.is_empty()
            && (self.items.len() >= limits.messages || self.cost + cost > limits.bytes)
        {
            let gives_way = |other| other != Overload::Disconnect;
            match overload {
                Overload::DropNewest => return Ok(false),
                _ if self.drop_first(gives_way) => {}
                Overload::Disconnect => return Err(Refused::Full),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The close frame that waits behind all else.
    pub(crate) fn close(&self) -> Option<(CloseCode, &str)> {
        match self.items.back() {
            Some((Item::Close(code, reason), _)) => Some((*code, reason)),
            _ => None,
        }
    }

    /// Drops all that may be dropped: how many messages.
    pub(crate) fn drop_some(&mut self) -> u64 {
        let before = self.dropped;
        while self.drop_first(|overload| overload != Overload::Disconnect) {}
        self.dropped - before
    }

    /// Encodes some of what waits.
    pub(crate) fn feed(&mut self, sending: &mut Sending<'_>) {
        while sending.pending() < FEED {
            let Some((item, _)) = self.items.pop_front() else { break };
            self.cost -= item.cost();
            if item.put(sending).is_err() {
                // Nothing follows a close frame.
                self.clear();
            }
        }
        if self.items.is_empty() {
            self.items = VecDeque::new();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.items = VecDeque::new();
        self.cost = 0;
    }

    /// Drops the first one of which this is so, if there is one.
    fn drop_first(&mut self, is_it: impl Fn(Overload) -> bool) -> bool {
        let Some(place) = self.items.iter().position(|(_, overload)| is_it(*overload)) else {
            return false;
        };
        if let Some((item, _)) = self.items.remove(place) {
            self.cost -= item.cost();
            self.dropped += 1;
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails with a panic")]
mod tests {
    use proptest::prelude::*;
    use wscore::Role;
    use wsutil::Endpoint;

    use super::*;

    const LIMITS: QueueLimits = QueueLimits { bytes: 3 * 65, messages: 3, is_scarce: false };

    fn text(text: &str) -> Item {
        Item::Message(text.to_owned().into())
    }

    /// Pushes each, and says what waits then.
    fn after(items: &[(&str, Overload)]) -> (Vec<Result<u64, Refused>>, String) {
        let mut queue = Queue::default();
        let pushed = items.iter().map(|(name, overload)| queue.push(text(name), *overload, LIMITS));
        let pushed = pushed.collect();
        (pushed, drain(&mut queue))
    }

    fn drain(queue: &mut Queue) -> String {
        let mut endpoint = Endpoint::new(Role::Server);
        queue.feed(&mut endpoint.sending());
        assert_eq!(queue.cost(), 0);
        let bytes = endpoint.pieces().collect::<Vec<_>>().concat();
        bytes.chunks(3).map(|frame| char::from(frame[2])).collect()
    }

    #[test]
    fn s12_what_is_too_much_is_dropped_as_was_chosen() {
        use Overload::{Disconnect, DropNewest, DropOldest, KeepLatest};
        let three = |last| [("a", Disconnect), ("b", DropOldest), ("c", KeepLatest(1)), last];
        let cases = [
            (Disconnect, Ok(1), "acd"),
            (DropNewest, Ok(1), "abc"),
            (DropOldest, Ok(1), "acd"),
            (KeepLatest(1), Ok(1), "abd"),
            (KeepLatest(2), Ok(1), "acd"),
        ];
        for (overload, pushed, waits) in cases {
            let (all, rest) = after(&three(("d", overload)));
            assert_eq!(
                (&all[..3], all[3], &*rest),
                (&[Ok(0); 3][..], pushed, waits),
                "{overload:?}"
            );
        }
        // What must not be dropped is not, for any other.
        let full = [("a", Disconnect), ("b", Disconnect), ("c", Disconnect), ("d", Disconnect)];
        assert_eq!(after(&full), (vec![Ok(0), Ok(0), Ok(0), Err(Refused::Full)], "abc".to_owned()));
        for overload in [DropOldest, KeepLatest(1)] {
            let full = [("a", Disconnect), ("b", Disconnect), ("c", Disconnect), ("d", overload)];
            assert_eq!(after(&full), (vec![Ok(0), Ok(0), Ok(0), Ok(1)], "abc".to_owned()));
        }
        // Where all are too many, what may be dropped does not wait, but in place of another.
        let scarce = QueueLimits { is_scarce: true, ..LIMITS };
        let mut queue = Queue::default();
        for (name, overload) in [("a", KeepLatest(1)), ("b", Disconnect)] {
            queue.push(text(name), overload, LIMITS).unwrap();
        }
        let pushes =
            [("c", DropOldest), ("d", KeepLatest(2)), ("e", KeepLatest(1)), ("f", Disconnect)];
        assert_eq!(
            pushes.map(|(name, it)| queue.push(text(name), it, scarce)),
            [Ok(1), Ok(1), Ok(1), Ok(0)]
        );
        assert_eq!((queue.drop_some(), drain(&mut queue)), (1, "bf".to_owned()));
        // The latest one counts while there is room as well.
        let latest = [("a", KeepLatest(1)), ("b", DropNewest), ("c", KeepLatest(1))];
        assert_eq!(after(&latest), (vec![Ok(0), Ok(0), Ok(1)], "bc".to_owned()));
    }

    #[test]
    fn s12_a_close_waits_behind_any_number() {
        let mut queue = Queue::default();
        while queue.push(text("x"), Overload::Disconnect, LIMITS).is_ok() {}
        queue
            .push(Item::Close(CloseCode::NORMAL, "".into()), Overload::Disconnect, LIMITS)
            .unwrap();
        for overload in [Overload::Disconnect, Overload::DropOldest, Overload::KeepLatest(1)] {
            assert_eq!(queue.push(text("y"), overload, LIMITS), Err(Refused::Closing));
        }
        assert_eq!(queue.close(), Some((CloseCode::NORMAL, "")));
        let mut endpoint = Endpoint::new(Role::Server);
        queue.feed(&mut endpoint.sending());
        assert!(endpoint.is_closing() && queue.is_empty());
    }

    proptest! {
        #[test]
        fn s12_never_more_waits_than_may(
            pushes in prop::collection::vec((0..100_usize, 0..4_u8), 0..100),
            bytes in 0..2_000_usize,
            messages in 0..20_usize,
        ) {
            let limits = QueueLimits { bytes, messages, is_scarce: false };
            let mut queue = Queue::default();
            for (len, overload) in pushes {
                let overload = [
                    Overload::Disconnect,
                    Overload::DropNewest,
                    Overload::DropOldest,
                    Overload::KeepLatest(len as u64 % 3),
                ][usize::from(overload)];
                let (before, told) = (queue.items.len() as u64, queue.dropped);
                let pushed = queue.push(text(&"x".repeat(len)), overload, limits);
                // Each is there, or was dropped and counted, or was refused.
                let dropped = queue.dropped - told;
                let came = u64::from(pushed.is_ok());
                prop_assert_eq!(queue.items.len() as u64, before + came - dropped);
                prop_assert!(pushed.is_err() || pushed == Ok(dropped));
                let is_in = queue.items.len() <= messages && queue.cost <= bytes;
                prop_assert!(is_in || queue.items.len() == 1);
                let cost: usize = queue.items.iter().map(|(item, _)| item.cost()).sum();
                prop_assert_eq!(queue.cost, cost);
            }
        }
    }
}
