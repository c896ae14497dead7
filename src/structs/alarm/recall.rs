//! Alarms that are taken back: a second way to the clock, for those that are done long before their time.
//!
//! # Rules
//!
//! 1. Who takes an alarm back lends a second reference of its block; a [`Recall`] owns it, and gives it back through the
//!    alarm's `release`. A block lends it once in its life, so it is in one stack, once.
//! 2. `next` belongs to whoever has the `Recall`. `place` belongs to the clock that has the alarm.

use core::fmt;
use core::ptr::{self, NonNull};

use super::{Alarm, AlarmRef, AlarmVtable};
use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// An alarm that can be taken back: its vtable says that it is one.
#[derive(Debug)]
#[repr(C)]
pub struct Recallable {
    alarm: Alarm,
    next: AtomicPtr<Recallable>,
    /// Where the clock has it; 0: nowhere.
    place: AtomicU64,
}

impl Recallable {
    /// An alarm that is not set.
    pub fn new(when: u64, vtable: &'static AlarmVtable) -> Self {
        assert!(vtable.recallable, "it says what it is");
        Self {
            alarm: Alarm::new(when, vtable),
            next: AtomicPtr::new(ptr::null_mut()),
            place: AtomicU64::new(0),
        }
    }

    /// The deadline, which the clock may be changing.
    pub fn when(&self) -> u64 {
        // ORDERING: Relaxed: a number by itself.
        self.alarm.when.load(Ordering::Relaxed)
    }
}

impl AlarmRef {
    /// What it is, if it can be taken back.
    fn recallable(&self) -> Option<&Recallable> {
        // SAFETY: alive as long as we own its reference. Its vtable says that it is the front of a `Recallable`.
        self.alarm().vtable.recallable.then(|| unsafe { self.0.cast().as_ref() })
    }

    /// Notes where the clock has it.
    pub fn set_place(&self, place: u64) {
        if let Some(this) = self.recallable() {
            // ORDERING: Relaxed: the clock's own (rule 2).
            this.place.store(place, Ordering::Relaxed);
        }
    }
}

/// An alarm is taken back: one lent reference of the block around it.
pub struct Recall(NonNull<Recallable>);

// SAFETY: as for `AlarmRef`.
unsafe impl Send for Recall {}

impl Recall {
    /// Takes over one reference of the block around the alarm.
    ///
    /// # Safety
    ///
    /// As for [`AlarmRef::from_raw`]; and the block lends this but once.
    pub unsafe fn from_raw(alarm: NonNull<Recallable>) -> Self {
        Self(alarm)
    }

    fn this(&self) -> &Recallable {
        // SAFETY: alive as long as we own its reference (rule 1).
        unsafe { self.0.as_ref() }
    }

    /// Its deadline, and where the clock noted that it has it; 0: nowhere. The clock's.
    pub fn place(&self) -> (u64, u64) {
        // ORDERING: Relaxed: the clock's own (rule 2).
        (self.this().when(), self.this().place.load(Ordering::Relaxed))
    }
}

impl Drop for Recall {
    fn drop(&mut self) {
        // SAFETY: alive and lent to us (rule 1), for the last time.
        unsafe { (self.this().alarm.vtable.release)(self.0.cast()) }
    }
}

impl fmt::Debug for Recall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recall").field(&self.place()).finish()
    }
}

/// A lock-free stack of what is taken back, that is only taken as a whole.
#[derive(Debug)]
pub struct RecallStack {
    head: AtomicPtr<Recallable>,
}

impl RecallStack {
    /// An empty stack.
    pub fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Pushes one; true if the stack was empty. A closed stack releases it.
    pub fn push(&self, recall: Recall) -> bool {
        // ORDERING: Relaxed; the read value is only linked to, and compared.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                return false;
            }
            // ORDERING: Relaxed; published by the Release below.
            recall.this().next.store(head, Ordering::Relaxed);
            // ORDERING: Release publishes the node and its link to the take, and that the alarm is done; as for `AlarmStack`.
            let pushed = self.head.compare_exchange_weak(
                head,
                recall.0.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            match pushed {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        core::mem::forget(recall);
        head.is_null()
    }

    /// Takes all.
    pub fn take(&self) -> Recalls {
        // ORDERING: Acquire pairs with the Release of every push in the chain. Who takes is who closes, so this is not closed.
        Recalls(self.head.swap(ptr::null_mut(), Ordering::Acquire))
    }

    /// Takes all, and what is pushed later is released.
    pub fn close(&self) -> Recalls {
        // ORDERING: Acquire, as in `take`.
        let head = self.head.swap(closed(), Ordering::Acquire);
        Recalls(if head == closed() { ptr::null_mut() } else { head })
    }

    /// Is there nothing to take?
    pub fn is_empty(&self) -> bool {
        // ORDERING: Relaxed; the clock has its fence before.
        let head = self.head.load(Ordering::Relaxed);
        head.is_null() || head == closed()
    }
}

impl Default for RecallStack {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for RecallStack {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// An address that no node has.
fn closed() -> *mut Recallable {
    ptr::without_provenance_mut(1)
}

/// What was taken from a stack; the rest is released when this is dropped.
#[derive(Debug)]
pub struct Recalls(*mut Recallable);

impl Iterator for Recalls {
    type Item = Recall;

    fn next(&mut self) -> Option<Recall> {
        // SAFETY: it was pushed as a `Recall`, and the take made us the owner of that.
        let recall = NonNull::new(self.0).map(|first| unsafe { Recall::from_raw(first) })?;
        // ORDERING: Relaxed; the take's Acquire has covered it, and it is ours now (rule 2).
        self.0 = recall.this().next.load(Ordering::Relaxed);
        Some(recall)
    }
}

impl Drop for Recalls {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
