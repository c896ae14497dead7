//! A handle by which one kind of message can be sent.

use std::fmt;
use std::sync::Arc;

use super::common::{common, same_actor};
use super::handle::{ActorHandle, sealed};
use super::message::{Message, SendError, SentTo};
use super::post;
use super::request::Request;
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
pub struct Recipient<M: Message> {
    route: Arc<Box<dyn Route<M>>>,
}

trait Route<M: Message>: Send + Sync {
    fn send(&self, message: M) -> Result<(), SendError<M>>;
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

    fn cell(&self) -> &CellRef {
        self.route.cell()
    }

    /// Sends a message; see [`ActorRef::send`](crate::ActorRef::send).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send(&self, message: M) -> Result<(), SendError<M>> {
        self.route.send(message)
    }

    /// Asks for a reply; see [`ActorRef::request`](crate::ActorRef::request).
    pub fn request(&self, message: M) -> Request<M> {
        self.route.request(message)
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
