//! Topics: messages for whoever wants them.

use std::fmt;
use std::sync::Arc;

use super::core::Core;
use super::errors::JoinError;
use crate::actor::actor_ref::ActorRef;
use crate::actor::handle::{ActorHandle, Target, cell_of};
use crate::actor::message::{Message, SentTo};
use crate::actor::post;
use crate::actor::stage::Stage;
use crate::cell::CellRef;

/// How a message gets to one subscriber.
type Way<M> = fn(&CellRef, M) -> bool;

/// A topic, on which messages of one type are published to its subscribers: actors of any types and modes that handle it.
///
/// A subscription keeps nobody alive; who dies is no subscriber any more, before anybody is told of the death. This is a
/// handle: clones are the same topic. A topic [of its own](Self::new) or one that everybody finds by a key
/// ([`Groups::topic`](crate::Groups::topic)).
///
/// ```
/// use deathwatch::{Topic, prelude::*};
/// #[derive(Clone)] struct Price(u64);
/// impl Message for Price { type Reply = (); }
///
/// struct Chart(Vec<u64>);
/// impl Actor for Chart {}
/// impl Handler<Price> for Chart {
///     async fn handle(&mut self, Price(price): Price, _: &Context<Self>) { self.0.push(price) }
/// }
/// struct Alarm;
/// impl Actor for Alarm {}
/// impl Handler<Price> for Alarm {
///     async fn handle(&mut self, Price(price): Price, ctx: &Context<Self>) { if price > 100 { ctx.stop() } }
/// }
///
/// let prices = Topic::new();
/// let (chart, alarm) = (Chart(Vec::new()).start(), Alarm.start());
/// prices.subscribe(&chart)?;
/// prices.subscribe(&alarm)?;
/// assert_eq!(prices.publish(Price(101)), 2);
/// alarm.wait_exit().wait();
/// assert_eq!(prices.publish(Price(99)), 1);
/// # Ok::<(), deathwatch::JoinError>(())
/// ```
#[doc(alias = "pubsub")]
#[doc(alias = "PubSub")]
#[doc(alias = "broadcast")]
#[doc(alias = "Broker")]
pub struct Topic<M: Message + Clone> {
    pub(super) core: Arc<Core<Way<M>>>,
}

impl<M: Message + Clone> Clone for Topic<M> {
    /// Another handle to the same topic.
    fn clone(&self) -> Self {
        Topic { core: Arc::clone(&self.core) }
    }
}

impl<M: Message + Clone> Default for Topic<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Message + Clone> PartialEq for Topic<M> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }
}

impl<M: Message + Clone> Eq for Topic<M> {}

fn send<A, M, K>(subscriber: &CellRef, message: M) -> bool
where
    A: Send + 'static,
    M: SentTo<A, K>,
    K: 'static,
{
    subscriber.address::<Stage<A>>().is_some_and(|address| post::send(&address, message).is_ok())
}

impl<M: Message + Clone> Topic<M> {
    /// A topic of its own, without subscribers.
    pub fn new() -> Self {
        Topic { core: Core::new() }
    }

    /// What it is called among its [`Groups`](crate::Groups), if it is one of them.
    pub fn name(&self) -> Option<&str> {
        self.core.name()
    }

    /// Has an actor sent what is published from now on. False when it is already: it gets each message once, and one
    /// [`unsubscribe`](Self::unsubscribe) ends that.
    ///
    /// # Errors
    ///
    /// [`JoinError`] when the actor is dead.
    pub fn subscribe<A, K>(&self, actor: &ActorRef<A>) -> Result<bool, JoinError>
    where
        A: Send + 'static,
        M: SentTo<A, K>,
        K: 'static,
    {
        self.core.join(cell_of(actor), send::<A, M, K>)
    }

    /// Ends a subscription; false when there was none. What is in the mailbox is handled all the same.
    pub fn unsubscribe(&self, actor: &impl Target) -> bool {
        self.core.leave(cell_of(actor))
    }

    /// Sends a message to all subscribers. Never waits. Returns how many mailboxes took it: not those that are full.
    ///
    /// Each subscriber gets what one thread or actor publishes in that order.
    pub fn publish(&self, message: M) -> usize {
        let subscribers = self.core.members.all();
        subscribers.into_iter().filter(|(_, cell, send)| send(cell, message.clone())).count()
    }

    /// The subscribers, in no particular order.
    pub fn subscribers(&self) -> Vec<ActorHandle> {
        self.core.handles()
    }

    /// How many subscribers there are. (One that has just died may still be counted.)
    pub fn len(&self) -> usize {
        self.core.members.len()
    }

    /// Has it no subscriber?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<M: Message + Clone> fmt::Debug for Topic<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("name", &self.name()).field("len", &self.len()).finish()
    }
}
