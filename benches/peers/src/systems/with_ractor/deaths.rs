//! Rows M.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use super::start;
use crate::counting::live;
use crate::rows::{M1_WINDOW, M4_WINDOW};
use crate::tools::{HitOnDrop, Latch, Measured, Outcome, nanos_each};

type Processed = Result<(), ActorProcessingErr>;

struct Idle;
impl Actor for Idle {
    type Msg = ();
    type State = ();
    type Arguments = ();
    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

struct Watcher;
#[derive(Default)]
struct Seen {
    left: u64,
    latch: Option<Latch>,
}
enum Order {
    Monitor { targets: Vec<ActorCell>, latch: Latch, done: RpcReplyPort<()> },
    Churn { target: ActorCell, pairs: u64, done: RpcReplyPort<()> },
    OldestFirst { targets: Vec<ActorCell>, done: RpcReplyPort<Duration> },
}
impl Actor for Watcher {
    type Msg = Order;
    type State = Seen;
    type Arguments = ();
    async fn pre_start(&self, _: ActorRef<Order>, (): ()) -> Result<Seen, ActorProcessingErr> {
        Ok(Seen::default())
    }
    async fn handle(&self, myself: ActorRef<Order>, order: Order, seen: &mut Seen) -> Processed {
        match order {
            Order::Monitor { targets, latch, done } => {
                seen.left += targets.len() as u64;
                seen.latch = Some(latch);
                for target in targets {
                    myself.monitor(target);
                }
                done.send(())?;
            }
            Order::Churn { target, pairs, done } => {
                for _ in 0..pairs {
                    myself.monitor(target.clone());
                    myself.unmonitor(target.clone());
                }
                done.send(())?;
            }
            Order::OldestFirst { targets, done } => {
                for target in &targets {
                    myself.monitor(target.clone());
                }
                let start = Instant::now();
                for target in &targets {
                    myself.unmonitor(target.clone());
                }
                done.send(start.elapsed())?;
            }
        }
        Ok(())
    }
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Order>,
        event: SupervisionEvent,
        seen: &mut Seen,
    ) -> Processed {
        if let SupervisionEvent::ActorTerminated(..) = black_box(event) {
            seen.left -= 1;
            if let (0, Some(latch)) = (seen.left, &seen.latch) {
                latch.hit();
            }
        }
        Ok(())
    }
}

/// M1.
struct Starter;
struct Window {
    to_start: u64,
    to_die: u64,
    latch: Latch,
}
async fn start_one(myself: &ActorRef<()>, window: &mut Window) {
    if window.to_start > 0 {
        window.to_start -= 1;
        let child = start(Idle, ()).await;
        myself.monitor(child.get_cell());
        child.stop(None);
    }
}
impl Actor for Starter {
    type Msg = ();
    type State = Window;
    type Arguments = Window;
    async fn pre_start(&self, _: ActorRef<()>, window: Window) -> Result<Window, ActorProcessingErr> {
        Ok(window)
    }
    async fn post_start(&self, myself: ActorRef<()>, window: &mut Window) -> Processed {
        for _ in 0..M1_WINDOW {
            start_one(&myself, window).await;
        }
        Ok(())
    }
    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        window: &mut Window,
    ) -> Processed {
        if let SupervisionEvent::ActorTerminated(..) = black_box(event) {
            window.to_die -= 1;
            start_one(&myself, window).await;
            if window.to_die == 0 {
                window.latch.hit();
            }
        }
        Ok(())
    }
}

/// M4: monitors the target and dies before it.
struct Brief;
impl Actor for Brief {
    type Msg = ();
    type State = HitOnDrop;
    type Arguments = (ActorCell, HitOnDrop);
    async fn pre_start(
        &self,
        myself: ActorRef<()>,
        (target, end): Self::Arguments,
    ) -> Result<HitOnDrop, ActorProcessingErr> {
        myself.monitor(target);
        myself.stop(None);
        Ok(end)
    }
}

async fn monitor_all(watcher: &ActorRef<Order>, targets: Vec<ActorCell>, latch: Latch) {
    watcher.call(|done| Order::Monitor { targets, latch, done }, None).await.expect("it lives");
}

async fn churn(target: &ActorCell, watchers: u64, pairs: u64) -> Duration {
    let mut all = Vec::new();
    for _ in 0..watchers {
        all.push(start(Watcher, ()).await);
    }
    let began = Instant::now();
    let mut running = Vec::new();
    for watcher in all {
        let (target, pairs) = (target.clone(), pairs / watchers);
        running.push(tokio::spawn(async move {
            watcher.call(|done| Order::Churn { target, pairs, done }, None).await.expect("it lives");
        }));
    }
    for one in running {
        one.await.expect("it lives");
    }
    began.elapsed()
}

async fn idle(count: u64) -> Vec<ActorCell> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(start(Idle, ()).await.get_cell());
    }
    all
}

async fn oldest_first(watcher: &ActorRef<Order>, targets: &[ActorCell]) -> Duration {
    let targets = targets.to_vec();
    watcher.call(|done| Order::OldestFirst { targets, done }, None).await.expect("it lives").expect("a reply")
}

pub async fn run(row: &str, n: u64) -> Measured {
    let outcome = match row {
        "M1" => {
            let latch = Latch::new(1);
            let began = Instant::now();
            let _starter = start(Starter, Window { to_start: n, to_die: n, latch: latch.clone() }).await;
            latch.wait();
            Outcome::rate(n, began.elapsed())
        }
        "M2a" | "M2b" => return Err("one monitor for each pair of actors"),
        "M2c" => {
            let target = idle(1).await.remove(0);
            let told = Latch::new(n);
            let mut watchers = Vec::new();
            for _ in 0..n {
                let watcher = start(Watcher, ()).await;
                monitor_all(&watcher, vec![target.clone()], told.clone()).await;
                watchers.push(watcher);
            }
            let began = Instant::now();
            target.stop(None);
            told.wait();
            Outcome::rate(n, began.elapsed())
        }
        "M3" | "M3c" => {
            let target = idle(1).await.remove(0);
            Outcome::rate(n, churn(&target, if row == "M3" { 1 } else { 2 }, n).await)
        }
        "M3m" => {
            let target = idle(1).await.remove(0);
            churn(&target, 1, 10_000).await;
            let before = live();
            churn(&target, 1, n).await;
            Outcome::figure(live() - before)
        }
        "M4" => {
            let target = idle(1).await.remove(0);
            let watchers = async |count: u64| {
                for _ in 0..count / M4_WINDOW {
                    let gone = Latch::new(M4_WINDOW);
                    for _ in 0..M4_WINDOW {
                        start(Brief, (target.clone(), HitOnDrop(gone.clone()))).await;
                    }
                    gone.wait();
                }
            };
            watchers(M4_WINDOW).await;
            let before = live();
            watchers(n).await;
            Outcome::figure((live() - before) / n as f64)
        }
        "M5" => return Err("its actors have no threads"),
        "M6" => {
            let (target, pairs) = (idle(1).await.remove(0), n * 10);
            churn(&target, 1, pairs / 10).await; // warms up
            let alone = churn(&target, 1, pairs).await;
            let mut crowd = Vec::new();
            for _ in 0..n {
                let watcher = start(Watcher, ()).await;
                monitor_all(&watcher, vec![target.clone()], Latch::new(1)).await;
                crowd.push(watcher);
            }
            let crowded = churn(&target, 1, pairs).await;
            Outcome::nanos(pairs, crowded).and("none_others", nanos_each(pairs, alone))
        }
        "M6d" => {
            // One for each pair: so many targets.
            let (targets, watcher) = (idle(n).await, start(Watcher, ()).await);
            let tenth = oldest_first(&watcher, &targets[..(n / 10) as usize]).await;
            let all = oldest_first(&watcher, &targets).await;
            Outcome::nanos(n, all).and("at_a_tenth", nanos_each(n / 10, tenth))
        }
        "M6m" => {
            let (targets, watcher) = (idle(n).await, start(Watcher, ()).await);
            oldest_first(&watcher, &targets[..1]).await;
            let before = live();
            oldest_first(&watcher, &targets).await;
            Outcome::figure((live() - before) / n as f64)
        }
        "M7" => {
            // One for each pair: so many watchers of one target, and then the reverse.
            let target = idle(1).await.remove(0);
            let mut watchers = Vec::new();
            for _ in 0..n {
                watchers.push(start(Watcher, ()).await);
            }
            let before = live();
            let latch = Latch::new(1);
            for watcher in &watchers {
                monitor_all(watcher, vec![target.clone()], latch.clone()).await;
            }
            let one_target = (live() - before) / n as f64;
            drop(watchers);
            let (targets, watcher) = (idle(n).await, start(Watcher, ()).await);
            let before = live();
            monitor_all(&watcher, targets.clone(), Latch::new(1)).await;
            Outcome::figure(one_target).and("of_pairs", (live() - before) / n as f64)
        }
        _ => return Err("no such row"),
    };
    Ok(outcome)
}
