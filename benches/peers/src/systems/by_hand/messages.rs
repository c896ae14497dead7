//! Rows W.

use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::life::{Down, Life};
use crate::counting::live;
use crate::rows::{W2_SENDERS, W5_RING, W6_ACTORS, W7_TURN, W8_ACTORS};
use crate::tools::{Dice, HitOnDrop, Latch, Measured, Outcome, time};

/// Adds up so many numbers and then hits its latch.
fn sink(mut left: u64, latch: &Latch) -> UnboundedSender<u64> {
    let (sender, mut receiver) = unbounded_channel();
    let latch = latch.clone();
    tokio::spawn(async move {
        let mut sum = 0;
        while let Some(number) = receiver.recv().await {
            sum = black_box(sum + number);
            left -= 1;
            if left == 0 {
                latch.hit();
            }
        }
    });
    sender
}

type Question = (u64, oneshot::Sender<u64>);

/// Answers with the sum so far.
fn oracle() -> UnboundedSender<Question> {
    let (sender, mut receiver) = unbounded_channel::<Question>();
    tokio::spawn(async move {
        let mut sum = 0;
        while let Some((number, reply)) = receiver.recv().await {
            sum += number;
            let _ = reply.send(sum);
        }
    });
    sender
}

/// A ring of so many, the token of which goes so many hops.
pub fn ring(size: usize, hops: u64, latch: &Latch) {
    let (first, last) = unbounded_channel::<u64>();
    let mut next = first.clone();
    let node = |mut receiver: tokio::sync::mpsc::UnboundedReceiver<u64>, next: UnboundedSender<u64>| {
        let latch = latch.clone();
        tokio::spawn(async move {
            while let Some(left) = receiver.recv().await {
                if left == 0 { latch.hit() } else { next.send(left - 1).expect("it lives") }
            }
        });
    };
    for _ in 1..size {
        let (sender, its) = unbounded_channel();
        node(its, next);
        next = sender;
    }
    node(last, next);
    first.send(hops).expect("it lives");
}

enum Big {
    Begin,
    Ping(usize),
    Pong,
}

type Crowd = Arc<OnceLock<Vec<UnboundedSender<Big>>>>;

fn big(me: usize, all: &Crowd, mut left: u64, latch: Latch) -> UnboundedSender<Big> {
    let (sender, mut receiver) = unbounded_channel();
    let all = Arc::clone(all);
    tokio::spawn(async move {
        let mut dice = Dice::new(me);
        while let Some(message) = receiver.recv().await {
            let all = all.get().expect("set before the start");
            match message {
                Big::Ping(from) => all[from].send(Big::Pong).expect("it lives"),
                Big::Pong if left == 1 => latch.hit(),
                Big::Begin | Big::Pong => {
                    left -= u64::from(matches!(message, Big::Pong));
                    all[dice.other_than(me, all.len())].send(Big::Ping(me)).expect("it lives");
                }
            }
        }
    });
    sender
}

/// W7: an actor that starts so many others in a turn.
fn starter(turn: u64, latch: Latch) -> UnboundedSender<u64> {
    let (sender, mut receiver) = unbounded_channel::<u64>();
    let own = sender.clone();
    tokio::spawn(async move {
        while let Some(left) = receiver.recv().await {
            let now = left.min(turn);
            for number in 0..now {
                let (child, mut its) = unbounded_channel();
                let end = HitOnDrop(latch.clone());
                tokio::spawn(async move {
                    let (_end, mut sum) = (end, 0);
                    while let Some(number) = its.recv().await {
                        sum = black_box(sum + number);
                    }
                });
                child.send(number).expect("it lives");
            } // nobody keeps the senders: they stop after their message
            if left > now {
                own.send(left - now).expect("it lives");
            }
        }
    });
    sender
}

/// W7m: nothing to do, but able to monitor and to be monitored.
struct Told;
impl From<Down> for Told {
    fn from(_: Down) -> Self {
        Told
    }
}

struct Idle {
    _sender: UnboundedSender<Told>,
    _vital: Arc<super::life::Vital<Told>>,
}

fn idle() -> Idle {
    let (sender, mut receiver) = unbounded_channel::<Told>();
    let life = Life::new();
    let vital = Arc::clone(&life.vital);
    tokio::spawn(async move {
        let _life = life;
        while receiver.recv().await.is_some() {}
    });
    Idle { _sender: sender, _vital: vital }
}

pub fn run(row: &str, n: u64) -> Measured {
    let latch = Latch::new(1);
    let outcome = match row {
        "W1" => {
            let sink = sink(n, &latch);
            Outcome::rate(
                n,
                time(|| {
                    for number in 0..n {
                        sink.send(number).expect("it lives");
                    }
                    latch.wait();
                }),
            )
        }
        "W2" | "W9" => {
            let senders = if row == "W2" { W2_SENDERS } else { 1 };
            let sink = sink(n, &latch);
            Outcome::rate(
                n,
                time(|| {
                    for _ in 0..senders {
                        let sink = sink.clone();
                        tokio::spawn(async move {
                            for number in 0..n / senders {
                                sink.send(number).expect("it lives");
                            }
                        });
                    }
                    latch.wait();
                }),
            )
        }
        "W3" => Outcome::rate(
            n,
            time(|| {
                ring(2, 2 * n, &latch);
                latch.wait();
            }),
        ),
        "W4o" => {
            let oracle = oracle();
            Outcome::rate(
                n,
                time(|| {
                    for number in 0..n {
                        let (reply, answer) = oneshot::channel();
                        assert!(oracle.send((number, reply)).is_ok());
                        black_box(answer.blocking_recv().expect("it lives"));
                    }
                }),
            )
        }
        "W4i" => {
            let oracle = oracle();
            let asker = latch.clone();
            Outcome::rate(
                n,
                time(|| {
                    tokio::spawn(async move {
                        for number in 0..n {
                            let (reply, answer) = oneshot::channel();
                            assert!(oracle.send((number, reply)).is_ok());
                            black_box(answer.await.expect("it lives"));
                        }
                        asker.hit();
                    });
                    latch.wait();
                }),
            )
        }
        "W5" => Outcome::rate(
            n,
            time(|| {
                ring(W5_RING, n, &latch);
                latch.wait();
            }),
        ),
        "W6" => {
            let latch = Latch::new(W6_ACTORS as u64);
            let all = Crowd::default();
            let actors: Vec<_> = (0..W6_ACTORS).map(|me| big(me, &all, n, latch.clone())).collect();
            let actors = all.get_or_init(|| actors);
            Outcome::rate(
                2 * n * W6_ACTORS as u64,
                time(|| {
                    for actor in actors {
                        assert!(actor.send(Big::Begin).is_ok());
                    }
                    latch.wait();
                }),
            )
        }
        "W7" | "W7t" => {
            let latch = Latch::new(n);
            let starter = starter(if row == "W7" { W7_TURN } else { n }, latch.clone());
            Outcome::rate(
                n,
                time(|| {
                    starter.send(n).expect("it lives");
                    latch.wait();
                }),
            )
        }
        "W7m" => {
            let mut all = Vec::with_capacity(n as usize);
            let before = live();
            all.extend((0..n).map(|_| idle()));
            Outcome::figure((live() - before) / n as f64)
        }
        "W8" => {
            let latch = Latch::new(W8_ACTORS);
            let sinks: Vec<_> = (0..W8_ACTORS).map(|_| sink(n, &latch)).collect();
            Outcome::rate(
                n * W8_ACTORS,
                time(|| {
                    for number in 0..n {
                        for sink in &sinks {
                            sink.send(number).expect("it lives");
                        }
                    }
                    latch.wait();
                }),
            )
        }
        _ => return Err("no such row"),
    };
    Ok(outcome)
}
