use super::*;
use crate::body;
use crate::queues::QUEUES;
use crate::sqs::Delivery;

/// A ledger whose clock the tests move: each request takes a millisecond.
struct Bench {
    ledger: Ledger,
    now: Micros,
    handles: u64,
}

const MILLISECOND: Micros = 1_000;
const SECOND: Micros = 1_000_000;

fn queue(name: &str) -> Queue {
    QUEUES.iter().position(|spec| spec.name == name).unwrap()
}

impl Bench {
    fn new() -> Bench {
        Bench { ledger: Ledger::new(), now: 0, handles: 0 }
    }

    fn send(&mut self, name: &str, group: Option<u32>, sent: Sent) -> u64 {
        let start = self.now;
        let number = self.ledger.sending(queue(name), group, QUEUES[queue(name)].delay, start);
        self.now += MILLISECOND;
        let id = (sent == Sent::Acknowledged).then_some(u128::from(number));
        self.ledger.sent(number, sent, id, start, self.now);
        number
    }

    /// Receives these with their counts; a handle for each.
    fn receive(&mut self, name: &str, messages: &[(u64, u32)]) -> Vec<u64> {
        let receive = Receive { queue: queue(name), visibility: 2, start: self.now };
        self.ledger.receiving(queue(name));
        self.now += MILLISECOND;
        let deliveries: Vec<Delivery> = messages
            .iter()
            .map(|&(number, count)| {
                self.handles += 1;
                Delivery {
                    body: body::of(number, 10),
                    id: u128::from(number),
                    count,
                    group: self.ledger.messages.get(&number).and_then(|message| message.group),
                    handle: self.handles.to_string(),
                }
            })
            .collect();
        self.ledger.received(&receive, &deliveries, self.now);
        deliveries.iter().map(|delivery| hashed(&delivery.handle)).collect()
    }

    fn delete(&mut self, name: &str, number: u64, handle: u64) {
        let start = self.now;
        self.ledger.deleting(number, start);
        self.now += MILLISECOND;
        self.ledger.deleted(number, queue(name), handle, start, self.now);
    }

    fn crash(&mut self) {
        self.ledger.crashed(self.now);
        self.now += MILLISECOND;
    }

    fn wrongs(&self) -> Vec<Wrong> {
        self.ledger.wrongs.iter().map(|(wrong, _)| *wrong).collect()
    }
}

const OK: Sent = Sent::Acknowledged;

#[test]
fn an_ordinary_life_is_allowed() {
    let mut bench = Bench::new();
    for (name, group) in [("plain", None), ("ordered.fifo", Some(3))] {
        let number = bench.send(name, group, OK);
        bench.receive(name, &[(number, 1)]);
        bench.now += 3 * SECOND;
        let handle = bench.receive(name, &[(number, 2)])[0];
        bench.delete(name, number, handle);
    }
    bench.send("plain", None, Sent::Unknown);
    bench.ledger.drained();
    assert_eq!(bench.wrongs(), []);
    assert_eq!((bench.ledger.totals.sent, bench.ledger.totals.deleted), (2, 2));
}

#[test]
fn a_lost_message_is_found() {
    let mut bench = Bench::new();
    bench.send("plain", None, OK);
    let unknown = bench.send("plain", None, Sent::Unknown);
    bench.receive("plain", &[(unknown, 1)]);
    bench.ledger.drained();
    assert_eq!(bench.wrongs(), [Wrong::Lost, Wrong::Lost]);
}

#[test]
fn a_delete_without_reply_may_be_either() {
    let mut bench = Bench::new();
    let number = bench.send("plain", None, OK);
    bench.receive("plain", &[(number, 1)]);
    bench.ledger.deleting(number, bench.now);
    bench.ledger.delete_unknown(number, bench.now);
    bench.crash();
    bench.receive("plain", &[(number, 1)]);
    bench.ledger.drained();
    assert_eq!(bench.wrongs(), []);
}

#[test]
fn a_deleted_message_that_returns_is_found() {
    let mut bench = Bench::new();
    let number = bench.send("plain", None, OK);
    let handle = bench.receive("plain", &[(number, 1)])[0];
    bench.delete("plain", number, handle);
    bench.crash();
    bench.now += 5 * SECOND;
    bench.receive("plain", &[(number, 2)]);
    bench.ledger.drained();
    bench.receive("plain", &[(number, 3)]);
    assert_eq!(bench.wrongs(), [Wrong::Returned, Wrong::Returned]);
}

#[test]
fn an_early_second_receive_is_found() {
    let mut bench = Bench::new();
    let number = bench.send("plain", None, OK);
    bench.receive("plain", &[(number, 1)]);
    bench.now += SECOND;
    bench.receive("plain", &[(number, 2)]);
    assert_eq!(bench.wrongs(), [Wrong::Other]);
}

#[test]
fn a_changed_timeout_counts_from_the_change() {
    let mut bench = Bench::new();
    let number = bench.send("plain", None, OK);
    let handle = bench.receive("plain", &[(number, 1)])[0];
    bench.ledger.changing(number, handle, 0, bench.now);
    bench.receive("plain", &[(number, 2)]);
    assert_eq!(bench.wrongs(), []);
    let handle = bench
        .receive("plain", &[])
        .first()
        .copied()
        .unwrap_or(bench.ledger.messages[&number].last.unwrap().handle);
    let start = bench.now;
    bench.ledger.changing(number, handle, 30, start);
    bench.ledger.changed(number, queue("plain"), handle, 30, (start, start + MILLISECOND));
    bench.now += 10 * SECOND;
    bench.receive("plain", &[(number, 3)]);
    assert_eq!(bench.wrongs(), [Wrong::Other]);
}

#[test]
fn a_crash_may_forget_a_standard_receive_unless_a_later_write_made_it_durable() {
    let mut bench = Bench::new();
    let number = bench.send("plain", None, OK);
    bench.receive("plain", &[(number, 1)]);
    bench.crash();
    bench.receive("plain", &[(number, 1)]);
    assert_eq!(bench.wrongs(), []);
    bench.send("plain", None, OK);
    bench.crash();
    bench.receive("plain", &[(number, 2)]);
    assert_eq!(bench.wrongs(), [Wrong::Other]);
}

#[test]
fn no_crash_forgets_a_fifo_receive() {
    let mut bench = Bench::new();
    let number = bench.send("ordered.fifo", Some(1), OK);
    bench.receive("ordered.fifo", &[(number, 1)]);
    bench.crash();
    bench.receive("ordered.fifo", &[(number, 2)]);
    assert_eq!(bench.wrongs(), [Wrong::Disorder]);
}

#[test]
fn receive_counts_rise_by_one() {
    let mut bench = Bench::new();
    let number = bench.send("plain", None, OK);
    bench.receive("plain", &[(number, 1)]);
    bench.now += 3 * SECOND;
    bench.receive("plain", &[(number, 1)]);
    assert_eq!(bench.wrongs(), [Wrong::Other]);
    bench.now += 3 * SECOND;
    bench.receive("plain", &[(number, 4)]);
    assert_eq!(bench.wrongs(), [Wrong::Other; 2]);
    // A receive without reply may have been one.
    bench.ledger.receiving(queue("plain"));
    bench.ledger.receive_unknown(queue("plain"));
    bench.now += 3 * SECOND;
    bench.receive("plain", &[(number, 5)]);
    assert_eq!(bench.wrongs(), [Wrong::Other; 2]);
}

#[test]
fn fifo_order_within_a_reply_and_between_replies() {
    let mut bench = Bench::new();
    let first = bench.send("ordered.fifo", Some(1), OK);
    let second = bench.send("ordered.fifo", Some(1), OK);
    let other = bench.send("ordered.fifo", Some(2), OK);
    bench.receive("ordered.fifo", &[(other, 1), (first, 1), (second, 1)]);
    assert_eq!(bench.wrongs(), []);
    bench.now += 3 * SECOND;
    bench.receive("ordered.fifo", &[(second, 2), (first, 2)]);
    assert_eq!(bench.wrongs(), [Wrong::Disorder]);
    bench.now += 3 * SECOND;
    bench.receive("ordered.fifo", &[(second, 3)]);
    assert_eq!(bench.wrongs(), [Wrong::Disorder; 2]);
    bench.now += 3 * SECOND;
    let handle = bench.receive("ordered.fifo", &[(first, 3)])[0];
    bench.delete("ordered.fifo", first, handle);
    bench.receive("ordered.fifo", &[(second, 4)]);
    assert_eq!(bench.wrongs(), [Wrong::Disorder; 2]);
}

#[test]
fn a_message_that_was_overtaken_is_found() {
    let mut bench = Bench::new();
    let first = bench.send("ordered.fifo", Some(1), Sent::Unknown);
    let second = bench.send("ordered.fifo", Some(1), OK);
    bench.receive("ordered.fifo", &[(second, 1)]);
    assert_eq!(bench.wrongs(), []);
    bench.now += 3 * SECOND;
    bench.receive("ordered.fifo", &[(first, 1), (second, 2)]);
    assert_eq!(bench.wrongs(), [Wrong::Disorder]);
}

#[test]
fn a_refused_delete_leaves_the_message_in_its_order() {
    let mut bench = Bench::new();
    let first = bench.send("ordered.fifo", Some(1), OK);
    let second = bench.send("ordered.fifo", Some(1), OK);
    let handle = bench.receive("ordered.fifo", &[(first, 1)])[0];
    bench.now += 3 * SECOND;
    bench.ledger.deleting(first, bench.now);
    bench.ledger.delete_refused(first, queue("ordered.fifo"), handle, "expired", bench.now);
    assert_eq!(bench.wrongs(), []);
    bench.receive("ordered.fifo", &[(second, 1)]);
    assert_eq!(bench.wrongs(), [Wrong::Disorder]);
}

#[test]
fn a_delete_that_must_succeed_may_not_be_refused() {
    let mut bench = Bench::new();
    let number = bench.send("ordered.fifo", Some(1), OK);
    let handle = bench.receive("ordered.fifo", &[(number, 1)])[0];
    bench.crash();
    bench.ledger.deleting(number, bench.now);
    bench.ledger.delete_refused(number, queue("ordered.fifo"), handle, "why", bench.now);
    assert_eq!(bench.wrongs(), [Wrong::Other]);
}

#[test]
fn dead_letters_move_in_time_and_never_come_back() {
    let mut bench = Bench::new();
    let number = bench.send("failing", None, OK);
    bench.receive("failing", &[(number, 1)]);
    bench.now += 3 * SECOND;
    bench.receive("failing", &[(number, 2)]);
    bench.now += 3 * SECOND;
    bench.receive("dead", &[(number, 3)]);
    assert_eq!(bench.wrongs(), []);
    bench.now += 3 * SECOND;
    bench.receive("failing", &[(number, 4)]);
    assert_eq!(bench.wrongs(), [Wrong::Other; 2]);
    let early = bench.send("failing", None, OK);
    bench.receive("dead", &[(early, 1)]);
    assert_eq!(bench.wrongs(), [Wrong::Other; 3]);
}

#[test]
fn a_late_delete_where_messages_leave_may_have_met_none() {
    let mut bench = Bench::new();
    let number = bench.send("failing", None, OK);
    let handle = bench.receive("failing", &[(number, 1)])[0];
    bench.now += 3 * SECOND;
    bench.delete("failing", number, handle);
    bench.receive("failing", &[(number, 2)]);
    bench.ledger.drained();
    assert_eq!(bench.wrongs(), []);
}

#[test]
fn delays_refusals_and_strange_bodies_are_watched() {
    let mut bench = Bench::new();
    let delayed = bench.send("delayed", None, OK);
    bench.receive("delayed", &[(delayed, 1)]);
    let refused = bench.send("plain", None, Sent::Refused);
    bench.receive("plain", &[(refused, 1)]);
    bench.receive("plain", &[(99, 1)]);
    let number = bench.send("plain", None, OK);
    bench.receive("delayed", &[(number, 1)]);
    assert_eq!(bench.wrongs(), [Wrong::Other; 4]);
}

#[test]
fn one_deduplication_id_is_one_message() {
    let mut bench = Bench::new();
    let number = bench.send("ordered.fifo", Some(1), Sent::Unknown);
    bench.receive("ordered.fifo", &[(number, 1)]);
    bench.crash();
    bench.ledger.sending_again(number, bench.now);
    bench.ledger.sent(number, OK, Some(77), bench.now, bench.now + MILLISECOND);
    assert_eq!(bench.wrongs(), [Wrong::Disorder]);
}

#[test]
fn a_refused_second_try_says_nothing_about_the_first() {
    let mut bench = Bench::new();
    let number = bench.send("ordered.fifo", Some(1), Sent::Unknown);
    bench.ledger.sending_again(number, bench.now);
    bench.ledger.sent(number, Sent::Refused, None, bench.now, bench.now + MILLISECOND);
    bench.receive("ordered.fifo", &[(number, 1)]);
    assert_eq!(bench.wrongs(), []);
}
