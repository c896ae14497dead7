//! A handle that does not know the actor's type.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::exit_wait::ExitWait;
use crate::cell::{CellRef, Erased, Strong};
use crate::id::{ActorId, MonitorRef};
use crate::monitor::entry::{monitored_by, monitors};
use crate::reason::ExitReason;

/// What can be monitored and waited for: every kind of handle, strong or weak.
pub trait Target: sealed::HasCell {}

impl<T: sealed::HasCell + ?Sized> Target for T {}

pub(crate) mod sealed {
    use crate::cell::CellRef;

    /// Only this crate can make one, so only this crate can ask for the cell.
    pub struct Token(pub(super) ());

    pub trait HasCell {
        fn cell_for(&self, token: Token) -> &CellRef;
    }
}

impl<T: sealed::HasCell + ?Sized> sealed::HasCell for &T {
    fn cell_for(&self, token: sealed::Token) -> &CellRef {
        (**self).cell_for(token)
    }
}

/// The cell of a target.
pub fn cell_of(target: &(impl Target + ?Sized)) -> &CellRef {
    target.cell_for(sealed::Token(()))
}

/// A strong handle to an actor of any type: it keeps the actor running, as an [`ActorRef`](crate::ActorRef) does.
///
/// One pointer wide. Two handles are equal when they are handles to the same actor.
///
/// ```
/// use deathwatch::prelude::*;
/// # struct Idle; impl Actor for Idle {}
/// let actor = Idle.start();
/// let handle = actor.handle();
/// assert!(handle.is_alive());
/// handle.kill();
/// assert_eq!(handle.wait_exit().wait(), ExitReason::Kill);
/// assert!(!handle.is_alive());
/// ```
#[derive(Clone)]
pub struct ActorHandle {
    strong: Strong<Erased>,
}

impl ActorHandle {
    pub(crate) fn new(strong: Strong<Erased>) -> Self {
        ActorHandle { strong }
    }

    fn cell(&self) -> &CellRef {
        self.strong.cell()
    }

    /// Who it is.
    pub fn id(&self) -> ActorId {
        self.cell().id
    }

    /// What it is called.
    pub fn name(&self) -> Option<&str> {
        self.cell().name.as_deref()
    }

    /// Stops the actor with [`ExitReason::Normal`], after the message it handles now. What is left in its mailbox is
    /// dropped.
    pub fn stop(&self) {
        self.stop_with(ExitReason::Normal);
    }

    /// As [`stop`](Self::stop), with a reason. The first reason given stays.
    pub fn stop_with(&self, reason: ExitReason) {
        self.cell().stop(reason);
    }

    /// Kills the actor: before its next message, and in the middle of a handler that is awaiting. Its `stopped` hook
    /// does not run. A handler that computes without awaiting cannot be cut off.
    pub fn kill(&self) {
        self.cell().kill();
    }

    /// Has it not died yet?
    pub fn is_alive(&self) -> bool {
        self.cell().reason().is_none()
    }

    /// Why it died; `None` while it lives. Constant afterwards.
    pub fn exit_reason(&self) -> Option<ExitReason> {
        self.cell().reason().cloned()
    }

    /// Waits for its death, by `.await` or by [`wait`](ExitWait::wait).
    pub fn wait_exit(&self) -> ExitWait {
        ExitWait::new(self.cell().clone())
    }

    /// Whom it monitors at present.
    pub fn monitors(&self) -> Vec<(MonitorRef, ActorId)> {
        monitors(self.cell())
    }

    /// Who monitors it at present; once for each monitor.
    pub fn monitored_by(&self) -> Vec<ActorId> {
        monitored_by(self.cell())
    }
}

impl sealed::HasCell for ActorHandle {
    fn cell_for(&self, _: sealed::Token) -> &CellRef {
        self.cell()
    }
}

impl PartialEq for ActorHandle {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for ActorHandle {}

impl Hash for ActorHandle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl fmt::Debug for ActorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorHandle").field("id", &self.id()).field("name", &self.name()).finish()
    }
}
