//! The server's handshake with everything that can be said about it: a host that is required, a
//! cookie that is looked at, headers of our own. Prints what it sees, greets, and closes.

mod common;

use std::{net::TcpStream, time::Duration};

use wscore::{
    Acceptance, CloseBody, CloseCode, DeadlineStream, Frame, Handler, Headers, Rejection, Request,
    UpgradeError, Upgrader, lingering_close, write_frame,
};

fn main() {
    common::run(
        "Shows the callbacks of the server's handshake.\n\n\
         Refuses hosts other than 127.0.0.1, localhost and [::1] with 403, and cookies that are\n\
         not name=value with 400. Offers the subprotocol \"greeting\".",
        serve,
    );
}

/// What is known of one connection.
#[derive(Default)]
struct Session {
    user: Option<String>,
}

impl Handler for Session {
    fn on_request(&mut self, request: &Request<'_>) -> Result<(), Rejection> {
        println!("{} {}", request.method(), request.target());
        Ok(())
    }

    fn on_header(&mut self, name: &str, value: &[u8]) -> Result<(), Rejection> {
        println!("  {name}: {}", String::from_utf8_lossy(value));
        if name.eq_ignore_ascii_case("cookie") {
            let malformed = || Rejection::new(400).body("malformed cookie");
            for pair in std::str::from_utf8(value).map_err(|_| malformed())?.split(';') {
                let (name, value) = pair.trim().split_once('=').ok_or_else(malformed)?;
                if name == "user" {
                    self.user = Some(value.to_owned());
                }
            }
        }
        Ok(())
    }

    fn on_before_upgrade(&mut self, acceptance: &mut Acceptance<'_>) -> Result<(), Rejection> {
        if let Some(user) = &self.user {
            acceptance.headers_mut().insert("X-User", user)?;
        }
        Ok(())
    }
}

fn serve(mut stream: TcpStream) {
    let upgrader = Upgrader::new()
        .protocols(["greeting"])
        .on_host(|host| match host.rsplit_once(':').map_or(host, |(name, _)| name) {
            "127.0.0.1" | "localhost" | "[::1]" => Ok(()),
            _ => {
                Err(Rejection::new(403).body("unknown host").header("X-Want-Host", "localhost")?)
            }
        })
        .on_before_upgrade(|| Ok(Headers::new().with("X-Example", "upgrade")?));
    let mut session = Session::default();
    let mut timed = DeadlineStream::new(&mut stream, Duration::from_secs(10));
    match upgrader.upgrade_with(&mut timed, &mut session) {
        Ok(upgraded) => {
            println!("  upgraded, subprotocol {:?}", upgraded.handshake.protocol());
            let name = session.user.unwrap_or("stranger".into());
            let bye = CloseBody::new(CloseCode::NORMAL, "bye").unwrap_or(CloseBody::EMPTY);
            let _ = write_frame(&mut timed, &Frame::text(format!("hello, {name}")))
                .and_then(|()| write_frame(&mut timed, &Frame::close(bye)));
        }
        Err(UpgradeError::Rejected(rejection)) => println!("  {rejection}"),
        Err(error) => println!("  {error}"),
    }
    drop(timed);
    lingering_close(stream);
}
