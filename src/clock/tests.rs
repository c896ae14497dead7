//! Alarms in counted blocks of their own. Waiting is on channels, with a limit that only a hang would meet.
#![allow(unsafe_code, reason = "the tests play the owner of the block")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use core::time::Duration;
use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use super::{Clock, DRAIN};
use crate::structs::alarm::{Alarm, AlarmRef, AlarmVtable};

const LIMIT: Duration = Duration::from_secs(30);
const FAR: Duration = Duration::from_secs(3_600);

/// A block as a request would have it; the alarm comes first.
#[repr(C)]
struct Block {
    alarm: Alarm,
    id: usize,
    done: AtomicUsize,
    rung: AtomicUsize,
    bell: Sender<(usize, Instant)>,
}

static VTABLE: AlarmVtable = AlarmVtable {
    ring: |alarm| {
        let block = block(&alarm);
        block.rung.fetch_add(1, SeqCst);
        let _ = block.bell.send((block.id, Instant::now()));
        assert_ne!(block.id, usize::MAX, "planted");
    },
    is_done: |alarm| block(&alarm).done.load(SeqCst) != 0,
    // SAFETY: the reference that `lend` made, given back once.
    release: |alarm| unsafe { Arc::decrement_strong_count(alarm.cast::<Block>().as_ptr()) },
};

fn block(alarm: &NonNull<Alarm>) -> &Block {
    // SAFETY: every alarm here is the first field of a live block, by the contract of `AlarmRef`.
    unsafe { alarm.cast::<Block>().as_ref() }
}

impl Block {
    fn new(id: usize, after: Duration, bell: &Sender<(usize, Instant)>) -> Arc<Self> {
        Arc::new(Self {
            alarm: Alarm::new(Clock::now() + after, &VTABLE),
            id,
            done: AtomicUsize::new(0),
            rung: AtomicUsize::new(0),
            bell: bell.clone(),
        })
    }

    fn lend(self: &Arc<Self>) -> AlarmRef {
        let raw = NonNull::new(Arc::into_raw(self.clone()).cast_mut()).expect("an Arc is not null");
        // SAFETY: the pointer covers the block, which the count keeps alive until `release`; `Block` is Sync.
        unsafe { AlarmRef::from_raw(raw.cast()) }
    }

    fn is_released(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
    }
}

fn get<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(LIMIT).expect("not in time")
}

fn until(what: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !what() {
        assert!(Instant::now() < end, "not in time");
        thread::yield_now();
    }
}

#[test]
fn rings_in_order_and_never_early() {
    let (clock, (bell, heard)) = (Clock::new("test"), channel());
    let blocks: Vec<_> = [30, 10, 20, 0, 40]
        .map(|ms| Block::new(ms, Duration::from_millis(ms as u64), &bell))
        .into_iter()
        .collect();
    for block in &blocks {
        clock.set(block.lend()).expect("a thread");
    }
    let order: Vec<_> = blocks.iter().map(|_| get(&heard)).collect();
    let mut times: Vec<_> = blocks.iter().map(|block| (block.id, block.alarm_when())).collect();
    times.sort_unstable();
    for ((id, rung), (expected, when)) in order.iter().zip(times) {
        assert_eq!(*id, expected);
        assert!(*rung >= when, "early");
    }
    until(|| blocks.iter().all(Block::is_released));
}

impl Block {
    fn alarm_when(self: &Arc<Self>) -> Instant {
        self.lend().when()
    }
}

/// The thread sleeps until the far deadline: an earlier one must wake it.
#[test]
fn an_earlier_alarm_wakes_the_thread() {
    let (clock, (bell, heard)) = (Clock::new("test"), channel());
    let far = Block::new(1, FAR, &bell);
    clock.set(far.lend()).expect("a thread");
    for round in 0..1_000 {
        let near = Block::new(round + 2, Duration::ZERO, &bell);
        clock.set(near.lend()).expect("a thread");
        assert_eq!(get(&heard).0, near.id);
    }
    assert!(!far.is_released());
}

#[test]
fn many_setters() {
    let (clock, (bell, heard)) = (Clock::new("test"), channel());
    thread::scope(|scope| {
        for setter in 0..4 {
            let (clock, bell) = (&clock, bell.clone());
            scope.spawn(move || {
                for n in 0..5_000 {
                    let after = Duration::from_micros((n * 7 + setter) as u64 % 3_000);
                    clock.set(Block::new(n, after, &bell).lend()).expect("a thread");
                }
            });
        }
    });
    (0..20_000).for_each(|_| _ = get(&heard));
}

/// Those that are done are released long before their deadline, whether still in the stack or in the heap.
#[test]
fn what_is_done_is_not_kept() {
    let (clock, (bell, heard)) = (Clock::new("test"), channel());
    let set = |count, done| {
        let blocks: Vec<_> = (0..count).map(|id| Block::new(id, FAR, &bell)).collect();
        for block in &blocks {
            block.done.store(done, SeqCst);
            clock.set(block.lend()).expect("a thread");
        }
        blocks
    };
    // Earlier than all that follow, so that none of them wakes the thread by its deadline.
    let first = Block::new(0, FAR / 2, &bell);
    clock.set(first.lend()).expect("a thread");
    let answered = set(2 * DRAIN, 1);
    until(|| answered[..DRAIN].iter().all(Block::is_released));
    let open = set(2 * DRAIN, 0);
    for block in &open {
        block.done.store(1, SeqCst);
    }
    // The heap has to double once, at most.
    let more = set(4 * DRAIN, 0);
    until(|| open.iter().all(Block::is_released));
    assert!(more.iter().all(|block| !block.is_released()));
    assert!(heard.try_recv().is_err(), "none has rung");
}

#[test]
fn stop_rings_what_is_left() {
    let (clock, (bell, heard)) = (Clock::new("test"), channel());
    let blocks: Vec<_> = (0..100).map(|id| Block::new(id, FAR, &bell)).collect();
    for block in &blocks {
        clock.set(block.lend()).expect("a thread");
    }
    clock.stop();
    clock.stop();
    assert!(blocks.iter().all(|block| block.rung.load(SeqCst) == 1 && block.is_released()));
    assert_eq!(heard.try_iter().count(), 100);
    let late = Block::new(0, FAR, &bell);
    let refused = clock.set(late.lend()).expect_err("stopped");
    assert_eq!(refused.error.kind(), ErrorKind::NotConnected);
    drop(refused);
    assert!(late.is_released() && late.rung.load(SeqCst) == 0);
}

#[test]
fn an_unused_clock_stops() {
    let (clock, (bell, _heard)) = (Clock::new("test"), channel());
    clock.stop();
    let late = Block::new(0, FAR, &bell);
    assert!(clock.set(late.lend()).is_err());
    assert!(late.is_released());
}

/// Each alarm is either refused or rings.
#[test]
fn set_races_stop() {
    for _ in 0..300 {
        let (clock, (bell, _heard)) = (Clock::new("test"), channel());
        clock.set(Block::new(0, FAR, &bell).lend()).expect("a thread");
        let (block, start) = (Block::new(1, FAR, &bell), Barrier::new(2));
        let set = thread::scope(|scope| {
            let setter = scope.spawn(|| {
                start.wait();
                clock.set(block.lend()).is_ok()
            });
            start.wait();
            clock.stop();
            setter.join().expect("the setter")
        });
        assert_eq!(block.rung.load(SeqCst), usize::from(set));
        assert!(block.is_released());
    }
}

#[test]
fn a_ring_that_panics_is_caught() {
    let (clock, (bell, heard)) = (Clock::new("test"), channel());
    let bad = Block::new(usize::MAX, Duration::ZERO, &bell);
    clock.set(bad.lend()).expect("a thread");
    get(&heard);
    clock.set(Block::new(1, Duration::ZERO, &bell).lend()).expect("a thread");
    assert_eq!(get(&heard).0, 1);
    assert!(bad.is_released());
}
