//! Entries with a key: monitors of actors and of plain code.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

use super::{
    Deliver, Entry, EntryPtr, EntryVtable, Turn, drop_payload, fire, free, give_up, hook_of, named, of_hook,
    payload_dropper, take_payload,
};
use crate::cell::{Address, CellRef};
use crate::guard;
use crate::id::{ActorId, MonitorRef};
use crate::mailbox::node::{Node, NodeVtable, Unopened};
use crate::monitor::down::{Demonitor, Down};
use crate::observe::{self, Lost};
use crate::reclaim::pin;
use crate::structs::future::SlotFuture;
use crate::structs::list::Push;
use crate::structs::map::Order;

/// A stage that can be told of deaths.
pub trait Station: 'static {
    /// Whose stage it is.
    fn cell(&self) -> &CellRef;
}

/// What a stage does with a `Down`.
pub trait Notice<S>: Send + Sized + 'static {
    /// Begins to handle it.
    fn notify<'a>(self, down: Down, stage: &'a mut S) -> SlotFuture<'a>;

    /// May the stage put off what comes of a `Down`?
    fn may_wait(stage: &mut S) -> bool {
        let _ = stage;
        false
    }

    /// Begins to handle it, or puts it off; in place of `notify` where the stage may do so.
    fn notify_or_wait<'a>(self, down: Down, due: Due, stage: &'a mut S) -> SlotFuture<'a> {
        if due.settle() { self.notify(down, stage) } else { SlotFuture::ready() }
    }
}

/// A monitor whose `Down` has come to its watcher, before the watcher's table has decided whether it is handled. Owns the state's
/// reference (rule 4). Dropped, it counts as handled.
pub struct Due {
    entry: Option<EntryPtr>,
    watcher: CellRef,
}

// SAFETY: a counted reference to a block that may be sent.
unsafe impl Send for Due {}

impl Due {
    /// What the watcher is to be told; `None` when the monitor was taken back.
    fn down(&self) -> Option<Down> {
        // SAFETY: alive by our reference, and fired.
        unsafe {
            let entry = self.entry?;
            let removed = entry.as_ref().hook.is_removed();
            (!removed).then(|| Entry::down(entry))
        }
    }

    /// The turn has come: is it handled? It counts as handled from now on, unless it was taken back before.
    pub fn settle(mut self) -> bool {
        self.take_up()
    }

    fn take_up(&mut self) -> bool {
        let Some(entry) = self.entry.take() else { return false };
        // SAFETY: the state's reference is ours, and the table's if we removed the key (rule 2).
        unsafe {
            let pinned = pin();
            let removed = self.watcher.table.remove(entry.as_ref().hook.order(), &pinned).is_some();
            let died = Entry::died(entry);
            give_up(entry, 1 + usize::from(removed), pinned);
            if removed {
                one_less();
                died.handled();
            }
            removed
        }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        self.take_up();
    }
}

/// The state's reference of an entry, while the user's code is asked: given up if that panics.
struct Opened(EntryPtr);

impl Drop for Opened {
    fn drop(&mut self) {
        // SAFETY: our reference, given up once.
        unsafe { give_up(self.0, 1, pin()) };
    }
}

/// Where a `Down` stands among the messages of its watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// Behind all that have come before it.
    Ordinary,
    /// Before all that are not of this rank themselves.
    Priority,
}

const fn vtable<S: Station, N: Notice<S>>(deliver: Deliver) -> EntryVtable {
    EntryVtable {
        node: NodeVtable { open: open::<S, N>, discard: discard::<N>, counted: false, slot: None },
        deliver,
        drop_payload: payload_dropper::<N>(),
        free: free::<N>,
        turn: Turn::Second,
        asked_as: None,
    }
}

/// Of a monitor by name.
const fn vtable_by_name<S: Station, N: Notice<S>>(deliver: Deliver) -> EntryVtable {
    EntryVtable { free: named::free::<N>, asked_as: Some(named::asked_as::<N>), ..vtable::<S, N>(deliver) }
}

/// Monitors `target`. The one allocation of a monitor.
///
/// Nothing is registered, and nothing ever comes, when the watcher monitors itself or is at its own end.
///
/// `asked_as` is the name by which the target was found, which the `Down` says then.
pub fn watch<S: Station, N: Notice<S>>(
    watcher: &Address<S>,
    target: &CellRef,
    notice: N,
    rank: Rank,
    asked_as: Option<Arc<str>>,
) -> MonitorRef {
    let key = MonitorRef::next();
    let cell = watcher.cell();
    if cell == target || cell.life.read().ending() {
        guard::drop_quietly(notice);
        return key;
    }
    // References: table, list, state.
    let sides = (Some(cell), target);
    let entry: EntryPtr = match asked_as {
        None => {
            let vtable = match rank {
                Rank::Ordinary => const { &vtable::<S, N>(Deliver::Post) },
                Rank::Priority => const { &vtable::<S, N>(Deliver::Overtake) },
            };
            Entry::create(vtable, Some(key), 3, sides, notice).cast()
        }
        Some(name) => {
            let vtable = match rank {
                Rank::Ordinary => const { &vtable_by_name::<S, N>(Deliver::Post) },
                Rank::Priority => const { &vtable_by_name::<S, N>(Deliver::Overtake) },
            };
            named::create(vtable, Some(key), 3, sides, notice, name)
        }
    };
    let pinned = pin();
    // SAFETY: alive by its references, in no table yet; freed through the epoch after it was removed.
    if unsafe { cell.table.insert(hook_of(entry), &pinned) }.is_err() {
        drop(pinned);
        // SAFETY: never shared: all three references are ours, and nobody else settles the state.
        unsafe { fire::undo::<N>(entry) };
        return key;
    }
    // SAFETY: as above; lists of watchers hold entries only.
    let linked = unsafe { target.watchers.push(entry) };
    drop(pinned);
    observe::monitored();
    if linked == Push::Closed {
        // SAFETY: the list's reference is still ours, since it refused the entry, which was made for these two.
        unsafe { fire::late(entry, Some(cell), target) };
    }
    key
}

/// Takes a monitor back, from any thread; whose monitor it is decides `watcher`.
pub fn demonitor(watcher: &CellRef, key: MonitorRef) -> Demonitor {
    let pinned = pin();
    let Some(hook) = watcher.table.remove(Order::new(key.place()), &pinned) else {
        return Demonitor::Unknown;
    };
    let entry = of_hook(hook);
    // SAFETY: removing the key made the table's reference ours (rule 2), so the entry is alive; the guard is older than that.
    let Err(pinned) = (unsafe { fire::cancel(entry, 2, pinned) }) else {
        one_less();
        return Demonitor::Cancelled;
    };
    // SAFETY: it has fired: only who removed the key may cancel. The table's reference is given up once; the state's is the
    // node's.
    unsafe {
        let down = Entry::down(entry);
        give_up(entry, 1, pinned);
        one_less();
        Demonitor::Flushed(down)
    }
}

/// Has a monitor no outcome yet: neither was it taken back, nor its `Down` handled?
pub fn is_on(watcher: &CellRef, key: MonitorRef) -> bool {
    watcher.table.get(Order::new(key.place()), &pin()).is_some()
}

/// The watcher's turn has come to the node: whether it is handled is decided by the watcher's table.
///
/// # Safety
///
/// See [`NodeVtable::open`]; the node is that of a `Full<N>`.
unsafe fn open<S: Station, N: Notice<S>>(node: NonNull<Node>, stage: NonNull<()>) -> SlotFuture<'static> {
    let entry: EntryPtr = node.cast();
    // SAFETY: the stage is an S, borrowed for as long as the future lives. The state's reference came with the node.
    unsafe {
        let stage = &mut *stage.cast::<S>().as_ptr();
        let notice = take_payload::<N>(entry);
        let opened = Opened(entry);
        let may_wait = N::may_wait(stage);
        let entry = ManuallyDrop::new(opened).0;
        if may_wait {
            let due = Due { entry: Some(entry), watcher: stage.cell().clone() };
            return match due.down() {
                Some(down) => notice.notify_or_wait(down, due, stage),
                None => {
                    guard::drop_quietly(notice);
                    SlotFuture::ready()
                }
            };
        }
        let pinned = pin();
        let removed = stage.cell().table.remove(entry.as_ref().hook.order(), &pinned);
        let (down, died) = (removed.map(|_| Entry::down(entry)), Entry::died(entry));
        // The state's reference, and the table's if we removed the key.
        give_up(entry, 1 + usize::from(down.is_some()), pinned);
        match down {
            Some(down) => {
                one_less();
                died.handled();
                notice.notify(down, stage)
            }
            None => {
                guard::drop_quietly(notice);
                SlotFuture::ready()
            }
        }
    }
}

/// Says that a monitor is no more. Not to be called under a guard.
fn one_less() {
    let mut lost = Lost::none();
    lost.one(|| true);
    lost.report();
}

/// # Safety
///
/// See [`NodeVtable::discard`]; the node is that of a `Full<N>`.
unsafe fn discard<N>(node: NonNull<Node>, _why: Unopened) {
    let entry: EntryPtr = node.cast();
    // SAFETY: payload and the state's reference came with the node.
    unsafe {
        drop_payload::<N>(entry);
        give_up(entry, 1, pin());
    }
}

/// Whom an actor monitors at present.
pub fn monitors(watcher: &CellRef) -> Vec<(MonitorRef, ActorId)> {
    let (mut found, pinned) = (Vec::new(), pin());
    watcher.table.for_each(&pinned, |hook| {
        // SAFETY: reached under the guard, and armed, so its target is there (rule 8).
        unsafe {
            let entry = of_hook(hook).as_ref();
            if entry.state().is_armed() && entry.vtable().deliver.is_message() {
                found.push((entry.key(), entry.target.id(&pinned)));
            }
        }
    });
    found
}

/// Who monitors an actor at present; once for each monitor.
pub fn monitored_by(target: &CellRef) -> Vec<ActorId> {
    let (mut found, pinned) = (Vec::new(), pin());
    target.watchers.for_each(&pinned, |entry: EntryPtr| {
        // SAFETY: reached under the guard, and armed, so its watcher is there (rule 8).
        unsafe {
            let entry = entry.as_ref();
            if entry.state().is_armed() && entry.vtable().deliver.is_message() {
                found.extend(entry.watcher.map(|watcher| watcher.id(&pinned)));
            }
        }
    });
    found
}
