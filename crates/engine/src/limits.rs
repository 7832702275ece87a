//! Every number SQS publishes as a limit, and ours where SQS leaves one open.
//!
//! Source unless a line says otherwise:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-quotas.html>
//! and the reference page of the action.

use std::ops::RangeInclusive;

use crate::Millis;

/// Milliseconds in a second.
pub const SECOND: Millis = 1_000;
/// Milliseconds in a minute.
pub const MINUTE: Millis = 60 * SECOND;
/// Milliseconds in an hour.
pub const HOUR: Millis = 60 * MINUTE;

/// Characters of a queue name, `.fifo` included.
pub const QUEUE_NAME_LENGTH: RangeInclusive<usize> = 1..=80;
/// `VisibilityTimeout`, seconds.
pub const VISIBILITY_TIMEOUT: RangeInclusive<i64> = 0..=43_200;
/// `DelaySeconds`, seconds.
pub const DELAY_SECONDS: RangeInclusive<i64> = 0..=900;
/// `MaximumMessageSize`, bytes.
pub const MAXIMUM_MESSAGE_SIZE: RangeInclusive<i64> = 1_024..=1_048_576;
/// `MessageRetentionPeriod`, seconds.
pub const MESSAGE_RETENTION_PERIOD: RangeInclusive<i64> = 60..=1_209_600;
/// `ReceiveMessageWaitTimeSeconds` and `WaitTimeSeconds`, seconds.
pub const WAIT_TIME_SECONDS: RangeInclusive<i64> = 0..=20;
/// `KmsDataKeyReusePeriodSeconds`, seconds.
pub const KMS_DATA_KEY_REUSE_PERIOD: RangeInclusive<i64> = 60..=86_400;
/// `maxReceiveCount` of a redrive policy.
pub const MAX_RECEIVE_COUNT: RangeInclusive<i64> = 1..=1_000;
/// `sourceQueueArns` of a redrive allow policy with permission `byQueue`.
pub const REDRIVE_SOURCES: RangeInclusive<usize> = 1..=10;

/// Messages of one ReceiveMessage.
pub const MAX_NUMBER_OF_MESSAGES: RangeInclusive<i64> = 1..=10;
/// Entries of a batch request.
pub const BATCH_ENTRIES: usize = 10;
/// Characters of a batch entry's Id.
pub const BATCH_ENTRY_ID_LENGTH: RangeInclusive<usize> = 1..=80;
/// Bytes of all messages of one batch.
pub const BATCH_SIZE: usize = 1_048_576;
/// Message attributes of one message.
pub const MESSAGE_ATTRIBUTES: usize = 10;
/// Characters of a message attribute's name, and of its type.
pub const ATTRIBUTE_NAME_LENGTH: RangeInclusive<usize> = 1..=256;
/// Characters of MessageGroupId, MessageDeduplicationId and ReceiveRequestAttemptId.
pub const ID_LENGTH: RangeInclusive<usize> = 1..=128;
/// Digits of a Number attribute.
pub const NUMBER_DIGITS: usize = 38;

/// How long a deduplication id is remembered, counted from the first send.
pub const DEDUPLICATION_INTERVAL: Millis = 5 * MINUTE;
/// How long a ReceiveRequestAttemptId is remembered.
pub const ATTEMPT_INTERVAL: Millis = 5 * MINUTE;
/// How long a message may stay in flight, counted from its receive.
pub const VISIBILITY_TOTAL: Millis = 12 * HOUR;
/// A deleted queue's name rests this long; a purged queue takes no second purge this long.
pub const REST_AFTER_DELETE_OR_PURGE: Millis = MINUTE;

/// Messages in flight in one queue.
pub const IN_FLIGHT: usize = 120_000;
/// Messages with a receive count in one queue: twice [`IN_FLIGHT`], ours. Beyond it only returned
/// messages are offered, which bounds the memory that received messages take.
pub const TOUCHED: usize = 2 * IN_FLIGHT;
/// On standard queues a message received this often goes behind the others.
pub const BACK_OF_QUEUE: u32 = 3;
/// Messages of one FIFO group kept ready in memory, ours: one full receive.
pub const LANE_WINDOW: usize = 10;

/// Characters of a tag's key.
pub const TAG_KEY_LENGTH: RangeInclusive<usize> = 1..=128;
/// Characters of a tag's value.
pub const TAG_VALUE_LENGTH: RangeInclusive<usize> = 0..=256;
/// Tags of one queue.
pub const TAGS: usize = 50;
/// Bytes of a queue policy.
pub const POLICY_SIZE: usize = 8_192;
/// Statements of a queue policy.
pub const POLICY_STATEMENTS: usize = 20;
/// Principals of a policy statement.
pub const POLICY_PRINCIPALS: usize = 50;
/// Conditions of a policy.
pub const POLICY_CONDITIONS: usize = 10;
/// Actions of a policy statement.
pub const POLICY_ACTIONS: usize = 7;
/// Characters of a permission's label.
pub const LABEL_LENGTH: RangeInclusive<usize> = 1..=80;

/// Results of one page of ListQueues and ListDeadLetterSourceQueues.
pub const MAX_RESULTS: RangeInclusive<i64> = 1..=1_000;
/// Results of one ListMessageMoveTasks.
pub const MOVE_TASK_RESULTS: RangeInclusive<i64> = 1..=10;
/// `MaxNumberOfMessagesPerSecond` of a move task.
pub const MOVE_TASK_RATE: RangeInclusive<i64> = 1..=500;
/// Running move tasks of one account.
pub const MOVE_TASKS_PER_ACCOUNT: usize = 100;
/// The longest a move task runs.
pub const MOVE_TASK_DURATION: Millis = 36 * HOUR;

const _: () = assert!(TOUCHED >= IN_FLIGHT, "every message in flight has a receive count");
const _: () = assert!(LANE_WINDOW >= *MAX_NUMBER_OF_MESSAGES.end() as usize, "a group can fill one receive");
const _: () =
    assert!(BATCH_SIZE as i64 >= *MAXIMUM_MESSAGE_SIZE.end(), "a batch can carry the largest message");
