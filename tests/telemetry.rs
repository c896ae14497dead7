#![cfg(not(loom))]
//! What is told to a recorder of `metrics` and to a subscriber of `tracing`. Both are installed for the whole process, so these tests take
//! turns. Nothing here sleeps.

use std::sync::{Mutex, MutexGuard, PoisonError};

#[path = "behaviour/support.rs"]
#[macro_use]
mod support;
#[path = "behaviour/doll.rs"]
mod doll;

#[path = "telemetry/board.rs"]
mod board;
#[path = "telemetry/journal.rs"]
mod journal;
#[path = "telemetry/modes/mod.rs"]
mod modes;

/// Whose turn it is.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
