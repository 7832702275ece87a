//! From settings to a running node: the store on disk or in memory, recovered.

use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use disk::LocalDisk;
use engine::{Millis, Secret};
use node::sealer::PlainSealer;
use node::{Node, NodeConfig};
use store::log::{LogStore, Report};
use store::memory::MemoryStore;
use store::{Store, Survivors};

use crate::door::Door;
use crate::random::{self, Source};
use crate::real::Real;
use crate::server::fatal;
use crate::settings::Settings;
use crate::{clock, log};

/// Opens the store and puts a node behind a door. Blocks while the store is read.
pub fn open(settings: &Settings) -> Result<Arc<Door>, String> {
    let fresh = secret().map_err(|error| format!("The system gives no randomness: {error}."))?;
    if settings.in_memory {
        return door(settings, MemoryStore::new(), Vec::new(), fresh, clock::now());
    }
    let began = clock::instant();
    // The disk's threads wake the door, which holds the node, which holds the disk: the door comes last.
    let late = Arc::new(OnceLock::<Weak<Door>>::new());
    let waker = late.clone();
    let options = disk::Options {
        waker: Arc::new(move || {
            if let Some(door) = waker.get().and_then(Weak::upgrade) {
                door.completed();
            }
        }),
        ..disk::Options::default()
    };
    let disk = LocalDisk::open(&settings.data, options).map_err(|error| sentence(&error))?;
    refuse_half_filled(&settings.data)?;
    let direct = disk.is_direct();
    let opened =
        LogStore::open(disk, store::log::Options::default(), fresh).map_err(|error| sentence(&error))?;
    let now = clock::at_least(opened.now + 1);
    let door = door(settings, opened.store, opened.rows, opened.secret, now)?;
    tell(&opened.report, direct, began.elapsed());
    let _ = late.set(Arc::downgrade(&door));
    Ok(door)
}

/// Stands in a directory while `sluice store import` fills it.
pub const IMPORTING: &str = "importing";

/// A directory that holds a part of an export is not served: what is missing would be missing silently.
pub fn refuse_half_filled(data: &Path) -> Result<(), String> {
    match data.join(IMPORTING).exists() {
        true => Err(format!(
            "An import into {} did not come to its end: empty the directory, and import again.",
            data.display()
        )),
        false => Ok(()),
    }
}

fn sentence(error: &dyn std::fmt::Display) -> String {
    format!("The data directory cannot be opened: {error}.")
}

fn secret() -> std::io::Result<Secret> {
    let mut bytes = [0; 16];
    random::system(&mut bytes)?;
    Ok(Secret(bytes))
}

fn door<S: Store + Send + 'static>(
    settings: &Settings,
    store: S,
    rows: impl Into<Survivors>,
    secret: Secret,
    now: Millis,
) -> Result<Arc<Door>, String> {
    let engine = engine::command::Settings {
        default_maximum_message_size: settings.default_maximum_message_size,
        rest_after_delete_or_purge: !settings.no_rest_periods,
        queues: settings.limit_queues,
        ..engine::command::Settings::default()
    };
    let config = NodeConfig { slots: settings.slots, settings: engine, secret };
    let node = Node::open(store, rows, config, Box::new(PlainSealer), now);
    let random = Source::new().map_err(|error| format!("The system gives no randomness: {error}."))?;
    Ok(Door::new(Box::new(Real::new(node, random)), fatal))
}

fn tell(report: &Report, direct: bool, took: Duration) {
    let millis = took.as_millis();
    let removed = report.removed.len();
    let fields: [(&str, &dyn std::fmt::Display); 10] = [
        ("new", &report.created),
        ("millis", &millis),
        ("start", &report.generation),
        ("batches", &report.batches),
        ("records", &report.records),
        ("journal_bytes", &report.journal_bytes),
        ("checkpoint_records", &report.checkpoint_records),
        ("segments", &report.segments),
        ("removed_files", &removed),
        ("o_direct", &direct),
    ];
    log::info("opened the data directory", &fields);
    if let Some(cut) = &report.cut {
        let fields: [(&str, &dyn std::fmt::Display); 4] =
            [("file", &cut.file), ("offset", &cut.offset), ("bytes", &cut.bytes), ("kept_as", &cut.kept_as)];
        log::warn("a torn write at the journal's end, never acknowledged, was set aside", &fields);
    }
}
