//! Requests over text messages, and the routes that they take.

mod error;
mod method;
mod request;
mod response;
mod router;
mod target;

use std::fmt;

use wsutil::SendError;

use self::{method::Method, request::Sent, router::Router};
use crate::Client;

pub use self::{error::RouteError, request::RouteRequest, response::RouteResponse};

/// Answers requests that are text messages, by their method and path, as a web server does.
///
/// A client sends `{"id":1,"method":"GET","target":"/user/7","body":""}` and is told
/// `{"message":"OK","body":"Ani","id":1,"code":200}`. It chooses the id, and knows by it which of its
/// requests is answered; fields that are missing or null are 0 or empty, and others are ignored.
/// What nobody asked for has the id 0: [`RouteResponse::broadcast`].
///
/// # Routes
/// - A route is for DELETE, GET, PATCH, POST or PUT, in any case.
/// - Its target begins with a slash. Of a row of slashes all but one are left out, as are those at
///   the end.
/// - A segment that begins with a colon is a parameter: it stands for any segment that is not empty.
///   Colons elsewhere are text.
/// - A path is compared as it was sent, but for one slash at its end: `%` is not decoded, and `//`
///   is not `/`.
/// - Where both fit, text comes before a parameter, from left to right. A parameter is tried again
///   where text led nowhere: with `/a/:id` and `/a/b/c`, the path `/a/b` takes the first.
///
/// # What is answered without a handler
/// | code | message | id | when |
/// |---|---|---|---|
/// | 400 | what the parser says, 500 bytes at most | 0 | the text is not such a request |
/// | 400 | the target | of the request | the query cannot be decoded |
/// | 404 | method in upper case, and the target | of the request | there is no such route |
///
/// A handler that panics closes its connection with 1011, as any call of
/// [`Handler`](crate::Handler).
///
/// # What it costs
/// A search takes at most as many steps as its method has segments in routes, whatever was sent; a
/// request is copied only where it has escapes, and an answer without a handler is at most about as
/// long as the request. Nothing is recursive.
///
/// # Examples
/// ```
/// use wsserver::{Client, RouteError, RouteRequest, RouteResponse, Routes};
///
/// struct Session {
///     name: String,
/// }
///
/// fn routes() -> Result<Routes<Session>, RouteError> {
///     Routes::new()
///         .route("GET", "/me", |client: &mut Client<'_, Session>, _: &RouteRequest<'_>| {
///             RouteResponse::ok(&client.session().name)
///         })?
///         .route("PUT", "/user/:id", rename)
/// }
///
/// // A handler may end early, with the response that says why.
/// fn rename(
///     _: &mut Client<'_, Session>,
///     request: &RouteRequest<'_>,
/// ) -> Result<RouteResponse, RouteResponse> {
///     let name: String = request.json()?;
///     let id = request.param("id").unwrap_or_default();
///     Ok(RouteResponse::ok(format!("{id} is {name} from now on")))
/// }
/// # assert!(routes().is_ok());
/// ```
/// In [`Handler::on_message`](crate::Handler::on_message):
/// ```
/// # use wsserver::{Client, Routes};
/// # use wsutil::Message;
/// # struct Service { routes: Routes<()> }
/// # impl Service {
/// fn on_message(&self, client: &mut Client<'_, ()>, message: Message<'_>) {
///     if let Some(text) = message.as_text() {
///         // It fails only if the client is closing, or takes nothing: it is on its way out.
///         let _ = self.routes.answer(client, text);
///     }
/// }
/// # }
/// ```
pub struct Routes<S> {
    router: Router<Box<Answer<S>>>,
}

/// What answers a request.
type Answer<S> = dyn Fn(&mut Client<'_, S>, &RouteRequest<'_>) -> RouteResponse + Send + Sync;

impl<S> Routes<S> {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { router: Router::new() }
    }

    /// The same with one more route. A route that is there already gets the new handler.
    ///
    /// A handler returns a [`RouteResponse`], or a `Result` of which both are one.
    ///
    /// # Errors
    /// [`RouteError`].
    pub fn route<R: Into<RouteResponse>>(
        mut self,
        method: &str,
        target: &str,
        handler: impl Fn(&mut Client<'_, S>, &RouteRequest<'_>) -> R + Send + Sync + 'static,
    ) -> Result<Self, RouteError> {
        let answer = move |client: &mut Client<'_, S>, request: &RouteRequest<'_>| {
            handler(client, request).into()
        };
        self.router.insert(method, target, Box::new(answer))?;
        Ok(self)
    }

    /// Answers a request: calls the handler of its route, and sends the response.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn answer(&self, client: &mut Client<'_, S>, text: &str) -> Result<(), SendError> {
        let response = self.respond(client, text);
        client.send(&response.to_text())
    }

    /// The response to a request, which is not sent: calls the handler of its route.
    pub fn respond(&self, client: &mut Client<'_, S>, text: &str) -> RouteResponse {
        match self.find(text) {
            Ok((answer, request)) => answer(client, &request).with_id(request.id()),
            Err(response) => response,
        }
    }

    /// The request that a text is, with what answers it; or the response, if nothing does.
    fn find<'a>(
        &'a self,
        text: &'a str,
    ) -> Result<(&'a Answer<S>, RouteRequest<'a>), RouteResponse> {
        let sent: Sent<'_> = serde_json::from_str(text)?;
        if !sent.is_query_valid() {
            return Err(RouteResponse::bad_request(sent.target).with_id(sent.id));
        }
        let found = Method::parse(&sent.method)
            .and_then(|method| Some((method, self.router.find(method, sent.split().0)?)));
        let Some((method, route)) = found else {
            let message = format!("{} {}", sent.method.to_ascii_uppercase(), sent.target);
            return Err(RouteResponse::not_found(message).with_id(sent.id));
        };
        Ok((&*route.value, RouteRequest { method, sent, names: &route.names }))
    }
}

impl<S> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("count", &self.router.count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::{collection::vec, prelude::*, test_runner::RngSeed};

    use super::*;

    fn routes() -> Routes<()> {
        let body =
            |_: &mut Client<'_, ()>, request: &RouteRequest<'_>| RouteResponse::ok(request.body());
        let routes = Routes::new().route("get", "/", body).unwrap();
        routes.route("Post", "/user/:id/post/:post", body).unwrap()
    }

    #[test]
    fn requests_are_found_or_answered() {
        let rows = [
            (r#"{"id":1,"method":"GET","target":"/"}"#, None),
            (r#"{"id":1,"method":"gEt","target":"/?a=b"}"#, None),
            (r#"{"id":1,"method":"post","target":"/user/1/post/2/?"}"#, None),
            ("", Some((400, "EOF while parsing a value", 0))),
            ("hello", Some((400, "expected value", 0))),
            (
                r#"{"id":1,"body":2}"#,
                Some((400, "invalid type: integer `2`, expected a string", 0)),
            ),
            ("[1]", Some((400, "invalid type: sequence, expected a request", 0))),
            ("{}", Some((404, " ", 0))),
            (r#"{"id":2,"method":"get"}"#, Some((404, "GET ", 2))),
            (r#"{"id":2,"method":"get","target":"?a"}"#, Some((404, "GET ?a", 2))),
            (r#"{"id":3,"method":"get","target":"/No/?a=%41"}"#, Some((404, "GET /No/?a=%41", 3))),
            (r#"{"id":4,"method":"Head","target":"/"}"#, Some((404, "HEAD /", 4))),
            (r#"{"id":5,"method":"PUT","target":"/"}"#, Some((404, "PUT /", 5))),
            (r#"{"id":6,"method":"GET","target":"/?a=%4"}"#, Some((400, "/?a=%4", 6))),
            (r#"{"id":7,"method":"x","target":"/no?%zz"}"#, Some((400, "/no?%zz", 7))),
        ];
        let routes = routes();
        for (text, wanted) in rows {
            let response = routes.find(text).err();
            let response = response.as_ref();
            let said = response.map(|said| {
                let message = said.message().split(" at line ").next().unwrap();
                (said.code(), message, said.id())
            });
            assert_eq!(said, wanted, "{text}");
            assert!(response.is_none_or(|said| said.body().is_empty()));
        }
    }

    #[test]
    fn a_request_says_what_was_sent() {
        let text = r#"{"id":9,"method":"post","body":"[1]",
            "target":"\/user/a%20b+/post/2/?q=%41+b&q=2&flag#x"}"#;
        let routes = routes();
        let (_, request) = routes.find(text).unwrap();
        assert_eq!((request.id(), request.method(), request.body()), (9, "POST", "[1]"));
        assert_eq!(request.target(), "/user/a%20b+/post/2/?q=%41+b&q=2&flag#x");
        assert_eq!(request.path(), "/user/a%20b+/post/2/");
        let params = [request.param("id"), request.param("post"), request.param("user")];
        assert_eq!(params, [Some("a%20b+"), Some("2"), None]);
        assert_eq!(request.params().collect::<Vec<_>>(), [("id", "a%20b+"), ("post", "2")]);
        assert_eq!(request.query("q").as_deref(), Some("A b"));
        assert_eq!(request.query("flag#x").as_deref(), Some(""));
        assert_eq!(request.query("none"), None);
        let values = request.queries().map(|(name, value)| name + "=" + value);
        assert_eq!(values.collect::<Vec<Cow<'_, str>>>(), ["q=A b", "q=2", "flag#x="]);
        assert_eq!(request.json::<Vec<u8>>().unwrap(), [1]);
        assert_eq!(RouteResponse::from(request.json::<String>().unwrap_err()).code(), 400);
    }

    #[test]
    fn routes_are_refused() {
        let add = |method, target| {
            Routes::<()>::default().route(method, target, |_, _| RouteResponse::ok("")).err()
        };
        assert_eq!(add("GET", "/:a/:b"), None);
        assert_eq!(add("HEAD", "/"), Some(RouteError::InvalidMethod));
        assert_eq!(add("GET", "user"), Some(RouteError::InvalidTarget));
        assert_eq!(add("GET", "/:a/:a"), Some(RouteError::DuplicateParameter));
        assert_eq!(format!("{:?}", routes()), "Routes { count: 2, .. }");
    }

    /// What requests are made of, and other texts.
    fn text() -> impl Strategy<Value = String> {
        let pieces =
            r#"{ } [ ] , : " \ "id": 1 - "method":"GET" "target":" / ? a=% "body": null 中"#;
        let pieces: Vec<_> = pieces.split(' ').map(str::to_owned).collect();
        let pieces = proptest::sample::select(pieces);
        vec(prop_oneof![9 => pieces, 1 => ".{0,5}"], 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn any_text_can_be_looked_at(text in text(), target in any::<String>()) {
            let routes = routes();
            let request = serde_json::json!({ "id": 1, "method": "GET", "target": target });
            for text in [text, request.to_string()] {
                match routes.find(&text) {
                    Ok((_, request)) => prop_assert_eq!(request.method(), "GET"),
                    Err(response) => {
                        prop_assert!([400, 404].contains(&response.code()));
                        prop_assert!(response.to_text().len() < text.len() + 600);
                    }
                }
            }
        }
    }
}
