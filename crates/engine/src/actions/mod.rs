//! The 23 actions: one table, and one file each (a batch beside its single form).

use crate::request::Request;

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
