//! A result to the bytes of an HTTP response.

use engine::{Error, QueueName, Reply};

use crate::{Protocol, json, reply, xml};

/// What every queue URL begins with: scheme, host and port as the client knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlBase(String);

impl UrlBase {
    /// From `http://host:port`, with or without a path; a slash at the end is dropped.
    pub fn new(base: &str) -> UrlBase {
        UrlBase(base.trim_end_matches('/').to_owned())
    }

    /// `base/account/name`. Neither part has a character that a URL must escape.
    pub fn queue_url(&self, queue: &QueueName) -> String {
        format!("{}/{}/{}", self.0, queue.account, queue.name)
    }
}

/// A response, for the server to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// HTTP status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// Other headers: lower-case names, and values of visible ASCII if the request id is.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty in JSON for an action without output.
    pub body: Vec<u8>,
}

/// The response that says `result`. `request_id` is a UUID.
pub fn encode(
    protocol: Protocol,
    result: &Result<Reply, Error>,
    request_id: &str,
    base: &UrlBase,
) -> Encoded {
    match result {
        Ok(reply) => encode_reply(protocol, reply, request_id, base),
        Err(error) => encode_error(protocol, error, request_id),
    }
}

fn encode_reply(protocol: Protocol, reply: &Reply, request_id: &str, base: &UrlBase) -> Encoded {
    let action = reply::action(reply).row().name;
    let fields = reply::convert(reply, base);
    let mut body = Vec::with_capacity(room(reply));
    match (protocol, &fields) {
        (Protocol::Json, Some(fields)) => json::encode(fields, &mut body),
        (Protocol::Json, None) => {}
        (Protocol::Query, fields) => xml::encode(action, fields.as_ref(), request_id, &mut body),
        (Protocol::QueryAsJson, fields) => {
            xml::encode_as_json(action, fields.as_ref(), request_id, &mut body);
        }
    }
    let headers = vec![("x-amzn-requestid", request_id.to_owned())];
    Encoded { status: 200, content_type: protocol.content_type(), headers, body }
}

/// A guess at the reply's length that spares a long one most of its growing.
fn room(reply: &Reply) -> usize {
    const ENVELOPE: usize = 512;
    match reply {
        Reply::ReceiveMessage { messages } => messages.iter().map(|m| m.body.len() + ENVELOPE).sum(),
        _ => ENVELOPE,
    }
}

/// The response that refuses, also where no action is known.
pub fn encode_error(protocol: Protocol, error: &Error, request_id: &str) -> Encoded {
    let row = error.code.row();
    let mut body = Vec::with_capacity(512);
    let mut headers = vec![("x-amzn-requestid", request_id.to_owned())];
    match protocol {
        Protocol::Json => {
            let kind = format!("{}#{}", row.namespace, row.name);
            let members = [("__type", kind.as_str()), ("message", &error.message)];
            json::object(members.into_iter(), &mut body, json::string, json::string);
            headers.push(("x-amzn-query-error", format!("{};{}", row.query, row.fault.as_str())));
        }
        Protocol::Query => xml::encode_error(error, request_id, &mut body),
        Protocol::QueryAsJson => xml::encode_error_as_json(error, request_id, &mut body),
    }
    Encoded { status: row.status, content_type: protocol.content_type(), headers, body }
}
