//! One module per system, each with the same rows, written as its users would for speed.

mod by_hand;
mod ours;
#[cfg(feature = "crates")]
mod with_actix;
#[cfg(feature = "crates")]
mod with_kameo;
#[cfg(feature = "crates")]
mod with_ractor;
#[cfg(feature = "crates")]
mod with_spawned;
#[cfg(feature = "crates")]
mod with_xtra;

use crate::tools::Measured;

pub fn run(system: &str, row: &str, n: u64, workers: usize) -> Measured {
    match system {
        "deathwatch" => ours::run(row, n, workers),
        "tokio" => by_hand::run(row, n, workers),
        "tokio-std" => by_hand::run_hashed(row, n, workers),
        #[cfg(feature = "crates")]
        "actix" => with_actix::run(row, n),
        #[cfg(feature = "crates")]
        "kameo" => with_kameo::run(by_hand::runtime(workers), row, n),
        #[cfg(feature = "crates")]
        "spawned" => with_spawned::run(by_hand::runtime(workers), row, n),
        #[cfg(feature = "crates")]
        "xtra" => with_xtra::run(by_hand::runtime(workers), row, n),
        #[cfg(feature = "crates")]
        "ractor" => with_ractor::run(by_hand::runtime(workers), row, n),
        _ => Err("not built in"),
    }
}
