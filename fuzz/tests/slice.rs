//! A few seconds of every target, and targets that must fail.

use engine::Secret;
use engine::handle::Handle;
use fuzz::campaign::{Summary, Until, catch_panics, execute, input, run};
use fuzz::{TARGETS, Target, content, files, named, names, records};

const SEED: u64 = 20_261_123;

/// How many inputs a target gets here.
fn executions(target: &Target) -> u64 {
    match target.name {
        "operations" => 12,
        "directory" => 1_500,
        _ => 10_000,
    }
}

fn slice(name: &str) {
    catch_panics();
    let target = named(name).expect("a target");
    let summary = run(target, SEED, Until::Executions(executions(target)));
    for found in &summary.found {
        println!("{name}, input {}: {}\n{:?}", found.number, found.why, found.data);
    }
    assert_eq!((summary.executions, summary.failed), (executions(target), 0), "{name}");
    // Neither is everything refused, so that properties of what is decoded are checked, nor everything taken.
    assert!(summary.accepted * 20 > summary.executions, "{name}: {} accepted", summary.accepted);
}

macro_rules! slices {
    ($($name:ident)*) => {
        $(#[test] fn $name() { slice(stringify!($name)); })*

        #[test]
        fn no_target_is_left_out() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

slices! {
    wire_json wire_query authorization receipt_handle task_handle queue_url arn next_token attributes policy
    redrive content records segment manifest row_file bitmap journal_group directory settings operations
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    for target in TARGETS {
        for number in 0..20 {
            assert_eq!(input(target, 5, number), input(target, 5, number), "{}", target.name);
        }
        assert!(
            (0..20).any(|number| input(target, 5, number) != input(target, 6, number)),
            "{}",
            target.name
        );
    }
}

/// A decoder with a fault in it, fuzzed with the inputs of the sound one: within 10 000 it is found.
fn is_found(name: &str, broken: fn(&[u8])) -> Summary {
    catch_panics();
    let target = Target { run: broken, ..*named(name).expect("a target") };
    let summary = run(&target, SEED, Until::Executions(10_000));
    assert!(summary.failed > 0, "{name}: the fault was not found");
    for found in &summary.found {
        assert!(execute(&target, &found.data).is_err(), "{name}: made smaller, it does not fail any more");
    }
    summary
}

#[test]
fn a_handle_that_is_not_authenticated_is_found() {
    is_found("receipt_handle", |data| {
        names::receipt_handle_by(data, |secret: &Secret, text| {
            use base64::Engine as _;
            let bytes = base64::prelude::BASE64_STANDARD.decode(text).unwrap_or_default();
            let Some(words) = bytes.get(1..41).filter(|_| bytes.len() == 57) else {
                return Handle::decode(secret, text);
            };
            let word = |at: usize| words[at * 8..][..8].try_into().map(u64::from_le_bytes).unwrap_or(0);
            let key =
                engine::MessageKey { queue: engine::QueueId(word(0)), rank: word(1), sequence: word(2) };
            Ok(Handle { key, received: word(3), nonce: word(4) })
        });
    });
}

#[test]
fn a_manifest_read_without_its_checksum_is_found() {
    is_found("manifest", |data| {
        files::manifest_by(data, |bytes| {
            let mut bytes = bytes.to_vec();
            if bytes.len() > 24 {
                let sum = store::codec::checksum(&[&bytes[..16], &bytes[24..]].concat());
                bytes[16..24].copy_from_slice(&sum.to_le_bytes());
            }
            store::log::manifest::Manifest::decode(&bytes)
        });
    });
}

#[test]
fn content_read_without_an_attribute_or_its_end_is_found() {
    is_found("content", |data| {
        content::content_by(data, |bytes| {
            let mut opened = node::content::Opened::decode(bytes)?;
            if opened.attributes.len() > 2 {
                opened.attributes.pop_first();
            }
            Some(opened)
        });
    });
    is_found("content", |data| {
        content::content_by(data, |bytes| {
            let shorter = bytes.strip_suffix(b"\0").unwrap_or(bytes);
            node::content::Opened::decode(bytes)
                .or_else(|| node::content::Opened::decode(&shorter.to_vec().into()))
        });
    });
}

#[test]
fn a_record_with_a_number_cut_to_32_bits_is_found() {
    is_found("records", |data| {
        records::records_by(data, |reader| {
            let mut logged = reader.record()?;
            if let engine::Record::Put(engine::Row::Head(_, head)) = &mut logged.record {
                head.next_sequence &= 0xffff_ffff;
            }
            Ok(logged)
        });
    });
}

#[test]
fn memory_by_a_length_in_the_input_is_found() {
    let summary = is_found("records", |data| {
        let length = data.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        std::hint::black_box(Vec::<u8>::with_capacity(length as usize));
    });
    assert!(summary.found.iter().any(|found| found.why.contains("bytes of memory")), "{:?}", summary.found);
}

#[test]
fn a_panic_deep_in_one_action_is_found() {
    is_found("wire_json", |data| {
        let Some((action, body)) = data.split_first() else { return };
        let action = engine::Action::ALL[usize::from(*action) % 23];
        let target = format!("AmazonSQS.{}", action.row().name);
        let head = wire::Head { method: "POST", path: "/", target: Some(&target), ..wire::Head::default() };
        if let Ok(decoded) = wire::decode(&head, body)
            && let engine::Request::SendMessageBatch { entries, .. } = decoded.request
        {
            assert!(!entries.iter().any(|entry| entry.message.delay_seconds == Some(i64::MIN)), "planted");
        }
    });
}
