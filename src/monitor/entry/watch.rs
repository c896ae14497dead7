//! Entries with a key: monitors of actors and of plain code.

use std::ptr::NonNull;

use super::{
    Entry, EntryPtr, EntryVtable, drop_payload, free, hook_of, of_hook, payload_dropper, release,
    take_payload,
};
use crate::cell::{Address, CellRef};
use crate::guard;
use crate::id::{ActorId, MonitorRef};
use crate::mailbox::node::{Node, NodeVtable, Unopened};
use crate::monitor::down::{Demonitor, Down};
use crate::reclaim::pin;
use crate::structs::future::SlotFuture;
use crate::structs::list::Push;

/// A stage that can be told of deaths.
pub trait Station: 'static {
    /// Whose stage it is.
    fn cell(&self) -> &CellRef;
}

/// What a stage does with a `Down`.
pub trait Notice<S>: Send + 'static {
    /// Begins to handle it.
    fn notify<'a>(self, down: Down, stage: &'a mut S) -> SlotFuture<'a, ()>;
}

const fn vtable<S: Station, N: Notice<S>>() -> EntryVtable {
    EntryVtable {
        node: NodeVtable { open: open::<S, N>, discard: discard::<N>, counted: false },
        deliver: deliver::<N>,
        drop_payload: payload_dropper::<N>(),
        free: free::<N>,
        at_last: false,
        shown: true,
    }
}

/// Monitors `target`. The one allocation of a monitor.
///
/// Nothing is registered, and nothing ever comes, when the watcher monitors itself or is at its own end.
pub fn watch<S: Station, N: Notice<S>>(watcher: &Address<S>, target: &CellRef, notice: N) -> MonitorRef {
    let key = MonitorRef::next();
    let cell = watcher.cell();
    if cell == target || cell.life.read().ending() {
        guard::drop_quietly(notice);
        return key;
    }
    // References: table, list, state.
    let entry: EntryPtr =
        Entry::create(const { &vtable::<S, N>() }, Some(key), 3, (Some(cell), target), notice).cast();
    let pinned = pin();
    // SAFETY: alive by its references, in no table yet; freed through the epoch after it was removed.
    if unsafe { cell.table.insert(hook_of(entry), &pinned) }.is_err() {
        drop(pinned);
        // SAFETY: never shared: all three references are ours, and nobody else settles the state.
        unsafe { undo::<N>(entry) };
        return key;
    }
    // SAFETY: as above; lists of watchers hold entries only.
    let linked = unsafe { target.watchers.push(entry) };
    drop(pinned);
    if linked == Push::Closed {
        // SAFETY: the list's reference is still ours, since it refused the entry.
        unsafe { fire_late(entry) };
    }
    key
}

/// Takes back an entry that was never in a table or list.
///
/// # Safety
///
/// The caller owns all references to `entry`, a `Full<N>`.
unsafe fn undo<N>(entry: EntryPtr) {
    // SAFETY: by the contract.
    unsafe {
        let this = entry.as_ref();
        let won = this.state().cancel();
        debug_assert!(won, "nobody else knows the entry");
        let watcher = this.take_watcher();
        drop_payload::<N>(entry);
        let target = release(entry, 3, &pin());
        drop((watcher, target));
    }
}

/// The target is dead already: the attaching thread fires the entry itself, unless it was cancelled meanwhile.
///
/// # Safety
///
/// The caller owns the list's reference, which is given up here.
unsafe fn fire_late(entry: EntryPtr) {
    // SAFETY: by the contract.
    unsafe {
        let this = entry.as_ref();
        if this.state().fire() {
            (this.vtable().deliver)(entry);
        }
        let target = release(entry, 1, &pin());
        drop(target);
    }
}

/// Takes a monitor back, from any thread; whose monitor it is decides `watcher`.
pub fn demonitor(watcher: &CellRef, key: MonitorRef) -> Demonitor {
    let pinned = pin();
    let Some(hook) = watcher.table.remove(key.hash(), &pinned) else { return Demonitor::Unknown };
    let entry = of_hook(hook);
    // SAFETY: removing the key made the table's reference ours (rule 2), so the entry is alive.
    let this = unsafe { entry.as_ref() };
    if this.state().cancel() {
        // SAFETY: we won the state, and with it its reference (rule 3); the table's is ours as well.
        unsafe { super::fire::clear_up(entry, 2, pinned) };
        return Demonitor::Cancelled;
    }
    let down = this.down();
    // SAFETY: the table's reference. The state's is the node's.
    let target = unsafe { release(entry, 1, &pinned) };
    drop(pinned);
    drop(target);
    Demonitor::Flushed(down)
}

/// Sends the entry to its watcher as a message.
///
/// # Safety
///
/// The caller has fired `entry`, a `Full<N>`.
unsafe fn deliver<N>(entry: EntryPtr) {
    // SAFETY: by the contract; the watcher is taken out before the push (rule 5).
    unsafe {
        let Some(watcher) = entry.as_ref().take_watcher() else { return };
        if !watcher.push_and_wake(entry.cast::<Node>()) {
            discard::<N>(entry.cast(), Unopened::Dying);
        }
    }
}

/// The watcher's turn has come to the node: whether it is handled is decided by the watcher's table.
///
/// # Safety
///
/// See [`NodeVtable::open`]; the node is that of a `Full<N>`.
unsafe fn open<S: Station, N: Notice<S>>(node: NonNull<Node>, stage: NonNull<()>) -> SlotFuture<'static, ()> {
    let entry: EntryPtr = node.cast();
    // SAFETY: the stage is an S, borrowed for as long as the future lives. The state's reference came with the node.
    unsafe {
        let stage = &mut *stage.cast::<S>().as_ptr();
        let notice = take_payload::<N>(entry);
        let pinned = pin();
        let removed = stage.cell().table.remove(entry.as_ref().hook.hash(), &pinned);
        let down = removed.map(|_| entry.as_ref().down());
        // The state's reference, and the table's if we removed the key.
        let target = release(entry, 1 + usize::from(down.is_some()), &pinned);
        drop(pinned);
        drop(target);
        match down {
            Some(down) => notice.notify(down, stage),
            None => {
                guard::drop_quietly(notice);
                SlotFuture::ready(())
            }
        }
    }
}

/// # Safety
///
/// See [`NodeVtable::discard`]; the node is that of a `Full<N>`.
unsafe fn discard<N>(node: NonNull<Node>, _why: Unopened) {
    let entry: EntryPtr = node.cast();
    // SAFETY: payload and the state's reference came with the node.
    unsafe {
        drop_payload::<N>(entry);
        let target = release(entry, 1, &pin());
        drop(target);
    }
}

/// A reference to an entry, for looking at it without a guard.
struct Held(EntryPtr);

impl Held {
    /// Holds an entry that is reached under a guard, if somebody else still does.
    fn new(entry: EntryPtr) -> Option<Self> {
        // SAFETY: reached under a guard.
        unsafe { entry.as_ref() }.state().try_hold().then(|| Held(entry))
    }

    fn entry(&self) -> &Entry {
        // SAFETY: alive by our reference.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: our reference, given up once.
        let target = unsafe { release(self.0, 1, &pin()) };
        drop(target);
    }
}

/// Whom an actor monitors at present.
pub fn monitors(watcher: &CellRef) -> Vec<(MonitorRef, ActorId)> {
    let mut held = Vec::new();
    watcher.table.for_each(&pin(), |hook| held.extend(Held::new(of_hook(hook))));
    held.iter()
        .filter(|held| held.entry().state().is_armed())
        .map(|held| (held.entry().key(), held.entry().target.id))
        .collect()
}

/// Who monitors an actor at present; once for each monitor.
pub fn monitored_by(target: &CellRef) -> Vec<ActorId> {
    let mut watchers = Vec::new();
    target.watchers.for_each(&pin(), |entry: EntryPtr| {
        // SAFETY: reached under the guard; a constant of the entry.
        let entry = unsafe { entry.as_ref() };
        if entry.state().is_armed() && entry.vtable().shown {
            watchers.push(entry.watcher_id);
        }
    });
    watchers
}
