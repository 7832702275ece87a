//! Starts: everything is there again, in any number of slots, and what was left half done is put right.

use super::*;
use engine::QueueId;
use engine::rows::CatalogueRow;

#[test]
fn a_restart_finds_everything() {
    with_slots(|mut world| {
        for name in ["a", "b", "c.fifo"] {
            world.create(name);
            world.send(name, name);
        }
        let handle = world.receive("b").remove(0).receipt_handle;
        let mut world = world.restart();
        assert!(world.node.is_ready());
        assert_eq!(world.receive("a").remove(0).body, "a");
        assert_eq!(world.receive("c.fifo").remove(0).body, "c.fifo");
        assert_eq!(world.receive("b"), []);
        assert_eq!(world.ask(delete("b", &handle)), Ok(Reply::DeleteMessage));
        let mut world = world.restart();
        world.pass(60_000);
        assert_eq!(world.receive("b"), []);
        assert_eq!(world.receive("a").remove(0).attributes["ApproximateReceiveCount"], "2");
    });
}

#[test]
fn a_queue_that_was_never_named_is_removed() {
    with_slots(|mut world| {
        world.create("jobs");
        let store = world.node.into_store();
        let named = |row: &Row| matches!(row, Row::Catalogue(..));
        let rows: Vec<Row> = store.small_rows().into_iter().filter(|row| !named(row)).collect();
        let mut store = store;
        let catalogue = store.small_rows().into_iter().find(named).unwrap().key();
        let batch = Batch { now: START, records: vec![Record::Delete(catalogue)] };
        store.append(batch);
        let mut world = World::over(store, rows, 4, START + 1);
        assert!(!world.node.is_ready());
        world.step(Vec::new());
        assert!(world.node.is_ready());
        assert_eq!(world.node.store().small_rows(), [Row::LastQueue(QueueId(1))]);
        world.create("jobs");
    });
}

#[test]
fn an_older_or_missing_copy_is_installed_again() {
    for missing in [false, true] {
        let mut world = World::new(1);
        world.create("jobs");
        let mut store = world.node.into_store();
        let mut rows = store.small_rows();
        let mut records = Vec::new();
        let mut number = QueueId(0);
        for row in &mut rows {
            if let Row::Catalogue(_, CatalogueRow::Named(queue)) = row {
                queue.version += 1;
                queue.attributes.insert("VisibilityTimeout".into(), "7".into());
                number = queue.id;
                records.push(Record::Put(row.clone()));
            }
        }
        if missing {
            rows.retain(|row| row.key().queue().is_none());
            records.push(Record::Drop(number));
        }
        store.append(Batch { now: START, records });
        let mut world = World::over(store, rows, 4, START + 1);
        world.stall(true);
        assert!(!world.node.is_ready(), "not before it is durable");
        world.stall(false);
        assert!(world.node.is_ready());
        let attributes = world.ask(Request::GetQueueAttributes {
            queue_url: "jobs".into(),
            attribute_names: vec!["VisibilityTimeout".into()],
        });
        let expected = [("VisibilityTimeout".to_owned(), "7".to_owned())].into();
        assert_eq!(attributes, Ok(Reply::GetQueueAttributes { attributes: expected }));
    }
}

/// A receive that a crash forgot: its handle asks the store whether the message is still there.
#[test]
fn two_deletes_that_asked_about_one_message_delete_it_once() {
    with_slots(|mut world| {
        world.create("jobs");
        world.send("jobs", "one");
        world.send("jobs", "two");
        let id = world.begin(receive("jobs", 0, 1));
        let handle = world.received(id).remove(0).receipt_handle;
        let slots = world.slots;
        let now = world.now + 1;
        let mut store = world.node.into_store();
        let touched = store.small_rows().into_iter().find(|row| matches!(row, Row::Touched(..))).unwrap();
        store.append(Batch { now, records: vec![Record::Delete(touched.key())] });
        let rows = store.small_rows();
        let mut world = World::over(store, rows, slots, now + 1);
        world.stall(true);
        let first = world.begin(delete("jobs", &handle));
        let second = world.begin(delete("jobs", &handle));
        assert_eq!(world.node.view().parked, 2, "each needs a page");
        world.stall(false);
        assert_eq!(world.reply(first), Some(Ok(Reply::DeleteMessage)));
        assert_eq!(world.reply(second), Some(Ok(Reply::DeleteMessage)));
        assert_eq!(world.node.view().parked, 0);
        assert_eq!(world.node.queues()[0].visible, 1, "the other message is there");
        assert_eq!(world.receive("jobs").remove(0).body, "two");
    });
}

#[test]
fn damage_in_a_page_that_is_needed_is_an_internal_failure() {
    let mut world = World::new(1);
    world.create("jobs");
    world.send("jobs", "one");
    let handle = world.receive("jobs").remove(0).receipt_handle;
    let now = world.now + 1;
    let mut store = world.node.into_store();
    let touched = store.small_rows().into_iter().find(|row| matches!(row, Row::Touched(..))).unwrap();
    store.append(Batch { now, records: vec![Record::Delete(touched.key())] });
    store.damaged = true;
    let rows = store.small_rows();
    let mut world = World::over(store, rows, 1, now + 1);
    let id = world.begin(delete("jobs", &handle));
    assert_eq!(code(world.reply(id)), Some(Code::InternalFailure));
    assert_eq!(world.node.view().parked, 0);
    assert!(!world.warnings.is_empty());
}
