//! Waiting for a death.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::blocking;
use crate::cell::CellRef;
use crate::monitor::entry::Wait;
use crate::reason::ExitReason;

/// Waits for the death of an actor: a future, or by [`wait`](Self::wait) the calling thread.
///
/// Any number may wait for one actor, before and after its death; all get the same reason. It keeps nothing running.
///
/// A wait that began (was polled, or waited for) before the death is let go last: every [`Down`](crate::Down) is in its
/// watcher's mailbox then, and the actor's own monitors are gone. One that begins later, in the handler of a `Down` for
/// instance, is ready at once.
///
/// ```
/// use deathwatch::prelude::*;
/// # struct Idle; impl Actor for Idle {}
/// let actor = Idle.start();
/// let wait = actor.wait_exit();
/// actor.stop();
/// assert_eq!(wait.wait(), ExitReason::Normal);
/// ```
///
/// # Cancel safety
///
/// Dropping it leaves nothing behind.
#[doc(alias = "JoinHandle")]
#[must_use = "waits only when awaited or told to wait"]
pub struct ExitWait {
    wait: Wait,
}

impl ExitWait {
    pub(crate) fn new(target: CellRef) -> Self {
        ExitWait { wait: Wait::new(target) }
    }

    /// Blocks the calling thread until the actor has died.
    ///
    /// # Panics
    ///
    /// On a worker of a scheduler, when the actor is not dead yet: the actors that run there would wait, too.
    #[track_caller]
    pub fn wait(self) -> ExitReason {
        blocking::block_on(self)
    }

    /// Blocks the calling thread until the actor has died, or for at most `limit`.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// Gives the wait back when the time is over.
    #[track_caller]
    pub fn wait_timeout(mut self, limit: Duration) -> Result<ExitReason, Self> {
        blocking::block_on_timeout(&mut self, limit).ok_or(self)
    }
}

impl Future for ExitWait {
    type Output = ExitReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ExitReason> {
        self.wait.poll(cx)
    }
}

impl fmt::Debug for ExitWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExitWait").field("target", &self.wait.target().id).finish()
    }
}
