#![cfg(not(loom))]
//! Monitors with options: a `Down` that overtakes, and aliases, which live as long as a monitor or a first message.

#[path = "behaviour/support.rs"]
#[macro_use]
mod support;
#[path = "options/modes/alias.rs"]
mod alias;
#[path = "behaviour/doll.rs"]
mod doll;
#[path = "options/modes/priority.rs"]
mod priority;
