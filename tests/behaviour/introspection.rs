//! Looking at monitors.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use deathwatch::{Demonitor, ExitReason, Monitors, Options};

use crate::support::*;

/// R57, R58: whom an actor monitors and who monitors it can be asked of any handle, of a context and of plain code, and
/// the two views agree; self-monitors and cancelled ones do not show.
#[test]
fn both_views_agree() {
    let _dog = watchdog!();
    let runtime = solo();
    let targets: Vec<_> = (0..5).map(|_| Puppet::on(&runtime).0).collect();
    let watchers: Vec<_> = (0..4).map(|_| Puppet::on(&runtime).0).collect();
    let mut expected = HashSet::new();
    for (n, watcher) in watchers.iter().enumerate() {
        for (m, target) in targets.iter().enumerate() {
            if (n + m) % 2 == 0 {
                let target_in = target.clone();
                let (kept, cancelled) = watcher.call(move |_, ctx| {
                    ctx.monitor(&ctx.handle());
                    (ctx.monitor(&target_in), ctx.monitor(&target_in))
                });
                assert!(matches!(watcher.call(move |_, ctx| ctx.demonitor(cancelled)), Demonitor::Cancelled));
                expected.insert((watcher.id(), kept, target.id()));
            }
        }
    }
    let mut forward = HashSet::new();
    for watcher in &watchers {
        let inside = watcher.call(|_, ctx| ctx.monitors());
        assert_eq!(HashSet::<_>::from_iter(inside), HashSet::from_iter(watcher.monitors()));
        assert_eq!(watcher.handle().monitors().len(), watcher.monitors().len());
        forward
            .extend(watcher.monitors().into_iter().map(|(monitor, target)| (watcher.id(), monitor, target)));
        assert!(watcher.monitored_by().is_empty());
    }
    assert_eq!(forward, expected);
    for target in &targets {
        let backward: HashSet<_> = target.monitored_by().into_iter().collect();
        let awaited: HashSet<_> =
            expected.iter().filter(|(_, _, t)| *t == target.id()).map(|(w, _, _)| *w).collect();
        assert_eq!(backward, awaited);
        assert_eq!(target.handle().monitored_by().len(), awaited.len());
        assert!(target.monitors().is_empty());
    }
}

/// R58: those who wait for the death, and the runtime's own interest in it, are not monitors and do not show.
#[test]
fn waits_do_not_show() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let hold = target.hold();
    let mut wait = target.wait_exit();
    assert!(poll_once(&mut wait).is_pending());
    let mut request = target.request(Note(1)).no_timeout();
    assert!(poll_once(&mut request).is_pending());
    assert!(target.monitored_by().is_empty());
    assert!(target.monitors().is_empty());
    let mut monitors = Monitors::new();
    monitors.monitor(&target);
    assert_eq!(target.monitored_by().len(), 1);
    drop(hold);
}

/// R57: the views can be asked at any time from any thread, while monitors come and go and actors die; what they show
/// is always a monitor that was there.
#[test]
fn views_are_safe_under_concurrency() {
    let _dog = watchdog!();
    let runtime = duo();
    let (stable, _) = Puppet::on(&runtime);
    let mut constant = Monitors::new();
    let kept = constant.monitor(&stable);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                let by = stable.monitored_by();
                assert!(!by.is_empty(), "the constant one is always there");
                assert_eq!(constant.monitors(), [(kept, stable.id())]);
                looks += 1;
            }
            looks
        });
        let churn: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for n in 0..300 {
                        let (mortal, _) = Puppet::on(&runtime);
                        let (watcher, _) = Puppet::on(&runtime);
                        let ctx = watcher.call(|_, ctx| ctx.clone());
                        let (a, b) = (ctx.monitor(&stable), ctx.monitor(&mortal));
                        let mut plain = Monitors::new();
                        plain.monitor(&mortal);
                        mortal.kill();
                        for (monitor, target) in watcher.monitors() {
                            assert!(
                                (monitor, target) == (a, stable.id())
                                    || (monitor, target) == (b, mortal.id())
                            );
                        }
                        assert!(mortal.monitored_by().len() <= 2);
                        if n % 2 == 0 {
                            assert!(matches!(ctx.demonitor(a), Demonitor::Cancelled));
                        }
                        watcher.kill();
                        assert_eq!(plain.into_iter().count(), 1);
                    }
                })
            })
            .collect();
        churn.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, Ordering::Relaxed);
        assert!(looker.join().unwrap() > 0);
    });
    drop(constant);
    // The last watcher may still be taking its monitors back.
    while !stable.monitored_by().is_empty() {
        settle(&runtime);
    }
}

/// R57: whatever kind of handle is asked, strong or weak, typed or not, it is the same actor; each can stop it, too.
#[test]
fn every_kind_of_handle() {
    let _dog = watchdog!();
    let runtime = solo();
    for way in 0..4 {
        let (target, _) = Puppet::with(Options::new().runtime(&runtime).name("target"));
        let (watcher, events) = Puppet::on(&runtime);
        let watched = target.clone();
        let monitor = watcher.call(move |_, ctx| ctx.monitor(&watched));
        let back = watcher.downgrade();
        let own = target.call(move |_, ctx| ctx.monitor(&back));
        let (handle, weak, recipient) = (target.handle(), target.downgrade(), target.recipient::<Note, _>());
        assert!(weak == weak.clone() && recipient == recipient.clone() && handle == handle.clone());
        let views = [
            (target.id(), target.name(), target.monitors(), target.monitored_by(), target.is_alive()),
            (handle.id(), handle.name(), handle.monitors(), handle.monitored_by(), handle.is_alive()),
            (weak.id(), weak.name(), weak.monitors(), weak.monitored_by(), weak.is_alive()),
            (
                recipient.id(),
                recipient.name(),
                recipient.monitors(),
                recipient.monitored_by(),
                recipient.is_alive(),
            ),
        ];
        assert_eq!(views[0].2.iter().map(|(reference, _)| *reference).collect::<Vec<_>>(), [own]);
        assert!(views.iter().all(|view| *view == views[0] && view.3.len() == 1));
        match way {
            0 => target.stop(),
            1 => handle.kill(),
            2 => weak.stop_with(ExitReason::error("weakly")),
            _ => recipient.stop(),
        }
        let down = events.down();
        assert_eq!(down.monitor_ref, monitor);
        assert_eq!(
            [target.exit_reason(), weak.exit_reason(), recipient.exit_reason()],
            [(); 3].map(|()| Some(down.reason.clone()))
        );
        assert_eq!(weak.wait_exit().wait(), recipient.wait_exit().wait());
    }
}
