use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc;
use std::thread;

use engine::MessageKey;

use super::*;

/// A node that answers every request a number of turns later, with something to undo, and notes what it saw.
#[derive(Default)]
struct Seen {
    delay: usize,
    turns: usize,
    out: Vec<(usize, RequestId)>,
    gone: Vec<RequestId>,
    undone: usize,
    answered: usize,
    deadline: Option<Millis>,
}

struct Slow(Arc<Mutex<Seen>>);

impl Seen {
    fn turn(&mut self, inputs: Vec<Input>, now: Millis) -> Vec<Output> {
        self.turns += 1;
        for input in inputs {
            match input {
                Input::Request { request: Request::PurgeQueue { .. }, .. } => panic!("a planted panic"),
                Input::Request { id, .. } => self.out.push((self.turns + self.delay, id)),
                Input::Gone(id) => self.gone.push(id),
                Input::Undo(undo) => self.undone += undo.len(),
            }
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
        }
        let turns = self.turns;
        let due = self.out.extract_if(.., |(turn, _)| *turn <= turns).collect::<Vec<_>>();
        self.answered += due.len();
        due.into_iter().map(|(_, id)| reply(id)).collect()
    }
}

impl Turns for Slow {
    fn turn(&mut self, inputs: Vec<Input>, now: Millis) -> Vec<Output> {
        lock(&self.0).turn(inputs, now)
    }

    fn next_deadline(&self) -> Option<Millis> {
        lock(&self.0).deadline
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn stop(&mut self) {}

    fn is_idle(&self) -> bool {
        lock(&self.0).out.is_empty()
    }

    fn seal(&mut self) {}

    fn is_sealed(&self) -> bool {
        true
    }

    fn describe(&self, _page: &mut Page) {}

    fn queues(&mut self) -> Vec<QueueView> {
        Vec::new()
    }

    fn whole(&self) -> Option<Whole> {
        None
    }

    fn is_durable(&self, _lsn: Lsn) -> bool {
        true
    }
}

fn reply(id: RequestId) -> Output {
    let undo = vec![Undo { key: MessageKey::default(), nonce: id.0, before: Default::default() }];
    Output::Reply { id, result: Ok(Reply::DeleteMessage), undo }
}

fn door(delay: usize) -> (Arc<Door>, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen { delay, ..Seen::default() }));
    (Door::new(Box::new(Slow(seen.clone())), |text| panic!("{text}")), seen)
}

fn ask(door: &Arc<Door>) -> Pending {
    door.request(Arc::default(), Request::DeleteQueue { queue_url: String::new() })
}

#[tokio::test]
async fn a_request_is_answered_and_a_seen_reply_is_not_undone() {
    let (door, seen) = door(0);
    let pending = ask(&door);
    door.completed();
    let (result, mut unseen) = pending.await.expect("answered");
    assert_eq!(result, Ok(Reply::DeleteMessage));
    unseen.seen();
    drop(unseen);
    door.completed();
    assert_eq!(lock(&seen).undone, 0);
    assert_eq!(lock(&seen).gone.len(), 0);
}

#[tokio::test]
async fn a_client_that_is_gone_before_its_reply_is_told() {
    let (door, seen) = door(1);
    let pending = ask(&door);
    door.completed();
    drop(pending);
    door.completed();
    assert_eq!(lock(&seen).gone.len(), 1, "no reply had come out");
    // It came out in that turn, found nobody, and is undone in the next.
    door.completed();
    assert_eq!(lock(&seen).undone, 1);
}

/// A long poll whose client hangs up never gets a reply: nothing may be kept of it.
#[tokio::test]
async fn nobody_is_remembered_who_is_gone() {
    let (door, seen) = door(usize::MAX / 2);
    for _ in 0..100 {
        let pending = ask(&door);
        door.completed();
        drop(pending);
        door.completed();
    }
    assert_eq!(lock(&seen).gone.len(), 100);
    let still_there = ask(&door);
    door.completed();
    assert_eq!(lock(&door.desk).waiting.len(), 1, "only the one that waits");
    drop(still_there);
}

#[tokio::test]
async fn a_reply_that_is_not_taken_or_not_written_is_undone() {
    let (door, seen) = door(0);
    let pending = ask(&door);
    door.completed();
    drop(pending);
    door.completed();
    assert_eq!(lock(&seen).undone, 1, "not taken");
    let pending = ask(&door);
    door.completed();
    let (_, unseen) = pending.await.expect("answered");
    drop(unseen);
    door.completed();
    assert_eq!(lock(&seen).undone, 2, "not written");
    assert_eq!(lock(&seen).gone.len(), 0);
}

#[tokio::test]
async fn a_deadline_is_kept() {
    let (door, seen) = door(0);
    let clock = door.clone();
    let runner = door.clone();
    let tasks = [
        tokio::spawn(async move { clock.keep_time().await }),
        tokio::spawn(async move { runner.run_when_scheduled().await }),
    ];
    lock(&seen).deadline = Some(clock::now() + 20);
    door.completed();
    let before = lock(&seen).turns;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(lock(&seen).turns, before + 1, "one turn, when it was due");
    assert_eq!(lock(&seen).deadline, None);
    tasks.iter().for_each(|task| task.abort());
}

#[test]
fn a_panic_in_a_turn_is_fatal() {
    let (told, fatal) = mpsc::channel();
    let node = Box::new(Slow(Arc::default()));
    let door = Door::new(node, move |text| told.send(text.to_owned()).expect("listening"));
    let purge = Request::PurgeQueue { queue_url: String::new() };
    let _pending = door.request(Arc::default(), purge);
    door.completed();
    assert!(fatal.try_recv().expect("told").contains("panicked"));
}

/// Many threads bring requests in and complete, as workers and disk threads do: none may be left behind.
#[test]
fn nothing_is_left_in_the_inbox() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runs");
    let (door, seen) = door(0);
    let runner = door.clone();
    runtime.spawn(async move { runner.run_when_scheduled().await });
    let (threads, each) = (8, 2_000);
    let answered = Arc::new(AtomicUsize::new(0));
    let workers = (0..threads).map(|number| {
        let (door, answered, handle) = (door.clone(), answered.clone(), runtime.handle().clone());
        thread::spawn(move || {
            for i in 0..each {
                if number % 4 == 0 && i % 3 == 0 {
                    door.completed();
                }
                let pending = ask(&door);
                let answer =
                    handle.block_on(async { tokio::time::timeout(Duration::from_secs(20), pending).await });
                let (_, mut unseen) = answer.expect("a lost wake-up").expect("answered");
                unseen.seen();
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.join().expect("no panic");
    }
    assert_eq!(answered.load(Ordering::Relaxed), threads * each);
    assert_eq!(lock(&seen).answered, threads * each);
    assert_eq!(lock(&seen).undone, 0);
}

/// Answers come from disk threads, turns after the request; clients hang up before, between and after. Each answer
/// is seen or undone, once, and nothing is left anywhere.
#[test]
fn every_answer_is_seen_or_undone() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runs");
    let (door, seen) = door(3);
    let runner = door.clone();
    runtime.spawn(async move { runner.run_when_scheduled().await });
    let (threads, each) = (6, 1_000);
    let (stop, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let disks: Vec<_> = (0..2)
        .map(|_| {
            let (door, stop) = (door.clone(), stop.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    door.completed();
                    thread::yield_now();
                }
            })
        })
        .collect();
    let clients: Vec<_> = (0..threads)
        .map(|_| {
            let (door, taken, handle) = (door.clone(), taken.clone(), runtime.handle().clone());
            thread::spawn(move || {
                for i in 0..each {
                    let pending = ask(&door);
                    // It may hang up at once, or a little later, or read a reply and not write it.
                    let patience = Duration::from_micros(if i % 7 == 0 { i % 50 } else { 20_000_000 });
                    let answer = handle.block_on(async { tokio::time::timeout(patience, pending).await });
                    let Ok(answer) = answer else {
                        assert_eq!(i % 7, 0, "a lost wake-up");
                        continue;
                    };
                    let (_, mut unseen) = answer.expect("answered");
                    if i % 5 != 0 {
                        unseen.seen();
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("no panic"));
    stop.store(true, Ordering::Relaxed);
    disks.into_iter().for_each(|disk| disk.join().expect("no panic"));
    let end = clock::instant() + Duration::from_secs(20);
    let total = threads * each as usize;
    while lock(&seen).undone + taken.load(Ordering::Relaxed) < total && clock::instant() < end {
        door.completed();
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(lock(&seen).answered, total);
    assert_eq!(lock(&seen).undone + taken.load(Ordering::Relaxed), total);
    assert!(lock(&door.desk).waiting.is_empty() && lock(&door.inbox).is_empty());
}
