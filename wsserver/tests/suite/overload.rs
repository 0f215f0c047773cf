//! Peers that take nothing, and peers that send without end.

use std::io::Write;

use wscore::Frame;
use wsserver::{Config, End};
use wsutil::Timeout;

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
    let _stuck = served.upgraded();
    let id = served.opened();
    // Less than may wait, more than the system's buffers take.
    let handle = served.handle();
    for _ in 0..60 {
        handle.send(id, &[0; 100_000]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let (closed, end) = served.closed();
    assert_eq!(closed, id);
    assert!(matches!(end, End::Slow | End::TimedOut(Timeout::Write)), "{end:?}");
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
