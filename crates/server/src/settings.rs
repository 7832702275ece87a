//! Every setting of the server: one table that the parser, `--help` and `docs/settings.md` read.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::flags::{self, Setting, Values, is_on, one, path, setting, switch};
use crate::log::Level;
use crate::tools;

/// Where everything is kept; also of `sluice store`.
pub const DATA: Setting =
    setting("data", "DIRECTORY", "./sluice-data", "Where everything is kept. One process at a time.");

/// The table. No flag may begin with `port` or `service`: Kubernetes sets `SLUICE_PORT` and
/// `SLUICE_SERVICE_HOST` in every pod beside a service named `sluice`.
pub const TABLE: &[Setting] = &[
    setting("listen", "ADDRESS", "127.0.0.1:9324", "Address and port to serve; port 0 takes a free one."),
    DATA,
    switch("in-memory", "Keep everything in memory and nothing on disk: a restart begins empty."),
    setting("region", "NAME", "us-east-1", "Region of requests whose signature names none."),
    setting(
        "account",
        "DIGITS",
        "000000000000",
        "Account of access keys that are not twelve digits themselves.",
    ),
    setting("public-url", "URL", "", "What queue URLs begin with; without it, the Host each client used."),
    setting(
        "default-maximum-message-size",
        "BYTES",
        "262144",
        "MaximumMessageSize of queues that do not set it, 1024 to 1048576. AWS's own default is now 1048576.",
    ),
    setting(
        "slots",
        "COUNT",
        "",
        "Units of concurrency, 1 to 16; by default 1 up to 4 cores, then a quarter of them.",
    ),
    setting("limit-queues", "COUNT", "1000000", "Queues at most."),
    setting(
        "limit-in-flight-requests",
        "COUNT",
        "16384",
        "Requests being served at most, waiting receives included; beyond it ServiceUnavailable.",
    ),
    setting(
        "limit-connections",
        "COUNT",
        "16384",
        "Open connections at most; further ones get ServiceUnavailable, or an operator's page, and are closed.",
    ),
    switch(
        "no-rest-periods",
        "Let a deleted queue's name be used, and a purged queue be purged again, without 60 s of rest. For tests.",
    ),
    switch(
        "allow-anonymous-anywhere",
        "Serve on an address other machines can reach although no credentials are configured: anyone who can \
         reach it can read, change and delete everything.",
    ),
    setting("log", "LEVEL", "info", "error, warn, info, or debug, which logs every request."),
];

/// The settings, checked.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is explained in the table")]
pub struct Settings {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub in_memory: bool,
    pub region: String,
    pub account: String,
    pub public_url: Option<String>,
    pub default_maximum_message_size: u32,
    pub slots: usize,
    pub limit_queues: usize,
    pub limit_in_flight_requests: usize,
    pub limit_connections: usize,
    pub no_rest_periods: bool,
    pub allow_anonymous_anywhere: bool,
    pub log: Level,
}

/// Reads flags, then variables, then defaults. The error is one sentence for a person.
pub fn read(
    arguments: impl Iterator<Item = String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Settings, String> {
    let settings = check(&flags::read(TABLE, arguments, variable)?)?;
    refuse_open_door(&settings)?;
    Ok(settings)
}

fn check(values: &Values) -> Result<Settings, String> {
    Ok(Settings {
        listen: one(values, "listen", "an address and a port, as in 127.0.0.1:9324", |text| {
            text.parse().ok()
        })?,
        data: path(values, "data", "a directory")?,
        in_memory: is_on(values, "in-memory")?,
        region: one(values, "region", "letters, digits and dashes", |text| {
            auth::is_region(text).then(|| text.to_owned())
        })?,
        account: one(values, "account", "twelve digits", |text| {
            auth::is_account(text).then(|| text.to_owned())
        })?,
        public_url: one(values, "public-url", "a URL that begins with http:// or https://", public_url)?,
        default_maximum_message_size: one(
            values,
            "default-maximum-message-size",
            "a number from 1024 to 1048576",
            |text| {
                text.parse()
                    .ok()
                    .filter(|size| engine::limits::MAXIMUM_MESSAGE_SIZE.contains(&i64::from(*size)))
            },
        )?,
        slots: one(values, "slots", "a number from 1 to 16", slots)?,
        limit_queues: count(values, "limit-queues")?,
        limit_in_flight_requests: count(values, "limit-in-flight-requests")?,
        limit_connections: count(values, "limit-connections")?,
        no_rest_periods: is_on(values, "no-rest-periods")?,
        allow_anonymous_anywhere: is_on(values, "allow-anonymous-anywhere")?,
        log: one(values, "log", "error, warn, info or debug", Level::parse)?,
    })
}

fn count(values: &Values, flag: &'static str) -> Result<usize, String> {
    one(values, flag, "a number of at least 1", |text| text.parse().ok().filter(|count| *count >= 1))
}

fn slots(text: &str) -> Option<usize> {
    if text.is_empty() {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        return Some(if cores <= 4 { 1 } else { (cores / 4).min(16) });
    }
    text.parse().ok().filter(|count| (1..=16).contains(count))
}

fn public_url(text: &str) -> Option<Option<String>> {
    let url = text.trim_end_matches('/');
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match host {
        None if url.is_empty() => Some(None),
        Some(host) if !host.is_empty() && !url.contains(char::is_whitespace) => Some(Some(url.to_owned())),
        _ => None,
    }
}

/// Without credentials only this machine may come in, unless someone says so in words.
fn refuse_open_door(settings: &Settings) -> Result<(), String> {
    if settings.listen.ip().is_loopback() || settings.allow_anonymous_anywhere {
        return Ok(());
    }
    Err(format!(
        "Refusing to listen on {}: there are no credentials yet, so anyone who can reach that port could read, \
         change and delete everything. Listen on 127.0.0.1, or say --allow-anonymous-anywhere if that is what \
         you want.",
        settings.listen
    ))
}

/// `--help`.
pub fn help() -> String {
    format!(
        "sluice: a self-hosted queue service that speaks Amazon SQS's protocols\n\n\
         Usage:\n  sluice serve [flags]    serve requests\n{}  \
         sluice help             this text\n  \
         sluice help settings    all flags as Markdown tables\n  sluice version          the version\n\n\
         Flags of serve (each is also a variable: --public-url is SLUICE_PUBLIC_URL; a flag wins):\n{}\n{}",
        tools::usage(),
        flags::help(TABLE),
        tools::help(),
    )
}

/// `docs/settings.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Settings\n\nOf `sluice serve`. A flag wins over its variable, a variable over the default. This page is \
         written by `sluice help settings`; a test compares the two.\n\n\
         | flag | variable | default | what it does |\n|---|---|---|---|\n",
    );
    for setting in TABLE {
        let default = if setting.default.is_empty() { "" } else { &format!("`{}`", setting.default) };
        let (usage, variable) = (setting.usage(), setting.variable());
        let _ = writeln!(text, "| `{usage}` | `{variable}` | {default} | {} |", setting.explanation);
    }
    text + &tools::markdown()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
        let found =
            |name: &str| variables.iter().find(|(one, _)| *one == name).map(|(_, text)| text.to_string());
        read(arguments.iter().map(|text| text.to_string()), found)
    }

    #[test]
    fn the_defaults_are_valid_and_local() {
        let settings = parse(&[], &[]).expect("defaults");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:9324");
        assert_eq!(settings.account, "000000000000");
        assert_eq!(settings.default_maximum_message_size, 262_144);
        assert!(!settings.in_memory && settings.public_url.is_none() && settings.slots >= 1);
    }

    #[test]
    fn a_flag_wins_over_a_variable_and_both_over_the_default() {
        let variables =
            [("SLUICE_REGION", "eu-west-1"), ("SLUICE_IN_MEMORY", "1"), ("SLUICE_PORT", "tcp://x")];
        let settings = parse(&[], &variables).expect("valid");
        assert_eq!(settings.region, "eu-west-1");
        assert!(settings.in_memory);
        let settings =
            parse(&["--region=ap-south-1", "--in-memory=false", "--slots", "4"], &variables).expect("valid");
        assert_eq!((settings.region.as_str(), settings.in_memory, settings.slots), ("ap-south-1", false, 4));
    }

    #[test]
    fn a_wrong_setting_is_refused_where_it_was_said() {
        for (arguments, variables, words) in [
            (&["--listen", "nowhere"][..], &[][..], "--listen is \"nowhere\""),
            (&[], &[("SLUICE_ACCOUNT", "12")], "SLUICE_ACCOUNT is \"12\", but it must be twelve digits"),
            (&["--slots", "17"], &[], "1 to 16"),
            (&["--default-maximum-message-size", "1023"], &[], "1024 to 1048576"),
            (&["--public-url", "example.com"], &[], "http://"),
            (&["--limit-connections", "0"], &[], "at least 1"),
            (&["--in-memory=maybe"], &[], "true or false"),
            (&["--region"], &[], "--region needs a value"),
            (&["--shout"], &[], "There is no flag --shout"),
            (&["--a\n\u{1b}[1mb"], &[], "There is no flag --a\\n\\u{1b}[1mb;"),
            (&["shout"], &[], "is not a flag"),
        ] {
            let error = parse(arguments, variables).expect_err(words);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn without_credentials_only_this_machine_is_served() {
        for open in ["0.0.0.0:9324", "[::]:9324", "192.0.2.1:80"] {
            let error = parse(&["--listen", open], &[]).expect_err(open);
            assert!(error.contains("no credentials"), "{error}");
            assert!(parse(&["--listen", open, "--allow-anonymous-anywhere"], &[]).is_ok());
        }
        assert!(parse(&["--listen", "[::1]:9324"], &[]).is_ok());
    }

    #[test]
    fn no_variable_is_one_that_kubernetes_sets() {
        for setting in TABLE {
            let variable = setting.variable();
            assert!(
                !variable.starts_with("SLUICE_PORT") && !variable.starts_with("SLUICE_SERVICE"),
                "{variable}"
            );
        }
    }

    #[test]
    fn the_documentation_is_the_table() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
        let written = std::fs::read_to_string(page).expect("docs/settings.md");
        assert_eq!(written, markdown(), "run `sluice help settings > docs/settings.md`");
    }
}
