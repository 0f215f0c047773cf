//! Events over a real connection, native messages beside them.

use std::sync::mpsc::{Receiver, Sender, channel};

use wscore::{Rejection, Request};
use wsserver::{
    Admission, Client, EmitError, EventError, EventFormat, Events, Handler, InvalidEvent, To,
    Value, ValueType,
};
use wsutil::{Message, OwnedMessage};

use crate::service::{Guard, PATIENCE, guard};

#[derive(Debug, PartialEq)]
enum Told {
    Call(&'static str, String),
    Native(OwnedMessage),
    Error(EventError),
}

struct Service {
    events: Events<()>,
    told: Sender<Told>,
}

impl Handler for Service {
    type Session = ();

    fn authenticate(&self, _: &Request<'_>) -> Result<Admission<()>, Rejection> {
        Ok(Admission::new(()))
    }

    fn on_message(&self, client: &mut Client<'_, ()>, message: Message<'_>) {
        let _ = match self.events.handle(client, message) {
            Ok(true) => Ok(()),
            Ok(false) => self.told.send(Told::Native(message.to_owned())),
            Err(error) => self.told.send(Told::Error(error)),
        };
    }
}

fn serve(format: EventFormat) -> (Guard, Receiver<Told>) {
    let (told, calls) = channel();
    let tell = |handler: &'static str| {
        let told = told.clone();
        move |said: String| drop(told.send(Told::Call(handler, said)))
    };
    let any = [tell("any"), tell("any again")]
        .map(|tell| move |_: &mut Client<'_, ()>, value: Value<'_>| tell(format!("{value:?}")));
    let [first, second] = any;
    let (text, number, is, bytes, json) =
        (tell("text"), tell("integer"), tell("bool"), tell("bytes"), tell("json"));
    let back = format.clone();
    let events = Events::with_format(format)
        .on("any", first)
        .on("any", second)
        .on_text("text", move |_, said| text(said.to_owned()))
        .on_integer("integer", move |_, said| number(said.to_string()))
        .on_bool("bool", move |_, said| is(said.to_string()))
        .on_bytes("bytes", move |_, said| bytes(format!("{said:?}")))
        .on_json("json", move |_, said: Vec<u8>| json(format!("{said:?}")))
        .on_text("hall", move |client, said| {
            client.join("hall").unwrap();
            assert_eq!(back.emit_to(client.to(To::Room("hall")), "said", said), Ok(1));
        });
    (guard(|builder| builder, Service { events, told }), calls)
}

#[test]
fn s8_handlers_are_called_in_order_and_native_messages_go_beside() {
    for prefix in ["m:", "iris-websocket-message:"] {
        let (served, told) = serve(EventFormat::new(prefix).unwrap());
        let mut client = served.connect();
        let wrong = |expected, found| Told::Error(EventError::WrongType { expected, found });
        let rows = [
            ("any;1;7", vec![("any", "Integer(7)"), ("any again", "Integer(7)")]),
            ("text;0;a;b", vec![("text", "a;b")]),
            ("text;1;-7", vec![("text", "-7")]),
            ("integer;1;-7", vec![("integer", "-7")]),
            ("bool;2;true", vec![("bool", "true")]),
            ("bytes;3;ab", vec![("bytes", "[97, 98]")]),
            ("json;4;[1,2]", vec![("json", "[1, 2]")]),
            // Nobody asked for it.
            ("other;0;x", vec![]),
        ];
        for (event, calls) in rows {
            client.send(&format!("{prefix}{event}")).unwrap();
            for (handler, said) in calls {
                let call = Told::Call(handler, said.to_owned());
                assert_eq!(told.recv_timeout(PATIENCE), Ok(call), "{event}");
            }
        }
        client.send("m;any;0;x").unwrap();
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Native("m;any;0;x".into())));
        client.send(b"\x00m:").unwrap();
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Native(b"\x00m:".to_vec().into())));
        let errors = [
            ("", Told::Error(EventError::InvalidName)),
            ("any;9;", Told::Error(EventError::InvalidType)),
            ("text;2;true", wrong(ValueType::Text, ValueType::Bool)),
            ("integer;0;7", wrong(ValueType::Integer, ValueType::Text)),
            ("bool;4;true", wrong(ValueType::Bool, ValueType::Json)),
            ("bytes;0;ab", wrong(ValueType::Bytes, ValueType::Text)),
            ("json;3;[1]", wrong(ValueType::Json, ValueType::Bytes)),
            ("json;4;{}", Told::Error(EventError::InvalidJson)),
        ];
        for (event, error) in errors {
            client.send(&format!("{prefix}{event}")).unwrap();
            assert_eq!(told.recv_timeout(PATIENCE), Ok(error), "{event}");
        }
        // None of it did any harm.
        client.send(&format!("{prefix}hall;0;hello")).unwrap();
        let said = format!("{prefix}said;0;hello");
        assert_eq!(client.receive_owned().unwrap(), Some(said.as_str().into()));
        assert!(told.try_recv().is_err());
    }
}

#[test]
fn s8_events_are_emitted_to_one_and_to_many() {
    struct Emits;

    impl Handler for Emits {
        type Session = ();

        fn authenticate(&self, _: &Request<'_>) -> Result<Admission<()>, Rejection> {
            Ok(Admission::new(()))
        }

        fn on_message(&self, client: &mut Client<'_, ()>, _: Message<'_>) {
            let format = EventFormat::DEFAULT;
            format.emit(client, "bytes", &[0, 255][..]).unwrap();
            format.emit_json(client, "json", &[7]).unwrap();
            assert_eq!(format.emit_to(client.to(To::All), "is", true), Ok(2));
            assert_eq!(format.emit_json_to(client.to(To::User("x")), "is", &true), Ok(0));
            let invalid = format.emit(client, "no;name", "x");
            assert_eq!(invalid, Err(EmitError::Invalid(InvalidEvent::Name)));
        }
    }

    let served = guard(|builder| builder, Emits);
    let mut clients = [served.connect(), served.connect()];
    served.until(|handle| handle.count() == 2);
    clients[0].send("go").unwrap();
    let bytes = OwnedMessage::Binary(b"m:bytes;3;\x00\xff".to_vec());
    assert_eq!(clients[0].receive_owned().unwrap(), Some(bytes));
    assert_eq!(clients[0].receive_owned().unwrap(), Some("m:json;4;[7]".into()));
    for client in &mut clients {
        assert_eq!(client.receive_owned().unwrap(), Some("m:is;2;true".into()));
    }
}

#[test]
fn s10_the_browser_client_is_served() {
    let (told, _) = channel();
    let service = Service { events: Events::new(), told };
    let served = guard(|builder| builder.browser_client("/events.js"), service);
    let mut stream = std::net::TcpStream::connect(served.address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /events.js HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("Content-Type: text/javascript; charset=utf-8"), "{head}");
    assert_eq!(body, wsserver::BROWSER_CLIENT);
    assert!(body.contains("export class Events"));
}
