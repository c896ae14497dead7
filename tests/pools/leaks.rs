#![cfg(not(loom))]
#![allow(clippy::duplicate_mod, reason = "what is in `modes` is run in each mode")]
//! What is left of pools and stashes when all is over: nothing. The counts belong to the whole process, so these tests take turns.

#[macro_use]
#[path = "../behaviour/support.rs"]
mod support;
#[macro_use]
mod actors;
#[path = "../behaviour/turn.rs"]
mod turn;

use turn::Turn;

#[path = "modes"]
mod task {
    actors!(tasks, Blocking, async);
    mod leaks;
}

#[path = "modes"]
mod thread {
    actors!(threads, Thread,);
    mod leaks;
}
