//! Rows W.

use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::runtime::Runtime;

use super::start;
use crate::counting::live;
use crate::rows::{W2_SENDERS, W5_RING, W6_ACTORS, W7_TURN, W8_ACTORS};
use crate::tools::{Dice, HitOnDrop, Latch, Measured, Outcome, time};

type Processed = Result<(), ActorProcessingErr>;
type Started<S> = Result<S, ActorProcessingErr>;

struct Sink;
struct Sum {
    left: u64,
    sum: u64,
    latch: Latch,
}
enum Add {
    Tell(u64),
    Ask(u64, RpcReplyPort<u64>),
}
impl Actor for Sink {
    type Msg = Add;
    type State = Sum;
    type Arguments = Sum;
    async fn pre_start(&self, _: ActorRef<Add>, sum: Sum) -> Started<Sum> {
        Ok(sum)
    }
    async fn handle(&self, _: ActorRef<Add>, message: Add, sum: &mut Sum) -> Processed {
        match message {
            Add::Tell(number) => {
                sum.sum += number;
                sum.left -= 1;
                if sum.left == 0 {
                    sum.latch.hit();
                }
            }
            Add::Ask(number, reply) => {
                sum.sum += number;
                reply.send(sum.sum)?;
            }
        }
        Ok(())
    }
}

struct Source;
enum Order {
    Send(u64),
    Ask(u64, Latch),
}
impl Actor for Source {
    type Msg = Order;
    type State = ActorRef<Add>;
    type Arguments = ActorRef<Add>;
    async fn pre_start(&self, _: ActorRef<Order>, sink: ActorRef<Add>) -> Started<ActorRef<Add>> {
        Ok(sink)
    }
    async fn handle(&self, _: ActorRef<Order>, order: Order, sink: &mut ActorRef<Add>) -> Processed {
        match order {
            Order::Send(count) => {
                for number in 0..count {
                    sink.cast(Add::Tell(number)).expect("it lives");
                }
            }
            Order::Ask(count, latch) => {
                for number in 0..count {
                    black_box(sink.call(|reply| Add::Ask(number, reply), None).await.expect("it lives"));
                }
                latch.hit();
            }
        }
        Ok(())
    }
}

struct Node;
struct Next {
    next: Option<ActorRef<Hop>>,
    latch: Latch,
}
enum Hop {
    Meet(ActorRef<Hop>),
    Token(u64),
}
impl Actor for Node {
    type Msg = Hop;
    type State = Next;
    type Arguments = Latch;
    async fn pre_start(&self, _: ActorRef<Hop>, latch: Latch) -> Started<Next> {
        Ok(Next { next: None, latch })
    }
    async fn handle(&self, _: ActorRef<Hop>, hop: Hop, state: &mut Next) -> Processed {
        match (hop, &state.next) {
            (Hop::Meet(next), _) => state.next = Some(next),
            (Hop::Token(0), _) | (_, None) => state.latch.hit(),
            (Hop::Token(left), Some(next)) => next.cast(Hop::Token(left - 1)).expect("it lives"),
        }
        Ok(())
    }
}

async fn ring(size: usize, hops: u64, latch: &Latch) {
    let mut nodes = Vec::new();
    for _ in 0..size {
        nodes.push(start(Node, latch.clone()).await);
    }
    for (node, next) in nodes.iter().zip(nodes.iter().cycle().skip(1)) {
        node.cast(Hop::Meet(next.clone())).expect("it lives");
    }
    nodes[0].cast(Hop::Token(hops)).expect("it lives");
}

struct Big;
struct Crowd {
    me: usize,
    all: Arc<OnceLock<Vec<ActorRef<Bigs>>>>,
    dice: Dice,
    left: u64,
    latch: Latch,
}
enum Bigs {
    Begin,
    Ping(usize),
    Pong,
}
impl Actor for Big {
    type Msg = Bigs;
    type State = Crowd;
    type Arguments = Crowd;
    async fn pre_start(&self, _: ActorRef<Bigs>, crowd: Crowd) -> Started<Crowd> {
        Ok(crowd)
    }
    async fn handle(&self, _: ActorRef<Bigs>, message: Bigs, crowd: &mut Crowd) -> Processed {
        let all = crowd.all.get().expect("set before the start");
        match message {
            Bigs::Ping(from) => all[from].cast(Bigs::Pong).expect("it lives"),
            Bigs::Pong if crowd.left == 1 => crowd.latch.hit(),
            Bigs::Begin | Bigs::Pong => {
                crowd.left -= u64::from(matches!(message, Bigs::Pong));
                all[crowd.dice.other_than(crowd.me, all.len())].cast(Bigs::Ping(crowd.me)).expect("it lives");
            }
        }
        Ok(())
    }
}

struct Starter;
struct Turn {
    turn: u64,
    latch: Latch,
}
impl Actor for Starter {
    type Msg = u64;
    type State = Turn;
    type Arguments = Turn;
    async fn pre_start(&self, _: ActorRef<u64>, turn: Turn) -> Started<Turn> {
        Ok(turn)
    }
    async fn handle(&self, myself: ActorRef<u64>, left: u64, state: &mut Turn) -> Processed {
        let now = left.min(state.turn);
        for number in 0..now {
            start(Child, HitOnDrop(state.latch.clone())).await.cast(number).expect("it lives");
        }
        if left > now {
            myself.cast(left - now).expect("it lives");
        }
        Ok(())
    }
}
struct Child;
impl Actor for Child {
    type Msg = u64;
    type State = (u64, HitOnDrop);
    type Arguments = HitOnDrop;
    async fn pre_start(&self, _: ActorRef<u64>, end: HitOnDrop) -> Started<(u64, HitOnDrop)> {
        Ok((0, end))
    }
    async fn handle(&self, myself: ActorRef<u64>, number: u64, sum: &mut (u64, HitOnDrop)) -> Processed {
        sum.0 += black_box(number);
        myself.stop(None);
        Ok(())
    }
}

pub fn run(runtime: &'static Runtime, row: &str, n: u64) -> Measured {
    let latch = Latch::new(1);
    let sink =
        |left: u64, latch: &Latch| runtime.block_on(start(Sink, Sum { left, sum: 0, latch: latch.clone() }));
    let outcome = match row {
        "W1" => {
            let sink = sink(n, &latch);
            Outcome::rate(
                n,
                time(|| {
                    for number in 0..n {
                        sink.cast(Add::Tell(number)).expect("it lives");
                    }
                    latch.wait();
                }),
            )
        }
        "W2" | "W9" => {
            let senders = if row == "W2" { W2_SENDERS } else { 1 };
            let sink = sink(n, &latch);
            let sources: Vec<_> =
                (0..senders).map(|_| runtime.block_on(start(Source, sink.clone()))).collect();
            Outcome::rate(
                n,
                time(|| {
                    for source in &sources {
                        source.cast(Order::Send(n / senders)).expect("it lives");
                    }
                    latch.wait();
                }),
            )
        }
        "W3" | "W5" => {
            let (size, hops) = if row == "W3" { (2, 2 * n) } else { (W5_RING, n) };
            Outcome::rate(
                n,
                time(|| {
                    runtime.block_on(ring(size, hops, &latch));
                    latch.wait();
                }),
            )
        }
        "W4o" => {
            let sink = sink(0, &latch);
            Outcome::rate(
                n,
                time(|| {
                    runtime.block_on(async {
                        for number in 0..n {
                            let asked = sink.call(|reply| Add::Ask(number, reply), None);
                            black_box(asked.await.expect("it lives"));
                        }
                    });
                }),
            )
        }
        "W4i" => {
            let source = runtime.block_on(start(Source, sink(0, &latch)));
            Outcome::rate(
                n,
                time(|| {
                    source.cast(Order::Ask(n, latch.clone())).expect("it lives");
                    latch.wait();
                }),
            )
        }
        "W6" => {
            let latch = Latch::new(W6_ACTORS as u64);
            let all = Arc::new(OnceLock::new());
            let actors: Vec<_> = (0..W6_ACTORS)
                .map(|me| Crowd {
                    me,
                    all: Arc::clone(&all),
                    dice: Dice::new(me),
                    left: n,
                    latch: latch.clone(),
                })
                .map(|crowd| runtime.block_on(start(Big, crowd)))
                .collect();
            let actors = all.get_or_init(|| actors);
            Outcome::rate(
                2 * n * W6_ACTORS as u64,
                time(|| {
                    for actor in actors {
                        actor.cast(Bigs::Begin).expect("it lives");
                    }
                    latch.wait();
                }),
            )
        }
        "W7" | "W7t" => {
            let latch = Latch::new(n);
            let turn = if row == "W7" { W7_TURN } else { n };
            let starter = runtime.block_on(start(Starter, Turn { turn, latch: latch.clone() }));
            Outcome::rate(
                n,
                time(|| {
                    starter.cast(n).expect("it lives");
                    latch.wait();
                }),
            )
        }
        "W7m" => {
            let mut all = Vec::with_capacity(n as usize);
            let before = live();
            all.extend((0..n).map(|_| runtime.block_on(start(Node, latch.clone()))));
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
                            sink.cast(Add::Tell(number)).expect("it lives");
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
