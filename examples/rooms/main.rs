//! Rooms and named events: who joins a room is told what is said there, and when others leave it.
//!
//! The page, or any client of events, says `join` and `leave` with a room, `say` with a room and a
//! text, and `tell` with an id and a text. What is no event is echoed.

#[path = "../common/mod.rs"]
mod common;

use serde_json::{Value, json};
use wscore::{Rejection, Request};
use wsserver::{Admission, Client, ClientId, EventFormat, Events, Handler, Publish, Server, To};
use wsutil::Message;

struct Service {
    events: Events<()>,
}

impl Handler for Service {
    type Session = ();

    fn authenticate(&self, _: &Request<'_>) -> Result<Admission<()>, Rejection> {
        Ok(Admission::new(()))
    }

    fn on_open(&self, client: &mut Client<'_, ()>) {
        let id = client.id().to_string();
        answer(client, "welcome", &id.into());
    }

    fn on_message(&self, client: &mut Client<'_, ()>, message: Message<'_>) {
        match self.events.handle(client, message) {
            Ok(true) => {}
            // A native message. It can only fail for a client that is on its way out.
            Ok(false) => drop(client.send(message)),
            Err(error) => answer(client, "problem", &error.to_string().into()),
        }
    }

    fn on_leave(&self, client: &mut Client<'_, ()>, room: &str) {
        let left = json!({ "room": room, "id": client.id().to_string() });
        publish(client.to(To::Room(room)), "left", &left);
    }
}

fn events() -> Events<()> {
    Events::new()
        .on_text("join", |client, room| {
            if let Err(error) = client.join(room) {
                return answer(client, "problem", &error.to_string().into());
            }
            let joined = json!({ "room": room, "id": client.id().to_string() });
            publish(client.to(To::Room(room)), "joined", &joined);
        })
        .on_text("leave", |client, room| {
            // The room is told in `on_leave`.
            client.leave(room);
        })
        .on_json("say", |client, (room, text): (String, String)| {
            if client.has_joined(&room) {
                let said = json!({ "room": room, "id": client.id().to_string(), "text": text });
                publish(client.to(To::Room(&room)), "said", &said);
            } else {
                answer(client, "problem", &"join the room first".into());
            }
        })
        .on_json("tell", |client, (id, text): (String, String)| {
            let told = json!({ "id": client.id().to_string(), "text": text });
            // Every connection has a room of its own, whose name is its id.
            let is_id = id.parse::<ClientId>().is_ok();
            if !is_id || publish(client.to(To::Room(&id)), "told", &told) == 0 {
                answer(client, "problem", &"nobody here has this id".into());
            }
        })
}

fn answer(client: &mut Client<'_, ()>, name: &str, value: &Value) {
    // It can only fail for a client that is closing, or takes nothing: it is on its way out.
    let _ = EventFormat::DEFAULT.emit_json(client, name, value);
}

/// For how many it is.
fn publish(to: Publish<'_>, name: &str, value: &Value) -> usize {
    // It can only fail if the server does not keep up: then some miss it.
    EventFormat::DEFAULT.emit_json_to(to, name, value).unwrap_or(0)
}

fn main() {
    let address = common::listen_address("Rooms and named events, with a page to try them.");
    let builder = Server::builder()
        .connect_path("/ws")
        .page("/", "text/html; charset=utf-8", include_str!("index.html"))
        .browser_client("/events.js");
    common::serve(builder, &address, "http", Service { events: events() });
}
