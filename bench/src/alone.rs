//! The store alone: batches of message rows, as an engine would append them.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use disk::LocalDisk;
use engine::rows::{Batch, Head, MessageRow};
use engine::{Lsn, MessageKey, QueueId, Record, Row, Secret};
use server::clock;
use store::log::{LogStore, Options};
use store::{Event, Stats, Store};

use crate::desk::{self, Desk, Machine};
use crate::measure::Measure;
use crate::own;

/// A store with the batches that are not durable yet.
pub struct Alone {
    store: LogStore<LocalDisk>,
    waiting: VecDeque<(Lsn, Instant)>,
    latencies: Vec<Duration>,
    failed: Option<String>,
}

impl Machine for Alone {
    fn completed(&mut self) {
        while let Some(event) = self.store.poll() {
            match event {
                Event::Durable(lsn) => self.durable(lsn),
                Event::Stopped(why) => self.failed = Some(why),
                Event::Loaded(..) | Event::Damaged(..) => {}
            }
        }
    }
}

impl Alone {
    fn durable(&mut self, lsn: Lsn) {
        let now = clock::instant();
        while let Some((_, began)) = self.waiting.pop_front_if(|(waits, _)| *waits <= lsn) {
            self.latencies.push(now - began);
        }
    }

    fn append(&mut self, batch: Batch) {
        let began = clock::instant();
        let lsn = self.store.append(batch);
        self.waiting.push_back((lsn, began));
    }

    fn has_room(&self, out: usize, bytes: usize) -> bool {
        self.waiting.len() < out && self.store.room().bytes >= bytes
    }
}

/// Groups to append.
#[derive(Clone, Copy, Debug)]
pub struct Groups {
    /// Messages of a group.
    pub group: usize,
    /// Bytes of a message.
    pub message: usize,
    /// Batches that are not durable at once: with two, one gathers while one is written.
    pub out: usize,
    /// How long.
    pub duration: Duration,
}

/// A store of its own directory.
pub struct Sends {
    desk: Arc<Desk<Alone>>,
    queue: u64,
    body: Vec<u8>,
}

impl Sends {
    /// Opens it.
    pub fn open(directory: &Path) -> Result<Sends, String> {
        let desk = Desk::open(directory, |disk| {
            let opened = LogStore::open(disk, Options::default(), Secret([1; 16]));
            let store = opened.map_err(|error| error.to_string())?.store;
            Ok(Alone { store, waiting: VecDeque::new(), latencies: Vec::new(), failed: None })
        })?;
        Ok(Sends { desk, queue: 0, body: Vec::new() })
    }

    /// Appends groups to a queue of its own, and drops the queue afterwards.
    pub fn run(&mut self, groups: Groups) -> Result<Measure, String> {
        self.queue += 1;
        self.body = (0..groups.message).map(|i| i as u8).collect();
        self.desk.with(|alone| alone.latencies.clear());
        let (mut sequence, mut making) = (0, Duration::ZERO);
        // Made while those before are out, as by whoever brings the messages.
        let mut next = self.batch(sequence, groups.group as u64);
        let (cpu, began) = (own::cpu(), clock::instant());
        while began.elapsed() < groups.duration {
            if !self.desk.with(|alone| alone.has_room(groups.out, groups.group * groups.message * 2)) {
                self.desk.wait(Duration::from_millis(10));
                continue;
            }
            self.desk.with(|alone| alone.append(next));
            sequence += groups.group as u64;
            let before = own::thread_cpu();
            next = self.batch(sequence, groups.group as u64);
            making += own::thread_cpu() - before;
        }
        self.finish()?;
        let mut measure = Measure { messages: sequence, elapsed: began.elapsed(), ..Measure::default() };
        measure.cpu = (own::cpu() - cpu).saturating_sub(making);
        measure.latencies = self.desk.with(|alone| std::mem::take(&mut alone.latencies));
        measure.latencies.sort_unstable();
        let dropped = Batch { now: clock::now(), records: vec![Record::Drop(QueueId(self.queue))] };
        self.desk.with(|alone| alone.append(dropped));
        self.finish()?;
        Ok(measure)
    }

    /// Lets time pass: the store does what it has left to do.
    pub fn rest(&self, duration: Duration) -> Result<(), String> {
        let wait = |left| {
            self.desk.wait(left);
            Ok(())
        };
        desk::rest(duration, wait)?;
        self.finish()
    }

    /// What the store has done.
    pub fn stats(&self) -> Stats {
        self.desk.with(|alone| alone.store.stats())
    }

    fn finish(&self) -> Result<(), String> {
        loop {
            let (left, failed) = self.desk.with(|alone| (alone.waiting.len(), alone.failed.clone()));
            match failed {
                Some(why) => return Err(why),
                None if left == 0 => return Ok(()),
                None => self.desk.wait(Duration::from_millis(10)),
            }
        }
    }

    /// One group: its messages, closed by the queue's head.
    fn batch(&self, from: u64, messages: u64) -> Batch {
        let (queue, now) = (QueueId(self.queue), clock::now());
        let size = self.body.len() as u32;
        let row = MessageRow { sent: now, retained_from: now, size, ..MessageRow::default() };
        let put = |sequence| {
            let key = MessageKey { queue, rank: 0, sequence };
            Record::Put(Row::Message(key, row.clone(), Bytes::copy_from_slice(&self.body)))
        };
        let mut records: Vec<Record> = (from..from + messages).map(put).collect();
        let live = from + messages;
        records.push(Record::Put(Row::Head(queue, Head { next_sequence: live, live, ..Head::default() })));
        Batch { now, records }
    }
}
