//! Monitors: the one list of interests in an actor's death, and what hangs on it.
//!
//! See `docs/protocol.md` for the protocol as a whole. [`entry`] holds the block and all that touches it; [`down`] is
//! what a watcher is told.

pub mod down;
#[allow(unsafe_code)]
pub mod entry;
#[cfg(all(test, not(dw_loom)))]
mod tests;

pub use down::{Demonitor, Down, Exit};
