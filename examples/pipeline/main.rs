//! A pipeline of three blocking stages, each an actor on a thread of its own, and an async overseer that monitors
//! them and restarts the one that crashes. No line is lost, and none comes twice.
//!
//! ```text
//! cargo run --release --example pipeline                    # this repository's own files, then exits
//! cargo run --release --example pipeline -- PATH...         # other files and folders
//! ```
//!
//! ```text
//!   Reader ──lines──► Digester ──rows──► Writer ──► a file with a digest for each line
//!      ▲                  ▲                 ▲
//!      └──────────── Overseer (async) ──────┘       monitors all three
//! ```
//!
//! Mailboxes are bounded, and a stage that is ahead blocks until the next one has room. On the way the stages crash, as
//! planned: an I/O error, panics, a kill, a row that is torn in the middle. What the writer has on disk is the only truth:
//! after each crash the overseer asks it for its place and has the reader go on from there. In the end the file is
//! compared with what a plain loop makes of the same input.
//!
//! In `app`: `stages`, `overseer`; `lines` (input), `faults` (what crashes where).

#[cfg(not(loom))]
mod app;

#[cfg(not(loom))]
fn main() -> std::process::ExitCode {
    app::main()
}

/// `cargo test` builds every example, also for the models, where there is no time to wait for.
#[cfg(loom)]
fn main() {}
