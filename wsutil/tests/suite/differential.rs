//! The same bytes to tungstenite: every difference is one of those listed here, with its reason.

use std::collections::BTreeMap;

use tungstenite::{
    Message as Theirs, WebSocket,
    error::{CapacityError, Error, ProtocolError},
    protocol::{Role as TheirRole, WebSocketConfig},
};
use wscore::Role;
use wsutil::OwnedMessage;

use crate::{
    cases::{End, LIMITS, cases},
    drivers::{DRIVERS, Side, script},
};

/// What came of a stream: messages, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    messages: Vec<OwnedMessage>,
    end: Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    Closed(u16),
    /// With the code that the peer is told.
    Failed(u16),
    Gone,
}

fn ours(role: Role, wire: &[u8]) -> Said {
    let (_, driver) = DRIVERS[1];
    let outcome = driver(Side { role, agreed: None }, &[wire]);
    let end = match outcome.end {
        End::Closed(code) => Ended::Closed(code.0),
        End::Failed(error) => Ended::Failed(error.close_code().0),
        End::Gone { .. } => Ended::Gone,
    };
    Said { messages: outcome.messages, end }
}

fn theirs(role: Role, wire: &[u8]) -> Said {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMITS.message as usize))
        .max_frame_size(Some(LIMITS.frame as usize));
    let mut socket = WebSocket::from_raw_socket(script(&[wire]), role, Some(config));
    let mut messages = vec![];
    let end = loop {
        match socket.read() {
            Ok(Theirs::Text(text)) => messages.push(text.as_str().into()),
            Ok(Theirs::Binary(bytes)) => messages.push(bytes.to_vec().into()),
            Ok(Theirs::Close(frame)) => {
                break Ended::Closed(frame.map_or(1005, |frame| frame.code.into()));
            }
            Ok(_) => {}
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => break Ended::Gone,
            Err(Error::Protocol(_)) => break Ended::Failed(1002),
            Err(Error::Utf8(_)) => break Ended::Failed(1007),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
                break Ended::Failed(1009);
            }
            Err(Error::Io(_) | Error::ConnectionClosed) => break Ended::Gone,
            Err(error) => panic!("{error:?}"),
        }
    };
    Said { messages, end }
}

/// Why the two differ, if that is known. We never deliver a message that they do not.
fn difference(ours: &Said, theirs: &Said) -> Option<&'static str> {
    if !theirs.messages.starts_with(&ours.messages) {
        return None;
    }
    Some(match (ours.end, theirs.end) {
        // RFC 6455 §7.4: a close code that must not be sent fails the connection.
        (Ended::Failed(1002), Ended::Closed(1002)) => "they report a wrong close code as closed",
        // IANA has registered 1014.
        (Ended::Closed(1014), Ended::Closed(1002)) => "they do not know 1014",
        // RFC 6455 §5.2: the most significant bit is 0. And we look at the first two bytes first.
        (Ended::Failed(1002), Ended::Failed(1009)) => "they check the length before other rules",
        // We fail as soon as two bytes, or a length that is not minimal, cannot be mended.
        (Ended::Failed(1002), Ended::Gone) => "they wait for the frame, and take any length",
        // RFC 6455 §8.1: at the first wrong byte, though the message is not whole.
        (Ended::Failed(1007), Ended::Gone) => "they wait for the message to be whole",
        (Ended::Failed(1008), Ended::Gone) => "they have no limit of fragments",
        // Behind a length that is not minimal they go on to the next fault.
        (Ended::Failed(1002), Ended::Failed(1002 | 1007)) => "they take any length",
        _ => return None,
    })
}

/// Bytes that look like frames: a generator of one's own, so that every run is the same.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn wire(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut wire = vec![];
        for _ in 0..=self.next(4) {
            let at = self.next(corpus.len() as u64) as usize;
            wire.extend_from_slice(&corpus[at]);
        }
        for _ in 0..self.next(3) {
            let at = self.next(wire.len().max(1) as u64) as usize;
            if let Some(byte) = wire.get_mut(at) {
                *byte ^= 1 << self.next(8);
            }
        }
        wire
    }
}

#[test]
fn tungstenite_says_the_same_but_for_what_is_listed() {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let mut compare = |role: Role, wire: &[u8], id: &str| {
        let (ours, theirs) = (ours(role, wire), theirs(role, wire));
        if ours != theirs {
            match difference(&ours, &theirs) {
                Some(why) => *seen.entry(why).or_default() += 1,
                None => panic!("{id}: {ours:?} is not {theirs:?} for {wire:x?}"),
            }
        }
    };
    for case in cases() {
        compare(case.side.role, &case.wire, &case.id);
    }
    for role in [Role::Server, Role::Client] {
        let cases =
            cases().into_iter().filter(|case| case.side.role == role && case.wire.len() < 100);
        let corpus: Vec<Vec<u8>> = cases.map(|case| case.wire).collect();
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
        for _ in 0..5000 {
            compare(role, &noise.wire(&corpus), "noise");
        }
    }
    // A reason that no longer occurs is to be taken off the list.
    assert_eq!(seen.len(), 7, "{seen:?}");
}
