#![cfg(not(loom))]
//! A small sequential model of what monitors promise (`oracle/model.rs`, to be read in five minutes), against the real thing:
//! random scripts in which actors of both modes, on several runtimes, and plain code monitor each other, are stopped,
//! killed, held up, dropped, and ended with their runtime. After each step everything that can be seen must be what the
//! model says.
//!
//! A script that fails is made shorter, printed, and kept in `tests/oracle/regressions.txt`, from where it is played first.
//! `PROPTEST_CASES=100000 ORACLE_STEPS=200 cargo test --release --test oracle` plays more, and longer ones;
//! `PROPTEST_RNG_SEED=n` plays the same again.

#[path = "behaviour/doll.rs"]
mod doll;
#[macro_use]
#[path = "behaviour/support.rs"]
mod support;

#[path = "oracle/model.rs"]
mod model;
#[path = "oracle/script.rs"]
mod script;
#[path = "oracle/stage.rs"]
mod stage;
#[path = "oracle/strategy.rs"]
mod strategy;

use std::cell::RefCell;
use std::collections::BTreeMap;

use deathwatch::census::{Kind, alive, flush};
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};

use crate::script::Step;
use crate::stage::Stage;
use crate::strategy::steps;

/// What is left in this process; nothing else runs here. Builds without debug assertions do not count.
fn left() -> [Option<usize>; 2] {
    flush();
    [Kind::Cell, Kind::Entry].map(alive)
}

/// How long scripts may be unless told otherwise.
const STEPS: usize = 60;

/// How long scripts may be.
fn most() -> usize {
    std::env::var("ORACLE_STEPS").map_or(STEPS, |steps| steps.parse().expect("a number of steps"))
}

/// Plays a script, and adds to what was seen.
fn play(script: &[Step], seen: &mut BTreeMap<&'static str, usize>) {
    let mut stage = Stage::new();
    for (at, step) in script.iter().enumerate() {
        stage.play(step);
        stage.check(&format!("after step {at}, {step:?}"));
    }
    for (what, times) in &stage.seen {
        *seen.entry(what).or_default() += times;
    }
}

/// So many scripts are played unless told otherwise.
const CASES: u32 = 1_000;

/// What those show; the rarest of it more than a dozen times.
const SEEN: [&str; 17] = [
    "answer",
    "cancelled",
    "down error",
    "down grief",
    "down kill",
    "down normal",
    "down panic",
    "down shutdown",
    "flushed",
    "last words",
    "no answer",
    "note",
    "note dropped",
    "note refused",
    "note to the dead",
    "unknown",
    "waited",
];

/// R2, R3, R5, R7, R14, R16, R21, R25, R28, R30, R31, R32, R33, R34, R37, R41, R42, R43, R45, R50, R57, R58, R77, R81, R82: in any order.
#[test]
fn scripts_end_as_the_model_says() {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { CASES };
    let config = Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/oracle/regressions.txt"))),
        max_shrink_iters: 10_000,
        ..Config::default()
    };
    let noisy = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let said = info.payload().downcast_ref::<&str>();
        if !said.is_some_and(|said| ["as it was told", "not for this world"].contains(said)) {
            noisy(info);
        }
    }));
    let before = left();
    let seen = RefCell::new(BTreeMap::new());
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&steps(most()), |script| {
        let _dog = watchdog!();
        play(&script, &mut seen.borrow_mut());
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let seen = seen.into_inner();
    println!("{cases} scripts; seen: {seen:?}");
    for what in SEEN {
        assert!(cases < CASES || most() < STEPS || seen.contains_key(what), "never seen: {what}");
    }
    // The last thread of an ended runtime may still be letting go.
    while left() != before {
        std::thread::yield_now();
    }
}
