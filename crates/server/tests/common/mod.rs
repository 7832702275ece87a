//! The program, started on a free port, and a client that can say anything to it.

#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(30);

/// A running server; killed when dropped.
pub struct Sluice {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to its ready line.
    pub took: Duration,
}

impl Sluice {
    /// Starts it with these flags beside `--listen`.
    pub fn start(flags: &[&str]) -> Sluice {
        let began = Instant::now();
        let mut child = command(flags).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("sluice ready on http://");
        let address = address.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
        Sluice { child, address, took: began.elapsed() }
    }

    /// On a data directory.
    pub fn on(data: &Path) -> Sluice {
        Sluice::start(&["--data", data.to_str().expect("UTF-8")])
    }

    /// In memory.
    pub fn in_memory() -> Sluice {
        Sluice::start(&["--in-memory"])
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited");
    }

    /// Sends a signal and waits for the end.
    pub fn end_with(mut self, signal: Signal) -> ExitStatus {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("sent");
        let end = Instant::now() + LONG;
        loop {
            if let Some(status) = self.child.try_wait().expect("waited") {
                return status;
            }
            assert!(Instant::now() < end, "it does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A new connection.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Drop for Sluice {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, not yet started.
pub fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(flags);
    command
}

/// An HTTP reply.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// With lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// A connection.
pub struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("connects");
        stream.set_nodelay(true).expect("set");
        stream.set_read_timeout(Some(LONG)).expect("set");
        Client { stream, read: Vec::new() }
    }

    /// Writes bytes as they are. `false` if the server has closed the connection.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The next reply; `None` if the connection was closed instead.
    pub fn reply(&mut self) -> Option<Reply> {
        let end = loop {
            match self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.more()?,
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).expect("an ASCII head");
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let mut reply = Reply { status, headers, body: Vec::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        while self.read.len() < length {
            self.more()?;
        }
        reply.body = self.read.drain(..length).collect();
        Some(reply)
    }

    fn more(&mut self) -> Option<()> {
        let mut bytes = [0; 65_536];
        match self.stream.read(&mut bytes) {
            Ok(0) => None,
            Ok(n) => {
                self.read.extend_from_slice(&bytes[..n]);
                Some(())
            }
            // With a timeout, a read is broken off by whatever has the thread stop for a moment.
            Err(error) if error.kind() == ErrorKind::Interrupted => Some(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no reply for {LONG:?}"),
            Err(_) => None,
        }
    }

    /// Sends a JSON request of these bytes.
    pub fn send(&mut self, action: &str, body: &[u8]) -> bool {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n\
             X-Amz-Target: AmazonSQS.{action}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.write(head.as_bytes()) && self.write(body)
    }

    /// A JSON request and its reply; `None` if the connection broke.
    pub fn try_call(&mut self, action: &str, body: &Value) -> Option<Reply> {
        self.send(action, body.to_string().as_bytes()).then(|| self.reply()).flatten()
    }

    /// A JSON request that succeeds.
    pub fn call(&mut self, action: &str, body: Value) -> Value {
        let reply = self.try_call(action, &body).expect("a reply");
        assert_eq!(reply.status, 200, "{action}: {}", reply.text());
        if reply.body.is_empty() { json!({}) } else { reply.json() }
    }

    /// GET.
    pub fn get(&mut self, target: &str) -> Reply {
        self.write(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        self.reply().expect("a reply")
    }

    /// Makes a queue and returns its URL.
    pub fn queue(&mut self, name: &str) -> String {
        let reply = self.call("CreateQueue", json!({ "QueueName": name }));
        reply["QueueUrl"].as_str().expect("a URL").to_owned()
    }

    /// Whether the server goes on, said by a new request on this connection.
    pub fn is_served(&mut self) -> bool {
        self.call("ListQueues", json!({})).is_object()
    }
}
