//! The tools under test: what is right must pass, and what is wrong must be caught, or no model proves anything.

use std::alloc::Layout;
use std::ptr::NonNull;

use deathwatch::internals::sync::atomic::{AtomicPtr, AtomicUsize, Ordering, fence};
use deathwatch::internals::sync::model::Way;
use deathwatch::internals::sync::{
    Arc, Tracked, UnsafeCell, alloc_block, free_block, new_block, next_actor_id, next_monitor_key,
    take_block, thread,
};
use deathwatch::internals::{reclaim, sync};

use crate::harness::{Bound, explore, model, must_fail, switch};

/// An object on the heap with its life cell.
struct Node {
    life: Tracked,
    value: usize,
}

/// A pointer that may travel.
#[derive(Clone, Copy)]
struct Raw(*mut Node);
// SAFETY: the models below decide who may dereference it; that is what they test.
unsafe impl Send for Raw {}

impl Raw {
    fn new(value: usize) -> Self {
        Raw(new_block(Node { life: Tracked::new(), value }).as_ptr())
    }

    fn read(self) -> usize {
        // SAFETY: memory stays readable for the whole iteration; whether it was right to read, the life cell says.
        let node = unsafe { &*self.0 };
        node.life.touch();
        node.value
    }

    fn free(self) {
        // SAFETY: as for reading.
        unsafe { &*self.0 }.life.end();
        self.free_memory();
    }

    fn free_memory(self) {
        // SAFETY: it came from `alloc_block` with this layout.
        unsafe { free_block(NonNull::new(self.0).unwrap().cast(), Layout::new::<Node>()) }
    }
}

fn spawn(f: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn("other".into(), None, f).unwrap()
}

fn unlink(slot: &AtomicPtr<Node>) -> Raw {
    Raw(slot.swap(std::ptr::null_mut(), Ordering::AcqRel))
}

fn retire(guard: &reclaim::Guard, node: Raw) {
    // SAFETY: it is unlinked and retired once, or the model is one of those that must fail.
    unsafe { guard.defer(move || { node }.free()) }
}

fn read(slot: &AtomicPtr<Node>) {
    let node = slot.load(Ordering::Acquire);
    if !node.is_null() {
        assert_eq!(Raw(node).read(), 7);
    }
}

/// One reader, one that unlinks and frees, both as given.
fn reader_and_writer(
    reader: impl Fn(&AtomicPtr<Node>) + Send + Sync + Copy + 'static,
    writer: impl Fn(&AtomicPtr<Node>) + Send + Sync + 'static,
) -> impl Fn() + Send + Sync + 'static {
    move || {
        let slot = Arc::new(AtomicPtr::new(Raw::new(7).0));
        let other = slot.clone();
        let other = spawn(move || reader(&other));
        writer(&slot);
        other.join().unwrap();
    }
}

fn pinned_read(slot: &AtomicPtr<Node>) {
    let _guard = reclaim::pin();
    read(slot);
}

fn right_writer(slot: &AtomicPtr<Node>) {
    let guard = reclaim::pin();
    let node = unlink(slot);
    retire(&guard, node);
}

#[test]
fn right_use_passes() {
    model("oracle_right_use", Bound::Unbounded, 2, reader_and_writer(pinned_read, right_writer));
}

#[test]
fn right_use_by_two_readers_passes() {
    model("oracle_two_readers", Bound::Unbounded, 160, || {
        let slot = Arc::new(AtomicPtr::new(Raw::new(7).0));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let slot = slot.clone();
                spawn(move || pinned_read(&slot))
            })
            .collect();
        right_writer(&slot);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

/// A guard that ended before the retirement is ordered before the free as well: the reader may have lent its
/// pointer from an earlier guard only, but it read under it.
#[test]
fn a_guard_that_ended_early_is_ordered_before_the_free() {
    model("oracle_ended_guard", Bound::Unbounded, 3, || {
        let slot = Arc::new(AtomicPtr::new(Raw::new(7).0));
        let passed = Arc::new(AtomicUsize::new(0));
        let (other, its_passed) = (slot.clone(), passed.clone());
        let other = spawn(move || {
            pinned_read(&other);
            its_passed.store(1, Ordering::Relaxed);
        });
        if passed.load(Ordering::Relaxed) == 1 {
            right_writer(&slot);
            other.join().unwrap();
        } else {
            other.join().unwrap();
            right_writer(&slot);
        }
    });
}

#[test]
fn a_deferred_function_may_pin_and_retire() {
    model("oracle_nested_retire", Bound::Unbounded, 1, || {
        let (outer, inner) = (Raw::new(1), Raw::new(2));
        let guard = reclaim::pin();
        // SAFETY: neither node was ever linked.
        unsafe {
            guard.defer(move || {
                { outer }.free();
                retire(&reclaim::pin(), inner);
            });
        }
        let other = spawn(|| drop(reclaim::pin()));
        drop(guard);
        other.join().unwrap();
    });
}

/// What one retires while another is pinned is freed by the pinned one.
#[test]
fn garbage_waits_for_the_last_guard_alive() {
    model("oracle_last_guard", Bound::Unbounded, 1, || {
        let outer = reclaim::pin();
        let inner = reclaim::pin();
        let freed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = freed.clone();
        let is_freed = || freed.load(std::sync::atomic::Ordering::Relaxed);
        // SAFETY: it frees nothing.
        unsafe { inner.defer(move || flag.store(true, std::sync::atomic::Ordering::Relaxed)) };
        let late = reclaim::pin();
        drop(inner);
        assert!(!is_freed());
        drop(outer);
        assert!(is_freed(), "a guard begun after the retirement must not hold it back");
        drop(late);
    });
}

#[test]
fn no_pin_while_reading_is_caught() {
    must_fail("no pin", "Causality violation", reader_and_writer(read, right_writer));
}

#[test]
fn a_pin_that_ends_too_soon_is_caught() {
    let reader = |slot: &AtomicPtr<Node>| {
        let guard = reclaim::pin();
        let node = slot.load(Ordering::Acquire);
        drop(guard);
        if !node.is_null() {
            Raw(node).read();
        }
    };
    must_fail("short pin", "Causality violation", reader_and_writer(reader, right_writer));
}

#[test]
fn free_at_unlink_is_caught() {
    must_fail(
        "free at unlink",
        "Causality violation",
        reader_and_writer(pinned_read, |slot| unlink(slot).free()),
    );
}

#[test]
fn retire_before_unlink_is_caught() {
    let writer = |slot: &AtomicPtr<Node>| {
        let guard = reclaim::pin();
        retire(&guard, Raw(slot.load(Ordering::Acquire)));
        drop(guard);
        unlink(slot);
    };
    must_fail("retire before unlink", "Causality violation", reader_and_writer(pinned_read, writer));
}

/// One thread writes a cell and then a flag, the other reads the flag and then the cell; each pins in between.
fn publish(store: Ordering, load: Ordering) -> impl Fn() + Send + Sync + 'static {
    struct Shared(UnsafeCell<usize>, AtomicUsize);
    // SAFETY: loom checks each access to the cell.
    unsafe impl Sync for Shared {}
    move || {
        let shared = Arc::new(Shared(UnsafeCell::new(0), AtomicUsize::new(0)));
        let other = shared.clone();
        let other = spawn(move || {
            // SAFETY: whether the reader may look at the same time is for the checker to find.
            other.0.with_mut(|cell| unsafe { *cell = 1 });
            let _guard = reclaim::pin();
            other.1.store(1, store);
        });
        if shared.1.load(load) == 1 {
            let _guard = reclaim::pin();
            // SAFETY: as above.
            assert_eq!(shared.0.with(|cell| unsafe { *cell }), 1);
        }
        other.join().unwrap();
    }
}

/// A pin grants no more than the contract: a missing Release or Acquire beside it still shows.
#[test]
fn a_pin_does_not_stand_in_for_an_ordering() {
    model("oracle_publish", Bound::Unbounded, 3, publish(Ordering::Release, Ordering::Acquire));
    must_fail("no Release", "Causality violation", publish(Ordering::Relaxed, Ordering::Acquire));
    must_fail("no Acquire", "Causality violation", publish(Ordering::Release, Ordering::Relaxed));
}

#[test]
fn a_leaked_block_is_caught() {
    must_fail("leaked block", "leaked", || {
        // SAFETY: the size is not zero.
        unsafe { alloc_block(Layout::new::<u64>()) };
    });
}

#[test]
fn a_leaked_object_is_caught() {
    must_fail("leaked object", "leaked", || Raw::new(7).free_memory());
}

#[test]
fn a_double_free_is_caught() {
    must_fail("double end", "freed twice", || {
        let node = Raw::new(7);
        node.free();
        node.free();
    });
    must_fail("double free", "freed twice", || {
        let node = Raw::new(7);
        node.free();
        node.free_memory();
    });
}

#[test]
fn a_double_retirement_is_caught() {
    must_fail("double retire", "freed twice", || {
        let node = Raw::new(7);
        let guard = reclaim::pin();
        retire(&guard, node);
        retire(&guard, node);
    });
}

#[test]
fn a_late_touch_is_caught() {
    must_fail("late touch", "used after it was freed", || {
        let node = Raw::new(7);
        node.free();
        node.read();
    });
    must_fail("late touch of what was moved out", "used after it was freed", || {
        let node = Raw::new(7);
        // SAFETY: the block holds the node.
        unsafe { take_block(NonNull::new(node.0).unwrap()) }.life.end();
        node.read();
    });
}

#[test]
fn a_guard_that_outlives_the_model_is_caught() {
    must_fail("forgotten guard", "outlived", || std::mem::forget(reclaim::pin()));
}

#[test]
fn a_lost_update_is_caught() {
    must_fail("lost update", "an update was lost", || {
        let count = Arc::new(AtomicUsize::new(0));
        let other = count.clone();
        let add = |count: &AtomicUsize| count.store(count.load(Ordering::Acquire) + 1, Ordering::Release);
        let other = spawn(move || add(&other));
        add(&count);
        other.join().unwrap();
        assert_eq!(count.load(Ordering::Acquire), 2, "an update was lost");
    });
}

#[test]
fn a_missing_fence_is_caught() {
    fn dekker(fenced: bool) -> impl Fn() + Send + Sync + 'static {
        move || {
            let (mine, theirs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (a, b) = (mine.clone(), theirs.clone());
            let enter = move |own: &AtomicUsize, foreign: &AtomicUsize| {
                own.store(1, Ordering::Relaxed);
                if fenced {
                    fence(Ordering::SeqCst);
                }
                foreign.load(Ordering::Relaxed)
            };
            let other = thread::spawn("other".into(), None, move || enter(&b, &a)).unwrap();
            let here = enter(&mine, &theirs);
            let there = other.join().unwrap();
            assert!(here + there > 0, "both passed");
        }
    }
    model("oracle_fenced_dekker", Bound::Unbounded, 7, dekker(true));
    must_fail("unfenced dekker", "both passed", dekker(false));
}

#[test]
fn a_lost_wake_up_is_caught() {
    must_fail("lost wake-up", "deadlock", || {
        // LOOM: its own `Arc` cannot be dropped after a deadlock; it panics again and the process ends.
        let flag = std::sync::Arc::new(AtomicUsize::new(0));
        let other = flag.clone();
        let sleeper = thread::current();
        let other = spawn(move || {
            // The wrong way round.
            sleeper.unpark();
            other.store(1, Ordering::Release);
        });
        while flag.load(Ordering::Acquire) == 0 {
            thread::park();
        }
        other.join().unwrap();
    });
}

#[test]
fn freed_memory_comes_back_only_on_request() {
    model("oracle_reuse", Bound::Unbounded, 1, || {
        let first = Raw::new(1);
        first.free();
        let second = Raw::new(2);
        assert_eq!(first.0 == second.0, sync::model::way().reuse);
        second.free();
    });
}

#[test]
fn a_model_below_its_floor_fails() {
    let run = || model("oracle_floor", Bound::Unbounded, 2, || ());
    let switches = ["DW_LOOM_REUSE", "DW_LOOM_PINOP", "DW_LOOM_LOADS", "DW_LOOM_NO_FLOORS"];
    let floors_hold = !switches.into_iter().any(switch);
    assert_eq!(std::panic::catch_unwind(run).is_err(), floors_hold);
}

#[test]
fn numbers_start_anew_in_each_iteration() {
    model("oracle_numbers", Bound::Unbounded, 3, || {
        assert_eq!(next_actor_id().get(), 2);
        assert_eq!(next_monitor_key().get(), 5);
        let word = Arc::new(AtomicUsize::new(0));
        let other = word.clone();
        let other = spawn(move || other.store(1, Ordering::Release));
        word.load(Ordering::Acquire);
        other.join().unwrap();
    });
}

/// LOOM: what `DW_LOOM_LOADS` is for. Should loom learn to try the write before the first load, the switch can go.
#[test]
fn loads_are_told_apart_only_on_request() {
    for loads in [false, true] {
        let met = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let meets = met.clone();
        sync::model::go(Way { loads, ..Way::default() });
        explore(Bound::Unbounded, None, move || {
            let word = Arc::new(AtomicUsize::new(0));
            let other = word.clone();
            let other = spawn(move || {
                let old = other.load(Ordering::Relaxed);
                other.compare_exchange(old, 1, Ordering::Release, Ordering::Relaxed).unwrap();
            });
            if word.load(Ordering::Acquire) == 1 {
                meets.store(true, Ordering::Relaxed);
            }
            other.join().unwrap();
        });
        sync::model::go(Way::default());
        assert_eq!(met.load(Ordering::Relaxed), loads);
    }
}
