//! Peers that take nothing, and peers that send without end.

use std::{
    io::{ErrorKind, Read, Write},
    time::Duration,
};

use wscore::{Frame, Role};
use wsserver::{ClientId, Config, End, Overload, Rate, To};
use wsutil::{Limits, OwnedMessage, Reader, Timeout};

use crate::service::{Call, Served, masked, quick, read_all, serve};

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
    assert_eq!(served.closed(), (id, End::Slow));
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
    assert!(served.calls.try_iter().all(|call| matches!(call, Call::Drain(_, 0))));
}

#[test]
fn s12_who_takes_all_gets_any_amount_at_once() {
    let served = serve(Config::default());
    let (mut client, id) = served.connect_known();
    let reads = std::thread::spawn(move || {
        for number in 0..600 {
            let Ok(Some(OwnedMessage::Binary(bytes))) = client.receive_owned() else {
                panic!("ended at {number}")
            };
            assert_eq!((bytes.len(), bytes[0]), (4096, number as u8));
        }
    });
    for number in 0..600 {
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

/// Sends more than the system's buffers take, and than may wait: 30 MB.
fn flood(served: &Served, id: ClientId) {
    for _ in 0..300 {
        served.handle().send(id, &[7; 100_000]).unwrap();
    }
}

/// Reads frames of the server: their first byte and payload.
pub(crate) fn frames(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = vec![];
    let mut rest = bytes;
    while let Some((header, size)) = wscore::Header::parse(rest).unwrap() {
        let len = header.len as usize;
        frames.push((rest[0], rest[size..size + len].to_vec()));
        rest = &rest[size + len..];
    }
    assert!(rest.is_empty(), "a frame is cut");
    frames
}

#[test]
fn s12_a_slow_consumer_that_reads_after_all_is_told_1008_behind_a_whole_frame() {
    let served = serve(Config::default());
    let (mut good, good_id) = served.connect_known();
    let mut slow = served.upgraded();
    let id = served.opened();
    flood(&served, id);
    // Behind what the other one was sent: by now that one is given up.
    served.handle().send(good_id, "all is sent").unwrap();
    assert_eq!(good.receive_owned().unwrap(), Some("all is sent".into()));
    let bytes = read_all(&mut slow);
    let frames = frames(&bytes);
    let (last, others) = frames.split_last().unwrap();
    assert!(others.iter().all(|(first, payload)| (*first, payload.len()) == (0x82, 100_000)));
    assert_eq!(*last, (0x88, b"\x03\xf0slow consumer".to_vec()));
    assert_eq!(served.closed(), (id, End::Slow));
}

#[test]
fn s12_a_slow_consumer_that_reads_nothing_is_gone_in_a_second() {
    let served = serve(Config::default());
    let mut slow = served.upgraded();
    let id = served.opened();
    flood(&served, id);
    assert_eq!(served.closed(), (id, End::Slow));
    assert!(served.handle().metrics().contains("wsserver_queued_bytes 0\n"));
    // What the system still had for it is thrown away: there is no end but a reset.
    let mut bytes = vec![];
    assert_eq!(slow.read_to_end(&mut bytes).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// Publishes 40 MB to one that takes nothing at first, then has it take all: the numbers that it
/// got, and how many its handler was told that it did not.
fn published(overload: impl Fn(u64) -> Overload) -> (Vec<u64>, u64) {
    let served = serve(Config { max_queued_messages: 5, ..Config::default() });
    let (mut good, good_id) = served.connect_known();
    let mut slow = served.upgraded();
    let id = served.opened();
    let handle = served.handle();
    handle.join(id, "prices").unwrap();
    for number in 0..400_u64 {
        let mut message = vec![0; 100_000];
        message[..8].copy_from_slice(&number.to_be_bytes());
        let publish = handle.to(To::Room("prices")).overload(overload(number));
        assert_eq!(publish.send(&*message), Ok(1));
    }
    handle.send(good_id, "all is sent").unwrap();
    assert_eq!(good.receive_owned().unwrap(), Some("all is sent".into()));
    // What is not to be dropped waits behind what was not.
    handle.send(id, b"last....").unwrap();
    let mut got = vec![];
    let mut reader = Reader::new(&mut slow, Role::Client);
    loop {
        let header = reader.next_frame().unwrap().unwrap();
        let mut payload = vec![];
        reader.read_to_end(&mut payload).unwrap();
        assert_eq!(header.len, payload.len() as u64);
        if payload == b"last...." {
            break;
        }
        got.push(u64::from_be_bytes(*payload.first_chunk().unwrap()));
    }
    assert!(got.is_sorted());
    let Call::Drain(drained, dropped) = served.call() else { panic!() };
    assert_eq!(drained, id);
    assert!(handle.metrics().contains(&format!("wsserver_dropped_total {dropped}\n")));
    (got, dropped)
}

#[test]
fn s12_messages_that_may_be_dropped_are_and_the_handler_is_told_how_many() {
    let (got, dropped) = published(|_| Overload::DropNewest);
    assert_eq!(got.len() as u64 + dropped, 400);
    // The first ones, but for the oldest one that waited: it gave way to the last.
    assert!(dropped > 100 && got.iter().all(|number| *number <= got.len() as u64));

    let (got, dropped) = published(|_| Overload::DropOldest);
    assert_eq!(got.len() as u64 + dropped, 400);
    assert!(dropped > 100 && got.ends_with(&[396, 397, 398, 399]));

    // One of even numbers, and one of odd ones.
    let (got, dropped) = published(|number| Overload::KeepLatest(number % 2));
    assert_eq!(got.len() as u64 + dropped, 400);
    assert!(dropped > 100 && got.ends_with(&[398, 399]));
    assert!(got[got.len() - 3] < 300);
}

#[test]
fn s12_where_too_much_waits_for_all_those_with_most_are_given_up_and_nobody_is_let_in() {
    let config = Config {
        max_total_queued: 2 << 20,
        max_queued_bytes: 100 << 20,
        max_queued_messages: 100_000,
        ..Config::default()
    };
    let served = serve(config);
    let (mut good, good_id) = served.connect_known();
    // A little waits for one, and much for the other.
    let little = served.upgraded();
    let little_id = served.opened();
    for _ in 0..150 {
        served.handle().send(little_id, &[7; 100_000]).unwrap();
    }
    let ends_first = served.closed();
    assert_eq!(ends_first, (little_id, End::Slow));
    drop(little);
    served.handle().send(good_id, "still here").unwrap();
    assert_eq!(good.receive_owned().unwrap(), Some("still here".into()));
    served.until(|handle| handle.metrics().contains("wsserver_queued_bytes 0\n"));
    served.connect_known();
}

#[test]
fn s12_all_messages_that_are_not_whole_are_bounded_together() {
    let limits = Limits { message: 1 << 20, frame: 1 << 20, fragments: 1000 };
    let served = serve(Config { max_total_held: 600_000, limits, ..Config::default() });
    let mut first = served.upgraded();
    let first_id = served.opened();
    // A frame of 1,000,000 bytes that ends half-way.
    let frame = masked(&Frame::binary(vec![7; 1_000_000]));
    first.write_all(&frame[..500_000]).unwrap();
    served.until(|handle| !handle.metrics().contains("wsserver_held_bytes 0\n"));
    // The newest one goes.
    let mut second = served.upgraded();
    let second_id = served.opened();
    second.write_all(&frame[..500_000]).unwrap();
    assert_eq!(served.closed(), (second_id, End::Overloaded));
    assert_eq!(read_all(&mut second), b"\x88\x12\x03\xf5too much to hold");
    // The other one may end what it began.
    first.write_all(&frame[500_000..]).unwrap();
    let mut echo = vec![0; 10 + 1_000_000];
    first.read_exact(&mut echo).unwrap();
    assert!(echo.ends_with(&[7; 1000]));
    served.until(|handle| handle.metrics().contains("wsserver_held_bytes 0\n"));
    assert!(served.handle().is_open(first_id));
}

#[test]
fn s12_who_sends_too_fast_is_told_1008() {
    let rate = Some(Rate { messages: 10, bytes: 1_000_000 });
    let served = serve(Config { rate, ..Config::default() });
    let (mut good, _) = served.connect_known();
    let mut fast = served.upgraded();
    let id = served.opened();
    fast.write_all(&masked(&Frame::text("echo")).repeat(10_000)).unwrap();
    assert_eq!(served.closed(), (id, End::TooFast));
    let frames = frames(&read_all(&mut fast));
    let (last, echoes) = frames.split_last().unwrap();
    assert_eq!(*last, (0x88, b"\x03\xf0too many messages in a second".to_vec()));
    assert!(echoes.len() <= 15 && echoes.iter().all(|(_, payload)| payload == b"echo"));
    good.send("still here").unwrap();
    assert_eq!(good.receive_owned().unwrap(), Some("still here".into()));
}

#[test]
fn s12_who_takes_all_is_not_slow_however_little_may_wait() {
    let served = serve(Config { max_queued_bytes: 4096, ..Config::default() });
    let mut stream = served.upgraded();
    // Their replies are gathered: more than may wait, if nobody tried the stream.
    let frames = masked(&Frame::binary([7; 1024])).repeat(50);
    stream.write_all(&frames).unwrap();
    let mut echoes = vec![0; 50 * (4 + 1024)];
    stream.read_exact(&mut echoes).unwrap();
    assert!(echoes.chunks(1028).all(|echo| echo[4..] == [7; 1024]));
}

#[test]
fn s12_a_close_is_told_though_more_than_may_be_sent_came_behind_it() {
    let rate = Some(Rate { messages: 1, bytes: 1000 });
    let served = serve(Config { rate, ..Config::default() });
    let mut stream = served.upgraded();
    let mut frames = masked(&Frame::text("close"));
    frames.extend(masked(&Frame::text("one too many")));
    stream.write_all(&frames).unwrap();
    let mut told = [0; 2 + 2 + 11];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"\x88\x0d\x03\xe8as you wish");
}
