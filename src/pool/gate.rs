//! How many are inside, and whether anybody may still come in.

use crate::sync::atomic::{AtomicUsize, Ordering};

const CLOSED: usize = 1;
const ONE: usize = 2;

/// One word: the count, and beside it whether the gate is closed. So whoever comes in at the same time as it is closed is either
/// counted by whoever closes it, or refused.
///
/// | from | by | to |
/// |---|---|---|
/// | n inside | `enter` | n + 1 inside; refused when it is closed, and then the caller leaves again |
/// | n inside | `leave` | n - 1 inside; the last one of a closed gate is told so |
/// | open | `close` | closed, until `reopen` |
pub struct Gate {
    word: AtomicUsize,
}

impl Gate {
    /// An open one, with nobody inside.
    pub fn new() -> Self {
        Gate { word: AtomicUsize::new(0) }
    }

    /// Comes in. False: it is closed, and the caller is to [`leave`](Self::leave).
    #[must_use]
    pub fn enter(&self) -> bool {
        // ORDERING: Relaxed: a count, and nothing is read on the strength of it. That whoever closes the gate sees what was done
        // inside is the business of `leave`.
        self.word.fetch_add(ONE, Ordering::Relaxed) & CLOSED == 0
    }

    /// Goes out. True: it is closed, and now nobody is inside.
    #[must_use]
    pub fn leave(&self) -> bool {
        // ORDERING: AcqRel: Release: what was done inside is before; Acquire: whoever is the last comes after all others.
        self.word.fetch_sub(ONE, Ordering::AcqRel) == ONE | CLOSED
    }

    /// Closes it; true when nobody is inside.
    pub fn close(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `leave`.
        self.word.fetch_or(CLOSED, Ordering::Acquire) / ONE == 0
    }

    /// Opens it again.
    pub fn reopen(&self) {
        // ORDERING: Relaxed: as in `enter`.
        self.word.fetch_and(!CLOSED, Ordering::Relaxed);
    }

    /// How many are inside.
    pub fn inside(&self) -> usize {
        // ORDERING: Acquire pairs with the Release in `leave`.
        self.word.load(Ordering::Acquire) / ONE
    }

    /// Is it closed, and nobody inside?
    pub fn is_deserted(&self) -> bool {
        // ORDERING: as in `inside`.
        self.word.load(Ordering::Acquire) == CLOSED
    }
}
