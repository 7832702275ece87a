//! A queue's policy: its form, its limits, and the statements AddPermission and RemovePermission write.
//!
//! Only the form is checked here; what a policy grants is evaluated elsewhere. Limits:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html>

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::attributes::invalid_value;
use crate::errors::{Code, Error};
use crate::ids::QueueName;
use crate::limits::{POLICY_ACTIONS, POLICY_CONDITIONS, POLICY_PRINCIPALS, POLICY_SIZE, POLICY_STATEMENTS};

const VERSIONS: [&str; 2] = ["2008-10-17", "2012-10-17"];
const PRINCIPAL_KINDS: [&str; 4] = ["AWS", "CanonicalUser", "Federated", "Service"];

/// Checks the text of a Policy attribute: `InvalidAttributeValue` if it is no policy, then `OverLimit` if it
/// is too large a one.
pub fn check(text: &str) -> Result<(), Error> {
    let policy = parse(text)?;
    within_limits(text, &policy)
}

/// Whether two policies say the same, whatever their spaces and the order of members.
pub fn same(one: &str, other: &str) -> bool {
    let read = |text| serde_json::from_str::<Value>(text).ok();
    one == other || read(one).is_some_and(|one| Some(one) == read(other))
}

/// The policy with a statement more: these accounts may do these actions (without `SQS:`, `*` for all).
/// A label that is there already is `InvalidParameterValue`, one statement too many `OverLimit`.
pub fn add_permission(
    policy: Option<&str>,
    queue: &QueueName,
    label: &str,
    accounts: &[String],
    actions: &[String],
) -> Result<String, Error> {
    let mut policy = match policy {
        Some(text) => parse(text)?,
        None => empty(queue),
    };
    let statements = statements(&mut policy);
    if statements.iter().any(|statement| has_label(statement, label)) {
        return Err(Error::invalid_parameter("Label", label, "Already exists."));
    }
    statements.push(statement(queue, label, accounts, actions));
    let text = Value::Object(policy.clone()).to_string();
    within_limits(&text, &policy)?;
    Ok(text)
}

/// The policy without the statement of this label, `None` when nothing is left. A label that is not there is
/// `InvalidParameterValue`.
pub fn remove_permission(policy: Option<&str>, label: &str) -> Result<Option<String>, Error> {
    let missing = || Error::invalid_parameter("Label", label, "can't find label on existing policy.");
    let mut policy = parse(policy.ok_or_else(missing)?)?;
    let statements = statements(&mut policy);
    let before = statements.len();
    statements.retain(|statement| !has_label(statement, label));
    match statements.len() {
        now if now == before => Err(missing()),
        0 => Ok(None),
        _ => Ok(Some(Value::Object(policy).to_string())),
    }
}

fn empty(queue: &QueueName) -> Map<String, Value> {
    let id = format!("{}/SQSDefaultPolicy", queue.arn());
    let members = [("Version", json!("2012-10-17")), ("Id", json!(id)), ("Statement", json!([]))];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn statement(queue: &QueueName, label: &str, accounts: &[String], actions: &[String]) -> Value {
    json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_list(accounts.iter().map(|id| format!("arn:aws:iam::{id}:root"))) },
        "Action": one_or_list(actions.iter().map(|action| format!("SQS:{action}"))),
        "Resource": queue.arn(),
    })
}

fn one_or_list(values: impl Iterator<Item = String>) -> Value {
    let mut values: Vec<Value> = values.map(Value::from).collect();
    if values.len() == 1 { values.remove(0) } else { Value::from(values) }
}

fn has_label(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

/// The statements as a list: a policy may hold a single one without it.
fn statements(policy: &mut Map<String, Value>) -> &mut Vec<Value> {
    let member = policy.entry("Statement").or_insert_with(|| json!([]));
    if !member.is_array() {
        *member = Value::Array(vec![member.take()]);
    }
    member.as_array_mut().expect("it was made a list")
}

fn parse(text: &str) -> Result<Map<String, Value>, Error> {
    let policy = match serde_json::from_str(text) {
        Ok(Value::Object(policy)) => policy,
        _ => return Err(refused("it must be a JSON object")),
    };
    if policy.get("Version").is_some_and(|version| !VERSIONS.iter().any(|known| version == known)) {
        return Err(refused("Version must be 2012-10-17 or 2008-10-17"));
    }
    if policy.get("Id").is_some_and(|id| !id.is_string()) {
        return Err(refused("Id must be text"));
    }
    let statements = one_or_many(policy.get("Statement"));
    if statements.is_empty() {
        return Err(refused("it must have a Statement"));
    }
    statements.into_iter().try_for_each(check_statement).map_err(refused)?;
    Ok(policy)
}

/// Begins with AWS's own text: Terraform waits and tries again when it sees it.
fn refused(reason: &str) -> Error {
    invalid_value("Policy", reason)
}

fn check_statement(statement: &Value) -> Result<(), &'static str> {
    let statement = statement.as_object().ok_or("a statement must be an object")?;
    let text = |name: &str| statement.get(name).map(|value| value.as_str().unwrap_or("\0"));
    if text("Sid") == Some("\0") {
        return Err("Sid must be text");
    }
    if !matches!(text("Effect"), Some("Allow" | "Deny")) {
        return Err("Effect must be Allow or Deny");
    }
    let principal = exactly_one(statement, "Principal", "NotPrincipal")
        .ok_or("a statement must have either Principal or NotPrincipal")?;
    if !is_principal(principal) {
        return Err("Principal must be * or name accounts, services or users");
    }
    let actions = exactly_one(statement, "Action", "NotAction")
        .ok_or("a statement must have either Action or NotAction")?;
    if !is_texts(actions, is_action) {
        return Err("an action must be * or begin with sqs:");
    }
    let resource = statement.get("Resource").or_else(|| statement.get("NotResource"));
    if resource.is_some_and(|resource| !is_texts(resource, |_| true)) {
        return Err("Resource must be text or a list of text");
    }
    match statement.get("Condition") {
        Some(condition) if !is_condition(condition) => Err("Condition must be an object of objects"),
        _ => Ok(()),
    }
}

fn exactly_one<'a>(statement: &'a Map<String, Value>, one: &str, other: &str) -> Option<&'a Value> {
    match (statement.get(one), statement.get(other)) {
        (Some(value), None) | (None, Some(value)) => Some(value),
        _ => None,
    }
}

fn is_principal(value: &Value) -> bool {
    let named = |(kind, ids): (&String, &Value)| {
        PRINCIPAL_KINDS.contains(&kind.as_str()) && is_texts(ids, |id| *kind != "AWS" || is_aws_principal(id))
    };
    match value {
        Value::String(text) => text == "*",
        Value::Object(kinds) => !kinds.is_empty() && kinds.iter().all(named),
        _ => false,
    }
}

/// `*`, an account, an ARN, or the unique id IAM leaves where a user or role was deleted.
fn is_aws_principal(id: &str) -> bool {
    let unique_id =
        id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    id == "*" || is_account(id) || id.starts_with("arn:") || unique_id
}

/// Whether this is an account's number.
pub fn is_account(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_action(action: &str) -> bool {
    action == "*" || action.get(..4).is_some_and(|service| service.eq_ignore_ascii_case("sqs:"))
}

fn is_condition(value: &Value) -> bool {
    value.as_object().is_some_and(|operators| operators.values().all(Value::is_object))
}

fn is_texts(value: &Value, good: impl Fn(&str) -> bool) -> bool {
    let texts = one_or_many(Some(value));
    !texts.is_empty() && texts.into_iter().all(|one| one.as_str().is_some_and(&good))
}

fn one_or_many(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(many)) => many.iter().collect(),
        Some(one) => vec![one],
    }
}

fn within_limits(text: &str, policy: &Map<String, Value>) -> Result<(), Error> {
    let statements = one_or_many(policy.get("Statement"));
    let most = |of: &dyn Fn(&Value) -> usize| statements.iter().map(|one| of(one)).max().unwrap_or(0);
    let conditions: usize = statements.iter().map(|statement| conditions(statement)).sum();
    let counts = [
        ("bytes in a policy", text.len(), POLICY_SIZE),
        ("statements in a policy", statements.len(), POLICY_STATEMENTS),
        ("principals in a statement", most(&principals), POLICY_PRINCIPALS),
        ("actions in a statement", most(&actions), POLICY_ACTIONS),
        ("conditions in a policy", conditions, POLICY_CONDITIONS),
    ];
    match counts.iter().find(|(_, count, limit)| count > limit) {
        None => Ok(()),
        Some((what, count, limit)) => {
            let text = format!("{count} {what} were requested, maximum allowed is {limit}.");
            Err(Error::new(Code::OverLimit, text))
        }
    }
}

fn principals(statement: &Value) -> usize {
    match statement.get("Principal").or_else(|| statement.get("NotPrincipal")) {
        Some(Value::Object(kinds)) => kinds.values().map(|ids| one_or_many(Some(ids)).len()).sum(),
        Some(_) => 1,
        None => 0,
    }
}

fn actions(statement: &Value) -> usize {
    one_or_many(statement.get("Action").or_else(|| statement.get("NotAction"))).len()
}

fn conditions(statement: &Value) -> usize {
    let keys = |operator: &Value| operator.as_object().map_or(0, Map::len);
    statement.get("Condition").and_then(Value::as_object).map_or(0, |all| all.values().map(keys).sum())
}
