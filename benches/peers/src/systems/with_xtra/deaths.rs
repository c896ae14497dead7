//! Rows M.

use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;
use xtra::{Actor, Address, Context, Handler, Mailbox, WeakAddress};

use super::{plain, start, tell};
use crate::counting::live;
use crate::rows::{M1_WINDOW, M2B_WATCHERS, M4_WINDOW};
use crate::tools::{HitOnDrop, Latch, Measured, Outcome, nanos_each, time};

struct Idle;
plain!(Idle Watcher);

struct Told;

fn monitor<A: Handler<Told>>(me: &WeakAddress<A>, target: &Address<Idle>) -> JoinHandle<()> {
    let (me, end) = (me.clone(), target.join());
    tokio::spawn(async move {
        end.await;
        let _ = me.send(Told).detach().await;
    })
}

#[derive(Default)]
struct Watcher {
    left: u64,
    latch: Option<Latch>,
}
impl Handler<Told> for Watcher {
    type Return = ();
    async fn handle(&mut self, _: Told, _: &mut Context<Self>) {
        self.left -= 1;
        if let (0, Some(latch)) = (self.left, &self.latch) {
            latch.hit();
        }
    }
}

struct Monitor {
    target: Address<Idle>,
    times: u64,
    latch: Latch,
    done: Latch,
}
impl Handler<Monitor> for Watcher {
    type Return = ();
    async fn handle(&mut self, order: Monitor, ctx: &mut Context<Self>) {
        self.left += order.times;
        self.latch = Some(order.latch);
        let me = ctx.mailbox().address();
        for _ in 0..order.times {
            monitor(&me, &order.target);
        }
        order.done.hit();
    }
}

struct Churn {
    target: Address<Idle>,
    pairs: u64,
    done: Latch,
}
impl Handler<Churn> for Watcher {
    type Return = ();
    async fn handle(&mut self, Churn { target, pairs, done }: Churn, ctx: &mut Context<Self>) {
        let me = ctx.mailbox().address();
        for _ in 0..pairs {
            monitor(&me, &target).abort();
        }
        done.hit();
    }
}

struct OldestFirst {
    target: Address<Idle>,
    times: u64,
}
impl Handler<OldestFirst> for Watcher {
    type Return = Duration;
    async fn handle(&mut self, order: OldestFirst, ctx: &mut Context<Self>) -> Duration {
        let me = ctx.mailbox().address();
        let monitors: Vec<_> = (0..order.times).map(|_| monitor(&me, &order.target)).collect();
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
    fn start_one(&mut self, me: &WeakAddress<Self>) {
        if self.to_start > 0 {
            self.to_start -= 1;
            monitor(me, &start(Idle)); // nobody keeps the address: it stops
        }
    }
}
impl Actor for Starter {
    type Stop = ();
    async fn started(&mut self, mailbox: &Mailbox<Self>) -> Result<(), ()> {
        for _ in 0..M1_WINDOW {
            self.start_one(&mailbox.address());
        }
        Ok(())
    }
    async fn stopped(self) {}
}
impl Handler<Told> for Starter {
    type Return = ();
    async fn handle(&mut self, _: Told, ctx: &mut Context<Self>) {
        self.to_die -= 1;
        self.start_one(&ctx.mailbox().address());
        if self.to_die == 0 {
            self.latch.hit();
        }
    }
}

/// M4: monitors the target and dies before it.
struct Brief {
    target: Address<Idle>,
    monitor: Option<JoinHandle<()>>,
    _end: HitOnDrop,
}
impl Actor for Brief {
    type Stop = ();
    async fn started(&mut self, mailbox: &Mailbox<Self>) -> Result<(), ()> {
        self.monitor = Some(monitor(&mailbox.address(), &self.target));
        Ok(()) // nobody keeps the address: it stops
    }
    async fn stopped(self) {
        if let Some(monitor) = self.monitor {
            monitor.abort();
        }
    }
}

impl Handler<Told> for Brief {
    type Return = ();
    async fn handle(&mut self, _: Told, _: &mut Context<Self>) {
        unreachable!("the target lives");
    }
}

fn all_told(watchers: u64, each: u64) -> Outcome {
    let target = start(Idle);
    let (told, ready) = (Latch::new(watchers), Latch::new(watchers));
    let mut kept = Vec::new();
    for _ in 0..watchers {
        let (target, latch, done) = (target.clone(), told.clone(), ready.clone());
        let watcher = start(Watcher::default());
        Handle::current().block_on(tell(&watcher, Monitor { target, times: each, latch, done }));
        kept.push(watcher);
    }
    ready.wait();
    Outcome::rate(
        watchers * each,
        time(|| {
            drop(target); // the last address
            told.wait();
        }),
    )
}

fn churn(target: &Address<Idle>, watchers: u64, pairs: u64) -> Duration {
    let all: Vec<_> = (0..watchers).map(|_| start(Watcher::default())).collect();
    let done = Latch::new(watchers);
    time(|| {
        for watcher in &all {
            let order = Churn { target: target.clone(), pairs: pairs / watchers, done: done.clone() };
            Handle::current().block_on(tell(watcher, order));
        }
        done.wait();
    })
}

fn monitor_all(watcher: &Address<Watcher>, targets: &[Address<Idle>], times: u64) {
    let done = Latch::new(targets.len() as u64);
    for target in targets {
        let (target, latch, done) = (target.clone(), Latch::new(1), done.clone());
        Handle::current().block_on(tell(watcher, Monitor { target, times, latch, done }));
    }
    done.wait();
}

pub fn run(runtime: &'static Runtime, row: &str, n: u64) -> Measured {
    let oldest_first = |watcher: &Address<Watcher>, target: &Address<Idle>, times| {
        let target = target.clone();
        runtime.block_on(watcher.send(OldestFirst { target, times })).expect("it lives")
    };
    let outcome = match row {
        "M1" => {
            let latch = Latch::new(1);
            Outcome::rate(
                n,
                time(|| {
                    let starter = start(Starter { to_start: n, to_die: n, latch: latch.clone() });
                    latch.wait();
                    drop(starter);
                }),
            )
        }
        "M2a" => all_told(1, n),
        "M2b" => all_told(M2B_WATCHERS, n / M2B_WATCHERS),
        "M2c" => all_told(n, 1),
        "M3" | "M3c" => Outcome::rate(n, churn(&start(Idle), if row == "M3" { 1 } else { 2 }, n)),
        "M3m" => {
            let target = start(Idle);
            churn(&target, 1, 10_000);
            let before = live();
            churn(&target, 1, n);
            Outcome::figure(live() - before)
        }
        "M4" => {
            let target = start(Idle);
            let watchers = |count: u64| {
                for _ in 0..count / M4_WINDOW {
                    let gone = Latch::new(M4_WINDOW);
                    for _ in 0..M4_WINDOW {
                        start(Brief { target: target.clone(), monitor: None, _end: HitOnDrop(gone.clone()) });
                    }
                    gone.wait();
                }
            };
            watchers(M4_WINDOW);
            let before = live();
            watchers(n);
            Outcome::figure((live() - before) / n as f64)
        }
        "M5" => return Err("its actors have no threads"),
        "M6" => {
            let (target, pairs) = (start(Idle), n * 10);
            churn(&target, 1, pairs / 10); // warms up
            let alone = churn(&target, 1, pairs);
            let crowd = start(Watcher::default());
            monitor_all(&crowd, std::slice::from_ref(&target), n);
            let crowded = churn(&target, 1, pairs);
            Outcome::nanos(pairs, crowded).and("none_others", nanos_each(pairs, alone))
        }
        "M6d" => {
            let (target, watcher) = (start(Idle), start(Watcher::default()));
            let tenth = oldest_first(&watcher, &target, n / 10);
            let all = oldest_first(&watcher, &target, n);
            Outcome::nanos(n, all).and("at_a_tenth", nanos_each(n / 10, tenth))
        }
        "M6m" => {
            let (target, watcher) = (start(Idle), start(Watcher::default()));
            oldest_first(&watcher, &target, 1_000);
            let before = live();
            oldest_first(&watcher, &target, n);
            Outcome::figure((live() - before) / n as f64)
        }
        "M7" => {
            let (target, watcher) = (start(Idle), start(Watcher::default()));
            let before = live();
            monitor_all(&watcher, std::slice::from_ref(&target), n);
            let one_target = (live() - before) / n as f64;
            let targets: Vec<_> = (0..n).map(|_| start(Idle)).collect();
            let watcher = start(Watcher::default());
            let before = live();
            monitor_all(&watcher, &targets, 1);
            Outcome::figure(one_target).and("of_pairs", (live() - before) / n as f64)
        }
        _ => return Err("no such row"),
    };
    Ok(outcome)
}
