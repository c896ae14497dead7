//! Alarms: nodes with a deadline, embedded in somebody's counted block, and the stack that takes them.
//!
//! All `unsafe` of the alarm service is in here; [`clock`](crate::clock) is plain code over [`AlarmRef`] and
//! [`AlarmStack`].
//!
//! # Rules
//!
//! 1. Who sets an alarm lends one reference of its block: [`AlarmRef`] owns it, wherever it is, and gives it back
//!    through `release` exactly once. Until then the block neither moves nor dies.
//! 2. `when` and `vtable` never change. `next` belongs to the one who pushes until the push has succeeded, and to
//!    the one who took the stack from then on; the owner of the block never touches it.
//! 3. A block lends each of its alarms at most once at a time; so a node is in one stack, once.
//! 4. The head of a stack is null, a node, or `CLOSED`; after `CLOSED` nothing is pushed any more and the
//!    alarm comes back.
//!
//! Only whole stacks are taken, so there is no ABA: a push that finds the head it read again links to what is really
//! there.

use core::fmt;
use core::ptr::{self, NonNull};
use std::time::Instant;

use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// What the alarm service may do with the block around an [`Alarm`].
///
/// None of the three may unwind or wait.
pub struct AlarmVtable {
    /// The deadline has passed, or the clock stops.
    ///
    /// # Safety
    ///
    /// The alarm is alive, and lent to the caller.
    pub ring: unsafe fn(NonNull<Alarm>),
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
    when: Instant,
    vtable: &'static AlarmVtable,
}

impl Alarm {
    /// An alarm that is not set.
    pub fn new(when: Instant, vtable: &'static AlarmVtable) -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), when, vtable }
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
    pub fn when(&self) -> Instant {
        self.alarm().when
    }

    /// Tells whether ringing would do nothing any more.
    pub fn is_done(&self) -> bool {
        // SAFETY: alive and lent to us (rule 1).
        unsafe { (self.alarm().vtable.is_done)(self.0) }
    }

    /// Rings, and gives the reference back.
    pub fn ring(self) {
        // SAFETY: alive and lent to us (rule 1).
        unsafe { (self.alarm().vtable.ring)(self.0) }
    }

    fn into_raw(self) -> NonNull<Alarm> {
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
    /// Pushes since the last take, more or less: a hint.
    pushed: AtomicUsize,
}

/// An address that no node has.
fn closed() -> *mut Alarm {
    ptr::without_provenance_mut(1)
}

impl AlarmStack {
    /// An empty stack.
    pub fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()), pushed: AtomicUsize::new(0) }
    }

    /// Pushes an alarm and tells how many have been pushed since the last take, about.
    ///
    /// # Errors
    ///
    /// Gives the alarm back if the stack is closed.
    pub fn push(&self, alarm: AlarmRef) -> Result<usize, AlarmRef> {
        // ORDERING: Relaxed; the read value is only linked to, and compared.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                return Err(alarm);
            }
            // ORDERING: Relaxed; published by the Release below.
            alarm.alarm().next.store(head, Ordering::Relaxed);
            // ORDERING: Release publishes the node and its link to the take; each link of the chain is covered, since
            // later pushes are read-modify-writes and continue the release sequence. Failure Relaxed as above.
            let pushed =
                self.head.compare_exchange_weak(head, alarm.0.as_ptr(), Ordering::Release, Ordering::Relaxed);
            match pushed {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        let _ = alarm.into_raw();
        // ORDERING: Relaxed; a hint, nothing is read by it.
        Ok(self.pushed.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Takes all alarms, the last pushed first.
    pub fn take(&self) -> Alarms {
        // ORDERING: Relaxed; a hint. What is pushed in between may be taken and counted all the same.
        self.pushed.store(0, Ordering::Relaxed);
        self.swap_unless_closed(ptr::null_mut())
    }

    /// Takes all alarms and refuses those to come.
    pub fn close(&self) -> Alarms {
        self.swap_unless_closed(closed())
    }

    fn swap_unless_closed(&self, new: *mut Alarm) -> Alarms {
        // ORDERING: Relaxed; the exchange below reads again.
        let mut head = self.head.load(Ordering::Relaxed);
        while head != closed() {
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
