//! `sluice store`: looking at a data directory, repairing it, and moving what is in it.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use disk::LocalDisk;
use engine::Secret;
use store::Store as _;
use store::disk::{Disk as _, FileKind, Op, Output};
use store::export::{ImportError, Origin, export, import};
use store::log::{Checked, LogStore, Lost, Options, Repaired, check, repair};

use crate::flags::{self, Setting, Values, is_on, path, setting, switch};
use crate::open::{IMPORTING, refuse_half_filled};
use crate::settings::DATA;
use crate::{control, random};

/// How a command ended: its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Done, and nothing is wrong.
    Done = 0,
    /// Damage was found, and nothing was changed.
    Damage = 1,
    /// The command line is wrong.
    Usage = 2,
    /// It could not be done.
    Failed = 3,
}

/// What a command may fail with: how it ends, and a sentence for a person.
type Failure = (End, String);

struct Tool {
    name: &'static str,
    explanation: &'static str,
    flags: &'static [Setting],
    run: fn(&Values) -> Result<End, Failure>,
}

const TOOLS: [Tool; 4] = [
    Tool {
        name: "check",
        explanation: "Reads every byte of a stopped store that counts, and says what is damaged. Changes nothing.",
        flags: &[DATA],
        run: run_check,
    },
    Tool {
        name: "repair",
        explanation: "Makes a damaged, stopped store usable again. Says first what it would give up, and does it \
                      only when told so in words.",
        flags: &[
            DATA,
            switch(
                "discard-damaged",
                "Give up what cannot be read. Damaged files are kept in the directory, as cut files.",
            ),
        ],
        run: run_repair,
    },
    Tool {
        name: "export",
        explanation: "Writes everything of a store, running or stopped, to one file: as of one moment.",
        flags: &[DATA, setting("to", "FILE", "", "The file to make; - is standard output.")],
        run: run_export,
    },
    Tool {
        name: "import",
        explanation: "Fills an empty data directory from an export.",
        flags: &[DATA, setting("from", "FILE", "", "The export.")],
        run: run_import,
    },
];

const ENDS: &str = "Exit codes: 0 done, nothing is damaged; 1 damaged (of repair: and nothing was changed); \
                    2 wrong command line; 3 it could not be done.";

/// The commands, for `--help`.
pub fn usage() -> String {
    TOOLS.iter().fold(String::new(), |mut text, tool| {
        let _ = writeln!(text, "  sluice store {:<10} {}", tool.name, tool.explanation);
        text
    })
}

/// Their flags, for `--help`.
pub fn help() -> String {
    let mut text = String::from("Flags of store (--data is also the variable SLUICE_DATA):\n");
    for tool in &TOOLS {
        let _ = write!(text, " {}:\n{}", tool.name, flags::help(tool.flags));
    }
    text + ENDS + "\n"
}

/// Their part of `docs/settings.md`.
pub fn markdown() -> String {
    let mut text = format!(
        "\n## Of `sluice store`\n\n`--data` is also the variable `SLUICE_DATA`. {ENDS}\n\n\
         | command | flag | default | what it does |\n|---|---|---|---|\n"
    );
    for tool in &TOOLS {
        let _ = writeln!(text, "| `{}` | | | {} |", tool.name, tool.explanation);
        for flag in tool.flags {
            let default = if flag.default.is_empty() { "" } else { &format!("`{}`", flag.default) };
            let _ = writeln!(text, "| | `{}` | {default} | {} |", flag.usage(), flag.explanation);
        }
    }
    text
}

/// Runs one, from the words behind `store`.
pub fn run(
    mut arguments: impl Iterator<Item = String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<End, Failure> {
    let name = arguments.next().unwrap_or_default();
    let tool = TOOLS.iter().find(|tool| tool.name == name).ok_or_else(|| {
        (End::Usage, format!("There is no command store {:?}; `sluice help` lists them.", name))
    })?;
    // A word that discards, lying about in the environment, would be no word.
    let only_data = |name: &str| variable(name).filter(|_| name == DATA.variable());
    let values = flags::read(tool.flags, arguments, only_data).map_err(usage_error)?;
    (tool.run)(&values)
}

fn usage_error(error: String) -> Failure {
    (End::Usage, error)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    (End::Failed, format!("{error}."))
}

fn data(values: &Values) -> Result<PathBuf, Failure> {
    path(values, "data", "a directory").map_err(usage_error)
}

fn say(text: &str) {
    // Whoever reads may have gone away.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

fn pause() {
    thread::sleep(Duration::from_micros(200));
}

/// The disk of a directory that holds a store, and that nobody else has.
fn open_disk(data: &Path) -> Result<LocalDisk, Failure> {
    expect_directory(data)?;
    expect_store(LocalDisk::open(data, disk::Options::default()).map_err(failed)?, data)
}

/// Opening would make it.
fn expect_directory(data: &Path) -> Result<(), Failure> {
    if data.is_dir() { Ok(()) } else { Err(failed(format!("{} is no directory", data.display()))) }
}

fn expect_store(mut disk: LocalDisk, data: &Path) -> Result<LocalDisk, Failure> {
    refuse_half_filled(data).map_err(|error| (End::Failed, error))?;
    match is_empty(&mut disk) {
        Ok(false) => Ok(disk),
        Ok(true) => Err(failed(format!("{} holds no store", data.display()))),
        Err(error) => Err(failed(format!("{}: {error}", data.display()))),
    }
}

/// Whether no file of a store is there, whatever else is.
fn is_empty(disk: &mut LocalDisk) -> Result<bool, String> {
    disk.submit(Op::List);
    match disk.wait().result {
        Ok(Output::Files(files)) => Ok(files.is_empty()),
        other => Err(format!("its files cannot be listed: {other:?}")),
    }
}

fn run_check(values: &Values) -> Result<End, Failure> {
    let checked = check(&mut open_disk(&data(values)?)?).map_err(failed)?;
    say(&findings(&checked));
    if checked.findings.is_empty() { Ok(End::Done) } else { Ok(End::Damage) }
}

fn findings(checked: &Checked) -> String {
    let mut text = String::new();
    for finding in &checked.findings {
        let _ = writeln!(text, "damaged: {finding}");
    }
    let Checked { segments, messages, deleted, records, batches, .. } = checked;
    let verdict = if checked.findings.is_empty() { "sound" } else { "sound apart from that" };
    let _ = writeln!(
        text,
        "{verdict}: {segments} segments with {messages} messages, {deleted} of them deleted; {records} records in \
         checkpoints; {batches} batches in the journal"
    );
    text
}

fn run_repair(values: &Values) -> Result<End, Failure> {
    let is_told = is_on(values, "discard-damaged").map_err(usage_error)?;
    let mut disk = open_disk(&data(values)?)?;
    let checked = check(&mut disk).map_err(failed)?;
    say(&findings(&checked));
    if checked.findings.is_empty() {
        return Ok(End::Done);
    }
    if !is_told {
        say(&prospect(&checked));
        return Ok(End::Damage);
    }
    let repaired = repair(disk, Options::default(), pause).map_err(failed)?;
    say(&deeds(&repaired));
    if repaired.hopeless.is_some() { Ok(End::Damage) } else { Ok(End::Done) }
}

/// What a repair would give up.
fn prospect(checked: &Checked) -> String {
    if let Some(error) = &checked.unreadable {
        return format!(
            "Nothing was changed, and with --discard-damaged nothing would be: {error}. What the disk fails to read may \
             be readable another time, or in a copy of the directory on another disk.\n"
        );
    }
    let mut text = String::from("Nothing was changed. With --discard-damaged:\n");
    for lost in &checked.lost {
        let _ = writeln!(text, "  given up: {}", describe(lost));
    }
    let has = |kind| checked.findings.iter().any(|finding| finding.file.kind == kind);
    for (kind, sentence) in [
        (
            FileKind::Bitmap,
            "deleted messages of the segment come back: what says that they are deleted is damaged",
        ),
        (
            FileKind::Journal,
            "everything that the journal holds from the damage on is given up, in every queue",
        ),
        (FileKind::Checkpoint, "nothing: checkpoints and the manifest cannot be repaired"),
        (FileKind::Manifest, "nothing: checkpoints and the manifest cannot be repaired"),
    ] {
        if has(kind) {
            let _ = writeln!(text, "  {sentence}");
        }
    }
    text.push_str("Keep a copy of the directory first.\n");
    text
}

fn describe(lost: &Lost) -> String {
    let Lost { from, to, count } = lost;
    match count {
        1 => format!("message {} of rank {} of queue {:x}", from.sequence, from.rank, from.queue.0),
        _ => format!(
            "{count} messages at most, {} of rank {} of queue {:x} to {} of rank {} of queue {:x}",
            from.sequence, from.rank, from.queue.0, to.sequence, to.rank, to.queue.0
        ),
    }
}

fn deeds(repaired: &Repaired) -> String {
    if let Some(why) = &repaired.hopeless {
        return format!("Nothing was changed: {why}.\n");
    }
    let mut text = String::new();
    for lost in &repaired.lost {
        let _ = writeln!(text, "given up: {}", describe(lost));
    }
    if let Some(from) = repaired.lost_from {
        let sound = repaired.lost_groups;
        let _ = writeln!(
            text,
            "given up: the journal from batch {from} on, {sound} sound groups behind the damage included"
        );
    }
    for file in &repaired.aside {
        let _ = writeln!(text, "kept aside: {file}");
    }
    let Repaired { returned, recounted, dropped_rows, .. } = repaired;
    let _ = writeln!(
        text,
        "repaired: {returned} deleted messages came back, {recounted} queues were counted anew, {dropped_rows} receives \
         of messages that are gone were forgotten"
    );
    text
}

fn run_export(values: &Values) -> Result<End, Failure> {
    let (data, to) = (data(values)?, path(values, "to", "a file").map_err(usage_error)?);
    let standard = to == Path::new("-");
    let messages = if standard {
        let mut out = io::stdout().lock();
        write_export(&data, &mut out).and_then(|messages| out.flush().map(|()| messages).map_err(failed))?
    } else {
        export_to_file(&data, &to)?
    };
    eprintln!("exported {messages} messages");
    Ok(End::Done)
}

fn export_to_file(data: &Path, to: &Path) -> Result<u64, Failure> {
    let named = |error: io::Error| failed(format!("{}: {error}", to.display()));
    // Nobody else's to read: it holds every message and the directory's secret.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(named)?;
    let mut out = BufWriter::new(file);
    let written = write_export(data, &mut out).and_then(|messages| {
        out.flush().and_then(|()| out.get_ref().sync_all()).map(|()| messages).map_err(named)
    });
    if written.is_err() {
        // Half an export is none.
        let _ = fs::remove_file(to);
    }
    written
}

/// Of the running server if there is one, otherwise of the directory itself.
fn write_export(data: &Path, out: &mut impl Write) -> Result<u64, Failure> {
    expect_directory(data)?;
    let disk = match LocalDisk::open(data, disk::Options::default()) {
        Ok(disk) => expect_store(disk, data)?,
        Err(disk::OpenError::InUse(_)) => {
            return control::export_of_running(data, out).map_err(|error| (End::Failed, error));
        }
        Err(error) => return Err(failed(error)),
    };
    let opened = LogStore::open(disk, Options::default(), fresh()?).map_err(failed)?;
    if let Some(cut) = &opened.report.cut {
        eprintln!("a torn write at the journal's end, never acknowledged, was set aside as {}", cut.kept_as);
    }
    let mut store = opened.store;
    let origin = Origin { secret: opened.secret, now: opened.now };
    let snapshot = store.snapshot().ok_or_else(|| failed("nothing is on disk"))?;
    let mut reader = snapshot.reader(disk::Beside::open(data).map_err(failed)?);
    let load = |ask| reader.load(ask).map_err(io::Error::other);
    let messages = export(origin, opened.rows, load, |bytes| out.write_all(bytes)).map_err(failed)?;
    store.stop();
    while !store.is_quiet() {
        if store.poll().is_none() {
            pause();
        }
    }
    Ok(messages)
}

fn fresh() -> Result<Secret, Failure> {
    let mut bytes = [0; 16];
    random::system(&mut bytes).map_err(failed)?;
    Ok(Secret(bytes))
}

fn run_import(values: &Values) -> Result<End, Failure> {
    let (data, from) = (data(values)?, path(values, "from", "a file").map_err(usage_error)?);
    let named = |error: io::Error| failed(format!("{}: {error}", from.display()));
    let mut source = io::BufReader::with_capacity(1 << 20, File::open(&from).map_err(named)?);
    let imported = import(&mut source, |origin| make_store(&data, origin), pause);
    let messages = imported.map_err(|error| match error {
        ImportError::Head(_) | ImportError::Damaged(..) => {
            (End::Damage, format!("{}: {error}.", from.display()))
        }
        ImportError::NotEmpty | ImportError::Stopped(_) => failed(error),
    })?;
    finish_import(&data).map_err(|error| failed(format!("{}: {error}", data.display())))?;
    say(&format!("imported {messages} messages into {}\n", data.display()));
    Ok(End::Done)
}

/// An empty store in an empty directory, marked until it is full.
fn make_store(data: &Path, origin: Origin) -> Result<LogStore<LocalDisk>, String> {
    let named = |error: io::Error| format!("{}: {error}", data.display());
    let mut disk = LocalDisk::open(data, disk::Options::default()).map_err(|error| error.to_string())?;
    if !is_empty(&mut disk)? {
        return Err(format!("{} is not empty", data.display()));
    }
    File::create(data.join(IMPORTING)).and_then(|_| sync(data)).map_err(named)?;
    let opened =
        LogStore::open(disk, Options::default(), origin.secret).map_err(|error| error.to_string())?;
    Ok(opened.store)
}

fn finish_import(data: &Path) -> io::Result<()> {
    fs::remove_file(data.join(IMPORTING))?;
    sync(data)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
