//! The contract of `store::disk::Disk`, kept with O_DIRECT and without.

#![allow(missing_docs, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use disk::{LocalDisk, OpenError, Options};
use rustix::fs::Advice;
use rustix::io::{ReadWriteFlags, preadv2};
use store::disk::{Disk, Failure, FileKind, FileName, Op, Output, Release, Source};

const JOURNAL: FileName = FileName { kind: FileKind::Journal, number: 1 };
const SEGMENT: FileName = FileName { kind: FileKind::Segment, number: 10 };

fn open(path: &Path, direct: bool) -> LocalDisk {
    LocalDisk::open(path, Options { direct, ..Options::default() }).expect("opens")
}

fn run(disk: &mut LocalDisk, op: Op) -> Result<Output, Failure> {
    let ticket = disk.submit(op);
    let completion = disk.wait();
    assert_eq!(completion.ticket, ticket);
    completion.result
}

/// Runs a test with both ways of writing. A file system that refuses O_DIRECT would make both the same, so
/// that is said aloud rather than passed over.
fn both(test: impl Fn(&Path, bool)) {
    for direct in [true, false] {
        let directory = tempfile::tempdir().expect("a directory");
        let is_direct = open(directory.path(), direct).is_direct();
        if direct && !is_direct {
            eprintln!("this file system refuses O_DIRECT: only the fallback was tested");
        }
        assert!(direct || !is_direct);
        test(directory.path(), direct);
    }
}

fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

#[test]
fn what_is_written_is_read_back_by_the_next_process() {
    both(|path, direct| {
        let (first, second) = (pattern(8192, 1), pattern(3 << 20, 2));
        let mut disk = open(path, direct);
        assert_eq!(run(&mut disk, Op::Create { file: JOURNAL, size: 4 << 20 }), Ok(Output::Done));
        for (offset, data) in [(0, &first), (8192, &second)] {
            let write = Op::Write { file: JOURNAL, offset, data: data.clone(), sync: true };
            assert_eq!(run(&mut disk, write), Ok(Output::Written(data.len() as u64)));
        }
        drop(disk);
        let mut disk = open(path, direct);
        let Ok(Output::Bytes(all)) = run(&mut disk, Op::Read { file: JOURNAL, offset: 0, length: 5 << 20 })
        else {
            panic!("no bytes");
        };
        assert_eq!(all.len(), 4 << 20);
        assert_eq!(all[..8192], first);
        assert_eq!(all[8192..][..second.len()], second);
        assert!(all[8192 + second.len()..].iter().all(|byte| *byte == 0));
    });
}

#[test]
fn a_write_grows_a_file_and_makes_one() {
    both(|path, direct| {
        let mut disk = open(path, direct);
        for (offset, sync) in [(4096, true), (8192, false)] {
            let write = Op::Write { file: SEGMENT, offset, data: pattern(4096, 3), sync };
            assert_eq!(run(&mut disk, write), Ok(Output::Written(4096)));
        }
        assert_eq!(run(&mut disk, Op::Sync { file: SEGMENT }), Ok(Output::Done));
        assert_eq!(run(&mut disk, Op::List), Ok(Output::Files(vec![(SEGMENT, 12_288)])));
        let read = Op::Read { file: SEGMENT, offset: 8192, length: 8192 };
        assert_eq!(run(&mut disk, read), Ok(Output::Bytes(pattern(4096, 3))));
        let beyond = Op::Read { file: SEGMENT, offset: 16_384, length: 4096 };
        assert_eq!(run(&mut disk, beyond), Ok(Output::Bytes(vec![])));
    });
}

#[test]
fn replace_rename_and_remove_do_what_they_say() {
    both(|path, direct| {
        let manifest = FileName { kind: FileKind::Manifest, number: 0 };
        let later = FileName { kind: FileKind::Journal, number: 9 };
        // Removed in several steps.
        let size = (3 << 20) + 4096;
        let mut disk = open(path, direct);
        for text in ["first", "the second, longer", "3rd"] {
            let data = text.as_bytes().to_vec();
            let replaced = Ok(Output::Written(data.len() as u64));
            assert_eq!(run(&mut disk, Op::Replace { file: manifest, data: data.clone() }), replaced);
            let read = Op::Read { file: manifest, offset: 0, length: 4096 };
            assert_eq!(run(&mut disk, read), Ok(Output::Bytes(data)));
        }
        assert_eq!(run(&mut disk, Op::Create { file: JOURNAL, size }), Ok(Output::Done));
        assert_eq!(run(&mut disk, Op::Rename { from: JOURNAL, to: later }), Ok(Output::Done));
        assert_eq!(run(&mut disk, Op::List), Ok(Output::Files(vec![(later, size), (manifest, 3)])));
        let read = Op::Read { file: JOURNAL, offset: 0, length: 4096 };
        assert_eq!(run(&mut disk, read), Err(Failure::NotFound));
        assert_eq!(run(&mut disk, Op::Remove { file: later }), Ok(Output::Done));
        assert_eq!(run(&mut disk, Op::Remove { file: later }), Err(Failure::NotFound));
        assert_eq!(run(&mut disk, Op::Sync { file: later }), Err(Failure::NotFound));
    });
}

#[test]
fn a_recycled_name_never_reaches_the_old_file() {
    both(|path, direct| {
        let next = FileName { kind: FileKind::Journal, number: 2 };
        let mut disk = open(path, direct);
        let write = |file, seed| Op::Write { file, offset: 0, data: pattern(4096, seed), sync: true };
        for file in [JOURNAL, next] {
            assert_eq!(run(&mut disk, Op::Create { file, size: 4096 }), Ok(Output::Done));
        }
        assert_eq!(run(&mut disk, write(JOURNAL, 1)), Ok(Output::Written(4096)));
        assert_eq!(run(&mut disk, write(next, 2)), Ok(Output::Written(4096)));
        assert_eq!(run(&mut disk, Op::Rename { from: JOURNAL, to: next }), Ok(Output::Done));
        let read = Op::Read { file: next, offset: 0, length: 4096 };
        assert_eq!(run(&mut disk, read), Ok(Output::Bytes(pattern(4096, 1))));
        assert_eq!(run(&mut disk, write(next, 3)), Ok(Output::Written(4096)));
        let read = Op::Read { file: next, offset: 0, length: 4096 };
        assert_eq!(run(&mut disk, read), Ok(Output::Bytes(pattern(4096, 3))));
    });
}

#[test]
fn parallel_writes_to_one_file_all_arrive_and_wake() {
    both(|path, direct| {
        let wakes = Arc::new(AtomicUsize::new(0));
        let count = wakes.clone();
        let waker = Arc::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let mut disk = LocalDisk::open(path, Options { direct, waker }).expect("opens");
        let writes = 64;
        for i in 0..writes {
            let data = pattern(4096, i as u8);
            disk.submit(Op::Write { file: SEGMENT, offset: i * 4096, data, sync: i % 2 == 0 });
        }
        for _ in 0..writes {
            assert_eq!(disk.wait().result, Ok(Output::Written(4096)));
        }
        assert_eq!(disk.poll(), None);
        for i in 0..writes {
            let read = Op::Read { file: SEGMENT, offset: i * 4096, length: 4096 };
            assert_eq!(run(&mut disk, read), Ok(Output::Bytes(pattern(4096, i as u8))));
        }
        drop(disk);
        assert_eq!(wakes.load(Ordering::SeqCst), 2 * writes as usize);
    });
}

/// Bytes that are made on another thread than this one.
#[derive(Debug)]
struct Elsewhere(ThreadId);

impl Source for Elsewhere {
    fn make(&self) -> Vec<u8> {
        assert_ne!(std::thread::current().id(), self.0, "made where they are written");
        pattern(8192, 5)
    }
}

#[test]
fn what_a_source_makes_is_written() {
    both(|path, direct| {
        let mut disk = open(path, direct);
        let source = Arc::new(Elsewhere(std::thread::current().id()));
        let write = Op::WriteFrom { file: SEGMENT, offset: 4096, source };
        assert_eq!(run(&mut disk, write), Ok(Output::Written(8192)));
        let read = Op::Read { file: SEGMENT, offset: 4096, length: 8192 };
        assert_eq!(run(&mut disk, read), Ok(Output::Bytes(pattern(8192, 5))));
    });
}

#[derive(Debug)]
struct Broken;

impl Source for Broken {
    fn make(&self) -> Vec<u8> {
        panic!("as if what is written contradicted itself");
    }
}

#[test]
fn a_panic_on_a_disk_thread_fails_the_operation() {
    both(|path, direct| {
        let mut disk = open(path, direct);
        // More than there are threads: each goes on after one.
        for _ in 0..4 {
            let write = Op::WriteFrom { file: SEGMENT, offset: 0, source: Arc::new(Broken) };
            let failure = run(&mut disk, write).expect_err("nothing was written");
            assert!(matches!(failure, Failure::Broken(text) if text.contains("panicked")));
        }
        assert_eq!(run(&mut disk, Op::List), Ok(Output::Files(vec![])));
    });
}

/// Counts its pauses.
#[derive(Debug)]
struct Memory(Arc<AtomicUsize>);

impl Release for Memory {
    fn release(self: Arc<Self>, pause: &mut dyn FnMut()) {
        let Memory(pauses) = Arc::into_inner(self).expect("the only share");
        (0..3).for_each(|_| {
            pause();
            pauses.fetch_add(1, Ordering::SeqCst);
        });
    }
}

#[test]
fn memory_is_given_back() {
    both(|path, direct| {
        let mut disk = open(path, direct);
        let pauses = Arc::new(AtomicUsize::new(0));
        assert_eq!(run(&mut disk, Op::Release(Arc::new(Memory(pauses.clone())))), Ok(Output::Done));
        assert_eq!(pauses.load(Ordering::SeqCst), 3);
    });
}

/// Is not given back before it is told so, or before it is clear that nobody is going to.
#[derive(Debug)]
struct Held(Mutex<Receiver<()>>);

impl Release for Held {
    fn release(self: Arc<Self>, _pause: &mut dyn FnMut()) {
        let told = self.0.lock().expect("nobody else has it");
        let _ = told.recv_timeout(Duration::from_secs(10));
    }
}

#[test]
fn memory_and_removals_do_not_wait_for_each_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut disk = open(directory.path(), true);
    run(&mut disk, Op::Create { file: SEGMENT, size: 4096 }).expect("made");
    let (tell, told) = channel();
    let release = disk.submit(Op::Release(Arc::new(Held(Mutex::new(told)))));
    assert_eq!(run(&mut disk, Op::Remove { file: SEGMENT }), Ok(Output::Done));
    tell.send(()).expect("it waits");
    assert_eq!(disk.wait().ticket, release);
}

#[test]
fn a_second_user_of_a_directory_is_refused_in_words() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = open(directory.path(), true);
    let error = LocalDisk::open(directory.path(), Options::default()).expect_err("in use");
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert!(error.to_string().contains("is in use by another process"), "{error}");
    drop(disk);
    open(directory.path(), true);
}

#[test]
fn nothing_is_read_that_was_not_asked_for() {
    let size = 1 << 20;
    let create = Op::Create { file: SEGMENT, size };
    let write = Op::Write { file: SEGMENT, offset: 0, data: vec![1; size as usize], sync: false };
    for make in [create, write] {
        both(|path, direct| {
            let mut disk = open(path, direct);
            run(&mut disk, make.clone()).expect("made");
            let file = std::fs::File::open(path.join(SEGMENT.to_string())).expect("it is there");
            for advice in [Advice::DontNeed, Advice::Random] {
                rustix::fs::fadvise(&file, 0, None, advice).expect("advice is taken");
            }
            // Whether a block is in memory: a read that may not wait for the device finds it or does not.
            let is_cached = |offset: u64| {
                let mut block = [0; 4096];
                let buffers = &mut [std::io::IoSliceMut::new(&mut block)];
                preadv2(&file, buffers, offset, ReadWriteFlags::NOWAIT).is_ok()
            };
            let read = Op::Read { file: SEGMENT, offset: 0, length: 4096 };
            assert!(matches!(run(&mut disk, read), Ok(Output::Bytes(_))));
            if !is_cached(0) || is_cached(512 << 10) {
                return eprintln!(
                    "this file system does not tell what it has in memory: readahead was not tested"
                );
            }
            assert_eq!((1..64).filter(|block| is_cached(block * 4096)).count(), 0, "blocks read ahead");
        });
    }
}

#[test]
fn free_space_is_told_and_leftovers_and_strangers_are_not_listed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("deep/inside");
    drop(open(&path, true));
    std::fs::write(path.join("notes.txt"), "a person's").expect("written");
    std::fs::write(path.join("manifest-0000000000000000.new"), "half").expect("written");
    let mut disk = open(&path, true);
    assert_eq!(run(&mut disk, Op::List), Ok(Output::Files(vec![])));
    assert!(matches!(run(&mut disk, Op::Free), Ok(Output::Free(bytes)) if bytes > 0));
    assert!(path.join("notes.txt").exists());
    assert!(!path.join("manifest-0000000000000000.new").exists());
}
