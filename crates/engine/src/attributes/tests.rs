use super::*;
use crate::command::Settings;
use crate::errors::Code;
use crate::ids::QueueName;
use crate::request::Pairs;
use crate::rows::QueueRow;

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn queue(name: &str, attributes: &[(&str, &str)]) -> QueueRow {
    let name = QueueName { account: "000000000000".into(), region: "us-east-1".into(), name: name.into() };
    let change = at_creation(&pairs(attributes), name.is_fifo()).unwrap();
    let attributes = merged(&Pairs::new(), &change).unwrap();
    QueueRow {
        name,
        attributes,
        created: 1_700_000_000_999,
        modified: 1_700_000_005_000,
        ..QueueRow::default()
    }
}

fn read(row: &QueueRow, names: &[&str]) -> Pairs {
    let counters = Counters { visible: 1, in_flight: 2, delayed: 3 };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    get_queue_attributes(row, &Settings::default(), counters, &names).unwrap()
}

fn code(fifo: bool, attributes: &[(&str, &str)]) -> Option<Code> {
    at_creation(&pairs(attributes), fifo).err().map(|error| error.code)
}

#[test]
fn the_table_is_the_service_model_s() {
    // QueueAttributeName of the model, without All.
    let model = "ApproximateNumberOfMessages ApproximateNumberOfMessagesDelayed \
                 ApproximateNumberOfMessagesNotVisible ContentBasedDeduplication CreatedTimestamp \
                 DeduplicationScope DelaySeconds FifoQueue FifoThroughputLimit KmsDataKeyReusePeriodSeconds \
                 KmsMasterKeyId LastModifiedTimestamp MaximumMessageSize MessageRetentionPeriod Policy QueueArn \
                 ReceiveMessageWaitTimeSeconds RedriveAllowPolicy RedrivePolicy SqsManagedSseEnabled \
                 VisibilityTimeout";
    let names: Vec<&str> = TABLE.iter().map(|attribute| attribute.name).collect();
    assert_eq!(names, model.split_whitespace().collect::<Vec<_>>());
    assert!(names.is_sorted(), "it is searched by halves");
    assert!(names.iter().all(|name| named(name).is_some_and(|row| row.name == *name)));
    assert!(named("All").is_none() && named("policy").is_none());
}

#[test]
fn the_documentation_is_the_table() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/attributes.md");
    if std::env::var_os("SLUICE_WRITE_DOCS").is_some() {
        std::fs::write(page, markdown()).unwrap();
    }
    let written = std::fs::read_to_string(page).unwrap();
    assert!(written == markdown(), "run this test once with SLUICE_WRITE_DOCS=1 and check the page in");
}

#[test]
fn all_of_a_plain_queue_is_what_sqs_returns() {
    let expected = pairs(&[
        ("ApproximateNumberOfMessages", "1"),
        ("ApproximateNumberOfMessagesDelayed", "3"),
        ("ApproximateNumberOfMessagesNotVisible", "2"),
        ("CreatedTimestamp", "1700000000"),
        ("DelaySeconds", "0"),
        ("LastModifiedTimestamp", "1700000005"),
        ("MaximumMessageSize", "262144"),
        ("MessageRetentionPeriod", "345600"),
        ("QueueArn", "arn:aws:sqs:us-east-1:000000000000:jobs"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
        ("VisibilityTimeout", "30"),
    ]);
    assert_eq!(read(&queue("jobs", &[]), &["All"]), expected);
    assert_eq!(read(&queue("jobs", &[]), &["QueueArn", "All"]), expected);
}

#[test]
fn all_of_a_fifo_queue_has_its_four_as_well() {
    let row = queue("jobs.fifo", &[("FifoQueue", "true")]);
    let all = read(&row, &["All"]);
    assert_eq!(all.len(), 16);
    let names = ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];
    let four =
        [("FifoQueue", "true"), ("ContentBasedDeduplication", "false"), ("DeduplicationScope", "queue")];
    let four = pairs(&[&four[..], &[("FifoThroughputLimit", "perQueue")]].concat());
    assert_eq!(read(&row, &names), four);
    assert_eq!(read(&queue("jobs", &[]), &names), Pairs::new());
}

#[test]
fn what_is_asked_by_name_comes_alone() {
    let row = queue("jobs", &[]);
    assert_eq!(read(&row, &[]), Pairs::new());
    assert_eq!(read(&row, &["DelaySeconds", "DelaySeconds"]), pairs(&[("DelaySeconds", "0")]));
    assert_eq!(read(&row, &["Policy", "RedrivePolicy", "KmsMasterKeyId"]), Pairs::new());
    let names = ["DelaySeconds".to_owned(), "Delay".to_owned()];
    let error = get_queue_attributes(&row, &Settings::default(), Counters::default(), &names).unwrap_err();
    assert_eq!((error.code, &*error.message), (Code::InvalidAttributeName, "Unknown Attribute Delay."));
}

#[test]
fn what_is_set_reads_back_equal() {
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*"}]}"#;
    let redrive = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":3}"#;
    let allow =
        r#"{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:a"]}"#;
    let set = [
        ("DelaySeconds", "1"),
        ("KmsDataKeyReusePeriodSeconds", "60"),
        ("KmsMasterKeyId", "alias/aws/sqs"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "60"),
        ("Policy", policy),
        ("ReceiveMessageWaitTimeSeconds", "20"),
        ("RedriveAllowPolicy", allow),
        ("RedrivePolicy", redrive),
        ("SqsManagedSseEnabled", "false"),
        ("VisibilityTimeout", "43200"),
    ];
    let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
    assert_eq!(read(&queue("jobs", &set), &names), pairs(&set));
    let fifo = [
        ("ContentBasedDeduplication", "true"),
        ("DeduplicationScope", "messageGroup"),
        ("FifoQueue", "true"),
        ("FifoThroughputLimit", "perMessageGroupId"),
    ];
    let names: Vec<&str> = fifo.iter().map(|(name, _)| *name).collect();
    assert_eq!(read(&queue("jobs.fifo", &fifo), &names), pairs(&fifo));
}

#[test]
fn values_are_kept_in_normal_form() {
    let text =
        r#" { "maxReceiveCount" : "5", "deadLetterTargetArn" : "arn:aws:sqs:us-east-1:000000000000:dead" } "#;
    let row = queue(
        "jobs",
        &[("RedrivePolicy", text), ("VisibilityTimeout", "0007"), ("SqsManagedSseEnabled", "False")],
    );
    let normal = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":5}"#;
    let expected = [("RedrivePolicy", normal), ("SqsManagedSseEnabled", "false"), ("VisibilityTimeout", "7")];
    assert_eq!(row.attributes, pairs(&expected));
}

#[test]
fn numbers_have_ranges() {
    for (name, low, high) in [
        ("DelaySeconds", 0, 900),
        ("KmsDataKeyReusePeriodSeconds", 60, 86_400),
        ("MaximumMessageSize", 1_024, 1_048_576),
        ("MessageRetentionPeriod", 60, 1_209_600),
        ("ReceiveMessageWaitTimeSeconds", 0, 20),
        ("VisibilityTimeout", 0, 43_200),
    ] {
        for good in [low, high] {
            assert_eq!(code(false, &[(name, &good.to_string())]), None, "{name} {good}");
        }
        for wrong in [low - 1, high + 1] {
            assert_eq!(
                code(false, &[(name, &wrong.to_string())]),
                Some(Code::InvalidAttributeValue),
                "{name} {wrong}"
            );
        }
        for wrong in ["", " ", "x", "1.5", "1e3", "+60", " 60", "99999999999999999999", "-"] {
            assert_eq!(code(false, &[(name, wrong)]), Some(Code::InvalidAttributeValue), "{name} {wrong:?}");
        }
    }
}

#[test]
fn other_kinds_have_their_values() {
    for (name, good, wrong) in [
        ("ContentBasedDeduplication", "TRUE", "yes"),
        ("DeduplicationScope", "messageGroup", "MessageGroup"),
        ("FifoThroughputLimit", "perQueue", ""),
        ("KmsMasterKeyId", "arn:aws:kms:us-east-1:000000000000:key/0b1c-2d", "my key"),
        ("SqsManagedSseEnabled", "true", "1"),
        ("RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#, "denyAll"),
        ("RedrivePolicy", r#"{"deadLetterTargetArn":"arn:aws:sqs:r:000000000000:d"}"#, "[]"),
    ] {
        assert_eq!(code(true, &[(name, good)]), None, "{name}");
        assert_eq!(code(true, &[(name, wrong)]), Some(Code::InvalidAttributeValue), "{name}");
    }
}

#[test]
fn only_known_settable_names_of_the_queue_s_type_can_be_set() {
    for name in
        ["All", "Color", "QueueArn", "CreatedTimestamp", "ApproximateNumberOfMessages", "delayseconds", ""]
    {
        assert_eq!(code(true, &[(name, "1")]), Some(Code::InvalidAttributeName), "{name}");
    }
    for name in ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"] {
        assert_eq!(code(false, &[(name, "false")]), Some(Code::InvalidAttributeName), "{name}");
    }
}

#[test]
fn high_throughput_needs_the_scope_of_a_group() {
    let limit = ("FifoThroughputLimit", "perMessageGroupId");
    assert_eq!(code(true, &[limit]), Some(Code::InvalidAttributeValue));
    assert_eq!(code(true, &[limit, ("DeduplicationScope", "queue")]), Some(Code::InvalidAttributeValue));
    assert_eq!(code(true, &[limit, ("DeduplicationScope", "messageGroup")]), None);
    assert_eq!(code(true, &[("DeduplicationScope", "messageGroup")]), None);
    let row = queue("q.fifo", &[limit, ("DeduplicationScope", "messageGroup")]);
    let back = on_change(&pairs(&[("DeduplicationScope", "queue")]), true).unwrap();
    assert_eq!(merged(&row.attributes, &back).unwrap_err().code, Code::InvalidAttributeValue);
}

#[test]
fn the_type_of_a_queue_is_fixed() {
    for value in ["true", "false"] {
        let error = on_change(&pairs(&[("FifoQueue", value)]), true).unwrap_err();
        assert_eq!(error.code, Code::InvalidAttributeValue);
    }
    let error = on_change(&pairs(&[("FifoQueue", "true")]), false).unwrap_err();
    assert_eq!(error.code, Code::InvalidAttributeName);
}

#[test]
fn the_empty_text_removes_what_can_be_removed() {
    for attribute in &TABLE {
        if attribute.set == Set::Never {
            continue;
        }
        let change = at_creation(&pairs(&[(attribute.name, "")]), true);
        let removes = change.is_ok_and(|change| change[attribute.name].is_none());
        assert_eq!(removes, attribute.removable, "{}", attribute.name);
    }
    let mut row = queue("q", &[("KmsMasterKeyId", "k"), ("KmsDataKeyReusePeriodSeconds", "60")]);
    let change = on_change(&pairs(&[("KmsMasterKeyId", "")]), false).unwrap();
    row.attributes = merged(&row.attributes, &change).unwrap();
    assert_eq!(read(&row, &["KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"]), Pairs::new());
}

#[test]
fn a_queue_has_one_kind_of_encryption() {
    let kinds = ["KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "SqsManagedSseEnabled"];
    let both = [("KmsMasterKeyId", "k"), ("SqsManagedSseEnabled", "true")];
    let error = at_creation(&pairs(&both), false).unwrap_err();
    assert_eq!(error.code, Code::InvalidAttributeValue);
    assert!(error.message.starts_with("You can use one type of server-side encryption (SSE) at one time."));
    let mut row = queue("q", &[("KmsMasterKeyId", "k")]);
    let with_key = [(kinds[0], "300"), (kinds[1], "k"), (kinds[2], "false")];
    assert_eq!(read(&row, &kinds), pairs(&with_key));
    assert!(!QueueSettings::of(&row, &Settings::default()).managed_sse);
    // The server's own key takes over.
    let change = on_change(&pairs(&[("SqsManagedSseEnabled", "true")]), false).unwrap();
    row.attributes = merged(&row.attributes, &change).unwrap();
    assert_eq!(read(&row, &kinds), pairs(&[("SqsManagedSseEnabled", "true")]));
    // And gives way again; the data key's period alone says nothing.
    let change = on_change(&pairs(&[("KmsMasterKeyId", "k2")]), false).unwrap();
    row.attributes = merged(&row.attributes, &change).unwrap();
    assert_eq!(read(&row, &kinds[2..]), pairs(&[("SqsManagedSseEnabled", "false")]));
    let alone = queue("q", &[("KmsDataKeyReusePeriodSeconds", "60"), ("SqsManagedSseEnabled", "false")]);
    assert_eq!(read(&alone, &kinds), pairs(&[("SqsManagedSseEnabled", "false")]));
}

#[test]
fn the_maximum_size_follows_the_server_until_it_is_set() {
    let large = Settings { default_maximum_message_size: 1_048_576, ..Settings::default() };
    let row = queue("q", &[]);
    assert_eq!(QueueSettings::of(&row, &Settings::default()).maximum_message_size, 262_144);
    assert_eq!(QueueSettings::of(&row, &large).maximum_message_size, 1_048_576);
    assert!(same_value("MaximumMessageSize", Some("1048576"), &row, &large));
    let row = queue("q", &[("MaximumMessageSize", "1024")]);
    assert_eq!(QueueSettings::of(&row, &large).maximum_message_size, 1_024);
}

#[test]
fn settings_are_typed() {
    let settings = Settings::default();
    let plain = QueueSettings::of(&queue("q", &[]), &settings);
    let expected = QueueSettings {
        visibility_timeout: 30_000,
        delay: 0,
        retention: 345_600_000,
        maximum_message_size: 262_144,
        wait: 0,
        fifo: None,
        redrive: None,
        redrive_allow: crate::redrive::RedriveAllowPolicy::AllowAll,
        kms_master_key_id: None,
        kms_data_key_reuse_period: 300_000,
        managed_sse: true,
    };
    assert_eq!(plain, expected);
    let row = queue(
        "q.fifo",
        &[
            ("ContentBasedDeduplication", "true"),
            ("DeduplicationScope", "messageGroup"),
            (
                "RedrivePolicy",
                r#"{"deadLetterTargetArn":"arn:aws:sqs:r:000000000000:d.fifo","maxReceiveCount":2}"#,
            ),
        ],
    );
    let typed = QueueSettings::of(&row, &settings);
    let fifo = Fifo {
        content_based_deduplication: true,
        deduplication_per_group: true,
        throughput_per_group: false,
    };
    assert_eq!(typed.fifo, Some(fifo));
    let redrive = typed.redrive.unwrap();
    assert_eq!((redrive.target.name.as_str(), redrive.max_receive_count), ("d.fifo", 2));
}

#[test]
fn errors_come_in_their_order() {
    let text =
        |attributes: &[(&str, &str)]| at_creation(&pairs(attributes), true).unwrap_err().message.into_owned();
    let all = [
        ("Zebra", "1"),
        ("Color", "1"),
        ("VisibilityTimeout", "x"),
        ("DelaySeconds", "x"),
        ("KmsMasterKeyId", "k"),
        ("SqsManagedSseEnabled", "true"),
        ("FifoThroughputLimit", "perMessageGroupId"),
    ];
    assert!(text(&all).contains("Color"));
    assert!(text(&[&all[..1], &all[2..]].concat()).contains("Zebra"));
    assert!(text(&all[2..]).contains("DelaySeconds"));
    assert!(text(&[&all[2..3], &all[4..]].concat()).contains("VisibilityTimeout"));
    assert!(text(&all[4..]).contains("one type of server-side encryption"));
    assert!(text(&all[5..]).contains("FifoThroughputLimit"));
    assert!(at_creation(&pairs(&all[5..6]), true).is_ok());
}
