//! The paths for operators: `/health/live`, `/health/ready` and `/metrics`. They answer GET and HEAD without
//! an `Action` only, so that no queue's path is taken away from the query protocol.

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use crate::body::Reply;
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
    if let Some(door) = server.door() {
        door.look(|node| node.describe(&mut page));
    }
    page.into_text()
}
