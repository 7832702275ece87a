//! The load: connections that each send their next request when the last is answered, for a bounded time.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Client, members};
use crate::process::{Usage, usage};

/// What each connection does over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// SendMessage.
    Send,
    /// SendMessageBatch of ten.
    SendBatch,
    /// ReceiveMessage of up to ten, of what was put there before.
    Receive,
    /// DeleteMessage, of what was received before.
    Delete,
    /// SendMessage, ReceiveMessage of one, DeleteMessage.
    Cycle,
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Work, String> {
        match text {
            "send" => Ok(Work::Send),
            "send-batch" => Ok(Work::SendBatch),
            "receive" => Ok(Work::Receive),
            "delete" => Ok(Work::Delete),
            "cycle" => Ok(Work::Cycle),
            other => Err(format!("there is no work {other:?}")),
        }
    }
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Whom.
    pub host: SocketAddr,
    /// What.
    pub work: Work,
    /// How many at once.
    pub connections: usize,
    /// How long.
    pub duration: Duration,
    /// Bytes of a message's body.
    pub body: usize,
    /// Messages put into the queue first; for `Receive` and `Delete`.
    pub prefill: usize,
    /// The process that serves, whose use is measured.
    pub process: u32,
}

/// What a run showed.
#[derive(Debug, Default)]
pub struct Report {
    /// Requests answered.
    pub requests: u64,
    /// Messages sent, received or deleted; a cycle counts once.
    pub messages: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Of single requests, sorted.
    pub latencies: Vec<Duration>,
    /// Of the serving process.
    pub usage: Usage,
}

impl Report {
    /// A quantile of the latencies.
    pub fn quantile(&self, at: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * at) as usize).copied().unwrap_or_default()
    }

    /// Microseconds of the server's CPU a request.
    pub fn cpu_micros(&self) -> f64 {
        self.usage.cpu.as_secs_f64() * 1e6 / self.requests.max(1) as f64
    }

    /// Times a server thread other than the journal's was woken, a request.
    pub fn wakeups(&self) -> f64 {
        self.usage.wakeups as f64 / self.requests.max(1) as f64
    }

    /// Times the journal's thread slept, most of it in the disk's own waits, a request.
    pub fn disk_waits(&self) -> f64 {
        self.usage.disk_waits as f64 / self.requests.max(1) as f64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        let micros = |at| self.quantile(at).as_micros();
        write!(
            f,
            "{:.0} msg/s, {:.0} req/s, p50 {} us, p99 {} us, p999 {} us; server: {:.1} us CPU/req, \
             {:.3} wake-ups/req, {:.3} journal waits/req, {:.3} preemptions/req",
            self.messages as f64 / seconds,
            self.requests as f64 / seconds,
            micros(0.5),
            micros(0.99),
            micros(0.999),
            self.cpu_micros(),
            self.wakeups(),
            self.disk_waits(),
            self.usage.preemptions as f64 / self.requests.max(1) as f64,
        )
    }
}

/// What the connections share.
struct Shared {
    plan: Plan,
    queue_url: String,
    body: String,
    handles: Mutex<VecDeque<String>>,
}

/// Runs a plan over a fresh queue and deletes the queue.
pub async fn run(plan: Plan) -> io::Result<Report> {
    let mut client = Client::connect(plan.host).await?;
    let name = format!("bench-{}-{}", std::process::id(), server::clock::now());
    let reply = client.call("CreateQueue", &format!("{{\"QueueName\":\"{name}\"}}")).await?;
    let url = members(reply, "QueueUrl").next().ok_or_else(|| io::Error::other("no QueueUrl"))?.to_owned();
    let body = "x".repeat(plan.body);
    let shared = Arc::new(Shared { plan, queue_url: url, body, handles: Mutex::default() });
    prepare(&shared).await?;
    let report = measure(&shared).await?;
    let delete = format!("{{\"QueueUrl\":\"{}\"}}", shared.queue_url);
    client.call("DeleteQueue", &delete).await?;
    Ok(report)
}

/// Fills the queue, and for `Delete` receives what is in it.
async fn prepare(shared: &Arc<Shared>) -> io::Result<()> {
    let mut client = Client::connect(shared.plan.host).await?;
    for _ in 0..shared.plan.prefill.div_ceil(10) {
        client.call("SendMessageBatch", &shared.batch()).await?;
    }
    if shared.plan.work == Work::Delete {
        while receive(shared, &mut client, 10, true).await? > 0 {}
    }
    Ok(())
}

async fn measure(shared: &Arc<Shared>) -> io::Result<Report> {
    let mut tasks = JoinSet::new();
    let before = usage(shared.plan.process)?;
    let began = server::clock::instant();
    let end = began + shared.plan.duration;
    for _ in 0..shared.plan.connections {
        tasks.spawn(drive(shared.clone(), end));
    }
    let mut report = Report::default();
    while let Some(done) = tasks.join_next().await {
        let (messages, latencies) = done.map_err(io::Error::other)??;
        report.messages += messages;
        report.latencies.extend(latencies);
    }
    report.elapsed = began.elapsed();
    report.usage = usage(shared.plan.process)? - before;
    report.requests = report.latencies.len() as u64;
    report.latencies.sort_unstable();
    Ok(report)
}

/// One connection's loop: messages done, and the latency of each request.
async fn drive(shared: Arc<Shared>, end: Instant) -> io::Result<(u64, Vec<Duration>)> {
    let mut client = Client::connect(shared.plan.host).await?;
    let (mut messages, mut latencies) = (0, Vec::new());
    let mut began = server::clock::instant();
    while began < end {
        let done = match shared.plan.work {
            Work::Send => send(&shared, &mut client).await?,
            Work::SendBatch => send_batch(&shared, &mut client).await?,
            Work::Receive => receive(&shared, &mut client, 10, false).await?,
            Work::Delete => delete(&shared, &mut client).await?,
            Work::Cycle => cycle(&shared, &mut client, &mut latencies).await?,
        };
        if done == 0 {
            break;
        }
        messages += done;
        let now = server::clock::instant();
        if shared.plan.work != Work::Cycle {
            latencies.push(now - began);
        }
        began = now;
    }
    Ok((messages, latencies))
}

impl Shared {
    fn batch(&self) -> String {
        let entry = |i| format!("{{\"Id\":\"{i}\",\"MessageBody\":\"{}\"}}", self.body);
        let entries: Vec<String> = (0..10).map(entry).collect();
        format!("{{\"QueueUrl\":\"{}\",\"Entries\":[{}]}}", self.queue_url, entries.join(","))
    }

    fn handles(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn send(shared: &Shared, client: &mut Client) -> io::Result<u64> {
    let body = format!("{{\"QueueUrl\":\"{}\",\"MessageBody\":\"{}\"}}", shared.queue_url, shared.body);
    client.call("SendMessage", &body).await.map(|_| 1)
}

async fn send_batch(shared: &Shared, client: &mut Client) -> io::Result<u64> {
    client.call("SendMessageBatch", &shared.batch()).await.map(|_| 10)
}

async fn receive(shared: &Shared, client: &mut Client, most: usize, keep: bool) -> io::Result<u64> {
    let body = format!(
        "{{\"QueueUrl\":\"{}\",\"MaxNumberOfMessages\":{most},\"VisibilityTimeout\":3600}}",
        shared.queue_url
    );
    let reply = client.call("ReceiveMessage", &body).await?;
    let mut received = 0;
    for handle in members(reply, "ReceiptHandle") {
        received += 1;
        if keep {
            shared.handles().push_back(handle.to_owned());
        }
    }
    Ok(received)
}

async fn delete(shared: &Shared, client: &mut Client) -> io::Result<u64> {
    let Some(handle) = shared.handles().pop_front() else { return Ok(0) };
    let body = format!("{{\"QueueUrl\":\"{}\",\"ReceiptHandle\":\"{handle}\"}}", shared.queue_url);
    client.call("DeleteMessage", &body).await.map(|_| 1)
}

async fn cycle(shared: &Shared, client: &mut Client, latencies: &mut Vec<Duration>) -> io::Result<u64> {
    let began = server::clock::instant();
    send(shared, client).await?;
    let sent = server::clock::instant();
    // Another connection may have taken ours; then one of its own is there by now or in a moment.
    while receive(shared, client, 1, true).await? == 0 {}
    let received = server::clock::instant();
    delete(shared, client).await?;
    latencies.extend([sent - began, received - sent, received.elapsed()]);
    Ok(1)
}
