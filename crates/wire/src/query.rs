//! The query protocol: parameters of a query string and a form body to a value tree, guided by its shape
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests.html>).
//!
//! What the documentation leaves open, decided here:
//! - numbers only order the items of a list or map: gaps are tolerated, `.10` comes after `.9`;
//! - without a number a parameter belongs to item 0, so that `AttributeName=All` and
//!   `Attribute.Name=...&Attribute.Value=...` of old clients make one item;
//! - of two parameters with one name the later counts, and the body comes after the query string;
//! - a list or map set to nothing (`AttributeName=`, as botocore writes an empty one) is empty;
//! - a number that is not one is `MalformedInput`, as in JSON; so are broken UTF-8 and broken `%` escapes;
//! - a pair of a map without its name or value is `MissingParameter`;
//! - unknown parameters are ignored at any depth, but [`PARAMETERS`] is the most that are read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use engine::Error;

use crate::LIST_ITEMS;
use crate::base64::unbase64;
use crate::json::malformed;
use crate::shapes::{Kind, Map, Member, Structure};
use crate::value::{Fields, Value};

/// The most parameters of one request: a full batch with ten attributes on each message has 380.
pub const PARAMETERS: usize = 5_000;

/// A request's parameters in the order of the wire, decoded.
pub struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Parameters<'a> {
    /// Reads the query string, then the form body.
    ///
    /// # Errors
    /// `MalformedInput` for broken escapes, broken UTF-8 and too many parameters.
    pub fn read(query: &'a str, form: &'a [u8]) -> Result<Parameters<'a>, Error> {
        let mut read = Vec::new();
        let parts = [query.as_bytes(), form];
        for parameter in parts.iter().flat_map(|part| part.split(|byte| *byte == b'&')) {
            if parameter.is_empty() {
                continue;
            }
            if read.len() == PARAMETERS {
                return Err(malformed(format!("The request has over {PARAMETERS} parameters.")));
            }
            let equals = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
            let value = parameter.get(equals + 1..).unwrap_or_default();
            read.push((unescape(&parameter[..equals])?, unescape(value)?));
        }
        Ok(Parameters(read))
    }

    /// The value of a parameter by its full name.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    /// The members of a request.
    ///
    /// # Errors
    /// `MalformedInput` for a value that is not of its kind, `MissingParameter` for half a pair.
    pub fn decode(self, shape: &'static Structure) -> Result<Fields<'a>, Error> {
        let mut root = Node::Structure(shape, Vec::new());
        let mut default_visibility_timeout = None;
        for (name, value) in self.0 {
            if name == DEFAULT_VISIBILITY_TIMEOUT {
                default_visibility_timeout = Some(value);
            } else {
                root.put("", &name, value)?;
            }
        }
        let Some(Value::Structure(mut fields)) = root.finish("")? else {
            unreachable!("the root is a structure");
        };
        if let Some(value) = default_visibility_timeout.filter(|_| shape.name == "CreateQueueRequest") {
            prepend_visibility_timeout(&mut fields, value);
        }
        Ok(fields)
    }
}

/// An older spelling of one of CreateQueue's attributes.
const DEFAULT_VISIBILITY_TIMEOUT: &str = "DefaultVisibilityTimeout";

/// In front, so that an attribute of that name counts more.
fn prepend_visibility_timeout<'a>(fields: &mut Fields<'a>, value: Cow<'a, str>) {
    let mut pairs = match fields.take("Attributes") {
        Some(Value::Map(pairs)) => pairs,
        _ => Vec::new(),
    };
    pairs.insert(0, (Cow::Borrowed("VisibilityTimeout"), Value::Text(value)));
    *fields = std::mem::replace(fields, Fields::of(fields.shape)).with("Attributes", Value::Map(pairs));
}

fn unescape(escaped: &[u8]) -> Result<Cow<'_, str>, Error> {
    let not_utf8 = |_| malformed("A parameter is not UTF-8.");
    if !escaped.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return std::str::from_utf8(escaped).map(Cow::Borrowed).map_err(not_utf8);
    }
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let byte = hex_byte(rest).ok_or_else(|| malformed("A % escape is broken."))?;
                rest = &rest[2..];
                byte
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|error| not_utf8(error.utf8_error()))
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// A value that is still being put together.
enum Node<'a> {
    Leaf(Kind, Option<Value<'a>>),
    Structure(&'static Structure, Vec<(usize, Node<'a>)>),
    List(Kind, BTreeMap<u32, Node<'a>>),
    Map(&'static Map, BTreeMap<u32, Pair<'a>>),
}

#[derive(Default)]
struct Pair<'a> {
    name: Option<Cow<'a, str>>,
    value: Option<Node<'a>>,
}

impl<'a> Node<'a> {
    fn new(kind: Kind) -> Node<'a> {
        match kind {
            Kind::Structure(shape) => Node::Structure(shape, Vec::new()),
            Kind::List(kind) => Node::List(*kind, BTreeMap::new()),
            Kind::Map(map) => Node::Map(map, BTreeMap::new()),
            scalar => Node::Leaf(scalar, None),
        }
    }

    /// Puts a value where `path` leads from here; nowhere, if that is not in the shape. `member` is the
    /// name of the member this node belongs to. The depth is the shape's, whatever the path's.
    fn put(&mut self, member: &str, path: &str, value: Cow<'a, str>) -> Result<(), Error> {
        match self {
            Node::Leaf(kind, slot) if path.is_empty() => *slot = Some(scalar(*kind, member, value)?),
            Node::Leaf(..) => {}
            Node::Structure(shape, fields) => {
                let (head, rest) = split(path);
                if let Some(at) = shape.queried(head) {
                    let Member { query, kind, .. } = shape.members[at];
                    entry(fields, at, kind).put(query, rest, value)?;
                }
            }
            Node::List(..) | Node::Map(..) if path.is_empty() && value.is_empty() => {}
            Node::List(kind, items) => {
                if let Some((number, rest)) = numbered(path) {
                    items.entry(number).or_insert_with(|| Node::new(*kind)).put(member, rest, value)?;
                }
            }
            Node::Map(map, pairs) => {
                if let Some((number, rest)) = numbered(path) {
                    put_in_pair(pairs.entry(number).or_default(), map, member, rest, value)?;
                }
            }
        }
        Ok(())
    }

    fn finish(self, member: &str) -> Result<Option<Value<'a>>, Error> {
        Ok(match self {
            Node::Leaf(_, value) => value,
            Node::Structure(shape, nodes) => {
                let mut fields = Fields::of(shape);
                for (at, node) in nodes {
                    if let Some(value) = node.finish(shape.members[at].query)? {
                        fields.present.push((at, value));
                    }
                }
                Some(Value::Structure(fields))
            }
            Node::List(_, items) => {
                bounded(items.len(), member)?;
                let items = items.into_values().filter_map(|node| node.finish(member).transpose());
                Some(Value::List(items.collect::<Result<_, _>>()?))
            }
            Node::Map(map, pairs) => {
                bounded(pairs.len(), member)?;
                let pairs = pairs.into_iter().filter_map(|pair| finish_pair(pair, map, member).transpose());
                Some(Value::Map(pairs.collect::<Result<_, _>>()?))
            }
        })
    }
}

fn put_in_pair<'a>(
    pair: &mut Pair<'a>,
    map: &Map,
    member: &str,
    path: &str,
    value: Cow<'a, str>,
) -> Result<(), Error> {
    match split(path) {
        (head, "") if head == map.key => pair.name = Some(value),
        (head, rest) if head == map.value => {
            pair.value.get_or_insert_with(|| Node::new(map.kind)).put(member, rest, value)?;
        }
        _ => {}
    }
    Ok(())
}

type Named<'a> = (Cow<'a, str>, Value<'a>);

fn finish_pair<'a>(
    (number, pair): (u32, Pair<'a>),
    map: &Map,
    member: &str,
) -> Result<Option<Named<'a>>, Error> {
    let value = pair.value.map(|node| node.finish(member)).transpose()?.flatten();
    let missing = match (pair.name, value) {
        (Some(name), Some(value)) => return Ok(Some((name, value))),
        (None, None) => return Ok(None),
        (None, Some(_)) => map.key,
        (Some(_), None) => map.value,
    };
    Err(Error::missing_parameter(&format!("{member}.{number}.{missing}")))
}

fn bounded(items: usize, member: &str) -> Result<(), Error> {
    if items <= LIST_ITEMS {
        Ok(())
    } else {
        Err(malformed(format!("{member} has over {LIST_ITEMS} items.")))
    }
}

fn scalar<'a>(kind: Kind, member: &str, value: Cow<'a, str>) -> Result<Value<'a>, Error> {
    let value = match kind {
        Kind::String => return Ok(Value::Text(value)),
        Kind::Integer | Kind::Long => value.parse().ok().map(Value::Integer),
        Kind::Boolean => value.parse().ok().map(Value::Boolean),
        Kind::Blob => unbase64(&value).map(Value::Blob),
        Kind::Structure(_) | Kind::List(_) | Kind::Map(_) => unreachable!("has parts"),
    };
    let wanted = if matches!(kind, Kind::Blob) { "a base64 string" } else { "a whole number" };
    value.ok_or_else(|| malformed(format!("{member} must be {wanted}.")))
}

fn split(path: &str) -> (&str, &str) {
    path.split_once('.').unwrap_or((path, ""))
}

/// The item's number, and what of the path follows it. A number beyond 32 bits is no item's.
fn numbered(path: &str) -> Option<(u32, &str)> {
    let (number, rest) = split(path);
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((0, path));
    }
    number.parse().ok().map(|number| (number, rest))
}

fn entry<'n, 'a>(fields: &'n mut Vec<(usize, Node<'a>)>, member: usize, kind: Kind) -> &'n mut Node<'a> {
    let at = fields.iter().position(|(at, _)| *at == member).unwrap_or_else(|| {
        fields.push((member, Node::new(kind)));
        fields.len() - 1
    });
    &mut fields[at].1
}
