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
#[doc(alias = "Pid")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(NonZeroU64);

impl ActorId {
    /// Draws a fresh identity.
    pub(crate) fn next() -> Self {
        ActorId(sync::next_actor_id())
    }

    /// The identity that has this number.
    #[allow(dead_code, reason = "only what observes keeps numbers")]
    pub(crate) fn of(number: std::num::NonZeroU64) -> Self {
        ActorId(number)
    }

    /// The identity as a number, for logs and tables.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// Where a table has what there is about this actor; as [`MonitorRef::place`].
    pub(crate) fn place(self) -> u64 {
        place(self.0.get())
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

const KEY_BITS: u32 = 62;
/// So many neighbours fall into buckets that stand beside one another, in their order: whoever goes through keys as they were
/// drawn goes through the memory of the buckets, and of the entries in them, in a straight line.
const NEAR: u64 = 1 << NEAR_BITS;
const NEAR_BITS: u32 = 6;
/// The bits above choose where these buckets stand: multiplied by this (the golden ratio of 2^`FAR_BITS`; odd, so nothing is
/// lost), the upper bits of which count most.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15 >> (u64::BITS - FAR_BITS) | 1;
/// The inverse of `SPREAD`, so that a [`MonitorRef`] can be found again from its hash.
const GATHER: u64 = inverse(SPREAD);
const FAR_BITS: u32 = KEY_BITS - NEAR_BITS;
/// What turns a row by all the bits of its spread number (any odd number with bits all over).
const TURN: u64 = 0xD6E8_FEB8_6659_FD93;
const FAR_MASK: u64 = (1 << FAR_BITS) - 1;

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

/// The numbers below `NEAR` with their bits read backwards, as a bucket's number is made of an order.
const BACKWARDS: [u8; NEAR as usize] = {
    let mut backwards = [0; NEAR as usize];
    let mut n = 0;
    while n < NEAR {
        backwards[n as usize] = (n.reverse_bits() >> (u64::BITS - NEAR_BITS)) as u8;
        n += 1;
    }
    backwards
};

/// How far a row of neighbours is turned, or keys in a distance of `NEAR` would all have the same place in theirs.
fn turn(spread: u64) -> u64 {
    spread.wrapping_mul(TURN) >> (u64::BITS - NEAR_BITS)
}

/// A bijection of the numbers below 2^62.
fn place(number: u64) -> u64 {
    let spread = (number >> NEAR_BITS).wrapping_mul(SPREAD) & FAR_MASK;
    let near = number.wrapping_add(turn(spread)) % NEAR;
    u64::from(BACKWARDS[near as usize]) << FAR_BITS | spread
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

    /// Where the watcher's table has it: 62 bits, the uppermost of which choose the bucket. A bijection, so two references never
    /// share a place.
    pub(crate) fn place(self) -> u64 {
        place(self.0.get())
    }

    /// The reference whose [`place`](Self::place) this is.
    pub(crate) fn of_place(place: u64) -> Self {
        let spread = place & FAR_MASK;
        let near = u64::from(BACKWARDS[(place >> FAR_BITS) as usize]).wrapping_sub(turn(spread)) % NEAR;
        let far = spread.wrapping_mul(GATHER) & FAR_MASK;
        MonitorRef(NonZeroU64::new(far << NEAR_BITS | near).unwrap_or(NonZeroU64::MAX))
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
    fn place_is_a_bijection_and_keeps_neighbours_together() {
        for key in [1, 2, 3, 4, 5, 4096, u64::from(u32::MAX) + 1, (1 << KEY_BITS) - 1] {
            assert_eq!(MonitorRef::of_place(reference(key).place()), reference(key));
        }
        for first in [NEAR, 5 * NEAR, 12_345 * NEAR] {
            let buckets: Vec<usize> =
                (first..first + NEAR).map(|key| bucket_of(reference(key), 4 * NEAR)).collect();
            let block = buckets[0] / NEAR as usize;
            assert!(buckets.iter().all(|bucket| bucket / NEAR as usize == block), "beside one another");
            for pair in buckets.windows(2) {
                assert_eq!((pair[0] + 1) % NEAR as usize, pair[1] % NEAR as usize, "in their order");
            }
            let seen: std::collections::BTreeSet<&usize> = buckets.iter().collect();
            assert_eq!(seen.len(), NEAR as usize, "each in a bucket of its own");
        }
    }

    /// However far apart the keys of one watcher are: no bucket is crowded.
    #[test]
    fn keys_at_regular_distances_do_not_crowd() {
        const BUCKETS: u64 = 1 << 10;
        let powers = [10, 12, 16, 20, 24, 34, 40].map(|bit| 1 << bit);
        let others = [1, 2, 3, 4, 5, 7, 8, 10, 16, 32, 64, 100, 128, 1000, (1 << 20) + 1];
        for distance in powers.into_iter().chain(others) {
            let mut load = [0u32; BUCKETS as usize];
            (0..BUCKETS).for_each(|n| load[bucket_of(reference(5 + n * distance), BUCKETS)] += 1);
            let most = load.iter().max().copied().unwrap_or_default();
            assert!(
                most <= 8,
                "{most} of {BUCKETS} keys, {distance} apart, fall into one of {BUCKETS} buckets"
            );
        }
    }

    fn bucket_of(key: MonitorRef, buckets: u64) -> usize {
        ((key.place() << (u64::BITS - KEY_BITS)).reverse_bits() % buckets) as usize // as the table does it
    }

    fn reference(key: u64) -> MonitorRef {
        MonitorRef(NonZeroU64::new(key).expect("not zero"))
    }
}
