//! Tests of the catalogue's actions: what each answers, and which error wins when several apply.

mod labels;
mod lists;

use crate::catalogue::world::{ACCOUNT, World, create, delete, pairs, set, url_of};
use crate::errors::Code;
use crate::ids::QueueName;
use crate::reply::Reply;
use crate::request::{Pairs, Request};

const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

fn redrive_to(arn: &str) -> String {
    format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":3}}"#)
}

fn tag(url: &str, tags: &[(&str, &str)]) -> Request {
    Request::TagQueue { queue_url: url.into(), tags: pairs(tags) }
}

fn untag(url: &str, keys: &[&str]) -> Request {
    Request::UntagQueue { queue_url: url.into(), tag_keys: texts(keys) }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn permit(url: &str, label: &str, accounts: &[&str], actions: &[&str]) -> Request {
    Request::AddPermission {
        queue_url: url.into(),
        label: label.into(),
        aws_account_ids: texts(accounts),
        actions: texts(actions),
    }
}

fn forbid(url: &str, label: &str) -> Request {
    Request::RemovePermission { queue_url: url.into(), label: label.into() }
}

fn list(prefix: &str, token: Option<&str>, max: Option<i64>) -> Request {
    Request::ListQueues {
        queue_name_prefix: Some(prefix.into()),
        next_token: token.map(str::to_owned),
        max_results: max,
    }
}

fn sources(url: &str, token: Option<&str>, max: Option<i64>) -> Request {
    Request::ListDeadLetterSourceQueues {
        queue_url: url.into(),
        next_token: token.map(str::to_owned),
        max_results: max,
    }
}

/// The names and the token of either list's answer.
fn listed(reply: Reply) -> (Vec<String>, Option<String>) {
    match reply {
        Reply::ListQueues { queues, next_token }
        | Reply::ListDeadLetterSourceQueues { queues, next_token } => {
            (queues.into_iter().map(|queue: QueueName| queue.name).collect(), next_token)
        }
        other => panic!("{other:?}"),
    }
}

/// Each row is a request with one error fewer than the one before it: its code, and words of its text.
fn in_order(world: &mut World, rows: &[(Request, Code, &str)]) {
    for (request, code, words) in rows {
        let error = world.run(request).expect_err("an error");
        assert_eq!(error.code, *code, "{request:?}: {error}");
        assert!(error.message.contains(words), "{words}: {error}");
    }
}

#[test]
fn create_queue_answers_its_errors_in_order() {
    let mut world = World::with(&["dead"]);
    world.ok(&set("dead", &[("RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#)]));
    world.ok(&create("gone", &[]));
    world.ok(&delete("gone"));
    let (nowhere, dead) = (redrive_to(&DEAD.replace("dead", "none")), redrive_to(DEAD));
    let all = [
        ("Color", "1"),
        ("DelaySeconds", "901"),
        ("KmsMasterKeyId", "k"),
        ("RedrivePolicy", nowhere.as_str()),
        ("SqsManagedSseEnabled", "true"),
    ];
    let with = |name: &str, attributes: &[(&str, &str)], key: &str| Request::CreateQueue {
        queue_name: name.into(),
        attributes: pairs(attributes),
        tags: pairs(&[(key, "v")]),
    };
    let fifo = [&[("FifoQueue", "true")], &all[..]].concat();
    in_order(
        &mut world,
        &[
            (with("go ne", &fifo, ""), Code::InvalidParameterValue, "Can only include"),
            (with("gone", &fifo, ""), Code::InvalidParameterValue, ".fifo suffix"),
            (with("gone", &all, ""), Code::InvalidAttributeName, "Color"),
            (with("gone", &all[1..], ""), Code::InvalidAttributeValue, "DelaySeconds"),
            (with("gone", &all[2..], ""), Code::InvalidAttributeValue, "one type"),
            (with("gone", &all[2..4], ""), Code::InvalidParameterValue, "Tag keys"),
            (with("gone", &all[2..4], "k"), Code::QueueDeletedRecently, "wait 60 seconds"),
        ],
    );
    world.settings.queues = 1;
    in_order(&mut world, &[(with("new", &all[2..4], "k"), Code::OverLimit, "maximum number of queues")]);
    world.settings.queues = 2;
    in_order(
        &mut world,
        &[
            (with("new", &all[2..4], "k"), Code::InvalidParameterValue, "does not exist"),
            (create("new", &[("RedrivePolicy", &dead)]), Code::InvalidParameterValue, "does not allow"),
        ],
    );
    world.ok(&with("new", &all[2..3], "k"));
    // A name that is taken is compared before anything is counted or looked for.
    in_order(
        &mut world,
        &[(
            with("new", &all[2..4], "k"),
            Code::QueueNameExists,
            "different value for attribute RedrivePolicy",
        )],
    );
}

#[test]
fn names_keep_the_rules() {
    let mut world = World::new();
    let long = "x".repeat(80);
    for good in ["a", "A-z_09", "-", long.as_str()] {
        assert_eq!(world.code(&create(good, &[])), None, "{good}");
    }
    let longer = "x".repeat(81);
    let fifo_long = format!("{}.fifo", "x".repeat(76));
    for wrong in ["", "a b", "a.b", "a/b", "\u{e9}", ".fifo", "a.fifo.fifo", "a\n", &longer, &fifo_long] {
        assert_eq!(
            world.code(&create(wrong, &[("FifoQueue", "true")])),
            Some(Code::InvalidParameterValue),
            "{wrong}"
        );
        assert_eq!(world.code(&url_of(wrong)), Some(Code::InvalidParameterValue), "{wrong}");
    }
    let fifo = format!("{}.fifo", "x".repeat(75));
    assert_eq!(world.code(&create(&fifo, &[("FifoQueue", "true")])), None);
}

#[test]
fn a_fifo_queue_says_so_twice() {
    let mut world = World::new();
    for (name, says, code) in [
        ("a.fifo", None, Some(Code::InvalidParameterValue)),
        ("a.fifo", Some("false"), Some(Code::InvalidParameterValue)),
        ("a.fifo", Some("perhaps"), Some(Code::InvalidAttributeValue)),
        ("a.fifo", Some("True"), None),
        ("a", Some("true"), Some(Code::InvalidParameterValue)),
        ("a", Some("false"), Some(Code::InvalidAttributeName)),
        ("a", None, None),
    ] {
        let attributes: Vec<_> = says.map(|says| ("FifoQueue", says)).into_iter().collect();
        assert_eq!(world.code(&create(name, &attributes)), code, "{name} {says:?}");
    }
    assert_eq!(world.row("a.fifo").attributes, pairs(&[("FifoQueue", "true")]));
}

#[test]
fn creating_again_compares_what_the_request_names() {
    let mut world = World::with(&["dead"]);
    let policy =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:*"}}"#;
    let redrive = redrive_to(DEAD);
    let set = [("DelaySeconds", "5"), ("Policy", policy), ("RedrivePolicy", &redrive)];
    world.ok(&create("jobs", &set));
    let (id, version) = (world.row("jobs").id, world.row("jobs").version);
    let spaced = policy.replace("\":", "\" : ");
    let as_text = redrive.replace(":3", r#": "3""#);
    for same in [
        &[][..],
        &[("DelaySeconds", "5")],
        &[("DelaySeconds", "05"), ("VisibilityTimeout", "30")],
        &[("MaximumMessageSize", "262144"), ("SqsManagedSseEnabled", "true"), ("KmsMasterKeyId", "")],
        &[("Policy", spaced.as_str())],
        &[("RedrivePolicy", as_text.as_str()), ("RedriveAllowPolicy", "")],
    ] {
        let reply = world.ok(&create("jobs", same));
        assert!(matches!(reply, Reply::CreateQueue { queue } if queue.name == "jobs"), "{same:?}");
    }
    for (name, value) in [
        ("DelaySeconds", "6"),
        ("VisibilityTimeout", "31"),
        ("MaximumMessageSize", "1048576"),
        ("SqsManagedSseEnabled", "false"),
        ("KmsMasterKeyId", "k"),
        ("Policy", ""),
        ("RedrivePolicy", ""),
        ("RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#),
    ] {
        let error = world.run(&create("jobs", &[(name, value)])).unwrap_err();
        assert_eq!(error.code, Code::QueueNameExists);
        let text = "A queue already exists with the same name and a different value for attribute ";
        assert_eq!(error.message, format!("{text}{name}"));
    }
    // Tags are not compared, and the same request succeeds when the target is gone.
    let tags = pairs(&[("k", "v")]);
    world.ok(&Request::CreateQueue { queue_name: "jobs".into(), attributes: Pairs::new(), tags });
    world.ok(&delete("dead"));
    world.ok(&create("jobs", &[("RedrivePolicy", &redrive)]));
    assert_eq!((world.row("jobs").id, world.row("jobs").version), (id, version));
}

#[test]
fn the_number_of_queues_is_limited_also_for_creates_under_way() {
    let mut world = World::new();
    world.settings.queues = 1;
    let (a, b) = (create("a", &[]), create("b", &[]));
    let crate::catalogue::Verdict::First { row, .. } = world.step(&a, None) else { panic!() };
    let row = world.install(*row);
    world.ok(&b);
    world.step(&a, Some(&row));
    assert_eq!((world.catalogue.len(), world.slots.len()), (1, 1));
    assert_eq!(world.code(&a), Some(Code::OverLimit));
    assert_eq!(world.code(&b), None);
}

#[test]
fn set_queue_attributes_answers_its_errors_in_order() {
    let mut world = World::with(&["q.fifo"]);
    let nowhere = redrive_to(&DEAD.replace("dead", "none.fifo"));
    let all = [
        ("Color", "1"),
        ("DelaySeconds", "901"),
        ("FifoQueue", "true"),
        ("FifoThroughputLimit", "perMessageGroupId"),
        ("RedrivePolicy", nowhere.as_str()),
    ];
    in_order(
        &mut world,
        &[
            (set("none", &all), Code::QueueDoesNotExist, "does not exist"),
            (set("q.fifo", &all), Code::InvalidAttributeName, "Color"),
            (set("q.fifo", &all[1..]), Code::InvalidAttributeValue, "DelaySeconds"),
            (set("q.fifo", &all[2..]), Code::InvalidAttributeValue, "FifoQueue"),
            (set("q.fifo", &all[3..]), Code::InvalidAttributeValue, "FifoThroughputLimit"),
            (set("q.fifo", &all[4..]), Code::InvalidParameterValue, "does not exist"),
        ],
    );
    assert_eq!(world.row("q.fifo").version, 1);
}

#[test]
fn setting_changes_what_is_named_and_nothing_else() {
    let mut world = World::with(&["q"]);
    let created = world.now;
    world.ok(&tag("q", &[("k", "v")]));
    world.now += 5_000;
    world.ok(&set("q", &[("DelaySeconds", "5"), ("KmsMasterKeyId", "k")]));
    world.ok(&set("q", &[("VisibilityTimeout", "60"), ("KmsMasterKeyId", "")]));
    let row = world.row("q");
    assert_eq!(row.attributes, pairs(&[("DelaySeconds", "5"), ("VisibilityTimeout", "60")]));
    assert_eq!((row.created, row.modified, row.version), (created, world.now, 4));
    assert_eq!(row.tags, pairs(&[("k", "v")]));
    assert_eq!(world.slots[&row.id].version, 4);
}

#[test]
fn a_redrive_policy_needs_a_willing_target_of_the_same_kind_and_place() {
    let mut world = World::with(&["q", "q.fifo", "dead", "dead.fifo"]);
    let code = |world: &mut World, url: &str, arn: &str| {
        world.code(&set(url, &[("RedrivePolicy", &redrive_to(arn))]))
    };
    let wrong = Some(Code::InvalidParameterValue);
    assert_eq!(code(&mut world, "q", DEAD), None);
    assert_eq!(code(&mut world, "q.fifo", &format!("{DEAD}.fifo")), None);
    assert_eq!(code(&mut world, "q", &DEAD.replace("dead", "q")), None, "a queue may be its own");
    assert_eq!(code(&mut world, "q", &format!("{DEAD}.fifo")), wrong);
    assert_eq!(code(&mut world, "q.fifo", DEAD), wrong);
    assert_eq!(code(&mut world, "q", &DEAD.replace("us-east-1", "us-west-1")), wrong);
    assert_eq!(code(&mut world, "q", &DEAD.replace(ACCOUNT, "111111111111")), wrong);
    assert_eq!(code(&mut world, "q", &DEAD.replace("dead", "none")), wrong);
    assert_eq!(world.rests, 11, "the queue's own row, as it was last set");
    let itself = redrive_to(&DEAD.replace("dead", "new"));
    assert_eq!(world.code(&create("new", &[("RedrivePolicy", &itself)])), wrong, "it is not there yet");
}

#[test]
fn a_redrive_allow_policy_is_read_when_a_source_is_set() {
    let mut world = World::with(&["a", "b", "dead"]);
    let policy = redrive_to(DEAD);
    let redrive = [("RedrivePolicy", policy.as_str())];
    world.ok(&set("a", &redrive));
    for (allow, code) in [
        (r#"{"redrivePermission":"denyAll"}"#, Some(Code::InvalidParameterValue)),
        (r#"{"redrivePermission":"allowAll"}"#, None),
        (
            r#"{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:a"]}"#,
            Some(Code::InvalidParameterValue),
        ),
        (
            r#"{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:b"]}"#,
            None,
        ),
        ("", None),
    ] {
        world.ok(&set("dead", &[("RedriveAllowPolicy", allow)]));
        assert_eq!(world.code(&set("b", &redrive)), code, "{allow}");
    }
    // A source that has its policy already keeps it, and may set other attributes.
    world.ok(&set("dead", &[("RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#)]));
    world.ok(&set("a", &[("DelaySeconds", "1")]));
    assert_eq!(listed(world.ok(&sources("dead", None, None))).0, ["a", "b"]);
    let own = redrive_to(&DEAD.replace("dead", "a"));
    let denied =
        [("RedrivePolicy", own.as_str()), ("RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#)];
    assert_eq!(world.code(&set("a", &denied)), Some(Code::InvalidParameterValue));
}

#[test]
#[should_panic(expected = "PurgeQueue is decided in the queue's slot")]
fn a_slot_s_request_is_not_the_catalogue_s() {
    let mut world = World::with(&["q"]);
    let _ = world.run(&Request::PurgeQueue { queue_url: "q".into() });
}
