//! Who is connected to a loop: rooms, users and names of its connections.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    error, fmt, mem,
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
    /// It is another connection's own room, whose name is that connection's name, or reads as an id:
    /// whoever joined it would read along.
    NotYours,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the connection is gone",
            Self::TooManyRooms => "the connection is in too many rooms",
            Self::NameTooLong => "the name of the room is too long",
            Self::NotYours => "the room is another connection's own",
        })
    }
}

impl error::Error for JoinError {}

/// The open connections of one loop, by key, and what they belong to.
///
/// What is published is numbered, and each knows since which number it is there: a message is for
/// those who were there when it was published, and are when it is sent.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    worker: u16,
    /// What was published so far.
    published: u64,
    /// The connection with each key.
    open: Vec<Opened>,
    /// How many are open.
    count: usize,
    /// Since when each member is there; none is empty.
    rooms: HashMap<Arc<str>, BTreeMap<u32, u64>>,
    /// None is empty.
    users: HashMap<Arc<str>, BTreeSet<u32>>,
}

#[derive(Debug, Default)]
struct Opened {
    /// 0 if none is open.
    generation: u32,
    since: u64,
    /// What it belongs to, if it does to anything.
    member: Option<Box<Member>>,
}

#[derive(Debug, Default)]
struct Member {
    user: Option<Arc<str>>,
    name: Option<Arc<str>>,
    rooms: Vec<Arc<str>>,
    /// Rooms that it has left, which its handler was not told.
    left: Vec<Arc<str>>,
}

/// What a connection belonged to.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) user: Option<Arc<str>>,
    pub(crate) name: Option<Arc<str>>,
    /// Its rooms, and those that its handler was not told that it had left.
    pub(crate) rooms: Vec<Arc<str>>,
}

impl Member {
    fn is_needed(&self) -> bool {
        self.user.is_some()
            || self.name.is_some()
            || !self.rooms.is_empty()
            || !self.left.is_empty()
    }
}

impl Directory {
    pub(crate) fn new(worker: u16) -> Self {
        Self { worker, ..Self::default() }
    }

    /// A connection is open now.
    pub(crate) fn open(&mut self, id: ClientId, user: Option<Arc<str>>, name: Option<Arc<str>>) {
        let place = id.key as usize;
        if self.open.len() <= place {
            self.open.resize_with(place + 1, Opened::default);
        }
        let member = (user.is_some() || name.is_some()).then(|| {
            let user = user.clone();
            Box::new(Member { user, name, ..Member::default() })
        });
        self.open[place] = Opened { generation: id.generation, since: self.published, member };
        self.count += 1;
        if let Some(user) = user {
            self.users.entry(user).or_default().insert(id.key);
        }
    }

    /// A connection is not open any more: what it belonged to.
    pub(crate) fn close(&mut self, id: ClientId) -> Left {
        if !self.is_open(id) {
            return Left::default();
        }
        self.count -= 1;
        let Opened { member, .. } = mem::take(&mut self.open[id.key as usize]);
        // So that all are found in as long as there are now.
        while self.open.last().is_some_and(|last| last.generation == 0) {
            self.open.pop();
        }
        let Some(member) = member else { return Left::default() };
        let Member { user, name, rooms, mut left } = *member;
        if let Some(user) = &user {
            let connections = self.users.get_mut(user);
            if connections.is_some_and(|keys| keys.remove(&id.key) && keys.is_empty()) {
                self.users.remove(user);
            }
        }
        for room in &rooms {
            self.remove_from(room, id.key);
        }
        left.extend(rooms);
        Left { user, name, rooms: left }
    }

    pub(crate) fn is_open(&self, id: ClientId) -> bool {
        let opened = self.open.get(id.key as usize);
        id.worker == self.worker && opened.is_some_and(|opened| opened.generation == id.generation)
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
        let Some(opened) = self.opened_mut(id) else { return Err(JoinError::Gone) };
        let joined = opened.member.as_ref().map_or(&[][..], |member| &member.rooms);
        if joined.iter().any(|other| **other == *room) {
            return Ok(false);
        }
        if joined.len() >= max_rooms {
            return Err(JoinError::TooManyRooms);
        }
        // All members share the name.
        let known = self.rooms.get_key_value(room).map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| room.into());
        self.rooms.entry(name.clone()).or_default().insert(id.key, self.published);
        if let Some(opened) = self.opened_mut(id) {
            let member = opened.member.get_or_insert_default();
            // As if it had not left.
            member.left.retain(|left| *left != name);
            member.rooms.push(name);
        }
        Ok(true)
    }

    /// Whether it was there; its handler is to be told.
    pub(crate) fn leave(&mut self, id: ClientId, room: &str) -> bool {
        let Some(Opened { member: Some(member), .. }) = self.opened_mut(id) else { return false };
        let Some(place) = member.rooms.iter().position(|other| **other == *room) else {
            return false;
        };
        let left = member.rooms.remove(place);
        member.left.push(left);
        self.remove_from(room, id.key);
        true
    }

    /// The rooms that it has left, which its handler is told now.
    pub(crate) fn take_left(&mut self, id: ClientId) -> Vec<Arc<str>> {
        let Some(Opened { member: slot, .. }) = self.opened_mut(id) else { return vec![] };
        let Some(member) = slot else { return vec![] };
        let left = mem::take(&mut member.left);
        if !member.is_needed() {
            *slot = None;
        }
        left
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

    /// Numbers something that is published.
    pub(crate) fn publish(&mut self) -> u64 {
        self.published += 1;
        self.published
    }

    /// The keys of those that a message with this number is for, each once.
    pub(crate) fn keys<'a>(
        &'a self,
        target: &'a Target,
        number: u64,
    ) -> impl Iterator<Item = u32> + 'a {
        let (mut all, mut room, mut user) = (None, None, None);
        match target {
            Target::All => all = Some((0..).zip(&self.open)),
            Target::Room { name, .. } => room = self.rooms.get(name),
            Target::User(name) => user = self.users.get(name),
        }
        let owner = self.owner(target);
        let all = all.into_iter().flatten().map(|(key, _)| key);
        let user = user.into_iter().flatten().copied();
        let open = all.chain(user).chain(owner).filter(move |key| {
            let opened = &self.open[*key as usize];
            opened.generation > 0 && opened.since < number
        });
        let room = room.into_iter().flatten().filter(move |(_, since)| **since < number);
        open.chain(room.map(|(key, _)| *key))
    }

    /// How many a message is for now.
    pub(crate) fn count(&self, target: &Target) -> usize {
        let members = match target {
            Target::All => self.count,
            Target::Room { name, .. } => self.rooms.get(name).map_or(0, BTreeMap::len),
            Target::User(user) => self.users.get(user).map_or(0, BTreeSet::len),
        };
        members + usize::from(self.owner(target).is_some())
    }

    /// Whether a message is for this connection.
    pub(crate) fn is_for(&self, target: &Target, id: ClientId) -> bool {
        self.is_open(id)
            && match target {
                Target::All => true,
                Target::Room { name, owner } => {
                    *owner == Some(id)
                        || self.rooms.get(name).is_some_and(|room| room.contains_key(&id.key))
                }
                Target::User(user) => self.user_of(id) == Some(user),
            }
    }

    /// The id of the open connection with this key.
    pub(crate) fn id(&self, key: u32) -> ClientId {
        ClientId { generation: self.open[key as usize].generation, worker: self.worker, key }
    }

    /// The connection whose own room a message is for: it has no other members.
    fn owner(&self, target: &Target) -> Option<u32> {
        match target {
            Target::Room { owner: Some(owner), .. } if self.is_open(*owner) => Some(owner.key),
            _ => None,
        }
    }

    pub(crate) fn has_room(&self, name: &str) -> bool {
        self.rooms.contains_key(name)
    }

    /// Removes a member from a room, and the room with its last one.
    fn remove_from(&mut self, room: &str, key: u32) {
        let Some(members) = self.rooms.get_mut(room) else { return };
        members.remove(&key);
        if members.is_empty() {
            self.rooms.remove(room);
        }
    }

    fn member(&self, id: ClientId) -> Option<&Member> {
        self.is_open(id).then(|| self.open[id.key as usize].member.as_deref())?
    }

    fn opened_mut(&mut self, id: ClientId) -> Option<&mut Opened> {
        self.is_open(id).then(|| &mut self.open[id.key as usize])
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

    /// Those that something published now is for.
    fn keys(directory: &Directory, target: &Target) -> Vec<u32> {
        directory.keys(target, u64::MAX).collect()
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
                        directory.take_left(id);
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
                prop_assert_eq!(keys(&directory, &Target::All), model.keys(|_| true));
                for name in ["0", "1", "2", "3", "4"] {
                    let members = model.keys(|(.., rooms)| rooms.iter().any(|room| room == name));
                    prop_assert_eq!(keys(&directory, &room(name)), &*members);
                    prop_assert_eq!(directory.count(&room(name)), members.len());
                    let is_member = |id: &ClientId| directory.is_for(&room(name), *id);
                    prop_assert_eq!(ids.iter().filter(|id| is_member(id)).count(), members.len());
                    // Empty rooms vanish.
                    prop_assert_eq!(directory.rooms().any(|room| **room == *name), !members.is_empty());
                    let user = Target::User(name.into());
                    let known = model.keys(|(_, user, _)| user.as_deref() == Some(name));
                    prop_assert_eq!(keys(&directory, &user), &*known);
                    prop_assert_eq!(directory.users().any(|user| **user == *name), !known.is_empty());
                }
            }
            for (id, ..) in &model.0 {
                directory.close(*id);
            }
            prop_assert!(directory.open.iter().all(|opened| opened.member.is_none()));
        }
    }

    #[test]
    fn s6_the_owner_of_a_room_is_its_member() {
        let mut directory = Directory::default();
        let id = ClientId { generation: 7, worker: 0, key: 2 };
        let target = Target::Room { name: "mine".into(), owner: Some(id) };
        assert_eq!(directory.count(&target), 0);
        directory.open(id, None, Some("mine".into()));
        assert_eq!((keys(&directory, &target), directory.count(&target)), (vec![2], 1));
        assert_eq!(directory.name_of(id).map(|name| &**name), Some("mine"));
        assert_eq!(directory.close(id).name.as_deref(), Some("mine"));
        assert!(!directory.is_for(&target, id));
    }

    #[test]
    fn s6_who_left_is_told_once_and_not_if_it_is_back() {
        let mut directory = Directory::default();
        let id = ClientId { generation: 7, worker: 0, key: 0 };
        directory.open(id, None, None);
        let told = |directory: &mut Directory| {
            directory.take_left(id).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        for room in ["a", "b", "c"] {
            directory.join(id, room, 9).unwrap();
        }
        assert!(directory.leave(id, "a") && directory.leave(id, "b"));
        directory.join(id, "a", 9).unwrap();
        assert_eq!(told(&mut directory), ["b"]);
        assert!(told(&mut directory).is_empty());
        directory.leave(id, "a");
        let left = directory.close(id).rooms;
        assert_eq!(left, ["a".into(), "c".into()]);
        assert!(directory.open.is_empty() && directory.rooms.is_empty());
    }

    #[test]
    fn s6_a_name_has_at_most_255_bytes() {
        let mut directory = Directory::default();
        let id = ClientId { generation: 7, worker: 0, key: 0 };
        directory.open(id, None, None);
        assert_eq!(directory.join(id, &"x".repeat(255), 9), Ok(true));
        assert_eq!(directory.join(id, &"x".repeat(256), 9), Err(JoinError::NameTooLong));
    }

    #[test]
    fn s6_a_message_is_for_those_who_were_there_when_it_was_published() {
        let mut directory = Directory::default();
        let ids = [0, 1, 2].map(|key| ClientId { generation: 7, worker: 0, key });
        let room = Target::Room { name: "hall".into(), owner: Some(ids[2]) };
        let user = Target::User("ann".into());
        for id in &ids[..2] {
            directory.open(*id, Some("ann".into()), None);
        }
        directory.join(ids[0], "hall", 9).unwrap();
        let number = directory.publish();
        directory.join(ids[1], "hall", 9).unwrap();
        directory.open(ids[2], Some("ann".into()), None);
        for (target, before, now) in [
            (&Target::All, &[0, 1][..], &[0, 1, 2][..]),
            (&user, &[0, 1], &[0, 1, 2]),
            (&room, &[0], &[2, 0, 1]),
        ] {
            assert_eq!(directory.keys(target, number).collect::<Vec<_>>(), before);
            assert_eq!(keys(&directory, target), now);
        }
        // Who has left does not get it.
        directory.leave(ids[0], "hall");
        assert_eq!(directory.keys(&room, number).count(), 0);
    }
}
