//! Flags of the programs: `--name value`, each with a default.

use std::collections::BTreeMap;
use std::str::FromStr;

/// What was said on the command line.
#[derive(Debug, Default)]
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Of this process. Ends it with `usage` where the command line is not pairs of `--name value`.
    pub fn read(usage: &str) -> Arguments {
        let mut values = BTreeMap::new();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match (word.strip_prefix("--"), words.next()) {
                (Some(name), Some(value)) => values.insert(name.to_owned(), value),
                _ => stop(usage),
            };
        }
        Arguments(values)
    }

    /// A flag's value, or the default. Ends the process where it cannot be read.
    pub fn get<T: FromStr>(&self, name: &str, default: T) -> T {
        match self.0.get(name) {
            None => default,
            Some(text) => text.parse().unwrap_or_else(|_| stop(&format!("--{name} cannot be {text:?}"))),
        }
    }
}

/// Prints why and ends the process.
pub fn stop(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2);
}
