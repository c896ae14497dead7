//! What the compiler is held to, and what these types say of themselves.

use deathwatch::prelude::*;
use deathwatch::{ActorSink, Monitors};
use futures::{Sink, Stream};

use crate::support::Idle;

/// May be sent, but not shared.
struct SendOnly(#[allow(dead_code, reason = "for its type")] std::cell::Cell<u32>);
impl Message for SendOnly {
    type Reply = std::cell::Cell<u32>;
}
impl Handler<SendOnly> for Idle {
    async fn handle(&mut self, SendOnly(reply): SendOnly, _: &Context<Self>) -> std::cell::Cell<u32> {
        reply
    }
}

fn all<T: Clone + Send + Sync + Unpin + 'static>() {}

/// Sent to, shared with and moved on other threads, whatever the message is; and what other crates ask of them.
#[test]
fn types() {
    fn sink<T: Sink<SendOnly, Error = SendError<Option<SendOnly>>>>() {}
    fn stream<T: Stream<Item = Down> + Send + Unpin>() {}
    use deathwatch::SendError;
    all::<ActorSink<SendOnly>>();
    sink::<ActorSink<SendOnly>>();
    stream::<Monitors>();
    #[cfg(feature = "tower")]
    {
        use deathwatch::{ActorService, Request, RequestError};
        fn service<T>()
        where
            T: tower::Service<
                    SendOnly,
                    Response = std::cell::Cell<u32>,
                    Error = RequestError,
                    Future = Request<SendOnly>,
                >,
        {
        }
        all::<ActorService<SendOnly>>();
        service::<ActorService<SendOnly>>();
    }
}

/// In a log they say to whom they lead.
#[test]
fn texts() {
    let actor = Idle.start();
    let id = actor.id();
    assert_eq!(format!("{:?}", actor.sink::<SendOnly, _>()), format!("ActorSink {{ to: {id:?}, .. }}"));
    #[cfg(feature = "tower")]
    assert_eq!(format!("{:?}", actor.service::<SendOnly, _>()), format!("ActorService {{ to: {id:?}, .. }}"));
}
