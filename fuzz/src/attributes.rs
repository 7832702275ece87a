//! Queue attributes and the JSON among them: policies, redrive policies, redrive allow policies.

use engine::attributes::{at_creation, merged, on_change};
use engine::redrive::{RedriveAllowPolicy, RedrivePolicy};
use engine::request::Pairs;
use engine::{Code, QueueName, policy};

use crate::accepted;
use crate::dice::Dice;

/// What the decoders look for.
pub const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "1e999",
    "0.1",
    "-1",
    "Version",
    "2012-10-17",
    "2008-10-17",
    "Id",
    "Sid",
    "Statement",
    "Effect",
    "Allow",
    "Deny",
    "Principal",
    "NotPrincipal",
    "AWS",
    "Service",
    "*",
    "Action",
    "NotAction",
    "SQS:*",
    "sqs:SendMessage",
    "Resource",
    "Condition",
    "ArnEquals",
    "aws:SourceArn",
    "deadLetterTargetArn",
    "maxReceiveCount",
    "1000",
    "redrivePermission",
    "allowAll",
    "denyAll",
    "byQueue",
    "sourceQueueArns",
    "arn:aws:sqs:us-east-1:000000000000:jobs",
    "\n",
    "=",
    "FifoQueue=true",
    "DelaySeconds=",
    "VisibilityTimeout=43200",
    "KmsMasterKeyId=",
    "SqsManagedSseEnabled=true",
    "DeduplicationScope=messageGroup",
    "FifoThroughputLimit=perMessageGroupId",
    "MaximumMessageSize=",
    "Policy=",
    "RedrivePolicy=",
];

fn queue() -> QueueName {
    QueueName { account: "000000000000".into(), region: "us-east-1".into(), name: "jobs".into() }
}

/// A policy. One that passes still passes with a statement more (or is too large then), and taking that
/// statement away again leaves what was there.
pub fn policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match policy::check(&text) {
        Ok(()) => accepted(),
        Err(error) => {
            assert!(matches!(error.code, Code::InvalidAttributeValue | Code::OverLimit), "{error}");
            return;
        }
    }
    assert!(policy::same(&text, &text));
    let (accounts, actions) = (["123456789012".to_owned()], ["SendMessage".to_owned()]);
    let add = |label: &str, to: &str| policy::add_permission(Some(to), &queue(), label, &accounts, &actions);
    let more = match add("a label of its own", &text) {
        Ok(more) => more,
        Err(error) => return assert_eq!(error.code, Code::OverLimit, "{error}"),
    };
    policy::check(&more).expect("a policy with a statement more is a policy");
    assert!(add("a label of its own", &more).is_err_and(|error| error.code == Code::InvalidParameterValue));
    let less = policy::remove_permission(Some(&more), "a label of its own").expect("it is there");
    let less = less.expect("a policy that passes has a statement");
    policy::check(&less).expect("a policy with a statement less is a policy");
    let again = policy::remove_permission(Some(&add("another", &less).unwrap_or(more)), "another");
    assert!(
        again.is_err() || again.is_ok_and(|again| again.is_some_and(|again| policy::same(&again, &less)))
    );
}

/// RedrivePolicy and RedriveAllowPolicy: what is read is shown in a form that is read as the same.
pub fn redrive(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let is_refusal = |code| matches!(code, Code::InvalidAttributeValue | Code::InvalidParameterValue);
    match RedrivePolicy::parse(&text) {
        Ok(policy) => {
            accepted();
            assert!((1..=1_000).contains(&policy.max_receive_count));
            let shown = policy.to_string();
            assert_eq!(RedrivePolicy::parse(&shown).as_ref(), Ok(&policy), "{shown}");
            let allowed = policy.check_target(&queue(), Some(&RedriveAllowPolicy::AllowAll)).is_ok();
            let none = policy.check_target(&queue(), None).is_ok();
            assert!(!none && (!allowed || policy.target.account == queue().account));
        }
        Err(error) => assert!(is_refusal(error.code), "{error}"),
    }
    match RedriveAllowPolicy::parse(&text) {
        Ok(policy) => {
            accepted();
            let shown = policy.to_string();
            assert_eq!(RedriveAllowPolicy::parse(&shown), Ok(policy), "{shown}");
        }
        Err(error) => assert!(is_refusal(error.code), "{error}"),
    }
}

/// Lines of `name=value`; the first byte says whether the queue is FIFO. What CreateQueue accepts is in normal
/// form: accepted again, it changes nothing, and SetQueueAttributes accepts it but for what is fixed.
pub fn attributes(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let (fifo, text) = (choice % 2 == 1, String::from_utf8_lossy(text));
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let given: Pairs = text.lines().filter_map(pair).collect();
    let Ok(change) = at_creation(&given, fifo) else {
        // What is refused alone may be a valid change, but it is never a panic.
        let _ = on_change(&given, fifo);
        return;
    };
    accepted();
    let after = merged(&Pairs::new(), &change).expect("it was checked");
    let again = at_creation(&after, fifo).expect("the normal form is accepted");
    assert_eq!(merged(&Pairs::new(), &again).as_ref(), Ok(&after), "the normal form has a normal form");
    assert_eq!(merged(&after, &change).as_ref(), Ok(&after), "a change that was made changes something");
    let free: Pairs = after.into_iter().filter(|(name, _)| name != "FifoQueue").collect();
    on_change(&free, fifo).expect("what is not fixed can be set");
}

/// A policy as the documentation has them.
pub fn seed_policy(dice: &mut Dice) -> Vec<u8> {
    let statement = |dice: &mut Dice| {
        let principal = dice.pick(&[
            r#""*""#,
            r#"{"AWS":"123456789012"}"#,
            r#"{"AWS":["arn:aws:iam::123456789012:root","*"]}"#,
            r#"{"Service":"sns.amazonaws.com"}"#,
        ]);
        let action = dice.pick(&[r#""SQS:SendMessage""#, r#"["sqs:*","SQS:ReceiveMessage"]"#, r#""*""#]);
        let condition = dice.pick(&[
            "",
            r#","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:us-east-1:1:t"}}"#,
            r#","Condition":{"NumericLessThan":{"aws:x":0.1},"Bool":{"aws:y":true}}"#,
        ]);
        let sid = dice.pick(&["", r#""Sid":"one","#, r#""Sid":"two","#]);
        format!(
            r#"{{{sid}"Effect":"Allow","Principal":{principal},"Action":{action},"Resource":"*"{condition}}}"#
        )
    };
    let mut statements = vec![statement(dice)];
    statements.extend(dice.some(3, statement));
    let single = statements.len() == 1 && dice.one_in(2);
    let list = if single { statements.remove(0) } else { format!("[{}]", statements.join(",")) };
    format!(r#"{{"Version":"2012-10-17","Id":"p","Statement":{list}}}"#).into_bytes()
}

fn arn(dice: &mut Dice) -> String {
    let name = dice.pick(&["dead", "dead.fifo", "jobs"]);
    format!("arn:aws:sqs:us-east-1:{}:{name}", dice.pick(&["000000000000", "123456789012"]))
}

/// A redrive policy or a redrive allow policy.
pub fn seed_redrive(dice: &mut Dice) -> Vec<u8> {
    let count = dice.pick(&["1", "1000", "\"7\"", "5"]);
    let text = match dice.below(3) {
        0 => format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":{count}}}"#, arn(dice)),
        1 => format!(r#"{{"redrivePermission":"{}"}}"#, dice.pick(&["allowAll", "denyAll"])),
        _ => {
            let arns: Vec<String> = (0..1 + dice.below(10)).map(|_| format!("\"{}\"", arn(dice))).collect();
            format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":[{}]}}"#, arns.join(","))
        }
    };
    text.into_bytes()
}

/// Attributes of a queue.
pub fn seed_attributes(dice: &mut Dice) -> Vec<u8> {
    let fifo = dice.one_in(2);
    let mut lines = vec![];
    for attribute in &engine::attributes::TABLE {
        if !dice.one_in(6) {
            continue;
        }
        let value = match attribute.name {
            "Policy" => String::from_utf8(seed_policy(dice)).unwrap_or_default(),
            "RedrivePolicy" | "RedriveAllowPolicy" => {
                String::from_utf8(seed_redrive(dice)).unwrap_or_default()
            }
            _ => dice
                .pick(&[
                    "true",
                    "false",
                    "0",
                    "30",
                    "900",
                    "1024",
                    "",
                    "alias/aws/sqs",
                    "queue",
                    "messageGroup",
                ])
                .to_owned(),
        };
        lines.push(format!("{}={value}", attribute.name));
    }
    if fifo {
        lines.push("FifoQueue=true".into());
    }
    [vec![u8::from(fifo)], lines.join("\n").into_bytes()].concat()
}
