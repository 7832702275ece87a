//! Clients that send.

use std::thread;
use std::time::Duration;

use crate::body;
use crate::client::{Failure, Refusal};
use crate::ledger::Sent;
use crate::queues::{QUEUES, Queue};
use crate::random::Random;
use crate::sqs::{Ending, Entry, Sqs};
use crate::world::{Life, World};

/// Groups that belong to one sender, which alone decides their order.
const GROUPS: u64 = 5;
/// A sender pauses while its queue holds so many messages, so that a drain stays short.
const BACKLOG: u64 = 1_000;
/// Filler of a message that is to fill a disk.
const LARGE: u64 = 40_000;

/// What a sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// To standard queues.
    Standard,
    /// To FIFO queues. What had no reply is sent again after the restart, as SDKs do.
    Fifo,
    /// Large messages, until one is refused.
    Filling,
}

#[derive(Debug)]
struct Request {
    queue: Queue,
    entries: Vec<Entry>,
}

/// One thread that sends.
#[derive(Debug)]
pub struct Sender {
    manner: Manner,
    index: u64,
    random: Random,
    /// A FIFO request without reply.
    pending: Option<Request>,
}

impl Sender {
    /// The sender of this index.
    pub fn new(manner: Manner, index: u64, seed: u64) -> Sender {
        Sender { manner, index, random: Random::of(seed, 1_000 + index), pending: None }
    }

    /// Sends until the process dies or all are to halt; a filling one until it is refused.
    pub fn run(&mut self, world: &World, life: &Life) {
        let mut sqs = match life.connect() {
            Ok(sqs) => sqs,
            Err(failure) => return world.fail("connect", &failure),
        };
        while !world.is_halted() {
            let Some(request) = self.next(world) else {
                thread::sleep(Duration::from_millis(2));
                continue;
            };
            match self.send(world, &mut sqs, request) {
                Ok(true) => {}
                Ok(false) if self.manner == Manner::Filling => return,
                Ok(false) => thread::sleep(Duration::from_millis(20)),
                Err(failure) => return world.fail("SendMessage", &failure),
            }
        }
    }

    /// Sends what had no reply once more.
    pub fn settle(&mut self, world: &World, life: &Life) {
        while self.pending.is_some() {
            let sent = life.connect().and_then(|mut sqs| match self.next(world) {
                Some(request) => self.send(world, &mut sqs, request),
                None => Ok(true),
            });
            if let Err(failure) = sent {
                return world.fail("SendMessage (again)", &failure);
            }
        }
    }

    /// Sends one request on a connection of its own.
    pub fn send_one(&mut self, world: &World, life: &Life) {
        let Some(request) = self.next(world) else { return };
        let sent = life.connect().and_then(|mut sqs| self.send(world, &mut sqs, request));
        if let Err(failure) = sent {
            world.fail("SendMessage", &failure);
        }
    }

    fn next(&mut self, world: &World) -> Option<Request> {
        if let Some(request) = self.pending.take() {
            let (now, mut ledger) = (world.now(), world.ledger());
            request.entries.iter().for_each(|entry| ledger.sending_again(entry.number, now));
            return Some(request);
        }
        let queue = self.choose_queue();
        let mut ledger = world.ledger();
        if self.manner != Manner::Filling && ledger.live(queue) > BACKLOG {
            return None;
        }
        let count = if self.random.percent(50) { 1 } else { self.random.between(2, 10) };
        let now = world.now();
        let entries = (0..count)
            .map(|_| {
                let mut entry = self.draft(queue);
                let delay = entry.delay.unwrap_or(QUEUES[queue].delay);
                entry.number = ledger.sending(queue, entry.group, delay, now);
                entry
            })
            .collect();
        Some(Request { queue, entries })
    }

    fn choose_queue(&mut self) -> Queue {
        let fifo = self.manner == Manner::Fifo;
        let fitting: Vec<Queue> =
            (0..QUEUES.len()).filter(|&queue| QUEUES[queue].open && QUEUES[queue].fifo == fifo).collect();
        self.random.pick(&fitting)
    }

    /// A message that has no number yet.
    fn draft(&mut self, queue: Queue) -> Entry {
        let fifo = QUEUES[queue].fifo;
        let grouped = fifo || self.random.percent(20);
        let group = (self.index * GROUPS + self.random.between(0, GROUPS - 1)) as u32;
        let delayed = !fifo && self.random.percent(10);
        let size = match self.manner {
            Manner::Filling => self.random.between(LARGE / 2, LARGE) as usize,
            _ => body::size(&mut self.random),
        };
        Entry {
            number: 0,
            size,
            group: grouped.then_some(group),
            delay: delayed.then(|| self.random.between(0, 2)),
        }
    }

    /// Whether every message was taken.
    fn send(&mut self, world: &World, sqs: &mut Sqs, request: Request) -> Result<bool, Failure> {
        let start = world.now();
        let found = sqs.send(request.queue, &request.entries);
        let end = world.now();
        let endings = match found {
            Ok(endings) => endings,
            Err(Failure::Refused(refusal)) if is_refusal(world, &refusal) => {
                request.entries.iter().map(|_| Err(refusal.clone())).collect()
            }
            Err(failure) => {
                let mut ledger = world.ledger();
                for entry in &request.entries {
                    ledger.sent(entry.number, Sent::Unknown, None, start, end);
                }
                if self.manner == Manner::Fifo {
                    self.pending = Some(request);
                }
                return Err(failure);
            }
        };
        Ok(note(world, &request, &endings, (start, end)))
    }
}

/// Whether this is what a full disk answers.
fn is_refusal(world: &World, refusal: &Refusal) -> bool {
    world.is_refusing() && refusal.text.contains("ServiceUnavailable")
}

fn note(world: &World, request: &Request, endings: &[Ending<u128>], times: (u64, u64)) -> bool {
    let mut all = true;
    for (entry, ending) in request.entries.iter().zip(endings) {
        let (sent, id) = match ending {
            Ok(id) => (Sent::Acknowledged, Some(*id)),
            Err(_) => (Sent::Refused, None),
        };
        world.ledger().sent(entry.number, sent, id, times.0, times.1);
        if let Err(refusal) = ending {
            all = false;
            if !is_refusal(world, refusal) {
                world.wrong(&format!("SendMessageBatch: an entry was refused: {}", refusal.text));
            }
        }
    }
    all
}
