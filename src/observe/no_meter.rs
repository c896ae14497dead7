//! Nothing is counted or timed. See `meter.rs` for what the names mean.

use std::time::{Duration, Instant};

use super::{Observed, Rejection};

pub use super::NoPart as Part;
use crate::reason::ExitReason;

pub const ON: bool = false;

pub struct Meter;

impl Meter {
    pub fn new() -> Self {
        Meter
    }

    #[inline(always)]
    pub fn die(&self, _at: Option<Instant>) {}
}

#[derive(Clone, Copy)]
pub struct Died;

impl Died {
    #[inline(always)]
    pub fn of<'a>(_observed: impl FnOnce() -> (&'a Observed, Stamp)) -> Self {
        Died
    }

    #[inline(always)]
    pub fn handled(self) {}
}

#[derive(Clone, Copy)]
pub struct Stamp;

impl Stamp {
    #[inline(always)]
    pub fn now() -> Self {
        Stamp
    }
}

pub struct Lost;

impl Lost {
    #[inline(always)]
    pub fn none() -> Self {
        Lost
    }

    #[inline(always)]
    pub fn one(&mut self, _is_monitor: impl FnOnce() -> bool) {}

    #[inline(always)]
    pub fn report(self) {}
}

#[inline(always)]
pub fn waited(_stamp: Stamp) {}

#[inline(always)]
pub fn depth(_depth: usize) {}

#[inline(always)]
pub fn rejected(_why: Rejection) {}

#[inline(always)]
pub fn monitored() {}

#[inline(always)]
pub fn downs_sent(_row: usize) {}

#[inline(always)]
pub fn retired() {}

#[inline(always)]
pub fn reclaimed() {}

#[inline(always)]
pub fn born() {}

#[inline(always)]
pub fn gone(_reason: Option<&ExitReason>, _exit: Duration) {}
