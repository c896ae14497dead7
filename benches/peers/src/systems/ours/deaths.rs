//! Rows M.

use std::hint::black_box;
use std::time::{Duration, Instant};

use deathwatch::prelude::*;
use deathwatch::{ActorHandle, Demonitor, MonitorRef, threads};

use super::Stage;
use crate::counting::live;
use crate::rows::{M1_WINDOW, M2B_WATCHERS, M4_WINDOW, M5_TARGETS};
use crate::tools::{HitOnDrop, Latch, Measured, Outcome, nanos_each, threads as os_threads, time};

/// A target.
struct Idle;
impl Actor for Idle {}

struct OnThread;
impl threads::Actor for OnThread {}

/// Monitors as it is told, and hits its latch with the last `Down`.
struct Watcher {
    left: u64,
    latch: Option<Latch>,
}

impl Watcher {
    fn new() -> Self {
        Watcher { left: 0, latch: None }
    }
}

impl Actor for Watcher {}

impl Handler<Down> for Watcher {
    async fn handle(&mut self, down: Down, _: &Context<Self>) {
        black_box(down);
        self.left -= 1;
        if let (0, Some(latch)) = (self.left, &self.latch) {
            latch.hit();
        }
    }
}

/// Monitor it so many times.
struct Monitor {
    target: ActorHandle,
    times: u64,
    latch: Latch,
    done: Latch,
}
impl Message for Monitor {
    type Reply = ();
}
impl Handler<Monitor> for Watcher {
    async fn handle(&mut self, monitor: Monitor, ctx: &Context<Self>) {
        self.left += monitor.times;
        self.latch = Some(monitor.latch);
        for _ in 0..monitor.times {
            ctx.monitor(&monitor.target);
        }
        monitor.done.hit();
    }
}

/// Monitor and demonitor it so many times.
struct Churn {
    target: ActorHandle,
    pairs: u64,
    done: Latch,
}
impl Message for Churn {
    type Reply = ();
}
impl Handler<Churn> for Watcher {
    async fn handle(&mut self, Churn { target, pairs, done }: Churn, ctx: &Context<Self>) {
        for _ in 0..pairs {
            let monitor = ctx.monitor(&target);
            assert!(matches!(ctx.demonitor(monitor), Demonitor::Cancelled));
        }
        done.hit();
    }
}

/// Monitor it so many times, then demonitor, oldest first. The reply is how long the second part took.
struct OldestFirst {
    target: ActorHandle,
    times: u64,
}
impl Message for OldestFirst {
    type Reply = Duration;
}
impl Handler<OldestFirst> for Watcher {
    async fn handle(&mut self, OldestFirst { target, times }: OldestFirst, ctx: &Context<Self>) -> Duration {
        let monitors: Vec<MonitorRef> = (0..times).map(|_| ctx.monitor(&target)).collect();
        let start = Instant::now();
        for monitor in monitors {
            assert!(matches!(ctx.demonitor(monitor), Demonitor::Cancelled));
        }
        start.elapsed()
    }
}

/// M1: has so many started, and so many alive at a time.
struct Starter {
    to_start: u64,
    to_die: u64,
    latch: Latch,
}
impl Starter {
    fn start_one(&mut self, ctx: &Context<Self>) {
        if self.to_start > 0 {
            self.to_start -= 1;
            ctx.spawn_monitored(Idle); // nobody keeps the handle: it stops
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
impl Handler<Down> for Starter {
    async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        black_box(down);
        self.to_die -= 1;
        self.start_one(ctx);
        if self.to_die == 0 {
            self.latch.hit();
        }
    }
}

/// M4: monitors the target and dies before it.
struct Brief {
    target: ActorHandle,
    _end: HitOnDrop,
}
impl Actor for Brief {
    async fn started(&mut self, ctx: &Context<Self>) {
        ctx.monitor(&self.target);
        ctx.stop();
    }
}
impl Handler<Down> for Brief {
    async fn handle(&mut self, _: Down, _: &Context<Self>) {
        unreachable!("the target lives");
    }
}

/// Has watchers monitor a target so many times each, ends it, and waits for all `Down`s.
fn all_told(stage: &Stage, watchers: u64, each: u64) -> Outcome {
    let target = stage.start(Idle);
    let (told, ready) = (Latch::new(watchers), Latch::new(watchers));
    let mut kept = Vec::new();
    for _ in 0..watchers {
        let watcher = stage.start(Watcher::new());
        let (target, latch, done) = (target.handle(), told.clone(), ready.clone());
        watcher.send(Monitor { target, times: each, latch, done }).expect("it lives");
        kept.push(watcher);
    }
    ready.wait();
    Outcome::rate(
        watchers * each,
        time(|| {
            target.stop();
            told.wait();
        }),
    )
}

/// So many watchers churn on one target, the pairs shared out among them.
fn churn(stage: &Stage, target: &ActorRef<Idle>, watchers: u64, pairs: u64) -> Duration {
    let all: Vec<_> = (0..watchers).map(|_| stage.start(Watcher::new())).collect();
    let done = Latch::new(watchers);
    time(|| {
        for watcher in &all {
            let churn = Churn { target: target.handle(), pairs: pairs / watchers, done: done.clone() };
            watcher.send(churn).expect("it lives");
        }
        done.wait();
    })
}

fn oldest_first(watcher: &ActorRef<Watcher>, target: &ActorRef<Idle>, times: u64) -> Duration {
    let order = OldestFirst { target: target.handle(), times };
    watcher.request(order).no_timeout().wait().expect("it lives")
}

fn monitor_all(watcher: &ActorRef<Watcher>, targets: &[ActorHandle], times: u64) {
    let done = Latch::new(targets.len() as u64);
    for target in targets {
        let (target, latch, done) = (target.clone(), Latch::new(1), done.clone());
        watcher.send(Monitor { target, times, latch, done }).expect("it lives");
    }
    done.wait();
}

pub fn run(stage: &'static Stage, row: &str, n: u64) -> Measured {
    let outcome = match row {
        "M1" => Outcome::rate(
            n,
            time(|| {
                let latch = Latch::new(1);
                let starter = stage.start(Starter { to_start: n, to_die: n, latch: latch.clone() });
                latch.wait();
                drop(starter);
            }),
        ),
        "M2a" => all_told(stage, 1, n),
        "M2b" => all_told(stage, M2B_WATCHERS, n / M2B_WATCHERS),
        "M2c" => all_told(stage, n, 1),
        "M3" | "M3c" => {
            let target = stage.start(Idle);
            Outcome::rate(n, churn(stage, &target, if row == "M3" { 1 } else { 2 }, n))
        }
        "M3m" => {
            let target = stage.start(Idle);
            churn(stage, &target, 1, 10_000);
            let before = live();
            churn(stage, &target, 1, n);
            Outcome::figure(live() - before)
        }
        "M4" => {
            let target = stage.start(Idle);
            let watchers = |count: u64| {
                for _ in 0..count / M4_WINDOW {
                    let gone = Latch::new(M4_WINDOW);
                    for _ in 0..M4_WINDOW {
                        stage
                            .start(Brief { target: target.handle(), _end: HitOnDrop(gone.clone()) })
                            .detach();
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
            let targets: Vec<_> = (0..M5_TARGETS).map(|_| stage.start(OnThread).handle()).collect();
            let watcher = stage.start(Watcher::new());
            let before = os_threads();
            monitor_all(&watcher, &targets, n / M5_TARGETS);
            Outcome::figure(os_threads() - before)
        }
        "M6" => {
            let target = stage.start(Idle);
            let pairs = n * 10;
            churn(stage, &target, 1, pairs / 10); // warms up
            let alone = churn(stage, &target, 1, pairs);
            let crowd = stage.start(Watcher::new());
            monitor_all(&crowd, &[target.handle()], n);
            let crowded = churn(stage, &target, 1, pairs);
            Outcome::nanos(pairs, crowded).and("none_others", nanos_each(pairs, alone))
        }
        "M6d" => {
            let (target, watcher) = (stage.start(Idle), stage.start(Watcher::new()));
            let tenth = oldest_first(&watcher, &target, n / 10);
            let all = oldest_first(&watcher, &target, n);
            Outcome::nanos(n, all).and("at_a_tenth", nanos_each(n / 10, tenth))
        }
        "M6m" => {
            let (target, watcher) = (stage.start(Idle), stage.start(Watcher::new()));
            oldest_first(&watcher, &target, 1_000);
            let before = live();
            oldest_first(&watcher, &target, n);
            Outcome::figure((live() - before) / n as f64)
        }
        "M7" => {
            let (target, watcher) = (stage.start(Idle), stage.start(Watcher::new()));
            let before = live();
            monitor_all(&watcher, &[target.handle()], n);
            let one_target = (live() - before) / n as f64;
            let targets: Vec<_> = (0..n).map(|_| stage.start(Idle).handle()).collect();
            let watcher = stage.start(Watcher::new());
            let before = live();
            monitor_all(&watcher, &targets, 1);
            Outcome::figure(one_target).and("of_pairs", (live() - before) / n as f64)
        }
        _ => return Err("no such row"),
    };
    Ok(outcome)
}
