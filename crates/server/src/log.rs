//! Structured logs: one JSON object a line on standard error. No bodies, no secrets.

use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::clock;

/// How loud a line is; a lower one is louder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something should be looked at.
    Warn,
    /// What the server does.
    Info,
    /// Each request.
    Debug,
}

impl Level {
    const ALL: [Level; 4] = [Level::Error, Level::Warn, Level::Info, Level::Debug];

    fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }

    /// The level of this name.
    pub fn parse(text: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

static LOUDEST: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Lines quieter than `level` are dropped from now on.
pub fn set_level(level: Level) {
    LOUDEST.store(level as u8, Ordering::Relaxed);
}

/// Whether lines of this level are written.
pub fn is_on(level: Level) -> bool {
    level as u8 <= LOUDEST.load(Ordering::Relaxed)
}

/// Writes a line: `event` is a fixed phrase, `fields` what varies.
pub fn line(level: Level, event: &str, fields: &[(&str, &dyn Display)]) {
    if is_on(level) {
        let text = render(clock::now(), level, event, fields);
        // Nobody is left to be told that standard error is closed.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// See [`line`].
pub fn error(event: &str, fields: &[(&str, &dyn Display)]) {
    line(Level::Error, event, fields);
}

/// See [`line`].
pub fn warn(event: &str, fields: &[(&str, &dyn Display)]) {
    line(Level::Warn, event, fields);
}

/// See [`line`].
pub fn info(event: &str, fields: &[(&str, &dyn Display)]) {
    line(Level::Info, event, fields);
}

fn render(now: u64, level: Level, event: &str, fields: &[(&str, &dyn Display)]) -> String {
    let mut text = format!("{{\"time\":\"{}\",\"level\":\"{}\"", timestamp(now), level.as_str());
    push_field(&mut text, "event", &event);
    for (name, value) in fields {
        push_field(&mut text, name, value);
    }
    text.push_str("}\n");
    text
}

fn push_field(text: &mut String, name: &str, value: &dyn Display) {
    let _ = write!(text, ",\"{name}\":\"");
    for char in value.to_string().chars() {
        match char {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            control if control.is_control() => {
                let _ = write!(text, "\\u{:04x}", control as u32);
            }
            plain => text.push(plain),
        }
    }
    text.push('"');
}

/// RFC 3339, UTC, with milliseconds.
fn timestamp(now: u64) -> String {
    let (seconds, millis) = (now / 1000, now % 1000);
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil(mut day: u64) -> (u64, u64, u64) {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object_whatever_is_in_it() {
        let line = render(1_709_210_096_789, Level::Warn, "odd", &[("what", &"a\"b\\c\nd\u{7f}"), ("n", &3)]);
        let expected = concat!(
            "{\"time\":\"2024-02-29T12:34:56.789Z\",\"level\":\"warn\",\"event\":\"odd\",",
            "\"what\":\"a\\\"b\\\\c\\u000ad\\u007f\",\"n\":\"3\"}\n"
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn the_calendar_knows_leap_years() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
        assert_eq!(timestamp(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(timestamp(951_782_400_000), "2000-02-29T00:00:00.000Z");
    }

    #[test]
    fn levels_are_ordered_by_loudness() {
        assert!(Level::Error < Level::Debug);
        assert_eq!(Level::parse("debug"), Some(Level::Debug));
        assert_eq!(Level::parse("loud"), None);
    }
}
