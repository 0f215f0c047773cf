//! Any list of offers: what is answered is what the client accepts, and says the same to both.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wscore::{Extension, Role, extension::Element};
use wsflate::{Config, Deflate, Parameters, WindowBits, confirm, negotiate};

fuzz_target!(|bytes: &[u8]| {
    let [flags, windows, list @ ..] = bytes else { return };
    let window = |bits: u8| WindowBits::new(8 + bits % 8).unwrap_or_default();
    let config = Config {
        send_takeover: flags & 1 == 1,
        receive_takeover: flags & 2 == 2,
        send_window: window(windows & 15),
        receive_window: window(windows >> 4),
        ..Config::default()
    };
    let deflate = Deflate::new(config);
    let mut offers = vec![];
    let mut first = None;
    for element in Element::list(list) {
        let Ok(element) = element else { break };
        let accepted = deflate.accept(&element);
        let offer = Parameters::parse(&element);
        assert!(offer.is_ok() || accepted.is_none());
        let Ok(offer) = offer else { continue };
        assert_eq!(Parameters::from_agreed(&offer.to_element()), Ok(offer));
        offers.push(offer);
        first = first.or(accepted);
        // As an answer it is confirmed or not, whatever it is.
        let _ = deflate.confirm(&element);
    }
    let answer = negotiate(&config, offers.iter().copied());
    assert_eq!(answer.map(|answer| answer.to_element()), first);
    let Some(answer) = answer else { return };
    assert_eq!(confirm(&offers, &answer), Ok(()));
    let (server, client) = (answer.agreed(Role::Server), answer.agreed(Role::Client));
    assert_eq!((server.send, server.receive), (client.receive, client.send));
    assert!(server.send.window <= config.send_window);
    assert!(server.receive.window <= config.receive_window);
    assert!(!server.receive.takeover || config.receive_takeover);
});
