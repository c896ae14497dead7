//! A handle that does not know the actor's type.

use std::fmt;
use std::sync::Arc;

use super::actor_ref::ActorRef;
use super::common::{common, same_actor};
use super::stage::Stage;
use crate::cell::{CellRef, Erased, Strong};

/// What can be monitored and waited for: every kind of handle, strong or weak.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be monitored",
    label = "not a handle to an actor",
    note = "monitor by an `ActorRef`, an `ActorHandle`, a `WeakActorRef` or a `Recipient`"
)]
pub trait Target: sealed::HasCell {}

impl<T: sealed::HasCell + ?Sized> Target for T {}

pub(crate) mod sealed {
    use std::sync::Arc;

    use crate::cell::CellRef;

    /// Only this crate can make one, so only this crate can ask for the cell.
    pub struct Token(pub(super) ());

    pub trait HasCell {
        fn cell_for(&self, token: Token) -> &CellRef;

        /// The name by which it was found.
        fn asked_as(&self, _: Token) -> Option<Arc<str>> {
            None
        }
    }
}

impl<T: sealed::HasCell + ?Sized> sealed::HasCell for &T {
    fn cell_for(&self, token: sealed::Token) -> &CellRef {
        (**self).cell_for(token)
    }

    fn asked_as(&self, token: sealed::Token) -> Option<Arc<str>> {
        (**self).asked_as(token)
    }
}

/// The cell of a target.
pub fn cell_of(target: &(impl Target + ?Sized)) -> &CellRef {
    target.cell_for(sealed::Token(()))
}

/// The name by which a target was found, if it was.
pub fn asked_as(target: &(impl Target + ?Sized)) -> Option<Arc<str>> {
    target.asked_as(sealed::Token(()))
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
#[doc(alias = "ActorCell")]
#[doc(alias = "Pid")]
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

    /// The handle that knows the actor's type, if that is `A`; otherwise this one comes back.
    ///
    /// ```
    /// use deathwatch::prelude::*;
    /// # struct Idle; impl Actor for Idle {}
    /// # struct Other; impl Actor for Other {}
    /// let actor = Idle.start();
    /// let handle = actor.handle().downcast::<Other>().unwrap_err();
    /// assert_eq!(handle.downcast::<Idle>(), Ok(actor));
    /// ```
    ///
    /// # Errors
    ///
    /// This handle, when the actor is of another type.
    pub fn downcast<A: 'static>(self) -> Result<ActorRef<A>, Self> {
        match self.cell().address::<Stage<A>>() {
            Some(address) => Ok(ActorRef::new(Strong::revive(&address))),
            None => Err(self),
        }
    }

    common!();
}

impl sealed::HasCell for ActorHandle {
    fn cell_for(&self, _: sealed::Token) -> &CellRef {
        self.cell()
    }
}

same_actor!(ActorHandle);

impl fmt::Debug for ActorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorHandle").field("id", &self.id()).field("name", &self.name()).finish()
    }
}
