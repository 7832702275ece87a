//! What a message's blob holds once it is opened: everything of it that no decision needs.
//!
//! Persisted, so its form is for ever: a later form takes a new first byte, and this one stays readable.
//! Version 1, integers little-endian:
//!
//! ```text
//! u8   1
//! u8   which of the optional members follow: 1 group, 2 deduplication id, 4 trace header
//! 16   MD5 of the body
//! u32  length, sender id
//! u16  length, group                 (if present)
//! u16  length, deduplication id      (if present)
//! u32  length, trace header          (if present)
//! u8   number of message attributes, in name order, each:
//!        u16 length, name; u16 length, type; u8 1 text, 2 bytes; u32 length, value
//! u32  length, body; nothing follows
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::message::Md5;
use engine::reply::{StoredValue, Value};
use engine::request::AttributeValue;

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
    /// The body.
    pub body: &'a str,
}

impl Content<'_> {
    /// The content as bytes. Names, types and ids are at most 256 characters by the rules that were checked.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer(Vec::with_capacity(self.length()));
        let present = |member: Option<&str>, flag| if member.is_some() { flag } else { 0 };
        to.byte(VERSION);
        to.byte(
            present(self.group, GROUP)
                | present(self.deduplication_id, DEDUPLICATION_ID)
                | present(self.trace_header, TRACE_HEADER),
        );
        to.0.extend_from_slice(&self.md5.0);
        to.long(self.sender_id.as_bytes());
        self.group.iter().for_each(|group| to.short(group));
        self.deduplication_id.iter().for_each(|id| to.short(id));
        self.trace_header.iter().for_each(|header| to.long(header.as_bytes()));
        to.byte(u8::try_from(self.attributes.len()).expect("at most ten attributes"));
        for (name, value) in self.attributes {
            to.attribute(name, value);
        }
        to.long(self.body.as_bytes());
        debug_assert_eq!(to.0.len(), self.length(), "no byte too many is kept for as long as the message is");
        to.0
    }

    /// How many bytes it takes.
    fn length(&self) -> usize {
        let optional = |member: Option<&str>, length| member.map_or(0, |text| text.len() + length);
        let attributes = self.attributes.iter().map(|(name, value)| 9 + name.len() + size(value));
        27 + self.sender_id.len()
            + optional(self.group, 2)
            + optional(self.deduplication_id, 2)
            + optional(self.trace_header, 4)
            + attributes.sum::<usize>()
            + self.body.len()
    }
}

fn size(value: &AttributeValue) -> usize {
    let text = value.string_value.as_ref().map_or(0, String::len);
    value.data_type.len() + text + value.binary_value.as_ref().map_or(0, Bytes::len)
}

struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn short(&mut self, text: &str) {
        let length = u16::try_from(text.len()).expect("checked to be short");
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn long(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("checked to be at most 1 MiB");
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn attribute(&mut self, name: &str, value: &AttributeValue) {
        self.short(name);
        self.short(&value.data_type);
        match (&value.string_value, &value.binary_value) {
            (Some(text), _) => {
                self.byte(TEXT);
                self.long(text.as_bytes());
            }
            (None, bytes) => {
                self.byte(BINARY);
                self.long(bytes.as_deref().unwrap_or_default());
            }
        }
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
        let mut from = Reader { whole: bytes, at: 0 };
        (from.byte()? == VERSION).then_some(())?;
        let flags = from.byte()?;
        (flags & !(GROUP | DEDUPLICATION_ID | TRACE_HEADER) == 0).then_some(())?;
        let md5 = Md5(from.take(16)?.try_into().ok()?);
        let opened = Opened {
            md5,
            sender_id: from.long()?,
            group: if flags & GROUP == 0 { None } else { Some(from.short()?) },
            deduplication_id: if flags & DEDUPLICATION_ID == 0 { None } else { Some(from.short()?) },
            trace_header: if flags & TRACE_HEADER == 0 { None } else { Some(from.long()?) },
            attributes: from.attributes()?,
            body: from.long()?,
        };
        (from.at == bytes.len()).then_some(opened)
    }
}

struct Reader<'a> {
    whole: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.whole.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn short_length(&mut self) -> Option<usize> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes).map(usize::from)
    }

    fn long_length(&mut self) -> Option<usize> {
        let length = self.take(4)?.try_into().ok().map(u32::from_le_bytes)?;
        usize::try_from(length).ok()
    }

    fn short(&mut self) -> Option<String> {
        let length = self.short_length()?;
        self.text(length)
    }

    fn long(&mut self) -> Option<String> {
        let length = self.long_length()?;
        self.text(length)
    }

    fn text(&mut self, length: usize) -> Option<String> {
        std::str::from_utf8(self.take(length)?).ok().map(str::to_owned)
    }

    fn attributes(&mut self) -> Option<BTreeMap<String, StoredValue>> {
        let mut attributes = BTreeMap::new();
        for _ in 0..self.byte()? {
            let name = self.short()?;
            let data_type = self.short()?;
            let value = match self.byte()? {
                TEXT => Value::String(self.long()?),
                BINARY => Value::Binary(self.binary()?),
                _ => return None,
            };
            attributes.insert(name, StoredValue { data_type, value });
        }
        Some(attributes)
    }

    fn binary(&mut self) -> Option<Bytes> {
        let length = self.long_length()?;
        let start = self.at;
        self.take(length)?;
        Some(self.whole.slice(start..self.at))
    }
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
            body: "body \u{10ffff}\r\n",
        }
    }

    fn read(content: &Content<'_>) -> Opened {
        Opened::decode(&content.encode().into()).unwrap()
    }

    fn assert_same(content: &Content<'_>) {
        let opened = read(content);
        assert_eq!(opened.sender_id, content.sender_id);
        assert_eq!(opened.group.as_deref(), content.group);
        assert_eq!(opened.deduplication_id.as_deref(), content.deduplication_id);
        assert_eq!(opened.trace_header.as_deref(), content.trace_header);
        assert_eq!(opened.attributes, stored(content.attributes));
        assert_eq!(opened.md5, content.md5);
        assert_eq!(opened.body, content.body);
    }

    #[test]
    fn every_choice_of_members_is_read_back() {
        let (some, none) = (attributes(), BTreeMap::new());
        for choice in 0..16 {
            let mut content = full(if choice & 8 == 0 { &some } else { &none });
            content.group = content.group.filter(|_| choice & 1 == 0);
            content.deduplication_id = content.deduplication_id.filter(|_| choice & 2 == 0);
            content.trace_header = content.trace_header.filter(|_| choice & 4 == 0);
            assert_same(&content);
        }
    }

    #[test]
    fn the_largest_content_is_read_back() {
        let (body, header, attributes) = ("x".repeat(1 << 20), "t".repeat(70_000), attributes());
        assert_same(&Content { body: &body, trace_header: Some(&header), ..full(&attributes) });
    }

    #[test]
    fn nothing_shorter_or_longer_is_read() {
        let whole = full(&attributes()).encode();
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
        let whole = full(&attributes()).encode();
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
            body: "hi",
        };
        let mut golden = vec![1, 1];
        golden.extend_from_slice(&[0xab; 16]);
        golden.extend_from_slice(b"\x02\0\0\0me\x01\0g\x01\x01\0k\x06\0String\x01\x01\0\0\0v\x02\0\0\0hi");
        assert_eq!(content.encode(), golden);
        assert_same(&content);
    }
}
