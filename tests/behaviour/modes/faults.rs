//! Code of the user's that panics, in every place where it is run, in either mode.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;

use deathwatch::{Demonitor, Down, ExitReason, Mailbox, Monitors, OnFull, Options, RequestError, Runtime};

use crate::doll::{Doll, Play, TaskDoll, ThreadDoll, in_all_combinations, in_both_modes};
use crate::support::{Retold, Tally, corpse, duo, end, solo};

in_both_modes! {
    messages_that_panic_when_dropped
    replies_that_panic_when_dropped
    strange_payloads
    kill_against_stop
    a_runtime_in_a_handler
}

in_all_combinations! {
    a_retelling_that_panics
    a_retelling_that_panics_when_dropped
    a_chain_of_deaths
}

/// Panics when it is dropped.
struct Bomb(Tally);
impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.add();
        panic!("a bomb");
    }
}

/// R25: messages that panic when they are dropped with the mailbox: the others are dropped as well, those who asked are
/// answered, and the Down is told once.
fn messages_that_panic_when_dropped<D: Doll>() {
    let runtime = solo();
    for policy in [None, Some(OnFull::Wait), Some(OnFull::DropOldest)] {
        let mailbox = policy.map_or(Mailbox::unbounded(), |policy| Mailbox::bounded(100, policy));
        let (doll, events) = D::new();
        let actor = doll.start_with(Options::new().runtime(&runtime).mailbox(mailbox)).unwrap();
        let mut monitors = Monitors::new();
        monitors.monitor(&actor);
        let (bombs, others) = (Tally::default(), Tally::default());
        let wedge = actor.wedge();
        let asked: Vec<_> = (0..10)
            .map(|_| {
                let (told, asked, other) = (Bomb(bombs.clone()), Bomb(bombs.clone()), others.one());
                actor.tell(move |_, _| drop(told));
                actor.tell(move |_, _| drop(other));
                actor.ask(move |_, _| drop(asked))
            })
            .collect();
        actor.stop();
        drop(wedge);
        assert_eq!(monitors.recv().unwrap().reason, ExitReason::Normal);
        assert!(monitors.recv().is_none());
        assert_eq!((bombs.count(), others.count()), (20, 10));
        for request in asked {
            assert_eq!(request.wait(), Err(RequestError::Exited(ExitReason::Normal)));
        }
        drop(actor);
        assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
    }
}

/// A reply that nobody takes and that panics when it is dropped: not the actor's fault, and not its end.
fn replies_that_panic_when_dropped<D: Doll>() {
    let runtime = solo();
    let (actor, _) = D::on(&runtime);
    let bombs = Tally::default();
    let bomb = || {
        let tally = bombs.clone();
        move |_: &mut D, _: &deathwatch::Context<D>| Bomb(tally)
    };
    drop(actor.ask(bomb())); // not waited for
    actor.call(|_, _| ());
    assert_eq!(bombs.count(), 1);
    let request = actor.ask(bomb());
    actor.call(|_, _| ());
    let _ = catch_unwind(AssertUnwindSafe(|| drop(request))); // there, not taken
    assert_eq!(bombs.count(), 2);
    assert!(actor.is_alive());
    assert_eq!(actor.call(|_, _| 7), 7);
}

/// R25: panics that carry something else than a text, or something that panics when it is dropped in its turn, from each
/// hook, a handler and the drop of the value: the actor dies of a panic and is told of once, and others go on.
fn strange_payloads<D: Doll>() {
    type Payload = fn() -> Box<dyn std::any::Any + Send>;
    let payloads: [(Payload, &str); 3] = [
        (|| Box::new("borrowed"), "panic: borrowed"),
        (|| Box::new(42), "panic: (not a text)"),
        (|| Box::new(Bomb(Tally::default())), "panic: (not a text)"),
    ];
    let runtime = solo();
    let (neighbour, _) = D::on(&runtime);
    for (payload, expected) in payloads {
        for place in ["started", "stopped", "drop", "handler"] {
            let (doll, _) = D::new();
            let doll = match place {
                "started" => doll.at_start(move |_| resume_unwind(payload())),
                "stopped" => doll.at_stop(move |_| resume_unwind(payload())),
                "drop" => doll.at_drop(move || resume_unwind(payload())),
                _ => doll,
            };
            let actor = doll.start_with(Options::new().runtime(&runtime)).unwrap();
            let mut monitors = Monitors::new();
            monitors.monitor(&actor);
            match place {
                "handler" => actor.tell(move |_, _| resume_unwind(payload())),
                _ => actor.stop(),
            }
            let told: Vec<_> = monitors.into_iter().map(|down| down.reason.to_string()).collect();
            assert_eq!(told, [if place == "drop" { "normal" } else { expected }], "{place}");
            assert_eq!(neighbour.call(|_, _| 7), 7);
        }
    }
}

/// R24: a panic in the closure that retells a Down is a panic in a handler; the other Downs of that death are told.
fn a_retelling_that_panics<W: Doll, T: Doll>() {
    let runtime = duo();
    let ((target, _), (watcher, heard), (other, seen)) = (T::on(&runtime), W::on(&runtime), W::on(&runtime));
    W::monitor_with(&watcher.context(), &target, |_| panic!("speechless"));
    W::monitor(&other.context(), &target);
    let mut monitors = Monitors::new();
    monitors.monitor(&watcher);
    end(&target);
    assert_eq!(monitors.recv().unwrap().reason.to_string(), "panic: speechless");
    assert_eq!(heard.label(), "stopped panic: speechless");
    assert_eq!(seen.label(), "down normal");
}

/// A closure for `monitor_with` that panics when it is dropped: demonitor, before the death and after it, and the ends of
/// the watcher and of the target bear it.
fn a_retelling_that_panics_when_dropped<W: Doll, T: Doll>() {
    let runtime = duo();
    let ((target, _), (watcher, heard)) = (T::on(&runtime), W::on(&runtime));
    let ctx = watcher.context();
    let bombs = Tally::default();
    let retell = || {
        let bomb = Bomb(bombs.clone());
        move |down: Down| {
            let _keep = &bomb;
            Retold(down)
        }
    };
    let cancelled = W::monitor_with(&ctx, &target, retell());
    assert!(matches!(ctx.demonitor(cancelled), Demonitor::Cancelled));
    W::monitor_with(&ctx, &watcher, retell()); // of itself
    let wedge = watcher.wedge(); // so that it is not handled meanwhile
    let flushed = W::monitor_with(&ctx, &corpse(ExitReason::Normal), retell());
    assert!(matches!(ctx.demonitor(flushed), Demonitor::Flushed(_)));
    drop(wedge);
    watcher.call(|_, _| ());
    assert_eq!(bombs.count(), 3);
    W::monitor_with(&ctx, &target, retell());
    end(&watcher);
    W::monitor_with(&ctx, &target, retell()); // refused: it is dead
    assert_eq!(bombs.count(), 5);
    assert!(target.is_alive() && target.monitored_by().is_empty());
    drop((ctx, watcher));
    assert_eq!(heard.until_gone(), ["stopped normal", "dropped"]);
}

/// R76, R77: a kill, a second kill and a stop at once, as a handler ends: one reason comes of it, the same for everybody, and
/// the stop hook runs once at most. Again and again, until each has won a few times.
fn kill_against_stop<D: Doll>() {
    let runtime = duo();
    let (mut killed, mut stopped) = (0, 0);
    while killed < 20 || stopped < 20 {
        let (actor, events) = D::on(&runtime);
        let mut monitors = Monitors::new();
        monitors.monitor(&actor);
        monitors.monitor(&actor);
        actor.tell(|_, _| ());
        let together = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                together.wait();
                actor.kill();
                actor.kill();
            });
            together.wait();
            actor.stop();
        });
        let reason = actor.wait_exit().wait();
        assert!(monitors.into_iter().map(|down| down.reason).eq([reason.clone(), reason.clone()]));
        assert_eq!(actor.exit_reason(), Some(reason.clone()));
        drop(actor);
        let said = events.until_gone();
        match reason {
            // The kill may have come when the hook had begun.
            ExitReason::Kill => {
                assert!(said == ["dropped"] || said == ["stopped normal", "dropped"], "{said:?}");
                killed += 1;
            }
            ExitReason::Normal => {
                assert_eq!(said, ["stopped normal", "dropped"]);
                stopped += 1;
            }
            other => panic!("{other}"),
        }
    }
}

/// R11, R50: a runtime inside a handler: made, used and dropped there, with a Down of it told to the one who made it.
fn a_runtime_in_a_handler<D: Doll>() {
    let outer = duo();
    let (actor, heard) = D::on(&outer);
    actor.call(|_, ctx| {
        let inner: Runtime = solo();
        let (task, thread) = (TaskDoll::on(&inner), ThreadDoll::on(&inner));
        D::monitor(ctx, &task.0);
        D::monitor(ctx, &thread.0);
        drop(inner);
        assert_eq!(task.0.exit_reason(), Some(ExitReason::Kill));
        assert_eq!(thread.0.exit_reason(), Some(ExitReason::Kill));
    });
    assert_eq!([heard.label(), heard.label()], ["down kill", "down kill"]);
    assert!(actor.is_alive() && actor.monitors().is_empty());
}

/// R14: a chain in which the modes take turns, and each stops when it is told that the next one has died.
fn a_chain_of_deaths<W: Doll, T: Doll>() {
    fn link<D: Doll>(runtime: &Runtime, next: &deathwatch::ActorHandle) -> deathwatch::ActorHandle {
        let (ready, is_ready) = mpsc::channel();
        let (doll, _) = D::new();
        let next = next.clone();
        let doll = doll
            .at_start(move |ctx| {
                D::monitor(ctx, &next);
                ready.send(()).unwrap();
            })
            .at_down(|ctx| ctx.stop_with(ExitReason::error("told")));
        let actor = doll.start_with(Options::new().runtime(runtime)).unwrap();
        is_ready.recv().unwrap();
        actor.handle()
    }
    let runtime = duo();
    let (last, _) = T::on(&runtime);
    let mut chain = vec![last.handle()];
    for _ in 0..50 {
        chain.push(link::<W>(&runtime, &chain[chain.len() - 1]));
        chain.push(link::<T>(&runtime, &chain[chain.len() - 1]));
    }
    chain[0].kill();
    assert_eq!(chain[100].wait_exit().wait().to_string(), "error: told");
    assert!(chain.iter().all(|actor| actor.exit_reason().is_some()));
}
