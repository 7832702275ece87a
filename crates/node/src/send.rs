//! SendMessage and SendMessageBatch on their way in: checked, encoded, sealed.

use auth::Permit;
use engine::command::{Caller, Command, Sealed};
use engine::message::{self, Md5, Measured, TRACE_HEADER};
use engine::request::{Message, SendEntry};
use engine::rows::QueueRow;
use engine::{Code, Error, Lsn, QueueId, Request, batch};
use store::Store;

use crate::content::Content;
use crate::sealer::Sealer;
use crate::{Input, Node, RequestId};

impl<S: Store> Node<S> {
    /// Seals the messages of a send and hands them to the slot.
    pub(crate) fn send(
        &mut self,
        permit: Permit,
        (id, route): (RequestId, Lsn),
        queue: QueueId,
        caller: &Caller,
        (request, digests): (Request, &[Md5]),
    ) {
        match self.sealed(queue, caller, request, digests) {
            Ok(command) => self.command(permit, (id, route), command),
            Err(error) => self.refuse(id, error, route),
        }
    }

    fn sealed(
        &self,
        queue: QueueId,
        caller: &Caller,
        request: Request,
        digests: &[Md5],
    ) -> Result<Command, Error> {
        if self.room.sends_refused {
            let text = "The server's disk is full: messages are received and deleted, but not taken.";
            return Err(Error::new(Code::ServiceUnavailable, text));
        }
        let (row, _) = self.catalogue.by_id(queue).ok_or_else(Error::no_such_queue)?;
        let seal = |message: Message, measured| seal(&*self.sealer, row, caller, message, measured);
        match request {
            Request::SendMessage { message, .. } => {
                let measured = message::check(&message, digests[0])?;
                let entries = vec![(String::new(), seal(message, measured))];
                Ok(Command::Send { queue, entries, batch: false })
            }
            Request::SendMessageBatch { entries, .. } => {
                let measured = check_batch(&entries, digests)?;
                let seal = |(entry, measured): (SendEntry, Result<Measured, Error>)| {
                    (entry.id, measured.and_then(|measured| seal(entry.message, measured)))
                };
                let entries = entries.into_iter().zip(measured).map(seal).collect();
                Ok(Command::Send { queue, entries, batch: true })
            }
            _ => unreachable!("only sends are sealed"),
        }
    }
}

/// The MD5s of all the bodies that these send, in order. At once, which takes a third of the time.
pub(crate) fn digests(inputs: &[Input]) -> Vec<Md5> {
    let all: Vec<&[u8]> = inputs.iter().flat_map(bodies).collect();
    message::md5_of_each(&all)
}

/// The bodies that an input sends.
pub(crate) fn bodies(input: &Input) -> impl Iterator<Item = &[u8]> {
    let (one, entries) = match input {
        Input::Request { request: Request::SendMessage { message, .. }, .. } => (Some(message), &[][..]),
        Input::Request { request: Request::SendMessageBatch { entries, .. }, .. } => (None, &entries[..]),
        _ => (None, &[][..]),
    };
    let messages = one.into_iter().chain(entries.iter().map(|entry| &entry.message));
    messages.map(|message| message.message_body.as_bytes())
}

/// The errors that fail a batch as a whole, and what each entry comes to.
fn check_batch(entries: &[SendEntry], digests: &[Md5]) -> Result<Vec<Result<Measured, Error>>, Error> {
    batch::check_ids("SendMessageBatchRequestEntry", entries.iter().map(|entry| entry.id.as_str()))?;
    let both = entries.iter().zip(digests);
    let measured: Vec<_> = both.map(|(entry, digest)| message::check(&entry.message, *digest)).collect();
    let size = |(entry, measured): (&SendEntry, &Result<Measured, Error>)| {
        measured.as_ref().map_or(entry.message.message_body.len(), |measured| measured.size)
    };
    batch::check_size(entries.iter().zip(&measured).map(size).sum())?;
    Ok(measured)
}

fn seal(
    sealer: &dyn Sealer,
    row: &QueueRow,
    caller: &Caller,
    mut message: Message,
    measured: Measured,
) -> Result<Sealed, Error> {
    let by_content = message.message_deduplication_id.is_none()
        && row.name.is_fifo()
        && row.attributes.get("ContentBasedDeduplication").is_some_and(|value| value == "true");
    let content_hash = by_content.then(|| message::content_hash(&message.message_body));
    let body = std::mem::take(&mut message.message_body);
    let trace_header = message.message_system_attributes.get(TRACE_HEADER);
    let content = Content {
        sender_id: &caller.sender_id,
        group: message.message_group_id.as_deref(),
        deduplication_id: message.message_deduplication_id.as_deref().or(content_hash.as_deref()),
        trace_header: trace_header.and_then(|value| value.string_value.as_deref()),
        attributes: &message.message_attributes,
        md5: measured.digests.md5_of_message_body,
    };
    Ok(Sealed {
        blob: sealer.seal(row, content.encode(body))?,
        size: measured.size,
        digests: measured.digests,
        delay_seconds: message.delay_seconds,
        group: message.message_group_id,
        deduplication_id: message.message_deduplication_id,
        content_hash,
    })
}
