//! Starting an actor.

use std::any::Any;
use std::cell::RefCell;
use std::sync::{Arc as StdArc, OnceLock, Weak};
use std::time::{Duration, Instant};

use super::deaths::Obituary;
use super::names::Names;
use super::options::{Backend, Options, StartError};
use super::shared::Shared;
use super::snapshot::Mode;
use super::{Runtime, RuntimeBuilder};
use crate::actor::actor_ref::ActorRef;
use crate::actor::stage::Stage;
use crate::cell::{self, Birth, CellRef, Consumer, Erased, Host, Runnable};
use crate::clock::{Clock, real_now};
use crate::exit::{self, Death};
use crate::monitor::entry::{Tie, heed};
use crate::observe;
use crate::reason::ExitReason;
use crate::scheduler::Scheduler;
use crate::scheduler::elastic::Elastic;
use crate::scheduler::guest::{self, Seat};
use crate::scheduler::own_thread::OwnThread;
use crate::sync::Arc;
use crate::turn::{self, Hooks};

/// An actor that can be started, in mode `K`: implemented by the modes for every actor of theirs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an actor",
    note = "write `#[derive(Actor)]` above it, or `impl Actor for {Self} {{}}`, with `Actor` from `deathwatch::tasks` or `deathwatch::threads`"
)]
pub trait Starts<K>: Send + Sized + 'static {
    #[doc(hidden)]
    type Hooks: Hooks<Self>;

    #[doc(hidden)]
    const MODE: Mode;

    #[doc(hidden)]
    fn backend(asked: Option<Backend>) -> Result<Backend, StartError>;
}

/// The host of every actor.
pub(super) struct Placed {
    pub(super) shared: StdArc<Shared>,
    pub(super) place: Place,
    /// What it is, for reports.
    pub(super) kind: &'static Described,
}

/// What is to be said of an actor.
pub(super) struct Described {
    /// Its type.
    pub(super) actor: fn() -> &'static str,
    pub(super) mode: Mode,
}

/// Where an actor runs.
pub(super) enum Place {
    /// With a seat: of somebody else's executor.
    Scheduler(Option<Arc<Seat>>),
    Blocking,
    Thread(Arc<OwnThread>),
    /// No actor, but what feeds one with a stream; like `Scheduler`.
    Stream(Option<Arc<Seat>>),
    /// The same with an iterator; like `Blocking`.
    Iterator,
}

impl Place {
    pub(super) fn backend(&self) -> Backend {
        match self {
            Place::Scheduler(_) | Place::Stream(_) => Backend::Scheduler,
            Place::Blocking | Place::Iterator => Backend::Blocking,
            Place::Thread(_) => Backend::Thread,
        }
    }

    /// Is it no actor, but what feeds one?
    pub(super) fn feeds(&self) -> bool {
        matches!(self, Place::Stream(_) | Place::Iterator)
    }
}

/// The end of an actor, and when it began, if somebody wants to know.
pub(super) struct Dying {
    death: Death,
    since: Option<Instant>,
}

impl Placed {
    /// Ends a cell that nobody runs.
    fn end_here(&self, runnable: Runnable) {
        inside(&StdArc::downgrade(&self.shared), || drop(runnable));
    }

    /// Looks at the time, once, if somebody wants to know when an actor died. Not a part of what runs an actor, as what follows: there,
    /// it would take registers from the message loop.
    #[cold]
    #[inline(never)]
    fn begin_to_die(&self, cell: &CellRef, dying: &mut Dying) {
        let wanted = observe::TIMES_EXITS || self.shared.deaths.is_some();
        if wanted && dying.since.is_none() && !self.place.feeds() {
            dying.since = Some(real_now());
            cell.observed.die(dying.since);
        }
    }

    /// An actor is gone, and those who watched have been told.
    #[cold]
    #[inline(never)]
    fn note_death(&self, cell: &CellRef, dying: &Dying, since: Instant) {
        let at = real_now();
        let took = at.saturating_duration_since(since);
        observe::gone(cell.id, self.kind.actor, cell.name().map(|name| &**name), cell.reason(), took);
        let Some(deaths) = &self.shared.deaths else { return };
        deaths.note(Obituary {
            id: cell.id,
            actor: (self.kind.actor)(),
            name: cell.name().cloned(),
            reason: cell.reason().cloned(),
            at,
            took,
            told: dying.death.told(),
        });
    }
}

impl Host for Placed {
    type Death = Dying;

    fn heed(&self, cell: &CellRef) -> Option<ExitReason> {
        heed(cell)
    }

    fn schedule(&self, runnable: Runnable) {
        match &self.place {
            Place::Scheduler(seat) | Place::Stream(seat) => match (seat, &self.shared.guests) {
                (Some(seat), Some(guests)) => {
                    if let Some(runnable) = guests.lay(seat, runnable) {
                        self.end_here(runnable);
                    }
                }
                _ => self.shared.scheduler.schedule(runnable),
            },
            Place::Blocking | Place::Iterator => Elastic::schedule(&self.shared.elastic, runnable),
            Place::Thread(thread) => thread.schedule(runnable),
        }
    }

    fn clock(&self) -> Option<&Clock> {
        Some(&self.shared.clock)
    }

    fn home(&self) -> Option<StdArc<dyn Any + Send + Sync>> {
        Some(self.shared.clone())
    }

    fn recall(&self) {
        if let Place::Scheduler(Some(seat)) | Place::Stream(Some(seat)) = &self.place {
            if let Some(runnable) = seat.take() {
                self.end_here(runnable);
            }
        }
    }

    fn note_run(&self, took: Duration) {
        if matches!(self.place, Place::Scheduler(_) | Place::Stream(_)) {
            self.shared.note_run((self.kind.actor)(), took);
        }
    }

    fn death(&self, reason: ExitReason) -> Dying {
        Dying { death: Death::new(reason), since: None }
    }

    fn retire(&self, consumer: &mut Consumer<Erased>, dying: &mut Dying) -> bool {
        self.begin_to_die(consumer.cell(), dying);
        let done = exit::retire(consumer, &mut dying.death);
        if done {
            match &self.place {
                Place::Thread(thread) => thread.end(),
                Place::Scheduler(Some(seat)) | Place::Stream(Some(seat)) => seat.end(),
                _ => {}
            }
            match self.place.feeds() {
                true => self.shared.one_feeder_gone(),
                false => {
                    if let Some(since) = dying.since {
                        self.note_death(consumer.cell(), dying, since);
                    }
                    self.shared.one_gone();
                }
            }
        }
        done
    }
}

thread_local! {
    /// The runtime of a thread that is not a worker of a scheduler, or runs an actor of another runtime.
    static RUNTIME: RefCell<Weak<Shared>> = const { RefCell::new(Weak::new()) };
}

/// The calling thread works for this runtime, and for somebody else's executor, as long as `f` does.
pub(super) fn inside<T>(shared: &Weak<Shared>, f: impl FnOnce() -> T) -> T {
    let outer = RUNTIME.try_with(|runtime| runtime.replace(shared.clone()));
    let result = guest::run(f);
    if let Ok(outer) = outer {
        enter(outer);
    }
    result
}

/// The calling thread works for this runtime from now on.
pub(super) fn enter(shared: Weak<Shared>) {
    let _ = RUNTIME.try_with(|runtime| runtime.replace(shared));
}

/// The runtime whose actor is calling.
fn enclosing() -> Option<StdArc<Shared>> {
    // A worker has none of its own, but may be inside of another's.
    if let Some(shared) = RUNTIME.try_with(|runtime| runtime.borrow().upgrade()).ok().flatten() {
        return Some(shared);
    }
    Scheduler::current()?.owner()?.downcast().ok()
}

/// Is the caller a thread of this runtime?
pub fn is_inside(shared: &Shared) -> bool {
    enclosing().is_some_and(|enclosing| std::ptr::eq(&*enclosing, shared))
}

/// The names of the default runtime, which are there before it has been started.
fn default_names() -> &'static Names {
    static NAMES: OnceLock<Names> = OnceLock::new();
    NAMES.get_or_init(Names::default)
}

/// The names of the runtime of the calling actor, or of the default one.
pub(super) fn current_names() -> Names {
    enclosing().map_or_else(|| default_names().clone(), |shared| shared.names.clone())
}

/// The one for those who have made none.
static DEFAULT: OnceLock<Runtime> = OnceLock::new();

/// The runtime of the calling actor, or the default one if that has been started.
pub(super) fn current_if_started() -> Option<StdArc<Shared>> {
    enclosing().or_else(|| DEFAULT.get().map(|runtime| StdArc::clone(&runtime.shared)))
}

/// The runtime of the calling actor, or the default one, which is started if need be.
fn current() -> Result<StdArc<Shared>, StartError> {
    if let Some(shared) = enclosing() {
        return Ok(shared);
    }
    if let Some(runtime) = DEFAULT.get() {
        return Ok(StdArc::clone(&runtime.shared));
    }
    // Whoever loses this race ends its own again.
    let made = RuntimeBuilder::build_default(default_names().clone())?;
    Ok(StdArc::clone(&DEFAULT.get_or_init(|| made).shared))
}

/// Starts an actor.
pub fn start<A: Starts<K>, K>(actor: A, options: Options) -> Result<ActorRef<A>, StartError> {
    start_then(actor, options, |_| ()).map(|(actor, ())| actor)
}

/// Starts an actor, with something to be done before it runs for the first time.
pub fn start_then<A: Starts<K>, K, T>(
    actor: A,
    options: Options,
    then: impl FnOnce(&ActorRef<A>) -> T,
) -> Result<(ActorRef<A>, T), StartError> {
    start_bound(actor, options, |_| (), then)
}

/// Starts an actor below another, on its runtime unless the options say otherwise: when that dies, it is killed.
pub fn start_below<A: Starts<K>, K>(
    actor: A,
    options: Options,
    parent: &CellRef,
    then: impl FnOnce(&ActorRef<A>),
) -> Result<ActorRef<A>, StartError> {
    let tie = |child: &CellRef| Tie::new(child, parent, |child| child.kill());
    start_bound(actor, options.beside(parent), tie, then).map(|(actor, ())| actor)
}

/// Is the runtime of this actor at its end, so that nobody can be started there any more?
pub fn has_ended(actor: &CellRef) -> bool {
    let home = actor.home().and_then(|home| home.downcast::<Shared>().ok());
    home.is_none_or(|shared| shared.root.reason().is_some())
}

/// What an actor is bound to besides its runtime, for as long as it lives.
trait Bond: Send {
    /// Could it be made?
    fn holds(&self) -> bool;
}

impl Bond for () {
    fn holds(&self) -> bool {
        true
    }
}

impl<F: FnOnce(&CellRef) + Send + 'static> Bond for Option<Tie<F>> {
    fn holds(&self) -> bool {
        self.is_some()
    }
}

fn start_bound<A: Starts<K>, K, T, B: Bond + 'static>(
    actor: A,
    options: Options,
    bind: impl FnOnce(&CellRef) -> B,
    then: impl FnOnce(&ActorRef<A>) -> T,
) -> Result<(ActorRef<A>, T), StartError> {
    let backend = A::backend(options.backend)?;
    let shared = options.runtime.map_or_else(current, Ok)?;
    let birth = Birth { name: options.name, bound: options.mailbox.build()? };
    shared.one_more();
    observe::born();
    let thread = (backend == Backend::Thread).then(OwnThread::new);
    let seat = if backend == Backend::Scheduler { shared.seat() } else { None };
    let host = Placed {
        shared: StdArc::clone(&shared),
        place: match (&thread, backend) {
            (Some(thread), _) => Place::Thread(Arc::clone(thread)),
            (None, Backend::Blocking) => Place::Blocking,
            (None, _) => Place::Scheduler(seat.clone()),
        },
        kind: const { &Described { actor: std::any::type_name::<A>, mode: A::MODE } },
    };
    let mut tied = true;
    let strong = cell::spawn(birth, host, |consumer: Consumer<Stage<A>>| {
        let judge = StdArc::clone(&shared);
        let tie = Tie::new(consumer.cell(), &shared.root, move |actor| judge.condemn(actor.clone()));
        let bond = bind(consumer.cell());
        tied = tie.is_some() && bond.holds();
        let stage = Stage::new(actor, consumer.address());
        let cell = consumer.cell();
        let span =
            observe::life(&cell.observed, cell.id, std::any::type_name::<A>, cell.name().map(|name| &**name));
        turn::live::<A, A::Hooks>(stage, consumer, (tie, bond, span))
    });
    let first = Runnable::first(&strong);
    if !tied {
        drop(first); // ends it on the spot
        return Err(StartError::ShutDown);
    }
    if let Some(thread) = &thread {
        if let Err(error) = start_thread(&shared, strong.cell(), thread) {
            drop(first);
            return Err(StartError::Thread(error));
        }
    }
    if let Some(registered) = options.registered {
        if let Err(error) = registered.claim(&shared.names.registry, strong.cell()) {
            strong.cell().kill();
            match thread {
                None => drop(first),
                Some(_) => first.submit(), // a thread of its own ends by itself only
            }
            return Err(StartError::Name(error));
        }
    }
    let cell = strong.cell().clone();
    let actor = ActorRef::new(strong);
    let done = then(&actor);
    first.submit();
    shared.invite(seat, cell);
    Ok((actor, done))
}

/// Starts the thread of an actor that has one of its own.
fn start_thread(shared: &StdArc<Shared>, cell: &CellRef, thread: &Arc<OwnThread>) -> std::io::Result<()> {
    let name = match cell.name() {
        Some(name) => name.replace('\0', " "),
        None => format!("{}-{}", shared.name, cell.id.get()),
    };
    let counted = shared.one_thread();
    OwnThread::start(thread, name, shared.stack_size, move |live: &mut dyn FnMut()| {
        let around = counted.shared().around.clone();
        around.live(|| {
            enter(StdArc::downgrade(counted.shared()));
            live();
            drop(counted);
        });
    })
}
