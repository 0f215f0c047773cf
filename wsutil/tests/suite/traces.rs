//! What is told to `tracing`.

use std::{
    fmt::{self, Write as _},
    io::{Read, Write},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use wscore::{Handshake, Role};
use wsutil::{Connection, Endpoint, Plain, Traced};

use crate::rig::Script;

/// Keeps every event as a line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<String>>);

struct Line<'l>(&'l mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut lines = self.0.lock().unwrap();
        lines.push_str(event.metadata().target());
        event.record(&mut Line(&mut lines));
        lines.push('\n');
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn frames_are_told_without_their_payload_and_streams_with_their_bytes() {
    let lines = Lines::default();
    let mut wire = vec![];
    wsutil::write_client_text(&mut wire, "a secret").unwrap();
    tracing::subscriber::with_default(lines.clone(), || {
        let stream = Plain(Script::whole(&wire));
        let mut connection =
            Connection::from_parts(stream, Endpoint::new(Role::Server), Handshake::default());
        let (message, mut reply) = connection.receive().unwrap().unwrap();
        reply.send(message).unwrap();
    });
    let told = std::mem::take(&mut *lines.0.lock().unwrap());
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.contains("wsutil::frame message=received kind=Text bytes=8"), "{told}");
    assert!(told.contains("message=sending opcode=Text fin=true bytes=8"), "{told}");
    assert!(!told.contains("secret"), "{told}");

    tracing::subscriber::with_default(lines.clone(), || {
        let mut stream = Traced(Script::whole(b"GET / HTTP/1.1\r\n"));
        stream.read_exact(&mut [0; 5]).unwrap();
        stream.write_all(b"\x81\x01a").unwrap();
    });
    let told = lines.0.lock().unwrap();
    assert!(told.contains(r"message=read len=5 bytes=GET /"), "{told}");
    assert!(told.contains(r"message=written len=3 bytes=\x81\x01a"), "{told}");
}
