//! Sealing: between a message's content and the blob that engine and store carry.
//!
//! A blob says itself how it is read, since a move carries it between queues and a queue's encryption may be
//! turned on or off while it holds messages. Its last byte is below 128 for content as it is (then it is the
//! content's version, see [`crate::content`]) and 128 or above for the sealed forms to come.

use bytes::Bytes;
use engine::rows::QueueRow;
use engine::{Blob, Code, Error};

/// The last byte of every sealed form is at least this.
pub const SEALED: u8 = 128;

/// Seals and opens contents. The one door through which bodies reach anything that keeps them.
pub trait Sealer {
    /// Seals a content for a queue.
    fn seal(&self, queue: &QueueRow, plain: Vec<u8>) -> Result<Blob, Error>;
    /// Opens what `seal` made, for this queue or the one it was moved from.
    fn open(&self, queue: &QueueRow, blob: &Blob) -> Result<Bytes, Error>;
}

/// Keeps contents as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainSealer;

impl Sealer for PlainSealer {
    fn seal(&self, _queue: &QueueRow, plain: Vec<u8>) -> Result<Blob, Error> {
        assert!(plain.last().is_some_and(|last| *last < SEALED), "a content ends with its version");
        Ok(Blob::from(plain))
    }

    fn open(&self, _queue: &QueueRow, blob: &Blob) -> Result<Bytes, Error> {
        match blob.last() {
            Some(last) if *last < SEALED => Ok(blob.clone()),
            _ => Err(Error::new(
                Code::InternalFailure,
                "The message is sealed in a form this server cannot open.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_content_passes_and_sealed_forms_are_refused() {
        let queue = QueueRow::default();
        let blob = PlainSealer.seal(&queue, vec![3, 2, 1]).unwrap();
        assert_eq!(PlainSealer.open(&queue, &blob).unwrap(), &[3, 2, 1][..]);
        for strange in [&[][..], &[1, SEALED], &[255]] {
            let error = PlainSealer.open(&queue, &Blob::copy_from_slice(strange)).unwrap_err();
            assert_eq!(error.code, Code::InternalFailure);
        }
    }
}
