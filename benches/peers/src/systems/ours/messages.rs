//! Rows W.

use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use deathwatch::prelude::*;

use super::Stage;
use crate::counting::live;
use crate::rows::{W2_SENDERS, W5_RING, W6_ACTORS, W7_TURN, W8_ACTORS};
use crate::tools::{Dice, HitOnDrop, Latch, Measured, Outcome, time};

/// Adds up so many messages and then hits its latch.
struct Sink {
    left: u64,
    sum: u64,
    latch: Latch,
}
impl Actor for Sink {}

struct Add(u64);
impl Message for Add {
    type Reply = u64;
}
impl Handler<Add> for Sink {
    async fn handle(&mut self, Add(number): Add, _: &Context<Self>) -> u64 {
        self.sum += number;
        self.left = self.left.wrapping_sub(1);
        if self.left == 0 {
            self.latch.hit();
        }
        self.sum
    }
}

/// Sends so many in a tight loop; or asks, one after the other.
struct Source(ActorRef<Sink>);
impl Actor for Source {}

struct Send(u64);
impl Message for Send {
    type Reply = ();
}
impl Handler<Send> for Source {
    async fn handle(&mut self, Send(count): Send, _: &Context<Self>) {
        for number in 0..count {
            self.0.send(Add(number)).expect("it lives");
        }
    }
}
struct Ask(u64);
impl Message for Ask {
    type Reply = u64;
}
impl Handler<Ask> for Source {
    async fn handle(&mut self, Ask(count): Ask, _: &Context<Self>) -> u64 {
        let mut last = 0;
        for number in 0..count {
            last = self.0.request(Add(number)).await.expect("it lives");
        }
        last
    }
}

/// One of a ring, of two or more.
struct Node {
    next: Option<ActorRef<Node>>,
    latch: Latch,
}
impl Actor for Node {}

struct Meet(ActorRef<Node>);
impl Message for Meet {
    type Reply = ();
}
impl Handler<Meet> for Node {
    async fn handle(&mut self, Meet(next): Meet, _: &Context<Self>) {
        self.next = Some(next);
    }
}
/// Goes on for so many hops.
pub struct Token(u64);
impl Message for Token {
    type Reply = ();
}
impl Handler<Token> for Node {
    async fn handle(&mut self, Token(left): Token, _: &Context<Self>) {
        match (left, &self.next) {
            (0, _) | (_, None) => self.latch.hit(),
            (_, Some(next)) => next.send(Token(left - 1)).expect("it lives"),
        }
    }
}

/// A ring of so many, the token of which goes so many hops.
pub fn ring(stage: &Stage, size: usize, hops: u64, latch: &Latch) {
    let nodes: Vec<_> = (0..size).map(|_| stage.start(Node { next: None, latch: latch.clone() })).collect();
    for (node, next) in nodes.iter().zip(nodes.iter().cycle().skip(1)) {
        node.send(Meet(next.clone())).expect("it lives");
    }
    nodes[0].send(Token(hops)).expect("it lives");
}

/// W6: one of the big crowd.
struct Big {
    me: usize,
    all: Arc<OnceLock<Vec<ActorRef<Big>>>>,
    dice: Dice,
    left: u64,
    latch: Latch,
}
impl Big {
    fn ping(&mut self) {
        let all = self.all.get().expect("set before the start");
        let other = self.dice.other_than(self.me, all.len());
        all[other].send(Ping(self.me)).expect("it lives");
    }
}
impl Actor for Big {}

struct Ping(usize);
impl Message for Ping {
    type Reply = ();
}
impl Handler<Ping> for Big {
    async fn handle(&mut self, Ping(from): Ping, _: &Context<Self>) {
        self.all.get().expect("set before the start")[from].send(Pong).expect("it lives");
    }
}
struct Pong;
impl Message for Pong {
    type Reply = ();
}
impl Handler<Pong> for Big {
    async fn handle(&mut self, _: Pong, _: &Context<Self>) {
        self.left -= 1;
        if self.left == 0 { self.latch.hit() } else { self.ping() }
    }
}
struct Begin;
impl Message for Begin {
    type Reply = ();
}
impl Handler<Begin> for Big {
    async fn handle(&mut self, _: Begin, _: &Context<Self>) {
        self.ping();
    }
}

/// W7: starts others, so many in a turn.
struct Starter {
    turn: u64,
    latch: Latch,
}
impl Actor for Starter {}

struct Start(u64);
impl Message for Start {
    type Reply = ();
}
impl Handler<Start> for Starter {
    async fn handle(&mut self, Start(left): Start, ctx: &Context<Self>) {
        let now = left.min(self.turn);
        for number in 0..now {
            let child = Child { sum: 0, _end: HitOnDrop(self.latch.clone()) }.start();
            child.send(Number(number)).expect("it lives");
        } // nobody keeps the handles: they stop after their message
        if left > now {
            ctx.send(Start(left - now)).expect("it lives");
        }
    }
}
struct Child {
    sum: u64,
    _end: HitOnDrop,
}
impl Actor for Child {}
struct Number(u64);
impl Message for Number {
    type Reply = ();
}
impl Handler<Number> for Child {
    async fn handle(&mut self, Number(number): Number, _: &Context<Self>) {
        self.sum += black_box(number);
    }
}

/// W7m: nothing to do, but able to monitor.
struct Idle;
impl Actor for Idle {}
impl Handler<Down> for Idle {
    async fn handle(&mut self, _: Down, _: &Context<Self>) {}
}

pub fn run(stage: &'static Stage, row: &str, n: u64) -> Measured {
    let latch = Latch::new(1);
    let sink = |left: u64, latch: &Latch| stage.start(Sink { left, sum: 0, latch: latch.clone() });
    let outcome = match row {
        "W1" => {
            let sink = sink(n, &latch);
            Outcome::rate(
                n,
                time(|| {
                    for number in 0..n {
                        sink.send(Add(number)).expect("it lives");
                    }
                    latch.wait();
                }),
            )
        }
        "W2" | "W9" => {
            let senders = if row == "W2" { W2_SENDERS } else { 1 };
            let sink = sink(n, &latch);
            let sources: Vec<_> = (0..senders).map(|_| stage.start(Source(sink.clone()))).collect();
            Outcome::rate(
                n,
                time(|| {
                    for source in &sources {
                        source.send(Send(n / senders)).expect("it lives");
                    }
                    latch.wait();
                }),
            )
        }
        "W3" => Outcome::rate(
            n,
            time(|| {
                ring(stage, 2, 2 * n, &latch);
                latch.wait();
            }),
        ),
        "W4o" => {
            let sink = sink(0, &latch);
            Outcome::rate(
                n,
                time(|| {
                    for number in 0..n {
                        black_box(sink.request(Add(number)).wait().expect("it lives"));
                    }
                }),
            )
        }
        "W4i" => {
            let source = stage.start(Source(sink(0, &latch)));
            Outcome::rate(
                n,
                time(|| {
                    black_box(source.request(Ask(n)).no_timeout().wait().expect("it lives"));
                }),
            )
        }
        "W5" => Outcome::rate(
            n,
            time(|| {
                ring(stage, W5_RING, n, &latch);
                latch.wait();
            }),
        ),
        "W6" => {
            let latch = Latch::new(W6_ACTORS as u64);
            let all = Arc::new(OnceLock::new());
            let big =
                |me| Big { me, all: Arc::clone(&all), dice: Dice::new(me), left: n, latch: latch.clone() };
            let actors: Vec<_> = (0..W6_ACTORS).map(|me| stage.start(big(me))).collect();
            let actors = all.get_or_init(|| actors);
            Outcome::rate(
                2 * n * W6_ACTORS as u64,
                time(|| {
                    for actor in actors {
                        actor.send(Begin).expect("it lives");
                    }
                    latch.wait();
                }),
            )
        }
        "W7" | "W7t" => {
            let latch = Latch::new(n);
            let turn = if row == "W7" { W7_TURN } else { n };
            let starter = stage.start(Starter { turn, latch: latch.clone() });
            Outcome::rate(
                n,
                time(|| {
                    starter.send(Start(n)).expect("it lives");
                    latch.wait();
                }),
            )
        }
        "W7m" => {
            let mut all = Vec::with_capacity(n as usize);
            stage.start(Idle).detach();
            let before = live();
            all.extend((0..n).map(|_| stage.start(Idle)));
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
                            sink.send(Add(number)).expect("it lives");
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
