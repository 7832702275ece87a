//! Receives whose reply nobody saw.

use super::*;

/// A receive whose messages are visible again at once.
fn glance() -> Call {
    Call::Receive { queue: 0, most: 10, timeout: Some(0), wait: 0, attempt: None }
}

/// A receive of 30 seconds whose client hangs up.
fn given_up(it: &mut History) {
    let unseen = it.begin(Call::Receive { queue: 0, most: 10, timeout: Some(30), wait: 0, attempt: None });
    it.model.hung_up(unseen);
}

/// A receive is answered, decided before the one that is given up while it is out.
fn overtaken(it: &mut History, at: MessageAt) {
    let first = it.begin(glance());
    let unseen = it.begin(glance());
    let messages = vec![it.shown(at, 1)];
    it.model.hung_up(unseen);
    it.reply(first, Reply::ReceiveMessage { messages }).unwrap();
}

#[test]
fn a_receive_given_up_while_another_was_out_may_count_after_it() {
    for count in [2, 3] {
        let mut it = fifo();
        let at = it.send(1, 1, 1);
        overtaken(&mut it, at);
        it.receive(&[(at, count)]).unwrap();
    }
}

#[test]
fn a_receive_given_up_before_another_began_does_not_count_after_it() {
    let mut it = fifo();
    let at = it.send(1, 1, 1);
    let unseen = it.begin(glance());
    it.model.hung_up(unseen);
    let first = it.begin(glance());
    let messages = vec![it.shown(at, 2)];
    it.reply(first, Reply::ReceiveMessage { messages }).unwrap();
    refused(it.receive(&[(at, 4)]), "its receive count is 4, not from 3 to 3");
}

/// It is taken back when its reply is due. What is answered after that shows that it is gone for good.
#[test]
fn a_receive_that_was_taken_back_does_not_count_once_that_is_durable() {
    for answered in 0..3 {
        let mut it = fifo();
        let at = it.send(1, 1, 1);
        given_up(&mut it);
        for other in 0..answered {
            it.send(2, 2 + other, 2 + other);
        }
        let outcome = it.receive(&[(at, 2)]);
        match answered {
            2 => refused(outcome, "its receive count is 2, not from 1 to 1"),
            _ => outcome.unwrap(),
        }
    }
}

/// What it took is hidden until its reply is due. That it was shows in an answer to a request made later.
#[test]
fn a_receive_given_up_hides_its_messages_until_it_is_taken_back() {
    for mut it in [standard(), fifo()] {
        it.send(1, 1, 1);
        given_up(&mut it);
        it.pass(2);
        let polls = [it.begin(glance()), it.begin(glance())];
        for poll in polls {
            it.reply(poll, Reply::ReceiveMessage { messages: Vec::new() }).unwrap();
        }
        refused(it.receive(&[]), "was there");
    }
}

#[test]
fn a_crash_forgets_that_a_receive_was_taken_back_until_that_is_durable() {
    for answered in 0..3 {
        let mut it = fifo();
        it.send(1, 1, 1);
        given_up(&mut it);
        for other in 0..answered {
            it.send(2, 2 + other, 2 + other);
        }
        it.crash();
        it.pass(1_000);
        let outcome = it.receive(&[]);
        match answered {
            2 => refused(outcome, "was there"),
            _ => outcome.unwrap(),
        }
        it.pass(31_000);
        refused(it.receive(&[]), "was there");
    }
}

#[test]
fn a_crash_forgets_a_receive_together_with_the_visibility_change_that_let_it_happen() {
    let mut it = standard();
    let at = it.send(0, 1, 1);
    it.receive(&[(at, 1)]).unwrap();
    let change = |seconds| Call::Change { queue: 0, entries: vec![(0, seconds)], batch: false };
    it.call(change(30), Reply::ChangeMessageVisibility).unwrap();
    it.begin(change(0));
    it.receive(&[(at, 2)]).unwrap();
    it.crash();
    // The second receive's five seconds are over; the thirty of the change that was acknowledged are not.
    it.pass(6_000);
    it.receive(&[]).unwrap();
    it.pass(25_000);
    refused(it.receive(&[]), "was there");
}

#[test]
fn a_handle_is_the_newest_again_when_a_crash_forgot_the_receive_after_its_own() {
    for crash in [false, true] {
        let mut it = standard();
        let at = it.send(0, 1, 1);
        it.receive(&[(at, 1)]).unwrap();
        it.send(0, 2, 2);
        it.pass(5_000);
        it.receive(&[(at, 2)]).unwrap();
        if crash {
            it.crash();
        }
        let change = it.begin(Call::Change { queue: 0, entries: vec![(0, 40)], batch: false });
        it.model.hung_up(change);
        it.pass(10_000);
        it.receive(&[(1, 1)]).unwrap();
        match crash {
            true => it.receive(&[]).unwrap(),
            false => refused(it.receive(&[]), "was there"),
        }
    }
}

#[test]
fn a_queue_that_is_deleted_may_take_what_a_receive_that_was_out_sent_there() {
    let mut it = with_dead_letters();
    let at = it.send(0, 1, 1);
    let received = it.begin(glance());
    let messages = vec![it.shown(at, 1)];
    let deletion = it.begin(Call::Remove { queue: 1 });
    it.reply(received, Reply::ReceiveMessage { messages }).unwrap();
    it.reply(deletion, Reply::DeleteQueue).unwrap();
    it.model.finish().unwrap();
    // Seen after the deletion, it had not gone there.
    it.receive(&[(at, 2)]).unwrap();
    refused(it.model.finish(), "was lost");
}

#[test]
fn what_a_task_took_back_is_a_dead_letter_again_only_if_it_may_have_been_received() {
    for received in [false, true] {
        let mut it = with_dead_letters();
        let at = it.send(0, 1, 1);
        receive_from(&mut it, 0, at, 1).unwrap();
        it.pass(30_000);
        let moves = Call::Move { source: 1, destination: Some(0) };
        it.call(moves, Reply::StartMessageMoveTask { task_handle: String::new() }).unwrap();
        if received {
            let unseen = it.begin(glance());
            it.model.hung_up(unseen);
        }
        // Moved by a task, it has a new id, and its receives are counted anew.
        it.model.messages[at].id = Some(MessageId(2));
        let id = it.begin(Call::Receive { queue: 1, most: 1, timeout: None, wait: 0, attempt: None });
        let mut again = it.shown(at, 2);
        again.message_id = MessageId(3);
        let outcome = it.model.reply(id, &Ok(Reply::ReceiveMessage { messages: vec![again] }));
        match received {
            true => outcome.unwrap(),
            false => refused(outcome, "nothing took it there"),
        }
    }
}

#[test]
fn a_dead_letter_queue_made_since_takes_nothing_of_an_attempt_that_is_repeated() {
    for repeated in [true, false] {
        let mut it = with_fifo_dead_letters();
        let at = it.send(1, 1, 1);
        it.call(Call::Remove { queue: 1 }, Reply::DeleteQueue).unwrap();
        let receive = |attempt| Call::Receive { queue: 0, most: 1, timeout: Some(0), wait: 0, attempt };
        let unseen = it.begin(receive(Some(1)));
        it.pass(1);
        let unseen_again = it.begin(receive(Some(2)));
        let mut messages = vec![it.shown(at, 2)];
        it.model.hung_up(unseen);
        it.model.hung_up(unseen_again);
        let reply = Reply::CreateQueue { queue: Default::default() };
        it.call(Call::Create { queue: 1, shape: shape("dead.fifo") }, reply).unwrap();
        let again = it.begin(receive(Some(2)));
        if !repeated {
            messages = vec![it.shown(at, 2)];
        }
        let outcome = it.reply(again, Reply::ReceiveMessage { messages });
        match repeated {
            true => outcome.unwrap(),
            false => refused(outcome, "should have left after 1"),
        }
    }
}

#[test]
fn a_message_that_left_unseen_held_up_its_group_until_then() {
    for out in [true, false] {
        let mut it = with_fifo_dead_letters();
        let (first, second) = (it.send(1, 1, 1), it.send(1, 2, 2));
        let receive = || Call::Receive { queue: 0, most: 1, timeout: Some(30), wait: 20, attempt: None };
        let id = it.begin(Call::Receive { queue: 0, most: 1, timeout: Some(10), wait: 0, attempt: None });
        let messages = vec![it.shown(first, 1)];
        it.reply(id, Reply::ReceiveMessage { messages }).unwrap();
        let mut waiting = 0;
        if out {
            waiting = it.begin(receive());
        }
        it.pass(11_000);
        receive_from(&mut it, 1, first, 2).unwrap();
        if !out {
            waiting = it.begin(receive());
            it.pass(5_000);
        }
        let messages = vec![it.shown(second, 1)];
        let outcome = it.reply(waiting, Reply::ReceiveMessage { messages });
        match out {
            true => outcome.unwrap(),
            false => refused(outcome, "a lost wake-up"),
        }
    }
}
