//! Moving messages between queues, dead letters and redrives alike, whether or not the queues share a slot.
//!
//! `leaving` (durable, no longer offered) -> message and `Arrived` in the target -> delete in the source -> forget
//! `Arrived`. Each step may come twice; the message is never lost and never receivable from both.

use std::collections::BTreeMap;

use crate::actions::{send_message, start_message_move_task};
use crate::asks::Page;
use crate::command::{Decision, Internal, Moved};
use crate::counts::Count;
use crate::ids::{MessageKey, QueueId, Secret};
use crate::limits::MINUTE;
use crate::queue::Queue;
use crate::queue::window::Entry;
use crate::rows::{
    ArrivedKey, ArrivedRow, DedupKey, DedupRow, MessageRow, Origin, Record, Row, RowKey, Touched,
};
use crate::turn::{Turn, settled};

/// What arrives at `target` for these messages of `queue`, whose contents are in memory or in `page`; and the
/// messages whose content is nowhere.
pub fn pack(
    queue: &Queue,
    secret: &Secret,
    keys: &[MessageKey],
    page: Option<&Page>,
) -> (Vec<Moved>, Vec<MessageKey>) {
    let in_page = |key: &MessageKey| {
        let found = page?.rows.iter().find(|found| found.key == *key)?;
        Some(Entry { row: found.row.clone(), blob: found.blob.clone()? })
    };
    let (mut moved, mut missing) = (Vec::new(), Vec::new());
    for key in keys {
        let Some(touched) = queue.touched.get(key).filter(|row| row.leaving.is_some()) else { continue };
        match queue.window.body(key).cloned().or_else(|| in_page(key)) {
            Some(entry) => moved.push(pack_one(queue, secret, *key, *touched, entry)),
            None => missing.push(*key),
        }
    }
    (moved, missing)
}

fn pack_one(queue: &Queue, secret: &Secret, source: MessageKey, touched: Touched, entry: Entry) -> Moved {
    let renewed = touched.leaving.is_some_and(|leaving| leaving.renewed);
    let origin = Origin { queue: queue.id(), arn: queue.row.name.arn() };
    Moved {
        source,
        id: entry.row.id.unwrap_or_else(|| secret.message_id(source.queue, source.sequence)),
        row: entry.row,
        touched,
        origin: (!renewed).then_some(origin),
        blob: entry.blob,
        renewed,
    }
}

/// Messages move in. What has arrived before is recognised; a queue that is being removed takes in nothing new.
pub fn arrive(queue: &mut Queue, turn: &mut Turn, messages: &[Moved]) -> Decision {
    let (mut here, mut refused) = (Vec::new(), Vec::new());
    for moved in messages {
        let arrived = ArrivedKey { queue: queue.id(), source: moved.source };
        if queue.arrived.contains_key(&arrived) {
            turn.counts.add(Count::ArrivedAgain);
        } else if queue.removing {
            refused.push(moved.source);
            continue;
        } else {
            take_in(queue, turn, arrived, moved);
        }
        here.push(moved.source);
    }
    let source = messages.first().map_or(QueueId(0), |moved| moved.source.queue);
    let depart = Internal::Depart { source, target: queue.id(), keys: here };
    let withdraw = (!refused.is_empty()).then_some(Internal::Withdraw { source, keys: refused });
    settled(queue.last_lsn, [depart].into_iter().chain(withdraw).collect())
}

/// Sources delete what has arrived here and is remembered: asked for once more after a start, and before a removal.
pub fn departs(queue: &Queue) -> Vec<Internal> {
    let mut sources: BTreeMap<QueueId, Vec<MessageKey>> = BTreeMap::new();
    for arrived in queue.arrived.keys() {
        sources.entry(arrived.source.queue).or_default().push(arrived.source);
    }
    let target = queue.id();
    sources.into_iter().map(|(source, keys)| Internal::Depart { source, target, keys }).collect()
}

/// What comes before a removal: sources would find the queue gone and offer again what was received from it. The last
/// [`forget`] has the removal go on.
pub fn before_removal(queue: &mut Queue) -> Vec<Internal> {
    queue.removing = true;
    departs(queue)
}

fn take_in(queue: &mut Queue, turn: &mut Turn, arrived: ArrivedKey, moved: &Moved) {
    let key = MessageKey { queue: queue.id(), rank: 0, sequence: queue.head.next_sequence };
    let kept = MessageRow {
        id: Some(moved.id),
        lane: moved.row.lane,
        origin: moved.origin.clone(),
        sent: moved.row.sent,
        // Retention counts on from the first send on standard queues, and restarts on FIFO queues; so does the delay
        // of a FIFO queue, which is the queue's: its messages fall due in their order.
        retained_from: if queue.is_fifo() { turn.now } else { moved.touched.retained_from },
        size: moved.row.size,
        receive_count: moved.touched.receive_count,
        first_received: moved.touched.first_received,
    };
    let row = match moved.renewed {
        false => kept,
        true => MessageRow {
            id: None,
            origin: None,
            sent: turn.now,
            retained_from: turn.now,
            receive_count: 0,
            first_received: 0,
            ..kept
        },
    };
    turn.counts.add(if moved.renewed { Count::ArrivedByTask } else { Count::ArrivedAsDeadLetter });
    if queue.window.is_loading() {
        turn.counts.add(Count::ArrivedMeanwhile);
    }
    let (came, id) = (row.retained_from, row.id);
    turn.emit(queue, Record::Put(Row::Message(key, row, moved.blob.clone())));
    if let Some(record) = queue.enter_due(&key, came) {
        turn.emit(queue, record);
    }
    turn.emit(queue, Record::Put(Row::Arrived(arrived, ArrivedRow { key })));
    remember_id(queue, turn, moved, key, id);
}

/// On FIFO queues the deduplication id of a moved message is its message id.
fn remember_id(
    queue: &mut Queue,
    turn: &mut Turn,
    moved: &Moved,
    key: MessageKey,
    kept: Option<crate::MessageId>,
) {
    let Some(fifo) = queue.settings.fifo else { return };
    let id = kept.unwrap_or_else(|| turn.secret.message_id(key.queue, key.sequence));
    let hash = send_message::hash(&fifo, turn.secret, moved.row.lane, &id.to_string());
    let dedup = DedupKey { queue: queue.id(), minute: turn.now / MINUTE, hash };
    let row = DedupRow { sequence: key.sequence, sent: turn.now, id: kept };
    turn.emit(queue, Record::Put(Row::Dedup(dedup, row)));
}

/// These messages have arrived at `target`: they are deleted here, then forgotten there.
pub fn depart(queue: &mut Queue, turn: &mut Turn, target: QueueId, keys: &[MessageKey]) -> Decision {
    for key in keys.iter().filter(|key| is_leaving(queue, key)).copied().collect::<Vec<_>>() {
        turn.emit(queue, Record::Delete(RowKey::Message(key)));
        turn.counts.add(Count::Departed);
        if queue.window.is_loading() {
            turn.counts.add(Count::DepartedMeanwhile);
        }
    }
    start_message_move_task::go_on(queue, turn.now);
    settled(queue.last_lsn, vec![Internal::Forget { target, keys: keys.to_vec() }])
}

/// The target is gone: these messages stay and are offered again.
pub fn withdraw(queue: &mut Queue, turn: &mut Turn, keys: &[MessageKey]) -> Decision {
    for key in keys.iter().filter(|key| is_leaving(queue, key)).copied().collect::<Vec<_>>() {
        let Some(touched) = queue.touched.get(&key).copied() else { continue };
        let row = Touched { leaving: None, deadline: touched.deadline.min(turn.now), ..touched };
        turn.emit(queue, Record::Put(Row::Touched(key, row)));
        turn.counts.add(Count::Withdrawn);
    }
    start_message_move_task::go_on(queue, turn.now);
    settled(queue.last_lsn, Vec::new())
}

/// The source has deleted these: their arrival need not be remembered.
pub fn forget(queue: &mut Queue, turn: &mut Turn, keys: &[MessageKey]) -> Decision {
    for source in keys {
        let arrived = ArrivedKey { queue: queue.id(), source: *source };
        if queue.arrived.contains_key(&arrived) {
            turn.emit(queue, Record::Delete(RowKey::Arrived(arrived)));
            turn.counts.add(Count::Forgotten);
        }
    }
    let is_free = queue.removing && queue.arrived.is_empty();
    settled(queue.last_lsn, is_free.then_some(Internal::Remove(queue.id())).into_iter().collect())
}

fn is_leaving(queue: &Queue, key: &MessageKey) -> bool {
    queue.touched.get(key).is_some_and(|row| row.leaving.is_some())
}
