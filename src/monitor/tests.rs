//! What cannot be brought about from outside.

use std::sync::mpsc;

use crate::reclaim::pin;
use crate::sync::{skip_monitor_keys, thread};
use crate::tasks::{Actor, Handler};
use crate::{Context, Demonitor, Down, ExitReason, Monitors, Runtime};

struct Idle;
impl Actor for Idle {}

/// R1, R33: references count on past 2^32: none is given out again, and none is taken for the one that has the same lower
/// half, neither by the table nor by a cancel.
#[test]
fn references_past_two_to_the_32() {
    const HALF: u64 = 1 << 32;
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let target = runtime.start(Idle).unwrap();
    let mut monitors = Monitors::new();
    let early: Vec<_> = (0..100).map(|_| monitors.monitor(&target)).collect();
    let used = early[99];
    assert!(matches!(monitors.demonitor(used), Demonitor::Cancelled));

    // Other tests may draw keys as well, so that a few may be missed.
    skip_monitor_keys(early[0].get() + HALF);
    let late: Vec<_> = (0..1_000).map(|_| monitors.monitor(&target)).collect();
    assert!(late.iter().all(|monitor| monitor.get() >= HALF && !early.contains(monitor)));
    assert!(late.is_sorted(), "each is another");
    let twins = |monitor: &crate::MonitorRef| late.iter().any(|late| late.get() - HALF == monitor.get());
    assert!(
        early.iter().any(twins),
        "no two have the same lower half: {} and {}",
        early[0].get(),
        late[0].get()
    );
    assert_eq!(monitors.monitors().len(), 1_099);

    assert!(matches!(monitors.demonitor(used), Demonitor::Unknown));
    for monitor in &early[..50] {
        assert!(matches!(monitors.demonitor(*monitor), Demonitor::Cancelled));
        assert!(matches!(monitors.demonitor(*monitor), Demonitor::Unknown));
    }
    target.kill();
    let mut told: Vec<_> = monitors.iter().map(|down| down.monitor_ref).collect();
    told.sort();
    assert!(told.iter().eq(early[50..99].iter().chain(&late)));
    assert!(early.iter().chain(&late).all(|used| matches!(monitors.demonitor(*used), Demonitor::Unknown)));
}

/// R43, R46: in whichever order monitors are taken back, a target's list holds no more than as many cancelled ones as live ones, or
/// 64; also while a watcher's whole table goes.
#[test]
fn cancelled_entries_stay_bounded_in_any_order() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let target = runtime.start(Idle).unwrap();
    let stale = || crate::actor::handle::cell_of(&target).watchers.stale();
    let mut monitors = Monitors::new();
    let mut live: std::collections::VecDeque<_> = (0..2_000).map(|_| monitors.monitor(&target)).collect();
    // A watcher's exit cancels all before it counts the first.
    let mut other = Monitors::new();
    (0..1_000).for_each(|_| _ = other.monitor(&target));
    drop(other);
    for _ in 0..200 {
        let monitor = monitors.monitor(&target);
        assert_eq!(monitors.demonitor(monitor), Demonitor::Cancelled);
    }
    assert!(stale() <= 2 * 64 + 1, "{} cancelled that came and went", stale());

    let mut take_back = |oldest: bool| {
        let monitor = if oldest { live.pop_front() } else { live.pop_back() }.unwrap();
        assert_eq!(monitors.demonitor(monitor), Demonitor::Cancelled);
        let most = live.len().max(64);
        assert!(stale() <= most, "{} cancelled, {} live", stale(), live.len());
    };
    (0..1_000).for_each(|_| take_back(false));
    (0..500).for_each(|_| take_back(true));
    (0..450).for_each(|n| take_back(n % 3 == 0));
}

/// R28: a thread that sleeps under a guard holds up what is reclaimed, and nobody's Down: actors watch, cancel, die and are
/// told as ever, many times as often as the epoch could advance.
#[test]
fn a_thread_that_sleeps_under_a_guard() {
    struct Watcher(mpsc::Sender<Context<Watcher>>, mpsc::Sender<Down>);
    impl Actor for Watcher {
        async fn started(&mut self, ctx: &Context<Self>) {
            self.0.send(ctx.clone()).unwrap();
        }
    }
    impl Handler<Down> for Watcher {
        async fn handle(&mut self, down: Down, _: &Context<Self>) {
            self.1.send(down).unwrap();
        }
    }
    let (pinned, is_pinned) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let sleeper = thread::spawn("sleeper".into(), None, move || {
        let _guard = pin();
        pinned.send(()).unwrap();
        gate.recv().unwrap();
    })
    .unwrap();
    is_pinned.recv().unwrap();
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let ((lend, lent), (tell, told)) = (mpsc::channel(), mpsc::channel());
    let watcher = runtime.start(Watcher(lend, tell)).unwrap();
    let ctx = lent.recv().unwrap();
    let mut plain = Monitors::new();
    for _ in 0..1_000 {
        let target = runtime.start(Idle).unwrap();
        let (own, other) = (ctx.monitor(&target), ctx.monitor(&target));
        assert!(matches!(ctx.demonitor(other), Demonitor::Cancelled));
        plain.monitor(&target);
        target.kill();
        assert_eq!(told.recv().unwrap().monitor_ref, own);
        assert_eq!(plain.recv().unwrap().reason, ExitReason::Kill);
    }
    drop((ctx, watcher, runtime));
    go.send(()).unwrap();
    sleeper.join().unwrap();
}
