//! Creating monitors.

use std::collections::HashSet;
use std::sync::mpsc;
use std::sync::{Arc, Barrier};

use deathwatch::{Context, Demonitor, ExitReason, MonitorRef, Monitors, SendError};

use crate::support::*;

/// R1: every call gives a reference of its own: one that nobody else has, that can be copied, hashed and compared, also
/// when many threads call at once, and when the target is dead or is the watcher itself.
#[test]
fn every_reference_is_unique() {
    let _dog = watchdog!();
    const THREADS: usize = 8;
    const EACH: usize = 2_000;
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let dead = corpse(ExitReason::Normal);
    let (watcher, _) = Puppet::on(&runtime);
    let start = Barrier::new(THREADS);
    let mut all: Vec<MonitorRef> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS)
                .map(|n| {
                    let (start, target, dead) = (&start, &target, &dead);
                    scope.spawn(move || {
                        let mut monitors = Monitors::new();
                        start.wait();
                        (0..EACH)
                            .map(|i| {
                                if i % 2 == n % 2 { monitors.monitor(target) } else { monitors.monitor(dead) }
                            })
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.push(watcher.call(|_, ctx| ctx.monitor(&ctx.handle())));
    let copied: Vec<MonitorRef> = all.clone();
    let distinct: HashSet<MonitorRef> = copied.into_iter().collect();
    assert_eq!(distinct.len(), THREADS * EACH + 1);
}

/// R1: a reference that has been used up is not given out again.
#[test]
fn a_used_reference_does_not_come_back() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    let mut seen = HashSet::new();
    for _ in 0..10_000 {
        let monitor = monitors.monitor(&target);
        assert!(seen.insert(monitor));
        assert!(matches!(monitors.demonitor(monitor), Demonitor::Cancelled));
    }
}

/// R2: several monitors of one target by one watcher are independent: so many references, so many Downs.
#[test]
fn monitors_of_one_pair_are_independent() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (watcher, events) = Puppet::on(&runtime);
    let target_in = target.downgrade();
    let refs: HashSet<_> =
        watcher.call(move |_, ctx| (0..100).map(|_| ctx.monitor(&target_in)).collect::<HashSet<_>>());
    assert_eq!(refs.len(), 100);
    target.kill();
    let told: HashSet<_> = (0..100).map(|_| events.down().monitor_ref).collect();
    assert_eq!(told, refs);
    settle(&runtime);
    assert_eq!(watcher.call(|puppet, _| puppet.downs), 100);
}

/// R3: a target that is dead already is told of at once and once, by the call itself: here no thread is left that could
/// help. The reason is the one it died of.
#[test]
fn a_dead_target_is_told_of_at_once() {
    let _dog = watchdog!();
    for reason in [ExitReason::Normal, ExitReason::Shutdown, ExitReason::Kill, ExitReason::error("worn out")]
    {
        let dead = corpse(reason.clone());
        let mut monitors = Monitors::new();
        let monitor = monitors.monitor(&dead);
        let down = monitors.try_recv().expect("there already");
        assert_eq!((down.monitor_ref, down.target, down.reason), (monitor, dead.id(), reason));
        assert!(monitors.try_recv().is_none());
        assert!(monitors.is_empty());
    }
}

/// R3: the same for an actor that monitors: one Down, with the true reason.
#[test]
fn a_dead_target_is_told_to_an_actor_once() {
    let _dog = watchdog!();
    let runtime = solo();
    let dead = corpse(ExitReason::error("worn out"));
    let (watcher, events) = Puppet::on(&runtime);
    let id = dead.id();
    let monitor = watcher.call(move |_, ctx| ctx.monitor(&dead));
    let down = events.down();
    assert_eq!((down.monitor_ref, down.target, down.reason), (monitor, id, ExitReason::error("worn out")));
    assert_eq!(watcher.call(|puppet, _| puppet.downs), 1);
}

/// R4: a target that is in the middle of its end (its value is being dropped) when it is monitored: one Down, with the
/// true reason, when the end is complete.
#[test]
fn a_target_in_the_middle_of_its_end() {
    let _dog = watchdog!();
    let runtime = solo();
    let (entered, inside) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (puppet, _events) = Puppet::new();
    let target = runtime
        .start(puppet.at_drop(move || {
            entered.send(()).unwrap();
            let _ = released.recv();
        }))
        .unwrap();
    target.stop_with(ExitReason::error("done for"));
    inside.recv().unwrap();
    let mut monitors = Monitors::new();
    let monitor = monitors.monitor(&target);
    assert!(monitors.try_recv().is_none(), "not dead yet");
    assert!(target.is_alive());
    drop(release);
    let down = monitors.recv().unwrap();
    assert_eq!((down.monitor_ref, down.reason), (monitor, ExitReason::error("done for")));
    settle(&runtime);
    assert!(monitors.try_recv().is_none());
}

/// R4: a request that meets an end that is half finished (the stop hook runs, the mailbox is closed) is answered with
/// the reason, not forgotten.
#[test]
fn a_request_in_the_middle_of_the_end() {
    let _dog = watchdog!();
    let runtime = solo();
    let (hold, held) = Hold::new();
    let (puppet, events) = Puppet::new();
    let target = runtime.start(puppet.at_stop_async(|_, _| Box::pin(held))).unwrap();
    target.stop_with(ExitReason::error("done for"));
    assert_eq!(events.label(), "stopped error: done for");
    let mut request = target.request(Note(1)).no_timeout();
    assert!(poll_once(&mut request).is_pending(), "the reason is not final before the end");
    assert!(matches!(target.send(Note(2)), Err(SendError::Closed { reason: None, message: Note(2) })));
    hold.release();
    assert_eq!(request.wait().unwrap_err().to_string(), "no reply: the actor died (error: done for)");
}

/// R4: monitors that race with the end, from many threads: each gets its one Down.
#[test]
fn monitors_that_race_with_the_end() {
    let _dog = watchdog!();
    const THREADS: usize = 3;
    const ROUNDS: usize = 1_000;
    let runtime = duo();
    for _ in 0..ROUNDS {
        let (target, _) = Puppet::on(&runtime);
        let start = Barrier::new(THREADS + 1);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let mut monitors = Monitors::new();
                    start.wait();
                    let refs: HashSet<_> = (0..4).map(|_| monitors.monitor(&target)).collect();
                    let told: Vec<_> = monitors.iter().collect();
                    assert!(told.iter().all(|down| down.reason == ExitReason::Kill));
                    assert_eq!(told.len(), 4);
                    assert_eq!(told.iter().map(|down| down.monitor_ref).collect::<HashSet<_>>(), refs);
                });
            }
            start.wait();
            target.kill();
        });
    }
}

/// R5: who monitors itself gets a reference that registers nothing, never fires, and is unknown to demonitor.
#[test]
fn monitoring_oneself() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = Puppet::on(&runtime);
    let (by_ref, by_handle) =
        actor.call(|_, ctx| (ctx.monitor(&ctx.actor_ref()), ctx.monitor(&ctx.handle())));
    assert_ne!(by_ref, by_handle);
    assert!(actor.monitors().is_empty() && actor.monitored_by().is_empty());
    assert!(matches!(actor.call(move |_, ctx| ctx.demonitor(by_ref)), Demonitor::Unknown));
    drop(actor);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// R5: what `monitor_with` was given is not kept, and not called, by a monitor of oneself.
#[test]
fn monitoring_oneself_drops_the_callback() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = Puppet::on(&runtime);
    let tally = Tally::default();
    let counted = tally.one();
    actor.call(move |_, ctx| {
        ctx.monitor_with(&ctx.handle(), move |down| {
            drop(counted);
            Retold(down)
        })
    });
    assert_eq!(tally.count(), 1);
    drop(actor);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// R7: starting and monitoring is one step: a child that dies in its first moments is told of with its true reason.
#[test]
fn a_stillborn_child_has_its_true_reason() {
    let _dog = watchdog!();
    const CHILDREN: usize = 500;
    let runtime = duo();
    let (parent, events) = Puppet::on(&runtime);
    let children: HashSet<_> = parent.call(|_, ctx| {
        (0..CHILDREN)
            .map(|n| {
                let (child, _) = Puppet::new();
                let reason = ExitReason::error("stillborn");
                let child = match n % 3 {
                    0 => child.at_start(|_| panic!("stillborn")),
                    1 => child.at_start(move |ctx| ctx.stop_with(reason)),
                    _ => child.at_start(|ctx| ctx.handle().kill()),
                };
                let (child, monitor) = ctx.spawn_monitored(child);
                (monitor, child.id(), n % 3)
            })
            .collect()
    });
    for _ in 0..CHILDREN {
        let down = events.down();
        let kind = match down.reason.to_string().as_str() {
            "panic: stillborn" => 0,
            "error: stillborn" => 1,
            "kill" => 2,
            other => panic!("not a reason of ours: {other}"),
        };
        assert!(children.contains(&(down.monitor_ref, down.target, kind)), "{down:?}");
    }
}

/// R7: a child that cannot be started is not monitored either.
#[test]
fn a_child_that_cannot_be_started_is_not_monitored() {
    let _dog = watchdog!();
    let runtime = solo();
    let (parent, _) = Puppet::on(&runtime);
    let refused = parent.call(|_, ctx| {
        let mailbox = deathwatch::Mailbox::bounded(0, deathwatch::OnFull::Reject);
        ctx.spawn_monitored_with(Puppet::new().0, deathwatch::Options::new().mailbox(mailbox)).is_err()
    });
    assert!(refused);
    assert!(parent.monitors().is_empty());
}

/// R8: a monitor is created, and cancelled, while the target is stuck in a handler and so is everybody else.
#[test]
fn creating_does_not_wait_for_the_target() {
    let _dog = watchdog!();
    let (here, there) = (solo(), solo());
    let (target, _) = Puppet::on(&there);
    let (other, _) = Puppet::on(&here);
    let (stuck, also_stuck) = (target.wedge(), other.wedge());
    let mut monitors = Monitors::new();
    let monitor = monitors.monitor(&target);
    assert_eq!(monitors.monitors(), [(monitor, target.id())]);
    assert_eq!(target.monitored_by().len(), 1);
    assert!(matches!(monitors.demonitor(monitor), Demonitor::Cancelled));
    drop((stuck, also_stuck));
}

/// R8: creating is legal in every hook and handler: at the start, in a message, in the handler of a Down, in the
/// closure that retells one.
#[test]
fn creating_is_legal_in_every_hook() {
    let _dog = watchdog!();
    let runtime = solo();
    let dead = corpse(ExitReason::error("long ago"));
    let (puppet, events) = Puppet::new();
    let (at_start, at_down, in_retell) = (dead.clone(), dead.clone(), dead.clone());
    let watcher = runtime
        .start(
            puppet
                .at_start(move |ctx| {
                    ctx.monitor(&at_start);
                })
                .at_down({
                    let mut left = 1;
                    move |_, ctx| {
                        if left > 0 {
                            left -= 1;
                            let (actor, in_retell) = (ctx.clone(), in_retell.clone());
                            ctx.monitor_with(&at_down, move |down| {
                                actor.monitor(&in_retell);
                                Retold(down)
                            });
                        }
                    }
                }),
        )
        .unwrap();
    let told: Vec<_> = (0..3).map(|_| events.label()).collect();
    assert_eq!(told, ["down error: long ago", "retold error: long ago", "down error: long ago"]);
    watcher.call(move |_, ctx| ctx.monitor(&dead));
    assert_eq!(events.label(), "down error: long ago");
}

/// R9: a monitor that is created by an actor at its own end leaves nothing behind, and never fires.
#[test]
fn creating_in_the_stop_hook_leaves_nothing() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (report, reported) = mpsc::channel();
    let (puppet, events) = Puppet::new();
    let (target_in, dead) = (target.downgrade(), corpse(ExitReason::Normal));
    let watcher = runtime
        .start(puppet.at_stop(move |_, ctx| {
            let (a, b) = (ctx.monitor(&target_in), ctx.monitor(&dead));
            let known = ctx.monitors().len();
            let outcome = ctx.demonitor(a);
            report.send((a != b, known, matches!(outcome, Demonitor::Unknown))).unwrap();
        }))
        .unwrap();
    watcher.stop();
    assert_eq!(reported.recv().unwrap(), (true, 0, true));
    assert!(target.monitored_by().is_empty());
    watcher.wait_exit().wait();
    assert!(watcher.monitors().is_empty());
    end(&target);
    drop(watcher);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// R9: the same through a context that outlived its actor, from another thread.
#[test]
fn creating_with_the_context_of_a_dead_actor_leaves_nothing() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (watcher, _) = Puppet::on(&runtime);
    let ctx: Context<Puppet> = watcher.call(|_, ctx| ctx.clone());
    end(&watcher);
    let tally = Tally::default();
    let counted = tally.one();
    let a = ctx.monitor(&target);
    let b = ctx.monitor_with(&target, move |down| {
        drop(counted);
        Retold(down)
    });
    assert_ne!(a, b);
    assert_eq!(tally.count(), 1, "the closure is gone");
    assert!(ctx.monitors().is_empty());
    assert!(target.monitored_by().is_empty());
    assert!(matches!(ctx.demonitor(a), Demonitor::Unknown));
}

/// R9: monitors that race with the watcher's own end: whatever came of it, nothing is left at the target.
#[test]
fn creating_while_the_watcher_ends_leaves_nothing() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    for _ in 0..2_000 {
        let (watcher, _) = Puppet::on(&runtime);
        let ctx: Context<Puppet> = watcher.call(|_, ctx| ctx.clone());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..4 {
                    ctx.monitor(&target);
                }
            });
            watcher.kill();
        });
        watcher.wait_exit().wait();
        settle(&runtime);
        assert!(target.monitored_by().is_empty());
    }
}

/// R11: the target is named by any kind of handle, typed or not, strong or weak.
#[test]
fn every_kind_of_handle_can_be_monitored() {
    let _dog = watchdog!();
    let runtime = solo();
    let target = runtime.start(Idle).unwrap();
    let (watcher, events) = Puppet::on(&runtime);
    let (actor, handle, weak, recipient) =
        (target.clone(), target.handle(), target.downgrade(), target.recipient::<Ping, _>());
    let refs: HashSet<_> = watcher.call(move |_, ctx| {
        [
            ctx.monitor(&actor),
            ctx.monitor(&handle),
            ctx.monitor(&weak),
            ctx.monitor(&recipient),
            ctx.monitor(&&actor),
        ]
        .into()
    });
    target.kill();
    let told: HashSet<_> = (0..5).map(|_| events.down().monitor_ref).collect();
    assert_eq!(told, refs);
}

/// R12: a monitor keeps the target neither running nor its value alive.
#[test]
fn a_monitor_does_not_keep_the_target() {
    let _dog = watchdog!();
    let runtime = solo();
    let tally = Tally::default();
    let (puppet, _) = Puppet::new();
    let mut target = puppet;
    target.luggage.push(Box::new(tally.one()));
    let target = runtime.start(target).unwrap();
    let mut monitors = Monitors::new();
    monitors.monitor(&target);
    drop(target);
    let down = monitors.recv().unwrap();
    assert_eq!(down.reason, ExitReason::Normal);
    assert_eq!(tally.count(), 1);
}

/// R12: nor is a watcher kept running by what it monitors, nor its value, nor what is in its mailbox.
#[test]
fn a_monitor_does_not_keep_the_watcher() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (watcher, events) = Puppet::on(&runtime);
    let (state, mail) = (Tally::default(), Tally::default());
    let (in_state, target_in) = (state.one(), target.clone());
    watcher.call(move |puppet, ctx| {
        puppet.luggage.push(Box::new(in_state));
        ctx.monitor(&target_in);
    });
    let hold = watcher.hold();
    watcher.send(Cargo(mail.one())).unwrap();
    watcher.stop();
    hold.release();
    assert_eq!(watcher.wait_exit().wait(), ExitReason::Normal);
    assert_eq!((state.count(), mail.count()), (1, 1));
    drop(watcher);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
    assert!(target.is_alive());

    let (watcher, events) = Puppet::on(&runtime);
    let target_in = target.clone();
    watcher.call(move |_, ctx| ctx.monitor(&target_in));
    drop(watcher); // the last handle: the monitor does not count
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// R13: a handle of another runtime is as good as any; one of a runtime that is gone answers at once.
#[test]
fn handles_of_other_runtimes_answer_at_once() {
    let _dog = watchdog!();
    let (here, there) = (solo(), solo());
    let (target, _) = Puppet::on(&there);
    let (watcher, events) = Puppet::on(&here);
    let target_in = target.clone();
    watcher.call(move |_, ctx| ctx.monitor(&target_in));
    drop(there);
    assert_eq!(events.down().reason, ExitReason::Kill);
    let target_in = target.clone();
    watcher.call(move |_, ctx| ctx.monitor(&target_in));
    assert_eq!(events.down().reason, ExitReason::Kill);
    assert!(matches!(target.send(Note(1)), Err(SendError::Closed { reason: Some(ExitReason::Kill), .. })));
    assert!(target.request(Note(1)).no_timeout().wait().is_err());
    assert_eq!(target.wait_exit().wait(), ExitReason::Kill);
    assert!(Arc::new(target).monitored_by().is_empty());
}
