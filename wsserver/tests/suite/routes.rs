//! Requests over text messages are answered as their routes say.

use std::net::TcpStream;

use wscore::{CloseCode, Rejection, Request};
use wsserver::{Admission, Client, Handler, RouteRequest, RouteResponse, Routes, To};
use wsutil::{Connection, Message, OwnedMessage};

use crate::service::{Guard, guard};

/// Answers texts by its routes, and does not answer other messages. A session counts what its
/// handlers were called for.
struct Service(Routes<u32>);

impl Handler for Service {
    type Session = u32;

    fn authenticate(&self, _: &Request<'_>) -> Result<Admission<u32>, Rejection> {
        Ok(Admission::new(0))
    }

    fn on_message(&self, client: &mut Client<'_, u32>, message: Message<'_>) {
        if let Some(text) = message.as_text() {
            self.0.answer(client, text).unwrap();
        }
    }
}

fn serve() -> Guard {
    guard(|builder| builder.threads(2), Service(routes()))
}

fn routes() -> Routes<u32> {
    let count = |client: &mut Client<'_, u32>, _: &RouteRequest<'_>| {
        *client.session_mut() += 1;
        RouteResponse::ok(client.session().to_string())
    };
    let user = |_: &mut Client<'_, u32>, request: &RouteRequest<'_>| {
        let (id, all) = (request.param("id").unwrap(), request.query("all"));
        RouteResponse::ok(format!("{} {id} {}", request.method(), all.unwrap_or_default()))
    };
    let tell = |client: &mut Client<'_, u32>, request: &RouteRequest<'_>| {
        let news = RouteResponse::broadcast("message", request.body()).to_text();
        client.to(To::All).but(client.id()).send(&news).unwrap();
        RouteResponse::new(202, "Accepted", "")
    };
    let sum = |_: &mut Client<'_, u32>, request: &RouteRequest<'_>| {
        let numbers: Vec<u64> = request.json()?;
        Ok(RouteResponse::json(&[numbers.iter().sum::<u64>()]))
    };
    let panic =
        |_: &mut Client<'_, u32>, _: &RouteRequest<'_>| -> RouteResponse { panic!("as it was to") };
    Routes::new()
        .route("GET", "/count", |_, _| RouteResponse::new(410, "replaced", ""))
        .and_then(|routes| routes.route("get", "//count/", count))
        .and_then(|routes| routes.route("GET", "/user/:id", user))
        .and_then(|routes| routes.route("DELETE", "/user/:id", user))
        .and_then(|routes| routes.route("GET", "/user/me/age", |_, _| RouteResponse::ok("7")))
        .and_then(|routes| routes.route("POST", "/message", tell))
        .and_then(|routes| routes.route("PUT", "/sum", sum))
        .and_then(|routes| routes.route("PATCH", "/panic", panic))
        .unwrap()
}

/// What comes next, which is text.
fn next(client: &mut Connection<TcpStream>) -> String {
    match client.receive_owned().unwrap() {
        Some(OwnedMessage::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Sends each request, and gets its response.
fn are_answered(rows: &[(&str, &str)]) {
    let served = serve();
    let mut client = served.connect();
    for (request, response) in rows {
        client.send(*request).unwrap();
        assert_eq!(next(&mut client), *response);
    }
}

#[test]
fn s9_requests_are_answered_with_their_id() {
    let rows = [
        (
            r#"{"id":1,"method":"GET","target":"/user/7?all=a+b","body":""}"#,
            r#"{"message":"OK","body":"GET 7 a b","id":1,"code":200}"#,
        ),
        (
            r#"{"id":18446744073709551615,"method":"delete","target":"/user/me/"}"#,
            r#"{"message":"OK","body":"DELETE me ","id":18446744073709551615,"code":200}"#,
        ),
        (
            r#"{"id":3,"method":"GET","target":"/user/me"}"#,
            r#"{"message":"OK","body":"GET me ","id":3,"code":200}"#,
        ),
        (
            r#"{"id":4,"method":"GET","target":"/user/me/age","unknown":[{}]}"#,
            r#"{"message":"OK","body":"7","id":4,"code":200}"#,
        ),
        (
            r#"{"id":5,"method":"PUT","target":"/sum","body":"[1,2,3]"}"#,
            r#"{"message":"OK","body":"[6]","id":5,"code":200}"#,
        ),
        (
            r#"{"id":6,"method":"PUT","target":"/sum","body":"x"}"#,
            r#"{"message":"expected value at line 1 column 1","body":"","id":6,"code":400}"#,
        ),
    ];
    are_answered(&rows);
}

#[test]
fn s9_what_no_route_is_for_is_told_so() {
    let rows = [
        (
            r#"{"id":1,"method":"get","target":"/User/7"}"#,
            r#"{"message":"GET /User/7","body":"","id":1,"code":404}"#,
        ),
        (
            r#"{"id":2,"method":"GET","target":"//count"}"#,
            r#"{"message":"GET //count","body":"","id":2,"code":404}"#,
        ),
        (
            r#"{"id":3,"method":"OPTIONS","target":"/count"}"#,
            r#"{"message":"OPTIONS /count","body":"","id":3,"code":404}"#,
        ),
        (
            r#"{"id":4,"method":"GET","target":""}"#,
            r#"{"message":"GET ","body":"","id":4,"code":404}"#,
        ),
        (
            r#"{"id":5,"method":"GET","target":"/count?a=%x"}"#,
            r#"{"message":"/count?a=%x","body":"","id":5,"code":400}"#,
        ),
        (
            "7",
            r#"{"message":"invalid type: integer `7`, expected a request at line 1 column 1","body":"","id":0,"code":400}"#,
        ),
    ];
    are_answered(&rows);
}

#[test]
fn s9_long_requests_are_answered() {
    let served = serve();
    let mut client = served.connect();
    // As long as a message may be.
    let long = |start: &str, end: &str| {
        start.to_owned() + &"a".repeat((1 << 20) - start.len() - end.len()) + end
    };
    client.send(&long(r#"{"id":1,"method":"GET","target":"/"#, r#""}"#)).unwrap();
    let response = next(&mut client);
    assert!(response.starts_with(r#"{"message":"GET /aaa"#), "{}", &response[..50]);
    assert!(response.ends_with(r#"aaa","body":"","id":1,"code":404}"#));
    client.send(&long(r#"{"id":2,"method":"GET","target":"/user/7?all="#, r#""}"#)).unwrap();
    assert!(next(&mut client).ends_with(r#"aaa","id":2,"code":200}"#));
    // What the parser says would be as long.
    client.send(&long(r#"{"id":""#, r#""}"#)).unwrap();
    assert!(next(&mut client).len() < 600);
    client.send(&"[".repeat(1 << 20)).unwrap();
    assert!(next(&mut client).ends_with(r#""id":0,"code":400}"#));
    client.send(&(r#"{"x":"#.to_owned() + &"[".repeat(1 << 19))).unwrap();
    assert!(next(&mut client).ends_with(r#""id":0,"code":400}"#));
}

#[test]
fn s9_requests_that_come_together_are_answered_in_order() {
    let served = serve();
    let (mut client, mut other) = (served.connect(), served.connect());
    for id in 1..=500 {
        let request = format!(r#"{{"id":{id},"method":"GET","target":"/count"}}"#);
        client.feed(&request).unwrap();
        // Not a request: not answered.
        client.feed(request.as_bytes()).unwrap();
    }
    client.flush().unwrap();
    for id in 1..=500 {
        let response = format!(r#"{{"message":"OK","body":"{id}","id":{id},"code":200}}"#);
        assert_eq!(next(&mut client), response);
    }
    other.send(r#"{"method":"GET","target":"/count"}"#).unwrap();
    assert_eq!(next(&mut other), r#"{"message":"OK","body":"1","id":0,"code":200}"#);
}

#[test]
fn s9_a_broadcast_has_a_name_and_no_id() {
    let served = serve();
    let (mut client, mut other) = (served.connect(), served.connect());
    // It is open once it is answered.
    other.send(r#"{"id":1,"method":"GET","target":"/count"}"#).unwrap();
    next(&mut other);
    client.send(r#"{"id":8,"method":"POST","target":"/message","body":"a \"b\""}"#).unwrap();
    assert_eq!(next(&mut client), r#"{"message":"Accepted","body":"","id":8,"code":202}"#);
    assert_eq!(next(&mut other), r#"{"message":"message","body":"a \"b\"","id":0,"code":0}"#);
}

#[test]
fn s9_a_handler_that_panics_ends_its_connection_only() {
    let served = serve();
    let (mut client, mut other) = (served.connect(), served.connect());
    client.send(r#"{"id":1,"method":"PATCH","target":"/panic"}"#).unwrap();
    assert_eq!(client.receive_owned().unwrap(), None);
    assert_eq!(client.close_status().unwrap().code, CloseCode::INTERNAL_ERROR);
    other.send(r#"{"id":2,"method":"GET","target":"/user/7"}"#).unwrap();
    assert_eq!(next(&mut other), r#"{"message":"OK","body":"GET 7 ","id":2,"code":200}"#);
}
