//! The configuration: flags and variables.

use server::settings::{Settings, TABLE, read};

use crate::accepted;
use crate::dice::Dice;

/// What the parser looks for.
pub const WORDS: &[&str] = &[
    "--",
    "=",
    "\n",
    "\n\n",
    "--listen",
    "--data",
    "--in-memory",
    "--in-memory=false",
    "--region",
    "--account",
    "--public-url",
    "--slots",
    "--limit-queues=",
    "--limit-connections=0",
    "--no-rest-periods",
    "--allow-anonymous-anywhere",
    "--log=debug",
    "SLUICE_LISTEN=",
    "SLUICE_SLOTS=17",
    "SLUICE_LOG=",
    "0.0.0.0:1",
    "[::1]:9324",
    "127.0.0.1:65536",
    "http://",
    "https://h/",
    "000000000000",
    "262144",
    "18446744073709551616",
    "-1",
    "+5",
    "true",
    "off",
    "\u{0}",
    "\u{202e}",
];

/// Lines: `SLUICE_X=value` is a variable, any other an argument. Settings that are accepted keep their rules and
/// are read as the same when written out as flags; a refusal is one line for a person.
pub fn settings(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let is_variable = |line: &&str| line.starts_with("SLUICE_");
    let arguments = text.split('\n').filter(|line| !line.is_empty() && !is_variable(line));
    let variable = |name: &str| {
        let mut found = text.split('\n').filter(is_variable).filter_map(|line| line.split_once('='));
        found.find(|(one, _)| *one == name).map(|(_, value)| value.to_owned())
    };
    match read(arguments.map(str::to_owned), variable) {
        Ok(settings) => {
            accepted();
            assert!(settings.listen.ip().is_loopback() || settings.allow_anonymous_anywhere);
            assert!((1..=16).contains(&settings.slots));
            assert!((1_024..=1_048_576).contains(&settings.default_maximum_message_size));
            let limits =
                [settings.limit_queues, settings.limit_connections, settings.limit_in_flight_requests];
            assert!(limits.iter().all(|limit| *limit >= 1) && auth::is_account(&settings.account));
            let again = read(written(&settings).into_iter(), |_| None).expect("what was accepted");
            assert_eq!(format!("{again:?}"), format!("{settings:?}"));
        }
        Err(why) => {
            assert!(why.ends_with('.') && !why.contains(char::is_control), "{why:?}");
        }
    }
}

fn written(settings: &Settings) -> Vec<String> {
    let Settings { data, region, account, slots, .. } = settings;
    let log = format!("{:?}", settings.log).to_lowercase();
    vec![
        format!("--listen={}", settings.listen),
        format!("--data={}", data.display()),
        format!("--in-memory={}", settings.in_memory),
        format!("--region={region}"),
        format!("--account={account}"),
        format!("--public-url={}", settings.public_url.as_deref().unwrap_or_default()),
        format!("--default-maximum-message-size={}", settings.default_maximum_message_size),
        format!("--slots={slots}"),
        format!("--limit-queues={}", settings.limit_queues),
        format!("--limit-in-flight-requests={}", settings.limit_in_flight_requests),
        format!("--limit-connections={}", settings.limit_connections),
        format!("--no-rest-periods={}", settings.no_rest_periods),
        format!("--allow-anonymous-anywhere={}", settings.allow_anonymous_anywhere),
        format!("--log={log}"),
    ]
}

/// Settings of a kind that are accepted.
pub fn seed(dice: &mut Dice) -> Vec<u8> {
    let mut lines = Vec::new();
    for setting in TABLE.iter().filter(|_| dice.one_in(3)).collect::<Vec<_>>() {
        let value = match setting.flag {
            "listen" => dice.pick(&["127.0.0.1:0", "[::1]:9324", "127.9.9.9:1", "0.0.0.0:80"]).to_owned(),
            "data" => format!("./{}", dice.word()),
            "region" => dice.pick(&["us-east-1", "eu-west-1", "x"]).to_owned(),
            "account" => format!("{:012}", dice.draw() % 1_000_000_000_000),
            "public-url" => dice.pick(&["http://localhost:9324", "https://q.example/base/", ""]).to_owned(),
            "default-maximum-message-size" => (1_024 + dice.below(1_047_553)).to_string(),
            "slots" => (1 + dice.below(16)).to_string(),
            "log" => dice.pick(&["error", "warn", "info", "debug"]).to_owned(),
            _ if setting.value.is_none() => dice.pick(&["true", "false", "1", "no"]).to_owned(),
            _ => (1 + dice.below(100_000)).to_string(),
        };
        match dice.below(3) {
            0 => lines.push(format!("{}={value}", setting.variable())),
            1 if setting.value.is_some() => lines.extend([format!("--{}", setting.flag), value]),
            _ => lines.push(format!("--{}={value}", setting.flag)),
        }
    }
    lines.join("\n").into_bytes()
}
