//! Replies of the query protocol: XML, and the JSON that a client gets who asks for it with
//! `Accept: application/json`, as API Gateway does.
//!
//! AWS documents no form for that JSON; this is what its users show: the XML's envelope as objects, members
//! by their names in the service model (`messages` and `queueUrls` in lower case), absent and empty ones as
//! `null`, a map as a list of its pairs.

use base64::Engine as _;
use engine::Error;

use crate::base64::BASE64;
use crate::json;
use crate::shapes::{Kind, Map, Member};
use crate::value::{Fields, Value};

const HEAD: &str = "<?xml version=\"1.0\"?>";
const NAMESPACE: &str = "http://queue.amazonaws.com/doc/2012-11-05/";

/// A reply as an XML document. Without members there is no `<...Result>`.
pub fn encode(action: &str, fields: Option<&Fields<'_>>, request_id: &str, out: &mut Vec<u8>) {
    raw(HEAD, out);
    raw(&format!("<{action}Response xmlns=\"{NAMESPACE}\">"), out);
    if let Some(fields) = fields {
        element(&format!("{action}Result"), out, |out| members(fields, out));
    }
    element("ResponseMetadata", out, |out| text_element("RequestId", request_id, out));
    raw(&format!("</{action}Response>"), out);
}

/// An error as an XML document.
pub fn encode_error(error: &Error, request_id: &str, out: &mut Vec<u8>) {
    let row = error.code.row();
    raw(HEAD, out);
    raw(&format!("<ErrorResponse xmlns=\"{NAMESPACE}\">"), out);
    element("Error", out, |out| {
        text_element("Type", row.fault.as_str(), out);
        text_element("Code", row.query, out);
        text_element("Message", &error.message, out);
        raw("<Detail/>", out);
    });
    text_element("RequestId", request_id, out);
    raw("</ErrorResponse>", out);
}

fn members(fields: &Fields<'_>, out: &mut Vec<u8>) {
    for (at, value) in &fields.present {
        let Member { query, kind, .. } = fields.shape.members[*at];
        match (value, kind) {
            (Value::List(items), _) => {
                for item in items {
                    element(query, out, |out| content(item, out));
                }
            }
            (Value::Map(pairs), Kind::Map(map)) => {
                for (name, value) in pairs {
                    element(query, out, |out| pair(map, name, value, out));
                }
            }
            (value, _) => element(query, out, |out| content(value, out)),
        }
    }
}

fn pair(map: &Map, name: &str, value: &Value<'_>, out: &mut Vec<u8>) {
    text_element(map.key, name, out);
    element(map.value, out, |out| content(value, out));
}

fn content(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => escape(text, out),
        Value::Integer(number) => raw(&number.to_string(), out),
        Value::Boolean(value) => raw(if *value { "true" } else { "false" }, out),
        Value::Blob(bytes) => raw(&BASE64.encode(bytes), out),
        Value::Structure(fields) => members(fields, out),
        Value::List(_) | Value::Map(_) => unreachable!("no shape nests a list or map in one directly"),
    }
}

fn raw(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

fn element(name: &str, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    for part in ["<", name, ">"] {
        raw(part, out);
    }
    content(out);
    for part in ["</", name, ">"] {
        raw(part, out);
    }
}

fn text_element(name: &str, text: &str, out: &mut Vec<u8>) {
    element(name, out, |out| escape(text, out));
}

/// Writes text so that an XML parser gives back the same characters. A parser turns a bare CR into LF, which
/// would break the client's MD5. What XML 1.0 cannot hold at all (<https://www.w3.org/TR/xml/#charsets>), and
/// no message holds, becomes U+FFFD.
fn escape(text: &str, out: &mut Vec<u8>) {
    // A scan without an early end runs many bytes at a time. 0xEF begins U+FFFE and U+FFFF, among others.
    let suspect = |byte| matches!(byte, b'<' | b'>' | b'&' | b'"' | 0..0x20 | 0xef);
    if !text.bytes().fold(false, |found, byte| found | suspect(byte)) {
        return raw(text, out);
    }
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        let Some(escaped) = escaped(character) else { continue };
        raw(&text[plain..at], out);
        raw(escaped, out);
        plain = at + character.len_utf8();
    }
    raw(&text[plain..], out);
}

fn escaped(character: char) -> Option<&'static str> {
    match character {
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '"' => Some("&quot;"),
        '\r' => Some("&#xD;"),
        '\t' | '\n' => None,
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => Some("\u{fffd}"),
        _ => None,
    }
}

/// A reply as JSON in the XML's envelope.
pub fn encode_as_json(action: &str, fields: Option<&Fields<'_>>, request_id: &str, out: &mut Vec<u8>) {
    raw(&format!("{{\"{action}Response\":{{"), out);
    if let Some(fields) = fields {
        raw(&format!("\"{action}Result\":"), out);
        json_members(fields, out);
        raw(",", out);
    }
    raw("\"ResponseMetadata\":{\"RequestId\":", out);
    json::string(request_id, out);
    raw("}}}", out);
}

/// An error as JSON in the XML's envelope.
pub fn encode_error_as_json(error: &Error, request_id: &str, out: &mut Vec<u8>) {
    let row = error.code.row();
    let members = [("Code", row.query), ("Message", &*error.message), ("Type", row.fault.as_str())];
    raw("{\"Error\":", out);
    json::object(members.into_iter(), out, json::string, json::string);
    raw(",\"RequestId\":", out);
    json::string(request_id, out);
    raw("}", out);
}

fn json_members(fields: &Fields<'_>, out: &mut Vec<u8>) {
    let members = fields.shape.members.iter().enumerate().map(|(at, member)| {
        let value = fields.present.iter().find(|(other, _)| *other == at).map(|(_, value)| value);
        (json_name(member.name), (member.kind, value))
    });
    json::object(members, out, json::string, |(kind, value), out| match (kind, value) {
        (Kind::Map(map), Some(Value::Map(pairs))) if !pairs.is_empty() => {
            json::array(pairs, out, |(name, value), out| json_pair(map, name, value, out));
        }
        (Kind::List(_), Some(Value::List(items))) if !items.is_empty() => {
            json::array(items, out, json_content);
        }
        (Kind::Map(_) | Kind::List(_), _) | (_, None) => raw("null", out),
        (_, Some(value)) => json_content(value, out),
    });
}

fn json_name(name: &'static str) -> &'static str {
    match name {
        "Messages" => "messages",
        "QueueUrls" => "queueUrls",
        name => name,
    }
}

fn json_pair(map: &Map, name: &str, value: &Value<'_>, out: &mut Vec<u8>) {
    raw(&format!("{{\"{}\":", map.key), out);
    json::string(name, out);
    raw(&format!(",\"{}\":", map.value), out);
    json_content(value, out);
    raw("}", out);
}

fn json_content(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Structure(fields) => json_members(fields, out),
        scalar => json::write_scalar(scalar, out),
    }
}
