//! A place for a cell, read by anybody without waiting.

use std::ptr::{self, NonNull};

use super::{Cell, CellPtr, CellRef};
use crate::reclaim::pin;
use crate::sync::atomic::{AtomicPtr, Ordering, fence};

/// A place for one cell, or none. What is in it is held by it: there is one reference that the place owns.
///
/// | from | to | by |
/// |---|---|---|
/// | anything | a cell, null | `put`, which gives the reference to what was there before to its caller |
/// | that cell | null | `clear`, the same |
pub struct CellSlot {
    place: AtomicPtr<Cell>,
}

impl Default for CellSlot {
    fn default() -> Self {
        Self::new()
    }
}

impl CellSlot {
    /// Nothing is in it.
    pub fn new() -> Self {
        CellSlot { place: AtomicPtr::new(ptr::null_mut()) }
    }

    /// What is in it.
    pub fn get(&self) -> Option<CellRef> {
        let pinned = pin();
        loop {
            // ORDERING: Acquire pairs with the Release in `put`: who finds the cell sees it made.
            let place = NonNull::new(self.place.load(Ordering::Acquire))?;
            // SAFETY: the place gives its reference up only after the cell was taken out of it, which was after this guard
            // began; so the block is retired, if it is, after that as well.
            if let Some(cell) = unsafe { CellPtr(place).try_hold(&pinned) } {
                return Some(cell);
            }
            // ORDERING: Acquire pairs with the Release by which the place's reference was given up, in the count that was found to
            // be zero. That was after the cell had been taken out, so the next look finds something else.
            fence(Ordering::Acquire);
        }
    }

    /// Puts a cell in; what was there before comes back.
    pub fn put(&self, cell: CellRef) -> Option<CellRef> {
        let CellPtr(place) = cell.into_ptr();
        // ORDERING: AcqRel: Release for `get`, of the cell that goes in; Acquire for that which comes out, and is the caller's.
        let before = self.place.swap(place.as_ptr(), Ordering::AcqRel);
        // SAFETY: the reference that the place owned, taken out once.
        NonNull::new(before).map(|before| unsafe { CellPtr(before).adopt() })
    }

    /// Takes this cell out, if it is in it.
    pub fn clear(&self, cell: &CellRef) -> Option<CellRef> {
        let CellPtr(place) = CellPtr::of(cell);
        // ORDERING: Relaxed: what comes out is a reference to what the caller has one to; who gives it back last acquires then.
        let cleared = self.place.compare_exchange(
            place.as_ptr(),
            ptr::null_mut(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        // SAFETY: as in `put`.
        cleared.ok().map(|_| unsafe { CellPtr(place).adopt() })
    }
}

impl Drop for CellSlot {
    fn drop(&mut self) {
        // ORDERING: Relaxed: `&mut self` means that every other access happened before.
        if let Some(place) = NonNull::new(self.place.load(Ordering::Relaxed)) {
            // SAFETY: as in `put`.
            drop(unsafe { CellPtr(place).adopt() });
        }
    }
}
