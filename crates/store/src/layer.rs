//! What happened to messages between two flushes: those put and still there, and what is gone of those
//! flushed before.

use std::collections::{BTreeMap, BTreeSet, btree_set};
use std::iter::Peekable;
use std::sync::Arc;

use engine::rows::Cut;
use engine::{MessageKey, QueueId};

use crate::Known;
use crate::disk::Release;
use crate::rows::{first_of, last_of};
use crate::table::{Entry, Table};

/// What a deletion of a flushed message takes in memory, bytes, about.
pub const GONE_BYTES: usize = 48;

/// The cuts of one queue, as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Messages of rank 0 numbered below this are gone.
    pub arrived_below: u64,
    /// Messages of other ranks numbered below this are gone.
    pub delayed_below: u64,
    /// But these are not.
    pub spared: BTreeSet<MessageKey>,
}

impl Mark {
    /// Whether the message is gone.
    pub fn takes(&self, key: &MessageKey) -> bool {
        key.sequence < self.below(key.rank != 0) && !self.spared.contains(key)
    }

    /// The sequence below which messages are gone: of rank 0, or of the others.
    pub fn below(&self, delayed: bool) -> u64 {
        if delayed { self.delayed_below } else { self.arrived_below }
    }

    /// Whether it may take every message of one kind of rank up to the sequence `highest`.
    pub fn takes_all(&self, delayed: bool, highest: u64) -> bool {
        highest < self.below(delayed)
    }

    fn add(&mut self, cut: &Cut, spared: &[MessageKey]) {
        // What an earlier cut took stays gone.
        let spared: Vec<MessageKey> = spared.iter().filter(|key| !self.takes(key)).copied().collect();
        self.spared.retain(|key| !cut.takes(key));
        self.spared.extend(spared);
        self.arrived_below = self.arrived_below.max(cut.arrived_below.unwrap_or(0));
        self.delayed_below = self.delayed_below.max(cut.delayed_below.unwrap_or(0));
    }
}

/// Messages put since the last freeze, and deletions of older ones.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// Messages put and still there.
    pub table: Table,
    gone: BTreeSet<MessageKey>,
    /// None of `gone` lies behind this one: what is read of a backlog nearly always does.
    gone_to: Option<MessageKey>,
    marks: BTreeMap<QueueId, Mark>,
    /// There was a cut since `take_cut`.
    cut: bool,
}

impl Layer {
    /// Whether there was a cut since the last call.
    pub fn take_cut(&mut self) -> bool {
        std::mem::take(&mut self.cut)
    }

    /// What the next `take_cut` is to say.
    pub fn note_cut(&mut self, cut: bool) {
        self.cut = cut;
    }

    /// Memory it takes, bytes, about.
    pub fn bytes(&self) -> usize {
        self.table.bytes() + self.gone.len() * GONE_BYTES
    }

    /// Whether it says of an older message that it is gone.
    pub fn hides(&self, key: &MessageKey) -> bool {
        (Some(*key) <= self.gone_to && self.gone.contains(key)) || self.is_cut(key)
    }

    fn is_cut(&self, key: &MessageKey) -> bool {
        self.marks.get(&key.queue).is_some_and(|mark| mark.takes(key))
    }

    /// Answers `hides` for keys that rise from this one on: the deletions are walked through once.
    pub fn hidden_from(&self, from: MessageKey) -> Hidden<'_> {
        Hidden { gone: self.gone.range(from..).peekable(), layer: self }
    }

    /// Deletions of older messages, one by one, in key order.
    pub fn gone(&self) -> &BTreeSet<MessageKey> {
        &self.gone
    }

    /// Cuts of older messages.
    pub fn marks(&self) -> &BTreeMap<QueueId, Mark> {
        &self.marks
    }

    /// What it knows of a message.
    pub fn known(&self, key: &MessageKey) -> Known<'_> {
        match self.table.get(key) {
            Some(entry) => Known::Row(&entry.row),
            None if self.hides(key) => Known::Gone,
            None => Known::Nothing,
        }
    }

    /// Puts a message. A key is put once: sequences are never reused.
    pub fn put(&mut self, key: MessageKey, entry: Entry) {
        self.table.put(key, entry);
    }

    /// Deletes a message: here, or in what is older.
    pub fn delete(&mut self, key: MessageKey) {
        if !self.table.remove(&key) {
            self.gone.insert(key);
            self.gone_to = self.gone_to.max(Some(key));
        }
    }

    /// Cuts; `spared` are in key order.
    pub fn cut(&mut self, cut: &Cut, spared: &[MessageKey]) {
        self.table.cut(cut, spared);
        self.marks.entry(cut.queue).or_default().add(cut, spared);
        self.cut = true;
        self.forget_gone(cut.queue);
    }

    /// Every message of a queue is gone.
    pub fn drop_queue(&mut self, queue: QueueId) {
        self.table.drop_queue(queue);
        let mark = Mark { arrived_below: u64::MAX, delayed_below: u64::MAX, spared: BTreeSet::new() };
        self.marks.insert(queue, mark);
        self.cut = true;
        self.forget_gone(queue);
    }

    /// Single deletions that the queue's mark says as well.
    fn forget_gone(&mut self, queue: QueueId) {
        let Some(mark) = self.marks.get(&queue) else { return };
        let range = first_of(queue)..=last_of(queue);
        self.gone.extract_if(range, |key| mark.takes(key)).for_each(drop);
    }
}

/// Messages freed between two pauses: some tens of microseconds.
const FREED: usize = 64;

impl Release for Layer {
    fn release(self: Arc<Self>, pause: &mut dyn FnMut()) {
        let Some(layer) = Arc::into_inner(self) else { return };
        let (messages, lanes) = layer.table.into_rows();
        let mut pause_after = |freed: usize| {
            if freed % FREED == FREED - 1 {
                pause();
            }
        };
        messages.enumerate().for_each(|(freed, _)| pause_after(freed));
        lanes.enumerate().for_each(|(freed, _)| pause_after(freed));
        layer.gone.into_iter().enumerate().for_each(|(freed, _)| pause_after(freed));
    }
}

/// See [`Layer::hidden_from`].
#[derive(Debug)]
pub struct Hidden<'a> {
    gone: Peekable<btree_set::Range<'a, MessageKey>>,
    layer: &'a Layer,
}

impl Hidden<'_> {
    /// Whether the layer says of an older message, behind those asked about before, that it is gone.
    pub fn hides(&mut self, key: &MessageKey) -> bool {
        while self.gone.next_if(|gone| *gone < key).is_some() {}
        self.gone.peek() == Some(&key) || self.layer.is_cut(key)
    }
}

#[cfg(test)]
mod tests {
    use engine::Lane;
    use engine::rows::MessageRow;

    use super::*;

    fn key(sequence: u64) -> MessageKey {
        MessageKey { queue: QueueId(1), rank: 0, sequence }
    }

    #[test]
    fn a_message_and_its_deletion_annihilate() {
        let mut layer = Layer::default();
        let entry = Entry { lsn: 1, row: Default::default(), blob: Default::default() };
        layer.put(key(1), entry);
        layer.delete(key(1));
        assert_eq!(layer.bytes(), 0);
        assert!(!layer.hides(&key(1)));
        layer.delete(key(2));
        assert!(layer.hides(&key(2)) && !layer.hides(&key(1)));
    }

    #[test]
    fn memory_is_given_back_with_pauses_and_only_by_the_last_who_has_it() {
        let mut layer = Layer::default();
        for sequence in 0..3 * FREED as u64 {
            let row = MessageRow { lane: Lane(7), ..MessageRow::default() };
            layer.put(key(sequence), Entry { lsn: 1, row, blob: Default::default() });
            layer.delete(key(1_000_000 + sequence));
        }
        let mut pauses = [0, 0];
        let last = Arc::new(layer);
        last.clone().release(&mut || pauses[0] += 1);
        assert_eq!(last.gone().len(), 3 * FREED, "another share is only given up");
        last.release(&mut || pauses[1] += 1);
        assert_eq!(pauses, [0, 9]);
    }

    #[test]
    fn keys_that_rise_are_hidden_as_any_others() {
        let mut layer = Layer::default();
        let cut = Cut { queue: QueueId(1), arrived_below: Some(3), delayed_below: None };
        layer.cut(&cut, &[key(2)]);
        for sequence in [5, 6, 9] {
            layer.delete(key(sequence));
        }
        for from in 0..11 {
            let mut hidden = layer.hidden_from(key(from));
            for sequence in from..11 {
                assert_eq!(
                    hidden.hides(&key(sequence)),
                    layer.hides(&key(sequence)),
                    "{sequence} from {from}"
                );
            }
        }
    }

    #[test]
    fn a_later_cut_takes_what_an_earlier_one_spared() {
        let cut = |below| Cut { queue: QueueId(1), arrived_below: Some(below), delayed_below: None };
        let mut layer = Layer::default();
        layer.cut(&cut(5), &[key(2)]);
        assert!(layer.hides(&key(4)) && !layer.hides(&key(2)) && !layer.hides(&key(5)));
        layer.cut(&cut(1), &[]);
        assert!(!layer.hides(&key(2)));
        layer.cut(&cut(3), &[]);
        assert!(layer.hides(&key(2)) && layer.hides(&key(4)));
        layer.drop_queue(QueueId(1));
        assert!(layer.hides(&key(1 << 60)));
    }
}
