//! Monitors by name: the entry keeps what its target was asked for as.

use std::ptr::NonNull;
use std::sync::Arc;

use super::{Entry, EntryPtr, EntryVtable, Full};
use crate::cell::CellRef;
use crate::id::MonitorRef;
use crate::structs::pool;

/// An entry of a monitor by name. The name is a constant of the block, beside the payload, because demonitor tells it also
/// while the payload is on its way.
#[repr(C)]
struct Named<P> {
    full: Full<P>,
    asked_as: Arc<str>,
}

/// Makes a block with so many references.
pub(super) fn create<P: Send>(
    vtable: &'static EntryVtable,
    key: Option<MonitorRef>,
    references: usize,
    sides: (Option<&CellRef>, &CellRef),
    payload: P,
    asked_as: Arc<str>,
) -> EntryPtr {
    let full = Entry::full(vtable, key, references, sides, payload);
    pool::new_block(Named { full, asked_as }).cast()
}

/// # Safety
///
/// `entry` is the front of a `Named<P>` that nobody holds any more, whose payload is gone.
pub(super) unsafe fn free<P>(entry: EntryPtr) {
    // SAFETY: by the contract; made by `create` with this type.
    let named = unsafe { pool::take_block(entry.cast::<Named<P>>()) };
    named.full.entry.end();
    drop(named.asked_as); // a string: no code of the user's
}

/// # Safety
///
/// `entry` is the front of a `Named<P>`, and alive.
pub(super) unsafe fn asked_as<P>(entry: EntryPtr) -> Arc<str> {
    let named: NonNull<Named<P>> = entry.cast();
    // SAFETY: by the contract; this field is never written again, and only it is borrowed here.
    unsafe { Arc::clone(&(*named.as_ptr()).asked_as) }
}
