//! What a server that nobody asks anything still searches for.
//!
//! A search gets on by reading block after block, and an honest one is asked for once: a page that was answered is not
//! asked for again while nothing is new. So each ask takes the reads it can take, and one that is repeated takes none.

use std::collections::BTreeMap;

use engine::Ask;
use store::Token;

/// Blocks that a search for a range reads of a segment at most, about: its index, two leaves, contents.
pub const READS_PER_SEGMENT: u64 = 4;

/// Where is searched.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Segments.
    pub segments: u64,
    /// Messages in them, deleted ones included.
    pub messages: u64,
}

/// Searches since a client last asked for anything.
#[derive(Debug, Default)]
pub struct Searches {
    /// Those that are out.
    out: BTreeMap<Token, Ask>,
    answered: Vec<Ask>,
    /// Blocks that may be read for those that were not repeated, since steps are counted.
    reads: u64,
}

impl Searches {
    /// A search begins.
    pub fn begin(&mut self, token: Token, ask: Ask, extent: Extent) {
        if !self.answered.contains(&ask) {
            self.reads += reads(&ask, extent);
        }
        self.out.insert(token, ask);
    }

    /// It ends.
    pub fn end(&mut self, token: Token) {
        self.answered.extend(self.out.remove(&token));
    }

    /// Steps are counted from now on; if a client asked for something, every search is an honest one again.
    pub fn count_anew(&mut self, extent: Extent, news: bool) {
        if news {
            self.answered.clear();
        }
        let honest = self.out.values().filter(|ask| !self.answered.contains(ask));
        self.reads = honest.map(|ask| reads(ask, extent)).sum();
    }

    /// Blocks that honest searches may have read since steps are counted, if a small cache kept none of them.
    pub fn reads(&self) -> u64 {
        self.reads
    }
}

/// Blocks that a search may read: a message may be in every segment, and is looked for in its index and in a leaf, as is
/// each message of a lane, deleted ones too.
fn reads(ask: &Ask, extent: Extent) -> u64 {
    let Extent { segments, messages } = extent;
    match ask {
        Ask::Body(keys) => keys.len() as u64 * (2 * segments + 1),
        Ask::Exists(keys) => keys.len() as u64 * 2 * segments,
        Ask::Lane { from, to, .. } => {
            READS_PER_SEGMENT * segments + 2 * messages.min(to.saturating_sub(*from))
        }
        Ask::Run { .. } | Ask::Expired { .. } => READS_PER_SEGMENT * segments,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{MessageKey, QueueId};

    const TEN: Extent = Extent { segments: 10, messages: 100 };
    const TWENTY: Extent = Extent { segments: 20, messages: 100 };

    fn body(sequences: &[u64]) -> Ask {
        let key = |sequence: &u64| MessageKey { queue: QueueId(1), rank: 0, sequence: *sequence };
        Ask::Body(sequences.iter().map(key).collect())
    }

    #[test]
    fn what_is_asked_again_takes_nothing_until_a_client_asks() {
        let mut searches = Searches::default();
        for token in 1..5 {
            searches.begin(Token(token), body(&[7]), TEN);
            searches.end(Token(token));
            assert_eq!(searches.reads(), 21);
        }
        searches.count_anew(TEN, false);
        searches.begin(Token(5), body(&[7]), TEN);
        assert_eq!(searches.reads(), 0);
        searches.begin(Token(6), body(&[7, 8]), TEN);
        assert_eq!(searches.reads(), 42);
        searches.end(Token(5));
        searches.count_anew(TEN, false);
        assert_eq!(searches.reads(), 42, "it is still out");
        searches.count_anew(TWENTY, true);
        searches.begin(Token(7), body(&[7]), TWENTY);
        assert_eq!(searches.reads(), 82 + 41);
    }
}
