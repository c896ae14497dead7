//! What the clock has taken over: a heap, and the ringing.

use core::cmp::Ordering as Order;
use core::mem;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::DRAIN;
use super::board::Board;
use crate::structs::alarm::{AlarmRef, Alarms, Ring};

/// The alarms that have a deadline, earliest first; of equal ones, the one that came first.
#[derive(Default)]
pub struct Bell {
    heap: BinaryHeap<Earliest>,
    /// How many have come.
    count: u64,
    /// How many were in the heap when it was last looked through.
    looked: usize,
    /// Room for those that come together.
    taken: Vec<AlarmRef>,
}

impl Bell {
    /// Takes over alarms, the last one first, but those that are done.
    pub fn admit(&mut self, alarms: Alarms) {
        let mut taken = mem::take(&mut self.taken);
        taken.extend(alarms.filter(|alarm| !alarm.is_done()));
        taken.drain(..).rev().for_each(|alarm| self.put(alarm));
        if taken.capacity() <= DRAIN {
            self.taken = taken;
        }
    }

    /// The same for those that have no deadline yet: it is so much later than `now`.
    pub fn stamp(&mut self, alarms: Alarms, now: u64) {
        for alarm in alarms.filter(|alarm| !alarm.is_done()) {
            alarm.set_when(now.saturating_add(alarm.when()));
            self.put(alarm);
        }
    }

    /// Takes over one.
    pub fn put(&mut self, alarm: AlarmRef) {
        self.count += 1;
        self.heap.push(Earliest { when: alarm.when(), count: self.count, alarm });
    }

    /// Lets go of those that are done, if it is likely that there are many.
    pub fn tidy(&mut self, board: &Board) {
        if board.is_stale() || self.heap.len() > 2 * self.looked + DRAIN {
            board.take_stale();
            self.heap.retain(|it| !it.alarm.is_done());
            self.looked = self.heap.len();
            if self.heap.capacity() / 4 > self.looked + DRAIN {
                self.heap.shrink_to(2 * self.looked);
            }
            board.looked_through(self.looked);
        }
    }

    /// When the first one rings.
    pub fn earliest(&self) -> Option<u64> {
        self.heap.peek().map(|it| it.when)
    }

    /// Takes the first one, if its time has come.
    pub fn pop_due(&mut self, now: u64) -> Option<AlarmRef> {
        self.heap.peek().filter(|it| it.when <= now)?;
        self.looked = self.looked.min(self.heap.len() - 1);
        self.heap.pop().map(|it| it.alarm)
    }

    /// Rings those whose time has come.
    pub fn ring_due(&mut self, now: u64) {
        while let Some(alarm) = self.pop_due(now) {
            if let Some(alarm) = ring(alarm, now) {
                self.put(alarm);
            }
        }
    }

    /// Tells all that are left that they ring no more.
    pub fn stop(&mut self) {
        for it in mem::take(&mut self.heap) {
            let _no_more = shielded(&it.alarm, Ring::Stopped);
        }
    }
}

/// Rings one. It comes back if it is to ring again, with its new deadline.
pub fn ring(alarm: AlarmRef, now: u64) -> Option<AlarmRef> {
    let again = shielded(&alarm, Ring::Due(now))?;
    alarm.set_when(again);
    Some(alarm)
}

/// Rule 6.
pub fn shielded(alarm: &AlarmRef, why: Ring) -> Option<u64> {
    let rung = catch_unwind(AssertUnwindSafe(|| alarm.ring(why)));
    // The payload's own drop is not to be trusted either.
    rung.map_err(mem::forget).ok().flatten()
}

/// Orders a heap so that the earliest deadline is its greatest element.
struct Earliest {
    when: u64,
    count: u64,
    alarm: AlarmRef,
}

impl Ord for Earliest {
    fn cmp(&self, other: &Self) -> Order {
        (other.when, other.count).cmp(&(self.when, self.count))
    }
}

impl PartialOrd for Earliest {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Earliest {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}

impl Eq for Earliest {}
