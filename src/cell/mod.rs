//! The control block of an actor, and the three ways to hold on to it.
//!
//! One heap block per actor: the [`Cell`] in front, the same for every type, and behind it the *body* ([`body`]): the
//! future that is the actor's life, then what is left to do at its end, then nothing.
//!
//! - [`CellRef`] keeps the block and what is in it. Wakers and fired entries hold one.
//! - [`Strong`] keeps the actor running. All strong handles together own one `CellRef`.
//! - [`Consumer`] is the right to take messages out. There is one; the actor's life has it, then its end.
//!
//! And there is [`CellPtr`], which holds nothing: entries that are armed name their watcher and their target by it. With the
//! last `CellRef` goes what is in the block, but the block itself is freed through the epoch, so that whoever began a guard
//! before may still look at the list, at the identity, and at whether the cell can be held (rule 5).
//!
//! # Who may touch what
//!
//! 1. `body`, and the consumer's side of `inbox` and of `signals`: the thread that runs the cell (`RUNNING` in [`life`]), alone.
//! 2. `cause`: written once, by the first who asks the actor to stop, before `STOP` is set.
//! 3. `reason`: written once, by the actor's end, before `watchers` is closed.
//! 4. `ticket`: whoever has the cell's one [`Runnable`], alone. Everything else is constant or atomic.
//! 5. When there is no `CellRef` any more, nobody touches anything but `refs`, `watchers`, `id` and `tracked`, which drop
//!    nothing, and those only under a guard that began before.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc as StdArc;

use crate::clock::Clock;
use crate::id::ActorId;
use crate::mailbox::bound::Bound;
use crate::mailbox::inbox::{Inbox, Push};
use crate::mailbox::node::{Discard, Unopened};
use crate::mailbox::parcel::Parcel;
use crate::mailbox::shelf::Shelf;
use crate::observe::Observed;
use crate::reason::ExitReason;
use crate::structs::list::List;
use crate::structs::map_slot::MapSlot;
use crate::structs::once::Once;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Tracked, UnsafeCell, census};

pub mod body;
pub mod life;
mod ptr;
mod sending;
mod signals;
mod slot;
mod stance;

pub use body::{Host, Runnable, spawn};
use life::{Life, Notify};
pub use ptr::CellPtr;
pub use sending::Undelivered;
use signals::Signals;
pub use slot::CellSlot;
pub use stance::Stance;

/// The front of every actor's block.
pub struct Cell {
    vtable: &'static body::Vtable,
    /// How many `CellRef`s there are.
    refs: AtomicUsize,
    /// How many `Strong`s there are.
    strong: AtomicUsize,
    /// The lifecycle word.
    pub life: Life,
    /// The mailbox's queue.
    pub inbox: Inbox,
    /// What few actors have.
    birth: Option<Box<Birth>>,
    /// The target half of everybody's interest in this actor's death.
    pub watchers: List,
    /// The watcher half of this actor's monitors.
    pub table: MapSlot,
    /// Exit signals that have come over its links.
    pub signals: Signals,
    /// Who it is.
    pub id: ActorId,
    /// Why it was first asked to stop.
    pub cause: Once<ExitReason>,
    /// Why it died. Set: it is dead.
    pub reason: Once<ExitReason>,
    /// For whoever observes it.
    pub observed: Observed,
    /// Nothing; see [`Runnable::accept`].
    ticket: UnsafeCell<()>,
    tracked: Tracked,
}

/// What a new cell is made with.
#[derive(Default)]
pub struct Birth {
    /// What the actor is called.
    pub name: Option<StdArc<str>>,
    /// The limit of its mailbox.
    pub bound: Option<Arc<Bound>>,
}

impl Cell {
    fn new(vtable: &'static body::Vtable, birth: Birth, queued: bool) -> Self {
        census::born(census::Kind::Cell);
        Cell {
            vtable,
            refs: AtomicUsize::new(1),
            strong: AtomicUsize::new(0),
            life: Life::new(queued),
            inbox: Inbox::new(),
            birth: (birth.name.is_some() || birth.bound.is_some()).then(|| Box::new(birth)),
            watchers: List::new(),
            table: MapSlot::new(),
            signals: Signals::new(),
            id: ActorId::next(),
            cause: Once::new(),
            reason: Once::new(),
            observed: Observed::new(),
            ticket: UnsafeCell::new(()),
            tracked: Tracked::new(),
        }
    }

    /// What the actor is called.
    pub fn name(&self) -> Option<&StdArc<str>> {
        self.birth.as_ref()?.name.as_ref()
    }

    /// The limit of its mailbox, if it has one.
    pub fn bound(&self) -> Option<&Arc<Bound>> {
        self.birth.as_ref()?.bound.as_ref()
    }

    /// Is the actor dead, and why?
    pub fn reason(&self) -> Option<&ExitReason> {
        self.reason.get()
    }
}

/// Keeps a cell's memory, not its actor.
pub struct CellRef(NonNull<Cell>);

// SAFETY: a cell is shared between threads by its rules; what is not atomic is touched only by the running thread, or by who has the
// `Runnable`, and bodies are Send.
unsafe impl Send for CellRef {}
// SAFETY: as above.
unsafe impl Sync for CellRef {}

impl Deref for CellRef {
    type Target = Cell;

    fn deref(&self) -> &Cell {
        // SAFETY: this reference is counted, so the block lives.
        let cell = unsafe { self.0.as_ref() };
        cell.tracked.touch();
        cell
    }
}

impl Clone for CellRef {
    fn clone(&self) -> Self {
        // ORDERING: Relaxed: a count can be added by whoever owns one.
        let before = self.refs.fetch_add(1, Ordering::Relaxed);
        assert!(before < usize::MAX / 2, "too many references to one actor");
        CellRef(self.0)
    }
}

impl Drop for CellRef {
    fn drop(&mut self) {
        // ORDERING: Release: all use of the block is before its freeing.
        if self.refs.fetch_sub(1, Ordering::Release) == 1 {
            // ORDERING: Acquire pairs with the Release of everybody else's last use. A load and not a fence: a fence would
            // also order what was read of other words before, and loom takes it to order still more.
            self.refs.load(Ordering::Acquire);
            // SAFETY: nobody else has a reference; ended once.
            unsafe { (self.vtable.end)(self.0) };
        }
    }
}

impl Cell {
    /// Drops what is in it, but for what those may still touch who only know where it is (rule 5).
    ///
    /// # Safety
    ///
    /// There is no `CellRef` any more; to be called once.
    unsafe fn empty(this: NonNull<Cell>) {
        census::gone(census::Kind::Cell);
        let this = this.as_ptr();
        // SAFETY: by the contract. One by one, so that a panic in the user's code keeps none of the others.
        unsafe {
            drop_in_place_quietly(&raw mut (*this).inbox);
            drop_in_place_quietly(&raw mut (*this).birth);
            drop_in_place_quietly(&raw mut (*this).table);
            drop_in_place_quietly(&raw mut (*this).signals);
            drop_in_place_quietly(&raw mut (*this).cause);
            drop_in_place_quietly(&raw mut (*this).reason);
            drop_in_place_quietly(&raw mut (*this).observed);
        }
    }
}

/// # Safety
///
/// As for [`ptr::drop_in_place`].
unsafe fn drop_in_place_quietly<T>(place: *mut T) {
    struct InPlace<T>(*mut T);
    impl<T> Drop for InPlace<T> {
        fn drop(&mut self) {
            // SAFETY: by the contract of the function, which makes the only one.
            unsafe { self.0.drop_in_place() };
        }
    }
    if std::mem::needs_drop::<T>() {
        crate::guard::drop_quietly(InPlace(place));
    }
}

impl PartialEq for CellRef {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for CellRef {}

impl CellRef {
    /// Takes so many references more, each to be [`adopt`](CellPtr::adopt)ed or given back.
    pub fn hold(&self, references: usize) {
        // ORDERING: Relaxed: see `clone`.
        let before = self.refs.fetch_add(references, Ordering::Relaxed);
        assert!(before < usize::MAX / 2, "too many references to one actor");
    }

    /// Gives back so many references.
    ///
    /// # Safety
    ///
    /// The caller owns them, and `self` too, which is not one of them: so they are not the last.
    pub unsafe fn give_back(&self, references: usize) {
        // ORDERING: Relaxed: `self` is given back after it, with Release, and what was done through all of them is before that.
        self.refs.fetch_sub(references, Ordering::Relaxed);
    }

    /// The place alone; the reference stays counted, and is the caller's.
    pub fn into_ptr(self) -> CellPtr {
        CellPtr::of(&ManuallyDrop::new(self))
    }

    /// Makes the actor look again, by queueing it if need be.
    pub fn wake(&self) {
        // SAFETY: the vtable belongs to this block.
        unsafe { (self.vtable.wake)(self) };
    }

    fn act(&self, owed: Notify) {
        if owed == Notify::Queue {
            // SAFETY: as in `wake`.
            unsafe { (self.vtable.schedule)(self, Runnable::new(self)) };
        }
    }

    /// Asks the actor to stop, for this reason unless it was given another before.
    pub fn stop(&self, reason: ExitReason) {
        if self.cause.set(reason).is_ok() || self.cause.get().is_some() {
            self.act(self.life.ask_stop());
        }
        // Otherwise somebody else is writing the cause, and asks next: the actor must not see the question before it.
    }

    /// Notes whom to wake, where the consumer is plain code.
    pub fn register(&self, cx: &std::task::Context<'_>) {
        // SAFETY: the vtable belongs to this block.
        unsafe { (self.vtable.register)(self, cx) };
    }

    /// The runtime the actor belongs to, for those who know its type.
    pub fn home(&self) -> Option<std::sync::Arc<dyn std::any::Any + Send + Sync>> {
        // SAFETY: the vtable belongs to this block.
        unsafe { (self.vtable.home)(self) }
    }

    /// The clock of the runtime the actor belongs to.
    pub fn clock(&self) -> Option<&Clock> {
        // SAFETY: the vtable belongs to this block.
        unsafe { (self.vtable.clock)(self) }
    }

    /// Kills the actor.
    pub fn kill(&self) {
        self.act(self.life.ask_kill());
    }

    /// After a kill: ends the actor here and now if it waits to be run where that may never happen.
    pub fn end_if_queued(&self) {
        // SAFETY: the vtable belongs to this block.
        unsafe { (self.vtable.recall)(self) };
    }

    /// Brings an exit signal, which the actor looks at before anything else. False: it takes none any more.
    ///
    /// # Safety
    ///
    /// The caller owns the block of `node`, and it was made for this cell. On `false`, it is still the caller's.
    pub unsafe fn signal(&self, node: NonNull<crate::mailbox::node::Node>) -> bool {
        // SAFETY: by the contract.
        if !unsafe { self.signals.push(node) } {
            return false;
        }
        self.act(self.life.signal());
        true
    }

    /// Queues a run of nodes, and wakes the consumer even if another sender owes that: it may be slow.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push), for all nodes from `newest` to `oldest`, which are linked in this order.
    pub unsafe fn push_and_wake(
        &self,
        newest: NonNull<crate::mailbox::node::Node>,
        oldest: NonNull<crate::mailbox::node::Node>,
    ) -> bool {
        // SAFETY: by the contract.
        let pushed = unsafe { self.inbox.push_run(newest, oldest) };
        if pushed != Push::Closed {
            self.wake();
        }
        pushed != Push::Closed
    }

    /// Queues a node and wakes the consumer if it sleeps.
    ///
    /// # Safety
    ///
    /// The caller owns the block of `node`, and it was made for this cell's stage. On `false`, it is still the
    /// caller's.
    pub unsafe fn push(&self, node: NonNull<crate::mailbox::node::Node>) -> bool {
        // SAFETY: by the contract.
        self.observed.coming(unsafe { node.as_ref() }.vtable().counted);
        // SAFETY: by the contract.
        unsafe { self.push_observed(node) }
    }

    /// As [`push`](Self::push), of what has been said to be coming.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    unsafe fn push_observed(&self, node: NonNull<crate::mailbox::node::Node>) -> bool {
        // SAFETY: by the contract.
        let counted = unsafe { node.as_ref() }.vtable().counted;
        // SAFETY: by the contract.
        match unsafe { self.inbox.push(node) } {
            Push::Queued => true,
            Push::Wake => {
                self.wake();
                true
            }
            Push::Closed => {
                self.observed.refused(counted);
                false
            }
        }
    }
}

/// A `CellRef` that knows what its messages are opened with.
pub struct Address<S> {
    cell: CellRef,
    stage: PhantomData<fn(S)>,
}

impl<S> Clone for Address<S> {
    fn clone(&self) -> Self {
        Address { cell: self.cell.clone(), stage: PhantomData }
    }
}

impl<S> Address<S> {
    /// The cell.
    pub fn cell(&self) -> &CellRef {
        &self.cell
    }
}

/// The stage of a handle that does not know it. Nothing can be opened with it, so nothing is ever pushed.
pub enum Erased {}

/// Keeps the actor running. One pointer.
pub struct Strong<S> {
    /// The `CellRef` that all strong handles own together.
    address: ManuallyDrop<Address<S>>,
}

impl<S> Deref for Strong<S> {
    type Target = Address<S>;

    fn deref(&self) -> &Address<S> {
        &self.address
    }
}

impl<S> Strong<S> {
    /// A handle where there may be none any more: for the actor itself, which decides when it ends, and for its maker; to
    /// an actor that lives on without; and for whoever can do with a handle to an actor that ends all the same.
    pub fn revive(address: &Address<S>) -> Self {
        let cell = address.cell.clone();
        // ORDERING: Relaxed: as for any count. The common reference is paid for by the clone if we are the first,
        // and given back otherwise.
        if cell.strong.fetch_add(1, Ordering::Relaxed) == 0 {
            return Strong { address: ManuallyDrop::new(Address { cell, stage: PhantomData }) };
        }
        // SAFETY: a second pointer to the common reference, which the other strong handles keep alive.
        let common = CellRef(cell.0);
        Strong { address: ManuallyDrop::new(Address { cell: common, stage: PhantomData }) }
    }

    /// A handle, if there is still another.
    pub fn upgrade(address: &Address<S>) -> Option<Self> {
        let cell = &address.cell;
        // ORDERING: Relaxed: only the expected value below.
        let mut count = cell.strong.load(Ordering::Relaxed);
        while count > 0 {
            // ORDERING: Relaxed: as for any count. The caller's own reference keeps the block, and nothing is read on the
            // strength of a count that is not zero.
            match cell.strong.compare_exchange_weak(count, count + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(Strong::another(cell)),
                Err(now) => count = now,
            }
        }
        None
    }

    /// A handle for whoever has found the actor by a name: if there is still another, or if the actor lives on without.
    pub fn reach(address: &Address<S>) -> Option<Self> {
        // Who detaches does so before it gives its handle up; so where there is none, this is seen.
        Self::upgrade(address).or_else(|| address.cell.life.read().detached().then(|| Self::revive(address)))
    }

    /// One more pointer to the common reference; the count was raised by the caller.
    fn another(cell: &CellRef) -> Self {
        Strong { address: ManuallyDrop::new(Address { cell: CellRef(cell.0), stage: PhantomData }) }
    }

    /// The same handle without knowledge of the stage.
    pub fn erase(self) -> Strong<Erased> {
        let this = ManuallyDrop::new(self);
        Strong::another(&this.address.cell)
    }

    /// A handle without knowledge of the stage.
    pub fn erased(&self) -> Strong<Erased> {
        self.clone().erase()
    }
}

impl<S> Clone for Strong<S> {
    fn clone(&self) -> Self {
        // ORDERING: Relaxed: a count can be added by whoever owns one.
        let before = self.cell.strong.fetch_add(1, Ordering::Relaxed);
        assert!(before < usize::MAX / 2, "too many handles to one actor");
        Strong::another(&self.cell)
    }
}

impl<S> Drop for Strong<S> {
    fn drop(&mut self) {
        // ORDERING: Release: what was sent through this handle is before its end, see `Consumer::is_last`. Acquire: the
        // last one gives up the common reference, and so must come after every use of it by the others.
        if self.cell.strong.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.cell.wake();
            // SAFETY: the count came to zero, so nobody uses the common reference but us, who took it there. (An
            // actor that revives itself pays for a new one.)
            unsafe { ManuallyDrop::drop(&mut self.address) };
        }
    }
}

/// The right to take messages out of a mailbox. There is one per cell.
pub struct Consumer<S> {
    address: Address<S>,
}

impl<S: 'static> Consumer<S> {
    /// The cell, and what its messages are opened with.
    pub fn address(&self) -> &Address<S> {
        &self.address
    }

    /// The cell.
    pub fn cell(&self) -> &CellRef {
        &self.address.cell
    }

    /// Takes the oldest message; a place that it held in a bounded mailbox is free then.
    pub fn pop(&mut self) -> Option<Parcel<S>> {
        // SAFETY: we are the consumer; what comes out was made for S.
        let parcel = unsafe { Parcel::<S>::from_raw(self.cell().inbox.pop()?) };
        self.cell().observed.taken(parcel.is_counted(), parcel.stamp());
        match self.cell().bound() {
            Some(bound) if parcel.is_counted() => bound.free_place(),
            _ => {}
        }
        Some(parcel)
    }

    /// Puts in order what has come; `pop` does so too, when it has to.
    pub fn gather(&mut self) {
        // SAFETY: we are the consumer.
        unsafe { self.cell().inbox.gather() };
    }

    /// Puts messages, which hold no place in a bounded mailbox, before all others.
    pub fn put_in_front(&mut self, shelf: &mut Shelf<S>) {
        if let Some(freed) = shelf.take_freed() {
            // SAFETY: we are the consumer; a shelf holds parcels for S.
            unsafe { self.cell().inbox.put_in_front(freed) };
        }
    }

    /// Declares that the consumer is about to sleep; false when there is a message.
    pub fn park(&mut self) -> bool {
        // SAFETY: we are the consumer.
        unsafe { self.cell().inbox.park() }
    }

    /// Are there no strong handles left, so that nobody can send any more? What was sent is in the mailbox then.
    pub fn is_last(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in the drop of the last handle.
        self.cell().strong.load(Ordering::Acquire) == 0
    }

    /// Refuses all further messages. Idempotent.
    pub fn close(&mut self) {
        // SAFETY: we are the consumer. Exit signals that nobody has looked at go as the messages do.
        unsafe {
            self.cell().inbox.close();
            self.cell().inbox.put_behind(self.cell().signals.close());
        }
        if let Some(bound) = self.cell().bound() {
            bound.close();
        }
    }

    /// Drops up to `budget` messages unopened; true when none is left. Panics of the messages' `Drop` are caught.
    pub fn discard(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            // SAFETY: we are the consumer, and own what comes out.
            match unsafe { self.cell().inbox.pop() } {
                Some(node) => crate::guard::drop_quietly(Discard(node, Unopened::Dying)),
                None => return true,
            }
        }
        false
    }
}
