//! What no client should send: each gets an answer that helps, and the server serves on.

#![allow(missing_docs, reason = "tests")]

mod common;

use std::time::Duration;

use common::{Client, Reply, Sluice};
use serde_json::json;

fn error_of(reply: &Reply) -> (u16, String) {
    let kind = reply.json()["__type"].as_str().expect("a type").to_owned();
    (reply.status, kind.rsplit('#').next().unwrap_or_default().to_owned())
}

#[test]
fn broken_json_is_refused_and_the_connection_lives() {
    let sluice = Sluice::in_memory();
    let mut client = sluice.connect();
    let deep = format!("{{\"X\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 9] = [
        b"{\"QueueName\":\"a",
        b"[]",
        b"\"text\"",
        b"{\"QueueName\":5}",
        b"{\"QueueName\":\"\xff\xfe\"}",
        b"{\"QueueName\":\"\\ud800\"}",
        b"not json",
        b"{} {}",
        deep.as_bytes(),
    ];
    for body in bodies {
        assert!(client.send("CreateQueue", body));
        let reply = client.reply().expect("a reply");
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert_eq!(error_of(&reply), (400, "SerializationException".to_owned()), "{shown}");
        assert_eq!(reply.header("x-amzn-query-error"), Some("MalformedInput;Sender"));
        assert_eq!(reply.header("x-amzn-requestid").map(str::len), Some(36));
        assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
    }
    assert!(client.is_served());
}

#[test]
fn unknown_actions_and_methods_are_answered() {
    let sluice = Sluice::in_memory();
    let mut client = sluice.connect();
    client.send("Nonsense", b"{}");
    let reply = client.reply().expect("a reply");
    assert_eq!(error_of(&reply), (400, "UnknownOperationException".to_owned()));
    let reply = client.get("/?Action=Nonsense");
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("<Code>InvalidAction</Code>"), "{}", reply.text());
    assert!(client.get("/").text().contains("no Action parameter"));
    for (method, status) in [("PUT", 405), ("DELETE", 405), ("PATCH", 405), ("OPTIONS", 204), ("BREW", 405)] {
        client
            .write(format!("{method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").as_bytes());
        let reply = client.reply().expect("a reply");
        assert_eq!(reply.status, status, "{method}");
        assert_eq!(reply.header("allow"), Some("GET, POST, OPTIONS"));
    }
    assert!(client.is_served());
}

#[test]
fn what_is_not_http_is_refused_and_closed() {
    let sluice = Sluice::in_memory();
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01"[..], b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", &[0; 4096]]
    {
        let mut client = sluice.connect();
        client.write(garbage);
        if let Some(reply) = client.reply() {
            assert_eq!(reply.status, 400, "{}", reply.text());
            assert!(client.reply().is_none(), "closed");
        }
    }
    assert!(sluice.connect().is_served());
}

#[test]
fn oversize_heads_and_bodies_are_refused() {
    let sluice = Sluice::in_memory();
    let long = "x".repeat(70_000);
    let mut client = sluice.connect();
    client.write(
        format!("GET /?Action=ListQueues HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n").as_bytes(),
    );
    let reply = client.reply().expect("a reply");
    assert_eq!(reply.status, 431);
    assert!(reply.text().contains("<Code>InvalidParameterValue</Code>"), "{}", reply.text());
    let mut client = sluice.connect();
    let target =
        "X-Amz-Target: AmazonSQS.ListQueues\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 2";
    client
        .write(format!("POST / HTTP/1.1\r\nHost: localhost\r\n{target}\r\nX: {long}\r\n\r\n{{}}").as_bytes());
    let reply = client.reply().expect("a reply");
    assert_eq!(error_of(&reply), (431, "InvalidParameterValueException".to_owned()));
    // One without end is cut off.
    let mut client = sluice.connect();
    client.write(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", long.repeat(5)).as_bytes());
    assert_eq!(client.reply().expect("a reply").status, 431);
    let mut client = sluice.connect();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n\
                X-Amz-Target: AmazonSQS.SendMessage\r\n";
    client.write(format!("{head}Content-Length: 100000000\r\n\r\n").as_bytes());
    let reply = client.reply().expect("a reply before the body");
    assert_eq!(error_of(&reply), (413, "InvalidParameterValueException".to_owned()));
    let mut client = sluice.connect();
    client.write(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    let sent = (0..12).take_while(|_| client.write(chunk.as_bytes())).count();
    // The reply may be lost where the server closes while we still write; that it closes is the point.
    match client.reply() {
        Some(reply) => assert_eq!(reply.status, 413),
        None => assert!(sent < 12, "all of it was taken"),
    }
    assert!(sluice.connect().is_served());
}

#[test]
fn the_largest_batch_passes_in_its_longest_spelling() {
    let sluice = Sluice::in_memory();
    let mut client = sluice.connect();
    let attributes = json!({ "QueueName": "large", "Attributes": { "MaximumMessageSize": "1048576" } });
    let url = client.call("CreateQueue", attributes)["QueueUrl"].as_str().expect("a URL").to_owned();
    // Every byte of 1 MiB as a six-byte escape.
    let entry =
        |id: usize| format!("{{\"Id\":\"{id}\",\"MessageBody\":\"{}\"}}", "\\u0009".repeat((1 << 20) / 10));
    let entries: Vec<String> = (0..10).map(entry).collect();
    let body = format!("{{\"QueueUrl\":\"{url}\",\"Entries\":[{}]}}", entries.join(","));
    assert!(client.send("SendMessageBatch", body.as_bytes()));
    let reply = client.reply().expect("a reply");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["Successful"].as_array().map(Vec::len), Some(10), "{}", reply.text());
}

#[test]
fn chunked_bodies_and_expect_continue_work_and_compressed_ones_are_refused() {
    let sluice = Sluice::in_memory();
    let mut client = sluice.connect();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n\
                X-Amz-Target: AmazonSQS.CreateQueue\r\n";
    client.write(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
    client.write(b"8\r\n{\"QueueN\r\n");
    std::thread::sleep(Duration::from_millis(20));
    client.write(b"c\r\name\":\"chunk\"\r\n1\r\n}\r\n0\r\n\r\n");
    let reply = client.reply().expect("a reply");
    assert_eq!(reply.status, 200, "{}", reply.text());
    client.write(format!("{head}Expect: 100-continue\r\nContent-Length: 22\r\n\r\n").as_bytes());
    assert_eq!(client.reply().expect("an interim reply").status, 100);
    client.write(b"{\"QueueName\":\"expect\"}");
    assert_eq!(client.reply().expect("a reply").status, 200);
    client.write(format!("{head}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x08").as_bytes());
    let reply = client.reply().expect("a reply");
    assert_eq!(error_of(&reply), (400, "SerializationException".to_owned()));
    assert!(reply.text().contains("gzip"), "{}", reply.text());
}

#[test]
fn slow_and_silent_clients_hold_nobody_up() {
    let sluice = Sluice::in_memory();
    let mut silent: Vec<Client> = (0..50).map(|_| sluice.connect()).collect();
    let half = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\nX-Amz-Target: AmazonSQS.ListQueues\r\n\r\n{";
    for client in silent.iter_mut().take(25) {
        assert!(client.write(half));
    }
    for client in silent.iter_mut().skip(25) {
        assert!(client.write(b"POST / HT"));
    }
    assert!(sluice.connect().is_served());
    // They may go on when they are ready.
    let slow = &mut silent[0];
    assert!(slow.write(format!("{:999}", "}").as_bytes()));
    assert_eq!(slow.reply().expect("a reply").status, 200);
}

#[test]
fn connections_and_requests_beyond_their_limits_are_turned_away() {
    let sluice =
        Sluice::start(&["--in-memory", "--limit-connections", "4", "--limit-in-flight-requests", "2"]);
    let mut clients: Vec<Client> = (0..4).map(|_| sluice.connect()).collect();
    let url = clients[0].queue("busy");
    assert!(clients[1].is_served() && clients[2].is_served() && clients[3].is_served());
    let mut fifth = sluice.connect();
    let reply = fifth.try_call("ListQueues", &json!({})).expect("a reply");
    assert_eq!(error_of(&reply), (503, "ServiceUnavailableException".to_owned()));
    assert!(fifth.reply().is_none(), "closed");
    // What watches the server sees that it lives.
    let mut probe = sluice.connect();
    assert_eq!(probe.get("/health/live").status, 200);
    assert!(probe.reply().is_none(), "closed");
    // Those that say nothing keep only a few from being heard.
    let mut silent: Vec<Client> = (0..80).map(|_| sluice.connect()).collect();
    let told = silent.last_mut().and_then(Client::reply).expect("a reply");
    assert_eq!(told.status, 503);
    drop(silent);
    let wait = json!({ "QueueUrl": url, "WaitTimeSeconds": 2 });
    for client in &mut clients[..2] {
        assert!(client.send("ReceiveMessage", wait.to_string().as_bytes()));
    }
    std::thread::sleep(Duration::from_millis(200));
    let reply = clients[2].try_call("ListQueues", &json!({})).expect("a reply");
    assert_eq!(error_of(&reply), (503, "ServiceUnavailableException".to_owned()));
    assert_eq!(reply.header("x-amzn-query-error"), Some("ServiceUnavailable;Receiver"));
    for client in &mut clients[..2] {
        assert_eq!(client.reply().expect("a reply").status, 200);
    }
    assert!(clients[2].is_served());
}
