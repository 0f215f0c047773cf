//! What one end makes of the bytes that it received.

use super::{Endpoint, Holds, Step};
use crate::{
    Kind, MessageError, Piece, control::Control, decoder::Event, deflate::Inflated, trace,
};

impl Endpoint {
    /// Whether it is the peer who is to send the rest of what has begun, rather than us to work on
    /// what it has sent.
    pub(super) fn waits_for_rest(&self) -> bool {
        let is_used_up =
            matches!(self.holds, Holds::Beginning { .. }) && !self.inflater.is_at_work();
        self.decoder.is_inside_message() || (is_used_up && !self.inbox.is_empty())
    }

    #[inline(always)]
    pub(super) fn advance(&mut self, whole: bool) -> Result<Step, MessageError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.release();
        // In pieces, some of what came may still be to decompress.
        if self.inflater.is_at_work() {
            self.inflate_on(whole)
        } else {
            self.decode::<false>(whole)
        }
    }

    /// Decompresses what the inbox has, and goes on from there: apart from the loop that messages
    /// which are not compressed go through, which it would slow down.
    #[cold]
    #[inline(never)]
    fn inflate_on(&mut self, whole: bool) -> Result<Step, MessageError> {
        match self.inflate(whole)? {
            Some(step) => Ok(step),
            None => self.decode::<true>(whole),
        }
    }

    /// Decodes until there is something to do.
    #[inline(always)]
    fn decode<const INFLATES: bool>(&mut self, whole: bool) -> Result<Step, MessageError> {
        loop {
            if self.is_to_write() {
                self.outgoing.asked = true;
                return Ok(Step::Write);
            }
            let decoded = match self.decoder.decode(self.inbox.unread()) {
                Ok(decoded) => decoded,
                Err(error) => {
                    self.fail(error);
                    return Err(error);
                }
            };
            let used = decoded.used;
            decoded.event.iter().for_each(trace::received);
            if let Some(control) = decoded.event.as_ref().and_then(Control::from_event) {
                self.on_control.call(control);
            }
            match decoded.event {
                None if used == 0 => return Ok(self.end_or_read()),
                None => self.inbox.take(used, 0),
                Some(Event::Piece(Piece { kind, rsv, last, payload, .. })) => {
                    let len = payload.len();
                    self.inbox.take(used, len);
                    if let Some(watch) = &mut self.watch {
                        watch.received_data(last);
                    }
                    if !rsv.is_empty() {
                        self.inflater.begin(kind, last);
                        if !INFLATES {
                            return self.inflate_on(whole);
                        }
                        if let Some(step) = self.inflate(whole)? {
                            return Ok(step);
                        }
                    } else if let Some(step) = self.hold(kind, last, whole) {
                        return Ok(step);
                    }
                }
                Some(Event::Ping(payload)) => {
                    self.outgoing.answer_ping(payload);
                    if let Some(watch) = &mut self.watch {
                        watch.received_control(self.decoder.is_inside_message());
                    }
                    self.inbox.take(used, 0);
                }
                Some(Event::Pong(payload)) => {
                    if let Some(watch) = &mut self.watch {
                        watch.received_pong(payload);
                        watch.received_control(self.decoder.is_inside_message());
                    }
                    self.inbox.take(used, 0);
                }
                Some(Event::Close(reason)) => {
                    self.outgoing.answer_close(reason);
                    self.inbox.take(used, 0);
                }
            }
        }
    }

    fn end_or_read(&self) -> Step {
        if self.outgoing.control.close_received.is_some() { Step::Closed } else { Step::Read }
    }

    #[inline(always)]
    fn is_to_write(&self) -> bool {
        !self.outgoing.asked && self.outgoing.is_to_write()
    }

    /// What was lent before is not looked at any more.
    #[inline(always)]
    pub(super) fn release(&mut self) {
        self.holds = match self.holds {
            beginning @ Holds::Beginning { .. } => beginning,
            Holds::Piece { last: false, .. } => {
                self.release_bytes();
                Holds::Beginning { handed_out: true, skip: false }
            }
            Holds::Message(_) | Holds::Piece { .. } => {
                self.release_bytes();
                Holds::NOTHING
            }
        };
    }

    #[inline(always)]
    fn release_bytes(&mut self) {
        // Of a compressed message the inbox may have more that is not decompressed.
        if core::mem::take(&mut self.inflated) {
            self.inflater.release();
        } else {
            self.inbox.release();
        }
    }

    /// Decompresses what the inbox has of a compressed message, until there is something to hand out.
    #[cold]
    #[inline(never)]
    fn inflate(&mut self, whole: bool) -> Result<Option<Step>, MessageError> {
        self.inflate_piece(whole).inspect_err(|error| self.fail(*error))
    }

    fn inflate_piece(&mut self, whole: bool) -> Result<Option<Step>, MessageError> {
        let limit = self.decoder.limits().message;
        loop {
            let (kind, inflated) = self.inflater.advance(&mut self.inbox, limit)?;
            self.inflated = true;
            let last = inflated == Inflated::Message;
            let has_piece = whole || last || !self.inflater.bytes().is_empty();
            if let Some(step) = has_piece.then(|| self.hold(kind, last, whole)).flatten() {
                return Ok(Some(step));
            }
            if inflated != Inflated::More {
                return Ok(None);
            }
        }
    }

    /// There is one more piece: whether there is something to hand out.
    #[inline(always)]
    fn hold(&mut self, kind: Kind, last: bool, whole: bool) -> Option<Step> {
        let Holds::Beginning { handed_out, skip } = self.holds else { return None };
        if whole && (handed_out || skip) {
            self.release_bytes();
            self.holds =
                if last { Holds::NOTHING } else { Holds::Beginning { handed_out, skip: true } };
            return None;
        }
        if whole {
            self.holds = if last { Holds::Message(kind) } else { self.holds };
            return last.then_some(Step::Message);
        }
        self.holds = Holds::Piece { kind, first: !handed_out, last };
        Some(Step::Piece)
    }
}
