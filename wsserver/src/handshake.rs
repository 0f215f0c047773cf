//! A request, as far as it came, and its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wscore::{Acceptance, HeaderSlots, Limits, Origin, Rejection, RequestParser};

use crate::{Admission, Handler, work::Agreed};

/// What all handshakes of a server have in common.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) connect_path: Option<String>,
    pub(crate) status_path: Option<String>,
    pub(crate) origin: Option<Origin>,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<wsflate::Deflate>,
}

/// A connection whose request is not answered.
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
    /// A client, and how many of the bytes were its request.
    Open { session: S, agreed: Option<Agreed>, size: usize },
    /// It was refused, or asked for something else.
    Done,
}

impl Opening {
    pub(crate) fn new() -> Self {
        Self { parser: RequestParser::new(Limits::default()), received: vec![] }
    }

    /// Takes bytes of the client; the answer is appended to `out`.
    pub(crate) fn advance<H: Handler>(
        &mut self,
        bytes: &[u8],
        policy: &Policy,
        handler: &H,
        out: &mut Vec<u8>,
    ) -> (Answer<H::Session>, &[u8]) {
        self.received.extend_from_slice(bytes);
        let answer = policy.answer(&mut self.parser, &self.received, handler, out);
        let answer = answer.unwrap_or_else(|rejection| {
            match self.received.starts_with(b"HEAD ") {
                true => rejection.without_body().encode(out),
                false => rejection.encode(out),
            }
            Answer::Done
        });
        let early = match answer {
            Answer::Open { size, .. } => &self.received[size..],
            _ => &[],
        };
        (answer, early)
    }
}

impl Policy {
    fn answer<H: Handler>(
        &self,
        parser: &mut RequestParser,
        received: &[u8],
        handler: &H,
        out: &mut Vec<u8>,
    ) -> Result<Answer<H::Session>, Rejection> {
        let mut slots = HeaderSlots::new();
        let Some(request) = parser.parse(received, &mut slots)? else { return Ok(Answer::None) };
        let is_at = |path: &Option<String>| path.as_deref() == Some(request.path());
        if is_at(&self.status_path) {
            let body = guarded(|| Ok(handler.status()))?;
            put_status(request.method(), &body, out)?;
            return Ok(Answer::Done);
        }
        if self.connect_path.is_some() && !is_at(&self.connect_path) {
            return Err(Rejection::new(404));
        }
        let mut acceptance = Acceptance::new(&request)?;
        if let Some(origin) = &self.origin {
            origin.check(&request)?;
        }
        let Admission { session, headers, protocol } = guarded(|| handler.authenticate(&request))?;
        if let Some(protocol) = protocol {
            acceptance.protocol(protocol).map_err(Rejection::from_error)?;
        }
        *acceptance.headers_mut() = headers;
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &self.deflate {
            acceptance.negotiate(deflate);
        }
        acceptance.encode(out);
        #[cfg(feature = "deflate")]
        let agreed = self
            .deflate
            .as_ref()
            .and_then(|deflate| deflate.agreed(wscore::Role::Server, &acceptance.into_handshake()));
        #[cfg(not(feature = "deflate"))]
        let agreed = None;
        Ok(Answer::Open { session, agreed, size: request.size() })
    }
}

/// A call of the handler before there is a connection: one that panics is answered with 500.
fn guarded<T>(call: impl FnOnce() -> Result<T, Rejection>) -> Result<T, Rejection> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(Rejection::new(500)))
}

/// RFC 9110 §9.3.1, §9.3.2: what GET and HEAD of the status path are told.
fn put_status(
    method: &str,
    (content_type, body): &(&str, String),
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
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    out.extend_from_slice(head.as_bytes());
    if method == "GET" {
        out.extend_from_slice(body.as_bytes());
    }
    Ok(())
}
