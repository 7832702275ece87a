//! The actions we use, with typed replies.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::body;
use crate::client::{Client, Failure, Refusal};
use crate::queues::{QUEUES, Queue};

/// A message to send.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its own number.
    pub number: u64,
    /// Bytes of filler.
    pub size: usize,
    /// Message group; on a standard queue a tenant.
    pub group: Option<u32>,
    /// DelaySeconds.
    pub delay: Option<u64>,
}

/// A received message.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its body, as it came.
    pub body: String,
    /// MessageId without its dashes.
    pub id: u128,
    /// ApproximateReceiveCount.
    pub count: u32,
    /// MessageGroupId.
    pub group: Option<u32>,
    /// ReceiptHandle.
    pub handle: String,
}

/// How one entry of a batch ended.
pub type Ending<T> = Result<T, Refusal>;

/// A connection that knows the queues.
#[derive(Debug)]
pub struct Sqs {
    client: Client,
    urls: Vec<String>,
}

impl Sqs {
    /// Connects; `urls` in the order of [`QUEUES`].
    pub fn connect(address: SocketAddr, urls: &[String]) -> Result<Sqs, Failure> {
        Ok(Sqs { client: Client::connect(address)?, urls: urls.to_vec() })
    }

    /// Makes every queue.
    pub fn create_queues(&mut self) -> Result<(), Failure> {
        for spec in &QUEUES {
            let request = json!({ "QueueName": spec.name, "Attributes": spec.attributes() });
            self.client.call("CreateQueue", &request)?;
        }
        Ok(())
    }

    /// The URL of every queue.
    pub fn find_queues(&mut self) -> Result<Vec<String>, Failure> {
        let find = |spec: &crate::queues::Spec| {
            let reply = self.client.call("GetQueueUrl", &json!({ "QueueName": spec.name }))?;
            text(&reply, "QueueUrl").ok_or_else(|| strange("GetQueueUrl", &reply))
        };
        QUEUES.iter().map(find).collect()
    }

    /// Sends; the MessageId of each.
    pub fn send(&mut self, queue: Queue, entries: &[Entry]) -> Result<Vec<Ending<u128>>, Failure> {
        if let [entry] = entries {
            let mut request = self.message(queue, entry);
            request["QueueUrl"] = json!(self.urls[queue]);
            let reply = self.client.call("SendMessage", &request)?;
            return Ok(vec![Ok(id(&reply).ok_or_else(|| strange("SendMessage", &reply))?)]);
        }
        let messages = entries.iter().map(|entry| self.message(queue, entry)).collect();
        let found = self.batch("SendMessageBatch", queue, messages)?;
        found
            .into_iter()
            .map(|ending| {
                ending.map_or_else(
                    |no| Ok(Err(no)),
                    |reply| id(&reply).map(Ok).ok_or_else(|| strange("SendMessageBatch", &reply)),
                )
            })
            .collect()
    }

    fn message(&self, queue: Queue, entry: &Entry) -> Value {
        let mut message = json!({ "MessageBody": body::of(entry.number, entry.size) });
        if let Some(group) = entry.group {
            message["MessageGroupId"] = json!(group.to_string());
        }
        if QUEUES[queue].fifo {
            message["MessageDeduplicationId"] = json!(entry.number.to_string());
        }
        if let Some(delay) = entry.delay {
            message["DelaySeconds"] = json!(delay);
        }
        message
    }

    /// Receives at most `most`, hidden for `visibility` seconds; waits `wait` seconds.
    pub fn receive(
        &mut self,
        queue: Queue,
        most: usize,
        visibility: u64,
        wait: u64,
    ) -> Result<Vec<Delivery>, Failure> {
        let request = json!({
            "QueueUrl": self.urls[queue],
            "MaxNumberOfMessages": most,
            "VisibilityTimeout": visibility,
            "WaitTimeSeconds": wait,
            "MessageSystemAttributeNames": ["ApproximateReceiveCount", "MessageGroupId"],
        });
        let reply = self.client.call("ReceiveMessage", &request)?;
        let messages = reply["Messages"].as_array().map_or(&[][..], Vec::as_slice);
        messages.iter().map(|one| delivery(one).ok_or_else(|| strange("ReceiveMessage", one))).collect()
    }

    /// Deletes by handle.
    pub fn delete(&mut self, queue: Queue, handles: &[&str]) -> Result<Vec<Ending<()>>, Failure> {
        self.by_handle(queue, "DeleteMessage", handles, &json!({}))
    }

    /// Changes the visibility timeout to `seconds`.
    pub fn change(
        &mut self,
        queue: Queue,
        handles: &[&str],
        seconds: u64,
    ) -> Result<Vec<Ending<()>>, Failure> {
        self.by_handle(queue, "ChangeMessageVisibility", handles, &json!({ "VisibilityTimeout": seconds }))
    }

    fn by_handle(
        &mut self,
        queue: Queue,
        action: &str,
        handles: &[&str],
        more: &Value,
    ) -> Result<Vec<Ending<()>>, Failure> {
        let member = |handle: &str| {
            let mut member = more.clone();
            member["ReceiptHandle"] = json!(handle);
            member
        };
        if let [handle] = handles {
            let mut request = member(handle);
            request["QueueUrl"] = json!(self.urls[queue]);
            return match self.client.call(action, &request) {
                Ok(_) => Ok(vec![Ok(())]),
                Err(Failure::Refused(refusal)) if refusal.status < 500 => Ok(vec![Err(refusal)]),
                Err(failure) => Err(failure),
            };
        }
        let members = handles.iter().map(|handle| member(handle)).collect();
        let found = self.batch(&format!("{action}Batch"), queue, members)?;
        Ok(found.into_iter().map(|ending| ending.map(|_| ())).collect())
    }

    /// Calls a batch action; what it says of each entry.
    fn batch(
        &mut self,
        action: &str,
        queue: Queue,
        mut entries: Vec<Value>,
    ) -> Result<Vec<Ending<Value>>, Failure> {
        for (index, entry) in entries.iter_mut().enumerate() {
            entry["Id"] = json!(index.to_string());
        }
        let count = entries.len();
        let reply = self.client.call(action, &json!({ "QueueUrl": self.urls[queue], "Entries": entries }))?;
        let mut found: HashMap<usize, Ending<Value>> = HashMap::new();
        let list = |name: &str| reply[name].as_array().cloned().unwrap_or_default();
        for one in list("Successful") {
            found.insert(index(&one).ok_or_else(|| strange(action, &one))?, Ok(one));
        }
        for one in list("Failed") {
            let refusal = Refusal { status: 0, text: one.to_string() };
            found.insert(index(&one).ok_or_else(|| strange(action, &one))?, Err(refusal));
        }
        let of = |index| found.remove(&index).ok_or_else(|| strange(action, &reply));
        (0..count).map(of).collect()
    }

    /// Visible, in flight and delayed messages.
    pub fn counters(&mut self, queue: Queue) -> Result<[u64; 3], Failure> {
        let names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ];
        let request = json!({ "QueueUrl": self.urls[queue], "AttributeNames": names });
        let reply = self.client.call("GetQueueAttributes", &request)?;
        let mut counters = [0; 3];
        for (counter, name) in counters.iter_mut().zip(names) {
            let count = text(&reply["Attributes"], name).and_then(|count| count.parse().ok());
            *counter = count.ok_or_else(|| strange("GetQueueAttributes", &reply))?;
        }
        Ok(counters)
    }
}

fn delivery(message: &Value) -> Option<Delivery> {
    let attributes = &message["Attributes"];
    Some(Delivery {
        body: text(message, "Body")?,
        id: id(message)?,
        count: text(attributes, "ApproximateReceiveCount")?.parse().ok()?,
        group: text(attributes, "MessageGroupId").and_then(|group| group.parse().ok()),
        handle: text(message, "ReceiptHandle")?,
    })
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

fn id(value: &Value) -> Option<u128> {
    u128::from_str_radix(&text(value, "MessageId")?.replace('-', ""), 16).ok()
}

fn index(entry: &Value) -> Option<usize> {
    text(entry, "Id")?.parse().ok()
}

fn strange(action: &str, reply: &Value) -> Failure {
    Failure::Refused(Refusal { status: 200, text: format!("{action} answered {reply}") })
}
