//! The target's list alone, with entries that do nothing else.

use std::ptr::NonNull;

use deathwatch::internals::reclaim::{Guard, pin};
use deathwatch::internals::structs::list::{Link, List, Listed, Push, Visit};
use deathwatch::internals::sync::atomic::{AtomicUsize, Ordering};
use deathwatch::internals::sync::{Arc, UnsafeCell, new_block, take_block};

use crate::fixture::spawn;
use crate::harness::{Bound, model};

/// An entry with two claims on it: the list's, and the model's own.
#[repr(C)]
struct Item {
    link: Link,
    stale: AtomicUsize,
    claims: AtomicUsize,
    number: UnsafeCell<u32>,
}

#[derive(Clone, Copy)]
struct Ptr(NonNull<Item>);
// SAFETY: an item is atomic but for its number, which is constant after the push.
unsafe impl Send for Ptr {}

// SAFETY: the link is the first field.
unsafe impl Listed for Item {
    fn link(this: NonNull<Self>) -> NonNull<Link> {
        this.cast()
    }

    fn of_link(link: NonNull<Link>) -> NonNull<Self> {
        link.cast()
    }

    unsafe fn is_stale(this: NonNull<Self>) -> bool {
        // SAFETY: alive by the contract.
        unsafe { this.as_ref() }.stale.load(Ordering::Acquire) != 0
    }
}

impl Ptr {
    fn new(number: u32) -> Self {
        Ptr(new_block(Item {
            link: Link::new(),
            stale: AtomicUsize::new(0),
            claims: AtomicUsize::new(2),
            number: UnsafeCell::new(number),
        }))
    }

    fn item(&self) -> &Item {
        // SAFETY: memory stays readable for the whole iteration; whether it was right to read, the life cell says.
        unsafe { self.0.as_ref() }
    }

    fn number(&self) -> u32 {
        // SAFETY: written before the push only.
        self.item().number.with(|number| unsafe { *number })
    }

    /// Gives up a claim; the last one frees it through the epoch.
    fn release(self, guard: &Guard) {
        if self.item().claims.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: out of the list, and no longer claimed.
            unsafe { guard.defer(move || { self }.free()) };
        }
    }

    fn free(self) {
        self.item().link.end();
        // SAFETY: it came from `new_block`; freed once, or the life cell objects.
        let _ = unsafe { take_block(self.0) };
    }

    /// Makes it stale, as a canceller does.
    fn cancel(self, list: &List) {
        let guard = pin();
        self.item().stale.store(1, Ordering::Release);
        list.note_stale(&guard, |gone| Ptr(gone).release(&guard));
        self.release(&guard);
    }

    /// As `cancel`, with a short sweep first.
    fn cancel_shortly(self, list: &List, looks: usize) {
        let guard = pin();
        self.item().stale.store(1, Ordering::Release);
        list.note_stale_shortly(&guard, looks, |gone| Ptr(gone).release(&guard));
        self.release(&guard);
    }
}

fn push(list: &List, item: Ptr) -> bool {
    let _guard = pin();
    // SAFETY: alive, in no list; freed through the epoch after it was taken out.
    unsafe { list.push(item.0) == Push::Linked }
}

/// Closes the list, visits so many at a time, and gives back the numbers of the live ones.
fn close(list: &List, budget: usize) -> Vec<u32> {
    let mut live = Vec::new();
    let mut guard = Some(pin());
    let mut closing = list.close(guard.as_ref().unwrap());
    loop {
        let visit = |item: NonNull<Item>, visit| {
            if Ptr(item).item().stale.load(Ordering::Acquire) == 0 {
                live.push(Ptr(item).number());
            }
            if visit == Visit::Taken {
                Ptr(item).release(&pin());
            }
        };
        let pinned = guard.take().unwrap_or_else(pin);
        if list.visit(&mut closing, &pinned, budget, visit, |gone| Ptr(gone).release(&pin())) {
            return live;
        }
    }
}

/// A list with these in it, the first at the end.
fn list_of<const N: usize>() -> (Arc<List>, [Ptr; N]) {
    let list = Arc::new(List::new());
    let items = std::array::from_fn(|number| Ptr::new(number as u32));
    items.iter().for_each(|item| assert!(push(&list, *item)));
    (list, items)
}

/// A close that goes on in small steps, and a sweeper of the middle.
#[test]
fn close_in_steps_vs_sweep() {
    model("close_in_steps_vs_sweep", Bound::Unbounded, 190, || {
        let (list, [last, middle, first]) = list_of();
        let other = list.clone();
        let sweeper = spawn(move || middle.cancel(&other));
        let live = close(&list, 1);
        sweeper.join().unwrap();
        assert!(live == [2, 1, 0] || live == [2, 0], "{live:?}");
        let guard = pin();
        [last, first].into_iter().for_each(|item| item.release(&guard));
    });
}

/// A push is in the list, and visited, or refused; who is refused sees what was written before the closing.
#[test]
fn push_vs_close() {
    model("list_push_vs_close", Bound::Unbounded, 3, || {
        struct Reason(UnsafeCell<u32>);
        // SAFETY: loom checks each access.
        unsafe impl Sync for Reason {}
        let (list, [old]) = list_of();
        let reason = Arc::new(Reason(UnsafeCell::new(0)));
        let (other, its_reason, new) = (list.clone(), reason.clone(), Ptr::new(1));
        let pusher = spawn(move || {
            let linked = push(&other, new);
            if !linked {
                // SAFETY: written before the closing only.
                assert_eq!(its_reason.0.with(|reason| unsafe { *reason }), 7);
                new.release(&pin());
            }
            linked
        });
        // SAFETY: nobody reads it before the list is closed.
        reason.0.with_mut(|reason| unsafe { *reason = 7 });
        let live = close(&list, 8);
        let linked = pusher.join().unwrap();
        assert_eq!(live, if linked { vec![1, 0] } else { vec![0] });
        let guard = pin();
        [old, new].into_iter().for_each(|item| item.release(&guard));
    });
}

/// One that walks meets what is there, while that is swept out and new ones come in.
#[test]
fn walk_vs_sweep_vs_push() {
    model("walk_vs_sweep_vs_push", Bound::Preemptions(3), 160, || {
        let (list, [last, middle, first]) = list_of();
        let (others, walkers) = (list.clone(), list.clone());
        let sweeper = spawn(move || middle.cancel(&others));
        let walker = spawn(move || {
            let mut seen = Vec::new();
            walkers.for_each(&pin(), |item| seen.push(Ptr(item).number()));
            seen.retain(|number| *number != 3 && *number != 1);
            assert_eq!(seen, [2, 0], "those that stay are met");
        });
        let new = Ptr::new(3); // made after: the walk has nothing but the list to see it whole
        assert!(push(&list, new));
        sweeper.join().unwrap();
        walker.join().unwrap();
        assert_eq!(list.stale(), 0);
        assert_eq!(close(&list, 8), [3, 2, 0]);
        let guard = pin();
        [last, first, new].into_iter().for_each(|item| item.release(&guard));
    });
}

/// The bug that needs two sweepers and the closer: one that takes the gate late gives back a second time.
#[test]
fn two_sweepers_vs_close() {
    model("two_sweepers_vs_close", Bound::Preemptions(3), 21_000, || {
        let (list, [last, middle, first]) = list_of();
        let (one, two) = (list.clone(), list.clone());
        let sweepers = [spawn(move || last.cancel(&one)), spawn(move || first.cancel(&two))];
        let live = close(&list, 8);
        assert!(live.contains(&1));
        sweepers.into_iter().for_each(|sweeper| sweeper.join().unwrap());
        middle.release(&pin());
    });
}

/// Two of three are cancelled by a thread in this way, and the third here: none stays behind.
fn nothing_stays(cancel_two: fn(&List, last: Ptr, middle: Ptr)) {
    let (list, [last, middle, first]) = list_of();
    let other = list.clone();
    let sweeper = spawn(move || cancel_two(&other, last, middle));
    first.cancel(&list);
    sweeper.join().unwrap();
    assert_eq!(list.stale(), 0);
    assert!(list.is_empty());
    assert!(close(&list, 8).is_empty());
}

/// One that cancels two, and another sweeper that may have them counted before it sees them: none stays behind.
#[test]
fn sweeper_of_two_vs_sweeper() {
    model("list_sweeper_of_two_vs_sweeper", Bound::Preemptions(3), 24_000, || {
        nothing_stays(|list, last, middle| {
            last.cancel(list);
            middle.cancel(list);
        });
    });
}

/// A sweep that looks at the newest only, beside one that looks at all: none stays behind.
#[test]
fn short_sweep_vs_long_sweep() {
    model("list_short_sweep_vs_long_sweep", Bound::Preemptions(3), 20_000, || {
        nothing_stays(|list, last, middle| {
            middle.cancel_shortly(list, 1);
            last.cancel_shortly(list, 2);
        });
    });
}

/// A sweep that stops in the middle of a row of stale ones, while others come and the list is closed.
#[test]
fn short_sweep_vs_push_vs_close() {
    model("list_short_sweep_vs_push_vs_close", Bound::Preemptions(3), 2_400, || {
        let (list, [last, middle, first]) = list_of();
        let (sweepers, pushers, new) = (list.clone(), list.clone(), Ptr::new(3));
        let sweeper = spawn(move || {
            first.cancel_shortly(&sweepers, 1);
            middle.cancel_shortly(&sweepers, 2);
        });
        let pusher = spawn(move || {
            let linked = push(&pushers, new);
            if !linked {
                new.release(&pin());
            }
            linked
        });
        let mut live = close(&list, 8);
        sweeper.join().unwrap();
        let linked = pusher.join().unwrap();
        live.retain(|number| *number != 1 && *number != 2);
        assert_eq!(live, if linked { vec![3, 0] } else { vec![0] });
        let guard = pin();
        [last, new].into_iter().for_each(|item| item.release(&guard));
    });
}
