//! What a message may consist of.

use fearless_simd::{Level, Simd, dispatch};

use super::TRACE_HEADER;
use crate::errors::{Code, Error};
use crate::limits::{ATTRIBUTE_NAME_LENGTH, DELAY_SECONDS, ID_LENGTH, MESSAGE_ATTRIBUTES, NUMBER_DIGITS};
use crate::request::{AttributeValue, Message};

/// A decimal exponent a Number attribute may have, its value written as `d.ddd * 10^exponent`:
/// from 10^-128 to 10^126.
const NUMBER_EXPONENT: std::ops::RangeInclusive<i64> = -128..=126;

pub(super) fn check(message: &Message) -> Result<(), Error> {
    check_body(&message.message_body)?;
    let attributes = &message.message_attributes;
    if attributes.len() > MESSAGE_ATTRIBUTES {
        let count = attributes.len();
        return Err(invalid(format!(
            "Number of message attributes [{count}] exceeds the allowed maximum [{MESSAGE_ATTRIBUTES}]."
        )));
    }
    attributes.iter().try_for_each(|(name, value)| check_attribute(name, value))?;
    let system = &message.message_system_attributes;
    system.iter().try_for_each(|(name, value)| check_system_attribute(name, value))?;
    check_delay(message.delay_seconds)?;
    let ids = [
        ("MessageDeduplicationId", &message.message_deduplication_id),
        ("MessageGroupId", &message.message_group_id),
    ];
    ids.into_iter()
        .filter_map(|(name, id)| Some((name, id.as_deref()?)))
        .try_for_each(|(n, id)| check_id(n, id))
}

fn invalid(text: String) -> Error {
    Error::new(Code::InvalidParameterValue, text)
}

fn check_body(body: &str) -> Result<(), Error> {
    if body.is_empty() {
        return Err(Error::missing_parameter("MessageBody"));
    }
    if is_allowed(body) {
        return Ok(());
    }
    let text = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
                #xE000 to #xFFFD | #x10000 to #x10FFFF";
    Err(Error::new(Code::InvalidMessageContents, text))
}

/// `#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF`; Rust's text holds no
/// surrogates anyway.
fn is_allowed(text: &str) -> bool {
    if !dispatch!(Level::new(), simd => may_be_refused(simd, text.as_bytes())) {
        return true;
    }
    let refused = |c: char| (c < ' ' && !"\t\n\r".contains(c)) || c == '\u{fffe}' || c == '\u{ffff}';
    !text.contains(refused)
}

/// Whether a character may be one of those refused. The two above the controls are EF BF BE and EF BF BF: nearly every
/// text has no EF. All bytes of a chunk are looked at, without a branch, so that many are in one instruction, of the
/// widest registers that this processor has.
#[inline(always)]
fn may_be_refused<S: Simd>(_: S, bytes: &[u8]) -> bool {
    for chunk in bytes.chunks(256) {
        let mut any = false;
        for byte in chunk {
            let is_space = (*byte == b'\t') | (*byte == b'\n') | (*byte == b'\r');
            any |= ((*byte < b' ') & !is_space) | (*byte == 0xef);
        }
        if any {
            return true;
        }
    }
    false
}

fn check_attribute(name: &str, value: &AttributeValue) -> Result<(), Error> {
    check_attribute_name(name)?;
    if value.has_list_values {
        let text = "Message attribute list values in SendMessage operation are not supported.";
        return Err(Error::new(Code::UnsupportedOperation, text));
    }
    let kind = &value.data_type;
    if kind.is_empty() {
        return Err(invalid(format!(
            "The message attribute '{name}' must contain non-empty message attribute type."
        )));
    }
    let logical = kind.split_once('.').map_or(kind.as_str(), |(logical, _)| logical);
    if !["Binary", "Number", "String"].contains(&logical) || !is_type(kind) {
        return Err(invalid(format!(
            "The message attribute '{name}' has an invalid message attribute type, \
             the set of supported type prefixes is Binary, Number, and String."
        )));
    }
    match logical {
        "Binary" => check_binary(name, value),
        _ => check_text(name, value, logical),
    }
}

fn is_type(kind: &str) -> bool {
    ATTRIBUTE_NAME_LENGTH.contains(&kind.len()) && is_allowed(kind)
}

fn check_attribute_name(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(invalid("Message (user) attribute name must not be empty.".to_owned()));
    }
    if !ATTRIBUTE_NAME_LENGTH.contains(&name.len()) {
        let most = ATTRIBUTE_NAME_LENGTH.end();
        return Err(invalid(format!("Message (user) attribute name must be shorter than {most} bytes.")));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !name.bytes().all(allowed) {
        return Err(invalid(format!(
            "Message (user) attribute name '{name}' is invalid: it can contain A-Z, a-z, 0-9, \
             underscore (_), hyphen (-), and period (.) characters."
        )));
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return Err(invalid(format!(
            "Message (user) attribute name '{name}' is invalid: \
             it must not start or end with a period, nor have two in a row."
        )));
    }
    let reserved =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if reserved("AWS.") || reserved("Amazon.") {
        return Err(invalid(format!(
            "Message (user) attribute name '{name}' is invalid: it starts with a reserved prefix."
        )));
    }
    Ok(())
}

fn check_binary(name: &str, value: &AttributeValue) -> Result<(), Error> {
    if value.string_value.is_some() {
        return Err(wrong_field(name, &value.data_type, "Binary"));
    }
    match &value.binary_value {
        Some(bytes) if !bytes.is_empty() => Ok(()),
        _ => Err(empty_value(name, "Binary")),
    }
}

fn check_text(name: &str, value: &AttributeValue, logical: &str) -> Result<(), Error> {
    if value.binary_value.is_some() {
        return Err(wrong_field(name, &value.data_type, "String"));
    }
    let text = value.string_value.as_deref().filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| empty_value(name, logical))?;
    if !is_allowed(text) {
        return Err(invalid(format!("Invalid characters found in the message attribute '{name}'.")));
    }
    if logical == "Number" && !is_number(text) {
        return Err(invalid(format!(
            "Can't cast the value of message (user) attribute '{name}' to a number."
        )));
    }
    Ok(())
}

fn wrong_field(name: &str, kind: &str, field: &str) -> Error {
    invalid(format!("The message attribute '{name}' with type '{kind}' must use field '{field}'."))
}

fn empty_value(name: &str, kind: &str) -> Error {
    invalid(format!(
        "The message attribute '{name}' must contain non-empty message attribute value \
         for message attribute type '{kind}'."
    ))
}

/// A decimal number with at most 38 digits that matter, 0 or between 10^-128 and 10^126 either way from 0.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)),
        None => (text, Some(0)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    let Some(exponent) = exponent else { return false };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let significant = digits.trim_matches('0');
    let first_digit = exponent.saturating_add(whole.len() as i64 - 1 - leading as i64);
    let at_the_top = first_digit == *NUMBER_EXPONENT.end();
    significant.is_empty()
        || significant.len() <= NUMBER_DIGITS
            && NUMBER_EXPONENT.contains(&first_digit)
            && (!at_the_top || significant == "1")
}

fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn check_system_attribute(name: &str, value: &AttributeValue) -> Result<(), Error> {
    if name != TRACE_HEADER {
        return Err(invalid(format!(
            "Message system attribute name '{name}' is invalid: only {TRACE_HEADER} can be sent."
        )));
    }
    if value.has_list_values {
        let text = "Message attribute list values in SendMessage operation are not supported.";
        return Err(Error::new(Code::UnsupportedOperation, text));
    }
    if value.data_type != "String" || value.binary_value.is_some() {
        return Err(invalid(format!("The message system attribute '{name}' must be of type 'String'.")));
    }
    match value.string_value.as_deref() {
        None | Some("") => Err(invalid(format!("The message system attribute '{name}' must have a value."))),
        Some(text) if is_allowed(text) => Ok(()),
        Some(_) => {
            Err(invalid(format!("Invalid characters found in the message system attribute '{name}'.")))
        }
    }
}

fn check_delay(seconds: Option<i64>) -> Result<(), Error> {
    match seconds.filter(|seconds| !DELAY_SECONDS.contains(seconds)) {
        Some(wrong) => {
            let (low, high) = (DELAY_SECONDS.start(), DELAY_SECONDS.end());
            let reason = format!("DelaySeconds must be >= {low} and <= {high}.");
            Err(Error::invalid_parameter("DelaySeconds", wrong, &reason))
        }
        None => Ok(()),
    }
}

/// The rules of `MessageGroupId`, `MessageDeduplicationId` and `ReceiveRequestAttemptId`: 1 to 128 ASCII
/// letters, digits and punctuation marks.
pub fn check_id(parameter: &str, id: &str) -> Result<(), Error> {
    if ID_LENGTH.contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let reason =
        format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
    Err(Error::invalid_parameter(parameter, id, &reason))
}
