//! Long polls, clients that hang up, and the end.

use super::*;

#[test]
fn sends_wake_the_oldest_waiters_in_order() {
    with_slots(|mut world| {
        world.create("jobs");
        let ids: Vec<_> = (0..4).map(|_| world.begin(receive("jobs", 20, 1))).collect();
        assert_eq!(world.waiters(), 4);
        world.send("jobs", "one");
        assert_eq!(world.bodies(ids[0]), ["one"]);
        world.stall(true);
        let sent = [world.begin(send("jobs", "two")), world.begin(send("jobs", "three"))];
        assert_eq!(world.waiters(), 3);
        world.stall(false);
        assert_eq!((world.bodies(ids[1]), world.bodies(ids[2])), (vec!["two".into()], vec!["three".into()]));
        assert!(sent.into_iter().all(|id| world.reply(id).unwrap().is_ok()));
        assert_eq!((world.waiters(), world.reply(ids[3])), (1, None));
    });
}

#[test]
fn a_new_receive_does_not_overtake_a_waiter() {
    let mut world = World::new(1);
    world.create("jobs");
    world.send("jobs", "one");
    let handle = world.receive("jobs").remove(0).receipt_handle;
    let old = world.begin(receive("jobs", 20, 1));
    let back = Request::ChangeMessageVisibility {
        queue_url: "jobs".into(),
        receipt_handle: handle,
        visibility_timeout: 0,
    };
    let ((_, back), (new, quick)) = (world.input(back), world.input(receive("jobs", 0, 1)));
    world.step(vec![back, quick]);
    assert_eq!(world.bodies(old), ["one"]);
    assert_eq!(world.bodies(new), [""; 0]);
}

#[test]
fn a_waiter_is_woken_by_a_timeout_and_by_the_end_of_a_delay() {
    with_slots(|mut world| {
        world.create("jobs");
        world.send("jobs", "returns");
        assert_eq!(world.receive("jobs").len(), 1);
        world.pass(20_000);
        let id = world.begin(receive("jobs", 20, 1));
        world.now = world.node.next_deadline().unwrap();
        assert_eq!(world.now, START + 30_000);
        world.step(Vec::new());
        assert_eq!(world.bodies(id), ["returns"]);
        let Request::SendMessage { queue_url, mut message } = send("jobs", "delayed") else { unreachable!() };
        message.delay_seconds = Some(5);
        world.ask(Request::SendMessage { queue_url, message }).unwrap();
        let id = world.begin(receive("jobs", 20, 1));
        world.pass(4_999);
        assert_eq!(world.reply(id), None);
        world.pass(1);
        assert_eq!(world.bodies(id), ["delayed"]);
    });
}

#[test]
fn a_long_poll_ends_empty_at_its_time() {
    with_slots(|mut world| {
        world.create("jobs");
        let id = world.begin(receive("jobs", 20, 1));
        world.pass(19_999);
        assert_eq!(world.reply(id), None);
        assert_eq!(world.node.next_deadline(), Some(START + 20_000));
        world.pass(1);
        assert_eq!(world.bodies(id), [""; 0]);
        assert_eq!(world.waiters(), 0);
    });
}

#[test]
fn a_short_poll_behind_a_long_one_ends_when_the_load_finds_nothing() {
    let mut world = World::new(1);
    world.create("jobs.fifo");
    world.send("jobs.fifo", "one");
    assert_eq!(world.receive("jobs.fifo").len(), 1);
    // After a start nothing is known of what lies on disk; there the one message is in flight.
    let mut world = world.restart();
    world.step(Vec::new());
    world.stall(true);
    let (long, short) = (world.begin(receive("jobs.fifo", 20, 1)), world.begin(receive("jobs.fifo", 0, 1)));
    assert_eq!((world.waiters(), world.reply(short)), (2, None));
    world.stall(false);
    assert_eq!(world.bodies(short), [""; 0]);
    assert_eq!((world.waiters(), world.reply(long)), (1, None));
}

#[test]
fn a_waiter_whose_client_is_gone_swallows_nothing() {
    with_slots(|mut world| {
        world.create("jobs");
        let (gone, stays) = (world.begin(receive("jobs", 20, 1)), world.begin(receive("jobs", 20, 1)));
        world.step(vec![Input::Gone(gone)]);
        assert_eq!(world.waiters(), 1);
        world.send("jobs", "one");
        assert_eq!(world.bodies(stays), ["one"]);
        assert_eq!(world.reply(gone), None);
    });
}

#[test]
fn a_held_receive_whose_client_is_gone_is_undone() {
    with_slots(|mut world| {
        world.create("jobs.fifo");
        world.send("jobs.fifo", "one");
        world.stall(true);
        let id = world.begin(receive("jobs.fifo", 0, 1));
        world.step(vec![Input::Gone(id)]);
        world.stall(false);
        assert_eq!(world.reply(id), None);
        let got = world.receive("jobs.fifo").remove(0);
        assert_eq!(got.attributes["ApproximateReceiveCount"], "1", "nobody saw the first");
        assert_eq!(world.node.counters().undone, 1);
        assert!(world.node.is_idle());
    });
}

#[test]
fn a_reply_that_nobody_saw_is_undone() {
    with_slots(|mut world| {
        world.create("jobs");
        world.send("jobs", "one");
        let id = world.begin(receive("jobs", 0, 1));
        let undo = world.undo_of(id);
        assert_eq!(undo.len(), 1);
        let waiting = world.begin(receive("jobs", 20, 1));
        world.step(vec![Input::Undo(undo.clone())]);
        let got = world.received(waiting).remove(0);
        assert_eq!(got.attributes["ApproximateReceiveCount"], "1");
        // The newer receive stands.
        world.step(vec![Input::Undo(undo)]);
        assert_eq!(world.receive("jobs"), []);
    });
}

#[test]
fn a_gone_client_s_send_stays_and_its_reply_needs_nobody() {
    let mut world = World::new(1);
    world.create("jobs");
    world.stall(true);
    let id = world.begin(send("jobs", "one"));
    assert!(world.node.live.is_empty());
    world.step(vec![Input::Gone(id)]);
    world.stall(false);
    assert!(world.reply(id).unwrap().is_ok());
    assert_eq!(world.receive("jobs").len(), 1);
    assert!(world.node.live.is_empty());
    // Late news about an answered request is no news.
    world.step(vec![Input::Gone(id), Input::Gone(RequestId(999))]);
    assert!(world.node.live.is_empty());
}

#[test]
fn a_stop_answers_all_long_polls_and_lets_none_wait() {
    with_slots(|mut world| {
        world.create("jobs");
        let ids = [world.begin(receive("jobs", 20, 1)), world.begin(receive("jobs", 10, 1))];
        world.node.stop();
        assert_eq!(world.node.next_deadline(), Some(world.now));
        world.step(Vec::new());
        for id in ids {
            assert_eq!(world.bodies(id), [""; 0]);
        }
        let late = world.begin(receive("jobs", 20, 1));
        assert_eq!(world.bodies(late), [""; 0]);
        world.send("jobs", "still taken");
        let last = world.begin(receive("jobs", 20, 1));
        assert_eq!(world.bodies(last), ["still taken"]);
        assert!(world.node.is_idle());
    });
}

#[test]
fn a_hundred_thousand_waiters_cost_a_wake_little() {
    let mut world = World::new(1);
    world.create("jobs");
    world.create("other");
    let mut inputs = Vec::new();
    for _ in 0..100_000 {
        inputs.push(world.input(receive("other", 20, 1)).1);
    }
    let (first, poll) = world.input(receive("jobs", 20, 1));
    inputs.push(poll);
    world.step(inputs);
    assert_eq!(world.waiters(), 100_001);
    world.send("jobs", "one");
    assert_eq!(world.bodies(first), ["one"]);
    world.pass(20_000);
    assert_eq!(world.waiters(), 0);
    assert_eq!(world.replies.len(), 100_000);
    assert!(world.node.live.is_empty());
}

#[test]
fn deleting_a_queue_ends_the_long_polls_at_it() {
    with_slots(|mut world| {
        world.create("jobs");
        let id = world.begin(receive("jobs", 20, 1));
        world.ask(Request::DeleteQueue { queue_url: "jobs".into() }).unwrap();
        assert_eq!(code(world.reply(id)), Some(Code::QueueDoesNotExist));
    });
}
