//! What a SendMessage costs above the floor: `sluice` and `floor` under the same load, in turns, in one run,
//! so that both see the same machine in the same mood. Both are taken from beside this program.
//!
//!     sluice-floor --rounds 4 --seconds 5 --connections 64 --body 1024 --data ./bench-data

use std::io::{self, BufRead as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bench::arguments::{Arguments, stop};
use bench::load::{Plan, Report, Work, run};

const USAGE: &str = "sluice-floor [--rounds 4] [--seconds 5] [--connections 64] [--body 1024] [--data ./bench-data] [--in-memory false]";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = Arguments::read(USAGE);
    let data: PathBuf = arguments.get("data", PathBuf::from("./bench-data"));
    if data.exists() {
        stop(&format!("{} exists; name a directory that does not, it is removed afterwards", data.display()));
    }
    let result = compare(&arguments, &data).await;
    let _ = std::fs::remove_dir_all(&data);
    if let Err(error) = result {
        stop(&error.to_string());
    }
}

async fn compare(arguments: &Arguments, data: &Path) -> io::Result<()> {
    let in_memory: bool = arguments.get("in-memory", false);
    let mut sluice = Command::new(beside("sluice")?);
    sluice.args(["serve", "--listen", "127.0.0.1:0", "--log", "error", "--data"]).arg(data);
    sluice.args(in_memory.then_some("--in-memory"));
    let mut floor = Command::new(beside("floor")?);
    floor.args(["--port", "0"]);
    let (sluice, floor) = (Served::start(&mut sluice)?, Served::start(&mut floor)?);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 1..=arguments.get("rounds", 4) {
        for (name, served, reports) in [("sluice", &sluice, &mut ours), ("floor", &floor, &mut bare)] {
            let report = run(plan(arguments, served)).await?;
            println!("round {round}, {name:6}: {report}");
            reports.push(report);
        }
    }
    tell(&ours, &bare);
    Ok(())
}

fn plan(arguments: &Arguments, served: &Served) -> Plan {
    Plan {
        host: served.address,
        work: Work::Send,
        connections: arguments.get("connections", 64),
        duration: Duration::from_secs(arguments.get("seconds", 5)),
        body: arguments.get("body", 1024),
        prefill: 0,
        process: served.child.id(),
    }
}

fn tell(ours: &[Report], bare: &[Report]) {
    let mean = |reports: &[Report], of: fn(&Report) -> f64| {
        reports.iter().map(of).sum::<f64>() / reports.len().max(1) as f64
    };
    let (cpu, floor) = (mean(ours, Report::cpu_micros), mean(bare, Report::cpu_micros));
    let (wakeups, fewest) = (mean(ours, Report::wakeups), mean(bare, Report::wakeups));
    println!("CPU per SendMessage: sluice {cpu:.1} us, floor {floor:.1} us");
    println!("above the floor: {:.1} us; ratio {:.2}", cpu - floor, cpu / floor);
    println!("thread wake-ups per request: sluice {wakeups:.3}, floor {fewest:.3}");
    println!("waits of the journal's thread per request: {:.3}", mean(ours, Report::disk_waits));
}

/// A server that was started for this run, and is stopped with it.
struct Served {
    child: Child,
    address: SocketAddr,
}

impl Served {
    /// Starts it and reads its address from the last word of its first line.
    fn start(command: &mut Command) -> io::Result<Served> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            io::BufReader::new(out).read_line(&mut line)?;
        }
        let word = line.trim().rsplit("http://").next().unwrap_or_default().to_owned();
        match word.parse() {
            Ok(address) => Ok(Served { child, address }),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(io::Error::other(format!("a server said {line:?} instead of its address")))
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn beside(name: &str) -> io::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() {
        return Ok(path);
    }
    Err(io::Error::other(format!(
        "there is no {}; run `cargo build --release -p server -p bench`",
        path.display()
    )))
}
