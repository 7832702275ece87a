//! A command on its way through a slot, and what becomes of it.

use engine::command::{Answer, Command, Decision, Done, Facts, Internal};
use engine::reply::Reply;
use engine::{Code, Error, Lsn, Millis, QueueId};
use store::Store;

use crate::held::{Due, End, FlowId, Pending};
use crate::waiters::Waiter;
use crate::{Node, RequestId};

/// A command for a slot, kept until it is decided.
#[derive(Debug)]
pub(crate) struct Job {
    pub slot: usize,
    pub command: Command,
    pub origin: Origin,
    /// How often it was decided with facts; see [`PATIENCE_WITH_NEEDS`].
    pub needs: u32,
}

/// For whom a command is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// A client's request, routed by a catalogue entry last changed at `route`.
    Client { id: RequestId, route: Lsn },
    /// The server's own, perhaps as a part of something a client waits for.
    Server { flow: Option<FlowId> },
}

/// A decision that still asks after this many pages will never have enough.
const PATIENCE_WITH_NEEDS: u32 = 100;

impl Job {
    /// The queue it is about; a tick is about none.
    pub(crate) fn queue(&self) -> Option<QueueId> {
        match &self.command {
            Command::Client { queue, .. } | Command::Send { queue, .. } => Some(*queue),
            Command::Internal(internal) => internal.queue(),
        }
    }

    fn client(&self) -> Option<RequestId> {
        match self.origin {
            Origin::Client { id, .. } => Some(id),
            Origin::Server { .. } => None,
        }
    }
}

pub(crate) fn internal_failure(text: &'static str) -> Error {
    Error::new(Code::InternalFailure, text)
}

impl<S: Store> Node<S> {
    /// Decides one command and sees to what follows.
    pub(crate) fn decide(&mut self, job: Job, facts: &Facts) {
        if job.client().is_some_and(|id| self.drop_if_gone(id)) {
            return;
        }
        self.keep_batch_small();
        let mut moment = self.moment();
        let slot = &mut self.slots[job.slot];
        let decision = slot.execute(&mut moment, &self.catalogue, &job.command, facts, &mut self.batch);
        self.weigh();
        match decision {
            Decision::Done(done) => self.decided(&job, done),
            Decision::Wait { until } => self.wait(job, until),
            Decision::Need(asks) if !asks.is_empty() && job.needs < PATIENCE_WITH_NEEDS => {
                job.client().into_iter().for_each(|id| self.remember(id));
                self.loads.park(Job { needs: job.needs + 1, ..job }, asks);
            }
            Decision::Need(_) => self.fail(&job, internal_failure("The request could not be decided.")),
        }
    }

    /// Delivers one of the server's own requests to its slot.
    pub(crate) fn deliver(&mut self, internal: Internal, flow: Option<FlowId>) {
        let Some(queue) = internal.queue() else { return self.ended(flow, 0) };
        let (slot, command) = (self.place(queue), Command::Internal(internal));
        self.decide(Job { slot, command, origin: Origin::Server { flow }, needs: 0 }, &Facts::default());
    }

    fn decided(&mut self, job: &Job, done: Done) {
        assert!(done.rests <= self.store.next_lsn(), "a decision rests on what was read or written");
        match job.origin {
            Origin::Client { id, route } => {
                let result = match done.answer {
                    Ok(Answer::Reply(reply)) => Ok(reply),
                    Ok(Answer::Deliver(messages)) => self.open_messages(&job.command, messages),
                    Ok(Answer::Nothing) => Err(internal_failure("The request got no answer.")),
                    Err(error) => Err(error),
                };
                let pending = Pending { id, result, undo: done.undo };
                self.reply_after(pending, done.rests.max(route), done.then);
            }
            Origin::Server { flow } => {
                self.counters.internal_errors += u64::from(done.answer.is_err());
                if let (Some(flow), Err(error)) = (flow, done.answer) {
                    self.flows.fail(flow, error);
                }
                self.follow(flow, done.rests, done.then);
                self.ended(flow, done.rests);
            }
        }
    }

    /// Ends a job that could not be decided.
    pub(crate) fn fail(&mut self, job: &Job, error: Error) {
        match job.origin {
            Origin::Client { id, route } => {
                self.reply_after(Pending { id, result: Err(error), undo: Vec::new() }, route, Vec::new());
            }
            Origin::Server { flow } => {
                self.counters.internal_errors += 1;
                flow.iter().for_each(|flow| self.flows.fail(*flow, error.clone()));
                self.ended(flow, 0);
            }
        }
    }

    /// Holds a reply until `rests` and all that `then` leads to are durable.
    pub(crate) fn reply_after(&mut self, pending: Pending, rests: Lsn, then: Vec<Internal>) {
        if then.is_empty() {
            return self.hold(rests, Due::Reply(pending));
        }
        self.remember(pending.id);
        let flow = self.flows.begin(End::Reply(pending));
        self.follow(Some(flow), rests, then);
        self.ended(Some(flow), rests);
    }

    /// Has these delivered once `rests` is durable, as parts of `flow`.
    fn follow(&mut self, flow: Option<FlowId>, rests: Lsn, then: Vec<Internal>) {
        for internal in then {
            flow.iter().for_each(|flow| self.flows.grow(*flow));
            self.hold(rests, Due::Deliver(internal, flow));
        }
    }

    /// A part of a flow is decided; it has landed once `rests` is durable.
    pub(crate) fn ended(&mut self, flow: Option<FlowId>, rests: Lsn) {
        if let Some(flow) = flow {
            self.hold(rests, Due::Landed(flow));
        }
    }

    /// A receive found nothing yet.
    fn wait(&mut self, job: Job, until: Option<Millis>) {
        let (Origin::Client { id, route }, Some(queue)) = (job.origin, job.queue()) else {
            return self.fail(&job, internal_failure("Only a client waits."));
        };
        let over = until.is_some_and(|until| self.draining || until <= self.now);
        if over {
            return self.answer_empty(id, route);
        }
        self.slots[job.slot].want(queue);
        self.live.entry(id).or_default().waits_at = Some(queue);
        self.waiters.insert(queue, id, Waiter { job: Box::new(job), until });
    }

    /// Ends a long poll with nothing. It rests on all there was: nothing has been found in it.
    pub(crate) fn answer_empty(&mut self, id: RequestId, route: Lsn) {
        let result = Ok(Reply::ReceiveMessage { messages: Vec::new() });
        self.reply_after(Pending { id, result, undo: Vec::new() }, route.max(self.so_far()), Vec::new());
    }

    /// The last `Lsn` that anything decided so far rests on.
    pub(crate) fn so_far(&self) -> Lsn {
        self.store.next_lsn() - u64::from(self.batch.records.is_empty())
    }

    /// The request's reply does not come out at once: its client may be gone before.
    pub(crate) fn remember(&mut self, id: RequestId) {
        self.live.entry(id).or_default().waits_at = None;
    }

    /// Forgets a request whose client is gone before it was decided.
    pub(crate) fn drop_if_gone(&mut self, id: RequestId) -> bool {
        let gone = self.live.get(&id).is_some_and(|live| live.gone);
        if gone {
            self.live.remove(&id);
        }
        gone
    }
}
