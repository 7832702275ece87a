//! FIFO lanes: a message group is blocked while one of its messages is in flight, and offers its messages in
//! order otherwise. A blocked lane never hides another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::Lane;
use crate::limits::LANE_WINDOW;

/// The lanes of one FIFO queue that memory knows of: those with touched, ready or parked messages.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: BTreeMap<Lane, LaneState>,
    /// Lanes with something to offer, by the number of their first message.
    offering: BTreeSet<(u64, Lane)>,
    /// Free lanes whose messages all lie on disk.
    to_load: BTreeSet<Lane>,
    /// Blocked lanes whose next messages are in the window all the same.
    waiting: BTreeSet<Lane>,
    /// Lanes a page of the cursor need not show.
    skip: Arc<BTreeSet<Lane>>,
}

/// Lanes looked at to tell where the free ones begin.
const LOOKS: usize = 16;

#[derive(Debug, Default)]
struct LaneState {
    /// Touched and invisible.
    in_flight: usize,
    /// Touched and visible, by number. All before the ready ones: a lane is received in order.
    returned: BTreeSet<u64>,
    /// Untouched and in the window.
    ready: BTreeSet<u64>,
    parked: Option<Parked>,
}

/// Untouched messages of a lane that lie on disk before the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The first is numbered this or higher.
    pub first: u64,
    /// None is numbered higher than this.
    pub last: u64,
}

impl LaneState {
    fn head(&self) -> Option<u64> {
        if self.in_flight > 0 {
            return None;
        }
        [self.returned.first(), self.ready.first()].into_iter().flatten().min().copied()
    }

    fn wants_load(&self) -> bool {
        self.parked.is_some() && !self.has_received() && self.ready.is_empty()
    }

    fn skipped(&self) -> bool {
        self.parked.is_some() || self.in_flight > 0 || self.ready.len() >= LANE_WINDOW
    }

    fn has_received(&self) -> bool {
        self.in_flight > 0 || !self.returned.is_empty()
    }

    fn waits(&self) -> bool {
        self.in_flight > 0 && !self.ready.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.in_flight == 0 && self.returned.is_empty() && self.ready.is_empty() && self.parked.is_none()
    }
}

impl Lanes {
    /// Changes a lane and puts right what is derived from it.
    fn change<T>(&mut self, lane: Lane, change: impl FnOnce(&mut LaneState) -> T) -> T {
        let state = self.lanes.entry(lane).or_default();
        let (head, load, skipped, waits) = (state.head(), state.wants_load(), state.skipped(), state.waits());
        let result = change(state);
        let (new_head, new_load, new_skipped, new_waits) =
            (state.head(), state.wants_load(), state.skipped(), state.waits());
        if state.is_empty() {
            self.lanes.remove(&lane);
        }
        if head != new_head {
            head.map(|head| self.offering.remove(&(head, lane)));
            new_head.map(|head| self.offering.insert((head, lane)));
        }
        match (load, new_load) {
            (false, true) => drop(self.to_load.insert(lane)),
            (true, false) => drop(self.to_load.remove(&lane)),
            _ => {}
        }
        match (waits, new_waits) {
            (false, true) => drop(self.waiting.insert(lane)),
            (true, false) => drop(self.waiting.remove(&lane)),
            _ => {}
        }
        match (skipped, new_skipped) {
            (false, true) => drop(Arc::make_mut(&mut self.skip).insert(lane)),
            (true, false) => drop(Arc::make_mut(&mut self.skip).remove(&lane)),
            _ => {}
        }
        result
    }

    /// A message went in flight.
    pub fn fly(&mut self, lane: Lane) {
        self.change(lane, |state| state.in_flight += 1);
    }

    /// A message is in flight no more.
    pub fn land(&mut self, lane: Lane) {
        self.change(lane, |state| {
            assert!(state.in_flight > 0, "a message lands that was in flight");
            state.in_flight -= 1;
        });
    }

    /// A touched message is visible.
    pub fn give_back(&mut self, lane: Lane, sequence: u64) {
        self.change(lane, |state| state.returned.insert(sequence));
    }

    /// A visible touched message is gone, in flight or leaving.
    pub fn take_back(&mut self, lane: Lane, sequence: u64) {
        self.change(lane, |state| state.returned.remove(&sequence));
    }

    /// An untouched message entered the window.
    pub fn ready(&mut self, lane: Lane, sequence: u64) {
        self.change(lane, |state| state.ready.insert(sequence));
    }

    /// An untouched message left the window.
    pub fn unready(&mut self, lane: Lane, sequence: u64) {
        self.change(lane, |state| state.ready.remove(&sequence));
    }

    /// Whether an untouched message may enter the window: what is ready is a prefix of the lane.
    pub fn admits(&self, lane: Lane) -> bool {
        self.lanes.get(&lane).is_none_or(|state| state.parked.is_none() && state.ready.len() < LANE_WINDOW)
    }

    /// The messages `first..=last` of a lane lie on disk before the cursor; widens what is parked already.
    pub fn park(&mut self, lane: Lane, first: u64, last: u64) {
        self.change(lane, |state| {
            let parked = state.parked.get_or_insert(Parked { first, last });
            parked.first = parked.first.min(first);
            parked.last = parked.last.max(last);
        });
    }

    /// What is parked of a lane.
    pub fn parked(&self, lane: Lane) -> Option<Parked> {
        self.lanes.get(&lane).and_then(|state| state.parked)
    }

    /// What is parked of a lane is now so.
    pub fn set_parked(&mut self, lane: Lane, parked: Option<Parked>) {
        self.change(lane, |state| state.parked = parked);
    }

    /// The cursor goes back to `sequence`: what is parked from there on belongs to the cursor again.
    pub fn unpark_from(&mut self, sequence: u64) {
        let lanes: Vec<Lane> =
            self.lanes.iter().filter(|(_, state)| state.parked.is_some()).map(|(lane, _)| *lane).collect();
        for lane in lanes {
            self.change(lane, |state| {
                state.parked = state.parked.filter(|parked| parked.first < sequence).map(|parked| Parked {
                    first: parked.first,
                    last: parked.last.min(sequence.saturating_sub(1)),
                });
            });
        }
    }

    /// The messages numbered below `below` are gone, parked ones among them.
    pub fn cut_parked(&mut self, below: u64) {
        let cut: Vec<Lane> =
            self.parked_firsts().filter(|(_, first)| *first < below).map(|(lane, _)| lane).collect();
        for lane in cut {
            self.change(lane, |state| {
                state.parked = state.parked.filter(|parked| parked.last >= below);
                state.parked.iter_mut().for_each(|parked| parked.first = below);
            });
        }
    }

    /// Each lane's first number that is parked.
    pub fn parked_firsts(&self) -> impl Iterator<Item = (Lane, u64)> {
        self.lanes.iter().filter_map(|(lane, state)| Some((*lane, state.parked?.first)))
    }

    /// The first number that is parked of any lane.
    pub fn first_parked(&self) -> Option<u64> {
        self.parked_firsts().map(|(_, first)| first).min()
    }

    /// Lanes with something to offer, the one with the oldest message first.
    pub fn offering(&self) -> impl Iterator<Item = Lane> {
        self.offering.iter().map(|(_, lane)| *lane)
    }

    /// Whether a message of the lane was received and is still here.
    pub fn has_received(&self, lane: Lane) -> bool {
        self.lanes.get(&lane).is_some_and(LaneState::has_received)
    }

    /// A number below which every untouched message before `cursor` is of a lane with a received one. Not the
    /// highest: it is found in a few looks.
    pub fn free_from(&self, cursor: u64) -> u64 {
        if self.to_load.len() > LOOKS {
            return 0;
        }
        let parked = self.to_load.iter().filter_map(|lane| self.parked(*lane)).map(|parked| parked.first);
        let mut offering = self.offering.iter().take(LOOKS).enumerate();
        let offered = offering.find(|(at, (_, lane))| at + 1 == LOOKS || !self.has_received(*lane));
        parked.chain(offered.map(|(_, (head, _))| *head)).fold(cursor, u64::min)
    }

    /// What a lane offers, in order: whether touched, and the number.
    pub fn offers(&self, lane: Lane) -> impl Iterator<Item = (bool, u64)> {
        let state = self.lanes.get(&lane).filter(|state| state.in_flight == 0);
        state.into_iter().flat_map(|state| {
            let returned = state.returned.iter().map(|sequence| (true, *sequence));
            returned.chain(state.ready.iter().map(|sequence| (false, *sequence)))
        })
    }

    /// Blocked lanes with messages in the window, which nobody can be given.
    pub fn blocked_and_ready(&self) -> Vec<Lane> {
        self.waiting.iter().copied().collect()
    }

    /// The numbers of a lane's untouched messages in the window.
    pub fn ready_of(&self, lane: Lane) -> Vec<u64> {
        self.lanes.get(&lane).map_or_else(Vec::new, |state| state.ready.iter().copied().collect())
    }

    /// Free lanes whose messages must be loaded before they can be offered.
    pub fn to_load(&self) -> impl Iterator<Item = Lane> {
        self.to_load.iter().copied()
    }

    /// Lanes a page of the cursor need not show.
    pub fn skip(&self) -> Arc<BTreeSet<Lane>> {
        self.skip.clone()
    }
}
