//! The calm phase: no faults, no clients; whatever is there must come out.

use engine::Row;
use store::Store;

use super::World;
use crate::disk::Crash;
use crate::model::{Call, Exists, Queue, QueueAt, Violation};

/// A request that is not answered for so long, in us, is stuck.
const STUCK: u64 = 120_000_000;
/// Rounds without a message or a wait ahead after which the counters must be zero.
const IDLE_ROUNDS: u32 = 6;
/// Rounds in a row in which the counters must be zero.
const EMPTY_ROUNDS: u32 = 3;
/// Amid damage: how far ahead a message may be for it to be waited for, ms.
const PATIENCE: u64 = 65_000;
/// Rounds at most.
const ROUNDS: u32 = 3_000;

impl World {
    /// Faults end, damage is healed, requests that are out are answered.
    pub(super) fn calm_down(&mut self) -> Result<(), Violation> {
        self.settle()?;
        self.calm = true;
        self.full_until = None;
        self.disk.calm();
        self.node.iter_mut().for_each(|node| node.store_mut().calm());
        if self.disk.is_wounded() || self.model.excuses.damage {
            self.drain_amid_damage()?;
            // What a server took for damaged it need not look at again before it is restarted.
            self.disk.heal();
            self.crash(Crash::Kill)?;
        }
        self.settle()
    }

    /// Of a standard queue everything comes out that can be read, whatever lies in damaged bytes before it.
    fn drain_amid_damage(&mut self) -> Result<(), Violation> {
        if !self.disk.is_wounded() {
            return Ok(());
        }
        self.amid_damage = true;
        self.crash(Crash::Kill)?;
        // What was refused is healed by now.
        if self.disk.is_wounded() {
            self.mark("drained amid damage");
            let all = 0..self.model.queues.len();
            let is_there = |queue: &Queue| queue.exists == Exists::Yes && !queue.fifo;
            let there: Vec<QueueAt> = all.filter(|&at| is_there(&self.model.queues[at])).collect();
            let checked = store::log::check(&mut self.disk.copy()).map_err(|error| error.to_string())?;
            let lost: u64 = checked.lost.iter().map(|lost| lost.count).sum();
            self.receive_what_can_be_read(&there)?;
            let missed: Vec<_> = there.iter().flat_map(|&queue| self.model.overdue(queue)).collect();
            if missed.len() as u64 > lost {
                return Err(format!(
                    "{lost} messages lie in damaged bytes, and more are not received: {missed:?}; {:?}",
                    checked.findings
                ));
            }
        }
        self.settle()?;
        self.amid_damage = false;
        Ok(())
    }

    /// Receives and deletes until nothing more comes that is due within a minute or so.
    fn receive_what_can_be_read(&mut self, there: &[QueueAt]) -> Result<(), Violation> {
        for _ in 0..ROUNDS {
            let mut any = false;
            for &queue in there {
                any |= self.empty(queue)?;
            }
            let now = self.model.now().hi;
            let next = self.model.next_receivable(now).filter(|at| *at < now + PATIENCE);
            match next {
                Some(at) => self.pass((at - now) * 1_000)?,
                None if any => {}
                None => return Ok(()),
            }
        }
        Err("it does not drain".into())
    }

    /// Until every request is answered; clients wait.
    fn settle(&mut self) -> Result<(), Violation> {
        self.waiting = true;
        let since = self.now;
        while self.model.outstanding() > 0 || !self.inputs.is_empty() || !self.pending_calls.is_empty() {
            self.now = self.now.max(self.next_time());
            self.make_room();
            self.act();
            self.step()?;
            if self.now > since + STUCK {
                let out = self.model.pending_calls();
                return Err(format!("after {} s there is still no reply to {out:?}", STUCK / 1_000_000));
            }
        }
        self.waiting = false;
        Ok(())
    }

    /// Sends a request and waits for its reply.
    fn call(&mut self, call: Call) -> Result<(), Violation> {
        self.send(call, None);
        self.settle()
    }

    /// Receives and deletes until the counters say that nothing is left.
    pub(super) fn drain(&mut self) -> Result<(), Violation> {
        let all = 0..self.model.queues.len();
        for queue in
            all.clone().filter(|&at| self.model.queues[at].exists == Exists::Maybe).collect::<Vec<_>>()
        {
            self.call(Call::Locate { queue })?;
        }
        let there: Vec<QueueAt> = all.filter(|&at| self.model.queues[at].exists == Exists::Yes).collect();
        self.send_again(&there)?;
        let (mut idle, mut empty) = (0, 0);
        for _ in 0..ROUNDS {
            let mut any = false;
            for &queue in &there {
                any |= self.empty(queue)?;
            }
            if any {
                (idle, empty) = (0, 0);
                continue;
            }
            let mut left = 0;
            for &queue in &there {
                self.call(Call::Counters { queue })?;
                left += self.model.queues[queue].counted;
            }
            // A message on its way between two queues is counted in neither.
            empty = if left == 0 { empty + 1 } else { 0 };
            if empty == EMPTY_ROUNDS {
                self.require_moves_ended()?;
                return self.model.finish();
            }
            let now = self.model.now().hi;
            let next = self.model.next_receivable(now);
            idle = if next.is_some() || left == 0 { 0 } else { idle + 1 };
            if idle > IDLE_ROUNDS {
                let live: Vec<_> = there.iter().map(|&queue| self.model.leftovers(queue)).collect();
                return Err(format!("{left} messages are counted and never come out; {live:?}"));
            }
            let wait =
                if left == 0 { 200 } else { next.map_or(20_000 + self.longest_delay(&there), |at| at - now) };
            self.pass(wait * 1_000)?;
        }
        Err("it does not drain".into())
    }

    /// Nothing is on its way between two queues any more: what stayed there is counted in neither, and the model must
    /// take it for arrived where the target was deleted.
    fn require_moves_ended(&self) -> Result<(), Violation> {
        let rows = self.node.iter().flat_map(|node| node.store().small_rows());
        let is_moving = |row: &Row| {
            matches!(row, Row::Touched(_, row) if row.leaving.is_some()) || matches!(row, Row::Arrived(..))
        };
        match rows.into_iter().find(is_moving) {
            Some(row) => Err(format!("it is still on its way to another queue: {row:?}")),
            None => Ok(()),
        }
    }

    /// What moves into a FIFO queue, which the model need not know of, waits out the queue's delay, ms.
    fn longest_delay(&self, there: &[QueueAt]) -> u64 {
        let fifo = there.iter().map(|&at| &self.model.queues[at]).filter(|queue| queue.fifo);
        fifo.map(|queue| queue.delay().hi).max().unwrap_or(0)
    }

    /// Where the disk has room, sends are taken: two seconds later at the latest.
    fn send_again(&mut self, there: &[QueueAt]) -> Result<(), Violation> {
        self.pass(2_000_000)?;
        for &queue in there {
            let call = self.workload.send(&mut self.model, queue);
            self.call(call)?;
        }
        Ok(())
    }

    /// Receives and deletes what can be had now; whether there was anything.
    fn empty(&mut self, queue: QueueAt) -> Result<bool, Violation> {
        let mut any = false;
        loop {
            let first = self.model.handles.len();
            self.call(Call::Receive { queue, most: 10, timeout: Some(60), wait: 0, attempt: None })?;
            let handles: Vec<_> = (first..self.model.handles.len()).collect();
            if handles.is_empty() {
                return Ok(any);
            }
            any = true;
            self.call(Call::Delete { queue, handles, batch: true })?;
        }
    }

    /// Lets this many microseconds go by.
    fn pass(&mut self, time: u64) -> Result<(), Violation> {
        let until = self.now + time;
        while self.now < until {
            self.now = self.next_time().min(until).max(self.now);
            self.step()?;
        }
        Ok(())
    }
}
