//! Real threads against each other, counted exactly: no monitor is lost, told twice, or left over.
//!
//! ```text
//! cargo test --test stress                              # a million monitors in each subject
//! cargo test --test stress exit_demonitor               # only subjects with this in their names
//! DW_STRESS_ROUNDS=1000000 cargo test --test stress     # before a release: 10^9 in each
//! ```
//!
//! `DW_STRESS_ROUNDS` is how many thousands of monitors each subject makes: 1,000 unless it says otherwise, and never
//! less than 50. A program of its own instead of the usual test harness, because ThreadSanitizer would report that one.
//!
//! Where several things race for a monitor, every outcome must come to 5 % at least: the head starts are steered by what
//! came out before (`stress/steer.rs`).
//!
//! Seen to fail with these breaks of the crate (`loom-tests/mutants` has the diffs); those marked + with `--cfg dw_delay` only:
//!
//! - `list-close-overwrites`: cells and entries left over, after 50,000 monitors of each subject;
//! - `exit-reason-late` +: `Down`s with a wrong reason;
//! - `list-closer-always-alone` +, `list-late-busy` +: entries left over;
//! - `entry-watcher-held-late` +: "the watcher stayed", and a subject that does not end;
//! - no sweep ever begins: `churn_on_one_target` and `memory_of_a_churned_target` find every entry that was ever cancelled.
#![cfg_attr(loom, allow(unused))]

#[cfg(not(loom))]
#[path = "stress/attach.rs"]
mod attach;
#[cfg(not(loom))]
#[path = "stress/harness.rs"]
mod harness;
#[cfg(not(loom))]
#[path = "stress/links.rs"]
mod links;
#[cfg(not(loom))]
#[path = "stress/memory.rs"]
mod memory;
#[cfg(not(loom))]
#[path = "stress/planted.rs"]
mod planted;
#[cfg(not(loom))]
#[path = "stress/races.rs"]
mod races;
#[cfg(not(loom))]
#[path = "stress/rings.rs"]
mod rings;
#[cfg(not(loom))]
#[path = "stress/steer.rs"]
mod steer;

/// Models are elsewhere; this program is empty then.
#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    type Subject = (&'static str, fn() -> harness::Report);
    let subjects: [Subject; 11] = [
        ("exit_demonitor_and_handling", races::exit_demonitor_and_handling),
        ("storm_of_targets", races::storm_of_targets),
        ("storm_of_watchers", races::storm_of_watchers),
        ("several_watchers_of_several_targets", races::several_watchers_of_several_targets),
        ("attach_against_exit", attach::attach_against_exit),
        ("watchers_and_targets_die_together", rings::watchers_and_targets_die_together),
        ("exits_and_unlinks", links::exits_and_unlinks),
        ("links_from_both_sides", links::links_from_both_sides),
        ("churn_on_one_target", memory::churn_on_one_target),
        ("memory_of_a_churned_target", memory::memory_of_a_churned_target),
        ("a_thread_asleep_under_a_guard", memory::a_thread_asleep_under_a_guard),
    ];
    let asked = Asked::of(std::env::args().skip(1));
    let chosen = subjects.iter().filter(|(name, _)| asked.includes(name));
    if asked.list {
        chosen.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, subject) in chosen {
        match std::panic::catch_unwind(|| harness::run(name, *subject)) {
            Ok(()) => passed += 1,
            Err(_) => failed.push(*name),
        }
    }
    println!(
        "stress: {passed} passed, {} failed{}",
        failed.len(),
        failed.iter().map(|name| format!(" {name}")).collect::<String>()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

/// What the command line asks for, in the words of the usual harness.
#[cfg(not(loom))]
#[derive(Default)]
struct Asked {
    names: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
}

#[cfg(not(loom))]
impl Asked {
    fn of(mut words: impl Iterator<Item = String>) -> Self {
        let mut asked = Asked::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--exact" => asked.exact = true,
                "--list" => asked.list = true,
                "--skip" => asked.skip.extend(words.next()),
                "--test-threads" | "--format" | "--color" => drop(words.next()),
                _ if word.starts_with('-') => {}
                _ => asked.names.push(word),
            }
        }
        asked
    }

    fn includes(&self, name: &str) -> bool {
        let fits = |word: &String| if self.exact { name == word } else { name.contains(word.as_str()) };
        (self.names.is_empty() || self.names.iter().any(fits)) && !self.skip.iter().any(fits)
    }
}
