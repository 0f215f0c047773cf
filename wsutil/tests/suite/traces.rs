//! What is told to `tracing`.

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    io::{Read, Write},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};
use wscore::{Handshake, Role};
use wsutil::{Connection, Endpoint, Plain, Traced};

use crate::rig::Script;

thread_local! {
    /// What this thread was told, while it listens.
    static TOLD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps every event as a line, for the threads that listen.
struct Lines;

/// What is told meanwhile.
fn told(work: impl FnOnce()) -> String {
    // There is one subscriber for all tests: `tracing` remembers for each place whether anybody
    // listens there.
    let _ = tracing::subscriber::set_global_default(Lines);
    TOLD.set(Some(String::new()));
    work();
    TOLD.take().unwrap()
}

struct Line<'l>(&'l mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Lines {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        TOLD.with_borrow(Option::is_some)
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        TOLD.with_borrow_mut(|told| {
            if let Some(lines) = told {
                lines.push_str(event.metadata().target());
                event.record(&mut Line(lines));
                lines.push('\n');
            }
        });
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn frames_are_told_without_their_payload_and_streams_with_their_bytes() {
    let mut wire = vec![];
    wsutil::write_client_text(&mut wire, "a secret").unwrap();
    let told_of_frames = told(|| {
        let stream = Plain(Script::whole(&wire));
        let mut connection =
            Connection::from_parts(stream, Endpoint::new(Role::Server), Handshake::default());
        let (message, mut reply) = connection.receive().unwrap().unwrap();
        reply.send(message).unwrap();
    });
    let told_of_bytes = told(|| {
        let mut stream = Traced(Script::whole(b"GET / HTTP/1.1\r\n"));
        stream.read_exact(&mut [0; 5]).unwrap();
        stream.write_all(b"\x81\x01a").unwrap();
    });
    let told = told_of_frames;
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.contains("wsutil::frame message=received kind=Text bytes=8"), "{told}");
    assert!(told.contains("message=sending opcode=Text fin=true bytes=8"), "{told}");
    assert!(!told.contains("secret"), "{told}");

    let told = told_of_bytes;
    assert!(told.contains(r"message=read len=5 bytes=GET /"), "{told}");
    assert!(told.contains(r"message=written len=3 bytes=\x81\x01a"), "{told}");
}
