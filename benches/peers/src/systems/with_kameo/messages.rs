//! Rows W.

use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use kameo::actor::ActorRef;
use kameo::message::{Context, Message};
use tokio::runtime::Runtime;

use super::{plain, start};
use crate::counting::live;
use crate::rows::{W2_SENDERS, W5_RING, W6_ACTORS, W7_TURN, W8_ACTORS};
use crate::tools::{Dice, HitOnDrop, Latch, Measured, Outcome, time};

plain!(Sink Source Node Big Starter Child);

struct Sink {
    left: u64,
    sum: u64,
    latch: Latch,
}
struct Add(u64);
impl Message<Add> for Sink {
    type Reply = ();
    async fn handle(&mut self, Add(number): Add, _: &mut Context<Self, ()>) {
        self.sum += number;
        self.left -= 1;
        if self.left == 0 {
            self.latch.hit();
        }
    }
}
struct Asked(u64);
impl Message<Asked> for Sink {
    type Reply = u64;
    async fn handle(&mut self, Asked(number): Asked, _: &mut Context<Self, u64>) -> u64 {
        self.sum += number;
        self.sum
    }
}

struct Source(ActorRef<Sink>);
struct Send(u64);
impl Message<Send> for Source {
    type Reply = ();
    async fn handle(&mut self, Send(count): Send, _: &mut Context<Self, ()>) {
        for number in 0..count {
            self.0.tell(Add(number)).try_send().expect("it lives");
        }
    }
}
struct Ask(u64, Latch);
impl Message<Ask> for Source {
    type Reply = ();
    async fn handle(&mut self, Ask(count, latch): Ask, _: &mut Context<Self, ()>) {
        for number in 0..count {
            black_box(self.0.ask(Asked(number)).send().await.expect("it lives"));
        }
        latch.hit();
    }
}

struct Node {
    next: Option<ActorRef<Node>>,
    latch: Latch,
}
struct Meet(ActorRef<Node>);
impl Message<Meet> for Node {
    type Reply = ();
    async fn handle(&mut self, Meet(next): Meet, _: &mut Context<Self, ()>) {
        self.next = Some(next);
    }
}
struct Token(u64);
impl Message<Token> for Node {
    type Reply = ();
    async fn handle(&mut self, Token(left): Token, _: &mut Context<Self, ()>) {
        match (left, &self.next) {
            (0, _) | (_, None) => self.latch.hit(),
            (_, Some(next)) => next.tell(Token(left - 1)).try_send().expect("it lives"),
        }
    }
}

fn ring(size: usize, hops: u64, latch: &Latch) {
    let nodes: Vec<_> = (0..size).map(|_| start(Node { next: None, latch: latch.clone() })).collect();
    for (node, next) in nodes.iter().zip(nodes.iter().cycle().skip(1)) {
        node.tell(Meet(next.clone())).try_send().expect("it lives");
    }
    nodes[0].tell(Token(hops)).try_send().expect("it lives");
}

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
        all[other].tell(Ping(self.me)).try_send().expect("it lives");
    }
}
struct Ping(usize);
impl Message<Ping> for Big {
    type Reply = ();
    async fn handle(&mut self, Ping(from): Ping, _: &mut Context<Self, ()>) {
        self.all.get().expect("set before the start")[from].tell(Pong).try_send().expect("it lives");
    }
}
struct Pong;
impl Message<Pong> for Big {
    type Reply = ();
    async fn handle(&mut self, _: Pong, _: &mut Context<Self, ()>) {
        self.left -= 1;
        if self.left == 0 { self.latch.hit() } else { self.ping() }
    }
}
struct Begin;
impl Message<Begin> for Big {
    type Reply = ();
    async fn handle(&mut self, _: Begin, _: &mut Context<Self, ()>) {
        self.ping();
    }
}

struct Starter {
    turn: u64,
    latch: Latch,
}
struct Start(u64);
impl Message<Start> for Starter {
    type Reply = ();
    async fn handle(&mut self, Start(left): Start, ctx: &mut Context<Self, ()>) {
        let now = left.min(self.turn);
        for number in 0..now {
            let child = start(Child { sum: 0, _end: HitOnDrop(self.latch.clone()) });
            child.tell(Number(number)).try_send().expect("it lives");
        } // nobody keeps the handles: they stop after their message
        if left > now {
            ctx.actor_ref().tell(Start(left - now)).try_send().expect("it lives");
        }
    }
}
struct Child {
    sum: u64,
    _end: HitOnDrop,
}
struct Number(u64);
impl Message<Number> for Child {
    type Reply = ();
    async fn handle(&mut self, Number(number): Number, _: &mut Context<Self, ()>) {
        self.sum += black_box(number);
    }
}

pub fn run(runtime: &'static Runtime, row: &str, n: u64) -> Measured {
    let latch = Latch::new(1);
    let sink = |left: u64, latch: &Latch| start(Sink { left, sum: 0, latch: latch.clone() });
    let outcome = match row {
        "W1" => {
            let sink = sink(n, &latch);
            Outcome::rate(
                n,
                time(|| {
                    for number in 0..n {
                        sink.tell(Add(number)).try_send().expect("it lives");
                    }
                    latch.wait();
                }),
            )
        }
        "W2" | "W9" => {
            let senders = if row == "W2" { W2_SENDERS } else { 1 };
            let sink = sink(n, &latch);
            let sources: Vec<_> = (0..senders).map(|_| start(Source(sink.clone()))).collect();
            Outcome::rate(
                n,
                time(|| {
                    for source in &sources {
                        source.tell(Send(n / senders)).try_send().expect("it lives");
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
                    ring(size, hops, &latch);
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
                            black_box(sink.ask(Asked(number)).send().await.expect("it lives"));
                        }
                    });
                }),
            )
        }
        "W4i" => {
            let source = start(Source(sink(0, &latch)));
            Outcome::rate(
                n,
                time(|| {
                    source.tell(Ask(n, latch.clone())).try_send().expect("it lives");
                    latch.wait();
                }),
            )
        }
        "W6" => {
            let latch = Latch::new(W6_ACTORS as u64);
            let all = Arc::new(OnceLock::new());
            let big =
                |me| Big { me, all: Arc::clone(&all), dice: Dice::new(me), left: n, latch: latch.clone() };
            let actors: Vec<_> = (0..W6_ACTORS).map(|me| start(big(me))).collect();
            let actors = all.get_or_init(|| actors);
            Outcome::rate(
                2 * n * W6_ACTORS as u64,
                time(|| {
                    for actor in actors {
                        actor.tell(Begin).try_send().expect("it lives");
                    }
                    latch.wait();
                }),
            )
        }
        "W7" | "W7t" => {
            let latch = Latch::new(n);
            let turn = if row == "W7" { W7_TURN } else { n };
            let starter = start(Starter { turn, latch: latch.clone() });
            Outcome::rate(
                n,
                time(|| {
                    starter.tell(Start(n)).try_send().expect("it lives");
                    latch.wait();
                }),
            )
        }
        "W7m" => {
            let mut all = Vec::with_capacity(n as usize);
            let before = live();
            all.extend((0..n).map(|_| start(Node { next: None, latch: latch.clone() })));
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
                            sink.tell(Add(number)).try_send().expect("it lives");
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
