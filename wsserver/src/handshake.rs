//! A request, as far as it came, and its answer.

use std::{borrow::Cow, sync::Arc};

use wscore::{Acceptance, HeaderSlots, Limits, Origin, Rejection, RequestParser};

use crate::{
    Admission, ClientId, Handler, ServerHandle,
    guard::{guarded, guarded_drop},
    work::Agreed,
};

/// What all handshakes of a server have in common.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) connect_path: Option<String>,
    pub(crate) status_path: Option<String>,
    pub(crate) metrics_path: Option<String>,
    pub(crate) pages: Vec<Page>,
    pub(crate) origin: Option<Origin>,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<wsflate::Deflate>,
}

/// What GET of a path is told.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) content_type: Cow<'static, str>,
    pub(crate) body: Arc<[u8]>,
}

/// A request that has come in part.
#[derive(Debug)]
pub(crate) struct Opening {
    parser: RequestParser,
    received: Vec<u8>,
}

/// What came of the bytes.
#[derive(Debug)]
pub(crate) enum Answer<S> {
    /// More are wanted.
    None,
    /// A client, and how many of the bytes were its request. Its name is claimed.
    Open {
        session: S,
        agreed: Option<Agreed>,
        user: Option<Arc<str>>,
        name: Option<Arc<str>>,
        size: usize,
    },
    /// It was refused, or asked for something else, whose body is this if it is not in the answer.
    Done { body: Option<Arc<[u8]>> },
}

impl Opening {
    /// Takes bytes of the client, the first ones if `this` is none: what comes of them, and those
    /// behind the request. The answer is appended to `out`.
    pub(crate) fn advance<'b, H: Handler>(
        this: &'b mut Option<Box<Self>>,
        bytes: &'b [u8],
        desk: &Desk<'_, H>,
        out: &mut Vec<u8>,
    ) -> (Answer<H::Session>, &'b [u8]) {
        // Mostly a request comes at once, and is not copied.
        let mut first = RequestParser::new(Limits::default());
        let (parser, received) = match this {
            Some(opening) => {
                opening.received.extend_from_slice(bytes);
                (&mut opening.parser, &opening.received[..])
            }
            None => (&mut first, bytes),
        };
        let answer = desk.answer(parser, received, out).unwrap_or_else(|rejection| {
            match received.starts_with(b"HEAD ") {
                true => rejection.without_body().encode(out),
                false => rejection.encode(out),
            }
            Answer::Done { body: None }
        });
        let early = match answer {
            Answer::Open { size, .. } => size..received.len(),
            _ => 0..0,
        };
        match this {
            Some(opening) => (answer, &opening.received[early]),
            None => {
                if let Answer::None = answer {
                    let received = bytes.to_vec();
                    *this = Some(Box::new(Self { parser: first, received }));
                }
                (answer, &bytes[early])
            }
        }
    }
}

/// What a request is answered by.
pub(crate) struct Desk<'a, H> {
    pub(crate) policy: &'a Policy,
    pub(crate) handler: &'a H,
    pub(crate) handle: &'a ServerHandle,
    pub(crate) id: ClientId,
}

impl<H: Handler> Desk<'_, H> {
    fn answer(
        &self,
        parser: &mut RequestParser,
        received: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Answer<H::Session>, Rejection> {
        let policy = self.policy;
        let mut slots = HeaderSlots::new();
        let Some(request) = parser.parse(received, &mut slots)? else { return Ok(Answer::None) };
        let is_at = |path: &Option<String>| path.as_deref() == Some(request.path());
        if is_at(&policy.status_path) {
            let (content_type, body) = guarded(|| self.handler.status()).ok_or_else(panicked)?;
            put_page(request.method(), content_type, body.as_bytes(), out)?;
            return Ok(Answer::Done { body: None });
        }
        if is_at(&policy.metrics_path) {
            let body = self.handle.metrics();
            put_page(request.method(), "text/plain; version=0.0.4", body.as_bytes(), out)?;
            return Ok(Answer::Done { body: None });
        }
        // What is to be upgraded may be at the path of a page.
        let page = policy.pages.iter().find(|page| page.path == request.path());
        if let Some(page) = page.filter(|_| request.header("Upgrade").is_none()) {
            put_head(request.method(), &page.content_type, page.body.len(), out)?;
            let is_wanted = request.method() == "GET";
            return Ok(Answer::Done { body: is_wanted.then(|| page.body.clone()) });
        }
        if policy.connect_path.is_some() && !is_at(&policy.connect_path) {
            return Err(Rejection::new(404));
        }
        let mut acceptance = Acceptance::new(&request)?;
        if let Some(origin) = &policy.origin {
            origin.check(&request)?;
        }
        let admission = guarded(|| self.handler.authenticate(&request)).ok_or_else(panicked)??;
        let Admission { session, headers, protocol, user, name } = admission;
        let refused = protocol.and_then(|protocol| acceptance.protocol(protocol).err());
        if let Some(error) = refused {
            guarded_drop(session);
            return Err(Rejection::from_error(error));
        }
        *acceptance.headers_mut() = headers;
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &policy.deflate {
            acceptance.negotiate(deflate);
        }
        if !name.iter().all(|name| self.handle.shared.claim(name, self.id)) {
            guarded_drop(session);
            return Err(Rejection::new(409).body("this name is taken"));
        }
        acceptance.encode(out);
        #[cfg(feature = "deflate")]
        let agreed = policy
            .deflate
            .as_ref()
            .and_then(|deflate| deflate.agreed(wscore::Role::Server, &acceptance.into_handshake()));
        #[cfg(not(feature = "deflate"))]
        let agreed = None;
        Ok(Answer::Open { session, agreed, user, name, size: request.size() })
    }
}

/// What a client is told whose request led to a panic.
fn panicked() -> Rejection {
    Rejection::new(500)
}

/// What GET and HEAD are told.
fn put_page(
    method: &str,
    content_type: &str,
    body: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Rejection> {
    put_head(method, content_type, body.len(), out)?;
    // RFC 9110 §9.3.2: HEAD is told what GET is, but for the body.
    if method == "GET" {
        out.extend_from_slice(body);
    }
    Ok(())
}

fn put_head(
    method: &str,
    content_type: &str,
    len: usize,
    out: &mut Vec<u8>,
) -> Result<(), Rejection> {
    if method != "GET" && method != "HEAD" {
        return Err(Rejection::new(405).header("Allow", "GET, HEAD")?);
    }
    // No line of ours may be made by a content type.
    if !content_type.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Rejection::new(500));
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len}\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
    );
    out.extend_from_slice(head.as_bytes());
    Ok(())
}
