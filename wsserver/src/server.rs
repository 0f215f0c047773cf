//! A server from its addresses to its end.

use std::{
    borrow::Cow,
    fs, io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::Arc,
    thread::{self, JoinHandle},
};

use mio::{Poll, Waker};
use socket2::{Domain, Socket, Type};
use wscore::Origin;

use crate::{
    Config, End, Handler, ServerHandle,
    handshake::{Page, Policy},
    mailbox::Mailbox,
    shared::Shared,
    worker::{MAILBOX, Worker},
};

/// Descriptors that are kept for others than clients.
const BESIDES: usize = 64;

/// How many connections the system may have ready to be accepted; it may have a limit of its own.
const BACKLOG: i32 = 4096;

/// How many clients that are too many are told so at a time, at most.
const REFUSALS: usize = 1024;

/// A server that listens, and is to be run.
#[derive(Debug)]
pub struct Server<H> {
    builder: Builder,
    handler: H,
}

/// What a server is made from.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    listeners: Vec<TcpListener>,
    threads: u16,
    config: Config,
    policy: Policy,
}

impl Server<()> {
    /// A server with one thread, the default [`Config`], for pages of its own host.
    pub const fn builder() -> Builder {
        let policy = Policy {
            connect_path: None,
            status_path: None,
            metrics_path: None,
            pages: vec![],
            origin: Some(Origin::same_host()),
            #[cfg(feature = "deflate")]
            deflate: None,
        };
        Builder { listeners: vec![], threads: 1, config: Config::DEFAULT, policy }
    }
}

impl Builder {
    /// Listens on this address, too: the first one of those it resolves to that can be had.
    ///
    /// # Errors
    /// What the system says of the last one.
    pub fn listen(mut self, address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut failed = io::ErrorKind::InvalidInput.into();
        for address in address.to_socket_addrs()? {
            match bind(address) {
                Ok(listener) => {
                    self.listeners.push(listener);
                    return Ok(self);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Serves with so many threads, but at least one, each with a loop of its own.
    pub const fn threads(mut self, threads: u16) -> Self {
        self.threads = if threads == 0 { 1 } else { threads };
        self
    }

    /// Holds clients to these limits and times.
    pub const fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Upgrades requests for this path only; others are told 404. All by default.
    pub fn connect_path(mut self, path: impl Into<String>) -> Self {
        self.policy.connect_path = Some(path.into());
        self
    }

    /// Answers GET of this path with [`Handler::status`], whoever asks: [`Handler::authenticate`]
    /// decides on upgrades only.
    pub fn status_path(mut self, path: impl Into<String>) -> Self {
        self.policy.status_path = Some(path.into());
        self
    }

    /// Answers GET of this path with what the server counts, in the text format of Prometheus,
    /// whoever asks: [`Handler::authenticate`] decides on upgrades only.
    pub fn metrics_path(mut self, path: impl Into<String>) -> Self {
        self.policy.metrics_path = Some(path.into());
        self
    }

    /// Answers GET of this path with this page, whoever asks, such as one that connects to the server.
    /// A request for an upgrade is none for a page: both may be at one path.
    pub fn page(
        mut self,
        path: impl Into<String>,
        content_type: impl Into<Cow<'static, str>>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let page =
            Page { path: path.into(), content_type: content_type.into(), body: body.into().into() };
        self.policy.pages.push(page);
        self
    }

    /// Answers GET of this path with the [browser client](crate::BROWSER_CLIENT).
    pub fn browser_client(self, path: impl Into<String>) -> Self {
        self.page(path, "text/javascript; charset=utf-8", crate::BROWSER_CLIENT)
    }

    /// Which pages may connect; `None` for all. Those of the server's own host by default, and
    /// what is not a browser.
    pub fn origin(mut self, origin: impl Into<Option<Origin>>) -> Self {
        self.policy.origin = origin.into();
        self
    }

    /// Compresses messages where clients offer it.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, deflate: wsflate::Deflate) -> Self {
        self.policy.deflate = Some(deflate);
        self
    }

    /// A server that does this.
    pub const fn handler<H: Handler>(self, handler: H) -> Server<H> {
        Server { builder: self, handler }
    }
}

impl<H: Handler> Server<H> {
    /// Where it listens: the ports that the system chose for port 0.
    ///
    /// # Errors
    /// What the system says.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.builder.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Serves until it is shut down, which another thread does by a handle: see
    /// [`start`](Self::start).
    ///
    /// # Errors
    /// What the system says of its polls; what it says of connections ends those only.
    pub fn run(self) -> io::Result<Report> {
        self.start()?.join()
    }

    /// Serves on threads of its own.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(self) -> io::Result<Running> {
        let Builder { listeners, threads, mut config, policy } = self.builder;
        let descriptors = descriptors();
        config.max_connections = config.max_connections.min(descriptors.saturating_sub(BESIDES));
        // Some are left for others than ours.
        let max_refusals = ((descriptors - config.max_connections) / 2).min(REFUSALS);
        let polls: Vec<_> = (0..threads).map(|_| Poll::new()).collect::<Result<_, _>>()?;
        let mailboxes = polls.iter().map(|poll| Waker::new(poll.registry(), MAILBOX));
        let mailboxes = mailboxes.map(|waker| waker.map(Mailbox::new)).collect::<Result<_, _>>()?;
        let shared = Arc::new(Shared::new(
            mailboxes,
            config.max_rooms,
            max_refusals,
            #[cfg(feature = "deflate")]
            policy.deflate.clone(),
        ));
        let handle = ServerHandle { shared };
        let (handler, policy) = (Arc::new(self.handler), Arc::new(policy));
        let mut listeners: Vec<_> =
            listeners.into_iter().map(mio::net::TcpListener::from_std).collect();
        let mut running = Running { handle, threads: vec![] };
        for (index, poll) in (0..threads).zip(polls) {
            let mut worker =
                Worker::new(index, poll, handler.clone(), config, policy.clone(), running.handle());
            // The first one accepts for all.
            worker.listen(std::mem::take(&mut listeners))?;
            let handle = running.handle();
            let work = move || handle.whatever_happens(index, || worker.run());
            let thread = thread::Builder::new().name(format!("wsserver-{index}")).spawn(work);
            // Those that run already would have no end.
            running.threads.push(thread.inspect_err(|_| running.handle.shutdown())?);
        }
        Ok(running)
    }
}

/// A server that runs on threads of its own; it goes on if this is dropped.
#[derive(Debug)]
pub struct Running {
    handle: ServerHandle,
    threads: Vec<JoinHandle<io::Result<Report>>>,
}

impl Running {
    /// What sends, closes, counts and shuts down, for any thread.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Waits until it is shut down: how its connections ended.
    ///
    /// # Errors
    /// What the system said of a poll. The other threads are shut down then.
    pub fn join(self) -> io::Result<Report> {
        let mut reports = Ok(Report::default());
        for thread in self.threads {
            let report = thread.join().unwrap_or_else(|_| Err(io::Error::other("a loop panicked")));
            reports = reports.and_then(|all| Ok(all.with(&report?)));
        }
        reports
    }
}

/// How the connections of a server ended that were open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// With a closing handshake.
    pub closed: u64,
    /// Otherwise, before the server was shut down or while it was.
    pub lost: u64,
    /// Dropped, because they did not answer a shutdown in time.
    pub aborted: u64,
}

impl Report {
    pub(crate) const fn count(&mut self, end: &End) {
        match end {
            End::Closed(_) => self.closed += 1,
            End::Aborted => self.aborted += 1,
            _ => self.lost += 1,
        }
    }

    const fn with(self, other: &Self) -> Self {
        Self {
            closed: self.closed + other.closed,
            lost: self.lost + other.lost,
            aborted: self.aborted + other.aborted,
        }
    }
}

/// How many descriptors the process may have, where the system tells.
fn descriptors() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    // `unlimited` is no number.
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(usize::MAX)
}

/// Listens, with room for many who come at once.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // As the standard library does: so that a server which was restarted has its port again.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
