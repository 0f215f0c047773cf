//! A file, sent to all who watch it whenever it changes.
//!
//! They get the event `content` with its text, or `problem` with why there is none.

#[path = "../common/mod.rs"]
mod common;

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, SystemTime},
};

use wscore::{Rejection, Request};
use wsserver::{Admission, Client, EventFormat, Handler, Overload, Server, ServerHandle, To};
use wsutil::Message;

/// How often the file is looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// A larger file is not sent, in bytes.
const MAX_FILE: u64 = 1 << 20;

const ABOUT: &str = "Sends a file to all who watch it, whenever it changes.

Usage: filewatch [--listen ADDR] FILE";

/// The text of the file, or why there is none.
type Content = Result<String, String>;

/// What was sent last, for those who come.
#[derive(Clone)]
struct Watch(Arc<Mutex<Content>>);

impl Handler for Watch {
    type Session = ();

    fn authenticate(&self, _: &Request<'_>) -> Result<Admission<()>, Rejection> {
        Ok(Admission::new(()))
    }

    fn on_open(&self, client: &mut Client<'_, ()>) {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It can only fail for a client that is closing: it is on its way out.
        let (event, text) = event(&latest);
        let _ = EventFormat::DEFAULT.emit(client, event, text);
    }

    fn on_message(&self, _: &mut Client<'_, ()>, _: Message<'_>) {
        // Who watches has nothing to say.
    }
}

impl Watch {
    /// Tells all what the file is like now, if it is not what they know.
    fn tell(&self, server: &ServerHandle, content: &Content) {
        {
            let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if *latest == *content {
                return;
            }
            // Before it is sent: who comes meanwhile gets it twice rather than not at all.
            latest.clone_from(content);
        }
        // Who does not keep up gets the latest only. It can only fail when the server has ended.
        let all = server.to(To::All).overload(Overload::KeepLatest(0));
        let (event, text) = event(content);
        let _ = EventFormat::DEFAULT.emit_to(all, event, text);
    }
}

fn event(content: &Content) -> (&'static str, &str) {
    match content {
        Ok(text) => ("content", text),
        Err(why) => ("problem", why),
    }
}

/// What changes when the file does: when it was written, and its length.
type Version = Result<(SystemTime, u64), String>;

fn version(file: &Path) -> Version {
    // Only what is a file is opened: a pipe would wait.
    let about = fs::metadata(file).map_err(|error| error.to_string())?;
    match about.len() {
        _ if !about.is_file() => Err("not a regular file".to_owned()),
        len @ 0..=MAX_FILE => Ok((about.modified().map_err(|error| error.to_string())?, len)),
        _ => Err(format!("larger than {MAX_FILE} bytes")),
    }
}

/// What is in the file, and its version if it could be read.
fn look(file: &Path, version: Version) -> (Content, Version) {
    let content = version.clone().and_then(|_| read(file));
    let seen = content.as_ref().map_or_else(|why| Err(why.clone()), |_| version);
    (content.map_err(|why| format!("{}: {why}", file.display())), seen)
}

fn read(file: &Path) -> Result<String, String> {
    let mut content = vec![];
    let opened = File::open(file).map_err(|error| error.to_string())?;
    // It may have grown meanwhile: then there is a next version.
    opened.take(MAX_FILE).read_to_end(&mut content).map_err(|error| error.to_string())?;
    String::from_utf8(content).map_err(|_| "not a text in UTF-8".to_owned())
}

fn main() {
    let mut files = vec![];
    let address = common::listen_address_and(ABOUT, |value, _| {
        files.push(PathBuf::from(value));
        Ok(())
    });
    let [file] = <[PathBuf; 1]>::try_from(files)
        .unwrap_or_else(|_| common::fail("one file is wanted; --help says more"));
    let (content, mut last) = look(&file, version(&file));
    let watch = Watch(Arc::new(Mutex::new(content)));
    let builder = Server::builder()
        .connect_path("/ws")
        .page("/", "text/html; charset=utf-8", include_str!("index.html"))
        .browser_client("/events.js");
    let running = common::start(builder, &address, "http", watch.clone());
    let server = running.handle();
    let (stop, stopped) = mpsc::channel::<()>();
    let watcher = thread::spawn(move || {
        while stopped.recv_timeout(PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
            let now = version(&file);
            // What could not be read may be readable now without a change.
            if now.is_err() || now != last {
                let (content, seen) = look(&file, now);
                watch.tell(&server, &content);
                last = seen;
            }
        }
    });
    let ended = running.join();
    drop(stop);
    // It ends within a moment; if it panicked, that is on the screen.
    let _ = watcher.join();
    if let Err(error) = ended {
        common::fail(&error.to_string());
    }
}
