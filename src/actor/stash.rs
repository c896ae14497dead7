//! Messages that an actor puts aside.

use std::fmt;

use super::message::{Again, SentTo, Told};
use super::stage::Stage;
use crate::cell::CellRef;
use crate::mailbox::node::Unopened;
use crate::mailbox::parcel::Parcel;
use crate::mailbox::shelf::Shelf;

/// Messages that an actor has put aside, to be handled later: a value that the actor owns, with a bound.
///
/// An actor that returns one from [`Actor::stash`](crate::tasks::Actor::stash) may
/// [`postpone`](crate::tasks::Handler::postpone) any message that it handles: what is sent, requests with their reply still
/// pending, [`Down`](crate::Down)s, what streams bring, what timers send. (Not an [`Exit`](crate::Exit), which is always handled in its turn.) When it has [let them go](Self::unstash_all), and its
/// handler or hook is done, they stand before everything else in the mailbox, but for [`Down`](crate::Down)s that
/// [overtake](crate::Context::monitor_priority), in the order in which they came.
///
/// ```
/// use deathwatch::{Stash, prelude::*};
///
/// /// Answers queries once it has been opened.
/// struct Store { open: bool, stash: Stash<Self> }
/// impl Actor for Store {
///     fn stash(&mut self) -> Option<&mut Stash<Self>> {
///         Some(&mut self.stash)
///     }
/// }
///
/// struct Open; impl Message for Open { type Reply = (); }
/// impl Handler<Open> for Store {
///     async fn handle(&mut self, _: Open, _: &Context<Self>) {
///         self.open = true;
///         self.stash.unstash_all();
///     }
/// }
///
/// struct Query; impl Message for Query { type Reply = Result<u32, &'static str>; }
/// impl Handler<Query> for Store {
///     fn postpone(&self, _: &Query) -> bool {
///         !self.open
///     }
///     async fn handle(&mut self, _: Query, _: &Context<Self>) -> Result<u32, &'static str> {
///         if self.open { Ok(42) } else { Err("busy") } // the stash is full
///     }
/// }
///
/// let store = Store { open: false, stash: Stash::bounded(1) }.start();
/// let early = store.request(Query);
/// assert_eq!(store.request(Query).wait(), Ok(Err("busy")));
/// store.send(Open).unwrap();
/// assert_eq!(early.wait(), Ok(Ok(42)));
/// ```
///
/// # What becomes of them
///
/// - A message that finds the stash full is handled after all: the handler sees in which state it is called, and says what there
///   is to say.
/// - When the actor dies, they are dropped, and requests fail with its reason. A stash keeps nobody running.
/// - A stash that is cleared, dropped or replaced while its actor lives drops them, too; requests fail with
///   [`RequestError::Full`](crate::RequestError::Full).
/// - A [`Down`](crate::Down) is still exact: until it is handled, `demonitor` takes it back, and answers
///   [`Flushed`](crate::Demonitor::Flushed). What was detached, came by an alias that is over, or is
///   of a group no longer monitored, is dropped unseen as well.
///   (A timer has fired when its message was put aside.)
/// - They hold no place in a bounded mailbox: that was given back when they came.
#[doc(alias = "defer")]
#[doc(alias = "selective receive")]
pub struct Stash<A> {
    shelf: Shelf<Stage<A>>,
    /// Whose messages they are.
    owner: Option<CellRef>,
}

impl<A> Stash<A> {
    /// An empty one, for so many messages. With 0, nothing is ever put aside.
    pub fn bounded(capacity: usize) -> Self {
        Stash { shelf: Shelf::new(capacity), owner: None }
    }

    /// How many messages are in it.
    pub fn len(&self) -> usize {
        self.shelf.len()
    }

    /// Is there none in it?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there no room for another?
    pub fn is_full(&self) -> bool {
        !self.shelf.has_room()
    }

    /// How many messages it takes.
    pub fn capacity(&self) -> usize {
        self.shelf.capacity()
    }

    /// Lets all messages go; how many. They are handled next, before what is in the mailbox, when the handler or hook that
    /// calls this is done.
    pub fn unstash_all(&mut self) -> usize {
        self.shelf.free_all()
    }

    /// Lets the oldest message go; false when there is none. Of several calls in one handler, the first is for what is
    /// handled first.
    pub fn unstash_one(&mut self) -> bool {
        self.shelf.free_one()
    }

    /// Drops all messages. Requests among them fail with [`RequestError::Full`](crate::RequestError::Full).
    pub fn clear(&mut self) {
        self.shelf.clear(self.why());
    }

    fn why(&self) -> Unopened {
        match &self.owner {
            Some(owner) if !owner.life.read().ending() => Unopened::Displaced,
            _ => Unopened::Dying,
        }
    }

    /// Room for one more message of this actor's.
    pub(crate) fn room(&mut self, owner: CellRef) -> Option<&mut Shelf<Stage<A>>> {
        if !self.shelf.has_room() {
            return None;
        }
        self.owner.get_or_insert(owner);
        Some(&mut self.shelf)
    }

    /// For the turn, which puts what was let go before the mailbox.
    pub(crate) fn shelf(&mut self) -> &mut Shelf<Stage<A>> {
        &mut self.shelf
    }
}

impl<A: Send + 'static> Stash<A> {
    /// Puts a message in: from a handler that has taken it already. Its reply, when it is handled later, is dropped. (Where there
    /// is one to be given, [`postpone`](crate::tasks::Handler::postpone) keeps it pending.)
    ///
    /// # Errors
    ///
    /// [`StashFull`], with the message.
    pub fn push<M: SentTo<A, K>, K: 'static>(&mut self, message: M) -> Result<(), StashFull<M>> {
        if self.is_full() {
            return Err(StashFull { message });
        }
        self.shelf.keep(Parcel::seal(Again(Told::<M, K>::new(message))).into_parcel());
        Ok(())
    }
}

impl<A> Drop for Stash<A> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<A> fmt::Debug for Stash<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stash").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

/// A message could not be put into a [`Stash`]: it is full. The message comes back.
pub struct StashFull<M> {
    /// What was to be put in.
    pub message: M,
}

impl<M> StashFull<M> {
    /// The message that was not put in.
    pub fn into_message(self) -> M {
        self.message
    }
}

impl<M> fmt::Debug for StashFull<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StashFull").finish_non_exhaustive()
    }
}

impl<M> fmt::Display for StashFull<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not put aside: the stash is full")
    }
}

impl<M> std::error::Error for StashFull<M> {}
