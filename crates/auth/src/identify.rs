//! Who sends a request, in open mode: the signature is read for whom it names, and not verified.

use engine::command::Caller;

use crate::Identity;

/// What requests that name neither account nor region get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Twelve digits.
    pub account: String,
    /// For example `us-east-1`.
    pub region: String,
}

/// Reads the `Authorization` header, or else the decoded `X-Amz-Credential` parameter of a presigned URL.
/// An access key of twelve digits names its account, as users of local servers are used to; any other key,
/// and none at all, is the default account's. Text that is neither is as good as none.
pub fn identify(authorization: Option<&str>, credential: Option<&str>, defaults: &Defaults) -> Identity {
    let credential = authorization.and_then(credential_of).or(credential).unwrap_or("");
    // Key, date, region, service, "aws4_request".
    let mut scope = credential.split('/');
    let key = scope.next().filter(|key| is_access_key(key));
    let region = scope.nth(1).filter(|region| is_region(region));
    let account = key.filter(|key| is_account(key)).unwrap_or(&defaults.account);
    let arn = match key {
        Some(key) if !is_account(key) => format!("arn:aws:iam::{account}:user/{key}"),
        _ => format!("arn:aws:iam::{account}:root"),
    };
    let caller = Caller {
        account: account.to_owned(),
        region: region.unwrap_or(&defaults.region).to_owned(),
        sender_id: key.unwrap_or(account).to_owned(),
    };
    Identity { caller, arn }
}

/// Twelve digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What may stand as a region in an ARN: 1 to 64 letters, digits and dashes.
pub fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_access_key(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// `AWS4-HMAC-SHA256 Credential=KEY/date/region/sqs/aws4_request, SignedHeaders=..., Signature=...`
fn credential_of(authorization: &str) -> Option<&str> {
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256")?;
    fields.split(',').find_map(|field| field.trim().strip_prefix("Credential="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Defaults {
        Defaults { account: "000000000000".to_owned(), region: "us-east-1".to_owned() }
    }

    fn header(credential: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00")
    }

    #[test]
    fn a_signature_names_account_user_and_region() {
        let header = header("AKIDEXAMPLE/20260101/eu-west-1/sqs/aws4_request");
        let identity = identify(Some(&header), None, &defaults());
        assert_eq!(identity.caller.region, "eu-west-1");
        assert_eq!(identity.caller.account, "000000000000");
        assert_eq!(identity.caller.sender_id, "AKIDEXAMPLE");
        assert_eq!(identity.arn, "arn:aws:iam::000000000000:user/AKIDEXAMPLE");
    }

    #[test]
    fn a_key_of_twelve_digits_is_an_account() {
        let header = header("123456789012/20260101/us-west-2/sqs/aws4_request");
        let identity = identify(Some(&header), None, &defaults());
        assert_eq!(identity.caller.account, "123456789012");
        assert_eq!(identity.arn, "arn:aws:iam::123456789012:root");
    }

    #[test]
    fn a_presigned_credential_counts_and_the_header_wins() {
        let presigned = Some("111111111111/20260101/eu-central-1/sqs/aws4_request");
        assert_eq!(identify(None, presigned, &defaults()).caller.region, "eu-central-1");
        let header = header("222222222222/20260101/sa-east-1/sqs/aws4_request");
        assert_eq!(identify(Some(&header), presigned, &defaults()).caller.account, "222222222222");
    }

    #[test]
    fn nonsense_is_nobody_in_the_default_region() {
        let nobody = identify(None, None, &defaults());
        assert_eq!(nobody.caller.account, "000000000000");
        assert_eq!(nobody.caller.region, "us-east-1");
        for wrong in ["Basic eDp5", "AWS4-HMAC-SHA256", &header(""), &header("a b/x/y:z/s"), &header("///")] {
            assert_eq!(identify(Some(wrong), None, &defaults()), nobody, "{wrong}");
        }
    }
}
