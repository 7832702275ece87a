use super::*;

const JOURNAL: FileName = FileName { kind: FileKind::Journal, number: 1 };

fn disk(seed: u64, faults: &[Fault], rate: u32) -> SimDisk {
    let mut set = FaultSet::NONE;
    faults.iter().for_each(|&fault| set.insert(fault));
    let options = DiskOptions { block: SECTOR, latency: (100, 900), faults: set, rate };
    SimDisk::new(options, Rng::new(seed, 1))
}

fn run(disk: &mut SimDisk, op: Op) -> Result<Output, Failure> {
    let ticket = disk.submit(op);
    let done = disk.wait();
    assert_eq!(done.ticket, ticket);
    done.result
}

fn write(sector: u64, byte: u8, sync: bool) -> Op {
    Op::Write { file: JOURNAL, offset: sector * SECTOR as u64, data: vec![byte; 2 * SECTOR], sync }
}

fn read(disk: &mut SimDisk) -> Vec<u8> {
    match run(disk, Op::Read { file: JOURNAL, offset: 0, length: 64 * SECTOR }) {
        Ok(Output::Bytes(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

fn made(seed: u64, faults: &[Fault], rate: u32) -> SimDisk {
    let mut disk = disk(seed, &[], 0);
    run(&mut disk, Op::Create { file: JOURNAL, size: 16 * SECTOR as u64 }).unwrap();
    disk.platter().options.rate = rate;
    faults.iter().for_each(|&fault| disk.platter().options.faults.insert(fault));
    disk
}

#[test]
fn synced_writes_survive_and_unsynced_ones_survive_in_any_combination() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut disk = made(seed, &[Fault::Torn], 0);
        run(&mut disk, write(0, 1, true)).unwrap();
        run(&mut disk, write(4, 2, false)).unwrap();
        run(&mut disk, Op::Sync { file: JOURNAL }).unwrap();
        run(&mut disk, write(8, 3, false)).unwrap();
        disk.submit(write(10, 4, true));
        disk.crash(Crash::Power);
        let bytes = read(&mut disk);
        let sector = |at: usize| bytes[at * SECTOR];
        assert_eq!([sector(0), sector(1), sector(4), sector(5)], [1, 1, 2, 2]);
        seen.insert([sector(8), sector(9), sector(10), sector(11)]);
    }
    assert!(seen.len() >= 12, "of 16 combinations: {seen:?}");
}

#[test]
fn an_overwrite_that_is_lost_leaves_what_was_synced() {
    for seed in 0..50 {
        let mut disk = made(seed, &[Fault::Torn], 0);
        run(&mut disk, write(0, 1, true)).unwrap();
        run(&mut disk, write(0, 2, false)).unwrap();
        run(&mut disk, write(1, 3, true)).unwrap();
        disk.crash(Crash::Power);
        let bytes = read(&mut disk);
        assert!([1, 2].contains(&bytes[0]));
        assert_eq!([bytes[SECTOR], bytes[2 * SECTOR]], [3, 3], "a synced write covers an unsynced one");
    }
}

#[test]
fn a_killed_process_leaves_its_writes_readable_but_not_durable() {
    let mut disk = made(3, &[], 0);
    run(&mut disk, write(0, 7, false)).unwrap();
    disk.crash(Crash::Kill);
    assert_eq!(read(&mut disk)[0], 7);
    let lost = (0..50).any(|_| {
        disk.crash(Crash::Power);
        read(&mut disk)[0] == 0
    });
    assert!(lost || read(&mut disk)[0] == 7);
    assert!((0..50).any(|seed| {
        let mut disk = made(seed, &[], 0);
        run(&mut disk, write(0, 7, false)).unwrap();
        disk.crash(Crash::Kill);
        disk.crash(Crash::Power);
        read(&mut disk)[0] == 0
    }));
}

#[test]
fn lost_and_misdirected_writes_are_healed_to_what_was_written() {
    for fault in [Fault::Lost, Fault::Misdirected] {
        for seed in 0..50 {
            let mut disk = made(seed, &[], 0);
            run(&mut disk, write(2, 5, true)).unwrap();
            disk.platter().options.faults.insert(fault);
            disk.platter().options.rate = 1_000_000;
            run(&mut disk, write(6, 6, true)).unwrap();
            assert!(disk.is_wounded() && disk.lost_its_tail(), "{fault:?}");
            disk.calm();
            disk.heal();
            let bytes = read(&mut disk);
            let expected: Vec<u8> = (0..16)
                .map(|at| [0, 5, 6][[2, 3].contains(&at) as usize + 2 * [6, 7].contains(&at) as usize])
                .collect();
            let found: Vec<u8> = (0..16).map(|at| bytes[at * SECTOR]).collect();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn a_healed_file_stays_whole_over_a_power_cut() {
    let mut disk = made(1, &[Fault::Lost], 1_000_000);
    let file = FileName { kind: FileKind::Segment, number: 1 };
    run(&mut disk, Op::Write { file, offset: 0, data: vec![9; SECTOR], sync: false }).unwrap();
    run(&mut disk, Op::Sync { file }).unwrap();
    disk.calm();
    disk.heal();
    disk.crash(Crash::Power);
    let read = Op::Read { file, offset: 0, length: SECTOR };
    assert_eq!(run(&mut disk, read), Ok(Output::Bytes(vec![9; SECTOR])));
}

/// What a kill left half written is undone by the power cut, and takes no truth of a write that came after it along.
#[test]
fn what_was_lost_over_an_unsynced_write_is_healed_after_a_power_cut() {
    for seed in 0..50 {
        let mut disk = made(seed, &[Fault::Torn], 0);
        disk.submit(write(6, 5, true));
        disk.crash(Crash::Kill);
        disk.platter().options.faults.insert(Fault::Lost);
        disk.platter().options.rate = 1_000_000;
        run(&mut disk, write(6, 6, true)).unwrap();
        disk.calm();
        let cut_before_healing = seed % 2 == 0;
        if cut_before_healing {
            disk.crash(Crash::Power);
            assert!(disk.lost_its_tail());
        }
        disk.heal();
        if !cut_before_healing {
            disk.crash(Crash::Power);
        }
        assert_eq!(read(&mut disk)[6 * SECTOR..8 * SECTOR], [6; 2 * SECTOR], "seed {seed}");
    }
}

#[test]
fn rot_changes_one_bit_and_heals() {
    let mut disk = made(1, &[Fault::Rot], 1_000_000);
    run(&mut disk, write(0, 9, true)).unwrap();
    let rotten = read(&mut disk);
    disk.calm();
    assert!(disk.is_wounded());
    disk.heal();
    let healed = read(&mut disk);
    let bits: u32 = rotten.iter().zip(&healed).map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!(bits, 1);
    assert!(!disk.is_wounded());
}

#[test]
fn a_proper_write_ends_a_wound() {
    let mut disk = made(1, &[Fault::Lost], 1_000_000);
    run(&mut disk, write(0, 9, true)).unwrap();
    assert!(disk.is_wounded());
    disk.calm();
    run(&mut disk, write(0, 8, true)).unwrap();
    assert!(!disk.is_wounded());
}

#[test]
fn a_full_disk_refuses_growth_and_takes_overwrites() {
    let mut disk = made(1, &[], 0);
    disk.limit(Some(SECTOR as u64));
    assert_eq!(run(&mut disk, Op::Free), Ok(Output::Free(SECTOR as u64)));
    run(&mut disk, write(15, 1, true)).unwrap();
    assert_eq!(run(&mut disk, write(30, 1, true)), Err(Failure::Full));
    run(&mut disk, write(0, 1, true)).unwrap();
    disk.limit(None);
    run(&mut disk, write(30, 1, true)).unwrap();
}

#[test]
fn failing_operations_fail_and_missing_files_are_missing() {
    let mut broken = made(1, &[Fault::WriteError, Fault::SyncError, Fault::ReadError], 1_000_000);
    for op in [write(0, 1, true), Op::Sync { file: JOURNAL }] {
        assert!(matches!(run(&mut broken, op), Err(Failure::Broken(_))));
    }
    let read = Op::Read { file: JOURNAL, offset: 0, length: SECTOR };
    assert!(matches!(run(&mut broken, read.clone()), Err(Failure::Broken(_))));
    let mut empty = disk(1, &[], 0);
    assert_eq!(run(&mut empty, read), Err(Failure::NotFound));
    assert_eq!(run(&mut empty, Op::Remove { file: JOURNAL }), Err(Failure::NotFound));
}

#[test]
fn completions_come_in_the_order_of_their_time() {
    let mut disk = made(5, &[], 0);
    let tickets: Vec<_> = (0..8).map(|at| disk.submit(write(at, at as u8, true))).collect();
    let mut order = Vec::new();
    while let Some(due) = disk.next_due() {
        disk.advance(due);
        while let Some(done) = disk.poll() {
            order.push(done.ticket);
        }
    }
    assert_ne!(order, tickets, "eight latencies between 100 and 900 us come out of order");
    order.sort();
    assert_eq!(order, tickets);
}

#[test]
fn the_same_seed_is_the_same_disk() {
    let digest = |seed| {
        let mut disk = made(seed, &Fault::ALL, 100_000);
        for at in 0..40 {
            let _ = run(&mut disk, write(at % 14, at as u8, at % 3 == 0));
        }
        disk.submit(write(3, 77, true));
        disk.crash(Crash::Power);
        disk.digest()
    };
    assert_eq!(digest(4), digest(4));
    assert_ne!(digest(4), digest(5));
}
