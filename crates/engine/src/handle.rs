//! Receipt handles: opaque, tamper-evident, and free of placement (they name a queue id and a message key).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::errors::{Code, Error};
use crate::ids::{MessageKey, Millis, Purpose, QueueId, Secret};
use crate::rows::TaskKey;

/// What a receipt handle says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    /// The message, and in it the queue.
    pub key: MessageKey,
    /// When it was received, ms.
    pub received: Millis,
    /// Unique to this receive.
    pub nonce: u64,
}

const VERSION: u8 = 1;
const BODY: usize = 1 + 5 * 8;
const WHOLE: usize = BODY + 16;
const TASK_BODY: usize = 1 + 2 * 8;
const TASK_WHOLE: usize = TASK_BODY + 16;

impl Handle {
    /// The handle as text, in the plain base64 alphabet: some clients split handles on `-`.
    pub fn encode(&self, secret: &Secret) -> String {
        let mut bytes = Vec::with_capacity(WHOLE);
        bytes.push(VERSION);
        for word in [self.key.queue.0, self.key.rank, self.key.sequence, self.received, self.nonce] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let mac = secret.hash(Purpose::Handle, &[&bytes]);
        bytes.extend_from_slice(&mac.to_le_bytes());
        STANDARD.encode(bytes)
    }

    /// Reads a handle given out by `encode`; anything else is `ReceiptHandleIsInvalid`.
    pub fn decode(secret: &Secret, text: &str) -> Result<Handle, Error> {
        Handle::read(secret, text)
            .ok_or_else(|| Error::new(Code::ReceiptHandleIsInvalid, "The input receipt handle is invalid."))
    }

    fn read(secret: &Secret, text: &str) -> Option<Handle> {
        let bytes = STANDARD.decode(text).ok().filter(|bytes| bytes.len() == WHOLE)?;
        let (body, mac) = bytes.split_at(BODY);
        let mac = u128::from_le_bytes(mac.try_into().ok()?);
        // One fixed-size compare of a 128-bit keyed hash; there is no early exit to time.
        if body[0] != VERSION || (mac ^ secret.hash(Purpose::Handle, &[body])) != 0 {
            return None;
        }
        let word = |i: usize| body[1 + 8 * i..][..8].try_into().map(u64::from_le_bytes).ok();
        let key = MessageKey { queue: QueueId(word(0)?), rank: word(1)?, sequence: word(2)? };
        Some(Handle { key, received: word(3)?, nonce: word(4)? })
    }
}

/// The handle of a message move task, as text.
pub fn encode_task(secret: &Secret, key: &TaskKey) -> String {
    let mut bytes = Vec::with_capacity(TASK_WHOLE);
    bytes.push(VERSION);
    bytes.extend_from_slice(&key.queue.0.to_le_bytes());
    bytes.extend_from_slice(&key.number.to_le_bytes());
    let mac = secret.hash(Purpose::Task, &[&bytes]);
    bytes.extend_from_slice(&mac.to_le_bytes());
    STANDARD.encode(bytes)
}

/// Reads a task handle given out by `encode_task`; anything else is `ResourceNotFoundException`.
pub fn decode_task(secret: &Secret, text: &str) -> Result<TaskKey, Error> {
    let read = || {
        let bytes = STANDARD.decode(text).ok().filter(|bytes| bytes.len() == TASK_WHOLE)?;
        let (body, mac) = bytes.split_at(TASK_BODY);
        let mac = u128::from_le_bytes(mac.try_into().ok()?);
        if body[0] != VERSION || (mac ^ secret.hash(Purpose::Task, &[body])) != 0 {
            return None;
        }
        let queue = u64::from_le_bytes(body[1..9].try_into().ok()?);
        let number = u64::from_le_bytes(body[9..17].try_into().ok()?);
        Some(TaskKey { queue: QueueId(queue), number })
    };
    read().ok_or_else(no_such_task)
}

/// There is no task of this handle.
pub fn no_such_task() -> Error {
    Error::new(Code::ResourceNotFound, "The task handle does not name a message movement task.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Secret = Secret([3; 16]);

    fn handle() -> Handle {
        let key = MessageKey { queue: QueueId(9), rank: 0, sequence: 12 };
        Handle { key, received: 1_700_000_000_000, nonce: 77 }
    }

    #[test]
    fn a_handle_is_read_back() {
        let text = handle().encode(&SECRET);
        assert!(text.len() <= 1_024 && !text.contains('-'));
        assert_eq!(Handle::decode(&SECRET, &text), Ok(handle()));
    }

    #[test]
    fn no_changed_character_passes() {
        let text = handle().encode(&SECRET);
        for i in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[i] = if bytes[i] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(Handle::decode(&SECRET, &changed).is_err(), "position {i}");
        }
        for nonsense in ["", "nonsense", "AAAA", &text[1..], &text[..text.len() - 4]] {
            assert!(Handle::decode(&SECRET, nonsense).is_err(), "{nonsense}");
        }
        assert!(Handle::decode(&Secret([4; 16]), &text).is_err());
    }
}
