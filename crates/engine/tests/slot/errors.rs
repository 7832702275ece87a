//! Which error wins when several apply: each row puts the error of the row before right. The tables are those of
//! `docs/error-order.md`.

use engine::Code::{self, *};
use engine::request::{DeleteEntry, VisibilityEntry};
use engine::{Reply, Request};

use crate::common::client::code;
use crate::common::*;

const F: &str = "f.fifo";

#[test]
fn receive_message() {
    let mut w = World::one("q", &[]);
    w.queue(F, &[]);
    let all = Get {
        max_number_of_messages: Some(11),
        visibility_timeout: Some(43_201),
        wait_time_seconds: Some(21),
        receive_request_attempt_id: Some("no spaces".into()),
        ..Get::default()
    };
    let most = Get { max_number_of_messages: Some(10), ..all.clone() };
    let visibility = Get { visibility_timeout: Some(43_200), ..most.clone() };
    let wait = Get { wait_time_seconds: Some(0), ..visibility.clone() };
    let attempt = Get { receive_request_attempt_id: Some("x".repeat(128)), ..wait.clone() };
    let rows = [
        (all, Some("MaxNumberOfMessages")),
        (most, Some("VisibilityTimeout")),
        (visibility, Some("WaitTimeSeconds")),
        (wait, Some("ReceiveRequestAttemptId")),
        (attempt.clone(), None),
    ];
    for (get, parameter) in rows {
        let error = w.try_receive(F, get).err();
        assert_eq!(error.as_ref().map(|error| error.code), parameter.map(|_| InvalidParameterValue));
        if let (Some(error), Some(parameter)) = (error, parameter) {
            assert!(error.message.contains(parameter), "{parameter}: {}", error.message);
        }
    }
    assert_eq!(code(w.try_receive("q", attempt)), InvalidParameterValue, "only FIFO queues know attempts");
    for (most, seconds) in [(0, 0), (-1, 0), (11, 0), (1, -1), (1, 21)] {
        let get = Get { wait_time_seconds: Some(seconds), ..get(most) };
        assert_eq!(code(w.try_receive("q", get)), InvalidParameterValue, "{most} {seconds}");
    }
    for visibility in [-1, 43_201] {
        let get = Get { visibility_timeout: Some(visibility), ..get(1) };
        assert_eq!(code(w.try_receive("q", get)), InvalidParameterValue, "{visibility}");
    }
}

#[test]
fn change_message_visibility() {
    let mut w = World::one("q", &[]);
    w.queue(F, &[("VisibilityTimeout", "1")]);
    w.send("q", msg("m"));
    w.send_group(F, "g", &["m"]);
    let held = w.one_of("q").receipt_handle;
    let late = w.one_of(F).receipt_handle;
    w.pass(2 * SECOND);
    w.queue("other", &[]);
    let rows: [(&str, &str, i64, Option<Code>); 7] = [
        ("q", "", 43_201, Some(MissingParameter)),
        ("q", "nonsense", 43_201, Some(ReceiptHandleIsInvalid)),
        ("other", &held, 43_201, Some(ReceiptHandleIsInvalid)),
        ("q", &held, 43_201, Some(InvalidParameterValue)),
        ("q", &held, 43_200, Some(InvalidParameterValue)),
        (F, &late, 10, Some(InvalidParameterValue)),
        ("q", &held, 43_190, None),
    ];
    for (queue, handle, seconds, expected) in rows {
        let outcome = w.change(queue, handle, seconds).err().map(|error| error.code);
        assert_eq!(outcome, expected, "{queue} {handle} {seconds}");
    }
    let text = w.change("q", &held, 43_200).unwrap_err().message;
    assert!(text.contains("Total VisibilityTimeout"), "{text}");
    let text = w.change("q", &held, -1).unwrap_err().message;
    assert!(text.contains(">= 0 and <= 43200"), "{text}");
}

#[test]
fn delete_message() {
    let mut w = World::one("q", &[]);
    w.queue(F, &[("VisibilityTimeout", "1")]);
    w.queue("other", &[]);
    w.send("q", msg("m"));
    w.send_group(F, "g", &["m"]);
    let (held, late) = (w.one_of("q").receipt_handle, w.one_of(F).receipt_handle);
    w.pass(2 * SECOND);
    let rows: [(&str, &str, Option<Code>); 5] = [
        ("q", "", Some(MissingParameter)),
        ("q", "nonsense", Some(ReceiptHandleIsInvalid)),
        ("other", &held, Some(ReceiptHandleIsInvalid)),
        (F, &late, Some(InvalidParameterValue)),
        ("q", &held, None),
    ];
    for (queue, handle, expected) in rows {
        let outcome = w.delete(queue, handle).err().map(|error| error.code);
        assert_eq!(outcome, expected, "{queue} {handle}");
    }
    w.pass(12 * HOUR - 2 * SECOND);
    assert_eq!(code(w.delete("q", &held)), InvalidParameterValue, "12 hours after its receive");
}

#[test]
fn batches_fail_entry_by_entry() {
    let mut w = World::one("q", &[]);
    w.send_all("q", &["a", "b"]);
    let got = w.receive("q", 2);
    let handle = |n: usize| got[n].receipt_handle.clone();
    let change = |id: &str, receipt_handle: String, visibility_timeout| VisibilityEntry {
        id: id.into(),
        receipt_handle,
        visibility_timeout,
    };
    let entries = vec![
        change("1", handle(0), Some(0)),
        change("2", "nonsense".into(), Some(0)),
        change("3", handle(1), None),
        change("4", handle(1), Some(43_201)),
    ];
    let request = Request::ChangeMessageVisibilityBatch { queue_url: "q".into(), entries };
    let Ok(Reply::ChangeMessageVisibilityBatch(reply)) = w.ask("q", request) else { panic!() };
    let codes: Vec<_> = reply.entries.into_iter().map(|(_, one)| one.err().map(|error| error.code)).collect();
    assert_eq!(
        codes,
        [None, Some(ReceiptHandleIsInvalid), Some(MissingParameter), Some(InvalidParameterValue)]
    );
    assert_eq!(w.counts("q"), (1, 1, 0));
    let delete = |id: &str, receipt_handle: String| DeleteEntry { id: id.into(), receipt_handle };
    let entries = vec![
        delete("1", handle(0)),
        delete("2", "nonsense".into()),
        delete("3", handle(0)),
        delete("4", handle(1)),
    ];
    let request = Request::DeleteMessageBatch { queue_url: "q".into(), entries };
    let Ok(Reply::DeleteMessageBatch(reply)) = w.ask("q", request) else { panic!() };
    let ids: Vec<_> = reply.entries.iter().map(|(id, one)| (id.as_str(), one.is_ok())).collect();
    assert_eq!(ids, [("1", true), ("2", false), ("3", true), ("4", true)]);
    w.assert_holds("q", &[]);
}

#[test]
fn a_batch_finds_what_a_crash_forgot() {
    let mut w = World::one("q", &[]);
    w.send_all("q", &["a", "b", "c"]);
    w.hold.durable = true;
    let got = w.receive("q", 3);
    w.crash();
    w.hold.durable = false;
    let entries = got[..2]
        .iter()
        .enumerate()
        .map(|(n, one)| DeleteEntry { id: n.to_string(), receipt_handle: one.receipt_handle.clone() })
        .collect();
    let request = Request::DeleteMessageBatch { queue_url: "q".into(), entries };
    w.ask("q", request).unwrap();
    w.assert_holds("q", &["c"]);
}

#[test]
fn get_queue_attributes_and_a_queue_that_is_gone() {
    let mut w = World::one("q", &[]);
    let ask = |names: &[&str]| Request::GetQueueAttributes {
        queue_url: "q".into(),
        attribute_names: names.iter().map(|name| (*name).into()).collect(),
    };
    assert_eq!(code(w.ask("q", ask(&["All", "Nonsense"]))), InvalidAttributeName);
    assert!(w.ask("q", ask(&[])).is_ok());
    w.delete_queue("q");
    assert_eq!(code(w.ask("q", ask(&["Nonsense"]))), QueueDoesNotExist);
    assert_eq!(code(w.try_send("q", msg("m"))), QueueDoesNotExist);
    assert_eq!(code(w.try_receive("q", get(11))), QueueDoesNotExist);
    assert_eq!(code(w.purge("q")), QueueDoesNotExist);
    assert_eq!(code(w.delete("q", "")), QueueDoesNotExist);
}
