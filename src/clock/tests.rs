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

use super::{Clock, DRAIN, MOST_LAID, ManualClock, nanos, real_now};
use crate::structs::alarm::{Alarm, AlarmRef, AlarmVtable, Recall, Recallable, Ring};

const LIMIT: Duration = Duration::from_secs(30);
const FAR: Duration = Duration::from_secs(3_600);

/// A block as a request would have it; the alarm comes first.
#[repr(C)]
struct Block {
    alarm: Recallable,
    id: usize,
    done: AtomicUsize,
    rung: AtomicUsize,
    stopped: AtomicUsize,
    /// How often it rings again, so many nanoseconds later each time.
    again: (AtomicUsize, u64),
    bell: Sender<(usize, Instant)>,
}

static VTABLE: AlarmVtable = AlarmVtable {
    ring: |alarm, why| {
        let block = block(&alarm);
        let Ring::Due(now) = why else {
            block.stopped.fetch_add(1, SeqCst);
            return None;
        };
        block.rung.fetch_add(1, SeqCst);
        let _ = block.bell.send((block.id, real_now()));
        assert_ne!(block.id, usize::MAX, "planted");
        let left = block.again.0.load(SeqCst);
        (left > 0).then(|| {
            block.again.0.store(left - 1, SeqCst);
            now + block.again.1
        })
    },
    is_done: |alarm| block(&alarm).done.load(SeqCst) != 0,
    // SAFETY: the reference that `lend` made, given back once.
    release: |alarm| unsafe { Arc::decrement_strong_count(alarm.cast::<Block>().as_ptr()) },
    recallable: true,
};

fn block(alarm: &NonNull<Alarm>) -> &Block {
    // SAFETY: every alarm here is the first field of a live block, by the contract of `AlarmRef`.
    unsafe { alarm.cast::<Block>().as_ref() }
}

impl Block {
    /// As the clock has it when it has a deadline.
    fn new(clock: &Clock, id: usize, after: Duration, bell: &Sender<(usize, Instant)>) -> Arc<Self> {
        Self::of(clock.nanos() + nanos(after), id, (0, Duration::ZERO), bell)
    }

    fn of(
        when: u64,
        id: usize,
        (times, period): (usize, Duration),
        bell: &Sender<(usize, Instant)>,
    ) -> Arc<Self> {
        Arc::new(Self {
            alarm: Recallable::new(when, &VTABLE),
            id,
            done: AtomicUsize::new(0),
            rung: AtomicUsize::new(0),
            stopped: AtomicUsize::new(0),
            again: (AtomicUsize::new(times), nanos(period)),
            bell: bell.clone(),
        })
    }

    fn lend(self: &Arc<Self>) -> AlarmRef {
        let raw = NonNull::new(Arc::into_raw(self.clone()).cast_mut()).expect("an Arc is not null");
        // SAFETY: the pointer covers the block, which the count keeps alive until `release`; `Block` is Sync.
        unsafe { AlarmRef::from_raw(raw.cast()) }
    }

    fn cancel(self: &Arc<Self>, clock: &Clock) {
        self.done.store(1, SeqCst);
        let raw = NonNull::new(Arc::into_raw(self.clone()).cast_mut()).expect("an Arc is not null");
        // SAFETY: as for `lend`; the tests cancel once.
        clock.recall(unsafe { Recall::from_raw(raw.cast()) });
    }

    fn is_released(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
    }
}

fn get<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(LIMIT).expect("not in time")
}

fn until(what: impl Fn() -> bool) {
    let end = real_now() + LIMIT;
    while !what() {
        assert!(real_now() < end, "not in time");
        thread::yield_now();
    }
}

#[test]
fn rings_in_order_and_never_early() {
    let (clock, (bell, heard)) = (Clock::new("test", 0), channel());
    let begun = real_now();
    let blocks: Vec<_> = [30, 10, 20, 0, 40]
        .map(|ms| Block::new(&clock, ms, Duration::from_millis(ms as u64), &bell))
        .into_iter()
        .collect();
    for block in &blocks {
        clock.set(block.lend()).expect("a thread");
    }
    for (id, after) in [(0, 0), (10, 10), (20, 20), (30, 30), (40, 40)] {
        let (rang, at) = get(&heard);
        assert_eq!(rang, id);
        assert!(at >= begun + Duration::from_millis(after), "early");
    }
    until(|| blocks.iter().all(Block::is_released));
}

/// The thread sleeps until the far deadline: an earlier one must wake it.
#[test]
fn an_earlier_alarm_wakes_the_thread() {
    let (clock, (bell, heard)) = (Clock::new("test", 0), channel());
    let far = Block::new(&clock, 1, FAR, &bell);
    clock.set(far.lend()).expect("a thread");
    for round in 0..1_000 {
        let near = Block::new(&clock, round + 2, Duration::ZERO, &bell);
        clock.set(near.lend()).expect("a thread");
        assert_eq!(get(&heard).0, near.id);
    }
    assert!(!far.is_released());
}

#[test]
fn many_setters() {
    let (clock, (bell, heard)) = (Clock::new("test", 0), channel());
    thread::scope(|scope| {
        for setter in 0..4 {
            let (clock, bell) = (&clock, bell.clone());
            scope.spawn(move || {
                for n in 0..5_000 {
                    let after = Duration::from_micros((n * 7 + setter) as u64 % 3_000);
                    clock.set(Block::new(clock, n, after, &bell).lend()).expect("a thread");
                }
            });
        }
    });
    (0..20_000).for_each(|_| _ = get(&heard));
}

/// Those that are done are released long before their deadline, whether still in the stack or in the heap.
#[test]
fn what_is_done_is_not_kept() {
    let (clock, (bell, heard)) = (Clock::new("test", 0), channel());
    let set = |count, done| {
        let blocks: Vec<_> = (0..count).map(|id| Block::new(&clock, id, FAR, &bell)).collect();
        for block in &blocks {
            block.done.store(done, SeqCst);
            clock.set(block.lend()).expect("a thread");
        }
        blocks
    };
    // Earlier than all that follow, so that none of them wakes the thread by its deadline.
    let first = Block::new(&clock, 0, FAR / 2, &bell);
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
fn stop_tells_what_is_left() {
    let (clock, (bell, heard)) = (Clock::new("test", 0), channel());
    let blocks: Vec<_> = (0..100).map(|id| Block::new(&clock, id, FAR, &bell)).collect();
    for block in &blocks {
        clock.set(block.lend()).expect("a thread");
    }
    clock.stop();
    clock.stop();
    assert!(blocks.iter().all(|block| block.stopped.load(SeqCst) == 1 && block.is_released()));
    assert!(heard.try_recv().is_err(), "none has rung");
    let late = Block::new(&clock, 0, FAR, &bell);
    let refused = clock.set(late.lend()).expect_err("stopped");
    assert_eq!(refused.error.kind(), ErrorKind::NotConnected);
    drop(refused);
    assert!(late.is_released() && late.rung.load(SeqCst) == 0);
}

#[test]
fn an_unused_clock_stops() {
    let (clock, (bell, _heard)) = (Clock::new("test", 0), channel());
    clock.stop();
    let late = Block::new(&clock, 0, FAR, &bell);
    assert!(clock.set(late.lend()).is_err());
    assert!(late.is_released());
}

/// Each alarm is either refused or told.
#[test]
fn set_races_stop() {
    for _ in 0..300 {
        let (clock, (bell, _heard)) = (Clock::new("test", 0), channel());
        clock.set(Block::new(&clock, 0, FAR, &bell).lend()).expect("a thread");
        let (block, start) = (Block::new(&clock, 1, FAR, &bell), Barrier::new(2));
        let set = thread::scope(|scope| {
            let setter = scope.spawn(|| {
                start.wait();
                clock.set(block.lend()).is_ok()
            });
            start.wait();
            clock.stop();
            setter.join().expect("the setter")
        });
        assert_eq!(block.stopped.load(SeqCst), usize::from(set));
        assert!(block.is_released());
    }
}

#[test]
fn a_ring_that_panics_is_caught() {
    let (clock, (bell, heard)) = (Clock::new("test", 0), channel());
    let bad = Block::new(&clock, usize::MAX, Duration::ZERO, &bell);
    clock.set(bad.lend()).expect("a thread");
    get(&heard);
    clock.set(Block::new(&clock, 1, Duration::ZERO, &bell).lend()).expect("a thread");
    assert_eq!(get(&heard).0, 1);
    assert!(bad.is_released());
}

#[test]
fn one_that_rings_again() {
    let (clock, (bell, heard)) = (Clock::new("test", 0), channel());
    let block = Block::of(clock.nanos(), 7, (3, Duration::from_micros(50)), &bell);
    clock.set(block.lend()).expect("a thread");
    (0..4).for_each(|_| assert_eq!(get(&heard).0, 7));
    until(|| block.is_released());
    assert_eq!(block.rung.load(SeqCst), 4);
}

/// Who is a worker lays its alarms on its desk: what is done by the time that is cleared never comes to the clock; the rest
/// rings in its time, counted from the clearing.
#[test]
fn a_desk_is_cleared_by_its_worker() {
    let (clock, (bell, heard)) = (Clock::new("test", 1), channel());
    clock.sit(0);
    let limit = |id, limit, done| {
        let block = Block::of(nanos(limit), id, (0, Duration::ZERO), &bell);
        block.done.store(done, SeqCst);
        let begun = real_now();
        clock.set_limit(block.lend()).expect("a thread");
        (block, begun)
    };
    // Full: cleared.
    let answered: Vec<_> = (0..MOST_LAID as usize).map(|id| limit(id, FAR, 1)).collect();
    assert!(answered.iter().all(|(block, _)| block.is_released()));
    // Nothing to do: cleared.
    let (done, _) = limit(0, FAR, 1);
    let (late, begun) = limit(1, Duration::from_millis(2), 0);
    clock.clear_desk();
    assert!(done.is_released());
    let (id, rung) = get(&heard);
    assert!(id == 1 && rung >= begun + Duration::from_millis(2));
    until(|| late.is_released());
    let (left, _) = limit(2, FAR, 0);
    clock.leave();
    assert!(!left.is_released());
    clock.stop();
    assert!(left.is_released() && left.stopped.load(SeqCst) == 1);
}

/// A worker that never comes to clear its desk is held up in a handler: the clock does it.
#[test]
fn a_desk_is_cleared_by_the_clock() {
    let (clock, (bell, heard)) = (Clock::new("test", 2), channel());
    clock.sit(1);
    for round in 0..5 {
        let short = Duration::from_millis(1);
        let (near, far) =
            (Block::of(nanos(short), round, (0, short), &bell), Block::of(nanos(FAR), 9, (0, short), &bell));
        let begun = real_now();
        clock.set_limit(near.lend()).expect("a thread");
        clock.set_limit(far.lend()).expect("a thread");
        far.done.store(1, SeqCst);
        let (id, rung) = get(&heard);
        assert!(id == round && rung >= begun + short);
        until(|| far.is_released() && near.is_released());
    }
    clock.leave();
}

/// A desk belongs to one clock: at another one its worker is nobody.
#[test]
fn a_desk_of_another_clock() {
    let (here, there, (bell, heard)) = (Clock::new("here", 1), Clock::new("there", 1), channel());
    here.sit(0);
    let block = Block::of(nanos(FAR), 1, (0, Duration::ZERO), &bell);
    there.set_limit(block.lend()).expect("a thread");
    there.stop();
    assert!(block.is_released() && block.stopped.load(SeqCst) == 1);
    here.leave();
    assert!(heard.try_recv().is_err());
}

/// Those that are taken back are let go at once, without their time, and without any others being set.
#[test]
fn what_is_cancelled_is_not_kept() {
    let (clock, (bell, heard)) = (Clock::new("test", 0), channel());
    let blocks: Vec<_> = (0..100_000).map(|id| Block::new(&clock, id, FAR, &bell)).collect();
    for block in &blocks {
        clock.set(block.lend()).expect("a thread");
    }
    blocks.iter().skip(100).for_each(|block| block.cancel(&clock));
    until(|| blocks.iter().skip(100).all(Block::is_released));
    assert!(blocks.iter().take(100).all(|block| !block.is_released()));
    assert!(heard.try_recv().is_err(), "none has rung");
}

#[test]
fn manual_time_stands() {
    let (hands, (bell, heard)) = (ManualClock::new(), channel());
    let clock = Clock::manual("test", hands.clone());
    assert!(clock.now() == hands.now());
    let seconds = Duration::from_secs;
    let set = |id, after, again| {
        let block = Block::of(clock.nanos() + nanos(after), id, again, &bell);
        clock.set(block.lend()).expect("needs no thread");
        block
    };
    let blocks = [
        set(3, seconds(30), (0, Duration::ZERO)),
        set(1, seconds(10), (2, seconds(10))),
        set(2, seconds(10), (0, Duration::ZERO)),
        set(4, seconds(41), (0, Duration::ZERO)),
    ];
    let heard = || heard.try_iter().map(|(id, _)| id).collect::<Vec<_>>();
    hands.advance(seconds(9));
    assert_eq!(heard(), []);
    hands.advance(seconds(1));
    assert_eq!(heard(), [1, 2]);
    hands.advance(seconds(30));
    assert_eq!(heard(), [1, 3, 1]);
    assert!(blocks[..3].iter().all(Block::is_released));
    clock.stop();
    assert!(blocks[3].is_released() && blocks[3].stopped.load(SeqCst) == 1);
    assert!(clock.set(blocks[3].lend()).is_err());
}

/// A manual clock that nobody moves keeps no more of what is done than a real one.
#[test]
fn manual_time_keeps_nothing_that_is_done() {
    let (hands, (bell, _heard)) = (ManualClock::new(), channel());
    let clock = Clock::manual("test", hands);
    let blocks: Vec<_> = (0..3 * DRAIN).map(|id| Block::new(&clock, id, FAR, &bell)).collect();
    for block in &blocks {
        block.done.store(1, SeqCst);
        clock.set(block.lend()).expect("needs no thread");
    }
    assert!(blocks.iter().filter(|block| !block.is_released()).count() <= DRAIN);
    let open: Vec<_> = (0..1_000).map(|id| Block::new(&clock, id, FAR, &bell)).collect();
    for block in &open {
        clock.set(block.lend()).expect("needs no thread");
    }
    for block in &open {
        block.cancel(&clock);
        assert!(block.is_released());
    }
}

/// A million at once: all ring, in order; and a million that are cancelled are let go.
#[test]
fn a_million() {
    const MANY: usize = 1_000_000;
    let (hands, (bell, heard)) = (ManualClock::new(), channel());
    let clock = Clock::manual("test", hands.clone());
    let second = Duration::from_secs(1);
    for id in 0..MANY {
        // A permutation: 7,919 has no factor in common with a million.
        let after = Duration::from_micros((id * 7_919 % MANY) as u64);
        clock.set(Block::new(&clock, id, after, &bell).lend()).expect("needs no thread");
    }
    hands.advance(second);
    let order = heard.try_iter().map(|(id, _)| id * 7_919 % MANY);
    assert!(order.eq(0..MANY));
    let blocks: Vec<_> = (0..MANY).map(|id| Block::new(&clock, id, FAR, &bell)).collect();
    blocks.iter().for_each(|block| clock.set(block.lend()).expect("needs no thread"));
    for block in &blocks {
        block.cancel(&clock);
        assert!(block.is_released());
    }
}
