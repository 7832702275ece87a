use super::world::{ACCOUNT, REGION, World, create, delete, pairs, set, url_of};
use super::*;
use crate::errors::Code;
use crate::request::Pairs;

fn name(name: &str) -> QueueName {
    QueueName { account: ACCOUNT.into(), region: REGION.into(), name: name.into() }
}

#[test]
fn a_queue_is_made_in_its_slot_first_and_named_second() {
    let mut world = World::new();
    let request = create("jobs", &[("DelaySeconds", "007")]);
    let Verdict::First { row, .. } = world.step(&request, None) else { panic!("named at once") };
    assert_eq!(world.catalogue.len(), 0);
    assert_eq!(row.attributes, pairs(&[("DelaySeconds", "7")]));
    assert_eq!((row.created, row.modified, row.version), (world.now, world.now, 1));
    let row = world.install(*row);
    let Verdict::Done { reply, records, .. } = world.step(&request, Some(&row)) else { panic!() };
    assert_eq!(reply, Ok(Reply::CreateQueue { queue: name("jobs") }));
    assert_eq!(records, [named_row(row.clone())]);
    assert_eq!(world.catalogue.by_id(row.id).map(|(row, _)| row.name.clone()), Some(name("jobs")));
}

#[test]
fn tags_given_at_creation_are_the_catalogue_s_alone() {
    let mut world = World::new();
    let tags = pairs(&[("team", "blue")]);
    world.ok(&Request::CreateQueue {
        queue_name: "jobs".into(),
        attributes: Pairs::new(),
        tags: tags.clone(),
    });
    assert_eq!(world.row("jobs").tags, tags);
    assert_eq!(world.slots[&world.row("jobs").id].tags, Pairs::new());
}

#[test]
fn two_creates_at_once_make_one_queue() {
    let mut world = World::new();
    let request = create("jobs", &[("DelaySeconds", "7")]);
    let Verdict::First { row: one, .. } = world.step(&request, None) else { panic!() };
    let Verdict::First { row: two, .. } = world.step(&request, None) else { panic!() };
    assert_ne!(one.id, two.id);
    let (one, two) = (world.install(*one), world.install(*two));
    let Verdict::Done { reply: Ok(_), .. } = world.step(&request, Some(&two)) else { panic!() };
    let named_at = world.lsn;
    let Verdict::Done { reply, records, then, rests } = world.step(&request, Some(&one)) else { panic!() };
    assert_eq!(reply, Ok(Reply::CreateQueue { queue: name("jobs") }));
    assert_eq!((records, then, rests), (Vec::new(), vec![Internal::Remove(one.id)], named_at));
    assert_eq!(world.row("jobs").id, two.id);
}

#[test]
fn a_create_that_comes_second_with_another_value_fails_and_leaves_nothing() {
    let mut world = World::new();
    let (a, b) = (create("jobs", &[("DelaySeconds", "7")]), create("jobs", &[("DelaySeconds", "8")]));
    let Verdict::First { row, .. } = world.step(&a, None) else { panic!() };
    let row = world.install(*row);
    world.ok(&b);
    let Verdict::Done { reply, then, .. } = world.step(&a, Some(&row)) else { panic!() };
    assert_eq!(reply.unwrap_err().code, Code::QueueNameExists);
    assert_eq!(then, [Internal::Remove(row.id)]);
    assert_eq!(world.slots.len(), 1);
}

#[test]
fn a_queue_made_while_its_name_was_used_and_left_again_is_not_named() {
    let mut world = World::new();
    let request = create("jobs", &[]);
    let Verdict::First { row, .. } = world.step(&request, None) else { panic!() };
    let row = world.install(*row);
    world.ok(&request);
    world.ok(&delete("jobs"));
    let Verdict::Done { reply, then, .. } = world.step(&request, Some(&row)) else { panic!() };
    assert_eq!(reply.unwrap_err().code, Code::QueueDeletedRecently);
    assert_eq!(then, [Internal::Remove(row.id)]);
}

#[test]
fn numbers_rise_and_never_come_again() {
    let mut world = World::new();
    let mut last = QueueId(0);
    for round in 0..50 {
        let queue = format!("q{round}");
        world.ok(&create(&queue, &[]));
        let id = world.row(&queue).id;
        assert!(id > last, "{id:?} after {last:?}");
        last = id;
        match round % 4 {
            0 => world.now += 1,
            1 => drop(world.ok(&delete(&queue))),
            2 => {
                world.ok(&delete(&queue));
                world.restart();
            }
            _ => {}
        }
    }
}

#[test]
fn a_number_that_never_got_a_name_is_not_given_again() {
    let mut world = World::new();
    let Verdict::First { row: lost, .. } = world.step(&create("jobs", &[]), None) else { panic!() };
    let Verdict::First { row: next, .. } = world.step(&create("jobs", &[]), None) else { panic!() };
    assert!(next.id > lost.id);
}

#[test]
fn a_deleted_name_rests_for_a_minute_unless_switched_off() {
    let mut world = World::with(&["jobs"]);
    world.ok(&delete("jobs"));
    assert_eq!(world.code(&create("jobs", &[])), Some(Code::QueueDeletedRecently));
    assert_eq!(world.rests, 3, "the answer rests on the deletion");
    assert_eq!(world.code(&url_of("jobs")), Some(Code::QueueDoesNotExist));
    assert_eq!(world.code(&delete("jobs")), Some(Code::QueueDoesNotExist));
    world.now += 59_999;
    let wait =
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
    assert_eq!(world.text(&create("jobs", &[])), wait);
    world.now += 1;
    world.ok(&create("jobs", &[]));
    world.ok(&delete("jobs"));
    world.settings.rest_after_delete_or_purge = false;
    world.ok(&create("jobs", &[]));
}

#[test]
fn a_restart_remembers_which_names_rest() {
    let mut world = World::with(&["jobs"]);
    world.ok(&delete("jobs"));
    world.restart();
    assert_eq!(world.code(&create("jobs", &[])), Some(Code::QueueDeletedRecently));
}

#[test]
fn rows_of_rested_names_are_swept() {
    let mut world = World::new();
    for n in 0..20 {
        world.ok(&create(&format!("q{n}"), &[]));
        world.ok(&delete(&format!("q{n}")));
    }
    assert_eq!(world.rows.len(), 20);
    world.now += 60_000;
    for n in 0..5 {
        world.ok(&create(&format!("new{n}"), &[]));
    }
    assert_eq!(world.rows.len(), 5);
    assert_eq!(world.code(&url_of("q3")), Some(Code::QueueDoesNotExist));
    assert_eq!(world.rests, world.lsn - 1, "what is absent rests on the last row that was removed");
}

#[test]
fn answers_rest_on_what_they_read() {
    let mut world = World::with(&["a", "b"]);
    world.ok(&url_of("a"));
    assert_eq!(world.rests, 2);
    world.ok(&url_of("b"));
    assert_eq!(world.rests, 4);
    assert_eq!(world.code(&url_of("c")), Some(Code::QueueDoesNotExist));
    assert_eq!(world.rests, 0, "nothing was ever removed");
    world.ok(&delete("a"));
    let removed = world.lsn;
    world.ok(&set("b", &[("DelaySeconds", "1")]));
    let changed = world.lsn;
    assert_eq!(world.code(&url_of("c")), Some(Code::QueueDoesNotExist));
    assert_eq!(world.rests, removed);
    world.ok(&Request::ListQueues { queue_name_prefix: None, next_token: None, max_results: None });
    assert_eq!(world.rests, changed);
    assert_eq!(world.code(&create("b", &[("DelaySeconds", "2")])), Some(Code::QueueNameExists));
    assert_eq!(world.rests, changed);
}

#[test]
fn a_queue_url_has_many_forms() {
    let mut world = World::with(&["jobs", "orders.fifo"]);
    world.caller.account = "123456789012".into();
    world.ok(&create("jobs", &[]));
    let theirs = world.row("jobs").id;
    world.caller.account = ACCOUNT.into();
    let mine = world.row("jobs").id;
    assert_ne!(mine, theirs);
    let resolve = |url: &str| world.catalogue.resolve(&world.caller, url).map(|(row, _)| row.id).ok();
    for url in [
        "http://127.0.0.1:9324/000000000000/jobs",
        "https://sqs.us-east-1.amazonaws.com/000000000000/jobs",
        "https://sqs.eu-west-3.amazonaws.com/000000000000/jobs/",
        "http://localhost/proxied/000000000000/jobs",
        "http://localhost/queue/jobs",
        "http://localhost/jobs",
        "localhost:9324/queue/jobs",
        "/000000000000/jobs",
        "/queue/jobs",
        "queue/jobs",
        "/jobs",
        "jobs",
        "jobs?Action=SendMessage",
    ] {
        assert_eq!(resolve(url), Some(mine), "{url}");
    }
    for url in ["http://h/123456789012/jobs", "/123456789012/jobs", "123456789012/jobs"] {
        assert_eq!(resolve(url), Some(theirs), "{url}");
    }
    assert!(resolve("http://h/000000000000/orders.fifo").is_some());
    for url in [
        "",
        "/",
        "//",
        "http://",
        "https:///",
        "http://jobs",
        "ftp://h/000000000000/jobs",
        "http://h/00000000000/jobs",
        "http://h/000000000000/Jobs",
        "http://h/000000000000/jobs/more",
        "http://h/000000000000/",
        "orders",
        "\u{0}\u{ffff}/\u{1f980}",
        "arn:aws:sqs:us-east-1:000000000000:jobs",
        "://://",
        "?",
        "jobs%2f",
    ] {
        assert_eq!(resolve(url), None, "{url}");
    }
}

#[test]
fn account_and_region_are_namespaces() {
    let mut world = World::with(&["jobs"]);
    world.caller.region = "eu-west-1".into();
    assert_eq!(world.code(&url_of("jobs")), Some(Code::QueueDoesNotExist));
    world.ok(&create("jobs", &[("DelaySeconds", "5")]));
    assert_eq!(world.row("jobs").name.arn(), "arn:aws:sqs:eu-west-1:000000000000:jobs");
    let owned_by = |account: &str| Request::GetQueueUrl {
        queue_name: "jobs".into(),
        queue_owner_aws_account_id: Some(account.into()),
    };
    world.caller.account = "111111111111".into();
    assert_eq!(world.code(&url_of("jobs")), Some(Code::QueueDoesNotExist));
    let reply = world.ok(&owned_by(ACCOUNT));
    let queue = QueueName { region: "eu-west-1".into(), ..name("jobs") };
    assert_eq!(reply, Reply::GetQueueUrl { queue });
    assert_eq!(world.code(&owned_by("222222222222")), Some(Code::QueueDoesNotExist));
}

#[test]
fn records_of_other_rows_are_passed_over() {
    let mut catalogue = Catalogue::default();
    catalogue.apply(&Record::Drop(QueueId(1)), 5);
    catalogue.apply(&Record::Put(Row::Queue(QueueId(1), QueueRow::default())), 6);
    assert_eq!((catalogue.small_rows(), catalogue.last_change()), (Vec::new(), 0));
}
