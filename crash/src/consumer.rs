//! Clients that receive, delete, change visibility, stall, and use a handle late.

use std::thread;
use std::time::Duration;

use crate::client::Failure;
use crate::ledger::{Receive, hashed};
use crate::queues::{QUEUES, Queue};
use crate::random::Random;
use crate::sqs::Sqs;
use crate::world::{Life, World};

/// Handles kept for later, at most.
const KEPT: usize = 50;

/// A message in somebody's hands.
#[derive(Clone, Debug)]
pub struct Held {
    number: u64,
    queue: Queue,
    handle: String,
}

/// One thread that consumes.
#[derive(Debug)]
pub struct Consumer {
    fifo: bool,
    random: Random,
    /// Neither deleted nor given back; some are deleted much later, even after a restart.
    kept: Vec<Held>,
}

impl Consumer {
    /// Of FIFO queues or of standard ones.
    pub fn new(fifo: bool, index: u64, seed: u64) -> Consumer {
        Consumer { fifo, random: Random::of(seed, 2_000 + index), kept: Vec::new() }
    }

    /// Consumes until the process dies or all are to halt.
    pub fn run(&mut self, world: &World, life: &Life) {
        let mut sqs = match life.connect() {
            Ok(sqs) => sqs,
            Err(failure) => return world.fail("connect", &failure),
        };
        while !world.is_halted() {
            if let Err((action, failure)) = self.step(world, &mut sqs) {
                return world.fail(action, &failure);
            }
        }
    }

    /// Forgets every handle: the messages are gone.
    pub fn forget(&mut self) {
        self.kept.clear();
    }

    fn step(&mut self, world: &World, sqs: &mut Sqs) -> Result<(), (&'static str, Failure)> {
        self.delete_late(world, sqs).map_err(|failure| ("DeleteMessage (late)", failure))?;
        let fitting: Vec<Queue> =
            (0..QUEUES.len()).filter(|&queue| QUEUES[queue].fifo == self.fifo).collect();
        let queue = self.random.pick(&fitting);
        let most = self.random.pick(&[1, 3, 10, 10]);
        let wait = if self.random.percent(20) { 1 } else { 0 };
        let visibility = self.random.between(1, 4);
        let held = receive(world, sqs, queue, most, visibility, wait)
            .map_err(|failure| ("ReceiveMessage", failure))?;
        if held.is_empty() {
            thread::sleep(Duration::from_millis(2));
            return Ok(());
        }
        self.treat(world, sqs, &held)
    }

    fn delete_late(&mut self, world: &World, sqs: &mut Sqs) -> Result<(), Failure> {
        if self.kept.is_empty() || !self.random.percent(10) {
            return Ok(());
        }
        let one = self.kept.swap_remove(self.random.draw() as usize % self.kept.len());
        delete(world, sqs, &[one])
    }

    fn treat(&mut self, world: &World, sqs: &mut Sqs, held: &[Held]) -> Result<(), (&'static str, Failure)> {
        let in_delete = |failure| ("DeleteMessage", failure);
        match self.random.between(0, 99) {
            0..60 => delete(world, sqs, held).map_err(in_delete),
            60..70 => {
                let some = self.random.between(1, held.len() as u64) as usize;
                self.keep(&held[some..]);
                delete(world, sqs, &held[..some]).map_err(in_delete)
            }
            70..75 => {
                thread::sleep(Duration::from_millis(self.random.between(1, 200)));
                delete(world, sqs, held).map_err(in_delete)
            }
            75..90 => {
                let seconds = self.random.between(0, 2);
                let some = self.random.between(1, held.len() as u64) as usize;
                self.keep(held);
                change(world, sqs, &held[..some], seconds)
                    .map_err(|failure| ("ChangeMessageVisibility", failure))
            }
            _ => {
                self.keep(held);
                Ok(())
            }
        }
    }

    fn keep(&mut self, held: &[Held]) {
        let room = KEPT.saturating_sub(self.kept.len());
        self.kept.extend(held.iter().take(room).cloned());
    }
}

/// Receives, and has the reply checked.
pub fn receive(
    world: &World,
    sqs: &mut Sqs,
    queue: Queue,
    most: usize,
    visibility: u64,
    wait: u64,
) -> Result<Vec<Held>, Failure> {
    world.ledger().receiving(queue);
    let receive = Receive { queue, visibility, start: world.now() };
    let found = sqs.receive(queue, most, visibility, wait);
    let end = world.now();
    let mut ledger = world.ledger();
    let deliveries = match found {
        Ok(deliveries) => deliveries,
        Err(failure) => {
            match failure {
                Failure::Refused(_) => ledger.receive_refused(queue),
                _ => ledger.receive_unknown(queue),
            }
            return Err(failure);
        }
    };
    let numbers = ledger.received(&receive, &deliveries, end);
    let held = |(delivery, number): (crate::sqs::Delivery, Option<u64>)| {
        Some(Held { number: number?, queue, handle: delivery.handle })
    };
    Ok(deliveries.into_iter().zip(numbers).filter_map(held).collect())
}

/// Deletes messages of one queue.
pub fn delete(world: &World, sqs: &mut Sqs, held: &[Held]) -> Result<(), Failure> {
    let Some(queue) = held.first().map(|one| one.queue) else { return Ok(()) };
    let start = world.now();
    {
        let mut ledger = world.ledger();
        held.iter().for_each(|one| ledger.deleting(one.number, start));
    }
    let found = sqs.delete(queue, &handles(held));
    let (end, mut ledger) = (world.now(), world.ledger());
    let endings = match found {
        Ok(endings) => endings,
        Err(failure) => {
            held.iter().for_each(|one| ledger.delete_unknown(one.number, end));
            return Err(failure);
        }
    };
    for (one, ending) in held.iter().zip(endings) {
        let handle = hashed(&one.handle);
        match ending {
            Ok(()) => ledger.deleted(one.number, queue, handle, start, end),
            Err(refusal) => ledger.delete_refused(one.number, queue, handle, &refusal.text, end),
        }
    }
    Ok(())
}

fn change(world: &World, sqs: &mut Sqs, held: &[Held], seconds: u64) -> Result<(), Failure> {
    let Some(queue) = held.first().map(|one| one.queue) else { return Ok(()) };
    let start = world.now();
    {
        let mut ledger = world.ledger();
        held.iter().for_each(|one| ledger.changing(one.number, hashed(&one.handle), seconds, start));
    }
    let endings = sqs.change(queue, &handles(held), seconds)?;
    let (end, mut ledger) = (world.now(), world.ledger());
    for (one, ending) in held.iter().zip(endings) {
        match ending {
            Ok(()) => ledger.changed(one.number, queue, hashed(&one.handle), seconds, (start, end)),
            Err(_) => ledger.change_refused(one.number, end),
        }
    }
    Ok(())
}

fn handles(held: &[Held]) -> Vec<&str> {
    held.iter().map(|one| one.handle.as_str()).collect()
}
