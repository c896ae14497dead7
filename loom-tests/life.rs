//! The lifecycle: queued, running, asked, ended.

use std::future::poll_fn;
use std::sync::Mutex;
use std::task::Poll;

use deathwatch::ExitReason;
use deathwatch::internals::cell::life::{End, Life, Notify};
use deathwatch::internals::cell::{Birth, Strong};
use deathwatch::internals::monitor::entry::Wait;
use deathwatch::internals::structs::waker::AtomicWaker;
use deathwatch::internals::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use deathwatch::internals::sync::{Arc, UnsafeCell};

use crate::crew::{Deck, Log, Pool, ended, note, parcel, send};
use crate::fixture::{Party, Token, is_down, monitor, spawn, took_back};
use crate::harness::{Bound, model};

/// A message that comes while a run ends is handled, by one thread at a time, and nothing is handled twice.
#[test]
fn wake_vs_end_of_run() {
    model("wake_vs_end_of_run", Bound::Preemptions(3), 1_300, || {
        let (pool, log) = (Pool::new(), Log::new());
        let actor = pool.sleeper(Birth::default());
        let sender = spawn({
            let (pool, log, to) = (pool.clone(), log.clone(), actor.clone());
            move || {
                assert!(send(&to, note(&log, 1)));
                assert!(send(&to, note(&log, 2)));
                pool.run_one();
            }
        });
        assert!(send(&actor, note(&log, 7)));
        pool.run_one();
        sender.join().unwrap();
        pool.run();
        assert_eq!(log.sorted(), [1, 2, 7]);
        let at = |number| log.read().iter().position(|n| *n == number);
        assert!(at(1) < at(2));
        let cell = actor.cell().clone();
        assert!(cell.reason().is_none());
        drop(actor);
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
    });
}

/// A handler that awaits is run again when it is woken, also at the end of the run.
#[test]
fn woken_vs_end_of_run() {
    model("woken_vs_end_of_run", Bound::Preemptions(3), 59, || {
        let (pool, log) = (Pool::new(), Log::new());
        let actor = pool.sleeper(Birth::default());
        let gate = Arc::new((AtomicUsize::new(0), AtomicWaker::new()));
        assert!(send(&actor, awaiting(&gate, &log)));
        let opener = spawn({
            let gate = gate.clone();
            move || {
                gate.0.store(1, Ordering::Release);
                gate.1.wake();
            }
        });
        pool.run();
        opener.join().unwrap();
        pool.run();
        assert_eq!(log.read(), [1]);
        let cell = actor.cell().clone();
        drop(actor);
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
    });
}

type Gate = Arc<(AtomicUsize, AtomicWaker)>;

fn awaiting(gate: &Gate, log: &Log) -> deathwatch::internals::mailbox::parcel::Parcel<Deck> {
    let (gate, log, token) = (gate.clone(), log.clone(), Token::new());
    parcel(async move {
        poll_fn(|cx| {
            gate.1.register(cx.waker());
            if gate.0.load(Ordering::Acquire) == 1 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        log.note(1);
        drop(token);
    })
}

/// A kill while a handler awaits and is woken: the actor ends as killed, and what the handler held is dropped once.
#[test]
fn kill_vs_woken() {
    model("kill_vs_woken", Bound::Preemptions(2), 260, || {
        let (pool, log) = (Pool::new(), Log::new());
        let actor = pool.sleeper(Birth::default());
        let gate: Gate = Arc::new((AtomicUsize::new(0), AtomicWaker::new()));
        assert!(send(&actor, awaiting(&gate, &log)));
        let opener = spawn({
            let gate = gate.clone();
            move || {
                gate.0.store(1, Ordering::Release);
                gate.1.wake();
            }
        });
        let killer = spawn({
            let cell = actor.cell().clone();
            move || cell.kill()
        });
        pool.run();
        opener.join().unwrap();
        killer.join().unwrap();
        assert!(log.read().len() <= 1);
        let cell = actor.cell().clone();
        assert_eq!(ended(&pool, &cell), ExitReason::Kill);
        drop(gate.1.take());
        drop(actor);
    });
}

/// Stop and kill at once: one reason, of those that were given, and whoever waits is told the same.
#[test]
fn stop_vs_kill_vs_run() {
    model("stop_vs_kill_vs_run", Bound::Preemptions(3), 590, || {
        let pool = Pool::new();
        let actor = pool.sleeper(Birth::default());
        let killer = spawn({
            let cell = actor.cell().clone();
            move || cell.kill()
        });
        let runner = spawn({
            let pool = pool.clone();
            move || pool.run()
        });
        actor.cell().stop(ExitReason::Shutdown);
        killer.join().unwrap();
        runner.join().unwrap();
        let reason = ended(&pool, actor.cell());
        assert!(reason == ExitReason::Shutdown || reason == ExitReason::Kill, "{reason}");
        let mut wait = Wait::new(actor.cell().clone());
        let told = loom::future::block_on(poll_fn(|cx| wait.poll(cx)));
        assert_eq!(told, reason);
    });
}

/// Two threads run the actor, one after the other, with nothing between them but the lifecycle word.
#[test]
fn run_vs_run() {
    model("run_vs_run", Bound::Unbounded, 1_500, || {
        let pool = Pool::new();
        let actor = pool.sleeper(Birth::default());
        let other = spawn({
            let (pool, cell) = (pool.clone(), actor.cell().clone());
            move || {
                cell.wake();
                pool.run();
            }
        });
        actor.cell().wake();
        pool.run();
        other.join().unwrap();
        let cell = actor.cell().clone();
        assert!(cell.reason().is_none());
        drop(actor);
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
    });
}

/// A stop that comes in the middle of a run has its reason with it.
#[test]
fn stop_vs_run() {
    model("stop_vs_run", Bound::Unbounded, 5_900, || {
        let pool = Pool::new();
        let actor = pool.sleeper(Birth::default());
        let other = spawn({
            let (pool, cell) = (pool.clone(), actor.cell().clone());
            move || {
                cell.wake();
                pool.run();
            }
        });
        actor.cell().stop(ExitReason::Shutdown);
        pool.run();
        other.join().unwrap();
        assert_eq!(ended(&pool, actor.cell()), ExitReason::Shutdown);
    });
}

/// The handles of a dead actor go on several threads, and its block goes with the last reference of any kind.
#[test]
fn handles_of_the_dead() {
    model("handles_of_the_dead", Bound::Unbounded, 40, || {
        let pool = Pool::new();
        let actor = pool.sleeper(Birth::default());
        let (one, cell) = (actor.clone(), actor.cell().clone());
        cell.kill();
        assert_eq!(ended(&pool, &cell), ExitReason::Kill);
        let handles = [one, actor].map(|handle| {
            spawn(move || {
                assert_eq!(handle.cell().reason(), Some(&ExitReason::Kill));
                drop(handle);
            })
        });
        assert!(cell.reason().is_some());
        drop(cell);
        handles.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

/// Two stops with a reason each: the actor dies of one of them.
#[test]
fn stop_vs_stop_vs_run() {
    model("stop_vs_stop_vs_run", Bound::Preemptions(3), 640, || {
        let pool = Pool::new();
        let actor = pool.sleeper(Birth::default());
        let other = spawn({
            let cell = actor.cell().clone();
            move || cell.stop(ExitReason::NoConnection)
        });
        let runner = spawn({
            let pool = pool.clone();
            move || pool.run()
        });
        actor.cell().stop(ExitReason::Shutdown);
        other.join().unwrap();
        runner.join().unwrap();
        let reason = ended(&pool, actor.cell());
        assert!(reason == ExitReason::Shutdown || reason == ExitReason::NoConnection, "{reason}");
    });
}

/// The last handles go, each after a message: all are handled, and the actor ends.
#[test]
fn last_handles_vs_run() {
    model("last_handles_vs_run", Bound::Preemptions(3), 11_000, || {
        let (pool, log) = (Pool::new(), Log::new());
        let actor = pool.sleeper(Birth::default());
        let cell = actor.cell().clone();
        let other = spawn({
            let (log, actor) = (log.clone(), actor.clone());
            move || assert!(send(&actor, note(&log, 1)))
        });
        let runner = spawn({
            let pool = pool.clone();
            move || pool.run()
        });
        assert!(send(&actor, note(&log, 2)));
        drop(actor);
        other.join().unwrap();
        runner.join().unwrap();
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
        assert_eq!(log.sorted(), [1, 2]);
    });
}

/// A weak handle becomes strong while the last strong one goes: then its message is handled.
#[test]
fn upgrade_vs_last_drop() {
    model("upgrade_vs_last_drop", Bound::Preemptions(3), 790, || {
        let (pool, log) = (Pool::new(), Log::new());
        let actor = pool.sleeper(Birth::default());
        let (cell, weak) = (actor.cell().clone(), (*actor).clone());
        let upgrader = spawn({
            let log = log.clone();
            move || match Strong::upgrade(&weak) {
                Some(strong) => {
                    assert!(send(&strong, note(&log, 1)), "a strong handle keeps it running");
                    true
                }
                None => false,
            }
        });
        let runner = spawn({
            let pool = pool.clone();
            move || pool.run()
        });
        drop(actor);
        let sent = upgrader.join().unwrap();
        runner.join().unwrap();
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
        assert_eq!(log.read().len(), usize::from(sent));
    });
}

/// An actor makes a handle of itself while the last one goes: it lives on by that.
#[test]
fn revive_vs_last_drop() {
    model("revive_vs_last_drop", Bound::Preemptions(3), 41, || {
        let (pool, log) = (Pool::new(), Log::new());
        let actor = pool.sleeper(Birth::default());
        let (cell, own) = (actor.cell().clone(), (*actor).clone());
        let made: std::sync::Arc<Mutex<Option<Strong<Deck>>>> = std::sync::Arc::default();
        let makes = made.clone();
        assert!(send(&actor, parcel(async move { *makes.lock().unwrap() = Some(Strong::revive(&own)) })));
        let runner = spawn({
            let pool = pool.clone();
            move || pool.run()
        });
        drop(actor);
        runner.join().unwrap();
        pool.run();
        let strong = made.lock().unwrap().take().expect("it was sent before the last handle went");
        assert!(cell.reason().is_none(), "it lives by the handle it made");
        assert!(send(&strong, note(&log, 1)));
        drop(strong);
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
        assert_eq!(log.read(), [1]);
    });
}

/// One handle detaches the actor while the other goes: it lives on.
#[test]
fn detach_vs_last_drop() {
    model("detach_vs_last_drop", Bound::Preemptions(3), 40, || {
        let pool = Pool::new();
        let actor = pool.sleeper(Birth::default());
        let cell = actor.cell().clone();
        let detacher = spawn({
            let actor = actor.clone();
            move || actor.cell().life.detach()
        });
        let runner = spawn({
            let pool = pool.clone();
            move || pool.run()
        });
        drop(actor);
        detacher.join().unwrap();
        runner.join().unwrap();
        pool.run();
        assert!(cell.reason().is_none());
        cell.stop(ExitReason::Shutdown);
        assert_eq!(ended(&pool, &cell), ExitReason::Shutdown);
    });
}

/// An actor that will never be run dies on the spot; who monitors it meanwhile is told, and what is sent is dropped.
#[test]
fn runnable_dropped_vs_monitor_vs_send() {
    model("runnable_dropped_vs_monitor_vs_send", Bound::Preemptions(3), 2_300, || {
        let (pool, log, watcher) = (Pool::new(), Log::new(), Party::new());
        let (actor, first) = pool.hire(Birth::default());
        let cell = actor.cell().clone();
        let dropper = spawn(move || drop(first));
        let sender = spawn({
            let log = log.clone();
            move || {
                let _refused = send(&actor, note(&log, 1));
            }
        });
        let key = monitor(&watcher.address(), &cell);
        dropper.join().unwrap();
        sender.join().unwrap();
        assert!(pool.is_empty(), "nobody queues a dead actor");
        assert!(log.read().is_empty());
        assert_eq!(cell.reason(), Some(&ExitReason::Kill));
        assert!(is_down(&watcher.end(), key, &ExitReason::Kill));
    });
}

/// An actor with a life ends because its last handle went: its watcher is told, or took the monitor back.
#[test]
fn end_of_a_life_vs_demonitor() {
    model("end_of_a_life_vs_demonitor", Bound::Preemptions(3), 190, || {
        let (pool, watcher) = (Pool::new(), Party::new());
        let actor = pool.sleeper(Birth::default());
        let (cell, watchers_cell) = (actor.cell().clone(), watcher.cell());
        let key = monitor(&watcher.address(), &cell);
        let runner = spawn({
            let pool = pool.clone();
            move || {
                drop(actor);
                pool.run();
            }
        });
        let prevented = took_back(&watchers_cell, key);
        runner.join().unwrap();
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
        assert!(is_down(&watcher.end(), key, &ExitReason::Normal) != prevented);
    });
}

/// A place of one word for the one `Runnable`, and what is brought to a run.
struct Berth {
    life: Life,
    laid: AtomicBool,
    place: UnsafeCell<u32>,
    brought: UnsafeCell<u32>,
}

// SAFETY: loom checks each access.
unsafe impl Sync for Berth {}

impl Berth {
    fn new() -> Arc<Self> {
        Arc::new(Berth {
            life: Life::new(true),
            laid: AtomicBool::new(true),
            place: UnsafeCell::new(1),
            brought: UnsafeCell::new(0),
        })
    }

    /// Lays the `Runnable` into the place, which must be empty.
    fn lay(&self) {
        // SAFETY: loom checks that nobody else is at it.
        assert_eq!(self.place.with_mut(|place| unsafe { std::mem::replace(&mut *place, 1) }), 0);
        self.laid.store(true, Ordering::Release);
    }
}

/// Who queues an actor anew comes after its last run: the place where its `Runnable` is laid is empty again.
#[test]
fn queueing_vs_end_of_run() {
    model("queueing_vs_end_of_run", Bound::Unbounded, 3, || {
        let berth = Berth::new();
        let runner = spawn({
            let berth = berth.clone();
            move || {
                assert!(berth.laid.swap(false, Ordering::Acquire));
                // SAFETY: as in `lay`.
                assert_eq!(berth.place.with_mut(|place| unsafe { std::mem::take(&mut *place) }), 1);
                berth.life.begin();
                if berth.life.end() == End::Queue {
                    berth.lay();
                }
            }
        });
        if berth.life.notify() == Notify::Queue {
            berth.lay();
        }
        runner.join().unwrap();
    });
}

/// A run sees what was brought to it, whatever the `Runnable` went through: the word alone orders it.
#[test]
fn notify_vs_begin() {
    model("notify_vs_begin", Bound::Unbounded, 3, || {
        let berth = Berth::new();
        // It has run before, and is idle.
        berth.life.begin();
        assert_eq!(berth.life.end(), End::Idle);
        berth.laid.store(false, Ordering::Relaxed);
        let runner = spawn({
            let berth = berth.clone();
            move || {
                if berth.laid.load(Ordering::Relaxed) {
                    berth.life.begin();
                    // SAFETY: loom checks that it comes after the writing.
                    assert_eq!(berth.brought.with(|brought| unsafe { *brought }), 7);
                    assert_eq!(berth.life.end(), End::Idle);
                }
            }
        });
        // SAFETY: nobody reads it before it is said.
        berth.brought.with_mut(|brought| unsafe { *brought = 7 });
        assert_eq!(berth.life.notify(), Notify::Queue);
        berth.laid.store(true, Ordering::Relaxed);
        runner.join().unwrap();
    });
}
