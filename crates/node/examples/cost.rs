//! What a request costs in node, engine and memory store, without HTTP, journal and threads:
//! `cargo run --release -p node --example cost`
#![expect(clippy::disallowed_methods, reason = "a program that measures, not the node")]

use std::time::Instant;

use engine::command::Settings;
use engine::request::{DeleteEntry, Message, ReceiveMessage, SendEntry};
use engine::{Reply, Request, Secret};
use node::sealer::PlainSealer;
use node::{Input, Node, NodeConfig, Output, RequestId};
use store::memory::MemoryStore;

const MESSAGES: usize = 100_000;
const START: u64 = 1_800_000_000_000;

struct Load {
    node: Node<MemoryStore>,
    last: u64,
    now: u64,
}

impl Load {
    fn step(&mut self, requests: Vec<Request>) -> Vec<Reply> {
        let input = |request| {
            self.last += 1;
            let defaults = auth::Defaults { account: "000000000000".into(), region: "us-east-1".into() };
            let identity = auth::identify(None, None, &defaults);
            Input::Request { id: RequestId(self.last), identity: identity.into(), request }
        };
        let inputs: Vec<Input> = requests.into_iter().map(input).collect();
        self.now += 1;
        let outputs = self.node.step(inputs, self.now, self.last);
        let reply = |output| match output {
            Output::Reply { result, .. } => result.expect("no errors here"),
            other => panic!("{other:?}"),
        };
        outputs.into_iter().map(reply).collect()
    }

    /// Runs `requests` in turns of `group` and prints the time a request and a message takes.
    fn measure(&mut self, name: &str, group: usize, per: usize, requests: Vec<Request>) -> Vec<Reply> {
        let count = requests.len();
        let mut requests = requests.into_iter();
        let mut replies = Vec::with_capacity(count);
        let begun = Instant::now();
        while replies.len() < count {
            let group: Vec<Request> = requests.by_ref().take(group).collect();
            replies.extend(self.step(group));
        }
        let us = begun.elapsed().as_secs_f64() * 1e6 / count as f64;
        println!("{name:9} turns of {group:4}: {us:6.2} us a request, {:6.2} us a message", us / per as f64);
        replies
    }
}

fn message(body: &str) -> Message {
    Message { message_body: body.into(), ..Message::default() }
}

fn singles(load: &mut Load, body: &str, group: usize) {
    let send = || Request::SendMessage { queue_url: "jobs".into(), message: message(body) };
    load.measure("send", group, 1, (0..MESSAGES).map(|_| send()).collect());
    let receive =
        || Request::ReceiveMessage(ReceiveMessage { queue_url: "jobs".into(), ..Default::default() });
    let got = load.measure("receive", group, 1, (0..MESSAGES).map(|_| receive()).collect());
    let delete = |reply| match reply {
        Reply::ReceiveMessage { mut messages } => {
            let receipt_handle = messages.pop().expect("there is one for each").receipt_handle;
            Request::DeleteMessage { queue_url: "jobs".into(), receipt_handle }
        }
        other => panic!("{other:?}"),
    };
    load.measure("delete", group, 1, got.into_iter().map(delete).collect());
}

fn tens(load: &mut Load, body: &str, group: usize) {
    let entry = |id: usize| SendEntry { id: id.to_string(), message: message(body) };
    let send =
        || Request::SendMessageBatch { queue_url: "jobs".into(), entries: (0..10).map(entry).collect() };
    load.measure("send 10", group, 10, (0..MESSAGES / 10).map(|_| send()).collect());
    let receive = || {
        let receive = ReceiveMessage {
            queue_url: "jobs".into(),
            max_number_of_messages: Some(10),
            ..Default::default()
        };
        Request::ReceiveMessage(receive)
    };
    let got = load.measure("receive 10", group, 10, (0..MESSAGES / 10).map(|_| receive()).collect());
    let delete = |reply| match reply {
        Reply::ReceiveMessage { messages } => {
            let entries = messages.into_iter().enumerate();
            let entries = entries
                .map(|(i, one)| DeleteEntry { id: i.to_string(), receipt_handle: one.receipt_handle })
                .collect();
            Request::DeleteMessageBatch { queue_url: "jobs".into(), entries }
        }
        other => panic!("{other:?}"),
    };
    load.measure("delete 10", group, 10, got.into_iter().map(delete).collect());
}

fn main() {
    for group in [1, 16, 128] {
        let config = NodeConfig { slots: 1, settings: Settings::default(), secret: Secret([1; 16]) };
        let node = Node::open(MemoryStore::new(), Vec::new(), config, Box::new(PlainSealer), START);
        let mut load = Load { node, last: 0, now: START };
        let (attributes, tags) = ([("VisibilityTimeout".into(), "43200".into())].into(), Default::default());
        load.step(vec![Request::CreateQueue { queue_name: "jobs".into(), attributes, tags }]);
        let body = "x".repeat(1_024);
        singles(&mut load, &body, group);
        tens(&mut load, &body, group);
    }
}
