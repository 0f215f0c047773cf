//! Deadlines of very many connections: all that are due in the same quarter of a second together.
//!
//! A connection is filed once, at the time that its deadline was then. When that time comes its
//! deadline is looked at again: mostly something has happened since, and it is filed anew. So what
//! happens costs nothing but taking note of the time.

use std::time::{Duration, Instant};

/// How long a tick is; a second has a whole number of them.
const TICK: Duration = Duration::from_millis(250);

/// How many ticks it goes round in: 64 s; what is later is looked at more than once.
const SLOTS: u32 = 256;

/// A time, in ticks since the loop began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(pub(crate) u32);

impl Tick {
    pub(crate) const NEVER: Self = Self(u32::MAX);

    pub(crate) const PER_SECOND: u32 = 1_000_000_000 / TICK.subsec_nanos();

    /// The first tick that is at least so much later.
    pub(crate) fn after(self, duration: Duration) -> Self {
        let ticks = duration.as_nanos().div_ceil(TICK.as_nanos());
        // One more, as the current one has passed in part.
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX).saturating_add(1);
        Self(self.0.saturating_add(ticks))
    }
}

#[derive(Debug)]
pub(crate) struct Wheel {
    start: Instant,
    slots: Vec<Vec<usize>>,
    /// All slots up to this tick were turned.
    turned: Tick,
    /// The first slot that is not empty; `NEVER` if all are.
    first: Tick,
}

impl Wheel {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, slots: vec![vec![]; SLOTS as usize], turned: Tick(0), first: Tick::NEVER }
    }

    pub(crate) fn tick_of(&self, now: Instant) -> Tick {
        let ticks = now.saturating_duration_since(self.start).as_nanos() / TICK.as_nanos();
        Tick(u32::try_from(ticks).unwrap_or(u32::MAX - 1))
    }

    /// Files a key: the tick at which it is handed out again, which may be earlier than it is due.
    pub(crate) fn file(&mut self, key: usize, due: Tick) -> Tick {
        let last = Tick(self.turned.0 + SLOTS);
        let first = Tick(self.turned.0 + 1);
        let at = due.clamp(first, last);
        self.slots[(at.0 % SLOTS) as usize].push(key);
        self.first = self.first.min(at);
        at
    }

    /// How long it is until the next key may have to be handed out.
    pub(crate) fn timeout(&self, now: Instant) -> Option<Duration> {
        let at = (self.first != Tick::NEVER).then(|| self.start + TICK * self.first.0)?;
        Some(at.saturating_duration_since(now))
    }

    /// Hands out the keys of the next tick that has come, and which one it is.
    pub(crate) fn turn(&mut self, now: Tick, keys: &mut Vec<usize>) -> Option<Tick> {
        keys.clear();
        if self.first > now {
            self.turned = self.turned.max(now);
            return None;
        }
        self.turned = self.first;
        core::mem::swap(keys, &mut self.slots[(self.turned.0 % SLOTS) as usize]);
        let mut later = (1..SLOTS).map(|ticks| Tick(self.turned.0 + ticks));
        let is_some = |tick: &Tick| !self.slots[(tick.0 % SLOTS) as usize].is_empty();
        self.first = later.find(is_some).unwrap_or(Tick::NEVER);
        Some(self.turned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_handed_out_in_their_tick_or_once_round_before() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        assert_eq!(wheel.timeout(start), None);
        let now = Tick(0);
        for (key, seconds) in [(1, 0), (2, 1), (3, 10), (4, 1000)] {
            let due = now.after(Duration::from_secs(seconds));
            let at = wheel.file(key, due);
            assert_eq!(at, due.min(Tick(SLOTS)));
        }
        assert_eq!(wheel.timeout(start), Some(TICK));
        assert_eq!(wheel.timeout(start + TICK), Some(Duration::ZERO));
        let mut keys = vec![];
        assert_eq!(wheel.turn(Tick(0), &mut keys), None);
        assert_eq!((wheel.turn(Tick(300), &mut keys), &keys[..]), (Some(Tick(1)), &[1][..]));
        assert_eq!((wheel.turn(Tick(300), &mut keys), &keys[..]), (Some(Tick(5)), &[2][..]));
        assert_eq!((wheel.turn(Tick(300), &mut keys), &keys[..]), (Some(Tick(41)), &[3][..]));
        assert_eq!((wheel.turn(Tick(300), &mut keys), &keys[..]), (Some(Tick(SLOTS)), &[4][..]));
        assert_eq!(wheel.turn(Tick(300), &mut keys), None);
        assert_eq!(wheel.timeout(start), None);
        // Late is never lost.
        assert_eq!(wheel.file(5, Tick(2)), Tick(301));
    }

    #[test]
    fn a_tick_is_never_early() {
        let start = Instant::now();
        let wheel = Wheel::new(start);
        for millis in [0, 1, 249, 250, 251, 10_000] {
            for begun in [0, 1, 100, 249] {
                let begun = start + Duration::from_millis(begun);
                let due = wheel.tick_of(begun).after(Duration::from_millis(millis));
                let at = start + TICK * due.0;
                assert!(at >= begun + Duration::from_millis(millis));
                assert!(at <= begun + Duration::from_millis(millis) + 2 * TICK);
            }
        }
        assert_eq!(Tick(7).after(Duration::MAX), Tick::NEVER);
    }
}
