//! Users, rooms, names, and whom a message reaches.

use std::{collections::BTreeMap, net::TcpStream, thread};

use wscore::CloseCode;
use wsserver::{ClientId, Config, End, JoinError, Overload, To};
use wsutil::{Connection, OwnedMessage};

use crate::service::{Call, Served, serve, serve_with};

type Client = Connection<TcpStream>;

fn asks(client: &mut Client, text: &str) -> String {
    client.send(text).unwrap();
    hears(client)
}

fn hears(client: &mut Client) -> String {
    let Some(OwnedMessage::Text(text)) = client.receive_owned().unwrap() else { panic!() };
    text
}

/// Two loops, so that of any three connections some are not together.
fn serve_two() -> Served {
    serve_with(|builder| builder.threads(2))
}

#[test]
fn s6_what_is_said_in_a_room_reaches_its_members_on_every_loop() {
    let served = serve_two();
    let mut clients: Vec<_> = (0..6).map(|_| served.connect_known().0).collect();
    for client in &mut clients[..4] {
        assert_eq!(asks(client, "join hall"), "Ok(true)");
        assert_eq!(asks(client, "join hall"), "Ok(false)");
    }
    clients[0].send("say hall hello").unwrap();
    // It is not a member, and may speak as well.
    clients[5].send("say hall and hello").unwrap();
    for client in &mut clients[..4] {
        let mut said = [hears(client), hears(client)];
        said.sort_unstable();
        assert_eq!(said, ["and hello", "hello"]);
    }
    assert_eq!(asks(&mut clients[1], "leave hall"), "true");
    assert_eq!(asks(&mut clients[1], "leave hall"), "false");
    assert!(matches!(served.call(), Call::Leave(_, room) if room == "hall"));
    clients[0].send("say hall once more").unwrap();
    for place in [0, 2, 3] {
        assert_eq!(hears(&mut clients[place]), "once more");
    }
    for client in [1, 4, 5] {
        assert_eq!(asks(&mut clients[client], "nothing came before"), "nothing came before");
    }
}

#[test]
fn s6_nobody_is_in_a_room_that_does_not_exist() {
    let served = serve(Config::default());
    let (mut client, id) = served.connect_known();
    let handle = served.handle();
    assert_eq!(handle.to(To::Room("nowhere")).send("hello"), Ok(0));
    assert_eq!(handle.to(To::User("nobody")).send("hello"), Ok(0));
    assert_eq!(handle.join(id, "somewhere"), Ok(true));
    assert_eq!(handle.rooms(), ["somewhere".into()]);
    assert!(handle.leave(id, "somewhere") && !handle.leave(id, "somewhere"));
    // Empty rooms vanish.
    assert!(handle.rooms().is_empty());
    assert_eq!(handle.to(To::Room("somewhere")).send("hello"), Ok(0));
    assert_eq!(served.call(), Call::Leave(id, "somewhere".to_owned()));
    assert_eq!(asks(&mut client, "nothing came before"), "nothing came before");
}

#[test]
fn s6_who_ends_leaves_all_rooms_and_their_handler_is_told() {
    let served = serve_two();
    let (mut stays, stayed) = served.connect_known();
    let (mut goes, gone) = served.connect_as("user=ann&name=ann-1");
    for room in ["one", "two"] {
        assert_eq!(asks(&mut goes, &format!("join {room}")), "Ok(true)");
        assert_eq!(asks(&mut stays, &format!("join {room}")), "Ok(true)");
    }
    let handle = served.handle();
    assert_eq!(handle.rooms_of(gone), ["one".into(), "two".into()]);
    assert_eq!(handle.user_of(gone).as_deref(), Some("ann"));
    goes.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(served.call(), Call::Leave(gone, "one".to_owned()));
    assert_eq!(served.call(), Call::Leave(gone, "two".to_owned()));
    assert!(matches!(served.call(), Call::Close(id, End::Closed(_)) if id == gone));
    assert!(handle.rooms_of(gone).is_empty() && !handle.is_open(gone));
    assert_eq!(handle.join(gone, "one"), Err(JoinError::Gone));
    assert_eq!((handle.users().len(), handle.find("ann-1")), (0, None));
    assert_eq!(handle.members(To::Room("one")), [stayed]);
}

#[test]
fn s6_a_connection_may_be_in_so_many_rooms() {
    let served = serve(Config { max_rooms: 2, ..Config::default() });
    let (mut client, id) = served.connect_known();
    let long = "x".repeat(256);
    let asked = [
        ("a", "Ok(true)"),
        ("b", "Ok(true)"),
        ("c", "Err(TooManyRooms)"),
        (&*long, "Err(NameTooLong)"),
    ];
    for (room, answer) in asked {
        assert_eq!(asks(&mut client, &format!("join {room}")), answer);
    }
    assert_eq!(asks(&mut client, "leave a"), "true");
    assert_eq!(asks(&mut client, "join c"), "Ok(true)");
    assert_eq!(served.handle().rooms_of(id), ["b".into(), "c".into()]);
    assert!(!served.handle().has_joined(id, "a") && served.handle().has_joined(id, "c"));
}

#[test]
fn s7_a_message_reaches_all_connections_of_a_user_and_no_other() {
    let served = serve_two();
    let mut anns: Vec<_> = (0..3).map(|_| served.connect_as("user=ann")).collect();
    let (mut bob, bob_id) = served.connect_as("user=bob");
    let (mut none, _) = served.connect_known();
    let handle = served.handle();
    assert_eq!(handle.users(), ["ann".into(), "bob".into()]);
    assert_eq!((handle.count(), handle.count_of(To::User("ann"))), (5, 3));
    assert_eq!(handle.to(To::User("ann")).send("dear ann"), Ok(3));
    assert_eq!(handle.to(To::User("ann")).but(anns[0].1).send("others"), Ok(2));
    // It is not among them, and changes nothing.
    assert_eq!(handle.to(To::User("ann")).but(bob_id).send("all"), Ok(3));
    for (place, (ann, _)) in anns.iter_mut().enumerate() {
        assert_eq!(hears(ann), "dear ann");
        if place > 0 {
            assert_eq!(hears(ann), "others");
        }
        assert_eq!(hears(ann), "all");
    }
    for other in [&mut bob, &mut none] {
        assert_eq!(asks(other, "nothing came before"), "nothing came before");
    }
}

#[test]
fn s7_all_but_me() {
    let served = serve_two();
    let mut clients: Vec<_> = (0..5).map(|_| served.connect_known().0).collect();
    clients[2].send("others I am here").unwrap();
    for place in [0, 1, 3, 4] {
        assert_eq!(hears(&mut clients[place]), "I am here");
    }
    assert_eq!(asks(&mut clients[2], "nothing came before"), "nothing came before");
}

#[test]
fn s5_a_name_is_one_connections_own_and_free_again_when_it_ends() {
    let served = serve_two();
    let (mut first, id) = served.connect_as("name=door");
    let again = wsutil::connect(&format!("ws://{}/?name=door", served.address)).unwrap_err();
    assert!(format!("{again:?}").contains("409"), "{again:?}");
    assert_eq!(served.handle().find("door"), Some(id));
    first.close(CloseCode::NORMAL, "").unwrap();
    served.closed();
    let (_next, next) = served.connect_as("name=door");
    assert_eq!(served.handle().find("door"), Some(next));
}

#[test]
fn s6_every_connection_has_a_room_of_its_own() {
    let served = serve_two();
    let (mut named, named_id) = served.connect_as("name=door");
    let (mut plain, plain_id) = served.connect_known();
    let handle = served.handle();
    assert_eq!(handle.to(To::Room("door")).send("to the door"), Ok(1));
    assert_eq!(handle.to(To::Room(&plain_id.to_string())).send("to you"), Ok(1));
    assert_eq!(hears(&mut named), "to the door");
    assert_eq!(hears(&mut plain), "to you");
    // Who has a name is called by it only.
    assert_eq!(handle.to(To::Room(&named_id.to_string())).send("to nobody"), Ok(0));
    assert_eq!(handle.find(&plain_id.to_string()), Some(plain_id));
    // Nobody else may join it; its owner is a member already.
    for (is_named, room, answer) in [
        (false, "door", "Err(NotYours)"),
        (true, &*plain_id.to_string(), "Err(NotYours)"),
        (true, &*named_id.to_string(), "Err(NotYours)"),
        (true, "0-99-99", "Err(NotYours)"),
        (true, "door", "Ok(false)"),
        (false, &*plain_id.to_string(), "Ok(false)"),
    ] {
        let client = if is_named { &mut named } else { &mut plain };
        assert_eq!(asks(client, &format!("join {room}")), answer, "{room}");
    }
    assert!(handle.rooms().is_empty());
    // Nor does anybody get a name that others read along with, or take for an id.
    assert_eq!(asks(&mut plain, "join hall"), "Ok(true)");
    for name in ["hall", "0-99-99"] {
        let url = format!("ws://{}/?name={name}", served.address);
        assert!(wsutil::connect(&url).is_err());
    }
}

#[test]
fn a_handler_is_woken_behind_what_was_sent() {
    let served = serve(Config::default());
    let (mut client, id) = served.connect_known();
    let handle = served.handle();
    handle.send(id, "first").unwrap();
    handle.wake(id).unwrap();
    assert_eq!((hears(&mut client), hears(&mut client)), ("first".to_owned(), "awake".to_owned()));
    client.close(CloseCode::NORMAL, "").unwrap();
    served.closed();
    handle.wake(id).unwrap();
}

/// TR18, go-websocket #24, iris #1178: nothing hangs, and each member that stays gets each message
/// once, in order.
#[test]
fn tr18_members_join_leave_and_die_while_others_speak() {
    const MESSAGES: usize = 300;
    let served = serve_two();
    let handle = served.handle();
    let stay: Vec<_> = (0..6).map(|_| served.connect_known()).collect();
    for (_, id) in &stay {
        handle.join(*id, "hall").unwrap();
    }
    let address = served.address;
    let churns: Vec<_> = (0..3)
        .map(|_| {
            let url = format!("ws://{address}/");
            thread::spawn(move || {
                for round in 0..40 {
                    let mut client = wsutil::connect(&url).unwrap();
                    client.send("join hall").unwrap();
                    client.send("say hall churn").unwrap();
                    if round % 3 == 0 {
                        client.send("leave hall").unwrap();
                    }
                    if round % 2 == 0 {
                        client.close(CloseCode::NORMAL, "").unwrap();
                    }
                }
            })
        })
        .collect();
    let speakers: Vec<_> = (0..2)
        .map(|speaker| {
            let handle = handle.clone();
            thread::spawn(move || {
                for number in 0..MESSAGES {
                    handle.to(To::Room("hall")).send(&format!("{speaker} {number}")).unwrap();
                }
            })
        })
        .collect();
    let listeners: Vec<_> = stay
        .into_iter()
        .map(|(mut client, _)| {
            thread::spawn(move || {
                let mut heard: BTreeMap<String, usize> = BTreeMap::new();
                while heard.values().sum::<usize>() < 2 * MESSAGES {
                    let text = hears(&mut client);
                    let Some((speaker, number)) = text.split_once(' ') else { continue };
                    let next = heard.entry(speaker.to_owned()).or_default();
                    assert_eq!(number, next.to_string());
                    *next += 1;
                }
                client
            })
        })
        .collect();
    for thread in churns.into_iter().chain(speakers) {
        thread.join().unwrap();
    }
    let stay: Vec<_> = listeners.into_iter().map(|thread| thread.join().unwrap()).collect();
    served.until(|handle| handle.count() == stay.len());
    served.until(|handle| handle.count_of(To::Room("hall")) == stay.len());
}

#[test]
fn s7_a_prepared_message_goes_to_one_as_well() {
    let served = serve(Config::default());
    let (mut client, id) = served.connect_known();
    let handle = served.handle();
    let prepared = handle.prepare("ready");
    handle.send_prepared(id, &prepared).unwrap();
    assert_eq!(handle.to(To::All).overload(Overload::DropNewest).send_prepared(&prepared), Ok(1));
    assert_eq!((hears(&mut client), hears(&mut client)), ("ready".to_owned(), "ready".to_owned()));
}

#[test]
fn s6_rooms_of_another_server_are_not_reached_by_its_ids() {
    let (one, two) = (serve(Config::default()), serve_two());
    // Where there is one loop, the other one's second loop has none.
    let (clients, ids): (Vec<_>, Vec<ClientId>) = (0..4).map(|_| two.connect_known()).unzip();
    let (_client, _) = one.connect_known();
    for id in ids.into_iter().filter(|id| id.to_string().starts_with("1-")) {
        assert_eq!(one.handle().join(id, "hall"), Err(JoinError::Gone));
        assert_eq!((one.handle().user_of(id), one.handle().find(&id.to_string())), (None, None));
        one.handle().send(id, "nobody").unwrap();
    }
    drop(clients);
}
