//! What one writes without an actor crate: a tokio task and an unbounded channel per actor, oneshot replies, and monitors
//! by a map under a mutex on each side.

mod deaths;
mod latency;
mod life;
mod messages;

use tokio::runtime::{Builder, Runtime};

use crate::tools::Measured;

/// A runtime that is never ended: the process is.
pub fn runtime(workers: usize) -> &'static Runtime {
    let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("threads");
    Box::leak(Box::new(runtime))
}

/// As [`run`], with maps that hash as they do when nobody chooses a hash; nothing else differs.
pub fn run_hashed(row: &str, n: u64, workers: usize) -> Measured {
    if !row.starts_with('M') {
        return Err("as tokio: it has no map here");
    }
    life::hash_as_std();
    run(row, n, workers)
}

pub fn run(row: &str, n: u64, workers: usize) -> Measured {
    let runtime = runtime(workers);
    let _entered = runtime.enter();
    if row.starts_with('M') {
        deaths::run(row, n)
    } else if row.starts_with('L') {
        latency::run(row, n)
    } else {
        messages::run(row, n)
    }
}
