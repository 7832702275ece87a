//! Phases: a program that runs itself again for each, so that memory and the time to open are those of a
//! fresh process. A phase tells its figures as lines `name value` and ends without a word to the store: what
//! the next one finds is what a kill leaves.

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};

/// Figures by name.
pub type Figures = BTreeMap<String, f64>;

/// Runs a phase of this program with the same flags, and returns the figures it told.
pub fn run(phase: &str, more: &[(&str, String)]) -> io::Result<Figures> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args().skip(1)).args(["--phase", phase]);
    for (name, value) in more {
        command.args([&format!("--{name}"), value]);
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("the phase {phase} failed")));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    Ok(text.lines().filter_map(figure).collect())
}

/// Tells the parent a figure.
pub fn tell(name: &str, value: f64) {
    println!("{name} {value}");
}

/// Ends the process at once, as a kill would.
pub fn end() -> ! {
    std::process::exit(0)
}
