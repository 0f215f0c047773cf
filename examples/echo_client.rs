//! Connects to a server and sends back what it receives, until the server closes.

mod common;

use std::process::exit;

const HELP: &str = "Sends back what a WebSocket server sends, until the server closes.

Usage: echo_client URL

Options:
  -h, --help  this text

Exit code: 0 after a clean close, 1 with one line of error otherwise, 2 for a wrong command line.";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = match (arguments.next(), arguments.next()) {
        (Some(help), None) if help == "-h" || help == "--help" => {
            println!("{HELP}");
            exit(0);
        }
        (Some(url), None) if !url.starts_with('-') => url,
        _ => common::fail("one URL is wanted; --help says more"),
    };
    common::stop_on_ctrl_c();
    if let Err(error) = echo(&url) {
        eprintln!("error: {}", common::in_one_line(&*error));
        exit(1);
    }
}

fn echo(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut connection = wsutil::connect(url)?;
    while let Some((message, mut reply)) = connection.receive()? {
        reply.send(message)?;
    }
    Ok(())
}
