//! Peers that take nothing, and peers that send without end.

use std::{
    io::{Read, Write},
    time::Duration,
};

use wscore::Frame;
use wsserver::{Config, End};
use wsutil::{OwnedMessage, Timeout};

use crate::service::{masked, quick, serve};

#[test]
fn s12_who_takes_nothing_is_disconnected_and_no_other() {
    let served = serve(quick());
    let (mut good, _) = served.connect_known();
    // The handler floods it in one call: more than may wait.
    let mut slow = served.upgraded();
    let id = served.opened();
    slow.write_all(&masked(&Frame::text("flood"))).unwrap();
    assert_eq!(served.closed(), (id, End::Slow));
    // Another thread floods it.
    let _slow = served.upgraded();
    let id = served.opened();
    let message = vec![0; 1 << 16];
    let handle = served.handle();
    let flood = std::thread::spawn(move || {
        for _ in 0..1000 {
            let _ = handle.send(id, &message);
        }
    });
    let (closed, end) = served.closed();
    assert_eq!(closed, id);
    assert!(matches!(end, End::Slow | End::TimedOut(Timeout::Write)), "{end:?}");
    flood.join().unwrap();
    good.send("still here").unwrap();
    assert_eq!(good.receive_owned().unwrap(), Some("still here".into()));
}

#[test]
fn s13_who_stops_taking_is_dropped_in_time() {
    let served = serve(quick());
    let mut stuck = served.upgraded();
    let id = served.opened();
    stuck.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    // Until their pongs have no room, and it is not read from any more.
    let pings = masked(&Frame::ping([7; 125]).unwrap()).repeat(1000);
    while stuck.write_all(&pings).is_ok() {}
    assert_eq!(served.closed(), (id, End::TimedOut(Timeout::Write)));
}

#[test]
fn s13_who_takes_a_little_all_the_time_is_not_dropped() {
    let served = serve(Config { write_timeout: Duration::from_secs(2), ..Config::default() });
    let mut stream = served.upgraded();
    let id = served.opened();
    // More than the system's buffers take, in one: the stream says seldom that it has room.
    let message = vec![7; 900_000];
    for _ in 0..6 {
        served.handle().send(id, &message).unwrap();
    }
    let mut left = 6 * (10 + message.len());
    let mut room = vec![0; 200_000];
    while left > 0 {
        std::thread::sleep(Duration::from_millis(200));
        left -= stream.read(&mut room).unwrap();
    }
    assert!(served.calls.try_recv().is_err());
}

#[test]
fn s12_who_takes_all_gets_any_amount_at_once() {
    let served = serve(Config::default());
    let (mut client, id) = served.connect_known();
    let reads = std::thread::spawn(move || {
        for number in 0..2000 {
            let Ok(Some(OwnedMessage::Binary(bytes))) = client.receive_owned() else {
                panic!("ended at {number}")
            };
            assert_eq!((bytes.len(), bytes[0]), (4096, number as u8));
        }
    });
    for number in 0..2000 {
        served.handle().send(id, &[number as u8; 4096]).unwrap();
    }
    reads.join().unwrap();
}

#[test]
fn a_flood_of_one_does_not_hold_up_another() {
    let served = serve(Config::default());
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flooding = served.upgraded();
    let flood = {
        let (stop, mut stream) = (stop.clone(), flooding.try_clone().unwrap());
        std::thread::spawn(move || {
            let frames = masked(&Frame::binary([7; 100])).repeat(500);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                if stream.write_all(&frames).is_err() {
                    break;
                }
            }
        })
    };
    let drain = {
        let mut stream = flooding.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()))
    };
    let mut good = served.connect();
    for number in 0..200 {
        let text = number.to_string();
        good.send(&text).unwrap();
        assert_eq!(good.receive_owned().unwrap(), Some(text.as_str().into()));
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let _ = flooding.shutdown(std::net::Shutdown::Both);
    flood.join().unwrap();
    let _ = drain.join().unwrap();
}
