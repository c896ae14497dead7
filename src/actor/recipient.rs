//! A handle by which one kind of message can be sent.

use std::fmt;
use std::sync::Arc;

use super::common::{common, same_actor};
use super::handle::{ActorHandle, sealed};
use super::message::{Message, SendError, SentTo};
use super::post;
use super::request::Request;
#[cfg(feature = "tower")]
use super::service::ActorService;
use super::sink::ActorSink;
use super::stage::Stage;
use crate::cell::{CellRef, Strong};

/// A strong handle to an actor of any type that handles `M`.
///
/// ```
/// use deathwatch::{Recipient, prelude::*};
/// # struct Even; struct Odd;
/// # impl Actor for Even {} impl Actor for Odd {}
/// struct Ask; impl Message for Ask { type Reply = u32; }
/// impl Handler<Ask> for Even { async fn handle(&mut self, _: Ask, _: &Context<Self>) -> u32 { 2 } }
/// impl Handler<Ask> for Odd { async fn handle(&mut self, _: Ask, _: &Context<Self>) -> u32 { 1 } }
///
/// let all: [Recipient<Ask>; 2] = [Even.start().recipient(), Odd.start().recipient()];
/// let sum: u32 = all.iter().map(|one| one.request(Ask).wait().unwrap()).sum();
/// assert_eq!(sum, 3);
/// ```
#[doc(alias = "DerivedActorRef")]
#[doc(alias = "ReplyRecipient")]
pub struct Recipient<M: Message> {
    route: Arc<Box<dyn Route<M>>>,
}

trait Route<M: Message>: Send + Sync {
    fn send(&self, message: M) -> Result<(), SendError<M>>;
    fn send_placed(&self, message: M) -> Result<(), SendError<M>>;
    #[cfg(feature = "tower")]
    fn request_placed(&self, message: M) -> Request<M>;
    fn request(&self, message: M) -> Request<M>;
    fn handle(&self) -> ActorHandle;
    fn cell(&self) -> &CellRef;
}

struct To<A, K> {
    strong: Strong<Stage<A>>,
    mode: std::marker::PhantomData<fn(K)>,
}

impl<A: Send + 'static, K: 'static, M: SentTo<A, K>> Route<M> for To<A, K> {
    fn send(&self, message: M) -> Result<(), SendError<M>> {
        post::send(&self.strong, message)
    }

    fn send_placed(&self, message: M) -> Result<(), SendError<M>> {
        post::send_placed(&self.strong, message)
    }

    #[cfg(feature = "tower")]
    fn request_placed(&self, message: M) -> Request<M> {
        post::request_placed::<A, M, K>(&self.strong, message)
    }

    fn request(&self, message: M) -> Request<M> {
        post::request::<A, M, K>(&self.strong, message)
    }

    fn handle(&self) -> ActorHandle {
        ActorHandle::new(self.strong.erased())
    }

    fn cell(&self) -> &CellRef {
        self.strong.cell()
    }
}

impl<M: Message> Recipient<M> {
    pub(crate) fn new<A: Send + 'static, K: 'static>(strong: Strong<Stage<A>>) -> Self
    where
        M: SentTo<A, K>,
    {
        Recipient { route: Arc::new(Box::new(To { strong, mode: std::marker::PhantomData::<fn(K)> })) }
    }

    pub(crate) fn cell(&self) -> &CellRef {
        self.route.cell()
    }

    /// Sends a message whose place in a bounded mailbox is taken.
    pub(crate) fn send_placed(&self, message: M) -> Result<(), SendError<M>> {
        self.route.send_placed(message)
    }

    /// Asks with a message whose place in a bounded mailbox is taken.
    #[cfg(feature = "tower")]
    pub(crate) fn request_placed(&self, message: M) -> Request<M> {
        self.route.request_placed(message)
    }

    /// Sends a message; see [`ActorRef::send`](crate::ActorRef::send).
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(alias = "tell")]
    #[doc(alias = "cast")]
    #[doc(alias = "do_send")]
    pub fn send(&self, message: M) -> Result<(), SendError<M>> {
        self.route.send(message)
    }

    /// Asks for a reply; see [`ActorRef::request`](crate::ActorRef::request).
    #[doc(alias = "ask")]
    #[doc(alias = "call")]
    pub fn request(&self, message: M) -> Request<M> {
        self.route.request(message)
    }

    /// The actor as a [`Sink`](futures::Sink): for streams, and other code that is written for `futures`.
    ///
    /// ```
    /// use deathwatch::{Recipient, prelude::*};
    /// use futures::{SinkExt, executor::block_on};
    /// # struct Logger; impl Actor for Logger {}
    /// struct Line(String); impl Message for Line { type Reply = (); }
    /// # impl Handler<Line> for Logger { async fn handle(&mut self, _: Line, _: &Context<Self>) {} }
    ///
    /// let logger: Recipient<Line> = Logger.start().recipient();
    /// let mut sink = logger.clone().into_sink();
    /// block_on(sink.send(Line("begun".into()))).unwrap();
    /// logger.kill();
    /// logger.wait_exit().wait();
    /// let error = block_on(sink.send(Line("ended".into()))).unwrap_err();
    /// assert_eq!(error.to_string(), "not sent: the actor is dead (kill)");
    /// ```
    pub fn into_sink(self) -> ActorSink<M> {
        ActorSink::new(self)
    }

    /// The actor as a [`Service`](tower_service::Service): for tower's layers.
    #[cfg(feature = "tower")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
    pub fn into_service(self) -> ActorService<M> {
        ActorService::new(self)
    }

    /// A handle to the same actor that can stop it and wait for it.
    pub fn handle(&self) -> ActorHandle {
        self.route.handle()
    }

    common!();
}

impl<M: Message> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Recipient { route: Arc::clone(&self.route) }
    }
}

same_actor!(Recipient<M: Message>);

impl<M: Message> sealed::HasCell for Recipient<M> {
    fn cell_for(&self, _: sealed::Token) -> &CellRef {
        self.cell()
    }
}

impl<M: Message> fmt::Debug for Recipient<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient").field("id", &self.id()).finish()
    }
}
