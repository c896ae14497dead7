//! Entries without a key: who made them holds them, and cancels them by dropping.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use super::{
    Deliver, Entry, EntryPtr, EntryVtable, Turn, fire, free, give_up, payload_dropper, take_payload,
};
use crate::cell::CellRef;
use crate::mailbox::node::{Node, NodeVtable, Unopened};
use crate::reason::ExitReason;
use crate::reclaim::pin;
use crate::structs::future::SlotFuture;
use crate::structs::list::Push;
use crate::structs::waker::AtomicWaker;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};

/// What an owned entry does when it fires.
trait Act: Send + 'static {
    const TURN: Turn;
    /// `watcher` is whom the entry was made for, if anybody.
    fn act(self, watcher: Option<&CellRef>);
}

/// The owner's side. Dropping it cancels the entry.
struct Owned<P: Act> {
    entry: EntryPtr,
    payload: PhantomData<P>,
}

// SAFETY: a counted reference to a block whose content may be sent; shared references give no access to it.
unsafe impl<P: Act> Send for Owned<P> {}
// SAFETY: as above.
unsafe impl<P: Act> Sync for Owned<P> {}

const fn vtable<P: Act>() -> EntryVtable {
    EntryVtable {
        node: NodeVtable { open: never_open, discard: discard::<P>, counted: false, slot: None },
        deliver: Deliver::Call(deliver::<P>),
        drop_payload: payload_dropper::<P>(),
        free: free::<P>,
        turn: P::TURN,
        asked_as: None,
    }
}

impl<P: Act> Owned<P> {
    /// Attaches an entry; `None` when the target is dead already (then nothing was done with the payload).
    fn attach(watcher: Option<&CellRef>, target: &CellRef, payload: P) -> Option<Self> {
        // References: owner, list, state.
        let entry: EntryPtr =
            Entry::create(const { &vtable::<P>() }, None, 3, (watcher, target), payload).cast();
        // Pinned, so that the head that is read cannot come back as another entry at the same place.
        let pinned = pin();
        // SAFETY: alive by its references; freed through the epoch after it was taken out.
        let pushed = unsafe { target.watchers.push(entry) };
        drop(pinned);
        if pushed == Push::Linked {
            return Some(Owned { entry, payload: PhantomData });
        }
        // SAFETY: never shared: all three references are ours, and nobody else settles the state.
        unsafe { fire::undo::<P>(entry) };
        None
    }
}

impl<P: Act> Drop for Owned<P> {
    fn drop(&mut self) {
        // SAFETY: the owner's reference, given up once; nobody else cancels.
        unsafe { fire::abandon(self.entry) };
    }
}

/// # Safety
///
/// The caller has fired `entry`, a `Full<P>`.
unsafe fn deliver<P: Act>(entry: EntryPtr, watcher: Option<&CellRef>) {
    // SAFETY: the winner owns payload and the state's reference.
    unsafe {
        let payload = take_payload::<P>(entry);
        give_up(entry, 1, pin());
        payload.act(watcher);
    }
}

/// Owned entries never stand in a mailbox.
unsafe fn never_open(_node: NonNull<Node>, _stage: NonNull<()>) -> SlotFuture<'static> {
    unreachable!("an entry without a key is not a message")
}

/// # Safety
///
/// The node is that of a `Full<P>` that was fired and not delivered.
unsafe fn discard<P: Act>(node: NonNull<Node>, _why: Unopened) {
    // SAFETY: by the contract.
    unsafe { deliver::<P>(node.cast(), None) };
}

/// Wakes a future, or a thread that drives one.
struct WakeUp(Arc<Seat>);

/// Where somebody waits.
struct Seat {
    waker: AtomicWaker,
    /// Everybody else has been told.
    told: AtomicBool,
}

impl Act for WakeUp {
    const TURN: Turn = Turn::Last;

    fn act(self, _watcher: Option<&CellRef>) {
        // ORDERING: Release pairs with the Acquire in `Wait::poll`: who is let go sees what was done before.
        self.0.told.store(true, Ordering::Release);
        self.0.waker.wake();
    }
}

/// Waits for the death of one actor: begun before it, until everybody else has been told; begun later, not at all.
pub struct Wait {
    target: CellRef,
    attached: Option<(Owned<WakeUp>, Arc<Seat>)>,
}

impl Wait {
    /// Nothing is attached before the first poll.
    pub fn new(target: CellRef) -> Self {
        Wait { target, attached: None }
    }

    /// The actor whose death is awaited.
    pub fn target(&self) -> &CellRef {
        &self.target
    }

    /// The reason, when the target is dead.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ExitReason> {
        if self.attached.is_none() && self.target.reason().is_none() {
            let seat = Arc::new(Seat { waker: AtomicWaker::new(), told: AtomicBool::new(false) });
            let payload = WakeUp(Arc::clone(&seat));
            // Not attached, the target is dead by now, and its reason there.
            self.attached = Owned::attach(None, &self.target, payload).map(|entry| (entry, seat));
        }
        if let Some((_, seat)) = &self.attached {
            seat.waker.register(cx.waker());
            // ORDERING: Acquire: see `WakeUp::act`.
            if !seat.told.load(Ordering::Acquire) {
                return Poll::Pending;
            }
        }
        match self.target.reason() {
            Some(reason) => Poll::Ready(reason.clone()),
            None => Poll::Pending,
        }
    }
}

/// Calls back when one actor dies, with another actor.
struct CallBack<F>(F);

impl<F: FnOnce(&CellRef) + Send + 'static> Act for CallBack<F> {
    const TURN: Turn = Turn::Second;

    fn act(self, watcher: Option<&CellRef>) {
        if let Some(watcher) = watcher {
            (self.0)(watcher);
        }
    }
}

/// Ties one actor to another: when that dies, a function of ours is called with the first. Dropped, the tie is gone.
pub struct Tie<F: FnOnce(&CellRef) + Send + 'static> {
    _entry: Owned<CallBack<F>>,
}

impl<F: FnOnce(&CellRef) + Send + 'static> Tie<F> {
    /// Ties `actor` to `to`; `None` when that is dead already.
    pub fn new(actor: &CellRef, to: &CellRef, then: F) -> Option<Self> {
        Some(Tie { _entry: Owned::attach(Some(actor), to, CallBack(then))? })
    }
}
