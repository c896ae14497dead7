//! Runtimes: their beginning and their end.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use deathwatch::tasks::Actor;
use deathwatch::{ActorHandle, Backend, ExitReason, Monitors, Options, RequestError, Runtime, StartError};

use crate::support::*;

/// More than any test waits for.
const LONG: Duration = Duration::from_secs(3_600);

/// Misuse: no workers, or more than there can be, is an error.
#[test]
fn numbers_of_workers_that_make_no_sense() {
    let _dog = watchdog!();
    for workers in [0, usize::MAX, 1 << 20] {
        let error = Runtime::builder().workers(workers).build().unwrap_err();
        assert!(matches!(error, StartError::Workers(n) if n == workers), "{error}");
    }
}

/// A runtime's threads carry its name.
#[test]
fn threads_are_named() {
    let _dog = watchdog!();
    let runtime = Runtime::builder().workers(1).name("quire").stack_size(1 << 20).build().unwrap();
    let (actor, _) = Puppet::on(&runtime);
    let name = actor.call(|_, _| std::thread::current().name().map(str::to_owned));
    assert_eq!(name.as_deref(), Some("quire-0"));
}

/// R13: nothing can be started on a runtime that was shut down; the actor is dropped, and nothing hangs.
#[test]
fn starting_after_the_end() {
    let _dog = watchdog!();
    for dropped in [false, true] {
        let runtime = solo();
        let options = Options::new().runtime(&runtime);
        if dropped {
            drop(runtime);
        } else {
            runtime.shutdown(LONG).unwrap();
        }
        let (puppet, events) = Puppet::new();
        assert!(matches!(puppet.start_with(options.clone()), Err(StartError::ShutDown)));
        assert_eq!(events.until_gone(), ["dropped"], "no hook runs");

        let (elsewhere, stand) = (solo(), options);
        let (parent, _) = Puppet::on(&elsewhere);
        let refused = parent.call(move |_, ctx| {
            matches!(ctx.spawn_monitored_with(Puppet::new().0, stand), Err(StartError::ShutDown))
        });
        assert!(refused);
        parent.call(|_, _| ());
    }
}

/// R13: an actor whose runtime is being shut down can start nothing there, and is told so.
#[test]
fn starting_during_the_end() {
    let _dog = watchdog!();
    let runtime = solo();
    let (report, reported) = mpsc::channel();
    let (puppet, _events) = Puppet::new();
    let puppet = puppet.at_stop(move |_, _| {
        report.send(Idle.start_with(Options::new()).map(|actor| actor.is_alive())).unwrap();
    });
    let _actor = runtime.start(puppet).unwrap();
    runtime.shutdown(LONG).unwrap();
    assert!(matches!(reported.recv().unwrap(), Err(StartError::ShutDown)));
}

/// R50: starts race with the end of the runtime: each is either refused or ended, none is forgotten.
#[test]
fn starts_race_with_the_end() {
    let _dog = watchdog!();
    for round in 0..100 {
        let runtime = duo();
        let options = Options::new().runtime(&runtime);
        let (begun, go) = mpsc::channel();
        let starter = std::thread::spawn(move || {
            begun.send(()).unwrap();
            let mut monitors = Monitors::new();
            let mut started = 0;
            while let Ok(actor) = Idle.start_with(options.clone()) {
                monitors.monitor(&actor);
                actor.detach();
                started += 1;
            }
            (monitors, started)
        });
        go.recv().unwrap();
        if round % 2 == 0 {
            drop(runtime);
        } else {
            runtime.shutdown(LONG).unwrap();
        }
        let (monitors, started) = starter.join().unwrap();
        let expected = if round % 2 == 0 { ExitReason::Kill } else { ExitReason::Shutdown };
        assert_eq!(monitors.into_iter().filter(|down| down.reason == expected).count(), started);
    }
}

/// An orderly end runs every stop hook, with `Shutdown`, and waits for it.
#[test]
fn shutdown_runs_the_stop_hooks() {
    let _dog = watchdog!();
    let runtime = duo();
    let stopped = Tally::default();
    let actors: Vec<_> = (0..100)
        .map(|_| {
            let (puppet, _) = Puppet::new();
            let stopped = stopped.clone();
            let puppet = puppet.at_stop(move |reason, _| {
                assert_eq!(*reason, ExitReason::Shutdown);
                stopped.add();
            });
            runtime.start(puppet).unwrap()
        })
        .collect();
    assert_eq!(runtime.live_actors(), 100);
    runtime.shutdown(LONG).unwrap();
    assert_eq!(stopped.count(), 100);
    assert!(actors.iter().all(|actor| actor.exit_reason() == Some(ExitReason::Shutdown)));
}

/// Whoever was stopped for a reason of its own before the end keeps that reason.
#[test]
fn shutdown_leaves_earlier_reasons() {
    let _dog = watchdog!();
    let runtime = solo();
    let (own, _) = Puppet::on(&runtime);
    let (hold, held) = Hold::new();
    let (entered, inside) = mpsc::channel();
    let slow = act(move |_, ctx: &deathwatch::Context<Puppet>| {
        Box::pin(async move {
            ctx.stop_with(ExitReason::error("of its own"));
            entered.send(()).unwrap();
            held.await;
        })
    });
    own.send(slow).unwrap();
    inside.recv().unwrap();
    let (last, _last_events) = Puppet::new();
    let mut hold = Some(hold);
    let last = last.at_stop(move |_, _| drop(hold.take()));
    let _last = runtime.start(last).unwrap();
    runtime.shutdown(LONG).unwrap();
    assert_eq!(own.exit_reason(), Some(ExitReason::error("of its own")));
}

/// How many actors are there can be asked; an actor counts until it is gone completely.
#[test]
fn live_actors_are_counted() {
    let _dog = watchdog!();
    let runtime = solo();
    assert_eq!(runtime.live_actors(), 0);
    let (actor, _) = Puppet::on(&runtime);
    let child = actor.call(|_, _| Idle.start());
    assert_eq!(runtime.live_actors(), 2, "an actor's child is on the same runtime");
    child.kill();
    child.wait_exit().wait();
    settle(&runtime);
    // The probe itself may still be going.
    while runtime.live_actors() != 1 {
        std::thread::yield_now();
    }
    assert!(actor.is_alive());
}

/// A runtime that is dropped, or shut down, by an actor of its own: neither waits for itself; that actor and the others
/// are killed.
#[test]
fn ended_from_its_own_worker() {
    let _dog = watchdog!();
    for in_order in [false, true] {
        for workers in [1, 2] {
            let runtime = Runtime::builder().workers(workers).build().unwrap();
            let (culprit, _) = Puppet::on(&runtime);
            let (other, _) = Puppet::on(&runtime);
            let mut monitors = Monitors::new();
            monitors.monitor(&culprit);
            monitors.monitor(&other);
            let (report, reported) = mpsc::channel();
            culprit
                .send(call(move |_, _| {
                    if in_order {
                        report.send(runtime.shutdown(LONG).is_err()).unwrap();
                    } else {
                        drop(runtime);
                        report.send(true).unwrap();
                    }
                }))
                .unwrap();
            assert!(reported.recv().unwrap());
            let reasons: Vec<_> = monitors.into_iter().map(|down| down.reason).collect();
            assert_eq!(reasons.len(), 2);
            assert!(reasons.contains(&ExitReason::Kill));
        }
    }
}

/// A runtime inside an actor of another: used, shut down and dropped there.
#[test]
fn nested_runtimes() {
    let _dog = watchdog!();
    let outer = solo();
    // On threads of their own, where they may wait.
    let alone = |runtime: &Runtime| Options::new().runtime(runtime).backend(Backend::Thread);
    let (host, _) = Puppet::with(alone(&outer));
    let reasons = host.call(move |_, _| {
        let inner = solo();
        let (guest, _) = Puppet::with(alone(&inner));
        let (innermost, answer) = guest.call(|_, _| {
            let innermost = solo();
            let (actor, _) = Puppet::on(&innermost);
            let name = actor.call(|_, _| std::thread::current().name().map(str::to_owned));
            (actor, name)
        });
        assert_eq!(answer.as_deref(), Some("solo-0"));
        let innermost = innermost.wait_exit().wait();
        inner.shutdown(LONG).unwrap();
        (innermost, guest.wait_exit().wait())
    });
    assert_eq!(reasons, (ExitReason::Kill, ExitReason::Shutdown));
    outer.shutdown(LONG).unwrap();
}

/// A runtime that is ended by a task of another: that one waits for it on its worker, and the Downs are there after.
#[test]
fn ended_by_a_worker_of_another() {
    let _dog = watchdog!();
    for in_order in [false, true] {
        let (outer, inner) = (solo(), solo());
        let (guest, _) = Puppet::on(&inner);
        let (host, events) = Puppet::on(&outer);
        let watched = guest.clone();
        let alive = host.call(move |_, ctx| {
            ctx.monitor(&watched);
            if in_order {
                inner.shutdown(LONG).unwrap();
            } else {
                drop(inner);
            }
            watched.is_alive()
        });
        assert!(!alive);
        let expected = if in_order { ExitReason::Shutdown } else { ExitReason::Kill };
        assert_eq!(events.down().reason, expected);
    }
}

/// A shutdown that comes after another, or while another is going on, finds nothing left to do.
#[test]
fn shut_down_twice() {
    let _dog = watchdog!();
    let runtime = duo();
    let actors: Vec<_> = (0..100).map(|_| runtime.start(Idle).unwrap()).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| runtime.shutdown(LONG).unwrap());
        runtime.shutdown(LONG).unwrap();
    });
    runtime.shutdown(Duration::ZERO).unwrap();
    assert!(actors.iter().all(|actor| actor.exit_reason() == Some(ExitReason::Shutdown)));
    drop(runtime);
}

/// R11, R25: two runtimes whose actors monitor each other: the end of one is told in the other, and the end of that
/// troubles nobody.
#[test]
fn two_runtimes_that_watch_each_other() {
    let _dog = watchdog!();
    let (here, there) = (duo(), duo());
    let pairs: Vec<_> = (0..50)
        .map(|_| {
            let ((one, one_events), (two, two_events)) = (Puppet::on(&here), Puppet::on(&there));
            let (one_weak, two_weak) = (one.downgrade(), two.downgrade());
            one.call(move |_, ctx| ctx.monitor(&two_weak));
            two.call(move |_, ctx| ctx.monitor(&one_weak));
            (one, one_events, two, two_events)
        })
        .collect();
    there.shutdown(LONG).unwrap();
    for (one, one_events, two, two_events) in &pairs {
        assert_eq!(one_events.label(), "down shutdown");
        assert_eq!(two.exit_reason(), Some(ExitReason::Shutdown));
        assert_eq!(two_events.labels(), ["stopped shutdown", "dropped"]);
        assert!(one.monitors().is_empty() && one.monitored_by().is_empty());
    }
    drop(here);
    assert!(pairs.iter().all(|(one, ..)| one.exit_reason() == Some(ExitReason::Kill)));
}

/// R50: two runtimes that watch each other are dropped at the same time.
#[test]
fn two_runtimes_end_at_once() {
    let _dog = watchdog!();
    for _ in 0..50 {
        let (here, there) = (solo(), solo());
        let pairs: Vec<_> = (0..20)
            .map(|_| {
                let ((one, _), (two, _)) = (Puppet::on(&here), Puppet::on(&there));
                let (one_weak, two_weak) = (one.downgrade(), two.downgrade());
                one.send(call(move |_, ctx| ctx.monitor(&two_weak))).unwrap();
                two.send(call(move |_, ctx| ctx.monitor(&one_weak))).unwrap();
                (one, two)
            })
            .collect();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(here));
            drop(there);
        });
        for (one, two) in pairs {
            assert_eq!(
                (one.exit_reason(), two.exit_reason()),
                (Some(ExitReason::Kill), Some(ExitReason::Kill))
            );
            assert!(one.monitored_by().is_empty() && two.monitored_by().is_empty());
        }
    }
}

/// An actor may be started from any hook, and goes to the runtime of the actor that starts it.
#[test]
fn children_stay_on_their_parents_runtime() {
    let _dog = watchdog!();
    let runtime = Runtime::builder().workers(1).name("family").build().unwrap();
    let (report, reported) = mpsc::channel::<ActorHandle>();
    let (puppet, _events) = Puppet::new();
    let (at_start, at_stop) = (report.clone(), report);
    let parent = runtime
        .start(
            puppet
                .at_start(move |_| {
                    let (child, _) = Puppet::new();
                    let grandchild = at_start.clone();
                    let child =
                        child.at_start(move |_| grandchild.send(Puppet::new().0.start().handle()).unwrap());
                    at_start.send(child.start().handle()).unwrap();
                })
                .at_stop(move |_, _| at_stop.send(Puppet::new().0.start().handle()).unwrap()),
        )
        .unwrap();
    let mut kin: Vec<_> = (0..2).map(|_| reported.recv().unwrap()).collect();
    end(&parent);
    kin.push(reported.recv().unwrap());
    assert!(runtime.live_actors() >= 3);
    drop(runtime);
    assert!(kin.iter().all(|actor| actor.exit_reason() == Some(ExitReason::Kill)));
}

/// R50: a runtime with 100,000 actors, half of them in the middle of a handler, is dropped: all are gone when that
/// returns, each is told once, and no Down is handled after it. That takes no longer than the five seconds that are given to
/// handlers which do not return.
#[test]
fn a_hundred_thousand_live_actors() {
    let _dog = watchdog!();
    const ACTORS: usize = 100_000;
    struct Sleeper(Tally, #[allow(dead_code, reason = "dropped with it")] Counted);
    impl Actor for Sleeper {}
    struct Sleep;
    impl deathwatch::Message for Sleep {
        type Reply = ();
    }
    impl deathwatch::tasks::Handler<Sleep> for Sleeper {
        async fn handle(&mut self, _: Sleep, _: &deathwatch::Context<Self>) {
            self.0.add();
            std::future::pending().await
        }
    }
    let runtime = duo();
    let (asleep, dropped) = (Tally::default(), Tally::default());
    let mut monitors = Monitors::new();
    let actors: Vec<_> = (0..ACTORS)
        .map(|n| {
            let actor = runtime.start(Sleeper(asleep.clone(), dropped.one())).unwrap();
            monitors.monitor(&actor);
            if n % 2 == 0 {
                actor.send(Sleep).unwrap();
            }
            actor
        })
        .collect();
    while asleep.count() < ACTORS / 2 {
        std::thread::yield_now();
    }
    let begun = Instant::now();
    drop(runtime);
    let took = begun.elapsed();
    // Nobody is stuck, so that it has no reason to wait for its whole time limit. Elsewhere everything is slow on purpose.
    let slow = cfg!(any(debug_assertions, dw_sanitize, dw_delay));
    assert!(slow || took <= Duration::from_secs(5), "it took {took:?}");
    assert_eq!(dropped.count(), ACTORS);
    assert!(actors.iter().all(|actor| actor.exit_reason() == Some(ExitReason::Kill)));
    let mut told = 0;
    while monitors.try_recv().is_some() {
        told += 1;
    }
    assert_eq!(told, ACTORS, "all told by now");
}

/// A handler that never gives way keeps its own worker, nobody else's: with two workers the others go on.
#[test]
fn a_greedy_handler_keeps_one_worker() {
    let _dog = watchdog!();
    let runtime = duo();
    let (greedy, _) = Puppet::on(&runtime);
    let wedge = greedy.wedge();
    let others: Vec<_> = (0..20).map(|_| Puppet::on(&runtime)).collect();
    for (n, (actor, events)) in others.iter().enumerate() {
        let next = others[(n + 1) % others.len()].0.downgrade();
        actor.call(move |_, ctx| ctx.monitor(&next));
        actor.send(Note(1)).unwrap();
        assert_eq!(events.label(), "note 1");
    }
    others[0].0.kill();
    assert_eq!(others[19].1.down().reason, ExitReason::Kill);
    assert!(greedy.is_alive());
    wedge.release();
}

/// R25, R50, R68: a handler that does not return, with others queued behind it on the only worker: the end of the runtime ends
/// those, and reports the one alone. A request to it still has its time limit.
#[test]
fn others_behind_one_that_is_stuck() {
    let _dog = watchdog!();
    let runtime = solo();
    let (stuck, _) = Puppet::on(&runtime);
    let (innocent, _) = Puppet::on(&runtime);
    let wedge = stuck.wedge();
    let mut monitors = Monitors::new();
    monitors.monitor(&innocent);
    // Longer than the end of the runtime waits for the handler.
    let late = stuck.request(Note(1)).timeout(Duration::from_millis(5_500));
    let late = std::thread::spawn(move || futures::executor::block_on(late));
    let error = runtime.shutdown(Duration::ZERO).unwrap_err();
    assert_eq!((error.killed, error.stuck), (2, 1), "{error}");
    assert_eq!(monitors.recv().unwrap().reason, ExitReason::Kill);
    assert!(stuck.is_alive());
    assert_eq!(late.join().unwrap(), Err(RequestError::Timeout));
    drop(runtime);
    drop(wedge);
    assert_eq!(stuck.wait_exit().wait(), ExitReason::Kill);
}

/// A name may hold what a thread's cannot.
#[test]
fn names_that_threads_cannot_have() {
    let _dog = watchdog!();
    let runtime = Runtime::builder().workers(1).name("a\0b").build().unwrap();
    let (actor, _) = Puppet::on(&runtime);
    let name = actor.call(|_, _| std::thread::current().name().map(str::to_owned));
    assert_eq!(name.as_deref(), Some("a b-0"));
}
