//! The simulator: the production node, store and engine under one seed that fixes time, chance, the order of
//! disk completions, clients and faults; and a naive model of SQS that says which answers are allowed.

pub mod coverage;
pub mod disk;
pub mod faults;
pub mod late;
pub mod model;
pub mod options;
pub mod request;
pub mod rng;
pub mod runner;
pub mod searches;
pub mod shrink;
pub mod workload;
pub mod world;
