#![cfg(not(loom))]
#![allow(clippy::duplicate_mod, reason = "what is in `modes` is run in each mode")]
//! Pools of workers, and actors that postpone: each scenario is one text, compiled for each mode.

#[macro_use]
#[path = "../behaviour/support.rs"]
mod support;
#[macro_use]
mod actors;

/// With actors on the scheduler's threads for what blocks.
#[path = "modes"]
mod task {
    actors!(tasks, Blocking, async);
    mod pools;
    mod stash;
    mod states;
}

/// With actors on threads of their own.
#[path = "modes"]
mod thread {
    actors!(threads, Thread,);
    mod pools;
    mod stash;
    mod states;
}

mod pins;
