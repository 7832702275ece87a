//! The bounds: messages in flight, messages with a receive count, and what a full queue answers.

use engine::Code;
use engine::command::Command;
use engine::limits::{IN_FLIGHT, TOUCHED};
use engine::rows::Row;

use crate::common::client::{Msg, code};
use crate::common::*;

/// A queue with this many messages, sent as fast as the harness can.
fn filled(queue: &str, count: usize) -> World {
    let mut w = World::one(queue, &[("VisibilityTimeout", "43200")]);
    w.check = false;
    for first in (0..count).step_by(1_000) {
        let entries = (first..count.min(first + 1_000)).map(|n| {
            let message = match queue {
                "q" => msg("m"),
                _ => msg("m").group(format!("{n}")).dedup(format!("{n}")),
            };
            (String::new(), Ok(message.sealed()))
        });
        let command = Command::Send { queue: w.id(queue), entries: entries.collect(), batch: true };
        w.run(&command);
    }
    w
}

fn receive_all(w: &mut World, queue: &str) -> usize {
    let mut count = 0;
    loop {
        match w.try_receive(queue, get(10)) {
            Ok(got) if !got.is_empty() => count += got.len(),
            _ => return count,
        }
    }
}

#[test]
fn a_standard_queue_has_120_000_in_flight_at_most() {
    let mut w = filled("q", IN_FLIGHT + 5);
    let first = w.one_of("q");
    assert_eq!(receive_all(&mut w, "q"), IN_FLIGHT - 1);
    assert_eq!(code(w.try_receive("q", get(1))), Code::OverLimit, "a short poll is told");
    let wait = Get { wait_time_seconds: Some(2), ..get(10) };
    let long = w.poll("q", wait.clone());
    assert_eq!(w.got(long), None, "a long one waits in silence");
    w.pass(2 * SECOND);
    assert_eq!(w.got(long).map(|got| got.len()), Some(0));
    let long = w.poll("q", wait);
    w.delete("q", &first.receipt_handle).unwrap();
    assert_eq!(w.got(long).map(|got| got.len()), Some(1), "as much as there is room for");
    assert_eq!(w.counts("q"), (4, IN_FLIGHT as u64, 0));
}

#[test]
fn a_fifo_queue_never_errs() {
    let mut w = filled("q.fifo", IN_FLIGHT + 5);
    let first = w.one_of("q.fifo");
    assert_eq!(receive_all(&mut w, "q.fifo"), IN_FLIGHT - 1);
    assert_eq!(w.try_receive("q.fifo", get(1)).map(|got| got.len()), Ok(0));
    w.delete("q.fifo", &first.receipt_handle).unwrap();
    assert_eq!(w.receive("q.fifo", 10).len(), 1);
    assert_eq!(w.counts("q.fifo"), (4, IN_FLIGHT as u64, 0));
}

#[test]
fn no_more_than_240_000_messages_are_touched() {
    let mut w = filled("q", TOUCHED + 20);
    let none = || Get { visibility_timeout: Some(0), ..get(10) };
    let touched =
        |w: &World| w.slot.small_rows().iter().filter(|row| matches!(row, Row::Touched(..))).count();
    // Received three times each, they go behind the unread, so that these are touched next.
    let mut fresh = 0;
    for _ in 0..TOUCHED {
        let got = w.try_receive("q", none()).unwrap();
        fresh += got.iter().filter(|one| one.receive_count == 1).count();
        if fresh == TOUCHED {
            break;
        }
    }
    assert_eq!(touched(&w), TOUCHED, "all the memory there is for them");
    let mut last = Vec::new();
    for _ in 0..50 {
        last = w.try_receive("q", none()).unwrap();
        assert_eq!(last.len(), 10, "returned ones are still offered");
        assert!(last.iter().all(|one| one.receive_count > 1), "and only they");
    }
    for one in &last[..5] {
        w.delete("q", &one.receipt_handle).unwrap();
    }
    let got = w.try_receive("q", none()).unwrap();
    assert_eq!(got.iter().filter(|one| one.receive_count == 1).count(), 5, "as many as there is room for");
    assert_eq!(touched(&w), TOUCHED);
}

#[test]
fn a_message_as_large_as_may_be_passes() {
    let mut w = World::one("q", &[("MaximumMessageSize", "1048576")]);
    let body = "x".repeat(1_048_576);
    w.send("q", Msg { body: body.clone(), ..Msg::default() });
    assert_eq!(code(w.try_send("q", msg("y").size(1_048_577))), Code::InvalidParameterValue);
    w.restart();
    assert_eq!(w.peek("q", 1), [body]);
}
