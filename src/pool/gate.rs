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
        // ORDERING: Relaxed, here and below: one word, which alone decides, and nothing is read on the strength of it: who closes
        // the gate learns of what was done inside by the deaths of those who did it.
        self.word.fetch_add(ONE, Ordering::Relaxed) & CLOSED == 0
    }

    /// Goes out. True: it is closed, and now nobody is inside.
    #[must_use]
    pub fn leave(&self) -> bool {
        // ORDERING: as in `enter`.
        self.word.fetch_sub(ONE, Ordering::Relaxed) == ONE | CLOSED
    }

    /// Closes it; true when nobody is inside.
    pub fn close(&self) -> bool {
        // ORDERING: as in `enter`.
        self.word.fetch_or(CLOSED, Ordering::Relaxed) / ONE == 0
    }

    /// Opens it again.
    pub fn reopen(&self) {
        // ORDERING: as in `enter`.
        self.word.fetch_and(!CLOSED, Ordering::Relaxed);
    }

    /// How many are inside.
    pub fn inside(&self) -> usize {
        // ORDERING: as in `enter`. Who has closed the gate sees at least what was inside then.
        self.word.load(Ordering::Relaxed) / ONE
    }

    /// Is it closed, and nobody inside?
    pub fn is_deserted(&self) -> bool {
        // ORDERING: as in `inside`.
        self.word.load(Ordering::Relaxed) == CLOSED
    }
}
