//! The word of a timer: whether it still rings, and whether its message stands in the mailbox.

use crate::sync::atomic::{AtomicUsize, Ordering};

/// It rings no more and nothing of it is handled any more, but for a handling that has begun.
const OVER: usize = 1;
/// With `OVER`: it was cancelled, or its actor died.
const CANCELLED: usize = 2;
/// Its node stands in the mailbox.
const QUEUED: usize = 4;
/// The actor makes the message of one ringing.
const OPEN: usize = 8;
/// So many ringings have passed that are still to be handled.
const MISSED: usize = 16;

/// Beyond this, what was missed is not counted.
const MOST_MISSED: usize = 1 << 24;

/// One word.
///
/// | bit | set by | cleared by |
/// |---|---|---|
/// | `OVER` | the turn that handles a timer that rings once; with `CANCELLED` a cancel, or the actor's end | never |
/// | `QUEUED` | the clock, when it rings | the turn that takes the node out, unless something was missed |
/// | `OPEN` | the turn, for as long as it makes the message of an interval | the same |
///
/// The content (the message, or what makes it) belongs to whoever sets `OVER`; if that meets `OPEN`, to the turn that clears that.
pub struct Tick {
    word: AtomicUsize,
}

/// What the clock that rings owes.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// To queue the node.
    Queue,
    /// Nothing: it stands in the mailbox.
    Noted,
    /// Nothing: it is over.
    Over,
}

/// What the turn that has taken the node out does.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: it was cancelled.
    Unseen,
    /// It handles; and queues the node again first, if so.
    Handle {
        /// Something was missed.
        again: bool,
    },
}

/// What a cancel found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It was first.
    Now {
        /// The content is the caller's. (Otherwise the turn that makes a message of it drops it.)
        content: bool,
        /// The message stands in the mailbox.
        queued: bool,
    },
    /// It was handled.
    Handled,
    /// It was cancelled before, or the actor died.
    Before,
}

impl Tick {
    /// A timer that is set.
    pub fn new() -> Self {
        Tick { word: AtomicUsize::new(0) }
    }

    /// It rings, and should have `extra` times more.
    pub fn ring(&self, extra: u64) -> Rung {
        let extra = usize::try_from(extra).unwrap_or(MOST_MISSED).min(MOST_MISSED);
        // ORDERING: Relaxed: only the expected value below.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & OVER != 0 {
                return Rung::Over;
            }
            let more = extra + usize::from(word & QUEUED != 0);
            let missed = (word / MISSED + more).min(MOST_MISSED);
            let new = (word % MISSED) | QUEUED | (missed * MISSED);
            // ORDERING: Acquire pairs with the Release in `open`: the turn is done with the node that is to be queued again. What
            // the turn reads comes to it with the node, or is constant.
            match self.word.compare_exchange_weak(word, new, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if word & QUEUED != 0 => return Rung::Noted,
                Ok(_) => return Rung::Queue,
                Err(now) => word = now,
            }
        }
    }

    /// It rings, and is not counted if its message still stands in the mailbox.
    pub fn ring_or_skip(&self) -> Rung {
        // ORDERING: Acquire: as in `ring`.
        let before = self.word.fetch_or(QUEUED, Ordering::Acquire);
        match before {
            _ if before & OVER != 0 => Rung::Over,
            _ if before & QUEUED != 0 => Rung::Noted,
            _ => Rung::Queue,
        }
    }

    /// The node's turn has come. Of one that rings `once`, the content is the caller's if it handles; of another, it is lent
    /// until [`close`](Self::close).
    pub fn open(&self, once: bool) -> Turn {
        // ORDERING: Relaxed: the content came with the node, and turns follow one another.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & OVER != 0 {
                return Turn::Unseen;
            }
            let again = word >= MISSED;
            let new = match (once, again) {
                (true, _) => word & !QUEUED | OVER,
                (false, true) => (word - MISSED) | OPEN,
                (false, false) => word & !QUEUED | OPEN,
            };
            // ORDERING: Release hands the node to the next ringing. Relaxed on failure, as above.
            match self.word.compare_exchange_weak(word, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Turn::Handle { again: again && !once },
                Err(now) => word = now,
            }
        }
    }

    /// The message is made. True: it was cancelled meanwhile, and the content is the caller's.
    #[must_use]
    pub fn close(&self) -> bool {
        // ORDERING: Release hands the content to the one who cancels next. Who has cancelled has not touched it.
        self.word.fetch_and(!OPEN, Ordering::Release) & OVER != 0
    }

    /// Nothing of it is handled from now on.
    pub fn cancel(&self) -> Cancelled {
        // ORDERING: Relaxed: only the expected value below.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & OVER != 0 {
                return if word & CANCELLED != 0 { Cancelled::Before } else { Cancelled::Handled };
            }
            // ORDERING: Acquire takes the content over from the turn before (`close`).
            match self.word.compare_exchange_weak(
                word,
                word | OVER | CANCELLED,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    return Cancelled::Now { content: word & OPEN == 0, queued: word & QUEUED != 0 };
                }
                Err(now) => word = now,
            }
        }
    }

    /// Would ringing do nothing any more?
    pub fn is_over(&self) -> bool {
        // ORDERING: Relaxed: a look; the clock that takes one back is told of it through a stack.
        self.word.load(Ordering::Relaxed) & OVER != 0
    }
}
