//! Dead-letter queues: who sends where (`RedrivePolicy`), and who may (`RedriveAllowPolicy`).
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>

use std::fmt;

use serde_json::{Map, Value};

use crate::attributes::invalid_value;
use crate::errors::Error;
use crate::ids::QueueName;
use crate::limits::{MAX_RECEIVE_COUNT, REDRIVE_SOURCES};

const POLICY: &str = "RedrivePolicy";
const ALLOW: &str = "RedriveAllowPolicy";

/// What `maxReceiveCount` is when a policy does not say.
const DEFAULT_MAX_RECEIVE_COUNT: u32 = 10;

/// Where messages go that were received too often. Shown in normal form: the count as a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedrivePolicy {
    /// The dead-letter queue.
    pub target: QueueName,
    /// A receive that finds the count there moves the message instead.
    pub max_receive_count: u32,
}

impl RedrivePolicy {
    /// Reads the attribute. Text that is no JSON object is `InvalidAttributeValue`, an object that breaks a
    /// rule `InvalidParameterValue`. Whether the target exists is for [`RedrivePolicy::check_target`].
    pub fn parse(text: &str) -> Result<RedrivePolicy, Error> {
        let object = object(POLICY, text)?;
        let wrong = |reason: &str| Error::invalid_parameter(POLICY, text, reason);
        known_members(&object, &["deadLetterTargetArn", "maxReceiveCount"])
            .map_err(|reason| wrong(&reason))?;
        let arn = object.get("deadLetterTargetArn").ok_or_else(|| {
            wrong("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
        })?;
        let target = arn.as_str().and_then(QueueName::from_arn);
        let target = target.ok_or_else(|| wrong("deadLetterTargetArn is not the ARN of a queue."))?;
        let count = match object.get("maxReceiveCount") {
            None => Some(DEFAULT_MAX_RECEIVE_COUNT),
            Some(value) => receive_count(value),
        };
        let (low, high) = (MAX_RECEIVE_COUNT.start(), MAX_RECEIVE_COUNT.end());
        let max_receive_count = count.ok_or_else(|| {
            wrong(&format!("maxReceiveCount must be a whole number from {low} to {high}, both inclusive."))
        })?;
        Ok(RedrivePolicy { target, max_receive_count })
    }

    /// Whether `source` may send its dead letters to the target: same account and region, there (`allow` is
    /// what it allows), same type, and willing. Errors are `InvalidParameterValue`.
    pub fn check_target(&self, source: &QueueName, allow: Option<&RedriveAllowPolicy>) -> Result<(), Error> {
        let refuse = |reason| Err(Error::invalid_parameter(POLICY, self, reason));
        if self.target.account != source.account {
            return refuse("Dead letter target owner should be same as the source.");
        }
        if self.target.region != source.region {
            return refuse("Dead letter target must be in the same region as the source.");
        }
        let Some(allow) = allow else { return refuse("Dead letter target does not exist.") };
        if self.target.is_fifo() != source.is_fifo() {
            return refuse("Dead-letter queue must be same type of queue as the source.");
        }
        if !allow.allows(source) {
            return refuse(
                "The RedriveAllowPolicy of the dead letter target does not allow this source queue.",
            );
        }
        Ok(())
    }
}

impl fmt::Display for RedrivePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (arn, count) = (Value::from(self.target.arn()), self.max_receive_count);
        write!(f, r#"{{"deadLetterTargetArn":{arn},"maxReceiveCount":{count}}}"#)
    }
}

/// A number, or one as text: AWS's own examples send text.
fn receive_count(value: &Value) -> Option<u32> {
    let number = match value {
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
        Value::Number(number) => number.as_i64()?,
        _ => return None,
    };
    MAX_RECEIVE_COUNT.contains(&number).then(|| u32::try_from(number).ok()).flatten()
}

/// Which queues may use a queue as their dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedriveAllowPolicy {
    /// Any of the account and region: the default.
    AllowAll,
    /// None.
    DenyAll,
    /// These.
    ByQueue(Vec<QueueName>),
}

impl RedriveAllowPolicy {
    /// Reads the attribute, with the errors of [`RedrivePolicy::parse`].
    pub fn parse(text: &str) -> Result<RedriveAllowPolicy, Error> {
        let object = object(ALLOW, text)?;
        let wrong = |reason: &str| Error::invalid_parameter(ALLOW, text, reason);
        known_members(&object, &["redrivePermission", "sourceQueueArns"]).map_err(|reason| wrong(&reason))?;
        let permission = object.get("redrivePermission").map_or(Some("allowAll"), Value::as_str);
        let sources = object.get("sourceQueueArns");
        match (permission, sources) {
            (Some("byQueue"), Some(sources)) => source_queues(sources)
                .map(RedriveAllowPolicy::ByQueue)
                .ok_or_else(|| wrong("sourceQueueArns must be a list of 1 to 10 ARNs of queues.")),
            (Some("byQueue"), None) => Err(wrong("redrivePermission byQueue needs sourceQueueArns.")),
            (Some("allowAll" | "denyAll"), Some(_)) => {
                Err(wrong("sourceQueueArns is allowed only with redrivePermission byQueue."))
            }
            (Some("allowAll"), None) => Ok(RedriveAllowPolicy::AllowAll),
            (Some("denyAll"), None) => Ok(RedriveAllowPolicy::DenyAll),
            _ => Err(wrong("redrivePermission must be allowAll, denyAll or byQueue.")),
        }
    }

    /// Whether this queue may be a source.
    pub fn allows(&self, source: &QueueName) -> bool {
        match self {
            RedriveAllowPolicy::AllowAll => true,
            RedriveAllowPolicy::DenyAll => false,
            RedriveAllowPolicy::ByQueue(sources) => sources.contains(source),
        }
    }
}

impl fmt::Display for RedriveAllowPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedriveAllowPolicy::AllowAll => f.write_str(r#"{"redrivePermission":"allowAll"}"#),
            RedriveAllowPolicy::DenyAll => f.write_str(r#"{"redrivePermission":"denyAll"}"#),
            RedriveAllowPolicy::ByQueue(sources) => {
                let arns: Value = sources.iter().map(QueueName::arn).collect();
                write!(f, r#"{{"redrivePermission":"byQueue","sourceQueueArns":{arns}}}"#)
            }
        }
    }
}

fn source_queues(value: &Value) -> Option<Vec<QueueName>> {
    let arns = value.as_array().filter(|arns| REDRIVE_SOURCES.contains(&arns.len()))?;
    arns.iter().map(|arn| arn.as_str().and_then(QueueName::from_arn)).collect()
}

fn object(name: &str, text: &str) -> Result<Map<String, Value>, Error> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(invalid_value(name, "it must be a JSON object")),
    }
}

/// A member that no rule reads is a misspelt one: it is refused, not dropped.
fn known_members(object: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        Some(unknown) => Err(format!("Unknown member {unknown}: it takes {}.", names.join(" and "))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::Code;

    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

    #[test]
    fn a_redrive_policy_is_read_and_shown_in_normal_form() {
        for (count, read) in [("1", 1), ("1000", 1_000), ("\"7\"", 7), ("\"007\"", 7)] {
            let text = format!(r#"{{"maxReceiveCount":{count},"deadLetterTargetArn":"{ARN}"}}"#);
            let policy = RedrivePolicy::parse(&text).unwrap();
            assert_eq!((policy.target.arn().as_str(), policy.max_receive_count), (ARN, read));
            let shown = format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":{read}}}"#);
            assert_eq!(policy.to_string(), shown);
            assert_eq!(RedrivePolicy::parse(&shown), Ok(policy));
        }
        let short = format!(r#"{{"deadLetterTargetArn":"{ARN}"}}"#);
        assert_eq!(RedrivePolicy::parse(&short).map(|policy| policy.max_receive_count), Ok(10));
    }

    #[test]
    fn a_well_formed_but_wrong_redrive_policy_is_an_invalid_parameter() {
        let mut wrong: Vec<String> = vec![
            "{}".into(),
            r#"{"maxReceiveCount":1}"#.into(),
            r#"{"deadLetterTargetArn":1}"#.into(),
            r#"{"deadLetterTargetArn":"dead"}"#.into(),
            r#"{"deadLetterTargetArn":"arn:aws:sns:us-east-1:000000000000:dead"}"#.into(),
            format!(r#"{{"deadLetterTargetArn":"{ARN}","MaxReceiveCount":1}}"#),
        ];
        for count in ["0", "1001", "-1", "1.5", "\"\"", "\"x\"", "null", "true", "\"99999999999999999999\""] {
            wrong.push(format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":{count}}}"#));
        }
        for text in wrong {
            let error = RedrivePolicy::parse(&text).expect_err(&text);
            assert_eq!(error.code, Code::InvalidParameterValue, "{text}");
            let start = format!("Value {text} for parameter RedrivePolicy is invalid. Reason: ");
            assert!(error.message.starts_with(&start), "{error}");
        }
    }

    #[test]
    fn what_is_no_object_is_an_invalid_value() {
        for text in [" ", "{", "[]", "1", "null", "x"] {
            let of = |error: Error| error.code;
            assert_eq!(RedrivePolicy::parse(text).map_err(of), Err(Code::InvalidAttributeValue), "{text}");
            assert_eq!(
                RedriveAllowPolicy::parse(text).map_err(of),
                Err(Code::InvalidAttributeValue),
                "{text}"
            );
        }
    }

    #[test]
    fn a_redrive_allow_policy_is_read_and_shown() {
        let by_queue = format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{ARN}"]}}"#);
        for text in [r#"{"redrivePermission":"allowAll"}"#, r#"{"redrivePermission":"denyAll"}"#, &by_queue] {
            assert_eq!(RedriveAllowPolicy::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(RedriveAllowPolicy::parse("{}"), Ok(RedriveAllowPolicy::AllowAll));
        let arns = |count: usize| {
            let arns = vec![format!("\"{ARN}\""); count].join(",");
            RedriveAllowPolicy::parse(&format!(
                r#"{{"redrivePermission":"byQueue","sourceQueueArns":[{arns}]}}"#
            ))
        };
        assert!(arns(10).is_ok());
        assert!(arns(11).is_err() && arns(0).is_err());
    }

    #[test]
    fn a_well_formed_but_wrong_redrive_allow_policy_is_an_invalid_parameter() {
        for text in [
            r#"{"redrivePermission":"some"}"#,
            r#"{"redrivePermission":1}"#,
            r#"{"redrivePermission":"byQueue"}"#,
            r#"{"redrivePermission":"byQueue","sourceQueueArns":"arn:aws:sqs:r:1:n"}"#,
            r#"{"redrivePermission":"byQueue","sourceQueueArns":["n"]}"#,
            r#"{"redrivePermission":"denyAll","sourceQueueArns":["arn:aws:sqs:r:1:n"]}"#,
            r#"{"sourceQueueArns":["arn:aws:sqs:r:1:n"]}"#,
            r#"{"redrivePermissions":"denyAll"}"#,
        ] {
            let error = RedriveAllowPolicy::parse(text).expect_err(text);
            assert_eq!(error.code, Code::InvalidParameterValue, "{text}");
        }
    }
}
