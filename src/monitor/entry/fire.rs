//! Entries that come to their outcome: fired by the exit of the target, or by an attach that comes after it; cancelled by
//! who takes a monitor back, or by the exit of the watcher.

use std::ptr::NonNull;

use super::{Deliver, Entry, EntryPtr, Owed, Turn, drop_payload, give_up, of_hook, release, signal};
use crate::cell::{CellPtr, CellRef};
use crate::mailbox::node::{Chain, Node};
use crate::observe::{self, Lost, Told};
use crate::reclaim::{Guard, pin};
use crate::structs::list::{Closing, Visit};

/// Fires all entries of a target that has died, a bounded number at a time.
///
/// Each step first decides, under a guard, which entries fire, and then, without one, delivers those: delivering wakes
/// others and may run code that is not ours. What was lent to the target is given back before anybody is told (rule 11):
/// where there may be such entries, nothing is delivered before all have been visited.
#[derive(Default)]
pub struct Firing {
    closing: Option<Closing>,
    /// All entries have fired, or were found cancelled.
    visited: bool,
    /// Fired, to be delivered in this order.
    releases: Chain,
    notices: Notices,
    /// Monitors among them.
    pub told: Told,
}

impl Firing {
    /// Goes on; true when all have been told but those who wait, who come into `waits` (see [`let_go`]). The reason has been
    /// published before the first call (rule 7).
    pub fn step(&mut self, target: &CellRef, budget: usize, waits: &mut Chain) -> bool {
        let mut orphans = Chain::new(); // discarded at last: that runs code of the user's
        if !self.visited {
            self.visit(target, budget, waits, &mut orphans);
        }
        // Read after the list was closed: who lends has said so before.
        if !self.visited && target.life.read().lent() {
            return false;
        }
        let mut left = budget;
        while let Some(node) = self.releases.pop() {
            // SAFETY: fired by `visit`, and made without a watcher.
            unsafe { deliver(node.cast(), None) };
            left -= 1;
            if left == 0 {
                return false;
            }
        }
        self.notices.deliver(left) && self.visited
    }

    fn visit(&mut self, target: &CellRef, budget: usize, waits: &mut Chain, orphans: &mut Chain) {
        let mut stock = Stock::of(target);
        let pinned = pin();
        let closing = self.closing.get_or_insert_with(|| target.watchers.close(&pinned));
        let (releases, notices, told) = (&mut self.releases, &mut self.notices, &mut self.told);
        self.visited = target.watchers.visit(
            closing,
            &pinned,
            budget,
            |entry: EntryPtr, visit| {
                // SAFETY: still in the list, or just out of it, with the list's reference. Read before it fires (rule 5).
                let (this, watcher, turn) = unsafe {
                    let this = entry.as_ref();
                    (this, this.watcher, this.vtable().turn)
                };
                // The list's reference goes with the outcome where it is ours already.
                let ours = usize::from(visit == Visit::Taken);
                stock.fill();
                if this.state().fire(ours) {
                    stock.take(); // rule 9
                    // SAFETY: we won the state, so the node is ours; the entry was armed under our guard until now (rule 8).
                    unsafe {
                        match turn {
                            Turn::First => releases.push(entry.cast()),
                            Turn::Last => waits.push(entry.cast()),
                            Turn::Second if notices.hold(watcher, &pinned) => {
                                told.one(|| this.vtable().deliver.is_message());
                                notices.chain.push(entry.cast())
                            }
                            Turn::Second => orphans.push(entry.cast()),
                        }
                    }
                } else if ours > 0 {
                    // SAFETY: the list's reference. It was cancelled, so nothing comes back.
                    drop(unsafe { release(entry, ours, &pinned) });
                }
            },
            // SAFETY: the list's reference. The target is the caller's own cell, so this is not its last reference.
            |entry| drop(unsafe { release(entry, 1, &pinned) }),
        );
        drop(pinned);
        drop(stock);
    }
}

/// Wakes those who wait for the end.
pub fn let_go(waits: &mut Chain) {
    while let Some(node) = waits.pop() {
        // SAFETY: fired by `Firing::step`, and made without a watcher.
        unsafe { deliver(node.cast(), None) };
    }
}

/// References to the dying target, taken in lots of growing size, for the entries that fire (rule 9).
struct Stock<'a> {
    target: &'a CellRef,
    left: usize,
    lot: usize,
}

impl<'a> Stock<'a> {
    fn of(target: &'a CellRef) -> Self {
        Stock { target, left: 0, lot: 1 }
    }

    /// Sees to it that there is one.
    fn fill(&mut self) {
        if self.left == 0 {
            self.target.hold(self.lot);
            self.left = self.lot;
            self.lot = (2 * self.lot).min(1024);
        }
    }

    /// Gives one out.
    fn take(&mut self) {
        self.left -= 1;
    }
}

impl Drop for Stock<'_> {
    fn drop(&mut self) {
        if self.left > 0 {
            // SAFETY: taken by `fill`, and not given out.
            unsafe { self.target.give_back(self.left) };
        }
    }
}

/// Entries that have fired, for watchers who are held. Of a row of entries for one watcher, the first holds it.
#[derive(Default)]
struct Notices {
    chain: Chain,
    /// The watcher of the last entry that was put in.
    last: Option<CellPtr>,
    /// The watcher of the last entry that was taken out.
    current: Option<CellRef>,
}

impl Notices {
    /// Holds the watcher of an entry that is to be put in, if there is one, unless the last entry has done so. False: it is gone.
    ///
    /// # Safety
    ///
    /// As for [`CellPtr::try_hold`].
    unsafe fn hold(&mut self, watcher: Option<CellPtr>, pinned: &Guard) -> bool {
        let Some(watcher) = watcher else {
            self.last = None;
            return true;
        };
        if self.last != Some(watcher) {
            // SAFETY: by the contract.
            let Some(held) = (unsafe { watcher.try_hold(pinned) }) else { return false };
            self.last = Some(held.into_ptr()); // adopted in `deliver`
        }
        true
    }

    /// Delivers, in order, at most so many rows, of which one goes to one mailbox, with one push; true when none is left.
    fn deliver(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            let Some(node) = self.chain.pop() else { return true };
            let entry: EntryPtr = node.cast();
            // SAFETY: fired by `Firing::visit`; each row of one watcher came with a reference to that.
            unsafe {
                let watcher = entry.as_ref().watcher;
                if self.current.as_ref().map(CellPtr::of) != watcher {
                    self.current = watcher.map(|watcher| watcher.adopt());
                }
                match (&self.current, entry.as_ref().vtable().deliver) {
                    (Some(watcher), Deliver::Post) => post(entry, watcher, &mut self.chain),
                    (watcher, _) => deliver(entry, watcher.as_ref()),
                }
            }
        }
        self.chain.first().is_none()
    }
}

/// Delivers one entry.
///
/// # Safety
///
/// The caller has fired it, with the state's reference, and it was made for this watcher.
unsafe fn deliver(entry: EntryPtr, watcher: Option<&CellRef>) {
    // SAFETY: by the contract.
    unsafe {
        match (entry.as_ref().vtable().deliver, watcher) {
            (Deliver::Call(call), watcher) => call(entry, watcher),
            (Deliver::Post, Some(watcher)) => post(entry, watcher, &mut Chain::new()),
            (Deliver::Overtake, watcher) => signal::bring(entry, watcher),
            (Deliver::Post, None) => unreachable!("a monitor has a watcher"),
        }
    }
}

/// Pushes an entry into its watcher's mailbox, and with it those behind it in the chain that go there as well.
///
/// # Safety
///
/// The caller has fired them, with the state's references.
unsafe fn post(first: EntryPtr, watcher: &CellRef, chain: &mut Chain) {
    let oldest: NonNull<Node> = first.cast();
    let (mut newest, mut row) = (oldest, 1);
    // SAFETY: by the contract; the nodes are ours until they are pushed.
    unsafe {
        oldest.as_ref().set_next(std::ptr::null_mut());
        while chain.first().is_some_and(|next| goes_to(next.cast(), watcher)) {
            let Some(next) = chain.pop() else { break };
            next.as_ref().set_next(newest.as_ptr());
            newest = next;
            row += 1;
        }
        if watcher.push_and_wake(newest, oldest) {
            observe::downs_sent(row);
        } else {
            let mut refused = Chain::new();
            refused.append_reversed(newest.as_ptr()); // discards them
        }
    }
}

/// # Safety
///
/// The caller has the entry.
unsafe fn goes_to(entry: EntryPtr, watcher: &CellRef) -> bool {
    // SAFETY: by the contract.
    let entry = unsafe { entry.as_ref() };
    matches!(entry.vtable().deliver, Deliver::Post) && entry.watcher == Some(CellPtr::of(watcher))
}

/// The target is dead already: who attaches fires the entry, unless it was cancelled meanwhile.
///
/// # Safety
///
/// The caller owns the list's reference, which is given up here, and made the entry for these two.
pub(super) unsafe fn late(entry: EntryPtr, watcher: Option<&CellRef>, target: &CellRef) {
    let reference = target.clone().into_ptr(); // rule 9
    // SAFETY: by the contract.
    unsafe {
        if entry.as_ref().state().fire(1) {
            return deliver(entry, watcher);
        }
        drop(reference.adopt());
        give_up(entry, 1, pin());
    }
}

/// Takes back an entry that was never in a table or list.
///
/// # Safety
///
/// The caller owns all three references to `entry`, a `Full<P>`.
pub(super) unsafe fn undo<P>(entry: EntryPtr) {
    // SAFETY: by the contract.
    unsafe {
        let won = entry.as_ref().state().cancel(0);
        debug_assert!(won, "nobody else knows the entry");
        drop_payload::<P>(entry);
        give_up(entry, 3, pin());
    }
}

/// Cancels an entry and clears up after it: tells the target's list, drops the payload, gives up so many references, the state's
/// among them. `Err` gives the guard back when the entry had fired before; then nothing was given up.
///
/// # Safety
///
/// The caller owns the others, and one at least.
pub(super) unsafe fn cancel(entry: EntryPtr, references: usize, pinned: Guard) -> Result<(), Guard> {
    // SAFETY: alive by the caller's reference. Read before it is given up (rule 5).
    let (this, target, drop_payload) = unsafe {
        let this = entry.as_ref();
        (this, this.target, this.vtable().drop_payload)
    };
    let Some(drop_payload) = drop_payload else {
        if !this.state().cancel(references) {
            return Err(pinned);
        }
        // SAFETY: the entry was armed under the guard (rule 8).
        unsafe { note_stale(target, pinned) };
        return Ok(());
    };
    if !this.state().cancel(0) {
        return Err(pinned);
    }
    // SAFETY: as above; we won the state, and with it the payload (rule 3).
    unsafe {
        note_stale(target, pinned);
        drop_payload(entry);
        give_up(entry, references, pin());
    }
    Ok(())
}

/// Cancels an entry, unless it has fired; in either case gives up the caller's reference.
///
/// # Safety
///
/// The caller owns one reference, and nobody else may cancel.
pub(super) unsafe fn abandon(entry: EntryPtr) {
    // SAFETY: by the contract; what has fired is not given up by `cancel`.
    unsafe {
        if let Err(pinned) = cancel(entry, 2, pin()) {
            give_up(entry, 1, pinned);
        }
    }
}

/// Tells the list of a target that one of its entries was cancelled. Ends the guard.
///
/// # Safety
///
/// The entry was armed under the guard, or the caller holds the target.
pub(super) unsafe fn note_stale(target: CellPtr, pinned: Guard) {
    let mut owed = Owed::nothing(target);
    // SAFETY: by the contract (rule 8). What was taken out of the list comes with the list's reference.
    unsafe {
        target
            .watchers(&pinned)
            .note_stale(&pinned, |gone: NonNull<Entry>| owed.add(release(gone, 1, &pinned)));
    }
    drop(pinned);
    drop(owed);
}

/// Cancels all monitors of a watcher that has died, a bounded number at a time.
#[derive(Default)]
pub struct Unwatching {
    closed: bool,
    /// Cancelled, each with a reference to its target.
    cancelled: Chain,
    /// Cancelled, when their target was gone already.
    orphans: Chain,
}

impl Unwatching {
    /// Goes on; true when none is left.
    pub fn step(&mut self, watcher: &CellRef, budget: usize) -> bool {
        if !self.closed {
            self.closed = true;
            self.close_table(watcher);
        }
        for _ in 0..budget {
            let (node, held) = match self.cancelled.pop() {
                Some(node) => (node, true),
                None => match self.orphans.pop() {
                    Some(node) => (node, false),
                    None => return true,
                },
            };
            // SAFETY: cancelled by `close_table`; the table's reference and the state's are ours, and one to the target if it is
            // held.
            unsafe { clear_up(node.cast(), held) };
        }
        false
    }

    fn close_table(&mut self, watcher: &CellRef) {
        // Targets of entries that had fired and that nobody else holds; only those who died at the same time.
        let (mut targets, mut lost) = (Vec::new(), Lost::none());
        let pinned = pin();
        watcher.table.close(&pinned, |hook| {
            let entry = of_hook(hook);
            // SAFETY: removing the key made the table's reference ours.
            unsafe {
                let this = entry.as_ref();
                lost.one(|| this.vtable().deliver.is_message());
                if !this.state().cancel(0) {
                    targets.extend(release(entry, 1, &pinned));
                } else if this.target.try_hold(&pinned).map(CellRef::into_ptr).is_some() {
                    self.cancelled.push(entry.cast::<Node>()); // we won the state, so the node is ours
                } else {
                    self.orphans.push(entry.cast::<Node>());
                }
            }
        });
        drop(pinned);
        lost.report();
        drop(targets);
    }
}

/// Clears up after an entry that was cancelled some time ago. (What its target's list has to be told would be too much under the
/// guard that closes a table.)
///
/// # Safety
///
/// The caller has cancelled the entry, and owns the state's reference and another, and, if it is `held`, one to the target.
unsafe fn clear_up(entry: EntryPtr, held: bool) {
    // SAFETY: by the contract.
    unsafe {
        let (target, drop_payload) = (entry.as_ref().target, entry.as_ref().vtable().drop_payload);
        let target = held.then(|| target.adopt());
        if let Some(target) = &target {
            note_stale(CellPtr::of(target), pin());
        }
        if let Some(drop_payload) = drop_payload {
            drop_payload(entry);
        }
        give_up(entry, 2, pin());
    }
}
