//! What all subjects use: how much to do, waiting, what is left over, and the report.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use deathwatch::census::{self, Kind};

/// So many monitors are one round of `DW_STRESS_ROUNDS`, in every subject.
pub const ROUND: usize = 1_000;

/// How many monitors a subject is to make. The steering needs some steps to find its way, so there is a least number.
pub fn monitors() -> usize {
    let rounds = match std::env::var("DW_STRESS_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("DW_STRESS_ROUNDS is a number"),
        Err(_) => 1_000,
    };
    (rounds * ROUND).max(50 * ROUND)
}

pub fn spin_until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}

/// As `spin_until`, for what comes soon: stays on its processor for a while, to be there when it does.
pub fn watch_until(done: impl Fn() -> bool) {
    let mut looks = 0_u32;
    while !done() {
        looks += 1;
        if looks % 2_048 == 0 {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}

/// Lets a little time go by, without giving the processor away unless it takes long.
pub fn pause(spins: usize) {
    for n in 1..=spins {
        std::hint::spin_loop();
        if n % 1_024 == 0 {
            std::thread::yield_now();
        }
    }
}

/// Small numbers that differ from round to round and are the same in every run.
pub struct Numbers(u64);

impl Numbers {
    pub fn new() -> Self {
        Numbers(0x9E37_79B9_7F4A_7C15)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Cells and entries that are alive; `None` in a build without debug assertions.
pub fn alive() -> Option<[usize; 2]> {
    Some([census::alive(Kind::Cell)?, census::alive(Kind::Entry)?])
}

/// The same when nothing more goes, however often the collector is asked.
pub fn quiet() -> Option<[usize; 2]> {
    let (mut last, mut same) = (alive()?, 0);
    while same < 8 {
        census::flush();
        let now = alive()?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Some(last)
}

/// Runs a subject to its end and says what it found; what it made must all be gone afterwards.
pub fn run(name: &str, subject: fn() -> Report) {
    let begun = Instant::now();
    let report = subject();
    let took = begun.elapsed();
    let mut left = alive();
    // What threads that have ended left in their bags needs a few steps of the collector.
    for _ in 0..100_000 {
        if left.is_none_or(|left| left == [0, 0]) {
            break;
        }
        census::flush();
        std::thread::yield_now();
        left = alive();
    }
    println!("{}", report.line(name, took, left));
    assert!(left.is_none_or(|left| left == [0, 0]), "left over: cells and entries {left:?}");
    if let Some(wrong) = report.wrong() {
        panic!("{wrong}");
    }
}

/// What a subject has to say.
#[derive(Default)]
pub struct Report {
    /// How many monitors were made, and how many of them ended in no way, or in more than one.
    pub made: usize,
    pub lost: usize,
    pub doubled: usize,
    /// Outcomes that must all occur, with how often they did and out of how many.
    pub shares: Vec<(&'static str, usize, usize)>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

/// What happens less often than this was not tested.
const LEAST_PER_CENT: usize = 5;

impl Report {
    fn line(&self, name: &str, took: Duration, left: Option<[usize; 2]>) -> String {
        let rate = self.made as f64 / took.as_secs_f64() / 1e3;
        let mut line =
            format!("{name}: {} monitors in {:.1} s, {rate:.0} k/s;", self.made, took.as_secs_f64());
        for (what, count, all) in &self.shares {
            let _ = write!(line, " {what} {:.1} %,", *count as f64 * 100.0 / *all as f64);
        }
        for note in &self.notes {
            let _ = write!(line, " {note},");
        }
        let _ = write!(line, " lost {}, doubled {}, left over ", self.lost, self.doubled);
        match left {
            Some(left) => line + &left.iter().sum::<usize>().to_string(),
            None => line + "not counted",
        }
    }

    fn wrong(&self) -> Option<String> {
        if self.lost + self.doubled > 0 {
            return Some(format!("{} lost, {} doubled", self.lost, self.doubled));
        }
        let rare = self.shares.iter().find(|(_, count, all)| count * 100 < all * LEAST_PER_CENT)?;
        Some(format!("hardly ever: {} {} of {}", rare.0, rare.1, rare.2))
    }
}
