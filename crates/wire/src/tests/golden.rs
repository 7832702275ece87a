//! Requests as botocore writes them in both protocols, and what each means. The files are made by
//! `clients/model/golden.py`, which holds the same cases in the same order.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use engine::request::{AttributeValue, DeleteEntry, Message, ReceiveMessage, SendEntry, VisibilityEntry};
use engine::{Action, Request};

use super::URL;
use crate::{Head, Protocol, decode};

const JSON: &str = include_str!("golden/requests.json.tsv");
const QUERY: &str = include_str!("golden/requests.query.tsv");

const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

fn url() -> String {
    URL.to_owned()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn string(data_type: &str, value: &str) -> AttributeValue {
    AttributeValue {
        data_type: data_type.to_owned(),
        string_value: Some(value.to_owned()),
        ..AttributeValue::default()
    }
}

fn attributes() -> BTreeMap<String, AttributeValue> {
    let blob = AttributeValue {
        data_type: "Binary".to_owned(),
        binary_value: Some(Bytes::from_static(&[1, 2, 255])),
        ..AttributeValue::default()
    };
    let color = string("String", "blue & \u{e9}");
    let count = string("Number.int", "3");
    [("blob", blob), ("color", color), ("count", count)].map(|(n, v)| (n.to_owned(), v)).into()
}

fn delete_entry(id: &str, receipt_handle: &str) -> DeleteEntry {
    DeleteEntry { id: id.to_owned(), receipt_handle: receipt_handle.to_owned() }
}

fn visibility_entry(id: &str, receipt_handle: &str, visibility_timeout: Option<i64>) -> VisibilityEntry {
    VisibilityEntry { id: id.to_owned(), receipt_handle: receipt_handle.to_owned(), visibility_timeout }
}

fn send_entry(number: usize) -> SendEntry {
    let message = Message {
        message_body: format!("body {number}"),
        message_attributes: attributes(),
        ..Message::default()
    };
    SendEntry { id: number.to_string(), message }
}

fn message() -> Message {
    Message {
        message_body: "a=1&b=2 +%\r\n\u{2603} <x>\"\\".to_owned(),
        delay_seconds: Some(3),
        message_attributes: attributes(),
        message_system_attributes: [("AWSTraceHeader".to_owned(), string("String", "Root=1-2"))].into(),
        message_deduplication_id: Some("d".to_owned()),
        message_group_id: Some("g".to_owned()),
    }
}

fn receive_message() -> ReceiveMessage {
    ReceiveMessage {
        queue_url: url(),
        message_system_attribute_names: texts(&["All"]),
        message_attribute_names: texts(&["col.*", "count"]),
        max_number_of_messages: Some(10),
        visibility_timeout: Some(60),
        wait_time_seconds: Some(20),
        receive_request_attempt_id: Some("try".to_owned()),
    }
}

/// What each case means, of messages first and then of queues.
fn expected() -> Vec<(&'static str, Request)> {
    let mut all = of_messages();
    all.extend(of_queues());
    all.extend(of_tasks_tags_and_permissions());
    all
}

fn of_messages() -> Vec<(&'static str, Request)> {
    let entries = vec![visibility_entry("a", "h", Some(5)), visibility_entry("b", "i", None)];
    let batch = vec![delete_entry("a", "h"), delete_entry("b", "i")];
    let handle = "a+b/c=".to_owned();
    vec![
        (
            "change_message_visibility",
            Request::ChangeMessageVisibility {
                queue_url: url(),
                receipt_handle: handle.clone(),
                visibility_timeout: 0,
            },
        ),
        (
            "change_message_visibility_batch",
            Request::ChangeMessageVisibilityBatch { queue_url: url(), entries },
        ),
        ("delete_message", Request::DeleteMessage { queue_url: url(), receipt_handle: handle }),
        ("delete_message_batch", Request::DeleteMessageBatch { queue_url: url(), entries: batch }),
        ("delete_message_batch_empty", Request::DeleteMessageBatch { queue_url: url(), entries: vec![] }),
        ("receive_message", Request::ReceiveMessage(receive_message())),
        ("send_message", Request::SendMessage { queue_url: url(), message: message() }),
        (
            "send_message_batch",
            Request::SendMessageBatch { queue_url: url(), entries: (1..=11).map(send_entry).collect() },
        ),
    ]
}

fn of_queues() -> Vec<(&'static str, Request)> {
    let create = |attributes: &[_], tags: &[_]| Request::CreateQueue {
        queue_name: "jobs".to_owned(),
        attributes: pairs(attributes),
        tags: pairs(tags),
    };
    let get_attributes =
        |names: &[&str]| Request::GetQueueAttributes { queue_url: url(), attribute_names: texts(names) };
    let list = |prefix: Option<&str>, token: Option<&str>, max_results| Request::ListQueues {
        queue_name_prefix: prefix.map(str::to_owned),
        next_token: token.map(str::to_owned),
        max_results,
    };
    let set = &[("VisibilityTimeout", "60"), ("RedrivePolicy", "")];
    vec![
        (
            "create_queue",
            create(&[("DelaySeconds", "5"), ("Policy", "{\"Id\":\"x\"}")], &[("env", "test"), ("empty", "")]),
        ),
        ("create_queue_bare", create(&[], &[])),
        ("delete_queue", Request::DeleteQueue { queue_url: url() }),
        ("get_queue_attributes", get_attributes(&["All", "QueueArn"])),
        ("get_queue_attributes_empty", get_attributes(&[])),
        (
            "get_queue_url",
            Request::GetQueueUrl {
                queue_name: "jobs".to_owned(),
                queue_owner_aws_account_id: Some("111122223333".to_owned()),
            },
        ),
        ("list_queues", list(Some("jo"), Some("n"), Some(1000))),
        ("list_queues_bare", list(None, None, None)),
        ("purge_queue", Request::PurgeQueue { queue_url: url() }),
        ("set_queue_attributes", Request::SetQueueAttributes { queue_url: url(), attributes: pairs(set) }),
    ]
}

fn of_tasks_tags_and_permissions() -> Vec<(&'static str, Request)> {
    vec![
        (
            "add_permission",
            Request::AddPermission {
                queue_url: url(),
                label: "l".to_owned(),
                aws_account_ids: texts(&["111122223333", "444455556666"]),
                actions: texts(&["SendMessage", "*"]),
            },
        ),
        ("remove_permission", Request::RemovePermission { queue_url: url(), label: "l".to_owned() }),
        ("cancel_message_move_task", Request::CancelMessageMoveTask { task_handle: "t==".to_owned() }),
        (
            "list_dead_letter_source_queues",
            Request::ListDeadLetterSourceQueues {
                queue_url: url(),
                next_token: Some("n".to_owned()),
                max_results: Some(7),
            },
        ),
        (
            "list_message_move_tasks",
            Request::ListMessageMoveTasks { source_arn: DEAD.to_owned(), max_results: Some(2) },
        ),
        (
            "start_message_move_task",
            Request::StartMessageMoveTask {
                source_arn: DEAD.to_owned(),
                destination_arn: Some("arn:aws:sqs:us-east-1:000000000000:jobs".to_owned()),
                max_number_of_messages_per_second: Some(500),
            },
        ),
        ("list_queue_tags", Request::ListQueueTags { queue_url: url() }),
        (
            "tag_queue",
            Request::TagQueue { queue_url: url(), tags: pairs(&[("env", "test"), ("a:b", "c d")]) },
        ),
        ("untag_queue", Request::UntagQueue { queue_url: url(), tag_keys: texts(&["env", "a:b"]) }),
    ]
}

/// Decodes every line of a file, by case.
fn decoded(file: &'static str, protocol: Protocol) -> BTreeMap<&'static str, Request> {
    let mut requests = BTreeMap::new();
    for line in file.lines() {
        let columns: Vec<_> = line.splitn(5, '\t').collect();
        let [case, action, target, content_type, body] = columns[..] else { panic!("columns of {line}") };
        let target = Some(target).filter(|target| !target.is_empty());
        let head =
            Head { method: "POST", path: "/", target, content_type: Some(content_type), ..Head::default() };
        let decoded = decode(&head, body.as_bytes()).unwrap_or_else(|refused| panic!("{case}: {refused:?}"));
        assert_eq!(decoded.protocol, protocol, "{case}");
        assert_eq!(decoded.action.row().name, action, "{case}");
        assert_eq!(decoded.request.action(), decoded.action, "{case}");
        requests.insert(case, decoded.request);
    }
    requests
}

#[test]
fn what_botocore_writes_in_either_protocol_means_what_was_asked() {
    let json = decoded(JSON, Protocol::Json);
    let query = decoded(QUERY, Protocol::Query);
    let expected: BTreeMap<_, _> = expected().into_iter().collect();
    for (case, request) in &expected {
        assert_eq!(json.get(case), Some(request), "{case} in JSON");
        assert_eq!(query.get(case), Some(request), "{case} in the query protocol");
    }
    assert_eq!((json.len(), query.len()), (expected.len(), expected.len()), "a case without a meaning");
}

#[test]
fn every_action_has_a_case() {
    let seen: BTreeSet<_> = expected().iter().map(|(_, request)| request.action()).collect();
    assert_eq!(seen.len(), Action::ALL.len());
}
