//! The lifecycle word: whether the actor is queued or running, what it was asked, how far its end has come.

use crate::sync::atomic::{AtomicUsize, Ordering};

/// Somebody wants the actor to run. Set by anybody, cleared by the run that begins.
const NOTIFIED: usize = 1;
/// The actor runs, on one thread. Set when a run begins, cleared when it ends; after the last run never.
const RUNNING: usize = 2;
/// It was asked to stop. Never cleared.
const STOP: usize = 4;
/// It was killed. Never cleared.
const KILL: usize = 8;
/// It lives on without any strong handle. Never cleared.
const DETACHED: usize = 16;
/// Its message loop is over. Set by its own run, never cleared.
const ENDING: usize = 32;
/// Its cause is a panic of its own handler. Set by its own run, never cleared.
const PANICKED: usize = 64;
/// Something may be lent to it that its exit must give back before it tells anybody. Set by who lends, never cleared.
const LENT: usize = 128;
/// Exit signals may have come. Set by who brought one, cleared by the run that begins and looks.
const SIGNALLED: usize = 256;

/// One word, whose transitions are the methods; each says what the caller owes now.
///
/// | `NOTIFIED` | `RUNNING` | the actor is | left by |
/// |---|---|---|---|
/// | 0 | 0 | idle | `notify` |
/// | 1 | 0 | queued: exactly one `Runnable` exists, or is owed by who saw the change | `begin` |
/// | 0 | 1 | running | `notify`, `end` |
/// | 1 | 1 | running, and will be queued again by its own run | `end` |
///
/// After its last run an actor stays `RUNNING`, so nobody queues it again.
pub struct Life {
    word: AtomicUsize,
}

/// What the word said.
#[derive(Clone, Copy)]
pub struct Snapshot(usize);

impl Snapshot {
    /// Does a thread run it?
    pub fn running(self) -> bool {
        self.0 & RUNNING != 0
    }

    /// Is it queued, or will it be again?
    pub fn notified(self) -> bool {
        self.0 & NOTIFIED != 0
    }

    /// Was it asked to stop?
    pub fn stop(self) -> bool {
        self.0 & STOP != 0
    }

    /// Was it killed?
    pub fn kill(self) -> bool {
        self.0 & KILL != 0
    }

    /// Is there something that may end it where it is: a kill, or an exit signal?
    pub fn cut(self) -> bool {
        self.0 & (KILL | SIGNALLED) != 0
    }

    /// Does it live on without strong handles?
    pub fn detached(self) -> bool {
        self.0 & DETACHED != 0
    }

    /// Is its message loop over?
    pub fn ending(self) -> bool {
        self.0 & ENDING != 0
    }

    /// Is its cause a panic of its own?
    pub fn panicked(self) -> bool {
        self.0 & PANICKED != 0
    }

    /// Was anything ever lent to it?
    pub fn lent(self) -> bool {
        self.0 & LENT != 0
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bits = [
            (NOTIFIED, "NOTIFIED"),
            (RUNNING, "RUNNING"),
            (STOP, "STOP"),
            (KILL, "KILL"),
            (DETACHED, "DETACHED"),
            (ENDING, "ENDING"),
            (PANICKED, "PANICKED"),
            (LENT, "LENT"),
            (SIGNALLED, "SIGNALLED"),
        ];
        f.debug_set().entries(bits.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| name)).finish()
    }
}

/// What the one who notified owes.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// To queue the actor.
    Queue,
    /// Nothing: it is queued, or its run will look again.
    Nothing,
}

/// What a run that ends owes.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing: the actor is idle.
    Idle,
    /// To queue the actor again.
    Queue,
}

impl Life {
    /// An actor that is as good as queued: its maker owes the `Runnable`. Or a cell without a life, which is never queued.
    pub fn new(queued: bool) -> Self {
        Life { word: AtomicUsize::new(if queued { NOTIFIED } else { RUNNING }) }
    }

    /// What the word says.
    pub fn read(&self) -> Snapshot {
        // ORDERING: Acquire pairs with the Release of whoever set the bit that is acted upon (the cause of a stop is
        // written before STOP).
        Snapshot(self.word.load(Ordering::Acquire))
    }

    fn set(&self, bits: usize) -> Notify {
        // ORDERING: AcqRel: Release hands what was done before (a message, a cause, a woken future's data) to the run
        // that clears NOTIFIED; it must be a read-modify-write also when nothing changes, or the run would not see it.
        // Acquire orders queueing after the end of the run before, which has taken its `Runnable` out of wherever this
        // one is laid.
        let before = self.word.fetch_or(bits | NOTIFIED, Ordering::AcqRel);
        if before & (NOTIFIED | RUNNING) == 0 { Notify::Queue } else { Notify::Nothing }
    }

    /// There is something to do.
    pub fn notify(&self) -> Notify {
        self.set(0)
    }

    /// Asks the actor to stop.
    pub fn ask_stop(&self) -> Notify {
        self.set(STOP)
    }

    /// Kills it.
    pub fn ask_kill(&self) -> Notify {
        self.set(KILL)
    }

    /// An exit signal has been brought.
    pub fn signal(&self) -> Notify {
        self.set(SIGNALLED)
    }

    /// A run is about to look for exit signals. What comes after the look sets the bit again.
    pub fn look_for_signals(&self) {
        // ORDERING: Acquire pairs with the Release in `signal`: what was brought before that is seen by the look.
        self.word.fetch_and(!SIGNALLED, Ordering::Acquire);
    }

    /// Lets it live on without strong handles.
    pub fn detach(&self) {
        // ORDERING: Relaxed: the caller holds a strong handle; giving that up orders this before the actor looks.
        self.word.fetch_or(DETACHED, Ordering::Relaxed);
    }

    /// The message loop is over.
    pub fn mark_ending(&self) {
        // ORDERING: Relaxed: a flag to be seen by others some time, who read nothing on its strength.
        self.word.fetch_or(ENDING, Ordering::Relaxed);
    }

    /// A handler panicked, and that is the cause.
    pub fn mark_panicked(&self) {
        // ORDERING: Relaxed: set and read by the actor's own runs.
        self.word.fetch_or(PANICKED, Ordering::Relaxed);
    }

    /// Something is about to be lent to it. To be said before the entry that gives it back goes into the list.
    pub fn mark_lent(&self) {
        // ORDERING: Relaxed: the push of the entry publishes it, and the exit reads it after it has closed the list.
        self.word.fetch_or(LENT, Ordering::Relaxed);
    }

    /// A run begins: queued becomes running. The caller holds the one `Runnable`.
    pub fn begin(&self) {
        // ORDERING: Acquire pairs with the Release in `set` and in `end`; there is nothing to publish yet. Flipping both
        // bits is one step since nobody else changes either while the actor is queued.
        let before = self.word.fetch_xor(NOTIFIED | RUNNING, Ordering::Acquire);
        debug_assert_eq!(before & (NOTIFIED | RUNNING), NOTIFIED, "run without being queued");
    }

    /// A run ends, and there may be another.
    pub fn end(&self) -> End {
        // ORDERING: Release hands the actor's state to the next run, and lets whoever queues it come after this one. What
        // was brought by a `set` is acquired in `begin`.
        let before = self.word.fetch_and(!RUNNING, Ordering::Release);
        debug_assert_ne!(before & RUNNING, 0, "ended without running");
        if before & NOTIFIED == 0 { End::Idle } else { End::Queue }
    }
}
