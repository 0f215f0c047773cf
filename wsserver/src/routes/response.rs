//! What a client is told.

use serde::Serialize;

/// The response to a request, or a broadcast, which nobody asked for.
///
/// On the wire it is a text message with JSON:
/// ```
/// use wsserver::RouteResponse;
///
/// let response = RouteResponse::ok("hello");
/// assert_eq!(response.to_text(), r#"{"message":"OK","body":"hello","id":0,"code":200}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteResponse {
    // In the order that they have on the wire.
    message: String,
    body: String,
    id: u64,
    code: i32,
}

impl RouteResponse {
    /// A response with a code, which is one of HTTP or your own, a message that says it in words,
    /// and a body.
    #[must_use]
    pub fn new(code: i32, message: impl Into<String>, body: impl Into<String>) -> Self {
        Self { message: message.into(), body: body.into(), id: 0, code }
    }

    /// 200 with this body.
    #[must_use]
    pub fn ok(body: impl Into<String>) -> Self {
        Self::new(200, "OK", body)
    }

    /// 200 with a value as JSON in the body; 500 if it cannot be written as JSON, with the reason
    /// as the message.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        serde_json::to_string(value)
            .map_or_else(|error| Self::new(500, cut(error.to_string()), ""), Self::ok)
    }

    /// 400: the request is wrong, as the message says.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message, "")
    }

    /// 404: there is no such thing.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message, "")
    }

    /// What is told without a request: its id and code are 0, and its message is the name that
    /// clients know it by.
    ///
    /// ```
    /// use wsserver::RouteResponse;
    ///
    /// // As it is sent with `Client::to` or `ServerHandle::to`.
    /// let news = RouteResponse::broadcast("message", "Ani: hello").to_text();
    /// assert_eq!(news, r#"{"message":"message","body":"Ani: hello","id":0,"code":0}"#);
    /// ```
    #[must_use]
    pub fn broadcast(name: impl Into<String>, body: impl Into<String>) -> Self {
        Self::new(0, name, body)
    }

    /// The same as the answer to the request with this number.
    pub(super) const fn with_id(mut self, id: u64) -> Self {
        self.id = id;
        self
    }

    /// The number of the request that it answers: [`Routes`](crate::Routes) set it, 0 before.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The code, such as 200.
    #[must_use]
    pub const fn code(&self) -> i32 {
        self.code
    }

    /// The code in words, or the name of a broadcast.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The text that is sent.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Texts and numbers can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// 400, for what a client sent and could not be read: the message is what the parser says.
impl From<serde_json::Error> for RouteResponse {
    fn from(error: serde_json::Error) -> Self {
        Self::bad_request(cut(error.to_string()))
    }
}

/// For handlers that may end early: both are responses.
impl From<Result<Self, Self>> for RouteResponse {
    fn from(result: Result<Self, Self>) -> Self {
        result.unwrap_or_else(|error| error)
    }
}

/// What a parser says, which may quote all that a client sent.
fn cut(mut text: String) -> String {
    let end = (0..=MAX_QUOTE.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or_default());
    text
}

/// What a parser may say, in bytes.
const MAX_QUOTE: usize = 500;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn responses_are_written_in_order() {
        let rows = [
            (RouteResponse::ok(""), r#"{"message":"OK","body":"","id":0,"code":200}"#),
            (RouteResponse::new(-7, "m", "b"), r#"{"message":"m","body":"b","id":0,"code":-7}"#),
            (
                RouteResponse::not_found("\"中\"\n").with_id(u64::MAX),
                r#"{"message":"\"中\"\n","body":"","id":18446744073709551615,"code":404}"#,
            ),
            (RouteResponse::json(&[1, 2]), r#"{"message":"OK","body":"[1,2]","id":0,"code":200}"#),
            (
                RouteResponse::broadcast("system", "x"),
                r#"{"message":"system","body":"x","id":0,"code":0}"#,
            ),
        ];
        for (response, wanted) in rows {
            assert_eq!(response.to_text(), wanted);
        }
    }

    #[test]
    fn what_is_not_json_is_told() {
        let response = RouteResponse::json(&BTreeMap::from([([1], 2)]));
        assert_eq!((response.code(), response.message()), (500, "key must be a string"));
        let error = serde_json::from_str::<u64>("x").unwrap_err();
        let response = RouteResponse::from(error);
        assert_eq!((response.code(), response.id()), (400, 0));
        assert_eq!(response.message(), "expected value at line 1 column 1");
    }

    #[test]
    fn a_parser_quotes_no_more_than_is_useful() {
        for quote in ["é".repeat(10_000), "a".to_owned() + &"é".repeat(10_000)] {
            let error = serde_json::from_str::<u64>(&format!("{quote:?}")).unwrap_err();
            let response = RouteResponse::from(error);
            assert!((MAX_QUOTE - 1..=MAX_QUOTE).contains(&response.message().len()));
        }
    }
}
