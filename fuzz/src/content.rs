//! What a message's blob holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::message::Md5;
use engine::reply::{StoredValue, Value};
use engine::request::AttributeValue;
use node::content::{Content, Opened};

use crate::accepted;
use crate::dice::Dice;

fn sent(opened: &Opened) -> BTreeMap<String, AttributeValue> {
    let value = |value: &Value| match value {
        Value::String(text) => (Some(text.clone()), None),
        Value::Binary(bytes) => (None, Some(bytes.clone())),
    };
    let attributes = opened.attributes.iter().map(|(name, stored)| {
        let (string_value, binary_value) = value(&stored.value);
        let data_type = stored.data_type.clone();
        (name.clone(), AttributeValue { data_type, string_value, binary_value, has_list_values: false })
    });
    attributes.collect()
}

fn encode(opened: &Opened) -> Bytes {
    let content = Content {
        sender_id: &opened.sender_id,
        group: opened.group.as_deref(),
        deduplication_id: opened.deduplication_id.as_deref(),
        trace_header: opened.trace_header.as_deref(),
        attributes: &sent(opened),
        md5: opened.md5,
    };
    content.encode(opened.body.clone()).into()
}

/// A message's content.
pub fn content(data: &[u8]) {
    content_by(data, Opened::decode);
}

/// What is read is written and read as the same, and no other length of these bytes is read; so is content drawn
/// with these bytes as the seed.
pub fn content_by(data: &[u8], decode: impl Fn(&Bytes) -> Option<Opened>) {
    let drawn = draw(&mut Dice::of(data));
    assert_eq!(decode(&encode(&drawn)), Some(drawn));
    let data = Bytes::copy_from_slice(data);
    let Some(opened) = decode(&data) else { return };
    accepted();
    assert_eq!(decode(&encode(&opened)).as_ref(), Some(&opened));
    assert_eq!(decode(&data.slice(..data.len() - 1)), None, "cut short");
    assert_eq!(decode(&[&data[..], b"\0"].concat().into()), None, "with a byte more");
}

fn draw(dice: &mut Dice) -> Opened {
    let attribute = |dice: &mut Dice| {
        let bytes = dice.maybe(|dice| Value::Binary(dice.bytes(30).into()));
        let value = bytes.unwrap_or_else(|| Value::String(dice.text()));
        (dice.text(), StoredValue { data_type: dice.text(), value })
    };
    Opened {
        sender_id: dice.word(),
        group: dice.maybe(Dice::text),
        deduplication_id: dice.maybe(Dice::text),
        trace_header: dice.maybe(Dice::text),
        attributes: dice.some(10, attribute).into_iter().collect(),
        md5: Md5(crate::draw::wide(dice).to_le_bytes()),
        body: dice.text().repeat(1 + dice.below(20)),
    }
}

/// Some content.
pub fn seed(dice: &mut Dice) -> Vec<u8> {
    encode(&draw(dice)).to_vec()
}
