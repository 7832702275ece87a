//! Tests of the crate's doors: `decode` and `encode`.

mod decoding;
mod encoding;
mod golden;
mod properties;

use engine::{Code, Request};

use crate::{Decoded, Head, Refused, decode};

pub const URL: &str = "http://localhost:9324/000000000000/jobs";

/// The head of a JSON request.
pub fn json_head<'a>(target: &'a str) -> Head<'a> {
    let content_type = Some("application/x-amz-json-1.0");
    Head { method: "POST", path: "/", target: Some(target), content_type, ..Head::default() }
}

/// The head of a query request with a form body.
pub fn query_head() -> Head<'static> {
    let content_type = Some("application/x-www-form-urlencoded; charset=utf-8");
    Head { method: "POST", path: "/", content_type, ..Head::default() }
}

pub fn json(action: &str, body: &str) -> Result<Decoded, Refused> {
    decode(&json_head(&format!("AmazonSQS.{action}")), body.as_bytes())
}

pub fn query(body: &str) -> Result<Decoded, Refused> {
    decode(&query_head(), body.as_bytes())
}

pub fn request(decoded: Result<Decoded, Refused>) -> Request {
    match decoded {
        Ok(decoded) => decoded.request,
        Err(refused) => panic!("refused: {}", refused.error),
    }
}

/// The code of a refusal and its text.
pub fn refusal(decoded: Result<Decoded, Refused>) -> (Code, String) {
    match decoded {
        Ok(decoded) => panic!("decoded: {:?}", decoded.request),
        Err(refused) => (refused.error.code, refused.error.message.into_owned()),
    }
}
