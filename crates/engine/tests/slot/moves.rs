//! Messages that move between queues: dead letters, redrives, and a crash in the middle of each step.

use engine::Code;
use engine::command::{Delivery, Settings};
use engine::rows::RowKey;

use crate::common::client::{body, code};
use crate::common::*;

fn policy(target: &str, count: u32) -> String {
    let arn = name_of(target).arn();
    format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#)
}

/// A queue of this kind with a dead-letter queue behind it; messages return at once.
fn with_dead(kind: &str, count: u32) -> (World, String, String) {
    let (dead, q) = (format!("dead{kind}"), format!("q{kind}"));
    let mut w = World::one(&dead, &[]);
    w.queue(&q, &[("RedrivePolicy", &policy(&dead, count)), ("VisibilityTimeout", "0")]);
    (w, q, dead)
}

fn send(w: &mut World, queue: &str, text: &str) -> engine::MessageId {
    let message = if queue.ends_with(".fifo") { msg(text).group("g").dedup(text) } else { msg(text) };
    w.send(queue, message).message_id
}

/// A message "m" that is leaving; what its queue sends is held.
fn with_leaving(kind: &str) -> (World, String, String) {
    let (mut w, q, dead) = with_dead(kind, 1);
    send(&mut w, &q, "m");
    w.one_of(&q);
    w.hold.sends = true;
    assert_eq!(w.peek(&q, 1), [""; 0], "it is leaving");
    (w, q, dead)
}

#[test]
fn a_receive_that_finds_the_count_reached_moves_the_message() {
    for kind in ["", ".fifo"] {
        for count in [1, 3] {
            let (mut w, q, dead) = with_dead(kind, count);
            w.pass(500);
            let id = send(&mut w, &q, "m");
            let sent = w.now;
            for _ in 0..count {
                w.pass(10);
                assert_eq!(w.one_of(&q).message_id, id);
            }
            let first_received = START + 510;
            assert_eq!(w.counts(&dead), (0, 0, 0));
            assert_eq!(w.peek(&q, 1), [""; 0], "{kind} {count}: the one receive more");
            assert_eq!(w.counts(&q), (0, 0, 0));
            w.pass(SECOND);
            let got = w.one_of(&dead);
            assert_eq!((got.message_id, got.sent, got.first_received), (id, sent, first_received));
            assert_eq!(got.receive_count, count + 1, "counted on");
            assert_eq!(got.origin_arn, Some(name_of(&q).arn()));
            let renamed = (kind == ".fifo").then(|| id.to_string());
            assert_eq!(got.renamed_deduplication_id, renamed);
            w.assert_holds(&dead, &["m"]);
            w.assert_holds(&q, &[]);
        }
    }
}

/// A FIFO queue's delay is the queue's, so what it counts visible can be received: a message that moved in counts and
/// waits like one that was sent when it came.
#[test]
fn a_moved_message_waits_out_the_delay_of_its_fifo_queue() {
    let (mut w, q, dead) = with_dead(".fifo", 1);
    w.set(&dead, &[("DelaySeconds", "10")]);
    send(&mut w, &q, "moved");
    w.pass(60 * SECOND);
    w.send(&dead, msg("sent").group("other").dedup("sent"));
    w.one_of(&q);
    assert_eq!(w.peek(&q, 1), [""; 0], "it becomes a dead letter");
    assert_eq!(w.counts(&dead), (0, 0, 2));
    assert_eq!(w.peek(&dead, 10), [""; 0]);
    w.pass(11 * SECOND);
    assert_eq!(w.counts(&dead), (2, 0, 0));
    w.assert_holds(&dead, &["sent", "moved"]);
}

#[test]
fn a_moved_fifo_message_is_deduplicated_by_its_message_id() {
    let (mut w, q, dead) = with_dead(".fifo", 1);
    let id = send(&mut w, &q, "m");
    w.one_of(&q);
    w.receive(&q, 1);
    let moved = w.one_of(&dead);
    let again = w.send(&dead, msg("x").group("g").dedup(id.to_string()));
    assert_eq!((again.message_id, again.sequence_number), (id, moved.sequence_number));
    w.assert_holds(&dead, &["m"]);
}

#[test]
fn retention_counts_on_in_a_standard_queue_and_anew_in_a_fifo_queue() {
    for (kind, left) in [("", 0), (".fifo", 1)] {
        let (mut w, q, dead) = with_dead(kind, 1);
        w.set(&dead, &[("MessageRetentionPeriod", "100")]);
        send(&mut w, &q, "m");
        w.pass(50 * SECOND);
        w.one_of(&q);
        w.receive(&q, 1);
        assert_eq!(w.counts(&dead).0, 1);
        w.pass(50 * SECOND);
        assert_eq!(w.peek(&dead, 1).len(), left, "{kind}");
        w.pass(2 * MINUTE);
        assert_eq!(w.counts(&dead), (0, 0, 0), "{kind}");
    }
}

#[test]
fn a_queue_may_be_its_own_dead_letter_queue() {
    for kind in ["", ".fifo"] {
        let q = format!("q{kind}");
        let mut w = World::one(&q, &[("VisibilityTimeout", "0")]);
        w.set(&q, &[("RedrivePolicy", &policy(&q, 2))]);
        let id = send(&mut w, &q, "m");
        send(&mut w, &q, "n");
        for count in 1..=2 {
            assert_eq!(w.one_of(&q).receive_count, count);
        }
        let next = w.one_of(&q);
        assert_eq!(body(&next), "n", "the dead one went behind");
        w.delete(&q, &next.receipt_handle).unwrap_or(());
        w.pass(SECOND);
        let mut seen: Vec<Delivery> = Vec::new();
        while seen.len() < 20 && !seen.iter().any(|one| one.message_id == id) {
            seen.extend(w.receive(&q, 1));
        }
        let moved = seen.pop().expect("a message");
        assert_eq!((moved.message_id, moved.receive_count), (id, 3), "counting goes on, the limit anew");
    }
}

#[test]
fn messages_of_one_group_die_in_order() {
    let (mut w, q, dead) = with_dead(".fifo", 1);
    let all: Vec<String> = (0..40).map(|n| format!("{n:02}")).collect();
    for text in &all {
        send(&mut w, &q, text);
    }
    for _ in 0..40 {
        w.receive(&q, 3);
        w.pass(1);
    }
    assert_eq!(w.counts(&q), (0, 0, 0));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    w.assert_holds(&dead, &all);
}

#[test]
fn a_target_that_is_gone_lets_the_message_stay() {
    for restart in [false, true] {
        let (mut w, q, dead) = with_leaving("");
        w.delete_queue(&dead);
        w.hold.sends = false;
        if restart {
            w.crash();
        }
        w.settle();
        assert_eq!(w.counts(&q), (1, 0, 0), "it is back");
        assert_eq!(w.peek(&q, 1), ["m"], "and stays: there is no dead-letter queue any more");
        w.assert_holds(&q, &["m"]);
    }
}

#[test]
fn what_was_received_from_a_target_does_not_come_back_when_the_target_is_removed() {
    for kind in ["", ".fifo"] {
        let (mut w, q, dead) = with_leaving(kind);
        assert!(w.deliver_sends(), "it arrives");
        w.crash();
        // Its source does not know yet that it has arrived.
        assert_eq!(w.peek(&dead, 1), ["m"]);
        w.delete_queue(&dead);
        w.hold.sends = false;
        w.settle();
        assert_eq!(w.counts(&q), (0, 0, 0), "{kind}");
        w.assert_holds(&q, &[]);
        assert!(w.slot.rows().all(|row| row.key().queue() != Some(w.id(&dead))), "removed");
    }
}

#[test]
fn an_arrival_is_forgotten_though_its_source_is_removed_just_after_a_start() {
    for kind in ["", ".fifo"] {
        let (mut w, q, dead) = with_leaving(kind);
        assert!(w.deliver_sends(), "it arrives");
        // The source is removed before its message is read, to leave once more.
        w.hold = Hold { pages: true, ..Hold::default() };
        w.crash();
        w.delete_queue(&q);
        w.hold = Hold::default();
        w.settle();
        assert!(!w.slot.rows().any(|row| matches!(row.key(), RowKey::Arrived(_))), "{kind}: forgotten");
        w.assert_holds(&dead, &["m"]);
    }
}

#[test]
fn a_delete_of_a_leaving_message_succeeds_and_removes_nothing() {
    let (mut w, q, dead) = with_dead("", 1);
    send(&mut w, &q, "m");
    let got = w.one_of(&q);
    w.hold.sends = true;
    assert_eq!(w.peek(&q, 1), [""; 0]);
    w.delete(&q, &got.receipt_handle).unwrap();
    assert_eq!(code(w.change(&q, &got.receipt_handle, 5)), Code::InvalidParameterValue);
    w.hold.sends = false;
    w.settle();
    w.delete(&q, &got.receipt_handle).unwrap();
    w.assert_holds(&dead, &["m"]);
}

/// A crash after each number of durable batches and delivered requests of a move: never lost, never in both.
#[test]
fn a_crash_in_the_middle_of_a_move_neither_loses_nor_doubles() {
    for kind in ["", ".fifo"] {
        for steps in 0..12 {
            let (mut w, q, dead) = with_dead(kind, 1);
            for text in ["a", "b", "c"] {
                send(&mut w, &q, text);
            }
            w.receive(&q, 3);
            w.pass(1);
            w.hold = Hold { durable: true, pages: false, sends: true };
            w.poll(&q, get(1));
            for step in 0..steps {
                match step % 2 {
                    0 => drop(w.sync_one()),
                    _ => drop(w.deliver_sends()),
                }
                w.settle();
            }
            w.crash();
            w.hold = Hold::default();
            w.settle();
            // Those that had not left die at the next receive.
            for _ in 0..4 {
                w.receive(&q, 10);
                w.pass(SECOND);
            }
            assert_eq!(w.counts(&q), (0, 0, 0), "{kind} {steps}");
            w.assert_holds(&dead, &["a", "b", "c"]);
            let arrived = w.store.on_disk.keys().filter(|key| matches!(key, RowKey::Arrived(_))).count();
            assert_eq!(arrived, 0, "{kind} {steps}: forgotten in the end");
        }
    }
}

#[test]
fn every_request_of_a_move_may_come_twice() {
    for kind in ["", ".fifo"] {
        let (mut w, q, dead) = with_dead(kind, 1);
        for text in ["a", "b"] {
            send(&mut w, &q, text);
        }
        w.receive(&q, 2);
        w.pass(1);
        w.hold.sends = true;
        w.receive(&q, 1);
        let mut seen = Vec::new();
        while !w.sends.is_empty() {
            let now = std::mem::take(&mut w.sends);
            for (_, internal) in now {
                w.internal(internal.clone());
                w.internal(internal.clone());
                seen.push(internal);
            }
            w.settle();
            assert!(seen.len() < 50, "{seen:?}");
        }
        w.hold.sends = false;
        w.assert_holds(&dead, &["a", "b"]);
        w.assert_holds(&q, &[]);
    }
}

/// Fills a dead-letter queue from a source; they leave in this order.
fn kill(w: &mut World, queue: &str, texts: &[&str]) {
    for text in texts {
        send(w, queue, text);
    }
    for _ in 0..=texts.len() {
        w.receive(queue, 10);
        w.pass(1);
    }
    assert_eq!(w.counts(queue), (0, 0, 0));
}

#[test]
fn a_task_takes_messages_back_to_their_sources() {
    for kind in ["", ".fifo"] {
        let (mut w, q, dead) = with_dead(kind, 1);
        let other = format!("other{kind}");
        w.queue(&other, &[("RedrivePolicy", &policy(&dead, 1)), ("VisibilityTimeout", "0")]);
        kill(&mut w, &q, &["a", "b"]);
        kill(&mut w, &other, &["x"]);
        kill(&mut w, &q, &["c"]);
        w.pass(10 * SECOND);
        let started = w.now;
        let handle = w.start_task(&dead, None, None).unwrap();
        let shown = w.tasks(&dead, 10);
        assert_eq!((shown.len(), shown[0].status), (1, "RUNNING"));
        assert_eq!(shown[0].task_handle.as_deref(), Some(handle.as_str()));
        assert_eq!(shown[0].approximate_number_of_messages_to_move, Some(4));
        w.pass(SECOND);
        let shown = w.tasks(&dead, 1).remove(0);
        assert_eq!((shown.status, shown.task_handle), ("COMPLETED", None), "{kind}");
        assert_eq!((shown.approximate_number_of_messages_moved, shown.started_timestamp), (4, started));
        assert_eq!(w.counts(&dead), (0, 0, 0));
        assert_eq!(w.counts(&other), (1, 0, 0));
        let back = w.receive(&q, 10);
        assert_eq!(
            (bodies(&back).as_slice(), back[0].receive_count),
            (&["a", "b", "c"].map(String::from)[..], 1)
        );
        assert!(back.iter().all(|one| one.sent >= started && one.origin_arn.is_none()));
        w.pass(1);
        w.receive(&q, 10);
        w.pass(SECOND);
        w.assert_holds(&dead, &["a", "b", "c"]);
    }
}

#[test]
fn a_task_keeps_its_rate() {
    for (rate, seconds, expected) in [(1, 3, 3), (7, 2, 14), (25, 2, 50), (500, 1, 60)] {
        let (mut w, q, dead) = with_dead("", 1);
        w.check = false;
        let all: Vec<String> = (0..60).map(|n| format!("{n}")).collect();
        kill(&mut w, &q, &all.iter().map(String::as_str).collect::<Vec<_>>());
        w.queue("to", &[]);
        w.start_task(&dead, Some("to"), Some(rate)).unwrap();
        w.pass(seconds * SECOND);
        let moved = w.counts("to").0;
        let slack = (rate as u64 / 10).clamp(1, 3);
        assert!(moved.abs_diff(expected) <= slack, "{rate}: {moved} in {seconds} s");
    }
}

#[test]
fn a_task_can_be_cancelled() {
    let (mut w, q, dead) = with_dead("", 1);
    kill(&mut w, &q, &["a", "b", "c", "d", "e"]);
    let handle = w.start_task(&dead, None, Some(1)).unwrap();
    w.pass(2 * SECOND + 500);
    let request = engine::Request::CancelMessageMoveTask { task_handle: handle.clone() };
    let reply = w.ask(&dead, request.clone()).unwrap();
    let engine::Reply::CancelMessageMoveTask { approximate_number_of_messages_moved } = reply else {
        panic!()
    };
    w.pass(SECOND);
    let shown = w.tasks(&dead, 1).remove(0);
    assert_eq!((shown.status, shown.task_handle), ("CANCELLED", None));
    assert_eq!(shown.approximate_number_of_messages_moved, approximate_number_of_messages_moved);
    assert_eq!(w.counts(&q).0, approximate_number_of_messages_moved);
    assert_eq!(w.counts(&q).0 + w.counts(&dead).0, 5);
    assert_eq!(code(w.ask(&dead, request)), Code::ResourceNotFound, "it runs no more");
    let nonsense = engine::Request::CancelMessageMoveTask { task_handle: "nonsense".into() };
    assert_eq!(code(w.ask(&dead, nonsense)), Code::ResourceNotFound);
    assert!(w.start_task(&dead, None, None).is_ok(), "another may start");
    w.pass(SECOND);
    assert_eq!(w.tasks(&dead, 10).len(), 2, "newest first");
    assert_eq!(w.tasks(&dead, 10)[0].status, "COMPLETED");
}

/// A move takes as long as the disk takes, or for ever where a content cannot be read: its task is not to look a
/// thousand times a second whether it is over.
#[test]
fn a_task_rests_while_its_messages_are_under_way() {
    for is_cancelled in [false, true] {
        let (mut w, q, dead) = with_dead("", 1);
        kill(&mut w, &q, &["a", "b"]);
        w.hold.sends = true;
        let task_handle = w.start_task(&dead, None, None).unwrap();
        w.pass(1);
        if is_cancelled {
            w.ask(&dead, engine::Request::CancelMessageMoveTask { task_handle }).unwrap();
            w.crash();
        }
        let end = w.now + 10 * SECOND;
        let mut looks = 0;
        while let Some(at) = w.slot.next_deadline().filter(|at| *at <= end) {
            w.leap(at.saturating_sub(w.now));
            looks += 1;
            assert!(looks <= 20, "at {} after {looks} looks", w.now);
        }
        w.hold.sends = false;
        while w.deliver_sends() {}
        w.pass(1);
        let status = if is_cancelled { "CANCELLED" } else { "COMPLETED" };
        assert_eq!(w.tasks(&dead, 1)[0].status, status, "at once when they have arrived");
        w.assert_holds(&q, &["a", "b"]);
    }
}

#[test]
fn what_a_start_refuses() {
    let (mut w, q, dead) = with_dead("", 1);
    w.queue("dead2.fifo", &[]);
    kill(&mut w, &q, &["a"]);
    let rows = [
        (q.as_str(), Some(q.as_str()), Some(0), Code::InvalidParameterValue),
        (&dead, None, Some(501), Code::InvalidParameterValue),
        (&q, None, None, Code::InvalidParameterValue),
        (&dead, Some("nowhere"), None, Code::ResourceNotFound),
        (&dead, Some(&dead), None, Code::InvalidParameterValue),
        (&dead, Some("dead2.fifo"), None, Code::InvalidParameterValue),
    ];
    for (source, to, rate, expected) in rows {
        assert_eq!(code(w.start_task(source, to, rate)), expected, "{source} {to:?} {rate:?}");
    }
    w.start_task(&dead, None, Some(1)).unwrap();
    assert_eq!(code(w.start_task(&dead, None, None)), Code::InvalidParameterValue, "one at a time");
    assert_eq!(code(w.ask(&dead, list(11))), Code::InvalidParameterValue);
    assert_eq!(code(w.ask(&dead, list(0))), Code::InvalidParameterValue);
}

fn list(max_results: i64) -> engine::Request {
    engine::Request::ListMessageMoveTasks {
        source_arn: "arn:aws:sqs:us-east-1:000000000000:dead".into(),
        max_results: Some(max_results),
    }
}

#[test]
fn a_task_without_a_source_to_go_back_to_fails() {
    let (mut w, q, dead) = with_dead("", 1);
    kill(&mut w, &q, &["a"]);
    send(&mut w, &dead, "sent here");
    w.start_task(&dead, None, None).unwrap();
    w.pass(SECOND);
    let shown = w.tasks(&dead, 1).remove(0);
    assert_eq!(
        (shown.status, shown.failure_reason.as_deref()),
        ("FAILED", Some("CouldNotDetermineMessageSource"))
    );
    assert_eq!(w.counts(&q).0, 1, "what could go went");
    w.assert_holds(&dead, &["sent here"]);

    let (mut w, q, dead) = with_dead("", 1);
    w.queue("keeps", &[("RedrivePolicy", &policy(&dead, 1))]);
    kill(&mut w, &q, &["a"]);
    w.delete_queue(&q);
    w.start_task(&dead, None, None).unwrap();
    w.pass(SECOND);
    assert_eq!(
        w.tasks(&dead, 1)[0].failure_reason.as_deref(),
        Some("AWS.SimpleQueueService.NonExistentQueue")
    );
    w.assert_holds(&dead, &["a"]);
}

#[test]
fn a_task_leaves_what_came_after_its_start_and_resumes_after_a_crash() {
    let (mut w, q, dead) = with_dead("", 1);
    kill(&mut w, &q, &["a", "b", "c", "d"]);
    w.queue("to", &[]);
    w.start_task(&dead, Some("to"), Some(2)).unwrap();
    w.pass(SECOND);
    kill(&mut w, &q, &["late"]);
    w.crash();
    assert_eq!(w.tasks(&dead, 1)[0].status, "RUNNING");
    w.pass(5 * SECOND);
    assert_eq!(w.tasks(&dead, 1)[0].status, "COMPLETED");
    assert_eq!(w.tasks(&dead, 1)[0].approximate_number_of_messages_moved, 4);
    w.restart();
    assert_eq!(w.tasks(&dead, 1)[0].status, "COMPLETED");
    w.assert_holds("to", &["a", "b", "c", "d"]);
    w.assert_holds(&dead, &["late"]);
}

#[test]
fn a_task_ends_after_36_hours() {
    let (mut w, q, dead) = with_dead("", 1);
    w.check = false;
    kill(&mut w, &q, &["a", "b"]);
    w.start_task(&dead, Some(&q), Some(1)).unwrap();
    w.leap(36 * HOUR);
    assert_eq!(w.tasks(&dead, 1)[0].status, "FAILED");
    w.assert_holds(&dead, &["a", "b"]);
}

#[test]
fn moves_work_with_a_window_of_nothing() {
    let mut w = World::with(Settings { window_bytes: 1, ..Settings::default() });
    w.queue("dead.fifo", &[]);
    w.queue("q.fifo", &[("RedrivePolicy", &policy("dead.fifo", 1)), ("VisibilityTimeout", "0")]);
    kill(&mut w, "q.fifo", &["a", "b", "c", "d", "e", "f"]);
    w.start_task("dead.fifo", None, None).unwrap();
    w.pass(5 * SECOND);
    w.assert_holds("q.fifo", &["a", "b", "c", "d", "e", "f"]);
}
