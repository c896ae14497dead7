//! xtra, with unbounded mailboxes. It tells of an actor's end by a future: a monitor is a task that waits for it.

mod deaths;
mod messages;

use tokio::runtime::Runtime;
use xtra::refcount::RefCounter;
use xtra::{Actor, Address, Handler, Mailbox};

use crate::tools::Measured;

/// An actor that does nothing at its end.
macro_rules! plain {
    ($($actor:ty)*) => { $(
        impl xtra::Actor for $actor {
            type Stop = ();
            async fn stopped(self) {}
        }
    )* };
}
use plain;

fn start<A: Actor<Stop = ()>>(actor: A) -> Address<A> {
    xtra::spawn_tokio(actor, Mailbox::unbounded())
}

/// Sends, and does not wait for the reply.
async fn tell<A: Handler<M>, M: Send + 'static>(to: &Address<A, impl RefCounter>, message: M) {
    drop(to.send(message).detach().await.expect("it lives"));
}

pub fn run(runtime: &'static Runtime, row: &str, n: u64) -> Measured {
    let _entered = runtime.enter();
    match row.as_bytes()[0] {
        b'M' => deaths::run(runtime, row, n),
        b'W' => messages::run(runtime, row, n),
        _ => Err("measured for deathwatch and tokio only"),
    }
}
