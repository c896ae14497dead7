//! Runtimes: where actors run.

use std::fmt;
use std::sync::Arc as StdArc;
use std::time::Duration;

use crate::actor::actor_ref::ActorRef;
use crate::clock::{Clock, ManualClock};
use crate::groups::Groups;
use crate::registry::Registry;
pub use crate::scheduler::guest::ActorFuture;
use crate::scheduler::guest::{Guests, Spawn};
use crate::scheduler::idle::MOST_WORKERS;
use crate::scheduler::{Around, Config, Scheduler};
use crate::sync::thread;
use deaths::Deaths;
use names::Names;
use shared::Shared;
use snapshot::Snapshot;

pub mod attach;
mod deaths;
mod names;
mod options;
mod shared;
pub mod snapshot;
mod spawn;
mod start;
#[cfg(all(test, not(dw_loom)))]
mod tests;
#[cfg(feature = "tokio")]
mod tokio;

pub use options::{Backend, Mailbox, Options, StartError};
pub(crate) use start::start_then;
pub use start::{Starts, has_ended, start, start_below};

/// A runtime: worker threads, a clock, and the actors that run there.
///
/// Most programs need none: `start` uses a default runtime that starts by itself, has a worker for each processor and
/// lives as long as the process. (What its actors have not done when `main` returns is not done: wait for those that
/// matter, by [`join`](crate::ActorRef::join) for instance.) Make one to choose the number of threads, or to end all its
/// actors together.
///
/// Dropping a runtime kills what still runs there and waits for it, up to 5 seconds for handlers that do not return.
///
/// ```
/// use std::time::Duration;
/// use deathwatch::{Options, Runtime, prelude::*};
/// # struct Idle; impl Actor for Idle {}
///
/// let runtime = Runtime::builder().workers(2).name("workers").build()?;
/// let actor = runtime.start(Idle)?;
/// let other = Idle.start_with(Options::new().runtime(&runtime).name("other"))?;
/// assert_eq!(runtime.live_actors(), 2);
///
/// runtime.shutdown(Duration::from_secs(1))?;
/// assert_eq!(actor.exit_reason(), Some(ExitReason::Shutdown));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "System")]
#[doc(alias = "ActorSystem")]
pub struct Runtime {
    shared: StdArc<Shared>,
}

/// A shutdown did not end in time; what was left has been killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownError {
    /// How many actors had not stopped within the time limit.
    pub killed: usize,
    /// How many of those had not ended after being killed either: their handlers do not return.
    pub stuck: usize,
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "actors that did not stop in time and were killed: {}; ", self.killed)?;
        write!(f, "of these, stuck in a handler: {}", self.stuck)
    }
}

impl std::error::Error for ShutdownError {}

/// See [`RuntimeBuilder::slow_handler`].
const SLOW: Duration = Duration::from_millis(100);

/// Chooses how a [`Runtime`] is made.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RuntimeBuilder {
    workers: Option<usize>,
    name: Option<String>,
    stack_size: Option<usize>,
    slow: Option<Duration>,
    clock: Option<ManualClock>,
    spawner: Option<Spawner>,
    deaths: usize,
    #[cfg(feature = "tokio")]
    tokio: Option<::tokio::runtime::Handle>,
}

impl RuntimeBuilder {
    /// How many worker threads, from 1 to 1,022; one for each processor unless this says otherwise.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// What its threads are called, followed by a number.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The stack of each of its threads that run actors, in bytes.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// How long a handler may keep a worker without awaiting before that is reported on the standard error output: once
    /// for each type of actor, and in debug builds only. 100 ms unless this says otherwise.
    pub fn slow_handler(mut self, limit: Duration) -> Self {
        self.slow = Some(limit);
        self
    }

    /// What time it is there, and so when the time limits of requests to its actors are over, and its timers ring: a clock that
    /// stands still until a test moves it. The real time unless this says otherwise.
    pub fn clock(mut self, clock: impl Into<ManualClock>) -> Self {
        self.clock = Some(clock.into());
        self
    }

    /// How many of its last deaths a [`Snapshot`] shows: who, why, when, and how long it took. None of them unless this says otherwise;
    /// then each exit looks at the time twice, and notes what was in an actor's record, its reason included, which is kept until so
    /// many others have died. Whoever notes or reads one waits for nobody.
    pub fn keep_deaths(mut self, most: usize) -> Self {
        self.deaths = most;
        self
    }

    /// The tokio runtime whose input, output, timers and tasks its actors use: all their code runs inside of it, so that
    /// handlers may await what tokio makes, and call `tokio::spawn`. tokio's budget for a task has no say there: an actor gives
    /// way after so many messages, by a budget of its own.
    ///
    /// Unless this says otherwise, it is the one in which the builder is called, if that has threads of its own; otherwise one
    /// with a single thread, which is started then, serves all runtimes of the program and is never ended. (The default runtime always
    /// uses that one, since it lives as long.)
    ///
    /// End this runtime before that one: an actor that awaits what has been ended panics, and so dies with
    /// [`Panic`](crate::ExitReason::Panic).
    #[cfg(feature = "tokio")]
    pub fn tokio(mut self, handle: ::tokio::runtime::Handle) -> Self {
        self.tokio = Some(handle);
        self
    }

    /// Has its async actors run by somebody else's executor, in place of the scheduler: `spawn` is given a future for each of them, to be
    /// polled until it is ready, on any thread. [`Backend::Blocking`] and [`Backend::Thread`] have threads of their own as elsewhere;
    /// [`workers`](Self::workers) has no say.
    ///
    /// All that is promised elsewhere holds. If the executor drops the future before it is ready, the actor is killed; so it is when `spawn`
    /// itself does so. What is [attached](crate::Context::attach) to an actor has a future of its own, and is detached when that is dropped:
    /// the actor lives on.
    ///
    /// Handlers are inside of whatever the executor polls them in. The clock, which wakes them when a time is over, is a thread of the
    /// runtime's own.
    ///
    /// [`shutdown`](Runtime::shutdown) waits for what the executor still has to do: do not call it on the only thread of one. What
    /// waits to be run when the time limit is over, or when the runtime is dropped, is killed by the caller.
    ///
    /// # Panics
    ///
    /// A panic of `spawn` comes out of the call that starts an actor, which is killed.
    pub fn spawner(mut self, spawn: impl Fn(ActorFuture) + Send + Sync + 'static) -> Self {
        self.spawner = Some(Spawner(StdArc::new(spawn)));
        self
    }

    /// Makes the runtime and starts its threads.
    ///
    /// # Errors
    ///
    /// [`StartError::Workers`] for a number of workers that cannot be, [`StartError::Thread`] when the system refuses a
    /// thread; those that had been started are ended. With the feature `tokio` also `StartError::CurrentThread`, for a handle of
    /// tokio's that cannot be used.
    pub fn build(self) -> Result<Runtime, StartError> {
        #[cfg(feature = "tokio")]
        let around = match &self.tokio {
            Some(handle) => tokio::given(handle.clone()),
            None => tokio::found(),
        };
        #[cfg(not(feature = "tokio"))]
        let around = Ok(Around::default());
        self.build_with(Names::default(), around?)
    }

    /// The one for those who have made none.
    fn build_default(names: Names) -> Result<Runtime, StartError> {
        #[cfg(feature = "tokio")]
        let around = tokio::own();
        #[cfg(not(feature = "tokio"))]
        let around = Ok(Around::default());
        Self::default().build_with(names, around?)
    }

    fn build_with(self, names: Names, around: Around) -> Result<Runtime, StartError> {
        let workers = match (&self.spawner, self.workers) {
            (Some(_), _) => 0,
            (None, None) => thread::parallelism().min(MOST_WORKERS),
            (None, Some(workers @ 1..=MOST_WORKERS)) => workers,
            (None, Some(workers)) => return Err(StartError::Workers(workers)),
        };
        let name = self.name.map_or_else(|| "deathwatch".to_owned(), |name| name.replace('\0', " "));
        let clock_name = format!("{name}-clock");
        let clock = StdArc::new(match self.clock {
            None => Clock::new(clock_name, workers),
            Some(clock) => Clock::manual(clock_name, clock),
        });
        let config = Config {
            workers,
            name: name.clone(),
            stack_size: self.stack_size,
            clock: Some(StdArc::clone(&clock)),
            around: around.clone(),
        };
        let scheduler = Scheduler::start(config).map_err(StartError::Thread)?;
        let slow = self.slow.unwrap_or(SLOW);
        let guests = self.spawner.map(|Spawner(spawn)| Guests::new(spawn));
        let deaths = Deaths::keeping(self.deaths);
        let around = (self.stack_size, around);
        let shared = Shared::new((scheduler, guests), clock, name, around, slow, names, deaths);
        Ok(Runtime { shared })
    }
}

/// See [`RuntimeBuilder::spawner`].
#[derive(Clone)]
struct Spawner(StdArc<Spawn>);

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}

impl Runtime {
    /// A runtime whose async actors are run by somebody else's executor; see [`RuntimeBuilder::spawner`].
    ///
    /// ```
    /// use deathwatch::{Runtime, prelude::*};
    /// use futures::executor::block_on;
    /// # struct Idle; impl Actor for Idle {}
    ///
    /// // An executor of a simple kind: a thread for each. (tokio: `move |life| { handle.spawn(life); }`, smol:
    /// // `|life| smol::spawn(life).detach()`.)
    /// let runtime = Runtime::on(|life| { std::thread::spawn(|| block_on(life)); })?;
    /// let actor = runtime.start(Idle)?;
    /// actor.stop();
    /// assert_eq!(actor.wait_exit().wait(), ExitReason::Normal);
    /// # Ok::<(), deathwatch::StartError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`RuntimeBuilder::build`].
    pub fn on(spawn: impl Fn(ActorFuture) + Send + Sync + 'static) -> Result<Self, StartError> {
        Self::builder().spawner(spawn).build()
    }

    /// A runtime with a worker for each processor.
    ///
    /// # Errors
    ///
    /// As [`RuntimeBuilder::build`].
    pub fn new() -> Result<Self, StartError> {
        Self::builder().build()
    }

    /// Chooses how a runtime is made.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// Starts an actor here.
    ///
    /// # Errors
    ///
    /// As [`tasks::Actor::start_with`](crate::tasks::Actor::start_with).
    #[doc(alias = "spawn")]
    pub fn start<A: Starts<K>, K>(&self, actor: A) -> Result<ActorRef<A>, StartError> {
        start(actor, Options::new().runtime(self))
    }

    /// The names of its actors.
    pub fn registry(&self) -> &Registry {
        &self.shared.names.registry
    }

    /// The groups and topics of its actors.
    pub fn groups(&self) -> &Groups {
        &self.shared.names.groups
    }

    /// How many actors have been started here and are not gone completely yet.
    pub fn live_actors(&self) -> usize {
        self.shared.live_actors()
    }

    /// All its live actors and what they are about, and its last deaths, as plain data. Nobody is stopped for it; what is promised is
    /// said in [`snapshot`]. Of the default runtime: [`Snapshot::current`].
    ///
    /// It goes over all actors and their monitors, on the calling thread.
    ///
    /// ```
    /// use deathwatch::snapshot::ActorState;
    /// use deathwatch::{Runtime, prelude::*};
    /// # struct Idle; impl Actor for Idle {}
    /// # struct Ping; impl Message for Ping { type Reply = (); }
    /// # impl Handler<Ping> for Idle { async fn handle(&mut self, _: Ping, _: &Context<Self>) {} }
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// let actor = runtime.start(Idle)?;
    /// actor.request(Ping).wait()?;
    /// while runtime.snapshot().actors[0].state != ActorState::Idle {
    ///     std::thread::yield_now();
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Stops all actors with [`Shutdown`](crate::ExitReason::Shutdown), waits for them up to `limit`, kills what is left,
    /// waits up to 5 seconds for handlers that do not return, and ends the threads. What stands in the mailboxes is
    /// dropped. From the beginning of it, nothing can be started here any more.
    ///
    /// Calling it again, also while the first call goes on, returns at once.
    ///
    /// Called by an actor of this runtime, it cannot wait for itself: it kills everybody and returns, and the threads
    /// end by themselves.
    ///
    /// # Errors
    ///
    /// [`ShutdownError`] when some had to be killed. Handlers that do not return keep their thread; it ends with them.
    pub fn shutdown(&self, limit: Duration) -> Result<(), ShutdownError> {
        self.shared.end(Some(limit))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.shared.end(None);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("live_actors", &self.live_actors()).finish_non_exhaustive()
    }
}
