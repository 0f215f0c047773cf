//! What any client says goes to all, by `wsserver`: encoded once, from event loops on any number of
//! threads.

mod common;

use wscore::{CloseCode, Rejection, Request};
use wsserver::{Admission, Client, Config, Handler, Report, Server, To};
use wsutil::Message;

struct TellAll;

impl Handler for TellAll {
    type Session = ();

    fn authenticate(&self, _: &Request<'_>) -> Result<Admission<()>, Rejection> {
        Ok(Admission::new(()))
    }

    fn on_message(&self, client: &mut Client<'_, ()>, message: Message<'_>) {
        if client.to(To::All).send(message).is_err() {
            // It can only fail for a reason that is too long, or if the client is closing already.
            let _ = client.close(CloseCode::TRY_AGAIN_LATER, "not all could be told");
        }
    }
}

const HELP: &str = "  --threads N    event loops, each on a thread of its own [default: 1]
  --max-connections N  how many there may be at a time [default: 65536]
";

fn main() {
    let (mut threads, mut max_connections) = (1, Config::DEFAULT.max_connections);
    let (address, deflate) = common::listen_options_and(
        "Tells every client what any of them says, with event loops on any number of threads.",
        HELP,
        |name, arguments| {
            match name {
                "threads" => threads = common::number(name, arguments)?,
                "max-connections" => max_connections = common::number(name, arguments)?,
                _ => return Ok(false),
            }
            Ok(true)
        },
    );
    let config = Config { max_connections, ..Config::DEFAULT };
    // Pages of any host may try it.
    let mut builder = Server::builder().threads(threads).origin(None).config(config);
    if let Some(deflate) = deflate {
        builder = builder.deflate(deflate);
    }
    let Report { closed, lost, aborted, .. } = common::serve(builder, &address, "ws", TellAll);
    println!("closed {closed}, lost {lost}, aborted {aborted}");
}
