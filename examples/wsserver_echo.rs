//! Echo with `wsserver`: event loops on any number of threads, and a graceful end on Ctrl-C.

mod common;

use wscore::{Rejection, Request};
use wsserver::{Admission, Client, Config, Handler, Report, Server};
use wsutil::{Limits, Message};

struct Echo;

impl Handler for Echo {
    type Session = ();

    fn authenticate(&self, _: &Request<'_>) -> Result<Admission<()>, Rejection> {
        Ok(Admission::new(()))
    }

    fn on_message(&self, client: &mut Client<'_, ()>, message: Message<'_>) {
        // It can only fail for a client that is closing, or takes nothing: it is on its way out.
        let _ = client.send(message);
    }
}

const HELP: &str = "  --threads N    event loops, each on a thread of its own [default: 1]
  --max-message BYTES  what a message may have [default: 1048576]
  --max-connections N  how many there may be at a time [default: 65536]
";

fn main() {
    let mut threads = 1;
    let mut max_message = Config::DEFAULT.limits.message;
    let mut max_connections = Config::DEFAULT.max_connections;
    let (address, deflate) = common::listen_options_and(
        "Echoes WebSocket messages, with event loops on any number of threads.",
        HELP,
        |name, arguments| {
            match name {
                "threads" => threads = common::number(name, arguments)?,
                "max-message" => max_message = common::number(name, arguments)?,
                "max-connections" => max_connections = common::number(name, arguments)?,
                _ => return Ok(false),
            }
            Ok(true)
        },
    );
    let limits = Limits { message: max_message, frame: max_message, ..Config::DEFAULT.limits };
    let mut builder = Server::builder()
        .threads(threads)
        // Pages of any host may try it.
        .origin(None)
        .config(Config { limits, max_connections, ..Config::DEFAULT });
    if let Some(deflate) = deflate {
        builder = builder.deflate(deflate);
    }
    let Report { closed, lost, aborted, .. } = common::serve(builder, &address, "ws", Echo);
    println!("closed {closed}, lost {lost}, aborted {aborted}");
}
