//! The stand-in for models: the most hostile collector that still keeps the epoch contract.
//!
//! - Garbage is freed at the first moment the contract allows: when the last guard that was alive at its retirement
//!   ends. No real collector frees earlier, so what survives this survives any of them.
//! - What is ordered: a retirement before every later pin; every ended guard before every later free. Nothing else, so
//!   that a missing Release or Acquire in the code above still shows. (Only "guards alive at the retirement before
//!   its free" is too little: a guard that ended before the retirement counts too.)
//! - Neither pinning nor retiring is a scheduling point, so guards add no states. `DW_LOOM_PINOP=1` makes them
//!   scheduling points, as a check on that shortcut.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::model::{Edge, PerIteration, way};
use crate::sync::thread;

static ORACLE: PerIteration<RefCell<Oracle>> = PerIteration::new(RefCell::default);
static PINOP: PerIteration<Option<AtomicUsize>> =
    PerIteration::new(|| way().pins.then(|| AtomicUsize::new(0)));

/// Begins an iteration; before anything else in the model's main thread, so that making the state orders nothing.
pub fn begin() {
    ORACLE.get();
    PINOP.get();
}

#[derive(Default)]
struct Oracle {
    guards_begun: usize,
    /// Numbers of the guards alive.
    alive: Vec<usize>,
    retired: Vec<Garbage>,
    retirements: Vec<Edge>,
    ended_guards: Vec<Edge>,
}

struct Garbage {
    /// Guards alive at the retirement that have not ended since.
    waits_for: Vec<usize>,
    free: Box<dyn FnOnce()>,
}

impl Oracle {
    /// Ends a guard and takes out what waited only for it, in the order of retirement.
    fn end(&mut self, guard: usize) -> Vec<Garbage> {
        self.ended_guards.push(Edge::release());
        self.alive.retain(|&alive| alive != guard);
        for garbage in &mut self.retired {
            garbage.waits_for.retain(|&waited| waited != guard);
        }
        let (ready, rest) =
            std::mem::take(&mut self.retired).into_iter().partition(|garbage| garbage.waits_for.is_empty());
        self.retired = rest;
        ready
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        if thread::panicking() {
            // What the functions captured belongs to a model that is no more.
            std::mem::forget(std::mem::take(&mut self.retired));
        } else {
            assert!(self.alive.is_empty(), "a guard outlived the model");
        }
    }
}

fn scheduling_point() {
    if let Some(line) = PINOP.get() {
        // ORDERING: Relaxed, so that the added step orders nothing that the contract does not order.
        line.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct Guard {
    number: usize,
    /// A guard stays on its thread, as the real one does.
    _not_send: PhantomData<*const ()>,
}

pub(super) fn pin() -> Guard {
    scheduling_point();
    let mut oracle = ORACLE.get().borrow_mut();
    oracle.guards_begun += 1;
    let number = oracle.guards_begun;
    oracle.alive.push(number);
    oracle.retirements.iter().for_each(|retirement| retirement.acquire());
    Guard { number, _not_send: PhantomData }
}

impl Guard {
    /// # Safety
    ///
    /// As for the public one.
    pub(super) unsafe fn defer(&self, f: impl FnOnce() + Send + 'static) {
        scheduling_point();
        let mut oracle = ORACLE.get().borrow_mut();
        oracle.retirements.push(Edge::release());
        let waits_for = oracle.alive.clone();
        oracle.retired.push(Garbage { waits_for, free: Box::new(f) });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            return; // the model has failed; there is no execution left to speak to
        }
        scheduling_point();
        let ready = ORACLE.get().borrow_mut().end(self.number);
        if ready.is_empty() {
            return;
        }
        ORACLE.get().borrow().ended_guards.iter().for_each(|guard| guard.acquire());
        // The functions may pin and retire themselves, so the oracle is not borrowed here.
        ready.into_iter().for_each(|garbage| (garbage.free)());
    }
}

pub(super) fn flush() {}
