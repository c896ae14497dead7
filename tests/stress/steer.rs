//! Keeps races close. Who wins depends on the machine and on what else runs there, so the head starts are not chosen but
//! learnt: when an outcome gets rare, they move in its favour.

use crate::harness::Numbers;

/// Moves one number such that something happens in a wanted share of all cases. More of it must make the thing happen
/// more often.
pub struct Lead {
    value: f64,
    least: f64,
    most: f64,
    /// The share of late, and over all.
    recent: f64,
    happened: f64,
    all: f64,
    /// How often it was moved in the same direction, one after the other; below zero: down.
    run: i32,
}

impl Lead {
    pub fn between(least: isize, most: isize) -> Self {
        Lead {
            value: 0.0,
            least: least as f64,
            most: most as f64,
            recent: 0.5,
            happened: 0.0,
            all: 0.0,
            run: 0,
        }
    }

    /// The number for the next round: around the present value, so that each round is a little different.
    pub fn next(&self, numbers: &mut Numbers) -> isize {
        let spread = self.value.abs() / 2.0 + 64.0;
        let near = self.value + spread * (numbers.below(2_001) as f64 / 1_000.0 - 1.0);
        near.clamp(self.least, self.most) as isize
    }

    /// The thing happened so often, out of so many cases; it is wanted in this share of them.
    pub fn learn(&mut self, happened: usize, cases: usize, wanted: f64) {
        if cases == 0 {
            return;
        }
        let share = happened as f64 / cases as f64;
        self.recent += (share - self.recent) * 0.1;
        self.happened += happened as f64;
        self.all += cases as f64;
        // What was missed so far is made up for.
        let wanted = (2.0 * wanted - self.happened / self.all).clamp(wanted / 2.0, (1.0 + wanted) / 2.0);
        self.run = if self.recent < wanted { self.run.max(0) + 1 } else { self.run.min(0) - 1 };
        // The longer it has been going the same way, the further it goes.
        let step = (self.value.abs() * 0.02 + 2.0) * f64::from(self.run.clamp(-32, 32)) / 8.0;
        self.value = (self.value + step).clamp(self.least, self.most);
    }

    pub fn value(&self) -> f64 {
        self.value
    }
}
