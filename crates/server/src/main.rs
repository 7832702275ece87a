//! The program `sluice`.

use std::process::ExitCode;

use server::{server as serving, settings, tools};

#[global_allocator]
static ALLOCATOR: server::Allocator = server::Allocator;

/// Exit code for a wrong command line, as most programs have it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("serve") => serve(arguments),
        Some("store") => tools(arguments),
        Some("version" | "--version" | "-V") => show(&format!("sluice {}\n", env!("CARGO_PKG_VERSION"))),
        Some("help" | "--help" | "-h") if arguments.next().as_deref() == Some("settings") => {
            show(&settings::markdown())
        }
        Some("help" | "--help" | "-h") => show(&settings::help()),
        Some(other) => complain(USAGE, &format!("There is no command {other:?}; `sluice help` lists them.")),
        None => {
            eprint!("{}", settings::help());
            ExitCode::from(USAGE)
        }
    }
}

fn serve(arguments: impl Iterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return show(&settings::help());
    }
    let settings = match settings::read(arguments.into_iter(), |name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(error) => return complain(USAGE, &error),
    };
    match serving::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(1, &error),
    }
}

fn tools(arguments: impl Iterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return show(&settings::help());
    }
    match tools::run(arguments.into_iter(), |name| std::env::var(name).ok()) {
        Ok(end) => ExitCode::from(end as u8),
        Err((end, error)) => complain(end as u8, &error),
    }
}

fn show(text: &str) -> ExitCode {
    use std::io::Write as _;
    // A reader that went away, as `head` does, is no failure.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn complain(code: u8, error: &str) -> ExitCode {
    eprintln!("sluice: {error}");
    ExitCode::from(code)
}

#[cfg(all(test, feature = "jemalloc", target_arch = "x86_64", target_os = "linux"))]
mod tests {
    /// Then they are written past the page cache without a copy.
    #[test]
    fn large_blocks_begin_at_a_page() {
        let blocks: Vec<Vec<u8>> = (4..24).map(|size| Vec::with_capacity(size << 13)).collect();
        assert!(blocks.iter().all(|block| block.as_ptr().addr().is_multiple_of(4096)));
    }
}
