//! The rows: what is measured, how much of it, and how it reads.

/// What the figure of a row is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Items per second: more is better.
    Rate,
    /// Nanoseconds: less is better, as for all that follow.
    Nanos,
    /// Bytes, counted by the allocator.
    Bytes,
    /// A number of threads.
    Threads,
}

pub struct Row {
    pub id: &'static str,
    pub unit: Unit,
    /// How many items, for every system alike.
    pub n: u64,
    /// The same in the quick mode.
    pub quick: u64,
    /// Where the comparison with ten times as many begins; 0: there is none.
    pub grow: u64,
    pub what: &'static str,
}

impl Row {
    pub fn is_better(&self, one: f64, other: f64) -> bool {
        if self.unit == Unit::Rate { one > other } else { one < other }
    }
}

pub fn find(id: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.id == id)
}

const fn row(id: &'static str, unit: Unit, n: u64, quick: u64, grow: u64, what: &'static str) -> Row {
    Row { id, unit, n, quick, grow, what }
}

use Unit::{Bytes, Nanos, Rate, Threads};

pub const ROWS: &[Row] = &[
    row("M1", Rate, 200_000, 5_000, 200_000, "start, monitor, exit, Down handled; at most 1,000 alive"),
    row(
        "M2a",
        Rate,
        200_000,
        5_000,
        200_000,
        "one target, all monitors of one watcher: from exit to all Downs handled",
    ),
    row("M2b", Rate, 200_000, 5_000, 200_000, "the same, 1,000 watchers with 200 monitors each"),
    row("M2c", Rate, 200_000, 5_000, 100_000, "the same, as many watchers as monitors"),
    row("M3", Rate, 2_000_000, 50_000, 1_000_000, "monitor and demonitor, pairs on one long-lived target"),
    row("M3m", Bytes, 2_000_000, 50_000, 2_000_000, "the same: bytes more than before, in all"),
    row("M3c", Rate, 2_000_000, 50_000, 1_000_000, "the same from two watchers at once"),
    row("M4", Bytes, 200_000, 5_000, 100_000, "left of each watcher that died before its target"),
    row("M5", Threads, 1_000, 100, 0, "OS threads for 1,000 monitors on targets that have threads"),
    row("M6", Nanos, 100_000, 5_000, 100_000, "monitor and demonitor while the target has n others"),
    row("M6d", Nanos, 100_000, 5_000, 100_000, "demonitor of n monitors, oldest first"),
    row("M6m", Bytes, 100_000, 5_000, 100_000, "the same: left of each"),
    row("M7", Bytes, 100_000, 5_000, 100_000, "of each live monitor, both sides, tables included"),
    row("W1", Rate, 5_000_000, 100_000, 2_000_000, "messages, one thread to one actor"),
    row("W2", Rate, 5_000_000, 100_000, 2_000_000, "messages, four senders in the runtime to one actor"),
    row("W3", Rate, 1_000_000, 20_000, 500_000, "ping-pong, round trips"),
    row("W4o", Rate, 50_000, 1_000, 10_000, "requests from a plain thread"),
    row("W4i", Rate, 1_000_000, 20_000, 500_000, "requests from an actor"),
    row("W5", Rate, 5_000_000, 100_000, 1_000_000, "ring of 100 actors, hops"),
    row("W6", Rate, 10_000, 200, 2_000, "Big: 120 actors, n pings of each to random others, messages"),
    row(
        "W7",
        Rate,
        1_000_000,
        20_000,
        200_000,
        "an actor starts n, a message each, they stop; 1,000 in a turn",
    ),
    row("W7t", Rate, 1_000_000, 20_000, 100_000, "the same, all in one turn"),
    row("W7m", Bytes, 100_000, 5_000, 100_000, "of each idle actor"),
    row("W8", Rate, 50_000, 1_000, 10_000, "fork-join: n messages to each of 60 actors"),
    row("W9", Rate, 5_000_000, 100_000, 2_000_000, "counting: a tight loop inside an actor to another"),
    row("L", Nanos, 100_000, 1_000, 0, "from the end of the target to the Down handled"),
    row("Lt", Nanos, 1_000, 10, 0, "the same where all have threads of their own"),
];

/// The systems, ours first, then its rival.
pub const SYSTEMS: &[&str] =
    &["deathwatch", "tokio", "tokio-std", "ractor", "kameo", "actix", "xtra", "spawned", "erlang"];

/// How many messages or actors make a turn of W7.
pub const W7_TURN: u64 = 1_000;
/// How many are alive at a time in M1.
pub const M1_WINDOW: u64 = 1_000;
/// How many watchers share the monitors of M2b.
pub const M2B_WATCHERS: u64 = 1_000;
/// Watchers of M4 that live at a time.
pub const M4_WINDOW: u64 = 1_000;
/// Targets with threads in M5.
pub const M5_TARGETS: u64 = 100;
pub const W2_SENDERS: u64 = 4;
pub const W5_RING: usize = 100;
pub const W6_ACTORS: usize = 120;
pub const W8_ACTORS: u64 = 60;
/// Pairs that play ping-pong while the latencies under load are taken.
pub const LOAD_PAIRS: usize = 4;

/// Is this one of the cells that have to have a figure?
pub fn must_run(system: &str, row: &str) -> bool {
    match system {
        "deathwatch" => true,
        // A task has no thread.
        "tokio" => !matches!(row, "M5" | "Lt"),
        _ => false,
    }
}
