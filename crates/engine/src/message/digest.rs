//! The digests SQS shows: MD5 so that a client can check what came over, SHA-256 for deduplication by content.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5 as Hasher};
use sha2::Sha256;

use super::Md5;
use crate::reply::{StoredValue, Value};

/// The MD5 of these bytes.
pub fn md5(bytes: &[u8]) -> Md5 {
    Md5(Hasher::digest(bytes).into())
}

/// The MD5 of message attributes, all of them or those a receive returns; none of none. By name: name, type
/// and value, each with its length in four bytes, and before the value 1 for text or 2 for bytes.
pub fn md5_of_attributes(attributes: &BTreeMap<String, StoredValue>) -> Option<Md5> {
    if attributes.is_empty() {
        return None;
    }
    let mut hasher = Hasher::new();
    let mut part = |prefix: &[u8], bytes: &[u8]| {
        hasher.update(prefix);
        // Nothing over 1 MiB gets here.
        hasher.update((bytes.len() as u32).to_be_bytes());
        hasher.update(bytes);
    };
    for (name, value) in attributes {
        part(&[], name.as_bytes());
        part(&[], value.data_type.as_bytes());
        match &value.value {
            Value::String(text) => part(&[1], text.as_bytes()),
            Value::Binary(bytes) => part(&[2], bytes),
        }
    }
    Some(Md5(hasher.finalize().into()))
}

/// The deduplication id a body has on a queue with content-based deduplication: its SHA-256 in hex.
pub fn content_hash(body: &str) -> String {
    Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
