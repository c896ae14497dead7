//! The compiler's words for the usual mistakes, each with what to write instead. They are pinned for one version of the compiler,
//! since others word them differently: with another one nothing is compared. `TRYBUILD=overwrite cargo test -p diagnostics`
//! writes them anew.
#![cfg(not(any(loom, shuttle)))]

use std::process::Command;

/// Of which compiler the words are.
const PINNED: &str = "rustc 1.95.";

#[test]
fn every_mistake_is_told_with_what_to_write() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("a compiler");
    let version = String::from_utf8(version.stdout).expect("a version");
    if !version.starts_with(PINNED) {
        println!("not compared: the words are those of {PINNED}x, not of {}", version.trim());
        return;
    }
    trybuild::TestCases::new().compile_fail("cases/*.rs");
}
