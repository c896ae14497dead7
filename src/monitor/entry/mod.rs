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
//! 3. The state has one outcome. Who cancels owns the payload; who fires passes it on with the node.
//! 4. References: one of the table, given up by who removed the key; one of the list, given up by who took the entry
//!    out; one that goes with the state, given up by who cancelled, or by who opens or discards the node. Entries
//!    without a key have one of their owner instead of the table's.
//! 5. The list's link is read before the entry fires, and what is needed of an entry is read before a reference is given up:
//!    after that it may be gone.
//! 6. The block is freed through the epoch.
//! 7. The target's reason is there before its list is closed, so that whoever fires can tell it.
//! 8. An armed entry holds neither watcher nor target. It names them by pointers, which may be followed by who makes the entry
//!    (who has both), and by who found it armed, or brought it out of *armed*, under a guard that began before. For each of the
//!    two ends its armed entries before it gives up its last reference (the target's exit fires its list, the watcher's exit
//!    cancels its table), and its block is freed through the epoch.
//! 9. A fired entry owns one reference to its target, taken before it fires, for the `Down` is told from it. It is given up with
//!    the entry's last reference, and not under a guard where it may be the last of the cell: that may run the user's code (the
//!    `Drop` of an error).
//! 10. Who fires holds the watcher, if anybody still does, before the guard ends under which the entry fired. Otherwise
//!     the watcher is gone, and the node is discarded.
//! 11. What was lent to the target is given back before anybody is told of its death. Who lends says so in the target's
//!     life before the entry goes into the list, so that an exit without such entries need not look for them.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

use super::down::Down;
use crate::cell::{Cell, CellPtr, CellRef};
use crate::id::MonitorRef;
use crate::mailbox::node::{Node, NodeVtable};
use crate::observe::{self, Died};
use crate::reason::ExitReason;
use crate::reclaim::Guard;
use crate::structs::list::{Link, Listed};
use crate::structs::map::{Hook, Order};
use crate::structs::pool;
use crate::sync::{self, Tracked, UnsafeCell};
use state::{Last, State};

mod fire;
mod link;
mod named;
mod owned;
mod release;
mod signal;
mod state;
mod survey;
mod tick;
pub mod timer;
mod watch;

pub use fire::{Firing, Unwatching, let_go};
pub use link::{Trap, link, links, trap, unlink};
pub use owned::{Tie, Wait};
pub use release::{Along, Beside, Ledger, Refused};
pub use signal::heed;
pub use survey::tied_to;
pub use watch::{Due, Notice, Rank, Station, demonitor, is_on, monitored_by, monitors, watch};

#[repr(C)]
struct Entry {
    node: Node,
    hook: Hook,
    link: Link,
    state: State,
    /// Whom to tell (rule 8).
    watcher: Option<CellPtr>,
    /// Who is watched (rules 8 and 9).
    target: CellPtr,
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
    /// How to deliver an entry that was fired.
    deliver: Deliver,
    /// Drops the payload of an entry that the caller has cancelled. Runs the user's code; `None` when there is nothing
    /// to drop.
    drop_payload: Option<unsafe fn(NonNull<Entry>)>,
    /// Frees the block.
    free: unsafe fn(NonNull<Entry>),
    /// When it is delivered.
    turn: Turn,
    /// For a monitor by name: what the target was asked for as.
    asked_as: Option<unsafe fn(NonNull<Entry>) -> Arc<str>>,
}

/// The order in which the entries of one death are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// What was lent to the actor is given back before anybody is told.
    First,
    /// Those who watch are told.
    Second,
    /// Waits end when the actor is gone for all others.
    Last,
}

/// How an entry is delivered that the caller has fired, to a watcher that it holds. The state's reference goes with it.
#[derive(Clone, Copy)]
enum Deliver {
    /// As a message: the node is pushed into the watcher's mailbox.
    Post,
    /// As a message that overtakes the others: the node is brought as signals are, and the watcher puts it in front.
    Overtake,
    /// By this function. (There may be no watcher.)
    Call(unsafe fn(NonNull<Entry>, Option<&CellRef>)),
}

impl Deliver {
    /// Is it the `Down` of a monitor?
    fn is_message(self) -> bool {
        matches!(self, Deliver::Post | Deliver::Overtake)
    }
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
        pool::new_block(Self::full(vtable, key, references, (watcher, target), payload))
    }

    /// What stands in a block, or at the front of one.
    fn full<P: Send>(
        vtable: &'static EntryVtable,
        key: Option<MonitorRef>,
        references: usize,
        (watcher, target): (Option<&CellRef>, &CellRef),
        payload: P,
    ) -> Full<P> {
        Full {
            entry: Entry::new(vtable, key, references, (watcher, target)),
            payload: UnsafeCell::new(ManuallyDrop::new(payload)),
        }
    }

    /// What is to be the front of a block of its kind.
    fn new(
        vtable: &'static EntryVtable,
        key: Option<MonitorRef>,
        references: usize,
        (watcher, target): (Option<&CellRef>, &CellRef),
    ) -> Self {
        Self::at(vtable, Order::new(key.map_or(0, MonitorRef::place)), references, (watcher, target))
    }

    /// As [`new`](Self::new), for this place in the watcher's table.
    fn at(
        vtable: &'static EntryVtable,
        order: Order,
        references: usize,
        (watcher, target): (Option<&CellRef>, &CellRef),
    ) -> Self {
        sync::census::born(sync::census::Kind::Entry);
        Entry {
            // SAFETY: static; the pointer is to the whole vtable, whose front is the node's.
            node: unsafe { Node::with_larger(NonNull::from(vtable).cast()) },
            hook: Hook::new(order),
            link: Link::new(),
            state: State::armed(references),
            watcher: watcher.map(CellPtr::of),
            target: CellPtr::of(target),
            tracked: Tracked::new(),
        }
    }

    /// The block is about to be freed.
    fn end(&self) {
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
        MonitorRef::of_place(self.hook.order().number())
    }

    /// When the target died, for whoever observes.
    ///
    /// # Safety
    ///
    /// As for [`down`](Self::down).
    unsafe fn died(entry: EntryPtr) -> Died {
        // SAFETY: by the contract; a fired entry owns a reference (rule 9).
        Died::of(|| unsafe { (&entry.as_ref().target.get().observed, entry.as_ref().node.stamp()) })
    }

    /// What the watcher is told.
    ///
    /// # Safety
    ///
    /// The entry has fired, and the caller has a reference to it.
    unsafe fn down(entry: EntryPtr) -> Down {
        // SAFETY: by the contract; a fired entry owns a reference (rule 9), and the function was made for this kind of entry.
        let (this, target, asked_as): (_, &Cell, _) = unsafe {
            let this = entry.as_ref();
            (this, this.target.get(), this.vtable().asked_as.map(|asked_as| asked_as(entry)))
        };
        Down {
            monitor_ref: this.key(),
            target: target.id,
            name: asked_as.or_else(|| target.name().cloned()),
            reason: target.reason().cloned().unwrap_or(ExitReason::NoProc),
        }
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

/// Gives up references. If they were the last, the block is retired, and if it had fired, the reference to the target comes
/// back, to be dropped when the guard is gone (rule 9).
///
/// # Safety
///
/// The caller owns that many references, of an entry that has an outcome, and does not use them again.
#[must_use = "to be dropped after the guard"]
unsafe fn release(entry: EntryPtr, references: usize, guard: &Guard) -> Option<CellRef> {
    // SAFETY: alive, by the caller's references.
    let this = unsafe { entry.as_ref() };
    let target = this.target;
    let last = this.state().release(references)?;
    let block = Retired(entry);
    observe::retired();
    // SAFETY: out of table and list (whose references are gone), so no later guard can find it; retired once; freeing
    // runs no code of the user (the payload is gone, see rule 3).
    unsafe { guard.defer(move || block.free()) };
    match last {
        // SAFETY: rule 9.
        Last::Fired => Some(unsafe { target.adopt() }),
        Last::Cancelled => None,
    }
}

/// Gives up references as [`release`] does, and ends the guard; what they held of the target goes after that (rule 9).
///
/// # Safety
///
/// As for [`release`].
unsafe fn give_up(entry: EntryPtr, references: usize, pinned: Guard) {
    // SAFETY: by the contract.
    let target = unsafe { release(entry, references, &pinned) };
    drop(pinned);
    drop(target);
}

/// References to one cell that are owed, and given back when this is dropped, which must not be under a guard.
struct Owed {
    to: CellPtr,
    references: usize,
}

impl Owed {
    fn nothing(to: CellPtr) -> Self {
        Owed { to, references: 0 }
    }

    /// Takes over a reference, if there is one.
    fn add(&mut self, reference: Option<CellRef>) {
        if let Some(reference) = reference {
            let owed = reference.into_ptr(); // not within the assertion, which is not there in a release build
            debug_assert!(owed == self.to, "all entries of a list have one target");
            self.references += 1;
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if self.references == 0 {
            return;
        }
        // SAFETY: we own so many, and keep the last of them until the others are given back.
        unsafe {
            let last = self.to.adopt();
            if self.references > 1 {
                last.give_back(self.references - 1);
            }
        }
    }
}

struct Retired(EntryPtr);

// SAFETY: the sole owner of a block whose content may be sent.
unsafe impl Send for Retired {}

impl Retired {
    fn free(self) {
        sync::census::gone(sync::census::Kind::Entry);
        observe::reclaimed();
        // SAFETY: the block is ours alone now.
        unsafe { (self.0.as_ref().vtable().free)(self.0) }
    }
}

/// # Safety
///
/// `entry` is the front of a `Full<P>` that nobody holds any more, whose payload is gone.
unsafe fn free<P>(entry: EntryPtr) {
    // SAFETY: by the contract; made by `create` with this type.
    unsafe { pool::take_block(entry.cast::<Full<P>>()) }.entry.end();
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
