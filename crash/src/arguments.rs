//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What `--help` says.
pub const HELP: &str = "\
crash --rounds N [options]: crashes a real `sluice` under load and checks that it kept its word
  --kill            SIGKILL at a random moment (default)
  --stop            SIGSTOP for 0.1 to 3 s, then SIGCONT or SIGKILL
  --full-disk       a small disk is filled until sends are refused, then freed (Linux, root: mounts a tmpfs)
  --failing-disk    writes fail from a random moment on: the process must end, and loudly
  --rounds N        rounds (10)
  --seconds T       a round's load lasts at most this long (1.0)
  --seed S          of all choices (1)
  --drain-every K   everything is drained and counted after so many rounds, and at the end (20)
  --disk-mib M      size of the small disk (512)
  --binary PATH     the program (`sluice` beside this one)
  --directory DIR   where the data directory is made (the system's place for temporary files)";

/// What is done to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
    /// No space.
    FullDisk,
    /// Write errors.
    FailingDisk,
}

/// See [`HELP`].
#[derive(Clone, Debug)]
pub struct Arguments {
    /// What is done.
    pub mode: Mode,
    /// How often.
    pub rounds: u64,
    /// Load of a round, at most.
    pub load: Duration,
    /// Of all choices.
    pub seed: u64,
    /// Rounds between two drains.
    pub drain_every: u64,
    /// Size of the small disk.
    pub disk_mib: u64,
    /// The program.
    pub binary: Option<PathBuf>,
    /// Where to work.
    pub directory: PathBuf,
}

/// Reads them; `None` asks for help.
pub fn read(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments {
        mode: Mode::Kill,
        rounds: 10,
        load: Duration::from_secs(1),
        seed: 1,
        drain_every: 20,
        disk_mib: 512,
        binary: None,
        directory: std::env::temp_dir(),
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" | "-h" => return Ok(None),
            "--kill" => arguments.mode = Mode::Kill,
            "--stop" => arguments.mode = Mode::Stop,
            "--full-disk" => arguments.mode = Mode::FullDisk,
            "--failing-disk" => arguments.mode = Mode::FailingDisk,
            "--rounds" => arguments.rounds = value(&word, words.next())?,
            "--seed" => arguments.seed = value(&word, words.next())?,
            "--drain-every" => arguments.drain_every = value::<u64>(&word, words.next())?.max(1),
            "--disk-mib" => arguments.disk_mib = value(&word, words.next())?,
            "--binary" => arguments.binary = Some(value(&word, words.next())?),
            "--directory" => arguments.directory = value(&word, words.next())?,
            "--seconds" => {
                let seconds: f64 = value(&word, words.next())?;
                arguments.load = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
            }
            other => return Err(format!("there is no {other:?}")),
        }
    }
    Ok(Some(arguments))
}

fn value<T: FromStr>(flag: &str, word: Option<String>) -> Result<T, String> {
    let word = word.ok_or_else(|| format!("{flag} wants a value"))?;
    word.parse().map_err(|_| format!("{flag} cannot be {word:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> Result<Option<Arguments>, String> {
        read(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_read_and_nonsense_is_refused() {
        let arguments = of("--stop --rounds 3 --seconds 0.5").unwrap().unwrap();
        assert_eq!((arguments.mode, arguments.rounds), (Mode::Stop, 3));
        assert_eq!(arguments.load, Duration::from_millis(500));
        assert!(of("--help").unwrap().is_none());
        assert!(of("--rounds").is_err());
        assert!(of("--rounds many").is_err());
        assert!(of("--seconds -1").is_err());
        assert!(of("--round 3").is_err());
    }
}
