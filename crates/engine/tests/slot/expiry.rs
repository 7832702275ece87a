//! Retention and purges: what goes, what stays, and what the counters say.

use engine::Code;
use engine::command::Settings;

use crate::common::client::{Msg, code};
use crate::common::*;

const DEAD: &str = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}"#;

#[test]
fn an_expired_message_is_never_offered_and_soon_not_counted() {
    for queue in ["q", "q.fifo"] {
        for restart in [false, true] {
            let mut w = World::one(queue, &[("MessageRetentionPeriod", "60")]);
            let m = |text: &str| match queue {
                "q" => msg(text),
                _ => msg(text).group("g").dedup(text),
            };
            w.send(queue, m("old"));
            w.pass(30 * SECOND);
            w.send(queue, m("young"));
            if restart {
                w.restart();
            }
            w.pass(START + 60 * SECOND - 1 - w.now);
            let got = w.try_receive(queue, Get { visibility_timeout: Some(0), ..get(1) }).unwrap();
            assert_eq!(bodies(&got), ["old"], "{queue}: to the last ms");
            w.leap(1);
            assert_eq!(w.peek(queue, 10), ["young"], "{queue}, {restart}");
            w.pass(MINUTE);
            assert_eq!(w.counts(queue), (0, 0, 0), "{queue}, {restart}");
            assert_eq!(w.peek(queue, 10), [""; 0]);
            assert!(w.store.on_disk.keys().all(|key| !matches!(key, engine::RowKey::Message(_))));
        }
    }
}

#[test]
fn counters_follow_within_a_minute_without_any_request() {
    let mut w = World::one("q", &[("MessageRetentionPeriod", "60")]);
    w.send_all("q", &["a", "b", "c"]);
    w.one_of("q");
    w.send("q", msg("d").delay(900));
    w.send("q", Msg { delay: Some(50), ..msg("e") });
    w.pass(2 * MINUTE);
    assert_eq!(w.counts("q"), (0, 0, 0), "in flight and delayed ones too");
    w.assert_holds("q", &[]);
}

#[test]
fn a_lowered_retention_expires_what_is_older() {
    let mut w = World::one("q", &[]);
    w.send("q", msg("old"));
    w.pass(100 * SECOND);
    w.send("q", msg("young"));
    w.set("q", &[("MessageRetentionPeriod", "60")]);
    assert_eq!(w.peek("q", 10), ["young"]);
    w.set("q", &[("MessageRetentionPeriod", "345600")]);
    w.pass(MINUTE);
    assert_eq!(w.counts("q"), (1, 0, 0));
    w.assert_holds("q", &["young"]);
}

#[test]
fn a_message_that_expires_in_flight_cannot_be_deleted_twice() {
    let mut w = World::one("q", &[("MessageRetentionPeriod", "60"), ("VisibilityTimeout", "600")]);
    w.send("q", msg("m"));
    let got = w.one_of("q");
    w.pass(3 * MINUTE);
    assert_eq!(w.counts("q"), (0, 0, 0));
    w.delete("q", &got.receipt_handle).unwrap();
    assert_eq!(code(w.change("q", &got.receipt_handle, 5)), Code::InvalidParameterValue);
    w.assert_holds("q", &[]);
}

#[test]
fn thousands_expire_in_steps() {
    let mut w = World::one("q", &[("MessageRetentionPeriod", "60")]);
    w.check = false;
    for n in 0..250 {
        let entries: Vec<(String, Msg)> =
            (0..10).map(|k| (format!("{k}"), msg(format!("{n}-{k}")))).collect();
        let entries: Vec<(&str, Msg)> = entries.iter().map(|(id, m)| (id.as_str(), m.clone())).collect();
        w.send_batch("q", &entries);
    }
    w.restart();
    assert_eq!(w.counts("q"), (2_500, 0, 0));
    w.pass(2 * MINUTE);
    assert_eq!(w.counts("q"), (0, 0, 0));
}

#[test]
fn an_expired_message_found_by_a_page_may_be_gone_when_the_page_comes() {
    let mut w = World::one("q", &[("MessageRetentionPeriod", "60")]);
    w.send_all("q", &["a", "b"]);
    let a = w.one_of("q");
    w.hold.pages = true;
    w.pass(61 * SECOND);
    w.read();
    w.delete("q", &a.receipt_handle).unwrap();
    w.purge("q").unwrap();
    w.hold.pages = false;
    w.deliver();
    w.pass(2 * MINUTE);
    assert_eq!(w.counts("q"), (0, 0, 0));
    w.send("q", msg("c"));
    assert_eq!(w.peek("q", 1), ["c"]);
}

#[test]
fn a_purge_takes_all_there_is_and_nothing_later() {
    for queue in ["q", "q.fifo"] {
        let m = |text: &str| match queue {
            "q" => msg(text),
            _ => msg(text).group("g").dedup(text),
        };
        let mut w = World::one(queue, &[]);
        w.send(queue, m("visible"));
        w.send(queue, m("flying"));
        let got = w.receive(queue, 1);
        if queue == "q" {
            w.send(queue, m("delayed").delay(5));
        }
        w.hold.durable = true;
        w.send(queue, m("not durable"));
        w.purge(queue).unwrap();
        assert_eq!(w.counts(queue), (0, 0, 0));
        w.send(queue, m("later"));
        w.sync();
        w.delete(queue, &got[0].receipt_handle).unwrap();
        w.pass(MINUTE);
        w.assert_holds(queue, &["later"]);
    }
}

#[test]
fn a_second_purge_waits_a_minute_unless_the_settings_say_otherwise() {
    let mut w = World::one("q", &[]);
    w.purge("q").unwrap();
    w.pass(MINUTE - 1);
    assert_eq!(code(w.purge("q")), Code::PurgeQueueInProgress);
    w.pass(1);
    assert_eq!(w.purge("q"), Ok(()));
    let mut w = World::with(Settings { rest_after_delete_or_purge: false, ..Settings::default() });
    w.queue("q", &[]);
    assert_eq!(w.purge("q"), Ok(()));
    assert_eq!(w.purge("q"), Ok(()));
}

#[test]
fn a_purge_spares_what_is_leaving() {
    for restart in [false, true] {
        let mut w = World::one("dead", &[]);
        w.queue("q", &[("RedrivePolicy", DEAD), ("VisibilityTimeout", "0")]);
        w.send("q", msg("leaves"));
        w.one_of("q");
        w.hold.sends = true;
        assert_eq!(w.peek("q", 1), [""; 0]);
        w.send("q", msg("goes"));
        assert_eq!(w.counts("q"), (1, 0, 0), "a leaving message has left");
        w.purge("q").unwrap();
        assert_eq!(w.counts("q"), (0, 0, 0));
        w.hold.sends = false;
        if restart {
            w.crash();
        }
        w.settle();
        w.assert_holds("dead", &["leaves"]);
        w.assert_holds("q", &[]);
    }
}

#[test]
fn a_purged_queue_s_pages_come_too_late() {
    let mut w = World::one("q", &[]);
    w.send_all("q", &["a", "b"]);
    w.restart();
    w.hold.pages = true;
    let ticket = w.poll("q", get(10));
    w.read();
    w.purge("q").unwrap();
    w.send("q", msg("c"));
    w.hold.pages = false;
    w.deliver();
    assert_eq!(w.got(ticket).map(|got| bodies(&got)), Some(vec!["c".into()]));
    w.assert_holds("q", &["c"]);
}
