//! The process under test, killed when dropped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, kill_process, prlimit, set_parent_process_death_signal,
};

/// A start or an end takes at most this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How to start it.
#[derive(Clone, Debug)]
pub struct Program {
    /// The built `sluice`.
    pub binary: PathBuf,
    /// Its data directory.
    pub data: PathBuf,
    /// Where its standard error goes, the last life only.
    pub log: PathBuf,
    /// Whether a write beyond a limit is an error and not the end by a signal.
    pub errors_for_limits: bool,
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Option<ChildStdout>,
    logging: Option<JoinHandle<()>>,
    began: Instant,
}

impl Program {
    /// Starts it, and does not wait.
    pub fn start(&self) -> io::Result<Process> {
        let mut command = self.command();
        // SAFETY: between fork and exec only a system call is made. However we end, it ends too.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let began = Instant::now();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut process = Process { child, stdout, logging: None, began };
        let log = File::create(&self.log)?;
        // Through a pipe, since a limit on the size of files is to leave the log alone.
        process.logging = stderr.map(|stderr| thread::spawn(move || copy(stderr, log)));
        Ok(process)
    }

    /// An ignored signal stays ignored in the program that a shell becomes.
    fn command(&self) -> Command {
        if !self.errors_for_limits {
            return Command::new(&self.binary);
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&self.binary);
        shell
    }

    /// Starts it and waits for its ready line; where it listens.
    pub fn start_ready(&self) -> io::Result<(Process, SocketAddr)> {
        let mut process = self.start()?;
        let address = process.wait_ready()?;
        Ok((process, address))
    }

    /// The end of the log.
    pub fn log_end(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(4_000)..]).into_owned()
    }
}

fn copy(mut from: ChildStderr, mut to: File) {
    // A log that cannot be written is missed when it is wanted; the run goes on.
    let _ = io::copy(&mut from, &mut to);
}

impl Process {
    fn wait_ready(&mut self) -> io::Result<SocketAddr> {
        let Some(stdout) = self.stdout.take() else { return Err(io::Error::other("waited for twice")) };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let mut stdout = BufReader::new(stdout);
            let _ = sender.send(stdout.read_line(&mut line).map(|_| line));
            // Keeps the pipe open: a writer to a closed one would be killed.
            let _ = stdout.read_to_end(&mut Vec::new());
        });
        let line = receiver.recv_timeout(PATIENCE).map_err(io::Error::other)??;
        let address = line.trim().strip_prefix("sluice ready on http://");
        let address = address.and_then(|address| address.parse().ok());
        address.ok_or_else(|| io::Error::other(format!("not ready: {line:?}")))
    }

    /// Time since it was started.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.finish_log();
        Ok(())
    }

    /// SIGTERM, and waits for its end.
    pub fn terminate(mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let status = self.wait(PATIENCE)?;
        self.finish_log();
        status.ok_or_else(|| io::Error::other("it does not end after SIGTERM"))
    }

    /// Waits for its end; `None` if it does not come.
    pub fn wait(&mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(None)
    }

    /// SIGSTOP: it stands still with all its threads.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// From now on no file may be written at or beyond this offset.
    pub fn limit_files(&self, bytes: u64) -> io::Result<()> {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        prlimit(Some(self.pid()), Resource::Fsize, limit)?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        kill_process(self.pid(), signal).map_err(io::Error::from)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn finish_log(&mut self) {
        if let Some(logging) = self.logging.take() {
            let _ = logging.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After an ordinary end both fail, which is as it should be.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.finish_log();
    }
}

/// The `sluice` built beside this program.
pub fn beside_us() -> io::Result<PathBuf> {
    let us = std::env::current_exe()?;
    Ok(us.parent().unwrap_or(Path::new(".")).join("sluice"))
}
