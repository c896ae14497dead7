//! The entry: one block that joins a watcher and a target.
//!
//! It stands in the target's list (`link`), in the watcher's table (`hook`), and when it has fired it is itself the
//! message node that carries the `Down` (`node`).
//!
//! # Rules
//!
//! 1. The key goes into the table before the entry goes into the list.
//! 2. Whoever removes the key owns the outcome of the monitor: the turn that handles the `Down`, demonitor, or the
//!    watcher's exit. A node whose key is gone is dropped unseen.
//! 3. The state has one outcome. Its winner owns `watcher`; who cancels also owns the payload, who fires passes it on
//!    with the node.
//! 4. References: one of the table, given up by who removed the key; one of the list, given up by who took the entry
//!    out; one that goes with the state, given up by who cancelled, or by who opens or discards the node. Entries
//!    without a key have one of their owner instead of the table's.
//! 5. The watcher is taken out before the node is pushed, and the list's link is read before the entry fires: after
//!    that the entry may be gone.
//! 6. The block is freed through the epoch. The reference to the target is given up before that, and never under a
//!    guard if it may be the last: dropping a cell may run the user's code (the `Drop` of an error).
//! 7. The target's reason is there before its list is closed, so that whoever fires can tell it.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::down::Down;
use crate::cell::CellRef;
use crate::id::{ActorId, MonitorRef};
use crate::mailbox::node::{Node, NodeVtable};
use crate::reason::ExitReason;
use crate::reclaim::Guard;
use crate::structs::list::{Link, Listed};
use crate::structs::map::Hook;
use crate::structs::pool;
use crate::sync::{self, Tracked, UnsafeCell};
use state::State;

mod fire;
mod owned;
mod state;
mod tick;
pub mod timer;
mod watch;

pub use fire::{Firing, Unwatching};
pub use owned::{Tie, Wait};
pub use watch::{Notice, Station, demonitor, monitored_by, monitors, watch};

#[repr(C)]
struct Entry {
    node: Node,
    hook: Hook,
    link: Link,
    state: State,
    /// Whom to tell; taken by the winner of the state.
    watcher: UnsafeCell<Option<CellRef>>,
    watcher_id: ActorId,
    target: ManuallyDrop<CellRef>,
    tracked: Tracked,
}

/// An entry together with what its kind needs.
#[repr(C)]
struct Full<P> {
    entry: Entry,
    /// Owned as rule 3 says; gone before the block is.
    payload: UnsafeCell<ManuallyDrop<P>>,
}

/// What a kind of entry does. The front is the vtable of its node.
#[repr(C)]
struct EntryVtable {
    node: NodeVtable,
    /// Delivers an entry that the caller has fired; takes over the state's reference.
    deliver: unsafe fn(NonNull<Entry>),
    /// Drops the payload of an entry that the caller has cancelled. Runs the user's code; `None` when there is nothing
    /// to drop.
    drop_payload: Option<unsafe fn(NonNull<Entry>)>,
    /// Frees the block.
    free: unsafe fn(NonNull<Entry>),
    /// Delivered after everything else, when the actor is gone for all others: waits.
    at_last: bool,
    /// Counts among those who monitor the target.
    shown: bool,
}

/// A block, held alive by a reference or by a guard.
type EntryPtr = NonNull<Entry>;

impl Entry {
    /// Makes a block with so many references.
    fn create<P: Send>(
        vtable: &'static EntryVtable,
        key: Option<MonitorRef>,
        references: usize,
        (watcher, target): (Option<&CellRef>, &CellRef),
        payload: P,
    ) -> NonNull<Full<P>> {
        pool::new_block(Full {
            entry: Entry::new(vtable, key, references, (watcher, target)),
            payload: UnsafeCell::new(ManuallyDrop::new(payload)),
        })
    }

    /// What is to be the front of a block of its kind.
    fn new(
        vtable: &'static EntryVtable,
        key: Option<MonitorRef>,
        references: usize,
        (watcher, target): (Option<&CellRef>, &CellRef),
    ) -> Self {
        sync::census::born(sync::census::Kind::Entry);
        Entry {
            // SAFETY: static; the pointer is to the whole vtable, whose front is the node's.
            node: unsafe { Node::with_larger(NonNull::from(vtable).cast()) },
            hook: Hook::new(key.map_or(0, MonitorRef::hash)),
            link: Link::new(),
            state: State::armed(references),
            watcher: UnsafeCell::new(watcher.cloned()),
            watcher_id: watcher.unwrap_or(target).id,
            target: ManuallyDrop::new(target.clone()),
            tracked: Tracked::new(),
        }
    }

    /// The block is about to be freed.
    fn end(&self) {
        let watcher_gone = self.watcher.with(|watcher| {
            // SAFETY: the caller's alone.
            unsafe { (*watcher).is_none() }
        });
        // Dropped here, it could run the user's code.
        debug_assert!(watcher_gone, "rule 5: the watcher stayed");
        self.hook.end();
        self.link.end();
        self.tracked.end();
    }

    fn state(&self) -> &State {
        self.tracked.touch();
        &self.state
    }

    fn vtable(&self) -> &'static EntryVtable {
        self.tracked.touch();
        // SAFETY: every entry is made with an `EntryVtable` (see `create`), and the pointer is to the whole of it.
        unsafe { self.node.vtable_ptr().cast().as_ref() }
    }

    fn key(&self) -> MonitorRef {
        MonitorRef::of_hash(self.hook.hash())
    }

    /// What the watcher is told. To be called after the target has died.
    fn down(&self) -> Down {
        let target = &*self.target;
        Down {
            monitor_ref: self.key(),
            target: target.id,
            name: target.name.clone(),
            reason: target.reason().cloned().unwrap_or(ExitReason::NoProc),
        }
    }

    /// Takes the watcher out.
    ///
    /// # Safety
    ///
    /// The caller won the state, and does this once.
    unsafe fn take_watcher(&self) -> Option<CellRef> {
        // SAFETY: rule 3.
        self.watcher.with_mut(|watcher| unsafe { (*watcher).take() })
    }
}

/// The entry of a hook that came out of a table.
fn of_hook(hook: NonNull<Hook>) -> EntryPtr {
    // SAFETY: tables hold entries only, and hooks are put in with a pointer that was derived from the block's.
    unsafe { hook.byte_sub(std::mem::offset_of!(Entry, hook)).cast() }
}

/// The hook of an entry.
fn hook_of(entry: EntryPtr) -> NonNull<Hook> {
    // SAFETY: stays within the block.
    unsafe { entry.byte_add(std::mem::offset_of!(Entry, hook)).cast() }
}

// SAFETY: `link` and `of_link` go from the block to its field and back, by the same offset.
unsafe impl Listed for Entry {
    fn link(this: EntryPtr) -> NonNull<Link> {
        // SAFETY: stays within the block.
        unsafe { this.byte_add(std::mem::offset_of!(Entry, link)).cast() }
    }

    fn of_link(link: NonNull<Link>) -> EntryPtr {
        // SAFETY: lists hold entries only, and links are put in as `link` derives them.
        unsafe { link.byte_sub(std::mem::offset_of!(Entry, link)).cast() }
    }

    unsafe fn is_stale(this: EntryPtr) -> bool {
        // SAFETY: alive by the contract.
        unsafe { this.as_ref() }.state().is_cancelled()
    }
}

/// Gives up references. If they were the last, the block is retired, and the reference to the target comes back, to be
/// dropped when the guard is gone (rule 6).
///
/// # Safety
///
/// The caller owns that many references and does not use them again.
#[must_use = "to be dropped after the guard"]
unsafe fn release(entry: EntryPtr, references: usize, guard: &Guard) -> Option<CellRef> {
    // SAFETY: alive, by the caller's references.
    if !unsafe { entry.as_ref() }.state().release(references) {
        return None;
    }
    // SAFETY: nobody holds a reference. Walks under a guard may still read hook, link and state, not `target`.
    let target = unsafe { (&raw const (*entry.as_ptr()).target).cast::<CellRef>().read() };
    let block = Retired(entry);
    // SAFETY: out of table and list (whose references are gone), so no later guard can find it; retired once; freeing
    // runs no code of the user (the payload is gone, see rule 3; the watcher was taken).
    unsafe { guard.defer(move || block.free()) };
    Some(target)
}

struct Retired(EntryPtr);

// SAFETY: the sole owner of a block whose content may be sent.
unsafe impl Send for Retired {}

impl Retired {
    fn free(self) {
        sync::census::gone(sync::census::Kind::Entry);
        // SAFETY: the block is ours alone now.
        unsafe { (self.0.as_ref().vtable().free)(self.0) }
    }
}

/// # Safety
///
/// `entry` is the front of a `Full<P>` that nobody holds any more, whose payload is gone.
unsafe fn free<P>(entry: EntryPtr) {
    // SAFETY: by the contract; made by `create` with this type.
    let full = unsafe { pool::take_block(entry.cast::<Full<P>>()) };
    full.entry.end();
}

/// # Safety
///
/// `entry` is the front of a `Full<P>`; the caller owns its payload (rule 3) and does this once.
unsafe fn take_payload<P>(entry: EntryPtr) -> P {
    // SAFETY: by the contract.
    unsafe { entry.cast::<Full<P>>().as_ref() }
        .payload
        .with_mut(|payload| unsafe { ManuallyDrop::take(&mut *payload) })
}

/// # Safety
///
/// As for [`take_payload`].
unsafe fn drop_payload<P>(entry: EntryPtr) {
    // SAFETY: by the contract.
    crate::guard::drop_quietly(unsafe { take_payload::<P>(entry) });
}

/// For [`EntryVtable::drop_payload`].
const fn payload_dropper<P>() -> Option<unsafe fn(EntryPtr)> {
    if std::mem::needs_drop::<P>() { Some(drop_payload::<P>) } else { None }
}
