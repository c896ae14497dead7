//! The seam between the core and whoever observes it.
//!
//! The core says what happens, each in one call from here, and names no feature. What is called is empty where the feature that wants it is
//! off, and what it is called on has no size then: so nothing is left of it in the program, in bytes or in instructions.
//!
//! - [`record`]: what each actor has done, for snapshots (feature `introspection`).
//! - [`meter`]: counts and times, for a recorder of the crate `metrics` (feature of that name).
//! - [`trace`]: spans and events, for a subscriber of the crate `tracing` (feature of that name).
//!
//! Recorders and subscribers are the user's code. So they are called where that may be called: under no guard of `reclaim`, and in
//! nothing that runs later at some place of the collector's choice; and where a panic of theirs would do harm, it goes no further.
#![allow(dead_code, reason = "the same names whichever feature is on")]

use std::future::Future;
use std::time::{Duration, Instant};

use crate::id::ActorId;
use crate::reason::ExitReason;

#[cfg_attr(not(feature = "metrics"), path = "no_meter.rs")]
mod meter;
#[cfg_attr(not(feature = "introspection"), path = "no_record.rs")]
mod record;
#[cfg_attr(not(feature = "tracing"), path = "no_trace.rs")]
mod trace;

pub use meter::{Died, Lost, Stamp, depth, downs_sent, monitored, reclaimed, rejected, retired, waited};
pub use record::{Look, Waiting};
pub use trace::{life, restarted, slow};

/// Does somebody want to know how long an exit takes?
pub const TIMES_EXITS: bool = meter::ON || trace::ON;
/// Does somebody want to know of handlers that keep their thread, in a release build too?
pub const TIMES_RUNS: bool = trace::ON;

/// Does somebody want to know for how long each message waits?
pub const STAMPS: bool = meter::ON;

/// How a type is spelled, as a constant that can be pointed at.
pub type Spelled = fn() -> &'static str;

/// Why a message did not go into a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It is closed.
    Closed,
    /// It is full: the message went back to its sender, or was dropped.
    Full,
    /// It was in, and a newer one took its place.
    Displaced,
    /// The alias by which it was sent is over.
    NoAlias,
}

/// What there is about one cell. It stands in the cell, and is nothing unless a feature asks for it.
pub struct Observed {
    record: record::Record,
    meter: meter::Meter,
    trace: trace::Trace,
}

impl Observed {
    /// A cell that is just made.
    pub fn new() -> Self {
        Observed { record: record::Record::new(), meter: meter::Meter::new(), trace: trace::Trace::new() }
    }

    /// A message is about to be pushed. `counted`: it is one of those that take a place in a bounded mailbox.
    #[inline(always)]
    pub fn coming(&self, counted: bool) {
        self.record.coming(counted);
    }

    /// It was refused.
    #[inline(always)]
    pub fn refused(&self, counted: bool) {
        self.record.taken(counted);
    }

    /// It was taken out.
    #[inline(always)]
    pub fn taken(&self, counted: bool, stamp: Stamp) {
        self.record.taken(counted);
        if counted {
            meter::waited(stamp);
        }
    }

    /// The calling thread runs this cell until what comes back is dropped.
    #[inline(always)]
    #[must_use]
    pub fn enter(&self) -> impl Sized + use<> {
        self.record.enter()
    }

    /// The actor's start hook is about to be called.
    #[inline(always)]
    pub fn starting(&self) -> Part {
        Part { record: self.record.starting(), meter: meter::Part::hook(), trace: trace::Part::hook() }
    }

    /// A handler of this actor is about to be called, for a message of this type; so many is the most that were ever in its mailbox.
    #[inline(always)]
    pub fn handling<M>(&self, actor: ActorId, high_water: impl FnOnce() -> usize) -> Part {
        let what = const { &(std::any::type_name::<M> as Spelled) };
        Part {
            record: self.record.handling(what),
            meter: meter::Part::handler(),
            trace: self.trace.handling(actor, what, high_water),
        }
    }

    /// The life of the actor is over, at this time if it was looked at. Said again, it says nothing.
    #[inline(always)]
    pub fn die(&self, at: Option<Instant>) {
        self.meter.die(at);
    }

    /// What is known of the actor by now.
    pub fn look(&self) -> Option<Look> {
        self.record.look()
    }
}

/// Makes a call; what it returns keeps the part until it is done, or dropped.
fn during<P, F: Future>(part: P, call: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
    let future = call();
    async move {
        let _part = part;
        future.await
    }
}

/// A call that is about to be made, where nobody wants to know of it.
pub struct NoPart;

impl NoPart {
    #[inline(always)]
    pub fn hook() -> Self {
        NoPart
    }

    #[inline(always)]
    pub fn handler() -> Self {
        NoPart
    }

    #[inline(always)]
    pub fn of<F: Future>(self, call: impl FnOnce() -> F) -> F {
        call()
    }
}

/// A call of the user's code that is about to be made.
pub struct Part {
    record: record::Part,
    meter: meter::Part,
    trace: trace::Part,
}

impl Part {
    /// Makes it. What it returns is done when the part is.
    #[inline(always)]
    pub fn of<F: Future>(self, call: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        let Part { record, meter, trace } = self;
        record.of(|| meter.of(|| trace.of(call)))
    }
}

/// How many monitors have been told of one death.
#[derive(Default)]
pub struct Told {
    count: record::Count,
}

impl Told {
    /// One more, if it is one.
    #[inline(always)]
    pub fn one(&mut self, is_monitor: impl FnOnce() -> bool) {
        self.count.one(is_monitor);
    }

    /// How many; `None` where nobody counts.
    pub fn count(&self) -> Option<usize> {
        self.count.get()
    }
}

/// An actor has been made, and will be said to be [`gone`].
#[inline(always)]
pub fn born() {
    meter::born();
}

/// An actor is gone: dead, and everybody told, which took so long.
#[inline(always)]
pub fn gone(id: ActorId, actor: Spelled, name: Option<&str>, reason: Option<&ExitReason>, exit: Duration) {
    meter::gone(reason, exit);
    trace::gone(id, actor, name, reason);
}
