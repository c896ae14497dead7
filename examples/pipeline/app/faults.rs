//! What crashes where. Each fault strikes once; a restarted stage meets the same line again in peace.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Reader,
    Digester,
    Writer,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Stage::Reader => "reader",
            Stage::Digester => "digester",
            Stage::Writer => "writer",
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Stops with an error.
    Error,
    /// Panics.
    Panic,
    /// Is killed, in the middle of its work.
    Kill,
    /// Panics when half a row is written.
    Tear,
}

/// The faults that are still to come.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<HashMap<(Stage, u64), Fault>>>);

impl Faults {
    /// Spread over an input of so many lines.
    pub fn over(lines: u64) -> Self {
        let plan = [
            (Stage::Digester, 1, Fault::Panic),
            (Stage::Reader, 2, Fault::Error),
            (Stage::Writer, 3, Fault::Tear),
            (Stage::Digester, 4, Fault::Kill),
            (Stage::Writer, 5, Fault::Panic),
            (Stage::Digester, 6, Fault::Panic),
            (Stage::Reader, 6, Fault::Panic),
            (Stage::Writer, 7, Fault::Tear),
        ];
        let faults = plan.map(|(stage, eighth, fault)| ((stage, lines * eighth / 8), fault));
        Faults(Arc::new(Mutex::new(faults.into())))
    }

    /// What strikes `stage` at this line, if anything.
    pub fn strike(&self, stage: Stage, line: u64) -> Option<Fault> {
        self.0.lock().expect("nobody panics with it").remove(&(stage, line))
    }

    pub fn left(&self) -> usize {
        self.0.lock().expect("nobody panics with it").len()
    }
}
