//! Prints what decoding and encoding cost per message, in nanoseconds of one busy core.
//!
//!     cargo run --release -p wire --example speed

use std::hint::black_box;
use std::time::Instant;

use engine::message::Md5;
use engine::reply::{ReceivedMessage, SentMessage};
use engine::{MessageId, Reply};
use wire::{Head, Protocol, UrlBase, decode, encode};

const ROUNDS: u32 = 200_000;
const URL: &str = "http://localhost:9324/000000000000/jobs";

fn main() {
    let body = "x".repeat(1024);
    let json = format!(r#"{{"QueueUrl":"{URL}","MessageBody":"{body}"}}"#);
    let quoted = format!(r#"{{"QueueUrl":"{URL}","MessageBody":"{}"}}"#, r#"{\"a\":1,\"b\"} "#.repeat(64));
    let form = format!(
        "Action=SendMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2Flocalhost%3A9324%2F000000000000%2Fjobs\
         &MessageBody={body}"
    );
    let entries: Vec<_> = (0..10).map(|id| format!(r#"{{"Id":"{id}","MessageBody":"{body}"}}"#)).collect();
    let batch = format!(r#"{{"QueueUrl":"{URL}","Entries":[{}]}}"#, entries.join(","));
    let receive = format!(r#"{{"QueueUrl":"{URL}","MaxNumberOfMessages":10,"WaitTimeSeconds":20}}"#);
    for (name, target, body) in [
        ("decode SendMessage, JSON, 1 KiB", Some("AmazonSQS.SendMessage"), &json),
        ("decode SendMessage, JSON, 1 KiB of quoted JSON", Some("AmazonSQS.SendMessage"), &quoted),
        ("decode SendMessage, query, 1 KiB", None, &form),
        ("decode SendMessageBatch, JSON, 10 x 1 KiB", Some("AmazonSQS.SendMessageBatch"), &batch),
        ("decode ReceiveMessage, JSON", Some("AmazonSQS.ReceiveMessage"), &receive),
    ] {
        let head = Head { method: "POST", path: "/", target, ..Head::default() };
        time(name, || decode(black_box(&head), black_box(body.as_bytes())).expect("a good request"));
    }
    for (protocol, name) in [(Protocol::Json, "JSON"), (Protocol::Query, "XML")] {
        for (what, reply) in [
            ("SendMessage", sent()),
            ("ReceiveMessage, 10 x 1 KiB", received(&body)),
            ("DeleteMessage", Reply::DeleteMessage),
        ] {
            let (result, base) = (Ok(reply), UrlBase::new("http://localhost:9324"));
            let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
            time(&format!("encode {what}, {name}"), || encode(protocol, black_box(&result), id, &base));
        }
    }
}

fn time<T>(name: &str, mut work: impl FnMut() -> T) {
    for _ in 0..ROUNDS / 10 {
        black_box(work());
    }
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(work());
    }
    println!("{:>8} ns  {name}", (start.elapsed() / ROUNDS).as_nanos());
}

fn sent() -> Reply {
    Reply::SendMessage(SentMessage {
        message_id: MessageId(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
        md5_of_message_body: Md5([0xa0; 16]),
        md5_of_message_attributes: None,
        md5_of_message_system_attributes: None,
        sequence_number: None,
    })
}

fn received(body: &str) -> Reply {
    let message = ReceivedMessage {
        message_id: MessageId(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
        receipt_handle: "A".repeat(120),
        md5_of_body: Md5([0xa0; 16]),
        body: body.to_owned(),
        attributes: Default::default(),
        md5_of_message_attributes: None,
        message_attributes: Default::default(),
    };
    Reply::ReceiveMessage { messages: vec![message; 10] }
}
