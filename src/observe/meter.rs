//! Counts and times, told to the recorder that the program has installed.
//!
//! Each is looked up by its name when it is told, as the crate's macros do it: a recorder may be installed at any time.

use std::future::Future;
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};

use super::{Observed, Rejection};
use crate::clock::real_now;
use crate::guard;
use crate::reason::ExitReason;
use crate::structs::once::Once;
use crate::sync::atomic::{AtomicUsize, Ordering};

pub const ON: bool = true;

/// Entries that have been retired and not freed. Freeing is not the place to call anybody, so this is told now and then.
static AWAITING: AtomicUsize = AtomicUsize::new(0);

/// Tells, and lets no panic of the recorder out.
fn quietly(tell: impl FnOnce()) {
    let _ = guard::catch(tell);
}

fn seconds(name: &'static str, since: Instant) {
    let took = real_now().saturating_duration_since(since);
    quietly(|| histogram!(name).record(took.as_secs_f64()));
}

/// When an actor died.
pub struct Meter {
    died: Once<Instant>,
}

impl Meter {
    pub fn new() -> Self {
        Meter { died: Once::new() }
    }

    pub fn die(&self, at: Option<Instant>) {
        if let Some(at) = at {
            let _ = self.died.set(at);
        }
    }
}

/// When the target of a monitor died, if it was an actor of a runtime.
#[derive(Clone, Copy)]
pub struct Died(Option<Instant>);

impl Died {
    /// `made`: when the monitor was made. What was made after the death is not late by more than since then.
    pub fn of<'a>(observed: impl FnOnce() -> (&'a Observed, Stamp)) -> Self {
        let (observed, Stamp(made)) = observed();
        Died(observed.meter.died.get().map(|died| made.max(*died)))
    }

    /// Its `Down` is about to be handled.
    pub fn handled(self) {
        if let Some(at) = self.0 {
            seconds("deathwatch_down_latency_seconds", at);
        }
    }
}

/// When a message was made, which is when it is sent.
#[derive(Clone, Copy)]
pub struct Stamp(Instant);

impl Stamp {
    pub fn now() -> Self {
        Stamp(real_now())
    }
}

/// Monitors that are no more, to be reported when there is no guard.
pub struct Lost(usize);

impl Lost {
    pub fn none() -> Self {
        Lost(0)
    }

    pub fn one(&mut self, is_monitor: impl FnOnce() -> bool) {
        self.0 += usize::from(is_monitor());
    }

    pub fn report(self) {
        if self.0 > 0 {
            quietly(|| {
                gauge!("deathwatch_monitors_active").decrement(self.0 as f64);
                tell_awaiting();
            });
        }
    }
}

fn tell_awaiting() {
    // ORDERING: Relaxed: a number for information.
    gauge!("deathwatch_entries_awaiting_reclamation").set(AWAITING.load(Ordering::Relaxed) as f64);
}

/// A call that is timed, or is not.
pub struct Part {
    since: Option<Instant>,
}

impl Part {
    pub fn hook() -> Self {
        Part { since: None }
    }

    pub fn handler() -> Self {
        Part { since: Some(real_now()) }
    }

    pub fn of<F: Future>(self, call: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        super::during(self, call)
    }
}

impl Drop for Part {
    /// However it ended.
    fn drop(&mut self) {
        if let Some(since) = self.since {
            seconds("deathwatch_handler_seconds", since);
        }
    }
}

/// A message was taken out of a mailbox.
pub fn waited(stamp: Stamp) {
    seconds("deathwatch_mailbox_wait_seconds", stamp.0);
}

/// An actor has looked into its mailbox, and so many are there.
pub fn depth(depth: usize) {
    quietly(|| histogram!("deathwatch_mailbox_depth").record(depth as f64));
}

/// A message did not go into a mailbox.
pub fn rejected(why: Rejection) {
    let why = match why {
        Rejection::Closed => "closed",
        Rejection::Full => "full",
        Rejection::Displaced => "displaced",
        Rejection::NoAlias => "no_alias",
    };
    quietly(|| counter!("deathwatch_sends_rejected_total", "reason" => why).increment(1));
}

/// There is one monitor more.
pub fn monitored() {
    quietly(|| gauge!("deathwatch_monitors_active").increment(1.0));
}

/// So many `Down`s have gone into one mailbox.
pub fn downs_sent(row: usize) {
    quietly(|| counter!("deathwatch_downs_sent_total").increment(row as u64));
}

/// An entry waits to be freed. May be called under a guard.
pub fn retired() {
    // ORDERING: as in `tell_awaiting`.
    AWAITING.fetch_add(1, Ordering::Relaxed);
}

/// It is freed. May be called by the collector.
pub fn reclaimed() {
    // ORDERING: as above.
    AWAITING.fetch_sub(1, Ordering::Relaxed);
}

/// There is one actor more.
pub fn born() {
    quietly(|| {
        counter!("deathwatch_actor_starts_total").increment(1);
        gauge!("deathwatch_actors_alive").increment(1.0);
    });
}

/// There is one less.
pub fn gone(reason: Option<&ExitReason>, exit: Duration) {
    quietly(|| {
        gauge!("deathwatch_actors_alive").decrement(1.0);
        counter!("deathwatch_actor_exits_total", "reason" => kind(reason)).increment(1);
        histogram!("deathwatch_exit_seconds").record(exit.as_secs_f64());
        tell_awaiting();
    });
}

/// Of which kind a reason is.
fn kind(reason: Option<&ExitReason>) -> &'static str {
    match reason {
        Some(ExitReason::Normal) => "normal",
        Some(ExitReason::Shutdown) => "shutdown",
        Some(ExitReason::Kill) => "kill",
        Some(ExitReason::Panic(_)) => "panic",
        Some(ExitReason::Error(_)) => "error",
        Some(ExitReason::Link(_)) => "link",
        Some(ExitReason::NoConnection) => "no_connection",
        Some(ExitReason::NoProc) | None => "no_proc",
    }
}
