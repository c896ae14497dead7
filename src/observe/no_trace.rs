//! Nothing is traced. See `trace.rs` for what the names mean.

use std::time::Duration;

use super::{Observed, Spelled};

pub use super::NoPart as Part;
use crate::id::ActorId;
use crate::reason::ExitReason;

pub const ON: bool = false;

pub struct Trace;

impl Trace {
    pub fn new() -> Self {
        Trace
    }

    #[inline(always)]
    pub fn handling(
        &self,
        _actor: ActorId,
        _what: &'static Spelled,
        _high_water: impl FnOnce() -> usize,
    ) -> Part {
        Part
    }
}

pub struct Life;

#[inline(always)]
pub fn life(_observed: &Observed, _id: ActorId, _actor: Spelled, _name: Option<&str>) -> Life {
    Life
}

#[inline(always)]
pub fn gone(_id: ActorId, _actor: Spelled, _name: Option<&str>, _reason: Option<&ExitReason>) {}

#[inline(always)]
pub fn restarted(_supervisor: ActorId, _child: &str, _id: ActorId) {}

#[inline(always)]
pub fn slow(_actor: &'static str, _took: Duration) {}
