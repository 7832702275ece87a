//! The node: turns, held replies, waiters and timers around the state machines, without sockets, clock or threads.

use engine::command::{Caller, Undo};
use engine::{Error, Reply, Request};

/// Names a client's request until its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What happens to a node from outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client's request. Ids rise and are never reused within one run.
    Request {
        /// Its number.
        id: RequestId,
        /// Who asks.
        principal: auth::Principal,
        /// The region its credential scope names, or the server's own.
        region: String,
        /// What is asked.
        request: Request,
    },
    /// The client of this request is gone, and its reply has not come out yet.
    Gone(RequestId),
    /// The client was gone when this reply came out: nobody saw it.
    Undo(Vec<Undo>),
}

/// What a node lets out.
#[derive(Clone, Debug)]
pub enum Output {
    /// The reply to a request; everything it rests on is durable.
    Reply {
        /// Which request.
        id: RequestId,
        /// The reply, or the error.
        result: Result<Reply, Error>,
        /// To be given back as `Input::Undo` if the client is gone before the reply is written.
        undo: Vec<Undo>,
    },
    /// The store has failed: the process must stop, loudly, with this text.
    Fatal(String),
}

#[expect(unused, reason = "until the node is written")]
fn _vocabulary(_: Caller) {}
