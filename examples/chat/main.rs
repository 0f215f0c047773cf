//! A chat for browsers: rooms, their members, and what was said in them last.
//!
//! One address serves the page, what the page is made of, and its WebSocket at `/ws?name=NAME`.

#[path = "../common/mod.rs"]
mod common;
mod rooms;

use serde_json::{Value, json};
use wscore::{CloseCode, Rejection, Request};
use wsserver::{Admission, Client, Config, EventFormat, Events, Handler, Publish, Server, To};
use wsutil::{Limits, Message};

use rooms::{Chat, Name};

/// What names and texts may have, in characters as browsers count them.
const MAX_NAME: usize = 24;
const MAX_ROOM: usize = 32;
const MAX_TEXT: usize = 2000;

/// What a page is told whose name cannot be had: it does not come back with it.
const INVALID_NAME: CloseCode = CloseCode(4000);

const FORMAT: EventFormat = EventFormat::DEFAULT;

/// What a message of the page may have, in bytes: a text whose every character is escaped.
const MAX_MESSAGE: u64 = 32 * 1024;

struct Service {
    chat: Chat,
    events: Events<User>,
}

/// Who a connection is; `None` if that name cannot be had.
type User = Option<Name>;

impl Handler for Service {
    type Session = User;

    fn authenticate(&self, request: &Request<'_>) -> Result<Admission<User>, Rejection> {
        let name = request.query_value("name").unwrap_or_default();
        let name = Some(name.trim()).filter(|name| is_name(name, MAX_NAME));
        Ok(Admission::new(name.map(|name| self.chat.claim(name))))
    }

    fn on_open(&self, client: &mut Client<'_, User>) {
        let Some(name) = client.session() else {
            // A page is not told why a request was refused; so this one was not.
            let reason = format!("a name has 1 to {MAX_NAME} characters");
            let _ = client.close(INVALID_NAME, &reason);
            return;
        };
        let welcome = json!({ "name": name.name, "rooms": self.chat.lock().counts() });
        tell(client, "welcome", &welcome);
    }

    fn on_message(&self, client: &mut Client<'_, User>, message: Message<'_>) {
        if !matches!(self.events.handle(client, message), Ok(true)) {
            problem(client, "that is no event of this chat");
        }
    }

    fn on_leave(&self, client: &mut Client<'_, User>, room: &str) {
        let Some(Name { name, .. }) = client.session() else { return };
        let mut chat = self.chat.lock();
        chat.leave(room, name);
        publish(client.to(To::Room(room)), "left", &json!({ "room": room, "name": name }));
        publish(client.to(To::All), "rooms", &chat.counts());
    }
}

fn events(chat: &Chat) -> Events<User> {
    let (joins, says) = (chat.clone(), chat.clone());
    Events::new()
        .on_text("join", move |client, room| join(&joins, client, room))
        .on_text("leave", |client, room| {
            // What follows from it is done in `on_leave`.
            client.leave(room);
        })
        .on_json("say", move |client, said: Value| {
            match (said["room"].as_str(), said["text"].as_str()) {
                (Some(room), Some(text)) => say(&says, client, room, text),
                _ => problem(client, "say what, and where?"),
            }
        })
}

fn join(chat: &Chat, client: &mut Client<'_, User>, room: &str) {
    if !is_name(room, MAX_ROOM) {
        return problem(client, &format!("a room has a name of 1 to {MAX_ROOM} characters"));
    }
    let mut chat = chat.lock();
    let is_new = match client.join(room) {
        Ok(is_new) => is_new,
        Err(error) => return problem(client, &error.to_string()),
    };
    let Some(Name { name, .. }) = client.session() else { return };
    let joined = chat.join(room, name);
    let entered = json!({ "room": room, "name": name });
    tell(client, "joined", &joined);
    if is_new {
        publish(client.to(To::Room(room)).but(client.id()), "entered", &entered);
        publish(client.to(To::All), "rooms", &chat.counts());
    }
}

fn say(chat: &Chat, client: &mut Client<'_, User>, room: &str, text: &str) {
    let Some(Name { name, .. }) = client.session() else { return };
    if text.is_empty() || text.encode_utf16().count() > MAX_TEXT {
        problem(client, &format!("a text has 1 to {MAX_TEXT} characters"));
    } else if !client.has_joined(room) {
        problem(client, "join the room first");
    } else {
        let mut chat = chat.lock();
        publish(client.to(To::Room(room)), "said", &chat.say(room, name, text));
    }
}

fn problem(client: &mut Client<'_, User>, what: &str) {
    // As in `tell`.
    let _ = FORMAT.emit(client, "problem", what);
}

fn tell(client: &mut Client<'_, User>, name: &str, value: &Value) {
    // It can only fail for a client that is closing, or takes nothing: it is on its way out.
    let _ = FORMAT.emit_json(client, name, value);
}

fn publish(to: Publish<'_>, name: &str, value: &Value) {
    // It can only fail if the server does not keep up: then some miss it.
    let _ = FORMAT.emit_json_to(to, name, value);
}

fn is_name(name: &str, max: usize) -> bool {
    !name.is_empty() && name.encode_utf16().count() <= max && !name.chars().any(char::is_control)
}

fn main() {
    let address = common::listen_address("A chat with rooms, for browsers.");
    let limits = Limits { message: MAX_MESSAGE, frame: MAX_MESSAGE, ..Config::DEFAULT.limits };
    let builder = Server::builder()
        .config(Config { limits, ..Config::DEFAULT })
        .connect_path("/ws")
        .page("/", "text/html; charset=utf-8", include_str!("index.html"))
        .page("/chat.css", "text/css; charset=utf-8", include_str!("chat.css"))
        .page("/chat.js", "text/javascript; charset=utf-8", include_str!("chat.js"))
        .browser_client("/events.js")
        .metrics_path("/metrics");
    let chat = Chat::default();
    let events = events(&chat);
    common::serve(builder, &address, "http", Service { chat, events });
}
