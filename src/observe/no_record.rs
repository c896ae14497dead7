//! Nothing is recorded. See `record.rs` for what the names mean.

use std::convert::Infallible;
use std::time::Duration;

use super::Spelled;

pub use super::NoPart as Part;
use crate::id::ActorId;

pub struct Record;

impl Record {
    pub fn new() -> Self {
        Record
    }

    #[inline(always)]
    pub fn coming(&self, _counted: bool) {}

    #[inline(always)]
    pub fn taken(&self, _counted: bool) {}

    #[inline(always)]
    pub fn enter(&self) -> impl Sized + use<> {}

    #[inline(always)]
    pub fn starting(&self) -> Part {
        Part
    }

    #[inline(always)]
    pub fn handling(&self, _what: &'static Spelled) -> Part {
        Part
    }

    pub fn look(&self) -> Option<Look> {
        None
    }
}

#[derive(Default)]
pub struct Count;

impl Count {
    #[inline(always)]
    pub fn one(&mut self, _is_monitor: impl FnOnce() -> bool) {}

    pub fn get(&self) -> Option<usize> {
        None
    }
}

pub struct Waiting;

impl Waiting {
    #[inline(always)]
    pub fn nobody() -> Self {
        Waiting
    }

    #[inline(always)]
    pub fn begin(&mut self, _target: impl FnOnce() -> ActorId) {}

    #[inline(always)]
    pub fn end(&mut self) {}
}

/// Never made.
pub struct Look {
    pub uptime: Duration,
    pub started: bool,
    pub depth: usize,
    pub handled: u64,
    pub last: Option<&'static str>,
    pub waits_for: Vec<ActorId>,
    #[allow(dead_code, reason = "so that there is none")]
    never: Infallible,
}
