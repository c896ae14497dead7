#![cfg(not(loom))]
#![allow(clippy::duplicate_mod, reason = "what is in `modes` is run in each mode")]
//! What is left of pools and stashes when all is over: nothing. The counts belong to the whole process, so these tests take turns.

#[macro_use]
#[path = "../behaviour/support.rs"]
mod support;
#[macro_use]
mod actors;

use std::sync::{Mutex, MutexGuard, PoisonError};

use deathwatch::census::{Kind, alive, flush};

/// Takes the turn, and at the end counts what is left.
struct Turn {
    before: [usize; 2],
    _turn: MutexGuard<'static, ()>,
}

impl Turn {
    fn take() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Turn { before: Self::count(), _turn: turn }
    }

    fn count() -> [usize; 2] {
        [Kind::Cell, Kind::Entry].map(|kind| alive(kind).expect("tests are built with debug assertions"))
    }

    /// Nothing must be left of what was made since. A retired block is freed some time later.
    fn end(self) {
        while Self::count() != self.before {
            flush();
            std::thread::yield_now();
        }
    }
}

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
