//! What can go wrong with a child, and what a supervisor dies of.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::spec::ChildId;
use crate::reason::ExitReason;

/// A child could not be started, stopped, found, or waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChildError {
    /// The supervisor has no such child.
    Unknown(ChildId),
    /// It has a child of that name already.
    Exists(ChildId),
    /// The child is not stopped.
    Running(ChildId),
    /// The child did not start.
    Start {
        /// Which.
        child: ChildId,
        /// What it died of in its `started` hook, what its factory panicked or failed with, or the
        /// [`StartError`](crate::StartError) as an error.
        reason: ExitReason,
    },
    /// The child was stopped before it had started.
    Stopped(ChildId),
    /// The child is an actor of another type.
    WrongType(ChildId),
    /// The child is not there, and nobody is about to start it: it was stopped, or has ended for good, or its supervisor has.
    Gone(ChildId),
    /// A permanent child cannot be significant, nor can any where the supervisor does not shut down by itself.
    Significant(ChildId),
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChildError::Unknown(id) => write!(f, "there is no child {id}"),
            ChildError::Exists(id) => write!(f, "there is a child {id} already"),
            ChildError::Running(id) => write!(f, "the child {id} is not stopped"),
            ChildError::Start { child, reason } => write!(f, "the child {child} did not start ({reason})"),
            ChildError::Stopped(id) => write!(f, "the child {id} was stopped before it had started"),
            ChildError::WrongType(id) => write!(f, "the child {id} is an actor of another type"),
            ChildError::Gone(id) => write!(f, "the child {id} is gone"),
            ChildError::Significant(id) => write!(f, "the child {id} cannot be significant here"),
        }
    }
}

impl Error for ChildError {
    /// What lies below the child's reason, which is part of the text.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ChildError::Start { reason, .. } => reason.source(),
            _ => None,
        }
    }
}

/// What a supervisor dies of when it gives up: in its [`ExitReason::Error`].
///
/// ```
/// use deathwatch::prelude::*;
/// use deathwatch::supervisor::{ChildSpec, Supervisor, SupervisorError};
///
/// struct Stillborn;
/// impl Actor for Stillborn {
///     async fn started(&mut self, ctx: &Context<Self>) {
///         ctx.stop_with(ExitReason::error("no configuration"));
///     }
/// }
///
/// let tree = Supervisor::one_for_one().child(ChildSpec::new("db", || Stillborn)).start();
/// let reason = tree.wait_exit().wait();
/// assert_eq!(reason.to_string(), "error: the child db did not start (error: no configuration)");
/// let ExitReason::Error(report) = reason else { panic!() };
/// assert!(matches!(report.downcast_ref(), Some(SupervisorError::Start { child, .. }) if *child == "db".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SupervisorError {
    /// There were too many restarts.
    Intensity {
        /// The child whose failure was one too many.
        child: ChildId,
        /// What that died of, or could not be started for.
        reason: ExitReason,
        /// So many restarts are not too many,
        most: usize,
        /// within this time.
        within: Duration,
    },
    /// A child of those that it begins with did not start.
    Start {
        /// Which.
        child: ChildId,
        /// Why, as in [`ChildError::Start`].
        reason: ExitReason,
    },
    /// It was made with a child that cannot be.
    Spec(ChildError),
}

impl fmt::Display for SupervisorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SupervisorError::Intensity { child, reason, most, within } => {
                write!(f, "more than {most} restarts within {within:?}, the last of {child} ({reason})")
            }
            SupervisorError::Start { child, reason } => {
                write!(f, "the child {child} did not start ({reason})")
            }
            SupervisorError::Spec(error) => error.fmt(f),
        }
    }
}

impl Error for SupervisorError {
    /// What lies below the child's reason, or the error, which is part of the text.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SupervisorError::Intensity { reason, .. } | SupervisorError::Start { reason, .. } => {
                reason.source()
            }
            SupervisorError::Spec(error) => error.source(),
        }
    }
}
