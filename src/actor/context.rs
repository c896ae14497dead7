//! What an actor sees of itself while it handles a message.

use std::fmt;

use super::actor_ref::ActorRef;
use super::handle::{ActorHandle, Target, asked_as, cell_of};
use super::message::{Retold, SendError, SentTo};
use super::monitor_guard::MonitorGuard;
use super::post;
use super::stage::Stage;
use crate::cell::{Address, CellRef, Strong};
use crate::id::{ActorId, MonitorRef};
use crate::monitor::entry::{demonitor, monitors, watch};
use crate::monitor::{Demonitor, Down};
use crate::reason::ExitReason;

/// The actor's own view of itself: handed to every hook and handler.
///
/// The context that a handler is given keeps nothing running. A *clone* of it is a strong handle, like an
/// [`ActorRef`]: it can be taken to another thread or task, and keeps the actor running until it is dropped.
///
/// ```
/// use deathwatch::prelude::*;
///
/// struct Counter(u32);
/// impl Actor for Counter {}
///
/// struct Bump;
/// impl Message for Bump { type Reply = u32; }
/// impl Handler<Bump> for Counter {
///     async fn handle(&mut self, _: Bump, ctx: &Context<Self>) -> u32 {
///         self.0 += 1;
///         if self.0 == 2 {
///             ctx.stop();
///         }
///         self.0
///     }
/// }
///
/// let counter = Counter(0).start();
/// assert_eq!(counter.request(Bump).wait(), Ok(1));
/// assert_eq!(counter.request(Bump).wait(), Ok(2));
/// assert_eq!(counter.wait_exit().wait(), ExitReason::Normal);
/// ```
pub struct Context<A> {
    address: Address<Stage<A>>,
    /// What makes a clone strong. The actor's own context has none.
    strong: Option<Strong<Stage<A>>>,
}

impl<A> Clone for Context<A> {
    /// A clone is a strong handle: it keeps the actor running.
    fn clone(&self) -> Self {
        Context { address: self.address.clone(), strong: Some(self.strong()) }
    }
}

impl<A> Context<A> {
    /// The context that an actor is given itself.
    pub(crate) fn own(address: Address<Stage<A>>) -> Self {
        Context { address, strong: None }
    }

    pub(crate) fn address(&self) -> &Address<Stage<A>> {
        &self.address
    }

    fn cell(&self) -> &CellRef {
        self.address.cell()
    }

    fn strong(&self) -> Strong<Stage<A>> {
        match &self.strong {
            Some(strong) => strong.clone(),
            // The actor's own context exists only while its life does, which is what `revive` asks for.
            None => Strong::revive(&self.address),
        }
    }

    /// A handle to this actor.
    pub fn actor_ref(&self) -> ActorRef<A> {
        ActorRef::new(self.strong())
    }

    /// A handle to this actor that does not know its type.
    pub fn handle(&self) -> ActorHandle {
        ActorHandle::new(self.strong().erase())
    }

    /// Who this is.
    pub fn id(&self) -> ActorId {
        self.cell().id
    }

    /// What this actor is called.
    pub fn name(&self) -> Option<&str> {
        self.cell().name().map(|name| &**name)
    }

    /// Stops this actor, with [`ExitReason::Normal`], after the message it handles now. What is left in its mailbox is
    /// dropped.
    pub fn stop(&self) {
        self.stop_with(ExitReason::Normal);
    }

    /// As [`stop`](Self::stop), with a reason. The first reason given stays.
    pub fn stop_with(&self, reason: ExitReason) {
        self.cell().stop(reason);
    }

    /// Demonitors: takes back a monitor of this actor. After it has answered [`Cancelled`](Demonitor::Cancelled) or
    /// [`Flushed`](Demonitor::Flushed), whichever thread it was called from, that monitor's [`Down`] is never handled.
    /// [`Unknown`](Demonitor::Unknown) means that its turn has come, or that there is no such monitor.
    ///
    /// It never waits for the target and costs the same however many others monitor it.
    ///
    /// ```
    /// use deathwatch::{Demonitor, prelude::*};
    /// # struct Idle; impl Actor for Idle {}
    /// struct Watcher(ActorRef<Idle>);
    /// impl Actor for Watcher {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         let monitor = ctx.monitor(&self.0);
    ///         assert!(matches!(ctx.demonitor(monitor), Demonitor::Cancelled));
    ///         assert!(matches!(ctx.demonitor(monitor), Demonitor::Unknown));
    ///         ctx.stop();
    ///     }
    /// }
    /// impl Handler<Down> for Watcher {
    ///     async fn handle(&mut self, _: Down, _: &Context<Self>) { unreachable!() }
    /// }
    /// assert_eq!(Watcher(Idle.start()).start().wait_exit().wait(), ExitReason::Normal);
    /// ```
    pub fn demonitor(&self, monitor: MonitorRef) -> Demonitor {
        demonitor(self.cell(), monitor)
    }

    /// Whom this actor monitors at present.
    pub fn monitors(&self) -> Vec<(MonitorRef, ActorId)> {
        monitors(self.cell())
    }
}

impl<A: Send + 'static> Context<A> {
    /// Sends a message to this actor itself: it is handled after what is in the mailbox already.
    ///
    /// # Errors
    ///
    /// As [`ActorRef::send`].
    pub fn send<M: SentTo<A, K>, K: 'static>(&self, message: M) -> Result<(), SendError<M>> {
        post::send(&self.address, message)
    }

    /// Monitors an actor: exactly one [`Down`] comes when it dies, also if it is dead already, unless
    /// [`demonitor`](Self::demonitor) takes it back.
    ///
    /// Each call is a monitor of its own. A monitor keeps neither side alive. It never waits, and is legal in every
    /// hook and handler. An actor that monitors itself, or that is ending (in its `stopped` hook), gets a reference
    /// that never fires.
    ///
    /// ```
    /// use deathwatch::prelude::*;
    ///
    /// struct Worker;
    /// impl Actor for Worker {}
    ///
    /// struct Watcher(ActorRef<Worker>);
    /// impl Actor for Watcher {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.monitor(&self.0);
    ///         self.0.kill();
    ///     }
    /// }
    /// impl Handler<Down> for Watcher {
    ///     async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
    ///         assert_eq!(down.target, self.0.id());
    ///         ctx.stop_with(down.reason);
    ///     }
    /// }
    ///
    /// assert_eq!(Watcher(Worker.start()).start().wait_exit().wait(), ExitReason::Kill);
    /// ```
    ///
    /// Who has no handler for [`Down`] cannot monitor:
    ///
    /// ```compile_fail,E0277
    /// use deathwatch::prelude::*;
    ///
    /// struct Worker;
    /// impl Actor for Worker {}
    ///
    /// struct Watcher(ActorRef<Worker>);
    /// impl Actor for Watcher {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.monitor(&self.0);
    ///     }
    /// }
    /// ```
    pub fn monitor<K: 'static>(&self, target: &impl Target) -> MonitorRef
    where
        Down: SentTo<A, K>,
    {
        self.monitor_with(target, |down| down)
    }

    /// As [`monitor`](Self::monitor), but what comes is the message that `retell` makes of the [`Down`].
    ///
    /// `retell` runs in this actor's turn; a panic of it is a panic of the handler.
    ///
    /// ```
    /// use deathwatch::prelude::*;
    /// # struct Worker; impl Actor for Worker {}
    /// struct Lost { shard: u32, reason: ExitReason }
    /// impl Message for Lost { type Reply = (); }
    ///
    /// struct Watcher(ActorRef<Worker>);
    /// impl Actor for Watcher {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.monitor_with(&self.0, |down| Lost { shard: 7, reason: down.reason });
    ///         self.0.kill();
    ///     }
    /// }
    /// impl Handler<Lost> for Watcher {
    ///     async fn handle(&mut self, lost: Lost, ctx: &Context<Self>) {
    ///         assert_eq!((lost.shard, lost.reason), (7, ExitReason::Kill));
    ///         ctx.stop();
    ///     }
    /// }
    /// assert_eq!(Watcher(Worker.start()).start().wait_exit().wait(), ExitReason::Normal);
    /// ```
    pub fn monitor_with<M, K>(
        &self,
        target: &impl Target,
        retell: impl FnOnce(Down) -> M + Send + 'static,
    ) -> MonitorRef
    where
        M: SentTo<A, K>,
        K: 'static,
    {
        watch(&self.address, cell_of(target), Retold::<_, K>::new(retell), asked_as(target))
    }

    /// As [`monitor`](Self::monitor), for as long as the returned guard lives.
    pub fn monitor_guard<K: 'static>(&self, target: &impl Target) -> MonitorGuard
    where
        Down: SentTo<A, K>,
    {
        MonitorGuard::new(self.cell().clone(), self.monitor(target))
    }
}

impl<A> fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("id", &self.id()).field("name", &self.name()).finish_non_exhaustive()
    }
}
