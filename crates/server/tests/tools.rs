//! `sluice store`: check, repair, export and import, by the built program.

#![allow(missing_docs, reason = "tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Client, Sluice};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Exit code, standard output, standard error.
fn store(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    // The variable must not discard anything.
    command.arg("store").args(arguments).env("SLUICE_DISCARD_DAMAGED", "true");
    let output = command.output().expect("ran");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn send(client: &mut Client, url: &str, body: &str) {
    client.call("SendMessage", json!({ "QueueUrl": url, "MessageBody": body }));
}

fn receive(client: &mut Client, url: &str) -> Vec<Value> {
    let request = json!({
        "QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600,
        "AttributeNames": ["All"],
    });
    client.call("ReceiveMessage", request)["Messages"].as_array().cloned().unwrap_or_default()
}

fn drain(client: &mut Client, url: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    loop {
        let messages = receive(client, url);
        if messages.is_empty() {
            return found;
        }
        for message in messages {
            assert!(found.insert(message["Body"].as_str().expect("a body").to_owned()), "twice: {message}");
        }
    }
}

/// What is to be found again.
struct Filled {
    plain: String,
    fifo: String,
    /// Received, and a little later deleted by its old handle.
    handle: String,
    /// Body to MessageId.
    ids: BTreeMap<String, String>,
}

fn fill(client: &mut Client) -> Filled {
    let plain = client.queue("plain");
    let attributes = json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" });
    let request = json!({ "QueueName": "in-order.fifo", "Attributes": attributes });
    let fifo = client.call("CreateQueue", request)["QueueUrl"].as_str().expect("a URL").to_owned();
    client.call("TagQueue", json!({ "QueueUrl": plain, "Tags": { "team": "coffee" } }));
    let mut ids = BTreeMap::new();
    for i in 0..50 {
        let body = format!("message {i}");
        let request = json!({ "QueueUrl": plain, "MessageBody": body });
        let reply = client.call("SendMessage", request);
        ids.insert(body, reply["MessageId"].as_str().expect("an id").to_owned());
    }
    let request = json!({ "QueueUrl": plain, "VisibilityTimeout": 600 });
    let message = client.call("ReceiveMessage", request)["Messages"][0].clone();
    assert_eq!(message["Body"], "message 0");
    let handle = message["ReceiptHandle"].as_str().expect("a handle").to_owned();
    // A receive from a standard queue is answered before it is durable. The sends behind it are not, and what they
    // rest on holds the receive as well: a kill after them does not forget it.
    for i in 0..10 {
        let group = json!({ "QueueUrl": fifo, "MessageBody": format!("step {i}"), "MessageGroupId": "one" });
        client.call("SendMessage", group);
    }
    Filled { plain, fifo, handle, ids }
}

fn expect_all(data: &Path, filled: &Filled) {
    let sluice = Sluice::on(data);
    let mut client = sluice.connect();
    // The URL has the port of then; its path is what counts.
    let Filled { plain, fifo, handle, ids } = filled;
    let tags = client.call("ListQueueTags", json!({ "QueueUrl": plain }));
    assert_eq!(tags["Tags"]["team"], "coffee", "{tags}");
    let attributes = json!({ "QueueUrl": plain, "AttributeNames": ["All"] });
    let attributes = client.call("GetQueueAttributes", attributes)["Attributes"].clone();
    assert_eq!(attributes["ApproximateNumberOfMessages"], "49", "{attributes}");
    assert_eq!(attributes["ApproximateNumberOfMessagesNotVisible"], "1", "{attributes}");
    client.call("DeleteMessage", json!({ "QueueUrl": plain, "ReceiptHandle": handle }));
    let mut found = BTreeMap::new();
    for _ in 0..6 {
        for message in receive(&mut client, plain) {
            let text = |name: &str| message[name].as_str().expect("text").to_owned();
            found.insert(text("Body"), text("MessageId"));
        }
    }
    let mut expected = ids.clone();
    expected.remove("message 0");
    assert_eq!(found, expected);
    // A duplicate of a message from before is one still.
    let again = json!({ "QueueUrl": fifo, "MessageBody": "step 3", "MessageGroupId": "one" });
    client.call("SendMessage", again);
    let steps: Vec<Value> = receive(&mut client, fifo).into_iter().map(|one| one["Body"].clone()).collect();
    assert_eq!(steps, (0..10).map(|i| json!(format!("step {i}"))).collect::<Vec<_>>());
    assert_eq!(sluice.end_with(Signal::TERM).code(), Some(0));
}

#[test]
fn a_stopped_store_is_exported_and_imported() {
    let directory = tempfile::tempdir().expect("a directory");
    let (data, copy, file) =
        (directory.path().join("data"), directory.path().join("copy"), directory.path().join("export"));
    let sluice = Sluice::on(&data);
    let filled = fill(&mut sluice.connect());
    sluice.kill();
    let export = ["export", "--data", text(&data), "--to", text(&file)];
    assert_eq!(store(&export), (Some(0), String::new(), "exported 60 messages\n".into()));
    let (code, _, words) = store(&export);
    assert_eq!(code, Some(3), "an export is not overwritten");
    assert!(words.contains("exists"), "{words}");
    let import = ["import", "--from", text(&file), "--data", text(&copy)];
    assert_eq!(store(&import).0, Some(0));
    let (code, _, words) = store(&import);
    assert_eq!(code, Some(3));
    assert!(words.contains("is not empty"), "{words}");
    let sound = store(&["check", "--data", text(&copy)]);
    assert_eq!(sound.0, Some(0), "{sound:?}");
    expect_all(&copy, &filled);
    expect_all(&data, &filled);
}

#[test]
fn a_running_store_is_exported_as_of_one_moment() {
    let directory = tempfile::tempdir().expect("a directory");
    let (data, copy, file) =
        (directory.path().join("data"), directory.path().join("copy"), directory.path().join("export"));
    let sluice = Sluice::on(&data);
    let filled = fill(&mut sluice.connect());
    let url = sluice.connect().queue("busy");
    for i in 0..100 {
        send(&mut sluice.connect(), &url, &format!("before {i}"));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (mut client, busy, stopped) = (sluice.connect(), url.clone(), stop.clone());
    let sender = thread::spawn(move || {
        let mut sent = 0;
        while !stopped.load(Ordering::Relaxed) {
            send(&mut client, &busy, &format!("meanwhile {sent}"));
            sent += 1;
        }
        sent
    });
    let (code, out, words) = store(&["export", "--data", text(&data), "--to", text(&file)]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{words}");
    stop.store(true, Ordering::Relaxed);
    let sent = sender.join().expect("no panic");
    let all = drain(&mut sluice.connect(), &url);
    assert_eq!(all.len(), 100 + sent, "the server went on");
    // Standard output serves as well.
    let piped = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["store", "export", "--to", "-", "--data", text(&data)])
        .output()
        .expect("ran");
    assert!(piped.status.success() && piped.stdout.len() > 10_000);
    assert_eq!(sluice.end_with(Signal::TERM).code(), Some(0));
    assert!(!data.join("control").exists(), "a stop takes the socket away");
    let import = ["import", "--from", text(&file), "--data", text(&copy)];
    assert_eq!(store(&import).0, Some(0));
    let sluice = Sluice::on(&copy);
    let found = drain(&mut sluice.connect(), &url);
    assert!(found.len() >= 100 && found.is_subset(&all), "{} of {}", found.len(), all.len());
    let prefix: BTreeSet<String> = (0..found.len() - 100).map(|i| format!("meanwhile {i}")).collect();
    assert!(prefix.is_subset(&found), "a prefix of what was sent meanwhile");
    sluice.kill();
    expect_all(&copy, &filled);
}

#[test]
fn an_import_that_did_not_end_is_not_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let (data, file) = (directory.path().join("data"), directory.path().join("export"));
    let sluice = Sluice::on(&data);
    let filled = fill(&mut sluice.connect());
    sluice.kill();
    assert_eq!(store(&["export", "--data", text(&data), "--to", text(&file)]).0, Some(0));
    let copy = directory.path().join("copy");
    let import = ["import", "--from", text(&file), "--data", text(&copy)];
    let whole = fs::read(&file).expect("read");
    fs::write(&file, &whole[..whole.len() - 1]).expect("written");
    let (code, _, words) = store(&import);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("damaged at byte") && !copy.exists(), "{words}");
    fs::write(&file, &whole).expect("written");
    assert_eq!(store(&import).0, Some(0));
    // As it is while an import goes on.
    fs::write(copy.join("importing"), "").expect("written");
    let output = common::command(&["--data", text(&copy)]).output().expect("ran");
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("did not come to its end"), "{words}");
    for arguments in [&["check", "--data", text(&copy)][..], &["export", "--to", "-", "--data", text(&copy)]]
    {
        assert_eq!(store(arguments).0, Some(3), "{arguments:?}");
    }
    fs::remove_file(copy.join("importing")).expect("removed");
    expect_all(&copy, &filled);
}

/// A bit of the journal's first group, which is sealed.
fn damage(data: &Path) -> PathBuf {
    let names = fs::read_dir(data).expect("listed").map(|entry| entry.expect("an entry").path());
    let journal = names.filter(|path| text(path).contains("journal-")).min().expect("a journal");
    let file = fs::File::options().read(true).write(true).open(&journal).expect("opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 4096 + 100).expect("read");
    file.write_all_at(&[byte[0] ^ 1], 4096 + 100).expect("written");
    journal
}

#[test]
fn damage_is_found_and_given_up_only_when_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let sluice = Sluice::on(&data);
    fill(&mut sluice.connect());
    for arguments in [&["check"][..], &["repair"], &["repair", "--discard-damaged"]] {
        let (code, _, words) = store(&[arguments, &["--data", text(&data)]].concat());
        assert_eq!(code, Some(3), "{arguments:?}");
        assert!(words.contains("in use by another process"), "{words}");
    }
    assert_eq!(sluice.end_with(Signal::TERM).code(), Some(0));
    let (code, out, _) = store(&["check", "--data", text(&data)]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("sound: "), "{out}");
    let journal = damage(&data);
    let before = fs::read(&journal).expect("read");
    let (code, out, _) = store(&["check", "--data", text(&data)]);
    assert_eq!(code, Some(1));
    assert!(out.starts_with("damaged: journal-") && out.contains("at byte 4096"), "{out}");
    let (code, out, _) = store(&["repair", "--data", text(&data)]);
    assert_eq!(code, Some(1));
    assert!(out.contains("Nothing was changed") && out.contains("--discard-damaged"), "{out}");
    assert_eq!(fs::read(&journal).expect("read"), before);
    let (code, out, words) = store(&["repair", "--discard-damaged", "--data", text(&data)]);
    assert_eq!(code, Some(0), "{out}{words}");
    assert!(out.contains("given up: the journal from batch") && out.contains("kept aside: cut-"), "{out}");
    assert_eq!(store(&["check", "--data", text(&data)]).0, Some(0));
    Sluice::on(&data).kill();
}

#[test]
fn a_wrong_command_line_is_told_from_a_failure() {
    let directory = tempfile::tempdir().expect("a directory");
    let nowhere = directory.path().join("nowhere");
    for (arguments, code, words) in [
        (&[][..], 2, "There is no command store"),
        (&["polish"], 2, "There is no command store \"polish\""),
        (&["check", "--to", "x"], 2, "There is no flag --to"),
        (&["export", "--data", "x"], 2, "must be a file"),
        (&["check", "--data", text(&nowhere)], 3, "is no directory"),
        (&["check", "--data", text(directory.path())], 3, "holds no store"),
        (&["import", "--data", text(&nowhere), "--from", text(&nowhere)], 3, "No such file"),
    ] {
        let (end, _, said) = store(arguments);
        assert_eq!(end, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{said}");
    }
    assert!(!nowhere.exists(), "nothing is made by looking");
}
