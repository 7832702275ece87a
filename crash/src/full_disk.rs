//! A full disk: sends are refused, everything else goes on, and freed space is used again.

use std::thread;
use std::time::{Duration, Instant};

use crate::consumer::{delete, receive};
use crate::queues::QUEUES;
use crate::run::{Result, Run, told};
use crate::sender::{Manner, Sender};

/// Filling the small disk, and freeing it again, takes at most this long each.
const PATIENCE: Duration = Duration::from_secs(60);
/// Receiving and deleting between two events.
const AWHILE: Duration = Duration::from_millis(500);
/// Threads that fill.
const FILLERS: u64 = 2;

impl Run {
    /// Fills; receives and deletes a little; at every other time dies and starts again while full; frees; sends.
    pub fn full_round(&mut self, round: u64) -> Result<()> {
        self.fill(round)?;
        self.consume(AWHILE);
        if round % 2 == 1 {
            self.kill()?;
            self.restart()?;
            self.consume(AWHILE);
        }
        if round.is_multiple_of(3) {
            self.without_any_space()?;
        }
        self.free();
        let load = self.load_time();
        self.under_load(|run| {
            thread::sleep(load);
            run.kill()
        })?;
        self.restart()
    }

    /// A neighbour takes the last byte of the disk, the reserve included. A start may then be refused, in words.
    fn without_any_space(&mut self) -> Result<()> {
        self.place.fill_up().map_err(|error| told("filling the disk", error))?;
        self.consume(AWHILE);
        self.kill()?;
        let mut process = self.program.start().map_err(|error| told("start", error))?;
        let ended = process.wait(Duration::from_secs(5)).map_err(|error| told("waiting", error))?;
        process.kill().map_err(|error| told("SIGKILL", error))?;
        let loud = ended.is_none_or(|status| !status.success()) && ended.is_none() != self.says_no_space();
        if !loud {
            self.world
                .wrong(&format!("on a full disk a start ended with {ended:?}: {}", self.program.log_end()));
        }
        self.place.free_up().map_err(|error| told("freeing the disk", error))?;
        self.restart()
    }

    fn says_no_space(&self) -> bool {
        self.program.log_end().to_lowercase().contains("no space")
    }

    /// Large messages until each filler was refused.
    fn fill(&mut self, round: u64) -> Result<()> {
        let (world, life) = (self.world.clone(), self.life());
        world.go();
        let before = world.ledger().totals.refused;
        let seed = self.arguments.seed.wrapping_add(round);
        let full = thread::scope(|scope| {
            let fillers: Vec<_> = (0..FILLERS)
                .map(|index| {
                    let mut filler = Sender::new(Manner::Filling, 100 + index, seed);
                    let (world, life) = (&world, &life);
                    scope.spawn(move || filler.run(world, life))
                })
                .collect();
            let end = Instant::now() + PATIENCE;
            while Instant::now() < end && !fillers.iter().all(|filler| filler.is_finished()) {
                thread::sleep(Duration::from_millis(5));
            }
            world.halt();
            Instant::now() < end
        });
        if !full || world.ledger().totals.refused == before {
            world.wrong(&format!("the disk is not full, or its sends are not refused, after {PATIENCE:?}"));
        }
        Ok(())
    }

    /// Receives and deletes for so long.
    fn consume(&mut self, patience: Duration) {
        let (world, life) = (self.world.clone(), self.life());
        let end = Instant::now() + patience;
        world.go();
        let consumed = (|| {
            let mut sqs = life.connect()?;
            while Instant::now() < end {
                for queue in 0..QUEUES.len() {
                    let held = receive(&world, &mut sqs, queue, 10, 20, 0)?;
                    delete(&world, &mut sqs, &held)?;
                }
            }
            Ok(())
        })();
        if let Err(failure) = consumed {
            world.fail("receive or delete on a full disk", &failure);
        }
    }

    /// Receives and deletes until a send is taken again.
    fn free(&mut self) {
        let world = self.world.clone();
        let mut prober = Sender::new(Manner::Filling, 200, self.random.draw());
        let end = Instant::now() + PATIENCE;
        loop {
            let before = world.ledger().totals.refused;
            self.consume(Duration::from_millis(200));
            let sent = world.ledger().totals.sent;
            prober.send_one(&world, &self.life());
            let totals = world.ledger().totals;
            if totals.sent > sent && totals.refused == before {
                return;
            }
            if Instant::now() > end || !world.ledger().wrongs.is_empty() {
                let files = self.place.list();
                return world
                    .wrong(&format!("after {PATIENCE:?} of deletes sends are still refused; {files}"));
            }
        }
    }
}
