//! The slot with made-up time, rule by rule: what SQS's consumers and producers see, what a restart finds, and
//! what pages that come late may not do.

mod common;
mod errors;
mod expiry;
mod fifo;
mod late_pages;
mod limits;
mod long_poll;
mod moves;
mod random;
mod receive;
mod restart;
mod send;
