//! Nothing comes out before what it rests on is durable.

use super::*;

#[test]
fn a_send_is_answered_when_it_is_durable() {
    with_slots(|mut world| {
        world.create("jobs");
        world.stall(true);
        let id = world.begin(send("jobs", "one"));
        assert_eq!(world.reply(id), None);
        assert_eq!((world.node.view().held_replies, world.node.view().journal_lag), (1, 1));
        assert!(!world.node.is_idle());
        world.stall(false);
        assert!(world.reply(id).unwrap().is_ok());
        assert!(world.node.is_idle());
    });
}

#[test]
fn a_rejection_waits_for_what_it_read() {
    with_slots(|mut world| {
        world.create("jobs");
        world.stall(true);
        let removal = world.begin(Request::DeleteQueue { queue_url: "jobs".into() });
        let requests = [queue_url("jobs"), send("jobs", "x"), receive("jobs", 0, 1), delete("jobs", "x")];
        let rejections: Vec<_> = requests.into_iter().map(|request| world.begin(request)).collect();
        let unread =
            world.begin(Request::ListQueues { queue_name_prefix: None, next_token: None, max_results: None });
        for id in rejections.iter().chain([&unread, &removal]) {
            assert_eq!(world.reply(*id), None, "{id:?}");
        }
        world.stall(false);
        for id in rejections {
            assert_eq!(code(world.reply(id)), Some(Code::QueueDoesNotExist), "{id:?}");
        }
        assert_eq!(world.reply(removal), Some(Ok(Reply::DeleteQueue)));
    });
}

#[test]
fn what_found_nothing_waits_for_the_deletion_it_met() {
    let mut world = World::new(1);
    world.create("jobs");
    world.send("jobs", "one");
    let handle = world.receive("jobs").remove(0).receipt_handle;
    world.stall(true);
    let first = world.begin(delete("jobs", &handle));
    let second = world.begin(delete("jobs", &handle));
    assert_eq!((world.reply(first), world.reply(second)), (None, None));
    world.stall(false);
    assert_eq!(world.reply(first), Some(Ok(Reply::DeleteMessage)));
    assert_eq!(world.reply(second), Some(Ok(Reply::DeleteMessage)));
}

#[test]
fn a_name_leads_to_a_queue_only_once_that_is_durable() {
    with_slots(|mut world| {
        world.stall(true);
        let made = world.begin(create("jobs"));
        let asked = world.begin(queue_url("jobs"));
        assert_eq!(code(world.reply(asked)), Some(Code::QueueDoesNotExist));
        assert_eq!(world.node.view().queues, 0);
        world.stall(false);
        assert!(world.reply(made).unwrap().is_ok());
        assert_eq!(world.node.view().queues, 1);
    });
}

#[test]
fn two_creations_of_one_name_make_one_queue() {
    with_slots(|mut world| {
        world.stall(true);
        let ids = [world.begin(create("jobs")), world.begin(create("jobs"))];
        world.stall(false);
        for id in ids {
            assert!(world.reply(id).unwrap().is_ok());
        }
        assert_eq!(world.node.view().queues, 1);
        let queues = world.node.store().small_rows().into_iter().filter(|row| matches!(row, Row::Queue(..)));
        assert_eq!(queues.count(), 1, "the other is removed");
        world.send("jobs", "one");
        assert_eq!(world.receive("jobs").len(), 1);
    });
}

#[test]
fn a_standard_receive_offers_durable_messages_and_does_not_wait() {
    with_slots(|mut world| {
        world.create("jobs");
        world.send("jobs", "durable");
        world.stall(true);
        let sent = world.begin(send("jobs", "not yet"));
        let id = world.begin(receive("jobs", 0, 10));
        assert_eq!(world.bodies(id), ["durable"]);
        world.stall(false);
        assert!(world.reply(sent).unwrap().is_ok());
        let id = world.begin(receive("jobs", 0, 10));
        assert_eq!(world.bodies(id), ["not yet"]);
    });
}

#[test]
fn a_fifo_receive_waits_for_its_own_record() {
    with_slots(|mut world| {
        world.create("jobs.fifo");
        world.send("jobs.fifo", "one");
        world.stall(true);
        let id = world.begin(receive("jobs.fifo", 0, 1));
        assert_eq!(world.reply(id), None);
        world.stall(false);
        assert_eq!(world.bodies(id), ["one"]);
    });
}

#[test]
fn setting_attributes_is_answered_when_the_slot_has_them_durably() {
    with_slots(|mut world| {
        world.create("jobs");
        world.stall(true);
        let attributes = [("DelaySeconds".to_owned(), "1".to_owned())].into();
        let set = world.begin(Request::SetQueueAttributes { queue_url: "jobs".into(), attributes });
        assert_eq!(world.reply(set), None);
        world.stall(false);
        assert_eq!(world.reply(set), Some(Ok(Reply::SetQueueAttributes)));
        let rows = world.node.store().small_rows();
        let copy = rows.into_iter().find_map(|row| match row {
            Row::Queue(_, copy) => Some(copy.attributes["DelaySeconds"].clone()),
            _ => None,
        });
        assert_eq!(copy.as_deref(), Some("1"));
    });
}

#[test]
fn a_failed_store_is_told_once_and_nothing_comes_after() {
    with_slots(|mut world| {
        world.create("jobs");
        world.stall(true);
        let id = world.begin(send("jobs", "one"));
        world.node.store_mut().stopped = true;
        world.pass(1);
        assert_eq!(world.fatal.take().as_deref(), Some("EIO"));
        world.node.store_mut().stopped = false;
        world.node.store_mut().stalled = false;
        let (_, input) = world.input(queue_url("jobs"));
        assert!(world.node.step(vec![input], world.now, 0).is_empty());
        assert_eq!(world.reply(id), None);
        assert_eq!(world.node.next_deadline(), None);
    });
}
