//! Idle connections: how much memory a server has for each.

use std::{
    fs,
    io::{Error, Read, Result, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use crate::{
    Target,
    compressed::Replies,
    handshake,
    ping::answer_pings,
    plan::{Kind, Plan},
};

/// What is echoed once on each connection, in bytes.
const PAYLOAD: usize = 125;

/// So many are there before memory is first looked at, so that what all share is no connection's.
const FIRST: usize = 16;

/// How long a server has to come to rest.
const REST: Duration = Duration::from_millis(300);

/// Opens connections, sends one message on each, and leaves them alone in between.
pub fn run(target: &Target, kind: Kind) -> Result<String> {
    let mut echo = Echo::new(kind);
    let wanted = FIRST + target.connections;
    let mut opening = handshake::open_all(target.address, wanted, kind);
    let mut streams = Vec::with_capacity(wanted);
    for stream in opening.by_ref().take(FIRST) {
        streams.push(stream?);
    }
    streams.iter_mut().try_for_each(|stream| echo.run(stream))?;
    let before = memory_at_rest(target.process)?;
    for stream in opening {
        streams.push(stream?);
    }
    let upgraded = memory_at_rest(target.process)?;
    streams[FIRST..].iter_mut().try_for_each(|stream| echo.run(stream))?;
    let echoed = memory_at_rest(target.process)?;
    let each = |memory: f64| (memory - before) / target.connections as f64;
    Ok(format!(
        r#""upgraded": {:.1}, "echoed": {:.1}, "waited": 0.0"#,
        each(upgraded),
        each(echoed)
    ))
}

/// The first message of a connection.
struct Echo {
    plan: Plan,
    /// Refers to nothing before, on whatever connection.
    compressed: Option<Replies>,
}

impl Echo {
    fn new(kind: Kind) -> Self {
        let compressed = kind.extension().map(|_| Replies::new(false));
        Self { plan: Plan::new(PAYLOAD, 1, kind), compressed }
    }

    /// Sends it, and waits until it is back.
    fn run(&mut self, stream: &mut TcpStream) -> Result<()> {
        stream.write_all(self.plan.requests(0))?;
        let mut buffer = [0; 4096];
        let mut wanted = &self.plan.replies[..self.plan.reply_size];
        let mut is_first = true;
        loop {
            let mut bytes = match stream.read(&mut buffer)? {
                0 => return Err(Error::other("connection closed instead of a reply")),
                size => &buffer[..size],
            };
            if is_first {
                bytes = answer_pings(&mut *stream, bytes)?;
                is_first = bytes.is_empty();
            }
            if let Some(replies) = &mut self.compressed {
                if replies.take(bytes, || &self.plan.payloads(0)[0])? == 1 {
                    return Ok(());
                }
                continue;
            }
            wanted = wanted.strip_prefix(bytes).ok_or(Error::other("a reply is wrong"))?;
            if wanted.is_empty() {
                return Ok(());
            }
        }
    }
}

/// What a process has of its own, in bytes, once it had time to come to rest.
fn memory_at_rest(process: u32) -> Result<f64> {
    thread::sleep(REST);
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let lines = rollup.lines().filter(|line| line.starts_with("Private_"));
    let sizes = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    Ok(sizes.sum::<f64>() * 1024.0)
}
