//! Random requests, several creates under way at once, and restarts: the world checks the laws after each step,
//! and a small model says what must be there.

use std::collections::BTreeMap;

use super::world::{World, create, delete, set, url_of};
use super::*;
use crate::ids::Entropy;

/// What the model knows of a name.
#[derive(Default)]
struct Known {
    named: bool,
    deleted: Option<Millis>,
}

struct Run {
    world: World,
    entropy: Entropy,
    model: BTreeMap<&'static str, Known>,
    /// Creates whose queue is in its slot and not yet named.
    under_way: Vec<(&'static str, QueueRow)>,
    highest: QueueId,
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

impl Run {
    fn below(&mut self, bound: u64) -> u64 {
        self.entropy.draw() % bound
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len() as u64) as usize]
    }

    fn step(&mut self) {
        let name = self.name();
        match self.below(10) {
            0..=2 => self.begin(name),
            3..=4 => self.finish(),
            5 => self.delete(name),
            6 => self.change(name),
            7 => self.world.now += self.entropy.draw() % 40_000,
            8 => self.look(name),
            _ if self.below(4) == 0 => self.restart(),
            _ => {}
        }
    }

    fn begin(&mut self, name: &'static str) {
        let free = self.is_free(name);
        match self.world.step(&create(name, &[]), None) {
            Verdict::First { row, .. } => {
                assert!(free && row.id > self.highest, "{name}");
                self.highest = row.id;
                let row = self.world.install(*row);
                self.under_way.push((name, row));
            }
            Verdict::Done { reply, .. } => assert_eq!(reply.is_ok(), self.model_of(name).named, "{name}"),
        }
    }

    fn finish(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let one = self.below(self.under_way.len() as u64) as usize;
        let (name, row) = self.under_way.swap_remove(one);
        let (named, free) = (self.model_of(name).named, self.is_free(name));
        let Verdict::Done { reply, records, .. } = self.world.step(&create(name, &[]), Some(&row)) else {
            panic!("asked for a queue that was made");
        };
        assert_eq!(reply.is_ok(), named || free);
        assert_eq!(!records.is_empty(), free);
        assert_eq!(self.world.slots.contains_key(&row.id), free, "left behind in its slot, or lost");
        if free {
            *self.model_of(name) = Known { named: true, deleted: None };
        }
    }

    fn delete(&mut self, name: &'static str) {
        let now = self.world.now;
        let done = self.world.run(&delete(name)).is_ok();
        let known = self.model_of(name);
        assert_eq!(done, known.named);
        if done {
            *known = Known { named: false, deleted: Some(now) };
        }
    }

    fn change(&mut self, name: &'static str) {
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{}", self.name());
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":3}}"#);
        let policy = if self.below(3) == 0 { "" } else { policy.as_str() };
        let done = self.world.run(&set(name, &[("RedrivePolicy", policy)])).is_ok();
        assert!(!done || self.model_of(name).named);
    }

    fn look(&mut self, name: &'static str) {
        let found = self.world.run(&url_of(name)).is_ok();
        assert_eq!(found, self.model_of(name).named);
    }

    /// Creates under way are lost; a node removes the unnamed queues from their slots.
    fn restart(&mut self) {
        for (_, row) in self.under_way.drain(..) {
            self.world.slots.remove(&row.id);
        }
        self.world.restart();
        self.world.now += 1;
    }

    fn model_of(&mut self, name: &'static str) -> &mut Known {
        self.model.entry(name).or_default()
    }

    fn is_free(&mut self, name: &'static str) -> bool {
        let now = self.world.now;
        let known = self.model_of(name);
        !known.named && known.deleted.is_none_or(|at| now >= at + 60_000)
    }
}

fn run(seed: u64) -> Run {
    let mut run = Run {
        world: World::new(),
        entropy: Entropy(seed),
        model: BTreeMap::new(),
        under_way: Vec::new(),
        highest: QueueId(0),
    };
    (0..400).for_each(|_| run.step());
    run
}

#[test]
fn random_requests_keep_the_laws() {
    for seed in 0..40 {
        let run = run(seed);
        let named = run.model.values().filter(|known| known.named).count();
        assert_eq!(run.world.catalogue.len(), named, "seed {seed}");
        assert_eq!(run.world.slots.len(), named + run.under_way.len(), "seed {seed}");
    }
}

#[test]
fn one_seed_is_one_run() {
    assert_eq!(run(7).world.catalogue.small_rows(), run(7).world.catalogue.small_rows());
}
