//! Histories by hand: right ones pass, and each wrong one is refused.

use base64::Engine as _;
use engine::message::Md5;
use engine::reply::{BatchReply, ReceivedMessage, SentMessage};
use engine::request::Pairs;
use engine::{Code, MessageId};

use super::*;

const T: u64 = 1_700_000_000_000;

/// A model with its own clock; every call is a turn.
struct History {
    model: Model,
    now: u64,
    next: u64,
    nonce: u64,
}

fn shape(name: &str) -> Shape {
    Shape {
        name: name.into(),
        timeout: 30,
        delay: 0,
        retention: 60,
        policy: None,
        by_content: false,
        per_group: false,
    }
}

fn history(shapes: Vec<Shape>) -> History {
    let count = shapes.len();
    let mut history = History { model: Model::new(shapes.clone()), now: T, next: 1, nonce: 0 };
    history.model.slack = 100;
    history.model.turn(T);
    for (queue, shape) in shapes.into_iter().enumerate().take(count) {
        let reply = Reply::CreateQueue { queue: Default::default() };
        history.call(Call::Create { queue, shape }, reply).unwrap();
    }
    history
}

fn standard() -> History {
    history(vec![shape("a")])
}

fn fifo() -> History {
    history(vec![shape("a.fifo")])
}

impl History {
    fn pass(&mut self, time: u64) {
        self.now += time;
        self.model.turn(self.now);
    }

    fn begin(&mut self, call: Call) -> u64 {
        self.pass(1);
        self.next += 1;
        self.model.begin(self.next, call);
        self.next
    }

    fn reply(&mut self, id: u64, reply: Reply) -> Result<(), Violation> {
        self.pass(1);
        self.model.reply(id, &Ok(reply))
    }

    fn call(&mut self, call: Call, reply: Reply) -> Result<(), Violation> {
        let id = self.begin(call);
        self.reply(id, reply)
    }

    fn refuse(&mut self, call: Call, code: Code) -> Result<(), Violation> {
        let id = self.begin(call);
        self.pass(1);
        self.model.reply(id, &Err(Error::new(code, "no")))
    }

    fn message(&mut self, group: u32, dedup: u64) -> MessageAt {
        self.model.messages.push(Message::new(0, group, dedup, 10));
        self.model.messages.len() - 1
    }

    fn sent(&self, at: MessageAt, sequence: u64) -> Reply {
        let body = Body { message: at, size: 10 };
        let fifo = self.model.queues[0].fifo;
        Reply::SendMessage(SentMessage {
            message_id: MessageId(u128::from(sequence)),
            md5_of_message_body: body.digest(),
            md5_of_message_attributes: body.attributes_digest(),
            md5_of_message_system_attributes: None,
            sequence_number: fifo.then_some(sequence),
        })
    }

    fn send(&mut self, group: u32, dedup: u64, sequence: u64) -> MessageAt {
        let at = self.message(group, dedup);
        let reply = self.sent(at, sequence);
        self.call(send(at), reply).unwrap();
        at
    }

    /// A message as a receive decided now would show it.
    fn shown(&mut self, at: MessageAt, count: u64) -> ReceivedMessage {
        self.nonce += 1;
        let message = &self.model.messages[at];
        let body = Body { message: at, size: 10 };
        let mut handle = vec![1; 57];
        handle[25..33].copy_from_slice(&self.now.to_le_bytes());
        handle[33..41].copy_from_slice(&self.nonce.to_le_bytes());
        let first = message.first_received.unwrap_or(self.now);
        let mut attributes: Pairs = [
            ("ApproximateReceiveCount", count),
            ("SentTimestamp", message.timestamp.unwrap_or(message.sent_at.lo)),
            ("ApproximateFirstReceiveTimestamp", first),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .collect();
        if self.model.queues[0].fifo {
            attributes.insert("MessageGroupId".into(), group_id(message.group));
            attributes.insert("SequenceNumber".into(), message.sequence.unwrap_or(0).to_string());
        }
        let attributes_sent = body.attributes();
        let message_attributes = attributes_sent
            .into_iter()
            .map(|(name, value)| {
                let stored = match (value.string_value, value.binary_value) {
                    (Some(text), _) => engine::reply::Value::String(text),
                    (_, bytes) => engine::reply::Value::Binary(bytes.unwrap_or_default()),
                };
                (name, engine::reply::StoredValue { data_type: value.data_type, value: stored })
            })
            .collect();
        ReceivedMessage {
            message_id: message.id.unwrap_or(MessageId(0)),
            receipt_handle: base64::engine::general_purpose::STANDARD.encode(handle),
            md5_of_body: body.digest(),
            body: body.text(),
            attributes,
            md5_of_message_attributes: body.attributes_digest(),
            message_attributes,
        }
    }

    fn receive(&mut self, messages: &[(MessageAt, u64)]) -> Result<(), Violation> {
        let id = self.begin(receive());
        let messages = messages.iter().map(|&(at, count)| self.shown(at, count)).collect();
        self.pass(0);
        self.model.reply(id, &Ok(Reply::ReceiveMessage { messages }))
    }

    fn delete(&mut self, handle: HandleAt) -> Result<(), Violation> {
        self.call(Call::Delete { queue: 0, handles: vec![handle], batch: false }, Reply::DeleteMessage)
    }

    fn crash(&mut self) {
        self.model.crashed();
        self.model.restarted(self.now).unwrap();
        self.pass(1);
    }
}

fn send(at: MessageAt) -> Call {
    Call::Send { queue: 0, messages: vec![at], batch: false }
}

fn receive() -> Call {
    Call::Receive { queue: 0, most: 10, timeout: Some(5), wait: 0, attempt: None }
}

#[track_caller]
fn refused(outcome: Result<(), Violation>, because: &str) {
    let why = outcome.expect_err("a wrong history");
    assert!(why.contains(because), "{why}");
}

mod unseen;

#[test]
fn a_message_is_sent_received_again_and_deleted() {
    let mut it = standard();
    let at = it.send(0, 1, 1);
    it.receive(&[(at, 1)]).unwrap();
    it.pass(5_000);
    it.receive(&[(at, 2)]).unwrap();
    it.delete(1).unwrap();
    it.receive(&[]).unwrap();
    it.model.finish().unwrap();
}

#[test]
fn what_was_acknowledged_is_not_lost() {
    let mut it = standard();
    it.send(0, 1, 1);
    refused(it.model.finish(), "was lost");
}

#[test]
fn what_was_not_acknowledged_may_be_lost_or_not() {
    for comes in [false, true] {
        let mut it = standard();
        let at = it.message(0, 1);
        it.begin(send(at));
        it.crash();
        if comes {
            it.receive(&[(at, 1)]).unwrap();
            refused(it.model.finish(), "was lost");
        } else {
            it.model.finish().unwrap();
        }
    }
}

#[test]
fn a_refused_message_does_not_come() {
    let mut it = standard();
    it.model.excuses.full = true;
    let at = it.message(0, 1);
    it.refuse(send(at), Code::ServiceUnavailable).unwrap();
    refused(it.receive(&[(at, 1)]), "refused");
}

#[test]
fn an_acknowledged_delete_is_final_crash_or_not() {
    for crash in [false, true] {
        let mut it = standard();
        let at = it.send(0, 1, 1);
        it.receive(&[(at, 1)]).unwrap();
        it.delete(0).unwrap();
        if crash {
            it.crash();
        }
        it.pass(5_000);
        refused(it.receive(&[(at, 2)]), "came back after an acknowledged delete");
    }
}

#[test]
fn an_unanswered_delete_may_have_happened() {
    for comes in [false, true] {
        let mut it = standard();
        let at = it.send(0, 1, 1);
        it.receive(&[(at, 1)]).unwrap();
        it.begin(Call::Delete { queue: 0, handles: vec![0], batch: false });
        it.crash();
        it.pass(5_000);
        if comes {
            it.receive(&[(at, 2)]).unwrap();
        }
        it.model.finish().unwrap_or_else(|why| assert!(comes, "{why}"));
    }
}

#[test]
fn a_message_in_flight_is_not_received() {
    let mut it = standard();
    let at = it.send(0, 1, 1);
    it.receive(&[(at, 1)]).unwrap();
    it.pass(4_990);
    refused(it.receive(&[(at, 2)]), "before");
}

#[test]
fn a_crash_may_forget_a_standard_receive_but_not_one_that_something_durable_followed() {
    for durable in [false, true] {
        let mut it = standard();
        let at = it.send(0, 1, 1);
        it.receive(&[(at, 1)]).unwrap();
        if durable {
            it.send(0, 2, 2);
        }
        it.crash();
        let again = it.receive(&[(at, 1)]);
        match durable {
            false => again.unwrap(),
            true => refused(again, "before"),
        }
    }
}

#[test]
fn a_count_rises_by_one() {
    for wrong in [1, 3] {
        let mut it = standard();
        let at = it.send(0, 1, 1);
        it.receive(&[(at, 1)]).unwrap();
        it.pass(5_000);
        refused(it.receive(&[(at, wrong)]), "receive count");
    }
}

#[test]
fn a_delayed_message_does_not_come_early_and_an_expired_one_not_at_all() {
    let mut it = standard();
    let at = it.message(0, 1);
    it.model.messages[at].own_delay = Some(10_000);
    let reply = it.sent(at, 1);
    it.call(send(at), reply).unwrap();
    it.pass(9_000);
    refused(it.receive(&[(at, 1)]), "before");
    let mut it = standard();
    let at = it.send(0, 1, 1);
    it.pass(60_000);
    refused(it.receive(&[(at, 1)]), "after it expired");
}

#[test]
fn an_expired_message_does_not_come_to_an_attempt_that_is_repeated_either() {
    for age in [50_000, 60_000] {
        let mut it = fifo();
        let at = it.send(1, 1, 1);
        let attempt = || Call::Receive { queue: 0, most: 1, timeout: Some(90), wait: 0, attempt: Some(1) };
        let unseen = it.begin(attempt());
        let messages = vec![it.shown(at, 1)];
        it.model.hung_up(unseen);
        it.pass(age);
        let outcome = it.call(attempt(), Reply::ReceiveMessage { messages });
        match age {
            50_000 => outcome.unwrap(),
            _ => refused(outcome, "after it expired"),
        }
    }
}

#[test]
fn an_empty_answer_is_wrong_where_a_message_waits() {
    let mut it = standard();
    let at = it.send(0, 1, 1);
    refused(it.receive(&[]), "nothing was received");
    let mut it = standard();
    it.model.excuses.damage = true;
    it.send(0, 1, 1);
    it.receive(&[]).unwrap();
    assert_eq!(at, 0);
}

#[test]
fn a_late_answer_is_a_lost_wake_up() {
    let mut it = standard();
    let id = it.begin(Call::Receive { queue: 0, most: 1, timeout: None, wait: 20, attempt: None });
    let at = it.send(0, 1, 1);
    it.pass(500);
    let messages = vec![it.shown(at, 1)];
    // The send stirred the queue after the receive began, so the model does not judge this one...
    it.model.reply(id, &Ok(Reply::ReceiveMessage { messages })).unwrap();
    // ...but a message that returns by itself stirs nothing.
    it.pass(29_000);
    let id = it.begin(Call::Receive { queue: 0, most: 1, timeout: None, wait: 20, attempt: None });
    it.pass(5_000);
    let messages = vec![it.shown(at, 2)];
    refused(it.model.reply(id, &Ok(Reply::ReceiveMessage { messages })), "lost wake-up");
}

#[test]
fn a_body_that_changed_is_refused() {
    let mut it = standard();
    let at = it.send(0, 1, 1);
    let id = it.begin(receive());
    let mut shown = it.shown(at, 1);
    shown.body.pop();
    refused(it.model.reply(id, &Ok(Reply::ReceiveMessage { messages: vec![shown] })), "wrong body");
    let id = it.begin(receive());
    let mut shown = it.shown(at, 1);
    shown.md5_of_body = Md5([0; 16]);
    refused(it.model.reply(id, &Ok(Reply::ReceiveMessage { messages: vec![shown] })), "MD5");
}

#[test]
fn a_group_keeps_its_order() {
    let mut it = fifo();
    let (first, second) = (it.send(1, 1, 1), it.send(1, 2, 2));
    refused(it.receive(&[(second, 1)]), "it came before");
    let mut it = fifo();
    let (one, other) = (it.send(1, 1, 1), it.send(2, 2, 2));
    it.receive(&[(other, 1)]).unwrap();
    it.receive(&[(one, 1)]).unwrap();
    assert_eq!((first, second), (0, 1));
}

#[test]
fn nothing_passes_a_message_in_flight() {
    let mut it = fifo();
    let (first, second) = (it.send(1, 1, 1), it.send(1, 2, 2));
    it.receive(&[(first, 1)]).unwrap();
    refused(it.receive(&[(second, 1)]), "it came before");
    let mut it = fifo();
    let (first, second) = (it.send(1, 1, 1), it.send(1, 2, 2));
    it.receive(&[(first, 1), (second, 1)]).unwrap();
}

#[test]
fn a_fifo_handle_deletes_while_its_message_is_in_flight_and_not_after() {
    let mut it = fifo();
    let at = it.send(1, 1, 1);
    it.receive(&[(at, 1)]).unwrap();
    it.pass(10_000);
    refused(it.delete(0), "an expired handle");
    let mut it = fifo();
    let at = it.send(1, 1, 1);
    it.receive(&[(at, 1)]).unwrap();
    it.delete(0).unwrap();
}

#[test]
fn sequence_numbers_rise() {
    let mut it = fifo();
    it.send(1, 1, 5);
    let at = it.message(1, 2);
    let reply = it.sent(at, 4);
    refused(it.call(send(at), reply), "does not rise");
}

#[test]
fn a_duplicate_within_five_minutes_is_answered_with_the_first() {
    let mut it = fifo();
    it.send(1, 7, 1);
    let at = it.message(1, 7);
    let reply = it.sent(at, 2);
    refused(it.call(send(at), reply), "was taken again");
    let mut it = fifo();
    let first = it.send(1, 7, 1);
    let at = it.message(1, 7);
    let Reply::SendMessage(mut sent) = it.sent(at, 1) else { unreachable!() };
    sent.message_id = MessageId(1);
    it.call(send(at), Reply::SendMessage(sent)).unwrap();
    refused(it.receive(&[(at, 1)]), "duplicate");
    assert_eq!(it.model.messages[first].sent, Sent::Sure);
}

#[test]
fn five_minutes_later_it_is_no_duplicate() {
    let mut it = fifo();
    it.send(1, 7, 1);
    it.pass(300_000);
    let at = it.message(1, 7);
    let reply = it.sent(at, 1);
    refused(it.call(send(at), reply), "after more than 5 minutes");
}

#[test]
fn a_purge_takes_what_was_there_before_it() {
    let mut it = standard();
    let before = it.send(0, 1, 1);
    it.call(Call::Purge { queue: 0 }, Reply::PurgeQueue).unwrap();
    let after = it.send(0, 2, 2);
    it.receive(&[(after, 1)]).unwrap();
    refused(it.receive(&[(before, 1)]), "came back after an acknowledged purge");
}

#[test]
fn a_second_purge_within_a_minute_may_be_refused_and_later_not() {
    let mut it = standard();
    it.call(Call::Purge { queue: 0 }, Reply::PurgeQueue).unwrap();
    it.refuse(Call::Purge { queue: 0 }, Code::PurgeQueueInProgress).unwrap();
    it.pass(61_000);
    refused(it.refuse(Call::Purge { queue: 0 }, Code::PurgeQueueInProgress), "could not come");
}

/// The queue that was not there is made with the very value that was refused.
#[test]
fn a_change_that_is_refused_takes_nothing_of_a_creation_after_it() {
    let mut it = standard();
    it.call(Call::Remove { queue: 0 }, Reply::DeleteQueue).unwrap();
    let change = it.begin(Call::Set { queue: 0, change: Change::Timeout(30) });
    let creation = it.begin(Call::Create { queue: 0, shape: shape("a") });
    it.model.reply(change, &Err(Error::new(Code::QueueDoesNotExist, "no"))).unwrap();
    it.reply(creation, Reply::CreateQueue { queue: Default::default() }).unwrap();
    assert_eq!(it.model.queues[0].timeout(), Span::at(30_000));
}

fn with_dead_letters() -> History {
    dead_letters("")
}

fn with_fifo_dead_letters() -> History {
    dead_letters(".fifo")
}

fn dead_letters(kind: &str) -> History {
    let mut source = shape(&format!("a{kind}"));
    source.policy = Some(Policy { target: 1, most: 1 });
    history(vec![source, shape(&format!("dead{kind}"))])
}

fn receive_from(it: &mut History, queue: QueueAt, at: MessageAt, count: u64) -> Result<(), Violation> {
    let id = it.begin(Call::Receive { queue, most: 1, timeout: None, wait: 0, attempt: None });
    let messages = vec![it.shown(at, count)];
    it.model.reply(id, &Ok(Reply::ReceiveMessage { messages }))
}

#[test]
fn a_dead_letter_is_in_one_queue() {
    let mut it = with_dead_letters();
    let at = it.send(0, 1, 1);
    refused(receive_from(&mut it, 1, at, 1), "nothing took it there");
    let mut it = with_dead_letters();
    let at = it.send(0, 1, 1);
    receive_from(&mut it, 0, at, 1).unwrap();
    it.pass(30_000);
    receive_from(&mut it, 1, at, 2).unwrap();
    it.pass(1_000);
    refused(receive_from(&mut it, 0, at, 3), "nothing took it there");
}

#[test]
fn a_dead_letter_does_not_leave_while_in_flight() {
    let mut it = with_dead_letters();
    let at = it.send(0, 1, 1);
    receive_from(&mut it, 0, at, 1).unwrap();
    it.pass(1_000);
    refused(receive_from(&mut it, 1, at, 2), "in flight");
}

fn counters(visible: u64, delayed: u64) -> Reply {
    let number = |name: &str, value: u64| (name.to_owned(), value.to_string());
    let attributes = Pairs::from([
        number("ApproximateNumberOfMessages", visible),
        number("ApproximateNumberOfMessagesNotVisible", 0),
        number("ApproximateNumberOfMessagesDelayed", delayed),
        number("VisibilityTimeout", 30),
    ]);
    Reply::GetQueueAttributes { attributes }
}

#[test]
fn counters_at_rest_are_exact() {
    let mut it = standard();
    it.send(0, 1, 1);
    it.pass(1_000);
    it.call(Call::Counters { queue: 0 }, counters(1, 0)).unwrap();
    refused(it.call(Call::Counters { queue: 0 }, counters(2, 0)), "messages in all");
}

#[test]
fn a_message_whose_receive_is_forgotten_counts_as_delayed_to_the_end_of_its_second() {
    // The time passed after the crash, ms, and whether it may count as delayed by then.
    for (passed, may) in [(0, true), (1_500, false)] {
        let mut it = standard();
        let at = it.message(0, 1);
        it.model.messages[at].own_delay = Some(2_000);
        let reply = it.sent(at, 1);
        it.call(send(at), reply).unwrap();
        it.pass(2_000);
        let id = it.begin(Call::Receive { queue: 0, most: 1, timeout: Some(0), wait: 0, attempt: None });
        let messages = vec![it.shown(at, 1)];
        it.model.reply(id, &Ok(Reply::ReceiveMessage { messages })).unwrap();
        it.crash();
        it.pass(passed);
        let outcome = it.call(Call::Counters { queue: 0 }, counters(0, 1));
        if may { outcome.unwrap() } else { refused(outcome, "visible") }
    }
}

#[test]
fn a_visibility_change_counts_from_its_own_time() {
    let mut it = standard();
    let at = it.send(0, 1, 1);
    it.receive(&[(at, 1)]).unwrap();
    let change = Call::Change { queue: 0, entries: vec![(0, 60)], batch: false };
    it.call(change, Reply::ChangeMessageVisibility).unwrap();
    it.pass(10_000);
    refused(it.receive(&[(at, 2)]), "before");
}

#[test]
fn a_forged_handle_and_a_stray_reply_are_refused() {
    let mut it = standard();
    refused(it.call(Call::Forge { queue: 0 }, Reply::DeleteMessage), "forged");
    it.refuse(Call::Forge { queue: 0 }, Code::ReceiptHandleIsInvalid).unwrap();
    refused(it.call(receive(), Reply::PurgeQueue), "another action's");
    refused(it.model.reply(999, &Ok(Reply::PurgeQueue)), "twice");
}

#[test]
fn a_batch_answers_each_entry_in_order() {
    let mut it = standard();
    let (one, other) = (it.message(0, 1), it.message(0, 2));
    let entries = [one, other].map(|at| match it.sent(at, at as u64 + 1) {
        Reply::SendMessage(sent) => sent,
        _ => unreachable!(),
    });
    let call = Call::Send { queue: 0, messages: vec![one, other], batch: true };
    let reply = |ids: [&str; 2]| {
        let entries = ids.iter().zip(&entries).map(|(id, sent)| ((*id).to_owned(), Ok(sent.clone())));
        Reply::SendMessageBatch(BatchReply { entries: entries.collect() })
    };
    it.call(call.clone(), reply(["0", "1"])).unwrap();
    let mut it = standard();
    it.message(0, 1);
    it.message(0, 2);
    refused(it.call(call, reply(["1", "0"])), "came back as");
}

#[test]
fn the_clock_does_not_go_back_behind_what_was_acknowledged() {
    let mut it = standard();
    it.send(0, 1, 1);
    it.model.crashed();
    refused(it.model.restarted(T - 1_000), "the clock went back");
}
