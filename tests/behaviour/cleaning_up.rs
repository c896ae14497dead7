//! Cleaning up after monitors. What must be counted is counted in the test program `leaks`.

use std::sync::mpsc;

use deathwatch::{Demonitor, ExitReason, Mailbox, Monitors, OnFull, Options, RequestError};

use crate::support::*;

/// R41: after a cancel neither side shows the monitor any more.
#[test]
fn both_views_are_empty_after_a_cancel() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (watcher, _) = Puppet::on(&runtime);
    let target_in = target.clone();
    let monitor = watcher.call(move |_, ctx| ctx.monitor(&target_in));
    assert_eq!(watcher.monitors(), [(monitor, target.id())]);
    assert_eq!(target.monitored_by(), [watcher.id()]);
    assert!(matches!(watcher.call(move |_, ctx| ctx.demonitor(monitor)), Demonitor::Cancelled));
    assert!(watcher.monitors().is_empty());
    assert!(target.monitored_by().is_empty());
}

/// R42: after a Down likewise; already inside its handler.
#[test]
fn both_views_are_empty_after_a_down() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (report, reported) = mpsc::channel();
    let (puppet, _events) = Puppet::new();
    let seen = target.clone();
    let watcher = runtime
        .start(puppet.at_down(move |_, ctx| report.send((ctx.monitors(), seen.monitored_by())).unwrap()))
        .unwrap();
    let target_in = target.clone();
    watcher.call(move |_, ctx| ctx.monitor(&target_in));
    target.stop();
    assert_eq!(reported.recv().unwrap(), (vec![], vec![]));
    assert!(watcher.monitors().is_empty());
}

/// R43: a watcher that dies is gone from its target's view at once, long before the target dies: actors on every way
/// of dying, and plain code.
#[test]
fn a_dead_watcher_is_gone_from_the_targets_view() {
    let _dog = watchdog!();
    let (here, there) = (solo(), solo());
    let (target, _) = Puppet::on(&there);
    let stuck = target.wedge(); // it has no part in this
    for way in 0..4 {
        let (watcher, events) = Puppet::on(&here);
        let target_in = target.clone();
        watcher.call(move |_, ctx| {
            (0..3).for_each(|_| {
                ctx.monitor(&target_in);
            })
        });
        assert_eq!(target.monitored_by(), [watcher.id(); 3]);
        match way {
            0 => watcher.stop(),
            1 => watcher.kill(),
            2 => watcher.send(call(|_, _| -> () { std::panic::resume_unwind(Box::new("out")) })).unwrap(),
            _ => {}
        }
        drop(watcher);
        events.until_gone();
        settle(&here);
        assert!(target.monitored_by().is_empty());
    }
    let mut monitors = Monitors::new();
    monitors.monitor(&target);
    assert_eq!(target.monitored_by().len(), 1);
    drop(monitors);
    assert!(target.monitored_by().is_empty());
    drop(stuck);
    assert!(target.is_alive());
}

/// R44: watcher and target, each monitoring the other, die at once: both are gone, and nobody hangs.
#[test]
fn both_sides_die_at_once() {
    let _dog = watchdog!();
    let runtime = duo();
    for _ in 0..1_000 {
        let (one, _) = Puppet::on(&runtime);
        let (two, _) = Puppet::on(&runtime);
        let (one_in, two_in) = (one.downgrade(), two.downgrade());
        one.call(move |_, ctx| ctx.monitor(&two_in));
        two.call(move |_, ctx| ctx.monitor(&one_in));
        std::thread::scope(|scope| {
            scope.spawn(|| one.kill());
            two.kill();
        });
        assert_eq!((one.wait_exit().wait(), two.wait_exit().wait()), (ExitReason::Kill, ExitReason::Kill));
    }
    drop(runtime);
}

/// R50: the end of a runtime wakes all who wait outside for something in it: for a death by thread or future, for a
/// Down, for a reply that stands in the queue or is being worked on, for room in a mailbox.
#[test]
fn the_end_of_a_runtime_wakes_those_who_wait() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) =
        Puppet::with(Options::new().runtime(&runtime).mailbox(Mailbox::bounded(1, OnFull::Wait)));
    let (asleep, waiting) = mpsc::channel::<()>();
    let mut asked = target.request(act(move |_, _| {
        Box::pin(async move {
            asleep.send(()).unwrap();
            std::future::pending::<()>().await
        })
    }));
    assert!(poll_once(&mut asked).is_pending());
    waiting.recv().unwrap();
    let mut queued = target.request(Note(1)).no_timeout();
    let mut for_room = target.send_wait(Note(2));
    let mut reply_and_room = target.request(Note(3)).no_timeout();
    assert!(poll_once(&mut queued).is_pending());
    assert!(poll_once(&mut for_room).is_pending());
    assert!(poll_once(&mut reply_and_room).is_pending());
    let mut monitors = Monitors::new();
    monitors.monitor(&target);
    let mut join = target.wait_exit();
    assert!(poll_once(&mut join).is_pending());

    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(target.wait_exit().wait(), ExitReason::Kill));
        scope.spawn(|| assert_eq!(futures::executor::block_on(join), ExitReason::Kill));
        scope.spawn(|| assert_eq!(monitors.recv().unwrap().reason, ExitReason::Kill));
        let exited = RequestError::Exited(ExitReason::Kill);
        let (a, b, c) = (exited.clone(), exited.clone(), exited);
        scope.spawn(move || assert_eq!(asked.no_timeout().wait(), Err(a)));
        scope.spawn(move || assert_eq!(futures::executor::block_on(queued), Err(b)));
        scope.spawn(move || assert_eq!(reply_and_room.wait(), Err(c)));
        scope.spawn(move || assert_eq!(for_room.wait().unwrap_err().into_message(), Note(2)));
        drop(runtime);
    });
}

/// R50: and drops what is in it: values, messages, half-finished handlers.
#[test]
fn the_end_of_a_runtime_drops_what_is_in_it() {
    let _dog = watchdog!();
    let (values, messages, handlers) = (Tally::default(), Tally::default(), Tally::default());
    let runtime = duo();
    let mut handles = Vec::new();
    for _ in 0..100 {
        let (mut puppet, _) = Puppet::new();
        puppet.luggage.push(Box::new(values.one()));
        let actor = runtime.start(puppet).unwrap();
        let held = handlers.one();
        actor
            .send(act(move |_, _| {
                Box::pin(async move {
                    let _held = held;
                    std::future::pending::<()>().await
                })
            }))
            .unwrap();
        for _ in 0..10 {
            actor.send(Cargo(messages.one())).unwrap();
        }
        handles.push(actor);
    }
    drop(runtime);
    assert_eq!((values.count(), messages.count(), handlers.count()), (100, 1_000, 100));
    assert!(handles.iter().all(|actor| actor.exit_reason() == Some(ExitReason::Kill)));
}

/// R49: a handle that is kept after the death keeps neither the value nor the mailbox's content.
#[test]
fn a_handle_of_the_dead_keeps_no_state() {
    let _dog = watchdog!();
    let runtime = solo();
    let tally = Tally::default();
    let (mut puppet, _) = Puppet::new();
    puppet.luggage.push(Box::new(tally.one()));
    let actor = runtime.start(puppet).unwrap();
    let hold = actor.hold();
    actor.send(Cargo(tally.one())).unwrap();
    let unfinished = actor.request(Cargo(tally.one()));
    actor.kill();
    actor.wait_exit().wait();
    assert_eq!(tally.count(), 3);
    drop((hold, unfinished));
    assert_eq!(actor.exit_reason(), Some(ExitReason::Kill));
}
