//! Sends: which error wins, delays, and deduplication.

use engine::{Code, Error};

use crate::common::client::{Msg, body, code};
use crate::common::*;

const F: &str = "f.fifo";

fn check(w: &mut World, queue: &str, rows: &[(&str, Msg, Option<Code>)]) {
    for (why, message, expected) in rows {
        let outcome = w.try_send(queue, message.clone()).err().map(|error| error.code);
        assert_eq!(outcome, *expected, "{queue}: {why}");
    }
}

/// Each row puts the error of the row before right.
#[test]
fn the_first_error_wins() {
    let mut w = World::one("q", &[("MaximumMessageSize", "1024")]);
    w.queue(F, &[("MaximumMessageSize", "1024")]);
    let long = msg("m").size(1_025).delay(901).dedup("d");
    let rows = [
        ("too long", long.clone(), Some(Code::InvalidParameterValue)),
        ("a delay out of range", long.clone().size(1_024), Some(Code::InvalidParameterValue)),
        ("a deduplication id", long.clone().size(1_024).delay(900), Some(Code::InvalidParameterValue)),
        ("nothing", msg("m").size(1_024).delay(900), None),
        ("a group, which fair queues take", msg("m").group("tenant"), None),
    ];
    check(&mut w, "q", &rows);
    let both = msg("m").size(1_025).delay(1);
    let rows = [
        ("too long", both.clone(), Some(Code::InvalidParameterValue)),
        ("no group", both.clone().size(1_024), Some(Code::MissingParameter)),
        ("a delay of its own", both.clone().size(1_024).group("g"), Some(Code::InvalidParameterValue)),
        ("nothing to deduplicate by", msg("m").group("g"), Some(Code::InvalidParameterValue)),
        ("nothing", msg("m").group("g").dedup("d"), None),
        ("a delay of 0", msg("m").group("g").dedup("e").delay(0), None),
    ];
    check(&mut w, F, &rows);
    assert_eq!(w.counts("q"), (1, 0, 1));
    assert_eq!(w.counts(F), (2, 0, 0));
}

/// Which error it is, where several share a code.
#[test]
fn the_texts_tell_the_errors_apart() {
    let mut w = World::one("q", &[("MaximumMessageSize", "1024")]);
    w.queue(F, &[]);
    let text = |error: Error| error.message.into_owned();
    let all = msg("m").size(1_025).delay(901).dedup("d");
    assert!(text(w.try_send("q", all.clone()).unwrap_err()).contains("shorter than 1024 bytes"));
    assert!(text(w.try_send("q", all.clone().size(1)).unwrap_err()).contains("DelaySeconds"));
    assert!(text(w.try_send("q", all.size(1).delay(1)).unwrap_err()).contains("MessageDeduplicationId"));
    let delayed = msg("m").group("g").delay(1);
    assert!(text(w.try_send(F, delayed).unwrap_err()).contains("DelaySeconds"));
    assert!(text(w.try_send(F, msg("m").group("g")).unwrap_err()).contains("ContentBasedDeduplication"));
}

#[test]
fn a_batch_fails_entry_by_entry() {
    let mut w = World::one("q", &[]);
    w.queue(F, &[]);
    let reply = w.send_batch("q", &[("1", msg("a")), ("2", msg("b").dedup("x")), ("3", msg("c"))]);
    let outcomes: Vec<_> = reply.entries.iter().map(|(id, one)| (id.as_str(), one.is_ok())).collect();
    assert_eq!(outcomes, [("1", true), ("2", false), ("3", true)]);
    w.assert_holds("q", &["a", "c"]);
    let one = |text: &str| msg(text).group("g").dedup("same");
    let reply = w.send_batch(F, &[("1", one("a")), ("2", one("b")), ("3", msg("c").dedup("c"))]);
    let sent: Vec<_> = reply.entries.iter().map(|(_, one)| one.clone()).collect();
    assert_eq!(sent[0].as_ref().unwrap().message_id, sent[1].as_ref().unwrap().message_id, "a duplicate");
    assert_eq!(code(sent[2].clone()), Code::MissingParameter);
    w.assert_holds(F, &["a"]);
}

#[test]
fn a_delay_is_the_message_s_or_else_the_queue_s() {
    for (queue, own, seconds) in
        [("0", Some(5), 5), ("10", None, 10), ("10", Some(3), 3), ("10", Some(0), 0), ("900", None, 900)]
    {
        let mut w = World::one("q", &[("DelaySeconds", queue)]);
        w.pass(1_234);
        w.send("q", Msg { delay: own, ..msg("m") });
        if seconds > 0 {
            assert_eq!(w.counts("q"), (0, 0, 1), "{queue} {own:?}");
            w.pass(seconds * SECOND - 1);
            assert_eq!(w.peek("q", 1), [""; 0], "{queue} {own:?}");
            w.pass(1);
        }
        assert_eq!(w.peek("q", 1), ["m"], "{queue} {own:?}");
        w.assert_holds("q", &["m"]);
    }
}

#[test]
fn a_changed_delay_acts_on_queued_messages_of_fifo_queues_only() {
    let mut w = World::one("q", &[("DelaySeconds", "10")]);
    w.send("q", msg("m"));
    w.set("q", &[("DelaySeconds", "0")]);
    assert_eq!(w.counts("q"), (0, 0, 1));
    w.pass(10 * SECOND - 1);
    assert_eq!(w.peek("q", 1), [""; 0]);
    w.pass(1);
    assert_eq!(w.peek("q", 1), ["m"]);

    w.queue(F, &[]);
    let many: Vec<String> = (0..30).map(|n| format!("{n:02}")).collect();
    for one in &many {
        w.send_group(F, "g", &[one]);
    }
    w.set(F, &[("DelaySeconds", "20")]);
    assert_eq!(w.counts(F), (0, 0, 30), "delayed now, those on disk too");
    assert_eq!(w.peek(F, 10), [""; 0]);
    w.pass(19_999);
    assert_eq!(w.peek(F, 10), [""; 0]);
    w.pass(1);
    assert_eq!(w.counts(F), (30, 0, 0));
    let first = w.one_of(F);
    assert_eq!(body(&first), "00");
    w.delete(F, &first.receipt_handle).unwrap();
    w.set(F, &[("DelaySeconds", "900")]);
    assert_eq!(w.counts(F), (0, 0, 29));
    w.restart();
    assert_eq!(w.counts(F), (0, 0, 29));
    w.set(F, &[("DelaySeconds", "0")]);
    assert_eq!(w.drain(F), many[1..]);
}

#[test]
fn counters_are_exact_to_the_second() {
    let mut w = World::one("q", &[]);
    for (at, delay) in [(0, 3), (250, 3), (0, 5), (999, 1)] {
        w.pass(at);
        w.send("q", msg(format!("{at} {delay}")).delay(delay));
    }
    // Due at 3.0, 3.25, 5.25 and 2.249 s after the start; a second's are counted until it is over.
    let delayed = [(2_000, 4), (3_000, 2), (4_000, 1), (5_000, 1), (6_000, 0)];
    for (at, expected) in delayed {
        w.pass(START + at - w.now);
        assert_eq!(w.counts("q"), (4 - expected, 0, expected), "{at}");
    }
    w.queue(F, &[("DelaySeconds", "10")]);
    let start = w.now;
    for n in 0..5 {
        w.send_group(F, "g", &[&format!("{n}")]);
        w.pass(SECOND);
    }
    for (at, expected) in [(9_999, 5), (10_000, 4), (12_000, 2), (14_000, 0)] {
        w.pass(start + at - w.now);
        assert_eq!(w.counts(F), (5 - expected, 0, expected), "{at}");
    }
    w.assert_holds(F, &["0", "1", "2", "3", "4"]);
}

#[test]
fn a_first_receive_takes_a_message_out_of_the_delayed() {
    let mut w = World::one(F, &[("DelaySeconds", "1")]);
    w.send_group(F, "g", &["a", "b"]);
    w.pass(SECOND);
    let a = w.one_of(F);
    w.set(F, &[("DelaySeconds", "100")]);
    assert_eq!(w.counts(F), (0, 1, 1), "received: delayed no more");
    w.change(F, &a.receipt_handle, 0).unwrap();
    assert_eq!(w.counts(F), (1, 0, 1));
    assert_eq!(w.peek(F, 10), ["a"]);
    w.assert_holds(F, &["a", "b"]);
}

#[test]
fn a_duplicate_gets_the_first_answer_for_exactly_five_minutes() {
    let mut w = World::one(F, &[]);
    w.pass(31_234);
    let first = w.send(F, msg("first").group("g").dedup("id"));
    let got = w.one_of(F);
    w.delete(F, &got.receipt_handle).unwrap();
    let sent = w.now;
    for age in [1, MINUTE, 4 * MINUTE, 5 * MINUTE - 1] {
        w.pass(sent + age - 1 - w.now);
        // A start takes a ms.
        w.crash();
        let again = w.send(F, msg("other body").group("other").dedup("id"));
        assert_eq!(again.message_id, first.message_id, "deleted, moved on, restarted");
        assert_eq!(again.sequence_number, first.sequence_number);
        assert_eq!(again.md5_of_message_body, engine::message::md5(b"other body"));
    }
    assert_eq!(w.counts(F), (0, 0, 0));
    w.pass(1);
    let new = w.send(F, msg("new").group("g").dedup("id"));
    assert_ne!(new.message_id, first.message_id);
    assert!(new.sequence_number > first.sequence_number);
    w.assert_holds(F, &["new"]);
}

#[test]
fn what_counts_as_the_same_message() {
    let by_content = ("ContentBasedDeduplication", "true");
    let per_group = ("DeduplicationScope", "messageGroup");
    let m = |body: &str, group: &str| msg(body).group(group);
    type Case<'a> = (&'a [(&'a str, &'a str)], Msg, Msg, bool);
    let rows: [Case; 8] = [
        (&[], m("a", "g").dedup("x"), m("b", "h").dedup("x"), true),
        (&[], m("a", "g").dedup("x"), m("a", "g").dedup("y"), false),
        (&[by_content], m("a", "g"), m("a", "h"), true),
        (&[by_content], m("a", "g"), m("b", "g"), false),
        (&[by_content], m("a", "g").dedup("x"), m("a", "g"), false),
        (&[by_content], m("a", "g").dedup("x"), m("b", "g").dedup("x"), true),
        (&[per_group], m("a", "g").dedup("x"), m("b", "h").dedup("x"), false),
        (&[per_group], m("a", "g").dedup("x"), m("b", "g").dedup("x"), true),
    ];
    for (attributes, one, two, same) in rows {
        let mut w = World::one(F, attributes);
        let first = w.send(F, one.clone()).message_id;
        let second = w.send(F, two.clone()).message_id;
        assert_eq!(first == second, same, "{attributes:?} {one:?} {two:?}");
        assert_eq!(w.counts(F).0, if same { 1 } else { 2 });
    }
}

#[test]
fn ids_are_another_queue_s_own() {
    let mut w = World::one(F, &[]);
    w.queue("g.fifo", &[]);
    let one = w.send(F, msg("a").group("g").dedup("x"));
    let two = w.send("g.fifo", msg("a").group("g").dedup("x"));
    assert_ne!(one.message_id, two.message_id);
    w.assert_holds("g.fifo", &["a"]);
}
