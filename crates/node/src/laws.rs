//! Law 1, checked: the rows of the live views are those a restart would find.

use engine::Row;
use store::Store;

use crate::Node;

impl<S: Store> Node<S> {
    /// Compares the small rows of the live views with the store's, between steps. The text of an error names the
    /// first row that differs.
    pub fn check_laws(&self) -> Result<(), String> {
        let stored = in_order(self.store.small_rows());
        let slots = self.slots.iter().flat_map(|slot| slot.small_rows());
        let live = in_order(self.catalogue.small_rows().into_iter().chain(slots).collect());
        let same = stored.iter().zip(&live).take_while(|(stored, live)| stored == live).count();
        match (stored.get(same), live.get(same)) {
            (None, None) => Ok(()),
            (stored, live) => Err(format!("Law 1: the store has {stored:?}, the live view {live:?}")),
        }
    }
}

fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_cached_key(Row::key);
    rows
}
