//! The seam between the core and whoever observes it.
//!
//! The core says what happens, each in one call from here, and names no feature. What is called is empty where the feature that wants it is
//! off, and what it is called on has no size then: so nothing is left of it in the program, in bytes or in instructions.
//!
//! - [`record`]: what each actor has done, for snapshots (feature `introspection`).
#![cfg_attr(
    not(feature = "introspection"),
    allow(dead_code, reason = "the same names whichever feature is on")
)]

use std::future::Future;

#[cfg_attr(not(feature = "introspection"), path = "no_record.rs")]
mod record;

pub use record::{Look, Waiting};

/// What there is about one cell. It stands in the cell, and is nothing unless a feature asks for it.
pub struct Observed {
    record: record::Record,
}

/// How a type is spelled, as a constant that can be pointed at.
pub type Spelled = fn() -> &'static str;

impl Observed {
    /// A cell that is just made.
    pub fn new() -> Self {
        Observed { record: record::Record::new() }
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
    pub fn taken(&self, counted: bool) {
        self.record.taken(counted);
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
        Part { record: self.record.starting() }
    }

    /// A handler is about to be called, for a message of this type.
    #[inline(always)]
    pub fn handling<M>(&self) -> Part {
        Part { record: self.record.handling(const { &(std::any::type_name::<M> as Spelled) }) }
    }

    /// What is known of the actor by now.
    pub fn look(&self) -> Option<Look> {
        self.record.look()
    }
}

/// A call of the user's code that is about to be made.
pub struct Part {
    record: record::Part,
}

impl Part {
    /// Makes it. What it returns is done when the part is.
    #[inline(always)]
    pub fn of<F: Future>(self, call: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        self.record.of(call)
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
    pub fn one(&mut self, is_monitor: bool) {
        self.count.add(usize::from(is_monitor));
    }

    /// How many; `None` where nobody counts.
    pub fn count(&self) -> Option<usize> {
        self.count.get()
    }
}
