//! actix. All actors are on one thread, which is its fastest by far. It does not tell anybody of an actor's end, so there are
//! no rows of monitors.

use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use actix::{
    Actor, Addr, Arbiter, ArbiterHandle, AsyncContext, Context, Handler, Message, ResponseFuture, System,
};
use tokio::runtime::{Builder, Runtime};

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
        impl Actor for $actor {
            type Context = Context<Self>;
        }
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
    type Result = ();
    fn handle(&mut self, Add(number): Add, _: &mut Context<Self>) {
        self.sum += number;
        self.left -= 1;
        if self.left == 0 {
            self.latch.hit();
        }
    }
}
struct Asked(u64);
impl Handler<Asked> for Sink {
    type Result = u64;
    fn handle(&mut self, Asked(number): Asked, _: &mut Context<Self>) -> u64 {
        self.sum += number;
        self.sum
    }
}

struct Source(Addr<Sink>);
struct Send(u64);
impl Handler<Send> for Source {
    type Result = ();
    fn handle(&mut self, Send(count): Send, _: &mut Context<Self>) {
        for number in 0..count {
            self.0.do_send(Add(number));
        }
    }
}
struct Ask(u64, Latch);
impl Handler<Ask> for Source {
    type Result = ResponseFuture<()>;
    fn handle(&mut self, Ask(count, latch): Ask, _: &mut Context<Self>) -> ResponseFuture<()> {
        let sink = self.0.clone();
        Box::pin(async move {
            for number in 0..count {
                black_box(sink.send(Asked(number)).await.expect("it lives"));
            }
            latch.hit();
        })
    }
}

struct Node {
    next: Option<Addr<Node>>,
    latch: Latch,
}
struct Meet(Addr<Node>);
impl Handler<Meet> for Node {
    type Result = ();
    fn handle(&mut self, Meet(next): Meet, _: &mut Context<Self>) {
        self.next = Some(next);
    }
}
struct Token(u64);
impl Handler<Token> for Node {
    type Result = ();
    fn handle(&mut self, Token(left): Token, _: &mut Context<Self>) {
        match (left, &self.next) {
            (0, _) | (_, None) => self.latch.hit(),
            (_, Some(next)) => next.do_send(Token(left - 1)),
        }
    }
}

fn ring(on: &ArbiterHandle, size: usize, hops: u64, latch: &Latch) {
    let nodes: Vec<_> = (0..size).map(|_| start(on, Node { next: None, latch: latch.clone() })).collect();
    for (node, next) in nodes.iter().zip(nodes.iter().cycle().skip(1)) {
        node.do_send(Meet(next.clone()));
    }
    nodes[0].do_send(Token(hops));
}

struct Big {
    me: usize,
    all: Arc<OnceLock<Vec<Addr<Big>>>>,
    dice: Dice,
    left: u64,
    latch: Latch,
}
impl Big {
    fn ping(&mut self) {
        let all = self.all.get().expect("set before the start");
        let other = self.dice.other_than(self.me, all.len());
        all[other].do_send(Ping(self.me));
    }
}
struct Ping(usize);
impl Handler<Ping> for Big {
    type Result = ();
    fn handle(&mut self, Ping(from): Ping, _: &mut Context<Self>) {
        self.all.get().expect("set before the start")[from].do_send(Pong);
    }
}
struct Pong;
impl Handler<Pong> for Big {
    type Result = ();
    fn handle(&mut self, _: Pong, _: &mut Context<Self>) {
        self.left -= 1;
        if self.left == 0 { self.latch.hit() } else { self.ping() }
    }
}
struct Begin;
impl Handler<Begin> for Big {
    type Result = ();
    fn handle(&mut self, _: Begin, _: &mut Context<Self>) {
        self.ping();
    }
}

struct Starter {
    turn: u64,
    latch: Latch,
}
struct Start(u64);
impl Handler<Start> for Starter {
    type Result = ();
    fn handle(&mut self, Start(left): Start, ctx: &mut Context<Self>) {
        let now = left.min(self.turn);
        for number in 0..now {
            let child = Child { sum: 0, _end: HitOnDrop(self.latch.clone()) }.start();
            child.do_send(Number(number));
        } // nobody keeps the handles: they stop after their message
        if left > now {
            ctx.address().do_send(Start(left - now));
        }
    }
}
struct Child {
    sum: u64,
    _end: HitOnDrop,
}
struct Number(u64);
impl Handler<Number> for Child {
    type Result = ();
    fn handle(&mut self, Number(number): Number, _: &mut Context<Self>) {
        self.sum += black_box(number);
    }
}

/// A thread that actors run on.
fn arbiter() -> ArbiterHandle {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let system = System::new();
        sender.send(system.block_on(async { Arbiter::current() })).expect("it is waited for");
        system.run().expect("it runs");
    });
    receiver.recv().expect("a thread")
}

fn start<A>(on: &ArbiterHandle, actor: A) -> Addr<A>
where
    A: Actor<Context = Context<A>> + std::marker::Send,
{
    A::start_in_arbiter(on, move |_| actor)
}

/// Where a plain thread waits for replies.
fn plain_runtime() -> Runtime {
    Builder::new_current_thread().build().expect("no threads needed")
}

pub fn run(row: &str, n: u64) -> Measured {
    match row.as_bytes()[0] {
        b'W' => {}
        b'L' => return Err("measured for deathwatch and tokio only"),
        _ => return Err("it tells nobody of an end"),
    }
    let on = &arbiter();
    let latch = Latch::new(1);
    let sink = |left: u64, latch: &Latch| start(on, Sink { left, sum: 0, latch: latch.clone() });
    let outcome = match row {
        "W1" => {
            let sink = sink(n, &latch);
            Outcome::rate(
                n,
                time(|| {
                    for number in 0..n {
                        sink.do_send(Add(number));
                    }
                    latch.wait();
                }),
            )
        }
        "W2" | "W9" => {
            let senders = if row == "W2" { W2_SENDERS } else { 1 };
            let sink = sink(n, &latch);
            let sources: Vec<_> = (0..senders).map(|_| start(on, Source(sink.clone()))).collect();
            Outcome::rate(
                n,
                time(|| {
                    for source in &sources {
                        source.do_send(Send(n / senders));
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
                    ring(on, size, hops, &latch);
                    latch.wait();
                }),
            )
        }
        "W4o" => {
            let sink = sink(0, &latch);
            Outcome::rate(
                n,
                time(|| {
                    plain_runtime().block_on(async {
                        for number in 0..n {
                            black_box(sink.send(Asked(number)).await.expect("it lives"));
                        }
                    });
                }),
            )
        }
        "W4i" => {
            let source = start(on, Source(sink(0, &latch)));
            Outcome::rate(
                n,
                time(|| {
                    source.do_send(Ask(n, latch.clone()));
                    latch.wait();
                }),
            )
        }
        "W6" => {
            let latch = Latch::new(W6_ACTORS as u64);
            let all = Arc::new(OnceLock::new());
            let big =
                |me| Big { me, all: Arc::clone(&all), dice: Dice::new(me), left: n, latch: latch.clone() };
            let actors: Vec<_> = (0..W6_ACTORS).map(|me| start(on, big(me))).collect();
            let actors = all.get_or_init(|| actors);
            Outcome::rate(
                2 * n * W6_ACTORS as u64,
                time(|| {
                    for actor in actors {
                        actor.do_send(Begin);
                    }
                    latch.wait();
                }),
            )
        }
        "W7" | "W7t" => {
            let latch = Latch::new(n);
            let turn = if row == "W7" { W7_TURN } else { n };
            let starter = start(on, Starter { turn, latch: latch.clone() });
            Outcome::rate(
                n,
                time(|| {
                    starter.do_send(Start(n));
                    latch.wait();
                }),
            )
        }
        "W7m" => {
            let mut all = Vec::with_capacity(n as usize);
            let before = live();
            all.extend((0..n).map(|_| sink(0, &latch)));
            if let Some(last) = all.last() {
                // When this one answers, all have been started.
                plain_runtime().block_on(last.send(Asked(0))).expect("it lives");
            }
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
                            sink.do_send(Add(number));
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
