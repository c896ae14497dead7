//! What the clock has taken over, in order, and the ringing.

use core::mem;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::DRAIN;
use crate::structs::alarm::{AlarmRef, Alarms, Recalls, Ring};

/// The alarms that have a deadline, earliest first; of equal ones, the one that came first.
#[derive(Default)]
pub struct Bell {
    /// By deadline and number.
    rings: BTreeMap<(u64, u64), AlarmRef>,
    /// How many have come: the number of the last one.
    count: u64,
    /// How many there were when they were last looked through.
    looked: usize,
    /// Those to be let go of.
    gone: Vec<AlarmRef>,
    /// Room for those that come together.
    taken: Vec<AlarmRef>,
}

impl Bell {
    /// Takes over alarms, the last one first, but those that are done.
    pub fn admit(&mut self, alarms: Alarms) {
        let mut taken = mem::take(&mut self.taken);
        for alarm in alarms {
            if alarm.is_done() { self.gone.push(alarm) } else { taken.push(alarm) }
        }
        taken.drain(..).rev().for_each(|alarm| self.put(alarm));
        if taken.capacity() <= DRAIN {
            self.taken = taken;
        }
    }

    /// The same for those that have no deadline yet: it is so much later than `now`.
    pub fn stamp(&mut self, alarms: Alarms, now: u64) {
        for alarm in alarms {
            if alarm.is_done() {
                self.gone.push(alarm);
                continue;
            }
            alarm.set_when(now.saturating_add(alarm.when()));
            self.put(alarm);
        }
    }

    /// Takes over one.
    pub fn put(&mut self, alarm: AlarmRef) {
        self.count += 1;
        alarm.set_place(self.count);
        self.rings.insert((alarm.when(), self.count), alarm);
    }

    /// Takes over one that has rung, and rings again; it comes back if it was taken back meanwhile: whoever did that looked for
    /// it in vain then, or will look after us.
    #[must_use]
    pub fn put_again(&mut self, alarm: AlarmRef) -> Option<AlarmRef> {
        let key = (alarm.when(), self.count + 1);
        self.put(alarm);
        self.rings.get(&key)?.is_done().then(|| self.rings.remove(&key))?
    }

    /// Takes out what is taken back. (What has not come yet will be found done when it does.)
    pub fn give_back(&mut self, recalls: Recalls) {
        for recall in recalls {
            self.gone.extend(self.rings.remove(&recall.place()));
        }
    }

    /// Takes out those that are done, if it is likely that there are many.
    pub fn tidy(&mut self) {
        if self.rings.len() > 2 * self.looked + DRAIN {
            let Bell { rings, gone, .. } = self;
            let done = rings.iter().filter(|(_, alarm)| alarm.is_done()).map(|(key, _)| *key);
            let done: Vec<_> = done.collect();
            gone.extend(done.iter().filter_map(|key| rings.remove(key)));
            self.looked = self.rings.len();
        }
    }

    /// Those that were taken out, to be let go of where that may take its time: it frees blocks that are not ours.
    #[must_use]
    pub fn gone(&mut self) -> Vec<AlarmRef> {
        mem::take(&mut self.gone)
    }

    /// When the first one rings.
    pub fn earliest(&self) -> Option<u64> {
        self.rings.first_key_value().map(|((when, _), _)| *when)
    }

    /// Takes the first one, if its time has come.
    pub fn pop_due(&mut self, now: u64) -> Option<AlarmRef> {
        let first = self.rings.first_entry().filter(|it| it.key().0 <= now)?;
        let alarm = first.remove();
        alarm.set_place(0);
        self.looked = self.looked.min(self.rings.len());
        Some(alarm)
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
        for alarm in mem::take(&mut self.rings).into_values() {
            let _no_more = shielded(&alarm, Ring::Stopped);
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
