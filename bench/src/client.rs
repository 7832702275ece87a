//! A client that costs little: JSON requests over one kept-alive connection, replies found by Content-Length.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    reply: Vec<u8>,
    host: SocketAddr,
}

impl Client {
    /// Connects.
    pub async fn connect(host: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, request: Vec::new(), reply: Vec::new(), host })
    }

    /// Calls an action with a JSON body; returns the reply's body. An error status is an error.
    pub async fn call(&mut self, action: &str, body: &str) -> io::Result<&str> {
        self.request.clear();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.{action}\r\n\
             Content-Length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body.as_bytes());
        self.stream.write_all(&self.request).await?;
        self.read_reply().await
    }

    async fn read_reply(&mut self) -> io::Result<&str> {
        self.reply.clear();
        loop {
            if self.stream.read_buf(&mut self.reply).await? == 0 {
                return Err(io::Error::other("the server closed the connection"));
            }
            let Some((head, length)) = parse(&self.reply)? else { continue };
            while self.reply.len() < head + length {
                if self.stream.read_buf(&mut self.reply).await? == 0 {
                    return Err(io::Error::other("the server closed the connection"));
                }
            }
            let body = std::str::from_utf8(&self.reply[head..head + length]).map_err(io::Error::other)?;
            let ok = self.reply.starts_with(b"HTTP/1.1 200");
            return if ok { Ok(body) } else { Err(io::Error::other(body.to_owned())) };
        }
    }
}

/// Where a reply's body begins and how long it is, once the head is there.
fn parse(reply: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(end) = reply.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&reply[..end]).map_err(io::Error::other)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    match length {
        Some(length) => Ok(Some((end + 4, length))),
        None => Err(io::Error::other("a reply without Content-Length")),
    }
}

/// The text member `name` of a reply, as often as it occurs. Enough for URLs and handles, whose JSON has no
/// escapes.
pub fn members<'a>(reply: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let key = format!("\"{name}\":\"");
    let mut rest = reply;
    std::iter::from_fn(move || {
        let begin = rest.find(&key)? + key.len();
        let value = &rest[begin..];
        let end = value.find('"')?;
        rest = &value[end..];
        Some(&value[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found() {
        let reply = r#"{"Messages":[{"ReceiptHandle":"a+/=","Body":"x"},{"ReceiptHandle":"b"}]}"#;
        assert_eq!(members(reply, "ReceiptHandle").collect::<Vec<_>>(), ["a+/=", "b"]);
        assert_eq!(members(reply, "QueueUrl").next(), None);
    }

    #[test]
    fn a_reply_is_measured_once_its_head_is_there() {
        assert!(matches!(parse(b"HTTP/1.1 200 OK\r\nContent-Le"), Ok(None)));
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        assert!(matches!(parse(whole), Ok(Some((38, 5)))));
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
