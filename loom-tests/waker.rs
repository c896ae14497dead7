//! The place for one waker: nobody who waits is forgotten, and no waker stays behind.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize as Count, Ordering as CountOrdering};
use std::task::{Poll, Wake, Waker};

use deathwatch::internals::structs::waker::AtomicWaker;
use deathwatch::internals::sync::Arc;
use deathwatch::internals::sync::atomic::{AtomicUsize, Ordering};

use crate::fixture::spawn;
use crate::harness::{Bound, model};

/// A place, and events to be brought about before it is woken, as bits.
type Place = Arc<(AtomicWaker, AtomicUsize)>;

fn place() -> Place {
    Arc::new((AtomicWaker::new(), AtomicUsize::new(0)))
}

fn bring_about(place: &Place, event: usize) {
    // Relaxed: to be seen through the place itself.
    place.1.fetch_or(event, Ordering::Relaxed);
    place.0.wake();
}

/// Waits until all these have come about; never for ever.
fn wait_for(place: &Place, events: usize) {
    loom::future::block_on(poll_fn(|cx| {
        place.0.register(cx.waker());
        if place.1.load(Ordering::Relaxed) == events { Poll::Ready(()) } else { Poll::Pending }
    }));
}

/// Who registers before it looks is woken by whoever wakes after the event.
#[test]
fn register_vs_wake() {
    model("waker_register_vs_wake", Bound::Unbounded, 260, || {
        let place = place();
        let other = spawn({
            let place = place.clone();
            move || bring_about(&place, 1)
        });
        wait_for(&place, 1);
        other.join().unwrap();
    });
}

/// The same with two that wake, each after an event of its own.
#[test]
fn register_vs_wake_vs_wake() {
    model("waker_register_vs_wake_vs_wake", Bound::Preemptions(3), 9_900, || {
        let place = place();
        let others = [1, 2].map(|event| {
            let place = place.clone();
            spawn(move || bring_about(&place, event))
        });
        wait_for(&place, 3);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

/// Counts how often it was woken, and its clones by the standard `Arc`, which loom does not see.
struct Counting(Count);

impl Wake for Counting {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, CountOrdering::Relaxed);
    }
}

/// One waker gives way to another while somebody wakes: one of the two is woken, or stays; none is kept beside it.
#[test]
fn register_anew_vs_wake() {
    model("waker_register_anew_vs_wake", Bound::Unbounded, 5, || {
        let place = Arc::new(AtomicWaker::new());
        let counters = [(); 2].map(|()| std::sync::Arc::new(Counting(Count::new(0))));
        let [first, second] = counters.each_ref().map(|counter| Waker::from(counter.clone()));
        place.register(&first);
        let other = spawn({
            let place = place.clone();
            move || place.wake()
        });
        place.register(&second);
        other.join().unwrap();
        let woken: usize = counters.iter().map(|counter| counter.0.load(CountOrdering::Relaxed)).sum();
        let left = place.take();
        // Who registers while the other is taken is woken too, and may be woken for nothing.
        assert!(woken + usize::from(left.is_some()) >= 1);
        drop((left, first, second));
        counters.iter().for_each(|counter| assert_eq!(std::sync::Arc::strong_count(counter), 1));
    });
}

/// A waker whose `clone` panics is not registered; the place is as good as before, also for who wakes meanwhile.
#[test]
fn panicking_clone_vs_wake() {
    model("waker_panicking_clone_vs_wake", Bound::Unbounded, 5, || {
        let place = Arc::new(AtomicWaker::new());
        let counter = std::sync::Arc::new(Counting(Count::new(0)));
        place.register(&Waker::from(counter.clone()));
        let other = spawn({
            let place = place.clone();
            move || place.wake()
        });
        let bomb = crate::fixture::clone_bomb();
        // Found in the middle of a wake, it is woken instead of cloned.
        let _ = catch_unwind(AssertUnwindSafe(|| place.register(&bomb)));
        other.join().unwrap();
        assert_eq!(counter.0.load(CountOrdering::Relaxed), 1);
        assert!(place.take().is_none());
        place.register(&Waker::from(counter.clone()));
        assert!(place.take().is_some());
        assert_eq!(std::sync::Arc::strong_count(&counter), 1);
    });
}
