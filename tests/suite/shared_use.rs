//! How the types are held by those who use them: compiled, and where it says something, run.

use std::{
    sync::{Arc, LazyLock},
    thread,
};

use wscore::{
    Acceptance, ClientHandshake, Dialer, HeaderBuffer, HeaderSlots, Mask, Rejection, Request,
    RequestParser, Rsv, Upgrader,
    extension::{Element, ElementBuf, Extension},
};

use crate::server_handshake::{ACCEPTED, BASE};

struct Owned;

impl Extension for Owned {
    fn name(&self) -> &str {
        "owned"
    }
    fn rsv(&self) -> Rsv {
        Rsv::NONE
    }
    fn accept(&self, offer: &Element<'_>) -> Option<ElementBuf> {
        Some(offer.to_owned())
    }
    fn offers(&self) -> Vec<ElementBuf> {
        vec![]
    }
    fn confirm(&self, _: &Element<'_>) -> bool {
        false
    }
}

static UPGRADER: LazyLock<Upgrader<'static>> =
    LazyLock::new(|| Upgrader::new().negotiate(Owned).negotiate(Arc::new(Owned)));

/// What an event loop holds for each connection that is not upgraded yet.
struct Pending {
    parser: RequestParser,
    received: Vec<u8>,
}

#[test]
fn one_static_upgrader_serves_many_threads_and_event_loops() {
    let serve = |piece_size: usize| {
        let mut pending = Pending { parser: UPGRADER.parser(), received: vec![] };
        let mut out = vec![];
        for piece in BASE.as_bytes().chunks(piece_size) {
            pending.received.extend_from_slice(piece);
            let Pending { parser, received } = &mut pending;
            if UPGRADER.advance(parser, received, &mut (), &mut out).unwrap().is_some() {
                return out;
            }
        }
        panic!("not upgraded");
    };
    thread::scope(|scope| {
        for size in 1..5 {
            scope.spawn(move || assert_eq!(serve(size), ACCEPTED.as_bytes()));
        }
    });
}

#[test]
fn a_decision_may_take_the_request_by_value() {
    fn decide<'r>(request: Request<'r>) -> Result<Acceptance<'r>, Rejection> {
        match request.path() {
            "/chat" => Ok(Acceptance::new(&request)?),
            _ => Err(Rejection::new(404)),
        }
    }
    let mut slots = HeaderSlots::new();
    let mut parser = UPGRADER.parser();
    let request = parser.parse(BASE.as_bytes(), &mut slots).unwrap().unwrap();
    assert_eq!(decide(request).unwrap().into_handshake().protocol(), None);
}

#[test]
fn what_a_connection_holds_can_move_between_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Upgrader<'_>>();
    is_send_and_sync::<Dialer<'_>>();
    is_send_and_sync::<RequestParser>();
    is_send_and_sync::<ClientHandshake>();
    is_send_and_sync::<HeaderBuffer>();
    is_send_and_sync::<Mask>();
    is_send_and_sync::<Rejection>();
    is_send_and_sync::<wscore::UpgradeError>();
    is_send_and_sync::<wscore::DialError>();
    is_send_and_sync::<wscore::ReadError>();
}
