//! The two protocols of SQS, AWS JSON 1.0 and Query, to and from the engine's one [`Request`] and [`Reply`].
//!
//! Pure: bytes in, types out, and back. Everything but the letters is shared: both decoders fill the same
//! value tree from the one table of [`shapes`], one function turns the tree into a request, and one turns a
//! reply into a tree for all encoders. So the protocols agree almost by construction.
//!
//! ```text
//! body -> json | query -> Fields -> request::convert -> Request
//! Reply -> reply::convert -> Fields -> json | xml -> body
//! ```
//!
//! [`Reply`]: engine::Reply

mod base64;
mod encode;
mod json;
mod query;
mod reply;
mod request;
pub mod shapes;
mod value;
mod xml;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use engine::request::{AttributeValue, Message};
use engine::{Action, Code, Error, Request};

pub use crate::encode::{Encoded, UrlBase, encode, encode_error};
pub use crate::query::PARAMETERS;
use crate::query::Parameters;
use crate::value::{Fields, Value};

/// The most items of a list or map in a request, ours: far above every limit of SQS that has an error of its
/// own, and low enough that a small body cannot become a large request.
pub const LIST_ITEMS: usize = 1_000;

/// What the decoder needs of an HTTP request besides its body. Header values as sent, where sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// `POST`, `GET` and so on.
    pub method: &'a str,
    /// The path of the request's target, beginning with `/`.
    pub path: &'a str,
    /// What follows the `?`.
    pub query: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `X-Amz-Target`: `AmazonSQS.<action>`.
    pub target: Option<&'a str>,
    /// `Accept`.
    pub accept: Option<&'a str>,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: Option<&'a str>,
}

/// The protocol a client speaks, and so the one it is answered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// AWS JSON 1.0.
    Json,
    /// Form parameters, answered in XML.
    Query,
    /// Form parameters with `Accept: application/json`, answered in the JSON form of that XML.
    QueryAsJson,
}

impl Protocol {
    /// Known from the head alone, so that a request too broken to read is still answered in its protocol.
    /// JSON has `X-Amz-Target` or a content type of `application/x-amz-json-*`; all else is Query.
    pub fn of(head: &Head<'_>) -> Protocol {
        let json = |kind: &str| starts_with(kind.trim_start(), "application/x-amz-json-");
        if head.target.is_some() || head.content_type.is_some_and(json) {
            return Protocol::Json;
        }
        let asks = |kinds: &str| kinds.split(',').any(|kind| starts_with(kind.trim(), "application/json"));
        if head.accept.is_some_and(asks) { Protocol::QueryAsJson } else { Protocol::Query }
    }

    fn content_type(self) -> &'static str {
        match self {
            Protocol::Json => "application/x-amz-json-1.0",
            Protocol::Query => "text/xml",
            Protocol::QueryAsJson => "application/json",
        }
    }
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// A request that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// How to answer.
    pub protocol: Protocol,
    /// The action of `request`.
    pub action: Action,
    /// The request.
    pub request: Request,
}

/// A request that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How to answer.
    pub protocol: Protocol,
    /// The action, if that much was readable.
    pub action: Option<Action>,
    /// Why not.
    pub error: Error,
}

/// Reads a request of either protocol. A request without a `QueueUrl` that is sent to a queue's own path is
/// meant for that queue: its `queue_url` is then the path.
///
/// # Errors
/// - `InvalidAction`: an unknown action, none, or a method other than POST (or GET in the query protocol).
///   SQS has no row for a missing action of its own; its word for both is UnknownOperationException.
/// - `MalformedInput`: what is not of the protocol's or the action's form.
/// - `MissingParameter`: a required member is absent; the text names it.
pub fn decode(head: &Head<'_>, body: &[u8]) -> Result<Decoded, Refused> {
    let protocol = Protocol::of(head);
    let refuse = |action, error| Refused { protocol, action, error };
    let (action, fields) = match protocol {
        Protocol::Json => {
            let action = json_action(head).map_err(|error| refuse(None, error))?;
            (action, json::decode(&shapes::of(action).input, body))
        }
        Protocol::Query | Protocol::QueryAsJson => {
            let (action, parameters) = query_action(head, body).map_err(|error| refuse(None, error))?;
            (action, parameters.decode(&shapes::of(action).input))
        }
    };
    let request = fields.and_then(|fields| convert(head, action, fields));
    let request = request.map_err(|error| refuse(Some(action), error))?;
    Ok(Decoded { protocol, action, request })
}

fn json_action(head: &Head<'_>) -> Result<Action, Error> {
    method_is_one_of(head, &["POST"])?;
    let Some(target) = head.target else {
        return Err(Error::new(Code::InvalidAction, "The request has no X-Amz-Target header."));
    };
    target.strip_prefix("AmazonSQS.").and_then(Action::named).ok_or_else(|| unknown_action(target))
}

fn query_action<'a>(head: &Head<'a>, body: &'a [u8]) -> Result<(Action, Parameters<'a>), Error> {
    method_is_one_of(head, &["POST", "GET"])?;
    let parameters = Parameters::read(head.query.unwrap_or_default(), body)?;
    let action = match parameters.named("Action") {
        Some(name) => Action::named(name).ok_or_else(|| unknown_action(name))?,
        None => return Err(Error::new(Code::InvalidAction, "The request has no Action parameter.")),
    };
    Ok((action, parameters))
}

fn method_is_one_of(head: &Head<'_>, methods: &[&str]) -> Result<(), Error> {
    if methods.contains(&head.method) {
        return Ok(());
    }
    let text = format!("The method must be {} in this protocol.", methods.join(" or "));
    Err(Error::new(Code::InvalidAction, text))
}

fn unknown_action(name: &str) -> Error {
    let shown: String = name.chars().take(80).collect();
    Error::new(Code::InvalidAction, format!("The action {shown} is not valid for this endpoint."))
}

fn convert<'a>(head: &Head<'a>, action: Action, mut fields: Fields<'a>) -> Result<Request, Error> {
    let url = fields.shape.named("QueueUrl").filter(|_| head.path.len() > 1);
    if let Some(url) = url.filter(|url| fields.present.iter().all(|(at, _)| at != url)) {
        fields.set(url, Value::Text(Cow::Borrowed(head.path)));
    }
    let mut request = request::convert(action, &mut fields)?;
    if let Some(trace_id) = head.trace_id.filter(|id| !id.is_empty()) {
        trace(&mut request, trace_id);
    }
    Ok(request)
}

/// The header reaches the consumer as a system attribute, unless the sender set one
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>).
fn trace(request: &mut Request, trace_id: &str) {
    let add = |message: &mut Message| {
        let attributes = &mut message.message_system_attributes;
        attributes.entry("AWSTraceHeader".to_owned()).or_insert_with(|| AttributeValue {
            data_type: "String".to_owned(),
            string_value: Some(trace_id.to_owned()),
            ..AttributeValue::default()
        });
    };
    match request {
        Request::SendMessage { message, .. } => add(message),
        Request::SendMessageBatch { entries, .. } => entries.iter_mut().for_each(|e| add(&mut e.message)),
        _ => {}
    }
}
