//! The ground floor: atomics, threads and cells, from the standard library or from loom.
//!
//! This is the only room that names `std::sync::atomic`, `std::thread`, `loom` or `shuttle`. Which of them is
//! behind a name is decided here once (`dw_loom`, set by the build script for our own models; `dw_shuttle` besides, where
//! shuttle takes loom's part), so that no `cfg` leaks upwards: the code above is the same text in all builds.
//!
//! What differs under models, apart from the checking itself:
//!
//! - [`Tracked`] is a life cell instead of nothing, and [`free_block`] keeps memory until the iteration ends;
//! - [`thread::park_timeout`] is a yield (the time limit is always just over), stack sizes are ignored;
//! - [`limit`] gives the smaller of its numbers, so that a few entries are enough to grow a map and to sweep a list;
//! - numbers from [`next_actor_id`] and [`next_monitor_key`] start anew in each iteration, because a model must
//!   take the same path whenever it is replayed.
//!
//! LOOM: accesses with `SeqCst` are only `AcqRel` there (a `fence(SeqCst)` is modelled in full), a weak CAS never
//! fails spuriously, an atomic remembers seven stores, and there are at most five threads.
#![allow(dead_code, unused_imports, reason = "a facade offers the same names in both builds, used or not")]

use std::alloc::Layout;
use std::ptr::NonNull;

#[cfg(all(dw_loom, not(dw_shuttle)))]
mod checked;
#[cfg(all(dw_delay, not(dw_loom)))]
mod delay;
#[cfg(all(dw_loom, not(dw_shuttle)))]
pub mod model;
#[cfg(not(dw_loom))]
mod plain;
#[cfg(dw_shuttle)]
mod shuttled;
#[cfg(all(dw_loom, not(dw_shuttle)))]
pub mod weaken;

#[cfg(all(dw_loom, not(dw_shuttle)))]
use checked as imp;
#[cfg(not(dw_loom))]
use plain as imp;
#[cfg(dw_shuttle)]
use shuttled as imp;
#[cfg(dw_shuttle)]
pub use shuttled::model;

pub(crate) use imp::per_thread;
pub use imp::{
    Arc, Tracked, UnsafeCell, alloc_block, atomic, free_block, hint, limit, next_actor_id, next_monitor_key,
    thread,
};

#[cfg(all(test, not(dw_loom)))]
pub use imp::skip_monitor_keys;

pub mod census;

/// Puts a value into a block of its own.
#[track_caller]
#[inline]
pub fn new_block<T>(value: T) -> NonNull<T> {
    const { assert!(size_of::<T>() > 0, "a block has a size") };
    // SAFETY: the size is not zero, as asserted.
    let block = unsafe { alloc_block(Layout::new::<T>()) }.cast::<T>();
    // SAFETY: the block is fresh, ours, and made for a T.
    unsafe { block.write(value) };
    block
}

/// Takes the value out of its block and gives the block back.
///
/// # Safety
///
/// - `block` came from [`new_block`] (or from [`alloc_block`] with the layout of `T`) and holds a value;
/// - it was not taken before, and nobody reads it any more.
#[track_caller]
#[inline]
pub unsafe fn take_block<T>(block: NonNull<T>) -> T {
    // SAFETY: it holds a value that nobody else takes, by the caller's promise.
    let value = unsafe { block.read() };
    // SAFETY: it was made with this layout, and this is its last use.
    unsafe { free_block(block.cast(), Layout::new::<T>()) };
    value
}

#[cfg(all(test, not(dw_loom)))]
mod tests;
