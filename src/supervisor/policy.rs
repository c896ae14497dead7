//! What a supervisor is told to do: when it restarts whom, how soon, how often, and how it stops them.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Which children are restarted when one of them has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// That one.
    OneForOne,
    /// All: the others are stopped first, in reverse order, and then all are started again, in order.
    OneForAll,
    /// That one and those that come after it, in the same way.
    RestForOne,
}

/// Whether a child that has ended is to be restarted.
///
/// | | `Normal` | `Shutdown` | anything else |
/// |---|---|---|---|
/// | `Permanent` | restarted | restarted | restarted |
/// | `Transient` | stays down | stays down | restarted |
/// | `Temporary` | forgotten | forgotten | forgotten |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// If it failed: if its reason [is abnormal](crate::ExitReason::is_abnormal).
    Transient,
    /// Never, also not when a sibling's failure restarts the others. It is forgotten as soon as it has ended.
    Temporary,
}

/// How a child is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// It is asked to stop, with [`Shutdown`](crate::ExitReason::Shutdown), and killed when it is not gone after this time.
    After(Duration),
    /// It is asked to stop, and waited for however long that takes. For children that are supervisors themselves, whose own
    /// children have their time limits.
    Infinite,
    /// It is killed at once: its `stopped` hook does not run.
    Kill,
}

impl Shutdown {
    /// What a child gets of which nothing else is said: 5 seconds.
    pub const DEFAULT: Shutdown = Shutdown::After(Duration::from_secs(5));
}

/// Whether a supervisor ends when its [significant](super::ChildSpec::significant) children have ended by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AutoShutdown {
    /// It does not: no child may be significant.
    #[default]
    Never,
    /// It ends when one of them has.
    AnySignificant,
    /// It ends when the last of them has.
    AllSignificant,
}

/// How long to wait before a restart: longer each time, while restarts follow one another.
///
/// The n-th delay is `min` × `factor`ⁿ, at most `max`. It is `min` again when the child was up for as long as `max`.
///
/// ```
/// use std::time::Duration;
/// use deathwatch::supervisor::Backoff;
///
/// let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10));
/// assert_eq!(backoff.delay(0), Duration::from_millis(100));
/// assert_eq!(backoff.delay(3), Duration::from_millis(800));
/// assert_eq!(backoff.delay(30), Duration::from_secs(10));
/// assert!(backoff.jitter(0.5).delay(0) >= Duration::from_millis(50));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    factor: f64,
    jitter: f64,
}

impl Backoff {
    /// No delay. The default.
    pub const NONE: Backoff = Backoff { min: Duration::ZERO, max: Duration::ZERO, factor: 1.0, jitter: 0.0 };

    /// Delays from `min` to `max`, each twice as long as the one before.
    pub fn exponential(min: Duration, max: Duration) -> Self {
        Backoff { min, max: max.max(min), factor: 2.0, jitter: 0.0 }
    }

    /// The same delay each time.
    pub fn constant(delay: Duration) -> Self {
        Backoff { min: delay, max: delay, factor: 1.0, jitter: 0.0 }
    }

    /// How many times as long as the one before each delay is, 1 at least.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = if factor > 1.0 { factor } else { 1.0 };
        self
    }

    /// Takes off up to this part of each delay, from 0 to 1, by lot: so that many who fail together do not come back together.
    #[must_use]
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = if part > 0.0 { part.min(1.0) } else { 0.0 };
        self
    }

    /// The delay before a restart that comes after so many others.
    pub fn delay(&self, restarts: u32) -> Duration {
        let grown = self.min.as_secs_f64() * self.factor.powi(i32::try_from(restarts).unwrap_or(i32::MAX));
        let whole = match Duration::try_from_secs_f64(grown) {
            Ok(grown) if grown < self.max => grown,
            _ => self.max,
        };
        if self.jitter > 0.0 { whole.mul_f64(1.0 - self.jitter * lot()) } else { whole }
    }

    /// For how long a child has to be up to be taken for well again.
    pub(super) fn proof(&self) -> Duration {
        self.max
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::NONE
    }
}

/// A number from 0 to 1, by lot: what the standard library seeds its hash maps with.
fn lot() -> f64 {
    const BITS: u32 = 53;
    let drawn = RandomState::new().hash_one(0u8) >> (u64::BITS - BITS);
    drawn as f64 / (1u64 << BITS) as f64
}

/// How many restarts are too many.
#[derive(Debug)]
pub struct Intensity {
    pub most: usize,
    pub within: Duration,
    /// When there were restarts, of which no more than `most` are remembered.
    recent: VecDeque<Instant>,
}

impl Intensity {
    pub fn new(most: usize, within: Duration) -> Self {
        Intensity { most, within, recent: VecDeque::new() }
    }

    /// One more restart; false when that is one too many. A true sliding window: it ends now, and those that are just as old as
    /// it is long are in it.
    pub fn note(&mut self, now: Instant) -> bool {
        if self.most == usize::MAX {
            return true;
        }
        while self.recent.front().is_some_and(|then| now.saturating_duration_since(*then) > self.within) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.most {
            return false;
        }
        self.recent.push_back(now);
        true
    }
}
