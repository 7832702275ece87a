//! ReceiveMessage's answer: sealed messages opened, and of each what was asked for.

use std::collections::BTreeMap;

use engine::command::{Command, Delivery};
use engine::reply::ReceivedMessage;
use engine::request::{Pairs, ReceiveMessage};
use engine::rows::QueueRow;
use engine::{Error, Reply, Request, message};
use store::Store;

use crate::Node;
use crate::content::Opened;
use crate::job::internal_failure;
use crate::sealer::Sealer;

impl<S: Store> Node<S> {
    /// The reply to a receive of these messages.
    pub(crate) fn open_messages(&self, command: &Command, messages: Vec<Delivery>) -> Result<Reply, Error> {
        let Command::Client { queue, request: Request::ReceiveMessage(receive), .. } = command else {
            return Err(internal_failure("Only a receive is answered with messages."));
        };
        let (row, _) = self.catalogue.by_id(*queue).ok_or_else(Error::no_such_queue)?;
        let open = |delivery| open(&*self.sealer, row, receive, delivery);
        let messages = messages.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Reply::ReceiveMessage { messages })
    }
}

fn open(
    sealer: &dyn Sealer,
    row: &QueueRow,
    receive: &ReceiveMessage,
    mut delivery: Delivery,
) -> Result<ReceivedMessage, Error> {
    let plain = sealer.open(row, &delivery.blob)?;
    let mut opened = Opened::decode(&plain).ok_or_else(|| {
        internal_failure("A stored message cannot be read: its content has an unknown form.")
    })?;
    let attributes = system_attributes(&receive.message_system_attribute_names, &mut delivery, &mut opened);
    let message_attributes = match receive.message_attribute_names.as_slice() {
        [] => BTreeMap::new(),
        names => message::select_attributes(names, &opened.attributes),
    };
    Ok(ReceivedMessage {
        message_id: delivery.message_id,
        receipt_handle: delivery.receipt_handle,
        md5_of_body: opened.md5,
        body: opened.body,
        attributes,
        md5_of_message_attributes: message::md5_of_attributes(&message_attributes),
        message_attributes,
    })
}

/// The system attributes that `names` ask for, of those the message has.
fn system_attributes(names: &[String], delivery: &mut Delivery, opened: &mut Opened) -> Pairs {
    let mut pairs = BTreeMap::new();
    if names.is_empty() {
        return pairs;
    }
    let mut add = |name: &str, value: &mut dyn FnMut() -> Option<String>| {
        if message::wants_system_attribute(names, name) {
            pairs.extend(value().map(|value| (name.to_owned(), value)));
        }
    };
    add("SenderId", &mut || Some(std::mem::take(&mut opened.sender_id)));
    add("SentTimestamp", &mut || Some(delivery.sent.to_string()));
    add("ApproximateReceiveCount", &mut || Some(delivery.receive_count.to_string()));
    add("ApproximateFirstReceiveTimestamp", &mut || Some(delivery.first_received.to_string()));
    add("SequenceNumber", &mut || delivery.sequence_number.map(|number| format!("{number:020}")));
    let deduplication_id = delivery.renamed_deduplication_id.take().or(opened.deduplication_id.take());
    add("MessageDeduplicationId", &mut || deduplication_id.clone());
    add("MessageGroupId", &mut || opened.group.take());
    add("AWSTraceHeader", &mut || opened.trace_header.take());
    add("DeadLetterQueueSourceArn", &mut || delivery.origin_arn.take());
    pairs
}
