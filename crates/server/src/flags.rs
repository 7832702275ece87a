//! Flags of the command line: tables of them, and how they are read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Without the two dashes.
    pub flag: &'static str,
    /// What stands for its value in `--help`; none for a switch.
    pub value: Option<&'static str>,
    /// As it would be written; empty where it is off or worked out.
    pub default: &'static str,
    /// For a person.
    pub explanation: &'static str,
}

/// A flag with a value.
pub const fn setting(
    flag: &'static str,
    value: &'static str,
    default: &'static str,
    explanation: &'static str,
) -> Setting {
    Setting { flag, value: Some(value), default, explanation }
}

/// A flag that is on or off.
pub const fn switch(flag: &'static str, explanation: &'static str) -> Setting {
    Setting { flag, value: None, default: "", explanation }
}

impl Setting {
    /// The environment variable that sets it where the flag does not.
    pub fn variable(&self) -> String {
        format!("SLUICE_{}", self.flag.to_uppercase().replace('-', "_"))
    }

    /// As in `--help`.
    pub fn usage(&self) -> String {
        match self.value {
            Some(value) => format!("--{} {value}", self.flag),
            None => format!("--{}", self.flag),
        }
    }
}

/// A setting's text and where it was said, for messages.
#[derive(Debug)]
pub struct Said {
    text: String,
    place: String,
}

/// By flag.
pub type Values = BTreeMap<&'static str, Said>;

/// Reads flags, then variables, then defaults. The error is one sentence for a person.
pub fn read(
    table: &[Setting],
    arguments: impl Iterator<Item = String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Values, String> {
    let mut values = defaults_and_variables(table, variable);
    read_flags(table, arguments, &mut values)?;
    Ok(values)
}

fn defaults_and_variables(table: &[Setting], variable: impl Fn(&str) -> Option<String>) -> Values {
    let mut values = Values::new();
    for setting in table {
        let place = setting.variable();
        let said = match variable(&place).filter(|text| !text.is_empty()) {
            Some(text) => Said { text, place },
            None => Said { text: setting.default.to_owned(), place: "the default".to_owned() },
        };
        values.insert(setting.flag, said);
    }
    values
}

fn read_flags(
    table: &[Setting],
    mut arguments: impl Iterator<Item = String>,
    values: &mut Values,
) -> Result<(), String> {
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix("--") else {
            return Err(format!("{argument:?} is not a flag; `sluice help` lists them."));
        };
        let (name, inline) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        let Some(setting) = table.iter().find(|setting| setting.flag == name) else {
            return Err(format!("There is no flag --{}; `sluice help` lists them.", name.escape_debug()));
        };
        let text = match (setting.value, inline) {
            (None, inline) => inline.unwrap_or_else(|| "true".to_owned()),
            (Some(_), Some(text)) => text,
            (Some(value), None) => {
                arguments.next().ok_or_else(|| format!("--{name} needs a value: {value}."))?
            }
        };
        values.insert(setting.flag, Said { text, place: format!("--{name}") });
    }
    Ok(())
}

/// A value, parsed; `wanted` says what it must be.
pub fn one<T>(
    values: &Values,
    flag: &'static str,
    wanted: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let said = &values[flag];
    parse(&said.text).ok_or_else(|| format!("{} is {:?}, but it must be {wanted}.", said.place, said.text))
}

/// A switch.
pub fn is_on(values: &Values, flag: &'static str) -> Result<bool, String> {
    one(values, flag, "true or false", |text| match text {
        "true" | "1" | "yes" | "on" => Some(true),
        "" | "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    })
}

/// A path.
pub fn path(values: &Values, flag: &'static str, wanted: &str) -> Result<PathBuf, String> {
    one(values, flag, wanted, |text| (!text.is_empty()).then(|| text.into()))
}

/// A table for `--help`.
pub fn help(table: &[Setting]) -> String {
    let mut text = String::new();
    for setting in table {
        let default = if setting.default.is_empty() { "" } else { &format!(" [{}]", setting.default) };
        let _ = write!(text, "  {}{default}\n      {}\n", setting.usage(), setting.explanation);
    }
    text
}
