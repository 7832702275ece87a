//! Whom a request's signature names.

use auth::{Defaults, identify, is_account, is_region};

use crate::accepted;
use crate::dice::Dice;

/// What the header is made of.
pub const WORDS: &[&str] = &[
    "AWS4-HMAC-SHA256",
    " Credential=",
    ",",
    "/",
    "//",
    "=",
    "SignedHeaders=host",
    "Signature=0",
    "us-east-1",
    "aws4_request",
    "sqs",
    "123456789012",
    "AKIDEXAMPLE",
    "\u{0}",
];

/// An `Authorization` header, and the same as a presigned URL's credential. Whatever they say, account and region
/// are of their form, no part of them is an ARN's separator, and the same names said plainly are the same identity.
pub fn authorization(data: &[u8]) {
    let defaults = Defaults { account: "000000000000".into(), region: "us-east-1".into() };
    let text = String::from_utf8_lossy(data);
    for (header, parameter) in [(Some(&*text), None), (None, Some(&*text))] {
        let found = identify(header, parameter, &defaults);
        let user = &found.caller.sender_id;
        assert!(is_account(&found.caller.account) && is_region(&found.caller.region));
        assert!(!user.is_empty() && user.len() <= 128 && !user.contains([':', '/', '\n', '\0']));
        assert_eq!(found.arn.split(':').count(), 6, "{}", found.arn);
        if *user != defaults.account || found.caller.region != defaults.region {
            accepted();
            let plain = format!("{user}/20260101/{}/sqs/aws4_request", found.caller.region);
            assert_eq!(identify(None, Some(&plain), &defaults), found);
        }
    }
}

/// A header as a client writes it.
pub fn seed(dice: &mut Dice) -> Vec<u8> {
    let key = dice.pick(&["123456789012", "AKIDEXAMPLE", "test"]);
    let credential =
        format!("{key}/20260101/{}/sqs/aws4_request", dice.pick(&["us-east-1", "eu-west-1", "local"]));
    match dice.below(3) {
        0 => credential,
        1 => {
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature=00ff")
        }
        _ => format!("AWS4-HMAC-SHA256 SignedHeaders=host,Credential={credential},Signature=00ff"),
    }
    .into_bytes()
}
