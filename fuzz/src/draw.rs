//! Requests, rows and records at random, for the encoders to write.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::request::{
    AttributeValue, DeleteEntry, Message, Pairs, ReceiveMessage, SendEntry, VisibilityEntry,
};
use engine::rows::{
    ArrivedKey, ArrivedRow, AttemptKey, AttemptRow, CatalogueRow, Cut, DedupKey, DedupRow, Head, Leaving,
    MessageRow, Origin, QueueRow, TaskKey, TaskRow, TaskStatus, Touched,
};
use engine::{Lane, MessageId, MessageKey, QueueId, QueueName, Record, Request, Row};
use store::codec::Logged;

use crate::dice::Dice;

fn url(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => dice.text(),
        1 => format!("/queue/{}", dice.word()),
        _ => format!("http://localhost:9324/000000000000/{}", dice.word()),
    }
}

fn pairs(dice: &mut Dice, least: usize) -> Pairs {
    (0..least + dice.below(4)).map(|_| (dice.text(), dice.text())).collect()
}

fn texts(dice: &mut Dice) -> Vec<String> {
    (0..1 + dice.below(11)).map(|_| dice.text()).collect()
}

fn integer(dice: &mut Dice) -> i64 {
    dice.number() as i64
}

fn attribute_value(dice: &mut Dice) -> AttributeValue {
    AttributeValue {
        data_type: if dice.one_in(3) {
            dice.text()
        } else {
            dice.pick(&["String", "Number.x", "Binary"]).into()
        },
        string_value: dice.maybe(Dice::text),
        binary_value: dice.maybe(|dice| dice.bytes(20).into()),
        has_list_values: dice.one_in(8),
    }
}

fn attribute_values(dice: &mut Dice) -> BTreeMap<String, AttributeValue> {
    dice.some(3, |dice| (dice.text(), attribute_value(dice))).into_iter().collect()
}

fn message(dice: &mut Dice) -> Message {
    Message {
        message_body: dice.text(),
        delay_seconds: dice.maybe(integer),
        message_attributes: attribute_values(dice),
        message_system_attributes: attribute_values(dice),
        message_deduplication_id: dice.maybe(Dice::text),
        message_group_id: dice.maybe(Dice::text),
    }
}

fn receive(dice: &mut Dice) -> ReceiveMessage {
    ReceiveMessage {
        queue_url: url(dice),
        message_system_attribute_names: dice.some(3, Dice::text),
        message_attribute_names: dice.some(3, Dice::text),
        max_number_of_messages: dice.maybe(integer),
        visibility_timeout: dice.maybe(integer),
        wait_time_seconds: dice.maybe(integer),
        receive_request_attempt_id: dice.maybe(Dice::text),
    }
}

/// A request of any action.
pub fn request(dice: &mut Dice) -> Request {
    use Request as R;
    match dice.below(23) {
        0 => R::AddPermission {
            queue_url: url(dice),
            label: dice.text(),
            aws_account_ids: texts(dice),
            actions: texts(dice),
        },
        1 => R::CancelMessageMoveTask { task_handle: dice.text() },
        2 => R::ChangeMessageVisibility {
            queue_url: url(dice),
            receipt_handle: dice.text(),
            visibility_timeout: integer(dice),
        },
        3 => {
            let entry = |dice: &mut Dice| VisibilityEntry {
                id: dice.text(),
                receipt_handle: dice.text(),
                visibility_timeout: dice.maybe(integer),
            };
            R::ChangeMessageVisibilityBatch { queue_url: url(dice), entries: dice.some(11, entry) }
        }
        4 => R::CreateQueue { queue_name: dice.text(), attributes: pairs(dice, 0), tags: pairs(dice, 0) },
        5 => R::DeleteMessage { queue_url: url(dice), receipt_handle: dice.text() },
        6 => {
            let entry = |dice: &mut Dice| DeleteEntry { id: dice.text(), receipt_handle: dice.text() };
            R::DeleteMessageBatch { queue_url: url(dice), entries: dice.some(11, entry) }
        }
        7 => R::DeleteQueue { queue_url: url(dice) },
        8 => R::GetQueueAttributes { queue_url: url(dice), attribute_names: dice.some(4, Dice::text) },
        9 => R::SendMessage { queue_url: url(dice), message: message(dice) },
        10 => {
            let entry = |dice: &mut Dice| SendEntry { id: dice.text(), message: message(dice) };
            R::SendMessageBatch { queue_url: url(dice), entries: dice.some(11, entry) }
        }
        11 => R::ReceiveMessage(receive(dice)),
        other => other_request(dice, other),
    }
}

fn other_request(dice: &mut Dice, which: usize) -> Request {
    use Request as R;
    match which {
        12 => R::GetQueueUrl { queue_name: dice.text(), queue_owner_aws_account_id: dice.maybe(Dice::text) },
        13 => R::ListDeadLetterSourceQueues {
            queue_url: url(dice),
            next_token: dice.maybe(Dice::text),
            max_results: dice.maybe(integer),
        },
        14 => R::ListMessageMoveTasks { source_arn: dice.text(), max_results: dice.maybe(integer) },
        15 => R::ListQueueTags { queue_url: url(dice) },
        16 => R::ListQueues {
            queue_name_prefix: dice.maybe(Dice::text),
            next_token: dice.maybe(Dice::text),
            max_results: dice.maybe(integer),
        },
        17 => R::PurgeQueue { queue_url: url(dice) },
        18 => R::RemovePermission { queue_url: url(dice), label: dice.text() },
        19 => R::SetQueueAttributes { queue_url: url(dice), attributes: pairs(dice, 1) },
        20 => R::StartMessageMoveTask {
            source_arn: dice.text(),
            destination_arn: dice.maybe(Dice::text),
            max_number_of_messages_per_second: dice.maybe(integer),
        },
        21 => R::TagQueue { queue_url: url(dice), tags: pairs(dice, 1) },
        _ => R::UntagQueue { queue_url: url(dice), tag_keys: texts(dice) },
    }
}

/// A message's key.
pub fn message_key(dice: &mut Dice) -> MessageKey {
    MessageKey { queue: QueueId(dice.number()), rank: dice.number(), sequence: dice.number() }
}

/// 128 bits.
pub fn wide(dice: &mut Dice) -> u128 {
    u128::from(dice.draw()) << 64 | u128::from(dice.draw())
}

fn origin(dice: &mut Dice) -> Origin {
    Origin { queue: QueueId(dice.number()), arn: dice.text() }
}

fn name(dice: &mut Dice) -> QueueName {
    QueueName { account: dice.word(), region: dice.word(), name: dice.text() }
}

/// A message's row.
pub fn message_row(dice: &mut Dice) -> MessageRow {
    let sent = dice.number();
    MessageRow {
        id: dice.maybe(|dice| MessageId(wide(dice))),
        lane: dice.maybe(|dice| Lane(wide(dice))).unwrap_or(Lane::NONE),
        origin: dice.maybe(origin),
        sent,
        retained_from: if dice.one_in(2) { sent } else { dice.number() },
        size: dice.small(),
        receive_count: dice.small(),
        first_received: dice.number(),
    }
}

fn queue_row(dice: &mut Dice) -> QueueRow {
    QueueRow {
        id: QueueId(dice.number()),
        name: name(dice),
        attributes: pairs(dice, 0),
        tags: pairs(dice, 0),
        version: dice.number(),
        created: dice.number(),
        modified: dice.number(),
    }
}

fn touched(dice: &mut Dice) -> Touched {
    let leaving = |dice: &mut Dice| Leaving { target: QueueId(dice.number()), renewed: dice.one_in(2) };
    Touched {
        receive_count: dice.small(),
        received_before: dice.small(),
        first_received: dice.number(),
        last_received: dice.number(),
        deadline: dice.number(),
        nonce: dice.draw(),
        lane: Lane(wide(dice)),
        retained_from: dice.number(),
        leaving: dice.maybe(leaving),
    }
}

fn task(dice: &mut Dice) -> TaskRow {
    use TaskStatus::{Cancelled, Cancelling, Completed, Failed, Running};
    TaskRow {
        destination: dice.maybe(origin),
        rate: dice.maybe(Dice::small),
        status: dice.pick(&[Running, Completed, Cancelling, Cancelled, Failed]),
        started: dice.number(),
        moved: dice.number(),
        to_move: dice.number(),
        until_sequence: dice.number(),
        failure: dice.maybe(Dice::text),
    }
}

/// A row of any kind.
pub fn row(dice: &mut Dice) -> Row {
    let queue = QueueId(dice.number());
    match dice.below(11) {
        0 => {
            let deleted = dice.maybe(Dice::number).map(CatalogueRow::Deleted);
            Row::Catalogue(name(dice), deleted.unwrap_or_else(|| CatalogueRow::Named(queue_row(dice))))
        }
        1 => Row::Queue(queue, queue_row(dice)),
        2 => {
            let (next_sequence, live, last_purge) = (dice.number(), dice.number(), dice.number());
            let free_from = dice.maybe(Dice::number).unwrap_or(0);
            Row::Head(queue, Head { next_sequence, live, has_moved: dice.one_in(2), last_purge, free_from })
        }
        3 => Row::Message(message_key(dice), message_row(dice), Bytes::from(dice.bytes(40))),
        4 => Row::Touched(message_key(dice), touched(dice)),
        5 => Row::Due(queue, dice.number(), dice.small()),
        6 => {
            // In the minute of its key, and of a number that a queue can reach: others are refused.
            let (sequence, sent) = (dice.number() >> 16, dice.number());
            let key = DedupKey { queue, minute: sent / 60_000, hash: wide(dice).into() };
            let id = dice.maybe(|dice| MessageId(wide(dice)));
            Row::Dedup(key, DedupRow { sequence, sent, id })
        }
        7 => {
            let messages = dice.some(10, |dice| (message_key(dice), dice.draw()));
            let row = AttemptRow { received: dice.number(), deadline: dice.number(), messages };
            Row::Attempt(AttemptKey { queue, hash: wide(dice) }, row)
        }
        8 => {
            let key = ArrivedKey { queue, source: message_key(dice) };
            Row::Arrived(key, ArrivedRow { key: message_key(dice) })
        }
        10 => Row::LastQueue(queue),
        _ => Row::Task(TaskKey { queue, number: dice.number() }, task(dice)),
    }
}

/// A record of any kind, as it is journalled.
pub fn record(dice: &mut Dice) -> Logged {
    let record = match dice.below(8) {
        0 => Record::Delete(row(dice).key()),
        1 => {
            let queue = QueueId(dice.number());
            let (arrived_below, delayed_below) = (dice.maybe(Dice::number), dice.maybe(Dice::number));
            let spared = dice.some(4, |dice| MessageKey { queue, ..message_key(dice) });
            return Logged { record: Record::Cut(Cut { queue, arrived_below, delayed_below }), spared };
        }
        2 => Record::Drop(QueueId(dice.number())),
        _ => Record::Put(row(dice)),
    };
    Logged { record, spared: Vec::new() }
}
