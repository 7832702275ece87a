//! Standard queues: the order messages are offered in, visibility, handles and counts.

use engine::request::{DeleteEntry, VisibilityEntry};
use engine::{Code, Request};

use crate::common::client::code;
use crate::common::*;

#[test]
fn a_message_is_sent_received_and_deleted() {
    let mut w = World::one("q", &[]);
    let sent = w.send("q", msg("hello"));
    assert_eq!(sent.sequence_number, None);
    assert_eq!(sent.md5_of_message_body.to_string(), "5d41402abc4b2a76b9719d911017c592");
    let got = w.one_of("q");
    assert_eq!(bodies(std::slice::from_ref(&got)), ["hello"]);
    assert_eq!(got.message_id, sent.message_id);
    assert_eq!((got.sent, got.receive_count, got.first_received), (w.now, 1, w.now));
    assert_eq!((got.sequence_number, got.origin_arn.clone()), (None, None));
    assert_eq!(w.counts("q"), (0, 1, 0));
    assert_eq!(w.peek("q", 10), [""; 0]);
    w.delete("q", &got.receipt_handle).unwrap();
    assert_eq!(w.counts("q"), (0, 0, 0));
    w.assert_holds("q", &[]);
}

#[test]
fn a_receive_gives_as_many_as_asked_for_and_there_are() {
    let mut w = World::one("q", &[]);
    w.send_all("q", &["a", "b", "c", "d"]);
    let default = Get { wait_time_seconds: Some(0), ..Get::default() };
    assert_eq!(bodies(&w.try_receive("q", default).unwrap()), ["a"]);
    assert_eq!(w.peek("q", 2), ["b", "c"]);
    assert_eq!(w.peek("q", 10), ["d"]);
    w.assert_holds("q", &["a", "b", "c", "d"]);
}

#[test]
fn a_message_returns_when_its_timeout_is_over_and_not_before() {
    for (attributes, own, seconds) in
        [(vec![], None, 30), (vec![("VisibilityTimeout", "7")], None, 7), (vec![], Some(3), 3)]
    {
        let mut w = World::one("q", &attributes);
        w.send("q", msg("m"));
        let first = w.try_receive("q", Get { visibility_timeout: own, ..get(1) }).unwrap();
        assert_eq!(first.len(), 1);
        w.pass(seconds * SECOND - 1);
        assert_eq!(w.peek("q", 1), [""; 0], "{seconds}");
        assert_eq!(w.counts("q"), (0, 1, 0));
        w.pass(1);
        assert_eq!(w.counts("q"), (1, 0, 0));
        let again = w.one_of("q");
        assert_eq!((again.receive_count, again.first_received), (2, first[0].first_received));
        assert_ne!(again.receipt_handle, first[0].receipt_handle);
        w.assert_holds("q", &["m"]);
    }
}

#[test]
fn a_timeout_of_0_leaves_the_message_visible() {
    let mut w = World::one("q", &[]);
    w.send("q", msg("m"));
    for count in 1..=5 {
        let got = w.try_receive("q", Get { visibility_timeout: Some(0), ..get(1) }).unwrap();
        assert_eq!(got[0].receive_count, count);
        assert_eq!(w.counts("q"), (1, 0, 0));
    }
    w.assert_holds("q", &["m"]);
}

#[test]
fn returned_messages_come_first_and_thrice_received_ones_last() {
    let mut w = World::one("q", &[("VisibilityTimeout", "0")]);
    w.send_all("q", &["poison", "b", "c"]);
    assert_eq!(w.peek("q", 1), ["poison"]);
    w.pass(1);
    assert_eq!(w.peek("q", 1), ["poison"], "returned: before the unread");
    w.pass(1);
    assert_eq!(w.peek("q", 1), ["poison"], "received twice: still before");
    w.pass(1);
    let long = Get { visibility_timeout: Some(1_000), ..get(2) };
    assert_eq!(bodies(&w.try_receive("q", long).unwrap()), ["b", "c"], "received three times: behind");
    w.send("q", msg("d"));
    assert_eq!(w.peek("q", 10), ["d", "poison"]);
    w.assert_holds("q", &["poison", "b", "c", "d"]);
}

#[test]
fn change_visibility_hides_longer_shorter_or_not_at_all() {
    for seconds in [0, 1, 5, 3_600] {
        let mut w = World::one("q", &[]);
        w.send("q", msg("m"));
        let got = w.one_of("q");
        w.pass(10 * SECOND);
        w.change("q", &got.receipt_handle, seconds).unwrap();
        if seconds > 0 {
            w.pass(seconds as u64 * SECOND - 1);
            assert_eq!(w.counts("q"), (0, 1, 0), "{seconds}");
            w.pass(1);
        }
        assert_eq!(w.counts("q"), (1, 0, 0), "{seconds}");
        assert_eq!(w.one_of("q").receive_count, 2);
        w.assert_holds("q", &["m"]);
    }
}

#[test]
fn a_message_is_hidden_for_12_hours_in_all_at_most() {
    let mut w = World::one("q", &[]);
    w.send("q", msg("m"));
    let got = w.one_of("q");
    assert_eq!(w.change("q", &got.receipt_handle, 43_200), Ok(()));
    w.pass(SECOND);
    assert_eq!(code(w.change("q", &got.receipt_handle, 43_200)), Code::InvalidParameterValue);
    assert_eq!(w.change("q", &got.receipt_handle, 43_199), Ok(()));
    w.pass(43_199 * SECOND - 1);
    assert_eq!(w.counts("q"), (0, 1, 0));
    w.pass(1);
    assert_eq!(w.counts("q"), (1, 0, 0));
    assert_eq!(code(w.change("q", &got.receipt_handle, 1)), Code::InvalidParameterValue, "12 h are over");
    assert_eq!(code(w.delete("q", &got.receipt_handle)), Code::InvalidParameterValue, "the handle expired");
    w.assert_holds("q", &["m"]);
}

#[test]
fn the_newest_handle_hides_a_message_that_is_visible_again() {
    let mut w = World::one("q", &[("VisibilityTimeout", "5")]);
    w.send("q", msg("m"));
    let got = w.one_of("q");
    w.pass(6 * SECOND);
    assert_eq!(w.counts("q"), (1, 0, 0));
    w.change("q", &got.receipt_handle, 10).unwrap();
    assert_eq!(w.counts("q"), (0, 1, 0));
    assert_eq!(w.peek("q", 1), [""; 0]);
    w.pass(10 * SECOND);
    let newer = w.one_of("q");
    assert_eq!(code(w.change("q", &got.receipt_handle, 10)), Code::InvalidParameterValue, "an old handle");
    w.delete("q", &newer.receipt_handle).unwrap();
    let gone = w.change("q", &newer.receipt_handle, 10).unwrap_err();
    assert_eq!(gone.code, Code::InvalidParameterValue);
    assert!(
        gone.message.contains("Message does not exist or is not available for visibility timeout change.")
    );
    w.assert_holds("q", &[]);
}

#[test]
fn an_old_handle_deletes_and_a_repeated_delete_succeeds() {
    let mut w = World::one("q", &[("VisibilityTimeout", "5")]);
    w.send("q", msg("m"));
    let old = w.one_of("q");
    w.pass(6 * SECOND);
    assert_eq!(w.one_of("q").message_id, old.message_id);
    w.send("q", msg("n"));
    w.delete("q", &old.receipt_handle).unwrap();
    assert_eq!(w.counts("q"), (1, 0, 0), "in flight under a newer handle, and gone");
    for _ in 0..2 {
        w.delete("q", &old.receipt_handle).unwrap();
        w.restart();
    }
    w.assert_holds("q", &["n"]);
}

#[test]
fn a_handle_that_is_visible_again_deletes() {
    let mut w = World::one("q", &[]);
    w.send("q", msg("m"));
    let got = w.one_of("q");
    w.pass(31 * SECOND);
    w.delete("q", &got.receipt_handle).unwrap();
    w.assert_holds("q", &[]);
}

#[test]
fn foreign_handles_and_nonsense_are_invalid() {
    let mut w = World::one("q", &[]);
    w.queue("other", &[]);
    w.queue("ordered.fifo", &[]);
    w.send_all("q", &["m"]);
    w.send_all("other", &["o"]);
    w.send_group("ordered.fifo", "g", &["f"]);
    let foreign = w.one_of("other").receipt_handle;
    let fifo = w.one_of("ordered.fifo").receipt_handle;
    let mut bent = w.one_of("q").receipt_handle;
    bent.replace_range(10..11, if &bent[10..11] == "A" { "B" } else { "A" });
    for wrong in [foreign.as_str(), &fifo, &bent, "nonsense", "AAAA", "-", "\u{20ac}"] {
        assert_eq!(code(w.delete("q", wrong)), Code::ReceiptHandleIsInvalid, "{wrong}");
        assert_eq!(code(w.change("q", wrong, 5)), Code::ReceiptHandleIsInvalid, "{wrong}");
    }
    assert_eq!(code(w.delete("q", "")), Code::MissingParameter);
    w.assert_holds("q", &["m"]);
    w.assert_holds("other", &["o"]);
    w.assert_holds("ordered.fifo", &["f"]);
}

#[test]
fn an_undurable_message_is_not_offered() {
    let mut w = World::one("q", &[]);
    w.hold.durable = true;
    w.send_all("q", &["a", "b"]);
    assert_eq!(w.peek("q", 10), [""; 0]);
    assert_eq!(w.counts("q").0, 2);
    w.sync_one();
    assert_eq!(w.peek("q", 10), ["a"]);
    w.sync();
    assert_eq!(w.peek("q", 10), ["b"]);
    w.assert_holds("q", &["a", "b"]);
}

#[test]
fn a_receive_that_nobody_saw_is_taken_back() {
    let mut w = World::one("q", &[]);
    w.send("q", msg("m"));
    let ticket = w.poll("q", get(1));
    let undo = w.outcome(ticket).expect("an answer").undo;
    w.internal(engine::command::Internal::Undo(undo.clone()));
    w.settle();
    assert_eq!(w.counts("q"), (1, 0, 0));
    let got = w.one_of("q");
    assert_eq!((got.receive_count, got.first_received), (1, w.now));
    // The nonce is no longer the newest: nothing is undone, however often it is asked for.
    w.internal(engine::command::Internal::Undo(undo));
    assert_eq!(w.counts("q"), (0, 1, 0));
    w.pass(30 * SECOND);
    let first_received = got.first_received;
    let ticket = w.poll("q", get(1));
    let undo = w.outcome(ticket).expect("an answer").undo;
    w.internal(engine::command::Internal::Undo(undo));
    w.settle();
    let again = w.one_of("q");
    assert_eq!((again.receive_count, again.first_received), (2, first_received), "back to what it was");
    w.delete("q", &again.receipt_handle).unwrap();
    w.assert_holds("q", &[]);
}

#[test]
fn what_is_wrong_with_a_batch_as_a_whole_fails_it() {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let eleven: Vec<String> = (0..11).map(|id| id.to_string()).collect();
    for (ids, expected) in [
        (vec![], Code::EmptyBatchRequest),
        (eleven, Code::TooManyEntriesInBatchRequest),
        (ids(&["a b"]), Code::InvalidBatchEntryId),
        (ids(&["a", "a"]), Code::BatchEntryIdsNotDistinct),
    ] {
        let mut w = World::one("q", &[]);
        let queue_url = || "q".to_owned();
        let deletes = ids.iter().map(|id| DeleteEntry { id: id.clone(), receipt_handle: "x".to_owned() });
        let delete = Request::DeleteMessageBatch { queue_url: queue_url(), entries: deletes.collect() };
        let changes = ids.iter().map(|id| VisibilityEntry { id: id.clone(), ..VisibilityEntry::default() });
        let change =
            Request::ChangeMessageVisibilityBatch { queue_url: queue_url(), entries: changes.collect() };
        assert_eq!(code(w.ask("q", delete)), expected);
        assert_eq!(code(w.ask("q", change)), expected);
    }
}
