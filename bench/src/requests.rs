//! Requests of a load, and what of their replies it needs.

use engine::request::{BODY_ROOM, DeleteEntry, Message, Pairs, ReceiveMessage, SendEntry};
use engine::{Reply, Request};

/// Entries of a batch.
pub const TEN: usize = 10;

/// CreateQueue with these attributes.
pub fn create(name: &str, attributes: &[(&str, &str)]) -> Request {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let attributes = attributes.iter().map(pair).collect();
    Request::CreateQueue { queue_name: name.to_owned(), attributes, tags: Pairs::new() }
}

/// PurgeQueue.
pub fn purge_queue(queue: &str) -> Request {
    Request::PurgeQueue { queue_url: queue.to_owned() }
}

/// DeleteQueue.
pub fn delete_queue(queue: &str) -> Request {
    Request::DeleteQueue { queue_url: queue.to_owned() }
}

/// A message of this many bytes.
pub fn message(bytes: usize) -> Message {
    let mut body = Vec::with_capacity(bytes + BODY_ROOM);
    body.resize(bytes, b'x');
    Message { message_body: String::from_utf8(body).expect("plain letters"), ..Message::default() }
}

/// A FIFO message of group `group` whose deduplication id is `id`.
pub fn fifo_message(bytes: usize, group: u64, id: u64) -> Message {
    Message {
        message_group_id: Some(format!("group-{group}")),
        message_deduplication_id: Some(format!("id-{id}")),
        ..message(bytes)
    }
}

/// SendMessage.
pub fn send(queue: &str, message: Message) -> Request {
    Request::SendMessage { queue_url: queue.to_owned(), message }
}

/// SendMessageBatch of up to ten.
pub fn send_batch(queue: &str, messages: impl Iterator<Item = Message>) -> Request {
    let entry = |(id, message): (usize, Message)| SendEntry { id: id.to_string(), message };
    let entries = messages.enumerate().map(entry).collect();
    Request::SendMessageBatch { queue_url: queue.to_owned(), entries }
}

/// ReceiveMessage of up to `most` messages, invisible for `seconds`, waiting for up to `wait` seconds.
pub fn receive(queue: &str, most: usize, seconds: i64, wait: i64) -> Request {
    Request::ReceiveMessage(ReceiveMessage {
        queue_url: queue.to_owned(),
        max_number_of_messages: Some(most as i64),
        visibility_timeout: Some(seconds),
        wait_time_seconds: Some(wait),
        ..ReceiveMessage::default()
    })
}

/// ReceiveMessage often enough for this many messages, none waiting.
pub fn receive_all(queue: &str, messages: usize) -> impl Iterator<Item = Request> {
    let whole = (0..messages / TEN).map(|_| TEN);
    let rest = Some(messages % TEN).filter(|rest| *rest > 0);
    whole.chain(rest).map(move |most| receive(queue, most, 43_200, 0))
}

/// DeleteMessageBatch of these receipt handles.
pub fn delete_batch(queue: &str, handles: impl Iterator<Item = String>) -> Request {
    let entry = |(id, receipt_handle): (usize, String)| DeleteEntry { id: id.to_string(), receipt_handle };
    let entries = handles.enumerate().map(entry).collect();
    Request::DeleteMessageBatch { queue_url: queue.to_owned(), entries }
}

/// Deletes all of these, by tens.
pub fn delete_all(queue: &str, handles: &mut Vec<String>) -> Vec<Request> {
    let mut requests = Vec::with_capacity(handles.len().div_ceil(TEN));
    while !handles.is_empty() {
        let some = handles.split_off(handles.len().saturating_sub(TEN));
        requests.push(delete_batch(queue, some.into_iter()));
    }
    requests
}

/// The receipt handles of a reply's messages; of any other reply, none.
pub fn handles(reply: Reply) -> impl Iterator<Item = String> {
    let messages = match reply {
        Reply::ReceiveMessage { messages } => messages,
        _ => Vec::new(),
    };
    messages.into_iter().map(|message| message.receipt_handle)
}

/// How many messages a reply says are sent, received or deleted. Fails on an entry that was refused.
pub fn done(reply: &Reply) -> Result<u64, String> {
    let all = |results: Vec<bool>| match results.iter().all(|ok| *ok) {
        true => Ok(results.len() as u64),
        false => Err(format!("an entry was refused: {reply:?}")),
    };
    match reply {
        Reply::SendMessage(_) | Reply::DeleteMessage => Ok(1),
        Reply::ReceiveMessage { messages } => Ok(messages.len() as u64),
        Reply::SendMessageBatch(batch) => all(batch.entries.iter().map(|(_, one)| one.is_ok()).collect()),
        Reply::DeleteMessageBatch(batch) => all(batch.entries.iter().map(|(_, one)| one.is_ok()).collect()),
        _ => Ok(0),
    }
}
