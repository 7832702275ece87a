//! What DeleteMessage and ChangeMessageVisibility share: finding a message by its receipt handle, singly and in a
//! batch.

use crate::asks::Ask;
use crate::batch::check_ids;
use crate::command::Decision;
use crate::errors::{Code, Error};
use crate::handle::Handle;
use crate::ids::{MessageKey, Millis};
use crate::queue::Queue;
use crate::reply::{BatchReply, Reply};
use crate::rows::{MessageRow, Touched};
use crate::turn::{Turn, answer};

/// What is done by a handle; `T` is what a request says beside it.
type Act<T> = fn(&mut Queue, &mut Turn, &Handle, T) -> Result<(), Error>;

/// Decides what one handle asks for.
pub fn single<T>(
    queue: &mut Queue,
    turn: &mut Turn,
    receipt_handle: &str,
    what: T,
    act: Act<T>,
    reply: Reply,
) -> Decision {
    let handle = read(queue, turn, receipt_handle);
    if let Some(need) = needs_exists(queue, turn, [&handle]) {
        return need;
    }
    let outcome = handle.and_then(|handle| act(queue, turn, &handle, what));
    answer(queue, outcome.map(|()| reply))
}

/// Decides a batch entry by entry: Id, handle and what is said beside it. What is wrong with the batch as a whole comes
/// first; `name` is what its entries are called.
pub fn batch<'a, T>(
    queue: &mut Queue,
    turn: &mut Turn,
    name: &str,
    entries: impl Iterator<Item = (&'a str, &'a str, T)> + Clone,
    act: Act<T>,
    reply: fn(BatchReply<()>) -> Reply,
) -> Decision {
    if let Err(error) = check_ids(name, entries.clone().map(|(id, ..)| id)) {
        return answer(queue, Err(error));
    }
    let handles: Vec<_> = entries.clone().map(|(_, handle, _)| read(queue, turn, handle)).collect();
    if let Some(need) = needs_exists(queue, turn, &handles) {
        return need;
    }
    let mut outcomes = Vec::with_capacity(handles.len());
    for ((id, _, what), handle) in entries.zip(handles) {
        outcomes.push((id.to_owned(), handle.and_then(|handle| act(queue, turn, &handle, what))));
    }
    answer(queue, Ok(reply(BatchReply { entries: outcomes })))
}

/// Reads a handle of this queue; nonsense and another queue's handle are `ReceiptHandleIsInvalid`.
fn read(queue: &Queue, turn: &Turn, text: &str) -> Result<Handle, Error> {
    if text.is_empty() {
        return Err(Error::missing_parameter("ReceiptHandle"));
    }
    let handle = Handle::decode(turn.secret, text)?;
    if handle.key.queue != queue.id() {
        let text = "The input receipt handle is invalid: it is another queue's.";
        return Err(Error::new(Code::ReceiptHandleIsInvalid, text));
    }
    Ok(handle)
}

/// A standard receive may have been forgotten by a crash. Whether its message is there, untouched, only the store
/// knows.
fn needs_exists<'a>(
    queue: &Queue,
    turn: &Turn,
    handles: impl IntoIterator<Item = &'a Result<Handle, Error>>,
) -> Option<Decision> {
    let unknown: Vec<MessageKey> = handles
        .into_iter()
        .flatten()
        .filter(|handle| forgotten(queue, handle) && judge(queue, turn, &handle.key).is_none())
        .map(|handle| handle.key)
        .collect();
    (!unknown.is_empty()).then(|| Decision::Need(vec![Ask::Exists(unknown)]))
}

/// Whether the receive behind a handle may have been forgotten by a crash. No time can tell: after a crash the
/// clock may stand before the receive. A message deleted lately is known to be; else it is asked for, which only a
/// delete long after another one needs.
fn forgotten(queue: &Queue, handle: &Handle) -> bool {
    !queue.is_fifo() && queue.touched.get(&handle.key).is_none() && !queue.gone.holds(&handle.key)
}

/// What the fetched page says of an untouched message: its row if it is there, or that it is not. `None` if there is
/// no page, or one too old to judge by.
fn judge<'a>(queue: &Queue, turn: &'a Turn, key: &MessageKey) -> Option<Option<&'a MessageRow>> {
    let page = turn.facts.pages.first()?;
    let found = page.rows.iter().find(|found| found.key == *key).map(|found| &found.row);
    if found.is_some() && queue.gone.since(page.lsn, key)? {
        return Some(None);
    }
    Some(found)
}

/// The row of an untouched message whose receive was forgotten, if the message is there.
pub fn found_forgotten<'a>(queue: &Queue, turn: &'a Turn, handle: &Handle) -> Option<&'a MessageRow> {
    match forgotten(queue, handle) {
        true => judge(queue, turn, &handle.key).flatten(),
        false => None,
    }
}

/// Whether the message is in flight under this very handle.
pub fn holds(touched: &Touched, handle: &Handle, now: Millis) -> bool {
    touched.nonce == handle.nonce && touched.deadline > now
}

/// The handle no longer stands for its message.
pub fn expired() -> Error {
    let text = "Value for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.";
    Error::new(Code::InvalidParameterValue, text)
}
