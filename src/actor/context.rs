//! What an actor sees of itself while it handles a message.

use std::fmt;

use super::actor_ref::ActorRef;
use super::alias::{Alias, AliasUntil};
use super::handle::{ActorHandle, Target, asked_as, cell_of};
use super::message::{Message, Retold, SendError, SentTo, Trapped};
use super::monitor_guard::MonitorGuard;
use super::post;
use super::stage::Stage;
use crate::cell::{Address, CellRef, Strong};
use crate::id::{ActorId, MonitorRef};
use crate::monitor::entry::{Rank, demonitor, link, links, monitors, trap, unlink, watch};
use crate::monitor::{Demonitor, Down, Exit};
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
    #[doc(alias = "self")]
    #[doc(alias = "address")]
    #[doc(alias = "myself")]
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
    #[doc(alias = "exit")]
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
    #[doc(alias = "unwatch")]
    #[doc(alias = "unmonitor")]
    pub fn demonitor(&self, monitor: MonitorRef) -> Demonitor {
        demonitor(self.cell(), monitor)
    }

    /// Whom this actor monitors at present.
    pub fn monitors(&self) -> Vec<(MonitorRef, ActorId)> {
        monitors(self.cell())
    }

    /// Links this actor with another: when either dies, the other has an exit signal. There is one link of two actors, from
    /// whichever side it is made and however often.
    ///
    /// What a signal does to an actor that does not [trap exits](Self::trap_exit) depends on the reason:
    ///
    /// | reason of the death | the other |
    /// |---|---|
    /// | [`Normal`](ExitReason::Normal) | lives on, not linked any more |
    /// | [`Shutdown`](ExitReason::Shutdown), or a link to somebody who was shut down | is asked to stop, as by [`stop_with`](Self::stop_with) |
    /// | any other | ends at once, as by [`kill`](crate::ActorRef::kill): before its next message, and in the middle of a handler that waits; its `stopped` hook does not run |
    ///
    /// Its own reason is then [`ExitReason::Link`], which says of whose death, and why. A link to an actor that is dead brings
    /// a signal at once, with [`NoProc`](ExitReason::NoProc).
    ///
    /// A link keeps neither side alive. Linking never waits, and is legal in every hook and handler. Nothing is linked by an
    /// actor that links itself, or that is ending (in its `stopped` hook).
    ///
    /// ```
    /// use deathwatch::prelude::*;
    ///
    /// struct Worker;
    /// impl Actor for Worker {}
    ///
    /// struct Boss(ActorRef<Worker>);
    /// impl Actor for Boss {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.link(&self.0);
    ///         panic!("enough");
    ///     }
    /// }
    ///
    /// let worker = Worker.start();
    /// let boss = Boss(worker.clone()).start();
    /// let reason = worker.wait_exit().wait();
    /// assert_eq!(reason.root_cause().to_string(), "panic: enough");
    /// assert_eq!(reason.to_string(), format!("linked with {}, which died (panic: enough)", boss.id()));
    /// ```
    #[doc(alias = "pact")]
    #[doc(alias = "link_to")]
    pub fn link(&self, peer: &impl Target) {
        link(self.cell(), cell_of(peer));
    }

    /// Ends the link of this actor with another, if there is one. After it has returned, whichever thread it was called from,
    /// nothing comes of that link to either side: a signal that was on its way does nothing, and an [`Exit`] that stood in the
    /// mailbox is dropped. The two can be linked anew at once.
    ///
    /// It never waits for the other.
    ///
    /// ```
    /// use deathwatch::{Exit, prelude::*};
    /// # struct Worker; impl Actor for Worker {}
    /// struct Boss;
    /// impl Actor for Boss {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         let worker = ctx.spawn_linked(Worker);
    ///         assert_eq!(ctx.links(), [worker.id()]);
    ///         worker.kill();
    ///         ctx.unlink(&worker); // dead or not, its signal does nothing any more
    ///         assert_eq!(ctx.links(), []);
    ///         ctx.stop();
    ///     }
    /// }
    /// assert_eq!(Boss.start().wait_exit().wait(), ExitReason::Normal);
    /// ```
    #[doc(alias = "demonitor")]
    pub fn unlink(&self, peer: &impl Target) {
        unlink(self.cell(), cell_of(peer));
    }

    /// Whom this actor is linked with at present. Who has died is not among them, also while its signal is on its way.
    pub fn links(&self) -> Vec<ActorId> {
        links(self.cell())
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
    /// hook and handler. An actor that monitors itself, or that is ending (in its `stopped` hook, or when its value and its
    /// messages are dropped), gets a reference that never fires.
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
    #[doc(alias = "watch")]
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
    #[doc(alias = "watch_with")]
    pub fn monitor_with<M, K>(
        &self,
        target: &impl Target,
        retell: impl FnOnce(Down) -> M + Send + 'static,
    ) -> MonitorRef
    where
        M: SentTo<A, K>,
        K: 'static,
    {
        self.monitor_as(target, retell, Rank::Ordinary)
    }

    fn monitor_as<M, K>(
        &self,
        target: &impl Target,
        retell: impl FnOnce(Down) -> M + Send + 'static,
        rank: Rank,
    ) -> MonitorRef
    where
        M: SentTo<A, K>,
        K: 'static,
    {
        watch(&self.address, cell_of(target), Retold::<_, K>::new(retell), rank, asked_as(target))
    }

    /// As [`monitor_with`](Self::monitor_with), but the message overtakes all that stand in the mailbox when it comes, but for
    /// others that were asked for in this way: those keep their own order.
    ///
    /// So it also overtakes what the target itself sent before it died. It is not before the handler that runs when it comes, and
    /// for everything else, [`demonitor`](Self::demonitor) above all, it is a monitor like any other.
    ///
    /// ```
    /// use deathwatch::prelude::*;
    /// # struct Worker; impl Actor for Worker {}
    /// struct Job(u32);
    /// impl Message for Job { type Reply = (); }
    ///
    /// struct Dispatcher { worker: ActorRef<Worker>, done: u32 }
    /// impl Actor for Dispatcher {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.monitor_priority(&self.worker, |down| down);
    ///         for n in 0..1_000 {
    ///             ctx.send(Job(n)).unwrap();
    ///         }
    ///     }
    /// }
    /// impl Handler<Job> for Dispatcher {
    ///     async fn handle(&mut self, Job(n): Job, _: &Context<Self>) {
    ///         self.done = n;
    ///         if n == 0 {
    ///             self.worker.kill();
    ///             self.worker.wait_exit().await; // it has been told then
    ///         }
    ///     }
    /// }
    /// impl Handler<Down> for Dispatcher {
    ///     async fn handle(&mut self, _: Down, ctx: &Context<Self>) {
    ///         assert_eq!(self.done, 0);
    ///         ctx.stop();
    ///     }
    /// }
    /// # let worker = Worker.start();
    /// assert_eq!(Dispatcher { worker, done: 0 }.start().wait_exit().wait(), ExitReason::Normal);
    /// ```
    pub fn monitor_priority<M, K>(
        &self,
        target: &impl Target,
        retell: impl FnOnce(Down) -> M + Send + 'static,
    ) -> MonitorRef
    where
        M: SentTo<A, K>,
        K: 'static,
    {
        self.monitor_as(target, retell, Rank::Priority)
    }

    /// An address of this actor for messages of one kind, which it can take back: a reply address for those who are not asked by
    /// a [`request`](crate::ActorRef::request).
    ///
    /// Bound to a monitor, it must be one of this actor's own that is not over; with any other reference (somebody else's, that of a group)
    /// the alias is never active.
    ///
    /// ```
    /// use deathwatch::{Alias, AliasUntil, prelude::*};
    ///
    /// struct Answer(u32);
    /// impl Message for Answer { type Reply = (); }
    /// struct Question { reply_to: Alias<Answer> }
    /// impl Message for Question { type Reply = (); }
    ///
    /// struct Oracle;
    /// impl Actor for Oracle {}
    /// impl Handler<Question> for Oracle {
    ///     async fn handle(&mut self, question: Question, ctx: &Context<Self>) {
    ///         question.reply_to.send(Answer(42)).ok();
    ///         ctx.stop();
    ///     }
    /// }
    ///
    /// struct Asker(ActorRef<Oracle>);
    /// impl Actor for Asker {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         let monitor = ctx.monitor(&self.0);
    ///         // The answer, or the oracle's death, whichever comes first: never both.
    ///         let reply_to = ctx.alias(AliasUntil::Reply(monitor));
    ///         self.0.send(Question { reply_to }).ok();
    ///     }
    /// }
    /// impl Handler<Answer> for Asker {
    ///     async fn handle(&mut self, Answer(n): Answer, ctx: &Context<Self>) {
    ///         assert_eq!(n, 42);
    ///         ctx.stop();
    ///     }
    /// }
    /// impl Handler<Down> for Asker {
    ///     async fn handle(&mut self, _: Down, _: &Context<Self>) { unreachable!() }
    /// }
    /// assert_eq!(Asker(Oracle.start()).start().wait_exit().wait(), ExitReason::Normal);
    /// ```
    #[doc(alias = "reply_to")]
    pub fn alias<M: SentTo<A, K>, K: 'static>(&self, until: AliasUntil) -> Alias<M> {
        Alias::new::<A, K>(self.address.clone(), until)
    }

    /// Takes an alias back, also while messages that came by it stand in the mailbox: they are dropped. Was it one of this
    /// actor, and active?
    ///
    /// What it depends on stays: of a monitor, the [`Down`] still comes. Called from another thread, through a clone of the context, a
    /// message whose turn has just come may still be handled.
    pub fn unalias<M: Message>(&self, alias: &Alias<M>) -> bool {
        alias.id() == self.id() && alias.take_back()
    }

    /// Has deaths of linked actors told by a message, an [`Exit`], instead of dying of them, or, with `false`, no longer. Returns
    /// whether it was so before.
    ///
    /// An `Exit` comes for every reason, and behind everything that the other sent before it died. What decides is whether
    /// exits are trapped when the actor looks at the signal, between two polls of what it does. A [`kill`](crate::ActorRef::kill) cannot
    /// be trapped; that of a linked actor can, as any other reason.
    ///
    /// ```
    /// use deathwatch::{Exit, prelude::*};
    /// # struct Worker; impl Actor for Worker {}
    /// struct Boss;
    /// impl Actor for Boss {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.trap_exit(true);
    ///         ctx.spawn_linked(Worker).kill();
    ///     }
    /// }
    /// impl Handler<Exit> for Boss {
    ///     async fn handle(&mut self, exit: Exit, ctx: &Context<Self>) {
    ///         ctx.stop_with(exit.reason);
    ///     }
    /// }
    /// assert_eq!(Boss.start().wait_exit().wait(), ExitReason::Kill);
    /// ```
    ///
    /// Who has no handler for [`Exit`] cannot trap:
    ///
    /// ```compile_fail,E0277
    /// use deathwatch::prelude::*;
    /// struct Boss;
    /// impl Actor for Boss {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.trap_exit(true);
    ///     }
    /// }
    /// ```
    #[doc(alias = "process_flag")]
    pub fn trap_exit<K: 'static>(&self, on: bool) -> bool
    where
        Exit: SentTo<A, K>,
    {
        trap::<_, Trapped<K>>(&self.address, on)
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
