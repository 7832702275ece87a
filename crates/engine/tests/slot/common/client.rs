//! What a client of the queues does, in one line each.

use bytes::Bytes;
use engine::command::{Answer, Command, Delivery, Done, Sealed};
use engine::message::{Digests, content_hash, md5};
use engine::reply::{BatchReply, MoveTask, SentMessage};
use engine::request::{Pairs, ReceiveMessage};
use engine::{Code, Error, QueueId, Reply, Request};

use super::{World, name_of};

/// A message to send.
#[derive(Clone, Debug, Default)]
pub struct Msg {
    pub body: String,
    pub group: Option<String>,
    pub dedup: Option<String>,
    pub delay: Option<i64>,
    pub size: Option<usize>,
}

pub fn msg(body: impl Into<String>) -> Msg {
    Msg { body: body.into(), ..Msg::default() }
}

impl Msg {
    pub fn group(self, group: impl Into<String>) -> Msg {
        Msg { group: Some(group.into()), ..self }
    }

    pub fn dedup(self, id: impl Into<String>) -> Msg {
        Msg { dedup: Some(id.into()), ..self }
    }

    pub fn delay(self, seconds: i64) -> Msg {
        Msg { delay: Some(seconds), ..self }
    }

    pub fn size(self, size: usize) -> Msg {
        Msg { size: Some(size), ..self }
    }

    pub fn sealed(&self) -> Sealed {
        let digests = Digests {
            md5_of_message_body: md5(self.body.as_bytes()),
            md5_of_message_attributes: None,
            md5_of_message_system_attributes: None,
        };
        Sealed {
            blob: Bytes::copy_from_slice(self.body.as_bytes()),
            size: self.size.unwrap_or(self.body.len()),
            digests,
            delay_seconds: self.delay,
            group: self.group.clone(),
            deduplication_id: self.dedup.clone(),
            content_hash: Some(content_hash(&self.body)),
        }
    }
}

/// A receive.
pub type Get = ReceiveMessage;

/// A short poll for this many.
pub fn get(most: i64) -> Get {
    Get { max_number_of_messages: Some(most), wait_time_seconds: Some(0), ..Get::default() }
}

pub fn body(delivery: &Delivery) -> String {
    String::from_utf8(delivery.blob.to_vec()).expect("text")
}

pub fn bodies(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(body).collect()
}

pub fn received(done: Done) -> Result<Vec<Delivery>, Error> {
    done.answer.map(|answer| match answer {
        Answer::Deliver(messages) => messages,
        other => panic!("not a receive's answer: {other:?}"),
    })
}

fn reply(done: Done) -> Result<Reply, Error> {
    done.answer.map(|answer| match answer {
        Answer::Reply(reply) => reply,
        other => panic!("not a reply: {other:?}"),
    })
}

impl World {
    pub fn id(&self, queue: &str) -> QueueId {
        self.ids[queue]
    }

    /// Makes a queue; one whose name says so is FIFO.
    pub fn queue(&mut self, queue: &str, attributes: &[(&str, &str)]) -> QueueId {
        let mut all: Pairs = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        if queue.ends_with(".fifo") {
            all.insert("FifoQueue".into(), "true".into());
        }
        let request = Request::CreateQueue { queue_name: queue.into(), attributes: all, tags: Pairs::new() };
        self.administer(&request).expect("the queue is made");
        let id = self.catalogue.named(&name_of(queue)).expect("it is named").0.id;
        self.ids.insert(queue.into(), id);
        id
    }

    pub fn set(&mut self, queue: &str, attributes: &[(&str, &str)]) {
        let attributes = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let request = Request::SetQueueAttributes { queue_url: queue.into(), attributes };
        self.administer(&request).expect("the attributes are set");
    }

    pub fn delete_queue(&mut self, queue: &str) {
        self.administer(&Request::DeleteQueue { queue_url: queue.into() }).expect("the queue is deleted");
    }

    fn client(&self, queue: &str, request: Request) -> Command {
        Command::Client { queue: self.id(queue), arrived: self.now, request }
    }

    /// Anything but a send or a receive.
    pub fn ask(&mut self, queue: &str, request: Request) -> Result<Reply, Error> {
        let command = self.client(queue, request);
        reply(self.run(&command))
    }

    pub fn send_command(&self, queue: &str, entries: &[(&str, Msg)], batch: bool) -> Command {
        let entries = entries.iter().map(|(id, msg)| ((*id).to_owned(), Ok(msg.sealed()))).collect();
        Command::Send { queue: self.id(queue), entries, batch }
    }

    pub fn try_send(&mut self, queue: &str, msg: Msg) -> Result<SentMessage, Error> {
        if let Some(group) = &msg.group {
            self.groups.insert(msg.body.clone(), group.clone());
        }
        let command = self.send_command(queue, &[("", msg)], false);
        match reply(self.run(&command))? {
            Reply::SendMessage(sent) => Ok(sent),
            other => panic!("{other:?}"),
        }
    }

    pub fn send(&mut self, queue: &str, msg: Msg) -> SentMessage {
        self.try_send(queue, msg).expect("it is sent")
    }

    /// Sends plain messages of these bodies.
    pub fn send_all(&mut self, queue: &str, bodies: &[&str]) {
        for body in bodies {
            self.send(queue, msg(*body));
        }
    }

    /// Sends to a group of a FIFO queue; the bodies are the deduplication ids.
    pub fn send_group(&mut self, queue: &str, group: &str, bodies: &[&str]) {
        for body in bodies {
            self.send(queue, msg(*body).group(group).dedup(*body));
        }
    }

    pub fn send_batch(&mut self, queue: &str, entries: &[(&str, Msg)]) -> BatchReply<SentMessage> {
        let command = self.send_command(queue, entries, true);
        match reply(self.run(&command)) {
            Ok(Reply::SendMessageBatch(batch)) => batch,
            other => panic!("{other:?}"),
        }
    }

    pub fn receive_command(&self, queue: &str, get: Get) -> Command {
        self.client(queue, Request::ReceiveMessage(get))
    }

    /// Begins a receive.
    pub fn poll(&mut self, queue: &str, get: Get) -> usize {
        let command = self.receive_command(queue, get);
        self.begin(self.id(queue), command)
    }

    /// What a receive that was begun got, if it was answered.
    pub fn got(&mut self, ticket: usize) -> Option<Vec<Delivery>> {
        self.outcome(ticket).map(|done| received(done).expect("messages"))
    }

    pub fn try_receive(&mut self, queue: &str, get: Get) -> Result<Vec<Delivery>, Error> {
        let ticket = self.poll(queue, get);
        received(self.outcome(ticket).expect("a short poll is answered"))
    }

    /// A short poll.
    pub fn receive(&mut self, queue: &str, most: i64) -> Vec<Delivery> {
        self.try_receive(queue, get(most)).expect("messages")
    }

    /// The one message a short poll finds.
    pub fn one_of(&mut self, queue: &str) -> Delivery {
        let mut got = self.receive(queue, 1);
        assert_eq!(got.len(), 1, "a message of {queue}");
        got.remove(0)
    }

    /// The bodies a short poll finds.
    pub fn peek(&mut self, queue: &str, most: i64) -> Vec<String> {
        bodies(&self.receive(queue, most))
    }

    pub fn delete(&mut self, queue: &str, handle: &str) -> Result<(), Error> {
        let request = Request::DeleteMessage { queue_url: queue.into(), receipt_handle: handle.into() };
        self.ask(queue, request).map(drop)
    }

    pub fn change(&mut self, queue: &str, handle: &str, seconds: i64) -> Result<(), Error> {
        let request = Request::ChangeMessageVisibility {
            queue_url: queue.into(),
            receipt_handle: handle.into(),
            visibility_timeout: seconds,
        };
        self.ask(queue, request).map(drop)
    }

    pub fn purge(&mut self, queue: &str) -> Result<(), Error> {
        self.ask(queue, Request::PurgeQueue { queue_url: queue.into() }).map(drop)
    }

    /// Visible, in flight and delayed messages, as GetQueueAttributes says.
    pub fn counts(&mut self, queue: &str) -> (u64, u64, u64) {
        let request =
            Request::GetQueueAttributes { queue_url: queue.into(), attribute_names: vec!["All".into()] };
        let Ok(Reply::GetQueueAttributes { attributes }) = self.ask(queue, request) else {
            panic!("attributes")
        };
        let count = |name: &str| attributes[name].parse().expect("a number");
        (
            count("ApproximateNumberOfMessages"),
            count("ApproximateNumberOfMessagesNotVisible"),
            count("ApproximateNumberOfMessagesDelayed"),
        )
    }

    pub fn start_task(&mut self, queue: &str, to: Option<&str>, rate: Option<i64>) -> Result<String, Error> {
        let request = Request::StartMessageMoveTask {
            source_arn: name_of(queue).arn(),
            destination_arn: to.map(|to| name_of(to).arn()),
            max_number_of_messages_per_second: rate,
        };
        match self.ask(queue, request)? {
            Reply::StartMessageMoveTask { task_handle } => Ok(task_handle),
            other => panic!("{other:?}"),
        }
    }

    pub fn tasks(&mut self, queue: &str, most: i64) -> Vec<MoveTask> {
        let request =
            Request::ListMessageMoveTasks { source_arn: name_of(queue).arn(), max_results: Some(most) };
        match self.ask(queue, request) {
            Ok(Reply::ListMessageMoveTasks { results }) => results,
            other => panic!("{other:?}"),
        }
    }

    /// Law 3: takes out everything that is visible, ten at a time, and deletes it.
    pub fn drain(&mut self, queue: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let got = Get { visibility_timeout: Some(600), ..get(10) };
            let got = self.try_receive(queue, got).expect("messages");
            if got.is_empty() {
                return all;
            }
            for delivery in got {
                all.push(body(&delivery));
                self.delete(queue, &delivery.receipt_handle).expect("it is deleted");
            }
        }
    }

    /// Bodies by group, each group in order; those without a group sorted.
    pub fn by_group(&self, bodies: &[impl AsRef<str>]) -> std::collections::BTreeMap<String, Vec<String>> {
        let mut groups = std::collections::BTreeMap::<String, Vec<String>>::new();
        for body in bodies {
            let group = self.groups.get(body.as_ref()).cloned().unwrap_or_default();
            groups.entry(group).or_default().push(body.as_ref().to_owned());
        }
        groups.entry(String::new()).or_default().sort();
        groups
    }

    /// Law 3: once nothing is in flight or delayed, the queue gives exactly these (each group of a FIFO queue in
    /// this order), the same after a start, and then counts nothing.
    pub fn assert_holds(&mut self, queue: &str, bodies: &[&str]) {
        self.hold = Default::default();
        self.sync();
        self.deliver();
        self.pass(12 * super::HOUR);
        let count = bodies.len() as u64;
        assert_eq!(self.counts(queue), (count, 0, 0), "messages of {queue}");
        self.restart();
        assert_eq!(self.counts(queue), (count, 0, 0), "messages of {queue} after a start");
        let mut all = self.drain(queue);
        let mut expected: Vec<String> = bodies.iter().map(|body| (*body).to_owned()).collect();
        if queue.ends_with(".fifo") {
            assert_eq!(self.by_group(&all), self.by_group(&expected), "what {queue} holds");
        }
        all.sort();
        expected.sort();
        assert_eq!(all, expected, "what {queue} holds");
        assert_eq!(self.counts(queue), (0, 0, 0), "the drained {queue}");
    }
}

/// The code of an error.
pub fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> Code {
    result.expect_err("an error").code
}
