//! What the loops of a server share, and its handles.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    ClientId, To,
    directory::{Directory, JoinError, Left},
    mailbox::Mailbox,
    metrics::Metrics,
    to::Target,
};

/// What others see of a loop.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) mailbox: Mailbox,
    directory: Mutex<Directory>,
    pub(crate) metrics: Metrics,
}

/// Whoever holds the lock of the names may take that of a directory; no other lock is held while one
/// is taken, and none while anything of the user's is called.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) loops: Vec<Loop>,
    /// Connections that were admitted with a name.
    names: Mutex<HashMap<Arc<str>, ClientId>>,
    pub(crate) max_rooms: usize,
    /// How many more connections there may be than there may be clients: they are told so.
    pub(crate) max_refusals: usize,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<wsflate::Deflate>,
    /// Connections that were accepted and are not gone.
    connections: AtomicUsize,
    /// Those of them that are open.
    open: AtomicUsize,
    /// What waits for clients, in bytes.
    queued: AtomicUsize,
    /// What is held of messages that are not whole, in bytes.
    held: AtomicUsize,
}

impl Loop {
    pub(crate) fn new(worker: u16, mailbox: Mailbox) -> Self {
        let directory = Mutex::new(Directory::new(worker));
        Self { mailbox, directory, metrics: Metrics::default() }
    }

    pub(crate) fn directory(&self) -> MutexGuard<'_, Directory> {
        lock(&self.directory)
    }
}

impl Shared {
    pub(crate) fn new(
        mailboxes: Vec<Mailbox>,
        max_rooms: usize,
        max_refusals: usize,
        #[cfg(feature = "deflate")] deflate: Option<wsflate::Deflate>,
    ) -> Self {
        Self {
            loops: (0..)
                .zip(mailboxes)
                .map(|(worker, mailbox)| Loop::new(worker, mailbox))
                .collect(),
            names: Mutex::default(),
            max_rooms,
            max_refusals,
            #[cfg(feature = "deflate")]
            deflate,
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        }
    }

    /// The loop that a connection belongs to.
    pub(crate) fn of(&self, id: ClientId) -> &Loop {
        // An id of another server may name a loop that is not here; it is nobody's here.
        &self.loops[usize::from(id.worker) % self.loops.len()]
    }

    pub(crate) fn target(&self, to: To<'_>) -> Target {
        match to {
            To::All => Target::All,
            To::Room(room) => Target::Room { name: room.into(), owner: self.find(room) },
            To::User(user) => Target::User(user.into()),
        }
    }

    /// The connection that has this name, or this id as text.
    pub(crate) fn find(&self, name: &str) -> Option<ClientId> {
        self.find_in(&lock(&self.names), name)
    }

    fn find_in(&self, names: &HashMap<Arc<str>, ClientId>, name: &str) -> Option<ClientId> {
        if let Some(id) = names.get(name) {
            return Some(*id);
        }
        let id = name.parse().ok()?;
        let directory = self.of(id).directory();
        // Who has a name is not called by the id.
        (directory.is_open(id) && directory.name_of(id).is_none()).then_some(id)
    }

    /// Whether the name can be had.
    pub(crate) fn claim(&self, name: &Arc<str>, id: ClientId) -> bool {
        let mut names = lock(&self.names);
        let is_id = name.parse::<ClientId>().is_ok();
        // Whoever is in a room of this name would read along.
        let is_room = || self.loops.iter().any(|one| one.directory().has_room(name));
        let is_free = !is_id && !names.contains_key(name) && !is_room();
        if is_free {
            names.insert(name.clone(), id);
        }
        is_free
    }

    /// Whether it was not there before.
    pub(crate) fn join(&self, id: ClientId, room: &str) -> Result<bool, JoinError> {
        let names = lock(&self.names);
        let owner = names.get(room).copied().or_else(|| room.parse().ok());
        match owner {
            Some(owner) if owner == id && self.find_in(&names, room) == owner.into() => Ok(false),
            Some(_) => Err(JoinError::NotYours),
            None => self.of(id).directory().join(id, room, self.max_rooms),
        }
    }

    pub(crate) fn open_as(&self, id: ClientId, user: Option<Arc<str>>, name: Option<Arc<str>>) {
        self.of(id).directory().open(id, user, name);
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection is not open any more: what it belonged to.
    pub(crate) fn close(&self, id: ClientId) -> Left {
        let left = self.of(id).directory().close(id);
        if let Some(name) = &left.name {
            lock(&self.names).remove(name);
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
        left
    }

    /// How many there are now, with one more.
    pub(crate) fn accepted(&self) -> usize {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn gone(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// So much waits or is held that was not before, or the other way round.
    pub(crate) fn account(&self, queued: [usize; 2], held: [usize; 2]) {
        for (total, [before, now]) in [(&self.queued, queued), (&self.held, held)] {
            if before != now {
                total.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn rooms(&self) -> usize {
        self.loops.iter().map(|one| one.directory().rooms().count()).sum()
    }
}

/// What a thread that panicked held is whole: nothing of the user's is called under a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
