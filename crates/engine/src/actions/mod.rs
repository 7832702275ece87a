//! The 23 actions: one table, and one file each (a batch beside its single form);
//! `by_handle` is what two of them share.

mod add_permission;
mod by_handle;
pub mod cancel_message_move_task;
pub mod change_message_visibility;
mod create_queue;
pub mod delete_message;
mod delete_queue;
pub mod get_queue_attributes;
mod get_queue_url;
mod list_dead_letter_source_queues;
pub mod list_message_move_tasks;
mod list_queue_tags;
mod list_queues;
pub mod purge_queue;
pub mod receive_message;
mod remove_permission;
pub mod send_message;
mod set_queue_attributes;
pub mod start_message_move_task;
mod tag_queue;
mod untag_queue;

#[cfg(test)]
mod catalogue_tests;

use crate::catalogue::{Decided, Scene};
use crate::request::Request;
use crate::rows::QueueRow;

/// Decides a request that is the catalogue's. `made` is the queue of a CreateQueue that its slot has already.
pub(crate) fn decide(scene: &Scene, request: &Request, made: Option<&QueueRow>) -> Decided {
    match request {
        Request::AddPermission { queue_url, label, aws_account_ids, actions } => {
            add_permission::decide(scene, queue_url, label, aws_account_ids, actions)
        }
        Request::CreateQueue { queue_name, attributes, tags } => {
            create_queue::decide(scene, queue_name, attributes, tags, made)
        }
        Request::DeleteQueue { queue_url } => delete_queue::decide(scene, queue_url),
        Request::GetQueueUrl { queue_name, queue_owner_aws_account_id } => {
            get_queue_url::decide(scene, queue_name, queue_owner_aws_account_id.as_deref())
        }
        Request::ListDeadLetterSourceQueues { queue_url, next_token, max_results } => {
            list_dead_letter_source_queues::decide(scene, queue_url, next_token.as_deref(), *max_results)
        }
        Request::ListQueueTags { queue_url } => list_queue_tags::decide(scene, queue_url),
        Request::ListQueues { queue_name_prefix, next_token, max_results } => {
            let prefix = queue_name_prefix.as_deref().unwrap_or_default();
            list_queues::decide(scene, prefix, next_token.as_deref(), *max_results)
        }
        Request::RemovePermission { queue_url, label } => remove_permission::decide(scene, queue_url, label),
        Request::SetQueueAttributes { queue_url, attributes } => {
            set_queue_attributes::decide(scene, queue_url, attributes)
        }
        Request::TagQueue { queue_url, tags } => tag_queue::decide(scene, queue_url, tags),
        Request::UntagQueue { queue_url, tag_keys } => untag_queue::decide(scene, queue_url, tag_keys),
        other => panic!("{} is decided in the queue's slot", other.action().row().name),
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As in `X-Amz-Target: AmazonSQS.<name>` and `Action=<name>`.
    pub name: &'static str,
    /// The permission it needs, without the `sqs:` prefix: a batch uses its single form's
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html>).
    pub permission: &'static str,
    /// What it addresses.
    pub scope: Scope,
    /// Whether a queue policy can grant it to another account.
    pub cross_account: bool,
}

/// What an action addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The queue of its `QueueUrl`.
    Queue,
    /// The names of an account.
    Account,
    /// The queue of its `SourceArn`, or of the task its `TaskHandle` names.
    MoveTask,
}

macro_rules! actions {
    ($($action:ident $permission:literal $scope:ident $cross:literal,)*) => {
        /// An action of SQS's API reference.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is an action of SQS's API reference")]
        pub enum Action { $($action,)* }

        impl Action {
            /// Every action, alphabetical.
            pub const ALL: &'static [Action] = &[$(Action::$action,)*];

            /// The action's row.
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Action::$action => &Row {
                        name: stringify!($action),
                        permission: $permission,
                        scope: Scope::$scope,
                        cross_account: $cross,
                    },)*
                }
            }

            /// The action of this exact name.
            pub fn named(name: &str) -> Option<Action> {
                match name {
                    $(stringify!($action) => Some(Action::$action),)*
                    _ => None,
                }
            }
        }

        impl Request {
            /// The action this is a request of.
            pub fn action(&self) -> Action {
                match self {
                    $(Request::$action { .. } => Action::$action,)*
                }
            }
        }
    };
}

actions! {
    AddPermission "AddPermission" Queue false,
    CancelMessageMoveTask "CancelMessageMoveTask" MoveTask false,
    ChangeMessageVisibility "ChangeMessageVisibility" Queue true,
    ChangeMessageVisibilityBatch "ChangeMessageVisibility" Queue true,
    CreateQueue "CreateQueue" Account false,
    DeleteMessage "DeleteMessage" Queue true,
    DeleteMessageBatch "DeleteMessage" Queue true,
    DeleteQueue "DeleteQueue" Queue false,
    GetQueueAttributes "GetQueueAttributes" Queue true,
    GetQueueUrl "GetQueueUrl" Account true,
    ListDeadLetterSourceQueues "ListDeadLetterSourceQueues" Queue true,
    ListMessageMoveTasks "ListMessageMoveTasks" MoveTask false,
    ListQueueTags "ListQueueTags" Queue false,
    ListQueues "ListQueues" Account false,
    PurgeQueue "PurgeQueue" Queue true,
    ReceiveMessage "ReceiveMessage" Queue true,
    RemovePermission "RemovePermission" Queue false,
    SendMessage "SendMessage" Queue true,
    SendMessageBatch "SendMessage" Queue true,
    SetQueueAttributes "SetQueueAttributes" Queue false,
    StartMessageMoveTask "StartMessageMoveTask" MoveTask false,
    TagQueue "TagQueue" Queue false,
    UntagQueue "UntagQueue" Queue false,
}

const _: () = assert!(Action::ALL.len() == 23);
