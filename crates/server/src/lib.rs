//! Sluice's server: sockets, configuration, threads, metrics; everything around the node.

pub mod body;
pub mod clock;
pub mod control;
pub mod door;
pub mod flags;
pub mod health;
pub mod http;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod open;
pub mod patient;
pub mod random;
pub mod real;
pub mod server;
pub mod settings;
pub mod stop;
pub mod tools;

/// What `sluice` and the programs that measure it allocate with; see decision 9.
#[cfg(all(feature = "jemalloc", target_arch = "x86_64", target_os = "linux"))]
pub use tikv_jemallocator::Jemalloc as Allocator;

/// What `sluice` and the programs that measure it allocate with: the system's.
#[cfg(not(all(feature = "jemalloc", target_arch = "x86_64", target_os = "linux")))]
pub use std::alloc::System as Allocator;
