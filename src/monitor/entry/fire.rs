//! The exit's two halves: telling those who watch the dying actor, and taking back what it watches itself.

use std::ptr::NonNull;

use super::{EntryPtr, Turn, of_hook, release};
use crate::cell::CellRef;
use crate::mailbox::node::{Chain, Node};
use crate::reclaim::{Guard, pin};
use crate::structs::list::Closing;

/// Fires all entries of a target that has died, a bounded number at a time.
///
/// Each step first decides, under a guard, which entries fire, and then, without one, delivers those: delivering wakes
/// others and may run code that is not ours. What was lent to the target is given back before anybody is told (rule 8):
/// where there may be such entries, nothing is delivered before all have been visited.
#[derive(Default)]
pub struct Firing {
    closing: Option<Closing>,
    /// All entries have fired, or were found cancelled.
    visited: bool,
    /// Fired, to be delivered in this order.
    releases: Chain,
    notices: Chain,
    waits: Chain,
}

impl Firing {
    /// Goes on; true when all have been told but those who wait ([`finish`](Self::finish)). The reason has been
    /// published before the first call (rule 7).
    pub fn step(&mut self, target: &CellRef, budget: usize) -> bool {
        if !self.visited {
            self.visit(target, budget);
        }
        // Read after the list was closed: who lends has said so before.
        if !self.visited && target.life.read().lent() {
            return false;
        }
        let mut left = budget;
        deliver(&mut self.releases, &mut left) && deliver(&mut self.notices, &mut left) && self.visited
    }

    fn visit(&mut self, target: &CellRef, budget: usize) {
        let pinned = pin();
        let closing = self.closing.get_or_insert_with(|| target.watchers.close());
        let (releases, notices, waits) = (&mut self.releases, &mut self.notices, &mut self.waits);
        self.visited = target.watchers.visit(
            closing,
            budget,
            |entry: EntryPtr| {
                // SAFETY: still in the list, which holds a reference.
                let this = unsafe { entry.as_ref() };
                if this.state().fire() {
                    let chain = match this.vtable().turn {
                        Turn::First => &mut *releases,
                        Turn::Second => &mut *notices,
                        Turn::Last => &mut *waits,
                    };
                    // SAFETY: we won the state, so the node is ours.
                    unsafe { chain.push(entry.cast()) };
                }
            },
            // SAFETY: the list's reference. The target is the caller's own cell, so this is not its last reference.
            |entry| drop(unsafe { release(entry, 1, &pinned) }),
        );
        drop(pinned);
    }

    /// Wakes those who wait for the end.
    pub fn finish(&mut self) {
        let mut all = usize::MAX;
        deliver(&mut self.waits, &mut all);
    }
}

/// Delivers at most so many; true when none is left.
fn deliver(chain: &mut Chain, left: &mut usize) -> bool {
    while *left > 0 {
        let Some(node) = chain.pop() else { return true };
        *left -= 1;
        let entry: EntryPtr = node.cast();
        // SAFETY: fired by `visit`, with the state's reference.
        unsafe { (entry.as_ref().vtable().deliver)(entry) };
    }
    chain.len() == 0
}

/// Cancels all monitors of a watcher that has died, a bounded number at a time.
#[derive(Default)]
pub struct Unwatching {
    closed: bool,
    cancelled: Chain,
}

impl Unwatching {
    /// Goes on; true when none is left.
    pub fn step(&mut self, watcher: &CellRef, budget: usize) -> bool {
        if !self.closed {
            self.closed = true;
            self.close_table(watcher);
        }
        for _ in 0..budget {
            let Some(node) = self.cancelled.pop() else { return true };
            // SAFETY: cancelled by `close_table`; the table's reference and the state's are ours.
            unsafe { clear_up(node.cast(), 2, pin()) };
        }
        false
    }

    fn close_table(&mut self, watcher: &CellRef) {
        // Targets of entries that had fired and that nobody else holds; only those who died at the same time.
        let mut targets = Vec::new();
        let pinned = pin();
        watcher.table.close(&pinned, |hook| {
            let entry = of_hook(hook);
            // SAFETY: removing the key made the table's reference ours.
            unsafe {
                if entry.as_ref().state().cancel() {
                    self.cancelled.push(entry.cast::<Node>()); // we won the state, so the node is ours
                } else {
                    targets.extend(release(entry, 1, &pinned));
                }
            }
        });
        drop(pinned);
        drop(targets);
    }
}

/// Clears up after an entry that the caller has cancelled: tells the target's list, drops the watcher and the payload,
/// gives up the references. Ends the guard.
///
/// # Safety
///
/// The caller won the state by cancelling, and owns so many references, the state's among them.
pub(super) unsafe fn clear_up(entry: NonNull<super::Entry>, references: usize, pinned: Guard) {
    // SAFETY: by the contract; the entry, and so its target, is alive until our references are gone.
    unsafe {
        let this = entry.as_ref();
        let watcher = this.take_watcher();
        let list = &this.target.watchers;
        // The list's references of what the sweep took out. Their target is this list's owner, which `this` keeps
        // alive, so none of them is its last reference.
        list.note_stale(&pinned, |gone: EntryPtr| drop(release(gone, 1, &pinned)));
        let pinned = match this.vtable().drop_payload {
            None => pinned,
            Some(drop_payload) => {
                drop(pinned);
                drop_payload(entry);
                pin()
            }
        };
        let target = release(entry, references, &pinned);
        drop(pinned);
        drop((watcher, target));
    }
}
