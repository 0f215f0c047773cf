//! How much a client may send.

use crate::{Rate, wheel::Tick};

/// What is left of it, in parts of a tick's worth: so that none is lost between ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    messages: u64,
    bytes: u64,
    filled: Tick,
}

impl Bucket {
    pub(crate) fn new(rate: Rate, now: Tick) -> Self {
        Self { messages: full(rate.messages), bytes: full(rate.bytes), filled: now }
    }

    /// Takes a message out: whether there was enough for it.
    pub(crate) fn take(&mut self, rate: Rate, len: usize, now: Tick) -> bool {
        let ticks = u64::from(now.0.saturating_sub(self.filled.0));
        self.filled = now;
        let fill = |left: u64, rate: u32| (left + u64::from(rate) * ticks).min(full(rate));
        self.messages = fill(self.messages, rate.messages);
        self.bytes = fill(self.bytes, rate.bytes);
        let messages = self.messages.checked_sub(full(1));
        let bytes = u32::try_from(len).ok().and_then(|len| self.bytes.checked_sub(full(len)));
        let (Some(messages), Some(bytes)) = (messages, bytes) else { return false };
        (self.messages, self.bytes) = (messages, bytes);
        true
    }
}

/// So many, or the bucket of so many in a second.
fn full(count: u32) -> u64 {
    u64::from(count) * u64::from(Tick::PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { messages: 8, bytes: 1000 };

    #[test]
    fn s12_a_bucket_is_full_at_first_and_again_after_a_second() {
        let mut bucket = Bucket::new(RATE, Tick(100));
        for second in 0..3 {
            let now = Tick(100 + second * Tick::PER_SECOND);
            assert!((0..8).all(|_| bucket.take(RATE, 10, now)));
            assert!(!bucket.take(RATE, 10, now));
        }
        // A quarter of a second is worth two.
        let now = Tick(100 + 2 * Tick::PER_SECOND + 1);
        assert_eq!([(); 3].map(|()| bucket.take(RATE, 10, now)), [true, true, false]);
    }

    #[test]
    fn s12_bytes_count_as_well() {
        let mut bucket = Bucket::new(RATE, Tick(0));
        assert!(bucket.take(RATE, 1000, Tick(0)) && !bucket.take(RATE, 1, Tick(0)));
        assert!(bucket.take(RATE, 250, Tick(1)) && !bucket.take(RATE, 1, Tick(1)));
        assert!(!bucket.take(RATE, usize::MAX, Tick(1000)));
        assert!(bucket.take(RATE, 1000, Tick(1000)));
    }

    #[test]
    fn s12_one_message_a_second_is_one() {
        let slow = Rate { messages: 1, bytes: 10 };
        let mut bucket = Bucket::new(slow, Tick(0));
        let took = (0..5 * Tick::PER_SECOND).filter(|now| bucket.take(slow, 1, Tick(*now)));
        assert_eq!(took.count(), 5);
    }
}
