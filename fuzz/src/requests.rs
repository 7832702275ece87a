//! The two protocols' requests.

use engine::{Action, Request};
use wire::{Decoded, Head, PARAMETERS, Protocol, Refused, decode, encode_error};

use crate::dice::Dice;
use crate::{accepted, draw, speak, text_of};

/// What the decoders look for.
pub const WORDS: &[&str] = &[
    "null",
    "true",
    "[",
    "]",
    "{",
    "}",
    "{}",
    "[]",
    ":",
    ",",
    "\"",
    "\\u0000",
    "\\ud800",
    "1e3",
    "-0",
    "5.0",
    "9007199254740993",
    "QueueUrl",
    "Entries",
    "Id",
    "MessageBody",
    "DelaySeconds",
    "MessageAttributes",
    "DataType",
    "StringValue",
    "BinaryValue",
    "StringListValues",
    "BinaryListValues",
    "AttributeNames",
    "MessageSystemAttributeNames",
    "Attributes",
    "tags",
    "Tags",
    "&",
    "=",
    ".",
    "%",
    "%00",
    "%e2%98%83",
    "%ff",
    "+",
    ".1",
    ".2",
    ".10",
    ".4294967295",
    ".4294967296",
    "&Action=",
    "Action=SendMessage",
    "Attribute.1.Name=",
    "Attribute.Name=",
    "Attribute.Value=",
    "AttributeName=",
    "Tag.1.Key=",
    "MessageAttribute.1.Name=",
    "MessageAttribute.1.Value.DataType=",
    "MessageAttribute.1.Value.BinaryValue=",
    "SendMessageBatchRequestEntry.1.Id=",
    "DefaultVisibilityTimeout=",
    "AWSAccountId.1=",
    "ActionName.1=",
];

fn json_head(target: &str) -> Head<'_> {
    let content_type = Some("application/x-amz-json-1.0");
    Head { method: "POST", path: "/", target: Some(target), content_type, ..Head::default() }
}

fn query_head<'a>(method: &'a str, query: Option<&'a str>) -> Head<'a> {
    Head { method, path: "/", query, ..Head::default() }
}

/// A JSON request: the first byte is the action, the rest its body.
///
/// What is accepted says the same again in either protocol, and so does a request drawn with these bytes as the
/// seed; what is refused is a short, well-formed error of the client's.
pub fn json(data: &[u8]) {
    says_itself(&draw::request(&mut Dice::of(data)));
    let Some((action, body)) = data.split_first() else { return };
    let action = Action::ALL[usize::from(*action) % Action::ALL.len()];
    let target = format!("AmazonSQS.{}", action.row().name);
    match decode(&json_head(&target), body) {
        Ok(decoded) => {
            assert_eq!((decoded.action, decoded.protocol), (action, Protocol::Json));
            taken(&decoded);
        }
        Err(refused) => {
            assert_eq!(refused.action, Some(action));
            is_answered(&refused);
        }
    }
}

/// A form. The first byte says how much of it is the query string, in 255ths.
pub fn query(data: &[u8]) {
    let Some((share, parameters)) = data.split_first() else { return };
    let decoded = decode(&query_head("POST", None), parameters);
    match &decoded {
        Ok(decoded) => taken(decoded),
        Err(refused) => is_answered(refused),
    }
    // A parameter means the same in the query string and in the body.
    let split = parameters.len() * usize::from(*share) / 255;
    let split = parameters[..split].iter().rposition(|byte| *byte == b'&').unwrap_or(parameters.len());
    let (url, body) = parameters.split_at(split);
    if let Ok(url) = std::str::from_utf8(url) {
        let method = if body.is_empty() { "GET" } else { "POST" };
        assert_eq!(decode(&query_head(method, Some(url)), body), decoded);
    }
}

fn taken(decoded: &Decoded) {
    accepted();
    assert_eq!(decoded.request.action(), decoded.action);
    says_itself(&decoded.request);
}

/// A request, written in either protocol, is read as the same.
fn says_itself(request: &Request) {
    let target = format!("AmazonSQS.{}", request.action().row().name);
    let json = decode(&json_head(&target), speak::body(request).as_bytes());
    assert_eq!(json.map(|decoded| decoded.request).as_ref(), Ok(request), "in JSON");
    let parameters = speak::parameters(request);
    if parameters.len() <= PARAMETERS {
        let form = speak::form(&parameters);
        let query = decode(&query_head("POST", None), form.as_bytes());
        assert_eq!(query.map(|decoded| decoded.request).as_ref(), Ok(request), "as a form");
    }
}

/// A refusal is a client's error, short, and well-formed in every protocol.
fn is_answered(refused: &Refused) {
    let row = refused.error.code.row();
    assert!((400..500).contains(&row.status), "{}", refused.error);
    assert!(refused.error.message.len() < 1_000, "{}", refused.error);
    for protocol in [Protocol::Json, Protocol::QueryAsJson] {
        let encoded = encode_error(protocol, &refused.error, "id");
        let read: Result<serde_json::Value, _> = serde_json::from_slice(&encoded.body);
        assert!(read.is_ok_and(|value| value.is_object()), "{}", text_of(&encoded.body));
        assert_eq!(encoded.status, row.status);
    }
    let encoded = encode_error(Protocol::Query, &refused.error, "id");
    is_xml(&text_of(&encoded.body)).unwrap_or_else(|why| panic!("{why}: {}", text_of(&encoded.body)));
}

/// Whether this is one element, by the rules of XML 1.0 that a reply can break.
fn is_xml(text: &str) -> Result<(), &'static str> {
    let is_char = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if !text.chars().all(is_char) {
        return Err("a character that XML does not allow");
    }
    let mut open = Vec::new();
    let mut rest = text.strip_prefix("<?xml version=\"1.0\"?>").unwrap_or(text).trim_start();
    while let Some(at) = rest.find(['<', '&']) {
        let end = rest[at..].find(if rest[at..].starts_with('<') { '>' } else { ';' }).ok_or("no end")?;
        let inside = &rest[at + 1..at + end];
        match inside.strip_prefix('/') {
            Some(name) if open.pop() != Some(name) => return Err("an element that was not open"),
            Some(_) => {}
            None if rest[at..].starts_with('&') => {
                let known =
                    matches!(inside, "amp" | "lt" | "gt" | "quot" | "apos") || inside.starts_with('#');
                known.then_some(()).ok_or("an unknown entity")?;
            }
            None if inside.ends_with('/') => {}
            None => open.extend(inside.split(' ').next()),
        }
        rest = &rest[at + end + 1..];
    }
    if open.is_empty() { Ok(()) } else { Err("an element that is not closed") }
}

/// A valid request in JSON.
pub fn seed_json(dice: &mut Dice) -> Vec<u8> {
    let request = draw::request(dice);
    let mut data = vec![request.action() as u8];
    data.extend_from_slice(speak::body(&request).as_bytes());
    data
}

/// A valid request as a form, its parameters in any order.
pub fn seed_query(dice: &mut Dice) -> Vec<u8> {
    let mut parameters = speak::parameters(&draw::request(dice));
    let turn = dice.below(parameters.len());
    parameters.rotate_left(turn);
    let mut data = vec![dice.draw() as u8];
    data.extend_from_slice(speak::form(&parameters).as_bytes());
    data
}
