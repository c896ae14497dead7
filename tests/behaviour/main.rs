#![cfg(not(loom))]
//! What users see, one module per subject. Nothing here sleeps: a test waits for a message, a death or a gate.
//!
//! Tests that must be able to say "and nothing else came" run their actors on a runtime with one worker: what one run
//! of an actor did is over before the next one begins ([`support::settle`]).

#[macro_use]
mod support;
mod doll;

mod cancelling;
mod cleaning_up;
mod creating;
mod delivering;
mod exits;
mod faults;
mod floods;
mod handles;
mod introspection;
mod mailboxes;
mod modes;
mod pins;
mod plain_code;
mod requests;
mod runtimes;
mod threads;
