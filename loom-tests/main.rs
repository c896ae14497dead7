#![cfg(loom)]
//! The models: every interleaving of a few threads over the parts that must not go wrong.
//! `RUSTFLAGS="--cfg loom" cargo test` runs them all; CONTRIBUTING.md says how to write one.

mod harness;
mod oracle;
