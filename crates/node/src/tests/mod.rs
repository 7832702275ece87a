//! A node over a store whose durability the test holds in its hand.

mod durability;
mod life;
mod room;
mod start;
mod waiting;

use std::collections::BTreeMap;

use engine::command::{Caller, Settings, Undo};
use engine::reply::{ReceivedMessage, SentMessage};
use engine::request::{Message, Pairs, ReceiveMessage};
use engine::{Ask, Batch, Code, Error, Lsn, MessageKey, Millis, Record, Reply, Request, Row, Secret};
use store::memory::MemoryStore;
use store::{Event, Known, Room, Store, Token, UNDURABLE_BYTES};

use crate::sealer::PlainSealer;
use crate::{Input, Node, NodeConfig, Output, RequestId};

pub(crate) const START: Millis = 1_800_000_000_000;

/// A store that tells nothing, and makes nothing durable, while it is stalled.
pub(crate) struct TestStore {
    inner: MemoryStore,
    pub stalled: bool,
    pub sends_refused: bool,
    /// How often the store was asked to look for space.
    pub looked: u32,
    pub no_room: bool,
    pub stopped: bool,
    /// Answers loads as lying in damaged bytes.
    pub damaged: bool,
    undurable: usize,
}

impl TestStore {
    fn new() -> TestStore {
        let inner = MemoryStore::new();
        TestStore {
            inner,
            stalled: false,
            sends_refused: false,
            looked: 0,
            no_room: false,
            stopped: false,
            damaged: false,
            undurable: 0,
        }
    }
}

impl Store for TestStore {
    fn room(&self) -> Room {
        let bytes = if self.no_room { 0 } else { UNDURABLE_BYTES.saturating_sub(self.undurable) };
        Room { bytes, sends_refused: self.sends_refused }
    }

    fn next_lsn(&self) -> Lsn {
        self.inner.next_lsn()
    }

    fn append(&mut self, batch: Batch) -> Lsn {
        assert!(!batch.records.is_empty(), "an empty batch is not appended");
        let blob = |record: &Record| match record {
            Record::Put(Row::Message(_, _, blob)) => blob.len(),
            _ => 0,
        };
        self.undurable += batch.records.iter().map(blob).sum::<usize>();
        self.inner.append(batch)
    }

    fn load(&mut self, ask: Ask) -> Token {
        self.inner.load(ask)
    }

    fn poll(&mut self) -> Option<Event> {
        if self.stopped {
            return Some(Event::Stopped("EIO".into()));
        }
        if self.stalled {
            return None;
        }
        match self.inner.poll()? {
            Event::Durable(lsn) => {
                self.undurable = 0;
                Some(Event::Durable(lsn))
            }
            Event::Loaded(token, _) if self.damaged => {
                Some(Event::Damaged(token, "segment-1 at 4096".into()))
            }
            event => Some(event),
        }
    }

    fn look_for_space(&mut self) {
        self.looked += 1;
    }

    fn is_quiet(&self) -> bool {
        !self.stalled && self.inner.is_quiet()
    }

    fn known(&self, key: &MessageKey) -> Known<'_> {
        self.inner.known(key)
    }

    fn small_rows(&self) -> Vec<Row> {
        self.inner.small_rows()
    }
}

/// A node, its time, and what has come out of it.
pub(crate) struct World {
    pub node: Node<TestStore>,
    pub now: Millis,
    slots: usize,
    last: u64,
    replies: BTreeMap<RequestId, (Result<Reply, Error>, Vec<Undo>)>,
    pub warnings: Vec<String>,
    pub fatal: Option<String>,
}

fn config(slots: usize) -> NodeConfig {
    NodeConfig { slots, settings: Settings::default(), secret: Secret([5; 16]) }
}

impl World {
    pub fn new(slots: usize) -> World {
        World::over(TestStore::new(), Vec::new(), slots, START)
    }

    pub fn over(store: TestStore, rows: Vec<Row>, slots: usize, now: Millis) -> World {
        let node = Node::open(store, rows, config(slots), Box::new(PlainSealer), now);
        World { node, now, slots, last: 0, replies: BTreeMap::new(), warnings: Vec::new(), fatal: None }
    }

    /// A restart that loses nothing, with another number of slots.
    pub fn restart(self) -> World {
        let (slots, now) = (5 - self.slots, self.now + 1);
        let store = self.node.into_store();
        let rows = store.small_rows();
        World::over(store, rows, slots, now)
    }

    pub fn stall(&mut self, stalled: bool) {
        self.node.store_mut().stalled = stalled;
        self.step(Vec::new());
    }

    pub fn step(&mut self, inputs: Vec<Input>) {
        let outputs = self.node.step(inputs, self.now, self.now ^ self.last);
        for output in outputs {
            match output {
                Output::Reply { id, result, undo } => {
                    let before = self.replies.insert(id, (result, undo));
                    assert!(before.is_none(), "{id:?} is answered twice");
                }
                Output::Warning(text) => self.warnings.push(text),
                Output::Fatal(text) => self.fatal = Some(text),
            }
        }
        if self.fatal.is_none() {
            self.node.check_laws().unwrap();
        }
    }

    pub fn pass(&mut self, ms: Millis) {
        self.now += ms;
        self.step(Vec::new());
    }

    pub fn input(&mut self, request: Request) -> (RequestId, Input) {
        self.last += 1;
        let id = RequestId(self.last);
        let caller = Caller {
            account: "000000000000".into(),
            region: "us-east-1".into(),
            sender_id: "AIDATEST".into(),
        };
        let identity = auth::Identity { caller, arn: "arn:aws:iam::000000000000:root".into() };
        (id, Input::Request { id, identity: identity.into(), request })
    }

    /// Begins a request.
    pub fn begin(&mut self, request: Request) -> RequestId {
        let (id, input) = self.input(request);
        self.step(vec![input]);
        id
    }

    /// The reply to a request, once.
    pub fn reply(&mut self, id: RequestId) -> Option<Result<Reply, Error>> {
        self.replies.remove(&id).map(|(reply, _)| reply)
    }

    pub fn undo_of(&self, id: RequestId) -> Vec<Undo> {
        self.replies[&id].1.clone()
    }

    /// A request that is answered in the step it comes in.
    pub fn ask(&mut self, request: Request) -> Result<Reply, Error> {
        let id = self.begin(request);
        self.reply(id).expect("answered at once")
    }

    pub fn create(&mut self, name: &str) {
        self.ask(create(name)).unwrap();
    }

    pub fn send(&mut self, queue: &str, body: &str) -> SentMessage {
        match self.ask(send(queue, body)).unwrap() {
            Reply::SendMessage(sent) => sent,
            other => panic!("{other:?}"),
        }
    }

    /// A short poll for ten messages.
    pub fn receive(&mut self, queue: &str) -> Vec<ReceivedMessage> {
        let id = self.begin(receive(queue, 0, 10));
        self.received(id)
    }

    /// The messages of a receive that is answered by now.
    pub fn received(&mut self, id: RequestId) -> Vec<ReceivedMessage> {
        match self.reply(id).expect("answered") {
            Ok(Reply::ReceiveMessage { messages }) => messages,
            other => panic!("{other:?}"),
        }
    }

    pub fn bodies(&mut self, id: RequestId) -> Vec<String> {
        self.received(id).into_iter().map(|message| message.body).collect()
    }

    pub fn waiters(&self) -> usize {
        self.node.view().waiters
    }
}

pub(crate) fn create(name: &str) -> Request {
    let fifo = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
    let fifo: Pairs = fifo.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let attributes = if name.ends_with(".fifo") { fifo } else { Pairs::new() };
    Request::CreateQueue { queue_name: name.into(), attributes, tags: Pairs::new() }
}

pub(crate) fn message(body: &str) -> Message {
    Message { message_body: body.into(), ..Message::default() }
}

pub(crate) fn send(queue: &str, body: &str) -> Request {
    let group = queue.ends_with(".fifo").then(|| "g".to_owned());
    Request::SendMessage {
        queue_url: queue.into(),
        message: Message { message_group_id: group, ..message(body) },
    }
}

pub(crate) fn receive(queue: &str, wait: i64, most: i64) -> Request {
    Request::ReceiveMessage(ReceiveMessage {
        queue_url: queue.into(),
        message_system_attribute_names: vec!["All".into()],
        message_attribute_names: vec!["All".into()],
        wait_time_seconds: Some(wait),
        max_number_of_messages: Some(most),
        ..ReceiveMessage::default()
    })
}

pub(crate) fn delete(queue: &str, handle: &str) -> Request {
    Request::DeleteMessage { queue_url: queue.into(), receipt_handle: handle.into() }
}

pub(crate) fn queue_url(name: &str) -> Request {
    Request::GetQueueUrl { queue_name: name.into(), queue_owner_aws_account_id: None }
}

pub(crate) fn code(result: Option<Result<Reply, Error>>) -> Option<Code> {
    result?.err().map(|error| error.code)
}

/// Runs a test with one slot and with four.
pub(crate) fn with_slots(test: impl Fn(World)) {
    test(World::new(1));
    test(World::new(4));
}
