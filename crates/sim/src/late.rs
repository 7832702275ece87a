//! A store whose pages take their time: each is as true as the batch it names, and much may have happened since.
//!
//! The local store hands a page over in the moment it is complete. One across a network would not, and the engine is
//! to filter what it gets by all that was removed meanwhile.

use std::collections::BTreeMap;

use engine::rows::Batch;
use engine::{Ask, Lsn, MessageKey, Row};
use store::log::LogStore;
use store::{Event, Known, Room, Stats, Store, Token};

use crate::disk::{Micros, SimDisk};
use crate::rng::Rng;
use crate::searches::{Extent, Searches};

/// The store of a simulated node.
pub struct LateStore {
    inner: LogStore<SimDisk>,
    rng: Rng,
    /// Shortest and longest delay of a page.
    delay: (Micros, Micros),
    now: Micros,
    /// Pages by the time they come, and a number that keeps them apart.
    held: BTreeMap<(Micros, u64), Event>,
    pages: u64,
    searches: Searches,
}

impl LateStore {
    /// Delays the pages of `inner`.
    pub fn new(inner: LogStore<SimDisk>, rng: Rng, delay: (Micros, Micros)) -> LateStore {
        LateStore {
            inner,
            rng,
            delay,
            now: 0,
            held: BTreeMap::new(),
            pages: 0,
            searches: Searches::default(),
        }
    }

    /// Time is now `now`.
    pub fn advance(&mut self, now: Micros) {
        self.now = now;
    }

    /// When the next page comes.
    pub fn next_due(&self) -> Option<Micros> {
        self.held.keys().next().map(|(due, _)| *due)
    }

    /// Segments that a search may have to look into.
    pub fn segments(&self) -> u64 {
        self.extent().segments
    }

    fn extent(&self) -> Extent {
        let stats = self.inner.stats();
        Extent { segments: stats.segments, messages: stats.segment_messages }
    }

    /// See [`Searches::reads`].
    pub fn honest_reads(&self) -> u64 {
        self.searches.reads()
    }

    /// See [`Searches::count_anew`].
    pub fn count_anew(&mut self, news: bool) {
        self.searches.count_anew(self.extent(), news);
    }

    /// From now on pages come at once.
    pub fn calm(&mut self) {
        self.delay = (0, 0);
    }
}

impl Store for LateStore {
    fn room(&self) -> Room {
        self.inner.room()
    }

    fn next_lsn(&self) -> Lsn {
        self.inner.next_lsn()
    }

    fn append(&mut self, batch: Batch) -> Lsn {
        self.inner.append(batch)
    }

    fn load(&mut self, ask: Ask) -> Token {
        if crate::world::is_traced() {
            eprintln!("    store: {ask:?}");
        }
        let token = self.inner.load(ask.clone());
        self.searches.begin(token, ask, self.extent());
        token
    }

    fn poll(&mut self) -> Option<Event> {
        if let Some(first) = self.held.first_entry().filter(|first| first.key().0 <= self.now) {
            return Some(first.remove());
        }
        loop {
            let event = self.inner.poll()?;
            if let Event::Loaded(token, _) | Event::Damaged(token, _) = &event {
                self.searches.end(*token);
            }
            let late = matches!(event, Event::Loaded(..)) && self.delay.1 > 0;
            if !late {
                return Some(event);
            }
            let due = self.now + self.rng.between(self.delay.0, self.delay.1);
            self.pages += 1;
            self.held.insert((due, self.pages), event);
        }
    }

    fn idle(&mut self) {
        self.inner.idle();
    }

    fn look_for_space(&mut self) {
        self.inner.look_for_space();
    }

    fn stop(&mut self) {
        self.inner.stop();
    }

    fn is_quiet(&self) -> bool {
        self.inner.is_quiet()
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn known(&self, key: &MessageKey) -> Known<'_> {
        self.inner.known(key)
    }

    fn small_rows(&self) -> Vec<Row> {
        self.inner.small_rows()
    }
}
