//! A server in the hands of other threads.

use std::thread;

use wscore::CloseCode;
use wsserver::{Config, End, To};
use wsutil::{OwnedMessage, SendError};

use crate::service::{Call, serve, serve_with};

#[test]
fn s7_what_other_threads_send_arrives_in_order() {
    let served = serve_with(|builder| builder.threads(2));
    let clients: Vec<_> = (0..4).map(|_| served.connect_known()).collect();
    let handle = served.handle();
    let senders: Vec<_> = (0..3)
        .map(|sender| {
            let (handle, ids) = (handle.clone(), clients.iter().map(|(_, id)| *id));
            let ids: Vec<_> = ids.collect();
            thread::spawn(move || {
                for number in 0..500 {
                    for id in &ids {
                        handle.send(*id, &format!("{sender} {number}")).unwrap();
                    }
                }
            })
        })
        .collect();
    for (mut client, _) in clients {
        let mut next = [0; 3];
        for _ in 0..1500 {
            let Some(OwnedMessage::Text(text)) = client.receive_owned().unwrap() else { panic!() };
            let (sender, number) = text.split_once(' ').unwrap();
            let next = &mut next[sender.parse::<usize>().unwrap()];
            assert_eq!(number.parse::<usize>(), Ok(*next));
            *next += 1;
        }
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
}

#[test]
fn s7_a_broadcast_reaches_all_that_are_open_but_one() {
    let served = serve_with(|builder| builder.threads(3));
    let mut clients: Vec<_> = (0..50).map(|_| served.connect_known()).collect();
    // One has something in work, one has said something, one has not.
    let (mut half, _) = (served.upgraded(), served.opened());
    std::io::Write::write_all(&mut half, b"\x81\x85").unwrap();
    let message = "news".repeat(10_000);
    let but = clients[7].1;
    let handle = served.handle();
    assert_eq!(handle.to(To::All).but(but).send(&message), Ok(50));
    assert_eq!(handle.to(To::All).send_prepared(&handle.prepare("end")), Ok(51));
    for (client, id) in &mut clients {
        if *id != but {
            assert_eq!(client.receive_owned().unwrap(), Some(message.as_str().into()));
        }
        assert_eq!(client.receive_owned().unwrap(), Some("end".into()));
    }
}

#[test]
fn what_is_sent_to_one_that_is_gone_reaches_nobody() {
    let served = serve(Config::default());
    let (mut gone, id) = served.connect_known();
    gone.close(CloseCode::NORMAL, "").unwrap();
    served.closed();
    // It has the same place as the first one.
    let (mut next, other) = served.connect_known();
    assert_ne!(id, other);
    served.handle().send(id, "for one that is gone").unwrap();
    served.handle().close(id, CloseCode::NORMAL, "").unwrap();
    served.handle().send(other, "for one that is here").unwrap();
    assert_eq!(next.receive_owned().unwrap(), Some("for one that is here".into()));
}

#[test]
fn s7_a_handle_closes_behind_what_it_has_sent() {
    let served = serve(Config::default());
    let (mut client, id) = served.connect_known();
    let handle = served.handle();
    handle.send(id, "last").unwrap();
    handle.close(id, CloseCode::POLICY_VIOLATION, "enough").unwrap();
    handle.send(id, "late").unwrap();
    assert_eq!(client.receive_owned().unwrap(), Some("last".into()));
    assert_eq!(client.receive_owned().unwrap(), None);
    assert_eq!(client.close_status().unwrap().code, CloseCode::POLICY_VIOLATION);
    assert!(matches!(served.closed(), (closed, End::Closed(_)) if closed == id));
    let long = "x".repeat(200);
    assert!(matches!(handle.close(id, CloseCode::NORMAL, &long), Err(SendError::InvalidClose(_))));
}

#[test]
fn a_handle_outlives_its_server() {
    let served = serve(Config::default());
    let (mut client, id) = served.connect_known();
    client.send("tell").unwrap();
    assert_eq!(served.call(), Call::Message(id, "tell".into()));
    drop(client);
    served.closed();
    let handle = served.handle();
    served.stop();
    assert!(matches!(handle.send(id, "late"), Err(SendError::Closed)));
    assert_eq!(handle.count(), 0);
    handle.shutdown();
}
