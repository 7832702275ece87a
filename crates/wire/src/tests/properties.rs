//! Random requests, made from the table of shapes: written as JSON and as a form they are one request; and no
//! bytes whatever make the decoder panic.

use std::borrow::Cow;

use bytes::Bytes;
use engine::Action;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{json_head, query_head};
use crate::shapes::{self, Kind, Structure};
use crate::value::{Fields, Value};
use crate::{Head, decode, json};

type Tree = Value<'static>;

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    let awkward =
        select(vec!["", "&", "a=b", "%41", "+", "\r\n", "\"\\", "\u{0}", "\u{2603}", "\u{1f600}", ".1"]);
    prop_oneof![
        awkward.prop_map(Cow::Borrowed),
        any::<String>().prop_map(Cow::Owned),
        "[a-zA-Z0-9_.-]{1,20}".prop_map(Cow::Owned),
    ]
}

fn value(kind: Kind) -> BoxedStrategy<Tree> {
    match kind {
        Kind::String => text().prop_map(Value::Text).boxed(),
        Kind::Integer | Kind::Long => any::<i64>().prop_map(Value::Integer).boxed(),
        Kind::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        Kind::Blob => any::<Vec<u8>>().prop_map(|bytes| Value::Blob(Bytes::from(bytes))).boxed(),
        Kind::Structure(shape) => fields(shape).prop_map(Value::Structure).boxed(),
        // The query protocol cannot say an empty list or map.
        Kind::List(kind) => prop::collection::vec(item(*kind), 1..13).prop_map(Value::List).boxed(),
        Kind::Map(map) => prop::collection::vec((text(), item(map.kind)), 1..13).prop_map(Value::Map).boxed(),
    }
}

/// As a value, but a structure has a member: the query protocol cannot say an empty one.
fn item(kind: Kind) -> BoxedStrategy<Tree> {
    let empty = |value: &Tree| matches!(value, Value::Structure(fields) if fields.present.is_empty());
    value(kind).prop_filter("an empty structure", move |value| !empty(value)).boxed()
}

fn fields(shape: &'static Structure) -> BoxedStrategy<Fields<'static>> {
    let members: Vec<_> = shape.members.iter().map(|member| prop::option::of(value(member.kind))).collect();
    let fields = move |values: Vec<Option<Tree>>| {
        let present = values.into_iter().enumerate().filter_map(|(at, value)| Some((at, value?))).collect();
        Fields { shape, present }
    };
    members.prop_map(fields).boxed()
}

fn a_request() -> impl Strategy<Value = (Action, Fields<'static>)> {
    select(Action::ALL)
        .prop_flat_map(|action| fields(&shapes::of(action).input).prop_map(move |f| (action, f)))
}

/// The form of a structure, by the guide's rules and not by the decoder's code.
fn form(prefix: &str, fields: &Fields<'_>, out: &mut Vec<(String, String)>) {
    for (at, value) in &fields.present {
        let member = &fields.shape.members[*at];
        let name = format!("{prefix}{}", member.query);
        match (member.kind, value) {
            (Kind::List(_), Value::List(items)) => {
                for (at, item) in items.iter().enumerate() {
                    parameter(format!("{name}.{}", at + 1), item, out);
                }
            }
            (Kind::Map(map), Value::Map(pairs)) => {
                for (at, (key, value)) in pairs.iter().enumerate() {
                    out.push((format!("{name}.{}.{}", at + 1, map.key), key.to_string()));
                    parameter(format!("{name}.{}.{}", at + 1, map.value), value, out);
                }
            }
            (_, value) => parameter(name, value, out),
        }
    }
}

fn parameter(name: String, value: &Value<'_>, out: &mut Vec<(String, String)>) {
    use ::base64::Engine as _;
    match value {
        Value::Text(text) => out.push((name, text.to_string())),
        Value::Integer(number) => out.push((name, number.to_string())),
        Value::Boolean(value) => out.push((name, value.to_string())),
        Value::Blob(bytes) => out.push((name, ::base64::prelude::BASE64_STANDARD.encode(bytes))),
        Value::Structure(fields) => form(&format!("{name}."), fields, out),
        Value::List(_) | Value::Map(_) => unreachable!("no list or map within one"),
    }
}

fn escape(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let escaped = |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escaped).collect()
}

fn body_of(action: Action, fields: &Fields<'_>, turn: &Index) -> String {
    let mut parameters = vec![("Action".to_owned(), action.row().name.to_owned())];
    form("", fields, &mut parameters);
    // Parameters may come in any order.
    let turn = turn.index(parameters.len());
    parameters.rotate_left(turn);
    let parameters = parameters.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    parameters.collect::<Vec<_>>().join("&")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn json_and_query_are_one_request((action, fields) in a_request(), turn: Index) {
        let mut body = Vec::new();
        json::encode(&fields, &mut body);
        let target = format!("AmazonSQS.{}", action.row().name);
        let from_json = decode(&json_head(&target), &body);
        let form = body_of(action, &fields, &turn);
        let from_query = decode(&query_head(), form.as_bytes());
        match (from_json, from_query) {
            (Ok(json), Ok(query)) => prop_assert_eq!(json.request, query.request),
            (Err(json), Err(query)) => prop_assert_eq!(json.error, query.error),
            (json, query) => prop_assert!(false, "{json:?} but {query:?}"),
        }
    }

    #[test]
    fn a_tree_survives_json((_, fields) in a_request()) {
        let mut body = Vec::new();
        json::encode(&fields, &mut body);
        prop_assert_eq!(json::decode(fields.shape, &body).unwrap(), fields);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(action in select(Action::ALL), bytes: Vec<u8>, path: String) {
        let target = format!("AmazonSQS.{}", action.row().name);
        let _ = decode(&Head { path: &path, ..json_head(&target) }, &bytes);
        let mut form = format!("Action={}&", action.row().name).into_bytes();
        form.extend(bytes);
        let _ = decode(&Head { path: &path, query: Some(&path), ..query_head() }, &form);
    }

    #[test]
    fn a_damaged_request_does_not_make_the_decoder_panic(
        (action, fields) in a_request(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        turn: Index,
    ) {
        let damaged = |mut bytes: Vec<u8>| {
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes
        };
        let mut body = Vec::new();
        json::encode(&fields, &mut body);
        let target = format!("AmazonSQS.{}", action.row().name);
        let _ = decode(&json_head(&target), &damaged(body));
        let _ = decode(&query_head(), &damaged(body_of(action, &fields, &turn).into_bytes()));
    }
}
