//! Messages and requests; the figure is per message, hop or round trip.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use deathwatch::Runtime;
use deathwatch::prelude::*;

struct Sum(u64);
impl Actor for Sum {}

struct Add(u64);
impl Message for Add {
    type Reply = u64;
}
impl Handler<Add> for Sum {
    async fn handle(&mut self, Add(n): Add, _: &Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}

/// Asks another so many times, from inside an actor.
struct Asker(ActorRef<Sum>);
impl Actor for Asker {}

struct Ask(u64);
impl Message for Ask {
    type Reply = u64;
}
impl Handler<Ask> for Asker {
    async fn handle(&mut self, Ask(times): Ask, _: &Context<Self>) -> u64 {
        let mut last = 0;
        for _ in 0..times {
            last = self.0.request(Add(1)).await.expect("it lives");
        }
        last
    }
}

/// One of two that throw a message to and fro.
struct Player(Option<ActorRef<Player>>);
impl Actor for Player {}

struct Meet(ActorRef<Player>);
impl Message for Meet {
    type Reply = ();
}
impl Handler<Meet> for Player {
    async fn handle(&mut self, Meet(other): Meet, _: &Context<Self>) {
        self.0 = Some(other);
    }
}
struct Ball(u64, std::sync::mpsc::Sender<()>);
impl Message for Ball {
    type Reply = ();
}
impl Handler<Ball> for Player {
    async fn handle(&mut self, Ball(left, done): Ball, _: &Context<Self>) {
        match (left, &self.0) {
            (0, _) | (_, None) => done.send(()).expect("the bench waits"),
            (_, Some(other)) => other.send(Ball(left - 1, done)).expect("it lives"),
        }
    }
}

const BATCH: u64 = 10_000;

fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("message");
    group.throughput(Throughput::Elements(BATCH));
    for workers in [1, 2] {
        let runtime = Runtime::builder().workers(workers).build().expect("starts");
        let sum = runtime.start(Sum(0)).expect("starts");
        group.bench_function(BenchmarkId::new("thread to actor", workers), |b| {
            b.iter(|| {
                (0..BATCH).for_each(|_| sum.send(Add(1)).expect("it lives"));
                sum.request(Add(0)).wait().expect("it lives")
            });
        });
        let (one, two) =
            (runtime.start(Player(None)).expect("starts"), runtime.start(Player(None)).expect("starts"));
        one.send(Meet(two.clone())).expect("it lives");
        two.send(Meet(one.clone())).expect("it lives");
        group.bench_function(BenchmarkId::new("ping-pong", workers), |b| {
            b.iter(|| {
                let (done, all_done) = std::sync::mpsc::channel();
                one.send(Ball(BATCH, done)).expect("it lives");
                all_done.recv().expect("the ball comes back");
            });
        });
        one.stop();
        two.stop();
        let asker = runtime.start(Asker(sum.clone())).expect("starts");
        group.bench_function(BenchmarkId::new("request from an actor", workers), |b| {
            b.iter(|| black_box(asker.request(Ask(BATCH)).no_timeout().wait().expect("it lives")));
        });
    }
    group.finish();
    let runtime = Runtime::builder().workers(1).build().expect("starts");
    let sum = runtime.start(Sum(0)).expect("starts");
    c.bench_function("request from a thread", |b| b.iter(|| sum.request(Add(1)).wait().expect("it lives")));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = messages
}
criterion_main!(benches);
