//! What was removed lately: a page names the batch it is true at, and is judged by what went after.

use std::collections::VecDeque;

use crate::ids::{Lsn, MessageKey};
use crate::rows::Cut;

/// Removals remembered; older pages are asked for again.
const REMEMBERED: usize = 256;

/// The latest removals of a queue.
#[derive(Debug, Default)]
pub struct Gone {
    removed: VecDeque<(Lsn, MessageKey)>,
    cuts: VecDeque<(Lsn, Cut)>,
    /// Removals in batches up to this one may be forgotten.
    forgotten: Lsn,
}

impl Gone {
    /// This message is gone.
    pub fn removed(&mut self, key: MessageKey, lsn: Lsn) {
        self.removed.push_back((lsn, key));
        if self.removed.len() > REMEMBERED {
            let (lsn, _) = self.removed.pop_front().unwrap_or_default();
            self.forgotten = self.forgotten.max(lsn);
        }
    }

    /// This range is gone.
    pub fn cut(&mut self, cut: Cut, lsn: Lsn) {
        self.cuts.push_back((lsn, cut));
        if self.cuts.len() > REMEMBERED {
            self.forgotten = self.forgotten.max(self.cuts.pop_front().map_or(0, |(lsn, _)| lsn));
        }
    }

    /// Whether the message is known to be gone. Keys are never reused, so this stays true.
    pub fn holds(&self, key: &MessageKey) -> bool {
        self.removed.iter().any(|(_, gone)| gone == key) || self.cuts.iter().any(|(_, cut)| cut.takes(key))
    }

    /// Whether the message went after `lsn`; `None` if that is not known any more.
    pub fn since(&self, lsn: Lsn, key: &MessageKey) -> Option<bool> {
        if lsn < self.forgotten {
            return None;
        }
        let removed = self.removed.iter().rev().take_while(|(at, _)| *at > lsn).any(|(_, gone)| gone == key);
        let cut = self.cuts.iter().rev().take_while(|(at, _)| *at > lsn).any(|(_, cut)| cut.takes(key));
        Some(removed || cut)
    }
}
