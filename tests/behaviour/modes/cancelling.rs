//! Monitors are taken back.

use std::sync::Barrier;

use deathwatch::{Demonitor, ExitReason, Options};

use crate::doll::{Doll, Play, in_all_combinations, pair};
use crate::support::{begun, end, solo};

in_all_combinations! {
    before_the_death
    what_is_queued
    what_was_done_is_told
    against_the_death
    by_others
    inside_the_handler
    in_the_stop_hook
    one_of_several
    by_a_guard
}

/// R29, R37: cancelled, then the target dies: nothing arrives.
fn before_the_death<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let monitor = pair.monitor();
    assert_eq!(pair.ctx.demonitor(monitor), Demonitor::Cancelled);
    pair.stop();
    assert_eq!(pair.watcher.downs(), 0);
    assert!(pair.heard.ready().is_none());
}

/// R29, R30: a Down that stands in the mailbox is taken back, that one only, and the rest keeps its order.
fn what_is_queued<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let (first, second, third) = (pair.monitor(), pair.monitor(), pair.monitor());
    let wedge = pair.watcher.wedge();
    W::note(&pair.watcher, 1);
    pair.stop();
    W::note(&pair.watcher, 2);
    let Demonitor::Flushed(down) = pair.ctx.demonitor(second) else { panic!("it is queued") };
    assert_eq!((down.monitor_ref, down.reason), (second, ExitReason::Normal));
    drop(wedge);
    assert_eq!(pair.heard.label(), "note 1");
    let mut told = [pair.heard.down().monitor_ref, pair.heard.down().monitor_ref];
    told.sort();
    let mut expected = [first, third];
    expected.sort();
    assert_eq!(told, expected);
    assert_eq!(pair.heard.label(), "note 2");
    assert_eq!(pair.watcher.downs(), 2);
}

/// R31, R33: cancelled, flushed or unknown; again and again does no harm.
fn what_was_done_is_told<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let (cancelled, used) = (pair.monitor(), pair.monitor());
    assert_eq!(pair.ctx.demonitor(cancelled), Demonitor::Cancelled);
    assert_eq!(pair.ctx.demonitor(cancelled), Demonitor::Unknown);
    pair.stop();
    assert_eq!(pair.heard.down().monitor_ref, used);
    assert_eq!(pair.watcher.downs(), 1);
    assert_eq!(pair.ctx.demonitor(used), Demonitor::Unknown);
    let wedge = pair.watcher.wedge();
    let late = pair.monitor();
    assert!(matches!(pair.ctx.demonitor(late), Demonitor::Flushed(down) if down.monitor_ref == late));
    assert_eq!(pair.ctx.demonitor(late), Demonitor::Unknown);
    drop(wedge);
    assert_eq!(pair.watcher.downs(), 1);
}

/// R32, R39: deaths race with demonitors: what was taken back is not handled, what was not is handled once.
fn against_the_death<W: Doll, T: Doll>() {
    const ROUNDS: usize = 50;
    let (stand, stage) = (solo(), solo());
    let (watcher, heard) = W::on(&stand);
    let ctx = watcher.context();
    let mut told = 0;
    for _ in 0..ROUNDS {
        let (target, _) = T::on(&stage);
        let monitors: Vec<_> = (0..8).map(|_| W::monitor(&ctx, &target)).collect();
        let (end, barrier) = (begun(target.wait_exit()), Barrier::new(2));
        let back = std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                target.kill();
            });
            barrier.wait();
            monitors.iter().filter(|monitor| ctx.demonitor(**monitor) != Demonitor::Unknown).count()
        });
        end.wait();
        told += monitors.len() - back;
        assert_eq!(watcher.downs(), told);
    }
    (0..told).for_each(|_| drop(heard.down()));
    assert!(heard.ready().is_none());
}

/// R34: demonitor by anybody but the watcher has no effect.
fn by_others<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let monitor = pair.monitor();
    assert_eq!(pair.target.context().demonitor(monitor), Demonitor::Unknown);
    let (other, _) = W::on(&pair.stand);
    assert_eq!(other.context().demonitor(monitor), Demonitor::Unknown);
    pair.stop();
    assert_eq!(pair.heard.down().monitor_ref, monitor);
}

/// R35: inside the handler of a Down, its own reference is unknown, and another's is taken back.
fn inside_the_handler<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (watcher, heard) = W::new();
    let (tell, told) = std::sync::mpsc::channel();
    let watcher = watcher.at_down(move |ctx| {
        let left = ctx.monitors();
        tell.send(left.iter().map(|(monitor, _)| ctx.demonitor(*monitor)).collect::<Vec<_>>()).unwrap();
    });
    let watcher = watcher.start_with(Options::new().runtime(&stand)).unwrap();
    let ctx = watcher.context();
    let (dies, _) = T::on(&stage);
    let (lives, _) = T::on(&stage);
    let (used, _) = (W::monitor(&ctx, &dies), W::monitor(&ctx, &lives));
    dies.stop();
    assert_eq!(told.recv().unwrap(), [Demonitor::Cancelled]);
    assert_eq!(ctx.demonitor(used), Demonitor::Unknown);
    lives.kill();
    lives.wait_exit().wait();
    assert_eq!(watcher.downs(), 1);
    assert_eq!(heard.down().monitor_ref, used);
}

/// R35: in the stop hook, with the Down in the mailbox.
fn in_the_stop_hook<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (target, _) = T::on(&stage);
    let (watcher, heard) = W::new();
    let (tell, told) = std::sync::mpsc::channel();
    let watcher = watcher.at_stop(move |ctx| {
        let left: Vec<_> = ctx.monitors().iter().map(|(monitor, _)| ctx.demonitor(*monitor)).collect();
        tell.send(left).unwrap();
    });
    let watcher = watcher.start_with(Options::new().runtime(&stand)).unwrap();
    W::monitor(&watcher.context(), &target);
    end(&watcher);
    assert_eq!(told.recv().unwrap(), [Demonitor::Cancelled]);
    assert_eq!(target.monitored_by(), []);
    assert_eq!(heard.until_gone(), ["stopped normal", "dropped"]);
}

/// R36: the other monitors of the same target stay.
fn one_of_several<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let [first, second, third] = [(); 3].map(|()| pair.monitor());
    assert_eq!(pair.ctx.demonitor(second), Demonitor::Cancelled);
    assert_eq!(pair.target.monitored_by(), [pair.watcher.id(); 2]);
    pair.stop();
    let mut told = [pair.heard.down().monitor_ref, pair.heard.down().monitor_ref];
    told.sort();
    assert_eq!(told, [first, third]);
    assert_eq!(pair.watcher.downs(), 2);
}

/// R38: a guard takes its monitor back when it goes; forgotten, it does not.
fn by_a_guard<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    drop(W::monitor_guard(&pair.ctx, &pair.target));
    let kept = W::monitor_guard(&pair.ctx, &pair.target).forget();
    pair.stop();
    assert_eq!(pair.heard.down().monitor_ref, kept);
    assert_eq!(pair.watcher.downs(), 1);
}
