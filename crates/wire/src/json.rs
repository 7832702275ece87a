//! AWS JSON 1.0: a request's body to a value tree, guided by its shape, and a value tree to a reply's body
//! (<https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html>).
//!
//! What the service model leaves open, decided here:
//! - a member that is `null` is absent; `null` as an item of a list or a map is refused;
//! - of two members with one name the later counts;
//! - a whole number may be written with a fraction or exponent of no effect (`5.0`), as JSON has one number
//!   type; text is never taken for a number, nor a number for text;
//! - unknown members are ignored, but must be well-formed JSON nested at most 128 deep;
//! - an empty body is an empty object.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use engine::{Code, Error};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::LIST_ITEMS;
use crate::base64::{BASE64, unbase64};
use crate::shapes::{Kind, Member, Structure};
use crate::value::{Fields, Value};

/// The members of a request.
///
/// # Errors
/// `MalformedInput` for whatever is not UTF-8, not JSON, not an object or not of the shape's kinds. The
/// text names member, line and column, never a value.
pub fn decode<'a>(shape: &'static Structure, body: &'a [u8]) -> Result<Fields<'a>, Error> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("The request body is not UTF-8."))?;
    if text.is_empty() {
        return Ok(Fields::of(shape));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let body = Member { name: "The request body", query: "", kind: Kind::Structure(shape), required: true };
    let value = Seed(&body).deserialize(&mut json);
    match value.and_then(|value| json.end().map(|()| value)) {
        Ok(Some(Value::Structure(fields))) => Ok(fields),
        Ok(_) => Err(malformed("The request body must be an object.")),
        Err(error) => Err(malformed(format!("The request body could not be read: {error}."))),
    }
}

pub(crate) fn malformed(text: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Code::MalformedInput, text)
}

/// Reads one value of a member; `null` reads as none.
struct Seed<'m>(&'m Member);

impl Seed<'_> {
    fn wrong<E: serde::de::Error>(&self) -> E {
        let kind = match self.0.kind {
            Kind::String => "a string",
            Kind::Integer | Kind::Long => "a whole number",
            Kind::Boolean => "a boolean",
            Kind::Blob => "a base64 string",
            Kind::Structure(_) | Kind::Map(_) => "an object",
            Kind::List(_) => "a list",
        };
        E::custom(format_args!("{} must be {kind}", self.0.name))
    }

    /// The same member's items.
    fn item(&self, kind: Kind) -> Member {
        Member { kind, ..*self.0 }
    }

    fn text<'de, E: serde::de::Error>(self, text: Cow<'de, str>) -> Result<Option<Value<'de>>, E> {
        match self.0.kind {
            Kind::String => Ok(Some(Value::Text(text))),
            Kind::Blob => unbase64(&text).map(|bytes| Some(Value::Blob(bytes))).ok_or_else(|| self.wrong()),
            _ => Err(self.wrong()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Option<Value<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Option<Value<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Self::Value, E> {
        match self.0.kind {
            Kind::Boolean => Ok(Some(Value::Boolean(value))),
            _ => Err(self.wrong()),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
        match self.0.kind {
            Kind::Integer | Kind::Long => Ok(Some(Value::Integer(value))),
            _ => Err(self.wrong()),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => Err(self.wrong()),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        // Beyond 2^53 a double no longer says which whole number was meant.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= EXACT {
            return self.visit_i64(value as i64);
        }
        Err(self.wrong())
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        self.text(Cow::Borrowed(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
        self.text(Cow::Owned(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let Kind::List(kind) = self.0.kind else { return Err(self.wrong()) };
        let item = self.item(*kind);
        let mut items = Vec::new();
        while let Some(value) = seq.next_element_seed(Seed(&item))? {
            let value = value.ok_or_else(|| A::Error::custom(format_args!("{} holds null", item.name)))?;
            bounded(items.len(), item.name)?;
            items.push(value);
        }
        Ok(Some(Value::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        match self.0.kind {
            Kind::Structure(shape) => structure(shape, map).map(|fields| Some(Value::Structure(fields))),
            Kind::Map(shape) => pairs(&self.item(shape.kind), map).map(|pairs| Some(Value::Map(pairs))),
            _ => Err(self.wrong()),
        }
    }
}

fn bounded<E: serde::de::Error>(items: usize, name: &str) -> Result<(), E> {
    if items < LIST_ITEMS {
        Ok(())
    } else {
        Err(E::custom(format_args!("{name} has over {LIST_ITEMS} items")))
    }
}

fn structure<'de, A: MapAccess<'de>>(shape: &'static Structure, mut map: A) -> Result<Fields<'de>, A::Error> {
    let mut fields = Fields::of(shape);
    while let Some(member) = map.next_key_seed(MemberOf(shape))? {
        match member {
            Some(at) => {
                if let Some(value) = map.next_value_seed(Seed(&shape.members[at]))? {
                    fields.set(at, value);
                }
            }
            None => map.next_value_seed(Skip)?,
        }
    }
    Ok(fields)
}

type Pairs<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

fn pairs<'de, A: MapAccess<'de>>(item: &Member, mut map: A) -> Result<Pairs<'de>, A::Error> {
    let string = Member { kind: Kind::String, ..*item };
    let mut pairs = Vec::new();
    while let Some(name) = map.next_key_seed(Seed(&string))? {
        let value = map.next_value_seed(Seed(item))?;
        let (Some(Value::Text(name)), Some(value)) = (name, value) else {
            return Err(A::Error::custom(format_args!("{} holds null", item.name)));
        };
        bounded(pairs.len(), item.name)?;
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Reads a member's name to its position, without copying it.
struct MemberOf(&'static Structure);

impl<'de> DeserializeSeed<'de> for MemberOf {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberOf {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.named(name))
    }
}

/// Reads past any value. Unlike serde's own, it counts the depth, so that nesting is bounded everywhere.
#[derive(Clone, Copy)]
struct Skip;

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Skip)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(Skip)?.is_some() {
            map.next_value_seed(Skip)?;
        }
        Ok(())
    }
}

/// Writes a structure as an object. Empty lists and maps are left out, as SQS leaves them out.
pub fn encode(fields: &Fields<'_>, out: &mut Vec<u8>) {
    let present = fields.present.iter().filter(|(_, value)| !is_empty(value));
    let members = present.map(|(at, value)| (fields.shape.members[*at].name, value));
    object(members, out, string, write);
}

fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::List(items) => items.is_empty(),
        Value::Map(pairs) => pairs.is_empty(),
        _ => false,
    }
}

fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Structure(fields) => encode(fields, out),
        Value::List(items) => array(items, out, write),
        Value::Map(pairs) => {
            object(
                pairs.iter().map(|(name, value)| (name, value)),
                out,
                |name, out| string(name, out),
                write,
            );
        }
        scalar => write_scalar(scalar, out),
    }
}

/// Writes a value without parts: text and bytes as strings.
pub(crate) fn write_scalar(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => string(text, out),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Blob(bytes) => {
            out.push(b'"');
            out.extend_from_slice(BASE64.encode(bytes).as_bytes());
            out.push(b'"');
        }
        Value::Structure(_) | Value::List(_) | Value::Map(_) => unreachable!("has parts"),
    }
}

/// Writes names with values between braces.
pub(crate) fn object<N, V>(
    members: impl Iterator<Item = (N, V)>,
    out: &mut Vec<u8>,
    name: impl Fn(N, &mut Vec<u8>),
    value: impl Fn(V, &mut Vec<u8>),
) {
    out.push(b'{');
    for (at, member) in members.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        name(member.0, out);
        out.push(b':');
        value(member.1, out);
    }
    out.push(b'}');
}

/// Writes items between brackets.
pub(crate) fn array<V>(
    items: impl IntoIterator<Item = V>,
    out: &mut Vec<u8>,
    value: impl Fn(V, &mut Vec<u8>),
) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        value(item, out);
    }
    out.push(b']');
}

/// Writes text in quotes, escaped.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    // Most text needs no escape, and a scan without an early end runs many bytes at a time.
    let plain = !text.bytes().fold(false, |found, byte| found | matches!(byte, b'"' | b'\\' | 0..0x20));
    if plain {
        for part in [b"\"", text.as_bytes(), b"\""] {
            out.extend_from_slice(part);
        }
    } else {
        serde_json::to_writer(out, text).expect("text written to memory");
    }
}
