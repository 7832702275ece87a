//! What is known of one queue: its settings as far as they are certain, and what stirs in it.

use std::collections::{BTreeMap, HashMap};

use super::send::First;
use super::unseen::Unseen;
use super::{MessageAt, QueueAt, Span};

/// What a queue is created with; times in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its name, `.fifo` included.
    pub name: String,
    /// VisibilityTimeout.
    pub timeout: u64,
    /// DelaySeconds.
    pub delay: u64,
    /// MessageRetentionPeriod.
    pub retention: u64,
    /// RedrivePolicy.
    pub policy: Option<Policy>,
    /// ContentBasedDeduplication.
    pub by_content: bool,
    /// DeduplicationScope is `messageGroup`.
    pub per_group: bool,
}

/// A redrive policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The dead-letter queue.
    pub target: QueueAt,
    /// maxReceiveCount.
    pub most: u64,
}

/// One attribute to be set; times in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// VisibilityTimeout.
    Timeout(u64),
    /// DelaySeconds.
    Delay(u64),
    /// MessageRetentionPeriod.
    Retention(u64),
    /// RedrivePolicy; `None` removes it.
    Policy(Option<Policy>),
}

/// Whether a queue exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exists {
    /// Certainly not.
    No,
    /// Something is out that makes or removes it, or ended without a reply.
    Maybe,
    /// Certainly.
    Yes,
}

/// A queue by name, through all its lives.
#[derive(Debug)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Whether it is a FIFO queue.
    pub fifo: bool,
    /// Whether it deduplicates by content.
    pub by_content: bool,
    /// Whether its deduplication ids count per group.
    pub per_group: bool,
    /// Whether it exists.
    pub exists: Exists,
    /// Creations and deletions that began.
    pub lives: u64,
    /// The values each of these may have: one, unless a change is out or ended without a reply. Seconds.
    timeouts: Vec<u64>,
    delays: Vec<u64>,
    retentions: Vec<u64>,
    /// The redrive policies it may have.
    pub policies: Vec<Option<Policy>>,
    /// Every redrive policy it may ever have had in this life: what left under an old one has left.
    pub redrives: Vec<Policy>,
    /// The shortest retention it may ever have had, ms.
    pub shortest_retention: u64,
    /// The turn from which its settings were last certain.
    pub settled_turn: u64,
    /// Changes that are out.
    pub setting: u32,
    /// Where move tasks may have taken its messages: `None` stands for their origins.
    pub moves: Vec<Option<QueueAt>>,
    /// Messages that may be in it.
    pub live: Vec<MessageAt>,
    /// Requests to it that are out.
    pub outstanding: usize,
    /// Rises whenever something begins that may change it.
    pub stirs: u64,
    /// Receives that are out.
    pub receiving: u64,
    /// Receives that ended without anybody seeing their messages.
    pub unseen: Unseen,
    /// A crash that forgets it was taken back has messages hidden until then, ms.
    pub ghosts_until: u64,
    /// Messages may be hidden until then by receives nobody saw, ms.
    pub hidden_until: u64,
    /// A receive was taken back, or a message turned out to have left, as late as this turn.
    pub hidden_turn: u64,
    /// What was done to it up to this turn is durable.
    pub durable_turn: u64,
    /// The highest sequence number acknowledged.
    pub highest_sequence: u64,
    /// Messages in all, as GetQueueAttributes last said.
    pub counted: u64,
    /// Purges and deletions that are out.
    pub purging: u32,
    /// When a purge may last have happened, ms.
    pub purged_at: u64,
    /// When it may last have been deleted, ms.
    pub removed_at: u64,
    /// Of each group, its messages by sequence number.
    pub groups: BTreeMap<u32, BTreeMap<u64, MessageAt>>,
    /// The first message of each deduplication id, by group (0 if per queue) and id.
    pub firsts: HashMap<(u32, u64), First>,
}

impl Queue {
    /// A queue that does not exist yet.
    pub fn new(shape: Shape) -> Queue {
        Queue {
            fifo: shape.name.ends_with(".fifo"),
            by_content: shape.by_content,
            per_group: shape.per_group,
            exists: Exists::No,
            lives: 0,
            timeouts: vec![shape.timeout],
            delays: vec![shape.delay],
            retentions: vec![shape.retention],
            policies: vec![shape.policy],
            redrives: Vec::new(),
            shortest_retention: shape.retention * 1_000,
            name: shape.name,
            settled_turn: 0,
            setting: 0,
            moves: Vec::new(),
            live: Vec::new(),
            outstanding: 0,
            stirs: 0,
            receiving: 0,
            unseen: Unseen::default(),
            ghosts_until: 0,
            hidden_until: 0,
            hidden_turn: 0,
            durable_turn: 0,
            highest_sequence: 0,
            counted: 0,
            purging: 0,
            purged_at: 0,
            removed_at: 0,
            groups: BTreeMap::new(),
            firsts: HashMap::new(),
        }
    }

    /// What its visibility timeout may be, ms.
    pub fn timeout(&self) -> Span {
        span(&self.timeouts)
    }

    /// What its delay may be, ms.
    pub fn delay(&self) -> Span {
        span(&self.delays)
    }

    /// What its retention may be, ms.
    pub fn retention(&self) -> Span {
        span(&self.retentions)
    }

    /// A creation with these settings begins: they are possible now, and nothing else is where it did not exist.
    pub fn begin_create(&mut self, shape: Shape) {
        if self.exists == Exists::No {
            self.timeouts.clear();
            self.delays.clear();
            self.retentions.clear();
            self.policies.clear();
            self.redrives.clear();
            self.firsts.clear();
            self.shortest_retention = u64::MAX;
            self.exists = Exists::Maybe;
        }
        self.timeouts.push(shape.timeout);
        self.delays.push(shape.delay);
        self.retentions.push(shape.retention);
        self.policies.push(shape.policy);
        self.redrives.extend(shape.policy);
        self.shortest_retention = self.shortest_retention.min(shape.retention * 1_000);
    }

    /// The creation was acknowledged, and no other change was out: it has these settings.
    pub fn created(&mut self, shape: &Shape) {
        self.timeouts = vec![shape.timeout];
        self.delays = vec![shape.delay];
        self.retentions = vec![shape.retention];
        self.policies = vec![shape.policy];
    }

    /// A change begins: either value is possible.
    pub fn begin_set(&mut self, change: &Change) {
        self.setting += 1;
        match change {
            Change::Timeout(value) => self.timeouts.push(*value),
            Change::Delay(value) => self.delays.push(*value),
            Change::Retention(value) => {
                self.retentions.push(*value);
                self.shortest_retention = self.shortest_retention.min(value * 1_000);
            }
            Change::Policy(policy) => {
                self.policies.push(*policy);
                self.redrives.extend(policy.filter(|policy| !self.redrives.contains(policy)));
            }
        }
    }

    /// A change was acknowledged: unless another is out, this is the value.
    pub fn set(&mut self, change: &Change) {
        self.setting -= 1;
        if self.setting > 0 {
            return;
        }
        match change {
            Change::Timeout(value) => self.timeouts = vec![*value],
            Change::Delay(value) => self.delays = vec![*value],
            Change::Retention(value) => self.retentions = vec![*value],
            Change::Policy(policy) => self.policies = vec![*policy],
        }
    }

    /// Whether no change of its settings is out.
    pub fn is_settled(&self) -> bool {
        self.setting == 0 && self.exists == Exists::Yes && self.purging == 0
    }

    /// A change that began when there had been `lives` was refused: its value is not possible any more, unless a creation
    /// has brought it since.
    pub fn set_refused(&mut self, change: &Change, lives: u64) {
        self.setting -= 1;
        if lives != self.lives {
            return;
        }
        match change {
            Change::Timeout(value) => drop_last(&mut self.timeouts, value),
            Change::Delay(value) => drop_last(&mut self.delays, value),
            Change::Retention(value) => drop_last(&mut self.retentions, value),
            Change::Policy(policy) => drop_last(&mut self.policies, policy),
        }
    }

    /// A purge was refused.
    pub fn purge_refused(&mut self) {
        self.purging -= 1;
    }

    /// It is certainly gone, with all its settings.
    pub fn removed(&mut self) {
        self.exists = Exists::No;
        self.firsts.clear();
        self.groups.clear();
        self.highest_sequence = 0;
    }
}

fn drop_last<T: PartialEq>(values: &mut Vec<T>, value: &T) {
    if let Some(at) = values.iter().rposition(|other| other == value) {
        values.remove(at);
    }
}

fn span(seconds: &[u64]) -> Span {
    let lo = seconds.iter().min().copied().unwrap_or(0);
    let hi = seconds.iter().max().copied().unwrap_or(0);
    Span { lo: lo * 1_000, hi: hi * 1_000 }
}
