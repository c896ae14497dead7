//! How actors are started, and why they cannot be.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc as StdArc;

use super::Runtime;
use super::shared::Shared;
use crate::cell::CellRef;
use crate::mailbox::bound::{Bound, OnFull};
use crate::registry::{Claim, Key, RegisterError, Registry};
use crate::sync::Arc;

/// Which threads an actor runs on.
///
/// ```
/// use deathwatch::{Backend, Options, prelude::*};
///
/// struct Indexer;
/// impl Actor for Indexer {}
///
/// struct Hash(&'static str);
/// impl Message for Hash { type Reply = usize; }
/// impl Handler<Hash> for Indexer {
///     async fn handle(&mut self, Hash(path): Hash, _: &Context<Self>) -> usize {
///         std::fs::read(path).map_or(0, |content| content.len()) // blocks its thread, and nobody else
///     }
/// }
///
/// let indexer = Indexer.start_with(Options::new().backend(Backend::Blocking))?;
/// assert!(indexer.request(Hash("Cargo.toml")).wait().unwrap() > 0);
/// # Ok::<(), deathwatch::StartError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// The work-stealing scheduler: many actors on few threads, which no handler may block. The default in
    /// [`tasks`](crate::tasks).
    Scheduler,
    /// A pool of threads that grows as far as its actors block, up to 512, and shrinks when they do not. Beyond 512, actors
    /// wait for a thread. If the system refuses the pool its first thread, the actor is killed.
    Blocking,
    /// A thread of the actor's own. The only one in [`threads`](crate::threads).
    Thread,
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
    pub(super) name: Option<StdArc<str>>,
    pub(super) mailbox: Mailbox,
    pub(super) runtime: Option<StdArc<Shared>>,
    pub(super) backend: Option<Backend>,
    pub(super) registered: Option<Registered>,
}

/// Under which name, and where.
#[derive(Clone)]
pub(super) enum Registered {
    /// In the registry of the runtime it is started on.
    Here(StdArc<str>),
    Elsewhere(StdArc<dyn Claim>),
}

impl Registered {
    /// Registers an actor that is about to run.
    pub(super) fn claim(&self, here: &Registry, actor: &CellRef) -> Result<(), RegisterError> {
        match self {
            Registered::Here(name) => here.claim(name, actor),
            Registered::Elsewhere(place) => place.claim(actor),
        }
    }
}

impl Options {
    /// No name, an unbounded mailbox, the runtime of the calling actor or the default one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the actor is called, in [`Down`](crate::Down)s and logs: a label, by which nobody finds it, and which need not be
    /// unique. To be found by a name, [`registered`](Self::registered).
    pub fn name(mut self, name: impl Into<StdArc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What it is called unless that was said.
    pub(crate) fn or_name(mut self, name: &StdArc<str>) -> Self {
        self.name.get_or_insert_with(|| StdArc::clone(name));
        self
    }

    /// Registers it, under this name, with the [`Registry`](crate::Registry) of its runtime, before it runs for the first
    /// time. If a live actor has the name, nothing is started: [`StartError::Name`] says who. Whoever finds the name finds
    /// this actor, running or about to.
    ///
    /// One name at the start; the last one said counts. For more, [`Context::register`](crate::Context::register) in
    /// `started`.
    ///
    /// ```
    /// use deathwatch::{Options, RegisterError, Registry, StartError, prelude::*};
    /// # struct Db; impl Actor for Db {}
    /// let db = Db.start_with(Options::new().registered("db"))?;
    /// assert_eq!(Registry::current().lookup::<Db>("db"), Ok(db.clone()));
    ///
    /// let again = Db.start_with(Options::new().registered("db"));
    /// assert!(matches!(again, Err(StartError::Name(RegisterError::Taken { holder, .. })) if holder == db.id()));
    /// # Ok::<(), StartError>(())
    /// ```
    #[doc(alias = "whereis")]
    pub fn registered(mut self, name: impl Into<StdArc<str>>) -> Self {
        self.registered = Some(Registered::Here(name.into()));
        self
    }

    /// As [`registered`](Self::registered), with a registry of one's own, whose keys may be of any type.
    pub fn registered_in<K: Key>(mut self, registry: &Registry<K>, key: impl Into<K>) -> Self {
        self.registered = Some(Registered::Elsewhere(StdArc::new((registry.clone(), key.into()))));
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

    /// The same runtime, and nothing else of it.
    pub(crate) fn only_runtime(&self) -> Self {
        Options { runtime: self.runtime.clone(), ..Self::default() }
    }

    /// Where it runs unless that was said: where this actor does.
    pub(super) fn beside(mut self, actor: &CellRef) -> Self {
        if self.runtime.is_none() {
            self.runtime = actor.home().and_then(|home| home.downcast().ok());
        }
        self
    }

    /// Which threads it runs on.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
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

    /// Its limit, if that can be.
    pub(crate) fn checked(self) -> Result<Option<(NonZeroUsize, OnFull)>, StartError> {
        let Some((capacity, on_full)) = self.limit else { return Ok(None) };
        let most = if on_full == OnFull::DropOldest { 1 << 20 } else { 1 << 32 };
        match NonZeroUsize::new(capacity) {
            Some(capacity) if capacity.get() as u64 <= most => Ok(Some((capacity, on_full))),
            _ => Err(StartError::Capacity(capacity)),
        }
    }

    pub(super) fn build(self) -> Result<Option<Arc<Bound>>, StartError> {
        Ok(self.checked()?.map(|(capacity, on_full)| Arc::new(Bound::new(capacity, on_full))))
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
    /// A runtime cannot have this many workers: it needs at least one, and takes at most 1,022.
    Workers(usize),
    /// A bounded mailbox of this capacity cannot be made.
    Capacity(usize),
    /// An actor of this mode cannot run there.
    Backend(Backend),
    /// A tokio runtime of the current-thread kind: what it is to drive stands still unless somebody is in its `block_on`. Use one that has
    /// threads, or none: then one is started.
    #[cfg(feature = "tokio")]
    CurrentThread,
    /// It could not be registered.
    Name(RegisterError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::ShutDown => f.write_str("the runtime has been shut down"),
            StartError::Thread(error) => write!(f, "a thread could not be started: {error}"),
            StartError::Workers(workers) => write!(f, "a runtime cannot have {workers} workers"),
            StartError::Backend(backend) => write!(f, "an actor of this mode cannot run on {backend:?}"),
            StartError::Name(error) => error.fmt(f),
            #[cfg(feature = "tokio")]
            StartError::CurrentThread => f.write_str(
                "a tokio runtime of the current-thread kind drives nothing while nobody is in its `block_on`",
            ),
            StartError::Capacity(capacity) => write!(f, "a mailbox cannot have room for {capacity} messages"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Thread(error) => Some(error),
            StartError::Name(error) => Some(error),
            _ => None,
        }
    }
}
