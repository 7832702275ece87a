//! Names and keys: what a queue, a message and a group are called inside the server.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

/// Milliseconds since the Unix epoch. The engine never reads a clock: time is always an argument.
pub type Millis = u64;

/// The count of durable batches up to and including one. A reply waits for the `Lsn` it rests on.
pub type Lsn = u64;

/// A queue's number: the count of queues ever made, so that none is reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct QueueId(pub u64);

/// How a queue is addressed: account and region are namespaces of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct QueueName {
    /// Twelve digits.
    pub account: String,
    /// For example `us-east-1`.
    pub region: String,
    /// 1 to 80 of `[A-Za-z0-9_-]`, with `.fifo` at the end of a FIFO queue's name.
    pub name: String,
}

impl QueueName {
    /// `arn:aws:sqs:region:account:name`
    pub fn arn(&self) -> String {
        format!("arn:aws:sqs:{}:{}:{}", self.region, self.account, self.name)
    }

    /// The queue an ARN names, if it names one.
    pub fn from_arn(arn: &str) -> Option<QueueName> {
        let mut parts = arn.split(':');
        let head = [parts.next()?, parts.next()?, parts.next()?];
        let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = head == ["arn", "aws", "sqs"] && parts.next().is_none();
        (whole && !region.is_empty() && !account.is_empty() && !name.is_empty()).then(|| QueueName {
            account: account.to_owned(),
            region: region.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Whether the name is a FIFO queue's.
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// Whatever spells a queue's name: a map by [`QueueName`] is searched for texts that lie elsewhere, such as in a URL,
/// without copies of them.
pub trait Spelling {
    /// Account, region and name.
    fn parts(&self) -> (&str, &str, &str);
}

impl Spelling for QueueName {
    fn parts(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }
}

impl Spelling for (&str, &str, &str) {
    fn parts(&self) -> (&str, &str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Spelling + 'a> for QueueName {
    fn borrow(&self) -> &(dyn Spelling + 'a) {
        self
    }
}

// The order of `QueueName`, which is by its members in this order: a map would find nothing otherwise.
impl Ord for dyn Spelling + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for dyn Spelling + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Spelling + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Spelling + '_ {}

/// Where a message stands in its queue: `rank` 0 in order of arrival, otherwise the millisecond it falls due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MessageKey {
    /// The queue that holds the message.
    pub queue: QueueId,
    /// 0, or the due time in ms of a message sent with a delay to a standard queue.
    pub rank: Millis,
    /// The queue's own count of messages; rising in order of arrival.
    pub sequence: u64,
}

/// A message group as a keyed hash. Messages without a group are in the lane [`Lane::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lane(pub u128);

impl Lane {
    /// The lane of messages that carry no `MessageGroupId`.
    pub const NONE: Lane = Lane(0);
}

/// SQS's `MessageId`: a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u128);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

/// The data directory's one secret: it keys lanes, message ids and receipt handles.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// What a keyed hash is for; part of its input, so that no two uses ever share a value.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The lane of a message group.
    Lane = 1,
    /// A first `MessageId`.
    MessageId = 2,
    /// The authenticator of a receipt handle.
    Handle = 3,
    /// A deduplication id.
    Dedup = 4,
    /// A `ReceiveRequestAttemptId`.
    Attempt = 5,
    /// The handle of a message move task.
    Task = 6,
}

impl Secret {
    /// A keyed 128-bit hash (SipHash-2-4) of `parts`, each with its length, under `purpose`.
    pub fn hash(&self, purpose: Purpose, parts: &[&[u8]]) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u8(purpose as u8);
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }

    /// The lane of a message group. The same in every queue, so that a moved message keeps its lane.
    pub fn lane(&self, group: &str) -> Lane {
        // Lane 0 means "no group"; a hash of 0 would claim that, so it is moved aside.
        Lane(self.hash(Purpose::Lane, &[group.as_bytes()]).max(1))
    }

    /// The `MessageId` a queue gives the message it numbers `sequence`, shaped as a version 4 UUID.
    /// A function of the two, so that the answer to a duplicate needs no message.
    pub fn message_id(&self, queue: QueueId, sequence: u64) -> MessageId {
        let parts: [&[u8]; 2] = [&queue.0.to_le_bytes(), &sequence.to_le_bytes()];
        let hash = self.hash(Purpose::MessageId, &parts);
        let version = 0x4 << 76;
        let variant = 0x2 << 62;
        MessageId(hash & !(0xf << 76) & !(0x3 << 62) | version | variant)
    }
}

/// A seed for one decision. Every value drawn from it is a function of the seed and the draw's number.
#[derive(Clone, Debug)]
pub struct Entropy(pub u64);

impl Entropy {
    /// The next value (SplitMix64).
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_has_the_order_of_the_name_it_spells() {
        let texts = ["", "a", "a-b", "b"];
        let mut names = Vec::new();
        for (account, region, name) in (0..64).map(|at| (texts[at / 16], texts[at / 4 % 4], texts[at % 4])) {
            names.push(QueueName { account: account.into(), region: region.into(), name: name.into() });
        }
        for (one, other) in names.iter().flat_map(|one| names.iter().map(move |other| (one, other))) {
            let spelled: &dyn Spelling = &other.parts();
            assert_eq!(Borrow::<dyn Spelling>::borrow(one).cmp(spelled), one.cmp(other));
            assert_eq!(Borrow::<dyn Spelling>::borrow(one) == spelled, one == other);
        }
    }

    #[test]
    fn message_ids_are_version_4_uuids_and_differ() {
        let secret = Secret([7; 16]);
        let one = secret.message_id(QueueId(1), 1).to_string();
        assert_eq!(one.len(), 36);
        assert_eq!(&one[14..15], "4");
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"), "{one}");
        assert_ne!(one, secret.message_id(QueueId(1), 2).to_string());
        assert_ne!(one, secret.message_id(QueueId(2), 1).to_string());
    }

    #[test]
    fn an_arn_names_a_queue_and_nothing_else_does() {
        let name = QueueName::from_arn("arn:aws:sqs:eu-west-1:123456789012:jobs.fifo").unwrap();
        assert_eq!(name.arn(), "arn:aws:sqs:eu-west-1:123456789012:jobs.fifo");
        for wrong in
            ["", "jobs", "arn:aws:sns:r:1:n", "arn:aws:sqs:r:1", "arn:aws:sqs:r:1:n:x", "arn:aws:sqs::1:n"]
        {
            assert_eq!(QueueName::from_arn(wrong), None, "{wrong}");
        }
    }
}
