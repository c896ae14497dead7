#![cfg(not(loom))]
//! What is left when all is over: nothing. The counts belong to the whole process, so these tests take turns.

#[macro_use]
mod support;
mod turn;

use std::time::Duration;

use deathwatch::census::flush;
use deathwatch::{
    ActorRef, Demonitor, ExitReason, Group, Mailbox, Missed, Monitors, OnFull, Options, Registry, Runtime,
    TimerCancel, Topic,
};
use futures::{StreamExt, stream};

use support::*;
use turn::Turn;

/// The counts are not empty words: they see what is alive.
#[test]
fn the_counts_count() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    monitors.monitor(&target);
    let [cells, entries] = Turn::count();
    assert!(cells >= turn.before[0] + 3, "the runtime, the actor and the watcher");
    assert!(entries >= turn.before[1] + 2, "the runtime's interest, and ours");
    drop((target, monitors, runtime));
    turn.end();
}

/// R46, R93, R94: an actor that lives long, with names and places in groups that come and go, with holders that die, with names
/// that nobody has; and registries and groups that go while actors are in them.
#[test]
fn names_and_groups() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, _) = Puppet::on(&runtime);
    let (names, own) = (runtime.registry().clone(), Registry::<u32>::new());
    let (group, topic) = (runtime.groups().group("group"), Topic::<Note>::new());
    let before = Turn::count();
    for round in 0..10_000_u32 {
        match round % 5 {
            0 => {
                names.register("actor", &actor).unwrap();
                assert!(names.unregister("actor", &actor));
            }
            1 => {
                group.join(&actor).unwrap();
                topic.subscribe(&actor).unwrap();
                assert!(group.leave(&actor) && topic.unsubscribe(&actor));
            }
            2 => {
                let options = Options::new().runtime(&runtime).registered_in(&own, round);
                let (holder, _) = Puppet::with(options);
                group.join(&holder).unwrap();
                topic.subscribe(&holder).unwrap();
                end(&holder);
            }
            3 => {
                let mut monitors = Monitors::new();
                monitors.monitor(&names.resolve("nobody"));
                assert_eq!(monitors.recv().unwrap().reason, ExitReason::NoProc);
            }
            _ => {
                let (for_now, passing) = (Registry::<u32>::new(), Group::new());
                for_now.register(round, &actor).unwrap();
                passing.join(&actor).unwrap();
                passing.leave(&actor);
            }
        }
    }
    assert_eq!((names.len(), own.len(), group.len(), topic.len()), (0, 0, 0, 0));
    settle(&runtime);
    flush();
    let [cells, entries] = Turn::count();
    assert!(cells - before[0] <= 1_500 && entries - before[1] <= 1_500, "{cells} cells, {entries} entries");
    // All that is left goes at once, with names, members and subscribers in it.
    names.register("actor", &actor).unwrap();
    own.register(1_u32, &actor).unwrap();
    group.join(&actor).unwrap();
    topic.subscribe(&actor).unwrap();
    drop((own, topic, actor, names, group, runtime));
    turn.end();
}

/// R41, R46: a target that lives long, with ten thousand watchers that come and go: by demonitor, by dying, by being
/// dropped.
#[test]
fn many_short_lived_watchers() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let before = Turn::count();
    for round in 0..10_000 {
        match round % 4 {
            0 => {
                let mut monitors = Monitors::new();
                let monitor = monitors.monitor(&target);
                assert!(matches!(monitors.demonitor(monitor), Demonitor::Cancelled));
            }
            1 => {
                Monitors::new().monitor(&target);
            }
            2 => {
                let mut wait = target.wait_exit();
                assert!(poll_once(&mut wait).is_pending());
            }
            _ => {
                let (watcher, _) = Puppet::on(&runtime);
                let target_in = target.clone();
                watcher.call(move |_, ctx| ctx.monitor(&target_in));
                end(&watcher);
            }
        }
    }
    // The target is alive and well, and yet little is left: cancelled entries that are not swept yet, garbage that is
    // not collected yet.
    settle(&runtime);
    flush();
    let [cells, entries] = Turn::count();
    assert!(cells - before[0] <= 1_500 && entries - before[1] <= 1_500, "{cells} cells, {entries} entries");
    assert!(target.monitored_by().is_empty());
    drop((target, runtime));
    turn.end();
}

/// R42, R47: a watcher that lives long, with ten thousand targets that come and go.
#[test]
fn many_short_lived_targets() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = solo();
    let (watcher, events) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    let before = Turn::count();
    for _ in 0..10_000 {
        let (target, _) = Puppet::on(&runtime);
        monitors.monitor(&target);
        let target_in = target.clone();
        watcher.call(move |_, ctx| ctx.monitor(&target_in));
        target.stop();
        events.down();
        monitors.recv().unwrap();
    }
    settle(&runtime);
    flush();
    let [cells, entries] = Turn::count();
    assert!(cells - before[0] <= 1_500 && entries - before[1] <= 1_500, "{cells} cells, {entries} entries");
    drop((watcher, monitors, runtime));
    turn.end();
}

/// R12, R49: a dead target whose Down nobody has looked at is kept; when it is looked at, or the watcher goes, it is not.
#[test]
fn unread_downs() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = solo();
    let mut monitors = Monitors::new();
    for _ in 0..100 {
        let (target, _) = Puppet::on(&runtime);
        monitors.monitor(&target);
        let flushed = monitors.monitor(&target);
        target.kill();
        target.wait_exit().wait();
        settle(&runtime);
        let _ = monitors.demonitor(flushed);
    }
    for _ in 0..50 {
        monitors.recv().unwrap();
    }
    drop((monitors, runtime));
    turn.end();
}

/// R44, R45: pairs that monitor each other, a ring, everybody everybody: dead one by one, all at once, or with their
/// runtime.
#[test]
fn cycles_of_monitors() {
    let turn = Turn::take();
    let _dog = watchdog!();
    for ending in 0..4 {
        let runtime = duo();
        let ring: Vec<_> = (0..200).map(|_| Puppet::on(&runtime).0).collect();
        for n in 0..ring.len() {
            for step in [1, 2, ring.len() - 1] {
                let next = ring[(n + step) % ring.len()].downgrade();
                ring[n].call(move |_, ctx| {
                    ctx.monitor(&next);
                    ctx.monitor(&ctx.handle());
                });
            }
        }
        match ending {
            0 => ring.iter().for_each(end),
            1 => std::thread::scope(|scope| {
                let (left, right) = ring.split_at(100);
                scope.spawn(|| left.iter().for_each(|actor| actor.kill()));
                right.iter().for_each(|actor| actor.stop());
            }),
            2 => drop(runtime),
            _ => {
                drop(ring);
                drop(runtime);
                continue;
            }
        }
        for actor in ring {
            actor.join().wait();
        }
    }
    turn.end();
}

/// R45: a ring of 100,000 actors, each watching the next.
#[test]
fn a_great_ring() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = duo();
    let ring: Vec<_> = (0..100_000).map(|_| Puppet::on(&runtime).0).collect();
    let made = Tally::default();
    for (n, actor) in ring.iter().enumerate() {
        let (next, made) = (ring[(n + 1) % ring.len()].downgrade(), made.clone());
        let watch = call(move |_, ctx| {
            ctx.monitor(&next);
            made.add();
        });
        actor.send(watch).unwrap();
    }
    while made.count() < ring.len() {
        std::thread::yield_now();
    }
    assert!([0, ring.len() - 1].iter().all(|n| ring[*n].monitored_by().len() == 1));
    drop(ring);
    drop(runtime);
    turn.end();
}

/// R39, R44: demonitor, the target's end and the watcher's end race for the same entries.
#[test]
fn races_leave_nothing() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = duo();
    for _ in 0..1_000 {
        let (target, _) = Puppet::on(&runtime);
        let (watcher, _) = Puppet::on(&runtime);
        let ctx = watcher.call(|_, ctx| ctx.clone());
        let refs: Vec<_> = (0..8).map(|_| ctx.monitor(&target)).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| refs.iter().for_each(|monitor| drop(ctx.demonitor(*monitor))));
            scope.spawn(|| {
                ctx.monitor(&target);
                watcher.kill();
            });
            target.kill();
        });
    }
    drop(runtime);
    turn.end();
}

/// R69: requests leave nothing behind, whatever their end: reply, time limit, drop, death, no room.
#[test]
fn requests_leave_nothing() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = solo();
    for policy in [OnFull::Reject, OnFull::Wait, OnFull::DropNewest, OnFull::DropOldest] {
        let options = Options::new().runtime(&runtime).mailbox(Mailbox::bounded(2, policy));
        let (target, _) = Puppet::with(options);
        for _ in 0..100 {
            target.call(|_, _| ());
            drop(target.request(Note(1)));
        }
        target.call(|_, _| ());
        let hold = target.hold();
        for _ in 0..10 {
            let mut polled = target.request(Note(2)).no_timeout();
            let _ = poll_once(&mut polled);
            assert!(target.request(Note(3)).timeout(std::time::Duration::from_millis(1)).wait().is_err());
            let mut sending = target.send_wait(Note(4));
            let _ = poll_once(&mut sending);
        }
        let mut unanswered: Vec<_> = (0..10).map(|_| target.request(Note(5)).no_timeout()).collect();
        unanswered.retain_mut(|request| poll_once(request).is_pending());
        target.kill();
        for request in unanswered {
            assert!(request.wait().is_err());
        }
        drop(hold);
        for _ in 0..10 {
            let mut late = target.request(Note(6)).no_timeout();
            assert!(poll_once(&mut late).is_ready());
        }
    }
    drop(runtime);
    turn.end();
}

/// R50: a runtime is dropped with everything in it: actors at rest and in handlers, monitors across runtimes, messages
/// that hold their own actors, contexts that outlive it.
#[test]
fn the_end_of_a_runtime_leaves_nothing() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let (here, there) = (duo(), duo());
    let mut outside = Monitors::new();
    let mut contexts = Vec::new();
    let mut waits = Vec::new();
    let mut waiting = Vec::new();
    for n in 0..200 {
        let (one, _) = Puppet::on(&here);
        let (two, _) = Puppet::on(&there);
        outside.monitor(&one);
        outside.monitor(&two);
        let (one_in, two_in) = (one.clone(), two.clone());
        one.call(move |puppet, ctx| {
            ctx.monitor(&two_in);
            let guard = ctx.monitor_guard(&two_in);
            puppet.luggage.push(Box::new((guard, ctx.clone(), two_in)));
        });
        contexts.push(two.call(move |puppet, ctx| {
            ctx.monitor_with(&one_in, Retold);
            puppet.luggage.push(Box::new(one_in));
            ctx.clone()
        }));
        let mut wait = one.wait_exit();
        assert!(poll_once(&mut wait).is_pending());
        waits.push(wait);
        if n % 2 == 0 {
            let hold = one.hold();
            one.send(Cargo((one.clone(), two.clone()))).unwrap();
            two.send(Cargo(two.recipient::<Note, _>())).unwrap();
            waiting.push(hold); // the handler does not come back
        }
    }
    drop(here);
    drop(there);
    assert_eq!(outside.into_iter().filter(|down| down.reason == ExitReason::Kill).count(), 400);
    drop((contexts, waits, waiting));
    turn.end();
}

/// R50: an actor that was refused because its runtime had ended is gone, and so is one that never ran.
#[test]
fn actors_that_never_ran() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime: Runtime = solo();
    let options = Options::new().runtime(&runtime);
    let (blocker, _) = Puppet::on(&runtime);
    let wedge = blocker.wedge();
    let queued: Vec<ActorRef<Idle>> = (0..100).map(|_| runtime.start(Idle).unwrap()).collect();
    let mut monitors = Monitors::new();
    queued.iter().for_each(|actor| {
        monitors.monitor(actor);
    });
    wedge.release_after(move || drop(runtime));
    assert_eq!(monitors.into_iter().count(), 100);
    for _ in 0..100 {
        assert!(deathwatch::tasks::Actor::start_with(Idle, options.clone()).is_err());
    }
    drop((queued, blocker, options));
    turn.end();
}

/// R48: monitors need neither threads nor actors of their own.
#[test]
#[cfg(target_os = "linux")]
fn monitors_need_no_threads() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (watcher, _) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    let (before, actors, cells) = (threads(), runtime.live_actors(), Turn::count()[0]);
    for _ in 0..10_000 {
        monitors.monitor(&target);
    }
    let target_in = target.clone();
    watcher.call(move |_, ctx| {
        (0..10_000).for_each(|_| {
            ctx.monitor(&target_in);
        })
    });
    assert_eq!(target.monitored_by().len(), 20_000);
    assert_eq!((runtime.live_actors(), Turn::count()[0]), (actors, cells));
    assert!(threads() < before + 100);
    drop((target, watcher, monitors, runtime));
    turn.end();
}

/// R46: when all monitors of a target have been taken back, no more than a small constant of them is still in its list.
#[test]
fn cancelled_entries_are_bounded_by_the_live_ones() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = solo();
    let target = runtime.start(Idle).unwrap();
    let mut monitors = deathwatch::Monitors::new();
    let references: Vec<_> = (0..100_065).map(|_| monitors.monitor(&target)).collect();
    for reference in references {
        assert!(matches!(monitors.demonitor(reference), deathwatch::Demonitor::Cancelled));
    }
    let [_, entries] = Turn::quiet();
    // 64 in the list, one for the tie of the target to its runtime, and what the epoch holds back.
    assert!(entries <= turn.before[1] + 64 + 128, "{entries} entries are left");
    drop((monitors, target));
    drop(runtime);
    turn.end();
}

/// R49: who waited for room in a mailbox whose actor died meanwhile is not kept by it, however long a handle to it is.
#[test]
fn dead_mailboxes_keep_no_waiters() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = duo();
    let (full, _) = Puppet::with(Options::new().runtime(&runtime).mailbox(Mailbox::bounded(1, OnFull::Wait)));
    let wedge = full.wedge();
    full.send(Note(1)).unwrap();
    let requests: Vec<_> = (0..20).map(|_| full.request(Note(2))).collect();
    full.kill();
    drop(wedge);
    full.wait_exit().wait();
    let askers: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let (asker, _) = Puppet::on(&runtime);
            let asks = act(move |_, ctx: &deathwatch::Context<Puppet>| {
                Box::pin(async move {
                    assert!(request.await.is_err());
                    ctx.stop();
                })
            });
            asker.send(asks).unwrap();
            asker
        })
        .collect();
    for asker in askers {
        asker.wait_exit().wait();
    }
    runtime.shutdown(std::time::Duration::from_secs(3_600)).unwrap();
    drop(runtime);
    // The full one, kept by its handle, and the root of its runtime are all that is left; then nothing.
    while Turn::quiet()[0] > turn.before[0] + 2 {
        std::thread::yield_now();
    }
    drop(full);
    turn.end();
}

/// R94: timers that rang, that were cancelled, that their actor did not live to see; streams that ended, that were detached,
/// that outlived their actor: by a clock that is real, and by one that stands still.
#[test]
fn timers_and_streams() {
    let turn = Turn::take();
    let _dog = watchdog!();
    for by_hand in [false, true] {
        let (runtime, clock) = if by_hand {
            let (runtime, clock) = solo_by_hand();
            (runtime, Some(clock))
        } else {
            (solo(), None)
        };
        let (living, _events) = Puppet::on(&runtime);
        for round in 0..300_u64 {
            let (puppet, _events) = Puppet::on(&runtime);
            let kept = puppet.call(move |_, ctx| {
                let hour = Duration::from_secs(3_600);
                let timer = ctx.send_after(hour, Cargo(ctx.id()));
                if round % 2 == 0 {
                    assert!(matches!(timer.cancel(), TimerCancel::Cancelled(_)));
                }
                ctx.send_after(Duration::from_micros(round), Note(1));
                ctx.send_interval(Duration::from_micros(50 + round), || Note(2), Missed::CatchUp);
                ctx.attach(stream::iter(0..20).map(Note));
                ctx.attach(stream::pending::<Note>());
                ctx.pipe(std::future::pending(), |()| Note(3)).detach();
                ctx.attach_iter((0..3).map(Note));
                (round % 3 == 0).then_some(timer)
            });
            living.call(move |_, ctx| {
                let timer = ctx.send_after(Duration::from_secs(3_600), Note(4));
                timer.cancel();
                ctx.send_after(Duration::ZERO, Note(5));
                ctx.attach(stream::iter(0..2).map(Note)).detach();
            });
            if let Some(clock) = &clock {
                clock.advance(Duration::from_micros(300));
            }
            end(&puppet);
            drop(kept);
        }
        // The living has at most what its list had not swept out, and the clock has nothing but what is still to ring.
        settle(&runtime);
        until(|| {
            flush();
            let [cells, entries] = Turn::count();
            cells - turn.before[0] <= 1_000 && entries - turn.before[1] <= 1_000
        });
        drop((living, runtime, clock));
    }
    turn.end();
}

/// R94: what a dead actor had set does not keep its cell, though it would ring much later, nor its blocks: not in a clock that
/// nobody moves, nor in one that sleeps until then. (Each thread holds back fewer than 64 blocks that are retired.)
#[test]
fn timers_of_the_dead() {
    let turn = Turn::take();
    let _dog = watchdog!();
    for by_hand in [false, true] {
        let runtime = if by_hand { solo_by_hand().0 } else { solo() };
        settle(&runtime);
        let before = Turn::quiet();
        for kill in [true, false] {
            let (puppet, _events) = Puppet::on(&runtime);
            puppet.call(|_, ctx| {
                for n in 0..500 {
                    ctx.send_after(Duration::from_secs(3_600 + n), Note(1));
                }
                ctx.send_interval(Duration::from_secs(3_600), || Note(2), Missed::Skip);
            });
            assert!(Turn::count()[1] >= before[1] + 500);
            let gone = begun(puppet.wait_exit());
            if kill {
                puppet.kill()
            } else {
                puppet.stop()
            }
            gone.wait();
        }
        // What was ending then is gone by now, so it may be less.
        until(|| {
            let [cells, entries] = Turn::quiet();
            cells <= before[0] && entries <= before[1] + 3 * 64
        });
        drop(runtime);
    }
    turn.end();
}

/// Waits until something is so.
fn until(mut what: impl FnMut() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

/// R46, R71, R73: links of an actor that lives long, which come and go, and whose other ends die: in whichever order, with their signals
/// looked at or taken back, and of dead ones too; and actors that die with signals on their way.
#[test]
fn links() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let (runtime, other) = (solo(), solo());
    let (actor, _) = Puppet::on(&runtime);
    let (ctx, before) = (actor.call(|_, ctx| ctx.clone()), Turn::count());
    for round in 0..10_000_u32 {
        let (peer, _) = Puppet::on(&other);
        let link = peer.clone();
        match round % 7 {
            6 => {
                // Both die at once, each with the other's signal on its way.
                let (doomed, _) = Puppet::on(&runtime);
                doomed.call(move |_, ctx| ctx.link(&link));
                let wedges = [doomed.wedge(), peer.wedge()];
                let ends = [&doomed, &peer].map(|one| begun(one.wait_exit()));
                doomed.kill();
                peer.kill();
                drop(wedges);
                ends.into_iter().for_each(|end| drop(end.wait()));
            }
            0 => actor.call(move |_, ctx| {
                ctx.link(&link);
                ctx.unlink(&link);
            }),
            1 => {
                actor.call(move |_, ctx| ctx.link(&link));
                end(&peer); // normally, which does nothing
                actor.call(|_, _| ());
            }
            2 => {
                actor.call(move |_, ctx| ctx.link(&link));
                let (wedge, death, own) = (actor.wedge(), begun(peer.wait_exit()), ctx.clone());
                peer.kill();
                death.wait();
                wedge.release_after(move || own.unlink(&peer)); // whose signal is on its way
                actor.call(|_, _| ());
            }
            3 => {
                end(&peer);
                actor.call(move |_, ctx| {
                    ctx.link(&link);
                    ctx.unlink(&link);
                });
            }
            4 => {
                let (doomed, _) = Puppet::on(&runtime);
                doomed.call(move |_, ctx| ctx.link(&link));
                let wedge = doomed.wedge();
                peer.kill();
                doomed.kill();
                wedge.release();
            }
            _ => {
                let own = actor.clone();
                peer.call(move |_, ctx| ctx.link(&own));
                actor.call(move |_, ctx| ctx.unlink(&link));
                peer.kill();
            }
        }
    }
    // Every other actor is dead, or about to be: what one that lives still has is bounded. (64 in its list, and what each of three
    // threads holds back.)
    let settled = || Turn::quiet()[1] <= before[1] + 64 + 3 * 64;
    while !settled() {
        std::thread::yield_now();
    }
    drop((actor, ctx, runtime, other));
    turn.end();
}
