//! What the chat knows of its rooms beside what the server does: names, and what was said last.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

/// How many messages of a room are kept.
const HISTORY: usize = 50;

/// All of it, for one at a time: what is said in a room while somebody joins is either part of the
/// history that they get, or comes behind it.
#[derive(Clone, Default)]
pub(crate) struct Chat(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    names: HashSet<String>,
    rooms: BTreeMap<String, Room>,
}

#[derive(Default)]
struct Room {
    members: BTreeSet<String>,
    /// The oldest first.
    history: VecDeque<Value>,
}

/// The name of one connection, free again when this is dropped.
pub(crate) struct Name {
    pub(crate) name: String,
    chat: Arc<Mutex<State>>,
}

impl Chat {
    /// This name, with a number behind it if others have it.
    pub(crate) fn claim(&self, wanted: &str) -> Name {
        let mut state = self.lock();
        let numbered = (2..).map(|number| format!("{wanted} {number}"));
        let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
        let name = names.find(|name| !state.names.contains(name)).unwrap_or_default();
        state.names.insert(name.clone());
        Name { name, chat: self.0.clone() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        lock(&self.chat).names.remove(&self.name);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// How many members each room has.
    pub(crate) fn counts(&self) -> Value {
        let counts = self.rooms.iter();
        counts.map(|(room, it)| json!({ "room": room, "members": it.members.len() })).collect()
    }

    /// Somebody joined: who is there, and what was said last.
    pub(crate) fn join(&mut self, room: &str, name: &str) -> Value {
        let Room { members, history } = self.rooms.entry(room.to_owned()).or_default();
        members.insert(name.to_owned());
        json!({ "room": room, "name": name, "members": members, "history": history })
    }

    /// Somebody left; what was said is forgotten with the last one.
    pub(crate) fn leave(&mut self, room: &str, name: &str) {
        let Some(it) = self.rooms.get_mut(room) else { return };
        it.members.remove(name);
        if it.members.is_empty() {
            self.rooms.remove(room);
        }
    }

    /// Somebody said something: what all are told.
    pub(crate) fn say(&mut self, room: &str, name: &str, text: &str) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Milliseconds since the beginning of 1970.
        let at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let mut said = json!({ "name": name, "text": text, "at": at });
        if let Some(Room { history, .. }) = self.rooms.get_mut(room) {
            if history.len() == HISTORY {
                history.pop_front();
            }
            history.push_back(said.clone());
        }
        said["room"] = room.into();
        said
    }
}
