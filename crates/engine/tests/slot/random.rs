//! Random operations over several queues with random durability, page delays and crashes, against a model that
//! only knows what was sent and what was removed: nothing is lost, nothing comes twice, groups keep their order.

use std::collections::{BTreeMap, BTreeSet};

use engine::command::{Internal, Settings};
use engine::handle::Handle;
use engine::rows::{Row, RowKey};
use engine::{Entropy, Lsn, MessageId, Millis};

use crate::common::client::{Msg, received};
use crate::common::*;

const QUEUES: [&str; 6] = ["a", "dead", "plain", "f.fifo", "dead.fifo", "p.fifo"];
const SOURCES: [&str; 4] = ["a", "plain", "f.fifo", "p.fifo"];

/// What an operation did to the set of messages, once its batch is durable.
#[derive(Clone, Debug)]
enum Event {
    Sent(String),
    Removed(String),
}

struct Run {
    w: World,
    random: Entropy,
    log: Vec<(Lsn, Event)>,
    /// Deduplication ids: when, in which batch, and the first message's id.
    ids: BTreeMap<(String, String), (Millis, Lsn, MessageId)>,
    /// Handles in hand: queue, handle.
    handles: Vec<(String, String)>,
    tickets: Vec<(String, usize)>,
    sent: usize,
    /// Whether messages may go back from a dead-letter queue, which ends their order.
    redrive: bool,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut random = Entropy(seed);
        let window_bytes = [64 << 20, 3_000, 1][random.draw() as usize % 3];
        let settings = Settings { window_bytes, rest_after_delete_or_purge: false, ..Settings::default() };
        let mut w = World::with(settings);
        w.store.page_rows = [0, 1, 3][random.draw() as usize % 3];
        let policy = |target: &str, count: u32| {
            let arn = name_of(target).arn();
            format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#)
        };
        w.queue("dead", &[]);
        w.queue("dead.fifo", &[]);
        w.queue("a", &[("RedrivePolicy", &policy("dead", 3)), ("VisibilityTimeout", "3")]);
        w.queue("plain", &[("VisibilityTimeout", "2")]);
        w.queue("f.fifo", &[("RedrivePolicy", &policy("dead.fifo", 2)), ("VisibilityTimeout", "3")]);
        let delay = ["0", "2"][random.draw() as usize % 2];
        w.queue("p.fifo", &[("DelaySeconds", delay), ("VisibilityTimeout", "2")]);
        let redrive = random.draw().is_multiple_of(2);
        let (log, ids, handles, tickets) = Default::default();
        Run { w, random, log, ids, handles, tickets, sent: 0, redrive }
    }

    fn below(&mut self, n: usize) -> usize {
        self.random.draw() as usize % n
    }

    fn step(&mut self) {
        match self.below(100) {
            0..=24 => self.send(),
            25..=54 => self.receive(),
            55..=66 => self.delete(),
            67..=71 => self.change(),
            72..=79 => self.store_moves(),
            80..=87 => self.page_moves(),
            88..=90 => drop(self.w.deliver_sends()),
            91..=95 => {
                let by = [1, 17, 400, 1_000, 3_000, 10_000][self.below(6)];
                if self.below(2) == 0 { self.w.pass(by) } else { self.w.leap(by) }
            }
            96 => self.hold(),
            97 if self.redrive => self.redrive_dead(),
            98 if self.below(4) == 0 => self.purge(),
            99 if self.below(3) == 0 => self.crash(),
            _ => self.w.settle(),
        }
        self.collect();
    }

    fn hold(&mut self) {
        let mut draw = || self.random.draw().is_multiple_of(2);
        self.w.hold = Hold { durable: draw(), pages: draw(), sends: draw() };
    }

    fn store_moves(&mut self) {
        for _ in 0..self.below(4) {
            self.w.sync_one();
        }
        self.w.settle();
    }

    fn page_moves(&mut self) {
        if self.below(3) == 0 {
            self.w.read();
        }
        if !self.w.loads.is_empty() {
            let index = self.below(self.w.loads.len());
            self.w.deliver_one(index);
        }
        self.w.settle();
    }

    fn send(&mut self) {
        let queue = SOURCES[self.below(SOURCES.len())];
        self.sent += 1;
        let text = format!("{:05}", self.sent);
        let fifo = queue.ends_with(".fifo");
        let mut message = msg(text.clone());
        if fifo {
            let id = if self.below(5) == 0 { format!("shared-{}", self.below(5)) } else { text.clone() };
            message = message.group(["g", "h", "i"][self.below(3)]).dedup(id);
        } else if self.below(3) == 0 {
            message = message.delay([0, 1, 2, 5][self.below(4)]);
        }
        let reply = self.w.send(queue, message.clone());
        let lsn = self.w.decided;
        if fifo && self.is_duplicate(queue, &message, reply.message_id) {
            return;
        }
        if let Some(id) = message.dedup {
            self.ids.insert((queue.into(), id), (self.w.now, lsn, reply.message_id));
        }
        self.log.push((lsn, Event::Sent(text)));
    }

    /// Whether the id was sent within five minutes: then the answer must be the first one's.
    fn is_duplicate(&self, queue: &str, message: &Msg, answer: MessageId) -> bool {
        let key = (queue.to_owned(), message.dedup.clone().unwrap_or_default());
        let Some((at, _, first)) = self.ids.get(&key) else { return false };
        if self.w.now >= at + 5 * MINUTE {
            return false;
        }
        assert_eq!(answer, *first, "a duplicate is answered with the first one's id");
        true
    }

    fn receive(&mut self) {
        let queue = QUEUES[self.below(QUEUES.len())];
        let most = [1, 3, 10][self.below(3)];
        let wait = [0, 0, 2][self.below(3)];
        let visibility = [None, Some(0), Some(1), Some(20)][self.below(4)];
        let poll = Get { wait_time_seconds: Some(wait), visibility_timeout: visibility, ..get(most) };
        let ticket = self.w.poll(queue, poll);
        self.tickets.push((queue.into(), ticket));
    }

    /// Takes the answers of receives; some of their clients are gone.
    fn collect(&mut self) {
        for (queue, ticket) in std::mem::take(&mut self.tickets) {
            let Some(done) = self.w.outcome(ticket) else {
                match self.below(40) {
                    0 => self.w.hang_up(ticket),
                    _ => self.tickets.push((queue, ticket)),
                }
                continue;
            };
            if self.below(12) == 0 {
                if !done.undo.is_empty() {
                    self.w.internal(Internal::Undo(done.undo));
                    self.w.settle();
                }
                continue;
            }
            let got = received(done).expect("messages");
            self.handles.extend(got.into_iter().map(|one| (queue.clone(), one.receipt_handle)));
        }
    }

    /// Whether this handle's message is there and stands under it, by the rows.
    fn stands(&self, queue: &str, handle: &str) -> Option<String> {
        let handle = Handle::decode(&SECRET, handle).expect("our handle");
        let Some(Row::Message(_, _, blob)) = self.w.store.appended.get(&RowKey::Message(handle.key)) else {
            return None;
        };
        let touched = match self.w.store.appended.get(&RowKey::Touched(handle.key)) {
            Some(Row::Touched(_, touched)) => Some(*touched),
            _ => None,
        };
        let leaving = touched.is_some_and(|one| one.leaving.is_some());
        let held = touched.is_some_and(|one| one.nonce == handle.nonce && one.deadline > self.w.now);
        let durable = self.w.store.on_disk.contains_key(&RowKey::Message(handle.key));
        let stands = !leaving && durable && (held || !queue.ends_with(".fifo"));
        stands.then(|| String::from_utf8(blob.to_vec()).expect("text"))
    }

    fn delete(&mut self) {
        if self.handles.is_empty() {
            return;
        }
        let index = self.below(self.handles.len());
        let (queue, handle) = self.handles[index].clone();
        // What is due happens first, so that the rows are those the delete is decided by.
        self.w.tick();
        let stands = self.stands(&queue, &handle);
        let result = self.w.delete(&queue, &handle);
        let lsn = self.w.decided;
        if let Some(text) = stands {
            assert_eq!(result, Ok(()), "{queue}: {text}");
            self.log.push((lsn, Event::Removed(text)));
        }
        if self.below(3) > 0 {
            self.handles.remove(index);
        }
    }

    fn change(&mut self) {
        if self.handles.is_empty() {
            return;
        }
        let index = self.below(self.handles.len());
        let (queue, handle) = self.handles[index].clone();
        let seconds = [0, 1, 10][self.below(3)];
        drop(self.w.change(&queue, &handle, seconds));
    }

    fn purge(&mut self) {
        let queue = QUEUES[self.below(QUEUES.len())];
        let id = self.w.id(queue);
        self.w.tick();
        let mut gone = Vec::new();
        for row in self.w.store.appended.values() {
            let Row::Message(key, _, blob) = row else { continue };
            let leaving = matches!(self.w.store.appended.get(&RowKey::Touched(*key)),
                Some(Row::Touched(_, touched)) if touched.leaving.is_some());
            if key.queue == id && !leaving {
                gone.push(String::from_utf8(blob.to_vec()).expect("text"));
            }
        }
        self.w.purge(queue).expect("a purge");
        let lsn = self.w.decided;
        self.log.extend(gone.into_iter().map(|text| (lsn, Event::Removed(text))));
    }

    fn redrive_dead(&mut self) {
        let (dead, to) = [("dead", None), ("dead.fifo", None), ("dead", Some("plain"))][self.below(3)];
        let rate = [None, Some(5)][self.below(2)];
        drop(self.w.start_task(dead, to, rate));
    }

    fn crash(&mut self) {
        let durable = self.w.store.durable;
        self.log.retain(|(lsn, _)| *lsn <= durable);
        self.ids.retain(|_, (_, lsn, _)| *lsn <= durable);
        self.tickets.clear();
        self.w.crash();
    }

    fn expected(&self) -> BTreeSet<String> {
        let mut there = BTreeSet::new();
        for (_, event) in &self.log {
            match event {
                Event::Sent(text) => assert!(there.insert(text.clone())),
                Event::Removed(text) => {
                    // A message between two queues is in both; the purge of one may find it.
                    there.remove(text);
                }
            }
        }
        there
    }

    fn finish(mut self) {
        self.w.hold = Hold::default();
        self.w.sync();
        self.w.deliver();
        self.w.pass(MINUTE);
        self.collect();
        let mut all: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for _ in 0..6 {
            self.w.pass(MINUTE);
            for queue in QUEUES {
                all.entry(queue).or_default().extend(self.w.drain(queue));
            }
        }
        for queue in QUEUES {
            assert_eq!(self.w.counts(queue), (0, 0, 0), "{queue} is drained");
            if queue.ends_with(".fifo") && !self.redrive {
                for (group, bodies) in self.w.by_group(&all[queue]) {
                    assert!(bodies.is_sorted(), "{queue}, group {group}: {bodies:?}");
                }
            }
        }
        let mut found: Vec<String> = all.into_values().flatten().collect();
        found.sort();
        let expected: Vec<String> = self.expected().into_iter().collect();
        assert_eq!(found, expected, "what is there is what was sent and not removed");
        assert!(self.w.store.appended.keys().all(|key| !matches!(key, RowKey::Arrived(_))), "moves are over");
    }
}

fn run(seed: u64, steps: usize) {
    let mut run = Run::new(seed);
    for _ in 0..steps {
        run.step();
    }
    run.finish();
}

/// `SLUICE_SEED` runs one seed, `SLUICE_SEEDS` that many.
#[test]
fn random_operations_lose_and_repeat_nothing() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SLUICE_SEED") {
        return run(seed, 400);
    }
    for seed in 1..=number("SLUICE_SEEDS").unwrap_or(40) {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed, 400)) {
            eprintln!("the seed is {seed}: SLUICE_SEED={seed} runs it alone");
            std::panic::resume_unwind(panic);
        }
    }
}
