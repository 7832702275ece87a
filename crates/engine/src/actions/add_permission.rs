//! AddPermission: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html>

use super::{Action, set_queue_attributes::modified};
use crate::catalogue::{Decided, Outcome, Scene};
use crate::errors::Error;
use crate::limits::LABEL_LENGTH;
use crate::policy;
use crate::reply::Reply;
use crate::request::Pairs;
use crate::rows::QueueRow;

/// Errors, first to last: the queue, the label's form, missing accounts, an account, missing actions, an
/// action, a label that is taken, a policy that grows too large.
pub(super) fn decide(
    scene: &Scene,
    queue_url: &str,
    label: &str,
    accounts: &[String],
    actions: &[String],
) -> Decided {
    let (row, lsn) = scene.resolve(queue_url)?;
    let before = row.attributes.get("Policy").map(String::as_str);
    let policy = check(label, accounts, actions)
        .and_then(|()| policy::add_permission(before, &row.name, label, accounts, actions))
        .map_err(|error| (error, lsn))?;
    Ok(Outcome::changed(Reply::AddPermission, with_policy(scene, row, Some(policy))))
}

/// The row with another policy, or with none.
pub(super) fn with_policy(scene: &Scene, row: &QueueRow, policy: Option<String>) -> QueueRow {
    let mut attributes = row.attributes.clone();
    attributes.remove("Policy");
    attributes.extend(policy.map(|text| ("Policy".to_owned(), text)).into_iter().collect::<Pairs>());
    modified(scene, row, attributes)
}

fn check(label: &str, accounts: &[String], actions: &[String]) -> Result<(), Error> {
    check_label(label)?;
    if accounts.is_empty() {
        return Err(Error::missing_parameter("AWSAccountIds"));
    }
    if let Some(wrong) = accounts.iter().find(|id| !policy::is_account(id)) {
        return Err(Error::invalid_parameter("PrincipalId", wrong, "Unable to verify."));
    }
    if actions.is_empty() {
        return Err(Error::missing_parameter("Actions"));
    }
    actions.iter().try_for_each(|action| check_action(action))
}

/// 1 to 80 letters, digits, hyphens and underscores.
pub(super) fn check_label(label: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if LABEL_LENGTH.contains(&label.len()) && label.bytes().all(allowed) {
        return Ok(());
    }
    let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.";
    Err(Error::invalid_parameter("Label", label, reason))
}

/// An action can be given away if policies know it (not a batch form) and other accounts may use it.
fn check_action(name: &str) -> Result<(), Error> {
    let refuse = |reason| Err(Error::invalid_parameter("ActionName", name, reason));
    match Action::named(name).map(Action::row) {
        _ if name == "*" => Ok(()),
        Some(row) if row.permission != row.name => refuse("Name the action for one message instead."),
        Some(row) if !row.cross_account => refuse("Only the queue owner is allowed to invoke this action."),
        Some(_) => Ok(()),
        None => refuse("Please refer to the API reference for a list of valid actions."),
    }
}
