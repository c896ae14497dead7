//! Pointers to cells that hold nothing.

use std::ptr::NonNull;

use super::{Cell, CellRef};
use crate::id::ActorId;
use crate::reclaim::Guard;
use crate::structs::list::List;
use crate::sync::atomic::Ordering;

/// A cell that nobody is asked to keep. It can be used only where something else says that the block is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CellPtr(pub(super) NonNull<Cell>);

// SAFETY: only a place; what it leads to may be shared.
unsafe impl Send for CellPtr {}
// SAFETY: as above.
unsafe impl Sync for CellPtr {}

impl CellPtr {
    /// Where a cell is.
    pub fn of(cell: &CellRef) -> Self {
        CellPtr(cell.0)
    }

    /// Who it is.
    ///
    /// # Safety
    ///
    /// The guard began before the block was retired.
    pub unsafe fn id(self, _guard: &Guard) -> ActorId {
        // SAFETY: the block is there; rule 5. Field by field: what is beside it may have been dropped.
        unsafe {
            (*self.0.as_ptr()).tracked.touch();
            (&raw const (*self.0.as_ptr()).id).read()
        }
    }

    /// The list of those who watch it.
    ///
    /// # Safety
    ///
    /// As for [`id`](Self::id).
    pub unsafe fn watchers(self, _guard: &Guard) -> &List {
        // SAFETY: as in `id`; what is borrowed does not outlive the guard.
        unsafe {
            (*self.0.as_ptr()).tracked.touch();
            &(*self.0.as_ptr()).watchers
        }
    }

    /// A reference, if anybody still has one.
    ///
    /// # Safety
    ///
    /// As for [`id`](Self::id).
    pub unsafe fn try_hold(self, _guard: &Guard) -> Option<CellRef> {
        // SAFETY: as in `id`.
        let refs = unsafe {
            (*self.0.as_ptr()).tracked.touch();
            &(*self.0.as_ptr()).refs
        };
        // ORDERING: Relaxed: only the expected value below.
        let mut count = refs.load(Ordering::Relaxed);
        while count > 0 {
            // ORDERING: Relaxed, as for any count: the caller knows the cell by an entry, which was published after the cell
            // was made; while the count is not zero nobody takes anything from it.
            match refs.compare_exchange_weak(count, count + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(CellRef(self.0)),
                Err(now) => count = now,
            }
        }
        None
    }

    /// What is in it.
    ///
    /// # Safety
    ///
    /// Somebody's reference is counted as long as what is borrowed here is used.
    pub unsafe fn get<'a>(self) -> &'a Cell {
        // SAFETY: by the contract.
        let cell = unsafe { self.0.as_ref() };
        cell.tracked.touch();
        cell
    }

    /// A reference that was counted before.
    ///
    /// # Safety
    ///
    /// The caller owns a counted reference (see [`CellRef::into_ptr`]) and hands it over.
    pub unsafe fn adopt(self) -> CellRef {
        CellRef(self.0)
    }
}
