//! The digests SQS shows: MD5 so that a client can check what came over, SHA-256 for deduplication by content.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5 as Hasher};
use sha2::Sha256;

use super::Md5;
use super::lanes::{self, LANES};
use crate::reply::{StoredValue, Value};
use crate::request::AttributeValue;

/// A value's kind in the MD5 of attributes.
const TEXT: u8 = 1;
/// See [`TEXT`].
const BYTES: u8 = 2;

/// The MD5 of these bytes.
pub fn md5(bytes: &[u8]) -> Md5 {
    Md5(Hasher::digest(bytes).into())
}

/// As [`md5`] of each, in their order. Faster if there are several of like length.
pub fn md5_of_each(texts: &[&[u8]]) -> Vec<Md5> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|at| lanes::blocks(texts[*at]));
    let mut digests = vec![Md5([0; 16]); texts.len()];
    for some in order.chunks(LANES) {
        let side_by_side: Vec<&[u8]> = some.iter().map(|at| texts[*at]).collect();
        for (at, digest) in some.iter().zip(md5_of_some(&side_by_side)) {
            digests[*at] = digest;
        }
    }
    digests
}

/// In narrow registers the lanes take as long as four texts of the longest one's length, one by one, and in wide ones as
/// long as two: for those few in between one rule will do.
fn md5_of_some(texts: &[&[u8]]) -> Vec<Md5> {
    let all: usize = texts.iter().map(|text| lanes::blocks(text)).sum();
    let most = texts.iter().map(|text| lanes::blocks(text)).max().unwrap_or(0);
    match all > 4 * most {
        true => lanes::digests(texts).map(Md5).to_vec(),
        false => texts.iter().map(|text| md5(text)).collect(),
    }
}

/// The MD5 of message attributes, all of them or those a receive returns; none of none.
pub fn md5_of_attributes(attributes: &BTreeMap<String, StoredValue>) -> Option<Md5> {
    md5_of(attributes.iter().map(|(name, one)| {
        let value = match &one.value {
            Value::String(text) => (TEXT, text.as_bytes()),
            Value::Binary(bytes) => (BYTES, &bytes[..]),
        };
        (name.as_str(), one.data_type.as_str(), value)
    }))
}

/// The same of attributes that have passed the rules: each has text or bytes.
pub(super) fn md5_of_sent(attributes: &BTreeMap<String, AttributeValue>) -> Option<Md5> {
    md5_of(attributes.iter().map(|(name, one)| {
        let value = match &one.string_value {
            Some(text) => (TEXT, text.as_bytes()),
            None => (BYTES, one.binary_value.as_deref().unwrap_or_default()),
        };
        (name.as_str(), one.data_type.as_str(), value)
    }))
}

/// By name: name, type and value, each with its length in four bytes, and before the value its kind.
fn md5_of<'a>(attributes: impl Iterator<Item = (&'a str, &'a str, (u8, &'a [u8]))>) -> Option<Md5> {
    let mut hasher = Hasher::new();
    let mut any = false;
    let part = |hasher: &mut Hasher, bytes: &[u8]| {
        // Nothing over 1 MiB gets here.
        hasher.update((bytes.len() as u32).to_be_bytes());
        hasher.update(bytes);
    };
    for (name, data_type, (kind, value)) in attributes {
        any = true;
        part(&mut hasher, name.as_bytes());
        part(&mut hasher, data_type.as_bytes());
        hasher.update([kind]);
        part(&mut hasher, value);
    }
    any.then(|| Md5(hasher.finalize().into()))
}

/// The deduplication id a body has on a queue with content-based deduplication: its SHA-256 in hex.
pub fn content_hash(body: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(body.as_bytes());
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(HEX[usize::from(digit)])).collect()
}
