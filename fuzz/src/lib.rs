//! Fuzzing of every decoder, and of sequences of operations against the model.
//!
//! A target is a plain function over bytes that panics where a property does not hold. The table of [`TARGETS`]
//! is read by this package's program and tests, which run on stable Rust, and by the wrappers for cargo-fuzz in
//! `cargo-fuzz/`. README.md says how to run each.

pub mod attributes;
pub mod campaign;
pub mod content;
pub mod dice;
pub mod directory;
pub mod disk;
pub mod draw;
pub mod files;
pub mod identity;
pub mod memory;
pub mod mutate;
pub mod names;
pub mod operations;
pub mod records;
pub mod requests;
pub mod settings;
pub mod speak;

use std::borrow::Cow;
use std::cell::Cell;

use dice::Dice;

#[global_allocator]
static ALLOCATOR: memory::Watched = memory::Watched;

/// Something to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// On the command line.
    pub name: &'static str,
    /// Panics where a property does not hold of this input.
    pub run: fn(&[u8]),
    /// Makes a valid input, with the encoders the server itself has where there are any.
    pub seed: fn(&mut Dice) -> Vec<u8>,
    /// What the decoder looks for in its input.
    pub words: &'static [&'static str],
}

const fn target(
    name: &'static str,
    run: fn(&[u8]),
    seed: fn(&mut Dice) -> Vec<u8>,
    words: &'static [&'static str],
) -> Target {
    Target { name, run, seed, words }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("wire_json", requests::json, requests::seed_json, requests::WORDS),
    target("wire_query", requests::query, requests::seed_query, requests::WORDS),
    target("authorization", identity::authorization, identity::seed, identity::WORDS),
    target("receipt_handle", names::receipt_handle, names::seed_receipt_handle, &[]),
    target("task_handle", names::task_handle, names::seed_task_handle, &[]),
    target("queue_url", names::queue_url, names::seed_queue_url, names::WORDS),
    target("arn", names::arn, names::seed_arn, names::WORDS),
    target("next_token", names::next_token, names::seed_next_token, names::WORDS),
    target("attributes", attributes::attributes, attributes::seed_attributes, attributes::WORDS),
    target("policy", attributes::policy, attributes::seed_policy, attributes::WORDS),
    target("redrive", attributes::redrive, attributes::seed_redrive, attributes::WORDS),
    target("content", content::content, content::seed, &[]),
    target("records", records::records, records::seed_records, &[]),
    target("segment", records::segment, records::seed_segment, &[]),
    target("manifest", files::manifest, files::seed_manifest, &[]),
    target("row_file", files::row_file, files::seed_row_file, &[]),
    target("bitmap", files::bitmap, files::seed_bitmap, &[]),
    target("journal_group", files::group, files::seed_group, &[]),
    target("directory", directory::directory, directory::seed, &[]),
    target("settings", settings::settings, settings::seed, settings::WORDS),
    target("operations", operations::operations, operations::seed, &[]),
];

/// The target of this name.
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Carries an input out, for cargo-fuzz; the target must exist.
pub fn run(name: &str, data: &[u8]) {
    match named(name) {
        Some(target) => (target.run)(data),
        None => panic!("there is no target {name}"),
    }
}

thread_local! {
    static ACCEPTED: Cell<u64> = const { Cell::new(0) };
}

/// A decoder took an input: without this no property of what it decodes to was checked.
pub fn accepted() {
    ACCEPTED.set(ACCEPTED.get() + 1);
}

/// How often a decoder of this thread took an input since this was last asked.
pub fn take_accepted() -> u64 {
    ACCEPTED.take()
}

fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
