//! Measuring Sluice: over loopback, a closed-loop load and what it costs the process that serves it; in this
//! process, store and node beside the raw ceiling of the disk.

pub mod alone;
pub mod arguments;
pub mod ceiling;
pub mod client;
pub mod desk;
pub mod device;
pub mod load;
pub mod local;
pub mod measure;
pub mod own;
pub mod phase;
pub mod process;
pub mod requests;

#[global_allocator]
static ALLOCATOR: server::Allocator = server::Allocator;
