//! The floor: the server's HTTP stack with nothing behind it. It reads and parses each request, works out who
//! sends it, and answers a constant reply. What Sluice costs above this is what queues and durability cost.
//!
//!     floor --port 9400

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bench::arguments::{Arguments, stop};
use engine::reply::SentMessage;
use engine::{MessageId, QueueName, Request};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use server::body::{self, Budget, Reply, Share};
use server::listen::{BUFFER_BYTES, HEAD_TIMEOUT};
use server::patient::{PATIENCE, Patient};
use server::random::Source;
use tokio::net::{TcpListener, TcpStream};
use wire::{Head, UrlBase};

/// What all connections share.
struct Floor {
    bodies: Arc<Budget>,
    random: Source,
    defaults: auth::Defaults,
}

fn main() {
    let arguments = Arguments::read("floor [--port 9400]");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let served = runtime.and_then(|runtime| runtime.block_on(serve(arguments.get("port", 9400))));
    if let Err(error) = served {
        stop(&error.to_string());
    }
}

async fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("floor ready on http://{}", listener.local_addr()?);
    let defaults = auth::Defaults { account: "000000000000".to_owned(), region: "us-east-1".to_owned() };
    let floor = Arc::new(Floor { bodies: Arc::default(), random: Source::new()?, defaults });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(connection(floor.clone(), stream));
    }
}

async fn connection(floor: Arc<Floor>, stream: TcpStream) {
    let service = service_fn(move |request| answer(floor.clone(), request));
    let stream = TokioIo::new(Patient::new(stream, PATIENCE));
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(stream, service)
        .await;
}

async fn answer(floor: Arc<Floor>, request: hyper::Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    let (parts, body) = request.into_parts();
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let head = Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        content_type: text(header::CONTENT_TYPE),
        target: text(HeaderName::from_static("x-amz-target")),
        accept: text(header::ACCEPT),
        trace_id: text(HeaderName::from_static("x-amzn-trace-id")),
    };
    let mut share = Share::of(&floor.bodies);
    let body = body::read(body, &mut share).await.unwrap_or_default();
    let identity = auth::identify(text(header::AUTHORIZATION), None, &floor.defaults);
    let request_id = floor.random.request_id();
    let base = UrlBase::new("http://127.0.0.1");
    let encoded = match wire::decode(&head, &body) {
        Ok(decoded) => {
            std::hint::black_box(&identity);
            wire::encode(decoded.protocol, &Ok(constant(&decoded.request)), &request_id, &base)
        }
        Err(refused) => wire::encode_error(refused.protocol, &refused.error, &request_id),
    };
    let mut reply = Response::new(Reply::new(encoded.body, None));
    *reply.status_mut() = StatusCode::from_u16(encoded.status).unwrap_or_default();
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(encoded.content_type));
    for (name, value) in encoded.headers {
        reply
            .headers_mut()
            .extend(HeaderValue::try_from(value).map(|value| (HeaderName::from_static(name), value)));
    }
    Ok(reply)
}

/// Enough of a service for the load program: a queue that is always there, and one reply to all else.
fn constant(request: &Request) -> engine::Reply {
    match request {
        Request::CreateQueue { queue_name, .. } => {
            let account = "000000000000".to_owned();
            let queue = QueueName { account, region: String::new(), name: queue_name.clone() };
            engine::Reply::CreateQueue { queue }
        }
        Request::DeleteQueue { .. } => engine::Reply::DeleteQueue,
        _ => engine::Reply::SendMessage(SentMessage {
            message_id: MessageId(0x1234_5678_9abc_4def_8123_4567_89ab_cdef),
            md5_of_message_body: engine::message::Md5([0; 16]),
            md5_of_message_attributes: None,
            md5_of_message_system_attributes: None,
            sequence_number: None,
        }),
    }
}
