//! How long a peer may keep us waiting: pings into silence, and ends for what it draws out.

use core::time::Duration;

/// What a connection waits for, and how long; all off by default.
///
/// ```
/// use std::time::Duration;
/// use wsutil::Deadlines;
/// // A ping after 25 s of silence, and 20 s for the pong.
/// let deadlines = Deadlines::heartbeat(Duration::from_secs(25), Duration::from_secs(20));
/// assert_eq!(deadlines.message, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadlines {
    /// The silence of the peer after which it is pinged.
    pub ping_after: Option<Duration>,
    /// How long it then has for the pong, or for data, which is a sign of life too.
    pub pong: Option<Duration>,
    /// The silence of the peer after which it counts as gone, whether it is pinged or not.
    pub idle: Option<Duration>,
    /// From the first byte of a message to its last; answered with close code 1008.
    pub message: Option<Duration>,
    /// How long the peer may take nothing of what waits to be written.
    pub write: Option<Duration>,
}

impl Deadlines {
    /// Pings after this much silence, and this long for the pong.
    #[must_use]
    pub const fn heartbeat(ping_after: Duration, pong: Duration) -> Self {
        let (ping_after, pong) = (Some(ping_after), Some(pong));
        Self { ping_after, pong, idle: None, message: None, write: None }
    }

    /// The same with this long for the peer to send anything at all.
    #[must_use]
    pub const fn idle(self, deadline: Duration) -> Self {
        Self { idle: Some(deadline), ..self }
    }

    /// The same with this long from the first byte of a message to its last.
    #[must_use]
    pub const fn message(self, deadline: Duration) -> Self {
        Self { message: Some(deadline), ..self }
    }

    /// The same with this long for the peer to take some of what waits to be written.
    #[must_use]
    pub const fn write(self, deadline: Duration) -> Self {
        Self { write: Some(deadline), ..self }
    }
}

impl Deadlines {
    /// How long a peer may take nothing: what is said, or as long as a heartbeat takes to find it
    /// dead.
    #[cfg(feature = "std")]
    pub(crate) fn write_within(&self) -> Option<Duration> {
        self.write.or_else(|| Some(self.ping_after?.saturating_add(self.pong?)))
    }
}

/// A deadline that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    Pong,
    Idle,
    Message,
    Write,
}

/// What is to be done at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    /// A ping with this payload is to be sent.
    pub(crate) ping: Option<[u8; 8]>,
    /// When to ask again at the latest.
    pub(crate) next: Option<Duration>,
}

/// The deadlines of one connection and what they are measured from. All times are since an origin
/// of the driver's choice, and never go back.
#[derive(Debug)]
pub(crate) struct Watch {
    deadlines: Deadlines,
    now: Duration,
    /// When the peer was last heard of.
    heard: Duration,
    /// Before this no ping is due, whatever the silence.
    quiet_since: Duration,
    /// A ping that has no pong yet.
    ping: Option<Ping>,
    /// How many pings were sent.
    pings: u64,
    round_trip: Option<Duration>,
    message_since: Option<Duration>,
    write_since: Option<Duration>,
    since_tick: SinceTick,
    /// A deadline has passed, and the driver looks once more whether what is due is here already.
    looks_again: bool,
}

/// What happened since the last tick.
#[derive(Clone, Copy, Debug, Default)]
struct SinceTick {
    received: bool,
    data: bool,
    message_ended: bool,
    pong: bool,
    wrote: bool,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    sent: Duration,
    /// The peer has sent data since, or the ping was sent, at this time.
    alive: Duration,
}

impl Watch {
    pub(crate) const fn new(deadlines: Deadlines, now: Duration) -> Self {
        Self {
            deadlines,
            now,
            heard: now,
            quiet_since: now,
            ping: None,
            pings: 0,
            round_trip: None,
            message_since: None,
            write_since: None,
            since_tick: SinceTick {
                received: false,
                data: false,
                message_ended: false,
                pong: false,
                wrote: false,
            },
            looks_again: false,
        }
    }

    /// The time from the last ping that was answered to its pong.
    pub(crate) const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Bytes came, whatever they are.
    pub(crate) const fn received(&mut self) {
        self.since_tick.received = true;
    }

    /// Payload of a message came, to its end if `last`.
    pub(crate) const fn received_data(&mut self, last: bool) {
        self.since_tick.data = true;
        self.since_tick.message_ended |= last;
    }

    /// A control frame came: between messages it was no beginning of one.
    pub(crate) const fn received_control(&mut self, inside_message: bool) {
        self.since_tick.message_ended |= !inside_message;
    }

    /// A pong came: only the payload of the last ping answers it.
    pub(crate) fn received_pong(&mut self, payload: &[u8]) {
        self.since_tick.pong |= payload == self.pings.to_be_bytes();
    }

    /// The stream took some of what waits.
    pub(crate) const fn wrote(&mut self) {
        self.since_tick.wrote = true;
    }

    /// The ping that was asked for could not be sent: another is due after as much silence again.
    pub(crate) const fn ping_not_sent(&mut self) {
        self.ping = None;
        self.quiet_since = self.now;
    }

    /// What happened since the last tick happened now: a driver may have waited in between.
    fn settle(&mut self) {
        let SinceTick { received, data, message_ended, pong, wrote } =
            core::mem::take(&mut self.since_tick);
        if received {
            self.heard = self.now;
        }
        if message_ended {
            self.message_since = None;
        }
        if wrote {
            self.write_since = None;
        }
        match &mut self.ping {
            Some(ping) if pong => {
                self.round_trip = Some(self.now.saturating_sub(ping.sent));
                self.ping = None;
            }
            Some(ping) if data => ping.alive = self.now,
            _ => {}
        }
    }

    /// The time is `now`: what is to be done, or which deadline has passed.
    ///
    /// A driver that was not at work for a while may have what is due in its stream: so one more
    /// tick is asked for, behind a read, before a deadline counts as passed.
    pub(crate) fn tick(
        &mut self,
        now: Duration,
        inside_message: bool,
        pending: bool,
    ) -> Result<Tick, Passed> {
        let ticked = self.tick_strictly(now, inside_message, pending);
        if ticked.is_err() && !core::mem::replace(&mut self.looks_again, true) {
            return Ok(Tick { ping: None, next: Some(self.now + LOOK_AGAIN) });
        }
        self.looks_again &= ticked.is_err();
        ticked
    }

    fn tick_strictly(
        &mut self,
        now: Duration,
        inside_message: bool,
        pending: bool,
    ) -> Result<Tick, Passed> {
        self.now = self.now.max(now);
        let now = self.now;
        self.settle();
        self.message_since = inside_message.then(|| self.message_since.unwrap_or(now));
        self.write_since = pending.then(|| self.write_since.unwrap_or(now));
        let mut next = None;
        let mut due = |since: Option<Duration>, within: Option<Duration>| {
            let at = since?.saturating_add(within?);
            if at <= now {
                return Some(());
            }
            next = Some(next.map_or(at, |next: Duration| next.min(at)));
            None
        };
        if due(self.ping.map(|ping| ping.alive), self.deadlines.pong).is_some() {
            return Err(Passed::Pong);
        }
        if due(Some(self.heard), self.deadlines.idle).is_some() {
            return Err(Passed::Idle);
        }
        if due(self.message_since, self.deadlines.message).is_some() {
            return Err(Passed::Message);
        }
        if due(self.write_since, self.deadlines.write).is_some() {
            return Err(Passed::Write);
        }
        let silent = self.ping.is_none().then(|| self.heard.max(self.quiet_since));
        if due(silent, self.deadlines.ping_after).is_none() {
            return Ok(Tick { ping: None, next });
        }
        self.pings += 1;
        self.ping = Some(Ping { sent: now, alive: now });
        due(Some(now), self.deadlines.pong);
        Ok(Tick { ping: Some(self.pings.to_be_bytes()), next })
    }
}

/// How long one more look may take.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn watch() -> Watch {
        let deadlines = Deadlines::heartbeat(secs(25), secs(20)).message(secs(60)).write(secs(10));
        Watch::new(deadlines, secs(0))
    }

    fn quiet(watch: &mut Watch, at: u64) -> Result<Tick, Passed> {
        watch.tick(secs(at), false, false)
    }

    /// The deadline counts only when it was looked twice.
    fn passes(watch: &mut Watch, at: u64, inside_message: bool, pending: bool) -> Option<Passed> {
        let first = watch.tick(secs(at), inside_message, pending);
        assert_eq!(first, Ok(Tick { ping: None, next: Some(secs(at) + LOOK_AGAIN) }));
        watch.tick(secs(at) + LOOK_AGAIN, inside_message, pending).err()
    }

    #[test]
    fn silence_is_answered_with_a_ping_and_then_with_the_end() {
        let mut watch = watch();
        assert_eq!(quiet(&mut watch, 24), Ok(Tick { ping: None, next: Some(secs(25)) }));
        let ping = Some(1u64.to_be_bytes());
        assert_eq!(quiet(&mut watch, 26), Ok(Tick { ping, next: Some(secs(46)) }));
        assert_eq!(quiet(&mut watch, 45), Ok(Tick { ping: None, next: Some(secs(46)) }));
        assert_eq!(passes(&mut watch, 46, false, false), Some(Passed::Pong));
    }

    #[test]
    fn bytes_put_the_ping_off() {
        let mut watch = watch();
        watch.received();
        assert_eq!(quiet(&mut watch, 20), Ok(Tick { ping: None, next: Some(secs(45)) }));
        assert_eq!(quiet(&mut watch, 44), Ok(Tick { ping: None, next: Some(secs(45)) }));
    }

    #[test]
    fn fr13_no_other_pong_clears_the_deadline() {
        let mut watch = watch();
        quiet(&mut watch, 25).unwrap();
        watch.received();
        watch.received_pong(b"");
        watch.received_pong(b"another");
        assert_eq!(passes(&mut watch, 45, false, false), Some(Passed::Pong));
        assert_eq!(watch.round_trip(), None);
    }

    #[test]
    fn fr13_the_pong_to_the_ping_clears_the_deadline() {
        let mut watch = watch();
        let ping = quiet(&mut watch, 25).unwrap().ping.unwrap();
        watch.received();
        watch.received_pong(&ping);
        watch.received_pong(&ping);
        assert_eq!(quiet(&mut watch, 31), Ok(Tick { ping: None, next: Some(secs(56)) }));
        assert_eq!(watch.round_trip(), Some(secs(6)));
    }

    #[test]
    fn data_is_a_sign_of_life_while_a_pong_is_due() {
        let mut watch = watch();
        quiet(&mut watch, 25).unwrap();
        watch.received_data(true);
        assert_eq!(quiet(&mut watch, 44).map(|tick| tick.ping), Ok(None));
        assert_eq!(quiet(&mut watch, 63).map(|tick| tick.ping), Ok(None));
        assert_eq!(passes(&mut watch, 64, false, false), Some(Passed::Pong));
    }

    #[test]
    fn fr34_a_message_has_its_time_however_it_drips() {
        let mut watch = watch();
        for at in 1..61 {
            watch.received();
            watch.received_data(false);
            watch.tick(secs(at), true, false).unwrap();
        }
        assert_eq!(passes(&mut watch, 61, true, false), Some(Passed::Message));
    }

    #[test]
    fn tr9_what_waits_must_go_on() {
        let mut watch = watch();
        watch.tick(secs(1), false, true).unwrap();
        watch.tick(secs(10), false, true).unwrap();
        watch.wrote();
        watch.tick(secs(12), false, true).unwrap();
        assert_eq!(passes(&mut watch, 22, false, true), Some(Passed::Write));
    }

    #[test]
    fn tr15_time_never_goes_back() {
        let mut watch = watch();
        quiet(&mut watch, 26).unwrap();
        assert!(quiet(&mut watch, 0).is_ok());
        assert_eq!(passes(&mut watch, 46, false, false), Some(Passed::Pong));
    }

    #[test]
    fn a_run_of_messages_is_not_one_message() {
        let mut watch = watch();
        for at in 1..200 {
            watch.received();
            watch.received_data(true);
            assert!(watch.tick(secs(at), true, false).is_ok(), "at {at}");
        }
    }

    #[test]
    fn a_pong_that_is_found_at_the_last_look_counts() {
        let mut watch = watch();
        let ping = quiet(&mut watch, 25).unwrap().ping.unwrap();
        assert!(quiet(&mut watch, 100).is_ok());
        watch.received();
        watch.received_pong(&ping);
        assert_eq!(quiet(&mut watch, 101), Ok(Tick { ping: None, next: Some(secs(126)) }));
    }

    #[test]
    fn a_peer_that_is_idle_for_too_long_is_gone() {
        let mut watch = Watch::new(Deadlines::default().idle(secs(60)), secs(0));
        assert_eq!(quiet(&mut watch, 30), Ok(Tick { ping: None, next: Some(secs(60)) }));
        watch.received();
        assert_eq!(quiet(&mut watch, 50), Ok(Tick { ping: None, next: Some(secs(110)) }));
        assert_eq!(passes(&mut watch, 110, false, false), Some(Passed::Idle));
    }

    #[test]
    fn a_ping_that_is_not_sent_needs_no_pong() {
        let mut watch = watch();
        assert!(quiet(&mut watch, 25).unwrap().ping.is_some());
        watch.ping_not_sent();
        assert_eq!(quiet(&mut watch, 26), Ok(Tick { ping: None, next: Some(secs(50)) }));
        assert!(quiet(&mut watch, 50).unwrap().ping.is_some());
    }
}
