//! Replies as text: each rule by itself, and a file of every action's reply in every form, which
//! `clients/model/replies.py` reads with botocore's parsers. `WIRE_GOLDEN=write` writes the file anew.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use engine::message::Md5;
use engine::reply::{BatchReply, MoveTask, ReceivedMessage, SentMessage, StoredValue, Value};
use engine::{Action, Code, Error, MessageId, QueueName, Reply};
use serde_json::json;

use crate::{Encoded, Protocol, UrlBase, encode};

const REQUEST_ID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
const FILE: &str = "src/tests/golden/replies.jsonl";
const FORMS: [(&str, Protocol); 3] =
    [("json", Protocol::Json), ("query", Protocol::Query), ("query as json", Protocol::QueryAsJson)];

type Outcome = Result<Reply, Error>;

fn encoded(protocol: Protocol, outcome: &Outcome) -> Encoded {
    encode(protocol, outcome, REQUEST_ID, &UrlBase::new("http://localhost:9324/"))
}

fn body(protocol: Protocol, outcome: &Outcome) -> String {
    String::from_utf8(encoded(protocol, outcome).body).expect("replies are UTF-8")
}

fn queue(name: &str) -> QueueName {
    let (account, region) = ("000000000000".to_owned(), "us-east-1".to_owned());
    QueueName { account, region, name: name.to_owned() }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn sent() -> SentMessage {
    SentMessage {
        message_id: MessageId(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
        md5_of_message_body: Md5([0xa0; 16]),
        md5_of_message_attributes: Some(Md5([0xb1; 16])),
        md5_of_message_system_attributes: Some(Md5([0xc2; 16])),
        sequence_number: Some(77),
    }
}

fn sent_bare() -> SentMessage {
    SentMessage {
        md5_of_message_attributes: None,
        md5_of_message_system_attributes: None,
        sequence_number: None,
        ..sent()
    }
}

fn received() -> ReceivedMessage {
    let value = |data_type: &str, value| StoredValue { data_type: data_type.to_owned(), value };
    let blob = value("Binary", Value::Binary(Bytes::from_static(&[1, 2, 255])));
    let color = value("String", Value::String("blue".to_owned()));
    ReceivedMessage {
        message_id: sent().message_id,
        receipt_handle: "AQ+/=".to_owned(),
        md5_of_body: Md5([0xa0; 16]),
        body: "<a href=\"x\">&</a>\r\n\t\u{2603}\u{1f600}".to_owned(),
        attributes: pairs(&[("ApproximateReceiveCount", "1"), ("SenderId", "AID")]),
        md5_of_message_attributes: Some(Md5([0xb1; 16])),
        message_attributes: [("blob", blob), ("color", color)].map(|(n, v)| (n.to_owned(), v)).into(),
    }
}

fn received_bare() -> ReceivedMessage {
    ReceivedMessage {
        body: "plain".to_owned(),
        attributes: BTreeMap::new(),
        md5_of_message_attributes: None,
        message_attributes: BTreeMap::new(),
        ..received()
    }
}

fn task(running: bool) -> MoveTask {
    MoveTask {
        task_handle: running.then(|| "task".to_owned()),
        status: if running { "RUNNING" } else { "FAILED" },
        source_arn: queue("dead").arn(),
        destination_arn: running.then(|| queue("jobs").arn()),
        max_number_of_messages_per_second: running.then_some(500),
        approximate_number_of_messages_moved: 5,
        approximate_number_of_messages_to_move: running.then_some(9),
        failure_reason: (!running).then(|| "CouldNotMove".to_owned()),
        started_timestamp: 1_700_000_000_123,
    }
}

fn half_failed<T>(done: T) -> BatchReply<T> {
    let failed = Error::invalid_parameter("DelaySeconds", 901, "Must be at most 900.");
    let broken = Error::new(Code::InternalFailure, "Try again.");
    let entries = [("a", Ok(done)), ("b", Err(failed)), ("c", Err(broken))];
    BatchReply { entries: entries.map(|(id, outcome)| (id.to_owned(), outcome)).into() }
}

fn cases() -> Vec<(&'static str, Outcome)> {
    let queues = || vec![queue("jobs"), queue("other.fifo")];
    let next_token = Some("n&".to_owned());
    let replies = vec![
        ("add_permission", Reply::AddPermission),
        (
            "cancel_message_move_task",
            Reply::CancelMessageMoveTask { approximate_number_of_messages_moved: 12 },
        ),
        ("change_message_visibility", Reply::ChangeMessageVisibility),
        ("change_message_visibility_batch", Reply::ChangeMessageVisibilityBatch(half_failed(()))),
        ("create_queue", Reply::CreateQueue { queue: queue("jobs") }),
        ("delete_message", Reply::DeleteMessage),
        ("delete_message_batch", Reply::DeleteMessageBatch(half_failed(()))),
        ("delete_queue", Reply::DeleteQueue),
        (
            "get_queue_attributes",
            Reply::GetQueueAttributes {
                attributes: pairs(&[("DelaySeconds", "0"), ("Policy", "{\"a\":1}")]),
            },
        ),
        ("get_queue_attributes_empty", Reply::GetQueueAttributes { attributes: BTreeMap::new() }),
        ("get_queue_url", Reply::GetQueueUrl { queue: queue("jobs") }),
        (
            "list_dead_letter_source_queues",
            Reply::ListDeadLetterSourceQueues { queues: queues(), next_token: None },
        ),
        ("list_message_move_tasks", Reply::ListMessageMoveTasks { results: vec![task(true), task(false)] }),
        ("list_queue_tags", Reply::ListQueueTags { tags: pairs(&[("empty", ""), ("env", "test")]) }),
        ("list_queues", Reply::ListQueues { queues: queues(), next_token }),
        ("list_queues_empty", Reply::ListQueues { queues: vec![], next_token: None }),
        ("purge_queue", Reply::PurgeQueue),
        ("receive_message", Reply::ReceiveMessage { messages: vec![received(), received_bare()] }),
        ("receive_message_empty", Reply::ReceiveMessage { messages: vec![] }),
        ("remove_permission", Reply::RemovePermission),
        ("send_message", Reply::SendMessage(sent())),
        ("send_message_bare", Reply::SendMessage(sent_bare())),
        ("send_message_batch", Reply::SendMessageBatch(half_failed(sent()))),
        ("set_queue_attributes", Reply::SetQueueAttributes),
        ("start_message_move_task", Reply::StartMessageMoveTask { task_handle: "task".to_owned() }),
        ("tag_queue", Reply::TagQueue),
        ("untag_queue", Reply::UntagQueue),
    ];
    let no_such_queue = ("error_sender", Err(Error::no_such_queue()));
    let broken = ("error_receiver", Err(Error::new(Code::InternalFailure, "a < b\r\n\u{1}")));
    replies.into_iter().map(|(case, reply)| (case, Ok(reply))).chain([no_such_queue, broken]).collect()
}

fn line(case: &str, form: &str, outcome: &Outcome, encoded: &Encoded) -> String {
    let action = outcome.as_ref().map_or("ListQueues", |reply| crate::reply::action(reply).row().name);
    let mut headers: BTreeMap<_, _> = encoded.headers.iter().cloned().collect();
    headers.insert("content-type", encoded.content_type.to_owned());
    let body = String::from_utf8(encoded.body.clone()).expect("replies are UTF-8");
    let line = json!({
        "case": case, "form": form, "action": action, "status": encoded.status, "headers": headers, "body": body
    });
    format!("{line}\n")
}

#[test]
fn replies_are_as_in_the_file() {
    let mut lines = String::new();
    for (case, outcome) in cases() {
        for (form, protocol) in FORMS {
            lines += &line(case, form, &outcome, &encoded(protocol, &outcome));
        }
    }
    if std::env::var_os("WIRE_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(FILE, &lines).expect("the file can be written");
    }
    let file = std::fs::read_to_string(FILE).expect("the file is there");
    for (ours, golden) in lines.lines().zip(file.lines()) {
        assert_eq!(ours, golden);
    }
    assert_eq!(lines.len(), file.len());
}

#[test]
fn every_action_has_a_reply_in_the_file_and_output_where_the_model_has_output() {
    let mut seen = BTreeSet::new();
    for (case, outcome) in cases() {
        let Ok(reply) = outcome else { continue };
        let action = crate::reply::action(&reply);
        seen.insert(action);
        let has_output = crate::shapes::of(action).output.is_some();
        assert_eq!(body(Protocol::Json, &Ok(reply)).is_empty(), !has_output, "{case}");
    }
    assert_eq!(seen.len(), Action::ALL.len());
}

#[test]
fn json_leaves_out_what_is_empty_and_keeps_an_empty_text() {
    let empty = body(Protocol::Json, &Ok(Reply::ReceiveMessage { messages: vec![] }));
    assert_eq!(empty, "{}");
    let all_done = BatchReply { entries: vec![("a".to_owned(), Ok(()))] };
    let done = body(Protocol::Json, &Ok(Reply::DeleteMessageBatch(all_done)));
    assert_eq!(done, r#"{"Successful":[{"Id":"a"}]}"#);
    let tags = body(Protocol::Json, &Ok(Reply::ListQueueTags { tags: pairs(&[("k", "")]) }));
    assert_eq!(tags, r#"{"Tags":{"k":""}}"#);
    let bare = body(Protocol::Json, &Ok(Reply::ReceiveMessage { messages: vec![received_bare()] }));
    assert!(!bare.contains("Attributes"), "{bare}");
}

#[test]
fn a_failed_entry_carries_the_query_code_and_whose_fault_it_is() {
    let text = body(Protocol::Json, &Ok(Reply::DeleteMessageBatch(half_failed(()))));
    let failed = r#"{"Id":"b","SenderFault":true,"Code":"InvalidParameterValue","Message":"#;
    assert!(text.contains(failed), "{text}");
    assert!(text.contains(r#"{"Id":"c","SenderFault":false,"Code":"InternalFailure""#), "{text}");
}

#[test]
fn every_error_has_its_type_code_and_status_in_every_form() {
    for code in Code::ALL {
        let row = code.row();
        let outcome = Err(Error::new(*code, "why"));
        let json = encoded(Protocol::Json, &outcome);
        let text = format!("{{\"__type\":\"{}#{}\",\"message\":\"why\"}}", row.namespace, row.name);
        assert_eq!(String::from_utf8(json.body).unwrap(), text);
        let query_error = format!("{};{}", row.query, row.fault.as_str());
        assert!(json.headers.contains(&("x-amzn-query-error", query_error)), "{:?}", json.headers);
        let xml = body(Protocol::Query, &outcome);
        let (kind, query) = (row.fault.as_str(), row.query);
        let start = format!("<Error><Type>{kind}</Type><Code>{query}</Code><Message>why</Message><Detail/>");
        assert!(xml.contains(&start), "{xml}");
        for (_, protocol) in FORMS {
            let encoded = encoded(protocol, &outcome);
            assert_eq!(encoded.status, row.status);
            assert!(encoded.headers.contains(&("x-amzn-requestid", REQUEST_ID.to_owned())));
        }
    }
}

#[test]
fn xml_keeps_every_character_a_body_may_hold_and_replaces_the_rest() {
    let escaped = |body: &str| {
        let message = ReceivedMessage { body: body.to_owned(), ..received_bare() };
        let text =
            super::encoding::body(Protocol::Query, &Ok(Reply::ReceiveMessage { messages: vec![message] }));
        let (_, rest) = text.split_once("<Body>").unwrap();
        rest.split_once("</Body>").unwrap().0.to_owned()
    };
    for (text, xml) in [
        ("a\r\nb\r", "a&#xD;\nb&#xD;"),
        ("<&>\"'", "&lt;&amp;&gt;&quot;'"),
        ("]]>\t ", "]]&gt;\t "),
        ("\u{0}\u{b}\u{1f}\u{fffe}\u{ffff}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        ("\u{7f}\u{85}\u{2028}\u{fffd}\u{10ffff}", "\u{7f}\u{85}\u{2028}\u{fffd}\u{10ffff}"),
    ] {
        assert_eq!(escaped(text), xml);
    }
}

#[test]
fn a_queue_url_follows_the_base_with_or_without_a_slash() {
    for base in ["https://sqs.example.com:8443", "https://sqs.example.com:8443/"] {
        let url = UrlBase::new(base).queue_url(&queue("jobs.fifo"));
        assert_eq!(url, "https://sqs.example.com:8443/000000000000/jobs.fifo");
    }
}
