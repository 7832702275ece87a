//! What a client hands back or makes up to name something: handles, queue URLs, ARNs, page tokens.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::prelude::BASE64_STANDARD;
use engine::catalogue::{Catalogue, Verdict};
use engine::command::{Caller, Settings};
use engine::handle::{Handle, decode_task, encode_task};
use engine::rows::{CatalogueRow, QueueRow, TaskKey};
use engine::{Code, Error, QueueId, QueueName, Record, Reply, Request, Row, Secret};

use crate::dice::Dice;
use crate::{accepted, draw};

const SECRET: Secret = Secret([3; 16]);
const OTHER: Secret = Secret([4; 16]);

/// As it is, and as the base64 of what is sealed inside.
fn texts(data: &[u8]) -> [String; 2] {
    [String::from_utf8_lossy(data).into_owned(), BASE64_STANDARD.encode(data)]
}

/// A receipt handle, as text or as the bytes within.
pub fn receipt_handle(data: &[u8]) {
    receipt_handle_by(data, Handle::decode);
}

/// A handle that is accepted is one that was given out: written again it is the same text, it means nothing
/// under another secret, and it is no task's handle.
pub fn receipt_handle_by(data: &[u8], decode: impl Fn(&Secret, &str) -> Result<Handle, Error>) {
    for text in texts(data) {
        match decode(&SECRET, &text) {
            Ok(handle) => {
                accepted();
                assert_eq!(handle.encode(&SECRET), text, "a handle that was not given out");
                assert!(decode(&OTHER, &text).is_err() && decode_task(&SECRET, &text).is_err());
            }
            Err(error) => assert_eq!(error.code, Code::ReceiptHandleIsInvalid),
        }
    }
}

/// A task's handle, as text or as the bytes within: as [`receipt_handle`].
pub fn task_handle(data: &[u8]) {
    for text in texts(data) {
        match decode_task(&SECRET, &text) {
            Ok(key) => {
                accepted();
                assert_eq!(encode_task(&SECRET, &key), text, "a handle that was not given out");
                assert!(decode_task(&OTHER, &text).is_err() && Handle::decode(&SECRET, &text).is_err());
            }
            Err(error) => assert_eq!(error.code, Code::ResourceNotFound),
        }
    }
}

fn text_or_bytes(dice: &mut Dice, text: String) -> Vec<u8> {
    if dice.one_in(2) { text.into_bytes() } else { BASE64_STANDARD.decode(text).expect("a handle is base64") }
}

/// A handle that was given out.
pub fn seed_receipt_handle(dice: &mut Dice) -> Vec<u8> {
    let handle = Handle { key: draw::message_key(dice), received: dice.number(), nonce: dice.draw() };
    let text = handle.encode(&SECRET);
    text_or_bytes(dice, text)
}

/// A task's handle that was given out.
pub fn seed_task_handle(dice: &mut Dice) -> Vec<u8> {
    let text = encode_task(&SECRET, &TaskKey { queue: QueueId(dice.number()), number: dice.number() });
    text_or_bytes(dice, text)
}

const ACCOUNTS: [&str; 2] = ["000000000000", "123456789012"];
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];
const NAMES: [&str; 7] = ["jobs", "jobs.fifo", "queue", "000000000000", "a", "-_-", "Jobs"];

/// What queue URLs are made of.
pub const WORDS: &[&str] = &[
    "http://",
    "https://",
    "/",
    "//",
    "?",
    "#",
    "%2F",
    ":9324",
    "localhost",
    "queue",
    "jobs",
    "jobs.fifo",
    "000000000000",
    "123456789012",
    "arn:aws:sqs:",
    "us-east-1",
    "eu-west-1",
    ":",
    "..",
    "@",
    "\u{ff0f}",
];

thread_local! {
    static CATALOGUE: RefCell<Catalogue> = RefCell::new(catalogue());
}

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    let mut id = 0;
    for (account, region) in ACCOUNTS.iter().flat_map(|account| REGIONS.map(|region| (account, region))) {
        for queue in NAMES {
            id += 1;
            let name = QueueName { account: account.to_string(), region: region.into(), name: queue.into() };
            let row = QueueRow { id: QueueId(id), name: name.clone(), ..QueueRow::default() };
            catalogue.apply(&Record::Put(Row::Catalogue(name, CatalogueRow::Named(row))), id);
        }
    }
    catalogue
}

fn caller(choice: u8) -> Caller {
    let choice = usize::from(choice);
    let (account, region) = (ACCOUNTS[choice % 2], REGIONS[choice / 2 % 2]);
    Caller { account: account.into(), region: region.into(), sender_id: "me".into() }
}

/// A queue URL. The first byte says who calls from where.
///
/// A URL leads to a queue of the caller's region whose name is the path's last part; to one of another account
/// only if it says so; and every plain way to write that queue leads there too.
pub fn queue_url(data: &[u8]) {
    let Some((choice, url)) = data.split_first() else { return };
    let (caller, url) = (caller(*choice), String::from_utf8_lossy(url));
    CATALOGUE.with_borrow(|catalogue| match catalogue.resolve(&caller, &url) {
        Ok((row, lsn)) => {
            accepted();
            let QueueName { account, region, name } = &row.name;
            assert_eq!((region, lsn), (&caller.region, row.id.0));
            let path = url.split(['?', '#']).next().unwrap_or_default();
            let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
            assert_eq!(parts.next(), Some(name.as_str()));
            assert!(*account == caller.account || parts.next() == Some(account.as_str()));
            for plain in [
                format!("https://example.com/{account}/{name}"),
                format!("http://[::1]:9324/base/{account}/{name}/?a=b"),
                format!("/{account}/{name}"),
            ] {
                let again = catalogue.resolve(&caller, &plain).map(|(row, _)| row.id);
                assert_eq!(again, Ok(row.id), "{plain}");
            }
        }
        Err((error, _)) => assert_eq!(error.code, Code::QueueDoesNotExist),
    });
}

/// A URL of a queue that is there.
pub fn seed_queue_url(dice: &mut Dice) -> Vec<u8> {
    let mut data = vec![dice.draw() as u8];
    let (account, name) = (dice.pick(&[ACCOUNTS[0], ACCOUNTS[1], "queue"]), dice.pick(&NAMES));
    let base =
        dice.pick(&["http://localhost:9324", "https://sqs.us-east-1.amazonaws.com", "", "http://[::1]/a/b"]);
    let url = if dice.one_in(5) { name.to_owned() } else { format!("{base}/{account}/{name}") };
    data.extend_from_slice(url.as_bytes());
    data
}

/// An ARN that names a queue is that queue's ARN, letter by letter.
pub fn arn(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(name) = QueueName::from_arn(&text) {
        accepted();
        assert_eq!(name.arn(), text);
        assert!([&name.account, &name.region, &name.name].iter().all(|part| !part.is_empty()));
    }
}

/// An ARN of a queue.
pub fn seed_arn(dice: &mut Dice) -> Vec<u8> {
    let (account, region, name) = (dice.pick(&ACCOUNTS), dice.pick(&REGIONS), dice.pick(&NAMES));
    format!("arn:aws:sqs:{region}:{account}:{name}").into_bytes()
}

/// A `NextToken` of ListQueues, as text or as the bytes within. Whatever it says, a page holds queues of the
/// caller alone, in order, and following the tokens ends without a queue twice.
pub fn next_token(data: &[u8]) {
    let [choice, most, data @ ..] = data else { return };
    let prefix = ["", "jobs", "J", "x"][usize::from(choice >> 2) % 4];
    for token in [String::from_utf8_lossy(data).into_owned(), URL_SAFE_NO_PAD.encode(data)] {
        let mut next = Some(token);
        let mut seen = Vec::new();
        for _ in 0..=NAMES.len() {
            let Some(token) = next.take() else { break };
            let Ok((queues, more)) = page(&caller(*choice), prefix, token, i64::from(most % 8)) else {
                break;
            };
            accepted();
            seen.extend(queues);
            next = more;
        }
        assert_eq!(next, None, "the tokens do not end");
        assert!(seen.is_sorted_by(|one, other| one < other), "{seen:?}");
        assert!(seen.iter().all(|name| name.starts_with(prefix)), "{seen:?}");
    }
}

fn page(
    caller: &Caller,
    prefix: &str,
    token: String,
    most: i64,
) -> Result<(Vec<String>, Option<String>), ()> {
    let request = Request::ListQueues {
        queue_name_prefix: Some(prefix.into()),
        next_token: Some(token),
        max_results: (most > 0).then_some(most),
    };
    let verdict = CATALOGUE.with_borrow_mut(|catalogue| {
        catalogue.execute(1_700_000_000_000, 100, &Settings::default(), caller, &request, None)
    });
    match verdict {
        Verdict::Done { reply: Ok(Reply::ListQueues { queues, next_token }), records, .. } => {
            assert!(records.is_empty() && (most == 0 || queues.len() as i64 <= most));
            let own = |queue: &QueueName| queue.account == caller.account && queue.region == caller.region;
            assert!(queues.iter().all(own), "{queues:?}");
            Ok((queues.into_iter().map(|queue| queue.name).collect(), next_token))
        }
        Verdict::Done { reply: Err(error), .. } => {
            assert_eq!(error.code, Code::InvalidParameterValue, "{error}");
            Err(())
        }
        other => panic!("{other:?}"),
    }
}

/// A token that a page ended with.
pub fn seed_next_token(dice: &mut Dice) -> Vec<u8> {
    let (choice, most) = (dice.draw() as u8, 1 + dice.below(3) as u8);
    let prefix = ["", "jobs", "J", "x"][usize::from(choice >> 2) % 4];
    let first = page(&caller(choice), prefix, String::new(), most.into());
    let token = first.ok().and_then(|(_, token)| token).unwrap_or_default();
    let token =
        if dice.one_in(2) { URL_SAFE_NO_PAD.decode(&token).expect("base64") } else { token.into_bytes() };
    [vec![choice, most], token].concat()
}
