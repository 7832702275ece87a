//! A client of AWS JSON 1.0 over one kept-alive connection to loopback.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A reply takes at most this long: longer than any wait, any stop of the process and any slow disk here.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Why a request has no good reply.
#[derive(Debug)]
pub enum Failure {
    /// The connection is gone: the request may have been done or not.
    Gone(String),
    /// No reply within [`PATIENCE`].
    Silent,
    /// An error of the service: nothing was done.
    Refused(Refusal),
}

/// An error reply.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// HTTP status; 0 in a batch entry.
    pub status: u16,
    /// Code and message, as they came.
    pub text: String,
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    address: SocketAddr,
    read: Vec<u8>,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Client, Failure> {
        let stream = TcpStream::connect(address).map_err(gone)?;
        stream.set_nodelay(true).map_err(gone)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(gone)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(gone)?;
        Ok(Client { stream, address, read: Vec::new() })
    }

    /// Calls an action.
    pub fn call(&mut self, action: &str, body: &Value) -> Result<Value, Failure> {
        let body = body.to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-amz-json-1.0\r\n\
             X-Amz-Target: AmazonSQS.{action}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).map_err(gone)?;
        let (status, body) = self.reply()?;
        let text = String::from_utf8_lossy(&body);
        if status != 200 {
            return Err(Failure::Refused(Refusal { status, text: text.into_owned() }));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body)
            .map_err(|error| Failure::Refused(Refusal { status, text: format!("{error}: {text}") }))
    }

    fn reply(&mut self) -> Result<(u16, Vec<u8>), Failure> {
        self.read.clear();
        let (status, begin, length) = loop {
            if let Some(head) = head(&self.read).map_err(gone)? {
                break head;
            }
            self.more()?;
        };
        while self.read.len() < begin + length {
            self.more()?;
        }
        Ok((status, self.read[begin..begin + length].to_vec()))
    }

    fn more(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(Failure::Gone("the connection was closed".to_owned())),
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            // With a timeout, a read is broken off by whatever has the thread stop for a moment.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(gone(error)),
        }
    }
}

fn gone(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Failure::Silent,
        _ => Failure::Gone(error.to_string()),
    }
}

/// Status, beginning and length of the body, once the head is there.
fn head(read: &[u8]) -> io::Result<Option<(u16, usize, usize)>> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&read[..end]).map_err(io::Error::other)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok(Some((status, end + 4, length))),
        _ => Err(io::Error::other(format!("not a reply we understand: {head:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        assert!(matches!(head(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n"), Ok(None)));
        assert!(matches!(head(b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nhel"), Ok(Some((503, 38, 5)))));
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
