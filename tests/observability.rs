#![cfg(not(loom))]
//! Looking at a runtime at work: who is there, how they hang together, who has died, and what is measured of them. Nothing here sleeps.
//!
//! Some of it shows with a feature only; the same tests hold with and without.

#[path = "behaviour/support.rs"]
#[macro_use]
mod support;
#[path = "behaviour/doll.rs"]
mod doll;

#[path = "observability/drawing.rs"]
mod drawing;
#[path = "observability/modes/mod.rs"]
mod modes;
#[path = "observability/promises.rs"]
mod promises;
#[path = "observability/trees.rs"]
mod trees;
#[cfg(feature = "introspection")]
#[path = "observability/waiting.rs"]
mod waiting;
