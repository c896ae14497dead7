//! Batches of free blocks on their way from threads that have too many to threads that have too few.
//!
//! A handful of places, each of which holds a batch or nothing. A batch goes in by an exchange of nothing for it, and comes
//! out by a swap of it for nothing, so whoever takes it out has it alone, and no thread waits for another.

use core::ptr::{self, NonNull};

use crate::sync::atomic::{AtomicPtr, Ordering};
use crate::sync::limit;

/// How many batches there is room for.
const PLACES: usize = limit(32, 2);

/// The first free block of a batch; its first word leads to the next one.
pub type Batch = NonNull<u8>;

/// The depot. See the [module documentation](self).
pub struct Depot {
    places: [AtomicPtr<u8>; PLACES],
}

impl Default for Depot {
    fn default() -> Self {
        Self::new()
    }
}

impl Depot {
    /// An empty one.
    #[cfg(not(dw_loom))]
    pub const fn new() -> Self {
        Depot { places: [const { AtomicPtr::new(ptr::null_mut()) }; PLACES] }
    }

    /// An empty one.
    #[cfg(dw_loom)]
    pub fn new() -> Self {
        Depot { places: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())) }
    }

    /// Puts a batch in; gives it back when there is no room.
    pub fn put(&self, batch: Batch) -> Result<(), Batch> {
        for place in &self.places {
            // ORDERING: Relaxed: a look, made good by the exchange.
            if !place.load(Ordering::Relaxed).is_null() {
                continue;
            }
            // ORDERING: Release publishes the blocks' links, and makes our use of the blocks come before that of whoever
            // takes them. Relaxed on failure: nothing is read.
            let put =
                place.compare_exchange(ptr::null_mut(), batch.as_ptr(), Ordering::Release, Ordering::Relaxed);
            if put.is_ok() {
                return Ok(());
            }
        }
        Err(batch)
    }

    /// Takes a batch out, if there is one.
    pub fn take(&self) -> Option<Batch> {
        self.places.iter().find_map(|place| {
            // ORDERING: Relaxed: as in `put`.
            if place.load(Ordering::Relaxed).is_null() {
                return None;
            }
            // ORDERING: Acquire pairs with the Release in `put`.
            NonNull::new(place.swap(ptr::null_mut(), Ordering::Acquire))
        })
    }
}
