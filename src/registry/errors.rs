//! Why there is no name, or nobody who has it.

use std::fmt;
use std::sync::Arc;

use crate::id::ActorId;
use crate::reason::ExitReason;

/// An actor could not be registered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RegisterError {
    /// A live actor has the name.
    Taken {
        /// Which name.
        name: Arc<str>,
        /// Who has it. (It may be the very actor that was to be registered.)
        holder: ActorId,
    },
    /// The actor that was to be registered is dead.
    Dead {
        /// Which name.
        name: Arc<str>,
        /// What it died of.
        reason: ExitReason,
    },
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterError::Taken { name, holder } => write!(f, "the name {name} is taken, by {holder}"),
            RegisterError::Dead { name, reason } => {
                write!(f, "not registered as {name}: the actor is dead ({reason})")
            }
        }
    }
}

impl std::error::Error for RegisterError {
    /// What lies below the actor's reason, which is part of the text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RegisterError::Taken { .. } => None,
            RegisterError::Dead { reason, .. } => reason.source(),
        }
    }
}

/// Nobody was found under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookupError {
    /// Nobody has the name, or its holder is about to end.
    Unknown,
    /// An actor of another type has it.
    WrongType {
        /// Who has it.
        holder: ActorId,
    },
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LookupError::Unknown => f.write_str("nobody has this name"),
            LookupError::WrongType { holder } => {
                write!(f, "{holder}, an actor of another type, has this name")
            }
        }
    }
}

impl std::error::Error for LookupError {}
