//! What a supervisor knows of a child before it starts it.

use std::any::TypeId;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Waker};

use super::child_ref::{ChildRef, Seat, Slot};
use super::children::Incarnation;
use super::messages::Ended;
use super::policy::{Backoff, Restart, Shutdown};
use super::{Dynamic, Fixed, Kind, Supervisor, probe};
use crate::actor::actor_ref::ActorRef;
use crate::actor::context::Context;
use crate::actor::exit_wait::ExitWait;
use crate::cell::CellRef;
use crate::guard;
use crate::reason::ExitReason;
use crate::runtime::{Options, StartError, Starts, has_ended, start_below};

/// Which child of its supervisor. It stays the same across restarts.
///
/// A child of a [`Supervisor`] is known by its name; those of a [`DynamicSupervisor`](super::DynamicSupervisor), of which many may
/// have the same name, by a number besides.
///
/// ```
/// use deathwatch::supervisor::ChildId;
/// assert_eq!(ChildId::from("db").to_string(), "db");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId {
    pub(super) name: Arc<str>,
    /// Zero where names are unique.
    pub(super) number: u64,
}

impl ChildId {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => f.write_str(&self.name),
            number => write!(f, "{}.{number}", self.name),
        }
    }
}

impl fmt::Debug for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildId({self})")
    }
}

impl From<Arc<str>> for ChildId {
    fn from(name: Arc<str>) -> Self {
        ChildId { name, number: 0 }
    }
}

impl From<&str> for ChildId {
    fn from(name: &str) -> Self {
        ChildId::from(Arc::<str>::from(name))
    }
}

impl From<String> for ChildId {
    fn from(name: String) -> Self {
        ChildId::from(Arc::<str>::from(name))
    }
}

impl From<&ChildId> for ChildId {
    fn from(id: &ChildId) -> Self {
        id.clone()
    }
}

impl<A> From<&ChildRef<A>> for ChildId {
    fn from(child: &ChildRef<A>) -> Self {
        child.id.clone()
    }
}

/// How a child is made, and what its supervisor does about it.
///
/// The factory makes a new value for each incarnation. It runs in the supervisor's turn, and so must not block: what takes long
/// belongs in the `started` hook. The child counts as started when that has returned; only then the next one is started.
///
/// A clone describes the same child, with the same [`ChildRef`]: for factories that make a supervisor anew with each restart.
///
/// ```
/// use std::time::Duration;
/// use deathwatch::{Backend, Options, prelude::*};
/// use deathwatch::supervisor::{ChildSpec, Restart, Shutdown};
///
/// struct Indexer { path: &'static str }
/// impl Actor for Indexer {}
///
/// let spec = ChildSpec::new("indexer", || Indexer { path: "src" })
///     .restart(Restart::Transient)
///     .shutdown(Shutdown::After(Duration::from_secs(30)))
///     .options(Options::new().backend(Backend::Blocking).registered("indexer"));
/// assert_eq!(spec.child_ref().id(), &"indexer".into());
/// ```
#[must_use]
pub struct ChildSpec<A> {
    id: ChildId,
    options: Options,
    plan: Plan,
    launch: Arc<Launch<A>>,
    seat: Arc<Seat>,
}

/// What a supervisor does about a child.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub restart: Restart,
    pub shutdown: Shutdown,
    pub significant: bool,
    pub backoff: Option<Backoff>,
}

/// Makes an incarnation and starts it, with something to be done before it runs.
type Launch<A> =
    dyn Fn(Options, &CellRef, &mut dyn FnMut(&ActorRef<A>)) -> Result<ActorRef<A>, Fault> + Send + Sync;

/// Why a child was not started.
pub enum Fault {
    /// Its runtime has been shut down.
    ShutDown,
    Failed(ExitReason),
}

impl From<StartError> for Fault {
    fn from(error: StartError) -> Self {
        match error {
            StartError::ShutDown => Fault::ShutDown,
            error => Fault::Failed(ExitReason::error(error)),
        }
    }
}

/// An actor of this type is a supervisor.
fn supervises<A: 'static>() -> bool {
    [TypeId::of::<Supervisor<Fixed>>(), TypeId::of::<Supervisor<Dynamic>>()].contains(&TypeId::of::<A>())
}

impl<A: Send + 'static> ChildSpec<A> {
    /// A child of that name, made by that function, of an actor of either mode. Permanent, stopped within 5 seconds; for a child
    /// that is a supervisor itself, without a time limit.
    pub fn new<K: 'static>(id: impl Into<Arc<str>>, make: impl Fn() -> A + Send + Sync + 'static) -> Self
    where
        A: Starts<K>,
    {
        Self::made_by(id.into(), move || Ok(make()))
    }

    /// As [`new`](Self::new), by a function that may fail: which counts as a start that failed, with that error.
    pub fn try_new<K: 'static, E>(
        id: impl Into<Arc<str>>,
        make: impl Fn() -> Result<A, E> + Send + Sync + 'static,
    ) -> Self
    where
        A: Starts<K>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::made_by(id.into(), move || make().map_err(ExitReason::error))
    }

    /// A [temporary](Restart::Temporary) child that is there already: for what cannot be made twice, such as a connection. It can
    /// be started once.
    pub fn once<K: 'static>(id: impl Into<Arc<str>>, actor: A) -> Self
    where
        A: Starts<K>,
    {
        let actor = Mutex::new(Some(actor));
        let make = move || {
            let actor = actor.lock().unwrap_or_else(PoisonError::into_inner).take();
            actor.ok_or_else(|| ExitReason::error("it was started before, and can be started once"))
        };
        Self::made_by(id.into(), make).restart(Restart::Temporary)
    }

    fn made_by<K: 'static>(
        name: Arc<str>,
        make: impl Fn() -> Result<A, ExitReason> + Send + Sync + 'static,
    ) -> Self
    where
        A: Starts<K>,
    {
        let launch = move |options: Options, parent: &CellRef, then: &mut dyn FnMut(&ActorRef<A>)| {
            let made = guard::catch(&make).unwrap_or_else(Err);
            let actor = made.map_err(Fault::Failed)?;
            Ok(start_below(actor, options, parent, then)?)
        };
        let shutdown = if supervises::<A>() { Shutdown::Infinite } else { Shutdown::DEFAULT };
        ChildSpec {
            id: ChildId::from(name),
            options: Options::new(),
            plan: Plan { restart: Restart::Permanent, shutdown, significant: false, backoff: None },
            launch: Arc::new(launch),
            seat: Seat::new(),
        }
    }

    /// When it is restarted.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.plan.restart = restart;
        self
    }

    /// How it is stopped.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.plan.shutdown = shutdown;
        self
    }

    /// Its supervisor ends when this child has ended by itself and is not restarted: see
    /// [`AutoShutdown`](super::AutoShutdown).
    pub fn significant(mut self, significant: bool) -> Self {
        self.plan.significant = significant;
        self
    }

    /// How long to wait before it is restarted; what its supervisor says, otherwise.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.plan.backoff = Some(backoff);
        self
    }

    /// Its mailbox, backend, label and name: the same for each incarnation. A registered name is free again when the one before
    /// has died, and so the next one gets it. Unless a label is given, it is the child's name; unless a runtime is, it is the
    /// supervisor's. (Children of a [`DynamicSupervisor`](super::DynamicSupervisor) have the label that is given, or none.)
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// What stands for the child across its restarts. (Not of children of a [`DynamicSupervisor`](super::DynamicSupervisor), which
    /// may be many: there it is what [`start_child`](crate::ActorRef::start_child) answers.)
    pub fn child_ref(&self) -> ChildRef<A> {
        ChildRef { slot: Arc::clone(&self.seat.slot), id: self.id.clone(), actor: PhantomData }
    }

    /// The same as one of many children of that name.
    pub(super) fn numbered(mut self, number: u64) -> Self {
        self.id.number = number;
        self.seat = Seat::new();
        self
    }
}

impl<A> Clone for ChildSpec<A> {
    fn clone(&self) -> Self {
        ChildSpec {
            id: self.id.clone(),
            options: self.options.clone(),
            plan: self.plan,
            launch: Arc::clone(&self.launch),
            seat: Arc::clone(&self.seat),
        }
    }
}

impl<A> fmt::Debug for ChildSpec<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("restart", &self.plan.restart)
            .field("shutdown", &self.plan.shutdown)
            .field("significant", &self.plan.significant)
            .finish_non_exhaustive()
    }
}

/// A child of a type that is not known any more.
pub trait Described<K: Kind>: Send + Sync {
    fn id(&self) -> &ChildId;
    fn plan(&self) -> &Plan;
    /// The actor's type.
    fn actor(&self) -> TypeId;
    fn is_supervisor(&self) -> bool;
    fn slot(&self) -> &Arc<Slot>;
    /// Starts an incarnation, of which the supervisor is told when it has started, and when it has ended.
    fn start(&self, key: u64, ctx: &Context<Supervisor<K>>) -> Result<Incarnation, Fault>;
}

impl<A: Send + 'static, K: Kind> Described<K> for ChildSpec<A> {
    fn id(&self) -> &ChildId {
        &self.id
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn actor(&self) -> TypeId {
        TypeId::of::<A>()
    }

    fn is_supervisor(&self) -> bool {
        supervises::<A>()
    }

    fn slot(&self) -> &Arc<Slot> {
        &self.seat.slot
    }

    fn start(&self, key: u64, ctx: &Context<Supervisor<K>>) -> Result<Incarnation, Fault> {
        let mut options = self.options.clone();
        if self.id.number == 0 {
            options = options.or_name(&self.id.name);
        }
        let mut end = None;
        let here = ctx.address().cell();
        let actor = (self.launch)(options, here, &mut |actor| {
            probe::lay(actor.strong(), ctx.address(), key);
            ctx.monitor_with(actor, move |down| Ended { key, down });
            end = Some(begun(actor.wait_exit()));
        });
        let actor = actor.map_err(|fault| match fault {
            // On another runtime than ours: a start that failed.
            Fault::ShutDown if !has_ended(here) => Fault::Failed(ExitReason::error(StartError::ShutDown)),
            fault => fault,
        })?;
        let end = end.unwrap_or_else(|| actor.wait_exit());
        Ok(Incarnation::new(actor.handle(), end, Arc::clone(&self.seat.slot)))
    }
}

/// A wait that begins now: it is over when everybody has been told.
fn begun(mut wait: ExitWait) -> ExitWait {
    let _ = Pin::new(&mut wait).poll(&mut TaskContext::from_waker(Waker::noop()));
    wait
}
