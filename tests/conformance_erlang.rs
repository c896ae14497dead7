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

/// `erts/emulator/test/monitor_SUITE`.
#[path = "conformance/monitor_suite.rs"]
mod monitor_suite;
/// `erts/emulator/test/signal_SUITE`, what is about monitors and kills.
#[path = "conformance/signal_suite.rs"]
mod signal_suite;
