//! The life of queues and messages through the whole node.

use super::*;
use engine::reply::Value;
use engine::request::{AttributeValue, DeleteEntry, SendEntry};

#[test]
fn a_message_is_sent_received_and_deleted() {
    with_slots(|mut world| {
        world.create("jobs");
        let sent = world.send("jobs", "one");
        let got = world.receive("jobs").remove(0);
        assert_eq!((got.message_id, got.body.as_str()), (sent.message_id, "one"));
        assert_eq!(got.md5_of_body, sent.md5_of_message_body);
        assert_eq!(world.ask(delete("jobs", &got.receipt_handle)), Ok(Reply::DeleteMessage));
        world.pass(60_000);
        assert_eq!(world.receive("jobs"), []);
    });
}

#[test]
fn everything_a_message_carries_comes_back() {
    let mut world = World::new(1);
    world.create("jobs.fifo");
    let text = |value: &str| AttributeValue {
        data_type: "String".into(),
        string_value: Some(value.into()),
        ..AttributeValue::default()
    };
    let bytes = AttributeValue {
        data_type: "Binary".into(),
        binary_value: Some(vec![1, 2, 3].into()),
        ..AttributeValue::default()
    };
    let sent = Message {
        message_body: "b\u{fffd}dy".into(),
        message_attributes: [("color".into(), text("blue")), ("blob".into(), bytes)].into(),
        message_system_attributes: [("AWSTraceHeader".into(), text("Root=1-2-3"))].into(),
        message_group_id: Some("g".into()),
        ..Message::default()
    };
    world.ask(Request::SendMessage { queue_url: "jobs.fifo".into(), message: sent }).unwrap();
    let got = world.receive("jobs.fifo").remove(0);
    assert_eq!(got.body, "b\u{fffd}dy");
    assert_eq!(got.message_attributes["color"].value, Value::String("blue".into()));
    assert_eq!(got.message_attributes["blob"].value, Value::Binary(vec![1, 2, 3].into()));
    assert_eq!(got.md5_of_message_attributes, engine::message::md5_of_attributes(&got.message_attributes));
    let attributes: Vec<_> = got.attributes.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let now = START.to_string();
    let hash = engine::message::content_hash("b\u{fffd}dy");
    let expected = [
        ("AWSTraceHeader", "Root=1-2-3"),
        ("ApproximateFirstReceiveTimestamp", &now),
        ("ApproximateReceiveCount", "1"),
        ("MessageDeduplicationId", &hash),
        ("MessageGroupId", "g"),
        ("SenderId", "AIDATEST"),
        ("SentTimestamp", &now),
        ("SequenceNumber", "00000000000000000001"),
    ];
    assert_eq!(attributes, expected);
}

#[test]
fn only_what_is_asked_for_comes_back() {
    let mut world = World::new(1);
    world.create("jobs");
    world.send("jobs", "one");
    let Request::ReceiveMessage(mut some) = receive("jobs", 0, 1) else { unreachable!() };
    some.message_system_attribute_names = vec!["SentTimestamp".into()];
    some.message_attribute_names.clear();
    let id = world.begin(Request::ReceiveMessage(some));
    let got = world.received(id).remove(0);
    assert_eq!(got.attributes.keys().collect::<Vec<_>>(), ["SentTimestamp"]);
    assert_eq!(got.md5_of_message_attributes, None);
}

#[test]
fn a_batch_fails_as_a_whole_or_by_entry() {
    with_slots(|mut world| {
        world.create("jobs");
        let entry = |id: &str, body: &str| SendEntry { id: id.into(), message: message(body) };
        let batch = |entries| Request::SendMessageBatch { queue_url: "jobs".into(), entries };
        let whole = world.ask(batch(vec![entry("a", "1"), entry("a", "2")]));
        assert_eq!(whole.unwrap_err().code, Code::BatchEntryIdsNotDistinct);
        let long = "x".repeat(600_000);
        let whole = world.ask(batch(vec![entry("a", &long), entry("b", &long)]));
        assert_eq!(whole.unwrap_err().code, Code::BatchRequestTooLong);
        let mixed =
            world.ask(batch(vec![entry("a", "1"), entry("b", ""), entry("c", &long), entry("d", "4")]));
        let Ok(Reply::SendMessageBatch(reply)) = mixed else { panic!("{mixed:?}") };
        let outcomes: Vec<_> =
            reply.entries.iter().map(|(id, one)| (id.as_str(), one.as_ref().err().map(|e| e.code))).collect();
        let (missing, invalid) = (Some(Code::MissingParameter), Some(Code::InvalidParameterValue));
        assert_eq!(outcomes, [("a", None), ("b", missing), ("c", invalid), ("d", None)]);
        let got = world.receive("jobs");
        assert_eq!(got.iter().map(|one| one.body.as_str()).collect::<Vec<_>>(), ["1", "4"]);
        let entries = got
            .into_iter()
            .enumerate()
            .map(|(i, one)| DeleteEntry { id: i.to_string(), receipt_handle: one.receipt_handle });
        let entries = entries.collect();
        let deleted = world.ask(Request::DeleteMessageBatch { queue_url: "jobs".into(), entries });
        assert!(matches!(deleted, Ok(Reply::DeleteMessageBatch(_))));
        world.pass(60_000);
        assert_eq!(world.receive("jobs"), []);
    });
}

#[test]
fn a_deleted_queue_is_gone_and_its_name_can_be_used_again_later() {
    with_slots(|mut world| {
        world.create("jobs");
        world.send("jobs", "one");
        assert_eq!(world.ask(Request::DeleteQueue { queue_url: "jobs".into() }), Ok(Reply::DeleteQueue));
        for request in [queue_url("jobs"), send("jobs", "two"), receive("jobs", 20, 1)] {
            assert_eq!(world.ask(request).unwrap_err().code, Code::QueueDoesNotExist);
        }
        assert_eq!(world.ask(create("jobs")).unwrap_err().code, Code::QueueDeletedRecently);
        world.pass(60_000);
        world.create("jobs");
        assert_eq!(world.receive("jobs"), []);
        assert_eq!(world.node.view().queues, 1);
    });
}

#[test]
fn attributes_set_in_the_catalogue_rule_the_slot() {
    with_slots(|mut world| {
        world.create("jobs");
        let attributes = [("VisibilityTimeout".to_owned(), "5".to_owned())].into();
        world.ask(Request::SetQueueAttributes { queue_url: "jobs".into(), attributes }).unwrap();
        world.send("jobs", "one");
        assert_eq!(world.receive("jobs").len(), 1);
        world.pass(4_999);
        assert_eq!(world.receive("jobs"), []);
        world.pass(1);
        assert_eq!(world.receive("jobs")[0].attributes["ApproximateReceiveCount"], "2");
    });
}

#[test]
fn move_tasks_are_found_by_arn_and_handle() {
    with_slots(|mut world| {
        world.create("dead");
        let start = |arn: &str| Request::StartMessageMoveTask {
            source_arn: arn.into(),
            destination_arn: None,
            max_number_of_messages_per_second: None,
        };
        for unknown in ["arn:aws:sqs:us-east-1:000000000000:none", "nonsense"] {
            assert_eq!(world.ask(start(unknown)).unwrap_err().code, Code::ResourceNotFound);
        }
        let cancel = Request::CancelMessageMoveTask { task_handle: "nonsense".into() };
        assert_eq!(world.ask(cancel).unwrap_err().code, Code::ResourceNotFound);
        let list = Request::ListMessageMoveTasks {
            source_arn: "arn:aws:sqs:us-east-1:000000000000:dead".into(),
            max_results: None,
        };
        assert!(world.ask(list).is_ok_and(|reply| matches!(reply, Reply::ListMessageMoveTasks { .. })));
    });
}

#[test]
fn dead_letters_move_between_slots() {
    with_slots(|mut world| {
        world.create("dead");
        world.create("jobs");
        let arn = "arn:aws:sqs:us-east-1:000000000000:dead";
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":1}}"#);
        let attributes = [("RedrivePolicy".to_owned(), policy)].into();
        world.ask(Request::SetQueueAttributes { queue_url: "jobs".into(), attributes }).unwrap();
        let sent = world.send("jobs", "poison");
        assert_eq!(world.receive("jobs").len(), 1);
        world.pass(30_000);
        assert_eq!(world.receive("jobs"), []);
        world.pass(1_000);
        let dead = world.receive("dead").remove(0);
        assert_eq!(dead.message_id, sent.message_id);
        let source = &dead.attributes["DeadLetterQueueSourceArn"];
        assert_eq!(source, "arn:aws:sqs:us-east-1:000000000000:jobs");
        world.pass(60_000);
        assert_eq!(world.receive("jobs"), []);
    });
}

#[test]
fn an_unknown_attribute_name_fails_a_receive() {
    let mut world = World::new(1);
    world.create("jobs");
    let Request::ReceiveMessage(mut wrong) = receive("jobs", 20, 1) else { unreachable!() };
    wrong.message_system_attribute_names.push("Nonsense".into());
    let refused = world.ask(Request::ReceiveMessage(wrong));
    assert_eq!(refused.unwrap_err().code, Code::InvalidAttributeName);
}

#[test]
fn the_view_counts_the_messages_of_every_queue() {
    with_slots(|mut world| {
        world.create("b");
        world.create("a");
        world.send("b", "one");
        world.pass(2_000);
        world.send("b", "two");
        let Request::SendMessage { queue_url, mut message } = send("b", "later") else { unreachable!() };
        message.delay_seconds = Some(60);
        world.ask(Request::SendMessage { queue_url, message }).unwrap();
        let id = world.begin(receive("b", 0, 1));
        assert_eq!(world.bodies(id), ["one"]);
        let mut world = world.restart();
        let of_b =
            |world: &mut World| world.node.queues().into_iter().find(|view| view.name.name == "b").unwrap();
        let view = of_b(&mut world);
        assert_eq!((view.visible, view.in_flight, view.delayed), (1, 1, 1));
        assert_eq!(view.oldest_sent, Some(START), "the one in flight");
        let handle_less = world.node.queues().into_iter().find(|view| view.name.name == "a").unwrap();
        assert_eq!((handle_less.visible, handle_less.oldest_sent), (0, None));
    });
}

#[test]
fn the_age_of_a_cold_queue_is_known_at_the_second_look() {
    let mut world = World::new(1);
    world.create("jobs");
    world.send("jobs", "one");
    let mut world = world.restart();
    assert_eq!(world.node.queues()[0].oldest_sent, None);
    world.pass(1);
    assert_eq!(world.node.queues()[0].oldest_sent, Some(START));
}

#[test]
fn the_windows_of_all_slots_share_one_budget() {
    const BUDGET: usize = 40_000;
    let mut world = World::new(4);
    let settings = Settings { window_bytes: BUDGET, ..Settings::default() };
    let config = NodeConfig { slots: 4, settings, secret: Secret([5; 16]) };
    world.node = Node::open(TestStore::new(), Vec::new(), config, Box::new(PlainSealer), START);
    let mut largest = 0;
    for queue in (0..64).map(|number| format!("jobs-{number}")) {
        world.create(&queue);
        let before = world.node.view().window_bytes;
        for _ in 0..20 {
            world.send(&queue, "body");
        }
        largest = largest.max(world.node.view().window_bytes.saturating_sub(before));
    }
    let bytes = world.node.view().window_bytes;
    assert!(64 * largest > 2 * BUDGET, "the queues are too small to show it: {largest}");
    // The window at which something was just done is not given up.
    assert!(bytes <= BUDGET + 4 * largest, "{bytes}, {largest} a queue");
}
