//! Amazon SQS as a pure state machine.
//!
//! The engine decides over small facts about queues and messages. It never reads a clock, a random number, a
//! file or a socket, and its state machine never sees a message body: that is a sealed [`rows::Blob`].

pub mod actions;
pub mod asks;
pub mod attributes;
pub mod batch;
pub mod catalogue;
pub mod command;
pub mod counts;
pub mod errors;
pub mod handle;
pub mod ids;
pub mod limits;
pub mod message;
pub mod policy;
pub mod queue;
pub mod redrive;
pub mod reply;
pub mod request;
pub mod rows;
pub mod slot;
pub mod transfer;
pub mod turn;

pub use actions::Action;
pub use asks::{Ask, Damage, Found, Page};
pub use counts::{Count, Counts};
pub use errors::{Code, Error};
pub use ids::{Entropy, Lane, Lsn, MessageId, MessageKey, Millis, QueueId, QueueName, Secret};
pub use reply::Reply;
pub use request::Request;
pub use rows::{Batch, Blob, Record, Row, RowKey};
