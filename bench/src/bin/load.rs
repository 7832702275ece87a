//! A closed-loop load over loopback.
//!
//!     load --port 9324 --process PID --work send --connections 64 --seconds 10 --body 1024

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bench::arguments::{Arguments, stop};
use bench::load::{Plan, Work, run};

const USAGE: &str = "load --port 9324 --process PID [--work send|send-batch|receive|delete|cycle] [--connections 64] \
                     [--seconds 10] [--body 1024] [--prefill 100000]";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = Arguments::read(USAGE);
    let work = arguments.get("work", Work::Send);
    let needs_messages = matches!(work, Work::Receive | Work::Delete);
    let plan = Plan {
        host: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.get("port", 9324))),
        work,
        connections: arguments.get("connections", 64),
        duration: Duration::from_secs(arguments.get("seconds", 10)),
        body: arguments.get("body", 1024),
        prefill: arguments.get("prefill", if needs_messages { 100_000 } else { 0 }),
        process: arguments.get("process", std::process::id()),
    };
    match run(plan).await {
        Ok(report) => println!("{work:?}, {} connections: {report}", plan.connections),
        Err(error) => stop(&error.to_string()),
    }
}
