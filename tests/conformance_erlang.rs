#![cfg(not(loom))]
//! What Erlang/OTP tests of its monitors, rebuilt from the descriptions of its test suites under the names that the cases have
//! there, for every combination of modes. Which cases there are, and which of them do not apply, is in
//! `docs/conformance.md`.
//!
//! What differs by design is told there as well; above all: `demonitor` always flushes and says what it found, and who is dead already
//! is told of with its true reason instead of `noproc`.

use std::collections::{BTreeMap, HashSet};

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
/// `erts/emulator/test/process_SUITE`, what is about ends, links, monitors, aliases and names.
#[path = "conformance/process_suite.rs"]
mod process_suite;
/// `erts/emulator/test/signal_SUITE`, what is about monitors, links and kills.
#[path = "conformance/signal_suite.rs"]
mod signal_suite;

/// What the table says of a case: is there a test of its name? `None` where that is neither so nor explained.
fn has_test(status: &str) -> Option<bool> {
    let words = status.split(|c: char| !c.is_alphanumeric());
    if words.into_iter().any(|word| word == "yet" || word == "later") {
        return None; // what is put off is no reason
    }
    let (status, why) = status.split_once([';', ':', ',']).unwrap_or((status, ""));
    match (status, why.trim()) {
        ("holds", _) => Some(true),
        (_, "") => None,
        ("differs", _) => Some(true),
        ("does not apply" | "not offered", _) => Some(false),
        _ => None,
    }
}

#[test]
fn what_is_put_off_is_no_reason() {
    for status in
        ["holds", "holds; twice", "holds: it does not compile", "holds, locally", "differs: by design"]
    {
        assert_eq!(has_test(status), Some(true), "{status}");
    }
    for status in ["does not apply: nodes", "not offered: priorities"] {
        assert_eq!(has_test(status), Some(false), "{status}");
    }
    for status in [
        "",
        "not yet: aliases",
        "later",
        "holds; names come later",
        "does not apply: not yet",
        "does not apply",
        "does not apply: ",
        "not offered",
        "differs",
        "nodes: none",
    ] {
        assert_eq!(has_test(status), None, "{status}");
    }
}

/// The requirements that a text begins with.
fn requirements(text: &str) -> Vec<&str> {
    let list = text.split(':').next().unwrap_or_default();
    list.split([',', ' ']).filter(|word| word.starts_with('R')).collect()
}

/// The table has no case twice, says of each that it is tested, and against which requirements, or why it is not, and leaves none out
/// that is tested.
#[test]
fn the_table_is_what_is_tested() {
    let suites = [
        ("monitor_SUITE", include_str!("conformance/monitor_suite.rs")),
        ("signal_SUITE", include_str!("conformance/signal_suite.rs")),
        ("process_SUITE", include_str!("conformance/process_suite.rs")),
    ];
    // Of each case, what its test is about.
    let mut tested: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (suite, source) in suites {
        let (_, cases) = source.split_once("in_all_combinations! {").expect("the list of cases");
        let (cases, _) = cases.split_once('}').expect("its end");
        for case in cases.split_whitespace() {
            let (before, _) = source.split_once(&format!("\nfn {case}<A: Doll, B: Doll>()")).expect(case);
            let about = before.rsplit("\n\n").next().and_then(|text| text.strip_prefix("/// "));
            tested.insert((suite, case), requirements(about.expect(case)));
        }
    }
    let mut listed: HashSet<(&str, &str)> = HashSet::new();
    let mut suite = "";
    for row in include_str!("../docs/conformance.md").lines() {
        if let Some(name) = row.strip_prefix("## ") {
            suite = name.trim_matches('`');
        }
        let Some(row) = row.strip_prefix("| ").filter(|_| suite.ends_with("_SUITE")) else { continue };
        let columns: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        let [cases, about, status] = columns[..] else { panic!("{suite}: not three columns: {row}") };
        if cases == "case" {
            continue;
        }
        let is_tested = has_test(status).unwrap_or_else(|| panic!("{suite}: no status: {row}"));
        let cases: Vec<_> = cases.split('`').skip(1).step_by(2).map(|case| (suite, case)).collect();
        assert!(!cases.is_empty(), "{suite}: no case: {row}");
        let mut theirs = HashSet::new();
        for case in cases {
            assert!(listed.insert(case), "{case:?} is there twice");
            let about = tested.remove(&case);
            assert_eq!(about.is_some(), is_tested, "{case:?}: {status}; right: by the table it has a test");
            theirs.extend(about.into_iter().flatten());
        }
        if is_tested {
            let said = HashSet::from_iter(requirements(about));
            assert_eq!(said, theirs, "{row}: left what the table says, right what its tests do");
        }
    }
    assert!(tested.is_empty(), "not in the table: {:?}", tested.keys());
}
