//! A chat of four users: they post by a route, and what is posted is told to all others.
//!
//! A user says who it is by its key, in the header `Key` or as `?key=`, and posts with
//! `{"id":1,"method":"POST","target":"/message","body":"hello"}`. `pubsub_client` does.

mod common;

use std::sync::{Arc, OnceLock};

use wscore::{CloseCode, Rejection, Request};
use wsserver::{
    Admission, Client, End, Handler, RouteError, RouteRequest, RouteResponse, Routes, Server,
    ServerHandle,
};
use wsutil::Message;

/// Keys, and whose they are.
const USERS: [(&str, &str); 4] =
    [("ani-1", "Ani"), ("bo-2", "Bo"), ("cem-3", "Cem"), ("dee-4", "Dee")];

struct Chat {
    routes: Routes<User>,
    server: Arc<OnceLock<ServerHandle>>,
}

struct User {
    name: &'static str,
}

impl Handler for Chat {
    type Session = User;

    fn authenticate(&self, request: &Request<'_>) -> Result<Admission<User>, Rejection> {
        let mut queries = request.query().unwrap_or_default().split('&');
        let query = || queries.find_map(|pair| pair.strip_prefix("key=")).map(str::as_bytes);
        let key = request.header("Key").or_else(query).unwrap_or_default();
        match USERS.iter().find(|(known, _)| known.as_bytes() == key) {
            Some((_, name)) => Ok(Admission::new(User { name })),
            None => Err(Rejection::new(401).header("WWW-Authenticate", "Key")?),
        }
    }

    fn on_open(&self, client: &mut Client<'_, User>) {
        let text = format!("{} joined", client.session().name);
        tell(&self.server, client, "system", text);
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
        tell(&self.server, client, "system", text);
    }
}

fn routes(server: Arc<OnceLock<ServerHandle>>) -> Result<Routes<User>, RouteError> {
    let post = move |client: &mut Client<'_, User>, request: &RouteRequest<'_>| {
        let text = format!("{}: {}", client.session().name, request.body());
        tell(&server, client, "message", text);
        RouteResponse::ok("")
    };
    Routes::new().route("POST", "/message", post)
}

/// Tells something to all but one client.
fn tell(server: &OnceLock<ServerHandle>, but: &Client<'_, User>, name: &str, text: String) {
    if let Some(server) = server.get() {
        // It can only fail if the server ends, or does not keep up: then some miss it.
        let _ = server.broadcast(&RouteResponse::broadcast(name, text).prepare(), Some(but.id()));
    }
}

fn main() {
    let address = common::listen_address("A chat of four users, with requests over text messages.");
    let handle = Arc::new(OnceLock::new());
    let routes = routes(handle.clone()).unwrap_or_else(|error| common::fail(&error.to_string()));
    let server = match Server::builder().listen(&address) {
        Ok(builder) => builder.handler(Chat { routes, server: handle.clone() }),
        Err(error) => common::fail(&format!("cannot listen on {address}: {error}")),
    };
    let addresses = server.addresses().unwrap_or_default();
    let running = server.start().unwrap_or_else(|error| common::fail(&error.to_string()));
    let stop = handle.get_or_init(|| running.handle()).clone();
    if let Err(error) = ctrlc::set_handler(move || stop.shutdown()) {
        common::fail(&format!("cannot handle Ctrl-C: {error}"));
    }
    for address in addresses {
        println!("listening on ws://{address}/");
    }
    if let Err(error) = running.join() {
        common::fail(&error.to_string());
    }
}
