//! Rows W.

use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use tokio::runtime::Runtime;
use xtra::{Address, Context, Handler};

use super::{plain, start, tell};
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
impl Handler<Add> for Sink {
    type Return = ();
    async fn handle(&mut self, Add(number): Add, _: &mut Context<Self>) {
        self.sum += number;
        self.left -= 1;
        if self.left == 0 {
            self.latch.hit();
        }
    }
}
struct Asked(u64);
impl Handler<Asked> for Sink {
    type Return = u64;
    async fn handle(&mut self, Asked(number): Asked, _: &mut Context<Self>) -> u64 {
        self.sum += number;
        self.sum
    }
}

struct Source(Address<Sink>);
struct Send(u64);
impl Handler<Send> for Source {
    type Return = ();
    async fn handle(&mut self, Send(count): Send, _: &mut Context<Self>) {
        for number in 0..count {
            tell(&self.0, Add(number)).await;
        }
    }
}
struct Ask(u64, Latch);
impl Handler<Ask> for Source {
    type Return = ();
    async fn handle(&mut self, Ask(count, latch): Ask, _: &mut Context<Self>) {
        for number in 0..count {
            black_box(self.0.send(Asked(number)).await.expect("it lives"));
        }
        latch.hit();
    }
}

struct Node {
    next: Option<Address<Node>>,
    latch: Latch,
}
struct Meet(Address<Node>);
impl Handler<Meet> for Node {
    type Return = ();
    async fn handle(&mut self, Meet(next): Meet, _: &mut Context<Self>) {
        self.next = Some(next);
    }
}
struct Token(u64);
impl Handler<Token> for Node {
    type Return = ();
    async fn handle(&mut self, Token(left): Token, _: &mut Context<Self>) {
        match (left, &self.next) {
            (0, _) | (_, None) => self.latch.hit(),
            (_, Some(next)) => tell(next, Token(left - 1)).await,
        }
    }
}

async fn ring(size: usize, hops: u64, latch: &Latch) {
    let nodes: Vec<_> = (0..size).map(|_| start(Node { next: None, latch: latch.clone() })).collect();
    for (node, next) in nodes.iter().zip(nodes.iter().cycle().skip(1)) {
        tell(&node, Meet(next.clone())).await;
    }
    tell(&nodes[0], Token(hops)).await;
}

struct Big {
    me: usize,
    all: Arc<OnceLock<Vec<Address<Big>>>>,
    dice: Dice,
    left: u64,
    latch: Latch,
}
impl Big {
    async fn ping(&mut self) {
        let all = self.all.get().expect("set before the start");
        let other = self.dice.other_than(self.me, all.len());
        tell(&all[other], Ping(self.me)).await;
    }
}
struct Ping(usize);
impl Handler<Ping> for Big {
    type Return = ();
    async fn handle(&mut self, Ping(from): Ping, _: &mut Context<Self>) {
        tell(&self.all.get().expect("set before the start")[from], Pong).await;
    }
}
struct Pong;
impl Handler<Pong> for Big {
    type Return = ();
    async fn handle(&mut self, _: Pong, _: &mut Context<Self>) {
        self.left -= 1;
        if self.left == 0 { self.latch.hit() } else { self.ping().await }
    }
}
struct Begin;
impl Handler<Begin> for Big {
    type Return = ();
    async fn handle(&mut self, _: Begin, _: &mut Context<Self>) {
        self.ping().await;
    }
}

struct Starter {
    turn: u64,
    latch: Latch,
}
struct Start(u64);
impl Handler<Start> for Starter {
    type Return = ();
    async fn handle(&mut self, Start(left): Start, ctx: &mut Context<Self>) {
        let now = left.min(self.turn);
        for number in 0..now {
            let child = start(Child { sum: 0, _end: HitOnDrop(self.latch.clone()) });
            tell(&child, Number(number)).await;
        } // nobody keeps the handles: they stop after their message
        if left > now {
            tell(&ctx.mailbox().address(), Start(left - now)).await;
        }
    }
}
struct Child {
    sum: u64,
    _end: HitOnDrop,
}
struct Number(u64);
impl Handler<Number> for Child {
    type Return = ();
    async fn handle(&mut self, Number(number): Number, _: &mut Context<Self>) {
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
                    runtime.block_on(async {
                        for number in 0..n {
                            tell(&sink, Add(number)).await;
                        }
                    });
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
                    runtime.block_on(async {
                        for source in &sources {
                            tell(source, Send(n / senders)).await;
                        }
                    });
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
                            black_box(sink.send(Asked(number)).await.expect("it lives"));
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
                    runtime.block_on(async {
                        tell(&source, Ask(n, latch.clone())).await;
                    });
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
                    runtime.block_on(async {
                        for actor in actors {
                            tell(actor, Begin).await;
                        }
                    });
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
                    runtime.block_on(async {
                        tell(&starter, Start(n)).await;
                    });
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
                    runtime.block_on(async {
                        for number in 0..n {
                            for sink in &sinks {
                                tell(sink, Add(number)).await;
                            }
                        }
                    });
                    latch.wait();
                }),
            )
        }
        _ => return Err("no such row"),
    };
    Ok(outcome)
}
