//! Pages of the two lists of queues, and the opaque `NextToken` between them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::errors::{Code, Error};
use crate::ids::QueueName;
use crate::limits::MAX_RESULTS;

/// What a token is good for: this list, of this prefix or queue.
pub(crate) struct Token<'a> {
    pub list: &'static str,
    pub of: &'a str,
}

/// Where a page begins and how long it is.
pub(crate) struct Paging {
    /// The last name of the page before; empty for the first page.
    pub after: String,
    limit: usize,
    /// Without MaxResults there is one page and no token.
    paged: bool,
}

impl Token<'_> {
    /// The token that follows this name. It is no secret and no capability: it can only name a place in a
    /// list that the caller may read anyway.
    fn encode(&self, last: &str) -> String {
        URL_SAFE_NO_PAD.encode([self.list, self.of, last].join("\n"))
    }

    fn decode(&self, text: &str) -> Option<String> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (head, last) = text.rsplit_once('\n')?;
        let (list, of) = head.split_once('\n')?;
        (list == self.list && of == self.of && !last.is_empty()).then(|| last.to_owned())
    }
}

impl Paging {
    /// Reads MaxResults, then NextToken; either can be `InvalidParameterValue`.
    pub fn read(token: &Token, next_token: Option<&str>, max_results: Option<i64>) -> Result<Paging, Error> {
        let (low, high) = (MAX_RESULTS.start(), MAX_RESULTS.end());
        let limit = max_results.unwrap_or(*high);
        if !MAX_RESULTS.contains(&limit) {
            let reason = format!("Must be between {low} and {high}, if provided.");
            return Err(Error::invalid_parameter("MaxResults", limit, &reason));
        }
        let after = match next_token {
            None | Some("") => String::new(),
            Some(text) => token
                .decode(text)
                .ok_or_else(|| Error::new(Code::InvalidParameterValue, "Invalid or expired next token."))?,
        };
        Ok(Paging { after, limit: limit as usize, paged: max_results.is_some() })
    }

    /// The page of these names, and the token of the next one if there is more.
    pub fn page<'a>(
        &self,
        token: &Token,
        mut found: impl Iterator<Item = &'a QueueName>,
    ) -> (Vec<QueueName>, Option<String>) {
        let page: Vec<QueueName> = found.by_ref().take(self.limit).cloned().collect();
        let more = self.paged && found.next().is_some();
        let next = page.last().filter(|_| more).map(|last| token.encode(&last.name));
        (page, next)
    }
}
