//! Accepting connections, within their limit, and serving HTTP/1.1 on each until it closes or the server stops.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::http::{self, Room};
use crate::log;
use crate::metrics::{Entered, Gauge};
use crate::patient::{PATIENCE, Patient};
use crate::server::Server;
use crate::stop::Stop;

/// Bytes of what is buffered of a request at once: more than [`http::HEAD_BYTES`], so that a head that is too long is
/// refused in its own protocol. One that does not even fit in here, has over 100 headers, or is no HTTP, is refused
/// without a text, by hyper: it is known of no protocol yet.
pub const BUFFER_BYTES: usize = 2 * http::HEAD_BYTES;
/// A head must have arrived, and an idle connection be used again, within this time. Longer than the pools of the
/// SDKs keep an idle connection (60 s Java, 90 s Go), so that they close it, not we under their next request.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Connections over the limit, at once: they get one reply, the page they ask for where it is an operator's, so that a
/// server with as many clients as it takes is not held for dead; else a refusal in its client's protocol.
pub const SPARE_CONNECTIONS: usize = 64;
/// The head of such a connection must have arrived within this time.
const SPARE_HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Accepts until the server stops.
pub async fn accept(server: Arc<Server>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = server.stop.begun() => return,
        };
        match accepted {
            Ok((stream, _)) => admit(&server, stream),
            Err(error) => {
                // Out of file descriptors, most likely: the connection stays in the backlog meanwhile.
                log::warn("a connection could not be accepted", &[("why", &error)]);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn admit(server: &Arc<Server>, stream: TcpStream) {
    let (open, limit) = (server.metrics.connections.get(), server.settings.limit_connections);
    let room = if open < limit as i64 { Room::Served } else { Room::Spare };
    if room == Room::Spare {
        server.metrics.refused_connections.fetch_add(1, Ordering::Relaxed);
    }
    if open >= (limit + SPARE_CONNECTIONS) as i64 {
        refuse(&stream);
        return;
    }
    let _ = stream.set_nodelay(true);
    let place = Gauge::enter(server.metrics.connections.clone());
    tokio::spawn(serve(server.clone(), stream, room, place));
}

/// Says why, as far as the socket takes it at once, and closes.
fn refuse(stream: &TcpStream) {
    let text = "The server has as many connections as it takes.\n";
    let head = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain\r\n";
    let reply = format!("{head}Content-Length: {}\r\n\r\n{text}", text.len());
    let _ = stream.try_write(reply.as_bytes());
}

async fn serve(server: Arc<Server>, stream: TcpStream, room: Room, _place: Entered<Arc<Gauge>>) {
    let handler = server.clone();
    let service = service_fn(move |request| http::handle(handler.clone(), room, request));
    let stream = TokioIo::new(Patient::new(stream, PATIENCE));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(room == Room::Served)
        .header_read_timeout(if room == Room::Served { HEAD_TIMEOUT } else { SPARE_HEAD_TIMEOUT })
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(stream, service);
    let mut connection = pin!(connection);
    let mut registration = Registration { stop: &server.stop, id: None };
    let mut told = false;
    // How a connection ends is its client's affair; a broken one is not worth a line.
    let _ = poll_fn(|context| {
        registration.make(context);
        if server.stop.is_stopping() && !told {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    })
    .await;
}

/// A connection's place among those that are told of the stop.
struct Registration<'a> {
    stop: &'a Stop,
    id: Option<u64>,
}

impl Registration<'_> {
    /// Registers on the first poll: a task has one waker for all its life.
    fn make(&mut self, context: &Context<'_>) {
        if self.id.is_none() {
            self.id = Some(self.stop.register(context.waker().clone()));
        }
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.stop.forget(id);
        }
    }
}
