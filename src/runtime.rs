//! Runtimes: where actors run.

use std::any::Any;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc as StdArc, OnceLock};
use std::time::Duration;

use futures::FutureExt;

use crate::actor::actor_ref::ActorRef;
use crate::actor::blocking;
use crate::actor::stage::Stage;
use crate::cell::body::observer;
use crate::cell::{self, Birth, CellRef, Consumer, Erased, Host, Runnable};
use crate::clock::Clock;
use crate::exit::{self, Death};
use crate::mailbox::bound::{Bound, OnFull};
use crate::monitor::entry::{Firing, Tie};
use crate::reason::ExitReason;
use crate::reclaim;
use crate::scheduler::idle::MOST_WORKERS;
use crate::scheduler::{Config, Scheduler};
use crate::structs::queue::Queue;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Arc, AtomicWaker, thread};
use crate::turn::{self, Hooks};

/// A runtime: worker threads, a clock, and the actors that run there.
///
/// Most programs need none: `start` uses a default runtime that starts by itself, has a worker for each processor and
/// lives as long as the process. Make one to choose the number of threads, or to end all its actors together.
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
pub struct Runtime {
    shared: StdArc<Shared>,
}

/// What the actors of a runtime share.
struct Shared {
    scheduler: Arc<Scheduler>,
    clock: Clock,
    /// Its death is the runtime's: every actor is tied to it.
    root: CellRef,
    /// Does the end begin with a stop, or with a kill?
    in_order: AtomicBool,
    /// Whom the end of the runtime has met.
    condemned: Queue<CellRef>,
    live: AtomicUsize,
    all_gone: AtomicWaker,
}

/// The host of the root: it has no life.
struct NoHost;

impl Host for NoHost {
    type Death = Death;

    fn wake(&self, _cell: &CellRef) {}

    fn schedule(&self, _runnable: Runnable) {
        unreachable!("the root is never queued");
    }

    fn clock(&self) -> Option<&Clock> {
        None
    }

    fn death(&self, reason: ExitReason) -> Death {
        Death::new(reason)
    }

    fn retire(&self, consumer: &mut Consumer<Erased>, death: &mut Death) -> bool {
        exit::retire(consumer, death)
    }
}

/// The host of every actor on a scheduler.
struct Pooled {
    shared: StdArc<Shared>,
}

impl Host for Pooled {
    type Death = Death;

    fn schedule(&self, runnable: Runnable) {
        self.shared.scheduler.schedule(runnable);
    }

    fn clock(&self) -> Option<&Clock> {
        Some(&self.shared.clock)
    }

    fn death(&self, reason: ExitReason) -> Death {
        Death::new(reason)
    }

    fn retire(&self, consumer: &mut Consumer<Erased>, death: &mut Death) -> bool {
        let done = exit::retire(consumer, death);
        if done {
            self.shared.one_gone();
        }
        done
    }
}

/// How an actor is started: its name, its mailbox, its runtime.
///
/// ```
/// use deathwatch::{Mailbox, OnFull, Options, prelude::*};
/// # struct Idle; impl Actor for Idle {}
/// let options = Options::new().name("reader").mailbox(Mailbox::bounded(64, OnFull::Wait));
/// let reader = Idle.start_with(options)?;
/// assert_eq!(reader.name(), Some("reader"));
/// # Ok::<(), deathwatch::StartError>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Options {
    name: Option<StdArc<str>>,
    mailbox: Mailbox,
    runtime: Option<StdArc<Shared>>,
}

impl Options {
    /// No name, an unbounded mailbox, the runtime of the calling actor or the default one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the actor is called, in [`Down`](crate::Down)s and logs. Names need not be unique.
    pub fn name(mut self, name: impl Into<StdArc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many messages its mailbox takes.
    pub fn mailbox(mut self, mailbox: Mailbox) -> Self {
        self.mailbox = mailbox;
        self
    }

    /// Where it runs.
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.runtime = Some(StdArc::clone(&runtime.shared));
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("mailbox", &self.mailbox)
            .finish_non_exhaustive()
    }
}

/// How many messages a mailbox takes, and what it does with more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// `None`: unbounded.
    limit: Option<(usize, OnFull)>,
}

impl Mailbox {
    /// Takes as many as memory allows. The default.
    pub fn unbounded() -> Self {
        Self::default()
    }

    /// Takes so many messages: at least 1, at most 2^32, and at most 2^20 with [`OnFull::DropOldest`], whose ring is
    /// allocated at once. Checked when the actor is started.
    pub fn bounded(capacity: usize, on_full: OnFull) -> Self {
        Mailbox { limit: Some((capacity, on_full)) }
    }

    fn build(self) -> Result<Option<Arc<Bound>>, StartError> {
        let Some((capacity, on_full)) = self.limit else { return Ok(None) };
        let most = if on_full == OnFull::DropOldest { 1 << 20 } else { 1 << 32 };
        match NonZeroUsize::new(capacity) {
            Some(capacity) if capacity.get() as u64 <= most => {
                Ok(Some(Arc::new(Bound::new(capacity, on_full))))
            }
            _ => Err(StartError::Capacity(capacity)),
        }
    }
}

/// An actor or a runtime could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The runtime has been shut down.
    ShutDown,
    /// A thread could not be started.
    Thread(io::Error),
    /// A runtime needs at least one worker, and takes at most so many.
    Workers(usize),
    /// A bounded mailbox of this capacity cannot be made.
    Capacity(usize),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::ShutDown => f.write_str("the runtime has been shut down"),
            StartError::Thread(error) => write!(f, "a thread could not be started: {error}"),
            StartError::Workers(workers) => write!(f, "a runtime cannot have {workers} workers"),
            StartError::Capacity(capacity) => write!(f, "a mailbox cannot have room for {capacity} messages"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Thread(error) => Some(error),
            _ => None,
        }
    }
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

/// Chooses how a [`Runtime`] is made.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RuntimeBuilder {
    workers: Option<usize>,
    name: Option<String>,
    stack_size: Option<usize>,
}

impl RuntimeBuilder {
    /// How many worker threads; one for each processor unless this says otherwise.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// What its threads are called, followed by a number.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The stack of each worker, in bytes.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Makes the runtime and starts its threads.
    ///
    /// # Errors
    ///
    /// [`StartError::Workers`] for a number of workers that cannot be, [`StartError::Thread`] when the system refuses a
    /// thread; those that had been started are ended.
    pub fn build(self) -> Result<Runtime, StartError> {
        let workers = self.workers.unwrap_or_else(|| thread::parallelism().min(MOST_WORKERS));
        if workers == 0 || workers > MOST_WORKERS {
            return Err(StartError::Workers(workers));
        }
        let name = self.name.unwrap_or_else(|| "deathwatch".to_owned());
        let config = Config { workers, name: name.clone(), stack_size: self.stack_size };
        let scheduler = Scheduler::start(config).map_err(StartError::Thread)?;
        let shared = StdArc::new(Shared {
            scheduler,
            clock: Clock::new(format!("{name}-clock")),
            root: observer::<Erased, _>(NoHost).cell().clone(),
            in_order: AtomicBool::new(false),
            condemned: Queue::new(),
            live: AtomicUsize::new(0),
            all_gone: AtomicWaker::new(),
        });
        let owner: StdArc<dyn Any + Send + Sync> = shared.clone();
        shared.scheduler.set_owner(StdArc::downgrade(&owner));
        Ok(Runtime { shared })
    }
}

impl Runtime {
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
    pub fn start<A: crate::tasks::Actor>(&self, actor: A) -> Result<ActorRef<A>, StartError> {
        actor.start_with(Options::new().runtime(self))
    }

    /// How many actors have been started here and are not gone completely yet.
    pub fn live_actors(&self) -> usize {
        self.shared.live()
    }

    /// Stops all actors with [`ExitReason::Shutdown`], waits for them up to `limit`, kills what is left, and ends the
    /// threads. From the beginning of it, nothing can be started here any more. Calling it again does nothing.
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

/// How long the end of a runtime waits for killed actors whose handlers do not return.
const PATIENCE: Duration = Duration::from_secs(5);

impl Shared {
    fn live(&self) -> usize {
        // ORDERING: Acquire pairs with the Release in `one_gone`: zero means that all is over.
        self.live.load(Ordering::Acquire)
    }

    fn one_gone(&self) {
        // ORDERING: AcqRel: see `live`; what every actor did is before the waking.
        if self.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_gone.wake();
        }
    }

    /// Waits until no actor is left; false when the time is over first.
    fn wait_gone(&self, limit: Duration) -> bool {
        let gone = std::future::poll_fn(|cx| {
            self.all_gone.register(cx.waker());
            if self.live() == 0 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        });
        blocking::block_on_timeout(gone, limit).is_some()
    }

    /// An actor that the end of the runtime has met.
    fn condemn(&self, actor: CellRef) {
        // ORDERING: Relaxed: written before the root's list was closed, which is what brought us here.
        if self.in_order.load(Ordering::Relaxed) {
            actor.stop(ExitReason::Shutdown);
        } else {
            actor.kill();
        }
        self.condemned.push(actor);
    }

    /// Ends the runtime: in order within the limit, or at once. Later calls find nothing left to do.
    fn end(&self, limit: Option<Duration>) -> Result<(), ShutdownError> {
        // ORDERING: Relaxed: see `condemn`.
        self.in_order.store(limit.is_some(), Ordering::Relaxed);
        if self.root.reason.set(ExitReason::Shutdown).is_err() {
            return Ok(());
        }
        let mut firing = Firing::default();
        while !firing.step(&self.root, usize::MAX) {}
        // A worker that waited for the actors of its own runtime would wait for itself.
        let inside = self.scheduler.is_current();
        let stopped = self.live() == 0 || (!inside && limit.is_some_and(|limit| self.wait_gone(limit)));
        let mut error = ShutdownError { killed: 0, stuck: 0 };
        if !stopped {
            error.killed = self.live();
            while let Some(actor) = self.condemned.pop() {
                actor.kill();
            }
            if !inside && !self.wait_gone(PATIENCE) {
                error.stuck = self.live();
            }
        }
        self.scheduler.stop();
        if !inside {
            self.scheduler.join(Some(if error.stuck > 0 { Duration::ZERO } else { PATIENCE }));
        }
        self.clock.stop();
        while self.condemned.pop().is_some() {}
        reclaim::flush();
        if limit.is_none() || error.killed == 0 { Ok(()) } else { Err(error) }
    }
}

/// The runtime of the calling actor, or the default one, which is started if need be.
fn current() -> Result<StdArc<Shared>, StartError> {
    static DEFAULT: OnceLock<Runtime> = OnceLock::new();
    if let Some(owner) = Scheduler::current().and_then(|scheduler| scheduler.owner()) {
        return owner.downcast().map_err(|_| StartError::ShutDown);
    }
    if let Some(runtime) = DEFAULT.get() {
        return Ok(StdArc::clone(&runtime.shared));
    }
    // Whoever loses this race ends its own again.
    let made = Runtime::new()?;
    Ok(StdArc::clone(&DEFAULT.get_or_init(|| made).shared))
}

/// Starts an actor.
pub fn start<A: Send + 'static, H: Hooks<A>>(actor: A, options: Options) -> Result<ActorRef<A>, StartError> {
    start_then::<A, H, ()>(actor, options, |_| ()).map(|(actor, ())| actor)
}

/// Starts an actor, with something to be done before it runs for the first time.
pub fn start_then<A: Send + 'static, H: Hooks<A>, T>(
    actor: A,
    options: Options,
    then: impl FnOnce(&ActorRef<A>) -> T,
) -> Result<(ActorRef<A>, T), StartError> {
    let shared = options.runtime.map_or_else(current, Ok)?;
    let birth = Birth { name: options.name, bound: options.mailbox.build()? };
    // ORDERING: Relaxed: raised before the actor can be met by the end of the runtime, which waits for zero.
    shared.live.fetch_add(1, Ordering::Relaxed);
    let mut tied = true;
    let host = Pooled { shared: StdArc::clone(&shared) };
    let strong = cell::spawn(birth, host, |consumer: Consumer<Stage<A>>| {
        let judge = StdArc::clone(&shared);
        let tie = Tie::new(consumer.cell(), &shared.root, move |actor| judge.condemn(actor));
        tied = tie.is_some();
        let stage = Stage::new(actor, consumer.address());
        // The tie is the life's: dropped with it, or when it has ended.
        turn::live::<A, H>(stage, consumer).inspect(move |_| drop(tie))
    });
    let first = Runnable::first(&strong);
    if !tied {
        drop(first); // ends it on the spot
        return Err(StartError::ShutDown);
    }
    let actor = ActorRef::new(strong);
    let done = then(&actor);
    shared.scheduler.schedule(first);
    Ok((actor, done))
}
