//! The server: what its parts share, its start and its stop.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use auth::Defaults;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::body::Budget;
use crate::control::Control;
use crate::door::Door;
use crate::metrics::Metrics;
use crate::random::Source;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::{clock, listen, log, open};

/// Exit code of a process that must not go on: EX_SOFTWARE of sysexits.h.
pub const FATAL: i32 = 70;
/// A stop waits this long for clients to take their replies.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// What every connection shares.
pub struct Server {
    /// As configured.
    pub settings: Settings,
    /// Account and region of requests that name none.
    pub defaults: Defaults,
    /// Where it listens: with the real port.
    pub address: SocketAddr,
    /// Counters.
    pub metrics: Metrics,
    /// Request ids.
    pub random: Source,
    /// Bytes of all bodies.
    pub bodies: Arc<Budget>,
    /// Whether it stops.
    pub stop: Stop,
    /// Set once recovery is over.
    door: OnceLock<Arc<Door>>,
}

impl Server {
    /// The way to the node, once recovery is over.
    pub fn door(&self) -> Option<&Arc<Door>> {
        self.door.get()
    }

    /// Whether clients are served.
    pub fn is_ready(&self) -> bool {
        self.door().is_some() && !self.stop.is_stopping()
    }
}

/// Says why and ends the process at once: nothing is known about the state any more, and the journal has
/// all that was acknowledged.
pub fn fatal(why: &str) {
    log::error("the server must stop", &[("why", &why)]);
    std::process::exit(FATAL);
}

/// Serves until a signal. The error is a sentence for a person.
pub fn run(settings: Settings) -> Result<(), String> {
    log::set_level(settings.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("sluice-worker")
        .build()
        .map_err(|error| format!("No threads could be started: {error}."))?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| format!("Listening on {} failed: {error}.", settings.listen))?;
    let server = Arc::new(new_server(settings, &listener).map_err(|error| error.to_string())?);
    let accepting = tokio::spawn(listen::accept(server.clone(), listener));
    let began = clock::instant();
    let door = open_door(&server).await?;
    tokio::spawn(keep_time(door.clone()));
    tokio::spawn(run_when_scheduled(door.clone()));
    wait_until_ready(&door).await;
    server.metrics.started(began.elapsed());
    let _ = server.door.set(door.clone());
    let _control = open_control(&server, &door);
    announce(&server);
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    log::info("stopping", &[("signal", &name)]);
    tokio::select! {
        () = stop(&server, &door) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let _ = accepting.await;
    log::info("stopped", &[]);
    Ok(())
}

fn new_server(settings: Settings, listener: &TcpListener) -> std::io::Result<Server> {
    Ok(Server {
        defaults: Defaults { account: settings.account.clone(), region: settings.region.clone() },
        address: listener.local_addr()?,
        settings,
        metrics: Metrics::default(),
        random: Source::new()?,
        bodies: Arc::default(),
        stop: Stop::default(),
        door: OnceLock::new(),
    })
}

/// Opens the store beside the runtime: it waits for the disk.
async fn open_door(server: &Arc<Server>) -> Result<Arc<Door>, String> {
    let settings = server.settings.clone();
    let opened = tokio::task::spawn_blocking(move || open::open(&settings));
    opened.await.map_err(|error| format!("Opening the store failed: {error}."))?
}

/// The socket for commands of this machine. Without it everything but `sluice store export` works.
fn open_control(server: &Server, door: &Arc<Door>) -> Option<Control> {
    if server.settings.in_memory {
        return None;
    }
    let opened = Control::open(&server.settings.data, door.clone());
    if let Err(error) = &opened {
        log::warn("the running store cannot be exported: its control socket failed", &[("why", error)]);
    }
    opened.ok()
}

async fn keep_time(door: Arc<Door>) {
    door.keep_time().await;
}

async fn run_when_scheduled(door: Arc<Door>) {
    door.run_when_scheduled().await;
}

async fn wait_until_ready(door: &Door) {
    door.completed();
    while !door.look(|node| node.is_ready()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The one line on standard output.
fn announce(server: &Server) {
    use std::io::Write as _;
    let line = format!("sluice ready on http://{}\n", server.address);
    let mut out = std::io::stdout().lock();
    // Whoever started us may not care to read it.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    let settings = &server.settings;
    let place = if settings.in_memory { "memory".to_owned() } else { settings.data.display().to_string() };
    log::info("ready", &[("address", &server.address), ("data", &place), ("slots", &settings.slots)]);
    if !server.address.ip().is_loopback() {
        log::warn("anyone who can reach this address can read, change and delete everything", &[]);
    }
}

/// Stops accepting, answers every long poll, lets replies go out, and makes all of it durable.
async fn stop(server: &Server, door: &Door) {
    server.stop.begin();
    door.stop();
    let flushed = async {
        server.stop.all_gone().await;
        while !door.look(|node| node.is_idle()) {
            door.completed();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(STOP_PATIENCE, flushed).await.is_err() {
        log::warn("some clients did not take their replies in time", &[]);
    }
    door.look(|node| node.seal());
    let sealed = async {
        while !door.look(|node| node.is_sealed()) {
            door.completed();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(STOP_PATIENCE, sealed).await.is_err() {
        log::warn(
            "the disk did not take the seal in time; the next start reads the journal to its tail",
            &[],
        );
    }
}
