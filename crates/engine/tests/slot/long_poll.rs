//! Long polls: what wakes them, when they end, and who gets what.

use engine::Request;
use engine::command::Decision;

use crate::common::*;

fn wait(seconds: i64) -> Get {
    Get { max_number_of_messages: Some(1), wait_time_seconds: Some(seconds), ..Get::default() }
}

fn got(w: &mut World, ticket: usize) -> Option<Vec<String>> {
    w.got(ticket).map(|got| bodies(&got))
}

#[test]
fn a_wait_ends_empty_at_its_ms_and_counts_from_its_arrival() {
    for (queue, own, seconds) in [("20", None, 20), ("20", Some(3), 3), ("0", Some(20), 20), ("5", None, 5)] {
        let mut w = World::one("q", &[("ReceiveMessageWaitTimeSeconds", queue)]);
        w.pass(123);
        let ticket = w.poll("q", Get { wait_time_seconds: own, ..Get::default() });
        w.pass(seconds * SECOND - 1);
        assert_eq!(w.got(ticket), None, "{queue} {own:?}");
        w.pass(1);
        assert_eq!(got(&mut w, ticket), Some(vec![]));
        assert_eq!(w.waiting(), 0);
    }
}

#[test]
fn an_explicit_0_is_a_short_poll() {
    let mut w = World::one("q", &[("ReceiveMessageWaitTimeSeconds", "20")]);
    let ticket = w.poll("q", wait(0));
    assert_eq!(got(&mut w, ticket), Some(vec![]));
}

#[test]
fn a_send_wakes_once_it_is_durable() {
    for queue in ["q", "q.fifo"] {
        let mut w = World::one(queue, &[]);
        let ticket = w.poll(queue, wait(20));
        w.hold.durable = true;
        let message = if queue == "q" { msg("m") } else { msg("m").group("g").dedup("m") };
        w.send(queue, message);
        assert_eq!(got(&mut w, ticket), None);
        w.sync();
        assert_eq!(got(&mut w, ticket), Some(vec!["m".into()]), "{queue}");
        w.assert_holds(queue, &["m"]);
    }
}

#[test]
fn the_end_of_a_delay_wakes_at_its_ms() {
    let mut w = World::one("q", &[]);
    w.pass(250);
    w.send("q", msg("m").delay(3));
    w.pass(100);
    let ticket = w.poll("q", wait(20));
    w.pass(2_899);
    assert_eq!(got(&mut w, ticket), None);
    w.pass(1);
    assert_eq!(got(&mut w, ticket), Some(vec!["m".into()]));
    w.assert_holds("q", &["m"]);
}

#[test]
fn the_end_of_a_fifo_queue_s_delay_wakes_at_its_ms() {
    let mut w = World::one("q.fifo", &[("DelaySeconds", "3")]);
    w.pass(250);
    w.send_group("q.fifo", "g", &["m"]);
    let ticket = w.poll("q.fifo", wait(20));
    w.pass(2_999);
    assert_eq!(got(&mut w, ticket), None);
    w.pass(1);
    assert_eq!(got(&mut w, ticket), Some(vec!["m".into()]));
    w.assert_holds("q.fifo", &["m"]);
}

#[test]
fn the_end_of_a_visibility_timeout_wakes_at_its_ms() {
    for queue in ["q", "q.fifo"] {
        let mut w = World::one(queue, &[("VisibilityTimeout", "4")]);
        w.send(queue, if queue == "q" { msg("m") } else { msg("m").group("g").dedup("m") });
        w.pass(77);
        w.one_of(queue);
        let ticket = w.poll(queue, wait(20));
        w.pass(3_999);
        assert_eq!(got(&mut w, ticket), None);
        w.pass(1);
        assert_eq!(got(&mut w, ticket), Some(vec!["m".into()]), "{queue}");
        w.assert_holds(queue, &["m"]);
    }
}

#[test]
fn a_visibility_changed_to_0_wakes() {
    for queue in ["q", "q.fifo"] {
        let mut w = World::one(queue, &[]);
        w.send(queue, if queue == "q" { msg("m") } else { msg("m").group("g").dedup("m") });
        let first = w.one_of(queue);
        let ticket = w.poll(queue, wait(20));
        w.change(queue, &first.receipt_handle, 0).unwrap();
        assert_eq!(got(&mut w, ticket), Some(vec!["m".into()]), "{queue}");
        w.assert_holds(queue, &["m"]);
    }
}

#[test]
fn a_shortened_visibility_wakes_earlier() {
    let mut w = World::one("q", &[]);
    w.send("q", msg("m"));
    let first = w.one_of("q");
    let ticket = w.poll("q", wait(20));
    w.change("q", &first.receipt_handle, 2).unwrap();
    w.pass(1_999);
    assert_eq!(got(&mut w, ticket), None);
    w.pass(1);
    assert_eq!(got(&mut w, ticket), Some(vec!["m".into()]));
}

#[test]
fn a_group_that_becomes_free_wakes() {
    let mut w = World::one("q.fifo", &[]);
    w.send_group("q.fifo", "g", &["a", "b"]);
    let first = w.one_of("q.fifo");
    let ticket = w.poll("q.fifo", wait(20));
    assert_eq!(got(&mut w, ticket), None);
    w.delete("q.fifo", &first.receipt_handle).unwrap();
    assert_eq!(got(&mut w, ticket), Some(vec!["b".into()]));
    w.assert_holds("q.fifo", &["b"]);
}

#[test]
fn a_redrive_and_a_dead_letter_wake_at_their_target() {
    let mut w = World::one("dead", &[]);
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}"#;
    w.queue("q", &[("RedrivePolicy", policy), ("VisibilityTimeout", "0")]);
    w.send("q", msg("m"));
    let at_dead = w.poll("dead", wait(20));
    w.one_of("q");
    assert_eq!(got(&mut w, at_dead), None);
    assert_eq!(w.peek("q", 1), [""; 0]);
    assert_eq!(got(&mut w, at_dead), Some(vec!["m".into()]));
    w.pass(30 * SECOND);
    let at_source = w.poll("q", wait(20));
    w.start_task("dead", None, None).unwrap();
    w.pass(SECOND);
    assert_eq!(got(&mut w, at_source), Some(vec!["m".into()]));
    w.assert_holds("dead", &[]);
}

#[test]
fn each_message_goes_to_one_waiter_the_oldest_first() {
    let mut w = World::one("q", &[]);
    let tickets: Vec<usize> = (0..3).map(|_| w.poll("q", wait(20))).collect();
    w.send("q", msg("a"));
    w.send("q", msg("b"));
    let answers: Vec<_> = tickets.iter().map(|ticket| got(&mut w, *ticket)).collect();
    assert_eq!(answers, [Some(vec!["a".into()]), Some(vec!["b".into()]), None]);
    w.assert_holds("q", &["a", "b"]);
}

#[test]
fn one_batch_wakes_as_many_waiters_as_it_has_messages() {
    let mut w = World::one("q", &[]);
    let tickets: Vec<usize> = (0..3).map(|_| w.poll("q", wait(20))).collect();
    w.send_batch("q", &[("1", msg("a")), ("2", msg("b"))]);
    let answers: Vec<_> = tickets.iter().map(|ticket| got(&mut w, *ticket)).collect();
    assert_eq!(answers, [Some(vec!["a".into()]), Some(vec!["b".into()]), None]);
}

#[test]
fn a_client_that_hangs_up_swallows_nothing() {
    let mut w = World::one("q", &[]);
    let gone = w.poll("q", wait(20));
    let stays = w.poll("q", wait(20));
    w.hang_up(gone);
    w.send("q", msg("m"));
    assert_eq!(got(&mut w, stays), Some(vec!["m".into()]));
    assert_eq!(w.one_of_count("q"), 0);
}

#[test]
fn a_changed_queue_wait_does_not_touch_a_wait_that_began() {
    let mut w = World::one("q", &[("ReceiveMessageWaitTimeSeconds", "5")]);
    let own = w.poll("q", wait(10));
    w.set("q", &[("ReceiveMessageWaitTimeSeconds", "1")]);
    w.pass(9_999);
    assert_eq!(w.got(own), None);
    w.pass(1);
    assert_eq!(w.got(own).map(|got| got.len()), Some(0));
}

#[test]
fn those_who_wait_at_a_deleted_queue_are_told() {
    let mut w = World::one("q", &[]);
    let ticket = w.poll("q", wait(20));
    w.delete_queue("q");
    let done = w.outcome(ticket).expect("an answer");
    assert_eq!(done.answer.unwrap_err().code, engine::Code::QueueDoesNotExist);
}

#[test]
fn those_who_wait_are_given_nothing_of_a_queue_that_has_lost_its_name() {
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}"#;
    let mut w = World::one("dead", &[]);
    w.queue("q", &[("RedrivePolicy", policy), ("VisibilityTimeout", "0")]);
    let tickets = [w.poll("q", wait(20)), w.poll("q", wait(20))];
    w.hold.durable = true;
    w.send("q", msg("m"));
    // The slot is told of the deletion once that is durable.
    let (reply, then) = w.catalogue_alone(&Request::DeleteQueue { queue_url: "q".into() });
    reply.unwrap();
    w.sync();
    for ticket in tickets {
        let done = w.outcome(ticket).expect("an answer");
        assert_eq!(done.answer.unwrap_err().code, engine::Code::QueueDoesNotExist);
        assert_eq!(done.rests, w.store.durable, "the absence of the queue");
    }
    w.hold.durable = false;
    then.into_iter().for_each(|one| drop(w.internal(one)));
    w.assert_holds("dead", &[]);
}

#[test]
fn a_wait_says_until_when() {
    let mut w = World::one("q", &[]);
    let command = w.receive_command("q", wait(7));
    let decision = w.turn(&command, &Default::default());
    assert!(
        matches!(decision, Decision::Wait { until: Some(at) } if at == START + 7 * SECOND),
        "{decision:?}"
    );
}

impl World {
    fn one_of_count(&mut self, queue: &str) -> usize {
        self.receive(queue, 10).len()
    }
}
