//! One HTTP request: bounds, who asks, bytes to a typed request, the node, and back.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use engine::{Action, Code, Error};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use wire::{Encoded, Head, Protocol, UrlBase};

use crate::body::{self, Reply, Share, Unread};
use crate::door::Unseen;
use crate::log::{self, Level};
use crate::metrics::Gauge;
use crate::server::Server;
use crate::{clock, health};

/// Bytes of the longest head that is served: its target, and its headers' names and values.
pub const HEAD_BYTES: usize = 64 << 10;

/// Whether a connection is within the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It is.
    Served,
    /// It is over the limit: only the paths for operators are served.
    Spare,
}

/// Serves one request. Never fails: whatever is wrong is said in the reply.
pub async fn handle(
    server: Arc<Server>,
    room: Room,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    let (parts, body) = request.into_parts();
    if let Some(page) = health::page(&server, &parts) {
        return Ok(page);
    }
    if let Some(reply) = other_method(&parts.method) {
        return Ok(reply);
    }
    Ok(serve(&server, room, &parts, body).await)
}

/// Methods that neither protocol has.
fn other_method(method: &Method) -> Option<Response<Reply>> {
    let status = match *method {
        Method::GET | Method::POST => return None,
        Method::OPTIONS => StatusCode::NO_CONTENT,
        _ => StatusCode::METHOD_NOT_ALLOWED,
    };
    let mut reply = Response::new(Reply::new(Bytes::new(), None));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST, OPTIONS"));
    Some(reply)
}

/// What became of a request, for the reply, the metrics and the log.
struct Outcome {
    protocol: Protocol,
    action: Option<Action>,
    result: Result<engine::Reply, Error>,
    unseen: Option<Unseen>,
    /// The status where it is not the error's own.
    status: Option<StatusCode>,
}

impl Outcome {
    fn refusal(protocol: Protocol, action: Option<Action>, error: Error) -> Outcome {
        Outcome { protocol, action, result: Err(error), unseen: None, status: None }
    }
}

async fn serve(server: &Server, room: Room, parts: &Parts, body: Incoming) -> Response<Reply> {
    let began = clock::instant();
    let request_id = server.random.request_id();
    let in_flight = Gauge::enter(&server.metrics.in_flight);
    let head = head_of(parts);
    let outcome = answer(server, room, parts, &head, body).await;
    drop(in_flight);
    let code = outcome.result.as_ref().err().map(|error| error.code);
    server.metrics.answered(outcome.action, code);
    if log::is_on(Level::Debug) {
        let action = outcome.action.map_or("", |action| action.row().name);
        let code = code.map_or("", |code| code.row().query);
        let micros = began.elapsed().as_micros();
        let fields: [(&str, &dyn std::fmt::Display); 4] =
            [("action", &action), ("code", &code), ("micros", &micros), ("request", &request_id)];
        log::line(Level::Debug, "request", &fields);
    }
    let encoded = wire::encode(outcome.protocol, &outcome.result, &request_id, &url_base(server, parts));
    respond(encoded, outcome.unseen, outcome.status)
}

async fn answer(server: &Server, room: Room, parts: &Parts, head: &Head<'_>, body: Incoming) -> Outcome {
    let protocol = Protocol::of(head);
    let refused = refused_by_head(server, room, parts);
    let mut share = Share::of(&server.bodies);
    // Before a refusal as well: a connection that is closed with bytes unread takes the reply from its client.
    let body = match body::read(body, &mut share).await {
        Ok(body) => body,
        Err(why) => return unread(protocol, why),
    };
    if let Some((error, status)) = refused {
        return Outcome { status, ..Outcome::refusal(protocol, None, error) };
    }
    let decoded = match wire::decode(head, &body) {
        Ok(decoded) => decoded,
        Err(refused) => return Outcome::refusal(protocol, refused.action, refused.error),
    };
    let action = Some(decoded.action);
    let Some(door) = server.door() else {
        let text = "The server is still starting. Try again in a moment.";
        return Outcome::refusal(protocol, action, Error::new(Code::ServiceUnavailable, text));
    };
    let credential = head.query.and_then(presigned_credential);
    let authorization = text(&parts.headers, header::AUTHORIZATION);
    let identity = auth::identify(authorization, credential.as_deref(), &server.defaults);
    let read = clock::instant();
    let pending = door.request(identity.into(), decoded.request);
    // A long poll holds its place in the node, not its body.
    drop((body, share));
    let answer = pending.await;
    if decoded.action != Action::ReceiveMessage {
        server.metrics.took(read.elapsed());
    }
    match answer {
        Some((result, unseen)) => Outcome { protocol, action, result, unseen: Some(unseen), status: None },
        None => {
            let text = "The server is stopping.";
            Outcome::refusal(protocol, action, Error::new(Code::ServiceUnavailable, text))
        }
    }
}

fn head_bytes(parts: &Parts) -> usize {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    target + parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
}

/// What is refused whatever its body says. The status is given where it is not the error's own.
fn refused_by_head(server: &Server, room: Room, parts: &Parts) -> Option<(Error, Option<StatusCode>)> {
    let unavailable = |text| Some((Error::new(Code::ServiceUnavailable, text), None));
    if room == Room::Spare {
        return unavailable("The server has as many connections as it takes. Try again later.");
    }
    if server.metrics.in_flight.get() > server.settings.limit_in_flight_requests as i64 {
        return unavailable("The server is serving as many requests as it takes. Try again later.");
    }
    if head_bytes(parts) > HEAD_BYTES {
        let words = format!(
            "The request's URL and headers are longer than {HEAD_BYTES} bytes. Send what is long in the body, with POST."
        );
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Some((Error::new(Code::InvalidParameterValue, words), Some(status)));
    }
    let coding = text(&parts.headers, header::CONTENT_ENCODING).filter(|coding| *coding != "identity")?;
    let words = format!("Content-Encoding {coding} is not understood; send the body as it is.");
    Some((Error::new(Code::MalformedInput, words), None))
}

fn unread(protocol: Protocol, why: Unread) -> Outcome {
    let (code, status, words) = match why {
        Unread::TooLong => (
            Code::InvalidParameterValue,
            Some(StatusCode::PAYLOAD_TOO_LARGE),
            format!("The request body is longer than {} bytes.", body::LONGEST),
        ),
        Unread::TooSlow => (
            Code::MalformedInput,
            Some(StatusCode::REQUEST_TIMEOUT),
            format!("The request body did not arrive within {} seconds.", body::READ_TIMEOUT.as_secs()),
        ),
        Unread::Broken => (Code::MalformedInput, None, "The request body could not be read.".to_owned()),
        Unread::NoRoom => (
            Code::ServiceUnavailable,
            None,
            "The server is reading as many bytes as it takes. Try again later.".to_owned(),
        ),
    };
    Outcome { status, ..Outcome::refusal(protocol, None, Error::new(code, words)) }
}

fn respond(encoded: Encoded, unseen: Option<Unseen>, status: Option<StatusCode>) -> Response<Reply> {
    let mut reply = Response::new(Reply::new(encoded.body, unseen));
    let own = StatusCode::from_u16(encoded.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *reply.status_mut() = status.unwrap_or(own);
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(encoded.content_type));
    for (name, value) in encoded.headers {
        // Codes and UUIDs are visible ASCII; a value that is not could only be left out.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if status.is_some() {
        // What is left of the body is not going to be read.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

fn head_of(parts: &Parts) -> Head<'_> {
    Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        content_type: text(&parts.headers, header::CONTENT_TYPE),
        target: text(&parts.headers, HeaderName::from_static("x-amz-target")),
        accept: text(&parts.headers, header::ACCEPT),
        trace_id: text(&parts.headers, HeaderName::from_static("x-amzn-trace-id")),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Queue URLs begin with the configured public URL, or with the host the client used.
fn url_base(server: &Server, parts: &Parts) -> UrlBase {
    if let Some(url) = &server.settings.public_url {
        return UrlBase::new(url);
    }
    let host = parts.uri.authority().map(|authority| authority.as_str());
    let host = host.or(text(&parts.headers, header::HOST)).filter(|host| is_host(host));
    match host {
        Some(host) => UrlBase::new(&format!("http://{host}")),
        None => UrlBase::new(&format!("http://{}", server.address)),
    }
}

/// Whether a Host header may stand in a URL we hand out.
fn is_host(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(allowed)
}

/// `X-Amz-Credential` of a presigned URL. Of its characters only `/` is ever escaped.
fn presigned_credential(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
    Some(value.replace("%2F", "/").replace("%2f", "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presigned_url_names_its_credential() {
        let query = "Action=ListQueues&X-Amz-Credential=AKID%2F20260101%2feu-west-1%2Fsqs%2Faws4_request&X=1";
        assert_eq!(presigned_credential(query).as_deref(), Some("AKID/20260101/eu-west-1/sqs/aws4_request"));
        assert_eq!(presigned_credential("Action=ListQueues"), None);
    }

    #[test]
    fn only_a_host_becomes_part_of_a_url() {
        for good in ["localhost:9324", "[::1]:9324", "sqs.eu-west-1.example.com", "my_host"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "x\"y", "<script>"] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
