use bytes::Bytes;

use super::*;
use crate::errors::Code;
use crate::reply::{StoredValue, Value};

fn text(data_type: &str, value: &str) -> AttributeValue {
    AttributeValue { data_type: data_type.into(), string_value: Some(value.into()), ..Default::default() }
}

fn binary(data_type: &str, value: &[u8]) -> AttributeValue {
    let binary_value = Some(Bytes::copy_from_slice(value));
    AttributeValue { data_type: data_type.into(), binary_value, ..Default::default() }
}

fn with(attributes: &[(&str, AttributeValue)]) -> Message {
    let message_attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Message { message_body: "body".into(), message_attributes, ..Message::default() }
}

fn check(message: &Message) -> Result<Measured, Error> {
    super::check(message, md5(message.message_body.as_bytes()))
}

fn code(message: &Message) -> Option<Code> {
    check(message).err().map(|error| error.code)
}

/// Attributes as a consumer gets them.
fn stored(message: &Message) -> BTreeMap<String, StoredValue> {
    let one = |value: &AttributeValue| {
        let kept = match (&value.string_value, &value.binary_value) {
            (Some(text), None) => Value::String(text.clone()),
            (None, Some(bytes)) => Value::Binary(bytes.clone()),
            _ => panic!("neither text nor bytes: {value:?}"),
        };
        StoredValue { data_type: value.data_type.clone(), value: kept }
    };
    message.message_attributes.iter().map(|(name, value)| (name.clone(), one(value))).collect()
}

fn reference() -> Message {
    with(&[
        ("blob", binary("Binary", &[1, 2, 3])),
        ("color", text("String", "blue")),
        ("count", text("Number", "3")),
    ])
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_md5_of_attributes_is_the_one_sqs_was_seen_to_answer() {
    let digests = check(&reference()).unwrap().digests;
    let shown = digests.md5_of_message_attributes.map(|md5| md5.to_string());
    assert_eq!(shown.as_deref(), Some("d838729972a4b70e2d2acd9d59ac847c"));
    assert_eq!(digests.md5_of_message_system_attributes, None);
}

#[test]
fn md5_of_body_and_sha_256_are_the_published_ones() {
    assert_eq!(md5(b"").to_string(), "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(md5(b"message digest").to_string(), "f96b697d7cb7938d525a2f31aaf161d0");
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(content_hash("abc"), abc);
}

#[test]
fn the_md5_follows_the_attributes_that_are_returned() {
    let all = stored(&reference());
    assert_eq!(md5_of_attributes(&BTreeMap::new()), None);
    let some = select_attributes(&names(&["color"]), &all);
    assert_eq!(some.len(), 1);
    assert_ne!(md5_of_attributes(&some), md5_of_attributes(&all));
    let one = with(&[("color", text("String", "blue"))]);
    assert_eq!(md5_of_attributes(&some), check(&one).unwrap().digests.md5_of_message_attributes);
}

#[test]
fn the_trace_header_has_its_own_md5_and_no_size() {
    let mut message = with(&[]);
    let plain = check(&message).unwrap();
    let trace = ("AWSTraceHeader".to_owned(), text("String", "Root=1-5759e988-bd862e3fe1be46a994272793"));
    message.message_system_attributes = [trace.clone()].into();
    let traced = check(&message).unwrap();
    assert_eq!(traced.size, plain.size);
    let as_user = with(&[(trace.0.as_str(), trace.1)]);
    assert_eq!(traced.digests.md5_of_message_system_attributes, md5_of_attributes(&stored(&as_user)));
}

#[test]
fn size_is_body_names_types_and_values_in_bytes() {
    assert_eq!(check(&with(&[])).unwrap().size, 4);
    let message = with(&[("n\u{61}me", text("String.x", "\u{e9}")), ("b", binary("Binary", &[0; 5]))]);
    assert_eq!(check(&message).unwrap().size, 4 + (4 + 8 + 2) + (1 + 6 + 5));
}

#[test]
fn a_body_has_xml_s_characters_and_at_least_one() {
    let body = |text: &str| code(&Message { message_body: text.into(), ..Message::default() });
    assert_eq!(body(""), Some(Code::MissingParameter));
    assert_eq!(body("\t\n\r \u{7f}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}"), None);
    for wrong in ["\0", "a\u{8}", "\u{b}", "\u{1f}b", "\u{fffe}", "\u{ffff}"] {
        assert_eq!(body(wrong), Some(Code::InvalidMessageContents), "{wrong:?}");
    }
}

#[test]
fn attribute_names_keep_the_rules() {
    let long = "x".repeat(256);
    for good in ["a", "A_b-c.9", "AWSome", "amazonas", "aws", &long] {
        assert_eq!(code(&with(&[(good, text("String", "v"))])), None, "{good}");
    }
    for wrong in [
        "",
        ".a",
        "a.",
        "a..b",
        "a b",
        "a*",
        "\u{e9}",
        "AWS.x",
        "aws.x",
        "Amazon.x",
        "aMaZoN.",
        &(long + "x"),
    ] {
        let error = check(&with(&[(wrong, text("String", "v"))])).unwrap_err();
        assert_eq!(error.code, Code::InvalidParameterValue, "{wrong}");
    }
}

#[test]
fn attribute_types_keep_the_rules() {
    for good in ["String", "String.utf-8", "Number.float", "Number", "String.a.b c"] {
        assert_eq!(code(&with(&[("a", text(good, "1"))])), None, "{good}");
    }
    assert_eq!(code(&with(&[("a", binary("Binary.png", &[1]))])), None);
    let long = format!("String.{}", "x".repeat(250));
    for wrong in ["", "string", "Strings", "StringList", "Int", ".String", "String.\u{1}", &long] {
        assert_eq!(code(&with(&[("a", text(wrong, "1"))])), Some(Code::InvalidParameterValue), "{wrong}");
    }
}

#[test]
fn attribute_values_fit_their_types() {
    let list = AttributeValue { has_list_values: true, ..text("String", "v") };
    assert_eq!(code(&with(&[("a", list)])), Some(Code::UnsupportedOperation));
    let both = AttributeValue { string_value: Some("v".into()), ..binary("String", &[1]) };
    let none = AttributeValue { data_type: "String".into(), ..Default::default() };
    let wrong = [
        text("String", ""),
        text("String", "\u{1}"),
        text("Number", ""),
        text("Binary", "v"),
        binary("Binary", &[]),
        binary("String", b"v"),
        binary("Number", b"1"),
        both,
        none,
    ];
    for value in wrong {
        assert_eq!(code(&with(&[("a", value.clone())])), Some(Code::InvalidParameterValue), "{value:?}");
    }
}

#[test]
fn a_number_has_38_digits_between_10_to_the_minus_128_and_126() {
    let digits = "9".repeat(38);
    let padded = format!("000{}000", digits);
    let exact = format!("1{}", "0".repeat(126));
    for good in [
        "0", "-0", "+1", "1.", ".5", "-12.50", "1e5", "1E+5", "1e-128", "-1e126", "9.9e125", "0e9999",
        &digits, &padded, &exact,
    ] {
        assert_eq!(code(&with(&[("a", text("Number", good))])), None, "{good}");
    }
    let long = "1".repeat(39);
    let over = format!("{exact}0");
    for wrong in [
        "",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        "1 ",
        " 1",
        "1,0",
        "0x1",
        "NaN",
        "Infinity",
        "1e127",
        "1.1e126",
        "9e-129",
        "1e99999999999999999999",
        "1.2.3",
        "--1",
        &long,
        &over,
    ] {
        assert_eq!(
            code(&with(&[("a", text("Number", wrong))])),
            Some(Code::InvalidParameterValue),
            "{wrong}"
        );
    }
}

#[test]
fn ten_attributes_are_enough() {
    let many = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("a{n}")).collect();
        let attributes: Vec<_> = names.iter().map(|name| (name.as_str(), text("String", "v"))).collect();
        code(&with(&attributes))
    };
    assert_eq!((many(10), many(11)), (None, Some(Code::InvalidParameterValue)));
}

#[test]
fn of_system_attributes_only_the_trace_header_can_be_sent() {
    let system = |name: &str, value: AttributeValue| {
        let message_system_attributes = [(name.to_owned(), value)].into();
        code(&Message { message_system_attributes, ..with(&[]) })
    };
    assert_eq!(system("AWSTraceHeader", text("String", "Root=1")), None);
    let list = AttributeValue { has_list_values: true, ..text("String", "v") };
    assert_eq!(system("AWSTraceHeader", list), Some(Code::UnsupportedOperation));
    for (name, value) in [
        ("SenderId", text("String", "me")),
        ("AWSTraceHeader", text("Number", "1")),
        ("AWSTraceHeader", text("String.x", "1")),
        ("AWSTraceHeader", text("String", "")),
        ("AWSTraceHeader", text("String", "\u{1}")),
        ("AWSTraceHeader", binary("String", &[1])),
    ] {
        assert_eq!(system(name, value.clone()), Some(Code::InvalidParameterValue), "{name} {value:?}");
    }
}

#[test]
fn ids_have_1_to_128_letters_digits_and_marks() {
    let marks: String = ('!'..='~').collect();
    let long = "x".repeat(128);
    for good in [marks.as_str(), &long] {
        assert_eq!(check_id("MessageGroupId", good), Ok(()), "{good}");
    }
    for wrong in ["", "a b", "\u{e9}", "\n", &(long.clone() + "x")] {
        let group = Message { message_group_id: Some(wrong.into()), ..with(&[]) };
        let id = Message { message_deduplication_id: Some(wrong.into()), ..with(&[]) };
        assert_eq!(code(&group), Some(Code::InvalidParameterValue), "{wrong:?}");
        assert_eq!(code(&id), Some(Code::InvalidParameterValue), "{wrong:?}");
    }
}

#[test]
fn a_delay_is_at_most_a_quarter_of_an_hour() {
    let delay = |seconds| code(&Message { delay_seconds: Some(seconds), ..with(&[]) });
    assert_eq!((delay(0), delay(900)), (None, None));
    assert_eq!(
        (delay(-1), delay(901)),
        (Some(Code::InvalidParameterValue), Some(Code::InvalidParameterValue))
    );
}

/// Each row puts the first error right: the next one shows.
#[test]
fn errors_come_in_their_order() {
    let mut message = Message {
        message_body: String::new(),
        delay_seconds: Some(901),
        message_attributes: (0..11).map(|n| (format!("a{n}."), text("Strin", ""))).collect(),
        message_system_attributes: [("SenderId".to_owned(), text("Strin", ""))].into(),
        message_deduplication_id: Some(" ".into()),
        message_group_id: Some(" ".into()),
    };
    let says = |message: &Message, what: &str| {
        let error = check(message).unwrap_err();
        assert!(error.message.contains(what), "{what}: {error}");
    };
    says(&message, "MessageBody");
    message.message_body = "\0".into();
    says(&message, "Invalid characters");
    message.message_body = "body".into();
    says(&message, "Number of message attributes [11]");
    message.message_attributes.remove("a9.");
    says(&message, "attribute name 'a0.' is invalid");
    let listed = AttributeValue { has_list_values: true, ..text("Strin", "") };
    message.message_attributes = [("a".to_owned(), listed)].into();
    says(&message, "list values");
    message.message_attributes = [("a".to_owned(), text("Strin", ""))].into();
    says(&message, "invalid message attribute type");
    message.message_attributes = [("a".to_owned(), text("Number", ""))].into();
    says(&message, "non-empty message attribute value");
    message.message_attributes = [("a".to_owned(), text("Number", "x"))].into();
    says(&message, "to a number");
    message.message_attributes = [("a".to_owned(), text("Number", "1"))].into();
    says(&message, "system attribute name 'SenderId'");
    message.message_system_attributes = [("AWSTraceHeader".to_owned(), text("Strin", ""))].into();
    says(&message, "must be of type 'String'");
    message.message_system_attributes = [("AWSTraceHeader".to_owned(), text("String", "x"))].into();
    says(&message, "DelaySeconds must be");
    message.delay_seconds = Some(900);
    says(&message, "MessageDeduplicationId");
    message.message_deduplication_id = Some("d".into());
    says(&message, "MessageGroupId");
    message.message_group_id = Some("g".into());
    assert!(check(&message).is_ok());
}

#[test]
fn a_receive_chooses_attributes_by_name_prefix_or_all() {
    let attributes = ["col", "col.or", "color", "size"].map(|name| (name, text("String", "v")));
    let all = stored(&with(&attributes));
    let chosen =
        |asked: &[&str]| -> Vec<String> { select_attributes(&names(asked), &all).into_keys().collect() };
    assert_eq!(chosen(&[]), names(&[]));
    assert_eq!(chosen(&["color", "absent"]), names(&["color"]));
    assert_eq!(chosen(&["col.*"]), names(&["col", "col.or", "color"]));
    assert_eq!(chosen(&["col.o.*"]), names(&["col.or"]));
    assert_eq!(chosen(&["All"]).len(), 4);
    assert_eq!(chosen(&[".*"]).len(), 4);
    assert_eq!(chosen(&["all", "*", "col*"]), names(&[]));
}

#[test]
fn a_receive_asks_for_system_attributes_by_name() {
    assert!(wants_system_attribute(&names(&["SentTimestamp"]), "SentTimestamp"));
    assert!(wants_system_attribute(&names(&["All"]), "SenderId"));
    assert!(!wants_system_attribute(&names(&["SenderId"]), "SentTimestamp"));
    assert_eq!(check_system_names(&names(&["All"])), Ok(()));
    assert_eq!(check_system_names(&SYSTEM_ATTRIBUTES.map(str::to_owned)), Ok(()));
    let error = check_system_names(&names(&["SenderId", "Color"])).unwrap_err();
    assert_eq!(error.code, Code::InvalidAttributeName);
    assert_eq!(error.message, "Unknown Attribute Color.");
}
