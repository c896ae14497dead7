//! Why a pool is not made, or ends.

use std::fmt;
use std::time::Duration;

use crate::reason::ExitReason;
use crate::runtime::StartError;

/// Why a [`Pool`](crate::Pool) could not be made or resized, or has ended. In the latter case it is what its
/// [`ExitReason::Error`] carries:
///
/// ```
/// use std::time::Duration;
/// use deathwatch::{Pool, PoolError, prelude::*};
///
/// struct Stillborn;
/// impl Actor for Stillborn {
///     async fn started(&mut self, _: &Context<Self>) { panic!("no licence"); }
/// }
///
/// let pool = Pool::builder(|_| Stillborn).restarts(3, Duration::from_secs(60)).start()?;
/// let ExitReason::Error(error) = pool.wait_exit().wait() else { panic!() };
/// let Some(PoolError::Restarts { last, .. }) = error.downcast_ref() else { panic!() };
/// assert_eq!(last.to_string(), "panic: no licence");
/// # Ok::<(), PoolError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// A pool cannot have this many workers: at least one, at most 1,024.
    Size(usize),
    /// The pool, or a worker, could not be started.
    Start(StartError),
    /// Its workers died too often.
    Restarts {
        /// How many restarts were allowed.
        limit: usize,
        /// Within this period.
        within: Duration,
        /// What the last one died of.
        last: ExitReason,
    },
    /// A drain was not over within its time limit.
    Drain {
        /// How many jobs were dropped: queued, or worked on.
        unhandled: usize,
        /// How many workers were killed.
        killed: usize,
    },
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Size(size) => write!(f, "a pool cannot have {size} workers"),
            PoolError::Start(error) => write!(f, "a worker was not started: {error}"),
            PoolError::Restarts { limit, within, last } => {
                write!(f, "workers died more than {limit} times within {within:?}, at last of: {last}")
            }
            PoolError::Drain { unhandled, killed } => {
                write!(f, "not drained in time: {unhandled} jobs dropped, {killed} workers killed")
            }
        }
    }
}

impl std::error::Error for PoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Their own texts are part of ours.
            PoolError::Start(error) => error.source(),
            PoolError::Restarts { last, .. } => last.source(),
            _ => None,
        }
    }
}

impl From<StartError> for PoolError {
    fn from(error: StartError) -> Self {
        PoolError::Start(error)
    }
}
