//! Law 1, checked: the view that a restart would rebuild equals the live one.

use engine::Row;
use engine::slot::Slot;
use store::Store;

use crate::Node;

impl<S: Store> Node<S> {
    /// Compares the view that the store's small rows rebuild with the live one, between steps. The text of an
    /// error names the first row that differs.
    pub fn check_laws(&self) -> Result<(), String> {
        let stored = in_order(self.store.small_rows());
        let slots = self.slots.iter().flat_map(Slot::small_rows);
        let live = in_order(self.catalogue.small_rows().into_iter().chain(slots).collect());
        if stored == live {
            return Ok(());
        }
        // Time makes some rows meaningless without a record, in a queue once it is looked at.
        let (stored, live) = (self.rebuilt(stored), self.rebuilt(live));
        let same = stored.iter().zip(&live).take_while(|(stored, live)| stored == live).count();
        match (stored.get(same), live.get(same)) {
            (None, None) => Ok(()),
            (stored, live) => Err(format!("Law 1: the store has {stored:?}, the live view {live:?}")),
        }
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

fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_cached_key(Row::key);
    rows
}
