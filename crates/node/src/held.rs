//! What waits for durability: replies, deliveries, and flows of deliveries that end in a reply.

use std::collections::BTreeMap;

use engine::command::{Internal, Undo};
use engine::{Error, Lsn, Reply};
use store::Store;

use crate::admit::Administration;
use crate::{Node, Output, RequestId};

/// A decided reply.
#[derive(Debug)]
pub(crate) struct Pending {
    pub id: RequestId,
    pub result: Result<Reply, Error>,
    pub undo: Vec<Undo>,
}

/// What happens once something is durable.
#[derive(Debug)]
pub(crate) enum Due {
    /// The reply comes out.
    Reply(Pending),
    /// The request is delivered to its slot, perhaps as a part of a flow.
    Deliver(Internal, Option<FlowId>),
    /// A part of the flow is durable.
    Landed(FlowId),
    /// Pages for a parked request have come, or it could not be loaded.
    Facts(crate::loads::Parked),
}

/// Dues by the `Lsn` they rest on. Only a few `Lsn`s are ever un-durable, so the tree is tiny.
#[derive(Debug, Default)]
pub(crate) struct Held {
    by_lsn: BTreeMap<Lsn, Vec<Due>>,
    /// The room of the last ones that were taken, for the next.
    spare: Vec<Due>,
}

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_lsn.is_empty()
    }

    /// Replies that are held.
    pub(crate) fn replies(&self) -> usize {
        let replies = |dues: &Vec<Due>| dues.iter().filter(|due| matches!(due, Due::Reply(_))).count();
        self.by_lsn.values().map(replies).sum()
    }

    fn insert(&mut self, rests: Lsn, due: Due) {
        let spare = &mut self.spare;
        self.by_lsn.entry(rests).or_insert_with(|| std::mem::take(spare)).push(due);
    }

    /// The dues of the lowest `Lsn`, if that is at most `lsn`.
    fn take_up_to(&mut self, lsn: Lsn) -> Option<Vec<Due>> {
        let first = self.by_lsn.first_entry().filter(|first| *first.key() <= lsn)?;
        Some(first.remove())
    }

    fn take_at(&mut self, lsn: Lsn) -> Option<Vec<Due>> {
        self.by_lsn.remove(&lsn)
    }
}

/// Names a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowId(u64);

/// Deliveries, and deliveries they lead to, that something waits for until all are durable.
#[derive(Debug)]
struct Flow {
    parts: usize,
    failed: Option<Error>,
    end: End,
}

/// What waits for a flow.
#[derive(Debug)]
pub(crate) enum End {
    /// A client.
    Reply(Pending),
    /// A queue that is now in its slot and can be named.
    Name(Box<Administration>),
    /// The start.
    Ready,
}

/// The flows that run.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    running: BTreeMap<FlowId, Flow>,
    last: u64,
}

impl Flows {
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Begins a flow of one part.
    pub(crate) fn begin(&mut self, end: End) -> FlowId {
        self.last += 1;
        let id = FlowId(self.last);
        self.running.insert(id, Flow { parts: 1, failed: None, end });
        id
    }

    /// One more part.
    pub(crate) fn grow(&mut self, id: FlowId) {
        self.flow(id).parts += 1;
    }

    /// A part was refused; the first refusal is kept.
    pub(crate) fn fail(&mut self, id: FlowId, error: Error) {
        self.flow(id).failed.get_or_insert(error);
    }

    /// One part less; at the last one, what waited.
    fn land(&mut self, id: FlowId) -> Option<(End, Option<Error>)> {
        let flow = self.flow(id);
        flow.parts -= 1;
        if flow.parts > 0 {
            return None;
        }
        self.running.remove(&id).map(|flow| (flow.end, flow.failed))
    }

    fn flow(&mut self, id: FlowId) -> &mut Flow {
        self.running.get_mut(&id).expect("a flow lives as long as its parts")
    }
}

impl<S: Store> Node<S> {
    /// Has `due` happen once `rests` is durable: a reply comes out at once if it is.
    pub(crate) fn hold(&mut self, rests: Lsn, due: Due) {
        match due {
            Due::Reply(pending) if rests <= self.durable => self.let_out(pending),
            due if rests <= self.durable => self.ready.push_back(due),
            due => {
                // Whether its client is still there matters only where something is to be undone.
                match &due {
                    Due::Reply(pending) if pending.undo.is_empty() => drop(self.live.remove(&pending.id)),
                    Due::Reply(pending) => self.remember(pending.id),
                    _ => {}
                }
                self.held.insert(rests, due);
            }
        }
    }

    /// Every batch up to `lsn` is durable.
    pub(crate) fn now_durable(&mut self, lsn: Lsn) {
        self.durable = self.durable.max(lsn);
        self.slots.iter_mut().for_each(|slot| slot.durable(lsn));
        while let Some(dues) = self.held.take_up_to(self.durable) {
            self.release(dues);
        }
    }

    /// The batch of this `Lsn` stayed empty: what rests on it rests on those before.
    pub(crate) fn rest_before(&mut self, lsn: Lsn) {
        for due in self.held.take_at(lsn).into_iter().flatten() {
            self.hold(lsn - 1, due);
        }
    }

    fn release(&mut self, mut dues: Vec<Due>) {
        self.outputs.reserve(dues.len());
        for due in dues.drain(..) {
            match due {
                Due::Reply(pending) => self.let_out(pending),
                due => self.ready.push_back(due),
            }
        }
        self.held.spare = dues;
    }

    fn let_out(&mut self, Pending { id, result, undo }: Pending) {
        let gone = self.live.remove(&id).is_some_and(|live| live.gone);
        if !gone {
            self.outputs.push(Output::Reply { id, result, undo });
        } else if !undo.is_empty() {
            self.undo(undo);
        }
    }

    /// Takes back what receives did whose replies nobody saw. The messages of one reply are of one queue.
    pub(crate) fn undo(&mut self, undo: Vec<Undo>) {
        self.counters.undone += 1;
        self.ready.push_back(Due::Deliver(Internal::Undo(undo), None));
    }

    /// Does what is ready.
    pub(crate) fn perform(&mut self, due: Due) {
        match due {
            Due::Reply(pending) => self.let_out(pending),
            Due::Deliver(internal, flow) => self.deliver(internal, flow),
            Due::Facts(parked) => self.decide_with_facts(parked),
            Due::Landed(flow) => {
                if let Some((end, failed)) = self.flows.land(flow) {
                    self.flow_ends(end, failed);
                }
            }
        }
    }

    fn flow_ends(&mut self, end: End, failed: Option<Error>) {
        match (end, failed) {
            (End::Ready, _) => self.repaired = true,
            // What the client asked for is done and durable in the catalogue; a start repairs the rest.
            (End::Reply(pending), _) => self.let_out(pending),
            (End::Name(administration), None) => self.administer(*administration),
            (End::Name(administration), Some(error)) => {
                self.let_out(Pending { id: administration.id, result: Err(error), undo: Vec::new() });
            }
        }
    }
}
