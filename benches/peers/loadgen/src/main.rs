//! Sends messages to an echo server over some connections, waits for the replies, checks them and
//! sends the next. Prints messages per second and the server's CPU time for each as JSON.
//!
//! Exit code: 0, 1 if the server failed, 2 for a wrong command line.

mod client;
mod compressed;
mod plan;
mod system;

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    process::exit,
    str::FromStr,
    time::{Duration, Instant},
};

use client::{Client, Next};
use mio::{Events, Interest, Poll, Token};
use plan::{Kind, Plan};

const USAGE: &str = "usage: loadgen --address ADDRESS --pid SERVER --payload BYTES \
    --connections N --pipeline N --kind binary|text|json|takeover --warmup SECS --secs SECS";

/// How many bytes are read at once.
const BUFFER_SIZE: usize = 256 * 1024;

/// How long a server may let all connections wait.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let kind = Kind::parse(&option::<String>("--kind")).unwrap_or_else(|| usage("--kind"));
    let payload = option("--payload");
    if payload < 8 {
        usage("--payload");
    }
    match run(&Plan::new(payload, option("--pipeline"), kind)) {
        Ok(result) => println!("{result}"),
        Err(error) => {
            eprintln!("error: {error}");
            exit(1);
        }
    }
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

/// Warms up, measures, and then waits for every reply that is still to come.
fn run(plan: &Plan) -> io::Result<String> {
    let address: SocketAddr = option("--address");
    let server: u32 = option("--pid");
    let warmup = Duration::from_secs_f64(option("--warmup"));
    let duration = Duration::from_secs_f64(option("--secs"));
    let mut load = Load::open(address, option("--connections"), plan.kind)?;
    load.start(plan)?;
    load.run_until(plan, Instant::now() + warmup)?;
    let before = Usage::now(server)?;
    let messages = load.run_until(plan, before.at + duration)?;
    let after = Usage::now(server)?;
    load.finish(plan)?;
    Ok(Usage::compare(&before, &after, messages, load.reply_size()))
}

/// The connections and what waits for them.
struct Load {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

impl Load {
    fn open(address: SocketAddr, connections: usize, kind: Kind) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(connections);
        for key in 0..connections {
            let mut client = Client::open(address, kind)?;
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(client.stream(), Token(key), both)?;
            clients.push(client);
        }
        let events = Events::with_capacity(1024);
        Ok(Self { poll, events, clients, buffer: vec![0; BUFFER_SIZE] })
    }

    fn start(&mut self, plan: &Plan) -> io::Result<()> {
        self.clients.iter_mut().try_for_each(|client| client.send(plan))
    }

    /// Keeps all connections busy until `end`: how many messages were answered.
    fn run_until(&mut self, plan: &Plan, end: Instant) -> io::Result<usize> {
        let mut bursts = 0;
        while Instant::now() < end {
            bursts += self.turn(plan, Next::Send)?;
        }
        Ok(bursts * plan.pipeline)
    }

    /// Waits until all that was sent is answered: one burst on each connection.
    fn finish(&mut self, plan: &Plan) -> io::Result<()> {
        let mut open = self.clients.len();
        while open > 0 {
            open -= self.turn(plan, Next::Stop)?;
        }
        Ok(())
    }

    /// Waits for sockets and serves them: how many bursts were answered.
    fn turn(&mut self, plan: &Plan, next: Next) -> io::Result<usize> {
        self.wait()?;
        let mut bursts = 0;
        for event in &self.events {
            let client = &mut self.clients[event.token().0];
            bursts += client.turn(plan, &mut self.buffer, next)?;
            if event.is_read_closed() {
                return Err(io::Error::other("connection closed instead of a reply"));
            }
        }
        Ok(bursts)
    }

    /// How many bytes a reply has, header included, by and large.
    fn reply_size(&self) -> f64 {
        let bytes: usize = self.clients.iter().map(|client| client.reply_bytes).sum();
        let messages: usize = self.clients.iter().map(|client| client.messages).sum();
        bytes as f64 / messages as f64
    }

    fn wait(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(PATIENCE)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Ok(()) if self.events.is_empty() => {
                Err(io::Error::other(format!("no reply for {} s", PATIENCE.as_secs())))
            }
            result => result,
        }
    }
}

/// CPU time used until some moment.
struct Usage {
    at: Instant,
    server: Duration,
    load: Duration,
}

impl Usage {
    fn now(server: u32) -> io::Result<Self> {
        let load = system::cpu_time(std::process::id())?;
        Ok(Self { at: Instant::now(), server: system::cpu_time(server)?, load })
    }

    /// What was measured, as JSON; `waited` is the share of time when neither side ran.
    fn compare(before: &Self, after: &Self, messages: usize, reply_size: f64) -> String {
        let passed = (after.at - before.at).as_secs_f64();
        let server = (after.server - before.server).as_secs_f64();
        let load = (after.load - before.load).as_secs_f64();
        let rate = messages as f64 / passed;
        let server_us = server * 1e6 / messages as f64;
        let waited = (1.0 - (server + load) / passed).max(0.0);
        format!(
            r#"{{"rate": {rate:.1}, "server_us": {server_us:.5}, "waited": {waited:.4}, "reply_size": {reply_size:.1}}}"#
        )
    }
}
