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
//! Each step is bounded by a budget, so that a long exit lets others run in between.

use crate::cell::Consumer;
use crate::monitor::entry::{Firing, Unwatching};
use crate::reason::ExitReason;

/// How many messages, watchers or monitors are dealt with before others may run.
const BUDGET: usize = 4096;

/// How far the end of an actor has come.
pub struct Death {
    phase: Phase,
}

enum Phase {
    Discarding(ExitReason),
    Firing(Firing),
    Unwatching(Firing, Unwatching),
    Over,
}

impl Death {
    /// An actor whose life has just ended.
    pub fn new(reason: ExitReason) -> Self {
        Death { phase: Phase::Discarding(reason) }
    }
}

/// Goes on with the end of an actor; true when it is over.
pub fn retire<S: 'static>(consumer: &mut Consumer<S>, death: &mut Death) -> bool {
    loop {
        death.phase = match std::mem::replace(&mut death.phase, Phase::Over) {
            Phase::Discarding(reason) => {
                consumer.cell().life.mark_ending();
                consumer.close();
                if !consumer.discard(BUDGET) {
                    death.phase = Phase::Discarding(reason);
                    return false;
                }
                // Only the actor's own end sets it, so it cannot have been set before.
                let _ = consumer.cell().reason.set(reason);
                Phase::Firing(Firing::default())
            }
            Phase::Firing(mut firing) => {
                if !firing.step(consumer.cell(), BUDGET) {
                    death.phase = Phase::Firing(firing);
                    return false;
                }
                Phase::Unwatching(firing, Unwatching::default())
            }
            Phase::Unwatching(mut firing, mut unwatching) => {
                if !unwatching.step(consumer.cell(), BUDGET) {
                    death.phase = Phase::Unwatching(firing, unwatching);
                    return false;
                }
                firing.finish();
                Phase::Over
            }
            Phase::Over => return true,
        };
    }
}
