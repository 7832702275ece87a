//! Tests of the catalogue's actions: what each answers, and which error wins when several apply.

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
    let crate::catalogue::Verdict::First(row) = world.step(&a, None) else { panic!() };
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
fn list_queues_goes_by_prefix_account_and_region() {
    let mut world = World::with(&["a", "ab", "abc", "b", "a-1"]);
    world.caller.region = "eu-west-1".into();
    world.ok(&create("abroad", &[]));
    world.caller.region = "us-east-1".into();
    world.caller.account = "000000000001".into();
    world.ok(&create("abother", &[]));
    world.caller.account = ACCOUNT.into();
    assert_eq!(listed(world.ok(&list("", None, None))), (texts(&["a", "a-1", "ab", "abc", "b"]), None));
    assert_eq!(listed(world.ok(&list("ab", None, None))), (texts(&["ab", "abc"]), None));
    assert_eq!(listed(world.ok(&list("c", None, None))), (Vec::new(), None));
    world.ok(&delete("ab"));
    assert_eq!(listed(world.ok(&list("ab", None, None))), (texts(&["abc"]), None));
}

#[test]
fn pages_follow_each_other_through_changes() {
    let names: Vec<String> = (0..7).map(|n| format!("q{n}")).collect();
    let mut world = World::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let (first, token) = listed(world.ok(&list("q", None, Some(3))));
    assert_eq!(first, ["q0", "q1", "q2"]);
    let token = token.expect("there is more");
    world.ok(&delete("q2"));
    world.ok(&create("q2a", &[]));
    let (second, next) = listed(world.ok(&list("q", Some(&token), Some(3))));
    assert_eq!(second, ["q2a", "q3", "q4"]);
    let (third, end) = listed(world.ok(&list("q", next.as_deref(), Some(2))));
    assert_eq!((third, end), (texts(&["q5", "q6"]), None));
    // Without MaxResults the rest comes at once, up to a thousand.
    assert_eq!(
        listed(world.ok(&list("q", Some(&token), None))),
        (texts(&["q2a", "q3", "q4", "q5", "q6"]), None)
    );
    assert_eq!(listed(world.ok(&list("q", Some(""), None))).0.len(), 7);
}

#[test]
fn without_max_results_a_thousand_come_and_no_token() {
    let mut world = World::new();
    for n in 0..1_001 {
        let name = format!("q{n:04}");
        let row = crate::rows::QueueRow {
            id: crate::QueueId(n + 1),
            name: QueueName { account: ACCOUNT.into(), region: "us-east-1".into(), name },
            version: 1,
            ..Default::default()
        };
        world.catalogue.apply(&crate::catalogue::named_row(row), 1);
    }
    let catalogue = &mut world.catalogue;
    let mut ask = |max| {
        let request = list("", None, max);
        match catalogue.execute(world.now, 2, &world.settings, &world.caller, &request, None) {
            crate::catalogue::Verdict::Done { reply, .. } => listed(reply.unwrap()),
            other => panic!("{other:?}"),
        }
    };
    let (all, token) = ask(None);
    assert_eq!((all.len(), token), (1_000, None));
    let (page, token) = ask(Some(1_000));
    assert!(page.len() == 1_000 && token.is_some());
}

#[test]
fn a_token_is_good_for_its_own_list() {
    let mut world = World::with(&["qa", "qb", "dead"]);
    for source in ["qa", "qb"] {
        world.ok(&set(source, &[("RedrivePolicy", &redrive_to(DEAD))]));
    }
    let token = listed(world.ok(&list("q", None, Some(1)))).1.unwrap();
    let of_sources = listed(world.ok(&sources("dead", None, Some(1)))).1.unwrap();
    assert_eq!(listed(world.ok(&sources("dead", Some(&of_sources), Some(1)))), (texts(&["qb"]), None));
    let wrong = [
        list("", Some(&token), Some(1)),
        list("q", Some(&of_sources), Some(1)),
        list("q", Some("nonsense"), Some(1)),
        list("q", Some(&token[1..]), Some(1)),
        list("q", Some("\u{e9}"), None),
        sources("dead", Some(&token), Some(1)),
        sources("qa", Some(&of_sources), Some(1)),
    ];
    for request in wrong {
        let error = world.run(&request).unwrap_err();
        assert_eq!(error.code, Code::InvalidParameterValue, "{request:?}");
        assert_eq!(error.message, "Invalid or expired next token.");
    }
}

#[test]
fn the_lists_answer_their_errors_in_order() {
    let mut world = World::with(&["q"]);
    let wrong = Code::InvalidParameterValue;
    in_order(
        &mut world,
        &[
            (list("", Some("x"), Some(0)), wrong, "MaxResults"),
            (list("", Some("x"), Some(1_001)), wrong, "MaxResults"),
            (list("", Some("x"), Some(1)), wrong, "next token"),
            (sources("none", Some("x"), Some(0)), Code::QueueDoesNotExist, ""),
            (sources("q", Some("x"), Some(-1)), wrong, "MaxResults"),
            (sources("q", Some("x"), Some(1_000)), wrong, "next token"),
            (Request::ListQueueTags { queue_url: "none".into() }, Code::QueueDoesNotExist, ""),
            (delete("none"), Code::QueueDoesNotExist, ""),
            (url_of("no ne"), wrong, "Can only include"),
            (url_of("none"), Code::QueueDoesNotExist, ""),
        ],
    );
}

#[test]
fn sources_follow_policies() {
    let mut world = World::with(&["a", "b", "dead", "other"]);
    let to_dead = redrive_to(DEAD);
    for source in ["b", "a", "dead"] {
        world.ok(&set(source, &[("RedrivePolicy", &to_dead)]));
    }
    assert_eq!(listed(world.ok(&sources("dead", None, None))).0, ["a", "b", "dead"]);
    world.ok(&set("a", &[("RedrivePolicy", "")]));
    world.ok(&set("dead", &[("RedrivePolicy", &redrive_to(&DEAD.replace("dead", "other")))]));
    assert_eq!(listed(world.ok(&sources("dead", None, None))).0, ["b"]);
    assert_eq!(listed(world.ok(&sources("other", None, None))).0, ["dead"]);
    world.ok(&delete("b"));
    assert_eq!(listed(world.ok(&sources("dead", None, None))).0.len(), 0);
}

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

#[test]
#[should_panic(expected = "PurgeQueue is decided in the queue's slot")]
fn a_slot_s_request_is_not_the_catalogue_s() {
    let mut world = World::with(&["q"]);
    let _ = world.run(&Request::PurgeQueue { queue_url: "q".into() });
}
