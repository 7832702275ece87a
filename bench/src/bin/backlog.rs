//! Backlogs, groups, many queues, delays and deduplication ids: what they cost in time and memory. Each phase
//! is a process of its own, so that memory is its own; each ends as a kill would end it.
//!
//!     backlog --work backlog --messages 1000000
//!     backlog --work fifo --groups 100000 --locked 10000
//!     backlog --work blocked --messages 1000000
//!     backlog --work queues --queues 10000
//!     backlog --work delayed --messages 1000000
//!     backlog --work dedup --messages 1000000
//!     backlog --work purge --messages 1000000

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bench::arguments::{Arguments, stop};
use bench::local::{Local, Next};
use bench::measure::median;
use bench::own;
use bench::phase::{self, Figures, end, tell};
use bench::requests::{
    TEN, create, delete_all, delete_queue, done, fifo_message, handles, message, purge_queue,
};
use bench::requests::{receive, receive_all, send, send_batch};
use engine::request::Message;
use engine::{Reply, Request};
use server::clock;
use store::log::Options;

const USAGE: &str = "backlog [--work backlog|fifo|blocked|queues|delayed|dedup|purge] [--data ./bench-data] [--messages 1000000] \
                     [--message 200] [--seconds 60] [--groups 100000] [--locked 10000] [--queues 10000]";
/// Messages handed in at once, in tens.
const GROUP: u64 = 130;
/// Groups out at once.
const OUT: usize = 2;
const MIB: f64 = (1 << 20) as f64;
/// Before memory is told: what a load has under way is flushed, and the allocator gives back within ten seconds what lies
/// unused. What stays is the backlog's.
const REST: Duration = Duration::from_secs(12);
const FIFO: &[(&str, &str)] = &[("FifoQueue", "true")];

type Outcome<T> = Result<T, String>;

fn main() {
    let arguments = Arguments::read(USAGE);
    let bench = Bench { data: arguments.get("data", PathBuf::from("./bench-data")), arguments };
    let phase: String = bench.arguments.get("phase", String::new());
    if !phase.is_empty() {
        match bench.phase(&phase) {
            Ok(()) => end(),
            Err(error) => stop(&error),
        }
    }
    if bench.data.exists() {
        stop(&format!(
            "{} exists; name a directory that does not, it is removed afterwards",
            bench.data.display()
        ));
    }
    let result = bench.work();
    let _ = std::fs::remove_dir_all(&bench.data);
    if let Err(error) = result {
        stop(&error.to_string());
    }
}

struct Bench {
    data: PathBuf,
    arguments: Arguments,
}

/// The parent: phases in order, and what they told as sentences.
impl Bench {
    fn work(&self) -> std::io::Result<()> {
        match self.arguments.get("work", "backlog".to_owned()).as_str() {
            "backlog" => self.backlog(),
            "fifo" => self.fifo(),
            "blocked" => self.blocked(),
            "queues" => self.queues(),
            "delayed" => self.delayed(),
            "dedup" => self.dedup(),
            "purge" => self.purge(),
            _ => stop(USAGE),
        }
    }

    fn backlog(&self) -> std::io::Result<()> {
        let load = phase::run("load", &[])?;
        println!("load: {:.0} msg/s, {:.2} us CPU/msg", load["rate"], load["cpu"]);
        println!("  {:.2} bytes written a byte of payload, {}", load["written"], memory(&load));
        println!(
            "  resident at a tenth of it {:.0} MiB, at all of it {:.0} MiB",
            load["tenth"], load["resident"]
        );
        self.reopen("after the load", "open")?;
        let drain = phase::run("drain", &[])?;
        println!("drain by tens: {:.0} msg/s, {:.2} us CPU/msg", drain["rate"], drain["cpu"]);
        println!(
            "  of a short queue {:.0} msg/s: ratio {:.2}, between {:.2} and {:.2}",
            drain["short"], drain["ratio"], drain["least"], drain["most"]
        );
        println!("  {}", memory(&drain));
        self.reopen("after the drain", "open")?;
        let cycle = phase::run("cycle", &[])?;
        println!("full cycle: {:.0} msg/s, {}", cycle["rate"], memory(&cycle));
        self.reopen("after the full cycle", "open")?;
        Ok(())
    }

    fn reopen(&self, when: &str, phase: &str) -> std::io::Result<Figures> {
        own::drop_cache(&self.data)?;
        let open = phase::run(phase, &[])?;
        println!(
            "reopening {when}: ready after {:.0} ms, first receive answered {:.1} ms later; {:.1} MiB of journal and {:.0} \
             records replayed, {}",
            open["ready"],
            open["receive"],
            open["journal"],
            open["records"],
            memory(&open)
        );
        Ok(open)
    }

    fn fifo(&self) -> std::io::Result<()> {
        let groups = self.arguments.get("groups", 100_000u64);
        let total = ("messages", (groups * TEN as u64).to_string());
        let one = phase::run("load-fifo", &[total.clone(), ("groups", "1".to_owned())])?;
        println!("{} messages in one group: {:.0} msg/s, {}", total.1, one["rate"], memory(&one));
        std::fs::remove_dir_all(&self.data)?;
        let many = phase::run("load-fifo", &[total, ("groups", groups.to_string())])?;
        println!("in {groups} groups: {:.0} msg/s, {}", many["rate"], memory(&many));
        println!("  resident more than in one group: {:.1} MiB", many["resident"] - one["resident"]);
        let locks = phase::run("lock", &[])?;
        println!("locking {} of the groups: {:.0} a second", locks["locked"], locks["rate"]);
        println!("  the next free message, warm: {}", found(&locks));
        println!("  {}", memory(&locks));
        let open = self.reopen("with the groups locked", "open-fifo")?;
        println!("  then warm: {}", found(&open));
        Ok(())
    }

    fn blocked(&self) -> std::io::Result<()> {
        let load = phase::run("load-blocked", &[])?;
        println!(
            "{} messages of a group, and then one of another: {:.0} msg/s",
            load["messages"], load["rate"]
        );
        println!("  its first in flight, the other found after {:.1} ms; {}", load["receive"], memory(&load));
        let open = self.reopen("with the group blocked", "open-fifo")?;
        println!("  then warm: {}", found(&open));
        Ok(())
    }

    fn queues(&self) -> std::io::Result<()> {
        let made = phase::run("load-queues", &[])?;
        println!("{} queues with three messages each: {:.0} a second", made["queues"], made["rate"]);
        println!("  {:.0} bytes resident a queue, the messages and the code's pages included", made["each"]);
        let open = self.reopen("many queues", "open-queues")?;
        println!("  {:.0} bytes resident a queue after the start", open["each"]);
        Ok(())
    }

    fn delayed(&self) -> std::io::Result<()> {
        let load = phase::run("load-delayed", &[])?;
        println!(
            "{} messages delayed by 15 minutes: {:.0} msg/s, {}",
            load["messages"],
            load["rate"],
            memory(&load)
        );
        self.reopen("delayed messages", "open-delayed")?;
        Ok(())
    }

    fn dedup(&self) -> std::io::Result<()> {
        let load = phase::run("load-dedup", &[])?;
        println!(
            "{} deduplication ids: {:.0} msg/s, {:.1} bytes resident an id; {}",
            load["messages"],
            load["rate"],
            load["each"],
            memory(&load)
        );
        self.reopen("inside the five minutes", "open-dedup")?;
        Ok(())
    }
}

/// One queue is purged, another one deleted.
impl Bench {
    fn purge(&self) -> std::io::Result<()> {
        let done = phase::run("purge", &[])?;
        for what in ["purge", "delete"] {
            let [reply, segments, freed, written] =
                ["reply", "segments", "freed", "written"].map(|name| done[&format!("{what}-{name}")]);
            println!(
                "{what} of a queue of {} messages: answered after {reply:.2} ms; {segments:.0} MiB of segments removed {freed:.0} ms \
                 later, {written:.2} MiB written beside the journal",
                self.messages()
            );
        }
        println!("  {}", memory(&done));
        Ok(())
    }

    fn load_and_purge(&self, local: &mut Local) -> Outcome<()> {
        for (what, queue, request) in
            [("purge", "purged", purge_queue("purged")), ("delete", "deleted", delete_queue("deleted"))]
        {
            local.call(vec![create(queue, &[])])?;
            send_many(local, queue, self.messages(), |_| message(self.size()))?;
            local.rest(Duration::from_secs(2))?;
            let before = local.stats();
            let began = clock::instant();
            tell(&format!("{what}-reply"), local.call(vec![request])?.took.as_secs_f64() * 1e3);
            // What was not flushed yet leaves a segment behind, which other work removes.
            while local.stats().segment_bytes > before.segment_bytes / 20 {
                if began.elapsed() > Duration::from_secs(60) {
                    return Err(format!("the space is not free after a minute: {:?}", local.stats()));
                }
                local.rest(Duration::from_millis(1))?;
            }
            tell(&format!("{what}-freed"), began.elapsed().as_secs_f64() * 1e3);
            let after = local.stats();
            tell(&format!("{what}-segments"), (before.segment_bytes - after.segment_bytes) as f64 / MIB);
            tell(&format!("{what}-written"), (after.background_bytes - before.background_bytes) as f64 / MIB);
        }
        Ok(())
    }
}

fn memory(figures: &Figures) -> String {
    format!("resident {:.0} MiB, at most {:.0} MiB", figures["resident"], figures["peak"])
}

fn found(figures: &Figures) -> String {
    let [warm, worst, beside] = ["warm", "worst", "beside"].map(|name| figures[name]);
    format!("{warm:.3} ms, at most {worst:.3} ms; a send to an empty queue beside it: {beside:.3} ms")
}

/// The phases.
impl Bench {
    fn phase(&self, name: &str) -> Outcome<()> {
        let began = clock::instant();
        let mut local = Local::open(&self.data, Options::default())?;
        let ready = began.elapsed();
        match name {
            "load" => self.load(&mut local)?,
            "drain" => self.drain(&mut local)?,
            "cycle" => self.cycle(&mut local)?,
            "load-fifo" => self.load_fifo(&mut local)?,
            "lock" => self.lock(&mut local)?,
            "load-blocked" => self.load_blocked(&mut local)?,
            "load-queues" => self.load_queues(&mut local)?,
            "load-delayed" => self.load_delayed(&mut local)?,
            "load-dedup" => self.load_dedup(&mut local)?,
            "purge" => self.load_and_purge(&mut local)?,
            "open" => open(&mut local, "backlog", ready)?,
            "open-fifo" => {
                open(&mut local, "groups.fifo", ready)?;
                next_free(&mut local, 100)?;
            }
            "open-queues" => {
                open(&mut local, "queue-0", ready)?;
                tell("each", resident()? / self.arguments.get("queues", 10_000.0));
            }
            "open-delayed" => open(&mut local, "delayed", ready)?,
            "open-dedup" => open(&mut local, "ids.fifo", ready)?,
            other => return Err(format!("there is no phase {other}")),
        }
        tell_memory()
    }

    fn messages(&self) -> u64 {
        self.arguments.get("messages", 1_000_000)
    }

    fn size(&self) -> usize {
        self.arguments.get("message", 200)
    }

    fn load(&self, local: &mut Local) -> Outcome<()> {
        local.call(vec![create("backlog", &[])])?;
        let (messages, size) = (self.messages(), self.size());
        let (began, cpu) = (clock::instant(), own::cpu());
        send_many(local, "backlog", messages / 10, |_| message(size))?;
        tell("tenth", resident()? / MIB);
        send_many(local, "backlog", messages - messages / 10, |_| message(size))?;
        tell("rate", messages as f64 / began.elapsed().as_secs_f64());
        tell("cpu", (own::cpu() - cpu).as_secs_f64() * 1e6 / messages as f64);
        let stats = local.stats();
        let written = stats.journal_bytes + stats.background_bytes;
        tell("written", written as f64 / (messages * size as u64) as f64);
        Ok(())
    }

    /// In parts, each beside short queues that find the store at rest; the ratios are those of the pairs.
    fn drain(&self, local: &mut Local) -> Outcome<()> {
        const PARTS: u64 = 7;
        let (mut drained, mut received) = (0, Vec::new());
        let (mut took, mut spent) = (Duration::ZERO, Duration::ZERO);
        let (mut shorts, mut ratios) = (Vec::new(), Vec::new());
        for part in 1..=PARTS {
            local.rest(Duration::from_millis(500))?;
            let some = (0..3).map(|_| self.short(local)).collect::<Outcome<Vec<f64>>>()?;
            let short = median(some);
            let (began, cpu) = (clock::instant(), own::cpu());
            let messages = drain(local, "backlog", self.messages() * part / PARTS - drained, &mut received)?;
            let elapsed = began.elapsed();
            (took, spent, drained) = (took + elapsed, spent + (own::cpu() - cpu), drained + messages);
            shorts.push(short);
            ratios.push(messages as f64 / elapsed.as_secs_f64() / short);
        }
        tell("rate", drained as f64 / took.as_secs_f64());
        tell("cpu", spent.as_secs_f64() * 1e6 / drained as f64);
        tell("short", median(shorts));
        tell("least", ratios.iter().copied().fold(f64::MAX, f64::min));
        tell("most", ratios.iter().copied().fold(0.0, f64::max));
        tell("ratio", median(ratios));
        Ok(())
    }

    /// The rate at which a queue of a few thousand messages is drained.
    fn short(&self, local: &mut Local) -> Outcome<f64> {
        const SHORT: u64 = 20_000;
        local.call(vec![create("short", &[])])?;
        send_many(local, "short", SHORT, |_| message(self.size()))?;
        let began = clock::instant();
        let drained = drain(local, "short", SHORT, &mut Vec::new())?;
        let rate = drained as f64 / began.elapsed().as_secs_f64();
        local.call(vec![delete_queue("short")])?;
        Ok(rate)
    }

    fn cycle(&self, local: &mut Local) -> Outcome<()> {
        let seconds = Duration::from_secs_f64(self.arguments.get("seconds", 60.0));
        let mut received = Vec::new();
        let (began, mut deleted) = (clock::instant(), 0);
        while began.elapsed() < seconds {
            let mut requests = delete_all("backlog", &mut received);
            requests.extend(receive_all("backlog", GROUP as usize));
            requests.extend(tens("backlog", GROUP, |_| message(self.size())));
            for reply in local.call(requests)?.replies {
                deleted += if matches!(reply, Reply::DeleteMessageBatch(_)) { done(&reply)? } else { 0 };
                received.extend(handles(reply));
            }
        }
        tell("rate", deleted as f64 / began.elapsed().as_secs_f64());
        Ok(())
    }

    /// The messages of a group stand together, so that locked groups have theirs in front of the free ones.
    fn load_fifo(&self, local: &mut Local) -> Outcome<()> {
        let (messages, groups) = (self.messages(), self.arguments.get("groups", 100_000u64));
        let each = messages / groups;
        local.call(vec![create("groups.fifo", FIFO)])?;
        let began = clock::instant();
        send_many(local, "groups.fifo", messages, |n| fifo_message(self.size(), n / each, n))?;
        tell("rate", messages as f64 / began.elapsed().as_secs_f64());
        local.rest(REST)
    }

    /// Locks groups, one message of each, then looks for the next free one.
    fn lock(&self, local: &mut Local) -> Outcome<()> {
        let locked: u64 = self.arguments.get("locked", 10_000);
        let began = clock::instant();
        for from in (0..locked).step_by(GROUP as usize) {
            let some = (locked - from).min(GROUP);
            let requests = (0..some).map(|_| receive("groups.fifo", 1, 43_200, 0)).collect();
            let got: u64 = local.call(requests)?.replies.iter().map(done).sum::<Outcome<u64>>()?;
            if got != some {
                return Err(format!("{got} of {some} groups found"));
            }
        }
        tell("locked", locked as f64);
        tell("rate", locked as f64 / began.elapsed().as_secs_f64());
        next_free(local, 100)
    }

    fn load_blocked(&self, local: &mut Local) -> Outcome<()> {
        let messages = self.messages();
        local.call(vec![create("groups.fifo", FIFO)])?;
        let began = clock::instant();
        let group = |n| u64::from(n == messages);
        send_many(local, "groups.fifo", messages + 1, |n| fifo_message(self.size(), group(n), n))?;
        tell("messages", messages as f64);
        tell("rate", messages as f64 / began.elapsed().as_secs_f64());
        local.call(vec![receive("groups.fifo", 1, 43_200, 0)])?;
        tell("receive", receive_one(local, "groups.fifo", 0)?.as_secs_f64() * 1e3);
        Ok(())
    }

    fn load_queues(&self, local: &mut Local) -> Outcome<()> {
        let queues: u64 = self.arguments.get("queues", 10_000);
        let (before, began) = (resident()?, clock::instant());
        let all: Vec<u64> = (0..queues).collect();
        for some in all.chunks(GROUP as usize) {
            local.call(some.iter().map(|n| create(&format!("queue-{n}"), &[])).collect())?;
            let three = |n: &u64| send_batch(&format!("queue-{n}"), (0..3).map(|_| message(self.size())));
            local.call(some.iter().map(three).collect())?;
        }
        tell("queues", queues as f64);
        tell("rate", queues as f64 / began.elapsed().as_secs_f64());
        tell("each", (resident()? - before) / queues as f64);
        Ok(())
    }

    fn load_delayed(&self, local: &mut Local) -> Outcome<()> {
        let messages = self.messages();
        local.call(vec![create("delayed", &[])])?;
        let began = clock::instant();
        let delayed = |_| Message { delay_seconds: Some(900), ..message(self.size()) };
        send_many(local, "delayed", messages, delayed)?;
        // One that can be received, so that a first receive has something to find.
        local.call(vec![send_batch("delayed", std::iter::once(message(self.size())))])?;
        tell("messages", messages as f64);
        tell("rate", messages as f64 / began.elapsed().as_secs_f64());
        Ok(())
    }

    /// The messages themselves are sent without ids first, so that what grows afterwards is the ids.
    fn load_dedup(&self, local: &mut Local) -> Outcome<()> {
        let messages = self.messages();
        local.call(vec![create("plain", &[]), create("ids.fifo", FIFO)])?;
        send_many(local, "plain", messages.min(2_000_000), |_| message(self.size()))?;
        local.rest(REST)?;
        let (before, began) = (resident_beside_table(local)?, clock::instant());
        send_many(local, "ids.fifo", messages, |n| fifo_message(self.size(), n % 1_000, n))?;
        let took = began.elapsed();
        if took > Duration::from_secs(300) {
            eprintln!("loading took {took:?}: the first ids are forgotten already");
        }
        tell("messages", messages as f64);
        tell("rate", messages as f64 / took.as_secs_f64());
        local.rest(REST)?;
        tell("each", (resident_beside_table(local)? - before) / messages as f64);
        Ok(())
    }
}

/// Tells how long it took to be ready, and to answer a receive then.
fn open(local: &mut Local, queue: &str, ready: Duration) -> Outcome<()> {
    let took = receive_one(local, queue, 0);
    tell("ready", ready.as_secs_f64() * 1e3);
    tell("journal", local.report.journal_bytes as f64 / MIB);
    tell("records", local.report.records as f64);
    tell("receive", took?.as_secs_f64() * 1e3);
    Ok(())
}

/// Receives one message; a drained queue has none, and says so.
fn receive_one(local: &mut Local, queue: &str, seconds: i64) -> Outcome<Duration> {
    let answers = local.call(vec![receive(queue, 1, seconds, 0)])?;
    if answers.replies.iter().map(done).sum::<Outcome<u64>>()? == 0 {
        eprintln!("  (nothing to receive in {queue})");
    }
    Ok(answers.took)
}

/// Receives one message at a time, each of which stays in flight. The answer waits for the disk; so does the
/// answer to a send to a queue that holds nothing else, which is told for comparison.
fn next_free(local: &mut Local, times: usize) -> Outcome<()> {
    local.call(vec![create("beside", &[])])?;
    let (mut took, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..times {
        let answers = local.call(vec![receive("groups.fifo", 1, 43_200, 0)])?;
        if answers.replies.iter().map(done).sum::<Outcome<u64>>()? == 0 {
            break;
        }
        took.push(answers.took.as_secs_f64() * 1e3);
        let sent = local.call(vec![send("beside", message(1))])?;
        beside.push(sent.took.as_secs_f64() * 1e3);
    }
    tell("beside", median(beside));
    tell("worst", took.iter().copied().fold(0.0, f64::max));
    tell("warm", median(took));
    Ok(())
}

fn tens(queue: &str, messages: u64, make: impl Fn(u64) -> Message) -> Vec<Request> {
    let batch = |from: u64| send_batch(queue, (from..messages.min(from + TEN as u64)).map(&make));
    (0..messages).step_by(TEN).map(batch).collect()
}

/// Sends messages numbered from 0 on, in groups of tens.
fn send_many(local: &mut Local, queue: &str, messages: u64, make: impl Fn(u64) -> Message) -> Outcome<()> {
    let mut sent = 0;
    loop {
        match local.next(sent < messages, OUT) {
            Next::Begin => {
                let some = (messages - sent).min(GROUP);
                local.begin(tens(queue, some, |n| make(sent + n)));
                sent += some;
            }
            Next::Finish => local.finish()?.replies.iter().try_for_each(|reply| done(reply).map(drop))?,
            Next::End => return Ok(()),
        }
    }
}

/// Receives by tens and deletes, until this many are gone; `received` is what is still to be deleted.
fn drain(local: &mut Local, queue: &str, messages: u64, received: &mut Vec<String>) -> Outcome<u64> {
    let (mut deleted, mut last) = (0, clock::instant());
    loop {
        match local.next(deleted < messages, OUT) {
            Next::Begin => {
                let mut requests = delete_all(queue, received);
                requests.extend(receive_all(queue, GROUP as usize));
                local.begin(requests);
            }
            Next::Finish => {
                for reply in local.finish()?.replies {
                    if matches!(reply, Reply::DeleteMessageBatch(_)) {
                        deleted += done(&reply)?;
                        last = clock::instant();
                    }
                    received.extend(handles(reply));
                }
                check_progress(last, deleted, messages)?;
            }
            Next::End => return Ok(deleted),
        }
    }
}

fn check_progress(last: Instant, deleted: u64, messages: u64) -> Outcome<()> {
    match last.elapsed() > Duration::from_secs(30) {
        true => Err(format!("{deleted} of {messages} messages came out, and then none for 30 s")),
        false => Ok(()),
    }
}

fn resident() -> Outcome<f64> {
    own::memory().map(|memory| memory.resident as f64).map_err(|error| error.to_string())
}

/// Without the messages that wait to be flushed, of which there are more at one time and fewer at another.
fn resident_beside_table(local: &Local) -> Outcome<f64> {
    Ok(resident()? - local.stats().table_bytes as f64)
}

fn tell_memory() -> Outcome<()> {
    let memory = own::memory().map_err(|error| error.to_string())?;
    tell("resident", memory.resident as f64 / MIB);
    tell("peak", memory.peak as f64 / MIB);
    Ok(())
}
