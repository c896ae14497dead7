//! The state word of an entry: its one outcome, and who still holds on to it.

use crate::sync::atomic::{AtomicUsize, Ordering};

const FIRED: usize = 1;
const CANCELLED: usize = 2;
const OUTCOME: usize = FIRED | CANCELLED;
const ONE: usize = 4;

/// One word: the outcome in the low bits, the number of references above.
///
/// | outcome | set by | its winner owns |
/// |---|---|---|
/// | none: *armed* | `new` | – |
/// | `FIRED` | the target's exit, or an attach that comes after it | the watcher field, the state's reference; the node travels with it |
/// | `CANCELLED` | demonitor, the watcher's exit, the owner of a wait | the watcher field, the payload, the state's reference |
///
/// An outcome is set once and never cleared.
pub struct State {
    word: AtomicUsize,
}

impl State {
    /// Armed, with so many references.
    pub fn armed(references: usize) -> Self {
        State { word: AtomicUsize::new(references * ONE) }
    }

    /// The target is dead. True: the caller won, and owes the delivery.
    #[must_use]
    pub fn fire(&self) -> bool {
        self.settle(FIRED)
    }

    /// Nobody wants to know any more. True: the caller won, and owes the clearing up.
    #[must_use]
    pub fn cancel(&self) -> bool {
        self.settle(CANCELLED)
    }

    fn settle(&self, outcome: usize) -> bool {
        // ORDERING: Acquire, here and on failure below, pairs with the Release of the winner: who finds FIRED sees the
        // target's reason, which demonitor tells in what it flushed.
        let mut word = self.word.load(Ordering::Acquire);
        while word & OUTCOME == 0 {
            // ORDERING: Release for the loser, see above. No Acquire for the winner: while there is no outcome nothing has
            // been published here, and the entry itself it sees by having found it (list, table).
            match self.word.compare_exchange_weak(word, word | outcome, Ordering::Release, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Was it cancelled?
    pub fn is_cancelled(&self) -> bool {
        // ORDERING: Relaxed: a sweeper takes the entry out of the list for that, and reads nothing of it; its freeing is
        // ordered by the references. That it is seen in time is the business of the count that is raised after it.
        self.word.load(Ordering::Relaxed) & CANCELLED != 0
    }

    /// Is there no outcome yet?
    pub fn is_armed(&self) -> bool {
        // ORDERING: Relaxed: a snapshot for introspection.
        self.word.load(Ordering::Relaxed) & OUTCOME == 0
    }

    /// One more reference, unless there is none any more.
    #[must_use]
    pub fn try_hold(&self) -> bool {
        // ORDERING: Relaxed: only the expected value below.
        let mut word = self.word.load(Ordering::Relaxed);
        while word >= ONE {
            // ORDERING: Relaxed, as for any count: what a holder reads is constant until there is none.
            match self.word.compare_exchange_weak(word, word + ONE, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// So many references less. True: they were the last, and the caller owes the freeing.
    #[must_use]
    pub fn release(&self, references: usize) -> bool {
        // ORDERING: Release: this holder's use of the block is before its freeing.
        let before = self.word.fetch_sub(references * ONE, Ordering::Release);
        debug_assert!(before / ONE >= references, "released more than there were");
        if before / ONE != references {
            return false;
        }
        // ORDERING: Acquire pairs with the Release of all other holders. A load and not a fence, as for a cell's references.
        self.word.load(Ordering::Acquire);
        true
    }
}
