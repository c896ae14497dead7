//! Parking and waking: no task is forgotten while a worker could run it.
//!
//! The workers here are small ones over the scheduler's own `idle`. A lost wake-up leaves all threads parked, which loom
//! reports as a deadlock; a slot nobody watches is a livelock, which it reports as too many steps. Time passes at once
//! (`park_timeout` is a yield), and the watchdog looks at slots only, so that a time-out hides no lost wake-up.

use std::time::Duration;

use deathwatch::internals::scheduler::idle::{Found, Idle, Outlook, Seen, Woken};
use deathwatch::internals::sync::Arc;
use deathwatch::internals::sync::atomic::{AtomicUsize, Ordering};
use deathwatch::internals::sync::thread::{self, JoinHandle};

use crate::fixture::spawn;
use crate::harness::{Bound, model};

/// What a task does, by its number; `NONE` is an empty slot or queue.
type Act = fn(&Pool, usize, usize);

const NONE: usize = 0;

struct Pool {
    idle: Idle,
    /// One bit per task. Shared by all workers, as the injector and the queues are.
    queue: AtomicUsize,
    slots: Vec<AtomicUsize>,
    /// Tasks that have not run yet; who runs the last one closes.
    left: AtomicUsize,
    act: Act,
}

impl Pool {
    fn start(workers: usize, tasks: usize, act: Act) -> (Arc<Self>, Vec<JoinHandle<()>>) {
        let pool = Arc::new(Self {
            idle: Idle::new(workers, Duration::from_millis(5)),
            queue: AtomicUsize::new(0),
            slots: (0..workers).map(|_| AtomicUsize::new(NONE)).collect(),
            left: AtomicUsize::new(tasks),
            act,
        });
        let worker = |me| {
            let pool = pool.clone();
            thread::spawn(format!("worker {me}"), None, move || pool.work(me)).unwrap()
        };
        let threads = (0..workers).map(worker).collect();
        (pool, threads)
    }

    fn submit(&self, task: usize) {
        // Release alone, as the queues have it: the rest is the protocol's business.
        self.queue.fetch_or(task, Ordering::Release);
        self.idle.announce();
    }

    fn put(&self, me: usize, task: usize) {
        assert_eq!(self.slots[me].swap(task, Ordering::AcqRel), NONE);
        self.idle.announce_slot();
    }

    /// A handler that gives nothing back before the second task has run.
    fn wait_for_the_other(&self) {
        while self.left.load(Ordering::Acquire) == 2 {
            thread::yield_now();
        }
    }

    fn take(&self) -> Option<usize> {
        let mut queued = self.queue.load(Ordering::Acquire);
        while queued != NONE {
            let task = queued & queued.wrapping_neg();
            match self.queue.compare_exchange(queued, queued & !task, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(task),
                Err(now) => queued = now,
            }
        }
        None
    }

    fn take_slot(&self, worker: usize) -> Option<usize> {
        let task = self.slots[worker].swap(NONE, Ordering::Acquire);
        (task != NONE).then_some(task)
    }

    fn run(&self, me: usize, task: usize) {
        (self.act)(self, me, task);
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.close();
        }
    }

    fn work(&self, me: usize) {
        self.idle.register(me);
        while !self.idle.is_closed() {
            let Some(task) = self.take_slot(me).or_else(|| self.take()).or_else(|| self.seek(me)) else {
                break;
            };
            self.run(me, task);
        }
    }

    fn seek(&self, me: usize) -> Option<usize> {
        let mut searching = self.idle.try_search();
        loop {
            if let Some(task) = searching.then(|| self.take()).flatten() {
                return Some(self.end_search(task));
            }
            match self.idle.sleep(me, searching, &mut Look(self, me)) {
                Woken::Closed => return None,
                Woken::Searching => searching = true,
                Woken::Watchdog => {
                    searching = true;
                    if let Some(task) = Look(self, me).others().find_map(|other| self.take_slot(other)) {
                        return Some(self.end_search(task));
                    }
                }
            }
        }
    }

    fn end_search(&self, task: usize) -> usize {
        if self.idle.found() == Found::Last && Look(self, 0).has_work() {
            self.idle.announce();
        }
        task
    }
}

struct Look<'a>(&'a Pool, usize);

impl Look<'_> {
    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let me = self.1;
        (0..self.0.slots.len()).filter(move |other| *other != me)
    }
}

impl Outlook for Look<'_> {
    fn has_work(&mut self) -> bool {
        // Relaxed: it is the fences that must make it see.
        self.0.queue.load(Ordering::Relaxed) != NONE
    }

    fn watch(&mut self) -> Seen {
        let full = |other: usize| self.0.slots[other].load(Ordering::Relaxed) != NONE;
        if self.others().any(full) { Seen::Stuck } else { Seen::Quiet }
    }
}

fn end(threads: Vec<JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Two tasks from outside.
#[test]
fn submit_vs_sleep() {
    model("submit_vs_sleep", Bound::Preemptions(1), 5_900, || {
        let (pool, threads) = Pool::start(2, 2, |_, _, _| {});
        pool.submit(1);
        pool.submit(2);
        end(threads);
        assert_eq!(pool.left.load(Ordering::Relaxed), 0);
    });
}

/// One worker alone: it has nobody to rely on.
#[test]
fn submit_vs_sleep_alone() {
    model("submit_vs_sleep_alone", Bound::Preemptions(3), 240, || {
        let (pool, threads) = Pool::start(1, 2, |_, _, _| {});
        pool.submit(1);
        pool.submit(2);
        end(threads);
    });
}

/// The first task queues a second one behind itself and goes on until that has run.
#[test]
fn backlog_vs_sleep() {
    model("backlog_vs_sleep", Bound::Preemptions(2), 32_000, || {
        let (pool, threads) = Pool::start(2, 2, |pool, _, task| {
            if task == 1 {
                pool.submit(2);
                pool.wait_for_the_other();
            }
        });
        pool.submit(1);
        end(threads);
    });
}

/// Both tasks from outside; whoever finds the first while searching owes the second a look.
#[test]
fn submit_vs_last_searcher() {
    model("submit_vs_last_searcher", Bound::Preemptions(2), 64_000, || {
        let (pool, threads) = Pool::start(2, 2, |pool, _, task| {
            if task == 1 {
                pool.wait_for_the_other();
            }
        });
        pool.submit(1);
        pool.submit(2);
        end(threads);
    });
}

/// A backlog in the slot: only the watchdog can help, and there must be one.
#[test]
fn slot_vs_watchdog() {
    model("slot_vs_watchdog", Bound::Preemptions(2), 69_000, || {
        let (pool, threads) = Pool::start(2, 2, |pool, me, task| {
            if task == 1 {
                pool.put(me, 2);
                pool.wait_for_the_other();
            }
        });
        pool.submit(1);
        end(threads);
    });
}

/// Two end their searches, each with a task more than it has said: the last one to end sees both.
#[test]
fn found_vs_found() {
    model("found_vs_found", Bound::Unbounded, 2, || {
        let idle = Arc::new(Idle::new(4, Duration::from_millis(5)));
        let moved = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let searcher = |me: usize| {
            let (idle, moved) = (idle.clone(), moved.clone());
            move || {
                // Relaxed, as the look at it: it is the end of the search that has to hand it on.
                moved[me].store(1, Ordering::Relaxed);
                let last = idle.found() == Found::Last;
                last.then(|| moved.iter().map(|queue| queue.load(Ordering::Relaxed)).sum::<usize>())
            }
        };
        assert!(idle.try_search() && idle.try_search());
        let other = spawn(searcher(0));
        let seen = [searcher(1)(), other.join().unwrap()];
        assert!(matches!(seen, [Some(2), None] | [None, Some(2)]), "{seen:?}");
    });
}

/// Somebody is stuck at every look, with a backlog that only a watchdog can help.
struct AllStuck;

impl Outlook for AllStuck {
    fn has_work(&mut self) -> bool {
        false
    }

    fn watch(&mut self) -> Seen {
        Seen::Stuck
    }
}

/// Of four workers two are stuck; the watchdog leaves its post to help one of them, and is stuck itself until the other is
/// helped too: the one who still sleeps has taken the post.
#[test]
fn watchdog_leaves_vs_sleep() {
    model("watchdog_leaves_vs_sleep", Bound::Preemptions(3), 420, || {
        let idle = Arc::new(Idle::new(4, Duration::from_millis(5)));
        let helped = Arc::new(AtomicUsize::new(0));
        let threads = (0..2)
            .map(|me| {
                let (idle, helped) = (idle.clone(), helped.clone());
                let sleeper = move || {
                    idle.register(me);
                    assert_eq!(idle.sleep(me, false, &mut AllStuck), Woken::Watchdog);
                    helped.fetch_add(1, Ordering::Relaxed);
                    while helped.load(Ordering::Relaxed) < 2 {
                        thread::yield_now();
                    }
                    let _ = idle.found();
                };
                thread::spawn(format!("worker {me}"), None, sleeper).unwrap()
            })
            .collect();
        end(threads);
    });
}

/// Closing while workers fall asleep: all end.
#[test]
fn close_vs_sleep() {
    model("close_vs_sleep", Bound::Preemptions(2), 7_700, || {
        let (pool, threads) = Pool::start(2, 1, |_, _, _| {});
        pool.idle.close();
        end(threads);
    });
}
