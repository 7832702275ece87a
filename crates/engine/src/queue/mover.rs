//! Messages on their way to another queue: dead letters and redrives.
//!
//! `leaving` (durable) -> message and `Arrived` in the target -> delete in the source -> forget `Arrived`. One
//! group of messages of one target is under way at a time and in key order, so they arrive in order. Nothing here
//! is journalled: after a start every leaving message begins again, and the target recognises it.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::LoadId;
use crate::ids::{MessageKey, QueueId};
use crate::rows::Leaving;

/// Messages under way at once.
const GROUP: usize = 16;

/// The leaving messages of one queue.
#[derive(Debug, Default)]
pub struct Mover {
    leaving: BTreeMap<MessageKey, Leaving>,
    /// Messages whose content could not be read: they stay where they are until the store is repaired.
    stuck: BTreeSet<MessageKey>,
    under_way: Option<UnderWay>,
}

/// The group that is under way.
#[derive(Debug)]
pub struct UnderWay {
    /// In key order.
    pub keys: Vec<MessageKey>,
    /// Where to.
    pub target: QueueId,
    /// The load of their contents, while it is out.
    pub load: Option<LoadId>,
}

impl Mover {
    /// The message is leaving, or not (any more).
    pub fn put(&mut self, key: MessageKey, leaving: Option<Leaving>) {
        match leaving {
            Some(leaving) => drop(self.leaving.insert(key, leaving)),
            None => {
                self.leaving.remove(&key);
                self.stuck.remove(&key);
            }
        }
        let under_way = self.under_way.as_ref();
        if under_way.is_some_and(|group| group.keys.iter().all(|key| !self.leaving.contains_key(key))) {
            self.under_way = None;
        }
    }

    /// The next group, if none is under way.
    pub fn next_group(&self) -> Option<(Vec<MessageKey>, QueueId)> {
        if self.under_way.is_some() {
            return None;
        }
        let mut waiting = self.leaving.iter().filter(|(key, _)| !self.stuck.contains(key)).peekable();
        let target = waiting.peek()?.1.target;
        let keys = waiting.take_while(|(_, leaving)| leaving.target == target).take(GROUP);
        Some((keys.map(|(key, _)| *key).collect(), target))
    }

    /// This group is under way; its contents are being loaded under this number, or at hand.
    pub fn start(&mut self, keys: Vec<MessageKey>, target: QueueId, load: Option<LoadId>) {
        self.under_way = Some(UnderWay { keys, target, load });
    }

    /// The group under way if this was its load.
    pub fn loaded(&mut self, load: LoadId) -> Option<&UnderWay> {
        let group = self.under_way.as_mut().filter(|group| group.load == Some(load))?;
        group.load = None;
        Some(group)
    }

    /// These contents could not be read. The rest of their group begins again.
    pub fn stick(&mut self, keys: impl IntoIterator<Item = MessageKey>) {
        self.stuck.extend(keys);
        self.under_way = None;
    }
}
