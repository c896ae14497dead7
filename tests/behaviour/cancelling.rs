//! Cancelling monitors.

use std::collections::HashMap;
use std::sync::{Barrier, mpsc};

use deathwatch::{ActorRef, Context, Demonitor, ExitReason, MonitorRef, Monitors};

use crate::support::*;

/// A watcher on a runtime of its own, a context of it for use elsewhere, and a target on another.
struct Pair {
    here: deathwatch::Runtime,
    there: deathwatch::Runtime,
    watcher: ActorRef<Puppet>,
    events: Events,
    ctx: Context<Puppet>,
    target: ActorRef<Puppet>,
}

impl Pair {
    fn new() -> Self {
        let (here, there) = (solo(), solo());
        let (watcher, events) = Puppet::on(&here);
        let ctx = watcher.call(|_, ctx| ctx.clone());
        let (target, _) = Puppet::on(&there);
        Pair { here, there, watcher, events, ctx, target }
    }

    /// The target dies, and its Down stands in the watcher's mailbox, or has been handled if it could be.
    fn target_dies(&self) {
        end(&self.target);
        settle(&self.there);
    }
}

/// R29: after demonitor has returned, no handling of the Down begins, from whatever thread it was called: here from the
/// test's, while the Down stands in the mailbox already.
#[test]
fn silence_after_demonitor_from_another_thread() {
    let _dog = watchdog!();
    let pair = Pair::new();
    let monitor = pair.ctx.monitor(&pair.target);
    let hold = pair.watcher.hold();
    pair.target_dies();
    let Demonitor::Flushed(down) = pair.ctx.demonitor(monitor) else { panic!("it was on the way") };
    assert_eq!((down.monitor_ref, down.target, down.reason), (monitor, pair.target.id(), ExitReason::Normal));
    hold.release();
    assert_eq!(pair.watcher.call(|puppet, _| puppet.downs), 0);
}

/// R29: the same inside the watcher's own handler, while the Down stands behind it.
#[test]
fn silence_after_demonitor_in_the_handler_before() {
    let _dog = watchdog!();
    let pair = Pair::new();
    let monitor = pair.ctx.monitor(&pair.target);
    let wedge = pair.watcher.wedge();
    pair.target_dies();
    let (ctx, (report, reported)) = (pair.ctx.clone(), mpsc::channel());
    wedge.release_after(move || report.send(ctx.demonitor(monitor)).unwrap());
    assert!(matches!(reported.recv().unwrap(), Demonitor::Flushed(_)));
    assert_eq!(pair.watcher.call(|puppet, _| puppet.downs), 0);
}

/// R30: demonitor takes back the one Down that it names; the others, and the messages between them, keep their order.
#[test]
fn only_the_one_is_taken_back() {
    let _dog = watchdog!();
    let pair = Pair::new();
    let targets: Vec<_> = (0..5).map(|_| Puppet::on(&pair.there).0).collect();
    let refs: Vec<_> = targets.iter().map(|target| pair.ctx.monitor(target)).collect();
    let hold = pair.watcher.hold();
    for (n, target) in targets.iter().enumerate() {
        pair.watcher.send(Note(n as u32)).unwrap();
        target.stop_with(ExitReason::error(n.to_string()));
        target.wait_exit().wait();
        settle(&pair.there);
    }
    assert!(matches!(pair.ctx.demonitor(refs[2]), Demonitor::Flushed(_)));
    hold.release();
    let told: Vec<_> = (0..9).map(|_| pair.events.label()).collect();
    let expected = [
        "note 0",
        "down error: 0",
        "note 1",
        "down error: 1",
        "note 2",
        "note 3",
        "down error: 3",
        "note 4",
        "down error: 4",
    ];
    assert_eq!(told, expected);
    assert_eq!(pair.watcher.call(|puppet, _| puppet.downs), 4);
}

/// R31: what demonitor did is told: cancelled before the death, flushed with the Down itself, or unknown.
#[test]
fn the_outcome_is_told() {
    let _dog = watchdog!();
    let pair = Pair::new();
    let early = pair.ctx.monitor(&pair.target);
    let flushed = pair.ctx.monitor(&pair.target);
    let handled = pair.ctx.monitor(&pair.target);
    assert!(matches!(pair.ctx.demonitor(early), Demonitor::Cancelled));
    let hold = pair.watcher.hold();
    pair.target_dies();
    let Demonitor::Flushed(down) = pair.ctx.demonitor(flushed) else { panic!("it was on the way") };
    assert_eq!((down.monitor_ref, down.reason), (flushed, ExitReason::Normal));
    hold.release();
    assert_eq!(pair.events.down().monitor_ref, handled);
    for monitor in [early, flushed, handled] {
        assert!(matches!(pair.ctx.demonitor(monitor), Demonitor::Unknown));
    }
}

/// R31: also for plain code, whose Down counts as handled when it was received.
#[test]
fn the_outcome_is_told_to_plain_code() {
    let _dog = watchdog!();
    let dead = corpse(ExitReason::Kill);
    let mut monitors = Monitors::new();
    let (flushed, handled) = (monitors.monitor(&dead), monitors.monitor(&dead));
    assert!(
        matches!(monitors.demonitor(flushed), Demonitor::Flushed(down) if down.reason == ExitReason::Kill)
    );
    assert_eq!(monitors.recv().unwrap().monitor_ref, handled);
    assert!(matches!(monitors.demonitor(handled), Demonitor::Unknown));
    assert!(monitors.recv().is_none());
}

/// R32: a race of a hundred deaths against a hundred demonitors, again and again, from several threads: what was
/// cancelled or flushed is never handled, what is unknown was handled once. Some of the deaths have a head start, none to all of them
/// in turn, and half of these are over when the race begins. In every other round the watcher is stuck, so that no Down is handled
/// meanwhile. Each outcome is seen.
#[test]
fn a_hundred_demonitors_against_a_hundred_deaths() {
    let _dog = watchdog!();
    const ROUNDS: usize = 42;
    const MONITORS: usize = 100;
    let (runtime, stand) = (duo(), solo());
    let mut outcomes = [0usize; 3];
    for round in 0..ROUNDS {
        let (watcher, events) = Puppet::on(&stand);
        let ctx: Context<Puppet> = watcher.call(|_, ctx| ctx.clone());
        let targets: Vec<_> = (0..MONITORS).map(|_| runtime.start(Idle).unwrap()).collect();
        let refs: Vec<MonitorRef> = targets.iter().map(|target| ctx.monitor(target)).collect();
        let (early, late) = targets.split_at(round / 2 * 5 % (MONITORS + 5));
        let wedge = (round % 2 == 1).then(|| watcher.wedge());
        let start = Barrier::new(3);
        let mut handled: Vec<MonitorRef> = Vec::new();
        let results: HashMap<MonitorRef, Demonitor> = std::thread::scope(|scope| {
            let halves: Vec<_> = (0..2)
                .map(|half| {
                    let (refs, ctx, start) = (&refs, &ctx, &start);
                    scope.spawn(move || {
                        start.wait();
                        let mine = refs.iter().skip(half).step_by(2);
                        let order: Vec<_> =
                            if round / 2 % 2 == 0 { mine.collect() } else { mine.rev().collect() };
                        order.into_iter().map(|&r| (r, ctx.demonitor(r))).collect::<Vec<_>>()
                    })
                })
                .collect();
            let ends: Vec<_> = early.iter().map(|target| begun(target.wait_exit())).collect();
            early.iter().for_each(|target| target.kill());
            if wedge.is_some() {
                ends.into_iter().take(early.len() / 2).for_each(|end| drop(end.wait()));
            } else {
                handled.extend((0..early.len() / 2).map(|_| events.down().monitor_ref));
            }
            start.wait();
            late.iter().skip(1).for_each(|target| target.kill());
            halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
        });
        late.iter().take(1).for_each(|target| target.kill()); // has lived until now: its monitor was cancelled
        let mut monitors = Monitors::new();
        targets.iter().for_each(|target| {
            monitors.monitor(target);
        });
        assert_eq!(monitors.into_iter().count(), MONITORS);
        // What was unknown is handled, or about to be: wait for that, and then see whether anything else came.
        let unknown = results.values().filter(|outcome| matches!(outcome, Demonitor::Unknown)).count();
        assert!(wedge.is_none() || unknown == 0, "nobody handled it");
        drop(wedge);
        assert!(unknown >= handled.len(), "it was handled before");
        handled.extend((handled.len()..unknown).map(|_| events.down().monitor_ref));
        drop((ctx, watcher));
        assert_eq!(events.until_gone(), ["stopped normal", "dropped"], "no Down but the unknown ones");
        handled.sort();
        let mut expected: Vec<_> = results
            .iter()
            .filter(|(_, outcome)| matches!(outcome, Demonitor::Unknown))
            .map(|(monitor, _)| *monitor)
            .collect();
        expected.sort();
        assert_eq!(handled, expected);
        assert_eq!(results.len(), MONITORS);
        for (monitor, outcome) in results {
            outcomes[match outcome {
                Demonitor::Cancelled => 0,
                Demonitor::Flushed(down) => {
                    assert_eq!((down.monitor_ref, down.reason), (monitor, ExitReason::Kill));
                    1
                }
                Demonitor::Unknown => 2,
            }] += 1;
        }
    }
    assert!(!outcomes.contains(&0), "cancelled, flushed, unknown: {outcomes:?}");
}

/// R32: two demonitors of the same reference at once: one of them finds it.
#[test]
fn two_demonitors_of_one_reference() {
    let _dog = watchdog!();
    let pair = Pair::new();
    for _ in 0..2_000 {
        let monitor = pair.ctx.monitor(&pair.target);
        let found: usize = std::thread::scope(|scope| {
            let other = scope.spawn(|| matches!(pair.ctx.demonitor(monitor), Demonitor::Cancelled));
            let mine = matches!(pair.ctx.demonitor(monitor), Demonitor::Cancelled);
            usize::from(mine) + usize::from(other.join().unwrap())
        });
        assert_eq!(found, 1);
    }
}

/// R33: demonitor of a reference that was used, cancelled, or never registered does no harm.
#[test]
fn demonitor_of_what_is_not_there() {
    let _dog = watchdog!();
    let pair = Pair::new();
    let cancelled = pair.ctx.monitor(&pair.target);
    let kept = pair.ctx.monitor(&pair.target);
    let own = pair.ctx.monitor(&pair.watcher);
    assert!(matches!(pair.ctx.demonitor(cancelled), Demonitor::Cancelled));
    for _ in 0..3 {
        assert!(matches!(pair.ctx.demonitor(cancelled), Demonitor::Unknown));
        assert!(matches!(pair.ctx.demonitor(own), Demonitor::Unknown));
    }
    pair.target.stop();
    assert_eq!(pair.events.down().monitor_ref, kept);
    for _ in 0..3 {
        assert!(matches!(pair.ctx.demonitor(kept), Demonitor::Unknown));
    }
    assert_eq!(pair.watcher.call(|puppet, _| puppet.downs), 1);
}

/// R34: demonitor by anybody but the watcher whose monitor it is has no effect on it.
#[test]
fn only_the_owner_can_demonitor() {
    let _dog = watchdog!();
    let pair = Pair::new();
    let monitor = pair.ctx.monitor(&pair.target);
    let (stranger, _) = Puppet::on(&pair.here);
    assert!(matches!(stranger.call(move |_, ctx| ctx.demonitor(monitor)), Demonitor::Unknown));
    assert!(matches!(pair.target.call(move |_, ctx| ctx.demonitor(monitor)), Demonitor::Unknown));
    assert!(matches!(Monitors::new().demonitor(monitor), Demonitor::Unknown));
    assert_eq!(pair.watcher.monitors(), [(monitor, pair.target.id())]);
    pair.target.stop();
    assert_eq!(pair.events.down().monitor_ref, monitor);
}

/// R35: demonitor in the handler of its own Down, and in the closure that retells it, finds nothing and blocks nobody.
#[test]
fn demonitor_inside_its_own_callbacks() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (report, reported) = mpsc::channel();
    let (puppet, _events) = Puppet::new();
    let in_handler = report.clone();
    let watcher = runtime
        .start(puppet.at_down(move |down, ctx| in_handler.send(ctx.demonitor(down.monitor_ref)).unwrap()))
        .unwrap();
    let target_in = target.clone();
    watcher.call(move |_, ctx| {
        ctx.monitor(&target_in);
        let own = ctx.clone();
        ctx.monitor_with(&target_in, move |down| {
            report.send(own.demonitor(down.monitor_ref)).unwrap();
            Retold(down)
        });
    });
    target.stop();
    for _ in 0..2 {
        assert!(matches!(reported.recv().unwrap(), Demonitor::Unknown));
    }
}

/// R35: demonitor of another monitor inside a Down's handler takes that one back, also if its Down is next.
#[test]
fn demonitor_of_another_inside_a_down_handler() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (report, reported) = mpsc::channel();
    let (puppet, events) = Puppet::new();
    let watcher = runtime
        .start(puppet.at_down(move |down, ctx| {
            let others = ctx.monitors();
            assert!(others.iter().all(|(monitor, _)| *monitor != down.monitor_ref));
            report.send(()).unwrap();
        }))
        .unwrap();
    let target_in = target.clone();
    let (other_ref, ctx) = watcher.call(move |_, ctx| {
        ctx.monitor(&target_in);
        (ctx.monitor(&target_in), ctx.clone())
    });
    let hold = watcher.hold();
    target.stop();
    target.wait_exit().wait();
    settle(&runtime);
    watcher.send(Note(1)).unwrap();
    assert!(matches!(ctx.demonitor(other_ref), Demonitor::Flushed(_)));
    hold.release();
    reported.recv().unwrap();
    assert_eq!(events.label(), "down normal");
    assert_eq!(events.label(), "note 1", "the other one is silent");
}

/// R35: demonitor in the stop hook takes the monitor back, and blocks nobody.
#[test]
fn demonitor_inside_the_stop_hook() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let dead = corpse(ExitReason::Kill);
    let (report, reported) = mpsc::channel();
    let (puppet, events) = Puppet::new();
    let watcher = runtime
        .start(puppet.at_stop(move |_, ctx| {
            for (monitor, _) in ctx.monitors() {
                report.send(ctx.demonitor(monitor)).unwrap();
            }
        }))
        .unwrap();
    let (target_in, dead_in) = (target.clone(), dead.clone());
    watcher.call(move |_, ctx| {
        ctx.monitor(&target_in);
        ctx.stop();
        ctx.monitor(&dead_in); // fires at once; nobody will handle it any more
    });
    assert!(matches!(reported.recv().unwrap(), Demonitor::Cancelled));
    assert!(reported.recv().is_err(), "a monitor that has fired is not listed");
    assert!(target.monitored_by().is_empty());
    drop(watcher);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// R36: cancelling one of several monitors of one target leaves the others.
#[test]
fn cancelling_one_of_several() {
    let _dog = watchdog!();
    let pair = Pair::new();
    let refs: Vec<_> = (0..10).map(|_| pair.ctx.monitor(&pair.target)).collect();
    for monitor in refs.iter().step_by(2) {
        assert!(matches!(pair.ctx.demonitor(*monitor), Demonitor::Cancelled));
    }
    pair.target_dies();
    let mut told: Vec<_> = (0..5).map(|_| pair.events.down().monitor_ref).collect();
    told.sort();
    let mut expected: Vec<_> = refs.into_iter().skip(1).step_by(2).collect();
    expected.sort();
    assert_eq!(told, expected);
    assert_eq!(pair.watcher.call(|puppet, _| puppet.downs), 5);
}

/// R37: cancelled, then the target dies: nothing arrives.
#[test]
fn nothing_arrives_after_a_cancel() {
    let _dog = watchdog!();
    let pair = Pair::new();
    let mut monitors = Monitors::new();
    let (monitor, plain) = (pair.ctx.monitor(&pair.target), monitors.monitor(&pair.target));
    let tally = Tally::default();
    let counted = tally.one();
    let retold = pair.ctx.monitor_with(&pair.target, move |down| {
        drop(counted);
        Retold(down)
    });
    assert!(matches!(pair.ctx.demonitor(monitor), Demonitor::Cancelled));
    assert!(matches!(pair.ctx.demonitor(retold), Demonitor::Cancelled));
    assert_eq!(tally.count(), 1, "the closure goes with the monitor");
    assert!(matches!(monitors.demonitor(plain), Demonitor::Cancelled));
    pair.target_dies();
    drop((pair.ctx, pair.watcher));
    assert_eq!(pair.events.until_gone(), ["stopped normal", "dropped"]);
    assert!(monitors.recv().is_none());
}

/// R38: a guard takes the monitor back when it is dropped, on whichever thread; `forget` keeps the monitor; `demonitor`
/// tells the outcome.
#[test]
fn a_guard_cancels_when_dropped() {
    let _dog = watchdog!();
    let pair = Pair::new();
    let guard = pair.ctx.monitor_guard(&pair.target);
    assert_eq!(pair.watcher.monitors(), [(guard.monitor_ref(), pair.target.id())]);
    std::thread::spawn(move || drop(guard)).join().unwrap();
    assert!(pair.watcher.monitors().is_empty() && pair.target.monitored_by().is_empty());

    assert!(matches!(pair.ctx.monitor_guard(&pair.target).demonitor(), Demonitor::Cancelled));
    let kept = pair.ctx.monitor_guard(&pair.target).forget();
    let dropped = pair.ctx.monitor_guard(&pair.target);
    let flushed = pair.ctx.monitor_guard(&pair.target);
    let hold = pair.watcher.hold();
    pair.target_dies();
    assert!(matches!(flushed.demonitor(), Demonitor::Flushed(_)));
    drop(dropped);
    hold.release();
    assert_eq!(pair.events.down().monitor_ref, kept);
    drop((pair.ctx, pair.watcher));
    assert_eq!(pair.events.until_gone(), ["stopped normal", "dropped"]);
}

/// R38: a guard that outlives its watcher, or is kept in the watcher itself, does no harm.
#[test]
fn a_guard_may_outlive_its_watcher() {
    let _dog = watchdog!();
    let pair = Pair::new();
    let outside = pair.ctx.monitor_guard(&pair.target);
    let target = pair.target.clone();
    pair.watcher.call(move |puppet, ctx| {
        let inside = ctx.monitor_guard(&target);
        puppet.luggage.push(Box::new(inside));
    });
    end(&pair.watcher);
    drop(outside);
    settle(&pair.here);
    assert!(pair.target.monitored_by().is_empty());
}

/// R39: demonitor while the target's end is on the same entries: whichever comes first, one of the legal outcomes.
#[test]
fn demonitor_during_the_drain() {
    let _dog = watchdog!();
    const MONITORS: usize = 2_000;
    let runtime = duo();
    for _ in 0..20 {
        let (target, _) = Puppet::on(&runtime);
        let mut monitors = Monitors::new();
        let refs: Vec<_> = (0..MONITORS).map(|_| monitors.monitor(&target)).collect();
        target.kill();
        let (mut cancelled, mut flushed) = (0, 0);
        for monitor in refs.iter().take(MONITORS / 2) {
            match monitors.demonitor(*monitor) {
                Demonitor::Cancelled => cancelled += 1,
                Demonitor::Flushed(down) => {
                    assert_eq!((down.monitor_ref, down.reason), (*monitor, ExitReason::Kill));
                    flushed += 1;
                }
                Demonitor::Unknown => panic!("nobody handled it"),
            }
        }
        assert_eq!(cancelled + flushed, MONITORS / 2);
        let told: Vec<_> = monitors.iter().map(|down| down.monitor_ref).collect();
        assert_eq!(told.len(), MONITORS / 2);
        assert!(told.iter().all(|monitor| refs[MONITORS / 2..].contains(monitor)));
    }
}

/// R40: demonitor does not wait for the target, also if that is stuck in a handler.
#[test]
fn demonitor_does_not_wait_for_the_target() {
    let _dog = watchdog!();
    let pair = Pair::new();
    let wedge = pair.target.wedge();
    let refs: Vec<_> = (0..1_000).map(|_| pair.ctx.monitor(&pair.target)).collect();
    pair.target.kill(); // cannot take effect yet
    for monitor in refs {
        assert!(matches!(pair.ctx.demonitor(monitor), Demonitor::Cancelled));
    }
    assert!(pair.target.is_alive() && pair.target.monitored_by().is_empty());
    wedge.release();
    pair.target.wait_exit().wait();
    settle(&pair.there);
    assert_eq!(pair.watcher.call(|puppet, _| puppet.downs), 0);
}

/// R60, structural: cancelling among many watchers finds the right one, in any order of arrival.
#[test]
fn cancelling_in_any_order() {
    let _dog = watchdog!();
    const MONITORS: usize = 10_000;
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    let refs: Vec<_> = (0..MONITORS).map(|_| monitors.monitor(&target)).collect();
    // 7,919 is prime to the number: a walk through all of them, far from any order.
    let walk = (0..MONITORS).map(|n| refs[n * 7_919 % MONITORS]);
    for (n, monitor) in walk.enumerate().take(MONITORS - 3) {
        assert!(matches!(monitors.demonitor(monitor), Demonitor::Cancelled), "the {n}th");
    }
    assert_eq!(monitors.monitors().len(), 3);
    assert_eq!(target.monitored_by().len(), 3);
    target.kill();
    assert_eq!(monitors.into_iter().count(), 3);
}
