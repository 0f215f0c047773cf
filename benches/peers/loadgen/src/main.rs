//! Keeps a WebSocket server busy in one of some ways, checks what comes back, and prints what it
//! measured as JSON.
//!
//! Exit code: 0, 1 if the server failed, 2 for a wrong command line.

mod broadcast;
mod client;
mod compressed;
mod echo;
mod handshake;
mod idle;
mod ping;
mod plan;
mod system;
mod upgrades;
mod usage;

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    process::exit,
    str::FromStr,
    time::Duration,
};

use mio::{Events, Poll};
use plan::{Kind, Plan};

const USAGE: &str = "\
usage: loadgen MODE --address ADDRESS --pid SERVER --connections N …
modes:
  echo --payload BYTES --pipeline N --kind binary|text|json|takeover --warmup SECS --secs SECS
  upgrades --warmup SECS --secs SECS
  idle --kind binary|json|takeover
  broadcast --warmup SECS --secs SECS";

/// How long a server may let all connections wait.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let mode = std::env::args().nth(1);
    let result = match mode.as_deref() {
        Some("echo") => {
            let payload = option("--payload");
            if payload < 8 {
                usage("--payload");
            }
            let plan = Plan::new(payload, option("--pipeline"), kind());
            echo::run(&Target::named(), &plan, &Times::named())
        }
        Some("upgrades") => upgrades::run(&Target::named(), &Times::named()),
        Some("idle") => idle::run(&Target::named(), kind()),
        Some("broadcast") => broadcast::run(&Target::named(), &Times::named()),
        _ => usage("the mode"),
    };
    match result {
        Ok(result) => println!("{{{result}}}"),
        Err(error) => {
            eprintln!("error: {error}");
            exit(1);
        }
    }
}

/// The server, and how many connections it gets.
struct Target {
    address: SocketAddr,
    process: u32,
    connections: usize,
}

impl Target {
    fn named() -> Self {
        let connections = option("--connections");
        if connections == 0 {
            usage("--connections");
        }
        Self { address: option("--address"), process: option("--pid"), connections }
    }
}

/// How long the server is warmed up, and how long it is measured.
struct Times {
    warmup: Duration,
    measured: Duration,
}

impl Times {
    fn named() -> Self {
        let seconds = |name| {
            let time = Duration::try_from_secs_f64(option(name));
            time.unwrap_or_else(|_| usage(name))
        };
        Self { warmup: seconds("--warmup"), measured: seconds("--secs") }
    }
}

fn kind() -> Kind {
    Kind::parse(&option::<String>("--kind")).unwrap_or_else(|| usage("--kind"))
}

/// The value of an option on the command line, all of which are needed.
fn option<Value: FromStr>(name: &str) -> Value {
    let value = std::env::args().skip_while(|argument| argument != name).nth(1);
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| usage(name))
}

fn usage(name: &str) -> ! {
    eprintln!("error: {name} is missing or wrong\n{USAGE}");
    exit(2);
}

/// Waits for sockets; an error if none has anything for long.
fn wait(poll: &mut Poll, events: &mut Events) -> io::Result<()> {
    match poll.poll(events, Some(PATIENCE)) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        Ok(()) if events.is_empty() => {
            Err(io::Error::other(format!("no reply for {} s", PATIENCE.as_secs())))
        }
        result => result,
    }
}
