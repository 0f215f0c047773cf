//! Offers and answers: the whole matrix, on both sides.

use wscore::{
    Extension, Role,
    extension::{Element, ElementBuf},
};
use wsflate::{
    ClientMaxWindowBits, Config, Deflate, Direction, Parameters, ParametersError, WindowBits,
    confirm, negotiate,
};

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

fn parse(element: &str) -> Result<Parameters, ParametersError> {
    Parameters::parse(&Element::list(element.as_bytes()).next().unwrap().unwrap())
}

fn offers(list: &str) -> Vec<Parameters> {
    let elements = Element::list(list.as_bytes()).map(|element| element.unwrap());
    elements.filter_map(|element| Parameters::parse(&element).ok()).collect()
}

const NAME: &str = "permessage-deflate";

#[test]
fn parameters_are_parsed_and_formatted_alike() {
    for element in [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=8; client_max_window_bits=15",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=10; client_max_window_bits=9",
    ] {
        let parameters = parse(element).unwrap();
        assert_eq!(parameters.to_string(), element);
        assert_eq!(Parameters::from_agreed(&parameters.to_element()), Ok(parameters));
    }
    let quoted = parse("permessage-deflate;server_max_window_bits=\"1\\0\"").unwrap();
    assert_eq!(quoted.server_max_window_bits, Some(bits(10)));
}

#[test]
fn df18_bad_parameters_are_declined_by_a_server_and_fail_a_client() {
    use ParametersError::{Invalid, OtherExtension, Repeated, Unknown};
    let deflate = Deflate::default();
    for (params, error) in [
        ("server_max_window_bits", Invalid),
        ("server_max_window_bits=7", Invalid),
        ("server_max_window_bits=16", Invalid),
        ("server_max_window_bits=08", Invalid),
        ("server_max_window_bits=010", Invalid),
        ("server_max_window_bits=+9", Invalid),
        ("server_max_window_bits=9.5", Invalid),
        ("server_max_window_bits=0", Invalid),
        ("server_max_window_bits=1", Invalid),
        ("server_max_window_bits=100", Invalid),
        ("server_max_window_bits=a", Invalid),
        ("client_max_window_bits=7", Invalid),
        ("client_max_window_bits=16", Invalid),
        ("client_max_window_bits=1", Invalid),
        ("server_no_context_takeover=1", Invalid),
        ("client_no_context_takeover=true", Invalid),
        ("server_max_window_bits=9; server_max_window_bits=9", Repeated),
        ("client_max_window_bits; client_max_window_bits", Repeated),
        ("client_max_window_bits; client_max_window_bits=9", Repeated),
        ("client_max_window_bits=9; client_max_window_bits", Repeated),
        ("server_no_context_takeover; server_no_context_takeover", Repeated),
        ("client_no_context_takeover; client_no_context_takeover", Repeated),
        ("unknown", Unknown),
        ("unknown=1", Unknown),
        ("Server_no_context_takeover", Unknown),
        ("mux", Unknown),
    ] {
        let element = format!("{NAME}; {params}");
        assert_eq!(parse(&element), Err(error), "{params}");
        let element = Element::list(element.as_bytes()).next().unwrap().unwrap();
        assert_eq!(deflate.accept(&element), None, "{params}");
        assert!(!deflate.confirm(&element), "{params}");
    }
    assert_eq!(parse("x-webkit-deflate-frame"), Err(OtherExtension));
}

#[test]
fn df20_the_first_offer_that_suits_is_answered() {
    let limited = Config { receive_window: bits(10), ..Config::TAKEOVER };
    for (config, list, answer) in [
        (Config::TAKEOVER, NAME, Some(NAME)),
        (Config::TAKEOVER, "permessage-deflate; client_max_window_bits", Some(NAME)),
        (
            Config::default(),
            "permessage-deflate; client_max_window_bits",
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        ),
        (
            Config::TAKEOVER,
            "permessage-deflate; server_max_window_bits=9, permessage-deflate",
            Some("permessage-deflate; server_max_window_bits=9"),
        ),
        (
            Config::TAKEOVER,
            "permessage-deflate; server_max_window_bits=7, permessage-deflate; unknown, \
             permessage-deflate; server_no_context_takeover, permessage-deflate",
            Some("permessage-deflate; server_no_context_takeover"),
        ),
        (limited, NAME, None),
        (
            limited,
            "permessage-deflate, permessage-deflate; client_max_window_bits",
            Some("permessage-deflate; client_max_window_bits=10"),
        ),
        (Config::TAKEOVER, "permessage-deflate; unknown", None),
        (Config::TAKEOVER, "x-webkit-deflate-frame", None),
        (Config::TAKEOVER, "", None),
    ] {
        let answered = negotiate(&config, offers(list)).map(|answer| answer.to_string());
        assert_eq!(answered.as_deref(), answer, "{list}");
    }
}

/// Every set of parameters that can be offered.
fn all_offers() -> impl Iterator<Item = Parameters> {
    let servers = [None].into_iter().chain((8..=15).map(|n| Some(bits(n))));
    servers.flat_map(|server_max_window_bits| {
        let clients = [ClientMaxWindowBits::Absent, ClientMaxWindowBits::Supported];
        let clients =
            clients.into_iter().chain((8..=15).map(|n| ClientMaxWindowBits::Bits(bits(n))));
        clients.flat_map(move |client_max_window_bits| {
            (0..4).map(move |flags| Parameters {
                server_no_context_takeover: flags & 1 == 1,
                client_no_context_takeover: flags & 2 == 2,
                server_max_window_bits,
                client_max_window_bits,
            })
        })
    })
}

fn all_configs() -> impl Iterator<Item = Config> {
    (8..=15).flat_map(|send| {
        (8..=15).flat_map(move |receive| {
            (0..4).map(move |flags| Config {
                send_takeover: flags & 1 == 1,
                receive_takeover: flags & 2 == 2,
                send_window: bits(send),
                receive_window: bits(receive),
                ..Config::default()
            })
        })
    })
}

#[test]
fn df16_df17_df19_every_offer_meets_every_configuration() {
    for config in all_configs() {
        for offer in all_offers() {
            let answer = negotiate(&config, [offer]);
            // RFC 7692 §7.1.2.2: only a client that says so can be limited.
            let cannot = offer.client_max_window_bits == ClientMaxWindowBits::Absent
                && config.receive_window < WindowBits::MAX;
            assert_eq!(answer.is_none(), cannot, "{config:?} {offer}");
            let Some(answer) = answer else { continue };
            assert_eq!(confirm(&[offer], &answer), Ok(()), "{offer} -> {answer}");
            let server = answer.agreed(Role::Server);
            let client = answer.agreed(Role::Client);
            assert_eq!((server.send, server.receive), (client.receive, client.send));
            let (send, receive) = (server.send, server.receive);
            assert!(send.window <= config.send_window && receive.window <= config.receive_window);
            assert!(!send.takeover || config.send_takeover && !offer.server_no_context_takeover);
            assert!(!receive.takeover || config.receive_takeover);
            assert!(offer.server_max_window_bits.is_none_or(|most| send.window <= most));
            // Nothing is given up that nobody asked for.
            assert_eq!(send.takeover, config.send_takeover && !offer.server_no_context_takeover);
            let most = offer.server_max_window_bits.unwrap_or_default();
            assert_eq!(send.window, most.min(config.send_window));
        }
    }
}

#[test]
fn what_a_client_offers_is_confirmed_only_as_offered() {
    for config in all_configs() {
        let offer = config.offer();
        assert_eq!(parse(&offer.to_string()), Ok(offer));
        for answer in all_offers() {
            let takeover = config.receive_takeover || answer.server_no_context_takeover;
            let window = answer.server_max_window_bits.unwrap_or_default();
            let window = window <= config.receive_window;
            let valued = answer.client_max_window_bits != ClientMaxWindowBits::Supported;
            let expected = takeover && window && valued;
            assert_eq!(confirm(&[offer], &answer).is_ok(), expected, "{offer} -> {answer}");
        }
    }
    // A client that cannot be limited is not.
    let answer = parse("permessage-deflate; client_max_window_bits=10").unwrap();
    assert_eq!(confirm(&[Parameters::default()], &answer), Err(ParametersError::NotOffered));
}

#[test]
fn a_fallback_is_offered_behind_and_confirmed() {
    let config = Config { receive_window: bits(9), ..Config::TAKEOVER };
    let deflate = Deflate::new(config).with_fallback(Parameters::default());
    let offers: Vec<_> = deflate.offers().iter().map(ElementBuf::to_string).collect();
    let first = "permessage-deflate; server_max_window_bits=9; client_max_window_bits";
    assert_eq!(offers, [first, NAME]);
    let element = |text: &'static str| Element::list(text.as_bytes()).next().unwrap().unwrap();
    assert!(deflate.confirm(&element(NAME)));
    assert!(deflate.confirm(&element("permessage-deflate; server_max_window_bits=12")));
    assert!(!Deflate::new(config).confirm(&element(NAME)));
}

#[test]
fn what_a_client_offers_of_itself_it_keeps() {
    use wscore::{Dialer, Upgrader};

    // The server takes no limit of its own window, and so the second offer.
    let promise = Parameters {
        client_no_context_takeover: true,
        client_max_window_bits: ClientMaxWindowBits::Bits(bits(9)),
        ..Parameters::default()
    };
    let config = Config { receive_window: bits(10), ..Config::TAKEOVER };
    let client = Deflate::new(config).with_fallback(promise);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let plain = Parameters::default().to_element();
        let upgrader = Upgrader::new().negotiate(Answer(plain));
        upgrader.upgrade(&mut listener.accept().unwrap().0).map(drop).unwrap();
    });
    let (_, handshake) = Dialer::new().negotiate(&client).dial(&url).unwrap();
    serving.join().unwrap();
    assert_eq!(handshake.extensions()[0].to_string(), NAME);
    let agreed = client.agreed(Role::Client, &handshake).unwrap();
    assert_eq!(agreed.send, Direction { takeover: false, window: bits(9) });
    assert_eq!(agreed.receive, Direction { takeover: true, window: bits(15) });
}

/// Answers the same whatever is offered.
struct Answer(ElementBuf);

impl Extension for Answer {
    fn name(&self) -> &str {
        NAME
    }
    fn rsv(&self) -> wscore::Rsv {
        wscore::Rsv::RSV1
    }
    fn accept(&self, _: &Element<'_>) -> Option<ElementBuf> {
        Some(self.0.clone())
    }
    fn offers(&self) -> Vec<ElementBuf> {
        vec![]
    }
    fn confirm(&self, _: &Element<'_>) -> bool {
        false
    }
}

#[test]
fn what_was_agreed_is_what_the_handshake_says() {
    use wscore::{Dialer, Upgrader};

    let config = Config { send_window: bits(11), ..Config::TAKEOVER };
    let server = Deflate::new(config);
    let client = Deflate::new(Config { send_takeover: false, ..Config::TAKEOVER });
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let dialing = std::thread::spawn({
        let client = client.clone();
        move || Dialer::new().negotiate(&client).dial(&url).map(|(_, handshake)| handshake).unwrap()
    });
    let mut stream = listener.accept().unwrap().0;
    let upgraded = Upgrader::new().negotiate(&server).upgrade(&mut stream).unwrap();
    let handshake = dialing.join().unwrap();
    let answer = "permessage-deflate; client_no_context_takeover; server_max_window_bits=11";
    assert_eq!(handshake.extensions()[0].to_string(), answer);
    assert_eq!(upgraded.handshake, handshake);
    let theirs = client.agreed(Role::Client, &handshake).unwrap();
    let ours = server.agreed(Role::Server, &handshake).unwrap();
    assert_eq!(ours.send, Direction { takeover: true, window: bits(11) });
    assert_eq!((ours.send, ours.receive), (theirs.receive, theirs.send));
    // A client may do with less than it is allowed to.
    let less =
        Deflate::new(Config { send_takeover: true, send_window: bits(9), ..Config::default() });
    assert_eq!(less.agreed(Role::Server, &handshake).unwrap().send.window, bits(9));
    assert!(less.agreed(Role::Server, &wscore::Handshake::default()).is_none());
}
