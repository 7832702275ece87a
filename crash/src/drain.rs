//! Taking everything out until the counters say that nothing is left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Failure;
use crate::consumer::{delete, receive};
use crate::queues::QUEUES;
use crate::world::{Life, World};

/// Threads that drain.
const THREADS: usize = 4;
/// Receives hide what they bring for so long while draining, seconds: longer than any delete takes here.
const HIDDEN: u64 = 20;
/// The counters must be zero so often in a row: a message may be on its way between two queues.
const LOOKS: u32 = 3;

/// Drains all queues and checks that everything came; at most so long.
pub fn drain(world: &World, life: &Life, patience: Duration) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for first in 0..THREADS {
            let done = &done;
            scope.spawn(move || {
                if let Err(failure) = take_all(world, life, first, done) {
                    done.store(true, Ordering::SeqCst);
                    world.fail("drain", &failure);
                }
            });
        }
        match wait_until_empty(life, patience, &done) {
            Ok(None) => {}
            Ok(Some(left)) => world.wrong(&format!("not drained within {patience:?}: {left}")),
            Err(failure) => world.fail("GetQueueAttributes", &failure),
        }
        done.store(true, Ordering::SeqCst);
    });
    world.ledger().drained();
}

fn take_all(world: &World, life: &Life, first: usize, done: &AtomicBool) -> Result<(), Failure> {
    let mut sqs = life.connect()?;
    let mut turn = first;
    let mut empty = 0;
    while !done.load(Ordering::SeqCst) {
        let queue = turn % QUEUES.len();
        let held = receive(world, &mut sqs, queue, 10, HIDDEN, 0)?;
        delete(world, &mut sqs, &held)?;
        if !held.is_empty() {
            empty = 0;
            continue;
        }
        turn += 1;
        empty += 1;
        if empty > QUEUES.len() {
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// What is left in words, or nothing.
fn wait_until_empty(life: &Life, patience: Duration, done: &AtomicBool) -> Result<Option<String>, Failure> {
    let mut sqs = life.connect()?;
    let end = Instant::now() + patience;
    let mut zeros = 0;
    while !done.load(Ordering::SeqCst) {
        let mut left = Vec::new();
        for (queue, spec) in QUEUES.iter().enumerate() {
            let counters = sqs.counters(queue)?;
            if counters != [0; 3] {
                left.push(format!("{} {counters:?}", spec.name));
            }
        }
        zeros = if left.is_empty() { zeros + 1 } else { 0 };
        if zeros == LOOKS {
            return Ok(None);
        }
        if Instant::now() > end {
            return Ok(Some(format!("visible, in flight, delayed: {}", left.join(", "))));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(None)
}
