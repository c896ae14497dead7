//! Entries that go to their watcher past its mailbox: exit signals of links, and the `Down`s that overtake.

use std::ptr::NonNull;

use super::{Deliver, EntryPtr, link};
use crate::cell::CellRef;
use crate::guard;
use crate::mailbox::node::{Chain, Discard, Node, Unopened};
use crate::observe;
use crate::reason::ExitReason;

/// Brings an entry that has fired to its watcher, who looks at it before anything else.
///
/// # Safety
///
/// The caller has fired it, for this watcher.
pub(super) unsafe fn bring(entry: EntryPtr, watcher: Option<&CellRef>) {
    let node: NonNull<Node> = entry.cast();
    // SAFETY: ours until it is handed over. Read before that.
    let overtakes = matches!(unsafe { entry.as_ref() }.vtable().deliver, Deliver::Overtake);
    // SAFETY: the node is ours; refused, it still is.
    if watcher.is_some_and(|watcher| unsafe { watcher.signal(node) }) {
        if overtakes {
            observe::downs_sent(1);
        }
    } else {
        guard::drop_quietly(Discard(node, Unopened::Dying));
    }
}

/// An actor looks at what has come: does it die of one of its links, and for which reason? To be called by the thread that runs
/// it, between its polls.
pub fn heed(cell: &CellRef) -> Option<ExitReason> {
    cell.life.look_for_signals();
    let (mut come, trapping) = (cell.signals.take(), cell.signals.traps());
    let (mut ahead, mut end) = (Chain::new(), None);
    while let Some(node) = come.pop() {
        // SAFETY: ours, made for this cell, and the front of an entry, as all signals are; it came with the state's reference.
        unsafe {
            let entry: EntryPtr = node.cast();
            if matches!(entry.as_ref().vtable().deliver, Deliver::Overtake) {
                ahead.push(node);
            } else if trapping {
                // Behind all that is in the mailbox, and so behind all that the other has sent.
                if !cell.push(node) {
                    guard::drop_quietly(Discard(node, Unopened::Dying));
                }
            } else {
                end = link::suffer(entry, cell);
                if end.is_some() {
                    break;
                }
            }
        }
    }
    // SAFETY: the caller runs the cell, and so is its consumer.
    unsafe { cell.inbox.put_ahead(ahead) };
    end
}
