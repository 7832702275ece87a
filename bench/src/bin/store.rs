//! The store, and the engine over it, without HTTP, beside the raw ceiling of the disk.
//!
//!     store --work send  --data ./bench-data --groups 1,16,128,1024 --rounds 7 --seconds 2
//!     store --work cycle --data ./bench-data --seconds 5 --messages 300000
//!     store --work pace  --data ./bench-data --rounds 3 --gib 1

use std::path::{Path, PathBuf};
use std::time::Duration;

use bench::alone::{Groups, Sends};
use bench::arguments::{Arguments, stop};
use bench::ceiling::Ceiling;
use bench::device::Watch;
use bench::local::{Local, Next};
use bench::measure::{Measure, median};
use bench::own;
use bench::requests::{TEN, create};
use bench::requests::{delete_all, delete_queue, done, handles, message, receive_all, send, send_batch};
use engine::Request;
use server::clock;
use store::log::Options;

const USAGE: &str = "store [--work send|cycle|pace] [--data ./bench-data] [--groups 1,16,128,1024] [--message 1024] \
                     [--out 2] [--rounds 7] [--seconds 2] [--messages 300000] [--gib 1] [--rate 40000]";

/// After each turn: what it left to be freed and removed is no part of the next one.
const REST: Duration = Duration::from_millis(500);
/// Bytes of journal before the first turn. Until then files for it are made, which means writing them as zeros first;
/// from then on those are used again that a checkpoint frees. The ceiling's file is written before, too.
const WARM_UP: u64 = 1 << 30;

type Outcome<T> = Result<T, String>;

fn main() {
    let arguments = Arguments::read(USAGE);
    let data: PathBuf = arguments.get("data", PathBuf::from("./bench-data"));
    if data.exists() {
        stop(&format!("{} exists; name a directory that does not, it is removed afterwards", data.display()));
    }
    let result = match arguments.get("work", "send".to_owned()).as_str() {
        "send" => sends(&arguments, &data),
        "cycle" => cycles(&arguments, &data),
        "pace" => pace(&arguments, &data),
        _ => stop(USAGE),
    };
    let _ = std::fs::remove_dir_all(&data);
    if let Err(error) = result {
        stop(&error);
    }
}

fn sends(arguments: &Arguments, data: &Path) -> Outcome<()> {
    std::fs::create_dir_all(data).map_err(|error| error.to_string())?;
    let mut ceiling = Ceiling::create(&data.join("ceiling")).map_err(|error| error.to_string())?;
    println!(
        "the ceiling's file is written with O_DSYNC{}",
        if ceiling.direct { " and O_DIRECT" } else { "" }
    );
    let groups: String = arguments.get("groups", "1,16,128,1024".to_owned());
    for group in groups.split(',') {
        let group = group.parse().unwrap_or_else(|_| stop(USAGE));
        send_in_groups(arguments, data, &mut ceiling, group)?;
    }
    Ok(())
}

/// One size of group: ceiling, store and node in turns.
fn send_in_groups(arguments: &Arguments, data: &Path, ceiling: &mut Ceiling, group: usize) -> Outcome<()> {
    let groups = Groups {
        group,
        message: arguments.get("message", 1024),
        out: arguments.get("out", 2),
        duration: Duration::from_secs_f64(arguments.get("seconds", 2.0)),
    };
    let mut alone = Sends::open(&data.join(format!("alone-{group}")))?;
    let mut node = Local::open(&data.join(format!("node-{group}")), Options::default())?;
    let (mut bare, mut stored, mut sent, mut batched) = (vec![], vec![], vec![], vec![]);
    let large = Groups { group: 1024, duration: Duration::from_secs(1), ..groups };
    while alone.stats().journal_bytes < WARM_UP {
        alone.run(large)?;
        alone.rest(REST)?;
    }
    while node.stats().journal_bytes < WARM_UP {
        send_through_node(&mut node, large, true)?;
        node.rest(REST)?;
    }
    for _ in 0..arguments.get("rounds", 7) {
        bare.push(ceiling.run(groups).map_err(|error| error.to_string())?);
        stored.push(alone.run(groups)?);
        alone.rest(REST)?;
        sent.push(send_through_node(&mut node, groups, false)?);
        node.rest(REST)?;
        batched.push(send_through_node(&mut node, groups, true)?);
        node.rest(REST)?;
    }
    println!("groups of {group} messages of {} bytes, {} out:", groups.message, groups.out);
    tell("ceiling", &bare, &bare);
    tell("store alone", &stored, &bare);
    tell("engine+store", &sent, &bare);
    if group >= TEN {
        tell("  in tens", &batched, &bare);
    }
    println!("  of the engine's CPU, {:.2} us/msg are the body's MD5", md5_micros(groups));
    Ok(())
}

/// What the MD5s that the sends of a group answer with cost at this moment, us a message.
fn md5_micros(groups: Groups) -> f64 {
    const TIMES: usize = 20_000;
    let body = vec![b'x'; groups.message];
    let bodies = vec![&body[..]; groups.group];
    let rounds = TIMES.div_ceil(groups.group);
    let before = own::thread_cpu();
    for _ in 0..rounds {
        std::hint::black_box(engine::message::md5_of_each(std::hint::black_box(&bodies)));
    }
    (own::thread_cpu() - before).as_secs_f64() * 1e6 / (rounds * groups.group) as f64
}

fn tell(name: &str, runs: &[Measure], ceiling: &[Measure]) {
    let of = |figure: &dyn Fn(&Measure) -> f64| median(runs.iter().map(figure));
    let ratio = |figure: &dyn Fn(&Measure) -> f64| {
        median(runs.iter().zip(ceiling).map(|(run, bare)| figure(run) / figure(bare)))
    };
    println!(
        "  {name:12} {:9.0} msg/s ({:.2} of the ceiling), {:5.2} us CPU/msg, p50 {:.0} us, p99 {:.0} us, \
         p999 {:.0} us ({:.1} times the ceiling's)",
        of(&Measure::rate),
        ratio(&Measure::rate),
        of(&Measure::cpu_micros),
        of(&|run| run.micros(0.5)),
        of(&|run| run.micros(0.99)),
        of(&|run| run.micros(0.999)),
        ratio(&|run| run.micros(0.999)),
    );
}

/// Groups of SendMessage, or of SendMessageBatch of ten each, to a queue of its own. A client makes its next group while
/// those before are out.
fn send_through_node(node: &mut Local, groups: Groups, tens: bool) -> Outcome<Measure> {
    node.call(vec![create("sends", &[])])?;
    let (mut measure, mut making) = (Measure::default(), Duration::ZERO);
    let mut next = send_group("sends", groups, tens);
    let (cpu, began) = (own::cpu(), clock::instant());
    loop {
        match node.next(began.elapsed() < groups.duration, groups.out) {
            Next::Begin => {
                node.begin(next);
                let before = own::thread_cpu();
                next = send_group("sends", groups, tens);
                making += own::thread_cpu() - before;
            }
            Next::Finish => {
                let answers = node.finish()?;
                let before = own::thread_cpu();
                measure.latencies.push(answers.took);
                measure.messages += answers.replies.iter().map(done).sum::<Outcome<u64>>()?;
                drop(answers);
                making += own::thread_cpu() - before;
            }
            Next::End => break,
        }
    }
    measure.elapsed = began.elapsed();
    measure.cpu = (own::cpu() - cpu).saturating_sub(making);
    measure.latencies.sort_unstable();
    node.call(vec![delete_queue("sends")])?;
    Ok(measure)
}

fn send_group(queue: &str, groups: Groups, tens: bool) -> Vec<Request> {
    let single = |_| send(queue, message(groups.message));
    if !tens {
        return (0..groups.group).map(single).collect();
    }
    let batch = |from: usize| {
        let messages = (from..groups.group.min(from + TEN)).map(|_| message(groups.message));
        send_batch(queue, messages)
    };
    (0..groups.group).step_by(TEN).map(batch).collect()
}

/// What was written since, for each byte of payload: as the store counts it, and as the kernel does.
struct Written {
    store: u64,
    kernel: u64,
}

impl Written {
    fn now(node: &Local) -> Outcome<Written> {
        let stats = node.stats();
        let kernel = own::written().map_err(|error| error.to_string())?;
        Ok(Written { store: stats.journal_bytes + stats.background_bytes, kernel })
    }

    fn tell_since(&self, node: &Local, what: &str, payload: u64) -> Outcome<()> {
        let now = Written::now(node)?;
        let a_byte = |bytes: u64| bytes as f64 / payload.max(1) as f64;
        println!(
            "  {what}: {:.3} bytes written a byte of payload (the kernel counts {:.3}, new files' zeros included)",
            a_byte(now.store - self.store),
            a_byte(now.kernel - self.kernel),
        );
        Ok(())
    }
}

/// The full cycle on a short queue, then a backlog written once and read once.
fn cycles(arguments: &Arguments, data: &Path) -> Outcome<()> {
    let message: usize = arguments.get("message", 1024);
    let seconds = Duration::from_secs_f64(arguments.get("seconds", 2.0));
    let groups = Groups { group: 128, message, out: arguments.get("out", 2), duration: seconds };
    let mut node = Local::open(data, Options::default())?;
    node.call(vec![create("cycle", &[])])?;
    cycle(&mut node, groups)?;
    let before = Written::now(&node)?;
    let measure = cycle(&mut node, groups)?;
    println!("send, receive and delete on a short queue, groups of 128:");
    println!(
        "  {:.0} msg/s, {:.2} us CPU/msg, p50 {:.0} us, p99 {:.0} us",
        measure.rate(),
        measure.cpu_micros(),
        measure.micros(0.5),
        measure.micros(0.99)
    );
    before.tell_since(&node, "short queue", measure.messages * message as u64)?;
    backlog_once(arguments, &mut node, groups)
}

fn backlog_once(arguments: &Arguments, node: &mut Local, groups: Groups) -> Outcome<()> {
    let messages: u64 = arguments.get("messages", 300_000);
    let payload = messages * groups.message as u64;
    node.call(vec![create("backlog", &[])])?;
    let before = Written::now(node)?;
    let mut sent = 0;
    while sent < messages {
        let answers = node.call(send_group("backlog", groups, true))?;
        sent += answers.replies.iter().map(done).sum::<Outcome<u64>>()?;
    }
    node.rest(Duration::from_secs(1))?;
    before.tell_since(node, &format!("{sent} messages written"), payload)?;
    let mut received: Vec<String> = Vec::new();
    let mut deleted = 0;
    while deleted < sent {
        let mut requests = delete_all("backlog", &mut received);
        requests.extend(receive_all("backlog", groups.group));
        for reply in node.call(requests)?.replies {
            deleted += if matches!(reply, engine::Reply::DeleteMessageBatch(_)) { done(&reply)? } else { 0 };
            received.extend(handles(reply));
        }
    }
    node.rest(Duration::from_secs(1))?;
    before.tell_since(node, "and read and deleted", payload)
}

/// Each group sends 128, receives 128 and deletes what the group before received.
fn cycle(node: &mut Local, groups: Groups) -> Outcome<Measure> {
    let (mut measure, mut making) = (Measure::default(), Duration::ZERO);
    let mut received: Vec<String> = Vec::new();
    let (cpu, began) = (own::cpu(), clock::instant());
    loop {
        match node.next(began.elapsed() < groups.duration, groups.out) {
            Next::Begin => {
                let before = own::thread_cpu();
                let mut requests = delete_all("cycle", &mut received);
                requests.extend(receive_all("cycle", groups.group));
                requests.extend(send_group("cycle", groups, false));
                making += own::thread_cpu() - before;
                node.begin(requests);
            }
            Next::Finish => {
                let answers = node.finish()?;
                let before = own::thread_cpu();
                measure.latencies.push(answers.took);
                for reply in answers.replies {
                    let deletes = matches!(reply, engine::Reply::DeleteMessageBatch(_));
                    measure.messages += if deletes { done(&reply)? } else { 0 };
                    received.extend(handles(reply));
                }
                making += own::thread_cpu() - before;
            }
            Next::End => break,
        }
    }
    measure.elapsed = began.elapsed();
    measure.cpu = (own::cpu() - cpu).saturating_sub(making);
    measure.latencies.sort_unstable();
    Ok(measure)
}

/// The time a send takes while the backlog that grows beside it is flushed and merged, and while nothing is:
/// the same load with a table that takes it all.
fn pace(arguments: &Arguments, data: &Path) -> Outcome<()> {
    let bytes = (arguments.get("gib", 1.0) * (1u64 << 30) as f64) as u64;
    let never = Options {
        table: 64 << 30,
        recovery_bytes: 64 << 30,
        recovery_records: 1 << 40,
        ..Options::default()
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..arguments.get("rounds", 3) {
        for (name, options, runs) in
            [("flushed", Options::default(), &mut with), ("kept", never, &mut without)]
        {
            let directory = data.join(format!("{name}-{round}"));
            let mut node = Local::open(&directory, options)?;
            let watch = Watch::begin(&directory);
            let measure =
                grow(&mut node, bytes, arguments.get("message", 1024), arguments.get("rate", 40_000))?;
            let stats = node.stats();
            println!(
                "  {name}: {:.0} msg/s, p50 {:.0} us, p99 {:.0} us, p999 {:.0} us; {} flushes, {} merges, {} checkpoints",
                measure.rate(),
                measure.micros(0.5),
                measure.micros(0.99),
                measure.micros(0.999),
                stats.flushes,
                stats.merges,
                stats.checkpoints
            );
            match watch.map(Watch::end) {
                Some(stalls) => println!("    {stalls}"),
                None => println!("    whether the device stood still is not told here"),
            }
            runs.push(measure);
            drop(node);
            std::fs::remove_dir_all(&directory).map_err(|error| error.to_string())?;
        }
    }
    let p99 = |runs: &[Measure]| median(runs.iter().map(|run| run.micros(0.99)));
    println!(
        "p99 of a send: {:.0} us while flushed and merged, {:.0} us while not",
        p99(&with),
        p99(&without)
    );
    Ok(())
}

/// Sends at a steady rate, 6 of 16 to a queue that stays and the others to one that is drained some way behind,
/// so that segments come to be more than half dead and are merged. A send's time counts from when it was due.
fn grow(node: &mut Local, bytes: u64, size: usize, rate: u64) -> Outcome<Measure> {
    const STAYS: u64 = 6;
    const GROUP: u64 = STAYS + TEN as u64;
    node.call(vec![create("stays", &[]), create("goes", &[])])?;
    let total = bytes / size as u64 / GROUP;
    let lag = (total / 8).min((200 << 20) / size as u64 / GROUP);
    let mut measure = Measure::default();
    let mut received = Vec::new();
    let began = clock::instant();
    for number in 0..total {
        let due = began + Duration::from_secs_f64((number * GROUP) as f64 / rate as f64);
        while let Some(early) = due.checked_duration_since(clock::instant()).filter(|early| !early.is_zero())
        {
            node.rest(early.min(Duration::from_millis(1)))?;
        }
        let some = |queue, count| (0..count).map(move |_| send(queue, message(size)));
        let mut requests: Vec<Request> = some("stays", STAYS).chain(some("goes", TEN as u64)).collect();
        requests.extend(delete_all("goes", &mut received));
        requests.extend((number > lag).then(|| receive_all("goes", TEN)).into_iter().flatten());
        for reply in node.call(requests)?.replies {
            measure.messages += if matches!(reply, engine::Reply::SendMessage(_)) { 1 } else { 0 };
            received.extend(handles(reply));
        }
        measure.latencies.push(due.elapsed());
    }
    measure.elapsed = began.elapsed();
    measure.latencies.sort_unstable();
    Ok(measure)
}
