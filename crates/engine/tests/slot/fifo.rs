//! FIFO queues: order, group locks, and groups on disk that hide no other.

use engine::Code;
use engine::command::Settings;

use crate::common::client::{body, code};
use crate::common::*;

const Q: &str = "q.fifo";

fn groups(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{number:04}")).collect()
}

#[test]
fn a_group_is_received_in_order_and_locked_while_in_flight() {
    let mut w = World::one(Q, &[]);
    w.send_group(Q, "g", &["a", "b", "c"]);
    w.send_group(Q, "h", &["x"]);
    let a = w.one_of(Q);
    assert_eq!(body(&a), "a");
    let x = w.one_of(Q);
    assert_eq!(body(&x), "x", "the other group is free");
    assert_eq!(w.peek(Q, 10), [""; 0], "nothing beyond what is in flight");
    assert_eq!(w.counts(Q), (2, 2, 0));
    w.delete(Q, &a.receipt_handle).unwrap();
    let rest = w.receive(Q, 10);
    assert_eq!(bodies(&rest), ["b", "c"]);
    w.delete(Q, &rest[0].receipt_handle).unwrap();
    assert_eq!(w.peek(Q, 10), [""; 0], "c is still in flight");
    w.assert_holds(Q, &["c", "x"]);
}

#[test]
fn sequence_numbers_rise_and_are_the_same_sent_and_received() {
    let mut w = World::one(Q, &[]);
    let sent: Vec<_> = ["a", "b"].map(|id| w.send(Q, msg(id).group("g").dedup(id)).sequence_number).into();
    let got: Vec<_> = w.receive(Q, 10).iter().map(|one| one.sequence_number).collect();
    assert_eq!(sent, got);
    assert!(sent[0].is_some() && sent[0] < sent[1]);
}

#[test]
fn what_returns_comes_before_what_follows() {
    let mut w = World::one(Q, &[("VisibilityTimeout", "5")]);
    w.send_group(Q, "g", &["a", "b", "c", "d"]);
    let first = w.receive(Q, 2);
    assert_eq!(bodies(&first), ["a", "b"]);
    w.change(Q, &first[1].receipt_handle, 0).unwrap();
    assert_eq!(w.peek(Q, 10), [""; 0], "b is visible, but a before it is not");
    w.pass(5 * SECOND);
    assert_eq!(w.peek(Q, 10), ["a", "b", "c", "d"]);
    w.pass(5 * SECOND);
    let again = w.receive(Q, 1);
    assert_eq!(
        (body(&again[0]).as_str(), again[0].receive_count),
        ("a", 3),
        "no message goes behind its group"
    );
    w.assert_holds(Q, &["a", "b", "c", "d"]);
}

#[test]
fn a_receive_fills_from_one_group_first_then_from_others() {
    let mut w = World::one(Q, &[]);
    for n in 1..=6 {
        w.send_group(Q, "g", &[&format!("g{n}")]);
        w.send_group(Q, "h", &[&format!("h{n}")]);
    }
    let got = w.peek(Q, 10);
    assert_eq!(got, ["g1", "g2", "g3", "g4", "g5", "g6", "h1", "h2", "h3", "h4"]);
    w.assert_holds(Q, &["g1", "g2", "g3", "g4", "g5", "g6", "h1", "h2", "h3", "h4", "h5", "h6"]);
}

#[test]
fn a_batch_keeps_the_order_of_its_entries() {
    let mut w = World::one(Q, &[]);
    let one = |id: &str| msg(id).group("g").dedup(id);
    w.send_batch(Q, &[("z", one("1")), ("a", one("2")), ("m", one("3"))]);
    assert_eq!(w.peek(Q, 10), ["1", "2", "3"]);
    w.assert_holds(Q, &["1", "2", "3"]);
}

#[test]
fn an_expired_fifo_handle_neither_deletes_nor_changes() {
    let mut w = World::one(Q, &[("VisibilityTimeout", "5")]);
    w.send_group(Q, "g", &["a"]);
    let old = w.one_of(Q);
    w.pass(5 * SECOND);
    let expired = w.delete(Q, &old.receipt_handle).unwrap_err();
    assert_eq!(expired.code, Code::InvalidParameterValue);
    assert!(expired.message.contains("The receipt handle has expired."), "{}", expired.message);
    assert_eq!(code(w.change(Q, &old.receipt_handle, 5)), Code::InvalidParameterValue);
    let new = w.one_of(Q);
    assert_eq!(code(w.delete(Q, &old.receipt_handle)), Code::InvalidParameterValue, "a newer receive");
    w.delete(Q, &new.receipt_handle).unwrap();
    w.delete(Q, &new.receipt_handle).unwrap();
    w.assert_holds(Q, &[]);
}

/// `count` groups of `each` messages, group by group.
fn many_groups(w: &mut World, count: usize, each: usize) -> Vec<String> {
    let mut all = Vec::new();
    for group in groups(0..count) {
        for n in 0..each {
            let body = format!("{group}-{n:02}");
            w.send(Q, msg(body.clone()).group(group.clone()).dedup(body.clone()));
            all.push(body);
        }
    }
    all
}

#[test]
fn a_blocked_group_hides_no_other_at_any_depth() {
    for (window_bytes, page_rows) in [(64 << 20, 0), (2_000, 0), (2_000, 3), (64 << 20, 1)] {
        let mut w = World::with(Settings { window_bytes, ..Settings::default() });
        w.queue(Q, &[]);
        w.check = false;
        w.store.page_rows = page_rows;
        // Far more of the first group than any page or window shows, then small groups behind it.
        for n in 0..400 {
            w.send(Q, msg(format!("deep-{n:03}")).group("deep").dedup(format!("deep-{n:03}")));
        }
        many_groups(&mut w, 30, 3);
        w.restart();
        let deep = w.one_of(Q);
        assert_eq!(body(&deep), "deep-000");
        let mut seen = Vec::new();
        loop {
            let got = w.receive(Q, 10);
            if got.is_empty() {
                break;
            }
            seen.extend(bodies(&got));
            got.iter().for_each(|one| w.delete(Q, &one.receipt_handle).unwrap());
        }
        seen.sort();
        let expected: Vec<String> =
            groups(0..30).iter().flat_map(|group| (0..3).map(move |n| format!("{group}-{n:02}"))).collect();
        assert_eq!(seen, expected, "{window_bytes} {page_rows}: every free group is found");
        w.delete(Q, &deep.receipt_handle).unwrap();
        let rest: Vec<String> = (1..400).map(|n| format!("deep-{n:03}")).collect();
        assert_eq!(w.drain(Q), rest, "{window_bytes} {page_rows}: the deep group in order");
    }
}

#[test]
fn many_groups_are_drained_in_order_whatever_fits_the_window() {
    for (window_bytes, page_rows) in [(64 << 20, 0), (3_000, 2), (1, 1)] {
        let mut w = World::with(Settings { window_bytes, ..Settings::default() });
        w.queue(Q, &[]);
        // A second queue's use makes the first one's window the one to go.
        w.queue("other.fifo", &[]);
        w.check = false;
        w.store.page_rows = page_rows;
        let all = many_groups(&mut w, 12, 25);
        let mut seen: Vec<String> = Vec::new();
        let mut round = 0;
        while seen.len() < all.len() {
            round += 1;
            assert!(
                round < 500,
                "{window_bytes} {page_rows}: missing {:?} {:?}",
                all.iter().filter(|b| !seen.contains(b)).collect::<Vec<_>>(),
                w.slot
                    .queues(w.now)
                    .find(|q| q.row.name.name == Q)
                    .map(|q| format!("{:?} {:?}", q.window, q.lanes))
            );
            let name = format!("{round}");
            w.send("other.fifo", msg(name.clone()).group("o").dedup(name));
            w.receive("other.fifo", 1);
            for delivery in w.receive(Q, 7) {
                seen.push(body(&delivery));
                w.delete(Q, &delivery.receipt_handle).unwrap();
            }
        }
        for group in groups(0..12) {
            let mine: Vec<&String> = seen.iter().filter(|body| body.starts_with(&group)).collect();
            let expected: Vec<&String> = all.iter().filter(|body| body.starts_with(&group)).collect();
            assert_eq!(mine, expected, "{window_bytes} {page_rows}: group {group}");
        }
        assert_eq!(w.counts(Q), (0, 0, 0));
    }
}

#[test]
fn an_attempt_repeated_gets_the_same_messages_and_handles() {
    let mut w = World::one(Q, &[]);
    w.send_group(Q, "g", &["a", "b", "c"]);
    w.send_group(Q, "h", &["x"]);
    let attempt = || Get { receive_request_attempt_id: Some("try-1".into()), ..get(3) };
    let first = w.try_receive(Q, attempt()).unwrap();
    assert_eq!(bodies(&first), ["a", "b", "c"]);
    w.pass(20 * SECOND);
    let again = w.try_receive(Q, attempt()).unwrap();
    assert_eq!(bodies(&again), ["a", "b", "c"]);
    let handles = |got: &[engine::command::Delivery]| -> Vec<String> {
        got.iter().map(|one| one.receipt_handle.clone()).collect()
    };
    assert_eq!(handles(&again), handles(&first));
    assert_eq!(again[0].receive_count, 1);
    w.pass(29 * SECOND);
    assert_eq!(w.counts(Q), (1, 3, 0), "the repeat began the timeout anew");
    w.crash();
    let after = w.try_receive(Q, attempt()).unwrap();
    assert_eq!(handles(&after), handles(&first), "a start forgets no attempt");
    // Modified: the attempt is spent, and what is free now is given.
    w.delete(Q, &first[0].receipt_handle).unwrap();
    assert_eq!(bodies(&w.try_receive(Q, attempt()).unwrap()), ["x"]);
    w.assert_holds(Q, &["b", "c", "x"]);
}

#[test]
fn an_attempt_repeated_gets_nothing_that_has_expired_meanwhile() {
    let mut w = World::one(Q, &[("VisibilityTimeout", "600")]);
    w.send_group(Q, "g", &["a"]);
    w.pass(30 * SECOND);
    w.send_group(Q, "h", &["x"]);
    let attempt = || Get { receive_request_attempt_id: Some("t".into()), ..get(2) };
    assert_eq!(bodies(&w.try_receive(Q, attempt()).unwrap()), ["a", "x"]);
    w.pass(29 * SECOND);
    w.set(Q, &[("MessageRetentionPeriod", "60")]);
    assert_eq!(bodies(&w.try_receive(Q, attempt()).unwrap()), ["a", "x"]);
    // It is still there: expired messages are deleted within a minute.
    w.pass(SECOND);
    assert_eq!(w.counts(Q), (0, 2, 0));
    assert_eq!(bodies(&w.try_receive(Q, attempt()).unwrap()), [""; 0]);
}

#[test]
fn an_attempt_id_is_free_again_after_five_minutes() {
    let mut w = World::one(Q, &[("VisibilityTimeout", "1000")]);
    w.send_group(Q, "g", &["a"]);
    w.send_group(Q, "h", &["x"]);
    let attempt = || Get { receive_request_attempt_id: Some("t".into()), ..get(1) };
    assert_eq!(bodies(&w.try_receive(Q, attempt()).unwrap()), ["a"]);
    w.pass(5 * MINUTE - 1);
    assert_eq!(bodies(&w.try_receive(Q, attempt()).unwrap()), ["a"]);
    w.pass(1);
    let fresh = w.try_receive(Q, attempt()).unwrap();
    assert_eq!(bodies(&fresh), ["x"], "the same id used anew");
    let again = w.try_receive(Q, attempt()).unwrap();
    assert_eq!(again[0].receipt_handle, fresh[0].receipt_handle);
    // The next change of the queue removes rows that time has made meaningless, and only those.
    w.send_group(Q, "h", &["y"]);
    w.restart();
    let after = w.try_receive(Q, attempt()).unwrap();
    assert_eq!(after[0].receipt_handle, fresh[0].receipt_handle, "and it survives a start");
    w.assert_holds(Q, &["a", "x", "y"]);
}

#[test]
fn a_start_while_groups_are_in_flight_loses_none_of_them() {
    for page_rows in [0, 1, 4] {
        let mut w = World::one(Q, &[]);
        w.store.page_rows = page_rows;
        let all = many_groups(&mut w, 6, 15);
        for _ in 0..6 {
            w.one_of(Q);
        }
        w.restart();
        assert_eq!(w.counts(Q), (84, 6, 0));
        assert_eq!(w.peek(Q, 10), [""; 0], "every group is blocked");
        let new = w.send(Q, msg("new").group("new").dedup("new"));
        assert_eq!(w.one_of(Q).message_id, new.message_id);
        w.pass(30 * SECOND);
        let first = w.receive(Q, 10);
        assert_eq!(first[0].receive_count, 2);
        let mut all: Vec<&str> = all.iter().map(String::as_str).collect();
        all.push("new");
        w.assert_holds(Q, &all);
    }
}

#[test]
fn blocked_groups_in_memory_hide_no_group_on_disk() {
    for restart in [false, true] {
        let mut w = World::one(Q, &[]);
        w.check = false;
        let blocked = many_groups(&mut w, 40, 12);
        for group in groups(0..40) {
            assert_eq!(body(&w.one_of(Q)), format!("{group}-00"));
        }
        for n in 0..300 {
            w.send_group(Q, "free", &[&format!("free-{n:03}")]);
        }
        if restart {
            w.restart();
        }
        let free: Vec<String> = (0..300).map(|n| format!("free-{n:03}")).collect();
        assert_eq!(w.drain(Q), free, "{restart}");
        let blocked: Vec<&str> = blocked.iter().map(String::as_str).collect();
        w.assert_holds(Q, &blocked);
    }
}
