//! Engine and store without HTTP: a node over a real disk, given requests a group at a time.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{Defaults, Identity};
use disk::LocalDisk;
use engine::command::Settings;
use engine::{Error, Lsn, Millis, Reply, Request, Secret};
use node::sealer::PlainSealer;
use node::{Input, Node, NodeConfig, Output, RequestId};
use server::clock;
use store::log::{LogStore, Options, Report};
use store::{Stats, Store};

use crate::desk::{self, Desk, Machine};

/// When nothing was appended for this long, ms, the store is told that it is idle, as the server does.
const IDLE: Millis = 10;

/// Time is looked after at least this often.
const LOOK: Duration = Duration::from_millis(2);

/// Requests that were handed in at once.
struct Group {
    first: u64,
    began: Instant,
    missing: usize,
    replies: Vec<Option<Result<Reply, Error>>>,
    took: Duration,
}

/// The node with the groups that are not answered yet.
struct Machinery {
    node: Node<LogStore<LocalDisk>>,
    seed: u64,
    groups: VecDeque<Group>,
    idle_at: Option<Millis>,
    appended: Lsn,
    failed: Option<String>,
}

impl Machine for Machinery {
    fn completed(&mut self) {
        self.step(Vec::new());
    }
}

impl Machinery {
    fn step(&mut self, inputs: Vec<Input>) {
        let now = clock::now();
        self.seed += 1;
        for output in self.node.step(inputs, now, self.seed) {
            match output {
                Output::Reply { id, result, .. } => self.answered(id, result),
                Output::Warning(text) => eprintln!("{text}"),
                Output::Fatal(text) => self.failed = Some(text),
            }
        }
        self.watch_idleness(now);
    }

    fn answered(&mut self, id: RequestId, result: Result<Reply, Error>) {
        let group = self.groups.iter_mut().rev().find(|group| group.first <= id.0);
        let group = group.expect("a reply answers a request");
        group.replies[(id.0 - group.first) as usize] = Some(result);
        group.missing -= 1;
        if group.missing == 0 {
            group.took = group.began.elapsed();
        }
    }

    fn watch_idleness(&mut self, now: Millis) {
        let next = self.node.store().next_lsn();
        if next != self.appended {
            self.appended = next;
            self.idle_at = Some(now + IDLE);
        } else if self.idle_at.is_some_and(|at| at <= now) {
            self.idle_at = None;
            self.node.store_mut().idle();
        }
    }

    /// What a server's timer does: a step where one is due.
    fn keep_time(&mut self) {
        let due = [self.node.next_deadline(), self.idle_at].into_iter().flatten().min();
        if due.is_some_and(|at| at <= clock::now()) {
            self.step(Vec::new());
        }
    }
}

/// A group's replies, in the order of its requests.
#[derive(Debug)]
pub struct Answers {
    /// One a request.
    pub replies: Vec<Reply>,
    /// From the group's arrival to its last reply.
    pub took: Duration,
}

/// See [`Local::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// [`Local::begin`].
    Begin,
    /// [`Local::finish`].
    Finish,
    /// Nothing: no group is out, and none is to be.
    End,
}

/// A node in this process.
pub struct Local {
    desk: Arc<Desk<Machinery>>,
    next_id: u64,
    out: usize,
    identity: Arc<Identity>,
    /// What opening found.
    pub report: Report,
}

impl Local {
    /// Opens a data directory and waits until the node is ready.
    pub fn open(directory: &Path, options: Options) -> Result<Local, String> {
        let mut report = Report::default();
        let desk = Desk::open(directory, |disk| {
            let opened = LogStore::open(disk, options, Secret([1; 16])).map_err(|error| error.to_string())?;
            report = opened.report;
            let settings = Settings { rest_after_delete_or_purge: false, ..Settings::default() };
            let config = NodeConfig { slots: 1, settings, secret: opened.secret };
            let now = clock::now().max(opened.now + 1);
            let appended = opened.store.next_lsn();
            let node = Node::open(opened.store, opened.rows, config, Box::new(PlainSealer), now);
            Ok(Machinery { node, seed: now, groups: VecDeque::new(), idle_at: None, appended, failed: None })
        })?;
        let defaults = Defaults { account: "000000000000".to_owned(), region: "us-east-1".to_owned() };
        let identity = Arc::new(auth::identify(None, None, &defaults));
        let local = Local { desk, next_id: 1, out: 0, identity, report };
        while !local.desk.with(|machine| machine.node.is_ready()) {
            local.go_on(LOOK)?;
        }
        Ok(local)
    }

    /// Hands in a group without waiting for it.
    pub fn begin(&mut self, requests: Vec<Request>) {
        let (first, missing) = (self.next_id, requests.len());
        self.next_id += missing as u64;
        self.out += 1;
        let inputs = requests.into_iter().zip(first..).map(|(request, id)| Input::Request {
            id: RequestId(id),
            identity: self.identity.clone(),
            request,
        });
        let inputs: Vec<Input> = inputs.collect();
        let replies = std::iter::repeat_with(|| None).take(missing).collect();
        self.desk.with(|machine| {
            let (began, took) = (clock::instant(), Duration::ZERO);
            machine.groups.push_back(Group { first, began, missing, replies, took });
            machine.step(inputs);
        });
    }

    /// What a client does next that keeps this many groups out while it `is_sending`.
    pub fn next(&self, is_sending: bool, out: usize) -> Next {
        match self.out {
            at if is_sending && at < out => Next::Begin,
            0 => Next::End,
            _ => Next::Finish,
        }
    }

    /// Waits for the oldest group. An error reply is an error.
    pub fn finish(&mut self) -> Result<Answers, String> {
        assert!(self.out > 0, "a group is out");
        loop {
            let done = self.desk.with(|machine| {
                let answered = machine.groups.front().is_some_and(|group| group.missing == 0);
                if answered { machine.groups.pop_front() } else { None }
            });
            if let Some(group) = done {
                self.out -= 1;
                let replies = group.replies.into_iter().flatten().collect::<Result<Vec<Reply>, Error>>();
                let replies = replies.map_err(|error| error.to_string())?;
                return Ok(Answers { replies, took: group.took });
            }
            self.go_on(LOOK)?;
        }
    }

    /// Hands in a group and waits for it.
    pub fn call(&mut self, requests: Vec<Request>) -> Result<Answers, String> {
        assert_eq!(self.out, 0, "no other group is out");
        self.begin(requests);
        self.finish()
    }

    fn go_on(&self, longest: Duration) -> Result<(), String> {
        if let Some(why) = self.desk.with(|machine| machine.failed.clone()) {
            return Err(why);
        }
        self.desk.wait(longest);
        self.desk.with(Machinery::keep_time);
        Ok(())
    }

    /// Lets time pass: the store does what it has left to do.
    pub fn rest(&self, duration: Duration) -> Result<(), String> {
        desk::rest(duration, |left| self.go_on(left.min(LOOK)))
    }

    /// What the store has done.
    pub fn stats(&self) -> Stats {
        self.desk.with(|machine| machine.node.store().stats())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::{create, delete_all, done, handles, message, receive_all, send};

    /// A directory that is gone with the test.
    struct Directory(std::path::PathBuf);

    impl Directory {
        fn new(name: &str) -> Directory {
            Directory(std::env::temp_dir().join(format!("sluice-bench-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// The disk's threads hold the directory's lock until they have ended.
    fn open_again(directory: &Path) -> Local {
        for _ in 0..100 {
            if let Ok(local) = Local::open(directory, Options::default()) {
                return local;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Local::open(directory, Options::default()).expect("opens again")
    }

    #[test]
    fn groups_are_answered_in_order_and_survive_a_restart() {
        let directory = Directory::new("groups");
        let mut local = Local::open(&directory.0, Options::default()).expect("opens");
        local.call(vec![create("jobs", &[])]).expect("created");
        local.begin((0..20).map(|_| send("jobs", message(100))).collect());
        local.begin((0..5).map(|_| send("jobs", message(100))).collect());
        assert_eq!([3, 2].map(|out| local.next(true, out)), [Next::Begin, Next::Finish]);
        for size in [20, 5] {
            assert_eq!(local.next(false, 2), Next::Finish);
            assert_eq!(local.finish().expect("sent").replies.len(), size);
        }
        assert_eq!(local.next(false, 2), Next::End);
        drop(local);
        let mut local = open_again(&directory.0);
        assert!(local.report.records >= 25);
        let replies = local.call(receive_all("jobs", 30).collect()).expect("received").replies;
        let mut received: Vec<String> = replies.into_iter().flat_map(handles).collect();
        assert_eq!(received.len(), 25);
        let deleted = local.call(delete_all("jobs", &mut received)).expect("deleted").replies;
        assert_eq!(deleted.iter().map(|reply| done(reply).expect("no entry refused")).sum::<u64>(), 25);
    }

    #[test]
    fn an_error_is_told() {
        let directory = Directory::new("error");
        let mut local = Local::open(&directory.0, Options::default()).expect("opens");
        let error = local.call(vec![send("nowhere", message(1))]).expect_err("no such queue");
        assert!(error.contains("queue"), "{error}");
    }
}
