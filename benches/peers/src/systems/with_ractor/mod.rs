//! ractor, with its feature `monitors`. A monitor joins a pair of actors once and has no reference: rows that need more
//! than one between two actors cannot be.

mod deaths;
mod messages;

use ractor::{Actor, ActorRef};
use tokio::runtime::Runtime;

use crate::tools::Measured;

async fn start<A: Actor>(actor: A, arguments: A::Arguments) -> ActorRef<A::Msg> {
    Actor::spawn(None, actor, arguments).await.expect("it starts").0
}

pub fn run(runtime: &'static Runtime, row: &str, n: u64) -> Measured {
    match row.as_bytes()[0] {
        b'M' => runtime.block_on(deaths::run(row, n)),
        b'W' => messages::run(runtime, row, n),
        _ => Err("measured for deathwatch and tokio only"),
    }
}
