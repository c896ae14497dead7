//! Nothing stays, and nothing more is shown.

use deathwatch::{Demonitor, ExitReason, Monitors, Options, RequestError};

use crate::doll::{Doll, Play, in_all_combinations, pair};
use crate::support::{Tally, begun, solo};

in_all_combinations! {
    both_views
    the_watcher_dies_first
    both_die_at_once
    who_watches_whom
    handles_of_the_dead
    the_runtime_goes
    churn
}

/// R41, R42, R57, R58: both views show a monitor until it is cancelled or told, and agree.
fn both_views<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let (first, second) = (pair.monitor(), pair.monitor());
    let mut shown = pair.watcher.monitors();
    shown.sort();
    assert_eq!(shown, [(first, pair.target.id()), (second, pair.target.id())]);
    assert_eq!(pair.target.handle().monitored_by(), [pair.watcher.id(); 2]);
    assert_eq!(pair.ctx.demonitor(first), Demonitor::Cancelled);
    assert_eq!(pair.ctx.monitors(), [(second, pair.target.id())]);
    assert_eq!(pair.target.monitored_by(), [pair.watcher.id()]);
    pair.stop();
    pair.heard.down();
    pair.watcher.downs();
    assert_eq!((pair.watcher.monitors(), pair.target.monitored_by()), (vec![], vec![]));
}

/// R43: a watcher that dies is gone from its target's view at once.
fn the_watcher_dies_first<W: Doll, T: Doll>() {
    for kill in [true, false] {
        let pair = pair::<W, T>();
        (0..3).for_each(|_| {
            pair.monitor();
        });
        assert_eq!(pair.target.monitored_by().len(), 3);
        let end = begun(pair.watcher.wait_exit());
        if kill {
            pair.watcher.kill()
        } else {
            pair.watcher.stop()
        }
        end.wait();
        assert_eq!(pair.target.monitored_by(), []);
        assert!(pair.target.is_alive());
    }
}

/// R44, R45: watcher and target, each monitoring the other, die at once.
fn both_die_at_once<W: Doll, T: Doll>() {
    for _ in 0..50 {
        let pair = pair::<W, T>();
        pair.monitor();
        T::monitor(&pair.target.context(), &pair.watcher);
        let ends = [begun(pair.watcher.wait_exit()), begun(pair.target.wait_exit())];
        std::thread::scope(|scope| {
            scope.spawn(|| pair.watcher.kill());
            pair.target.kill();
        });
        assert_eq!(ends.map(|end| end.wait()), [ExitReason::Kill, ExitReason::Kill]);
        assert_eq!((pair.target.monitored_by(), pair.watcher.monitored_by()), (vec![], vec![]));
    }
}

/// R57: the views can be asked while monitors come and go.
fn who_watches_whom<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    std::thread::scope(|scope| {
        let (ctx, target) = (&pair.ctx, &pair.target);
        scope.spawn(move || {
            for _ in 0..500 {
                let monitor = W::monitor(ctx, target);
                assert_eq!(ctx.demonitor(monitor), Demonitor::Cancelled);
            }
        });
        for _ in 0..500 {
            assert!(pair.target.monitored_by().iter().all(|watcher| *watcher == pair.watcher.id()));
            assert!(pair.watcher.monitors().iter().all(|(_, target)| *target == pair.target.id()));
        }
    });
    assert_eq!((pair.watcher.monitors(), pair.target.monitored_by()), (vec![], vec![]));
}

/// R49: a handle kept after the death keeps neither the value nor what stood in the mailbox.
fn handles_of_the_dead<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.monitor();
    let dropped = Tally::default();
    let wedge = pair.target.wedge();
    let cargo = dropped.one();
    pair.target.tell(move |_, _| drop(cargo));
    pair.target.kill();
    drop(wedge);
    pair.target.wait_exit().wait();
    assert_eq!(dropped.count(), 1);
    assert_eq!(pair.seen.until_gone(), ["dropped"]);
    assert_eq!(pair.target.exit_reason(), Some(ExitReason::Kill));
}

/// R50: the end of the target's runtime is told to watchers elsewhere, and wakes all who wait.
fn the_runtime_goes<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.monitor();
    let mut plain = Monitors::new();
    plain.monitor(&pair.target);
    let wait = pair.target.wait_exit();
    let waiting = std::thread::spawn(move || wait.wait());
    drop(pair.stage);
    assert_eq!(waiting.join().unwrap(), ExitReason::Kill);
    assert_eq!(pair.heard.down().reason, ExitReason::Kill);
    assert_eq!(plain.recv().map(|down| down.reason), Some(ExitReason::Kill));
    assert!(matches!(pair.target.ask(|_, _| ()).wait(), Err(RequestError::Exited(ExitReason::Kill))));
    // And of the watcher's: the target's view forgets it.
    let stage = solo();
    let (target, _) = T::on(&stage);
    W::monitor(&pair.ctx, &target);
    drop(pair.stand);
    assert_eq!(target.monitored_by(), []);
}

/// R46, R47, R48: watchers and targets that come and go leave nothing in the other's view.
fn churn<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (target, _) = T::on(&stage);
    let (watcher, heard) = W::on(&stand);
    let ctx = watcher.context();
    for round in 0..100 {
        let (short, _) = W::new();
        let short = short.start_with(Options::new().runtime(&stand)).unwrap();
        W::monitor(&short.context(), &target);
        let end = begun(short.wait_exit());
        short.stop();
        let (prey, _) = T::on(&stage);
        W::monitor(&ctx, &prey);
        if round % 2 == 0 {
            prey.kill()
        } else {
            prey.stop()
        }
        assert_eq!(heard.down().target, prey.id());
        end.wait();
        assert_eq!(target.monitored_by(), []);
    }
    assert_eq!(watcher.downs(), 100);
    assert_eq!(watcher.monitors(), []);
}
