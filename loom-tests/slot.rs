//! A place for a cell that is replaced while others look.

use deathwatch::ActorId;
use deathwatch::internals::cell::{CellRef, CellSlot};
use deathwatch::internals::sync::Arc;

use crate::fixture::{Party, spawn};
use crate::harness::{Bound, model};

/// A cell that only its reference keeps.
fn cell() -> CellRef {
    Party::new().cell()
}

fn look(slot: &CellSlot) -> Option<ActorId> {
    slot.get().map(|cell| cell.id)
}

/// R19: Who looks finds the cell before or the one after, and holds it, also if nobody else does any more.
#[test]
fn get_vs_put() {
    model("slot_get_vs_put", Bound::Unbounded, 45, || {
        let before = cell();
        let first = before.id;
        let slot = Arc::new(CellSlot::new());
        assert!(slot.put(before).is_none());
        let looking = slot.clone();
        let looker = spawn(move || (look(&looking), look(&looking)));
        let after = cell(); // who finds it sees it made
        let second = after.id;
        let out = slot.put(after).map(|before| before.id);
        assert_eq!(out, Some(first));
        let seen = looker.join().unwrap();
        let ids = [Some(first), Some(second)];
        assert!(ids.contains(&seen.0) && ids.contains(&seen.1));
        assert!(seen.0 == Some(first) || seen.1 == Some(second), "never back");
        assert_eq!(look(&slot), Some(second));
    });
}

/// R19: Of two who put a cell in, the later one gets the other's out, and sees it made.
#[test]
fn put_vs_put() {
    model("slot_put_vs_put", Bound::Unbounded, 2, || {
        let slot = Arc::new(CellSlot::new());
        let there = slot.clone();
        let other = spawn(move || {
            let cell = cell();
            (cell.id, there.put(cell).map(|out| out.id))
        });
        let cell = cell();
        let here = cell.id;
        let out = slot.put(cell).map(|out| out.id);
        let (there, other) = other.join().unwrap();
        assert!([(None, Some(here)), (Some(there), None)].contains(&(out, other)));
        assert_eq!(look(&slot), Some(if out.is_some() { here } else { there }));
    });
}

/// R19: Who takes a cell out takes that one and no other; nobody is found when nobody is there.
#[test]
fn clear_vs_put_vs_get() {
    model("slot_clear_vs_put_vs_get", Bound::Preemptions(3), 250, || {
        let before = cell();
        let first = before.id;
        let slot = Arc::new(CellSlot::new());
        assert!(slot.put(before.clone()).is_none());
        let (looking, putting) = (slot.clone(), slot.clone());
        let looker = spawn(move || look(&looking));
        let putter = spawn(move || {
            let after = cell();
            (after.id, putting.put(after).map(|out| out.id))
        });
        let cleared = slot.clear(&before).is_some();
        drop(before);
        let (second, out) = putter.join().unwrap();
        assert_eq!(out, (!cleared).then_some(first));
        let seen = looker.join().unwrap();
        assert!(seen.is_none_or(|seen| [first, second].contains(&seen)) && (cleared || seen.is_some()));
        assert_eq!(look(&slot), Some(second));
    });
}
