#![cfg(loom)]
//! The models: every interleaving of a few threads over the parts that must not go wrong.
//! `RUSTFLAGS="--cfg loom" cargo test` runs them all; CONTRIBUTING.md says how to write one.

mod crew;
mod fixture;
mod harness;

mod alarm;
mod alias;
mod attach;
mod bound;
mod credit;
mod demonitor;
mod everything;
mod exchange;
mod exits;
mod groups;
mod guest;
mod idle;
mod lane;
mod life;
mod link;
mod list;
mod mailbox;
mod map;
mod once;
mod oracle;
mod own_thread;
mod pool;
mod priority;
mod release;
mod segment;
mod slot;
mod sweep;
mod timer;
mod wait;
mod waker;
