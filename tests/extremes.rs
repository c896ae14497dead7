#![cfg(not(loom))]
//! Great numbers, and the faults that no program survives. `docs/faults.md` lists the faults and their tests.
//!
//! What is left is counted for the whole process, so these tests take turns.

#[path = "behaviour/doll.rs"]
mod doll;
#[macro_use]
#[path = "behaviour/support.rs"]
mod support;

#[path = "extremes/aborts.rs"]
mod aborts;
#[path = "extremes/millions.rs"]
mod millions;
