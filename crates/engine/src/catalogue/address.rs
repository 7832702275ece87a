//! Which queue a `QueueUrl` means.

use super::Catalogue;
use crate::command::Caller;
use crate::errors::Error;
use crate::ids::Lsn;
use crate::policy::is_account;
use crate::rows::QueueRow;

/// The path's first part where a URL names no account.
const NO_ACCOUNT: &str = "queue";

impl Catalogue {
    /// The queue a `QueueUrl` names for this caller, with the `Lsn` of its row's last change.
    /// `/account/name`, `/queue/name` and a bare name are understood, with or without scheme and host.
    /// The region is the caller's, and so is the account unless the URL has one.
    /// An unknown queue, nonsense too, is an error that rests on the last `Lsn` of any removal.
    pub fn resolve(&self, caller: &Caller, queue_url: &str) -> Result<(&QueueRow, Lsn), (Error, Lsn)> {
        address(caller, queue_url)
            .and_then(|name| self.named(&name))
            .ok_or_else(|| (Error::no_such_queue(), self.last_removal()))
    }
}

/// The account, region and name that a `QueueUrl` spells, whether or not a queue is there.
fn address<'a>(caller: &'a Caller, queue_url: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    let (has_host, rest) = match queue_url.split_once("://") {
        Some(("http" | "https", rest)) => (true, rest),
        Some(_) => return None,
        None => (false, queue_url),
    };
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let mut parts = path.split('/').filter(|part| !part.is_empty()).skip(usize::from(has_host));
    let (mut account, mut name) = (NO_ACCOUNT, parts.next()?);
    for part in parts {
        (account, name) = (name, part);
    }
    let account = match account {
        NO_ACCOUNT => &caller.account,
        number if is_account(number) => number,
        _ => return None,
    };
    Some((account, &caller.region, name))
}
