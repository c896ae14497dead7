//! Alarms: nodes with a deadline, embedded in somebody's counted block, and the stack that takes them.
//!
//! All `unsafe` of the alarm service is in here; [`clock`](crate::clock) is plain code over [`AlarmRef`],
//! [`AlarmStack`] and [`Batch`]. Times are nanoseconds; from when they count is the clock's affair.
//!
//! # Rules
//!
//! 1. Who sets an alarm lends one reference of its block: [`AlarmRef`] owns it, wherever it is, and gives it back
//!    through `release` exactly once. Until then the block neither moves nor dies.
//! 2. `vtable` never changes. `next` and `when` belong to whoever has the `AlarmRef`: to the one who pushes until the push
//!    has succeeded, and to the one who took the stack from then on; the owner of the block never touches them.
//! 3. A block lends each of its alarms at most once at a time; so a node is in one stack, once.
//! 4. The head of a stack is null, a node, or `CLOSED`; after `CLOSED` nothing is pushed any more and the
//!    alarm comes back.
//!
//! Only whole stacks are taken, so there is no ABA: a push that finds the head it read again links to what is really
//! there.

use core::fmt;
use core::ptr::{self, NonNull};

use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

mod recall;

pub use recall::{Recall, RecallStack, Recallable, Recalls};

/// Why an alarm rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// Its time has come; it is so late now.
    Due(u64),
    /// The clock stops: it will ring no more, and this is not its time.
    Stopped,
}

/// What the alarm service may do with the block around an [`Alarm`].
///
/// None of the three may unwind or wait.
pub struct AlarmVtable {
    /// The deadline has passed, or the clock stops. Gives back when it is to ring again, if it is.
    ///
    /// # Safety
    ///
    /// The alarm is alive, and lent to the caller.
    pub ring: unsafe fn(NonNull<Alarm>, Ring) -> Option<u64>,
    /// Tells whether ringing would do nothing any more.
    ///
    /// # Safety
    ///
    /// The alarm is alive, and lent to the caller.
    pub is_done: unsafe fn(NonNull<Alarm>) -> bool,
    /// Gives the lent reference back.
    ///
    /// # Safety
    ///
    /// The alarm is alive, and lent to the caller, who forgets it now.
    pub release: unsafe fn(NonNull<Alarm>),
    /// Is the alarm the front of a [`Recallable`]?
    pub recallable: bool,
}

impl fmt::Debug for AlarmVtable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlarmVtable")
    }
}

/// A deadline, to be embedded in a counted block.
#[derive(Debug)]
#[repr(C)]
pub struct Alarm {
    next: AtomicPtr<Alarm>,
    /// The deadline; or, for one that has not been stamped, how long after that.
    when: AtomicU64,
    vtable: &'static AlarmVtable,
}

impl Alarm {
    /// An alarm that is not set.
    pub fn new(when: u64, vtable: &'static AlarmVtable) -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), when: AtomicU64::new(when), vtable }
    }
}

/// One lent reference of the block around an alarm.
pub struct AlarmRef(NonNull<Alarm>);

// SAFETY: what is reachable through it is read only (`when`, `vtable`) or atomic; the functions of the vtable may be
// called on any thread by the contract of `from_raw`.
unsafe impl Send for AlarmRef {}

impl AlarmRef {
    /// Takes over one reference of the block around `alarm`.
    ///
    /// # Safety
    ///
    /// - the pointer may be used for the whole block as far as the vtable needs that;
    /// - the block lives, without moving, until `release` is called, and lends this alarm only once until then;
    /// - the functions of its vtable may be called on any thread, and do not unwind.
    pub unsafe fn from_raw(alarm: NonNull<Alarm>) -> Self {
        Self(alarm)
    }

    fn alarm(&self) -> &Alarm {
        // SAFETY: alive as long as we own its reference (rule 1).
        unsafe { self.0.as_ref() }
    }

    /// The deadline.
    pub fn when(&self) -> u64 {
        // ORDERING: Relaxed: ours (rule 2); whoever had it before handed it over through a stack.
        self.alarm().when.load(Ordering::Relaxed)
    }

    /// Changes the deadline.
    pub fn set_when(&self, when: u64) {
        // ORDERING: Relaxed: as above.
        self.alarm().when.store(when, Ordering::Relaxed);
    }

    /// Tells whether ringing would do nothing any more.
    pub fn is_done(&self) -> bool {
        // SAFETY: alive and lent to us (rule 1).
        unsafe { (self.alarm().vtable.is_done)(self.0) }
    }

    /// Rings. Gives back when it is to ring again, if it is.
    pub fn ring(&self, why: Ring) -> Option<u64> {
        // SAFETY: alive and lent to us (rule 1).
        unsafe { (self.alarm().vtable.ring)(self.0, why) }
    }

    /// Hands the reference over.
    #[inline]
    pub fn into_raw(self) -> NonNull<Alarm> {
        let alarm = self.0;
        core::mem::forget(self);
        alarm
    }
}

impl Drop for AlarmRef {
    fn drop(&mut self) {
        // SAFETY: alive and lent to us (rule 1), for the last time.
        unsafe { (self.alarm().vtable.release)(self.0) }
    }
}

impl fmt::Debug for AlarmRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AlarmRef").field(&self.when()).finish()
    }
}

/// A lock-free stack of alarms that is only taken as a whole.
pub struct AlarmStack {
    head: AtomicPtr<Alarm>,
}

/// An address that no node has.
fn closed() -> *mut Alarm {
    ptr::without_provenance_mut(1)
}

/// Alarms were pushed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The stack was empty before.
    OnEmpty,
    /// It was not.
    OnOthers,
}

impl AlarmStack {
    /// An empty stack.
    pub fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Pushes an alarm.
    ///
    /// # Errors
    ///
    /// Gives the alarm back if the stack is closed.
    #[inline]
    pub fn push(&self, alarm: AlarmRef) -> Result<Pushed, AlarmRef> {
        let node = alarm.into_raw();
        // SAFETY: it is ours, and a chain of one.
        unsafe { self.push_chain(node, node) }.map_err(AlarmRef)
    }

    /// Pushes all alarms of a batch, with one exchange.
    ///
    /// # Errors
    ///
    /// Gives the alarms back if the stack is closed.
    pub fn push_all(&self, batch: Batch) -> Result<Pushed, Alarms> {
        let (first, last) = batch.into_raw();
        let Some((first, last)) = NonNull::new(first).zip(NonNull::new(last)) else {
            return Ok(Pushed::OnOthers);
        };
        // SAFETY: the batch owned them, and its links go from its first to its last.
        unsafe { self.push_chain(first, last) }.map_err(|first| Alarms(first.as_ptr()))
    }

    /// # Safety
    ///
    /// The caller owns the alarms from `first` to `last`, which are linked in this order, and hands them over; what comes
    /// back is its own again.
    #[inline]
    unsafe fn push_chain(
        &self,
        first: NonNull<Alarm>,
        last: NonNull<Alarm>,
    ) -> Result<Pushed, NonNull<Alarm>> {
        // ORDERING: Relaxed; the read value is only linked to, and compared.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                // SAFETY: owned by the contract.
                // ORDERING: Relaxed; ours.
                unsafe { last.as_ref() }.next.store(ptr::null_mut(), Ordering::Relaxed);
                return Err(first);
            }
            // SAFETY: owned by the contract, until the exchange has succeeded.
            // ORDERING: Relaxed; published by the Release below.
            unsafe { last.as_ref() }.next.store(head, Ordering::Relaxed);
            // ORDERING: Release publishes the nodes and their links to the take; each link of the chain is covered, since
            // later pushes are read-modify-writes and continue the release sequence. Failure Relaxed as above.
            let pushed =
                self.head.compare_exchange_weak(head, first.as_ptr(), Ordering::Release, Ordering::Relaxed);
            match pushed {
                Ok(_) if head.is_null() => return Ok(Pushed::OnEmpty),
                Ok(_) => return Ok(Pushed::OnOthers),
                Err(now) => head = now,
            }
        }
    }

    /// Takes all alarms, the last pushed first.
    pub fn take(&self) -> Alarms {
        self.swap_unless_closed(ptr::null_mut())
    }

    /// Takes all alarms and refuses those to come.
    pub fn close(&self) -> Alarms {
        self.swap_unless_closed(closed())
    }

    fn swap_unless_closed(&self, new: *mut Alarm) -> Alarms {
        // ORDERING: Relaxed; the exchange below reads again.
        let mut head = self.head.load(Ordering::Relaxed);
        while head != closed() && head != new {
            // ORDERING: Acquire pairs with the Release of every push in the chain. Failure Relaxed: it is compared
            // only.
            match self.head.compare_exchange_weak(head, new, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Alarms(head),
                Err(now) => head = now,
            }
        }
        Alarms(ptr::null_mut())
    }

    /// Tells whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        // ORDERING: Relaxed; the clock has its fence before.
        let head = self.head.load(Ordering::Relaxed);
        head.is_null() || head == closed()
    }
}

impl Default for AlarmStack {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for AlarmStack {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl fmt::Debug for AlarmStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlarmStack").field("is_empty", &self.is_empty()).finish()
    }
}

/// What was taken from a stack; the rest is released when this is dropped.
#[derive(Debug)]
pub struct Alarms(*mut Alarm);

impl Iterator for Alarms {
    type Item = AlarmRef;

    fn next(&mut self) -> Option<AlarmRef> {
        let alarm = NonNull::new(self.0)?;
        // SAFETY: it was pushed as an `AlarmRef`, and the take made us the owner of that.
        let alarm = unsafe { AlarmRef::from_raw(alarm) };
        // ORDERING: Relaxed; the take's Acquire has covered it, and it is ours now (rule 2).
        self.0 = alarm.alarm().next.load(Ordering::Relaxed);
        Some(alarm)
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// Owned alarms in a chain, in the order in which they were put in. Pushed, its first counts as pushed last.
#[derive(Debug)]
pub struct Batch {
    first: *mut Alarm,
    last: *mut Alarm,
    len: usize,
}

impl Batch {
    /// Nothing.
    pub fn new() -> Self {
        Batch { first: ptr::null_mut(), last: ptr::null_mut(), len: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Puts one at the end.
    pub fn put(&mut self, alarm: AlarmRef) {
        let node = alarm.into_raw();
        // SAFETY: ours from here on.
        // ORDERING: Relaxed; published by the push of the batch.
        unsafe { node.as_ref() }.next.store(ptr::null_mut(), Ordering::Relaxed);
        match NonNull::new(self.last) {
            None => self.first = node.as_ptr(),
            // SAFETY: owned by the batch.
            // ORDERING: Relaxed; as above.
            Some(last) => unsafe { last.as_ref() }.next.store(node.as_ptr(), Ordering::Relaxed),
        }
        self.last = node.as_ptr();
        self.len += 1;
    }

    fn into_raw(self) -> (*mut Alarm, *mut Alarm) {
        let this = core::mem::ManuallyDrop::new(self);
        (this.first, this.last)
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        drop(Alarms(self.first));
    }
}
