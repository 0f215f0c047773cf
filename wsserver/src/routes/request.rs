//! What a client asks for.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};
use wscore::query_pairs;

use super::{method::Method, target::segments};

/// A request that a route was found for.
///
/// It borrows from the message what the message has without escapes.
#[derive(Debug)]
pub struct RouteRequest<'a> {
    pub(super) method: Method,
    pub(super) sent: Sent<'a>,
    /// As in [`Route`](super::router::Route).
    pub(super) names: &'a [Option<Box<str>>],
}

impl RouteRequest<'_> {
    /// The number that the client gave it; the response has the same.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.sent.id
    }

    /// The method in upper case, such as `GET`.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        self.method.as_str()
    }

    /// Path and query as they were sent, such as `/user/7?all=1`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.sent.target
    }

    /// The path as it was sent, such as `/user/7`: what stands before the first question mark.
    #[must_use]
    pub fn path(&self) -> &str {
        self.sent.split().0
    }

    /// The segment that stands where the route has `:name`, as it was sent: `%` and `+` are not
    /// decoded. It is not empty.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().find_map(|(known, segment)| (known == name).then_some(segment))
    }

    /// All parameters of the route, with their names.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        let segments = segments(self.path()).into_iter().flatten();
        self.names.iter().zip(segments).filter_map(|(name, text)| Some((name.as_deref()?, text)))
    }

    /// The first value that the query has for this name, decoded; empty if it has the name alone.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        self.queries().find_map(|(known, value)| (known == name).then_some(value))
    }

    /// All names and values of the query, decoded, in their order; a name may come again.
    pub fn queries(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        // All of them can be decoded, or no route was looked for.
        query_pairs(self.sent.split().1).flatten()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.sent.body
    }

    /// The value that the body is as JSON.
    ///
    /// # Errors
    /// The body is not JSON, or not of such a value. [`RouteResponse`](crate::RouteResponse) is made
    /// of this error, too: 400.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.body())
    }
}

/// A request as it was sent; what it does not say is empty or 0.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sent<'a> {
    pub(super) id: u64,
    pub(super) method: Cow<'a, str>,
    pub(super) target: Cow<'a, str>,
    pub(super) body: Cow<'a, str>,
}

impl Sent<'_> {
    /// Path and query of the target.
    pub(super) fn split(&self) -> (&str, &str) {
        self.target.split_once('?').unwrap_or((&self.target, ""))
    }

    /// Whether all of the query can be decoded.
    pub(super) fn is_query_valid(&self) -> bool {
        query_pairs(self.split().1).all(|pair| pair.is_some())
    }
}

/// What is derived would also take an array of the four, and copy what has no escapes.
impl<'de> Deserialize<'de> for Sent<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Sent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sent<'de>, A::Error> {
        let mut sent = Sent::default();
        while let Some(field) = map.next_key()? {
            match field {
                Field::Id => sent.id = map.next_value::<Option<u64>>()?.unwrap_or_default(),
                Field::Method => sent.method = text(&mut map)?,
                Field::Target => sent.target = text(&mut map)?,
                Field::Body => sent.body = text(&mut map)?,
                Field::Unknown => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(sent)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    Id,
    Method,
    Target,
    Body,
    #[serde(other)]
    Unknown,
}

/// A text that is borrowed if it can be: a `Cow` by itself never is.
#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The text of a field; null is as none.
fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Cow<'de, str>, A::Error> {
    Ok(map.next_value::<Option<Text<'de>>>()?.unwrap_or_default().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent<'a>(id: u64, method: &'a str, target: &'a str, body: &'a str) -> Sent<'a> {
        Sent { id, method: method.into(), target: target.into(), body: body.into() }
    }

    #[test]
    fn requests_are_parsed() {
        let rows = [
            ("{}", Sent::default()),
            (r#" {"id":1,"method":"GET"} "#, sent(1, "GET", "", "")),
            (
                r#"{"id":18446744073709551615,"method":"post","target":"/a?b","body":"{}"}"#,
                sent(u64::MAX, "post", "/a?b", "{}"),
            ),
            (r#"{"body":"a\"\n\u4e2d","target":"\/a"}"#, sent(0, "", "/a", "a\"\n中")),
            (r#"{"id":null,"method":null,"target":null,"body":null}"#, Sent::default()),
            (r#"{"Id":1,"path":["x",{}],"conn":7,"id":2}"#, sent(2, "", "", "")),
            (r#"{"id":1,"id":2}"#, sent(2, "", "", "")),
        ];
        for (text, wanted) in rows {
            assert_eq!(serde_json::from_str::<Sent<'_>>(text).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let rows = [
            "",
            "{",
            "null",
            "7",
            "[]",
            r#"[1,"GET","/",""]"#,
            "{} {}",
            r#"{"id":-1}"#,
            r#"{"id":1.5}"#,
            r#"{"id":"1"}"#,
            r#"{"id":18446744073709551616}"#,
            r#"{"method":1}"#,
            r#"{"body":{}}"#,
            r#"{"target":"\ud800"}"#,
        ];
        for text in rows {
            assert!(serde_json::from_str::<Sent<'_>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_has_no_escapes_is_borrowed() {
        let sent: Sent<'_> = serde_json::from_str(r#"{"method":"GET","body":"a\nb"}"#).unwrap();
        assert!(matches!(sent.method, Cow::Borrowed("GET")));
        assert!(matches!(sent.body, Cow::Owned(_)));
    }
}
