//! The scheduler with boxed closures for tasks. Waiting is on channels, with a limit that only a
//! hang would meet.

use core::ptr::NonNull;
use core::time::Duration;
use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use super::{Around, Config, Scheduler, Task, WATCH_PERIOD};

const LIMIT: Duration = Duration::from_secs(30);

type Turn = Box<dyn FnMut() -> bool + Send>;

/// `true` from the closure: again.
struct Job(Option<Box<Turn>>);

impl Job {
    fn new(turn: impl FnMut() -> bool + Send + 'static) -> Self {
        Self(Some(Box::new(Box::new(turn))))
    }

    fn once(turn: impl FnOnce() + Send + 'static) -> Self {
        let mut turn = Some(turn);
        Self::new(move || {
            turn.take().expect("a job that runs once")();
            false
        })
    }
}

// SAFETY: a boxed box is one pointer, and made into itself again.
unsafe impl Task for Job {
    fn run(mut self) -> Option<Self> {
        self.0.as_mut().expect("a whole job")().then_some(self)
    }

    fn into_raw(mut self) -> NonNull<()> {
        NonNull::from(Box::leak(self.0.take().expect("a whole job"))).cast()
    }

    unsafe fn from_raw(raw: NonNull<()>) -> Self {
        // SAFETY: made by `into_raw`, by the caller's promise.
        Self(Some(unsafe { Box::from_raw(raw.cast::<Turn>().as_ptr()) }))
    }
}

type Jobs = Scheduler<Job>;

fn config(workers: usize) -> Config {
    Config { workers, name: "test".into(), stack_size: None, clock: None, around: Around::default() }
}

fn start(workers: usize) -> Arc<Jobs> {
    Scheduler::start(config(workers)).expect("threads")
}

fn end(scheduler: &Jobs) {
    scheduler.stop();
    assert!(scheduler.join(Some(LIMIT)), "the workers end");
}

fn here() -> Arc<Jobs> {
    Scheduler::current_of().expect("on a worker")
}

fn get<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(LIMIT).expect("not in time")
}

/// Tells when the last of its clones is gone.
#[derive(Clone)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn runs_all_from_outside() {
    for workers in [1, 2, 5] {
        let (scheduler, (sender, receiver)) = (start(workers), channel());
        for n in 0..10_000 {
            let sender = sender.clone();
            scheduler.schedule(Job::once(move || sender.send(n).unwrap()));
        }
        let seen: HashSet<i32> = (0..10_000).map(|_| get(&receiver)).collect();
        assert_eq!(seen.len(), 10_000);
        end(&scheduler);
    }
}

#[test]
fn runs_all_from_within() {
    fn fork(depth: u32, done: Sender<()>) {
        if depth == 0 {
            return done.send(()).unwrap();
        }
        for _ in 0..2 {
            let done = done.clone();
            here().schedule(Job::once(move || fork(depth - 1, done)));
        }
    }
    for workers in [1, 2, 4] {
        let (scheduler, (sender, receiver)) = (start(workers), channel());
        scheduler.schedule(Job::once(move || fork(12, sender)));
        (0..1 << 12).for_each(|_| get(&receiver));
        end(&scheduler);
    }
}

/// Until all workers sleep.
fn until_idle(scheduler: &Jobs) {
    let asleep = format!("sleeping: {}, searching: 0", scheduler.remotes.len());
    let end = Instant::now() + LIMIT;
    while !format!("{:?}", scheduler.idle).contains(&asleep) {
        assert!(Instant::now() < end, "{:?} never becomes {asleep}", scheduler.idle);
        thread::yield_now();
    }
}

/// One task at a time, with the workers falling asleep in between: a lost wake-up hangs.
#[test]
fn no_wake_up_is_lost() {
    for workers in [1, 2, 3] {
        let (scheduler, (sender, receiver)) = (start(workers), channel());
        for round in 0..2_000_u32 {
            let sender = sender.clone();
            scheduler.schedule(Job::once(move || sender.send(round).unwrap()));
            assert_eq!(get(&receiver), round);
            if round % 20 == 0 {
                until_idle(&scheduler);
            } else {
                (0..round % 700).for_each(|_| core::hint::spin_loop());
            }
        }
        end(&scheduler);
    }
}

#[test]
fn many_submitters() {
    let (scheduler, (sender, receiver)) = (start(3), channel());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..5_000 {
                    let sender = sender.clone();
                    scheduler.schedule(Job::once(move || {
                        let job = Job::once(move || sender.send(()).unwrap());
                        if n % 2 == 0 { here().schedule(job) } else { here().schedule_back(job) }
                    }));
                }
            });
        }
    });
    (0..20_000).for_each(|_| get(&receiver));
    end(&scheduler);
}

#[test]
fn a_chain_stays_on_one_worker() {
    fn hop(left: u32, mut path: Vec<thread::ThreadId>, done: Sender<Vec<thread::ThreadId>>) {
        let id = thread::current().id();
        if path.last() != Some(&id) {
            path.push(id);
        }
        if left == 0 {
            return done.send(path).unwrap();
        }
        here().schedule(Job::once(move || hop(left - 1, path, done)));
    }
    let (scheduler, (sender, receiver)) = (start(4), channel());
    let begun = Instant::now();
    scheduler.schedule(Job::once(move || hop(4_000_000, Vec::new(), sender)));
    let moves = get(&receiver).len() as u128;
    // Only the watchdog moves it, when the system has held a worker up for a whole period in the middle of a hop.
    let most = 1 + begun.elapsed().as_nanos() / WATCH_PERIOD.as_nanos();
    assert!(moves <= most, "moved {moves} times, and {most} periods have passed");
    end(&scheduler);
}

/// The slot of a worker whose handler never ends is emptied by the watchdog, its queue by any thief.
#[test]
fn a_stuck_worker_starves_nobody() {
    for workers in [2, 3, 4] {
        let (scheduler, (sender, receiver)) = (start(workers), channel());
        for round in 0..20 {
            let (freed, stuck) = channel();
            let sender = sender.clone();
            scheduler.schedule(Job::once(move || {
                let job = Job::once(move || freed.send(()).unwrap());
                if round % 2 == 0 {
                    here().schedule(job)
                } else {
                    here().schedule_back(job)
                }
                get(&stuck);
                sender.send(round).unwrap();
            }));
            assert_eq!(get(&receiver), round);
        }
        end(&scheduler);
    }
}

#[test]
fn all_but_the_stuck_workers_go_on() {
    let (scheduler, (sender, receiver)) = (start(4), channel());
    let mut gates = Vec::new();
    for _ in 0..3 {
        let (gate, closed) = channel::<()>();
        let (entered, inside) = channel();
        gates.push(gate);
        scheduler.schedule(Job::once(move || {
            entered.send(()).unwrap();
            closed.recv().unwrap_err();
        }));
        get(&inside);
    }
    for n in 0..1_000 {
        let sender = sender.clone();
        scheduler.schedule(Job::once(move || {
            here().schedule(Job::once(move || sender.send(n).unwrap()));
        }));
    }
    (0..1_000).for_each(|_| _ = get(&receiver));
    drop(gates);
    end(&scheduler);
}

/// One worker: an endless chain in its slot, a task that always has more to do, and one from outside.
#[test]
fn one_worker_is_fair() {
    fn endless(scheduler: &Jobs) {
        scheduler.schedule(Job::once(|| endless(&here())));
    }
    let (scheduler, (sender, receiver)) = (start(1), channel());
    endless(&scheduler);
    let mut left = 100;
    let yields = sender.clone();
    scheduler.schedule(Job::new(move || {
        yields.send(left).unwrap();
        left -= 1;
        left > 0
    }));
    assert_eq!((0..100).map(|_| get(&receiver)).sum::<i32>(), 5_050);
    scheduler.schedule(Job::once(move || sender.send(-1).unwrap()));
    assert_eq!(get(&receiver), -1);
    end(&scheduler);
}

#[test]
fn an_idle_scheduler_has_no_watchdog() {
    for workers in [1, 2, 4] {
        let (scheduler, (sender, receiver)) = (start(workers), channel());
        for _ in 0..100 {
            let sender = sender.clone();
            scheduler.schedule(Job::once(move || {
                here().schedule(Job::once(move || sender.send(()).unwrap()));
            }));
        }
        (0..100).for_each(|_| get(&receiver));
        let quiet = format!("watchdog: None, sleeping: {workers}, searching: 0");
        let mut waits = 0;
        while !format!("{:?}", scheduler.idle).contains(&quiet) {
            waits += 1;
            assert!(waits < 3_000, "{:?} never becomes {quiet}", scheduler.idle);
            thread::park_timeout(Duration::from_millis(10));
        }
        end(&scheduler);
    }
}

#[test]
fn what_is_left_is_dropped() {
    let (scheduler, (gate, closed)) = (start(2), channel::<()>());
    let dropped = Arc::new(AtomicUsize::new(0));
    let (entered, inside) = channel();
    let closed = Arc::new(Mutex::new(closed));
    for _ in 0..2 {
        let (entered, closed, count) = (entered.clone(), closed.clone(), dropped.clone());
        scheduler.schedule(Job::once(move || {
            for n in 0..10 {
                let counted = Counted(count.clone());
                let job = Job::once(move || drop(counted));
                if n % 2 == 0 { here().schedule(job) } else { here().schedule_back(job) }
            }
            entered.send(()).unwrap();
            let _ = closed.lock().unwrap().recv();
        }));
        get(&inside);
    }
    for _ in 0..10 {
        let counted = Counted(dropped.clone());
        scheduler.schedule(Job::once(move || drop(counted)));
    }
    scheduler.stop();
    scheduler.stop();
    assert!(!scheduler.join(Some(Duration::from_millis(1))), "both are held");
    drop(gate);
    assert!(scheduler.join(Some(LIMIT)));
    assert!(scheduler.join(None), "again");
    assert_eq!(dropped.load(SeqCst), 30);
    let counted = Counted(dropped.clone());
    scheduler.schedule(Job::once(move || drop(counted)));
    assert_eq!(dropped.load(SeqCst), 31, "too late: dropped at once");
}

/// Queues another such when dropped.
struct Heir(Arc<Jobs>, usize, Counted);

impl Drop for Heir {
    fn drop(&mut self) {
        if self.1 > 0 {
            let heir = Heir(self.0.clone(), self.1 - 1, Counted(self.2.0.clone()));
            self.0.schedule(Job::once(move || drop(heir)));
        }
    }
}

#[test]
fn drops_that_queue_do_not_pile_up() {
    let (scheduler, dropped) = (start(1), Arc::new(AtomicUsize::new(0)));
    end(&scheduler);
    let heir = Heir(scheduler.clone(), 100_000, Counted(dropped.clone()));
    scheduler.schedule(Job::once(move || drop(heir)));
    assert_eq!(dropped.load(SeqCst), 100_001);
    assert_eq!(Arc::strong_count(&scheduler), 1, "nothing keeps a stopped scheduler");
}

#[test]
fn leftovers_that_queue_are_dropped_by_the_worker() {
    let (scheduler, dropped) = (start(1), Arc::new(AtomicUsize::new(0)));
    let heir = Heir(scheduler.clone(), 1_000, Counted(dropped.clone()));
    scheduler.schedule(Job::once(move || {
        here().stop();
        here().schedule(Job::once(move || drop(heir)));
    }));
    assert!(scheduler.join(Some(LIMIT)));
    assert_eq!(dropped.load(SeqCst), 1_001);
}

#[test]
fn a_worker_does_not_wait_for_itself() {
    let (scheduler, (sender, receiver)) = (start(2), channel());
    scheduler.schedule(Job::once(move || {
        here().stop();
        sender.send(here().join(None)).unwrap();
    }));
    assert!(!get(&receiver));
    assert!(scheduler.join(Some(LIMIT)));
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("planted: drop");
        }
    }
}

#[test]
fn a_worker_survives_a_panic() {
    let (scheduler, (sender, receiver)) = (start(1), channel());
    for _ in 0..3 {
        let sender = sender.clone();
        scheduler.schedule(Job::once(|| panic!("planted: turn")));
        scheduler.schedule(Job::once(|| std::panic::panic_any(PanicsInDrop)));
        scheduler.schedule(Job::once(move || sender.send(()).unwrap()));
        get(&receiver);
    }
    let planted = PanicsInDrop;
    scheduler.schedule(Job::once(move || {
        here().stop();
        here().schedule(Job::once(move || drop(planted)));
    }));
    assert!(scheduler.join(Some(LIMIT)), "a panic while leftovers are dropped");
}

#[test]
fn each_thread_knows_its_scheduler() {
    let (one, two, (sender, receiver)) = (start(1), start(1), channel());
    assert!(Jobs::current_of().is_none() && !one.is_current());
    let other = two.clone();
    one.schedule(Job::once(move || {
        let own = here();
        assert!(super::Scheduler::current().is_none(), "of another kind of task");
        sender.send((own.is_current(), other.is_current())).unwrap();
        // To the other's injector, not into our slot.
        other.schedule(Job::once(move || sender.send((own.is_current(), true)).unwrap()));
    }));
    assert_eq!(get(&receiver), (true, false));
    assert_eq!(get(&receiver), (false, true));
    end(&one);
    end(&two);
}

#[test]
fn start_reports_errors() {
    let config = Config { stack_size: Some(1 << 46), ..config(2) };
    assert!(Jobs::start(config.clone()).is_err(), "a stack larger than any memory");
    let error = Jobs::start(Config { workers: 1 << 20, ..config }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn workers_are_named() {
    let (scheduler, (sender, receiver)) = (start(1), channel());
    scheduler.schedule(Job::once(move || {
        sender.send(thread::current().name().map(String::from)).unwrap();
    }));
    assert_eq!(get(&receiver).as_deref(), Some("test-0"));
    end(&scheduler);
}
