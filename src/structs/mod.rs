//! Concurrent structures and the storage below them. Nothing here knows of actors.

pub mod alarm;
pub mod credit;
pub mod future;
pub mod index;
#[allow(dead_code, reason = "only what observes has one")]
pub mod label;
pub mod list;
pub mod map;
pub mod map_slot;
pub mod once;
pub mod pool;
pub mod queue;
pub mod waker;
