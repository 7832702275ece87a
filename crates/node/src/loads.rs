//! Loads that are out: those the slots wished for, and those a parked request needs before it is decided.

use std::collections::BTreeMap;

use engine::command::{Facts, LoadId, Wish};
use engine::rows::Cut;
use engine::{Ask, Count, Counts, Lsn, MessageKey, Page, Record, RowKey};
use store::{Store, Token};

use crate::held::Due;
use crate::job::{Job, internal_failure};
use crate::{Node, Output};

/// A request that waits for pages.
#[derive(Debug)]
pub(crate) struct Parked {
    job: Job,
    pages: Vec<Option<Page>>,
    missing: usize,
    damaged: bool,
}

/// Whom a load is for.
#[derive(Clone, Copy, Debug)]
enum For {
    Slot(usize, LoadId),
    Parked { number: u64, page: usize },
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    out: BTreeMap<Token, For>,
    parked: BTreeMap<u64, Parked>,
    last: u64,
    /// To be loaded once the running turn is appended: a load sees what is appended, not what is only decided.
    asks: Vec<(u64, usize, Ask)>,
    /// Parked requests, those included whose pages have come and that are not decided yet.
    undecided: usize,
    removed: Removed,
    counts: Counts,
}

/// What was removed while requests are parked, with when: their pages may be older.
#[derive(Debug, Default)]
struct Removed {
    keys: BTreeMap<MessageKey, Lsn>,
    cuts: Vec<(Lsn, Cut)>,
}

impl Removed {
    fn note(&mut self, lsn: Lsn, record: &Record) {
        match record {
            Record::Delete(RowKey::Message(key)) => {
                self.keys.insert(*key, lsn);
            }
            Record::Cut(cut) => self.cuts.push((lsn, *cut)),
            Record::Drop(queue) => {
                let all = Cut { queue: *queue, arrived_below: Some(u64::MAX), delayed_below: Some(u64::MAX) };
                self.cuts.push((lsn, all));
            }
            Record::Put(_) | Record::Delete(_) => {}
        }
    }

    /// How this message was removed after `since`, if it was.
    fn takes(&self, key: &MessageKey, since: Lsn) -> Option<Count> {
        if self.keys.get(key).is_some_and(|lsn| *lsn > since) {
            return Some(Count::FilteredFactDeleted);
        }
        let cut = self.cuts.iter().any(|(lsn, cut)| *lsn > since && cut.takes(key));
        cut.then_some(Count::FilteredFactCut)
    }
}

impl Loads {
    pub(crate) fn park(&mut self, job: Job, asks: Vec<Ask>) {
        self.last += 1;
        self.undecided += 1;
        for ask in &asks {
            self.counts.add(if matches!(ask, Ask::Exists(_)) { Count::NeedExists } else { Count::NeedBody });
        }
        let pages = asks.iter().map(|_| None).collect();
        let parked = Parked { job, pages, missing: asks.len(), damaged: false };
        self.parked.insert(self.last, parked);
        let number = self.last;
        self.asks.extend(asks.into_iter().enumerate().map(|(page, ask)| (number, page, ask)));
    }

    /// What was asked of the store, and what of the answers was left out.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Requests that wait for pages.
    pub(crate) fn parked(&self) -> usize {
        self.undecided
    }

    /// A record of the batch `lsn` was decided.
    pub(crate) fn note(&mut self, lsn: Lsn, record: &Record) {
        if self.undecided > 0 {
            self.removed.note(lsn, record);
        }
    }

    fn answer(&mut self, number: u64, page: usize, answer: Option<Page>) -> Option<Parked> {
        let parked = self.parked.get_mut(&number)?;
        parked.missing -= 1;
        parked.damaged |= answer.as_ref().is_none_or(|page| !page.damage.is_empty());
        parked.pages[page] = answer;
        let whole = parked.missing == 0;
        if whole { self.parked.remove(&number) } else { None }
    }

    /// The pages as facts: what was removed since they were true is taken out, so that two requests that
    /// asked about one message do not both find it.
    fn facts(&mut self, pages: Vec<Option<Page>>) -> Facts {
        let mut pages: Vec<Page> = pages.into_iter().flatten().collect();
        for page in &mut pages {
            let since = page.lsn;
            page.rows.retain(|found| {
                let removed = self.removed.takes(&found.key, since);
                removed.into_iter().for_each(|how| self.counts.add(how));
                removed.is_none()
            });
        }
        Facts { pages }
    }

    fn decided_one(&mut self) {
        self.undecided -= 1;
        if self.undecided == 0 {
            self.removed = Removed::default();
        }
    }
}

impl<S: Store> Node<S> {
    /// Begins the loads and deliveries that are wished for; after the turn's append. Whether there were any.
    pub(crate) fn fulfil(&mut self) -> bool {
        let mut any = !self.loads.asks.is_empty();
        for (number, page, ask) in std::mem::take(&mut self.loads.asks) {
            self.begin_load(ask, For::Parked { number, page });
        }
        for slot in 0..self.slots.len() {
            for wish in self.slots[slot].wishes() {
                any = true;
                match wish {
                    Wish::Load(load, ask) => self.begin_load(ask, For::Slot(slot, load)),
                    Wish::Send { rests, internal } => self.hold(rests, Due::Deliver(internal, None)),
                }
            }
        }
        any
    }

    fn begin_load(&mut self, ask: Ask, whom: For) {
        self.loads.counts.add(match &ask {
            Ask::Run { skip, .. } if !skip.is_empty() => Count::AskSkippingRun,
            Ask::Run { .. } => Count::AskRun,
            Ask::Lane { .. } => Count::AskLane,
            Ask::Exists(_) => Count::AskExists,
            Ask::Body(_) => Count::AskBody,
            Ask::Expired { .. } => Count::AskExpired,
        });
        let token = self.store.load(ask);
        self.loads.out.insert(token, whom);
    }

    /// A page has come.
    pub(crate) fn loaded(&mut self, token: Token, page: Page) {
        page.damage.iter().for_each(|damage| self.met_damage(&damage.place));
        match self.loads.out.remove(&token) {
            Some(For::Slot(slot, load)) => self.slots[slot].loaded(load, page),
            Some(For::Parked { number, page: index }) => self.page_for_parked(number, index, Some(page)),
            None => self.counters.strange_events += 1,
        }
    }

    /// A page lies in damaged bytes.
    pub(crate) fn damaged(&mut self, token: Token, place: &str) {
        self.met_damage(place);
        match self.loads.out.remove(&token) {
            Some(For::Slot(slot, load)) => self.slots[slot].damaged(load),
            Some(For::Parked { number, page }) => self.page_for_parked(number, page, None),
            None => self.counters.strange_events += 1,
        }
    }

    fn met_damage(&mut self, place: &str) {
        self.counters.damaged += 1;
        self.outputs.push(Output::Warning(format!("damaged bytes in the store: {place}")));
    }

    fn page_for_parked(&mut self, number: u64, page: usize, answer: Option<Page>) {
        if let Some(parked) = self.loads.answer(number, page, answer) {
            self.ready.push_back(Due::Facts(parked));
        }
    }

    pub(crate) fn decide_with_facts(&mut self, parked: Parked) {
        if parked.damaged {
            self.fail(&parked.job, internal_failure("A stored message that this request needs is damaged."));
        } else {
            let facts = self.loads.facts(parked.pages);
            self.decide(parked.job, &facts);
        }
        self.loads.decided_one();
    }
}
