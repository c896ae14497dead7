//! The ways of dying, and what each observer sees.

use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use deathwatch::tasks::{Actor, Handler};
use deathwatch::{
    ActorRef, Context, ExitReason, Message, Monitors, Options, RequestError, Runtime, SendError, WeakActorRef,
};

use crate::support::*;

/// Where the victim is when the observers have gathered.
enum At {
    /// In its start hook, awaiting the hold.
    Start,
    /// In a handler, awaiting the hold; a request stands behind it.
    Handler,
    /// Waiting for messages.
    Rest,
    /// In the queue of a runtime whose one worker is busy: it never ran.
    Queue,
}

/// The victim, and what is needed to end it.
struct Scene {
    runtime: Runtime,
    victim: ActorRef<Puppet>,
    hold: Option<Hold>,
    wedge: Option<Wedge>,
}

impl Scene {
    fn release(&mut self) {
        drop(self.hold.take());
    }
}

/// What became of a request that stood in the queue.
enum Asked {
    Exited,
    Answered,
}

struct Way {
    at: At,
    reason: &'static str,
    /// The reason that the stop hook is given, if it runs.
    stopped: Option<&'static str>,
    asked: Asked,
}

impl Way {
    fn new(at: At, reason: &'static str, stopped: Option<&'static str>) -> Self {
        Way { at, reason, stopped, asked: Asked::Exited }
    }

    /// Has one victim die this way, with every kind of observer looking on, before and after. What `dies` returns is
    /// the victim's runtime if that is still there.
    fn witness(self, equip: impl FnOnce(Puppet) -> Puppet, dies: impl FnOnce(Scene) -> Option<Runtime>) {
        let runtime = solo();
        let stand = solo(); // where the watchers are
        let (hold, held) = Hold::new();
        let (puppet, victim_events) = Puppet::new();
        let puppet = equip(puppet);
        let mut scene = match self.at {
            At::Start => {
                let victim = runtime.start(puppet.at_start_async(|_| Box::pin(held))).unwrap();
                Scene { runtime, victim, hold: Some(hold), wedge: None }
            }
            At::Handler => {
                let victim = runtime.start(puppet).unwrap();
                let hold = victim.hold();
                Scene { runtime, victim, hold: Some(hold), wedge: None }
            }
            At::Rest => {
                let victim = runtime.start(puppet).unwrap();
                Scene { runtime, victim, hold: None, wedge: None }
            }
            At::Queue => {
                let (blocker, _) = Puppet::on(&runtime);
                let wedge = blocker.wedge();
                let victim = runtime.start(puppet).unwrap();
                Scene { runtime, victim, hold: None, wedge: Some(wedge) }
            }
        };
        let weak: WeakActorRef<Puppet> = scene.victim.downgrade();
        assert!(weak.is_alive() && weak.exit_reason().is_none());

        let (watcher, events) = Puppet::on(&stand);
        let target = weak.clone();
        let ctx: Context<Puppet> = watcher.call(|_, ctx| ctx.clone());
        let (down, retold) = (ctx.monitor(&target), ctx.monitor_with(&target, Retold));
        let guard = ctx.monitor_guard(&target);
        drop(ctx.monitor_guard(&target)); // hears nothing
        let mut monitors = Monitors::new();
        let plain = monitors.monitor(&weak);
        let mut by_future = weak.wait_exit();
        assert!(poll_once(&mut by_future).is_pending());
        let by_future = std::thread::spawn(move || futures::executor::block_on(by_future));
        let by_thread = {
            let wait = weak.wait_exit();
            std::thread::spawn(move || wait.wait())
        };
        let with_limit = weak.wait_exit();
        let with_limit = std::thread::spawn(move || with_limit.wait_timeout(Duration::MAX).ok());
        let asked = scene.victim.request(call(|_, _| 7)).no_timeout();
        if let At::Rest = self.at {
            scene.victim.call(|_, _| ()); // it rests: nothing is queued
        } else {
            assert!(weak.is_alive());
        }
        let kept = scene.hold.take();
        scene.hold = kept;
        let left = dies(scene);

        // Before.
        assert_eq!(weak.wait_exit().wait().to_string(), self.reason);
        assert_eq!(by_future.join().unwrap().to_string(), self.reason);
        assert_eq!(by_thread.join().unwrap().to_string(), self.reason);
        assert_eq!(with_limit.join().unwrap().unwrap().to_string(), self.reason);
        let mut told = Vec::new();
        for _ in 0..3 {
            match events.next() {
                Event::Down(down) => told.push((down.monitor_ref, "down", down)),
                Event::Retold(down) => told.push((down.monitor_ref, "retold", down)),
                other => panic!("{other:?}"),
            }
        }
        assert!(
            told.iter()
                .all(|(_, _, down)| down.reason.to_string() == self.reason && down.target == weak.id())
        );
        let mut told: Vec<_> = told.into_iter().map(|(monitor, how, _)| (monitor, how)).collect();
        told.sort();
        assert_eq!(told, [(down, "down"), (retold, "retold"), (guard.monitor_ref(), "down")]);
        let heard = monitors.recv().unwrap();
        assert_eq!((heard.monitor_ref, heard.reason.to_string().as_str()), (plain, self.reason));
        assert!(monitors.recv().is_none());
        match (self.asked, asked.wait()) {
            (Asked::Answered, Ok(7)) => {}
            (Asked::Exited, Err(RequestError::Exited(reason))) => assert_eq!(reason.to_string(), self.reason),
            (_, outcome) => panic!("{outcome:?}"),
        }

        // What the victim itself saw.
        let mut expected: Vec<String> =
            self.stopped.iter().map(|reason| format!("stopped {reason}")).collect();
        expected.push("dropped".to_owned());
        assert_eq!(victim_events.until_gone(), expected);

        // After.
        assert!(!weak.is_alive());
        assert_eq!(weak.exit_reason().unwrap().to_string(), self.reason);
        assert!(
            matches!(poll_once(&mut weak.wait_exit()), Poll::Ready(reason) if reason.to_string() == self.reason)
        );
        let late = monitors.monitor(&weak);
        let heard = monitors.try_recv().expect("at once");
        assert_eq!((heard.monitor_ref, heard.reason.to_string().as_str()), (late, self.reason));
        let late = ctx.monitor(&weak);
        let heard = events.down();
        assert_eq!((heard.monitor_ref, heard.reason.to_string().as_str()), (late, self.reason));
        if let Some(victim) = weak.upgrade() {
            victim.kill(); // to no effect
            victim.stop_with(ExitReason::error("too late"));
            assert!(
                matches!(victim.send(Note(1)), Err(SendError::Closed { reason: Some(r), .. }) if r.to_string() == self.reason)
            );
            let Err(RequestError::Exited(reason)) = victim.request(Note(1)).no_timeout().wait() else {
                panic!()
            };
            assert_eq!(reason.to_string(), self.reason);
            assert!(victim.monitors().is_empty());
        }

        // Nothing came twice, and nothing came to the guard that was dropped.
        left.iter().for_each(settle);
        assert_eq!(watcher.call(|puppet, _| puppet.downs), 3);
        drop((ctx, watcher));
        assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
        assert_eq!(weak.exit_reason().unwrap().to_string(), self.reason);
        if let Some(runtime) = left {
            assert_eq!(weak.upgrade().map(|_| ()), None, "no handle is left");
            drop(runtime);
        }
    }
}

fn untouched(puppet: Puppet) -> Puppet {
    puppet
}

/// R25: stopped.
#[test]
fn stop() {
    let _dog = watchdog!();
    Way::new(At::Handler, "normal", Some("normal")).witness(untouched, |mut scene| {
        scene.victim.stop();
        scene.release();
        Some(scene.runtime)
    });
}

/// R25: stopped by itself, in a handler.
#[test]
fn stop_from_inside() {
    let _dog = watchdog!();
    let mut way = Way::new(At::Rest, "error: had enough", Some("error: had enough"));
    way.asked = Asked::Answered;
    way.witness(untouched, |scene| {
        scene.victim.send(call(|_, ctx| ctx.stop_with(ExitReason::error("had enough")))).unwrap();
        Some(scene.runtime)
    });
}

/// R25: stopped with an error.
#[test]
fn stop_with_an_error() {
    let _dog = watchdog!();
    Way::new(At::Handler, "error: disk full", Some("error: disk full")).witness(untouched, |mut scene| {
        scene.victim.handle().stop_with(ExitReason::error("disk full"));
        scene.release();
        Some(scene.runtime)
    });
}

/// R25: stopped before it ever ran.
#[test]
fn stop_before_it_ran() {
    let _dog = watchdog!();
    Way::new(At::Queue, "shutdown", Some("shutdown")).witness(untouched, |mut scene| {
        scene.victim.stop_with(ExitReason::Shutdown);
        drop(scene.wedge.take());
        Some(scene.runtime)
    });
}

/// R25: the last handle is dropped: the mailbox is finished, and then it stops.
#[test]
fn last_handle_dropped() {
    let _dog = watchdog!();
    let mut way = Way::new(At::Handler, "normal", Some("normal"));
    way.asked = Asked::Answered;
    way.witness(untouched, |mut scene| {
        scene.release();
        drop(scene.victim);
        Some(scene.runtime)
    });
}

/// R25, R79: a panic in the start hook; the stop hook does not run.
#[test]
fn panic_in_started() {
    let _dog = watchdog!();
    Way::new(At::Start, "panic: boom", None).witness(untouched, |scene| {
        scene.hold.unwrap().panic("boom");
        Some(scene.runtime)
    });
}

/// R25, R79: a panic in a handler; the stop hook runs, and is told.
#[test]
fn panic_in_a_handler() {
    let _dog = watchdog!();
    Way::new(At::Handler, "panic: boom", Some("panic: boom")).witness(untouched, |scene| {
        scene.hold.unwrap().panic("boom");
        Some(scene.runtime)
    });
}

/// R25, R79: a panic in the stop hook replaces a normal reason.
#[test]
fn panic_in_stopped() {
    let _dog = watchdog!();
    for (asked, given) in [(ExitReason::Normal, "normal"), (ExitReason::Shutdown, "shutdown")] {
        let equip = |puppet: Puppet| puppet.at_stop(|_, _| panic!("at last"));
        Way::new(At::Handler, "panic: at last", Some(given)).witness(equip, |mut scene| {
            scene.victim.stop_with(asked);
            scene.release();
            Some(scene.runtime)
        });
    }
}

/// R77, R79: a panic in the stop hook does not replace an error.
#[test]
fn panic_in_stopped_after_an_error() {
    let _dog = watchdog!();
    let equip = |puppet: Puppet| puppet.at_stop(|_, _| panic!("at last"));
    Way::new(At::Handler, "error: first", Some("error: first")).witness(equip, |mut scene| {
        scene.victim.stop_with(ExitReason::error("first"));
        scene.release();
        Some(scene.runtime)
    });
}

/// R77, R79: nor the panic of a handler.
#[test]
fn panic_in_stopped_after_a_panic() {
    let _dog = watchdog!();
    let equip = |puppet: Puppet| puppet.at_stop(|_, _| panic!("at last"));
    Way::new(At::Handler, "panic: first", Some("panic: first")).witness(equip, |scene| {
        scene.hold.unwrap().panic("first");
        Some(scene.runtime)
    });
}

/// R25: a panic in the drop of the actor's value: the reason stays, and everybody is told.
#[test]
fn panic_in_drop() {
    let _dog = watchdog!();
    let equip = |puppet: Puppet| puppet.at_drop(|| panic!("while dropping"));
    Way::new(At::Handler, "normal", Some("normal")).witness(equip, |mut scene| {
        scene.victim.stop();
        scene.release();
        Some(scene.runtime)
    });
}

/// R25: the same after a kill.
#[test]
fn panic_in_drop_after_a_kill() {
    let _dog = watchdog!();
    let equip = |puppet: Puppet| puppet.at_drop(|| panic!("while dropping"));
    Way::new(At::Handler, "kill", None).witness(equip, |scene| {
        scene.victim.kill();
        scene.victim.wait_exit().wait();
        Some(scene.runtime)
    });
}

/// R25, R76: killed at rest.
#[test]
fn kill_at_rest() {
    let _dog = watchdog!();
    let mut way = Way::new(At::Rest, "kill", None);
    way.asked = Asked::Answered;
    way.witness(untouched, |scene| {
        scene.victim.kill();
        Some(scene.runtime)
    });
}

/// R25, R76: killed in the middle of a handler that awaits.
#[test]
fn kill_while_awaiting() {
    let _dog = watchdog!();
    Way::new(At::Handler, "kill", None).witness(untouched, |scene| {
        scene.victim.kill();
        scene.victim.wait_exit().wait(); // without the hold being released
        Some(scene.runtime)
    });
}

/// R25, R76: killed in the start hook.
#[test]
fn kill_in_started() {
    let _dog = watchdog!();
    Way::new(At::Start, "kill", None).witness(untouched, |scene| {
        scene.victim.kill();
        scene.victim.wait_exit().wait();
        Some(scene.runtime)
    });
}

/// R25, R77: killed in the stop hook: the kill beats a stop that is not complete.
#[test]
fn kill_in_stopped() {
    let _dog = watchdog!();
    let (entered, inside) = mpsc::channel();
    let equip = |puppet: Puppet| {
        puppet.at_stop_async(move |_, _| {
            Box::pin(async move {
                entered.send(()).unwrap();
                std::future::pending().await
            })
        })
    };
    Way::new(At::Handler, "kill", Some("error: slow")).witness(equip, |mut scene| {
        scene.victim.stop_with(ExitReason::error("slow"));
        scene.release();
        inside.recv().unwrap();
        assert!(scene.victim.is_alive());
        scene.victim.kill();
        Some(scene.runtime)
    });
}

/// R77: killed in the stop hook that answers a panic: the panic was first, and stays.
#[test]
fn kill_in_stopped_after_a_panic() {
    let _dog = watchdog!();
    let (entered, inside) = mpsc::channel();
    let equip = |puppet: Puppet| {
        puppet.at_stop_async(move |_, _| {
            Box::pin(async move {
                entered.send(()).unwrap();
                std::future::pending().await
            })
        })
    };
    Way::new(At::Handler, "panic: first", Some("panic: first")).witness(equip, |scene| {
        scene.hold.unwrap().panic("first");
        inside.recv().unwrap();
        scene.victim.kill();
        Some(scene.runtime)
    });
}

/// R25, R76: killed before it ever ran: it counts as alive until then.
#[test]
fn kill_before_it_ran() {
    let _dog = watchdog!();
    Way::new(At::Queue, "kill", None).witness(untouched, |mut scene| {
        scene.victim.kill();
        drop(scene.wedge.take());
        Some(scene.runtime)
    });
}

/// R25: the runtime is shut down, and the actor stops in time.
#[test]
fn runtime_shut_down_in_time() {
    let _dog = watchdog!();
    let mut way = Way::new(At::Rest, "shutdown", Some("shutdown"));
    way.asked = Asked::Answered;
    way.witness(untouched, |scene| {
        scene.runtime.shutdown(Duration::from_secs(3_600)).unwrap();
        assert!(!scene.victim.is_alive());
        None
    });
}

/// R25: the runtime is shut down, and the actor does not stop in time.
#[test]
fn runtime_shut_down_not_in_time() {
    let _dog = watchdog!();
    Way::new(At::Handler, "kill", None).witness(untouched, |scene| {
        let error = scene.runtime.shutdown(Duration::ZERO).unwrap_err();
        assert_eq!((error.killed, error.stuck), (1, 0));
        None
    });
}

/// R25: the runtime is dropped.
#[test]
fn runtime_dropped() {
    let _dog = watchdog!();
    Way::new(At::Handler, "kill", None).witness(untouched, |scene| {
        drop(scene.runtime);
        assert!(!scene.victim.is_alive());
        None
    });
}

/// R25: the runtime is dropped while the actor is in its queue and never ran: here by its own worker, which ends right
/// after and runs nobody any more.
#[test]
fn runtime_dropped_before_it_ran() {
    let _dog = watchdog!();
    Way::new(At::Queue, "kill", None).witness(untouched, |scene| {
        let runtime = scene.runtime;
        scene.wedge.unwrap().release_after(move || drop(runtime));
        None
    });
}

/// R25, R50: the same with the worker stuck in a handler to the end: the actors that stand behind it are told of when it
/// comes back.
#[test]
fn runtime_ended_by_its_worker_with_many_queued() {
    let _dog = watchdog!();
    let runtime = solo();
    let (blocker, _) = Puppet::on(&runtime);
    let wedge = blocker.wedge();
    let mut monitors = Monitors::new();
    for _ in 0..1_000 {
        monitors.monitor(&runtime.start(Idle).unwrap());
    }
    wedge.release_after(move || assert!(runtime.shutdown(Duration::from_secs(3_600)).is_err()));
    assert_eq!(
        monitors
            .into_iter()
            .filter(|down| matches!(down.reason, ExitReason::Kill | ExitReason::Shutdown))
            .count(),
        1_000
    );
}

/// R77: the first cause given stays, unless it is a kill.
#[test]
fn two_causes() {
    let _dog = watchdog!();
    let runtime = solo();
    let first = || ExitReason::error("first");
    type Both = fn(&ActorRef<Puppet>, fn() -> ExitReason);
    let cases: [(Both, &str); 6] = [
        (
            |actor, first| {
                actor.stop_with(first());
                actor.stop_with(ExitReason::error("second"));
            },
            "error: first",
        ),
        (
            |actor, first| {
                actor.stop();
                actor.stop_with(first());
            },
            "normal",
        ),
        (
            |actor, first| {
                actor.stop_with(first());
                actor.kill();
            },
            "kill",
        ),
        (
            |actor, first| {
                actor.kill();
                actor.stop_with(first());
            },
            "kill",
        ),
        (
            |actor, _| {
                actor.kill();
                actor.kill();
            },
            "kill",
        ),
        (|actor, _| actor.stop_with(ExitReason::Kill), "kill"),
    ];
    for (both, expected) in cases {
        let (actor, _events) = Puppet::on(&runtime);
        let mut monitors = Monitors::new();
        monitors.monitor(&actor);
        let hold = actor.hold();
        both(&actor, first);
        hold.release();
        assert_eq!(actor.wait_exit().wait().to_string(), expected);
        assert_eq!(monitors.recv().unwrap().reason.to_string(), expected);
        assert!(monitors.recv().is_none());
    }
}

/// R77: a stop that was asked for before a handler panics: the stop was first, and an orderly reason gives way to the
/// panic while an error does not.
#[test]
fn a_panic_after_a_stop() {
    let _dog = watchdog!();
    let runtime = solo();
    for (asked, expected) in [
        (ExitReason::Normal, "panic: boom"),
        (ExitReason::Shutdown, "panic: boom"),
        (ExitReason::error("first"), "error: first"),
    ] {
        let (actor, events) = Puppet::on(&runtime);
        let hold = actor.hold();
        actor.stop_with(asked);
        hold.panic("boom");
        assert_eq!(actor.wait_exit().wait().to_string(), expected);
        assert_eq!(events.label(), format!("stopped {expected}"));
    }
}

/// R77: stop, kill and panic race: one reason comes of it, the same for all.
#[test]
fn causes_that_race() {
    let _dog = watchdog!();
    let runtime = duo();
    for _ in 0..500 {
        let (actor, _) = Puppet::on(&runtime);
        let hold = actor.hold();
        let mut monitors = Monitors::new();
        (0..3).for_each(|_| {
            monitors.monitor(&actor);
        });
        std::thread::scope(|scope| {
            scope.spawn(|| actor.kill());
            scope.spawn(|| actor.stop_with(ExitReason::error("stopped")));
            hold.panic("boom");
        });
        let reason = actor.wait_exit().wait();
        assert!(["kill", "error: stopped", "panic: boom"].contains(&reason.to_string().as_str()));
        assert!(monitors.iter().map(|down| down.reason).eq([reason.clone(), reason.clone(), reason.clone()]));
        assert_eq!(actor.exit_reason(), Some(reason));
    }
}

/// R80: a stop that is asked for inside the start hook: no message is handled, the stop hook runs, and the reason is
/// Normal.
#[test]
fn stop_inside_started() {
    let _dog = watchdog!();
    let runtime = solo();
    let (puppet, events) = Puppet::new();
    let (hold, held) = Hold::new();
    let puppet = puppet.at_start_async(|ctx| {
        Box::pin(async move {
            ctx.stop();
            held.await;
        })
    });
    let actor = runtime.start(puppet).unwrap();
    actor.send(Note(1)).unwrap();
    hold.release();
    assert_eq!(actor.wait_exit().wait(), ExitReason::Normal);
    drop(actor);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// R76: a kill inside the actor's own hook or handler takes effect at its next await: nothing is handled after.
#[test]
fn kill_from_inside() {
    let _dog = watchdog!();
    let runtime = solo();
    let (puppet, events) = Puppet::new();
    let actor = runtime.start(puppet.at_start(|ctx| ctx.handle().kill())).unwrap();
    let _ = actor.send(Note(1));
    assert_eq!(actor.wait_exit().wait(), ExitReason::Kill);
    drop(actor);
    assert_eq!(events.until_gone(), ["dropped"]);

    let (actor, events) = Puppet::on(&runtime);
    actor
        .send(act(|puppet, ctx| {
            Box::pin(async move {
                ctx.handle().kill();
                puppet.events.send(Event::Note(1)).unwrap();
                let mut pause = std::future::pending::<()>();
                let _ = poll_once(&mut pause);
                pause.await;
            })
        }))
        .unwrap();
    let _ = actor.send(Note(2));
    assert_eq!(actor.wait_exit().wait(), ExitReason::Kill);
    drop(actor);
    assert_eq!(events.until_gone(), ["note 1", "dropped"]);
}

/// R76: what gives way after it was killed by itself does not go on, be it a handler, one that is asked, or a hook.
#[test]
fn kill_from_inside_one_that_gives_way() {
    let _dog = watchdog!();
    struct Suicide(bool, mpsc::Sender<&'static str>);
    struct Question;
    impl Message for Question {
        type Reply = u8;
    }
    impl Actor for Suicide {
        async fn started(&mut self, ctx: &Context<Self>) {
            if self.0 {
                ctx.handle().kill();
                yield_now().await;
                self.1.send("went on in started").unwrap();
            }
        }
    }
    impl Handler<Question> for Suicide {
        async fn handle(&mut self, _: Question, ctx: &Context<Self>) -> u8 {
            ctx.handle().kill();
            yield_now().await;
            self.1.send("went on in the handler").unwrap();
            7
        }
    }
    let runtime = solo();
    let (went_on, heard) = mpsc::channel();
    for at_once in [true, false] {
        let actor = runtime.start(Suicide(at_once, went_on.clone())).unwrap();
        let answer = actor.request(Question);
        assert_eq!(actor.wait_exit().wait(), ExitReason::Kill);
        assert!(answer.wait().is_err());
    }
    drop(went_on);
    assert_eq!(heard.recv().ok(), None);
}

/// Who gives way in a handler lets others run, the first time like any other.
#[test]
fn giving_way_gives_way() {
    let _dog = watchdog!();
    let runtime = solo();
    let (log, logged) = mpsc::channel();
    let (first, _first) = Puppet::on(&runtime);
    let (second, _second) = Puppet::on(&runtime);
    let (starter, _starter) = Puppet::on(&runtime);
    // Sent by one on the only worker, so that neither runs before both are to.
    let sent = starter.send(act(move |_, _| {
        for (who, actor) in [("first", first), ("second", second)] {
            let log = log.clone();
            let gives_way = act(move |_, _| {
                Box::pin(async move {
                    for _ in 0..3 {
                        log.send(who).unwrap();
                        yield_now().await;
                    }
                })
            });
            actor.send(gives_way).unwrap();
        }
        Box::pin(async {})
    }));
    sent.unwrap();
    let order: Vec<_> = logged.iter().collect();
    assert_eq!(order.len(), 6);
    assert!(order.windows(2).all(|pair| pair[0] != pair[1]), "{order:?}");
}

/// R81: any number may wait for one death, by thread and by future, before and after: none is let go before the end is
/// complete, all are let go then.
#[test]
fn any_number_of_joiners() {
    let _dog = watchdog!();
    let runtime = solo();
    let dropped = Tally::default();
    let (puppet, events) = Puppet::new();
    let (hold, held) = Hold::new();
    let at_drop = dropped.clone();
    let actor =
        runtime.start(puppet.at_stop_async(|_, _| Box::pin(held)).at_drop(move || at_drop.add())).unwrap();
    let mut futures: Vec<_> = (0..50).map(|_| actor.wait_exit()).collect();
    assert!(futures.iter_mut().all(|wait| poll_once(wait).is_pending()));
    let threads: Vec<_> = (0..20)
        .map(|n| {
            let (wait, dropped) = (actor.wait_exit(), dropped.clone());
            std::thread::spawn(move || {
                let reason = if n % 2 == 0 { wait.wait() } else { futures::executor::block_on(wait) };
                (reason, dropped.count())
            })
        })
        .collect();
    actor.stop_with(ExitReason::Shutdown);
    assert_eq!(events.label(), "stopped shutdown");
    assert!(futures.iter_mut().all(|wait| poll_once(wait).is_pending()), "it is not over yet");
    assert!(actor.wait_exit().wait_timeout(Duration::ZERO).is_err());
    hold.release();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), (ExitReason::Shutdown, 1));
    }
    for wait in futures {
        assert_eq!(futures::executor::block_on(wait), ExitReason::Shutdown); // they are let go one after the other
    }
    for _ in 0..20 {
        assert_eq!(actor.wait_exit().wait(), ExitReason::Shutdown);
        assert_eq!(poll_once(&mut actor.wait_exit()), Poll::Ready(ExitReason::Shutdown));
    }
}

/// R81: a wait that runs out of time gives itself back and goes on waiting; one that is dropped leaves the others.
#[test]
fn a_wait_may_be_given_up() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, _events) = Puppet::on(&runtime);
    let wait = actor.wait_exit().wait_timeout(Duration::from_millis(1)).expect_err("it lives");
    let mut dropped = actor.wait_exit();
    assert!(poll_once(&mut dropped).is_pending());
    drop(dropped);
    actor.kill();
    assert_eq!(wait.wait_timeout(Duration::MAX).expect("it is dead"), ExitReason::Kill);
}

/// R82: there is no reason as long as the actor runs, also in its stop hook; afterwards there is one, for ever.
#[test]
fn polling_the_reason() {
    let _dog = watchdog!();
    let runtime = solo();
    let (puppet, events) = Puppet::new();
    let (hold, held) = Hold::new();
    let actor = runtime.start(puppet.at_stop_async(|_, _| Box::pin(held))).unwrap();
    assert_eq!(actor.exit_reason(), None);
    actor.call(|_, ctx| assert_eq!(ctx.handle().exit_reason(), None));
    actor.stop_with(ExitReason::error("final"));
    events.next();
    assert!(actor.exit_reason().is_none() && actor.is_alive() && actor.handle().is_alive());
    hold.release();
    actor.wait_exit().wait();
    for _ in 0..3 {
        assert_eq!(actor.exit_reason(), Some(ExitReason::error("final")));
        assert_eq!(actor.handle().exit_reason(), actor.downgrade().exit_reason());
        assert!(!actor.is_alive() && !actor.handle().is_alive());
        actor.stop();
        actor.kill();
    }
    drop(runtime);
    assert_eq!(actor.exit_reason(), Some(ExitReason::error("final")));
}

/// R79: the hooks in their order: the start hook before the first message, the stop hook after the last, the drop at the
/// end; and what is left in the mailbox when the actor is stopped is not handled.
#[test]
fn hooks_in_order() {
    let _dog = watchdog!();
    let runtime = solo();
    let (puppet, events) = Puppet::new();
    let early = puppet.events.clone();
    let actor = puppet
        .at_start_async(move |_| {
            Box::pin(async move {
                early.send(Event::Note(0)).unwrap();
            })
        })
        .at_stop(|_, ctx| assert!(ctx.send(Note(99)).is_err(), "nothing is taken any more"));
    let options = Options::new().runtime(&runtime);
    let actor = deathwatch::tasks::Actor::start_with(actor, options).unwrap();
    actor.send(Note(1)).unwrap();
    actor.send(call(|_, ctx| ctx.stop())).unwrap();
    actor.send(Note(2)).unwrap_or_default();
    assert_eq!(actor.join().wait(), ExitReason::Normal);
    assert_eq!(events.until_gone(), ["note 0", "note 1", "stopped normal", "dropped"]);
}
