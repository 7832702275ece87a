//! `crash`: crashes a real `sluice` on a real disk under load, and checks that it kept its word.

mod arguments;
mod body;
mod catalogue;
mod client;
mod consumer;
mod drain;
mod full_disk;
mod ledger;
mod place;
mod process;
mod queues;
mod random;
mod run;
mod sender;
mod sqs;
mod world;

use std::process::ExitCode;

use arguments::HELP;
use run::Run;

fn main() -> ExitCode {
    let arguments = match arguments::read(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return complain(2, &error),
    };
    let mut run = match Run::begin(arguments) {
        Ok(run) => run,
        Err(error) => return complain(1, &error),
    };
    let well = run.go().unwrap_or_else(|error| {
        run.world.wrong(&error);
        0
    });
    if run.close(well) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn complain(code: u8, error: &str) -> ExitCode {
    eprintln!("crash: {error}");
    ExitCode::from(code)
}
