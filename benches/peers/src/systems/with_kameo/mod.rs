//! kameo, with unbounded mailboxes. Its links stand for monitors: they join a pair of actors once, both ways, and have no
//! reference, so rows that need more than one between two actors cannot be.

mod deaths;
mod messages;

use kameo::actor::{Actor, ActorRef, Spawn};
use kameo::mailbox;
use tokio::runtime::Runtime;

use crate::tools::Measured;

/// An actor whose arguments are its value.
macro_rules! plain {
    ($($actor:ty)*) => { $(
        impl kameo::Actor for $actor {
            type Args = Self;
            type Error = kameo::error::Infallible;
            async fn on_start(actor: Self, _: kameo::actor::ActorRef<Self>) -> Result<Self, Self::Error> {
                Ok(actor)
            }
        }
    )* };
}
use plain;

fn start<A: Actor<Args = A>>(actor: A) -> ActorRef<A> {
    A::spawn_with_mailbox(actor, mailbox::unbounded())
}

pub fn run(runtime: &'static Runtime, row: &str, n: u64) -> Measured {
    let _entered = runtime.enter();
    match row.as_bytes()[0] {
        b'M' => runtime.block_on(deaths::run(row, n)),
        b'W' => messages::run(runtime, row, n),
        _ => Err("measured for deathwatch and tokio only"),
    }
}
