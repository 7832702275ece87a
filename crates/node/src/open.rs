//! The start: the views rebuilt from the rows that survived, and what a crash left half done put right.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::catalogue::Catalogue;
use engine::command::{Internal, Settings};
use engine::rows::Batch;
use engine::slot::Slot;
use engine::{Counts, Entropy, Millis, QueueId, Record, Row};
use store::{Store, Survivors};

use crate::held::{Due, End, Flows, Held};
use crate::loads::Loads;
use crate::sealer::Sealer;
use crate::view::Counters;
use crate::waiters::Waiters;
use crate::{Node, NodeConfig};

impl<S: Store> Node<S> {
    /// A node over an opened store and the small rows that survived in it, in key order. `now` (ms) is later than the last
    /// durable batch's, by at least one ms. The node is ready once steps have made its repairs durable.
    ///
    /// # Panics
    ///
    /// If no slot is configured.
    pub fn open(
        store: S,
        rows: impl Into<Survivors>,
        config: NodeConfig,
        sealer: Box<dyn Sealer + Send>,
        now: Millis,
    ) -> Node<S> {
        assert!(config.slots > 0, "a node has a slot");
        let share = Settings { window_bytes: config.settings.window_bytes / config.slots, ..config.settings };
        let slots = (0..config.slots).map(|_| Slot::new(config.secret, share)).collect();
        let (room, durable) = (store.room(), store.next_lsn() - 1);
        let mut node = Node {
            store,
            sealer,
            secret: config.secret,
            settings: config.settings,
            catalogue: Catalogue::default(),
            slots,
            now,
            entropy: Entropy(0),
            batch: Batch { now, records: Vec::new() },
            batch_bytes: 0,
            batch_weighed: 0,
            room,
            look_at: 0,
            durable,
            held: Held::default(),
            flows: Flows::default(),
            ready: VecDeque::new(),
            waiters: Waiters::default(),
            stirred: BTreeSet::new(),
            loads: Loads::default(),
            crowded: VecDeque::new(),
            live: BTreeMap::new(),
            outputs: Vec::new(),
            counters: Counters::default(),
            counts: Counts::default(),
            unfinished: false,
            repaired: false,
            draining: false,
            dead: false,
            #[cfg(debug_assertions)]
            next_check: 0,
        };
        node.recover(rows.into());
        node
    }

    /// Each row goes to its view at once: there may be millions.
    fn recover(&mut self, mut rows: Survivors) {
        let ids = rows.take_ids();
        let mut copies = BTreeMap::new();
        for row in rows {
            if let Row::Queue(id, copy) = &row {
                copies.insert(*id, copy.version);
            }
            match row.key().queue() {
                Some(queue) => {
                    let slot = self.place(queue);
                    self.slots[slot].recover_row(row, self.now);
                }
                None => self.catalogue.apply(&Record::Put(row), self.durable),
            }
        }
        for (queue, ids) in ids {
            let slot = self.place(queue);
            self.slots[slot].recover_ids(queue, ids);
        }
        self.slots.iter_mut().for_each(|slot| slot.recovered(self.now));
        self.repair(&copies);
    }

    /// Begins what brings the slots' copies (`copies` has their versions) in line with the catalogue: older
    /// ones are installed anew, and queues that no name leads to are removed.
    fn repair(&mut self, copies: &BTreeMap<QueueId, u64>) {
        let outdated =
            self.catalogue.queues().filter(|row| copies.get(&row.id).is_none_or(|is| *is < row.version));
        let installs = outdated.map(|row| {
            let copy = engine::rows::QueueRow { tags: BTreeMap::new(), ..row.clone() };
            Internal::Install(Box::new(copy))
        });
        let unnamed = copies.keys().filter(|id| !self.catalogue.is_named(**id));
        let repairs: Vec<Internal> = installs.chain(unnamed.map(|id| Internal::Remove(*id))).collect();
        if repairs.is_empty() {
            self.repaired = true;
            return;
        }
        let flow = self.flows.begin(End::Ready);
        for internal in repairs {
            self.flows.grow(flow);
            self.ready.push_back(Due::Deliver(internal, Some(flow)));
        }
        self.ready.push_back(Due::Landed(flow));
    }
}
