//! The catalogue: names, attributes, tags and policies of all queues. A state machine of its own.
//!
//! Its rows are the state; the view below is made from them by [`Catalogue::apply`] alone. Each row remembers
//! the `Lsn` of its last change, so that an answer can be held until what it read is durable. What is *not*
//! there can only have been removed, so "does not exist" rests on the last removal of anything, and a list on
//! the last change of anything.

mod address;
pub(crate) mod page;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;

use std::collections::{BTreeMap, BTreeSet};

use crate::actions;
use crate::command::{Caller, Internal, Settings};
use crate::errors::Error;
use crate::ids::{Lsn, Millis, QueueId, QueueName, Spelling};
use crate::limits::REST_AFTER_DELETE_OR_PURGE;
use crate::reply::Reply;
use crate::request::Request;
use crate::rows::{CatalogueRow, QueueRow, Record, Row, RowKey};

/// Rested names removed by one change: more than one change adds, so that they cannot pile up.
const SWEPT: usize = 4;

/// The view of the catalogue rows.
#[derive(Debug, Default)]
pub struct Catalogue {
    rows: BTreeMap<QueueName, Entry>,
    by_id: BTreeMap<QueueId, QueueName>,
    /// Dead-letter queues' addresses with those of their sources; the former need not exist.
    sources: BTreeMap<QueueName, BTreeSet<QueueName>>,
    /// Names of deleted queues by the time of the deletion.
    resting: BTreeSet<(Millis, QueueName)>,
    last_change: Lsn,
    last_removal: Lsn,
    /// The highest number given to a queue; 0 before the first.
    last_queue: QueueId,
}

#[derive(Clone, Debug)]
struct Entry {
    row: CatalogueRow,
    lsn: Lsn,
}

/// What the catalogue decided.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Decided; `then` is delivered once `rests` is durable, and the reply waits for it.
    Done {
        /// For the client.
        reply: Result<Reply, Error>,
        /// What changes. Already applied to the view.
        records: Vec<Record>,
        /// The last `Lsn` of what was read or written.
        rests: Lsn,
        /// For the queue's slot.
        then: Vec<Internal>,
    },
    /// This queue must be durable in its slot before it may be named: install it, then decide again with
    /// `made` set to it.
    First {
        /// The queue.
        row: Box<QueueRow>,
        /// That its number is given: to be appended before it is installed. Already applied to the view.
        numbered: Record,
    },
}

/// What an action of the catalogue is decided from.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub now: Millis,
    pub settings: &'a Settings,
    pub caller: &'a Caller,
    pub catalogue: &'a Catalogue,
}

/// What an action of the catalogue comes to; a refusal comes with what it rests on.
pub(crate) type Decided = Result<Outcome, (Error, Lsn)>;

/// See [`Decided`].
pub(crate) enum Outcome {
    /// Nothing changes here; these requests go to the queue's slot.
    Read { reply: Reply, rests: Lsn, then: Vec<Internal> },
    /// These rows change, then these requests go to the queue's slot.
    Write { reply: Reply, records: Vec<Record>, then: Vec<Internal> },
    /// See [`Verdict::First`].
    First(Box<QueueRow>),
}

impl Catalogue {
    /// Takes over one row, at a start or as part of a decision. Records of other rows are passed over.
    pub fn apply(&mut self, record: &Record, lsn: Lsn) {
        match record {
            Record::Put(Row::Catalogue(name, row)) => {
                self.forget(name);
                self.learn(name, row, lsn);
            }
            Record::Delete(RowKey::Catalogue(name)) => {
                self.forget(name);
                self.last_removal = self.last_removal.max(lsn);
            }
            // No answer rests on it.
            Record::Put(Row::LastQueue(id)) => {
                self.last_queue = *id;
                return;
            }
            _ => return,
        }
        self.last_change = self.last_change.max(lsn);
    }

    fn learn(&mut self, name: &QueueName, row: &CatalogueRow, lsn: Lsn) {
        match row {
            CatalogueRow::Named(queue) => {
                self.by_id.insert(queue.id, name.clone());
                if let Some(target) = dead_letter_target(queue) {
                    self.sources.entry(target).or_default().insert(name.clone());
                }
            }
            CatalogueRow::Deleted(at) => {
                self.resting.insert((*at, name.clone()));
                self.last_removal = self.last_removal.max(lsn);
            }
        }
        self.rows.insert(name.clone(), Entry { row: row.clone(), lsn });
    }

    fn forget(&mut self, name: &QueueName) {
        match self.rows.remove(name).map(|entry| entry.row) {
            None => {}
            Some(CatalogueRow::Named(queue)) => {
                self.by_id.remove(&queue.id);
                if let Some(target) = dead_letter_target(&queue) {
                    self.forget_source(&target, name);
                }
            }
            Some(CatalogueRow::Deleted(at)) => {
                self.resting.remove(&(at, name.clone()));
            }
        }
    }

    fn forget_source(&mut self, target: &QueueName, source: &QueueName) {
        let Some(sources) = self.sources.get_mut(target) else { return };
        sources.remove(source);
        if sources.is_empty() {
            self.sources.remove(target);
        }
    }

    /// Decides a request about names, attributes, tags or permissions, and applies what it decided.
    ///
    /// # Panics
    ///
    /// On a request that is a slot's to decide: the node asked the wrong state machine.
    pub fn execute(
        &mut self,
        now: Millis,
        lsn: Lsn,
        settings: &Settings,
        caller: &Caller,
        request: &Request,
        made: Option<&QueueRow>,
    ) -> Verdict {
        let scene = Scene { now, settings, caller, catalogue: self };
        match actions::decide(&scene, request, made) {
            Ok(Outcome::First(row)) => {
                let numbered = Record::Put(Row::LastQueue(row.id));
                self.apply(&numbered, lsn);
                Verdict::First { row, numbered }
            }
            Ok(Outcome::Read { reply, rests, then }) => done(Ok(reply), rests, then),
            Ok(Outcome::Write { reply, mut records, then }) => {
                records.iter().for_each(|record| self.apply(record, lsn));
                let swept = self.sweep(now, settings);
                swept.iter().for_each(|record| self.apply(record, lsn));
                records.extend(swept);
                Verdict::Done { reply: Ok(reply), records, rests: lsn, then }
            }
            Err((error, rests)) => {
                // The queue that was made for nothing is removed from its slot.
                let then = made.map(|row| Internal::Remove(row.id)).into_iter().collect();
                done(Err(error), rests, then)
            }
        }
    }

    /// Removes the rows of some names that have rested long enough.
    fn sweep(&self, now: Millis, settings: &Settings) -> Vec<Record> {
        let rested = self.resting.iter().take_while(|(at, _)| !rests(now, *at, settings));
        rested.take(SWEPT).map(|(_, name)| Record::Delete(RowKey::Catalogue(name.clone()))).collect()
    }

    /// The number of the next queue, never given before: handles, MessageIds and rows that wait for another queue
    /// outlive a queue. Numbers are counted, because small ones are short in every row of a message.
    pub(crate) fn next_queue(&self) -> QueueId {
        QueueId(self.last_queue.0 + 1)
    }

    /// The queue of this address.
    pub fn named(&self, name: &dyn Spelling) -> Option<(&QueueRow, Lsn)> {
        match self.rows.get(name)? {
            Entry { row: CatalogueRow::Named(queue), lsn } => Some((queue, *lsn)),
            Entry { row: CatalogueRow::Deleted(_), .. } => None,
        }
    }

    /// The named queue of this number.
    pub fn by_id(&self, id: QueueId) -> Option<(&QueueRow, Lsn)> {
        self.named(self.by_id.get(&id)?)
    }

    /// Whether a queue of this number has a name.
    pub fn is_named(&self, id: QueueId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Every named queue, in order of account, region and name.
    pub fn queues(&self) -> impl Iterator<Item = &QueueRow> {
        self.rows.values().filter_map(|entry| entry.queue())
    }

    /// How many queues are named.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no queue is named.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Every row of the view, in key order: what a restart must find (Law 1).
    pub fn small_rows(&self) -> Vec<Row> {
        let named = self.rows.iter().map(|(name, entry)| Row::Catalogue(name.clone(), entry.row.clone()));
        let last = (self.last_queue > QueueId(0)).then_some(Row::LastQueue(self.last_queue));
        named.chain(last).collect()
    }

    /// When this name's queue was deleted, and the `Lsn` of that, if a new one must still wait.
    pub(crate) fn deleted_recently(&self, name: &QueueName, now: Millis, settings: &Settings) -> Option<Lsn> {
        match self.rows.get(name)? {
            Entry { row: CatalogueRow::Deleted(at), lsn } if rests(now, *at, settings) => Some(*lsn),
            _ => None,
        }
    }

    /// Named queues of one account and region behind `after` (from the first, if empty) whose name begins
    /// with `prefix`, in order.
    pub(crate) fn list<'a>(
        &'a self,
        account: &str,
        region: &str,
        prefix: &'a str,
        after: &str,
    ) -> impl Iterator<Item = &'a QueueName> {
        let from = QueueName {
            account: account.to_owned(),
            region: region.to_owned(),
            name: prefix.max(after).to_owned(),
        };
        let (scope, after) = (from.clone(), after.to_owned());
        self.rows
            .range(from..)
            .take_while(move |(name, _)| {
                name.account == scope.account && name.region == scope.region && name.name.starts_with(prefix)
            })
            .filter(move |(name, entry)| entry.queue().is_some() && name.name > after)
            .map(|(name, _)| name)
    }

    /// The queues that name this one as their dead-letter queue, behind `after`, in order.
    pub(crate) fn sources_of(&self, target: &QueueName, after: &str) -> impl Iterator<Item = &QueueName> {
        let after = after.to_owned();
        self.sources.get(target).into_iter().flatten().filter(move |name| name.name > after)
    }

    /// The last `Lsn` at which anything changed.
    pub(crate) fn last_change(&self) -> Lsn {
        self.last_change
    }

    /// What the absence of a queue rests on.
    pub(crate) fn last_removal(&self) -> Lsn {
        self.last_removal
    }
}

impl Entry {
    fn queue(&self) -> Option<&QueueRow> {
        match &self.row {
            CatalogueRow::Named(queue) => Some(queue),
            CatalogueRow::Deleted(_) => None,
        }
    }
}

impl<'a> Scene<'a> {
    /// The queue a request addresses.
    pub fn resolve(&self, queue_url: &str) -> Result<(&'a QueueRow, Lsn), (Error, Lsn)> {
        self.catalogue.resolve(self.caller, queue_url)
    }
}

impl Outcome {
    /// An answer that changes nothing.
    pub fn read(reply: Reply, rests: Lsn) -> Outcome {
        Outcome::Read { reply, rests, then: Vec::new() }
    }

    /// The row of a queue is now so, in the catalogue and in its slot.
    pub fn changed(reply: Reply, row: QueueRow) -> Outcome {
        let copy = QueueRow { tags: Default::default(), ..row.clone() };
        let then = vec![Internal::Install(Box::new(copy))];
        Outcome::Write { reply, records: vec![named_row(row)], then }
    }

    /// The row of a queue is now so, in the catalogue alone.
    pub fn relabelled(reply: Reply, row: QueueRow) -> Outcome {
        Outcome::Write { reply, records: vec![named_row(row)], then: Vec::new() }
    }
}

/// The record that names a queue.
pub(crate) fn named_row(row: QueueRow) -> Record {
    Record::Put(Row::Catalogue(row.name.clone(), CatalogueRow::Named(row)))
}

fn done(reply: Result<Reply, Error>, rests: Lsn, then: Vec<Internal>) -> Verdict {
    Verdict::Done { reply, records: Vec::new(), rests, then }
}

fn rests(now: Millis, deleted: Millis, settings: &Settings) -> bool {
    settings.rest_after_delete_or_purge && now < deleted + REST_AFTER_DELETE_OR_PURGE
}

fn dead_letter_target(queue: &QueueRow) -> Option<QueueName> {
    let text = queue.attributes.get("RedrivePolicy")?;
    crate::redrive::RedrivePolicy::parse(text).ok().map(|policy| policy.target)
}
