//! Groups of actors, and topics they subscribe to.

use std::any::TypeId;
use std::fmt;
use std::sync::{Arc, Weak};

use crate::actor::message::Message;
use crate::monitor::entry::Beside;
use crate::registry::{Key, spell};
use crate::structs::index::Index;
use core::{AnyCore, Core, Home};

pub mod change;
pub mod core;
mod errors;
mod group;
mod topic;

pub use change::GroupChange;
pub use errors::JoinError;
pub use group::Group;
pub use topic::Topic;

/// Groups and topics by their keys.
///
/// Every runtime has them, with strings for keys ([`Runtime::groups`](crate::Runtime::groups), [`Groups::current`]); make
/// others, with keys of any type, for what is not to be mixed with those. A group comes to be when it is first asked for,
/// and is forgotten when it has neither member nor watcher and nobody has a handle to it. The same key stands for one group
/// and for one topic of each message type, which have nothing to do with each other.
///
/// ```
/// use deathwatch::{Groups, prelude::*};
/// # struct Worker; impl Actor for Worker {}
/// let rooms: Groups<u32> = Groups::new();
/// let worker = Worker.start();
/// rooms.group(7_u32).join(&worker)?;
/// assert_eq!(rooms.group(7_u32).members_of::<Worker>(), [worker]);
/// assert!(rooms.group(8_u32).is_empty());
/// # Ok::<(), deathwatch::JoinError>(())
/// ```
pub struct Groups<K: Key = Arc<str>> {
    index: Arc<Index<(K, TypeId), Known>>,
}

/// A core, as it is known by its key.
#[derive(Clone)]
struct Known(Weak<AnyCore>);

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self.0.as_ptr(), other.0.as_ptr())
    }
}

impl<K: Key> Clone for Groups<K> {
    /// Another handle to the same groups.
    fn clone(&self) -> Self {
        Groups { index: Arc::clone(&self.index) }
    }
}

impl<K: Key> Default for Groups<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a core is known, and as what.
struct Place<K: Key> {
    index: Weak<Index<(K, TypeId), Known>>,
    key: (K, TypeId),
    this: Weak<AnyCore>,
}

impl<K: Key> Home for Place<K> {
    fn forget(&self) {
        if let Some(index) = self.index.upgrade() {
            index.remove(&self.key, &Known(self.this.clone()));
        }
    }
}

impl<K: Key> Groups<K> {
    /// Groups of their own.
    pub fn new() -> Self {
        Groups { index: Arc::new(Index::new()) }
    }

    /// The group of this key.
    pub fn group(&self, key: impl Into<K>) -> Group {
        Group { core: self.core(key.into()) }
    }

    /// The topic of this key on which messages of type `M` are published.
    pub fn topic<M: Message + Clone>(&self, key: impl Into<K>) -> Topic<M> {
        Topic { core: self.core(key.into()) }
    }

    fn core<X: Beside>(&self, key: K) -> Arc<Core<X>> {
        let name = spell(&key);
        let key = (key, TypeId::of::<Core<X>>());
        loop {
            let known = self.index.get(&key);
            if let Some(found) = known.as_ref().and_then(|Known(core)| core.upgrade()) {
                if let Ok(core) = found.downcast() {
                    return core;
                }
            }
            if let Some(gone) = known {
                self.index.remove(&key, &gone);
            }
            let made = Core::<X>::at(name.clone(), |this| {
                Box::new(Place { index: Arc::downgrade(&self.index), key: key.clone(), this })
            });
            let this: Weak<AnyCore> = Arc::<Core<X>>::downgrade(&made);
            if self.index.insert(&key, Known(this)) {
                return made;
            }
        }
    }

    /// How many groups and topics there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Is there neither group nor topic?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Key> fmt::Debug for Groups<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").field("len", &self.len()).finish()
    }
}
