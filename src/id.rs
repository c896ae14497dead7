//! Identities: of actors, and of monitors.

use std::fmt;
use std::num::NonZeroU64;

use crate::sync;

/// The identity of one actor, unique in the life of the process and never reused.
///
/// A restarted actor is a new actor with a new identity; what stays the same across restarts is a name.
///
/// ```
/// use deathwatch::prelude::*;
/// struct Idle;
/// impl Actor for Idle {}
///
/// let (a, b) = (Idle.start(), Idle.start());
/// assert_ne!(a.id(), b.id());
/// assert_eq!(a.id(), a.handle().id());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(NonZeroU64);

impl ActorId {
    /// Draws a fresh identity.
    pub(crate) fn next() -> Self {
        ActorId(sync::next_actor_id())
    }

    /// The identity as a number, for logs and tables.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorId({})", self.0)
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Names one monitor: what [`Context::monitor`](crate::Context::monitor) returns and
/// [`Context::demonitor`](crate::Context::demonitor) takes.
///
/// Unique in the life of the process and never reused; 62 bits, so that a million monitors a second last for more
/// than a hundred thousand years. Only the watcher that created it can use it: in anybody else's hands it is unknown.
///
/// ```
/// use deathwatch::{Demonitor, Monitors, prelude::*};
/// struct Idle;
/// impl Actor for Idle {}
///
/// let target = Idle.start();
/// let (mut mine, mut other) = (Monitors::new(), Monitors::new());
/// let monitor = mine.monitor(&target);
/// assert!(matches!(other.demonitor(monitor), Demonitor::Unknown));
/// assert!(matches!(mine.demonitor(monitor), Demonitor::Cancelled));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonitorRef(NonZeroU64);

/// Spreads consecutive keys over the whole key space; odd, so multiplication by it loses nothing.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
/// The inverse of `SPREAD` modulo 2^62, so that [`MonitorRef`] can be found again from the order of a table entry.
const GATHER: u64 = inverse(SPREAD);
const KEY_BITS: u32 = 62;
const KEY_MASK: u64 = (1 << KEY_BITS) - 1;

const fn inverse(odd: u64) -> u64 {
    // Newton: each round doubles the number of correct low bits; 6 rounds are enough for 64.
    let mut x = odd;
    let mut round = 0;
    while round < 6 {
        x = x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
        round += 1;
    }
    x
}

impl MonitorRef {
    /// Draws a fresh reference.
    pub(crate) fn next() -> Self {
        MonitorRef(sync::next_monitor_key())
    }

    /// The reference as a number, for logs.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The hash by which the watcher's table orders its entries: a bijection on 62 bits, so two references never
    /// share one.
    pub(crate) fn hash(self) -> u64 {
        self.0.get().wrapping_mul(SPREAD) & KEY_MASK
    }

    /// The reference whose [`hash`](Self::hash) this is.
    pub(crate) fn of_hash(hash: u64) -> Self {
        let key = hash.wrapping_mul(GATHER) & KEY_MASK;
        MonitorRef(NonZeroU64::new(key).unwrap_or(NonZeroU64::MAX))
    }
}

impl fmt::Debug for MonitorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MonitorRef({})", self.0)
    }
}

#[cfg(all(test, not(dw_loom)))]
mod tests {
    use super::*;

    #[test]
    fn hash_is_a_bijection_and_spreads_neighbours() {
        for key in [1, 2, 3, 4096, u64::from(u32::MAX) + 1, KEY_MASK] {
            let reference = MonitorRef(NonZeroU64::new(key).expect("not zero"));
            assert_eq!(MonitorRef::of_hash(reference.hash()), reference);
        }
        let low = |key: u64| MonitorRef(NonZeroU64::new(key).expect("not zero")).hash() & 7;
        let seen: std::collections::BTreeSet<u64> = (1..=8).map(low).collect();
        assert_eq!(seen.len(), 8, "eight neighbours fall into eight buckets");
    }
}
