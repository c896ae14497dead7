//! One module per system, each with the same rows, written as its users would for speed.

mod by_hand;
mod ours;
mod with_actix;
mod with_kameo;
mod with_ractor;
mod with_spawned;
mod with_xtra;

use crate::tools::Measured;

pub fn run(system: &str, row: &str, n: u64, workers: usize) -> Measured {
    match system {
        "deathwatch" => ours::run(row, n, workers),
        "tokio" => by_hand::run(row, n, workers),
        "actix" => with_actix::run(row, n),
        "kameo" => with_kameo::run(by_hand::runtime(workers), row, n),
        "spawned" => with_spawned::run(by_hand::runtime(workers), row, n),
        "xtra" => with_xtra::run(by_hand::runtime(workers), row, n),
        "ractor" => with_ractor::run(by_hand::runtime(workers), row, n),
        _ => Err("no such system"),
    }
}
