//! Lives and deaths: starting and stopping, monitoring and demonitoring, telling a death. The figure is per actor, pair or
//! `Down`.

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use deathwatch::prelude::*;
use deathwatch::{Demonitor, Monitors, Runtime};

struct Idle;
impl Actor for Idle {}

const BATCH: usize = 1_000;

fn lives(c: &mut Criterion) {
    let runtime = Runtime::builder().workers(1).build().expect("starts");
    let mut group = c.benchmark_group("life");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("start and stop", |b| {
        b.iter(|| {
            let all: Vec<_> = (0..BATCH).map(|_| runtime.start(Idle).expect("starts").join()).collect();
            assert!(all.into_iter().all(|exit| exit.wait() == ExitReason::Normal));
        });
    });
    group.bench_function("start, monitor, exit, Down handled", |b| {
        b.iter(|| {
            let mut monitors = Monitors::new();
            for _ in 0..BATCH {
                monitors.monitor(&runtime.start(Idle).expect("starts"));
            }
            assert_eq!(monitors.into_iter().count(), BATCH);
        });
    });
    group.finish();
}

fn monitors(c: &mut Criterion) {
    let runtime = Runtime::builder().workers(1).build().expect("starts");
    let mut group = c.benchmark_group("monitor");
    group.throughput(Throughput::Elements(BATCH as u64));
    for others in [10, 1_000_000] {
        let target = runtime.start(Idle).expect("starts");
        let mut crowd = Monitors::new();
        for _ in 0..others {
            crowd.monitor(&target);
        }
        let mut mine = Monitors::new();
        group.bench_function(BenchmarkId::new("monitor and demonitor, others", others), |b| {
            b.iter(|| {
                for _ in 0..BATCH {
                    let monitor = mine.monitor(&target);
                    assert!(matches!(mine.demonitor(monitor), Demonitor::Cancelled));
                }
            });
        });
    }
    for n in [10_000, 100_000] {
        let target = runtime.start(Idle).expect("starts");
        group.throughput(Throughput::Elements(n));
        group.bench_function(BenchmarkId::new("demonitor, oldest first", n), |b| {
            b.iter_batched(
                || {
                    let mut mine = Monitors::new();
                    let all: Vec<_> = (0..n).map(|_| mine.monitor(&target)).collect();
                    (mine, all)
                },
                |(mut mine, all)| {
                    for monitor in all {
                        assert!(matches!(mine.demonitor(monitor), Demonitor::Cancelled));
                    }
                    mine
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn exits(c: &mut Criterion) {
    let runtime = Runtime::builder().workers(1).build().expect("starts");
    let mut group = c.benchmark_group("exit");
    for n in [1, 1_000, 100_000] {
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("until all Downs are handled", n), |b| {
            b.iter_batched(
                || {
                    let target = runtime.start(Idle).expect("starts");
                    let mut monitors = Monitors::new();
                    for _ in 0..n {
                        monitors.monitor(&target);
                    }
                    (target, monitors)
                },
                |(target, monitors)| {
                    target.stop();
                    assert_eq!(monitors.into_iter().count(), n);
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = lives, monitors, exits
}
criterion_main!(benches);
