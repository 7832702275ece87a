//! Measuring Sluice over loopback: a closed-loop load, and what it costs the process that serves it.

pub mod arguments;
pub mod client;
pub mod load;
pub mod process;
