#![cfg(not(loom))]
//! What Erlang/OTP tests of its monitors, rebuilt from the descriptions of its test suites under the names that the cases have
//! there, for every combination of modes. Which cases there are, and which of them do not apply, is in
//! `docs/conformance.md`.
//!
//! What differs by design: `demonitor` always flushes and says what it found, and who is dead already is told of with its
//! true reason instead of `noproc`.

#[macro_use]
#[path = "behaviour/support.rs"]
mod support;
#[path = "behaviour/doll.rs"]
mod doll;

#[path = "conformance/common.rs"]
mod common;
/// `erts/emulator/test/monitor_SUITE`.
#[path = "conformance/monitor_suite.rs"]
mod monitor_suite;
/// `erts/emulator/test/process_SUITE`, what is about ends and monitors.
#[path = "conformance/process_suite.rs"]
mod process_suite;
/// `erts/emulator/test/signal_SUITE`, what is about monitors and kills.
#[path = "conformance/signal_suite.rs"]
mod signal_suite;

/// The table says of no case that it holds without a test of its name, and leaves none out.
#[test]
fn the_table_is_what_is_tested() {
    let suites = [
        ("monitor_SUITE", include_str!("conformance/monitor_suite.rs")),
        ("signal_SUITE", include_str!("conformance/signal_suite.rs")),
        ("process_SUITE", include_str!("conformance/process_suite.rs")),
    ];
    let mut tested: Vec<(&str, &str)> = Vec::new();
    for (suite, source) in suites {
        let (_, cases) = source.split_once("in_all_combinations! {").expect("the list of cases");
        let (cases, _) = cases.split_once('}').expect("its end");
        tested.extend(cases.split_whitespace().map(|case| (suite, case)));
    }
    let mut listed = Vec::new();
    let mut suite = "";
    for row in include_str!("../docs/conformance.md").lines() {
        if let Some(name) = row.strip_prefix("## `") {
            suite = name.trim_end_matches('`');
        }
        let mut columns = row.split('|').map(str::trim).skip(1);
        let (Some(cases), Some(_), Some(status)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        if status.starts_with("holds") {
            listed.extend(cases.split('`').skip(1).step_by(2).map(|case| (suite, case)));
        }
    }
    tested.sort();
    listed.sort();
    assert_eq!(listed, tested, "left: docs/conformance.md says that it holds; right: it is tested");
}
