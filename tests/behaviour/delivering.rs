//! Delivering Downs.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::mpsc;

use deathwatch::{
    Demonitor, Down, ExitReason, Mailbox, MonitorRef, Monitors, OnFull, Options, Request, RequestError,
};

use crate::support::*;

/// R14: each active monitor ends in exactly one Down: many targets, three actors and plain code watching each, every
/// reference counted.
#[test]
fn exactly_one_down_for_each_monitor() {
    let _dog = watchdog!();
    const TARGETS: usize = 1_000;
    let runtime = duo();
    let targets: Vec<_> = (0..TARGETS).map(|_| runtime.start(Idle).unwrap()).collect();
    let mut monitors = Monitors::new();
    let mut awaited: HashMap<MonitorRef, usize> = targets.iter().map(|t| (monitors.monitor(t), 0)).collect();
    let watchers: Vec<_> = (0..3)
        .map(|_| {
            let (watcher, events) = Puppet::on(&runtime);
            let handles: Vec<_> = targets.iter().map(|target| target.handle()).collect();
            let refs = watcher.call(move |_, ctx| handles.iter().map(|h| ctx.monitor(h)).collect::<Vec<_>>());
            (watcher, events, refs)
        })
        .collect();
    for (n, target) in targets.into_iter().enumerate() {
        match n % 3 {
            0 => target.kill(),
            1 => target.stop(),
            _ => drop(target),
        }
    }
    for down in monitors.iter() {
        *awaited.get_mut(&down.monitor_ref).expect("one of ours") += 1;
    }
    assert!(awaited.values().all(|&times| times == 1));
    for (watcher, events, refs) in watchers {
        let mut awaited: HashMap<MonitorRef, usize> = refs.into_iter().map(|r| (r, 0)).collect();
        for _ in 0..TARGETS {
            *awaited.get_mut(&events.down().monitor_ref).expect("one of ours") += 1;
        }
        assert!(awaited.values().all(|&times| times == 1));
        watcher.stop();
        assert_eq!(events.label(), "stopped normal", "no Down too many");
    }
}

/// R15: a Down carries the reference, who died, what it was called, and why.
#[test]
fn a_down_says_who_and_why() {
    let _dog = watchdog!();
    let runtime = solo();
    let (named, _) = Puppet::with(Options::new().runtime(&runtime).name("reader"));
    let (nameless, _) = Puppet::on(&runtime);
    let (watcher, events) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    for (target, name) in [(named, Some("reader")), (nameless, None)] {
        let target_in = target.clone();
        let monitor = watcher.call(move |_, ctx| ctx.monitor(&target_in));
        let plain = monitors.monitor(&target);
        target.stop_with(ExitReason::error("worn out"));
        for (expected, down) in [(monitor, events.down()), (plain, monitors.recv().unwrap())] {
            assert_eq!(down.monitor_ref, expected);
            assert_eq!(down.target, target.id());
            assert_eq!(down.name.as_deref(), name);
            assert_eq!(down.reason.to_string(), "error: worn out");
        }
    }
}

/// R16: all observers of one death are given the same reason, and share it: a megabyte of text is in memory once.
#[test]
fn the_reason_is_shared_by_all() {
    let _dog = watchdog!();
    fn text(reason: &ExitReason) -> (*const u8, usize) {
        match reason {
            ExitReason::Panic(report) => (report.message().as_ptr(), report.message().len()),
            ExitReason::Error(report) => {
                let text = report.downcast_ref::<Large>().expect("the error itself");
                (text.0.as_ptr(), text.0.len())
            }
            other => panic!("not expected: {other}"),
        }
    }
    #[derive(Debug)]
    struct Large(String);
    impl std::fmt::Display for Large {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("large")
        }
    }
    impl std::error::Error for Large {}

    for panics in [false, true] {
        let runtime = solo();
        let (target, _) = Puppet::on(&runtime);
        let (watcher, events) = Puppet::on(&runtime);
        let mut monitors = Monitors::new();
        monitors.monitor(&target);
        let target_in = target.clone();
        watcher.call(move |_, ctx| {
            ctx.monitor(&target_in);
            ctx.monitor_with(&target_in, Retold);
        });
        let hold = target.hold();
        let queued: Request<Note> = target.request(Note(1)).no_timeout();
        let large = "x".repeat(1 << 20);
        if panics {
            let message = call(move |_, _| std::panic::resume_unwind(Box::new(large)));
            let stop = target.send(message);
            stop.unwrap();
        } else {
            target.stop_with(ExitReason::error(Large(large)));
        }
        hold.release();
        let mut reasons = vec![target.wait_exit().wait(), target.exit_reason().unwrap()];
        reasons.push(monitors.recv().unwrap().reason);
        for _ in 0..2 {
            match events.next() {
                deathwatch_event @ (Event::Down(_) | Event::Retold(_)) => {
                    let (Event::Down(down) | Event::Retold(down)) = deathwatch_event else { unreachable!() };
                    reasons.push(down.reason);
                }
                other => panic!("not expected: {other:?}"),
            }
        }
        let outcome = queued.wait();
        if !panics {
            let Err(RequestError::Exited(reason)) = outcome else { panic!("{outcome:?}") };
            reasons.push(reason);
        }
        let Err(RequestError::Exited(reason)) = target.request(Note(2)).no_timeout().wait() else { panic!() };
        reasons.push(reason);
        let first = text(&reasons[0]);
        assert_eq!(first.1, 1 << 20);
        assert!(reasons.iter().all(|reason| text(reason) == first && *reason == reasons[0]));
    }
}

/// R17: what a target sent to its watcher, up to its last breath (from its stop hook, from its `Drop`), is handled
/// before its Down.
#[test]
fn last_words_come_before_the_down() {
    let _dog = watchdog!();
    let runtime = duo();
    for round in 0..200 {
        let (watcher, events) = Puppet::on(&runtime);
        let (in_stop, in_drop) = (watcher.clone(), watcher.clone());
        let (target, _) = Puppet::new();
        let target = runtime
            .start(
                target
                    .at_stop(move |_, _| in_stop.send(Note(100)).unwrap())
                    .at_drop(move || in_drop.send(Note(101)).unwrap()),
            )
            .unwrap();
        let target_in = target.clone();
        watcher.call(move |_, ctx| ctx.monitor(&target_in));
        let to = watcher.clone();
        let talk = call(move |_, ctx| {
            (0..50).for_each(|n| to.send(Note(n)).unwrap());
            if round % 2 == 0 {
                ctx.stop();
            } else {
                std::panic::resume_unwind(Box::new("last words"));
            }
        });
        target.send(talk).unwrap();
        let said: Vec<_> = (0..52).map(|_| events.label()).collect();
        let expected: Vec<_> = (0..50).chain(100..102).map(|n| format!("note {n}")).collect();
        assert_eq!(said, expected);
        let reason = if round % 2 == 0 { "down normal" } else { "down panic: last words" };
        assert_eq!(events.label(), reason);
    }
}

/// R17: the same when the watcher's mailbox is bounded, for every policy: what was taken in stands before the Down.
#[test]
fn last_words_come_first_in_bounded_mailboxes() {
    let _dog = watchdog!();
    let runtime = solo();
    for (policy, kept) in [
        (OnFull::Reject, 0..4),
        (OnFull::Wait, 0..4),
        (OnFull::DropNewest, 0..4),
        (OnFull::DropOldest, 6..10),
    ] {
        let (watcher, events) =
            Puppet::with(Options::new().runtime(&runtime).mailbox(Mailbox::bounded(4, policy)));
        let (target, _) = Puppet::on(&runtime);
        let target_in = target.clone();
        watcher.call(move |_, ctx| ctx.monitor(&target_in));
        let hold = watcher.hold();
        let to = watcher.clone();
        target
            .send(call(move |_, ctx| {
                for n in 0..10 {
                    let _ = to.send(Note(n));
                }
                ctx.stop();
            }))
            .unwrap();
        target.wait_exit().wait();
        settle(&runtime);
        hold.release();
        let mut expected: Vec<_> = kept.map(|n| format!("note {n}")).collect();
        expected.push("down normal".to_owned());
        let told: Vec<_> = expected.iter().map(|_| events.label()).collect();
        assert_eq!(told, expected, "{policy:?}");
    }
}

/// R18: when the Down is handled, the target is gone: its stop hook has ended, its value is dropped, its mailbox is
/// closed, it is not alive, its reason is final, and waiting for it takes no time.
#[test]
fn a_down_comes_when_the_target_is_gone() {
    let _dog = watchdog!();
    let runtime = duo();
    for _ in 0..200 {
        let gone = Tally::default();
        let (target, _) = Puppet::new();
        let (stopped, dropped) = (gone.clone(), gone.clone());
        let target = runtime
            .start(
                target
                    .at_stop_async(move |_, _| {
                        Box::pin(async move {
                            yield_now().await;
                            stopped.add();
                        })
                    })
                    .at_drop(move || dropped.add()),
            )
            .unwrap();
        let (report, reported) = mpsc::channel();
        let (watcher, _events) = Puppet::new();
        let seen = target.clone();
        let watcher = watcher.at_down(move |_, _| {
            let late = Monitors::new().monitor(&seen);
            let facts = (
                gone.count(),
                seen.is_alive(),
                seen.exit_reason(),
                seen.send(Note(1)).is_err(),
                poll_once(&mut seen.wait_exit()),
                seen.downgrade().exit_reason(),
            );
            report.send((facts, late)).unwrap();
        });
        let watcher = runtime.start(watcher).unwrap();
        let target_in = target.clone();
        watcher.call(move |_, ctx| ctx.monitor(&target_in));
        target.stop();
        let (facts, _) = reported.recv().unwrap();
        let normal = ExitReason::Normal;
        let ready = std::task::Poll::Ready(normal.clone());
        assert_eq!(facts, (2, false, Some(normal.clone()), true, ready, Some(normal)));
    }
}

/// R93: what the target held is free again when its Down is handled: the watcher binds the very port that the dead
/// actor listened on, on every way of dying.
#[test]
fn the_watcher_takes_over_the_port_of_the_dead() {
    let _dog = watchdog!();
    let runtime = duo();
    for round in 0..60 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mut target, _) = Puppet::new();
        target.luggage.push(Box::new(listener));
        let target = runtime.start(target).unwrap();
        let (report, reported) = mpsc::channel();
        let (watcher, _events) = Puppet::new();
        let watcher = watcher.at_down(move |_, _| report.send(TcpListener::bind(address).map(drop)).unwrap());
        let watcher = runtime.start(watcher).unwrap();
        let target_in = target.downgrade();
        watcher.call(move |_, ctx| ctx.monitor(&target_in));
        match round % 4 {
            0 => target.stop(),
            1 => target.kill(),
            2 => drop(target),
            _ => {
                let _ = target.send(call(|_, _| -> () { std::panic::resume_unwind(Box::new("unbound")) }));
            }
        }
        reported.recv().unwrap().expect("the port is free");
    }
}

/// R20: a Down for a dead watcher vanishes: the target dies in peace, the others are told.
#[test]
fn a_dead_watcher_is_nobodys_trouble() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, target_events) = Puppet::on(&runtime);
    let mut living = Monitors::new();
    for n in 0..100 {
        let (watcher, _) = Puppet::on(&runtime);
        let target_in = target.clone();
        watcher.call(move |_, ctx| ctx.monitor(&target_in));
        if n % 2 == 0 {
            end(&watcher);
        } else {
            watcher.kill(); // about when the target dies
        }
    }
    drop({
        let mut dead = Monitors::new();
        dead.monitor(&target);
        dead
    });
    living.monitor(&target);
    target.stop();
    assert_eq!(living.recv().unwrap().reason, ExitReason::Normal);
    drop(target);
    assert_eq!(target_events.until_gone(), ["stopped normal", "dropped"]);
}

/// R21: a full mailbox neither delays nor drops a Down, and the dying actor does not wait for the watcher: here the
/// watcher is stuck in a handler with its mailbox full, and the target dies all the same.
#[test]
fn a_full_mailbox_does_not_refuse_a_down() {
    let _dog = watchdog!();
    let (here, there) = (solo(), solo());
    for policy in [OnFull::Reject, OnFull::Wait, OnFull::DropNewest, OnFull::DropOldest] {
        let (watcher, events) =
            Puppet::with(Options::new().runtime(&there).mailbox(Mailbox::bounded(3, policy)));
        let targets: Vec<_> = (0..10).map(|_| here.start(Idle).unwrap()).collect();
        let handles: Vec<_> = targets.iter().map(|target| target.handle()).collect();
        watcher.call(move |_, ctx| {
            handles.iter().for_each(|target| {
                ctx.monitor(target);
            })
        });
        let stuck = watcher.wedge();
        (0..3).for_each(|n| watcher.send(Note(n)).unwrap());
        if policy == OnFull::Reject || policy == OnFull::Wait {
            assert!(watcher.send(Note(3)).unwrap_err().is_full());
        }
        for target in &targets {
            end(target);
        }
        settle(&here);
        if policy == OnFull::Reject || policy == OnFull::Wait {
            assert!(watcher.send(Note(3)).unwrap_err().is_full(), "a Down frees no place either");
        }
        stuck.release();
        let told: Vec<_> = (0..13).map(|_| events.label()).collect();
        let notes = (0..3).map(|n| format!("note {n}"));
        let expected: Vec<_> = notes.chain((0..10).map(|_| "down normal".to_owned())).collect();
        assert_eq!(told, expected, "{policy:?}");
        // A Down took no place: there is room for exactly three again.
        let hold = watcher.hold();
        (0..3).for_each(|n| watcher.send(Note(n)).unwrap());
        if policy == OnFull::Reject || policy == OnFull::Wait {
            assert!(watcher.send(Note(3)).unwrap_err().is_full());
        }
        hold.release();
    }
}

/// R22: a Down that was forwarded by a user is a message like any other: it takes nobody's monitor away, and changes
/// nothing at who gets it.
#[test]
fn a_forwarded_down_is_not_taken_for_a_real_one() {
    let _dog = watchdog!();
    let runtime = solo();
    let (watcher, events) = Puppet::on(&runtime);
    let (first, _) = Puppet::on(&runtime);
    let (second, _) = Puppet::on(&runtime);
    let (first_in, second_in) = (first.clone(), second.clone());
    let (one, two) = watcher.call(move |_, ctx| (ctx.monitor(&first_in), ctx.monitor(&second_in)));
    first.kill();
    let mut forged: Down = events.down();
    assert_eq!(forged.monitor_ref, one);
    // As if the second had died as well: with its reference and identity.
    forged.monitor_ref = two;
    forged.target = second.id();
    watcher.send(forged).unwrap();
    assert_eq!(events.down().monitor_ref, two);
    assert_eq!(watcher.monitors(), [(two, second.id())]);
    second.stop_with(ExitReason::error("in earnest"));
    let real = events.down();
    assert_eq!((real.monitor_ref, real.reason), (two, ExitReason::error("in earnest")));
}

/// R23: a Down for a dead watcher does not reach a later actor of the same name.
#[test]
fn a_down_does_not_reach_a_namesake() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let options = Options::new().runtime(&runtime).name("watcher");
    let (first, _) = Puppet::with(options.clone());
    let target_in = target.clone();
    first.call(move |_, ctx| ctx.monitor(&target_in));
    end(&first);
    drop(first);
    let (second, _) = Puppet::with(options);
    end(&target);
    settle(&runtime);
    assert_eq!(second.call(|puppet, _| puppet.downs), 0);
}

/// R24: a panic in the handler of a Down is a panic in a handler; the other Downs of the same death are told.
#[test]
fn a_panic_in_a_down_handler() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let watchers: Vec<_> = (0..9)
        .map(|n| {
            let (puppet, events) = Puppet::new();
            let puppet = puppet.at_down(move |_, _| assert!(n % 3 != 1, "cannot bear it"));
            let watcher = runtime.start(puppet).unwrap();
            let target_in = target.clone();
            watcher.call(move |_, ctx| {
                ctx.monitor(&target_in);
                ctx.monitor(&target_in);
            });
            (n, watcher, events)
        })
        .collect();
    let mut monitors = Monitors::new();
    let watching: Vec<_> = watchers.iter().map(|(_, watcher, _)| monitors.monitor(watcher)).collect();
    target.stop();
    for (n, watcher, events) in &watchers {
        assert_eq!(events.label(), "down normal");
        if n % 3 == 1 {
            assert_eq!(watcher.wait_exit().wait().to_string(), "panic: cannot bear it");
            assert_eq!(events.label(), "stopped panic: cannot bear it");
        } else {
            assert_eq!(events.label(), "down normal");
            assert!(watcher.is_alive());
        }
    }
    let mut broken: Vec<_> = (0..3).map(|_| monitors.recv().unwrap().monitor_ref).collect();
    broken.sort();
    let mut expected: Vec<_> = watching.into_iter().skip(1).step_by(3).collect();
    expected.sort();
    assert_eq!(broken, expected);
}

/// R24: a panic in the closure that retells a Down, likewise.
#[test]
fn a_panic_while_retelling_a_down() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (watcher, events) = Puppet::on(&runtime);
    let target_in = target.clone();
    watcher.call(move |_, ctx| ctx.monitor_with(&target_in, |_| -> Retold { panic!("speechless") }));
    let mut monitors = Monitors::new();
    monitors.monitor(&watcher);
    target.stop();
    assert_eq!(monitors.recv().unwrap().reason.to_string(), "panic: speechless");
    assert_eq!(events.label(), "stopped panic: speechless");
}

/// R26: watchers that are stuck, dead or full delay nobody else's Down.
#[test]
fn bad_watchers_do_not_delay_the_others() {
    let _dog = watchdog!();
    let (here, there) = (solo(), solo());
    let (target, _) = Puppet::on(&here);
    let watch = |watcher: &deathwatch::ActorRef<Puppet>| {
        let target_in = target.clone();
        watcher.call(move |_, ctx| ctx.monitor(&target_in));
    };
    let mut early = Monitors::new();
    early.monitor(&target);
    let (dead, _) = Puppet::on(&there);
    let (full, _) = Puppet::with(Options::new().runtime(&there).mailbox(Mailbox::bounded(1, OnFull::Wait)));
    let (stuck, _) = Puppet::on(&there);
    [&dead, &full, &stuck].into_iter().for_each(watch);
    end(&dead);
    let hold = full.hold();
    full.send(Note(1)).unwrap();
    let wedge = stuck.wedge();
    let (good, events) = Puppet::on(&here);
    watch(&good);
    let mut late = Monitors::new();
    late.monitor(&target);
    target.stop();
    assert_eq!(early.recv().unwrap().reason, ExitReason::Normal);
    assert_eq!(late.recv().unwrap().reason, ExitReason::Normal);
    assert_eq!(events.down().reason, ExitReason::Normal);
    drop((wedge, hold));
}

/// R28: a Down needs nobody's later activity: the watcher's handler runs although nothing is sent to anybody after the
/// target has been told to die, and although the target's runtime is gone by then.
#[test]
fn a_down_needs_no_later_activity() {
    let _dog = watchdog!();
    let (here, there) = (solo(), solo());
    let (target, _) = Puppet::on(&there);
    let (watcher, events) = Puppet::on(&here);
    let target_in = target.clone();
    watcher.call(move |_, ctx| ctx.monitor(&target_in));
    drop(there);
    assert_eq!(events.down().reason, ExitReason::Kill);
}

/// Stops an actor. In how many turns of another on the same worker was it dead, and its end not over?
fn turns_during_the_end(runtime: &deathwatch::Runtime, dies: &deathwatch::ActorRef<Puppet>) -> usize {
    let handle = dies.handle();
    let (seen, _) = look_at_the_end(runtime, dies, move || usize::from(!handle.is_alive()));
    seen.turns - 1 // in the last one it is over
}

/// R61: others run during an exit that 200,000 are to be told of: on the same single worker, a probe has a turn for each
/// few thousand that are told.
#[test]
fn others_run_during_a_long_exit() {
    let _dog = watchdog!();
    const WATCHERS: usize = 200_000;
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let mut crowd = Monitors::new();
    for _ in 0..WATCHERS {
        crowd.monitor(&target);
    }
    let (watcher, events) = Puppet::on(&runtime);
    let target_in = target.clone();
    watcher.call(move |_, ctx| ctx.monitor(&target_in));
    let turns = turns_during_the_end(&runtime, &target);
    assert!(turns >= WATCHERS / 10_000, "only {turns} turns in between");
    assert_eq!(events.down().reason, ExitReason::Normal);
    assert_eq!(crowd.iter().filter(|down| down.reason == ExitReason::Normal).count(), WATCHERS);
    assert!(crowd.is_empty());
}

/// R61: the same for the other half of the end: an actor that dies with 200,000 monitors of its own, and that nobody is to be told
/// of. All turns in between are in the course of clearing up after these.
#[test]
fn others_run_while_a_great_watcher_dies() {
    let _dog = watchdog!();
    const TARGETS: usize = 200_000;
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (watcher, _) = Puppet::on(&runtime);
    let target_in = target.clone();
    watcher.call(move |_, ctx| {
        (0..TARGETS).for_each(|_| {
            ctx.monitor(&target_in);
        })
    });
    assert_eq!(target.monitored_by().len(), TARGETS);
    let turns = turns_during_the_end(&runtime, &watcher);
    assert!(turns >= TARGETS / 10_000, "only {turns} turns in between");
    assert!(watcher.monitors().is_empty() && target.monitored_by().is_empty());
}

/// R62, small: 50,000 actors watch one target, and each is told once.
#[test]
fn fifty_thousand_watchers_of_one_target() {
    let _dog = watchdog!();
    const WATCHERS: usize = 50_000;
    use deathwatch::tasks::{Actor, Handler};
    struct Watcher(deathwatch::ActorHandle, Tally, mpsc::Sender<()>);
    impl Actor for Watcher {
        async fn started(&mut self, ctx: &deathwatch::Context<Self>) {
            ctx.monitor(&self.0);
            self.2.send(()).unwrap();
        }
    }
    impl Handler<Down> for Watcher {
        async fn handle(&mut self, down: Down, ctx: &deathwatch::Context<Self>) {
            assert_eq!((down.target, &down.reason), (self.0.id(), &ExitReason::Kill));
            self.1.add();
            ctx.stop();
        }
    }
    let runtime = duo();
    let (target, _) = Puppet::on(&runtime);
    let told = Tally::default();
    let (ready, all_ready) = mpsc::channel();
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|_| runtime.start(Watcher(target.handle(), told.clone(), ready.clone())).unwrap())
        .collect();
    (0..WATCHERS).for_each(|_| all_ready.recv().unwrap());
    assert_eq!(target.monitored_by().len(), WATCHERS);
    target.kill();
    for watcher in &watchers {
        assert_eq!(watcher.wait_exit().wait(), ExitReason::Normal);
    }
    assert_eq!(told.count(), WATCHERS);
}

/// R14: a Down that comes after a cancelled one of the same pair is not confused with it.
#[test]
fn a_second_monitor_outlives_a_cancelled_first() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    let (first, second) = (monitors.monitor(&target), monitors.monitor(&target));
    assert!(matches!(monitors.demonitor(first), Demonitor::Cancelled));
    target.stop();
    assert_eq!(monitors.recv().unwrap().monitor_ref, second);
    assert!(monitors.recv().is_none());
}

/// R51, R52: `monitor_with` has a message of the watcher's own come in place of the Down, with whatever it was given to
/// carry: also for a target that is dead already, and for each of several monitors its own.
#[test]
fn a_message_in_place_of_the_down() {
    let _dog = watchdog!();
    let runtime = solo();
    let (watcher, events) = Puppet::on(&runtime);
    let ctx = watcher.call(|_, ctx| ctx.clone());
    let tagged = |tag: u32| move |down: Down| Note(tag + u32::from(down.reason == ExitReason::Kill));
    let (living, _) = Puppet::on(&runtime);
    ctx.monitor_with(&corpse(ExitReason::Kill), tagged(10));
    assert_eq!(events.label(), "note 11");
    ctx.monitor_with(&corpse(ExitReason::Normal), tagged(20));
    assert_eq!(events.label(), "note 20");
    ctx.monitor_with(&living, tagged(30));
    ctx.monitor_with(&living, tagged(40));
    let silent = ctx.monitor_with(&living, tagged(50));
    assert!(matches!(ctx.demonitor(silent), Demonitor::Cancelled));
    living.kill();
    let mut told = [events.label(), events.label()];
    told.sort();
    assert_eq!(told, ["note 31", "note 41"]);
    drop((ctx, watcher));
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}
