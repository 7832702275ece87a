//! Tags and permissions.

use super::*;

#[test]
fn tags_are_added_replaced_and_removed() {
    let mut world = World::with(&["q"]);
    let modified = world.row("q").modified;
    world.now += 5_000;
    world.ok(&tag("q", &[("a", "1"), ("b", "")]));
    world.ok(&tag("q", &[("a", "2"), ("c", "3")]));
    world.ok(&untag("q", &["b", "absent"]));
    let tags = pairs(&[("a", "2"), ("c", "3")]);
    let reply = world.ok(&Request::ListQueueTags { queue_url: "q".into() });
    assert_eq!(reply, Reply::ListQueueTags { tags });
    assert_eq!(world.row("q").modified, modified, "tags are no attributes");
    let id = world.row("q").id;
    assert_eq!(world.slots[&id].version, 1, "the slot is not told");
}

#[test]
fn tags_keep_the_rules() {
    let mut world = World::with(&["q"]);
    let (key, value) = ("\u{e9}".repeat(128), "\u{e9}".repeat(256));
    for (key, value) in [(key.as_str(), value.as_str()), ("a_.:/=+-@ 9\u{4e2d}", ""), ("awsome", "aws:")] {
        assert_eq!(world.code(&tag("q", &[(key, value)])), None, "{key}");
    }
    let (long_key, long_value) = (key + "x", value + "x");
    for (key, value) in [
        ("", "v"),
        (&long_key, "v"),
        ("k", &long_value),
        ("aws:k", "v"),
        ("AWS:k", "v"),
        ("k#", "v"),
        ("k", "\n"),
    ] {
        assert_eq!(
            world.code(&tag("q", &[(key, value)])),
            Some(Code::InvalidParameterValue),
            "{key:?} {value:?}"
        );
    }
    let names: Vec<String> = (0..50).map(|n| format!("k{n}")).collect();
    let fifty: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
    assert_eq!(world.code(&tag("q", &fifty)), Some(Code::InvalidParameterValue), "with those it has");
    assert_eq!(world.code(&tag("q", &fifty[..47])), None);
}

#[test]
fn tagging_answers_its_errors_in_order() {
    let mut world = World::with(&["q"]);
    let many: Vec<String> = (0..51).map(|n| format!("k{n}")).collect();
    let mut tags: Vec<_> = many.iter().map(|key| (key.as_str(), "#")).collect();
    tags.push(("#", "v"));
    let named: Vec<_> = many.iter().map(|key| (key.as_str(), "v")).collect();
    in_order(
        &mut world,
        &[
            (tag("none", &[]), Code::QueueDoesNotExist, ""),
            (tag("q", &[]), Code::MissingParameter, "Tags"),
            (tag("q", &[("", "#"), ("#", "v")]), Code::InvalidParameterValue, "between 1 and 128"),
            (tag("q", &tags), Code::InvalidParameterValue, "can only contain"),
            (tag("q", &named), Code::InvalidParameterValue, "Too many tags"),
            (untag("none", &[]), Code::QueueDoesNotExist, ""),
            (untag("q", &[]), Code::MissingParameter, "TagKeys"),
        ],
    );
}

#[test]
fn permissions_become_statements() {
    let mut world = World::with(&["q"]);
    world.ok(&permit("q", "one", &["111111111111"], &["SendMessage"]));
    let policy = world.row("q").attributes["Policy"].clone();
    let expected = r#"{"Version":"2012-10-17","Id":"arn:aws:sqs:us-east-1:000000000000:q/SQSDefaultPolicy",
        "Statement":[{"Sid":"one","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},
        "Action":"SQS:SendMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:q"}]}"#;
    assert!(crate::policy::same(&policy, expected), "{policy}");
    world.ok(&permit("q", "two", &["111111111111", "222222222222"], &["*", "ReceiveMessage"]));
    let policy: serde_json::Value = serde_json::from_str(&world.row("q").attributes["Policy"]).unwrap();
    assert_eq!(policy["Statement"][1]["Action"], serde_json::json!(["SQS:*", "SQS:ReceiveMessage"]));
    assert_eq!(policy["Statement"][1]["Principal"]["AWS"][1], "arn:aws:iam::222222222222:root");
    let id = world.row("q").id;
    assert_eq!(world.slots[&id].version, 3, "the slot is told");
    world.ok(&forbid("q", "one"));
    let policy: serde_json::Value = serde_json::from_str(&world.row("q").attributes["Policy"]).unwrap();
    assert_eq!(policy["Statement"].as_array().map(Vec::len), Some(1));
    world.ok(&forbid("q", "two"));
    assert_eq!(world.row("q").attributes, Pairs::new());
}

#[test]
fn what_add_permission_writes_can_be_set_again() {
    let mut world = World::with(&["q", "r"]);
    world.ok(&permit("q", "one", &["111111111111"], &["*"]));
    let policy = world.row("q").attributes["Policy"].clone();
    world.ok(&set("r", &[("Policy", &policy)]));
    world.ok(&forbid("r", "one"));
}

#[test]
fn permissions_answer_their_errors_in_order() {
    let mut world = World::with(&["q"]);
    world.ok(&permit("q", "taken", &["111111111111"], &["SendMessage"]));
    let wrong = Code::InvalidParameterValue;
    let seven = [
        "SendMessage",
        "ReceiveMessage",
        "DeleteMessage",
        "GetQueueUrl",
        "PurgeQueue",
        "GetQueueAttributes",
        "*",
    ];
    let eight = [&seven[..], &["ChangeMessageVisibility"]].concat();
    in_order(
        &mut world,
        &[
            (permit("none", "a b", &[], &[]), Code::QueueDoesNotExist, ""),
            (permit("q", "a b", &[], &[]), wrong, "Label"),
            (permit("q", "taken", &[], &[]), Code::MissingParameter, "AWSAccountIds"),
            (permit("q", "taken", &["1"], &[]), wrong, "PrincipalId"),
            (permit("q", "taken", &["111111111111"], &[]), Code::MissingParameter, "Actions"),
            (permit("q", "taken", &["111111111111"], &["Dance"]), wrong, "ActionName"),
            (permit("q", "taken", &["111111111111"], &eight), wrong, "Already exists"),
            (permit("q", "free", &["111111111111"], &eight), Code::OverLimit, "actions in a statement"),
            (forbid("none", ""), Code::QueueDoesNotExist, ""),
            (forbid("q", ""), wrong, "alphanumeric"),
            (forbid("q", "free"), wrong, "can't find label"),
        ],
    );
    world.ok(&permit("q", "free", &["111111111111"], &seven));
}

#[test]
fn what_is_the_owner_s_alone_cannot_be_given() {
    let mut world = World::with(&["q"]);
    for action in [
        "AddPermission",
        "CreateQueue",
        "DeleteQueue",
        "SetQueueAttributes",
        "StartMessageMoveTask",
        "TagQueue",
    ] {
        let text = world.text(&permit("q", "l", &["111111111111"], &[action]));
        assert!(text.contains("Only the queue owner"), "{action}: {text}");
    }
    for action in ["SendMessageBatch", "sendmessage", "SQS:SendMessage", ""] {
        assert_eq!(
            world.code(&permit("q", "l", &["111111111111"], &[action])),
            Some(Code::InvalidParameterValue)
        );
    }
}

#[test]
fn a_policy_has_twenty_statements() {
    let mut world = World::with(&["q"]);
    for n in 0..20 {
        world.ok(&permit("q", &format!("l{n}"), &["111111111111"], &["SendMessage"]));
    }
    assert_eq!(world.code(&permit("q", "l20", &["111111111111"], &["SendMessage"])), Some(Code::OverLimit));
    let many: Vec<String> = (0..51).map(|n| format!("{n:012}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    world.ok(&forbid("q", "l3"));
    assert_eq!(world.code(&permit("q", "l20", &many, &["SendMessage"])), Some(Code::OverLimit));
    world.ok(&permit("q", "l20", &many[..50], &["SendMessage"]));
}
