//! Bodies: a request's, read within bounds, and a reply's, which knows whether anyone took it.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::door::Unseen;

/// The longest body that can be a valid request. A batch carries 1 MiB of content; JSON may write each byte
/// of it as `\u0009`, six bytes, and the query protocol as three. The rest is for names, Ids and what stands
/// around them.
pub const LONGEST: usize = 6 * engine::limits::BATCH_SIZE + LONGEST_AROUND;
const LONGEST_AROUND: usize = 1 << 20;
/// All bodies being read or served, together.
pub const ALL_BODIES: usize = 256 << 20;
/// A body must have arrived within this time.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Longer than [`LONGEST`].
    TooLong,
    /// It did not arrive in time.
    TooSlow,
    /// The client went away, or what it sent is not HTTP.
    Broken,
    /// [`ALL_BODIES`] are being held already.
    NoRoom,
}

/// The bytes that all bodies take at the moment.
#[derive(Debug, Default)]
pub struct Budget(AtomicUsize);

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    /// Nothing yet.
    pub fn of(budget: &Arc<Budget>) -> Share {
        Share { budget: budget.clone(), bytes: 0 }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Unread> {
        self.bytes += bytes;
        let before = self.budget.0.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > ALL_BODIES { Err(Unread::NoRoom) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads a body whole; `share` holds its bytes until it is dropped.
pub async fn read(body: Incoming, share: &mut Share) -> Result<Bytes, Unread> {
    if body.size_hint().lower() > LONGEST as u64 {
        return Err(Unread::TooLong);
    }
    tokio::time::timeout(READ_TIMEOUT, collect(body, share)).await.unwrap_or(Err(Unread::TooSlow))
}

async fn collect(body: Incoming, share: &mut Share) -> Result<Bytes, Unread> {
    let mut body = pin!(body);
    // Most bodies come in one piece, which is then not copied.
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        share.grow(data.len())?;
        if share.bytes > LONGEST {
            return Err(Unread::TooLong);
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        whole.extend_from_slice(&std::mem::take(&mut first));
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// A reply's body: one piece, its length known, so that every reply carries Content-Length.
pub struct Reply {
    bytes: Option<Bytes>,
    unseen: Option<Unseen>,
}

impl Reply {
    /// Of these bytes. `unseen` is dropped, and so undone, if hyper drops the reply without writing it.
    pub fn new(bytes: impl Into<Bytes>, unseen: Option<Unseen>) -> Reply {
        let bytes: Bytes = bytes.into();
        let mut reply = Reply { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()), unseen };
        if reply.bytes.is_none() {
            // hyper never asks for the frames of an empty body.
            reply.seen();
        }
        reply
    }

    fn seen(&mut self) {
        if let Some(unseen) = &mut self.unseen {
            unseen.seen();
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.seen();
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
