//! Why somebody is no member.

use std::fmt;

use crate::reason::ExitReason;

/// An actor could not join a group or subscribe to a topic: it is dead.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct JoinError {
    /// What it died of.
    pub reason: ExitReason,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not joined: the actor is dead ({})", self.reason)
    }
}

impl std::error::Error for JoinError {
    /// What lies below the actor's reason, which is part of the text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.reason.source()
    }
}
