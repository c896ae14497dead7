//! Rows M.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use kameo::actor::{Actor, ActorId, ActorRef, Spawn, WeakActorRef};
use kameo::error::{ActorStopReason, Infallible};
use kameo::mailbox;
use kameo::message::{Context, Message};

use super::{plain, start};
use crate::counting::live;
use crate::rows::{M1_WINDOW, M4_WINDOW};
use crate::tools::{HitOnDrop, Latch, Measured, Outcome, nanos_each};

type Flow = Result<ControlFlow<ActorStopReason>, Infallible>;

struct Idle;
plain!(Idle);

#[derive(Default)]
struct Watcher {
    left: u64,
    latch: Option<Latch>,
}
impl Actor for Watcher {
    type Args = Self;
    type Error = Infallible;
    async fn on_start(watcher: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(watcher)
    }
    async fn on_link_died(&mut self, _: WeakActorRef<Self>, _: ActorId, reason: ActorStopReason) -> Flow {
        black_box(reason);
        self.left -= 1;
        if let (0, Some(latch)) = (self.left, &self.latch) {
            latch.hit();
        }
        Ok(ControlFlow::Continue(()))
    }
}

struct Monitor {
    targets: Vec<ActorRef<Idle>>,
    latch: Latch,
}
impl Message<Monitor> for Watcher {
    type Reply = ();
    async fn handle(&mut self, Monitor { targets, latch }: Monitor, ctx: &mut Context<Self, ()>) {
        self.left += targets.len() as u64;
        self.latch = Some(latch);
        for target in &targets {
            ctx.actor_ref().link(target).await;
        }
    }
}

struct Churn {
    target: ActorRef<Idle>,
    pairs: u64,
}
impl Message<Churn> for Watcher {
    type Reply = ();
    async fn handle(&mut self, Churn { target, pairs }: Churn, ctx: &mut Context<Self, ()>) {
        for _ in 0..pairs {
            ctx.actor_ref().link(&target).await;
            ctx.actor_ref().unlink(&target).await;
        }
    }
}

struct OldestFirst(Vec<ActorRef<Idle>>);
impl Message<OldestFirst> for Watcher {
    type Reply = u64;
    async fn handle(&mut self, OldestFirst(targets): OldestFirst, ctx: &mut Context<Self, u64>) -> u64 {
        for target in &targets {
            ctx.actor_ref().link(target).await;
        }
        let start = Instant::now();
        for target in &targets {
            ctx.actor_ref().unlink(target).await;
        }
        start.elapsed().as_nanos() as u64
    }
}

/// M1.
struct Starter {
    to_start: u64,
    to_die: u64,
    latch: Latch,
}
impl Starter {
    async fn start_one(&mut self, myself: &ActorRef<Self>) {
        if self.to_start > 0 {
            self.to_start -= 1;
            // Nobody keeps the handle: it stops.
            Idle::spawn_link_with_mailbox(myself, Idle, mailbox::unbounded()).await;
        }
    }
}
impl Actor for Starter {
    type Args = Self;
    type Error = Infallible;
    async fn on_start(mut starter: Self, myself: ActorRef<Self>) -> Result<Self, Infallible> {
        for _ in 0..M1_WINDOW {
            starter.start_one(&myself).await;
        }
        Ok(starter)
    }
    async fn on_link_died(
        &mut self,
        myself: WeakActorRef<Self>,
        _: ActorId,
        reason: ActorStopReason,
    ) -> Flow {
        black_box(reason);
        self.to_die -= 1;
        if let Some(myself) = myself.upgrade() {
            self.start_one(&myself).await;
        }
        if self.to_die == 0 {
            self.latch.hit();
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// M4: monitors the target and dies before it.
struct Brief {
    target: ActorRef<Idle>,
    _end: HitOnDrop,
}
impl Actor for Brief {
    type Args = Self;
    type Error = Infallible;
    async fn on_start(brief: Self, myself: ActorRef<Self>) -> Result<Self, Infallible> {
        myself.link(&brief.target).await;
        Ok(brief)
    } // nobody keeps a handle: it stops
}

async fn monitor_all(watcher: &ActorRef<Watcher>, targets: Vec<ActorRef<Idle>>, latch: Latch) {
    watcher.ask(Monitor { targets, latch }).send().await.expect("it lives");
}

async fn churn(target: &ActorRef<Idle>, watchers: u64, pairs: u64) -> Duration {
    let all: Vec<_> = (0..watchers).map(|_| start(Watcher::default())).collect();
    let began = Instant::now();
    let mut running = Vec::new();
    for watcher in all {
        let churn = Churn { target: target.clone(), pairs: pairs / watchers };
        running.push(tokio::spawn(async move { watcher.ask(churn).send().await.expect("it lives") }));
    }
    for one in running {
        one.await.expect("it lives");
    }
    began.elapsed()
}

async fn oldest_first(watcher: &ActorRef<Watcher>, targets: &[ActorRef<Idle>]) -> Duration {
    let order = OldestFirst(targets.to_vec());
    Duration::from_nanos(watcher.ask(order).send().await.expect("it lives"))
}

pub async fn run(row: &str, n: u64) -> Measured {
    let outcome = match row {
        "M1" => {
            let latch = Latch::new(1);
            let began = Instant::now();
            let _starter = start(Starter { to_start: n, to_die: n, latch: latch.clone() });
            latch.wait();
            Outcome::rate(n, began.elapsed())
        }
        "M2a" | "M2b" => return Err("one link for each pair of actors"),
        "M2c" => {
            let target = start(Idle);
            let told = Latch::new(n);
            let mut watchers = Vec::new();
            for _ in 0..n {
                let watcher = start(Watcher::default());
                monitor_all(&watcher, vec![target.clone()], told.clone()).await;
                watchers.push(watcher);
            }
            let began = Instant::now();
            drop(target); // the last handle
            told.wait();
            Outcome::rate(n, began.elapsed())
        }
        "M3" | "M3c" => Outcome::rate(n, churn(&start(Idle), if row == "M3" { 1 } else { 2 }, n).await),
        "M3m" => {
            let target = start(Idle);
            churn(&target, 1, 10_000).await;
            let before = live();
            churn(&target, 1, n).await;
            Outcome::figure(live() - before)
        }
        "M4" => {
            let target = start(Idle);
            let watchers = |count: u64| {
                for _ in 0..count / M4_WINDOW {
                    let gone = Latch::new(M4_WINDOW);
                    for _ in 0..M4_WINDOW {
                        start(Brief { target: target.clone(), _end: HitOnDrop(gone.clone()) });
                    }
                    gone.wait();
                }
            };
            watchers(M4_WINDOW);
            let before = live();
            watchers(n);
            Outcome::figure((live() - before) / n as f64)
        }
        "M5" => return Err("no monitors that take threads"),
        "M6" => {
            let (target, pairs) = (start(Idle), n * 10);
            churn(&target, 1, pairs / 10).await; // warms up
            let alone = churn(&target, 1, pairs).await;
            let mut crowd = Vec::new();
            for _ in 0..n {
                let watcher = start(Watcher::default());
                monitor_all(&watcher, vec![target.clone()], Latch::new(1)).await;
                crowd.push(watcher);
            }
            let crowded = churn(&target, 1, pairs).await;
            Outcome::nanos(pairs, crowded).and("none_others", nanos_each(pairs, alone))
        }
        "M6d" | "M6m" => {
            // One for each pair: so many targets.
            let targets: Vec<_> = (0..n).map(|_| start(Idle)).collect();
            let watcher = start(Watcher::default());
            let tenth = oldest_first(&watcher, &targets[..(n / 10) as usize]).await;
            let before = live();
            let all = oldest_first(&watcher, &targets).await;
            if row == "M6m" {
                Outcome::figure((live() - before) / n as f64)
            } else {
                Outcome::nanos(n, all).and("at_a_tenth", nanos_each(n / 10, tenth))
            }
        }
        "M7" => {
            // One for each pair: so many watchers of one target, and then the reverse.
            let (target, watchers) =
                (start(Idle), (0..n).map(|_| start(Watcher::default())).collect::<Vec<_>>());
            let latch = Latch::new(1);
            let before = live();
            for watcher in &watchers {
                monitor_all(watcher, vec![target.clone()], latch.clone()).await;
            }
            let one_target = (live() - before) / n as f64;
            let targets: Vec<_> = (0..n).map(|_| start(Idle)).collect();
            let watcher = start(Watcher::default());
            let before = live();
            monitor_all(&watcher, targets.clone(), Latch::new(1)).await;
            Outcome::figure(one_target).and("of_pairs", (live() - before) / n as f64)
        }
        _ => return Err("no such row"),
    };
    Ok(outcome)
}
