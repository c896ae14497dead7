//! Rows W.

use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use spawned_concurrency::message::Message;
use spawned_concurrency::tasks::{Actor, ActorRef, ActorStart as _, Context, Handler};
use tokio::runtime::Runtime;

use crate::counting::live;
use crate::rows::{W2_SENDERS, W5_RING, W6_ACTORS, W7_TURN, W8_ACTORS};
use crate::tools::{Dice, HitOnDrop, Latch, Measured, Outcome, time};

/// Messages and their replies.
macro_rules! messages {
    ($($message:ty => $reply:ty),*) => { $(
        impl Message for $message {
            type Result = $reply;
        }
    )* };
}
messages!(Add => (), Asked => u64, Send => (), Ask => (), Meet => (), Token => (), Ping => (), Pong => (), Begin => ());
messages!(Start => (), Number => ());

macro_rules! actors {
    ($($actor:ty)*) => { $(
        impl Actor for $actor {}
    )* };
}
actors!(Sink Source Node Big Starter Child);

struct Sink {
    left: u64,
    sum: u64,
    latch: Latch,
}
struct Add(u64);
impl Handler<Add> for Sink {
    async fn handle(&mut self, Add(number): Add, _: &Context<Self>) {
        self.sum += number;
        self.left -= 1;
        if self.left == 0 {
            self.latch.hit();
        }
    }
}
struct Asked(u64);
impl Handler<Asked> for Sink {
    async fn handle(&mut self, Asked(number): Asked, _: &Context<Self>) -> u64 {
        self.sum += number;
        self.sum
    }
}

struct Source(ActorRef<Sink>);
struct Send(u64);
impl Handler<Send> for Source {
    async fn handle(&mut self, Send(count): Send, _: &Context<Self>) {
        for number in 0..count {
            self.0.send(Add(number)).expect("it lives");
        }
    }
}
struct Ask(u64, Latch);
impl Handler<Ask> for Source {
    async fn handle(&mut self, Ask(count, latch): Ask, _: &Context<Self>) {
        for number in 0..count {
            black_box(self.0.request(Asked(number)).await.expect("it lives"));
        }
        latch.hit();
    }
}

struct Node {
    next: Option<ActorRef<Node>>,
    latch: Latch,
}
struct Meet(ActorRef<Node>);
impl Handler<Meet> for Node {
    async fn handle(&mut self, Meet(next): Meet, _: &Context<Self>) {
        self.next = Some(next);
    }
}
struct Token(u64);
impl Handler<Token> for Node {
    async fn handle(&mut self, Token(left): Token, _: &Context<Self>) {
        match (left, &self.next) {
            (0, _) | (_, None) => self.latch.hit(),
            (_, Some(next)) => next.send(Token(left - 1)).expect("it lives"),
        }
    }
}

fn ring(size: usize, hops: u64, latch: &Latch) {
    let nodes: Vec<_> = (0..size).map(|_| Node { next: None, latch: latch.clone() }.start()).collect();
    for (node, next) in nodes.iter().zip(nodes.iter().cycle().skip(1)) {
        node.send(Meet(next.clone())).expect("it lives");
    }
    nodes[0].send(Token(hops)).expect("it lives");
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
        all[other].send(Ping(self.me)).expect("it lives");
    }
}
struct Ping(usize);
impl Handler<Ping> for Big {
    async fn handle(&mut self, Ping(from): Ping, _: &Context<Self>) {
        self.all.get().expect("set before the start")[from].send(Pong).expect("it lives");
    }
}
struct Pong;
impl Handler<Pong> for Big {
    async fn handle(&mut self, _: Pong, _: &Context<Self>) {
        self.left -= 1;
        if self.left == 0 { self.latch.hit() } else { self.ping() }
    }
}
struct Begin;
impl Handler<Begin> for Big {
    async fn handle(&mut self, _: Begin, _: &Context<Self>) {
        self.ping();
    }
}

struct Starter {
    turn: u64,
    latch: Latch,
}
struct Start(u64);
impl Handler<Start> for Starter {
    async fn handle(&mut self, Start(left): Start, ctx: &Context<Self>) {
        let now = left.min(self.turn);
        for number in 0..now {
            let child = Child { sum: 0, _end: HitOnDrop(self.latch.clone()) }.start();
            child.send(Number(number)).expect("it lives");
        }
        if left > now {
            ctx.send(Start(left - now)).expect("it lives");
        }
    }
}
struct Child {
    sum: u64,
    _end: HitOnDrop,
}
struct Number(u64);
impl Handler<Number> for Child {
    async fn handle(&mut self, Number(number): Number, ctx: &Context<Self>) {
        self.sum += black_box(number);
        ctx.stop();
    }
}

pub fn run(runtime: &'static Runtime, row: &str, n: u64) -> Measured {
    let latch = Latch::new(1);
    let sink = |left: u64, latch: &Latch| Sink { left, sum: 0, latch: latch.clone() }.start();
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
            let sources: Vec<_> = (0..senders).map(|_| Source(sink.clone()).start()).collect();
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
                            black_box(sink.request(Asked(number)).await.expect("it lives"));
                        }
                    });
                }),
            )
        }
        "W4i" => {
            let source = Source(sink(0, &latch)).start();
            Outcome::rate(
                n,
                time(|| {
                    source.send(Ask(n, latch.clone())).expect("it lives");
                    latch.wait();
                }),
            )
        }
        "W6" => {
            let latch = Latch::new(W6_ACTORS as u64);
            let all = Arc::new(OnceLock::new());
            let big =
                |me| Big { me, all: Arc::clone(&all), dice: Dice::new(me), left: n, latch: latch.clone() };
            let actors: Vec<_> = (0..W6_ACTORS).map(|me| big(me).start()).collect();
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
            let starter = Starter { turn, latch: latch.clone() }.start();
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
            let before = live();
            all.extend((0..n).map(|_| Node { next: None, latch: latch.clone() }.start()));
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
