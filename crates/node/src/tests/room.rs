//! Back-pressure, a full disk, damage and the clock.

use super::*;

/// Fills the un-durable bytes with sends; the ids of those that were decided.
fn fill(world: &mut World) -> Vec<RequestId> {
    let body = "x".repeat(262_144);
    let mut ids = Vec::new();
    while world.node.view().crowded == 0 {
        ids.push(world.begin(send("jobs", &body)));
        assert!(ids.len() <= 128, "32 MiB are not more than 128 quarters of a MiB");
    }
    assert!(ids.len() > 120);
    ids
}

#[test]
fn requests_wait_for_room_in_order_and_then_go_on() {
    with_slots(|mut world| {
        world.create("jobs");
        world.stall(true);
        let sent = fill(&mut world);
        let behind = world.begin(queue_url("jobs"));
        assert_eq!(world.node.view().crowded, 2);
        world.pass(999);
        assert_eq!(world.node.view().crowded, 2);
        world.stall(false);
        for id in sent.into_iter().chain([behind]) {
            assert!(world.reply(id).unwrap().is_ok());
        }
        assert_eq!(world.node.view().crowded, 0);
        assert_eq!(world.node.counters().throttled, 0);
    });
}

#[test]
fn who_waits_a_second_for_room_is_throttled() {
    with_slots(|mut world| {
        world.create("jobs");
        world.stall(true);
        let mut sent = fill(&mut world);
        let last = sent.pop().unwrap();
        assert_eq!(world.node.next_deadline(), Some(world.now + 1_000));
        world.pass(1_000);
        assert_eq!(code(world.reply(last)), Some(Code::RequestThrottled));
        assert_eq!(world.node.counters().throttled, 1);
        let gone = world.begin(send("jobs", &"x".repeat(262_144)));
        world.step(vec![Input::Gone(gone)]);
        world.stall(false);
        assert!(sent.into_iter().all(|id| world.reply(id).unwrap().is_ok()));
        assert_eq!(world.reply(gone), None);
        assert!(world.node.live.is_empty());
    });
}

#[test]
fn a_full_disk_refuses_sends_and_nothing_else() {
    with_slots(|mut world| {
        world.create("jobs");
        world.send("jobs", "one");
        world.node.store_mut().sends_refused = true;
        world.pass(1);
        assert_eq!(world.ask(send("jobs", "two")).unwrap_err().code, Code::ServiceUnavailable);
        let got = world.receive("jobs").remove(0);
        assert_eq!(world.ask(delete("jobs", &got.receipt_handle)), Ok(Reply::DeleteMessage));
        assert_eq!(world.ask(Request::PurgeQueue { queue_url: "jobs".into() }), Ok(Reply::PurgeQueue));
        world.create("more");
        assert_eq!(world.ask(Request::DeleteQueue { queue_url: "more".into() }), Ok(Reply::DeleteQueue));
        world.node.store_mut().sends_refused = false;
        world.pass(1);
        world.send("jobs", "three");
    });
}

#[test]
fn a_full_disk_is_looked_at_every_second_though_nothing_comes_in() {
    let mut world = World::new(1);
    world.create("jobs");
    world.node.store_mut().sends_refused = true;
    world.pass(1);
    assert_eq!(world.node.store().looked, 1);
    assert_eq!(world.node.next_deadline(), Some(world.now + 1_000));
    world.pass(999);
    assert_eq!(world.node.store().looked, 1);
    world.pass(1);
    assert_eq!(world.node.store().looked, 2);
    world.node.store_mut().sends_refused = false;
    world.pass(1);
    assert_ne!(world.node.next_deadline(), Some(world.now + 999));
}

#[test]
fn damage_is_told_and_answered_as_an_internal_failure() {
    let mut world = World::new(1);
    world.create("jobs");
    world.send("jobs", "one");
    let mut world = world.restart();
    world.node.store_mut().damaged = true;
    let id = world.begin(receive("jobs", 0, 1));
    assert_eq!(code(world.reply(id)), Some(Code::InternalFailure));
    assert!(world.warnings.iter().any(|text| text.contains("segment-1 at 4096")), "{:?}", world.warnings);
    assert!(world.node.counters().damaged > 0);
}

#[test]
fn time_does_not_go_backwards_and_a_jump_is_told() {
    with_slots(|mut world| {
        world.create("jobs");
        world.send("jobs", "one");
        assert_eq!(world.receive("jobs").len(), 1);
        world.pass(30_000);
        world.now -= 20_000;
        assert_eq!(world.receive("jobs").len(), 1, "it returned and stays returned");
        assert_eq!(world.node.counters().clock_backwards, 1);
        world.now += 20_000;
        assert!(world.node.next_deadline().is_some_and(|at| at <= world.now + 30_000));
        world.pass(60_000);
        assert_eq!((world.node.counters().clock_jumps, world.warnings.len()), (0, 0));
        world.pass(60_001);
        assert_eq!((world.node.counters().clock_jumps, world.warnings.len()), (1, 1));
    });
}

#[test]
fn waiters_are_woken_when_there_is_room_again() {
    with_slots(|mut world| {
        world.create("jobs");
        world.send("jobs", "returns");
        assert_eq!(world.receive("jobs").len(), 1);
        let id = world.begin(receive("jobs", 20, 1));
        world.pass(15_000);
        world.node.store_mut().no_room = true;
        world.pass(15_000);
        assert_eq!(world.reply(id), None);
        assert!(
            world.node.next_deadline().is_some_and(|at| at > world.now),
            "it is not asked again and again"
        );
        world.node.store_mut().no_room = false;
        world.pass(1);
        assert_eq!(world.bodies(id), ["returns"]);
    });
}
