//! Runs a model with its bound in code, counts its executions and holds the count against a floor.
//!
//! Switches of the environment, each `1` to be on:
//!
//! - `DW_LOOM_FULL`: everything, for a release. No model below three preemptions, but for those that say how far they go
//!   ([`Bound::NoMoreThan`]); then all of them again with the next two at once, and again with the third. Whatever has not come to
//!   its end after `DW_LOOM_SECONDS` (20) is cut off, and says so;
//! - `DW_LOOM_REUSE`: freed blocks are handed out again, newest first, so that ABA shows;
//! - `DW_LOOM_PINOP`: pin, retire and unpin are scheduling points;
//! - `DW_LOOM_LOADS`: loads are told apart from each other, which loom does not do by itself;
//! - `DW_LOOM_NO_FLOORS`: a model may take any number of executions; for broken code that is to fail by itself.
//!
//! With one of the three in the middle, no model goes beyond two preemptions, and floors are not held.

// One file serves all models; none of them needs all of it.
#![allow(dead_code)]

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deathwatch::internals::mailbox::segment;
use deathwatch::internals::sync::model::Way;
use deathwatch::internals::{reclaim, sync};

/// How many preemptions an execution may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Every interleaving.
    Unbounded,
    /// Those with at most so many preemptions; in a full run, with three.
    Preemptions(usize),
    /// Those with at most so many preemptions; in a full run, with at most as many as the second says: with three it would
    /// take too long.
    NoMoreThan(usize, usize),
}

/// Whether a switch of the environment is on.
pub fn switch(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value == "1")
}

/// How long a full run stays with one way of one model.
fn seconds() -> Duration {
    let asked = std::env::var("DW_LOOM_SECONDS").ok();
    Duration::from_secs(asked.map_or(20, |seconds| seconds.parse().expect("DW_LOOM_SECONDS is a number")))
}

/// What this run asks of a model that asks for `bound`: one way after the other.
fn rounds(bound: Bound) -> Vec<(Way, Bound)> {
    let none = Way::default();
    let asked =
        Way { reuse: switch("DW_LOOM_REUSE"), pins: switch("DW_LOOM_PINOP"), loads: switch("DW_LOOM_LOADS") };
    let special = |way| {
        let most = if let Bound::NoMoreThan(n, _) = bound { n.min(2) } else { 2 };
        (way, Bound::Preemptions(most))
    };
    if asked != none {
        vec![special(asked)]
    } else if switch("DW_LOOM_FULL") {
        let full = match bound {
            Bound::Preemptions(n) => Bound::Preemptions(n.max(3)),
            Bound::NoMoreThan(_, n) => Bound::Preemptions(n),
            as_it_is => as_it_is,
        };
        let hostile = Way { reuse: true, pins: true, loads: false };
        vec![(none, full), special(hostile), special(Way { loads: true, ..none })]
    } else {
        vec![(none, bound)]
    }
}

impl Bound {
    fn preemptions(self) -> Option<usize> {
        match self {
            Bound::Unbounded => None,
            Bound::Preemptions(n) | Bound::NoMoreThan(n, _) => Some(n),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Unbounded => f.write_str("none"),
            Bound::Preemptions(n) | Bound::NoMoreThan(n, _) => write!(f, "{n}"),
        }
    }
}

/// More steps than this in one execution is taken for a livelock.
const MAX_STEPS: usize = 10_000;

/// Runs `f` in every interleaving within `bound`.
///
/// Up to four threads may be spawned, and `f` joins them all. The model fails on a panic, a deadlock, a leak, an unordered
/// access, and when it took fewer than `floor` executions: then it no longer tests what it was written for.
pub fn model(name: &str, bound: Bound, floor: usize, f: impl Fn() + Sync + Send + 'static) {
    let (f, begun) = (Arc::new(f), Instant::now());
    let limit = switch("DW_LOOM_FULL").then(seconds);
    for (way, within) in rounds(bound) {
        let (f, started) = (f.clone(), Instant::now());
        sync::model::go(way);
        let executions = explore(within, limit, move || {
            f();
            segment::leave_all(); // the main thread's: what it has for itself is dropped too late for this
        });
        sync::model::go(Way::default());
        let cut = limit.is_some_and(|limit| started.elapsed() >= limit);
        // Past the capture of the test harness: the counts belong into every log.
        let line = format!(
            "model {name}: {executions} executions, bound {within}, {:.1} s{}{}\n",
            started.elapsed().as_secs_f64(),
            Named(way),
            if cut { ", cut off" } else { "" }
        );
        std::io::stderr().write_all(line.as_bytes()).expect("stderr is there");
        assert!(
            executions >= floor || cut || way != Way::default() || switch("DW_LOOM_NO_FLOORS"),
            "model {name} took {executions} executions, below its floor of {floor}"
        );
    }
    note_sites(name, begun.elapsed());
}

/// The way a model went, if it is a special one.
struct Named(Way);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Way { reuse, pins, loads } = self.0;
        for (on, name) in [(reuse, "reuse"), (pins, "pins"), (loads, "loads")] {
            if on {
                write!(f, ", {name}")?;
            }
        }
        Ok(())
    }
}

/// With `DW_SITES=file`: a line for each atomic operation that the model came by, with the test's name and the time.
fn note_sites(name: &str, took: Duration) {
    let sites = sync::weaken::take_sites();
    let Some(file) = std::env::var_os("DW_SITES") else { return };
    let thread = std::thread::current();
    let test = thread.name().expect("a test's thread has its name");
    let lines: String =
        sites.iter().map(|site| format!("{test} {name} {} {site}\n", took.as_millis())).collect();
    let file = File::options().create(true).append(true).open(file);
    file.and_then(|mut file| file.write_all(lines.as_bytes())).expect("the file for the sites takes them");
}

/// Runs a model of something broken: passes if the model fails with `complaint` in the message.
pub fn must_fail(name: &str, complaint: &str, f: impl Fn() + Sync + Send + 'static) {
    let outcome = catch_unwind(AssertUnwindSafe(|| explore(Bound::Preemptions(3), None, f)));
    let payload = match outcome {
        Ok(executions) => panic!("model {name} must fail and passed {executions} executions"),
        Err(payload) => payload,
    };
    let said = payload.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("something without words");
    assert!(said.contains(complaint), "model {name} failed, but for another reason: {said}");
}

/// Runs `f` in every interleaving within `bound`, the way that was chosen, or in those that there is time for, and returns how many
/// executions that took.
pub fn explore(bound: Bound, limit: Option<Duration>, f: impl Fn() + Sync + Send + 'static) -> usize {
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound.preemptions();
    builder.max_branches = MAX_STEPS;
    if limit.is_some() {
        builder.max_duration = limit;
        builder.checkpoint_interval = 100; // so often it looks at the time
    }
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        sync::model::begin();
        reclaim::begin();
        f();
    });
    executions.load(Ordering::Relaxed)
}
