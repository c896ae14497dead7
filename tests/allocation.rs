#![cfg(not(loom))]
//! What is allocated, when, and what is given back: counted by an allocator of our own, in one test, since the count is
//! the whole process's.
//!
//! The figures below are bounds that hold whatever the timing, and are tight: most are met exactly. "On a worker" and "here"
//! tell apart which thread allocates. Blocks of up to 1 KiB (messages, requests, futures, monitors, actors) come from
//! piles that each thread keeps, so what one thread both takes and gives back costs nothing in the steady state. What one thread
//! takes and another gives back goes around in batches, as far as the one keeps up with the other; at worst it costs one
//! allocation each.
//!
//! Known exceptions, each counted here:
//!
//! - the epoch allocates a bag of about 2 KiB for every 63 blocks that are retired (`BAG`);
//! - what wakes an idle actor from outside its runtime passes a queue that allocates for every 31 wake-ups (`INJECTOR`);
//! - a watcher's table grows by a power of two at a time (`table`).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use deathwatch::{Demonitor, ManualClock, Missed, Monitors, Runtime, census, prelude::*};

/// Retired blocks per allocation of the epoch: a bag takes 64, one of which is the block of an older bag.
const BAG: usize = 63;
/// Wake-ups from outside per allocation of the runtime's injection queue.
const INJECTOR: usize = 31;
/// Bytes of one monitor: the entry that joins both sides.
const ENTRY: usize = 72;

struct Counting;

static HERE: AtomicUsize = AtomicUsize::new(0);
static ELSEWHERE: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static IS_HERE: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: hands on to the system's allocator; the counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let here = IS_HERE.try_with(Cell::get).unwrap_or(false);
        if here { &HERE } else { &ELSEWHERE }.fetch_add(1, Relaxed);
        LIVE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread allocates in `f`, and how often the others do meanwhile.
fn allocations<R>(f: impl FnOnce() -> R) -> (usize, usize) {
    let before = (HERE.load(Relaxed), ELSEWHERE.load(Relaxed));
    drop(f());
    (HERE.load(Relaxed) - before.0, ELSEWHERE.load(Relaxed) - before.1)
}

fn live() -> usize {
    LIVE.load(Relaxed)
}

#[track_caller]
fn at_most(what: &str, is: usize, bound: usize) {
    println!("{what}: {is} (at most {bound})");
    assert!(is <= bound, "{what}: {is}, more than {bound}");
}

/// What the table of a watcher with `n` monitors is made of, beside the entries: blocks, and their bytes. That is the map,
/// and from three entries on the directory and a block for each range of buckets, the ranges being 1, 2 and 3, 4 to 7 and so
/// on. There is a bucket for every one or two entries.
fn table(n: usize) -> (usize, usize) {
    let buckets = n.div_ceil(2).next_power_of_two();
    if buckets < 2 {
        return (1, 40);
    }
    (2 + buckets.ilog2() as usize, 40 + 8 * 24 + 16 * (buckets - 1))
}

/// Waits without sleeping or allocating.
fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        thread::yield_now();
    }
}

struct Idle;
impl Actor for Idle {}

/// Runs what it is sent, in its own turn.
struct Host;
impl Actor for Host {}
struct Run<F>(F);
impl<F: Send + 'static> Message for Run<F> {
    type Reply = ();
}
impl<F, G> Handler<Run<F>> for Host
where
    F: FnOnce(Context<Host>) -> G + Send + 'static,
    G: Future<Output = ()> + Send,
{
    async fn handle(&mut self, Run(run): Run<F>, ctx: &Context<Self>) {
        run(ctx.clone()).await;
    }
}
static DOWNS: AtomicUsize = AtomicUsize::new(0);
impl Handler<Down> for Host {
    async fn handle(&mut self, _: Down, _: &Context<Self>) {
        DOWNS.fetch_add(1, Relaxed);
    }
}

static TICKS: AtomicUsize = AtomicUsize::new(0);
struct Tick([u64; 4]);
impl Message for Tick {
    type Reply = ();
}
impl Handler<Tick> for Host {
    async fn handle(&mut self, Tick(numbers): Tick, _: &Context<Self>) {
        assert_eq!(numbers, [7; 4]);
        TICKS.fetch_add(1, Relaxed);
    }
}

/// Adds up, in handlers of three kinds.
struct Sum(u64);
impl Actor for Sum {}
struct Add(u64);
impl Message for Add {
    type Reply = u64;
}
impl Handler<Add> for Sum {
    async fn handle(&mut self, Add(n): Add, _: &Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}
struct AddLater(u64);
impl Message for AddLater {
    type Reply = u64;
}
impl Handler<AddLater> for Sum {
    async fn handle(&mut self, AddLater(n): AddLater, _: &Context<Self>) -> u64 {
        let kept = [n; 32];
        yield_once().await;
        self.0 += kept[n as usize % 32];
        self.0
    }
}
struct AddLarge(u64);
impl Message for AddLarge {
    type Reply = u64;
}
impl Handler<AddLarge> for Sum {
    async fn handle(&mut self, AddLarge(n): AddLarge, _: &Context<Self>) -> u64 {
        let kept = [n; 256];
        yield_once().await;
        self.0 += kept[n as usize % 256];
        self.0
    }
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Has the host run `f` to its end.
fn run<F, G>(host: &ActorRef<Host>, f: F)
where
    F: FnOnce(Context<Host>) -> G + Send + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    host.request(Run(f)).no_timeout().wait().expect("the host lives");
}

fn one_worker() -> Runtime {
    Runtime::builder().workers(1).build().expect("a runtime")
}

#[test]
fn everything() {
    IS_HERE.set(true);
    messages();
    requests();
    monitors();
    timers();
    exits();
    bytes();
    back_to_baseline();
}

fn messages() {
    const N: usize = 64 * 200;
    let runtime = one_worker();
    let sum = runtime.start(Sum(0)).expect("starts");
    let host = runtime.start(Host).expect("starts");
    fn burst<M: Message<Reply = u64>>(make: fn(u64) -> M) -> impl FnOnce(&ActorRef<Host>, &ActorRef<Sum>)
    where
        Sum: Handler<M>,
    {
        move |host, sum| {
            let sum = sum.clone();
            run(host, move |_| async move {
                for _ in 0..N / 64 {
                    (0..64).for_each(|n| sum.send(make(n)).expect("it lives"));
                    sum.request(make(0)).no_timeout().await.expect("it lives");
                }
            });
        }
    }
    let warm = |what: &str, burst: fn(&ActorRef<Host>, &ActorRef<Sum>), bound: usize| {
        burst(&host, &sum);
        let (_, on_worker) = allocations(|| burst(&host, &sum));
        at_most(what, on_worker, bound);
    };
    warm("messages between actors of one worker", |host, sum| burst(Add)(host, sum), 0);
    warm("the same with handlers that await", |host, sum| burst(AddLater)(host, sum), 0);
    // A future of more than 1 KiB is not kept: one allocation each, the request's included.
    warm("the same with futures of 2 KiB", |host, sum| burst(AddLarge)(host, sum), N + N / 64);

    let send = || (0..N).for_each(|n| sum.send(Add(n as u64)).expect("it lives"));
    send();
    let (here, on_worker) = allocations(send);
    at_most("messages from a plain thread, here", here, N + N / INJECTOR + 1);
    at_most("messages from a plain thread, on the worker", on_worker, 0);

    // While nobody handles them they share blocks, a hundred and more of these in each.
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (entered, inside) = std::sync::mpsc::channel();
    let hold = move |_| async move {
        let _ = entered.send(());
        let _ = gate.recv();
    };
    host.send(Run(hold)).map_err(|_| ()).expect("it lives");
    inside.recv().expect("it begins");
    let (here, _) = allocations(send);
    at_most("messages that nobody handles, here", here, N / 100 + 8);
    drop(open);
}

fn requests() {
    const N: usize = 10_000;
    let runtime = one_worker();
    let sum = runtime.start(Sum(0)).expect("starts");
    let host = runtime.start(Host).expect("starts");
    let ask = |limited: bool| {
        let sum = sum.clone();
        run(&host, move |_| async move {
            for n in 0..N {
                let request = sum.request(Add(n as u64));
                let request = if limited { request } else { request.no_timeout() };
                request.await.expect("it lives");
            }
        });
    };
    ask(false);
    at_most("requests awaited, no time limit", allocations(|| ask(false)).1, 0);
    ask(true);
    // The clock's thread gives their blocks back. 8: its heap of alarms may grow.
    at_most("requests awaited, with a time limit", allocations(|| ask(true)).1, N + 8);

    let wait = || (0..N).for_each(|n| assert!(sum.request(Add(n as u64)).wait().is_ok()));
    wait();
    let (here, on_worker) = allocations(wait);
    at_most("requests from a plain thread, here", here, N + N / INJECTOR + 1);
    at_most("requests from a plain thread, on the worker", on_worker, 0);
}

fn monitors() {
    let runtime = one_worker();
    let target = runtime.start(Idle).expect("starts");
    for n in [1, 8, 9, 1_000, 100_000] {
        // On a thread of its own, whose lists are empty: every entry is a fresh one.
        thread::scope(|scope| {
            scope.spawn(|| {
                IS_HERE.set(true);
                let mut monitors = Monitors::new();
                let mut refs = Vec::with_capacity(n);
                let (here, _) = allocations(|| refs.extend((0..n).map(|_| monitors.monitor(&target))));
                // The first use of the epoch on this thread registers the thread: one more.
                at_most(&format!("{n} monitors"), here, n + table(n).0 + 1);
                let (here, _) = allocations(|| {
                    for monitor in refs {
                        assert!(matches!(monitors.demonitor(monitor), Demonitor::Cancelled));
                    }
                });
                // The last one gives a table of more than eight buckets back, through the epoch too.
                at_most(&format!("{n} demonitors"), here, (n + 1).div_ceil(BAG));
            });
        });
    }

    const PAIRS: usize = 100_000;
    let mut monitors = Monitors::new();
    let mut pairs = || {
        for _ in 0..PAIRS {
            let monitor = monitors.monitor(&target);
            assert!(matches!(monitors.demonitor(monitor), Demonitor::Cancelled));
        }
    };
    pairs();
    // Each pair retires an entry, and the next one is made of one that was retired before, but for about one in 4,000:
    // the epoch frees eight bags at a time, a few more entries than the thread keeps.
    at_most("monitor and demonitor, pairs", allocations(pairs).0, PAIRS / BAG + PAIRS / 2_000);
}

/// One block for a timer: none for its message, nor for its ringing, nor for each further ringing of an interval. By a clock
/// that is moved from here, whose map of deadlines is allocated here then.
fn timers() {
    const N: usize = 1_000;
    let clock = ManualClock::new();
    let runtime = Runtime::builder().workers(1).clock(&clock).build().expect("a runtime");
    let host = runtime.start(Host).expect("starts");
    let second = Duration::from_secs(1);
    let set = allocations(|| {
        run(&host, async move |ctx| {
            for _ in 0..N {
                ctx.send_after(second, Tick([7; 4]));
            }
        });
    });
    at_most("timers set, on the worker", set.1, N + 8);
    let rung = allocations(|| {
        clock.advance(second);
        until(|| TICKS.load(Relaxed) == N);
    });
    at_most("timers rung, here", rung.0, N / 4);
    at_most("timers rung, on the worker", rung.1, N.div_ceil(BAG) + 8);
    run(&host, async move |ctx| {
        ctx.send_interval(second, || Tick([7; 4]), Missed::CatchUp);
    });
    let rung = allocations(|| {
        for n in N..2 * N {
            clock.advance(second);
            until(|| TICKS.load(Relaxed) == n + 1);
        }
    });
    at_most("ringings of an interval", rung.1, N.div_ceil(INJECTOR) + 8);
}

/// The exit of a target: counted from the stop until it is gone completely. Watchers are plain, so that nothing but the
/// exit happens on the worker meanwhile; handling is counted after.
fn exits() {
    let runtime = one_worker();
    // The worker's first exit registers it with the epoch and makes its lists.
    drop(runtime.start(Idle).expect("starts"));
    until(|| runtime.live_actors() == 0);
    for (watchers, each) in [(1, 1), (1, 1_000), (1_000, 1), (1, 1_000_000), (1_000, 1_000)] {
        let target = runtime.start(Idle).expect("starts");
        let mut all: Vec<_> = (0..watchers).map(|_| Monitors::new()).collect();
        for monitors in &mut all {
            (0..each).for_each(|_| {
                monitors.monitor(&target);
            });
        }
        let (_, on_worker) = allocations(|| {
            target.stop();
            until(|| runtime.live_actors() == 0);
        });
        // What an exit retires, whatever the number of watchers: its tie to the runtime. So one in 64 makes a bag.
        at_most(&format!("exit told to {watchers} watchers by {each} Downs"), on_worker, 1);
        let told = watchers * each;
        let mut downs = 0;
        let (here, _) = allocations(|| {
            for monitors in &mut all {
                downs += std::iter::from_fn(|| monitors.try_recv()).count();
            }
        });
        assert_eq!(downs, told);
        // Each entry is retired as it is handled, and each table that grew.
        at_most(&format!("{downs} Downs handled"), here, (told + watchers).div_ceil(BAG));
    }

    // Watchers that are actors, woken and queued by the exit.
    let hosts: Vec<_> = (0..1_000).map(|_| runtime.start(Host).expect("starts")).collect();
    for round in 0..3 {
        let target = runtime.start(Idle).expect("starts");
        for host in &hosts {
            let target = target.clone();
            run(host, move |ctx| async move {
                ctx.monitor(&target);
            });
        }
        let before = DOWNS.load(Relaxed);
        let (_, on_worker) = allocations(|| {
            target.stop();
            until(|| DOWNS.load(Relaxed) == before + hosts.len());
        });
        if round > 0 {
            // Handling retires one entry each. The worker's queue (crossbeam's deque) is doubled four times for so many
            // at once and halved four times after, at three allocations each.
            at_most("exit and 1000 Downs handled by actors", on_worker, 1_000 / BAG + 1 + 2 * 4 * 3);
        }
    }
}

fn bytes() {
    const ACTORS: usize = 10_000;
    let runtime = one_worker();
    let mut actors = Vec::with_capacity(ACTORS);
    let before = live();
    actors.extend((0..ACTORS).map(|_| runtime.start(Sum(0)).expect("starts")));
    // The worker takes them in order, so when the last answers, all have started.
    actors[ACTORS - 1].request(Add(0)).wait().expect("it lives");
    // The cell, its life, and the entry that ties it to its runtime.
    at_most("bytes of an idle actor", (live() - before) / ACTORS, 400);

    for n in [1, 10, 1_000, 100_000] {
        // On a thread of its own, whose lists are empty.
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut monitors = Monitors::new();
                census::flush();
                let before = live();
                (0..n).for_each(|_| {
                    monitors.monitor(&actors[0]);
                });
                let bytes = live() - before;
                println!("bytes of a monitor, one of {n}: {}", bytes / n);
                at_most(&format!("bytes of {n} monitors"), bytes, n * ENTRY + table(n).1);
            });
        });
    }
}

/// R46 and R47: a million short-lived watchers of one target, and a million short-lived targets of one watcher, leave
/// nothing but what the list and the epoch may hold back.
fn back_to_baseline() {
    const LIVES: usize = 1_000_000;
    /// What starts the next sweep of the target's list, and as much as one thread's piles of free entries and the depot hold,
    /// which the epoch fills as it gets round to it. It does not grow with the number of lives.
    const LAG: usize = 64 * ENTRY + 32 * 1024;
    let runtime = one_worker();
    let target = runtime.start(Idle).expect("starts");
    let mut settled = 0;
    for round in 0..2 {
        for _ in 0..LIVES / 2 {
            Monitors::new().monitor(&target);
        }
        (0..64).for_each(|_| census::flush());
        match round {
            0 => settled = live(),
            _ => at_most("bytes left of 500,000 more watchers", live().saturating_sub(settled), LAG),
        }
    }
    let mut monitors = Monitors::new();
    for round in 0..2 {
        for _ in 0..LIVES / 1_000 / 2 {
            let brief: Vec<_> = (0..1_000).map(|_| runtime.start(Idle).expect("starts")).collect();
            brief.iter().for_each(|target| {
                monitors.monitor(target);
            });
            brief.iter().for_each(ActorRef::kill);
            assert_eq!((0..1_000).filter_map(|_| monitors.recv()).count(), 1_000);
        }
        (0..64).for_each(|_| census::flush());
        match round {
            0 => settled = live(),
            _ => at_most("bytes left of 500,000 more targets", live().saturating_sub(settled), LAG),
        }
    }
    drop(monitors);

    // Dead watchers beside live ones: at most as many entries as are live stay behind, 72 bytes each.
    const STAY: usize = 1_000;
    let alive = || census::alive(census::Kind::Entry).unwrap_or(0);
    (0..64).for_each(|_| census::flush());
    let before = alive();
    let mut monitors = Monitors::new();
    for _ in 0..STAY {
        monitors.monitor(&target);
    }
    (0..100_000).for_each(|_| {
        Monitors::new().monitor(&target);
    });
    (0..64).for_each(|_| census::flush());
    at_most("entries of 1,000 live watchers and 100,000 dead ones", alive() - before, 2 * STAY);
}
