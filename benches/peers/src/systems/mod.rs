//! One module per system, each with the same rows, written as its users would for speed.

mod by_hand;
mod ours;
mod with_kameo;
mod with_ractor;

use crate::tools::Measured;

pub fn run(system: &str, row: &str, n: u64, workers: usize) -> Measured {
    match system {
        "deathwatch" => ours::run(row, n, workers),
        "tokio" => by_hand::run(row, n, workers),
        "kameo" => with_kameo::run(by_hand::runtime(workers), row, n),
        "ractor" => with_ractor::run(by_hand::runtime(workers), row, n),
        _ => Err("no such system"),
    }
}
