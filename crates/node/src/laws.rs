//! The three laws, checked: the view that a restart would rebuild equals the live one, an untouched message is what its
//! row says, and each live message is in one place.

use std::hash::{DefaultHasher, Hash, Hasher};

use engine::Row;
use engine::slot::Slot;
use store::{Known, Store};

use crate::Node;

/// To rebuild both views and compare them is as much work as comparing so many times the rows.
const REBUILT: usize = 8;

impl<S: Store> Node<S> {
    /// Checks the laws, between steps. Returns how many rows it had to look at for that; the text of an error says
    /// what is wrong.
    pub fn check_laws(&self) -> Result<usize, String> {
        let places: Result<usize, String> = self.slots.iter().map(Slot::check_places).sum();
        Ok(self.check_view()? + self.check_untouched()? + places?)
    }

    /// Law 2, as far as the store's memory tells: what is on disk alone came into the view from there.
    fn check_untouched(&self) -> Result<usize, String> {
        let mut looks = 0;
        for (key, row) in self.slots.iter().flat_map(Slot::untouched) {
            let known = self.store.known(key);
            if known == Known::Gone || matches!(known, Known::Row(stored) if stored != row) {
                return Err(format!("Law 2: the view has {key:?} as {row:?}, the store {known:?}"));
            }
            looks += 1;
        }
        Ok(looks)
    }

    /// Compares the view that the store's small rows rebuild with the live one. The text of an error names the
    /// first row that differs.
    fn check_view(&self) -> Result<usize, String> {
        let stored = self.store.small_rows();
        let print = fingerprint(stored.iter());
        if print == fingerprint(self.live_rows()) {
            return Ok(stored.len());
        }
        // Time makes some rows meaningless without a record, in a queue once it is looked at.
        let looks = REBUILT * stored.len();
        let mut live: Vec<Row> = self.live_rows().collect();
        live.sort_by_cached_key(Row::key);
        let (stored, live) = (self.rebuilt(stored), self.rebuilt(live));
        let same = stored.iter().zip(&live).take_while(|(stored, live)| stored == live).count();
        match (stored.get(same), live.get(same)) {
            (None, None) => Ok(looks),
            (stored, live) => Err(format!("Law 1: the store has {stored:?}, the live view {live:?}")),
        }
    }

    /// The small rows of the live view, in no order.
    pub(crate) fn live_rows(&self) -> impl Iterator<Item = Row> {
        let slots = self.slots.iter().flat_map(Slot::rows);
        self.catalogue.small_rows().into_iter().chain(slots)
    }

    /// The rows of the view that these rows make of themselves now.
    fn rebuilt(&self, rows: Vec<Row>) -> Vec<Row> {
        let (mut catalogue, rows): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row.key().queue().is_none());
        let mut slot = Slot::new(self.secret, self.settings);
        slot.recover(rows, self.now);
        catalogue.extend(slot.small_rows());
        catalogue
    }
}

/// A number that two lists of the same rows share, in whatever order: cheaper than to sort and compare them.
fn fingerprint(rows: impl Iterator<Item = impl std::borrow::Borrow<Row>>) -> (usize, u64) {
    rows.fold((0, 0), |(count, sum): (usize, u64), row| {
        let mut hasher = DefaultHasher::new();
        row.borrow().hash(&mut hasher);
        (count + 1, sum.wrapping_add(hasher.finish()))
    })
}
