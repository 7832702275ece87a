//! The rules of decoding, and which error each broken request is given.

use engine::request::{AttributeValue, ReceiveMessage};
use engine::{Action, Code, Request};

use super::{URL, json, json_head, query, query_head, refusal, request};
use crate::shapes;
use crate::{Head, LIST_ITEMS, PARAMETERS, Protocol, decode};

fn codes<const N: usize>(cases: [(Result<crate::Decoded, crate::Refused>, Code, &str); N]) {
    for (at, (decoded, code, text)) in cases.into_iter().enumerate() {
        let (refused, message) = refusal(decoded);
        assert_eq!(refused, code, "case {at}: {message}");
        assert!(message.contains(text), "case {at}: {message:?} does not say {text:?}");
    }
}

fn form(pairs: &str) -> Request {
    request(query(pairs))
}

fn delete_queue(url: &str) -> Request {
    Request::DeleteQueue { queue_url: url.to_owned() }
}

fn attributes(request: Request) -> Vec<(String, String)> {
    match request {
        Request::CreateQueue { attributes, .. } | Request::SetQueueAttributes { attributes, .. } => {
            attributes.into_iter().collect()
        }
        other => panic!("has no attributes: {other:?}"),
    }
}

#[test]
fn the_head_alone_tells_the_protocol() {
    let target = Some("AmazonSQS.ListQueues");
    let head = |target, content_type, accept| Head { target, content_type, accept, ..Head::default() };
    let form = Some("application/x-www-form-urlencoded");
    for (head, protocol) in [
        (head(target, Some("application/x-amz-json-1.0"), None), Protocol::Json),
        (head(target, None, None), Protocol::Json),
        (head(None, Some("Application/X-Amz-Json-1.1; charset=utf-8"), None), Protocol::Json),
        (head(target, None, Some("application/json")), Protocol::Json),
        (head(None, form, None), Protocol::Query),
        (head(None, None, Some("*/*")), Protocol::Query),
        (head(None, form, Some("application/json")), Protocol::QueryAsJson),
        (head(None, None, Some("text/plain, Application/JSON;q=0.9")), Protocol::QueryAsJson),
        (
            head(
                None,
                Some("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"),
                None,
            ),
            Protocol::Query,
        ),
    ] {
        assert_eq!(Protocol::of(&head), protocol, "{head:?}");
    }
}

#[test]
fn a_request_without_queue_url_is_for_the_queue_of_its_path() {
    let target = json_head("AmazonSQS.DeleteQueue");
    let with_path = |head, path| Head { path, ..head };
    for path in ["/000000000000/jobs", "/queue/jobs", "/jobs"] {
        let json = decode(&with_path(target, path), b"{}");
        assert_eq!(request(json), delete_queue(path));
        let query = decode(&with_path(query_head(), path), b"Action=DeleteQueue");
        assert_eq!(request(query), delete_queue(path));
    }
    let named = format!("{{\"QueueUrl\":\"{URL}\"}}");
    assert_eq!(request(decode(&with_path(target, "/0/other"), named.as_bytes())), delete_queue(URL));
    for path in ["/", ""] {
        assert_eq!(request(decode(&with_path(target, path), b"{}")), delete_queue(""));
        let query = decode(&with_path(query_head(), path), b"Action=DeleteQueue");
        assert_eq!(request(query), delete_queue(""));
    }
}

#[test]
fn a_query_comes_by_get_or_post_in_the_url_or_the_body() {
    let get = Head { method: "GET", path: "/0/jobs", query: Some("Action=DeleteQueue"), ..Head::default() };
    assert_eq!(request(decode(&get, b"")), delete_queue("/0/jobs"));
    let post = Head { query: Some("Action=DeleteQueue&QueueUrl=a"), ..query_head() };
    assert_eq!(request(decode(&post, b"")), delete_queue("a"));
    assert_eq!(request(decode(&post, b"QueueUrl=b")), delete_queue("b"), "the body comes after the URL");
    let signed = "Action=DeleteQueue&QueueUrl=a&X-Amz-Signature=0&AWSAccessKeyId=k&Version=2012-11-05";
    assert_eq!(form(signed), delete_queue("a"));
}

#[test]
fn escapes_and_empty_parts_of_a_form_are_read_as_browsers_write_them() {
    assert_eq!(form("&&Action=DeleteQueue&QueueUrl=a+b%20c%2B%e2%98%83&&"), delete_queue("a b c+\u{2603}"));
    assert_eq!(form("Action=DeleteQueue&QueueUrl=a=b"), delete_queue("a=b"));
    assert_eq!(form("Action=DeleteQueue&QueueUrl"), delete_queue(""));
    assert_eq!(form("Action=DeleteQueue&Queue%55rl=a"), delete_queue("a"));
}

#[test]
fn numbers_order_a_list_and_gaps_are_tolerated() {
    let names = |body: &str| match form(&format!("Action=GetQueueAttributes&{body}")) {
        Request::GetQueueAttributes { attribute_names, .. } => attribute_names.join(" "),
        other => panic!("{other:?}"),
    };
    assert_eq!(names("AttributeName.10=ten&AttributeName.9=nine&AttributeName.1=one"), "one nine ten");
    assert_eq!(names("AttributeName=flat"), "flat");
    assert_eq!(names("AttributeName.2=two&AttributeName=flat"), "flat two");
    assert_eq!(names("AttributeName.02=a&AttributeName.2=b"), "b");
    assert_eq!(names("AttributeName.4294967296=beyond"), "");
    assert_eq!(names("AttributeName="), "");
    assert_eq!(names("AttributeName.1.More=x&AttributeNames.1=y&Attribute.1=z"), "");
}

#[test]
fn old_flat_spellings_are_understood() {
    let set = form("Action=SetQueueAttributes&Attribute.Name=DelaySeconds&Attribute.Value=5");
    assert_eq!(attributes(set), [("DelaySeconds".to_owned(), "5".to_owned())]);
    let body = "Action=AddPermission&Label=l&AWSAccountId=111122223333&ActionName=SendMessage";
    let Request::AddPermission { aws_account_ids, actions, .. } = form(body) else { panic!() };
    assert_eq!((aws_account_ids, actions), (vec!["111122223333".to_owned()], vec!["SendMessage".to_owned()]));
    let old = form("Action=CreateQueue&QueueName=jobs&DefaultVisibilityTimeout=40");
    assert_eq!(attributes(old), [("VisibilityTimeout".to_owned(), "40".to_owned())]);
    let both = "Action=CreateQueue&DefaultVisibilityTimeout=40\
                &Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=50\
                &Attribute.2.Name=DelaySeconds&Attribute.2.Value=1";
    let both = attributes(form(both));
    assert_eq!(both.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["1", "50"]);
    assert_eq!(form("Action=DeleteQueue&DefaultVisibilityTimeout=40"), delete_queue(""));
}

#[test]
fn a_receive_unites_the_old_and_the_new_names_of_system_attributes() {
    let expected = ["SenderId", "SentTimestamp", "AWSTraceHeader"].map(str::to_owned).to_vec();
    let expected = ReceiveMessage { message_system_attribute_names: expected, ..ReceiveMessage::default() };
    let body = "Action=ReceiveMessage&AttributeName.1=SenderId&AttributeName.2=SentTimestamp\
                &MessageSystemAttributeName.1=AWSTraceHeader&MessageSystemAttributeName.2=SenderId";
    assert_eq!(form(body), Request::ReceiveMessage(expected.clone()));
    let body = r#"{"AttributeNames":["SenderId","SentTimestamp"],
                   "MessageSystemAttributeNames":["AWSTraceHeader","SenderId"]}"#;
    assert_eq!(request(json("ReceiveMessage", body)), Request::ReceiveMessage(expected));
}

#[test]
fn a_trace_header_becomes_a_system_attribute_of_messages_without_one() {
    let value = |request: &Request| match request {
        Request::SendMessage { message, .. } => {
            message.message_system_attributes.get("AWSTraceHeader").cloned()
        }
        Request::SendMessageBatch { entries, .. } => {
            assert_eq!(entries.len(), 2);
            let of = |at: usize| entries[at].message.message_system_attributes.get("AWSTraceHeader").cloned();
            assert_eq!(of(1).unwrap().string_value.as_deref(), Some("Root=own"));
            of(0)
        }
        _ => None,
    };
    let head = |action, trace_id| Head { trace_id: Some(trace_id), ..json_head(action) };
    let traced = AttributeValue {
        data_type: "String".to_owned(),
        string_value: Some("Root=1".to_owned()),
        ..AttributeValue::default()
    };
    let own = r#"{"AWSTraceHeader":{"DataType":"String","StringValue":"Root=own"}}"#;
    let send = request(decode(&head("AmazonSQS.SendMessage", "Root=1"), b"{}"));
    assert_eq!(value(&send), Some(traced.clone()));
    let body =
        format!("{{\"Entries\":[{{\"Id\":\"a\"}},{{\"Id\":\"b\",\"MessageSystemAttributes\":{own}}}]}}");
    let batch = request(decode(&head("AmazonSQS.SendMessageBatch", "Root=1"), body.as_bytes()));
    assert_eq!(value(&batch), Some(traced));
    assert_eq!(value(&request(decode(&head("AmazonSQS.SendMessage", ""), b"{}"))), None);
    let delete = request(decode(&head("AmazonSQS.DeleteQueue", "Root=1"), b"{}"));
    assert_eq!(delete, delete_queue(""));
}

#[test]
fn unknown_members_are_ignored_wherever_they_are() {
    let body = r#"{"Future":{"a":[1,-2,3.5,1e400,"x",null,true,{}]},"QueueUrl":"u","ReceiptHandle":"h"}"#;
    // 1e400 is no double: the only unknown value that is refused, with all JSON that is not well-formed.
    codes([(json("DeleteMessage", body), Code::MalformedInput, "number out of range")]);
    let deleted = Request::DeleteMessage { queue_url: "u".to_owned(), receipt_handle: "h".to_owned() };
    assert_eq!(request(json("DeleteMessage", &body.replace("1e400", "1e40"))), deleted);
    let body = "Action=DeleteMessage&QueueUrl=u&ReceiptHandle=h&Future.1.Name.2=x&ReceiptHandle.1=i&.=&=";
    assert_eq!(form(body), deleted);
}

#[test]
fn an_empty_body_and_null_members_are_no_members() {
    let bare = form("Action=ListQueues");
    for body in ["", "{}", " {} ", r#"{"MaxResults":null,"NextToken":null}"#] {
        assert_eq!(request(json("ListQueues", body)), bare, "{body:?}");
    }
}

#[test]
fn of_two_members_with_one_name_the_later_counts() {
    assert_eq!(request(json("DeleteQueue", r#"{"QueueUrl":"a","QueueUrl":"b"}"#)), delete_queue("b"));
    assert_eq!(form("Action=DeleteQueue&QueueUrl=a&QueueUrl=b"), delete_queue("b"));
    let set = json("SetQueueAttributes", r#"{"Attributes":{"A":"1","A":"2"}}"#);
    assert_eq!(attributes(request(set)), [("A".to_owned(), "2".to_owned())]);
}

#[test]
fn whole_numbers_are_read_and_nothing_else_is() {
    let max_results = |number: &str| {
        let json = json("ListQueues", &format!("{{\"MaxResults\":{number}}}"));
        match request(json) {
            Request::ListQueues { max_results, .. } => max_results,
            other => panic!("{other:?}"),
        }
    };
    for (text, number) in
        [("5", 5), ("-1", -1), ("5.0", 5), ("1e2", 100), ("9223372036854775807", i64::MAX), ("-0", 0)]
    {
        assert_eq!(max_results(text), Some(number), "{text}");
    }
    for text in ["5.5", "9223372036854775808", "1e19", "1e999", "\"5\"", "true", "[5]", "{}", "05", "NaN"] {
        let (code, message) = refusal(json("ListQueues", &format!("{{\"MaxResults\":{text}}}")));
        assert_eq!(code, Code::MalformedInput, "{text}: {message}");
    }
    for text in ["abc", "5.0", "", "5%20", "0x5", "9223372036854775808"] {
        let (code, message) = refusal(query(&format!("Action=ListQueues&MaxResults={text}")));
        assert_eq!((code, message.as_str()), (Code::MalformedInput, "MaxResults must be a whole number."));
    }
}

#[test]
fn json_of_the_wrong_kind_names_the_member_and_never_shows_the_value() {
    let malformed = Code::MalformedInput;
    codes([
        (json("SendMessage", r#"{"MessageBody":5}"#), malformed, "MessageBody must be a string"),
        (
            json("SendMessage", r#"{"DelaySeconds":"sesame"}"#),
            malformed,
            "DelaySeconds must be a whole number",
        ),
        (
            json("SendMessage", r#"{"MessageAttributes":[]}"#),
            malformed,
            "MessageAttributes must be an object",
        ),
        (json("SendMessage", r#"{"MessageAttributes":{"a":"sesame"}}"#), malformed, "must be an object"),
        (json("SendMessage", r#"{"MessageAttributes":{"a":null}}"#), malformed, "holds null"),
        (json("TagQueue", r#"{"Tags":{"k":1}}"#), malformed, "Tags must be a string"),
        (json("UntagQueue", r#"{"TagKeys":"sesame"}"#), malformed, "TagKeys must be a list"),
        (json("UntagQueue", r#"{"TagKeys":[null]}"#), malformed, "TagKeys holds null"),
        (json("UntagQueue", r#"{"TagKeys":{}}"#), malformed, "TagKeys must be a list"),
        (json("DeleteMessageBatch", r#"{"Entries":["sesame"]}"#), malformed, "Entries must be an object"),
    ]);
    let blob = |value: &str| {
        let value = format!(r#"{{"a":{{"DataType":"Binary","BinaryValue":{value}}}}}"#);
        json("SendMessage", &format!(r#"{{"MessageAttributes":{value}}}"#))
    };
    for value in [r#""sesame!""#, r#""a""#, "[1]", "1"] {
        let (code, message) = refusal(blob(value));
        assert_eq!(code, malformed);
        assert!(message.contains("BinaryValue must be a base64 string"), "{message}");
        assert!(!message.contains("sesame"), "{message}");
    }
    let (code, message) =
        refusal(query("Action=SendMessage&MessageAttribute.1.Name=a&MessageAttribute.1.Value.BinaryValue=!"));
    assert_eq!((code, message.as_str()), (malformed, "BinaryValue must be a base64 string."));
}

#[test]
fn bodies_that_are_not_json_objects_are_malformed() {
    let whole = r#"{"QueueUrl":"u","MessageBody":"snow \u2603 man"}"#;
    for end in 1..whole.len() {
        assert_eq!(refusal(json("SendMessage", &whole[..end])).0, Code::MalformedInput, "{}", &whole[..end]);
    }
    for body in [
        "[]",
        "\"text\"",
        "5",
        "null",
        "true",
        "{}{}",
        "{} x",
        "{'a':1}",
        "{\"a\" 1}",
        "{\"a\":1,}",
        "\u{feff}{}",
        r#"{"MessageBody":"\ud800"}"#,
        "{\"MessageBody\":\"\n\"}",
        "Action=SendMessage",
    ] {
        assert_eq!(refusal(json("SendMessage", body)).0, Code::MalformedInput, "{body:?}");
    }
    for body in [&b"\xff"[..], b"{\"MessageBody\":\"\xc3\x28\"}", b"{\"Future\":\"\xed\xa0\x80\"}"] {
        let refused = decode(&json_head("AmazonSQS.SendMessage"), body);
        assert_eq!(refusal(refused).0, Code::MalformedInput, "{body:?}");
    }
}

#[test]
fn depth_and_width_are_bounded() {
    let nested = |depth: usize| format!("{{\"Future\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    request(json("ListQueues", &nested(100)));
    for depth in [200, 200_000] {
        codes([(json("ListQueues", &nested(depth)), Code::MalformedInput, "recursion limit")]);
        let open = format!("{{\"QueueUrl\":{}", "{\"a\":".repeat(depth));
        assert_eq!(refusal(json("ListQueues", &open)).0, Code::MalformedInput);
    }
    request(query(&format!("Action=ListQueues&{}=x", "a.1.".repeat(100_000))));
    request(query(&format!("Action=ReceiveMessage&MessageAttributeName{}=x", ".1".repeat(100_000))));
    let list = |items: usize| format!("{{\"TagKeys\":[{}\"k\"]}}", "\"k\",".repeat(items - 1));
    request(json("UntagQueue", &list(LIST_ITEMS)));
    codes([(json("UntagQueue", &list(LIST_ITEMS + 1)), Code::MalformedInput, "TagKeys has over 1000 items")]);
    let list = |items: usize| {
        let keys: String = (1..=items).map(|at| format!("&TagKey.{at}=k")).collect();
        query(&format!("Action=UntagQueue{keys}"))
    };
    request(list(LIST_ITEMS));
    codes([(list(LIST_ITEMS + 1), Code::MalformedInput, "TagKey has over 1000 items")]);
    let parameters = |count: usize| query(&format!("Action=ListQueues{}", "&a=b".repeat(count - 1)));
    request(parameters(PARAMETERS));
    codes([(parameters(PARAMETERS + 1), Code::MalformedInput, "over 5000 parameters")]);
}

#[test]
fn forms_that_cannot_be_read_are_malformed() {
    for body in ["QueueUrl=%", "QueueUrl=%4", "QueueUrl=%4x", "%zz=1", "QueueUrl=%ff", "QueueUrl=%c3%28"] {
        let (code, _) = refusal(query(&format!("Action=DeleteQueue&{body}")));
        assert_eq!(code, Code::MalformedInput, "{body}");
    }
    let refused = decode(&query_head(), b"Action=DeleteQueue&QueueUrl=\xff");
    assert_eq!(refusal(refused).0, Code::MalformedInput);
}

#[test]
fn an_unknown_or_missing_action_is_invalid_action_in_the_clients_protocol() {
    let no_target = Head { target: None, ..json_head("") };
    let get = Head { method: "GET", ..json_head("AmazonSQS.ListQueues") };
    let put = Head { method: "PUT", ..query_head() };
    codes([
        (json("Fly", "{}"), Code::InvalidAction, "AmazonSQS.Fly"),
        (decode(&json_head("ListQueues"), b"{}"), Code::InvalidAction, "ListQueues"),
        (decode(&json_head("DynamoDB_20120810.ListTables"), b"{}"), Code::InvalidAction, "ListTables"),
        (decode(&no_target, b"{}"), Code::InvalidAction, "no X-Amz-Target"),
        (decode(&get, b"{}"), Code::InvalidAction, "must be POST"),
        (decode(&put, b"Action=ListQueues"), Code::InvalidAction, "must be POST or GET"),
        (query("Action=Fly"), Code::InvalidAction, "Fly"),
        (query("Action=listqueues"), Code::InvalidAction, "listqueues"),
        (query(""), Code::InvalidAction, "no Action"),
        (query("Version=2012-11-05"), Code::InvalidAction, "no Action"),
        (query("{\"QueueUrl\":\"u\"}"), Code::InvalidAction, "no Action"),
    ]);
    let long = refusal(query(&format!("Action={}", "x".repeat(100_000)))).1;
    assert!(long.len() < 200, "{} bytes", long.len());
    let refused = json("Fly", "{}").unwrap_err();
    assert_eq!((refused.protocol, refused.action), (Protocol::Json, None));
    let refused = query("Action=ListQueues&MaxResults=x").unwrap_err();
    assert_eq!((refused.protocol, refused.action), (Protocol::Query, Some(Action::ListQueues)));
}

/// Members the decoder leaves to the engine although the service model requires them; see `request.rs`.
const LEFT_TO_THE_ENGINE: [&str; 4] = ["QueueUrl", "QueueName", "MessageBody", "Entries"];

#[test]
fn a_missing_required_member_is_missing_parameter_in_both_protocols() {
    let mut checked = 0;
    for action in Action::ALL {
        let name = action.row().name;
        let required = |left: &str| {
            let members = shapes::of(*action).input.members.iter();
            members.filter(|m| m.required && m.name != left).map(|m| m.name).collect::<Vec<_>>()
        };
        for missing in required("").into_iter().filter(|m| !LEFT_TO_THE_ENGINE.contains(m)) {
            let present = required(missing);
            let mut form = format!("Action={name}");
            let mut body = serde_json::Map::new();
            for member in present {
                let (text, value) = sample(member);
                form += text;
                body.insert(member.to_owned(), value);
            }
            let text = format!("The request must contain the parameter {missing}.");
            let body = serde_json::Value::Object(body).to_string();
            assert_eq!(refusal(json(name, &body)), (Code::MissingParameter, text.clone()), "{name} {body}");
            assert_eq!(refusal(query(&form)), (Code::MissingParameter, text), "{form}");
            checked += 1;
        }
    }
    assert_eq!(checked, 13);
}

/// A value for a required member, as a form's parameters and as JSON.
fn sample(member: &str) -> (&'static str, serde_json::Value) {
    match member {
        "QueueUrl" => ("&QueueUrl=u", "u".into()),
        "Label" => ("&Label=l", "l".into()),
        "ReceiptHandle" => ("&ReceiptHandle=h", "h".into()),
        "VisibilityTimeout" => ("&VisibilityTimeout=1", 1.into()),
        "AWSAccountIds" => ("&AWSAccountId.1=1", serde_json::json!(["1"])),
        "Actions" => ("&ActionName.1=*", serde_json::json!(["*"])),
        other => panic!("no sample of {other}"),
    }
}

#[test]
fn empty_lists_and_maps_that_are_required_are_missing() {
    let missing = Code::MissingParameter;
    codes([
        (json("UntagQueue", r#"{"TagKeys":[]}"#), missing, "TagKeys"),
        (json("TagQueue", r#"{"Tags":{}}"#), missing, "Tags"),
        (json("SetQueueAttributes", r#"{"Attributes":{}}"#), missing, "Attributes"),
        (query("Action=TagQueue&Tag.1.Key=k"), missing, "Tag.1.Value"),
        (query("Action=TagQueue&Tag.3.Value=v"), missing, "Tag.3.Key"),
        (query("Action=SendMessage&MessageAttribute.2.Name=a"), missing, "MessageAttribute.2.Value"),
        (query("Action=TagQueue&Tag.1.Future=v"), missing, "Tags"),
    ]);
}

#[test]
fn what_an_entry_lacks_is_left_to_its_entry_but_its_id_is_needed() {
    for action in ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
        let text = "The request must contain the parameter Entries.2.Id.";
        let json_body = r#"{"Entries":[{"Id":"a"},{}]}"#;
        assert_eq!(refusal(json(action, json_body)), (Code::MissingParameter, text.to_owned()));
        let form_body =
            format!("Action={action}&{action}RequestEntry.4.Id=a&{action}RequestEntry.7.Future=x");
        assert_eq!(refusal(query(&form_body)), (Code::MissingParameter, text.to_owned()));
        let lacking = request(json(action, r#"{"Entries":[{"Id":"a"}]}"#));
        assert_eq!(form(&format!("Action={action}&{action}RequestEntry.1.Id=a")), lacking);
        assert_eq!(request(json(action, "{}")), form(&format!("Action={action}")));
    }
}

#[test]
fn list_values_are_seen_and_nothing_more() {
    let list_values = |members: &str| {
        let body = format!(r#"{{"MessageAttributes":{{"a":{{"DataType":"String",{members}}}}}}}"#);
        match request(json("SendMessage", &body)) {
            Request::SendMessage { message, .. } => message.message_attributes["a"].has_list_values,
            other => panic!("{other:?}"),
        }
    };
    assert!(list_values(r#""StringListValues":["x"]"#));
    assert!(list_values(r#""BinaryListValues":["AQ=="]"#));
    assert!(!list_values(r#""StringListValues":[],"BinaryListValues":[]"#));
    let body = "Action=SendMessage&MessageAttribute.1.Name=a&MessageAttribute.1.Value.StringListValue.1=x";
    let Request::SendMessage { message, .. } = form(body) else { panic!() };
    assert!(message.message_attributes["a"].has_list_values);
}
