//! Calls of the handler, and what they lead to.

use mio::net::TcpStream;
use wscore::CloseCode;

use super::{Context, Open, SLOW};
use crate::{
    Client, End, Handler,
    client::Effects,
    guard::guarded,
    work::{Heard, Work},
};

impl<S> Open<S> {
    /// Has the handler work on a message.
    pub(super) fn message<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        stream: &mut TcpStream,
        work: &mut Work,
    ) {
        if work.ending.is_some() {
            return;
        }
        context.metrics.received.add(1);
        let (message, sending) = work.endpoint.message();
        let mut client = Client {
            id: context.id,
            session: &mut self.session,
            handle: context.handle,
            stream,
            sending,
            queue: &mut work.queue,
            config: context.config,
            effects: &mut work.effects,
        };
        let panicked = guarded(|| context.handler.on_message(&mut client, message)).is_none();
        self.after_call(context, stream, work, panicked);
    }

    /// Has the handler told of pings and pongs.
    #[cold]
    pub(super) fn control<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        stream: &mut TcpStream,
        work: &mut Work,
    ) {
        let heard = work.heard.take();
        let mut rest = &heard[..];
        while let Some((is_ping, payload, behind)) = Heard::split(rest) {
            rest = behind;
            if work.ending.is_some() {
                return;
            }
            self.call(context, stream, work, |client| match is_ping {
                true => context.handler.on_ping(client, payload),
                false => context.handler.on_pong(client, payload),
            });
        }
    }

    /// Has the handler do something with the connection.
    pub(crate) fn call<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        stream: &mut TcpStream,
        work: &mut Work,
        call: impl FnOnce(&mut Client<'_, S>),
    ) {
        let mut client = Client {
            id: context.id,
            session: &mut self.session,
            handle: context.handle,
            stream,
            sending: work.endpoint.sending(),
            queue: &mut work.queue,
            config: context.config,
            effects: &mut work.effects,
        };
        let panicked = guarded(|| call(&mut client)).is_none();
        self.after_call(context, stream, work, panicked);
    }

    #[inline]
    fn after_call<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        stream: &mut TcpStream,
        work: &mut Work,
        panicked: bool,
    ) {
        if panicked || work.effects.is_some() {
            self.take_effect(context, stream, work, panicked);
        }
    }

    /// Does what a call of the handler led to.
    #[cold]
    fn take_effect<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        stream: &mut TcpStream,
        work: &mut Work,
        panicked: bool,
    ) {
        let Effects { is_slow, has_left, .. } = work.effects;
        (work.effects.is_slow, work.effects.has_left) = (false, false);
        match (panicked, is_slow && work.given_up.is_none()) {
            (true, true) => {
                work.give_up((CloseCode::INTERNAL_ERROR, ""), End::Panicked, context.now);
            }
            (true, false) => {
                // It may be closing already.
                let _ = work.endpoint.sending().close(CloseCode::INTERNAL_ERROR, "");
                work.ending = Some(End::Panicked);
            }
            (false, true) => work.give_up(SLOW, End::Slow, context.now),
            (false, false) => {}
        }
        if has_left {
            let left = context.handle.shared.of(context.id).directory().take_left(context.id);
            for room in left {
                self.call(context, stream, work, |client| context.handler.on_leave(client, &room));
            }
        }
    }
}
