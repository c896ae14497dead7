//! What a group and a topic have in common: members, and those who watch who comes and goes.

use std::any::Any;
use std::sync::{Arc, Weak};

use super::change::Watch;
use super::errors::JoinError;
use crate::actor::handle::ActorHandle;
use crate::cell::{CellRef, Strong};
use crate::id::{ActorId, MonitorRef};
use crate::monitor::entry::{Along, Beside, Ledger, Refused};
use crate::reason::ExitReason;
use crate::sync::atomic::{Ordering, fence};

/// Kept by handles to it, and by its members and watchers.
pub struct Core<X: Beside> {
    name: Option<Arc<str>>,
    pub members: Arc<Ledger<ActorId, X, Keep<X>>>,
    pub watchers: Arc<Ledger<MonitorRef, Watch<X>, Keep<X>>>,
    /// Where it is known by its key; told when it goes.
    home: Option<Box<dyn Home>>,
}

/// Where a core is known.
pub trait Home: Send + Sync {
    /// The core is gone.
    fn forget(&self);
}

/// What a member or a watcher has of the core it belongs to.
pub struct Keep<X: Beside> {
    core: Arc<Core<X>>,
    is_member: bool,
}

impl<X: Beside> Along for Keep<X> {
    fn given_back(self) {
        if self.is_member {
            self.core.changed();
        }
    }
}

impl<X: Beside> Core<X> {
    /// One that is known nowhere.
    pub fn new() -> Arc<Self> {
        Arc::new(Core { name: None, members: Ledger::new(), watchers: Ledger::new(), home: None })
    }

    /// One that is known by a key.
    pub fn at(name: Arc<str>, home: impl FnOnce(Weak<AnyCore>) -> Box<dyn Home>) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| {
            let this: Weak<AnyCore> = this.clone();
            Core { name: Some(name), members: Ledger::new(), watchers: Ledger::new(), home: Some(home(this)) }
        })
    }

    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// One more member; false when it is one. The error is what it died of.
    pub fn join(self: &Arc<Self>, actor: &CellRef, beside: X) -> Result<bool, JoinError> {
        let keep = Keep { core: Arc::clone(self), is_member: true };
        match self.members.lend(&actor.id, actor, beside, keep) {
            Ok(()) => {
                self.changed();
                Ok(true)
            }
            Err(Refused::Taken(_)) => Ok(false), // by itself: the key is its own
            Err(Refused::Dead) => {
                Err(JoinError { reason: actor.reason().cloned().unwrap_or(ExitReason::NoProc) })
            }
        }
    }

    /// One member less; false when it is none.
    pub fn leave(self: &Arc<Self>, actor: &CellRef) -> bool {
        let was = self.members.take_back(&actor.id, actor);
        if was {
            self.changed();
        }
        was
    }

    /// Somebody watches from now on, and is told of those who are there.
    pub fn watch(self: &Arc<Self>, monitor: MonitorRef, actor: &CellRef, watch: Watch<X>) {
        let keep = Keep { core: Arc::clone(self), is_member: false };
        if self.watchers.lend(&monitor, actor, watch.clone(), keep).is_ok() {
            watch.look(self, monitor, actor);
        }
    }

    /// Handles of those who live and can be reached.
    pub fn handles(&self) -> Vec<ActorHandle> {
        let members = self.members.all().into_iter();
        members.filter_map(|(_, cell, _)| Strong::reach(&cell.anonymous()).map(ActorHandle::new)).collect()
    }

    /// Somebody has come or gone.
    fn changed(self: &Arc<Self>) {
        // ORDERING: SeqCst: the change, then the look at the watchers; it pairs with the fence in `Look::change`, between
        // becoming a watcher and the look at the members. If our fence is first, that one sees the change; if theirs is
        // first, we see the watcher.
        fence(Ordering::SeqCst);
        if self.watchers.len() > 0 {
            for (monitor, actor, watch) in self.watchers.all() {
                watch.look(self, monitor, &actor);
            }
        }
    }
}

impl<X: Beside> Drop for Core<X> {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.forget();
        }
    }
}

/// Any core, for a place that holds them all.
pub type AnyCore = dyn Any + Send + Sync;
