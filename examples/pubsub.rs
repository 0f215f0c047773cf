//! A chat of four users: they post by a route, and what is posted is told to all others.
//!
//! A user says who it is by its key, in the header `Key` or as `?key=`, and posts with
//! `{"id":1,"method":"POST","target":"/message","body":"hello"}`. `pubsub_client` does.

mod common;

use wscore::{CloseCode, Rejection, Request};
use wsserver::{
    Admission, Client, End, Handler, RouteError, RouteRequest, RouteResponse, Routes, Server, To,
};
use wsutil::Message;

/// Keys, and whose they are.
const USERS: [(&str, &str); 4] =
    [("ani-1", "Ani"), ("bo-2", "Bo"), ("cem-3", "Cem"), ("dee-4", "Dee")];

struct Chat {
    routes: Routes<User>,
}

struct User {
    name: &'static str,
}

impl Handler for Chat {
    type Session = User;

    fn authenticate(&self, request: &Request<'_>) -> Result<Admission<User>, Rejection> {
        let query = request.query_value("key").unwrap_or_default();
        let key = request.header("Key").unwrap_or(query.as_bytes());
        match USERS.iter().find(|(known, _)| known.as_bytes() == key) {
            Some((_, name)) => Ok(Admission::new(User { name }).with_user(*name)),
            None => Err(Rejection::new(401).header("WWW-Authenticate", "Key")?),
        }
    }

    fn on_open(&self, client: &mut Client<'_, User>) {
        let text = format!("{} joined", client.session().name);
        tell(client, "system", text);
    }

    fn on_message(&self, client: &mut Client<'_, User>, message: Message<'_>) {
        // It can only fail for a client that is closing, or takes nothing: it is on its way out.
        let _ = match message.as_text() {
            Some(text) => self.routes.answer(client, text),
            None => client.close(CloseCode::UNSUPPORTED_DATA, "requests are text"),
        };
    }

    fn on_close(&self, client: &mut Client<'_, User>, _: &End) {
        let text = format!("{} left", client.session().name);
        tell(client, "system", text);
    }
}

fn routes() -> Result<Routes<User>, RouteError> {
    let post = |client: &mut Client<'_, User>, request: &RouteRequest<'_>| {
        let text = format!("{}: {}", client.session().name, request.body());
        tell(client, "message", text);
        RouteResponse::ok("")
    };
    Routes::new().route("POST", "/message", post)
}

/// Tells something to all but one client.
fn tell(but: &Client<'_, User>, name: &str, text: String) {
    // It can only fail if the server does not keep up: then some miss it.
    let _ = but.to(To::All).but(but.id()).send(&RouteResponse::broadcast(name, text).to_text());
}

fn main() {
    let address = common::listen_address("A chat of four users, with requests over text messages.");
    let routes = routes().unwrap_or_else(|error| common::fail(&error.to_string()));
    common::serve(Server::builder(), &address, "ws", Chat { routes });
}
