//! Rounds: load, a crash, a restart, and now and then a drain.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::arguments::{Arguments, Mode};
use crate::catalogue::Catalogue;
use crate::consumer::Consumer;
use crate::drain::drain;
use crate::ledger::Wrong;
use crate::place::Place;
use crate::process::{self, Process, Program};
use crate::random::Random;
use crate::sender::{Manner, Sender};
use crate::world::{Life, World};

/// A drain takes at most this long.
pub const DRAIN: Duration = Duration::from_secs(120);
/// A restart that took longer is told at once, with its log.
const SLOW: Duration = Duration::from_secs(3);
/// One restart in so many is killed before or just after it is ready.
const RECOVERY_KILLS: u64 = 6;

/// A run in progress.
#[derive(Debug)]
pub struct Run {
    /// As asked for.
    pub arguments: Arguments,
    /// What clients share.
    pub world: Arc<World>,
    /// How to start the process.
    pub program: Program,
    /// Choices.
    pub random: Random,
    /// Where the files are.
    pub place: Place,
    /// Consumers, with the handles they keep.
    pub consumers: Vec<Consumer>,
    senders: Vec<Sender>,
    catalogue: Catalogue,
    process: Option<Process>,
    life: Option<Life>,
    kills: u64,
    slowest: Duration,
}

/// What cannot be helped ends a run; what is merely wrong is in the ledger.
pub type Result<T> = std::result::Result<T, String>;

impl Run {
    /// Starts the process on a new directory.
    pub fn begin(arguments: Arguments) -> Result<Run> {
        let mut place =
            Place::new(&arguments.directory, arguments.seed).map_err(|error| told("directory", error))?;
        if arguments.mode == Mode::FullDisk {
            place.mount_small_disk(arguments.disk_mib).map_err(|error| told("mounting a tmpfs", error))?;
        }
        let beside_us = || process::beside_us().map_err(|error| told("our own place", error));
        let program = Program {
            binary: arguments.binary.clone().map_or_else(beside_us, Ok)?,
            data: place.data(),
            log: place.log(),
            errors_for_limits: arguments.mode == Mode::FailingDisk,
        };
        let seed = arguments.seed;
        let manners = [Manner::Standard, Manner::Standard, Manner::Fifo, Manner::Fifo];
        let world = Arc::new(World::new());
        world.set_refusing(arguments.mode == Mode::FullDisk);
        let mut run = Run {
            world,
            program,
            random: Random::new(seed),
            place,
            senders: manners
                .iter()
                .zip(0..)
                .map(|(manner, index)| Sender::new(*manner, index, seed))
                .collect(),
            consumers: (0..4).map(|index| Consumer::new(index % 2 == 1, index, seed)).collect(),
            catalogue: Catalogue::new(seed),
            process: None,
            life: None,
            kills: 0,
            slowest: Duration::ZERO,
            arguments,
        };
        run.start(true)?;
        Ok(run)
    }

    /// All rounds, then the last check; how many rounds were well.
    pub fn go(&mut self) -> Result<u64> {
        for round in 1..=self.arguments.rounds {
            match self.arguments.mode {
                Mode::Kill => self.kill_round()?,
                Mode::Stop => self.stop_round()?,
                Mode::FailingDisk => self.failing_round()?,
                Mode::FullDisk => self.full_round(round)?,
            }
            if round % self.arguments.drain_every == 0 || round == self.arguments.rounds {
                self.drain()?;
                println!("crash: drained after round {round}: {}", self.figures());
            }
            if !self.world.ledger().wrongs.is_empty() {
                return Ok(round - 1);
            }
        }
        self.end()?;
        let well = self.world.ledger().wrongs.is_empty();
        Ok(self.arguments.rounds - u64::from(!well))
    }

    fn kill_round(&mut self) -> Result<()> {
        let load = self.load_time();
        self.under_load(|run| {
            thread::sleep(load);
            run.kill()
        })?;
        self.restart()
    }

    /// Stands still once or twice, and at times never gets up again.
    fn stop_round(&mut self) -> Result<()> {
        let load = self.load_time();
        let pauses: Vec<Duration> = (0..self.random.between(1, 2))
            .map(|_| Duration::from_millis(self.random.between(100, 3_000)))
            .collect();
        let kill = self.random.percent(40);
        self.under_load(|run| {
            for pause in &pauses {
                thread::sleep(load);
                run.signal(Process::pause)?;
                thread::sleep(*pause);
                if !kill || Some(pause) != pauses.last() {
                    run.signal(Process::resume)?;
                }
            }
            match kill {
                true => run.kill(),
                false => {
                    thread::sleep(load);
                    run.world.halt();
                    Ok(())
                }
            }
        })?;
        if kill { self.restart() } else { Ok(()) }
    }

    /// Writes fail from a random moment on, in all files or beyond an offset.
    fn failing_round(&mut self) -> Result<()> {
        let load = self.load_time();
        let limit = if self.random.percent(50) { 0 } else { self.random.between(0, 64 << 20) };
        self.under_load(|run| {
            thread::sleep(load);
            run.world.dying();
            run.signal(|process| process.limit_files(limit))?;
            run.expect_loud_end(limit)
        })?;
        self.restart()
    }

    fn expect_loud_end(&mut self, limit: u64) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        // Beyond the limit nothing may be written for a long time: then writes to all files fail.
        let mut status = process.wait(Duration::from_secs(2)).map_err(|error| told("waiting", error))?;
        if status.is_none() && limit > 0 {
            process.limit_files(0).map_err(|error| told("prlimit", error))?;
        }
        if status.is_none() {
            status = process.wait(Duration::from_secs(20)).map_err(|error| told("waiting", error))?;
        }
        match status.map(|status| status.code()) {
            Some(Some(code)) if code != 0 => {}
            other => self.world.wrong(&format!("writes fail, yet the process ended with {other:?}")),
        }
        drop(process);
        if !self.program.log_end().contains("must stop") {
            self.world.wrong("writes fail, and the log says nothing");
        }
        self.died();
        Ok(())
    }

    /// Runs the clients while `crash` does its work on the process.
    pub fn under_load(&mut self, crash: impl FnOnce(&mut Run) -> Result<()>) -> Result<()> {
        let mut senders = std::mem::take(&mut self.senders);
        let mut consumers = std::mem::take(&mut self.consumers);
        let mut catalogue = std::mem::replace(&mut self.catalogue, Catalogue::new(0));
        let (world, life) = (self.world.clone(), self.life());
        world.go();
        let done = thread::scope(|scope| {
            for sender in &mut senders {
                scope.spawn(|| sender.run(&world, &life));
            }
            for consumer in &mut consumers {
                scope.spawn(|| consumer.run(&world, &life));
            }
            scope.spawn(|| catalogue.run(&world, &life));
            // Whatever comes of it, the clients end.
            let done = catch_unwind(AssertUnwindSafe(|| crash(self)));
            world.halt();
            done
        });
        self.senders = senders;
        self.consumers = consumers;
        self.catalogue = catalogue;
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// How long the clients work in this round.
    pub fn load_time(&mut self) -> Duration {
        let most = self.arguments.load.as_millis().max(1) as u64;
        Duration::from_millis(self.random.between(most / 20, most))
    }

    /// SIGKILL, if it is still there as it should be.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        if let Some(status) = process.ended().map_err(|error| told("waiting", error))? {
            let end = self.program.log_end();
            self.world.wrong(&format!("it ended by itself with {status}; the end of its log:\n{end}"));
        }
        self.world.dying();
        process.kill().map_err(|error| told("SIGKILL", error))?;
        self.died();
        Ok(())
    }

    /// Clients that still wait are cut off by now; those after the next start belong to another life.
    fn died(&mut self) {
        self.kills += 1;
        self.world.halt();
    }

    fn signal(&self, signal: impl FnOnce(&Process) -> io::Result<()>) -> Result<()> {
        self.process.as_ref().map_or(Ok(()), signal).map_err(|error| told("a signal", error))
    }

    /// Starts it again, at times with a kill in the middle of its recovery.
    pub fn restart(&mut self) -> Result<()> {
        self.world.ledger().crashed(self.world.now());
        while self.random.between(1, RECOVERY_KILLS) == 1 {
            let process = self.program.start().map_err(|error| told("start", error))?;
            thread::sleep(Duration::from_millis(self.random.between(1, 60)));
            process.kill().map_err(|error| told("SIGKILL", error))?;
            self.kills += 1;
        }
        self.start(false)
    }

    fn start(&mut self, first: bool) -> Result<()> {
        let (process, address) = self.program.start_ready().map_err(|error| {
            told("start", format!("{error}; the end of its log:\n{}", self.program.log_end()))
        })?;
        if !first {
            self.note_restart(process.age());
        }
        self.process = Some(process);
        let life = if first { Life::first(address) } else { Life::again(address) };
        match life {
            Ok(life) => {
                self.catalogue.check(&self.world, &life);
                self.life = Some(life);
            }
            Err(failure) => self.world.fail("the queues after a start", &failure),
        }
        Ok(())
    }

    fn note_restart(&mut self, took: Duration) {
        self.slowest = self.slowest.max(took);
        if took > SLOW {
            println!("crash: a restart took {} ms:\n{}", took.as_millis(), self.program.log_end());
        }
    }

    /// Where the process can be reached.
    pub fn life(&self) -> Life {
        self.life.clone().expect("started")
    }

    /// Takes everything out and checks the total.
    fn drain(&mut self) -> Result<()> {
        let life = self.life();
        self.world.go();
        for sender in &mut self.senders {
            sender.settle(&self.world, &life);
        }
        drain(&self.world, &life, DRAIN);
        self.consumers.iter_mut().for_each(Consumer::forget);
        Ok(())
    }

    /// A stop without a kill, and a last look.
    fn end(&mut self) -> Result<()> {
        self.expect_second_refused()?;
        if let Some(process) = self.process.take() {
            let status = process.terminate().map_err(|error| told("SIGTERM", error))?;
            if !status.success() {
                self.world.wrong(&format!("after SIGTERM it ended with {status}"));
            }
        }
        self.world.ledger().crashed(self.world.now());
        self.start(false)?;
        self.drain()
    }

    /// No second process works on the same directory.
    fn expect_second_refused(&self) -> Result<()> {
        let second = Program { log: self.program.log.with_extension("second.log"), ..self.program.clone() };
        let mut process = second.start().map_err(|error| told("start", error))?;
        let status = process.wait(Duration::from_secs(20)).map_err(|error| told("waiting", error))?;
        if status.is_none_or(|status| status.success()) {
            self.world.wrong("a second process on the same directory was not refused");
        }
        Ok(())
    }

    /// The closing lines, and the evidence of what is wrong; whether all is well.
    pub fn close(mut self, well: u64) -> bool {
        let ledger = self.world.ledger();
        let failed = u64::from(!ledger.wrongs.is_empty());
        for (_, evidence) in ledger.wrongs.iter().take(10) {
            println!("{evidence}");
        }
        if failed != 0 {
            println!("crash: everything is kept in {}", self.place.keep().display());
        }
        drop(ledger);
        println!("crash: rounds {}, {}", well + failed, self.figures());
        println!("crash: {well} passed, {failed} failed");
        failed == 0
    }

    fn figures(&self) -> String {
        let ledger = self.world.ledger();
        let totals = ledger.totals;
        format!(
            "kills {}, sent {}, received {}, deleted {}, refused {}, without reply {}, \
             lost {}, returned {}, disorder {}, other {}, max restart {} ms",
            self.kills,
            totals.sent,
            totals.received,
            totals.deleted,
            totals.refused,
            totals.unknown,
            ledger.count(Wrong::Lost),
            ledger.count(Wrong::Returned),
            ledger.count(Wrong::Disorder),
            ledger.count(Wrong::Other),
            self.slowest.as_millis(),
        )
    }
}

/// A sentence about an error.
pub fn told(what: &str, error: impl std::fmt::Display) -> String {
    format!("{what}: {error}")
}
