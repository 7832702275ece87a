//! Counters of the server, and `/metrics` in Prometheus's text format.

use std::fmt::{Display, Write as _};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use engine::{Action, Code};

/// Upper bounds of the latency histogram, in microseconds.
const BOUNDS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];
/// A row for each action and one for requests that name none.
const ACTIONS: usize = Action::ALL.len() + 1;
/// A column for success and one for each code.
const OUTCOMES: usize = Code::ALL.len() + 1;

/// What the server counts. Every counter is relaxed: readers want sums, not moments.
#[derive(Debug)]
pub struct Metrics {
    requests: [[AtomicU64; OUTCOMES]; ACTIONS],
    buckets: [AtomicU64; BOUNDS.len() + 1],
    latency_micros: AtomicU64,
    /// Open connections. Their tasks hold their places, each from before it first runs.
    pub connections: Arc<Gauge>,
    /// Requests being served, waiting receives included.
    pub in_flight: Gauge,
    /// Connections that were turned away.
    pub refused_connections: AtomicU64,
    /// How long the start took, us.
    start_micros: AtomicU64,
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// One more, until what comes back is dropped.
    pub fn enter<G: Deref<Target = Gauge>>(gauge: G) -> Entered<G> {
        gauge.0.fetch_add(1, Ordering::Relaxed);
        Entered(gauge)
    }

    /// As it stands.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// See [`Gauge::enter`].
#[derive(Debug)]
pub struct Entered<G: Deref<Target = Gauge>>(G);

impl<G: Deref<Target = Gauge>> Drop for Entered<G> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            requests: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            latency_micros: AtomicU64::new(0),
            connections: Arc::default(),
            in_flight: Gauge::default(),
            refused_connections: AtomicU64::new(0),
            start_micros: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, action: Option<Action>, error: Option<Code>) {
        let row = action.map_or(ACTIONS - 1, |action| action as usize);
        let column = error.map_or(OUTCOMES - 1, |code| code as usize);
        self.requests[row][column].fetch_add(1, Ordering::Relaxed);
    }

    /// The server was ready this long after it began to open its data.
    pub fn started(&self, duration: Duration) {
        self.start_micros.store(duration.as_micros() as u64, Ordering::Relaxed);
    }

    /// A request that does not wait for messages was answered, durably, this long after it was read.
    pub fn took(&self, duration: Duration) {
        let micros = duration.as_micros() as u64;
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.latency_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Adds the server's own metrics.
    pub fn write(&self, page: &mut Page) {
        self.write_requests(page);
        self.write_latency(page);
        page.gauge("sluice_connections", "Open connections.", self.connections.get());
        page.gauge("sluice_requests_in_flight", "Requests being served.", self.in_flight.get());
        let refused = self.refused_connections.load(Ordering::Relaxed);
        page.counter("sluice_connections_refused_total", "Connections beyond the limit.", refused);
        let start = seconds(self.start_micros.load(Ordering::Relaxed));
        page.gauge("sluice_start_seconds", "From opening the data to serving it, recovery included.", start);
    }

    fn write_requests(&self, page: &mut Page) {
        let name = "sluice_requests_total";
        page.family(name, "counter", "Requests by action and error code; an empty code is success.");
        for (row, columns) in self.requests.iter().enumerate() {
            let action = Action::ALL.get(row).map_or("", |action| action.row().name);
            for (column, count) in columns.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                let code = Code::ALL.get(column).map_or("", |code| code.row().query);
                if count > 0 {
                    page.sample(name, &[("action", action), ("code", code)], count);
                }
            }
        }
    }

    fn write_latency(&self, page: &mut Page) {
        let name = "sluice_durable_latency_seconds";
        let help = "From a request read to its durable reply, of all that were decided but ReceiveMessage.";
        page.family(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let mut total = 0;
        for (count, bound) in self.buckets.iter().zip(BOUNDS) {
            total += count.load(Ordering::Relaxed);
            page.sample(&bucket, &[("le", &seconds(bound))], total);
        }
        total += self.buckets[BOUNDS.len()].load(Ordering::Relaxed);
        page.sample(&bucket, &[("le", "+Inf")], total);
        page.sample(&format!("{name}_sum"), &[], seconds(self.latency_micros.load(Ordering::Relaxed)));
        page.sample(&format!("{name}_count"), &[], total);
    }
}

fn seconds(micros: u64) -> String {
    (micros as f64 / 1e6).to_string()
}

/// A page in Prometheus's text format, version 0.0.4.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Begins a metric.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A value of the metric begun.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if i == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A metric of one value that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// A metric of one value that only rises.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// Bytes of physical memory this process has, as Linux tells.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_prometheus_text() {
        let metrics = Metrics::default();
        metrics.answered(Some(Action::SendMessage), None);
        metrics.answered(Some(Action::SendMessage), None);
        metrics.answered(None, Some(Code::InvalidAction));
        metrics.took(Duration::from_micros(99));
        metrics.took(Duration::from_secs(60));
        let mut page = Page::default();
        metrics.write(&mut page);
        page.sample("odd", &[("a", "x\"y\\z\n"), ("b", "")], 1);
        let text = page.into_text();
        for line in [
            "# TYPE sluice_requests_total counter",
            "sluice_requests_total{action=\"SendMessage\",code=\"\"} 2",
            "sluice_requests_total{action=\"\",code=\"InvalidAction\"} 1",
            "sluice_durable_latency_seconds_bucket{le=\"0.0001\"} 1",
            "sluice_durable_latency_seconds_bucket{le=\"5\"} 1",
            "sluice_durable_latency_seconds_bucket{le=\"+Inf\"} 2",
            "sluice_durable_latency_seconds_count 2",
            "odd{a=\"x\\\"y\\\\z\\n\",b=\"\"} 1",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
    }

    #[test]
    fn each_action_and_code_has_a_place_of_its_own() {
        assert!(Action::ALL.iter().enumerate().all(|(i, action)| *action as usize == i));
        assert!(Code::ALL.iter().enumerate().all(|(i, code)| *code as usize == i));
    }

    #[test]
    fn memory_is_told() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
