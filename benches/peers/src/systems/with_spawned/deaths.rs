//! Rows M.

use std::time::{Duration, Instant};

use spawned_concurrency::message::Message;
use spawned_concurrency::tasks::{Actor, ActorRef, ActorStart as _, Context, Handler, send_message_on};
use spawned_concurrency::threads;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::counting::live;
use crate::rows::{M1_WINDOW, M2B_WATCHERS, M4_WINDOW, M5_TARGETS};
use crate::tools::{HitOnDrop, Latch, Measured, Outcome, nanos_each, threads as os_threads, time};

struct Idle;
impl Actor for Idle {}

struct Told;
impl Message for Told {
    type Result = ();
}

fn monitor<A: Handler<Told>>(ctx: &Context<A>, target: &ActorRef<Idle>) -> JoinHandle<()> {
    let target = target.clone();
    send_message_on(ctx.clone(), async move { target.join().await }, Told)
}

#[derive(Default)]
struct Watcher {
    left: u64,
    latch: Option<Latch>,
}
impl Actor for Watcher {}
impl Handler<Told> for Watcher {
    async fn handle(&mut self, _: Told, _: &Context<Self>) {
        self.left -= 1;
        if let (0, Some(latch)) = (self.left, &self.latch) {
            latch.hit();
        }
    }
}

struct Monitor {
    target: ActorRef<Idle>,
    times: u64,
    latch: Latch,
    done: Latch,
}
impl Message for Monitor {
    type Result = ();
}
impl Handler<Monitor> for Watcher {
    async fn handle(&mut self, order: Monitor, ctx: &Context<Self>) {
        self.left += order.times;
        self.latch = Some(order.latch);
        for _ in 0..order.times {
            monitor(ctx, &order.target);
        }
        order.done.hit();
    }
}

struct Churn {
    target: ActorRef<Idle>,
    pairs: u64,
    done: Latch,
}
impl Message for Churn {
    type Result = ();
}
impl Handler<Churn> for Watcher {
    async fn handle(&mut self, Churn { target, pairs, done }: Churn, ctx: &Context<Self>) {
        for _ in 0..pairs {
            monitor(ctx, &target).abort();
        }
        done.hit();
    }
}

struct OldestFirst {
    target: ActorRef<Idle>,
    times: u64,
}
impl Message for OldestFirst {
    type Result = Duration;
}
impl Handler<OldestFirst> for Watcher {
    async fn handle(&mut self, OldestFirst { target, times }: OldestFirst, ctx: &Context<Self>) -> Duration {
        let monitors: Vec<_> = (0..times).map(|_| monitor(ctx, &target)).collect();
        let start = Instant::now();
        for monitor in monitors {
            monitor.abort();
        }
        start.elapsed()
    }
}

/// M1.
struct Starter {
    to_start: u64,
    to_die: u64,
    latch: Latch,
}
impl Starter {
    fn start_one(&mut self, ctx: &Context<Self>) {
        if self.to_start > 0 {
            self.to_start -= 1;
            let child = Idle.start();
            monitor(ctx, &child);
            child.context().stop();
        }
    }
}
impl Actor for Starter {
    async fn started(&mut self, ctx: &Context<Self>) {
        for _ in 0..M1_WINDOW {
            self.start_one(ctx);
        }
    }
}
impl Handler<Told> for Starter {
    async fn handle(&mut self, _: Told, ctx: &Context<Self>) {
        self.to_die -= 1;
        self.start_one(ctx);
        if self.to_die == 0 {
            self.latch.hit();
        }
    }
}

/// M4: monitors the target and dies before it.
struct Brief {
    target: ActorRef<Idle>,
    _end: HitOnDrop,
}
impl Actor for Brief {
    async fn started(&mut self, ctx: &Context<Self>) {
        monitor(ctx, &self.target);
        ctx.stop();
    }
}
impl Handler<Told> for Brief {
    async fn handle(&mut self, _: Told, _: &Context<Self>) {
        unreachable!("the target lives");
    }
}

/// M5: all with threads.
struct OnThread;
impl threads::Actor for OnThread {}
struct WatcherOnThread;
impl threads::Actor for WatcherOnThread {}
impl threads::Handler<Told> for WatcherOnThread {
    fn handle(&mut self, _: Told, _: &threads::Context<Self>) {}
}
struct MonitorAll(Vec<threads::ActorRef<OnThread>>, u64);
impl Message for MonitorAll {
    type Result = ();
}
impl threads::Handler<MonitorAll> for WatcherOnThread {
    fn handle(&mut self, MonitorAll(targets, times): MonitorAll, ctx: &threads::Context<Self>) {
        for target in targets {
            for _ in 0..times {
                let target = target.clone();
                threads::send_message_on(ctx.clone(), move || target.join(), Told);
            }
        }
    }
}

fn all_told(watchers: u64, each: u64) -> Outcome {
    let target = Idle.start();
    let (told, ready) = (Latch::new(watchers), Latch::new(watchers));
    for _ in 0..watchers {
        let (target, latch, done) = (target.clone(), told.clone(), ready.clone());
        Watcher::default().start().send(Monitor { target, times: each, latch, done }).expect("it lives");
    }
    ready.wait();
    Outcome::rate(
        watchers * each,
        time(|| {
            target.context().stop();
            told.wait();
        }),
    )
}

fn churn(target: &ActorRef<Idle>, watchers: u64, pairs: u64) -> Duration {
    let all: Vec<_> = (0..watchers).map(|_| Watcher::default().start()).collect();
    let done = Latch::new(watchers);
    time(|| {
        for watcher in &all {
            let order = Churn { target: target.clone(), pairs: pairs / watchers, done: done.clone() };
            watcher.send(order).expect("it lives");
        }
        done.wait();
    })
}

fn monitor_all(watcher: &ActorRef<Watcher>, targets: &[ActorRef<Idle>], times: u64) {
    let done = Latch::new(targets.len() as u64);
    for target in targets {
        let (target, latch, done) = (target.clone(), Latch::new(1), done.clone());
        watcher.send(Monitor { target, times, latch, done }).expect("it lives");
    }
    done.wait();
}

pub fn run(runtime: &'static Runtime, row: &str, n: u64) -> Measured {
    let oldest_first = |watcher: &ActorRef<Watcher>, target: &ActorRef<Idle>, times| {
        let target = target.clone();
        let limit = Duration::from_secs(600);
        let asked = watcher.request_with_timeout(OldestFirst { target, times }, limit);
        runtime.block_on(asked).expect("it lives")
    };
    let outcome = match row {
        "M1" => {
            let latch = Latch::new(1);
            Outcome::rate(
                n,
                time(|| {
                    Starter { to_start: n, to_die: n, latch: latch.clone() }.start();
                    latch.wait();
                }),
            )
        }
        "M2a" => all_told(1, n),
        "M2b" => all_told(M2B_WATCHERS, n / M2B_WATCHERS),
        "M2c" => all_told(n, 1),
        "M3" | "M3c" => Outcome::rate(n, churn(&Idle.start(), if row == "M3" { 1 } else { 2 }, n)),
        "M3m" => {
            let target = Idle.start();
            churn(&target, 1, 10_000);
            let before = live();
            churn(&target, 1, n);
            Outcome::figure(live() - before)
        }
        "M4" => {
            let target = Idle.start();
            let watchers = |count: u64| {
                for _ in 0..count / M4_WINDOW {
                    let gone = Latch::new(M4_WINDOW);
                    for _ in 0..M4_WINDOW {
                        Brief { target: target.clone(), _end: HitOnDrop(gone.clone()) }.start();
                    }
                    gone.wait();
                }
            };
            watchers(M4_WINDOW);
            let before = live();
            watchers(n);
            Outcome::figure((live() - before) / n as f64)
        }
        "M5" => {
            use threads::ActorStart as _;
            let targets: Vec<_> = (0..M5_TARGETS).map(|_| OnThread.start()).collect();
            let watcher = WatcherOnThread.start();
            let before = os_threads();
            watcher.request(MonitorAll(targets, n / M5_TARGETS)).expect("it lives");
            Outcome::figure(os_threads() - before)
        }
        "M6" => {
            let (target, pairs) = (Idle.start(), n * 10);
            churn(&target, 1, pairs / 10); // warms up
            let alone = churn(&target, 1, pairs);
            let crowd = Watcher::default().start();
            monitor_all(&crowd, std::slice::from_ref(&target), n);
            let crowded = churn(&target, 1, pairs);
            Outcome::nanos(pairs, crowded).and("none_others", nanos_each(pairs, alone))
        }
        "M6d" => {
            let (target, watcher) = (Idle.start(), Watcher::default().start());
            let tenth = oldest_first(&watcher, &target, n / 10);
            let all = oldest_first(&watcher, &target, n);
            Outcome::nanos(n, all).and("at_a_tenth", nanos_each(n / 10, tenth))
        }
        "M6m" => {
            let (target, watcher) = (Idle.start(), Watcher::default().start());
            oldest_first(&watcher, &target, 1_000);
            let before = live();
            oldest_first(&watcher, &target, n);
            Outcome::figure((live() - before) / n as f64)
        }
        "M7" => {
            let (target, watcher) = (Idle.start(), Watcher::default().start());
            let before = live();
            monitor_all(&watcher, std::slice::from_ref(&target), n);
            let one_target = (live() - before) / n as f64;
            let targets: Vec<_> = (0..n).map(|_| Idle.start()).collect();
            let watcher = Watcher::default().start();
            let before = live();
            monitor_all(&watcher, &targets, 1);
            Outcome::figure(one_target).and("of_pairs", (live() - before) / n as f64)
        }
        _ => return Err("no such row"),
    };
    Ok(outcome)
}
