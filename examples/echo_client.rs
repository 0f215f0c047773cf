//! Connects to a server and sends back what it receives, until the server closes.

mod common;

use std::{error::Error, process::exit};

use common::DeflateOptions;
use wsflate::Deflate;

const HELP: &str = "Sends back what a WebSocket server sends, until the server closes.

Usage: echo_client URL [OPTIONS]

Options:";

const EXIT_CODES: &str = "Exit code: 0 after a clean close, 1 with one line of error otherwise, 2 for a wrong command line.";

fn main() {
    let (url, deflate) = arguments().unwrap_or_else(|error| common::fail(&error));
    common::stop_on_ctrl_c();
    if let Err(error) = echo(&url, deflate.as_ref()) {
        eprintln!("error: {}", common::in_one_line(&*error));
        exit(1);
    }
}

fn arguments() -> Result<(String, Option<Deflate>), String> {
    let mut url = None;
    let mut options = DeflateOptions::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                let deflate = common::DEFLATE_HELP;
                println!("{HELP}\n{deflate}  -h, --help     this text\n\n{EXIT_CODES}");
                exit(0);
            }
            lexopt::Arg::Long(name) => {
                let name = name.to_owned();
                options.take(&name, &mut arguments)?;
            }
            lexopt::Arg::Value(value) if url.is_none() => {
                url = Some(value.to_string_lossy().into_owned());
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    let url = url.ok_or("one URL is wanted; --help says more")?;
    Ok((url, options.deflate()))
}

fn echo(url: &str, deflate: Option<&Deflate>) -> Result<(), Box<dyn Error>> {
    let mut connection = match deflate {
        Some(deflate) => wsutil::connect_deflate(url, deflate)?,
        None => wsutil::connect(url)?,
    };
    while let Some((message, mut reply)) = connection.receive()? {
        reply.send(message)?;
    }
    Ok(())
}
