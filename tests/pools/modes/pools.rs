//! Pools.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deathwatch::{
    ExitReason, Mailbox, ManualClock, Monitors, OnFull, Options, Pool, PoolError, RequestError, Runtime,
    SendError,
};

use super::actors::*;
use crate::support::{Tally, Wedge, begun, poll_once, settle, solo};

const SECOND: Duration = Duration::from_secs(1);

fn by_hand() -> (Runtime, ManualClock) {
    let clock = ManualClock::new();
    (Runtime::builder().workers(2).clock(&clock).build().unwrap(), clock)
}

/// Who did it?
fn place_of() -> Job<Worker, usize> {
    job(|worker: &mut Worker, _| worker.place)
}

fn error_of(reason: ExitReason) -> Arc<PoolError> {
    let ExitReason::Error(report) = reason else { panic!("ended with {reason}") };
    match report.downcast_ref::<PoolError>() {
        Some(PoolError::Drain { unhandled, killed }) => {
            Arc::new(PoolError::Drain { unhandled: *unhandled, killed: *killed })
        }
        Some(PoolError::Restarts { limit, within, last }) => {
            Arc::new(PoolError::Restarts { limit: *limit, within: *within, last: last.clone() })
        }
        other => panic!("ended with {other:?}"),
    }
}

/// Round robin: each worker in its turn, each job once.
#[test]
fn round_robin() {
    let _dog = watchdog!();
    let runtime = runtime();
    let pool = builder(&runtime).workers(3).start().unwrap();
    let places: Vec<_> = (0..30).map(|_| pool.request(place_of()).no_timeout()).collect();
    for (n, place) in places.into_iter().enumerate() {
        assert_eq!(place.wait(), Ok(n % 3));
    }
    let tally = Tally::default();
    for _ in 0..300 {
        let one = tally.one();
        pool.send(job(move |_: &mut Worker, _| drop(one))).unwrap();
    }
    assert_eq!(begun(pool.drain(60 * SECOND)).wait(), ExitReason::Normal);
    assert_eq!(tally.count(), 300);
    let stats = pool.stats();
    assert_eq!((stats.queued, stats.running, stats.workers, stats.restarts, stats.lost), (0, 0, 0, 0, 0));
}

/// By key: where each was done, and which it was.
type Notes = HashMap<u32, Vec<(usize, u32)>>;

/// Jobs of one key go to one worker, in order; keys are spread.
#[test]
fn by_key() {
    let _dog = watchdog!();
    let runtime = runtime();
    let pool = builder(&runtime).workers(4).start().unwrap();
    let done: Arc<Mutex<Notes>> = Arc::default();
    for n in 0..50 {
        for key in 0..40 {
            let done = Arc::clone(&done);
            let note = job(move |worker: &mut Worker, _| {
                done.lock().unwrap().entry(key).or_default().push((worker.place, n));
            });
            match n % 3 {
                0 => pool.send_by(&key, note).unwrap(),
                1 => pool.send_wait_by(&key, note).wait().unwrap(),
                _ => drop(pool.request_by(&key, note)),
            }
        }
    }
    pool.drain(60 * SECOND).wait();
    let done = done.lock().unwrap();
    let mut used = [false; 4];
    for notes in done.values() {
        let place = notes[0].0;
        used[place] = true;
        assert_eq!(*notes, (0..50).map(|n| (place, n)).collect::<Vec<_>>());
    }
    assert_eq!((done.len(), used), (40, [true; 4]));
}

/// R67: a worker dies of a job: whoever asked for that is told the reason at once; what was queued behind it, of that key, is handled
/// by the next one, in order, and so is what comes while there is none.
#[test]
fn a_key_keeps_its_order_when_its_worker_dies() {
    let _dog = watchdog!();
    let runtime = runtime();
    let pool = builder(&runtime).workers(3).start().unwrap();
    for round in 1..=3 {
        let (wedge, blocks, inside) = wedge();
        let fatal = pool.request_by("key", blocks).no_timeout();
        inside.recv().unwrap();
        let done: Arc<Mutex<Vec<u32>>> = Arc::default();
        let note = |n| {
            let done = Arc::clone(&done);
            job(move |_: &mut Worker, _: &_| done.lock().unwrap().push(n))
        };
        let mut early: Vec<_> = (0..50).map(|n| pool.request_by("key", note(n)).no_timeout()).collect();
        assert!(early.iter_mut().all(|request| poll_once(request).is_pending()));
        let_panic(wedge);
        (50..100).for_each(|n| pool.send_by("key", note(n)).unwrap());
        let last = pool.request_by("key", note(100)).no_timeout();
        let Err(RequestError::Exited(reason)) = fatal.wait() else { panic!("it died") };
        assert_eq!(reason.to_string(), "panic: on purpose");
        assert!(early.into_iter().all(|request| request.wait() == Ok(())));
        assert_eq!(last.wait(), Ok(()));
        assert_eq!(*done.lock().unwrap(), (0..=100).collect::<Vec<_>>());
        assert_eq!((pool.stats().restarts, pool.stats().lost), (round, round));
    }
}

/// Least loaded: with a shared queue, nothing waits behind a slow job while another worker is idle.
#[test]
fn least_loaded() {
    let _dog = watchdog!();
    let runtime = runtime();
    let pool = builder(&runtime).workers(3).shared_queue().start().unwrap();
    let (slow, slow_done) = occupy(&pool);
    let (slower, slower_done) = occupy(&pool);
    let places: Vec<_> = (0..50).map(|_| pool.request(place_of()).no_timeout()).collect();
    let mut places: Vec<_> = places.into_iter().map(|place| place.wait().unwrap()).collect();
    places.dedup();
    assert_eq!(places.len(), 1, "all by the one that is free");
    until(|| (pool.stats().queued, pool.stats().running) == (0, 2));
    drop((slow, slower));
    assert_eq!((slow_done.wait(), slower_done.wait()), (Ok(()), Ok(())));
    let (_one, _) = occupy(&pool);
    let (_two, _) = occupy(&pool);
    let (_three, _) = occupy(&pool); // each worker is idle again, and found
    assert_eq!(pool.stats().running, 3);
}

/// A worker of a shared queue dies: what it was at is lost, and said to be; another takes the rest; it is replaced.
#[test]
fn a_shared_queue_when_a_worker_dies() {
    let _dog = watchdog!();
    let runtime = runtime();
    let pool = builder(&runtime).workers(2).shared_queue().start().unwrap();
    for round in 1..=3 {
        let (one, one_done) = occupy(&pool);
        let (two, two_done) = occupy(&pool);
        let queued: Vec<_> = (0..20).map(|_| pool.request(place_of()).no_timeout()).collect();
        assert_eq!((pool.stats().queued, pool.stats().running), (20, 2));
        let_panic(one);
        assert!(matches!(one_done.wait(), Err(RequestError::Exited(ExitReason::Panic(_)))));
        assert!(queued.into_iter().all(|request| request.wait().is_ok()), "by the one that replaced it");
        let_panic(two);
        assert!(matches!(two_done.wait(), Err(RequestError::Exited(ExitReason::Panic(_)))));
        until(|| pool.stats().restarts == 2 * round && pool.stats().workers == 2);
        assert_eq!(pool.stats().lost, 2 * round);
    }
}

/// A queue that is full gives the message back, and tells the asker.
#[test]
fn full_and_refused() {
    let _dog = watchdog!();
    let runtime = runtime();
    let queue = Mailbox::bounded(2, OnFull::Reject);
    let pool = builder(&runtime).workers(1).queue(queue).start().unwrap();
    let (wedge, occupied) = occupy(&pool);
    let tally = Tally::default();
    let queued = pool.request(place_of()).no_timeout();
    pool.send(job(|_: &mut Worker, _| ())).unwrap();
    let one = tally.one();
    let error = pool.send(job(move |_: &mut Worker, _| drop(one))).unwrap_err();
    assert!(error.is_full() && tally.count() == 0);
    drop(error.into_message());
    assert_eq!(tally.count(), 1);
    assert!(pool.send_wait(place_of()).wait().unwrap_err().is_full());
    assert_eq!(pool.request(place_of()).no_timeout().wait(), Err(RequestError::Full));
    assert!(pool.send_by(&1, place_of()).unwrap_err().is_full());
    assert_eq!((pool.stats().queued, pool.stats().running), (2, 1));
    drop(wedge);
    assert_eq!((occupied.wait(), queued.wait()), (Ok(()), Ok(0)));
    pool.request(place_of()).no_timeout().wait().unwrap();
    assert_eq!(pool.stats().dropped, 0);
}

/// Round robin passes over the queues that are full; a key does not.
#[test]
fn full_queues_are_passed_over() {
    let _dog = watchdog!();
    let runtime = runtime();
    let queue = Mailbox::bounded(1, OnFull::Reject);
    let pool = builder(&runtime).workers(2).queue(queue).start().unwrap();
    let (_wedge, blocks, inside) = wedge();
    let _slow = pool.request_by("slow", blocks);
    inside.recv().unwrap();
    pool.send_by("slow", job(|_: &mut Worker, _| ())).unwrap();
    assert!(pool.send_by("slow", job(|_: &mut Worker, _| ())).unwrap_err().is_full());
    let mut places: Vec<_> = (0..10).map(|_| pool.request(place_of()).no_timeout().wait().unwrap()).collect();
    places.dedup();
    assert_eq!(places.len(), 1);
}

/// The newest is dropped, and its asker told.
#[test]
fn full_and_the_newest_is_dropped() {
    let _dog = watchdog!();
    let runtime = runtime();
    let queue = Mailbox::bounded(1, OnFull::DropNewest);
    let pool = builder(&runtime).workers(1).queue(queue).start().unwrap();
    let (wedge, _) = occupy(&pool);
    let tally = Tally::default();
    let queued = pool.request(place_of()).no_timeout();
    let one = tally.one();
    pool.send(job(move |_: &mut Worker, _| drop(one))).unwrap();
    assert_eq!(tally.count(), 1);
    assert_eq!(pool.request(place_of()).no_timeout().wait(), Err(RequestError::Full));
    assert_eq!(pool.stats().dropped, 2);
    drop(wedge);
    assert_eq!(queued.wait(), Ok(0));
}

/// The oldest is dropped, and its asker told at once; what is worked on is not queued.
#[test]
fn full_and_the_oldest_is_dropped() {
    let _dog = watchdog!();
    let runtime = runtime();
    let queue = Mailbox::bounded(2, OnFull::DropOldest);
    for shared in [false, true] {
        let builder = builder(&runtime).workers(1).queue(queue);
        if shared { dropped_oldest(builder.shared_queue().start()) } else { dropped_oldest(builder.start()) }
    }
}

fn dropped_oldest<Q>(pool: Result<Pool<Worker, Q>, PoolError>) {
    let pool = pool.unwrap();
    let (wedge, occupied) = occupy(&pool);
    let mut requests: Vec<_> = (0..5).map(|_| pool.request(place_of()).no_timeout()).collect();
    for request in requests.drain(..3) {
        assert_eq!(request.wait(), Err(RequestError::Full));
    }
    assert_eq!((pool.stats().queued, pool.stats().running, pool.stats().dropped), (2, 1, 3));
    drop(wedge);
    assert_eq!(occupied.wait(), Ok(()));
    assert!(requests.into_iter().all(|request| request.wait() == Ok(0)));
    assert_eq!(pool.drain(60 * SECOND).wait(), ExitReason::Normal);
}

/// Senders and askers wait for room, first come, first served; those who are still waiting when the pool is drained get their
/// messages back.
#[test]
fn full_and_waited_for() {
    let _dog = watchdog!();
    let runtime = runtime();
    let queue = Mailbox::bounded(1, OnFull::Wait);
    let pool = builder(&runtime).workers(1).queue(queue).start().unwrap();
    let (wedge, _) = occupy(&pool);
    let (say, said) = Said::new();
    let note = |n: u32| {
        let say = say.clone();
        job(move |_: &mut Worker, _: &_| say.send(n.to_string()).unwrap())
    };
    pool.send(note(0)).unwrap();
    assert!(pool.send(note(9)).unwrap_err().is_full());
    let mut one = pool.send_wait(note(1));
    assert!(poll_once(&mut one).is_pending());
    let mut two = pool.request(note(2)).no_timeout();
    assert!(poll_once(&mut two).is_pending());
    let mut gone = pool.send_wait(note(3));
    assert!(poll_once(&mut gone).is_pending());
    let mut four = pool.send_wait(note(4));
    assert!(poll_once(&mut four).is_pending());
    drop(gone);
    drop(wedge);
    assert!(one.wait().is_ok());
    assert_eq!(two.wait(), Ok(()));
    assert!(four.wait().is_ok());
    assert_eq!(said.take(4), ["0", "1", "2", "4"]);

    let (wedge, _) = occupy(&pool);
    pool.send(note(5)).unwrap();
    let mut six = pool.send_wait(note(6));
    assert!(poll_once(&mut six).is_pending());
    let mut seven = pool.request(note(7)).no_timeout();
    assert!(poll_once(&mut seven).is_pending());
    let drained = begun(pool.drain(60 * SECOND));
    assert!(matches!(six.wait(), Err(SendError::Closed { reason: None, .. })));
    drop(wedge);
    assert_eq!(drained.wait(), ExitReason::Normal);
    assert_eq!(seven.wait(), Err(RequestError::Exited(ExitReason::Normal)));
    drop(say);
    assert_eq!(said.ready(), ["5"]);
}

/// A drain: what is queued is done, nothing more is taken, the workers are gone before the pool is.
#[test]
fn drained() {
    let _dog = watchdog!();
    let runtime = runtime();
    for shared in [false, true] {
        let tally = Tally::default();
        let counted = tally.clone();
        let builder =
            Pool::builder(move |_| Counting { _one: counted.one() }).options(place(&runtime)).workers(3);
        if shared {
            drains(builder.shared_queue().start().unwrap(), tally);
        } else {
            drains(builder.start().unwrap(), tally);
        }
    }
}

fn drains<Q>(pool: Pool<Counting, Q>, gone: Tally) {
    until(|| pool.stats().workers == 3);
    let done = Tally::default();
    let (wedge, wedged) = Wedge::new();
    let held = pool.request(Count::after(&done, wedged)).no_timeout();
    for _ in 0..100 {
        pool.send(Count::of(&done)).unwrap();
    }
    let drained = begun(pool.drain(60 * SECOND));
    let Err(SendError::Closed { message, reason: None }) = pool.send(Count::of(&done)) else {
        panic!("closed")
    };
    drop(message);
    let late = pool.request(Count::of(&done)).no_timeout();
    drop(wedge);
    assert_eq!(drained.wait(), ExitReason::Normal);
    assert_eq!((done.count(), gone.count()), (101, 3));
    assert_eq!(held.wait(), Ok(()));
    assert_eq!(late.wait(), Err(RequestError::Exited(ExitReason::Normal)));
    assert!(matches!(
        pool.send(Count::of(&done)),
        Err(SendError::Closed { reason: Some(ExitReason::Normal), .. })
    ));
    assert_eq!(pool.drain(SECOND).wait(), ExitReason::Normal);
}

/// A drain goes on when workers die of what is left.
#[test]
fn drained_by_those_who_come_after() {
    let _dog = watchdog!();
    let runtime = runtime();
    let pool = builder(&runtime).workers(1).start().unwrap();
    let (wedge, _) = occupy(&pool);
    let fatal = pool.request(job(|_: &mut Worker, _| boom())).no_timeout();
    let last = pool.request(place_of()).no_timeout();
    let drained = begun(pool.drain(60 * SECOND));
    drop(wedge);
    assert_eq!(drained.wait(), ExitReason::Normal);
    assert!(matches!(fatal.wait(), Err(RequestError::Exited(ExitReason::Panic(_)))));
    assert_eq!(last.wait(), Ok(0));
    assert_eq!((pool.stats().restarts, pool.stats().lost), (1, 1));
}

/// A drain that takes too long: what is left is dropped, and the pool says so.
#[test]
fn not_drained_in_time() {
    let _dog = watchdog!();
    let (runtime, clock) = by_hand();
    let pool = builder(&runtime).workers(2).start().unwrap();
    until(|| pool.stats().workers == 2);
    let (wedge, held) = occupy(&pool);
    let (other, other_held) = occupy(&pool);
    let queued = pool.request(place_of()).no_timeout();
    let drained = begun(pool.drain(10 * SECOND));
    drop(other);
    assert_eq!(other_held.wait(), Ok(()));
    until(|| pool.stats().workers == 1); // nothing is left for that one
    clock.advance(10 * SECOND - Duration::from_nanos(1));
    assert!(pool.is_alive());
    clock.advance(Duration::from_nanos(1));
    until(|| pool.stats().queued == 0);
    drop(wedge);
    let PoolError::Drain { unhandled: 2, killed: 1 } = *error_of(drained.wait()) else {
        panic!("{:?}", pool.exit_reason());
    };
    // A handler that blocks cannot be cut off, and has replied.
    assert_eq!(held.wait(), Ok(()));
    let Err(RequestError::Exited(reason)) = queued.wait() else { panic!("dropped") };
    assert!(matches!(*error_of(reason), PoolError::Drain { .. }));
}

/// The last handle is gone: the pool finishes what is queued, and ends.
#[test]
fn the_last_handle() {
    let _dog = watchdog!();
    let runtime = runtime();
    let pool = builder(&runtime).workers(2).start().unwrap();
    let (wedge, held) = occupy(&pool);
    let jobs: Vec<_> = (0..20).map(|_| pool.clone().request(place_of()).no_timeout()).collect();
    let end = begun(pool.wait_exit());
    let handle = pool.handle();
    drop(pool);
    assert!(handle.is_alive());
    drop(wedge);
    assert_eq!((held.wait(), end.wait()), (Ok(()), ExitReason::Normal));
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
}

/// R14: workers that die too often within the period end the pool, with what the last one died of; all are told, and the workers
/// are gone. What is older than the period does not count.
#[test]
fn too_many_restarts() {
    let _dog = watchdog!();
    let (runtime, clock) = by_hand();
    let pool = builder(&runtime).workers(2).restarts(2, 10 * SECOND).start().unwrap();
    let mut monitors = Monitors::new();
    monitors.monitor(&pool);
    let die = || {
        let died = pool.request(job(|_: &mut Worker, _| boom())).no_timeout();
        assert!(matches!(died.wait(), Err(RequestError::Exited(ExitReason::Panic(_)))));
    };
    for round in 1..=5 {
        die();
        until(|| pool.stats().restarts == round && pool.stats().workers == 2);
        clock.advance(6 * SECOND);
    }
    die();
    until(|| pool.stats().restarts == 6);
    die();
    let down = monitors.recv().unwrap();
    assert_eq!(down.target, pool.id());
    let PoolError::Restarts { limit: 2, within, last } = &*error_of(down.reason.clone()) else {
        panic!("{down:?}")
    };
    assert_eq!((*within, last.to_string()), (10 * SECOND, "panic: on purpose".to_owned()));
    assert!(
        matches!(pool.send(place_of()), Err(SendError::Closed { reason: Some(reason), .. }) if reason == down.reason)
    );
    assert_eq!(pool.stats().workers, 0);
    until(|| runtime.live_actors() == 0);
}

/// R67: the end of a pool is told to those whose jobs are queued, whatever end it is.
#[test]
fn ended() {
    let _dog = watchdog!();
    let runtime = runtime();
    for shared in [false, true] {
        for kill in [false, true] {
            let builder = builder(&runtime).workers(1);
            if shared {
                ends(builder.shared_queue().start().unwrap(), kill);
            } else {
                ends(builder.start().unwrap(), kill);
            }
        }
    }
}

fn ends<Q>(pool: Pool<Worker, Q>, kill: bool) {
    let (wedge, held) = occupy(&pool);
    let tally = Tally::default();
    let one = tally.one();
    let queued = pool.request(job(move |_: &mut Worker, _| drop(one))).no_timeout();
    let end = begun(pool.wait_exit());
    if kill {
        pool.kill();
    } else {
        pool.stop_with(ExitReason::Shutdown);
    }
    let reason = if kill { ExitReason::Kill } else { ExitReason::Shutdown };
    until(|| tally.count() == 1);
    drop(wedge);
    assert_eq!(queued.wait(), Err(RequestError::Exited(reason.clone())));
    assert_eq!((held.wait(), end.wait()), (Ok(()), reason.clone()));
    let late = pool.request(place_of()).no_timeout();
    assert_eq!(late.wait(), Err(RequestError::Exited(reason)));
}

/// A pool that is stopped is over when its workers are.
#[test]
fn stopped_with_its_workers() {
    let _dog = watchdog!();
    let runtime = solo();
    for reason in [ExitReason::Normal, ExitReason::error("abnormal")] {
        let (gone, done) = (Tally::default(), Tally::default());
        let counted = gone.clone();
        let builder = Pool::builder(move |_| Counting { _one: counted.one() }).options(place(&runtime));
        let pool = builder.workers(3).start().unwrap();
        let (entered, inside) = std::sync::mpsc::channel();
        let (wedge, wedged) = Wedge::new();
        let held = pool.request(Count::after(&done, move || {
            entered.send(()).unwrap();
            wedged();
        }));
        inside.recv().unwrap();
        let mut end = begun(pool.wait_exit());
        pool.stop_with(reason.clone());
        settle(&runtime); // the pool has heard it
        assert!(poll_once(&mut end).is_pending());
        drop(wedge);
        assert_eq!(end.wait(), reason);
        assert_eq!((gone.count(), held.no_timeout().wait()), (3, Ok(())));
    }
}

/// A pool that is killed kills its workers, also those that nobody else could end.
#[test]
fn killed_with_its_workers() {
    let _dog = watchdog!();
    let runtime = runtime();
    let pool = builder(&runtime).workers(3).start().unwrap();
    for _ in 0..3 {
        let keeps_itself = job(|worker: &mut Worker, ctx: &deathwatch::Context<Worker>| {
            worker.luggage = Some(Box::new(ctx.actor_ref()));
        });
        pool.request(keeps_itself).no_timeout().wait().unwrap();
    }
    pool.kill();
    assert_eq!(pool.wait_exit().wait(), ExitReason::Kill);
    until(|| runtime.live_actors() == 0);
}

/// More workers, and fewer; what is queued for those that go is done first.
#[test]
fn resized() {
    let _dog = watchdog!();
    let runtime = solo();
    let pool = builder(&runtime).workers(1).start().unwrap();
    pool.resize(4).unwrap();
    until(|| pool.stats().workers == 4);
    let places: std::collections::HashSet<_> =
        (0..8).map(|_| pool.request(place_of()).no_timeout().wait().unwrap()).collect();
    assert_eq!(places.len(), 4);
    let held: Vec<_> = (0..4).map(|_| occupy(&pool)).collect();
    let queued: Vec<_> = (0..40).map(|_| pool.request(place_of()).no_timeout()).collect();
    pool.resize(2).unwrap();
    settle(&runtime); // the pool has heard it
    assert_eq!((pool.stats().workers, pool.stats().queued), (4, 40));
    for (wedge, request) in held {
        drop(wedge);
        assert_eq!(request.wait(), Ok(()));
    }
    let places: std::collections::HashSet<_> =
        queued.into_iter().map(|place| place.wait().unwrap()).collect();
    assert_eq!(places.len(), 4, "those that go finish what was theirs");
    until(|| pool.stats().workers == 2);
    let places: std::collections::HashSet<_> =
        (0..8).map(|_| pool.request(place_of()).no_timeout().wait().unwrap()).collect();
    assert_eq!(places, [0, 1].into());
    pool.resize(3).unwrap();
    until(|| pool.stats().workers == 3);
    assert_eq!(pool.stats().restarts, 0);
    assert_eq!(pool.drain(60 * SECOND).wait(), ExitReason::Normal);
}

/// The same with a shared queue: those that go finish what they are at.
#[test]
fn a_shared_queue_resized() {
    let _dog = watchdog!();
    let runtime = runtime();
    let pool = builder(&runtime).workers(3).shared_queue().start().unwrap();
    let held: Vec<_> = (0..3).map(|_| occupy(&pool)).collect();
    let queued: Vec<_> = (0..30).map(|_| pool.request(place_of()).no_timeout()).collect();
    pool.resize(1).unwrap();
    for (wedge, request) in held {
        drop(wedge);
        assert_eq!(request.wait(), Ok(()));
    }
    assert!(queued.into_iter().all(|place| place.wait().is_ok()));
    until(|| pool.stats().workers == 1);
    assert_eq!(pool.request(place_of()).no_timeout().wait(), Ok(0));
    pool.resize(2).unwrap();
    until(|| pool.stats().workers == 2);
    let (_one, _) = occupy(&pool);
    let (_two, _) = occupy(&pool);
    assert_eq!((pool.stats().restarts, pool.stats().lost), (0, 0));
}

/// A worker that was dismissed and is wanted again before it is gone is replaced, and that is no restart.
#[test]
fn resized_to_and_fro() {
    let _dog = watchdog!();
    let runtime = solo();
    let pool = builder(&runtime).workers(2).shared_queue().start().unwrap();
    let held = [occupy(&pool), occupy(&pool)];
    pool.resize(1).unwrap();
    settle(&runtime);
    pool.resize(2).unwrap();
    settle(&runtime);
    for (wedge, request) in held {
        drop(wedge);
        assert_eq!(request.wait(), Ok(()));
    }
    until(|| {
        settle(&runtime);
        pool.stats().workers == 2 && pool.stats().running == 0
    });
    let (_one, _) = occupy(&pool);
    let (_two, _) = occupy(&pool);
    assert_eq!((pool.stats().restarts, pool.stats().lost), (0, 0));
}

/// Who waits for room with a worker that goes is served by another, and takes no place along.
#[test]
fn waiting_for_a_worker_that_goes() {
    let _dog = watchdog!();
    let runtime = solo();
    let queue = Mailbox::bounded(1, OnFull::Wait);
    let pool = builder(&runtime).workers(2).queue(queue).start().unwrap();
    let key_of = |place| {
        (0_u32..).find(|key| pool.request_by(key, place_of()).no_timeout().wait() == Ok(place)).unwrap()
    };
    let (stays, goes) = (key_of(0), key_of(1));
    let fill = |key: u32| {
        let (wedge, blocks, inside) = wedge();
        pool.send_by(&key, blocks).unwrap();
        inside.recv().unwrap();
        pool.send_by(&key, job(|_: &mut Worker, _| ())).unwrap();
        wedge
    };
    let (staying, going) = (fill(stays), fill(goes));
    let mut sending = pool.send_wait_by(&goes, job(|_: &mut Worker, _| ()));
    assert!(poll_once(&mut sending).is_pending());
    let mut asking = pool.request_by(&goes, place_of()).no_timeout();
    assert!(poll_once(&mut asking).is_pending());
    pool.resize(1).unwrap();
    settle(&runtime);
    drop(going);
    until(|| pool.stats().workers == 1);
    assert!(poll_once(&mut sending).is_pending(), "there is no room with the other one");
    assert!(poll_once(&mut asking).is_pending(), "in the queue of the other one");
    drop(staying);
    assert!(sending.wait().is_ok());
    assert_eq!(asking.wait(), Ok(0));
    pool.resize(2).unwrap();
    until(|| pool.stats().workers == 2);
    let _held = [fill(stays), fill(goes)];
    assert!(pool.send_by(&stays, place_of()).unwrap_err().is_full());
    assert!(pool.send_by(&goes, place_of()).unwrap_err().is_full());
}

/// A worker that stops itself is replaced as well.
#[test]
fn a_worker_that_stops() {
    let _dog = watchdog!();
    let runtime = runtime();
    let pool = builder(&runtime).workers(1).start().unwrap();
    let stop = pool.request(job(|_: &mut Worker, ctx| ctx.stop())).no_timeout();
    let next = pool.request(place_of()).no_timeout();
    assert_eq!((stop.wait(), next.wait()), (Ok(()), Ok(0)));
    assert_eq!((pool.stats().restarts, pool.stats().lost), (1, 0));
}

/// A factory that panics ends the pool, and so does a worker that cannot be started.
#[test]
fn no_workers() {
    let _dog = watchdog!();
    let runtime = runtime();
    let pool = Pool::builder(|place| {
        assert!(place < 2, "no third one");
        Worker::at(place)
    });
    let pool = pool.options(place(&runtime)).workers(2).start().unwrap();
    until(|| pool.stats().workers == 2);
    let queued: Vec<_> = (0..2).map(|_| occupy(&pool)).collect();
    pool.resize(3).unwrap();
    let waiting = begun(pool.wait_exit());
    until(|| pool.send(place_of()).is_err());
    drop(queued);
    assert_eq!(waiting.wait().to_string(), "panic: no third one");

    let mailbox = Options::mailbox(place(&runtime), Mailbox::bounded(0, OnFull::Reject));
    let pool = builder(&runtime).options(mailbox).start().unwrap();
    let ExitReason::Error(report) = pool.wait_exit().wait() else { panic!("no such mailbox") };
    assert!(matches!(report.downcast_ref(), Some(PoolError::Start(_))));
}

/// Many senders and askers, workers that die of every hundredth job, sizes that change: each job is done once, or lost with the
/// worker that was at it, which its asker is told.
#[test]
fn all_is_accounted_for() {
    let _dog = watchdog!();
    let runtime = runtime();
    for shared in [false, true] {
        let builder = builder(&runtime).workers(3).restarts(1_000_000, SECOND);
        if shared {
            account(builder.shared_queue().start().unwrap());
        } else {
            account(builder.start().unwrap());
        }
    }
}

fn account<Q>(pool: Pool<Worker, Q>) {
    const EACH: u32 = 1_500;
    let done = Tally::default();
    let lost: usize = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..4_u32)
            .map(|sender| {
                let (pool, done) = (pool.clone(), done.clone());
                scope.spawn(move || {
                    let mut requests = Vec::new();
                    for n in 0..EACH {
                        let done = done.clone();
                        let fatal = n % 100 == sender;
                        requests.push((
                            fatal,
                            pool.request(job(move |_: &mut Worker, _| {
                                if fatal {
                                    boom();
                                }
                                done.add();
                            }))
                            .no_timeout(),
                        ));
                        if n % 500 == 499 {
                            pool.resize(1 + (n / 500 + sender) as usize % 4).unwrap();
                        }
                    }
                    requests
                        .into_iter()
                        .filter_map(|(fatal, request)| match request.wait() {
                            Ok(()) => {
                                assert!(!fatal);
                                None
                            }
                            Err(RequestError::Exited(ExitReason::Panic(_))) => {
                                assert!(fatal);
                                Some(())
                            }
                            Err(other) => panic!("{other}"),
                        })
                        .count()
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    assert_eq!(lost, 4 * EACH as usize / 100);
    assert_eq!(done.count() + lost, 4 * EACH as usize);
    assert_eq!(pool.drain(60 * SECOND).wait(), ExitReason::Normal);
    let stats = pool.stats();
    assert_eq!((stats.lost, stats.queued, stats.running), (lost, 0, 0));
}
