//! Monitors come into being.

use std::collections::HashSet;
use std::sync::mpsc;

use deathwatch::{Demonitor, ExitReason, Monitors};

use crate::doll::{Doll, Play, in_all_combinations, pair};
use crate::support::{end, solo};

in_all_combinations! {
    a_child_beside_its_parent
    many_of_one_pair
    of_the_dead
    of_the_dying
    of_oneself
    spawned_and_monitored
    while_all_are_stuck
    in_every_hook
    at_ones_own_end
    by_any_handle
    keeps_nobody_alive
}

/// R1, R2: so many calls, so many references of their own and so many Downs.
fn many_of_one_pair<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let asked: HashSet<_> = (0..10).map(|_| pair.monitor()).collect();
    assert_eq!(asked.len(), 10);
    pair.stop();
    let told: HashSet<_> = (0..10).map(|_| pair.heard.down().monitor_ref).collect();
    assert_eq!(told, asked);
    assert_eq!(pair.watcher.downs(), 10);
}

/// R3: who is dead already is told of once, with the true reason.
fn of_the_dead<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.target.stop_with(ExitReason::error("tired"));
    pair.target.wait_exit().wait();
    let monitor = pair.monitor();
    let down = pair.heard.down();
    assert_eq!((down.monitor_ref, down.reason.to_string().as_str()), (monitor, "error: tired"));
    assert_eq!(pair.watcher.downs(), 1);
    assert_eq!(pair.ctx.demonitor(monitor), Demonitor::Unknown);
}

/// R4: who is in the middle of its end (its stop hook runs) is told of once, with the true reason.
fn of_the_dying<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (watcher, heard) = W::on(&stand);
    let ctx = watcher.context();
    let (entered, inside) = mpsc::channel();
    let (leave, gate) = mpsc::channel::<()>();
    let (target, _) = T::new();
    let target = target.at_stop(move |_| {
        entered.send(()).unwrap();
        let _ = gate.recv();
    });
    let target = target.start_with(deathwatch::Options::new().runtime(&stage)).unwrap();
    target.stop();
    inside.recv().unwrap();
    let monitor = W::monitor(&ctx, &target);
    assert_eq!(watcher.downs(), 0, "it is not dead yet");
    drop(leave);
    let down = heard.down();
    assert_eq!((down.monitor_ref, down.reason), (monitor, ExitReason::Normal));
    target.wait_exit().wait();
    assert_eq!(watcher.downs(), 1);
}

/// R5: a monitor of oneself registers nothing; here beside one by the other.
fn of_oneself<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let other = pair.monitor();
    let own = pair.target.call(|_, ctx| (T::monitor(ctx, &ctx.handle()), ctx.monitors()));
    assert_eq!(own.1, []);
    assert_eq!(pair.target.monitored_by(), [pair.watcher.id()]);
    assert_eq!(pair.target.context().demonitor(own.0), Demonitor::Unknown);
    pair.stop();
    assert_eq!(pair.heard.down().monitor_ref, other);
    assert_eq!(pair.seen.until_gone(), ["stopped normal", "dropped"]);
}

/// R7: starting and monitoring is one step: a child that fails in its start hook gives its true reason.
fn spawned_and_monitored<W: Doll, T: Doll>() {
    let stand = solo();
    let (watcher, heard) = W::on(&stand);
    let (child, monitor) = watcher.call(|_, ctx| {
        let (child, _) = T::new();
        W::spawn_monitored(ctx, child.at_start(|_| panic!("stillborn")))
    });
    let down = heard.down();
    assert_eq!((down.monitor_ref, down.target), (monitor, child.id()));
    assert_eq!(down.reason.to_string(), "panic: stillborn");
    assert_eq!(watcher.downs(), 1);
}

/// R8, R40: monitoring and cancelling waits for nobody: both actors are stuck in their handlers.
fn while_all_are_stuck<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let wedges = (pair.watcher.wedge(), pair.target.wedge());
    let kept = pair.monitor();
    assert_eq!(pair.ctx.demonitor(pair.monitor()), Demonitor::Cancelled);
    assert_eq!(pair.target.monitored_by(), [pair.watcher.id()]);
    drop(wedges);
    pair.stop();
    assert_eq!(pair.heard.down().monitor_ref, kept);
    assert_eq!(pair.watcher.downs(), 1);
}

/// R8: monitoring is legal in the start hook, in a message, in the handler of a Down, and in the stop hook.
fn in_every_hook<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (first, _) = T::on(&stage);
    let (second, _) = T::on(&stage);
    let (watcher, heard) = W::new();
    let targets = (first.clone(), second.clone(), second.clone());
    let watcher = watcher
        .at_start(move |ctx| {
            W::monitor(ctx, &targets.0);
        })
        .at_down(move |ctx| {
            if ctx.monitors().is_empty() {
                W::monitor(ctx, &targets.1);
            }
        })
        .at_stop(move |ctx| {
            W::monitor(ctx, &targets.2);
        });
    let watcher = watcher.start_with(deathwatch::Options::new().runtime(&stand)).unwrap();
    assert_eq!(watcher.downs(), 0);
    first.stop();
    assert_eq!(heard.down().target, first.id());
    watcher.downs();
    assert_eq!(second.monitored_by(), [watcher.id()]);
    let told = watcher.call({
        let first = first.clone();
        move |_, ctx| W::monitor(ctx, &first) // dead by now
    });
    assert_eq!(heard.down().monitor_ref, told);
    end(&watcher);
    assert_eq!(second.monitored_by(), []);
    assert_eq!(heard.until_gone(), ["stopped normal", "dropped"]);
}

/// R9: a monitor that is made at the watcher's own end leaves nothing behind.
fn at_ones_own_end<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.watcher.stop();
    pair.watcher.wait_exit().wait();
    let late = pair.monitor();
    assert_eq!(pair.target.monitored_by(), []);
    assert_eq!(pair.ctx.demonitor(late), Demonitor::Unknown);
    pair.stop();
    assert_eq!(pair.heard.until_gone(), ["stopped normal", "dropped"]);
}

/// R11: the target is named by any kind of handle.
fn by_any_handle<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let monitors: HashSet<_> = [
        W::monitor(&pair.ctx, &pair.target),
        W::monitor(&pair.ctx, &pair.target.handle()),
        W::monitor(&pair.ctx, &pair.target.downgrade()),
        W::monitor(&pair.ctx, &pair.target.context().handle()),
    ]
    .into();
    pair.stop();
    assert_eq!((0..4).map(|_| pair.heard.down().monitor_ref).collect::<HashSet<_>>(), monitors);
}

/// R12: a monitor keeps neither side running, nor its value.
fn keeps_nobody_alive<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.monitor();
    let back = T::monitor(&pair.target.context(), &pair.watcher);
    drop(pair.target);
    assert_eq!(pair.seen.until_gone(), ["stopped normal", "dropped"]);
    assert_eq!(pair.heard.down().reason, ExitReason::Normal);
    let mut plain = Monitors::new();
    plain.monitor(&pair.watcher);
    drop((pair.watcher, pair.ctx));
    assert_eq!(pair.heard.until_gone(), ["stopped normal", "dropped"]);
    assert_eq!(plain.recv().map(|down| down.reason), Some(ExitReason::Normal));
    assert_eq!(plain.demonitor(back), Demonitor::Unknown);
}

/// R7: a child goes to the runtime of the actor whose context starts it, on whatever thread that is done.
fn a_child_beside_its_parent<W: Doll, T: Doll>() {
    let stand = solo();
    let (parent, heard) = W::on(&stand);
    let before = stand.live_actors();
    let (child, monitor) = W::spawn_monitored(&parent.context(), T::new().0); // here: no actor's thread
    assert_eq!(stand.live_actors(), before + 1);
    child.stop();
    assert_eq!(heard.down().monitor_ref, monitor);
}
