use super::*;

fn code(text: &str) -> Option<Code> {
    check(text).err().map(|error| error.code)
}

fn with(statement: Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": statement }).to_string()
}

fn allow() -> Value {
    json!({ "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*" })
}

/// A statement with one member put in, or taken out.
fn changed(member: &str, value: Option<Value>) -> Value {
    let mut statement = allow();
    let members = statement.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(member.to_owned(), value),
        None => members.remove(member),
    };
    statement
}

#[test]
fn policies_as_clients_write_them_pass() {
    for good in [
        with(allow()),
        with(json!([allow(), allow()])),
        json!({ "Statement": allow() }).to_string(),
        json!({ "Version": "2008-10-17", "Id": "an id", "Statement": [allow()] }).to_string(),
        with(changed("Effect", Some(json!("Deny")))),
        with(changed("Principal", Some(json!({ "AWS": "*" })))),
        with(changed(
            "Principal",
            Some(json!({ "AWS": ["111111111111", "arn:aws:iam::222222222222:role/r"] })),
        )),
        with(changed("Principal", Some(json!({ "Service": "sns.amazonaws.com" })))),
        with(changed("Principal", Some(json!({ "AWS": "AROAEXAMPLEEXAMPLEID1" })))),
        with(changed("Action", Some(json!(["SQS:Send*", "sqs:*", "*"])))),
        with(changed("Resource", None)),
        with(changed("Condition", Some(json!({ "ArnEquals": { "aws:SourceArn": "arn:aws:sns:::t" } })))),
    ] {
        assert_eq!(check(&good), Ok(()), "{good}");
    }
}

#[test]
fn what_is_no_policy_is_refused() {
    let mut wrong: Vec<String> = ["", " ", "{", "[]", "1", "null", "\"policy\"", "{}", r#"{"Statement":[]}"#]
        .map(str::to_owned)
        .into();
    wrong.push(json!({ "Version": "2012-10-18", "Statement": allow() }).to_string());
    wrong.push(json!({ "Version": 2012, "Statement": allow() }).to_string());
    wrong.push(json!({ "Id": 1, "Statement": allow() }).to_string());
    for (member, value) in [
        ("Sid", Some(json!(1))),
        ("Effect", None),
        ("Effect", Some(json!("allow"))),
        ("Principal", None),
        ("Principal", Some(json!("me"))),
        ("Principal", Some(json!({}))),
        ("Principal", Some(json!({ "Aws": "*" }))),
        ("Principal", Some(json!({ "AWS": [] }))),
        ("Principal", Some(json!({ "AWS": "nobody" }))),
        ("NotPrincipal", Some(json!("*"))),
        ("Action", None),
        ("Action", Some(json!([]))),
        ("Action", Some(json!("s3:GetObject"))),
        ("Action", Some(json!("SendMessage"))),
        ("Action", Some(json!("\u{e9}\u{e9}"))),
        ("NotAction", Some(json!("sqs:*"))),
        ("Resource", Some(json!(1))),
        ("Condition", Some(json!("always"))),
        ("Condition", Some(json!({ "Bool": true }))),
    ] {
        wrong.push(with(changed(member, value)));
    }
    wrong.push(with(json!("statement")));
    wrong.push(with(json!([allow(), 1])));
    for text in wrong {
        let error = check(&text).expect_err(&text);
        assert_eq!(error.code, Code::InvalidAttributeValue, "{text}");
        assert!(error.message.starts_with("Invalid value for the parameter Policy."), "{error}");
    }
}

#[test]
fn deep_nesting_is_no_policy() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(code(&deep), Some(Code::InvalidAttributeValue));
}

#[test]
fn a_policy_has_limits() {
    let many = |count: usize| Value::from(vec![allow(); count]);
    assert_eq!((code(&with(many(20))), code(&with(many(21)))), (None, Some(Code::OverLimit)));
    let accounts = |count: usize| {
        let ids: Vec<String> = (0..count).map(|n| format!("{n:012}")).collect();
        code(&with(changed("Principal", Some(json!({ "AWS": ids, "Service": "sns.amazonaws.com" })))))
    };
    assert_eq!((accounts(49), accounts(50)), (None, Some(Code::OverLimit)));
    let actions = |count: usize| code(&with(changed("Action", Some(json!(vec!["sqs:*"; count])))));
    assert_eq!((actions(7), actions(8)), (None, Some(Code::OverLimit)));
    let conditions = |count: usize| {
        let keys: Map<String, Value> = (0..count).map(|n| (format!("aws:k{n}"), json!("v"))).collect();
        let condition = json!({ "StringEquals": keys });
        code(&with(json!([
            changed("Condition", Some(condition)),
            changed("Condition", Some(json!({ "Bool": { "k": "true" } })))
        ])))
    };
    assert_eq!((conditions(9), conditions(10)), (None, Some(Code::OverLimit)));
    let text = with(changed("Sid", Some(json!(""))));
    let fill = |size: usize| with(changed("Sid", Some(json!("x".repeat(size - text.len())))));
    assert_eq!((code(&fill(8_192)), code(&fill(8_193))), (None, Some(Code::OverLimit)));
}

#[test]
fn policies_are_compared_as_json() {
    assert!(same(r#"{"a":1,"b":[2]}"#, r#" { "b" : [2], "a" : 1 } "#));
    assert!(!same(r#"{"b":[1,2]}"#, r#"{"b":[2,1]}"#));
    assert!(!same("{", r#"{"a":1}"#));
}

#[test]
fn a_single_statement_without_a_list_takes_another() {
    let queue = QueueName { account: "000000000000".into(), region: "r".into(), name: "q".into() };
    let (accounts, actions) = (["111111111111".to_owned()], ["SendMessage".to_owned()]);
    let one = with(changed("Sid", Some(json!("old"))));
    let two = add_permission(Some(&one), &queue, "new", &accounts, &actions).unwrap();
    let read: Value = serde_json::from_str(&two).unwrap();
    assert_eq!((&read["Statement"][0]["Sid"], &read["Statement"][1]["Sid"]), (&json!("old"), &json!("new")));
    assert_eq!(
        remove_permission(Some(&two), "new").unwrap(),
        Some(with(json!([changed("Sid", Some(json!("old")))])))
    );
    assert_eq!(remove_permission(Some(&one), "old"), Ok(None));
    assert!(remove_permission(None, "old").is_err());
}
