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
/// | `FIRED` | the target's exit, or an attach that comes after it | the state's reference; node and payload travel with it |
/// | `CANCELLED` | demonitor, the watcher's exit, the owner of a wait | the payload, the state's reference |
///
/// An outcome is set once and never cleared. Only who owns a reference can add one, so who owns all that are left can rely on it.
pub struct State {
    word: AtomicUsize,
}

/// What an entry had come to when its last reference was given up.
#[must_use = "the caller owes the freeing"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It owns a reference to its target.
    Fired,
    /// It owns nothing.
    Cancelled,
}

impl State {
    /// Armed, with so many references.
    pub fn armed(references: usize) -> Self {
        State { word: AtomicUsize::new(references * ONE) }
    }

    /// The target is dead. True: the caller won, and owes the delivery; it has given up so many references of its own (not the
    /// state's).
    #[must_use]
    pub fn fire(&self, releasing: usize) -> bool {
        self.settle(FIRED, releasing)
    }

    /// Nobody wants to know any more. True: the caller won, and owes the clearing up; it has given up so many references (the
    /// state's may be among them). They must not be all.
    #[must_use]
    pub fn cancel(&self, releasing: usize) -> bool {
        self.settle(CANCELLED, releasing)
    }

    fn settle(&self, outcome: usize, releasing: usize) -> bool {
        // ORDERING: Acquire, here and on failure below, pairs with the Release of the winner: who finds FIRED sees the
        // target's reason, which demonitor tells in what it flushed; an exit that finds CANCELLED comes after the guard of who
        // cancelled, so that the cell it ends is retired after that guard began.
        let mut word = self.word.load(Ordering::Acquire);
        while word & OUTCOME == 0 {
            debug_assert!(word / ONE > releasing, "the last reference goes by `release`");
            let settled = (word | outcome) - releasing * ONE;
            // ORDERING: Release for the loser, see above, and, as in `release`, for who frees. No Acquire for the winner:
            // while there is no outcome nothing has been published here, and the entry itself it sees by having found it (list,
            // table).
            match self.word.compare_exchange_weak(word, settled, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Was it cancelled?
    pub fn is_cancelled(&self) -> bool {
        // ORDERING: Acquire pairs with the Release of who cancelled: a sweeper that takes the entry out keeps the exit from
        // meeting it, and so hands on to it that the canceller's guard began before (see `settle`).
        self.word.load(Ordering::Acquire) & CANCELLED != 0
    }

    /// Is there no outcome yet?
    pub fn is_armed(&self) -> bool {
        // ORDERING: Relaxed: a snapshot for introspection. What is read on its strength is there by the guard.
        self.word.load(Ordering::Relaxed) & OUTCOME == 0
    }

    /// One reference less, of several: the caller has published the entry elsewhere since it was made. True: somebody cancelled
    /// before, and may not have seen that. Who cancels from now on does.
    #[must_use]
    pub fn published(&self) -> bool {
        // ORDERING: Release pairs with the Acquire of who settles: as the word has changed, that either came before, or has
        // read what is written here. Nothing is read on the strength of CANCELLED.
        let word = self.word.fetch_sub(ONE, Ordering::Release);
        debug_assert!(word / ONE > 1, "the last reference goes by `release`");
        word & CANCELLED != 0
    }

    /// One more reference. The caller owns one.
    pub fn hold(&self) {
        // ORDERING: Relaxed, as for any count.
        let before = self.word.fetch_add(ONE, Ordering::Relaxed);
        debug_assert!(before >= ONE, "held by who has no reference");
    }

    /// So many references less, of an entry that has an outcome. `Some`: they were the last.
    #[must_use]
    pub fn release(&self, references: usize) -> Option<Last> {
        // ORDERING: Acquire pairs with the Release of all other holders: if what is left is all ours, theirs is over.
        let mut word = self.word.load(Ordering::Acquire);
        if word / ONE != references {
            // ORDERING: Release: this holder's use of the block is before its freeing.
            word = self.word.fetch_sub(references * ONE, Ordering::Release);
            debug_assert!(word / ONE >= references, "released more than there were");
            if word / ONE != references {
                return None;
            }
            // ORDERING: Acquire as above. A load and not a fence, as for a cell's references.
            self.word.load(Ordering::Acquire);
        }
        debug_assert!(word & OUTCOME != 0, "an armed entry is held by its table and its list");
        Some(if word & FIRED != 0 { Last::Fired } else { Last::Cancelled })
    }
}
