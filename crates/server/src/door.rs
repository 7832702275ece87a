//! The door to the node: an inbox, and the rule who takes from it.
//!
//! No thread belongs to the node. A worker leaves its request in the inbox and sees to it that a task of the
//! same worker's runtime runs the node once that worker has nothing else ready: what it read from all its
//! sockets becomes one turn. A disk thread with a completion does not wait for that: it runs the node itself,
//! answers what is durable, decides what is in the inbox and begins the next write without a thread being woken.
//!
//! What keeps anything from being left behind: `running` and `scheduled` are read and written only under the
//! inbox's lock, and whenever that is free, an inbox with something in it is running or scheduled.

use std::collections::HashMap;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use engine::command::Undo;
use engine::{Error, Lsn, Millis, Reply, Request};
use node::{Input, Output, QueueView, RequestId, Whole};
use tokio::sync::{Notify, oneshot};

use crate::metrics::Page;
use crate::{clock, log};

/// What the door needs of a node; a trait so that it can be tested with a small one.
pub trait Turns: Send {
    /// One turn.
    fn turn(&mut self, inputs: Vec<Input>, now: Millis) -> Vec<Output>;
    /// When a turn is next worth while without any input, ms.
    fn next_deadline(&self) -> Option<Millis>;
    /// Whether clients may come in: recovery is over.
    fn is_ready(&self) -> bool;
    /// From the next turn on no long poll waits.
    fn stop(&mut self);
    /// Whether nothing is left to answer and everything decided is durable.
    fn is_idle(&self) -> bool;
    /// Marks the store as complete; nothing more is decided.
    fn seal(&mut self);
    /// Whether that mark is durable.
    fn is_sealed(&self) -> bool;
    /// Adds what there is to tell to the metrics.
    fn describe(&self, page: &mut Page);
    /// How things are with each queue.
    fn queues(&mut self) -> Vec<QueueView>;
    /// Everything as of now, where there is a data directory.
    fn whole(&self) -> Option<Whole>;
    /// Whether the batches up to this one are durable.
    fn is_durable(&self, lsn: Lsn) -> bool;
}

/// A reply with what to undo if nobody sees it.
pub type Answer = (Result<Reply, Error>, Vec<Undo>);

/// Turns a worker does before it goes back to its sockets.
const WORKER_TURNS: usize = 4;
/// Turns a disk thread does: the journal's next group may be waiting for the very thread that runs the node.
const DISK_TURNS: usize = 1;

/// See the module.
pub struct Door {
    inbox: Mutex<Inbox>,
    desk: Mutex<Desk>,
    /// Wakes the runner task.
    runner: Notify,
    /// Wakes the timer task.
    timer: Notify,
    deadline: AtomicU64,
    next_id: AtomicU64,
    fatal: Box<dyn Fn(&str) + Send + Sync>,
}

#[derive(Default)]
struct Inbox {
    arrivals: Vec<Arrival>,
    /// A turn is due although nothing came in: the disk or the clock has something.
    kicked: bool,
    /// A thread is in [`Door::run`].
    running: bool,
    /// The runner task was woken and has not begun.
    scheduled: bool,
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.arrivals.is_empty() && !self.kicked
    }
}

struct Arrival {
    input: Input,
    reply: Option<(RequestId, oneshot::Sender<Answer>)>,
}

struct Desk {
    node: Box<dyn Turns>,
    waiting: HashMap<RequestId, oneshot::Sender<Answer>>,
}

impl Door {
    /// A door to this node. `fatal` is told why the process must stop; it is not expected to return.
    pub fn new(node: Box<dyn Turns>, fatal: impl Fn(&str) + Send + Sync + 'static) -> Arc<Door> {
        let deadline = node.next_deadline().unwrap_or(Millis::MAX);
        Arc::new(Door {
            inbox: Mutex::default(),
            desk: Mutex::new(Desk { node, waiting: HashMap::new() }),
            runner: Notify::new(),
            timer: Notify::new(),
            deadline: AtomicU64::new(deadline),
            next_id: AtomicU64::new(1),
            fatal: Box::new(fatal),
        })
    }

    /// Brings a request in. Dropping what comes back says that the client is gone.
    pub fn request(self: &Arc<Door>, identity: Arc<auth::Identity>, request: Request) -> Pending {
        let (sender, receiver) = oneshot::channel();
        // Under the inbox's lock, so that ids rise in the order of arrival.
        let mut inbox = lock(&self.inbox);
        let id = RequestId(self.next_id.fetch_add(1, Ordering::Relaxed));
        inbox
            .arrivals
            .push(Arrival { input: Input::Request { id, identity, request }, reply: Some((id, sender)) });
        self.schedule(inbox);
        Pending { door: self.clone(), id, receiver, answered: false }
    }

    /// Brings in anything that is not answered.
    pub fn tell(&self, input: Input) {
        let mut inbox = lock(&self.inbox);
        inbox.arrivals.push(Arrival { input, reply: None });
        self.schedule(inbox);
    }

    /// The disk has completed something; called on its threads.
    pub fn completed(&self) {
        let mut inbox = lock(&self.inbox);
        inbox.kicked = true;
        self.run(inbox, DISK_TURNS);
    }

    /// Answers every long poll, and lets none wait any more.
    pub fn stop(&self) {
        self.look(|node| node.stop());
        self.kick();
    }

    /// Looks at the node between two turns.
    pub fn look<T>(&self, at: impl FnOnce(&mut dyn Turns) -> T) -> T {
        at(lock(&self.desk).node.as_mut())
    }

    /// Runs the node whenever it is scheduled. Never returns.
    pub async fn run_when_scheduled(&self) {
        loop {
            self.runner.notified().await;
            // Behind everything that is ready on this worker: more requests for the same turn.
            tokio::task::yield_now().await;
            let mut inbox = lock(&self.inbox);
            inbox.scheduled = false;
            self.run(inbox, WORKER_TURNS);
        }
    }

    /// Runs the node when time has passed that it waited for. Never returns.
    pub async fn keep_time(&self) {
        loop {
            // At most a day, so that a clock that is set does not leave us asleep for ever; at least one
            // ms, so that a node that always has something left is no busy loop.
            let wait = self.deadline.load(Ordering::SeqCst).saturating_sub(clock::now());
            let wait = Duration::from_millis(wait.clamp(1, 86_400_000));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.timer.notified() => {}
            }
            if self.deadline.load(Ordering::SeqCst) <= clock::now() {
                self.kick();
            }
        }
    }

    /// A turn is due though nothing came in.
    fn kick(&self) {
        let mut inbox = lock(&self.inbox);
        inbox.kicked = true;
        self.schedule(inbox);
    }

    fn schedule(&self, mut inbox: MutexGuard<'_, Inbox>) {
        if !inbox.running && !inbox.scheduled {
            inbox.scheduled = true;
            drop(inbox);
            self.runner.notify_one();
        }
    }

    /// Turns until the inbox is empty, or this many and the rest is scheduled. Nothing if someone else runs
    /// the node: that one looks again before it goes.
    fn run<'a>(&'a self, mut inbox: MutexGuard<'a, Inbox>, turns: usize) {
        if inbox.running {
            return;
        }
        inbox.running = true;
        for _ in 0..turns {
            if inbox.is_empty() {
                break;
            }
            inbox.kicked = false;
            let arrivals = mem::take(&mut inbox.arrivals);
            drop(inbox);
            self.turn(arrivals);
            inbox = lock(&self.inbox);
        }
        inbox.running = false;
        if !inbox.is_empty() {
            self.schedule(inbox);
        }
    }

    fn turn(&self, arrivals: Vec<Arrival>) {
        let mut desk = lock(&self.desk);
        let mut inputs = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            desk.waiting.extend(arrival.reply);
            // A reply for a client that is gone is passed over, or undone.
            if let Input::Gone(id) = &arrival.input {
                desk.waiting.remove(id);
            }
            inputs.push(arrival.input);
        }
        // A node that panicked is in no known state: nothing it says may be believed any more.
        let outputs = catch_unwind(AssertUnwindSafe(|| desk.node.turn(inputs, clock::now())));
        let Ok(outputs) = outputs else {
            (self.fatal)("the node panicked; the line above says where");
            return;
        };
        let mut unseen = Vec::new();
        for output in outputs {
            match output {
                Output::Reply { id, result, undo } => unseen.extend(desk.answer(id, result, undo)),
                Output::Warning(text) => log::warn("node", &[("text", &text)]),
                Output::Fatal(text) => (self.fatal)(&text),
            }
        }
        let deadline = desk.node.next_deadline().unwrap_or(Millis::MAX);
        drop(desk);
        self.note_deadline(deadline);
        if !unseen.is_empty() {
            // The runner looks at the inbox again before it goes.
            let arrivals = unseen.into_iter().map(|undo| Arrival { input: Input::Undo(undo), reply: None });
            lock(&self.inbox).arrivals.extend(arrivals);
        }
    }

    /// Only an earlier deadline wakes the timer: a later one is found when it fires.
    fn note_deadline(&self, deadline: Millis) {
        if deadline < self.deadline.swap(deadline, Ordering::SeqCst) {
            self.timer.notify_one();
        }
    }
}

impl Desk {
    /// Hands a reply to its client; if that is gone, returns what is to be undone.
    fn answer(&mut self, id: RequestId, result: Result<Reply, Error>, undo: Vec<Undo>) -> Option<Vec<Undo>> {
        let undo = match self.waiting.remove(&id) {
            Some(sender) => match sender.send((result, undo)) {
                Ok(()) => return None,
                Err((_, undo)) => undo,
            },
            None => undo,
        };
        (!undo.is_empty()).then_some(undo)
    }
}

/// A poisoned lock is taken: the panic itself has been dealt with by [`Door::turn`].
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A reply to come.
pub struct Pending {
    door: Arc<Door>,
    id: RequestId,
    receiver: oneshot::Receiver<Answer>,
    answered: bool,
}

impl Future for Pending {
    type Output = Option<(Result<Reply, Error>, Unseen)>;

    /// `None` only if the node will never answer because the process is stopping.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = std::task::ready!(Pin::new(&mut self.receiver).poll(context));
        self.answered = true;
        Poll::Ready(answer.ok().map(|(result, undo)| (result, Unseen { door: self.door.clone(), undo })))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        // From here on a reply either was sent before, and is found now, or fails to be sent.
        self.receiver.close();
        match self.receiver.try_recv() {
            Ok((_, undo)) if undo.is_empty() => {}
            Ok((_, undo)) => self.door.tell(Input::Undo(undo)),
            Err(_) => self.door.tell(Input::Gone(self.id)),
        }
    }
}

/// A reply that nobody has seen yet: dropped before [`Unseen::seen`], what can be undone is undone.
pub struct Unseen {
    door: Arc<Door>,
    undo: Vec<Undo>,
}

impl Unseen {
    /// The reply is being written.
    pub fn seen(&mut self) {
        self.undo.clear();
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        if !self.undo.is_empty() {
            self.door.tell(Input::Undo(mem::take(&mut self.undo)));
        }
    }
}

#[cfg(test)]
mod tests;
