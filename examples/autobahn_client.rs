//! The client that the Autobahn test suite tests: asks the suite for its cases and echoes them.

#[path = "echo_frames.rs"]
#[allow(dead_code, reason = "its main, and what serves")]
mod echo_frames;

use std::{error::Error, io::Write, net::TcpStream, process::exit};

use wscore::{
    CloseBody, Dialer, Frame, Role, lingering_close, random_mask, read_frame, write_frame,
};

use wsflate::{Config, Deflate};

use echo_frames::{End, common};

const HELP: &str = "Echoes the cases of an Autobahn fuzzing server.

Options:
  --url URL        of the fuzzing server [default: ws://127.0.0.1:9001]
  --driver DRIVER  frames, helpers, connection or tokio [default: frames]; the last two compress
  --agent NAME     the name in the report [default: wscore]
  -h, --help       this text";

fn main() {
    common::stop_on_ctrl_c();
    if let Err(error) = run() {
        common::fail(&common::in_one_line(&*error));
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut url = "ws://127.0.0.1:9001".to_owned();
    let mut agent = "wscore".to_owned();
    let mut echo: fn(&str) -> Result<(), Box<dyn Error>> = with_frames;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("url") => url = arguments.value()?.to_string_lossy().into(),
            lexopt::Arg::Long("agent") => agent = arguments.value()?.to_string_lossy().into(),
            lexopt::Arg::Long("driver") => match arguments.value()?.to_string_lossy() {
                driver if driver == "frames" => echo = with_frames,
                driver if driver == "helpers" => echo = with_helpers,
                driver if driver == "connection" => echo = with_connection,
                driver if driver == "tokio" => echo = with_tokio,
                driver => return Err(format!("no driver {driver:?}").into()),
            },
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                println!("{HELP}");
                exit(0);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let url = url.trim_end_matches('/');
    let (mut stream, _) = Dialer::new().dial(&format!("{url}/getCaseCount"))?;
    let count: u32 = String::from_utf8(read_frame(&mut stream, 100)?.payload)?.parse()?;
    for case in 1..=count {
        print!("\rcase {case} of {count}");
        std::io::stdout().flush()?;
        let echoed = echo(&format!("{url}/runCase?case={case}&agent={agent}"));
        // What the suite does wrong on purpose fails the connection, as it should.
        if let Err(error) = echoed {
            println!(" {}", common::in_one_line(&*error));
        }
    }
    println!();
    echo(&format!("{url}/updateReports?agent={agent}"))
}

fn with_helpers(url: &str) -> Result<(), Box<dyn Error>> {
    let (mut stream, _) = Dialer::new().dial(url)?;
    let end = loop {
        match wsutil::read_server_data(&mut stream) {
            Ok((message, opcode)) => {
                wsutil::write_client_message(&mut stream, opcode, &message)?;
            }
            Err(wsutil::Error::Closed(_)) => break Ok(()),
            Err(error) => break Err(error.into()),
        }
    };
    lingering_close(stream.into_parts().1);
    end
}

fn with_connection(url: &str) -> Result<(), Box<dyn Error>> {
    let mut connection = wsutil::connect_deflate(url, &Deflate::new(Config::TAKEOVER))?;
    while let Some((message, mut reply)) = connection.receive()? {
        reply.send(message)?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn with_tokio(url: &str) -> Result<(), Box<dyn Error>> {
    let deflate = Deflate::new(Config::TAKEOVER);
    let mut connection = wsutil::tokio::connect_deflate(url, &deflate).await?;
    while let Some((message, mut reply)) = connection.receive().await? {
        reply.send(message).await?;
    }
    Ok(())
}

/// Echoes what one connection brings until it ends.
fn with_frames(url: &str) -> Result<(), Box<dyn Error>> {
    let (stream, _) = Dialer::new().dial(url)?;
    let (early_data, stream) = stream.into_parts();
    let body = match echo_frames::echo(&stream, early_data, Role::Client) {
        Ok(body) => body,
        Err(End::Failed(code, why)) => CloseBody::truncated(code, &why)?,
        Err(End::Gone) => return Ok(()),
    };
    close(stream, body);
    Ok(())
}

/// Answers or begins the closing handshake; the server closes the connection.
fn close(stream: TcpStream, body: CloseBody) {
    let mut frame = Frame::close(body);
    frame.mask_in_place(random_mask());
    // A server that is gone already needs no answer.
    if write_frame(&mut &stream, &frame).is_ok() {
        lingering_close(stream);
    }
}
