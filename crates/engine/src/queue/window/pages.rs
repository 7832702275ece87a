//! Pages that come in: what of them enters the window, is parked, or moves a cursor.

use super::{Entry, Out, Want, Window};
use crate::asks::Page;
use crate::command::LoadId;
use crate::counts::{Count, Counts};
use crate::ids::{Lane, MessageKey, Millis};
use crate::queue::lanes::{Lanes, Parked};

impl Window {
    /// The page of a want. `touched` tells which messages are touched by now, and how.
    pub fn loaded(
        &mut self,
        load: LoadId,
        page: Page,
        now: Millis,
        lanes: &mut Lanes,
        counts: &mut Counts,
        touched: impl Fn(&MessageKey) -> Option<Count>,
    ) {
        let Some(out) = self.out.remove(&load).filter(|out| !out.stale) else {
            return counts.add(Count::DroppedStale);
        };
        self.count_news(&out, &page, counts);
        self.passed.extend(page.damage.iter().map(|damage| (damage.from, damage.to)));
        let hidden = |key: &MessageKey| {
            let why = out.hides(key).or_else(|| touched(key));
            why.into_iter().for_each(|why| counts.add(why));
            why.is_some()
        };
        match &out.what {
            Want::Arrived(_) => self.loaded_arrived(page, now, lanes, hidden),
            Want::Delayed(_, to) => self.loaded_delayed(*to, out.missed, page, now, lanes, hidden),
            Want::Lane { lane, parked, before } => {
                self.loaded_lane(*lane, *parked, *before, page, lanes, hidden);
            }
        }
    }

    fn count_news(&self, out: &Out, page: &Page, counts: &mut Counts) {
        let skipped = page.rows.iter().filter(|found| found.blob.is_none()).count();
        counts.add_many(Count::FilteredSkipped, if self.fifo { skipped } else { 0 });
        match out.what {
            Want::Arrived(_) => counts.add_many(Count::DurableMeanwhile, self.late.len()),
            Want::Delayed(..) => counts.add_many(Count::DurableMeanwhile, out.missed.iter().count()),
            Want::Lane { .. } => counts.add(Count::LaneResumed),
        }
    }

    fn loaded_arrived(
        &mut self,
        page: Page,
        now: Millis,
        lanes: &mut Lanes,
        mut hidden: impl FnMut(&MessageKey) -> bool,
    ) {
        self.arrived.load = None;
        let late = std::mem::take(&mut self.late);
        let mut skipped = Vec::new();
        for found in page.rows {
            self.arrived.next = found.key;
            match found.blob {
                // Its content cannot be read.
                None if !self.fifo => {}
                // Touched or not, it says that more of its lane may follow.
                None => {
                    lanes.park(found.row.lane, found.key.sequence, found.key.sequence);
                    skipped.push(found.row.lane);
                }
                Some(_) if hidden(&found.key) => {}
                Some(blob) => {
                    if !self.take(found.key, Entry { row: found.row, blob }, now, lanes) {
                        self.see_skipped(&skipped, lanes);
                        return;
                    }
                }
            }
            self.arrived.next.sequence += 1;
        }
        if page.ran_out {
            self.arrived.unread = false;
            let unseen = late.iter().find(|(_, (at, _))| *at > page.lsn).map(|(key, _)| key.sequence);
            self.read_to_end(unseen);
        }
        self.see_skipped(&skipped, lanes);
        for (key, (at, entry)) in late {
            if page.ran_out && at > page.lsn {
                self.arrive(key, entry, now, lanes);
            }
        }
    }

    /// The cursor goes to the end of what a page could show: the first message that was not durable yet
    /// (`unseen` is one that is by now), or else the end of the queue.
    fn read_to_end(&mut self, unseen: Option<u64>) {
        let pending = self.pending.iter().find(|(key, ..)| key.rank == 0).map(|(key, ..)| key.sequence);
        let end = [pending, unseen].into_iter().flatten().min().unwrap_or(self.end);
        self.arrived.next.sequence = self.arrived.next.sequence.max(end);
    }

    /// Of a skipped lane a page shows the first message only: any before the cursor may be parked.
    fn see_skipped(&self, skipped: &[Lane], lanes: &mut Lanes) {
        for lane in skipped {
            if let Some(parked) = lanes.parked(*lane) {
                let last = parked.last.max(self.arrived.next.sequence.saturating_sub(1));
                lanes.set_parked(*lane, Some(Parked { last, ..parked }));
            }
        }
    }

    fn loaded_delayed(
        &mut self,
        to: MessageKey,
        missed: Option<MessageKey>,
        page: Page,
        now: Millis,
        lanes: &mut Lanes,
        mut hidden: impl FnMut(&MessageKey) -> bool,
    ) {
        self.delayed.load = None;
        for found in page.rows {
            self.delayed.next = MessageKey { sequence: found.key.sequence + 1, ..found.key };
            if let Some(blob) = found.blob.filter(|_| !hidden(&found.key)) {
                self.admit(found.key, Entry { row: found.row, blob }, lanes);
            }
        }
        if page.ran_out {
            self.delayed.next = MessageKey { queue: self.queue, rank: to.rank + 1, sequence: 0 };
        }
        // A second that began meanwhile is not read yet.
        let later = to < self.end_of_second(now);
        self.delayed.unread = !page.ran_out || missed.is_some() || later;
        // Back to what the page perhaps could not show. What is not durable yet takes the cursor back when it is.
        self.delayed.next = missed.map_or(self.delayed.next, |missed| missed.min(self.delayed.next));
    }

    fn loaded_lane(
        &mut self,
        lane: Lane,
        asked: Parked,
        before: u64,
        page: Page,
        lanes: &mut Lanes,
        mut hidden: impl FnMut(&MessageKey) -> bool,
    ) {
        let Some(parked) = lanes.parked(lane).filter(|parked| parked.first == asked.first) else { return };
        let mut first = parked.first;
        for found in page.rows {
            first = found.key.sequence + 1;
            if let Some(blob) = found.blob.filter(|_| !hidden(&found.key)) {
                self.admit(found.key, Entry { row: found.row, blob }, lanes);
            }
        }
        if page.ran_out {
            first = before;
        }
        let rest = (first <= parked.last).then_some(Parked { first, last: parked.last });
        lanes.set_parked(lane, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asks::{Damage, Found};
    use crate::ids::QueueId;
    use crate::rows::{Blob, Cut, MessageRow};

    /// Nobody may wait for a load that is neither out nor wished for: with enough at hand none is, though the
    /// cursor has not seen the end, as when no more messages may be touched.
    #[test]
    fn a_window_that_wants_no_load_is_not_cold() {
        let (mut window, mut lanes) = (Window::new(QueueId(1), false, 9, 0, true), Lanes::default());
        let first = window.wants(1, &mut lanes).into_iter().find(|want| matches!(want, Want::Arrived(_)));
        window.out(first.expect("nothing was read yet"), LoadId(1));
        assert!(window.is_cold(1, &mut lanes), "a load is out");
        let found = |sequence| Found {
            key: MessageKey { queue: QueueId(1), rank: 0, sequence },
            row: MessageRow::default(),
            blob: Some(Blob::new()),
        };
        let page = Page { rows: (1..=10).map(found).collect(), ran_out: false, ..Page::default() };
        window.loaded(LoadId(1), page, 1, &mut lanes, &mut Counts::default(), |_| None);
        let wants = window.wants(1, &mut lanes);
        assert!(
            wants.iter().all(|want| matches!(want, Want::Delayed(from, _) if from.rank == 1)),
            "{wants:?}"
        );
        window.out(wants[0].clone(), LoadId(2));
        let page = Page { ran_out: true, ..Page::default() };
        window.loaded(LoadId(2), page, 1, &mut lanes, &mut Counts::default(), |_| None);
        assert_eq!(window.wants(1, &mut lanes), []);
        assert!(window.arrived.unread && !window.is_cold(1, &mut lanes));
    }

    /// A standard queue's cursor goes on behind what cannot be read, and what lies there is remembered until the
    /// queue is purged.
    #[test]
    fn what_cannot_be_read_is_passed_over_and_remembered() {
        let (mut window, mut lanes) = (Window::new(QueueId(1), false, 9, 0, true), Lanes::default());
        let key = |sequence| MessageKey { queue: QueueId(1), rank: 0, sequence };
        let found = |sequence, blob| Found { key: key(sequence), row: MessageRow::default(), blob };
        let damage = |from, to| Damage { from: key(from), to: key(to), place: String::new() };
        window.numbered(9);
        window.out(Want::Arrived(key(0)), LoadId(1));
        let rows = vec![found(1, Some(Blob::new())), found(7, Some(Blob::new())), found(8, None)];
        let page = Page { rows, damage: vec![damage(2, 6), damage(8, 8)], ..Page::default() };
        window.loaded(LoadId(1), page, 1, &mut lanes, &mut Counts::default(), |_| None);
        assert_eq!(window.entries.keys().map(|key| key.sequence).collect::<Vec<_>>(), [1, 7]);
        assert_eq!((window.arrived.next, window.arrived.may_load()), (key(9), true));
        assert!(window.is_damaged() && window.all_untouched(&lanes).is_none());
        let cut = |below| Cut { queue: QueueId(1), arrived_below: Some(below), delayed_below: None };
        window.cut(&cut(7), &mut lanes, |_| false);
        assert_eq!(window.passed.len(), 1);
        window.cut(&cut(9), &mut lanes, |_| false);
        assert!(!window.is_damaged());
    }
}
