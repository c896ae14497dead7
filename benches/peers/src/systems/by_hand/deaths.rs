//! Rows M.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::life::{Down, Life, Vital};
use crate::counting::live;
use crate::rows::{M1_WINDOW, M2B_WATCHERS, M4_WINDOW};
use crate::tools::{Latch, Measured, Outcome, nanos_each, time};

/// What all actors here are sent.
enum Message {
    Down(Down),
    Monitor { target: Target, times: u64, latch: Latch, done: Latch },
    Churn { target: Target, pairs: u64, done: Latch },
    OldestFirst { target: Target, times: u64, reply: oneshot::Sender<Duration> },
}

impl From<Down> for Message {
    fn from(down: Down) -> Self {
        Message::Down(down)
    }
}

type Target = Arc<Vital<Message>>;

/// A handle: to send, and to monitor.
struct Handle {
    sender: UnboundedSender<Message>,
    vital: Target,
}

/// A target: takes messages for as long as somebody has a handle.
fn idle() -> Handle {
    let (sender, mut receiver) = unbounded_channel();
    let life = Life::new();
    let vital = Arc::clone(&life.vital);
    tokio::spawn(async move {
        let _life = life;
        while let Some(message) = receiver.recv().await {
            drop::<Message>(message);
        }
    });
    Handle { sender, vital }
}

fn watcher() -> Handle {
    let (sender, receiver) = unbounded_channel();
    let life = Life::new();
    let vital = Arc::clone(&life.vital);
    tokio::spawn(watch(life, sender.clone(), receiver));
    Handle { sender, vital }
}

async fn watch(life: Life<Message>, own: UnboundedSender<Message>, mut receiver: UnboundedReceiver<Message>) {
    let (mut left, mut told) = (0, None::<Latch>);
    while let Some(message) = receiver.recv().await {
        match message {
            Message::Down(down) => {
                if life.watching.take(&down) {
                    black_box(down.reason);
                    left -= 1;
                    if let (0, Some(latch)) = (left, &told) {
                        latch.hit();
                    }
                }
            }
            Message::Monitor { target, times, latch, done } => {
                left += times;
                told = Some(latch);
                for _ in 0..times {
                    life.watching.monitor(&own, &target);
                }
                done.hit();
            }
            Message::Churn { target, pairs, done } => {
                for _ in 0..pairs {
                    let monitor = life.watching.monitor(&own, &target);
                    assert!(life.watching.demonitor(monitor));
                }
                done.hit();
            }
            Message::OldestFirst { target, times, reply } => {
                let monitors: Vec<u64> = (0..times).map(|_| life.watching.monitor(&own, &target)).collect();
                let start = Instant::now();
                for monitor in monitors {
                    assert!(life.watching.demonitor(monitor));
                }
                let _ = reply.send(start.elapsed());
            }
        }
    }
}

/// M1.
fn starter(n: u64, latch: Latch) {
    let (own, mut receiver) = unbounded_channel();
    let life = Life::new();
    tokio::spawn(async move {
        let (mut to_start, mut to_die) = (n, n);
        let mut start_one = || {
            if to_start > 0 {
                to_start -= 1;
                life.watching.monitor(&own, &idle().vital); // nobody keeps the handle: it stops
            }
        };
        for _ in 0..M1_WINDOW {
            start_one();
        }
        while let Some(message) = receiver.recv().await {
            if let Message::Down(down) = message
                && life.watching.take(&down)
            {
                black_box(down.reason);
                to_die -= 1;
                start_one();
                if to_die == 0 {
                    latch.hit();
                    return;
                }
            }
        }
    });
}

/// M4.
fn brief(target: &Target, gone: Latch) {
    let (own, receiver) = unbounded_channel::<Message>();
    let (life, target) = (Life::new(), Arc::clone(target));
    tokio::spawn(async move {
        let _receiver = receiver;
        life.watching.monitor(&own, &target);
        drop(life);
        gone.hit();
    });
}

fn all_told(watchers: u64, each: u64) -> Outcome {
    let Handle { sender, vital } = idle();
    let (told, ready) = (Latch::new(watchers), Latch::new(watchers));
    let kept: Vec<_> = (0..watchers)
        .map(|_| {
            let watcher = watcher();
            let (target, latch, done) = (Arc::clone(&vital), told.clone(), ready.clone());
            send(&watcher, Message::Monitor { target, times: each, latch, done });
            watcher
        })
        .collect();
    ready.wait();
    let took = time(|| {
        drop(sender); // the last handle: the target ends
        told.wait();
    });
    drop(kept);
    Outcome::rate(watchers * each, took)
}

fn send(to: &Handle, message: Message) {
    assert!(to.sender.send(message).is_ok(), "it lives");
}

fn churn(target: &Handle, watchers: u64, pairs: u64) -> Duration {
    let all: Vec<_> = (0..watchers).map(|_| watcher()).collect();
    let done = Latch::new(watchers);
    time(|| {
        for watcher in &all {
            let target = Arc::clone(&target.vital);
            send(watcher, Message::Churn { target, pairs: pairs / watchers, done: done.clone() });
        }
        done.wait();
    })
}

fn oldest_first(watcher: &Handle, target: &Handle, times: u64) -> Duration {
    let (reply, answer) = oneshot::channel();
    send(watcher, Message::OldestFirst { target: Arc::clone(&target.vital), times, reply });
    answer.blocking_recv().expect("it lives")
}

fn monitor_all(watcher: &Handle, targets: &[Handle], times: u64) {
    let done = Latch::new(targets.len() as u64);
    for target in targets {
        let (target, latch, done) = (Arc::clone(&target.vital), Latch::new(1), done.clone());
        send(watcher, Message::Monitor { target, times, latch, done });
    }
    done.wait();
}

pub fn run(row: &str, n: u64) -> Measured {
    let outcome = match row {
        "M1" => {
            let latch = Latch::new(1);
            Outcome::rate(
                n,
                time(|| {
                    starter(n, latch.clone());
                    latch.wait();
                }),
            )
        }
        "M2a" => all_told(1, n),
        "M2b" => all_told(M2B_WATCHERS, n / M2B_WATCHERS),
        "M2c" => all_told(n, 1),
        "M3" | "M3c" => Outcome::rate(n, churn(&idle(), if row == "M3" { 1 } else { 2 }, n)),
        "M3m" => {
            let target = idle();
            churn(&target, 1, 10_000);
            let before = live();
            churn(&target, 1, n);
            Outcome::figure(live() - before)
        }
        "M4" => {
            let target = idle();
            let watchers = |count: u64| {
                for _ in 0..count / M4_WINDOW {
                    let gone = Latch::new(M4_WINDOW);
                    for _ in 0..M4_WINDOW {
                        brief(&target.vital, gone.clone());
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
            let (target, pairs) = (idle(), n * 10);
            churn(&target, 1, pairs / 10); // warms up
            let alone = churn(&target, 1, pairs);
            let crowd = watcher();
            let targets = [target];
            monitor_all(&crowd, &targets, n);
            let crowded = churn(&targets[0], 1, pairs);
            Outcome::nanos(pairs, crowded).and("none_others", nanos_each(pairs, alone))
        }
        "M6d" => {
            let (target, watcher) = (idle(), watcher());
            let tenth = oldest_first(&watcher, &target, n / 10);
            let all = oldest_first(&watcher, &target, n);
            Outcome::nanos(n, all).and("at_a_tenth", nanos_each(n / 10, tenth))
        }
        "M6m" => {
            let (target, watcher) = (idle(), watcher());
            oldest_first(&watcher, &target, 1_000);
            let before = live();
            oldest_first(&watcher, &target, n);
            Outcome::figure((live() - before) / n as f64)
        }
        "M7" => {
            let (target, one) = ([idle()], watcher());
            let before = live();
            monitor_all(&one, &target, n);
            let one_target = (live() - before) / n as f64;
            let targets: Vec<_> = (0..n).map(|_| idle()).collect();
            let one = watcher();
            let before = live();
            monitor_all(&one, &targets, 1);
            Outcome::figure(one_target).and("of_pairs", (live() - before) / n as f64)
        }
        _ => return Err("no such row"),
    };
    Ok(outcome)
}
