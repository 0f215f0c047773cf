//! A user of the chat `pubsub`: posts lines of the standard input, prints what comes.

mod common;

use std::{
    error::Error,
    io::{self, BufRead, Write},
    net::TcpStream,
    process::exit,
    thread,
};

use serde_json::{Value, json};
use wscore::{CloseCode, Dialer};
use wsutil::{Connection, SendError, Sender};

const HELP: &str = "Usage: pubsub_client URL KEY

Posts each line of the standard input to the chat of the example pubsub, and prints what others
post, until the input ends or the server closes. KEY says who you are, such as ani-1.

Exits with 0 after a clean close, with 1 otherwise, with 2 when the command line is wrong.";

fn main() {
    let (url, key) = arguments().unwrap_or_else(|error| common::fail(&error));
    if let Err(error) = chat(&url, &key) {
        eprintln!("error: {}", common::in_one_line(&*error));
        exit(1);
    }
}

fn arguments() -> Result<(String, String), String> {
    let mut values = vec![];
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                println!("{HELP}");
                exit(0);
            }
            lexopt::Arg::Value(value) => values.push(value.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let values = <[String; 2]>::try_from(values);
    values.map(Into::into).map_err(|_| "a URL and a key are wanted; --help says more".to_owned())
}

fn chat(url: &str, key: &str) -> Result<(), Box<dyn Error>> {
    let (stream, handshake) = Dialer::new().header("Key", key)?.dial(url)?;
    let connection = Connection::client(stream, handshake);
    let (mut receiver, sender, flusher) = connection.split(TcpStream::try_clone)?;
    thread::spawn(move || flusher.run());
    let stop = sender.clone();
    ctrlc::set_handler(move || {
        // A server that closes already need not be told.
        let _ = stop.close(CloseCode::NORMAL, "");
    })?;
    // It ends with the program, or closes, and then the server does.
    thread::spawn(move || post_lines(&sender));
    while let Some(message) = receiver.receive()? {
        print(&serde_json::from_slice(message.as_bytes())?)?;
    }
    Ok(())
}

fn post_lines(sender: &Sender) -> Result<(), SendError> {
    for (line, id) in io::stdin().lock().lines().map_while(Result::ok).zip(1_u64..) {
        let post = json!({ "id": id, "method": "POST", "target": "/message", "body": line });
        sender.send(&post.to_string())?;
    }
    sender.close(CloseCode::NORMAL, "")
}

/// Prints a broadcast, or why a post was refused.
fn print(response: &Value) -> io::Result<()> {
    let text = |name| response[name].as_str().unwrap_or_default();
    let mut out = io::stdout().lock();
    match (response["id"].as_u64(), response["code"].as_i64()) {
        (Some(0), Some(0)) => writeln!(out, "[{}] {}", text("message"), text("body"))?,
        (_, Some(200)) => {}
        (_, code) => eprintln!("error: {} {}", code.unwrap_or_default(), text("message")),
    }
    out.flush()
}
