//! Names: finding actors by keys, of strings or of any other type.

use std::any::Any;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use crate::actor::actor_ref::ActorRef;
use crate::actor::handle::{ActorHandle, Target, cell_of};
use crate::actor::nobody::nobody;
use crate::actor::stage::Stage;
use crate::cell::{CellRef, Strong};
use crate::id::ActorId;
use crate::monitor::entry::{Ledger, Refused};
use crate::reason::ExitReason;
pub use crate::structs::index::Query;

mod errors;
mod resolved;

pub use errors::{LookupError, RegisterError};
pub use resolved::Resolved;

/// What actors can be registered under: strings, numbers, tuples, types of one's own.
///
/// `Hash` and `Eq` must not panic. `Debug` is how the key appears in errors and [`Down`](crate::Down)s; strings appear as
/// they are. A key is dropped some time after its name was freed, on a thread that uses the registry.
pub trait Key: Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static {}
impl<K: Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static> Key for K {}

/// A key in words.
pub(crate) fn spell<K: Key>(key: &K) -> Arc<str> {
    let any: &dyn Any = key;
    match (any.downcast_ref::<Arc<str>>(), any.downcast_ref::<String>(), any.downcast_ref::<&str>()) {
        (Some(name), ..) => Arc::clone(name),
        (_, Some(name), _) => name.as_str().into(),
        (.., Some(name)) => (*name).into(),
        _ => format!("{key:?}").into(),
    }
}

/// Names, and who has them: one actor each.
///
/// Every runtime has one, of strings ([`Runtime::registry`](crate::Runtime::registry), [`Registry::current`]); make others,
/// with keys of any type, for what is not to be mixed with that. A registry is a handle: clones share what it holds.
///
/// - Looking up never waits, for whatever else is going on.
/// - A name keeps nobody alive: an actor whose last handle goes ends, and is found no more. One that was
///   [detached](crate::ActorRef::detach) is found by its name for as long as it lives.
/// - A name is free again when its holder has died, whichever way, before anybody is told: who handles the
///   [`Down`](crate::Down) can register it anew. An actor that is ending, in its `stopped` hook for instance, still has its
///   names.
///
/// ```
/// use deathwatch::{LookupError, Registry, prelude::*};
/// # struct Shard; impl Actor for Shard {}
/// # struct Other; impl Actor for Other {}
/// let shards: Registry<(&str, u32)> = Registry::new();
/// let shard = Shard.start();
/// shards.register(("orders", 7), &shard)?;
///
/// assert_eq!(shards.lookup::<Shard>(&("orders", 7)), Ok(shard.clone()));
/// assert_eq!(shards.lookup::<Shard>(&("orders", 8)), Err(LookupError::Unknown));
/// assert_eq!(shards.lookup::<Other>(&("orders", 7)), Err(LookupError::WrongType { holder: shard.id() }));
///
/// shard.kill();
/// shard.wait_exit().wait();
/// assert_eq!(shards.handle(&("orders", 7)), None);
/// # Ok::<(), deathwatch::RegisterError>(())
/// ```
pub struct Registry<K: Key = Arc<str>> {
    ledger: Arc<Ledger<K, ()>>,
}

impl<K: Key> Clone for Registry<K> {
    /// Another handle to the same names.
    fn clone(&self) -> Self {
        Registry { ledger: Arc::clone(&self.ledger) }
    }
}

impl<K: Key> Default for Registry<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Key> Registry<K> {
    /// A registry of its own, without names. When its last handle goes, so do the names in it.
    pub fn new() -> Self {
        Registry { ledger: Ledger::new() }
    }

    /// Registers an actor, of any type, mode and runtime, by any kind of handle. From then on it is found; until it dies,
    /// or [`unregister`](Self::unregister) is called.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Taken`] when a live actor has the name, be it this one; [`RegisterError::Dead`] when the actor is
    /// dead.
    pub fn register(&self, key: impl Into<K>, actor: &impl Target) -> Result<(), RegisterError> {
        self.claim(&key.into(), cell_of(actor))
    }

    pub(crate) fn claim(&self, key: &K, actor: &CellRef) -> Result<(), RegisterError> {
        self.ledger.lend(key, actor, (), ()).map_err(|refused| match refused {
            Refused::Taken(holder) => RegisterError::Taken { name: spell(key), holder },
            Refused::Dead => RegisterError::Dead {
                name: spell(key),
                reason: actor.reason().cloned().unwrap_or(ExitReason::NoProc),
            },
        })
    }

    /// Frees the name if this actor has it; if another has it by now, that keeps it.
    pub fn unregister(&self, key: &(impl Query<K> + ?Sized), holder: &impl Target) -> bool {
        self.give_up(key, cell_of(holder))
    }

    pub(crate) fn give_up(&self, key: &(impl Query<K> + ?Sized), holder: &CellRef) -> bool {
        self.ledger.take_back(key, holder)
    }

    /// Who has the name, by a handle that can send.
    ///
    /// # Errors
    ///
    /// [`LookupError::Unknown`] when nobody has it, [`LookupError::WrongType`] when it is no `A` who does.
    #[doc(alias = "whereis")]
    #[doc(alias = "where_is")]
    pub fn lookup<A: 'static>(&self, key: &(impl Query<K> + ?Sized)) -> Result<ActorRef<A>, LookupError> {
        let found = self.ledger.find(key, |cell, ()| match cell.address::<Stage<A>>() {
            Some(address) => Strong::reach(&address).map(ActorRef::new).ok_or(LookupError::Unknown),
            None => Err(LookupError::WrongType { holder: cell.id }),
        });
        found.unwrap_or(Err(LookupError::Unknown))
    }

    /// Who has the name, whatever it is.
    #[doc(alias = "whereis")]
    pub fn handle(&self, key: &(impl Query<K> + ?Sized)) -> Option<ActorHandle> {
        self.ledger.find(key, |cell, ()| Strong::reach(&cell.anonymous()).map(ActorHandle::new))?
    }

    /// Whoever has the name now, to be monitored: the [`Down`](crate::Down) says the name. If nobody has it, that comes at
    /// once, with [`NoProc`](ExitReason::NoProc).
    ///
    /// The name is looked up by this call, once. Who gets it later makes no difference.
    ///
    /// ```
    /// use deathwatch::{Monitors, Registry, prelude::*};
    /// # struct Db; impl Actor for Db {}
    /// let names: Registry = Registry::new();
    /// let db = Db.start();
    /// names.register("db", &db)?;
    /// let mut monitors = Monitors::new();
    /// monitors.monitor(&names.resolve("db"));
    /// db.stop();
    /// let down = monitors.recv().unwrap();
    /// assert_eq!((down.name.as_deref(), down.target), (Some("db"), db.id()));
    ///
    /// monitors.monitor(&names.resolve("cache"));
    /// let down = monitors.recv().unwrap();
    /// assert_eq!((down.name.as_deref(), down.reason), (Some("cache"), ExitReason::NoProc));
    /// # Ok::<(), deathwatch::RegisterError>(())
    /// ```
    pub fn resolve(&self, key: impl Into<K>) -> Resolved {
        let key = key.into();
        let cell = self.ledger.find(&key, |cell, ()| cell.clone()).unwrap_or_else(nobody);
        Resolved { cell, name: spell(&key) }
    }

    /// How many names there are. (One whose holder has just died may still be counted.)
    pub fn len(&self) -> usize {
        self.ledger.len()
    }

    /// Is there no name?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All names, and who has them.
    pub fn names(&self) -> Vec<(K, ActorId)> {
        self.ledger.all().into_iter().map(|(key, cell, ())| (key, cell.id)).collect()
    }
}

impl<K: Key> fmt::Debug for Registry<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.names()).finish()
    }
}

/// A name to be registered when its actor is there.
pub(crate) trait Claim: Send + Sync {
    fn claim(&self, actor: &CellRef) -> Result<(), RegisterError>;
}

impl<K: Key> Claim for (Registry<K>, K) {
    fn claim(&self, actor: &CellRef) -> Result<(), RegisterError> {
        self.0.claim(&self.1, actor)
    }
}
