//! The grammar of extension lists, and negotiation.

use proptest::prelude::*;
use wscore::{
    Rsv, Upgrader,
    extension::{Element, ElementBuf, Extension, InvalidElement},
};

use crate::{rig::replaced, server_handshake::BASE};

fn parsed(list: &str) -> Result<Vec<String>, InvalidElement> {
    Element::list(list.as_bytes()).map(|element| Ok(element?.to_owned().to_string())).collect()
}

#[test]
fn hs21_hs22_the_grammar_of_rfc_6455_9_1() {
    for (list, elements) in [
        ("", vec![]),
        (" , ,\t", vec![]),
        ("a", vec!["a"]),
        ("a,b", vec!["a", "b"]),
        (" a ; b ; c = d , e ", vec!["a; b; c=d", "e"]),
        ("a;b=\"c\"", vec!["a; b=c"]),
        ("a;b=\"\\c\\d\"", vec!["a; b=cd"]),
        ("a;b;b", vec!["a; b; b"]),
    ] {
        assert_eq!(parsed(list), Ok(elements.into_iter().map(String::from).collect()), "{list}");
    }
    for list in [
        ";",
        "a;",
        "a;=1",
        "a;b=",
        "a b",
        "a;b=\"",
        "a;b=\"x y\"",
        "a;b=\"\"",
        "a;b=\"c",
        "a;b=\"c\\",
        "a;b=\"c\"d",
        "a=b",
        "a;b;",
        "=",
        "a,;",
        "\u{e9}",
        "a;\"b\"",
        "a;b=c=d",
        "a\0",
    ] {
        assert_eq!(parsed(list), Err(InvalidElement), "{list:?}");
    }
    assert_eq!(Element::list(b"a;b=\xff").next(), Some(Err(InvalidElement)));
}

#[test]
fn elements_of_our_own_are_tokens() {
    assert!(ElementBuf::new("a b").is_err());
    assert!(ElementBuf::new("a").unwrap().flag("").is_err());
    assert!(ElementBuf::new("a").unwrap().param("b", "c\r\nd").is_err());
    let element = ElementBuf::new("a").unwrap().flag("b").unwrap().param("c", 15).unwrap();
    assert_eq!(element.params().collect::<Vec<_>>(), [("b", None), ("c", Some("15"))]);
}

/// Accepts offers with the parameter `good`, and answers with it.
struct Picky(&'static str, Rsv);

impl Extension for Picky {
    fn name(&self) -> &str {
        self.0
    }
    fn rsv(&self) -> Rsv {
        self.1
    }
    fn accept(&self, offer: &Element<'_>) -> Option<ElementBuf> {
        let good = offer.params().find(|param| param.name == "good")?;
        ElementBuf::new(self.0).ok()?.param("good", good.value?).ok()
    }
    fn offers(&self) -> Vec<ElementBuf> {
        vec![]
    }
    fn confirm(&self, _: &Element<'_>) -> bool {
        false
    }
}

#[test]
fn hs24_gobwas_15_the_first_acceptable_offer_is_answered_once() {
    let answer = |extensions: [&Picky; 2], offers: &str| {
        let upgrader = Upgrader::new().negotiate(extensions[0]).negotiate(extensions[1]);
        let line = format!("\r\nSec-WebSocket-Extensions: {offers}\r\n\r\n");
        let request = replaced(BASE, &[("\r\n\r\n", &line)]);
        let mut out = vec![];
        let accepted =
            upgrader.advance(&mut upgrader.parser(), request.as_bytes(), &mut (), &mut out);
        let (handshake, _) = accepted.unwrap().unwrap();
        let out = String::from_utf8(out).unwrap();
        let sent = out.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        let agreed: Vec<_> = handshake.extensions().iter().map(ToString::to_string).collect();
        assert_eq!(sent.unwrap_or_default(), agreed.join(", "));
        (agreed.join(", "), handshake.rsv())
    };
    let (a, b) = (Picky("a", Rsv::RSV1), Picky("b", Rsv::RSV2));
    assert_eq!(answer([&a, &b], "a; bad, a; good=1, a; good=2").0, "a; good=1");
    assert_eq!(
        answer([&a, &b], "b; good=1, a; good=2"),
        ("a; good=2, b; good=1".into(), Rsv::RSV1 | Rsv::RSV2)
    );
    assert_eq!(answer([&a, &b], "a; bad"), (String::new(), Rsv::NONE));
    assert_eq!(answer([&a, &b], "c; good=1").0, "");
    let rival = Picky("rival", Rsv::RSV1);
    assert_eq!(
        answer([&a, &rival], "a; good=1, rival; good=1").0,
        "a; good=1",
        "RSV1 has one owner"
    );
}

proptest! {
    #[test]
    fn any_elements_survive_the_wire(names in prop::collection::vec("[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,9}", 1..6), quoted: bool) {
        let elements: Vec<ElementBuf> = names
            .iter()
            .map(|name| ElementBuf::new(name).unwrap().flag(name).unwrap().param(name, name).unwrap())
            .collect();
        let list: Vec<_> = elements.iter().map(ToString::to_string).collect();
        let mut list = list.join(", ");
        if quoted {
            let value = names[0].chars().map(|c| format!("\\{c}")).collect::<String>();
            list = list.replacen(&format!("={}", names[0]), &format!("=\"{value}\""), 1);
        }
        let read: Result<Vec<_>, _> = Element::list(list.as_bytes()).map(|element| Ok::<_, InvalidElement>(element?.to_owned())).collect();
        prop_assert_eq!(read.unwrap(), elements);
    }

    #[test]
    fn any_bytes_are_a_list_or_an_error(list in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"ab;,=\"\\ \t"[..])], 0..60)) {
        let mut elements = Element::list(&list);
        let mut failed = false;
        for element in &mut elements {
            prop_assert!(!failed, "nothing behind an error");
            match element {
                Ok(element) => prop_assert!(element.params().count() <= list.len()),
                Err(InvalidElement) => failed = true,
            }
        }
    }
}
