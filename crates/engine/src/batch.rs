//! The rules that the three batch actions share.
//!
//! An error of these fails the whole request; any other fails its entry. First to last: no entries, too many,
//! an Id that breaks the rules, an Id that comes twice; of a SendMessageBatch then its length.

use std::collections::BTreeSet;

use crate::errors::{Code, Error};
use crate::limits::{BATCH_ENTRIES, BATCH_ENTRY_ID_LENGTH, BATCH_SIZE};

/// Checks the Ids of a batch. `entry` is the name of the request's entries, such as
/// `SendMessageBatchRequestEntry`.
pub fn check_ids<'a>(entry: &str, ids: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let ids: Vec<&str> = ids.collect();
    if ids.is_empty() {
        let text = format!("There should be at least one {entry} in the request.");
        return Err(Error::new(Code::EmptyBatchRequest, text));
    }
    if ids.len() > BATCH_ENTRIES {
        let sent = ids.len();
        let text =
            format!("Maximum number of entries per request are {BATCH_ENTRIES}. You have sent {sent}.");
        return Err(Error::new(Code::TooManyEntriesInBatchRequest, text));
    }
    if !ids.iter().all(|id| is_id(id)) {
        let text = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                    It can be at most 80 letters long.";
        return Err(Error::new(Code::InvalidBatchEntryId, text));
    }
    let mut seen = BTreeSet::new();
    match ids.iter().find(|id| !seen.insert(**id)) {
        Some(twice) => Err(Error::new(Code::BatchEntryIdsNotDistinct, format!("Id {twice} repeated."))),
        None => Ok(()),
    }
}

/// Checks the bytes of all messages of a SendMessageBatch together.
pub fn check_size(total: usize) -> Result<(), Error> {
    if total <= BATCH_SIZE {
        return Ok(());
    }
    let text =
        format!("Batch requests cannot be longer than {BATCH_SIZE} bytes. You have sent {total} bytes.");
    Err(Error::new(Code::BatchRequestTooLong, text))
}

fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    BATCH_ENTRY_ID_LENGTH.contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(ids: &[&str]) -> Option<Code> {
        check_ids("SendMessageBatchRequestEntry", ids.iter().copied()).err().map(|error| error.code)
    }

    #[test]
    fn each_row_puts_one_more_error_right() {
        let many: Vec<&str> = vec!["not an id"; 11];
        let wrong = ["a b", "a", "a"];
        assert_eq!(code(&[]), Some(Code::EmptyBatchRequest));
        assert_eq!(code(&many), Some(Code::TooManyEntriesInBatchRequest));
        assert_eq!(code(&wrong), Some(Code::InvalidBatchEntryId));
        assert_eq!(code(&wrong[1..]), Some(Code::BatchEntryIdsNotDistinct));
        assert_eq!(code(&wrong[2..]), None);
    }

    #[test]
    fn an_id_has_1_to_80_plain_characters() {
        let long = "x".repeat(80);
        assert_eq!(code(&[&long, "A-z_9"]), None);
        assert_eq!(code(&[&(long + "x")]), Some(Code::InvalidBatchEntryId));
        for wrong in ["", "a.b", "\u{e9}"] {
            assert_eq!(code(&[wrong]), Some(Code::InvalidBatchEntryId), "{wrong:?}");
        }
    }

    #[test]
    fn the_texts_are_sqs_s_own() {
        let ids: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        let error = check_ids("X", ids.iter().map(String::as_str)).unwrap_err();
        assert_eq!(error.message, "Maximum number of entries per request are 10. You have sent 11.");
        let error = check_ids("X", ["a", "b", "a"].into_iter()).unwrap_err();
        assert_eq!(error.message, "Id a repeated.");
        let error = check_ids("DeleteMessageBatchRequestEntry", std::iter::empty()).unwrap_err();
        assert_eq!(
            error.message,
            "There should be at least one DeleteMessageBatchRequestEntry in the request."
        );
    }

    #[test]
    fn a_batch_has_a_mebibyte() {
        assert_eq!(check_size(1_048_576), Ok(()));
        let error = check_size(1_048_577).unwrap_err();
        assert_eq!(error.code, Code::BatchRequestTooLong);
        let text = "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.";
        assert_eq!(error.message, text);
    }
}
