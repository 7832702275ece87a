//! The door: who signed this, and may they? For now open: both are answered without a signature check.

mod identify;

pub use identify::{Defaults, identify, is_account, is_region};

use engine::command::Caller;
use engine::{Action, Error, QueueName};

/// Who sends a request, and for which region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// What the engine sees of it.
    pub caller: Caller,
    /// As policies and messages of refusal name it.
    pub arn: String,
}

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The queue of this address, there or not.
    Queue(&'a QueueName),
    /// The action names no resource (ListQueues).
    Any,
}

impl Resource<'_> {
    /// As policies write it.
    pub fn arn(&self) -> String {
        match self {
            Resource::Queue(name) => name.arn(),
            Resource::Any => "*".to_owned(),
        }
    }
}

/// Proof that [`authorize`] said yes. Every handler takes one and only `authorize` makes them, so that no
/// handler can be reached around it.
#[derive(Debug)]
#[must_use]
pub struct Permit(());

/// Whether this identity may do `action` on this resource under the queue's policy text, if it has one.
/// Called in one place, for every request.
pub fn authorize(
    _identity: &Identity,
    _action: Action,
    _resource: Resource<'_>,
    _policy: Option<&str>,
) -> Result<Permit, Error> {
    Ok(Permit(()))
}
