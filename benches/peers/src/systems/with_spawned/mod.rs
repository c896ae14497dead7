//! spawned-concurrency. A monitor is what it offers for that: `send_message_on` the end of the target, a task or a thread
//! each.

mod deaths;
mod messages;

use tokio::runtime::Runtime;

use crate::tools::Measured;

pub fn run(runtime: &'static Runtime, row: &str, n: u64) -> Measured {
    let _entered = runtime.enter();
    match row.as_bytes()[0] {
        b'M' => deaths::run(runtime, row, n),
        b'W' => messages::run(runtime, row, n),
        _ => Err("measured for deathwatch and tokio only"),
    }
}
