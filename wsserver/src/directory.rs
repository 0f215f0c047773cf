//! Who is connected to a loop: rooms, users and names of its connections.

use std::{
    collections::{BTreeSet, HashMap},
    error, fmt,
    sync::Arc,
};

use crate::{ClientId, to::Target};

/// A room's name has at most so many bytes.
pub(crate) const MAX_ROOM_NAME: usize = 255;

/// Why a connection did not join a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The connection is not open, or not any more.
    Gone,
    /// It is in as many rooms as it may be: see [`Config::max_rooms`](crate::Config::max_rooms).
    TooManyRooms,
    /// The name of the room has more than 255 bytes.
    NameTooLong,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the connection is gone",
            Self::TooManyRooms => "the connection is in too many rooms",
            Self::NameTooLong => "the name of the room is too long",
        })
    }
}

impl error::Error for JoinError {}

/// The open connections of one loop, by key, and what they belong to.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    worker: u16,
    /// The generation of the connection with each key; 0 if none is open.
    open: Vec<u32>,
    /// How many are open.
    count: usize,
    /// Those that belong to something.
    members: HashMap<u32, Member>,
    /// None is empty.
    rooms: HashMap<Arc<str>, BTreeSet<u32>>,
    /// None is empty.
    users: HashMap<Arc<str>, BTreeSet<u32>>,
}

#[derive(Debug, Default)]
struct Member {
    user: Option<Arc<str>>,
    name: Option<Arc<str>>,
    rooms: Vec<Arc<str>>,
}

/// What a connection belonged to.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) rooms: Vec<Arc<str>>,
    pub(crate) name: Option<Arc<str>>,
}

impl Directory {
    pub(crate) fn new(worker: u16) -> Self {
        Self { worker, ..Self::default() }
    }

    /// A connection is open now.
    pub(crate) fn open(&mut self, id: ClientId, user: Option<Arc<str>>, name: Option<Arc<str>>) {
        let place = id.key as usize;
        if self.open.len() <= place {
            self.open.resize(place + 1, 0);
        }
        self.open[place] = id.generation;
        self.count += 1;
        if let Some(user) = &user {
            self.users.entry(user.clone()).or_default().insert(id.key);
        }
        if user.is_some() || name.is_some() {
            self.members.insert(id.key, Member { user, name, rooms: vec![] });
        }
    }

    /// A connection is not open any more: what it belonged to.
    pub(crate) fn close(&mut self, id: ClientId) -> Left {
        if !self.is_open(id) {
            return Left::default();
        }
        self.open[id.key as usize] = 0;
        self.count -= 1;
        let Some(Member { user, name, rooms }) = self.members.remove(&id.key) else {
            return Left::default();
        };
        if let Some(user) = user {
            remove_from(&mut self.users, &user, id.key);
        }
        for room in &rooms {
            remove_from(&mut self.rooms, room, id.key);
        }
        Left { rooms, name }
    }

    pub(crate) fn is_open(&self, id: ClientId) -> bool {
        id.worker == self.worker && self.open.get(id.key as usize) == Some(&id.generation)
    }

    /// Whether it was not there before.
    pub(crate) fn join(
        &mut self,
        id: ClientId,
        room: &str,
        max_rooms: usize,
    ) -> Result<bool, JoinError> {
        if room.len() > MAX_ROOM_NAME {
            return Err(JoinError::NameTooLong);
        }
        if !self.is_open(id) {
            return Err(JoinError::Gone);
        }
        let joined = self.members.get(&id.key).map_or(&[][..], |member| &member.rooms);
        if joined.iter().any(|other| **other == *room) {
            return Ok(false);
        }
        if joined.len() >= max_rooms {
            return Err(JoinError::TooManyRooms);
        }
        // All members share the name.
        let name =
            self.rooms.get_key_value(room).map_or_else(|| room.into(), |(name, _)| name.clone());
        self.rooms.entry(Arc::clone(&name)).or_default().insert(id.key);
        self.members.entry(id.key).or_default().rooms.push(name);
        Ok(true)
    }

    /// Whether it was there.
    pub(crate) fn leave(&mut self, id: ClientId, room: &str) -> bool {
        let Some(member) = self.member_mut(id) else { return false };
        let Some(place) = member.rooms.iter().position(|other| **other == *room) else {
            return false;
        };
        member.rooms.remove(place);
        if member.rooms.is_empty() && member.user.is_none() && member.name.is_none() {
            self.members.remove(&id.key);
        }
        remove_from(&mut self.rooms, room, id.key);
        true
    }

    /// The rooms that a connection is in, in the order in which it joined.
    pub(crate) fn rooms_of(&self, id: ClientId) -> &[Arc<str>] {
        self.member(id).map_or(&[], |member| &member.rooms)
    }

    pub(crate) fn user_of(&self, id: ClientId) -> Option<&Arc<str>> {
        self.member(id)?.user.as_ref()
    }

    pub(crate) fn name_of(&self, id: ClientId) -> Option<&Arc<str>> {
        self.member(id)?.name.as_ref()
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rooms.keys()
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = &Arc<str>> {
        self.users.keys()
    }

    /// The keys of those that a message is for, each once.
    pub(crate) fn keys<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = u32> + 'a {
        let all = match target {
            Target::All => {
                Some((0..).zip(&self.open).filter(|(_, of)| **of > 0).map(|(key, _)| key))
            }
            _ => None,
        };
        let some = match target {
            Target::All => None,
            Target::Room { name, .. } => self.rooms.get(name),
            Target::User(user) => self.users.get(user),
        };
        let owner = self.owner_beside(target, some);
        all.into_iter().flatten().chain(some.into_iter().flatten().copied()).chain(owner)
    }

    /// How many a message is for.
    pub(crate) fn count(&self, target: &Target) -> usize {
        let some = match target {
            Target::All => return self.count,
            Target::Room { name, .. } => self.rooms.get(name),
            Target::User(user) => self.users.get(user),
        };
        some.map_or(0, BTreeSet::len) + usize::from(self.owner_beside(target, some).is_some())
    }

    /// Whether a message is for this connection.
    pub(crate) fn is_for(&self, target: &Target, id: ClientId) -> bool {
        self.is_open(id)
            && match target {
                Target::All => true,
                Target::Room { name, owner } => {
                    *owner == Some(id)
                        || self.rooms.get(name).is_some_and(|room| room.contains(&id.key))
                }
                Target::User(user) => self.user_of(id) == Some(user),
            }
    }

    /// The id of the open connection with this key.
    pub(crate) fn id(&self, key: u32) -> ClientId {
        ClientId { generation: self.open[key as usize], worker: self.worker, key }
    }

    /// The owner of the room that a message is for, unless it is one of these.
    fn owner_beside(&self, target: &Target, members: Option<&BTreeSet<u32>>) -> Option<u32> {
        let Target::Room { owner: Some(owner), .. } = target else { return None };
        let is_beside = !members.is_some_and(|members| members.contains(&owner.key));
        (is_beside && self.is_open(*owner)).then_some(owner.key)
    }

    fn member(&self, id: ClientId) -> Option<&Member> {
        self.is_open(id).then(|| self.members.get(&id.key))?
    }

    fn member_mut(&mut self, id: ClientId) -> Option<&mut Member> {
        self.is_open(id).then(|| self.members.get_mut(&id.key))?
    }
}

/// Removes a key from a set, and the set with its last one.
fn remove_from(sets: &mut HashMap<Arc<str>, BTreeSet<u32>>, name: &str, key: u32) {
    let Some(set) = sets.get_mut(name) else { return };
    set.remove(&key);
    if set.is_empty() {
        sets.remove(name);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails with a panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What may happen, to one of a few connections and rooms.
    #[derive(Clone, Debug)]
    enum Op {
        Open { key: u32, user: Option<u8> },
        Close(usize),
        Join(usize, u8),
        Leave(usize, u8),
    }

    fn op() -> impl Strategy<Value = Op> {
        let which = 0..12_usize;
        prop_oneof![
            (0..6_u32, prop::option::of(0..3_u8)).prop_map(|(key, user)| Op::Open { key, user }),
            which.clone().prop_map(Op::Close),
            (which.clone(), 0..5_u8).prop_map(|(id, room)| Op::Join(id, room)),
            (which, 0..5_u8).prop_map(|(id, room)| Op::Leave(id, room)),
        ]
    }

    /// The plain reference: what each connection belongs to.
    #[derive(Default)]
    struct Model(Vec<(ClientId, Option<String>, Vec<String>)>);

    impl Model {
        fn find(&mut self, id: ClientId) -> Option<&mut (ClientId, Option<String>, Vec<String>)> {
            self.0.iter_mut().find(|(other, ..)| *other == id)
        }

        fn keys(&self, is: impl Fn(&(ClientId, Option<String>, Vec<String>)) -> bool) -> Vec<u32> {
            let mut keys: Vec<_> =
                self.0.iter().filter(|one| is(one)).map(|(id, ..)| id.key).collect();
            keys.sort_unstable();
            keys
        }
    }

    const MAX_ROOMS: usize = 3;

    fn room(name: &str) -> Target {
        Target::Room { name: name.into(), owner: None }
    }

    proptest! {
        #[test]
        fn s6_any_operations_do_what_they_do_to_a_plain_list(ops in prop::collection::vec(op(), 0..80)) {
            let (mut directory, mut model) = (Directory::default(), Model::default());
            // Ids that were given out, of which some are gone.
            let mut ids = vec![ClientId { generation: 1, worker: 0, key: 99 }];
            for (generation, op) in (2..).zip(ops) {
                match op {
                    Op::Open { key, user } => {
                        if model.0.iter().any(|(id, ..)| id.key == key) {
                            continue;
                        }
                        let id = ClientId { generation, worker: 0, key };
                        let user = user.map(|user| user.to_string());
                        directory.open(id, user.as_deref().map(Into::into), None);
                        model.0.push((id, user, vec![]));
                        ids.push(id);
                    }
                    Op::Close(which) => {
                        let id = ids[which % ids.len()];
                        let left = directory.close(id).rooms;
                        let place = model.0.iter().position(|(other, ..)| *other == id);
                        let known = place.map_or(vec![], |place| model.0.remove(place).2);
                        prop_assert_eq!(left.iter().map(|room| &**room).collect::<Vec<_>>(), known);
                    }
                    Op::Join(which, room) => {
                        let id = ids[which % ids.len()];
                        let room = room.to_string();
                        let joined = directory.join(id, &room, MAX_ROOMS);
                        let expected = match model.find(id) {
                            None => Err(JoinError::Gone),
                            Some((.., rooms)) if rooms.contains(&room) => Ok(false),
                            Some((.., rooms)) if rooms.len() == MAX_ROOMS => Err(JoinError::TooManyRooms),
                            Some((.., rooms)) => {
                                rooms.push(room);
                                Ok(true)
                            }
                        };
                        prop_assert_eq!(joined, expected);
                    }
                    Op::Leave(which, room) => {
                        let id = ids[which % ids.len()];
                        let room = room.to_string();
                        let was = model.find(id).is_some_and(|(.., rooms)| {
                            let place = rooms.iter().position(|other| *other == room);
                            place.map(|place| rooms.remove(place)).is_some()
                        });
                        prop_assert_eq!(directory.leave(id, &room), was);
                    }
                }
                prop_assert_eq!(directory.keys(&Target::All).collect::<Vec<_>>(), model.keys(|_| true));
                for name in ["0", "1", "2", "3", "4"] {
                    let members = model.keys(|(.., rooms)| rooms.iter().any(|room| room == name));
                    prop_assert_eq!(directory.keys(&room(name)).collect::<Vec<_>>(), &*members);
                    prop_assert_eq!(directory.count(&room(name)), members.len());
                    let is_member = |id: &ClientId| directory.is_for(&room(name), *id);
                    prop_assert_eq!(ids.iter().filter(|id| is_member(id)).count(), members.len());
                    // Empty rooms vanish.
                    prop_assert_eq!(directory.rooms().any(|room| **room == *name), !members.is_empty());
                    let user = Target::User(name.into());
                    let keys = model.keys(|(_, user, _)| user.as_deref() == Some(name));
                    prop_assert_eq!(directory.keys(&user).collect::<Vec<_>>(), &*keys);
                    prop_assert_eq!(directory.users().any(|user| **user == *name), !keys.is_empty());
                }
            }
            for (id, ..) in &model.0 {
                directory.close(*id);
            }
            prop_assert!(directory.members.is_empty());
        }
    }

    #[test]
    fn s6_the_owner_of_a_room_is_a_member_of_it_once() {
        let mut directory = Directory::default();
        let id = ClientId { generation: 7, worker: 0, key: 2 };
        let target = Target::Room { name: "mine".into(), owner: Some(id) };
        assert_eq!(directory.count(&target), 0);
        directory.open(id, None, Some("mine".into()));
        assert_eq!(directory.keys(&target).collect::<Vec<_>>(), [2]);
        directory.join(id, "mine", 1).unwrap();
        assert_eq!(directory.count(&target), 1);
        assert_eq!(directory.name_of(id).map(|name| &**name), Some("mine"));
        assert_eq!(directory.close(id).name.as_deref(), Some("mine"));
        assert!(!directory.is_for(&target, id));
    }

    #[test]
    fn s6_a_name_has_at_most_255_bytes() {
        let mut directory = Directory::default();
        let id = ClientId { generation: 7, worker: 0, key: 0 };
        directory.open(id, None, None);
        assert_eq!(directory.join(id, &"x".repeat(255), 9), Ok(true));
        assert_eq!(directory.join(id, &"x".repeat(256), 9), Err(JoinError::NameTooLong));
    }
}
