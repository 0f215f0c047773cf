//! What any client says goes to all, by `wsserver`: encoded once, from event loops on any number of
//! threads.

mod common;

use std::sync::OnceLock;

use wscore::{CloseCode, Rejection, Request};
use wsflate::Deflate;
use wsserver::{Admission, Client, Handler, Report, Server, ServerHandle};
use wsutil::{Message, Prepared};

/// The server, once it runs.
static SERVER: OnceLock<ServerHandle> = OnceLock::new();

struct TellAll {
    deflate: Option<Deflate>,
}

impl Handler for TellAll {
    type Session = ();

    fn authenticate(&self, _: &Request<'_>) -> Result<Admission<()>, Rejection> {
        Ok(Admission::new(()))
    }

    fn on_message(&self, client: &mut Client<'_, ()>, message: Message<'_>) {
        let mut message = Prepared::new(message);
        if let Some(deflate) = &self.deflate {
            message = message.with_deflate(deflate);
        }
        let told = SERVER.get().map(|server| server.broadcast(&message, None));
        if told != Some(Ok(())) {
            // It can only fail for a reason that is too long, or if the client is closing already.
            let _ = client.close(CloseCode::TRY_AGAIN_LATER, "not all could be told");
        }
    }
}

const HELP: &str = "  --threads N    event loops, each on a thread of its own [default: 1]\n";

fn main() {
    let mut threads = 1;
    let (address, deflate) = common::listen_options_and(
        "Tells every client what any of them says, with event loops on any number of threads.",
        HELP,
        |name, arguments| {
            let is_known = name == "threads";
            if is_known {
                threads = common::number(name, arguments)?;
            }
            Ok(is_known)
        },
    );
    // Pages of any host may try it.
    let mut builder = Server::builder().threads(threads).origin(None);
    if let Some(deflate) = &deflate {
        builder = builder.deflate(deflate.clone());
    }
    let server = match builder.listen(&address) {
        Ok(builder) => builder.handler(TellAll { deflate }),
        Err(error) => common::fail(&format!("cannot listen on {address}: {error}")),
    };
    let addresses = server.addresses().unwrap_or_default();
    let running = server.start().unwrap_or_else(|error| common::fail(&error.to_string()));
    let handle = SERVER.get_or_init(|| running.handle());
    if let Err(error) = ctrlc::set_handler(|| handle.shutdown()) {
        common::fail(&format!("cannot handle Ctrl-C: {error}"));
    }
    for address in addresses {
        println!("listening on ws://{address}/");
    }
    match running.join() {
        Ok(Report { closed, lost, aborted, .. }) => {
            println!("closed {closed}, lost {lost}, aborted {aborted}");
        }
        Err(error) => common::fail(&error.to_string()),
    }
}
