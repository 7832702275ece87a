//! What is known of one message.

use std::fmt::{self, Write as _};

use crate::queues::{QUEUES, Queue};

/// Microseconds since the run began.
pub type Micros = u64;

/// One second.
const SECOND: Micros = 1_000_000;

/// A server that counts milliseconds of the wall clock may be early by one, and by what the clock is slewed.
const TOLERANCE: Micros = 3_000;

/// The earliest end of so many seconds that began at `start` or later.
pub fn after(start: Micros, seconds: u64) -> Micros {
    (start + seconds * SECOND).saturating_sub(if seconds == 0 { 0 } else { TOLERANCE })
}

/// How a send stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No reply so far.
    Open,
    /// There will be no reply: it may be there or not.
    Unknown,
    /// There.
    Acknowledged,
    /// Not there.
    Refused,
}

impl Sent {
    /// What it is after a refusal.
    pub fn or_refused(self) -> Sent {
        if self == Sent::Unknown { Sent::Unknown } else { Sent::Refused }
    }
}

/// How its deletes stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deletes {
    /// Without a reply so far.
    pub open: u32,
    /// One may have been done: no reply came, or it may have met a message that had left.
    pub unknown: bool,
    /// One was certainly done, acknowledged at this time.
    pub acknowledged: Option<Micros>,
}

impl Deletes {
    /// Whether the message must still be there.
    pub fn none(&self) -> bool {
        self.open == 0 && !self.unknown && self.acknowledged.is_none()
    }
}

/// The last known delivery.
#[derive(Clone, Copy, Debug)]
pub struct Last {
    /// From where.
    pub queue: Queue,
    /// When its reply was there.
    pub end: Micros,
    /// In which life of the process.
    pub epoch: usize,
    /// The receive count it told.
    pub count: u32,
    /// Its handle, hashed.
    pub handle: u64,
    /// Until then, at least, it is hidden from others.
    pub hidden_until: Micros,
}

/// What happened to a message, for the evidence.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A send began.
    Sending,
    /// A send ended.
    Sent(Sent),
    /// It was received: from, begun at, receive count, seconds hidden.
    Received(Queue, Micros, u32, u64),
    /// A delete began.
    Deleting,
    /// A delete was acknowledged.
    Deleted,
    /// A delete was acknowledged that may have met a message that had left.
    DeletedPerhaps,
    /// A delete was refused.
    DeleteRefused,
    /// A delete has no reply.
    DeleteUnknown,
    /// A change of its visibility timeout, to so many seconds, began.
    Changing(u64),
    /// Such a change was acknowledged.
    Changed(u64),
    /// Such a change was refused.
    ChangeRefused,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where it was sent.
    pub queue: Queue,
    /// Its group.
    pub group: Option<u32>,
    /// Never offered before.
    pub due: Micros,
    /// How its send stands.
    pub sent: Sent,
    /// Its MessageId, once known.
    pub id: Option<u128>,
    /// How its deletes stand.
    pub deletes: Deletes,
    /// Known deliveries from where it was sent.
    pub deliveries: u32,
    /// Known deliveries from the dead-letter queue.
    pub dead_deliveries: u32,
    /// When it was first seen in the dead-letter queue.
    pub dead_since: Option<Micros>,
    /// Receives without reply of its queue and dead-letter queue when it was sent.
    pub lost_before: u64,
    /// The last known delivery.
    pub last: Option<Last>,
    /// Everything, with its time.
    pub history: Vec<(Micros, Event)>,
}

impl Message {
    /// About to be sent.
    pub fn new(queue: Queue, group: Option<u32>, due: Micros, lost_before: u64) -> Message {
        Message {
            queue,
            group,
            due,
            sent: Sent::Open,
            id: None,
            deletes: Deletes::default(),
            deliveries: 0,
            dead_deliveries: 0,
            dead_since: None,
            lost_before,
            last: None,
            history: Vec::new(),
        }
    }

    /// Whether it certainly was there at some time.
    pub fn existed(&self) -> bool {
        self.sent == Sent::Acknowledged || self.last.is_some()
    }

    /// Notes an event.
    pub fn note(&mut self, at: Micros, event: Event) {
        self.history.push((at, event));
    }

    /// Its history, a line an event.
    pub fn tell(&self, number: u64) -> String {
        let group = self.group.map_or(String::new(), |group| format!(", group {group}"));
        let mut told = format!("  message {number} of {}{group}:\n", QUEUES[self.queue].name);
        for (at, event) in &self.history {
            let _ = writeln!(told, "    {:>12} {event}", milliseconds(*at));
        }
        told
    }
}

/// A time for people.
pub fn milliseconds(at: Micros) -> String {
    format!("{}.{:03} ms", at / 1000, at % 1000)
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Sending => write!(f, "send begun"),
            Event::Sent(sent) => write!(f, "send {}", format!("{sent:?}").to_lowercase()),
            Event::Received(queue, start, count, visibility) => write!(
                f,
                "received from {}, asked for at {}, receive count {count}, hidden for {visibility} s",
                QUEUES[*queue].name,
                milliseconds(*start)
            ),
            Event::Deleting => write!(f, "delete begun"),
            Event::Deleted => write!(f, "delete acknowledged"),
            Event::DeletedPerhaps => write!(f, "delete acknowledged, perhaps of one that had left"),
            Event::DeleteRefused => write!(f, "delete refused"),
            Event::DeleteUnknown => write!(f, "delete without reply"),
            Event::Changing(seconds) => write!(f, "change of visibility to {seconds} s begun"),
            Event::Changed(seconds) => write!(f, "change of visibility to {seconds} s acknowledged"),
            Event::ChangeRefused => write!(f, "change of visibility refused"),
        }
    }
}
