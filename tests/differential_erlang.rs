#![cfg(not(loom))]
//! The same random scripts on real Erlang processes and on actors of both modes: what every watcher is told, in which order,
//! what every `demonitor` answers, who dies of what, and who shows up as whose monitor must be the same after every step. The few
//! differences that there are by design are mapped at the top of `differential/actors.rs`, and listed in
//! `docs/conformance.md`.
//!
//! Needs `escript` of Erlang/OTP 24 or later (Debian: `erlang-base`); without it the test says so and is skipped. A script that
//! differs is made shorter, printed, and kept in `tests/differential/regressions.txt`, from where it is played first.
//! `PROPTEST_CASES=20000 cargo test --release --test differential_erlang` plays more.

#[path = "behaviour/doll.rs"]
mod doll;
#[macro_use]
#[path = "behaviour/support.rs"]
mod support;

#[path = "differential/actors.rs"]
mod actors;
#[path = "differential/erlang.rs"]
mod erlang;
#[path = "differential/script.rs"]
mod script;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;

use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};

use crate::erlang::Erlang;
use crate::script::{steps, text};

/// What is promised of a line: Downs that came without a message between them came in one step, and of the order of those
/// nothing is promised; nor of which Down it was that somebody died of.
fn promised(line: &str) -> String {
    let [answer, died, heard, views] = line.splitn(4, '|').collect::<Vec<_>>()[..] else {
        panic!("no line: {line:?}");
    };
    let grief = |actor: &str| died.split(',').any(|death| death == format!("{actor} grief"));
    let heard = heard.split(';').filter_map(|heard| {
        let (actor, told) = heard.split_once(':')?;
        let mut told: Vec<_> = told.split(',').collect();
        for downs in told.split_mut(|told| told.starts_with("note ")) {
            downs.sort();
        }
        (!grief(actor)).then(|| format!("{actor}:{}", told.join(",")))
    });
    format!("{answer}|{died}|{}|{views}", heard.collect::<Vec<_>>().join(";"))
}

/// Counts the words that lines are made of, to show that nothing was compared with nothing.
fn count(line: &str, counts: &mut BTreeMap<String, usize>) {
    let told = line.split('|').nth(2).unwrap_or_default();
    let told = told.split([':', ',', ';']).filter(|told| told.contains(" of "));
    let why = |told: &str| {
        let mut words = told.split(' ');
        format!("{} {}", words.next().unwrap_or_default(), words.nth(3).unwrap_or_default())
    };
    let answer = line.split('|').next().unwrap_or_default().to_owned();
    for word in told.map(why).chain([answer]) {
        *counts.entry(word).or_default() += 1;
    }
}

/// What three hundred scripts cannot fail to show.
const SEEN: [&str; 16] = [
    "done",
    "skipped",
    "cancelled",
    "flushed",
    "unknown",
    "true",
    "false",
    "down normal",
    "down error",
    "down panic",
    "down killed",
    "down noproc",
    "down grief",
    "tagged normal",
    "tagged error",
    "tagged noproc",
];

/// R2, R3, R5, R7, R14, R15, R16, R17, R25, R28, R30, R31, R32, R33, R34, R36, R37, R41, R42, R43, R51, R57, R58, R76: as in Erlang.
#[test]
fn scripts_go_as_in_erlang() {
    let erlang = match Erlang::start() {
        Ok(erlang) => RefCell::new(erlang),
        Err(why) => {
            // Not through `eprintln`, which the test harness captures.
            let _ = writeln!(std::io::stderr(), "differential_erlang: skipped, {why}");
            return;
        }
    };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { 300 };
    let config = Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/differential/regressions.txt",
        ))),
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
    let runtimes = [support::duo(), support::duo()];
    let counts = RefCell::new(BTreeMap::new());
    let outcome = TestRunner::new(config).run(&steps(), |script| {
        let _dog = watchdog!();
        let script = text(&script);
        let theirs = erlang.borrow_mut().play(&script);
        let ours = actors::play(&script, &runtimes);
        assert_eq!(theirs.len(), script.len(), "Erlang answers each step");
        for (at, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
            count(theirs, &mut counts.borrow_mut());
            assert_eq!(
                promised(ours),
                promised(theirs),
                "step {at} (left: here, right: Erlang) of\n{}",
                script.join(";")
            );
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let counts = counts.into_inner();
    println!("{cases} scripts; steps and Downs compared: {counts:?}");
    for word in SEEN {
        assert!(cases < 300 || counts.contains_key(word), "never seen: {word}");
    }
}
