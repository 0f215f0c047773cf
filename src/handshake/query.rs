//! The query of a target, as forms and pages write it.

use alloc::{borrow::Cow, string::String, vec::Vec};

use super::request::Request;

/// A name and its value.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The names and values of a query such as `name=Ann+B&x=%41`, decoded, in order: what has neither
/// `+` nor `%` is borrowed. A pair is `None` if it cannot be decoded: if digits are missing, or it is
/// not UTF-8.
///
/// ```
/// let mut pairs = wscore::query_pairs("name=Ann+B&x=%4");
/// assert_eq!(pairs.next(), Some(Some(("name".into(), "Ann B".into()))));
/// assert_eq!(pairs.next(), Some(None));
/// ```
pub fn query_pairs(query: &str) -> impl Iterator<Item = Option<Pair<'_>>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name)?, decode(value)?))
    })
}

impl<'a> Request<'a> {
    /// The first value that the query has for this name, decoded, as in
    /// [`query_pairs`](crate::query_pairs): `None` if there is none, or what is before it cannot be
    /// decoded. Empty for a name alone.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut pairs = query_pairs(self.query()?).map_while(|pair| pair);
        pairs.find_map(|(known, value)| (known == name).then_some(value))
    }
}

/// Decodes `+` and `%` with two digits; `None` if digits are missing, or what comes out is not
/// UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['+', '%']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        let (byte, behind) = match rest {
            [] => return String::from_utf8(bytes).ok().map(Cow::Owned),
            [b'+', behind @ ..] => (b' ', behind),
            [b'%', high, low, behind @ ..] => (digit(*high)? << 4 | digit(*low)?, behind),
            [b'%', ..] => return None,
            [byte, behind @ ..] => (*byte, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
}

/// The value of a hexadecimal digit.
const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::RngSeed};

    use super::*;

    #[test]
    fn queries_are_decoded() {
        let rows: [(&str, &[(&str, &str)]); 9] = [
            ("", &[]),
            ("&&", &[]),
            ("a=1", &[("a", "1")]),
            ("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]),
            ("a&b=&=c", &[("a", ""), ("b", ""), ("", "c")]),
            ("a=b=c?d", &[("a", "b=c?d")]),
            ("a+b=c+%2B+d", &[("a b", "c + d")]),
            ("%61%3d=%26%e4%b8%ad%E4%B8%AD", &[("a=", "&中中")]),
            ("中=é", &[("中", "é")]),
        ];
        for (query, wanted) in rows {
            let decoded: Option<Vec<_>> = query_pairs(query).collect();
            let wanted = wanted.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            assert_eq!(decoded, Some(wanted.collect()), "{query}");
        }
    }

    #[test]
    fn queries_that_cannot_be_decoded_are_refused() {
        for query in ["%", "a=%", "a=%1", "a=%1g", "%+1=a", "a=%%41", "a=1&b=%zz", "%ff", "a=%c3"] {
            assert!(query_pairs(query).any(|pair| pair.is_none()), "{query}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn what_is_encoded_is_decoded(text in ".*") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decode(&encoded), Some(Cow::Owned(text)));
        }

        #[test]
        fn any_query_can_be_looked_at(query in "[%+&=a0-9é]{0,30}") {
            prop_assert!(query_pairs(&query).count() <= query.len());
        }
    }
}
