//! The supervisor: how it is made, and its life as an actor.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::children::Children;
use super::course::Sequence;
use super::errors::{ChildError, SupervisorError};
use super::messages::{Ended, Go, Overdue, Retry, Up};
use super::policy::{AutoShutdown, Backoff, Intensity, Strategy};
use super::spec::ChildSpec;
use super::{Dynamic, Fixed, Kind};
use crate::actor::actor_ref::ActorRef;
use crate::actor::context::Context;
use crate::actor::exit_wait::ExitWait;
use crate::reason::ExitReason;
use crate::runtime::{Options, StartError};
use crate::tasks::{Actor, Handler};

/// How many restarts are allowed unless told otherwise,
const MOST: usize = 3;
/// within this time.
const WITHIN: Duration = Duration::from_secs(5);

/// An actor that starts others, restarts them when they fail, and stops them in order.
///
/// Made with its children, then started like any actor, or described as the child of another supervisor. See the
/// [module](super) for an example.
///
/// - **Start**: its children are started one after the other, each when the `started` hook of the one before has returned. If one
///   does not start, those that have are stopped, and the supervisor ends with [`SupervisorError::Start`].
/// - **Restart**: see [`Strategy`], [`Restart`](super::Restart), [`Backoff`]. A start that fails in a restart counts as another
///   failure. When there are too many, see [`intensity`](Self::intensity), it ends with [`SupervisorError::Intensity`].
/// - **Stop**: whatever it ends of, but a kill, its children are stopped first, one after the other in reverse order, as
///   [`Shutdown`](super::Shutdown) says for each, with [`ExitReason::Shutdown`]. Whoever monitors it and a child is told of the
///   child first.
/// - **Kill**: its children are killed, and so on below. They may end later than it does.
///
/// It never waits itself: it can be asked, and stopped, also while children hang in their hooks. As with every actor, it
/// stops when its last handle is dropped, unless that was [detached](ActorRef::detach).
pub struct Supervisor<K: Kind = Fixed> {
    pub(super) strategy: Strategy,
    pub(super) intensity: Intensity,
    pub(super) backoff: Backoff,
    pub(super) auto: AutoShutdown,
    pub(super) children: Children<K>,
    /// What is being done one after the other.
    pub(super) sequence: Option<Sequence>,
    /// The last one that was given out.
    pub(super) ticket: u64,
    /// All that it began with have started.
    pub(super) up: bool,
    /// Who wants to know.
    pub(super) waiting: Vec<Box<dyn FnOnce() + Send>>,
    /// Children that have ended, of whom perhaps not everybody was told yet.
    pub(super) leaving: VecDeque<ExitWait>,
    /// It is about to end, and starts nobody any more.
    pub(super) over: bool,
    flaw: Option<ChildError>,
}

impl Supervisor<Fixed> {
    /// A supervisor without children, that restarts only the child that failed.
    #[must_use]
    pub fn one_for_one() -> Self {
        Self::with_strategy(Strategy::OneForOne)
    }

    /// A supervisor without children, that restarts all of them when one has failed.
    #[must_use]
    pub fn one_for_all() -> Self {
        Self::with_strategy(Strategy::OneForAll)
    }

    /// A supervisor without children, that restarts the child that failed and those after it.
    #[must_use]
    pub fn rest_for_one() -> Self {
        Self::with_strategy(Strategy::RestForOne)
    }

    /// A supervisor without children, with this strategy.
    #[must_use]
    pub fn with_strategy(strategy: Strategy) -> Self {
        Self::with(strategy)
    }

    /// One child more, to be started after those that it has already.
    ///
    /// Two of one name are not possible: the supervisor ends at once then, with [`SupervisorError::Spec`].
    #[must_use]
    pub fn child<A: Send + 'static>(mut self, spec: ChildSpec<A>) -> Self {
        if let Err(error) = self.children.add(Arc::new(spec)) {
            self.flaw.get_or_insert(error);
        }
        self
    }
}

impl Supervisor<Dynamic> {
    /// A supervisor whose children come and go: see [`DynamicSupervisor`](super::DynamicSupervisor).
    #[must_use]
    pub fn new() -> Self {
        Self::with(Strategy::OneForOne)
    }
}

impl Default for Supervisor<Dynamic> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Kind> Supervisor<K> {
    fn with(strategy: Strategy) -> Self {
        Supervisor {
            strategy,
            intensity: Intensity::new(MOST, WITHIN),
            backoff: Backoff::NONE,
            auto: AutoShutdown::Never,
            children: Children::new(),
            sequence: None,
            ticket: 0,
            up: false,
            waiting: Vec::new(),
            leaving: VecDeque::new(),
            over: false,
            flaw: None,
        }
    }

    /// So many restarts within this time are not too many; one more is. 3 within 5 seconds unless this says otherwise;
    /// `usize::MAX`: there are never too many.
    ///
    /// A failure counts once, however many children are restarted for it. The time is a window that slides: what counts is what
    /// happened no longer ago than that, to the nanosecond.
    #[must_use]
    pub fn intensity(mut self, most: usize, within: Duration) -> Self {
        self.intensity = Intensity::new(most, within);
        self
    }

    /// How long to wait before a restart, for children that do not say so themselves. Not at all unless this says otherwise.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Whether it ends, with [`ExitReason::Shutdown`], when its [significant](ChildSpec::significant) children have ended by
    /// themselves and are not restarted.
    #[must_use]
    pub fn auto_shutdown(mut self, auto: AutoShutdown) -> Self {
        self.auto = auto;
        self
    }

    /// Starts it: on the runtime of the calling actor, elsewhere on the default one. Its children start soon after;
    /// [`ready`](ActorRef::ready) waits for that.
    ///
    /// # Panics
    ///
    /// As [`tasks::Actor::start`](crate::tasks::Actor::start).
    #[track_caller]
    pub fn start(self) -> ActorRef<Self> {
        Actor::start(self)
    }

    /// As [`start`](Self::start), with options.
    ///
    /// # Errors
    ///
    /// As [`tasks::Actor::start_with`](crate::tasks::Actor::start_with).
    pub fn start_with(self, options: Options) -> Result<ActorRef<Self>, StartError> {
        Actor::start_with(self, options)
    }
}

impl<K: Kind> Actor for Supervisor<K> {
    async fn started(&mut self, ctx: &Context<Self>) {
        let flaw = self.flaw.take().or_else(|| self.children.flaw(self.auto));
        if let Some(error) = flaw {
            return self.give_up(SupervisorError::Spec(error), ctx);
        }
        self.sequence = Some(Sequence::start());
        self.go_on(ctx);
    }

    async fn stopped(&mut self, _: &ExitReason, ctx: &Context<Self>) {
        self.stop_all(ctx).await;
    }
}

/// Messages of the supervisor to itself: each changes what it is about, and then goes on.
impl<K: Kind> Handler<Up> for Supervisor<K> {
    async fn handle(&mut self, Up { key, child }: Up, ctx: &Context<Self>) {
        self.child_up(key, child, ctx);
        self.go_on(ctx);
    }
}

impl<K: Kind> Handler<Ended> for Supervisor<K> {
    async fn handle(&mut self, Ended { key, down }: Ended, ctx: &Context<Self>) {
        self.child_ended(key, down, ctx);
        self.go_on(ctx);
    }
}

impl<K: Kind> Handler<Retry> for Supervisor<K> {
    async fn handle(&mut self, Retry { key, ticket }: Retry, ctx: &Context<Self>) {
        self.retry(key, ticket, ctx);
        self.go_on(ctx);
    }
}

impl<K: Kind> Handler<Go> for Supervisor<K> {
    async fn handle(&mut self, Go { ticket }: Go, ctx: &Context<Self>) {
        self.go(ticket);
        self.go_on(ctx);
    }
}

impl<K: Kind> Handler<Overdue> for Supervisor<K> {
    async fn handle(&mut self, Overdue { key, child }: Overdue, _: &Context<Self>) {
        self.overdue(key, child);
    }
}

impl<K: Kind> fmt::Debug for Supervisor<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("strategy", &self.strategy)
            .field("children", &self.children.counts().specs)
            .finish_non_exhaustive()
    }
}
