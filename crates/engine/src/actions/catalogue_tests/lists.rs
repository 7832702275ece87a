//! The two lists of queues.

use super::*;

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
