//! What the rows of all systems are made with.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Opens when it has been hit so many times; the thread that made it waits for that.
#[derive(Clone)]
pub struct Latch(Arc<(AtomicU64, Thread)>);

impl Latch {
    pub fn new(hits: u64) -> Self {
        Latch(Arc::new((AtomicU64::new(hits), thread::current())))
    }

    pub fn hit(&self) {
        if self.0.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.1.unpark();
        }
    }

    pub fn wait(&self) {
        while self.0.0.load(Ordering::Acquire) != 0 {
            thread::park();
        }
    }
}

/// Hits a latch when it is dropped.
pub struct HitOnDrop(pub Latch);

impl Drop for HitOnDrop {
    fn drop(&mut self) {
        self.0.hit();
    }
}

/// What a row measured: its main figure and whatever else it has to say.
pub struct Outcome(pub Vec<(String, f64)>);

impl Outcome {
    /// Something is done so many times in so long: the figure is items per second.
    pub fn rate(items: u64, took: Duration) -> Self {
        Outcome::figure(items as f64 / took.as_secs_f64())
            .and("items", items as f64)
            .and("seconds", took.as_secs_f64())
    }

    /// Nanoseconds for each of so many.
    pub fn nanos(items: u64, took: Duration) -> Self {
        Outcome::figure(nanos_each(items, took)).and("items", items as f64).and("seconds", took.as_secs_f64())
    }

    pub fn figure(value: f64) -> Self {
        Outcome(Vec::new()).and("value", value)
    }

    pub fn and(mut self, key: impl Into<String>, value: f64) -> Self {
        self.0.push((key.into(), value));
        self
    }
}

pub fn nanos_each(items: u64, took: Duration) -> f64 {
    took.as_nanos() as f64 / items as f64
}

pub type Measured = Result<Outcome, &'static str>;

/// How long `f` takes.
pub fn time(f: impl FnOnce()) -> Duration {
    let start = Instant::now();
    f();
    start.elapsed()
}

/// A number from `/proc/self/status`; kilobytes come as bytes.
pub fn status(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let mut words = line.unwrap_or_default().split_whitespace();
    let number: f64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN);
    if words.next() == Some("kB") { number * 1024.0 } else { number }
}

pub fn threads() -> f64 {
    status("Threads")
}

/// Random enough to choose whom to send to.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: usize) -> Self {
        Dice((seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// Anyone of so many but `me`.
    pub fn other_than(&mut self, me: usize, of: usize) -> usize {
        let chosen = self.below(of - 1);
        if chosen >= me { chosen + 1 } else { chosen }
    }
}

/// Nanoseconds since the first call.
pub fn now() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// When a target died and how long each of its watchers took to handle that.
pub struct Deaths {
    died: AtomicU64,
    took: Vec<AtomicU64>,
}

impl Deaths {
    pub fn new(watchers: usize) -> Arc<Self> {
        Arc::new(Deaths { died: AtomicU64::new(0), took: (0..watchers).map(|_| AtomicU64::new(0)).collect() })
    }

    /// The last act of the target.
    pub fn died(&self) {
        self.died.store(now(), Ordering::Release);
    }

    /// The first act of the handler of a watcher.
    pub fn told(&self, watcher: usize) {
        let took = now().saturating_sub(self.died.load(Ordering::Acquire));
        self.took[watcher].store(took, Ordering::Release);
    }
}

/// Tells when it is dropped: a part of the target's value.
pub struct Dying(pub Arc<Deaths>);

impl Drop for Dying {
    fn drop(&mut self) {
        self.0.died();
    }
}

/// How often the death of a target with so many watchers is measured.
fn rounds(watchers: usize, most: u64) -> usize {
    let full = match watchers {
        ..10 => 4_000,
        ..100 => 1_000,
        ..10_000 => 100,
        _ => 5,
    };
    // A smaller row: fewer of everything.
    if most < 100_000 { full / 20 + 2 } else { full }
}

/// The row of latencies: `stage` puts up so many watchers and answers with a closure that has one target die and returns
/// when all have been told.
pub fn latencies(
    most: u64,
    crowds: &[usize],
    mut stage: impl FnMut(Arc<Deaths>, usize) -> Box<dyn FnMut()>,
    mut load: impl FnMut(),
) -> Outcome {
    let mut outcome = Outcome(Vec::new());
    for state in ["idle", "load"] {
        if state == "load" {
            load();
        }
        for &watchers in crowds.iter().filter(|crowd| **crowd as u64 <= most) {
            let deaths = Deaths::new(watchers);
            let mut die = stage(Arc::clone(&deaths), watchers);
            die(); // warms up
            let mut all = Vec::new();
            for _ in 0..rounds(watchers, most) {
                die();
                all.extend(deaths.took.iter().map(|took| took.load(Ordering::Acquire)));
            }
            all.sort_unstable();
            for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
                let at = ((all.len() as f64 * share) as usize).min(all.len() - 1);
                outcome = outcome.and(format!("{name}_{state}_{watchers}"), all[at] as f64);
            }
        }
    }
    let value = outcome.0[0].1;
    outcome.and("value", value)
}
