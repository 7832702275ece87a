//! What a seed draws before it begins: the shape of the world, and which faults it may show ("swarm": most
//! seeds have most kinds off, so that the others happen often together).

use crate::disk::{DiskOptions, Micros};
use crate::faults::{Fault, FaultSet};
use crate::model::{Policy, Shape};
use crate::rng::Rng;

/// What the command line may hold fixed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Operations of the safety phase.
    pub ops: Option<u64>,
    /// Clients at most.
    pub clients: Option<usize>,
    /// Faults that never happen.
    pub without: FaultSet,
}

/// How often clients do what; each is a weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habits {
    /// SendMessage and its batch.
    pub send: u64,
    /// ReceiveMessage.
    pub receive: u64,
    /// DeleteMessage and its batch.
    pub delete: u64,
    /// ChangeMessageVisibility and its batch.
    pub change: u64,
    /// SetQueueAttributes.
    pub set: u64,
    /// PurgeQueue.
    pub purge: u64,
    /// DeleteQueue.
    pub remove: u64,
    /// GetQueueAttributes.
    pub counters: u64,
    /// StartMessageMoveTask and ListMessageMoveTasks.
    pub moves: u64,
    /// GetQueueUrl, forged handles.
    pub rest: u64,
}

/// Sizes of the store, as in [`store::log::Options`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "described there")]
pub struct StoreOptions {
    pub journal_file: u64,
    pub table: usize,
    pub recovery_bytes: u64,
    pub recovery_records: u64,
    pub cache: usize,
    pub segment: u64,
}

impl StoreOptions {
    /// Bytes free below which sends are refused: room for all that still goes on then.
    pub fn reserve(&self) -> u64 {
        2 * self.table as u64 + 2 * self.journal_file
    }
}

/// Everything a seed fixes beside the streams of chance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Operations of the safety phase.
    pub ops: u64,
    /// Clients.
    pub clients: usize,
    /// State machines.
    pub slots: usize,
    /// Bytes of all windows.
    pub window_bytes: usize,
    /// The store's sizes.
    pub store: StoreOptions,
    /// The queues, dead-letter queues first.
    pub queues: Vec<Shape>,
    /// The disk.
    pub disk: DiskOptions,
    /// Faults that may happen.
    pub faults: FaultSet,
    /// A crash once in so many steps, on average.
    pub steps_per_crash: u64,
    /// A client's pause between two requests.
    pub pause: (Micros, Micros),
    /// What clients do.
    pub habits: Habits,
    /// Message bodies are at most this long.
    pub body: usize,
    /// Message groups a queue.
    pub groups: u32,
    /// Visibility timeouts of single receives and changes, seconds.
    pub timeouts: Vec<u64>,
    /// How late the store's pages come.
    pub page_delay: (Micros, Micros),
    /// Whether a deleted name and a purged queue rest for 60 seconds.
    pub rests: bool,
    /// Messages at hand below which a window reads more.
    pub window_low: usize,
    /// The laws are checked once in so many steps, or more rarely where there are many rows.
    pub steps_per_check: u64,
}

impl Options {
    /// What this seed draws.
    pub fn draw(seed: u64, overrides: &Overrides) -> Options {
        let rng = &mut Rng::new(seed, 1);
        let mut faults = draw_faults(rng);
        overrides.without.iter().for_each(|fault| faults.remove(fault));
        let clients = rng.between(1, 8) as usize;
        let low = rng.pick(&[20, 100, 400]);
        let high = low * rng.pick(&[1, 3, 20]);
        let disk = DiskOptions {
            block: rng.pick(&[512, 4096]),
            latency: (low, high),
            faults,
            rate: rng.pick(&[300, 2_000, 10_000]),
        };
        let pause =
            rng.pick(&[(0, 100), (0, 2_000), (100, 50_000), (1_000, 3_000_000), (50_000, 60_000_000)]);
        let timeouts = rng.pick(&[&[0, 1, 2, 30][..], &[1, 5], &[5, 30, 300], &[0, 30, 7_200]]).to_vec();
        Options {
            seed,
            ops: overrides.ops.unwrap_or(1_000),
            clients: overrides.clients.map_or(clients, |most| clients.min(most)),
            slots: rng.pick(&[1, 4]),
            window_bytes: rng.pick(&[2_000, 20_000, 64 << 20]),
            store: draw_store(rng),
            queues: draw_queues(rng),
            disk,
            faults,
            steps_per_crash: rng.pick(&[100, 500, 2_000]),
            pause,
            habits: draw_habits(rng),
            body: rng.pick(&[20, 20, 200, 2_000, 20_000]),
            groups: rng.pick(&[1, 2, 5, 40]),
            timeouts,
            steps_per_check: rng.pick(&[1, 7, 50]),
            page_delay: rng.pick(&[(0, 0), (0, 0), (0, 2_000), (0, 50_000)]),
            rests: rng.one_in(2),
            window_low: rng.pick(&[4, 64, 512]),
        }
    }
}

fn draw_faults(rng: &mut Rng) -> FaultSet {
    let mut faults = FaultSet::NONE;
    let share = rng.pick(&[0, 100_000, 300_000, 600_000]);
    for fault in Fault::ALL {
        // Drawn for every kind, so that taking one out changes no other.
        let on = rng.chance(share);
        let often = matches!(fault, Fault::PowerCut | Fault::Torn) && rng.one_in(2);
        if on || often {
            faults.insert(fault);
        }
    }
    faults
}

fn draw_store(rng: &mut Rng) -> StoreOptions {
    StoreOptions {
        journal_file: rng.pick(&[1, 4, 16]) << 16,
        table: rng.pick(&[2_000, 30_000, 1 << 20]),
        recovery_bytes: rng.pick(&[100_000, 1 << 20, 256 << 20]),
        recovery_records: rng.pick(&[60, 1_000, 1_000_000]),
        cache: rng.pick(&[10_000, 1 << 20]),
        segment: rng.pick(&[20_000, 64 << 20]),
    }
}

fn draw_habits(rng: &mut Rng) -> Habits {
    let calm = rng.one_in(3);
    let mut rarely = |weight: u64| if calm { 0 } else { rng.pick(&[0, weight, 3 * weight]) };
    let (mut set, mut purge, mut remove, mut moves) = (rarely(10), rarely(12), rarely(3), rarely(6));
    // Some seeds are about moves, and about what crosses them.
    if !calm && rng.one_in(4) {
        (set, purge, remove, moves) = (rng.pick(&[10, 150]), rng.pick(&[5, 40]), rng.pick(&[0, 10, 40]), 100);
    }
    Habits {
        send: rng.between(150, 500),
        receive: rng.between(150, 500),
        delete: rng.between(50, 400),
        change: rng.pick(&[0, 30, 150]),
        set,
        purge,
        remove,
        counters: 30,
        moves,
        rest: 15,
    }
}

fn draw_queues(rng: &mut Rng) -> Vec<Shape> {
    let mut queues = Vec::new();
    for (count, suffix) in [(rng.between(0, 2), ""), (rng.between(0, 2), ".fifo")] {
        if count == 0 {
            continue;
        }
        let dead = rng.one_in(2).then(|| {
            queues.push(draw_queue(rng, format!("dead{suffix}"), None));
            queues.len() - 1
        });
        for at in 0..count {
            let policy = dead.map(|target| Policy { target, most: rng.pick(&[1, 2, 5]) });
            queues.push(draw_queue(rng, format!("queue-{at}{suffix}"), policy));
        }
    }
    if queues.is_empty() {
        queues.push(draw_queue(rng, "queue".into(), None));
    }
    queues
}

fn draw_queue(rng: &mut Rng, name: String, policy: Option<Policy>) -> Shape {
    Shape {
        timeout: rng.pick(&[0, 1, 5, 30, 600]),
        delay: rng.pick(&[0, 0, 0, 0, 1, 10, 900]),
        retention: rng.pick(&[345_600, 345_600, 345_600, 60, 600]),
        policy,
        by_content: rng.one_in(3),
        per_group: rng.one_in(2),
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_a_fault_out_changes_nothing_else() {
        for seed in 0..50 {
            let whole = Options::draw(seed, &Overrides::default());
            let mut without = FaultSet::NONE;
            without.insert(Fault::PowerCut);
            let mut less = Options::draw(seed, &Overrides { without, ..Overrides::default() });
            assert!(!less.faults.has(Fault::PowerCut));
            less.faults = whole.faults;
            less.disk.faults = whole.disk.faults;
            assert_eq!(less, whole);
        }
    }
}
