//! The end of an actor, written once for every way of dying and for every mode.
//!
//! When this begins, the life is over: the stop hook has run (or not, after a kill or a failed start) and the actor's
//! value is dropped. What is left, in this order:
//!
//! 1. close the mailbox (a life that ended by itself has done so before its stop hook) and drop the messages in it;
//! 2. publish the reason: from here on the actor is dead for all who ask;
//! 3. close the list of watchers and fire it;
//! 4. cancel the actor's own monitors;
//! 5. wake those who wait for the end.
//!
//! Each step is bounded by a budget, so that a long exit lets others run in between. One thing is done at one go: an actor's own
//! monitors are all cancelled before any of them is cleared up, with a few memory accesses for each.

use crate::cell::Consumer;
use crate::mailbox::node::Chain;
use crate::monitor::entry::{Firing, Unwatching, let_go};
use crate::observe::Told;
use crate::reason::ExitReason;

/// How many messages, watchers or monitors are dealt with before others may run.
const BUDGET: usize = 4096;

/// How far the end of an actor has come.
pub struct Death {
    phase: Phase,
    /// Those who wait for the end.
    waits: Chain,
    told: Told,
}

enum Phase {
    /// The reason, until it is published.
    Discarding(Option<ExitReason>),
    Firing(Firing),
    Unwatching(Unwatching),
    Over,
}

impl Death {
    /// An actor whose life has just ended.
    pub fn new(reason: ExitReason) -> Self {
        Death { phase: Phase::Discarding(Some(reason)), waits: Chain::new(), told: Told::default() }
    }

    /// How many monitors have been told, if somebody counts.
    pub fn told(&self) -> Option<usize> {
        self.told.count()
    }
}

/// Goes on with the end of an actor; true when it is over.
pub fn retire<S: 'static>(consumer: &mut Consumer<S>, death: &mut Death) -> bool {
    loop {
        match &mut death.phase {
            Phase::Discarding(reason) => {
                consumer.cell().life.mark_ending();
                consumer.close();
                if !consumer.discard(BUDGET) {
                    return false;
                }
                if let Some(reason) = reason.take() {
                    // Only the actor's own end sets it, so it cannot have been set before.
                    let _ = consumer.cell().reason.set(reason);
                }
                death.phase = Phase::Firing(Firing::default());
            }
            Phase::Firing(firing) => {
                if !firing.step(consumer.cell(), BUDGET, &mut death.waits) {
                    return false;
                }
                death.told = std::mem::take(&mut firing.told);
                death.phase = Phase::Unwatching(Unwatching::default());
            }
            Phase::Unwatching(unwatching) => {
                if !unwatching.step(consumer.cell(), BUDGET) {
                    return false;
                }
                let_go(&mut death.waits);
                death.phase = Phase::Over;
            }
            Phase::Over => return true,
        }
    }
}
