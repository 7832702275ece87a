//! Pages that come late: what was deleted, cut, received, sent or given up while a load was out.

use engine::command::Settings;

use crate::common::client::body;
use crate::common::*;

/// A queue with messages on disk and the first page of it out, read or not.
fn cold(queue: &str, texts: &[&str], read: bool) -> (World, usize) {
    let mut w = World::one(queue, &[]);
    for text in texts {
        w.send(queue, if queue == "q" { msg(*text) } else { msg(*text).group("g").dedup(*text) });
    }
    w.restart();
    w.hold.pages = true;
    let ticket = w.poll(queue, get(10));
    assert_eq!(w.got(ticket), None, "a short poll waits for the page");
    assert!(!w.loads.is_empty());
    if read {
        w.read();
    }
    (w, ticket)
}

fn release(w: &mut World) {
    w.hold.pages = false;
    w.deliver();
}

#[test]
fn a_short_poll_waits_for_the_page_and_gets_it() {
    for queue in ["q", "q.fifo"] {
        let (mut w, ticket) = cold(queue, &["a", "b"], true);
        release(&mut w);
        assert_eq!(w.got(ticket).map(|got| bodies(&got)), Some(vec!["a".into(), "b".into()]));
        w.assert_holds(queue, &["a", "b"]);
    }
}

#[test]
fn an_empty_queue_is_told_empty_after_its_page() {
    let mut w = World::one("q", &[]);
    w.restart();
    w.hold.pages = true;
    let ticket = w.poll("q", get(1));
    assert_eq!(w.got(ticket), None);
    release(&mut w);
    assert_eq!(w.got(ticket), Some(vec![]));
}

#[test]
fn what_is_sent_while_a_page_is_out_is_neither_lost_nor_doubled() {
    for queue in ["q", "q.fifo"] {
        for read in [false, true] {
            for durable in [false, true] {
                let (mut w, ticket) = cold(queue, &["a"], read);
                w.hold.durable = true;
                let late = if queue == "q" { msg("b") } else { msg("b").group("g").dedup("b") };
                w.send(queue, late);
                if durable {
                    w.sync();
                }
                release(&mut w);
                let got = bodies(&w.got(ticket).expect("an answer"));
                assert_eq!(got[0], "a", "{queue} {read} {durable}");
                w.assert_holds(queue, &["a", "b"]);
            }
        }
    }
}

#[test]
fn what_is_deleted_while_a_page_is_out_stays_deleted() {
    let mut w = World::one("q", &[]);
    w.send_all("q", &["a", "b", "c"]);
    let handles: Vec<String> = w.receive("q", 2).into_iter().map(|one| one.receipt_handle).collect();
    w.restart();
    w.hold.pages = true;
    let ticket = w.poll("q", get(10));
    w.read();
    w.delete("q", &handles[0]).unwrap();
    release(&mut w);
    assert_eq!(w.got(ticket).map(|got| bodies(&got)), Some(vec!["c".into()]), "a is gone, b in flight");
    w.assert_holds("q", &["b", "c"]);
}

#[test]
fn a_forgotten_receive_s_delete_overtakes_the_page() {
    let mut w = World::one("q", &[]);
    w.send_all("q", &["a", "b"]);
    w.hold.durable = true;
    let got = w.receive("q", 2);
    w.crash();
    w.hold = Hold { durable: false, pages: true, sends: false };
    let ticket = w.poll("q", get(10));
    w.read();
    w.delete("q", &got[0].receipt_handle).unwrap();
    w.change("q", &got[1].receipt_handle, 30).unwrap();
    release(&mut w);
    assert_eq!(w.got(ticket), Some(vec![]), "one deleted, one in flight under its old handle");
    w.assert_holds("q", &["b"]);
}

#[test]
fn contents_that_come_late_are_not_offered_twice() {
    let mut w = World::one("q", &[("VisibilityTimeout", "5")]);
    w.send_all("q", &["a", "b"]);
    let got = w.receive("q", 2);
    w.hold.pages = true;
    w.pass(5 * SECOND);
    let ticket = w.poll("q", get(10));
    assert_eq!(w.got(ticket), None, "their contents are on disk");
    w.read();
    w.delete("q", &got[0].receipt_handle).unwrap();
    w.change("q", &got[1].receipt_handle, 60).unwrap();
    release(&mut w);
    assert_eq!(w.got(ticket), Some(vec![]));
    w.assert_holds("q", &["b"]);
}

#[test]
fn a_delayed_page_shows_each_message_at_its_ms() {
    let mut w = World::one("q", &[]);
    w.pass(100);
    for (text, delay) in [("a", 1), ("b", 1), ("c", 2)] {
        w.send("q", msg(text).delay(delay));
        w.pass(200);
    }
    // Due at 1.1, 1.3 and 2.5 s.
    w.restart();
    w.hold.pages = true;
    w.pass(START + 1_050 - w.now);
    let ticket = w.poll("q", Get { wait_time_seconds: Some(1), ..get(10) });
    w.read();
    w.send("q", msg("d").delay(1));
    release(&mut w);
    assert_eq!(w.got(ticket), None);
    w.pass(50);
    assert_eq!(w.got(ticket).map(|got| bodies(&got)), Some(vec!["a".into()]));
    w.pass(START + 2_000 - w.now);
    assert_eq!(w.peek("q", 10), ["b"]);
    w.pass(50);
    assert_eq!(w.peek("q", 10), ["d"]);
    w.assert_holds("q", &["a", "b", "c", "d"]);
}

#[test]
fn a_delayed_message_not_durable_when_due_comes_when_it_is() {
    let mut w = World::one("q", &[]);
    w.hold.durable = true;
    w.send("q", msg("slow").delay(1));
    w.send("q", msg("slower").delay(1));
    w.pass(3 * SECOND);
    assert_eq!(w.peek("q", 10), [""; 0]);
    let ticket = w.poll("q", Get { wait_time_seconds: Some(5), ..get(10) });
    w.sync_one();
    w.settle();
    assert_eq!(w.got(ticket).map(|got| bodies(&got)), Some(vec!["slow".into()]));
    w.sync();
    assert_eq!(w.peek("q", 10), ["slower"]);
    w.assert_holds("q", &["slow", "slower"]);
}

#[test]
fn a_window_given_up_is_read_again() {
    let mut w = World::with(Settings { window_bytes: 1_500, ..Settings::default() });
    w.queue("a", &[]);
    w.queue("b.fifo", &[]);
    let texts: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    for text in &texts {
        w.send("a", msg(text.clone()));
        w.send_group("b.fifo", ["g", "h"][text.len() % 2], &[&format!("b{text}")]);
    }
    let mut seen = Vec::new();
    for text in &texts[..10] {
        let a = w.receive("a", 1).remove(0);
        w.delete("a", &a.receipt_handle).unwrap();
        assert_eq!(body(&a), *text, "in order, read again and again");
        let b = w.receive("b.fifo", 1).remove(0);
        w.delete("b.fifo", &b.receipt_handle).unwrap();
        seen.push(body(&b));
    }
    assert!(seen.is_sorted());
    let rest: Vec<&str> = texts[10..].iter().map(String::as_str).collect();
    w.assert_holds("a", &rest);
}

#[test]
fn a_page_out_while_its_queue_is_deleted_finds_nobody() {
    let (mut w, ticket) = cold("q", &["a"], true);
    w.delete_queue("q");
    release(&mut w);
    let done = w.outcome(ticket).expect("an answer");
    assert_eq!(done.answer.unwrap_err().code, engine::Code::QueueDoesNotExist);
    w.pass(MINUTE);
    w.queue("q", &[]);
    w.assert_holds("q", &[]);
}

#[test]
fn a_damaged_page_stops_its_queue_and_no_other() {
    let (mut w, ticket) = cold("q", &["a"], false);
    for load in std::mem::take(&mut w.loads) {
        w.slot.damaged(load.id);
    }
    w.hold.pages = false;
    w.settle();
    let done = w.outcome(ticket).expect("an answer");
    assert_eq!(done.answer.unwrap_err().code, engine::Code::InternalFailure);
    w.queue("fine", &[]);
    w.send("fine", msg("m"));
    assert_eq!(w.peek("fine", 1), ["m"]);
}

#[test]
fn a_damaged_group_stops_and_others_go_on() {
    let mut w = World::one("q.fifo", &[]);
    let deep: Vec<String> = (0..30).map(|n| format!("deep-{n:02}")).collect();
    for text in &deep {
        w.send_group("q.fifo", "deep", &[text]);
    }
    w.send_group("q.fifo", "other", &["x"]);
    // Ten of the deep group are in the window; the rest is parked and read when they are gone.
    let first = w.receive("q.fifo", 10);
    w.hold.pages = true;
    for one in &first {
        w.delete("q.fifo", &one.receipt_handle).unwrap();
    }
    let ticket = w.poll("q.fifo", get(1));
    assert_eq!(w.got(ticket).map(|got| bodies(&got)), Some(vec!["x".into()]), "what is at hand comes first");
    let ticket = w.poll("q.fifo", get(1));
    assert_eq!(w.loads.len(), 1);
    let load = w.loads.remove(0);
    w.slot.damaged(load.id);
    w.hold.pages = false;
    w.settle();
    let done = w.outcome(ticket).expect("an answer");
    assert_eq!(done.answer.unwrap_err().code, engine::Code::InternalFailure);
    w.send_group("q.fifo", "new", &["y"]);
    assert_eq!(w.peek("q.fifo", 1), ["y"]);
}
