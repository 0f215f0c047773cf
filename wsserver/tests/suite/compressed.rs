//! Messages that are compressed on the wire.

use wsflate::{Config, Deflate, WindowBits};
use wsserver::To;
use wsutil::OwnedMessage;

use crate::service::serve_with;

#[test]
fn s16_each_connection_compresses_as_it_agreed() {
    let window = WindowBits::new(10).unwrap();
    let takeover = Config::TAKEOVER;
    let configs = [
        Config::NO_TAKEOVER,
        takeover,
        Config { send_window: window, receive_window: window, ..takeover },
        Config { receive_takeover: false, ..takeover },
    ];
    for server in [Config::NO_TAKEOVER, takeover] {
        let served = serve_with(|builder| builder.threads(2).deflate(Deflate::new(server)));
        let url = format!("ws://{}/", served.address);
        let mut clients = vec![wsutil::connect(&url).unwrap()];
        for _ in 0..3 {
            for config in configs {
                let deflate = Deflate::new(config);
                clients.push(wsutil::connect_deflate(&url, &deflate).unwrap());
            }
        }
        for round in 0..20 {
            for (number, client) in clients.iter_mut().enumerate() {
                let text = format!("{number} says {round}, ").repeat(1 + round * number);
                client.send(&text).unwrap();
                assert_eq!(client.receive_owned().unwrap(), Some(OwnedMessage::Text(text)));
            }
        }
        let news = "news and news and ".repeat(100);
        assert_eq!(served.handle().to(To::All).send(&news), Ok(clients.len()));
        for client in &mut clients {
            assert_eq!(client.receive_owned().unwrap(), Some(news.as_str().into()));
            client.send("and after it").unwrap();
            assert_eq!(client.receive_owned().unwrap(), Some("and after it".into()));
        }
    }
}
