//! What a start finds: nothing acknowledged is lost, and what was not durable is gone.

use engine::Code;
use engine::command::Decision;

use crate::common::client::code;
use crate::common::*;

#[test]
fn what_is_queued_in_flight_and_delayed_survives() {
    let mut w = World::one("q", &[]);
    w.send_all("q", &["a", "b", "c"]);
    w.send("q", msg("late").delay(60));
    let a = w.one_of("q");
    let b = w.one_of("q");
    w.delete("q", &b.receipt_handle).unwrap();
    w.crash();
    assert_eq!(w.counts("q"), (1, 1, 1));
    let c = w.one_of("q");
    w.change("q", &c.receipt_handle, 100).unwrap();
    w.delete("q", &a.receipt_handle).unwrap();
    w.pass(60 * SECOND);
    assert_eq!(w.peek("q", 10), ["late"]);
    w.assert_holds("q", &["c", "late"]);
}

#[test]
fn what_was_not_durable_is_gone_and_its_number_is_used_again() {
    let mut w = World::one("q", &[]);
    w.send("q", msg("kept"));
    w.hold.durable = true;
    w.send("q", msg("lost"));
    w.crash();
    w.hold.durable = false;
    w.send("q", msg("new"));
    w.assert_holds("q", &["kept", "new"]);
}

#[test]
fn a_forgotten_receive_leaves_its_handle_good() {
    let mut w = World::one("q", &[]);
    w.send_all("q", &["a", "b", "c"]);
    w.hold.durable = true;
    let got = w.receive("q", 3);
    assert_eq!(bodies(&got), ["a", "b", "c"]);
    w.crash();
    w.hold.durable = false;
    assert_eq!(w.counts("q"), (3, 0, 0), "the receive was forgotten");
    let delete = engine::Request::DeleteMessage {
        queue_url: "q".into(),
        receipt_handle: got[0].receipt_handle.clone(),
    };
    let command = engine::command::Command::Client { queue: w.id("q"), arrived: w.now, request: delete };
    let decision = w.turn(&command, &Default::default());
    assert!(
        matches!(&decision, Decision::Need(asks) if asks.len() == 1),
        "only the store knows: {decision:?}"
    );
    w.delete("q", &got[0].receipt_handle).unwrap();
    w.delete("q", &got[0].receipt_handle).unwrap();
    w.change("q", &got[1].receipt_handle, 60).unwrap();
    assert_eq!(w.counts("q"), (1, 1, 0));
    assert_eq!(w.peek("q", 10), ["c"]);
    w.change("q", &got[1].receipt_handle, 0).unwrap();
    let again = w.one_of("q");
    assert_eq!((again.receive_count, again.first_received), (2, got[1].first_received));
    w.assert_holds("q", &["b", "c"]);
}

#[test]
fn a_change_by_a_forgotten_handle_takes_its_message_out_of_the_delayed() {
    let mut w = World::one("q", &[]);
    // A delayed message counts as such until the second it falls due in is over.
    w.pass(300);
    w.send("q", msg("late").delay(1));
    w.pass(SECOND);
    w.hold.durable = true;
    let got = w.one_of("q");
    assert_eq!(w.counts("q"), (0, 1, 0));
    w.crash();
    w.hold.durable = false;
    assert_eq!(w.counts("q"), (0, 0, 1), "the receive was forgotten");
    w.change("q", &got.receipt_handle, 60).unwrap();
    assert_eq!(w.counts("q"), (0, 1, 0));
    w.pass(SECOND);
    w.assert_holds("q", &["late"]);
}

#[test]
fn a_handle_of_a_deleted_message_deletes_nothing_after_a_start() {
    let mut w = World::one("q", &[]);
    w.send_all("q", &["a", "b"]);
    let a = w.one_of("q");
    w.delete("q", &a.receipt_handle).unwrap();
    w.restart();
    w.delete("q", &a.receipt_handle).unwrap();
    assert_eq!(code(w.change("q", &a.receipt_handle, 5)), Code::InvalidParameterValue);
    w.assert_holds("q", &["b"]);
}

#[test]
fn a_purge_and_a_deletion_survive() {
    let mut w = World::one("q", &[]);
    w.send_all("q", &["a", "b"]);
    w.one_of("q");
    w.purge("q").unwrap();
    w.crash();
    assert_eq!(w.counts("q"), (0, 0, 0));
    assert_eq!(code(w.purge("q")), Code::PurgeQueueInProgress);
    w.send("q", msg("c"));
    w.queue("gone", &[]);
    w.send("gone", msg("m"));
    w.delete_queue("gone");
    w.crash();
    assert_eq!(code(w.try_send("gone", msg("m"))), Code::QueueDoesNotExist);
    w.assert_holds("q", &["c"]);
}

#[test]
fn a_start_at_any_moment_finds_what_was_durable() {
    let all = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    for kept in 0..=10 {
        let mut w = World::one("q", &[]);
        w.hold.durable = true;
        w.send_all("q", &all);
        (0..kept).for_each(|_| assert!(w.sync_one()));
        w.crash();
        w.assert_holds("q", &all[..kept]);
    }
    for kept in 0..=4 {
        let mut w = World::one("q", &[]);
        w.send_all("q", &all);
        w.hold.durable = true;
        let got = w.receive("q", 5);
        (0..3).for_each(|n| w.delete("q", &got[n].receipt_handle).unwrap());
        (0..kept).for_each(|_| assert!(w.sync_one()));
        w.crash();
        let deleted = kept.max(1) - 1;
        assert_eq!(w.counts("q").1, if kept == 0 { 0 } else { 5 - deleted as u64 }, "{kept}");
        w.assert_holds("q", &all[deleted..]);
    }
}
