//! Addresses that can be taken back.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::message::{Message, SendError, SentTo, handle, unless_postponed};
use super::post;
use super::stage::Stage;
use crate::cell::{Address, CellRef};
use crate::guard;
use crate::id::{ActorId, MonitorRef};
use crate::mailbox::parcel::Letter;
use crate::monitor::Demonitor;
use crate::monitor::entry::{demonitor, is_on};
use crate::observe::{self, Rejection};
use crate::structs::future::SlotFuture;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Until when an [`Alias`] is active. In each case [`Context::unalias`](crate::Context::unalias), and the death of its actor, end
/// it as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AliasUntil {
    /// It is taken back.
    Unalias,
    /// The first message that came by it is handled.
    First,
    /// The monitor has ended: it was taken back, or its [`Down`](crate::Down) is handled.
    Demonitor(MonitorRef),
    /// As [`Demonitor`](Self::Demonitor), and as [`First`](Self::First), which takes the monitor back: either the first
    /// message is handled or the `Down`, never both.
    Reply(MonitorRef),
}

impl AliasUntil {
    fn monitor(self) -> Option<MonitorRef> {
        match self {
            AliasUntil::Unalias | AliasUntil::First => None,
            AliasUntil::Demonitor(monitor) | AliasUntil::Reply(monitor) => Some(monitor),
        }
    }
}

/// An address of an actor for one kind of message, which the actor can take back; see
/// [`Context::alias`](crate::Context::alias).
///
/// What is sent by an alias that is not active is not handled, whether it ended before the sending, while the message stood in
/// the mailbox, or while the actor had [postponed](crate::tasks::Handler::postpone) it. It does not keep its actor running.
pub struct Alias<M: Message> {
    route: Arc<dyn Route<M>>,
}

trait Route<M: Message>: Send + Sync {
    fn send(self: Arc<Self>, message: M) -> Result<(), SendError<M>>;
    fn owner(&self) -> &CellRef;
    fn state(&self) -> &State;
}

/// Whether what comes by an alias is handled.
///
/// It is its actor that asks [`admits`](Self::admits) and ends it; anybody may look, and take the monitor back on which it rests.
pub struct State {
    until: AliasUntil,
    /// Neither taken back, nor used up.
    on: AtomicBool,
}

struct To<A, K> {
    address: Address<Stage<A>>,
    state: State,
    mode: PhantomData<fn(K)>,
}

impl State {
    /// Of an alias that is active.
    pub fn new(until: AliasUntil) -> Self {
        State { until, on: AtomicBool::new(true) }
    }

    /// Has it not ended?
    pub fn is_active(&self, owner: &CellRef) -> bool {
        // ORDERING: Relaxed: what counts is the order of this one word, which nothing else is read on the strength of.
        self.on.load(Ordering::Relaxed) && self.until.monitor().is_none_or(|monitor| is_on(owner, monitor))
    }

    /// A message has its turn: is it handled?
    pub fn admits(&self, owner: &CellRef) -> bool {
        match self.until {
            AliasUntil::Unalias | AliasUntil::Demonitor(_) => self.is_active(owner),
            AliasUntil::First => self.switch_off(),
            AliasUntil::Reply(monitor) => {
                self.switch_off() && !matches!(demonitor(owner, monitor), Demonitor::Unknown)
            }
        }
    }

    /// Ends it. Had nobody done so before?
    pub fn switch_off(&self) -> bool {
        // ORDERING: Relaxed: see `is_active`. Who knows that this has returned, and then looks, finds false.
        self.on.swap(false, Ordering::Relaxed)
    }
}

impl<A: Send + 'static, K: 'static, M: SentTo<A, K>> Route<M> for To<A, K> {
    fn send(self: Arc<Self>, message: M) -> Result<(), SendError<M>> {
        let owner = self.address.cell();
        if !owner.inbox.is_closed() && !self.state.is_active(owner) {
            observe::rejected(Rejection::NoAlias);
            return Err(SendError::NoAlias { message });
        }
        let address = self.address.clone();
        post::letter(&address, Aliased { to: self, message }).map_err(|error| error.map(|it| it.message))
    }

    fn owner(&self) -> &CellRef {
        self.address.cell()
    }

    fn state(&self) -> &State {
        &self.state
    }
}

/// A message that came by an alias.
struct Aliased<A, K, M> {
    to: Arc<To<A, K>>,
    message: M,
}

impl<A: Send + 'static, K: 'static, M: SentTo<A, K>> Letter<Stage<A>> for Aliased<A, K, M> {
    const COUNTED: bool = true;

    fn open<'a>(self, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        // What is over takes no place among what is postponed.
        if !self.to.state.is_active(self.to.address.cell()) {
            guard::drop_quietly(self.message);
            return SlotFuture::ready();
        }
        let Some(Aliased { to, message }) = unless_postponed(self, |it| &it.message, stage) else {
            return SlotFuture::ready();
        };
        if !to.state.admits(to.address.cell()) {
            guard::drop_quietly(message);
            return SlotFuture::ready();
        }
        handle(message, stage, guard::drop_quietly)
    }
}

impl<M: Message> Alias<M> {
    pub(crate) fn new<A: Send + 'static, K: 'static>(address: Address<Stage<A>>, until: AliasUntil) -> Self
    where
        M: SentTo<A, K>,
    {
        Alias { route: Arc::new(To { address, state: State::new(until), mode: PhantomData::<fn(K)> }) }
    }

    /// Sends a message to the actor whose alias this is.
    ///
    /// That it was sent does not mean that it will be handled: the alias may end before its turn comes.
    ///
    /// # Errors
    ///
    /// [`SendError::NoAlias`] when the alias is not active any more; otherwise as
    /// [`ActorRef::send`](crate::ActorRef::send).
    pub fn send(&self, message: M) -> Result<(), SendError<M>> {
        Arc::clone(&self.route).send(message)
    }

    /// Is it active? If not, it never will be again.
    pub fn is_active(&self) -> bool {
        self.route.owner().reason().is_none() && self.route.state().is_active(self.route.owner())
    }

    /// Whose alias it is.
    pub fn id(&self) -> ActorId {
        self.route.owner().id
    }

    /// Was it active?
    pub(crate) fn take_back(&self) -> bool {
        let was = self.is_active();
        self.route.state().switch_off() && was
    }
}

impl<M: Message> Clone for Alias<M> {
    fn clone(&self) -> Self {
        Alias { route: Arc::clone(&self.route) }
    }
}

impl<M: Message> fmt::Debug for Alias<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alias")
            .field("id", &self.id())
            .field("until", &self.route.state().until)
            .field("active", &self.is_active())
            .finish()
    }
}
