//! Looking at who is tied to whom. Nothing here changes anything.

use super::{Deliver, EntryPtr};
use crate::cell::CellRef;
use crate::reclaim::pin;
use crate::structs::map::Order;

/// Who is tied to an actor, or to the root of a runtime, at present. Not to be called under a guard: what comes back may be the last
/// references to actors that have just died.
pub fn tied_to(target: &CellRef) -> Vec<CellRef> {
    let (mut found, pinned) = (Vec::new(), pin());
    target.watchers.for_each(&pinned, |entry: EntryPtr| {
        // SAFETY: reached under the guard, and armed, so its watcher is there (rule 8).
        unsafe {
            let entry = entry.as_ref();
            // Of those that are called back, the ends of links have a key, and all others but ties no watcher.
            let is_tie =
                matches!(entry.vtable().deliver, Deliver::Call(_)) && entry.hook.order() == Order::new(0);
            if is_tie && entry.state().is_armed() {
                found.extend(entry.watcher.and_then(|watcher| watcher.try_hold(&pinned)));
            }
        }
    });
    drop(pinned);
    found
}
