//! The paths for operators: `/health/live`, `/health/ready` and `/metrics`. They answer GET and HEAD without
//! an `Action` only, so that no queue's path is taken away from the query protocol.

use std::fmt::Display;

use bytes::Bytes;
use engine::{Millis, QueueName};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use node::QueueView;

use crate::body::Reply;
use crate::clock;
use crate::metrics::{Page, resident_bytes};
use crate::server::Server;

/// The page this request is for, if it is for one.
pub fn page(server: &Server, parts: &Parts) -> Option<Response<Reply>> {
    if !matches!(parts.method, Method::GET | Method::HEAD) || has_action(parts.uri.query()) {
        return None;
    }
    match parts.uri.path() {
        "/health/live" => Some(text(StatusCode::OK, "live\n")),
        "/health/ready" if server.is_ready() => Some(text(StatusCode::OK, "ready\n")),
        "/health/ready" => Some(text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")),
        "/metrics" => Some(text(StatusCode::OK, metrics(server))),
        _ => None,
    }
}

fn has_action(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("Action=")))
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Reply> {
    let mut reply = Response::new(Reply::new(text.into(), None));
    *reply.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    reply
}

fn metrics(server: &Server) -> String {
    let mut page = Page::default();
    server.metrics.write(&mut page);
    page.gauge("sluice_ready", "Whether clients are served.", u8::from(server.is_ready()));
    if let Some(bytes) = resident_bytes() {
        page.gauge("process_resident_memory_bytes", "Physical memory of the process.", bytes);
    }
    if let Some(bytes) = free_bytes(server) {
        page.gauge("sluice_disk_free_bytes", "Free on the disk of the data directory.", bytes);
    }
    if let Some(door) = server.door() {
        door.look(|node| node.describe(&mut page));
        // Written when the node is free again: there may be very many.
        let queues = door.look(|node| node.queues());
        write_queues(&mut page, &queues, clock::now());
    }
    page.into_text()
}

fn free_bytes(server: &Server) -> Option<u64> {
    if server.settings.in_memory {
        return None;
    }
    let stat = rustix::fs::statvfs(&server.settings.data).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn write_queues(page: &mut Page, queues: &[QueueView], now: Millis) {
    let all = || queues.iter();
    write_each(page, all(), "sluice_queue_visible", "Messages that can be received.", |queue| queue.visible);
    write_each(page, all(), "sluice_queue_in_flight", "Messages in flight.", |queue| queue.in_flight);
    write_each(page, all(), "sluice_queue_delayed", "Delayed messages.", |queue| queue.delayed);
    let help = "Memory of the counts of delayed messages, which are on disk themselves.";
    write_each(page, all(), "sluice_queue_delayed_bytes", help, |queue| queue.delayed_bytes);
    let fifo = || all().filter(|queue| queue.name.name.ends_with(".fifo"));
    let help = "Deduplication ids inside their five minutes.";
    write_each(page, fifo(), "sluice_queue_deduplication_ids", help, |queue| queue.deduplication_ids);
    let help = "Memory that they take.";
    write_each(page, fifo(), "sluice_queue_deduplication_bytes", help, |queue| queue.deduplication_bytes);
    let help = "Age of the oldest message; missing while none of the queue's messages is in memory.";
    let known = all().filter(|queue| queue.oldest_sent.is_some() || is_empty(queue));
    write_each(page, known, "sluice_queue_oldest_age_seconds", help, |queue| age(queue, now));
}

fn is_empty(queue: &QueueView) -> bool {
    queue.visible + queue.in_flight + queue.delayed == 0
}

/// Seconds; 0 of an empty queue.
fn age(queue: &QueueView, now: Millis) -> f64 {
    queue.oldest_sent.map_or(0.0, |sent| now.saturating_sub(sent) as f64 / 1e3)
}

fn write_each<'a, V: Display>(
    page: &mut Page,
    queues: impl Iterator<Item = &'a QueueView>,
    name: &str,
    help: &str,
    value: impl Fn(&QueueView) -> V,
) {
    page.family(name, "gauge", help);
    for queue in queues {
        let QueueName { account, region, name: queue_name } = &queue.name;
        page.sample(name, &[("queue", queue_name), ("account", account), ("region", region)], value(queue));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_that_is_not_known_is_not_told() {
        let view = |name: &str, visible, oldest_sent| QueueView {
            name: QueueName { account: "1".into(), region: "r".into(), name: name.into() },
            visible,
            in_flight: 0,
            delayed: 0,
            oldest_sent,
            deduplication_ids: 0,
            delayed_bytes: 0,
            deduplication_bytes: 0,
        };
        let mut page = Page::default();
        let queues = [view("empty", 0, None), view("unread", 7, None), view("known", 7, Some(1_500))];
        write_queues(&mut page, &queues, 4_000);
        let text = page.into_text();
        let ages: Vec<&str> =
            text.lines().filter(|line| line.starts_with("sluice_queue_oldest_age_seconds{")).collect();
        assert_eq!(ages.len(), 2, "{ages:?}");
        assert!(ages[0].contains("\"empty\"") && ages[0].ends_with(" 0"), "{ages:?}");
        assert!(ages[1].contains("\"known\"") && ages[1].ends_with(" 2.5"), "{ages:?}");
    }
}
