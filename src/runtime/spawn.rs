//! Starting an actor from another.

use super::options::{Options, StartError};
use super::start::{Starts, start_then};
use crate::actor::actor_ref::ActorRef;
use crate::actor::context::Context;
use crate::actor::message::SentTo;
use crate::id::MonitorRef;
use crate::monitor::Down;

impl<A: Send + 'static> Context<A> {
    /// Starts an actor, of either mode, on this actor's runtime and monitors it, in one step: whatever happens to it,
    /// also in its very first moments, is told with its true reason.
    ///
    /// # Panics
    ///
    /// As [`tasks::Actor::start`](crate::tasks::Actor::start).
    ///
    /// ```
    /// use deathwatch::prelude::*;
    ///
    /// struct Stillborn;
    /// impl Actor for Stillborn {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.stop_with(ExitReason::error("no configuration"));
    ///     }
    /// }
    ///
    /// struct Parent;
    /// impl Actor for Parent {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.spawn_monitored(Stillborn);
    ///     }
    /// }
    /// impl Handler<Down> for Parent {
    ///     async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
    ///         ctx.stop_with(down.reason);
    ///     }
    /// }
    /// assert_eq!(Parent.start().wait_exit().wait().to_string(), "error: no configuration");
    /// ```
    #[doc(alias = "spawn_monitor")]
    #[track_caller]
    pub fn spawn_monitored<B: Starts<L>, L, K: 'static>(&self, actor: B) -> (ActorRef<B>, MonitorRef)
    where
        Down: SentTo<A, K>,
    {
        match self.spawn_monitored_with(actor, Options::new()) {
            Ok(both) => both,
            Err(error) => panic!("cannot start an actor: {error}"),
        }
    }

    /// As [`spawn_monitored`](Self::spawn_monitored), with options.
    ///
    /// # Errors
    ///
    /// As [`tasks::Actor::start_with`](crate::tasks::Actor::start_with); nothing is monitored then.
    pub fn spawn_monitored_with<B: Starts<L>, L, K: 'static>(
        &self,
        actor: B,
        options: Options,
    ) -> Result<(ActorRef<B>, MonitorRef), StartError>
    where
        Down: SentTo<A, K>,
    {
        start_then(actor, options.beside(self.address().cell()), |started| self.monitor(started))
    }

    /// Starts an actor, of either mode, on this actor's runtime and [links](Self::link) it with this one, in one step: a child
    /// that fails in its very first moments brings this actor down with its true reason.
    ///
    /// As any handle, the one that comes back keeps the child running; what ends when it is dropped ends with
    /// [`Normal`](crate::ExitReason::Normal), which does nothing to this actor.
    ///
    /// # Panics
    ///
    /// As [`tasks::Actor::start`](crate::tasks::Actor::start).
    ///
    /// ```
    /// use deathwatch::prelude::*;
    ///
    /// struct Stillborn;
    /// impl Actor for Stillborn {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.stop_with(ExitReason::error("no configuration"));
    ///     }
    /// }
    ///
    /// struct Parent;
    /// impl Actor for Parent {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.spawn_linked(Stillborn);
    ///     }
    /// }
    /// let reason = Parent.start().wait_exit().wait();
    /// assert_eq!(reason.root_cause().to_string(), "error: no configuration");
    /// ```
    #[doc(alias = "start_link")]
    #[doc(alias = "start_linked")]
    #[doc(alias = "spawn_link")]
    #[track_caller]
    pub fn spawn_linked<B: Starts<L>, L>(&self, actor: B) -> ActorRef<B> {
        match self.spawn_linked_with(actor, Options::new()) {
            Ok(child) => child,
            Err(error) => panic!("cannot start an actor: {error}"),
        }
    }

    /// As [`spawn_linked`](Self::spawn_linked), with options.
    ///
    /// # Errors
    ///
    /// As [`tasks::Actor::start_with`](crate::tasks::Actor::start_with); nothing is linked then.
    pub fn spawn_linked_with<B: Starts<L>, L>(
        &self,
        actor: B,
        options: Options,
    ) -> Result<ActorRef<B>, StartError> {
        let beside = options.beside(self.address().cell());
        start_then(actor, beside, |started| self.link(started)).map(|(child, ())| child)
    }
}
