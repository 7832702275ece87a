//! Blobs as text: the standard alphabet, written with padding and read with or without it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

/// How blobs are written and read.
pub const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes that this text stands for, if it is base64.
pub fn unbase64(text: &str) -> Option<Bytes> {
    BASE64.decode(text).ok().map(Bytes::from)
}
