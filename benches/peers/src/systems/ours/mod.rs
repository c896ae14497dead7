//! deathwatch itself.

mod deaths;
mod latency;
mod messages;

use deathwatch::{ActorRef, Runtime, Starts};

use crate::tools::Measured;

/// A runtime that is never ended: the process is.
struct Stage(Runtime);

impl Stage {
    fn start<A: Starts<K>, K>(&self, actor: A) -> ActorRef<A> {
        self.0.start(actor).expect("the runtime runs")
    }
}

pub fn run(row: &str, n: u64, workers: usize) -> Measured {
    let stage = Box::leak(Box::new(Stage(Runtime::builder().workers(workers).build().expect("threads"))));
    if row.starts_with('M') {
        deaths::run(stage, row, n)
    } else if row.starts_with('L') {
        latency::run(stage, row, n)
    } else {
        messages::run(stage, row, n)
    }
}
