//! The table as a page of the documentation.

use super::{Attribute, Default, Kind, Set, Shown, TABLE};

const HEAD: &str = "\
# Queue attributes

This page is made from the table in `crates/engine/src/attributes.rs`; a test compares the two.

A value outside its range, or of another form, is `InvalidAttributeValue`; a RedrivePolicy or RedriveAllowPolicy
that is JSON but breaks a rule is `InvalidParameterValue`; a name that is not here, is read only, or is of FIFO
queues and the queue is not one, is `InvalidAttributeName`. \"Removed by\" says whether the empty text removes it.

| Attribute | Value | Default | Set by | Queues | Removed by | Returned by `All` | Meaning |
|---|---|---|---|---|---|---|---|
";

/// The table in Markdown: the whole of `docs/attributes.md`.
pub fn markdown() -> String {
    TABLE.iter().fold(HEAD.to_owned(), |page, attribute| page + &line(attribute))
}

fn line(attribute: &Attribute) -> String {
    let set = match attribute.set {
        Set::Never => "read only",
        Set::AtCreation => "CreateQueue",
        Set::Anytime => "CreateQueue, SetQueueAttributes",
    };
    let shown = match attribute.shown {
        Shown::Always => "always",
        Shown::WhenSet => "when set",
        Shown::WithKey => "with a KmsMasterKeyId",
    };
    let default = match attribute.default {
        Default::None => "",
        Default::Text(text) => text,
        Default::ServerMaximumMessageSize => "the server's setting",
    };
    let queues = if attribute.fifo_only { "FIFO" } else { "all" };
    let removed = if attribute.removable { "`\"\"`" } else { "" };
    let (name, about, value) = (attribute.name, attribute.about, value(&attribute.kind));
    format!("| {name} | {value} | {default} | {set} | {queues} | {removed} | {shown} | {about} |\n")
}

fn value(kind: &Kind) -> String {
    match kind {
        Kind::Number(range, unit) => format!("{} to {} {unit}", range.start(), range.end()),
        Kind::Boolean => "`true`, `false`".to_owned(),
        Kind::Choice(choices) => format!("`{}`", choices.join("`, `")),
        Kind::RedrivePolicy => {
            "JSON: deadLetterTargetArn, and maxReceiveCount 1 to 1000 (10 if absent)".to_owned()
        }
        Kind::RedriveAllowPolicy => {
            "JSON: redrivePermission `allowAll`, `denyAll` or `byQueue`, with the last 1 to 10 sourceQueueArns"
                .to_owned()
        }
        Kind::Policy => "a policy in JSON, at most 8192 bytes".to_owned(),
        Kind::Key => "id, ARN, alias or alias ARN".to_owned(),
        Kind::Computed => "text".to_owned(),
    }
}
