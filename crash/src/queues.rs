//! The queues that every run has.

use serde_json::{Value, json};

/// Index of a queue in [`QUEUES`].
pub type Queue = usize;

/// A queue and what the checks must know of it.
#[derive(Debug)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// First in, first out.
    pub fifo: bool,
    /// DelaySeconds.
    pub delay: u64,
    /// VisibilityTimeout, seconds.
    pub visibility: u64,
    /// Where messages go, and after how many receives.
    pub dead_letter: Option<(Queue, u32)>,
    /// Whether senders send to it.
    pub open: bool,
}

const fn queue(name: &'static str, fifo: bool) -> Spec {
    Spec { name, fifo, delay: 0, visibility: 2, dead_letter: None, open: true }
}

/// Dead-letter queues come before the queues they serve, so that they can be made in this order.
pub const QUEUES: [Spec; 8] = [
    Spec { open: false, ..queue("dead", false) },
    Spec { open: false, ..queue("dead.fifo", true) },
    queue("plain", false),
    Spec { delay: 1, ..queue("delayed", false) },
    Spec { dead_letter: Some((0, 2)), ..queue("failing", false) },
    queue("ordered.fifo", true),
    Spec { delay: 1, ..queue("delayed.fifo", true) },
    Spec { dead_letter: Some((1, 2)), ..queue("failing.fifo", true) },
];

impl Spec {
    /// What CreateQueue is to be told.
    pub fn attributes(&self) -> Value {
        let mut attributes = json!({
            "DelaySeconds": self.delay.to_string(),
            "VisibilityTimeout": self.visibility.to_string(),
        });
        if self.fifo {
            attributes["FifoQueue"] = json!("true");
        }
        if let Some((target, most)) = self.dead_letter {
            let arn = format!("arn:aws:sqs:us-east-1:000000000000:{}", QUEUES[target].name);
            let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": most });
            attributes["RedrivePolicy"] = json!(policy.to_string());
        }
        attributes
    }
}

/// The queue that messages of `queue` may be moved to.
pub fn dead_letters_of(queue: Queue) -> Option<Queue> {
    QUEUES[queue].dead_letter.map(|(target, _)| target)
}
