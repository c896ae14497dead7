//! What the compiler is held to.

use deathwatch::tasks::{Actor, Handler, Tasks};
use deathwatch::{
    Context, Message, OwnQueues, Pool, PoolBuilder, PoolError, PoolSend, PoolStats, Request, SharedQueue,
    Stash, StashFull, StateMachine, StateTimeout, States,
};

/// May be sent, but not shared.
struct SendOnly(#[allow(dead_code, reason = "for its type")] std::cell::Cell<u32>);
impl Message for SendOnly {
    type Reply = SendOnly;
}
impl Actor for SendOnly {}
impl Handler<SendOnly> for SendOnly {
    async fn handle(&mut self, message: SendOnly, _: &Context<Self>) -> SendOnly {
        message
    }
}

struct Machine(States<Self>);
impl StateMachine for Machine {
    type State = u32;
    fn states(&mut self) -> &mut States<Self> {
        &mut self.0
    }
}

fn send<T: Send>() {}
fn all<T: Send + Sync + Unpin>() {}
fn error<T: std::error::Error + Send + Sync + Unpin + 'static>() {}
fn debug<T: std::fmt::Debug>() {}

/// What is public can be sent and shared, whatever the actor and the message are.
#[test]
fn threads() {
    all::<Pool<SendOnly>>();
    all::<Pool<SendOnly, SharedQueue>>();
    all::<PoolStats>();
    send::<PoolBuilder<SendOnly, OwnQueues>>();
    send::<PoolSend<SendOnly, SendOnly, Tasks>>();
    all::<Request<SendOnly>>();
    all::<Stash<SendOnly>>();
    all::<States<Machine>>();
    all::<StateTimeout>();
    error::<PoolError>();
    error::<StashFull<u32>>();
    debug::<Pool<SendOnly>>();
    debug::<Stash<SendOnly>>();
    debug::<States<Machine>>();
}

/// A handle to a pool is one pointer wide.
#[test]
fn sizes() {
    assert_eq!(size_of::<Pool<SendOnly>>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Pool<SendOnly, SharedQueue>>>(), size_of::<usize>());
}

/// A pool has from 1 to 1,024 workers, and queues that can be.
#[test]
fn sizes_that_cannot_be() {
    use deathwatch::{Mailbox, OnFull, StartError};
    let builder = || Pool::builder(|_| SendOnly(Default::default()));
    for size in [0, 1025] {
        assert!(matches!(builder().workers(size).start(), Err(PoolError::Size(is)) if is == size));
    }
    let queue = Mailbox::bounded(0, OnFull::Reject);
    assert!(matches!(builder().queue(queue).start(), Err(PoolError::Start(StartError::Capacity(0)))));
    let pool = builder().start().unwrap();
    assert!(matches!(pool.resize(0), Err(PoolError::Size(0))));
    assert!(matches!(pool.resize(1025), Err(PoolError::Size(1025))));
}
