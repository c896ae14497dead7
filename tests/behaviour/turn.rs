//! Tests of what is left take turns, because the counts belong to the whole process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use deathwatch::census::{Kind, alive, flush};

/// Takes the turn, and at the end counts what is left.
pub struct Turn {
    pub before: [usize; 2],
    _turn: MutexGuard<'static, ()>,
}

impl Turn {
    pub fn take() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Turn { before: Self::quiet(), _turn: turn }
    }

    pub fn count() -> [usize; 2] {
        [Kind::Cell, Kind::Entry].map(|kind| alive(kind).expect("tests are built with debug assertions"))
    }

    /// The counts when nothing more goes, for as long as there is garbage: a retired block is freed later.
    pub fn quiet() -> [usize; 2] {
        let mut last = Self::count();
        let mut same = 0;
        while same < 8 {
            flush();
            let now = Self::count();
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
        last
    }

    /// Nothing must be left of what was made since.
    #[track_caller]
    pub fn end(self) {
        // Threads that ended give their garbage away; what a thread that is just ending holds comes a little later.
        while Self::quiet() != self.before {
            std::thread::yield_now();
        }
    }
}
