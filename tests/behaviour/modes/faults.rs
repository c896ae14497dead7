//! Code of the user's that panics, in every place where it is run, in either mode.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use deathwatch::{
    ActorRef, Context, Demonitor, Down, ExitReason, Group, Mailbox, Message, Monitors, OnFull, Options,
    RequestError, Runtime, Topic,
};

use crate::doll::{Doll, Play, TaskDoll, ThreadDoll, in_all_combinations, in_both_modes};
use crate::support::{Counted, Event, Retold, Tally, corpse, duo, end, solo};

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
    messages_that_panic_when_cloned
    a_reason_that_cannot_be_shown
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

/// Can be cloned so many times.
struct Fragile {
    clones: Arc<AtomicUsize>,
    dropped: Tally,
    _counted: Counted,
}
impl Fragile {
    fn new(clones: usize, dropped: &Tally) -> Self {
        let clones = Arc::new(AtomicUsize::new(clones));
        Fragile { clones, dropped: dropped.clone(), _counted: dropped.one() }
    }
}
impl Clone for Fragile {
    fn clone(&self) -> Self {
        let left = self.clones.load(Ordering::SeqCst);
        assert!(left > 0, "not to be cloned");
        self.clones.store(left - 1, Ordering::SeqCst);
        Fragile { clones: self.clones.clone(), dropped: self.dropped.clone(), _counted: self.dropped.one() }
    }
}
impl Message for Fragile {
    type Reply = ();
}

/// A doll that hears of fragile things.
trait Hears: Doll {
    fn subscribe_to(topic: &Topic<Fragile>, doll: &ActorRef<Self>);
    fn broadcast_to(group: &Group, message: Fragile) -> usize;
}
macro_rules! hears {
    ($name:ident: $mode:ident, $($asynchronous:tt)?) => {
        impl deathwatch::$mode::Handler<Fragile> for $name {
            $($asynchronous)? fn handle(&mut self, _: Fragile, _: &Context<Self>) {
                Doll::tell(self, Event::Note(1));
            }
        }
        impl Hears for $name {
            fn subscribe_to(topic: &Topic<Fragile>, doll: &ActorRef<Self>) {
                assert_eq!(topic.subscribe(doll), Ok(true));
            }
            fn broadcast_to(group: &Group, message: Fragile) -> usize {
                group.broadcast::<Self, _, _>(message)
            }
        }
    };
}
hears!(TaskDoll: tasks, async);
hears!(ThreadDoll: threads,);

/// R24, R94: a message that panics when it is cloned, published or broadcast: the panic is of whoever does that, plain code or a
/// handler. Who had its turn before it has the message; the others have not, and get the next one.
fn messages_that_panic_when_cloned<W: Doll, T: Hears>() {
    let (stand, stage) = (solo(), solo());
    let (topic, group) = (Topic::new(), Group::new());
    let dolls: Vec<_> = (0..3).map(|_| T::on(&stage)).collect();
    for (doll, _) in &dolls {
        T::subscribe_to(&topic, doll);
        assert_eq!(group.join(doll), Ok(true));
    }
    for publishes in [true, false] {
        let (topic, group) = (topic.clone(), group.clone());
        let tell_all = move |message| {
            if publishes { topic.publish(message) } else { T::broadcast_to(&group, message) }
        };
        let dropped = Tally::default();
        let fragile = Fragile::new(1, &dropped);
        assert!(catch_unwind(AssertUnwindSafe(|| tell_all(fragile))).is_err());

        let (publisher, _) = W::on(&stand);
        let (fragile, by_actor) = (Fragile::new(1, &dropped), tell_all.clone());
        publisher.tell(move |_, _| {
            by_actor(fragile);
        });
        assert_eq!(publisher.wait_exit().wait().to_string(), "panic: not to be cloned");

        assert_eq!(tell_all(Fragile::new(3, &dropped)), 3);
        let mut heard = 0;
        for (doll, events) in &dolls {
            doll.call(|_, _| ());
            let labels = events.labels();
            assert!(!labels.is_empty() && labels.iter().all(|label| label == "note 1"), "{labels:?}");
            heard += labels.len();
        }
        assert_eq!(
            (heard, dropped.count()),
            (1 + 1 + 3, 3 + 1 + 1 + 3),
            "three that were cloned, and the clones"
        );
    }
}

/// An error that panics when somebody wants to see it.
struct Unspeakable;
impl fmt::Debug for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("unspeakable")
    }
}
impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("unspeakable")
    }
}
impl std::error::Error for Unspeakable {}

/// R24, R57: an error that panics when it is shown, as an exit reason: everybody is told, with the error itself, and who then shows
/// it has the panic, be it a handler, plain code, or what makes a text of a snapshot.
fn a_reason_that_cannot_be_shown<W: Doll, T: Doll>() {
    let is_it = |reason: &ExitReason| matches!(reason.root_cause(), ExitReason::Error(report) if report.downcast_ref::<Unspeakable>().is_some());
    let panics = |shows: &dyn Fn() -> String| {
        catch_unwind(AssertUnwindSafe(shows)).unwrap_err().downcast_ref() == Some(&"unspeakable")
    };
    let runtime = Runtime::builder().workers(2).keep_deaths(9).build().unwrap();
    let (target, _) = T::on(&runtime);
    let ((quiet, heard), (shows, _), (linked, _)) = (W::on(&runtime), W::on(&runtime), W::on(&runtime));
    W::monitor_then(&shows.context(), &target, |_, down| drop(down.reason.to_string()));
    W::monitor(&quiet.context(), &target);
    let peer = target.handle();
    linked.call(move |_, ctx| ctx.link(&peer));
    let mut monitors = Monitors::new();
    monitors.monitor(&target);
    let wedge = target.wedge();
    let asked = target.ask(|_, _| ());
    target.stop_with(ExitReason::error(Unspeakable));
    drop(wedge);

    let reason = target.wait_exit().wait();
    assert!(is_it(&reason) && target.exit_reason().as_ref().is_some_and(is_it));
    assert!(matches!(asked.wait(), Err(RequestError::Exited(reason)) if is_it(&reason)));
    let down = monitors.recv().unwrap();
    assert!(is_it(&down.reason) && is_it(&heard.down().reason));
    assert_eq!(shows.wait_exit().wait().to_string(), "panic: unspeakable");
    let of_link = linked.wait_exit().wait();
    assert!(matches!(of_link, ExitReason::Link(_)) && is_it(&of_link));
    assert!(reason == down.reason, "the same, and so not looked at");
    assert!(
        panics(&|| reason.to_string()) && panics(&|| format!("{down:?}")) && panics(&|| of_link.to_string())
    );
    assert!(panics(&|| (reason == ExitReason::error(Unspeakable)).to_string()), "by its text");

    // The three are gone; the deaths are noted, and their text is the caller's affair.
    while runtime.live_actors() > 1 {
        std::thread::yield_now();
    }
    let snapshot = runtime.snapshot();
    assert_eq!(snapshot.deaths.iter().filter(|death| is_it(&death.reason)).count(), 2);
    assert!(panics(&|| snapshot.to_string()));
    assert_eq!(runtime.snapshot().deaths.len(), 3);
    assert_eq!(quiet.call(|_, _| 7), 7);
}
