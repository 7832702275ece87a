//! What a message's blob holds once it is opened: everything of it that no decision needs.
//!
//! The body comes first and stays where the request was read into, if there is room behind it for the rest. Persisted,
//! so its form is for ever: a later form takes a new last byte, and this one stays readable. Version 1; *bytes* is a length
//! of seven bits a byte, lowest first, then that many bytes:
//!
//! ```text
//! body
//! u8     which of the optional members follow: 1 group, 2 deduplication id, 4 trace header
//! 16     MD5 of the body
//! bytes  sender id
//! bytes  group                 (if present)
//! bytes  deduplication id      (if present)
//! bytes  trace header          (if present)
//! u8     number of message attributes, in name order, each:
//!          bytes name; bytes type; u8 1 text, 2 bytes; bytes value
//! u32    how many bytes are between the body and this number, lowest first
//! u8     1
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::message::Md5;
use engine::reply::{StoredValue, Value};
use engine::request::{AttributeValue, BODY_ROOM};
use store::codec::{Malformed, Reader, bytes_length, put_bytes};

const VERSION: u8 = 1;
const GROUP: u8 = 1;
const DEDUPLICATION_ID: u8 = 2;
const TRACE_HEADER: u8 = 4;
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// A message's content, as it is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// `SenderId`
    pub sender_id: &'a str,
    /// `MessageGroupId`
    pub group: Option<&'a str>,
    /// `MessageDeduplicationId`: the sent one, or the one made from the body.
    pub deduplication_id: Option<&'a str>,
    /// `AWSTraceHeader`
    pub trace_header: Option<&'a str>,
    /// Message attributes that have passed the rules: each has text or bytes.
    pub attributes: &'a BTreeMap<String, AttributeValue>,
    /// Of the body.
    pub md5: Md5,
}

impl Content<'_> {
    /// The content as bytes, written behind those of the body.
    pub fn encode(&self, body: String) -> Vec<u8> {
        let mut to = body.into_bytes();
        let (behind, whole) = (to.len(), to.len() + self.length());
        to.reserve_exact(whole - behind);
        let present = |member: Option<&str>, flag| if member.is_some() { flag } else { 0 };
        to.push(
            present(self.group, GROUP)
                | present(self.deduplication_id, DEDUPLICATION_ID)
                | present(self.trace_header, TRACE_HEADER),
        );
        to.extend_from_slice(&self.md5.0);
        put_bytes(&mut to, self.sender_id.as_bytes());
        for member in [self.group, self.deduplication_id, self.trace_header].into_iter().flatten() {
            put_bytes(&mut to, member.as_bytes());
        }
        to.push(u8::try_from(self.attributes.len()).expect("at most ten attributes"));
        for (name, value) in self.attributes {
            put_attribute(&mut to, name, value);
        }
        let length = u32::try_from(to.len() - behind).expect("a message is bounded");
        to.extend_from_slice(&length.to_le_bytes());
        to.push(VERSION);
        debug_assert_eq!(to.len(), whole, "the room that was reserved is what it takes");
        // What is too much would be kept for as long as the message is.
        if to.capacity() > whole + BODY_ROOM {
            to.shrink_to_fit();
        }
        to
    }

    /// How many bytes follow the body.
    fn length(&self) -> usize {
        let optional = |member: Option<&str>| member.map_or(0, |text| bytes_length(text.len()));
        let attributes = self.attributes.iter().map(|(name, value)| {
            let (_, bytes) = kind_and_bytes(value);
            1 + [name.len(), value.data_type.len(), bytes.len()].map(bytes_length).iter().sum::<usize>()
        });
        23 + bytes_length(self.sender_id.len())
            + optional(self.group)
            + optional(self.deduplication_id)
            + optional(self.trace_header)
            + attributes.sum::<usize>()
    }
}

fn put_attribute(to: &mut Vec<u8>, name: &str, value: &AttributeValue) {
    let (kind, bytes) = kind_and_bytes(value);
    put_bytes(to, name.as_bytes());
    put_bytes(to, value.data_type.as_bytes());
    to.push(kind);
    put_bytes(to, bytes);
}

fn kind_and_bytes(value: &AttributeValue) -> (u8, &[u8]) {
    match (&value.string_value, &value.binary_value) {
        (Some(text), _) => (TEXT, text.as_bytes()),
        (None, bytes) => (BINARY, bytes.as_deref().unwrap_or_default()),
    }
}

/// A message's content, as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `Content`")]
pub struct Opened {
    pub sender_id: String,
    pub group: Option<String>,
    pub deduplication_id: Option<String>,
    pub trace_header: Option<String>,
    pub attributes: BTreeMap<String, StoredValue>,
    pub md5: Md5,
    pub body: String,
}

impl Opened {
    /// Reads what `encode` wrote; `None` for anything else. Bytes of attributes share the input's memory.
    pub fn decode(bytes: &Bytes) -> Option<Opened> {
        let (rest, length) = bytes.strip_suffix(&[VERSION])?.split_last_chunk()?;
        let body = rest.len().checked_sub(u32::from_le_bytes(*length) as usize)?;
        let (body, behind) = rest.split_at(body);
        let body = String::from_utf8(body.to_vec()).ok()?;
        let mut from = Reader::new(behind);
        let opened = Opened::read(&mut from, bytes, body).ok()?;
        from.is_empty().then_some(opened)
    }

    fn read(from: &mut Reader, whole: &Bytes, body: String) -> Result<Opened, Malformed> {
        let flags = from.byte()?;
        if flags & !(GROUP | DEDUPLICATION_ID | TRACE_HEADER) != 0 {
            return Err(Malformed("content"));
        }
        let md5 = Md5(from.array()?);
        let sender_id = from.text()?;
        let mut optional = |flag| if flags & flag == 0 { Ok(None) } else { from.text().map(Some) };
        Ok(Opened {
            md5,
            sender_id,
            group: optional(GROUP)?,
            deduplication_id: optional(DEDUPLICATION_ID)?,
            trace_header: optional(TRACE_HEADER)?,
            attributes: attributes(from, whole)?,
            body,
        })
    }
}

fn attributes(from: &mut Reader, whole: &Bytes) -> Result<BTreeMap<String, StoredValue>, Malformed> {
    let mut attributes = BTreeMap::new();
    for _ in 0..from.byte()? {
        let (name, data_type) = (from.text()?, from.text()?);
        let value = match from.byte()? {
            TEXT => Value::String(from.text()?),
            BINARY => Value::Binary(whole.slice_ref(from.bytes()?)),
            _ => return Err(Malformed("message attribute")),
        };
        attributes.insert(name, StoredValue { data_type, value });
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: &str, text: &str) -> AttributeValue {
        AttributeValue {
            data_type: kind.into(),
            string_value: Some(text.into()),
            ..AttributeValue::default()
        }
    }

    fn attributes() -> BTreeMap<String, AttributeValue> {
        let bytes = Some(vec![0, 255].into());
        let binary = AttributeValue {
            data_type: "Binary.png".into(),
            binary_value: bytes,
            ..AttributeValue::default()
        };
        let attributes = [("a", text("String", "größe")), ("b", text("Number", "-1.50")), ("c", binary)];
        attributes.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn stored(attributes: &BTreeMap<String, AttributeValue>) -> BTreeMap<String, StoredValue> {
        let value = |value: &AttributeValue| match &value.string_value {
            Some(text) => Value::String(text.clone()),
            None => Value::Binary(value.binary_value.clone().unwrap()),
        };
        let one = |one: &AttributeValue| StoredValue { data_type: one.data_type.clone(), value: value(one) };
        attributes.iter().map(|(name, value)| (name.clone(), one(value))).collect()
    }

    fn full(attributes: &BTreeMap<String, AttributeValue>) -> Content<'_> {
        Content {
            sender_id: "AIDA",
            group: Some("g"),
            deduplication_id: Some("d-1"),
            trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793"),
            attributes,
            md5: Md5([9; 16]),
        }
    }

    const BODY: &str = "body \u{10ffff}\r\n";

    fn assert_same(content: &Content<'_>, body: &str) {
        let opened = Opened::decode(&content.encode(body.into()).into()).unwrap();
        assert_eq!(opened.sender_id, content.sender_id);
        assert_eq!(opened.group.as_deref(), content.group);
        assert_eq!(opened.deduplication_id.as_deref(), content.deduplication_id);
        assert_eq!(opened.trace_header.as_deref(), content.trace_header);
        assert_eq!(opened.attributes, stored(content.attributes));
        assert_eq!(opened.md5, content.md5);
        assert_eq!(opened.body, body);
    }

    #[test]
    fn every_choice_of_members_is_read_back() {
        let (some, none) = (attributes(), BTreeMap::new());
        for choice in 0..16 {
            let mut content = full(if choice & 8 == 0 { &some } else { &none });
            content.group = content.group.filter(|_| choice & 1 == 0);
            content.deduplication_id = content.deduplication_id.filter(|_| choice & 2 == 0);
            content.trace_header = content.trace_header.filter(|_| choice & 4 == 0);
            assert_same(&content, BODY);
            assert_same(&content, "");
        }
    }

    #[test]
    fn the_largest_content_is_read_back() {
        let (body, header, attributes) = ("x".repeat(1 << 20), "t".repeat(70_000), attributes());
        assert_same(&Content { trace_header: Some(&header), ..full(&attributes) }, &body);
    }

    #[test]
    fn nothing_shorter_or_longer_is_read() {
        let whole = full(&attributes()).encode(BODY.into());
        for length in 0..whole.len() {
            let cut = Bytes::copy_from_slice(&whole[..length]);
            assert_eq!(Opened::decode(&cut), None, "cut to {length}");
        }
        let mut longer = whole;
        longer.push(0);
        assert_eq!(Opened::decode(&longer.into()), None);
    }

    #[test]
    fn changed_bytes_never_panic() {
        let whole = full(&attributes()).encode(BODY.into());
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let _ = Opened::decode(&bytes.into());
            }
        }
    }

    /// Golden bytes: what an earlier release wrote is read for ever.
    #[test]
    fn version_1_is_these_bytes() {
        let one = [("k".to_owned(), text("String", "v"))];
        let content = Content {
            sender_id: "me",
            group: Some("g"),
            deduplication_id: None,
            trace_header: None,
            attributes: &one.into(),
            md5: Md5([0xab; 16]),
        };
        let mut golden = b"hi\x01".to_vec();
        golden.extend_from_slice(&[0xab; 16]);
        golden.extend_from_slice(b"\x02me\x01g\x01\x01k\x06String\x01\x01v\x23\x00\x00\x00\x01");
        assert_eq!(content.encode("hi".into()), golden);
        assert_same(&content, "hi");
    }

    #[test]
    fn a_body_stays_where_it_is_if_there_is_room_and_no_room_is_kept_for_long() {
        let none = BTreeMap::new();
        let plain = Content { group: None, deduplication_id: None, trace_header: None, ..full(&none) };
        let with_room = |room| {
            let mut body = String::with_capacity(1_000 + room);
            body.extend(std::iter::repeat_n('x', 1_000));
            body
        };
        let body = with_room(BODY_ROOM);
        let place = body.as_ptr();
        let content = plain.encode(body);
        assert_eq!(content.as_ptr(), place);
        let kept = plain.encode(with_room(5_000));
        assert!(kept.capacity() <= kept.len() + BODY_ROOM);
    }
}
