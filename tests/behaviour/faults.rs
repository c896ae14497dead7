//! Code of the user's that panics, loops back, or nests deeply.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use deathwatch::tasks::{Actor, Handler};
use deathwatch::{
    ActorRef, Context, Demonitor, Down, ExitReason, Mailbox, Message, Monitors, OnFull, Options, RequestError,
};
use futures::Stream;

use crate::support::*;

/// Panics when it is dropped.
struct Bomb(Tally);
impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.add();
        panic!("a bomb");
    }
}

/// Panics when it is dropped, with something that panics when it is dropped, and so on.
struct Nested(u32);
impl Drop for Nested {
    fn drop(&mut self) {
        if self.0 > 0 {
            resume_unwind(Box::new(Nested(self.0 - 1)));
        }
    }
}

/// Messages that panic when they are dropped with the mailbox: the others are dropped as well, and the Down is told.
#[test]
fn messages_that_panic_when_dropped() {
    let _dog = watchdog!();
    let runtime = solo();
    for policy in [None, Some(OnFull::Wait), Some(OnFull::DropOldest)] {
        let mailbox = policy.map_or(Mailbox::unbounded(), |policy| Mailbox::bounded(100, policy));
        let (actor, events) = Puppet::with(Options::new().runtime(&runtime).mailbox(mailbox));
        let mut monitors = Monitors::new();
        monitors.monitor(&actor);
        let (bombs, others) = (Tally::default(), Tally::default());
        let hold = actor.hold();
        let mut asked = Vec::new();
        for _ in 0..10 {
            actor.send(Cargo(Bomb(bombs.clone()))).unwrap();
            asked.push(actor.request(Cargo(Bomb(bombs.clone()))).no_timeout());
            actor.send(Cargo(others.one())).unwrap();
        }
        actor.stop();
        hold.release();
        assert_eq!(monitors.recv().unwrap().reason, ExitReason::Normal);
        assert_eq!((bombs.count(), others.count()), (20, 10));
        for request in asked {
            assert_eq!(request.wait(), Err(RequestError::Exited(ExitReason::Normal)));
        }
        drop(actor);
        assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
    }
}

/// A message that panics when it is dropped inside its handler: that is a panic in a handler.
#[test]
fn a_message_that_panics_in_its_handler() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, _) = Puppet::on(&runtime);
    let outcome = actor.request(Cargo(Bomb(Tally::default()))).no_timeout().wait();
    assert_eq!(outcome.unwrap_err().to_string(), "no reply: the actor died (panic: a bomb)");
}

/// A message that panics when it is dropped because a newer one takes its place, or because there is no room: the
/// sender of the newer one does not suffer.
#[test]
fn a_displaced_message_that_panics() {
    let _dog = watchdog!();
    let runtime = solo();
    for policy in [OnFull::DropOldest, OnFull::DropNewest] {
        let (actor, events) =
            Puppet::with(Options::new().runtime(&runtime).mailbox(Mailbox::bounded(1, policy)));
        let bombs = Tally::default();
        let hold = actor.hold();
        if policy == OnFull::DropOldest {
            actor.send(Cargo(Bomb(bombs.clone()))).unwrap();
            actor.send(Note(1)).unwrap();
        } else {
            actor.send(Note(1)).unwrap();
            actor.send(Cargo(Bomb(bombs.clone()))).unwrap();
        }
        assert_eq!(bombs.count(), 1);
        hold.release();
        assert_eq!(events.label(), "note 1");
    }
}

/// A reply that panics when it is dropped.
struct Mine(Tally);
impl Message for Mine {
    type Reply = Bomb;
}
impl Handler<Mine> for Puppet {
    async fn handle(&mut self, Mine(tally): Mine, _: &Context<Self>) -> Bomb {
        Bomb(tally)
    }
}

/// A reply that nobody wants and that panics when it is dropped: not the actor's fault, and not its end.
#[test]
fn a_reply_that_panics_when_dropped() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, _) = Puppet::on(&runtime);
    let bombs = Tally::default();
    actor.send(Mine(bombs.clone())).unwrap(); // told, not asked
    drop(actor.request(Mine(bombs.clone()))); // asked, not waited for
    actor.call(|_, _| ());
    assert_eq!(bombs.count(), 2);
    let request = actor.request(Mine(bombs.clone()));
    actor.call(|_, _| ());
    let _ = catch_unwind(AssertUnwindSafe(|| drop(request))); // there, not taken
    assert_eq!(bombs.count(), 3);
    let reply = actor.request(Mine(bombs.clone())).no_timeout().wait().unwrap();
    let _ = catch_unwind(AssertUnwindSafe(|| drop(reply)));
    assert!(actor.is_alive());
}

/// Panics that carry something else than a text, something that panics when it is dropped, something that goes on
/// panicking: the actor dies of a panic, and is told of once.
#[test]
fn strange_panic_payloads() {
    let _dog = watchdog!();
    let runtime = solo();
    type Payload = fn() -> Box<dyn std::any::Any + Send>;
    let payloads: [(Payload, &str); 6] = [
        (|| Box::new("borrowed"), "panic: borrowed"),
        (|| Box::new(String::from("owned")), "panic: owned"),
        (|| Box::new(42), "panic: (not a text)"),
        (|| Box::new(Bomb(Tally::default())), "panic: (not a text)"),
        (|| Box::new(Nested(1)), "panic: (not a text)"),
        (|| Box::new(Nested(10)), "panic: (not a text)"),
    ];
    for (payload, expected) in payloads {
        for place in 0..4 {
            let (puppet, _events) = Puppet::new();
            let puppet = match place {
                0 => puppet.at_start(move |_| resume_unwind(payload())),
                1 => puppet.at_stop(move |_, _| resume_unwind(payload())),
                2 => puppet.at_drop(move || resume_unwind(payload())),
                _ => puppet,
            };
            let actor = runtime.start(puppet).unwrap();
            let mut monitors = Monitors::new();
            monitors.monitor(&actor);
            if place == 3 {
                actor.send(call(move |_, _| -> () { resume_unwind(payload()) })).unwrap();
            } else {
                actor.stop();
            }
            let told: Vec<_> = monitors.into_iter().map(|down| down.reason.to_string()).collect();
            assert_eq!(told, [if place == 2 { "normal" } else { expected }]);
        }
    }
    settle(&runtime);
}

/// An actor whose drop panics, and whose unfinished handler's locals do: after a kill nobody else is hurt.
#[test]
fn a_handler_that_panics_when_it_is_cut_off() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = Puppet::on(&runtime);
    let bombs = Tally::default();
    let (bomb, (entered, inside)) = (Bomb(bombs.clone()), mpsc::channel());
    let others = Tally::default();
    let asked = actor
        .request(act(move |_, _| {
            Box::pin(async move {
                let _bomb = bomb;
                entered.send(()).unwrap();
                std::future::pending::<()>().await
            })
        }))
        .no_timeout();
    inside.recv().unwrap();
    actor.send(Cargo(others.one())).unwrap();
    let mut monitors = Monitors::new();
    monitors.monitor(&actor);
    actor.kill();
    assert_eq!(monitors.recv().unwrap().reason, ExitReason::Kill);
    assert_eq!(asked.wait(), Err(RequestError::Exited(ExitReason::Kill)));
    assert_eq!((bombs.count(), others.count()), (1, 1));
    drop(actor);
    assert_eq!(events.until_gone(), ["dropped"]);
    settle(&runtime);
}

/// A closure for `monitor_with` that panics when it is dropped: demonitor, the watcher's end and the target's end bear
/// it.
#[test]
fn a_retelling_that_panics_when_dropped() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (watcher, events) = Puppet::on(&runtime);
    let ctx = watcher.call(|_, ctx| ctx.clone());
    let bombs = Tally::default();
    let retell = || {
        let bomb = Bomb(bombs.clone());
        move |down: Down| {
            let _keep = &bomb;
            Retold(down)
        }
    };
    let cancelled = ctx.monitor_with(&target, retell());
    assert!(matches!(ctx.demonitor(cancelled), Demonitor::Cancelled));
    assert_eq!(bombs.count(), 1);
    ctx.monitor_with(&watcher, retell()); // of itself
    assert_eq!(bombs.count(), 2);
    let wedge = watcher.wedge(); // so that it is not handled meanwhile
    let flushed = ctx.monitor_with(&corpse(ExitReason::Normal), retell());
    assert!(matches!(ctx.demonitor(flushed), Demonitor::Flushed(_)));
    drop(wedge);
    watcher.call(|_, _| ());
    assert_eq!(bombs.count(), 3);
    ctx.monitor_with(&target, retell());
    end(&watcher);
    settle(&runtime);
    assert_eq!(bombs.count(), 4, "with the watcher");
    ctx.monitor_with(&target, retell());
    assert_eq!(bombs.count(), 5, "refused");
    assert!(target.monitored_by().is_empty());
    drop((ctx, watcher));
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// An error that panics when it is dropped, as an exit reason: whoever drops it last bears it, and no worker dies of it.
#[test]
fn a_reason_that_panics_when_dropped() {
    let _dog = watchdog!();
    #[derive(Debug)]
    struct Wrong(#[allow(dead_code, reason = "dropped with it")] Never);
    struct Never(Tally);
    impl std::fmt::Debug for Never {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("never")
        }
    }
    impl Drop for Never {
        fn drop(&mut self) {
            self.0.add();
            if !std::thread::panicking() {
                panic!("an error that panics");
            }
        }
    }
    impl std::fmt::Display for Wrong {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wrong")
        }
    }
    impl std::error::Error for Wrong {}

    let runtime = solo();
    let tally = Tally::default();
    let (actor, events) = Puppet::on(&runtime);
    actor.stop_with(ExitReason::error("first"));
    let second = ExitReason::error(Wrong(Never(tally.clone())));
    let _ = catch_unwind(AssertUnwindSafe(|| actor.stop_with(second))); // not taken: dropped here
    assert_eq!(tally.count(), 1);
    drop(actor);
    events.until_gone();
    let (actor, events) = Puppet::on(&runtime);
    let weak = actor.downgrade();
    actor.stop_with(ExitReason::error(Wrong(Never(tally.clone()))));
    weak.wait_exit().wait().to_string().clone_into(&mut String::new());
    drop(actor);
    events.until_gone();
    let _ = catch_unwind(AssertUnwindSafe(|| drop(weak)));
    settle(&runtime);
    assert_eq!(tally.count(), 2, "with the last of those who had it");
}

/// A message that holds the last handle to its own actor, in a mailbox that is dropped: all of it is freed.
#[test]
fn a_message_that_holds_its_own_actor_at_the_end() {
    let _dog = watchdog!();
    let runtime = solo();
    let dropped = Tally::default();
    let (actor, events) = Puppet::on(&runtime);
    let hold = actor.hold();
    for _ in 0..10 {
        actor.send(Cargo((actor.clone(), dropped.one()))).unwrap();
        actor.send(Cargo((actor.handle(), actor.recipient::<Note, _>(), dropped.one()))).unwrap();
    }
    let weak = actor.downgrade();
    drop(actor);
    weak.upgrade().unwrap().kill();
    weak.wait_exit().wait();
    assert_eq!(dropped.count(), 20);
    assert!(weak.upgrade().is_none());
    drop(hold);
    assert_eq!(events.until_gone(), ["dropped"]);
}

/// A mailbox with a million messages is dropped without trouble for the stack, and the Down is told.
#[test]
fn a_million_messages_are_dropped() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, _) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    monitors.monitor(&actor);
    let hold = actor.hold();
    for _ in 0..1_000_000 {
        actor.send(Cargo(())).unwrap();
    }
    actor.stop();
    hold.release();
    assert_eq!(monitors.recv().unwrap().reason, ExitReason::Normal);
}

/// Has the next one, and watches it; or is sent it, and sleeps.
struct Link {
    next: Option<ActorRef<Link>>,
    /// How many have come so far.
    ready: Tally,
    dropped: Tally,
}
impl Actor for Link {
    async fn started(&mut self, ctx: &Context<Self>) {
        if let Some(next) = &self.next {
            ctx.monitor(next);
            self.ready.add();
        }
    }
}
impl Handler<Down> for Link {
    async fn handle(&mut self, _: Down, _: &Context<Self>) {}
}
impl Handler<Cargo<ActorRef<Link>>> for Link {
    async fn handle(&mut self, _: Cargo<ActorRef<Link>>, _: &Context<Self>) {
        self.ready.add();
        std::future::pending().await
    }
}
impl Drop for Link {
    fn drop(&mut self) {
        self.dropped.add();
    }
}

const CHAIN: usize = 100_000;

fn chain(runtime: &deathwatch::Runtime) -> (ActorRef<Link>, Tally) {
    let (ready, dropped) = (Tally::default(), Tally::default());
    let mut head = None;
    for _ in 0..CHAIN {
        let link = Link { next: head.take(), ready: ready.clone(), dropped: dropped.clone() };
        head = Some(runtime.start(link).unwrap());
    }
    while ready.count() < CHAIN - 1 {
        std::thread::yield_now();
    }
    (head.unwrap(), dropped)
}

/// A chain of 100,000 actors, each holding the last handle to the next and watching it: when the head goes, all go, one
/// after the other, without trouble for the stack.
#[test]
fn a_long_chain_of_handles() {
    let _dog = watchdog!();
    let runtime = duo();
    let (head, dropped) = chain(&runtime);
    head.join().wait();
    while runtime.live_actors() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(dropped.count(), CHAIN);
}

/// The same chain when its runtime is dropped.
#[test]
fn a_long_chain_and_the_end_of_its_runtime() {
    let _dog = watchdog!();
    let runtime = duo();
    let (head, dropped) = chain(&runtime);
    drop(runtime);
    assert_eq!(dropped.count(), CHAIN);
    assert_eq!(head.exit_reason(), Some(ExitReason::Kill));
}

/// A chain of handlers, a million where the code is optimised, each of which sleeps, and holds in its future the last handle to
/// the next actor. (Of mailboxes: `extremes/millions.rs`.)
#[test]
fn a_long_chain_of_handlers() {
    let _dog = watchdog!();
    const CHAIN: usize = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    for kill_head in [true, false] {
        let runtime = duo();
        let (ready, dropped) = (Tally::default(), Tally::default());
        let link = || Link { next: None, ready: ready.clone(), dropped: dropped.clone() };
        let mut head = runtime.start(link()).unwrap();
        for _ in 0..CHAIN {
            let before = runtime.start(link()).unwrap();
            before.send(Cargo(head)).unwrap();
            head = before;
        }
        while ready.count() < CHAIN {
            std::thread::yield_now();
        }
        if kill_head {
            head.kill();
            head.wait_exit().wait();
        }
        drop(runtime);
        assert_eq!(dropped.count(), CHAIN + 1);
    }
}

/// Wakers that panic: of one who waits for a death, of a stream, of a request, of a sender that waits for room. Neither
/// the actor nor any other observer is hurt.
#[test]
fn wakers_that_panic() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) =
        Puppet::with(Options::new().runtime(&runtime).mailbox(Mailbox::bounded(1, OnFull::Wait)));
    let hold = actor.hold();
    let (waker, woken) = panicking_waker();
    let mut cx = TaskContext::from_waker(&waker);
    let mut queued = actor.request(Note(1)).no_timeout();
    assert!(Pin::new(&mut queued).poll(&mut cx).is_pending());
    let mut for_room = actor.send_wait(Note(2));
    assert!(Pin::new(&mut for_room).poll(&mut cx).is_pending());
    let mut good = actor.send_wait(Note(3));
    assert!(poll_once(&mut good).is_pending());
    hold.release();
    assert_eq!(events.label(), "note 1");
    settle(&runtime);
    assert_eq!(woken.count(), 2, "for the reply and for the room");
    assert_eq!(queued.wait(), Ok(()));
    drop(for_room);
    good.wait().unwrap();
    assert_eq!(events.label(), "note 3");

    let (waker, woken) = panicking_waker();
    let mut cx = TaskContext::from_waker(&waker);
    let mut waits: Vec<_> = (0..3).map(|_| actor.wait_exit()).collect();
    for wait in &mut waits {
        assert!(Pin::new(wait).poll(&mut cx).is_pending());
    }
    let (mut bad, mut fine) = (Monitors::new(), Monitors::new());
    bad.monitor(&actor);
    assert!(Pin::new(&mut bad).poll_next(&mut cx).is_pending());
    fine.monitor(&actor);
    let hold = actor.hold();
    let mut asked = actor.request(Note(4)).no_timeout();
    assert!(Pin::new(&mut asked).poll(&mut cx).is_pending());
    actor.stop();
    hold.release();
    assert_eq!(fine.recv().unwrap().reason, ExitReason::Normal);
    settle(&runtime);
    assert_eq!(woken.count(), 5);
    assert_eq!(bad.recv().unwrap().reason, ExitReason::Normal);
    assert_eq!(asked.wait(), Err(RequestError::Exited(ExitReason::Normal)));
    assert!(waits.into_iter().all(|wait| wait.wait() == ExitReason::Normal));
}

/// R35, R8: from inside a waker, which runs in the middle of the target's end: monitor, demonitor, send, stop, ask.
#[test]
fn everything_from_inside_a_waker() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (watcher, events) = Puppet::on(&runtime);
    let ctx = watcher.call(|_, ctx| ctx.clone());
    let (report, reported) = mpsc::channel();
    let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
    for early in [true, false] {
        let (ctx, target_in, report) = (ctx.clone(), target.clone(), report.clone());
        let armed = ctx.monitor(&target);
        let waker = waker_of(move || {
            let outcome = ctx.demonitor(armed);
            let late = ctx.monitor(&target_in);
            let again = ctx.monitor(&target_in);
            assert!(!matches!(ctx.demonitor(again), Demonitor::Unknown));
            ctx.send(Note(1)).unwrap();
            assert!(target_in.send(Note(2)).is_err());
            target_in.kill();
            drop(target_in.request(Note(3)));
            report.send((outcome, late)).unwrap();
        });
        let mut cx = TaskContext::from_waker(&waker);
        if early {
            let mut monitors = Monitors::new();
            monitors.monitor(&target);
            assert!(Pin::new(&mut monitors).poll_next(&mut cx).is_pending());
            kept.push(Box::new(monitors));
        } else {
            let mut wait = target.wait_exit();
            assert!(Pin::new(&mut wait).poll(&mut cx).is_pending());
            kept.push(Box::new(wait));
        }
    }
    target.stop();
    let mut awaited = Vec::new();
    for _ in 0..2 {
        let (outcome, late) = reported.recv().unwrap();
        assert!(
            !matches!(outcome, Demonitor::Unknown),
            "nobody had handled it yet: the one worker is in the end"
        );
        awaited.push(late);
    }
    awaited.sort();
    settle(&runtime);
    watcher.call(|_, _| ());
    let (mut downs, mut notes) = (Vec::new(), 0);
    while let Some(event) = events.ready() {
        match event {
            Event::Down(down) => downs.push(down.monitor_ref),
            Event::Note(1) => notes += 1,
            other => panic!("{other:?}"),
        }
    }
    downs.sort();
    assert_eq!((downs, notes), (awaited, 2));
}

/// R35, R8: from inside the drop of an actor's value, of a message, of a reply.
#[test]
fn everything_from_inside_a_drop() {
    let _dog = watchdog!();
    struct Busy {
        ctx: Context<Puppet>,
        target: ActorRef<Puppet>,
        report: mpsc::Sender<(Demonitor, bool)>,
    }
    impl Drop for Busy {
        fn drop(&mut self) {
            let monitor = self.ctx.monitor(&self.target);
            let outcome = self.ctx.demonitor(monitor);
            let mut monitors = Monitors::new();
            monitors.monitor(&self.target);
            monitors.monitor(&self.ctx.handle());
            drop(monitors);
            let sent = self.ctx.send(Note(1)).is_ok();
            drop(self.target.request(Note(2)));
            assert!(poll_once(&mut self.target.wait_exit()).is_pending());
            Idle.start_with(Options::new()).unwrap().kill();
            self.report.send((outcome, sent)).unwrap();
        }
    }
    let runtime = duo();
    let (target, seen) = Puppet::on(&runtime);
    let (actor, events) = Puppet::on(&runtime);
    let (report, reported) = mpsc::channel();
    let busy = |actor: &ActorRef<Puppet>| {
        let ctx = actor.call(|_, ctx| ctx.clone());
        Busy { ctx, target: target.clone(), report: report.clone() }
    };
    let (in_state, in_mail, told) = (busy(&actor), busy(&actor), busy(&actor));
    actor.call(move |puppet, _| puppet.luggage.push(Box::new(in_state)));
    actor.send(call(move |_, _| told)).unwrap(); // the reply is dropped
    assert_eq!(reported.recv().unwrap(), (Demonitor::Cancelled, true));
    let hold = actor.hold();
    actor.send(Cargo(in_mail)).unwrap();
    actor.stop();
    hold.release();
    assert_eq!(actor.wait_exit().wait(), ExitReason::Normal);
    // The actor is ending: it takes no message any more, and what it monitors never fires.
    for _ in 0..2 {
        assert_eq!(reported.recv().unwrap(), (Demonitor::Unknown, false));
    }
    drop((actor, report));
    assert_eq!(events.until_gone(), ["note 1", "stopped normal", "dropped"]);
    assert_eq!([seen.label(), seen.label(), seen.label()], ["note 2"; 3]);
    while runtime.live_actors() > 1 {
        std::thread::yield_now();
    }
    assert!(target.is_alive() && target.monitored_by().is_empty());
}

/// Data of a thread that is dropped when the thread ends: it may still send, monitor and demonitor.
#[test]
fn everything_from_a_thread_that_ends() {
    let _dog = watchdog!();
    struct Last {
        actor: ActorRef<Puppet>,
        monitors: Monitors,
        ctx: Context<Puppet>,
    }
    impl Drop for Last {
        fn drop(&mut self) {
            self.actor.send(Note(1)).unwrap();
            let again = self.monitors.monitor(&self.actor);
            assert!(matches!(self.monitors.demonitor(again), Demonitor::Cancelled));
            let own = self.ctx.monitor(&self.actor.downgrade());
            let _ = self.ctx.demonitor(own);
            self.actor.send(Note(2)).unwrap();
        }
    }
    thread_local!(static LAST: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) });
    let runtime = solo();
    let (actor, events) = Puppet::on(&runtime);
    let (watcher, _) = Puppet::on(&runtime);
    for early in [true, false] {
        let (actor, ctx) = (actor.clone(), watcher.call(|_, ctx| ctx.clone()));
        std::thread::spawn(move || {
            // Either our data are made first and go last, or the other way round.
            if early {
                LAST.with(|_| ());
            }
            let mut monitors = Monitors::new();
            monitors.monitor(&actor);
            if !early {
                LAST.with(|_| ());
            }
            LAST.set(Some(Last { actor, monitors, ctx }));
        })
        .join()
        .unwrap();
        assert_eq!([events.label(), events.label()], ["note 1", "note 2"]);
    }
    assert!(actor.monitored_by().is_empty() && watcher.monitors().is_empty());
    drop(actor);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// Panics in hooks and handlers leave the worker as it was: after a thousand of them it still works.
#[test]
fn a_thousand_panics() {
    let _dog = watchdog!();
    let runtime = solo();
    let mut monitors = Monitors::new();
    for _ in 0..1_000 {
        let (actor, _) = Puppet::on(&runtime);
        monitors.monitor(&actor);
        actor.send(call(|_, _| -> () { resume_unwind(Box::new("again")) })).unwrap();
    }
    assert_eq!(monitors.into_iter().filter(|down| down.reason.to_string() == "panic: again").count(), 1_000);
    settle(&runtime);
}

/// R81: a future of ours that is dropped inside the very waker that it wakes.
#[test]
fn a_wait_that_is_dropped_by_its_own_waker() {
    let _dog = watchdog!();
    use std::sync::{Arc, Mutex};
    let runtime = solo();
    let (actor, _) = Puppet::on(&runtime);
    let slot = Arc::new(Mutex::new(None));
    let (report, reported) = mpsc::channel();
    let inside = Arc::clone(&slot);
    let waker = waker_of(move || {
        let taken: Option<deathwatch::ExitWait> = inside.lock().unwrap().take();
        report.send(taken.is_some()).unwrap();
    });
    let mut wait = actor.wait_exit();
    assert!(Pin::new(&mut wait).poll(&mut TaskContext::from_waker(&waker)).is_pending());
    *slot.lock().unwrap() = Some(wait);
    actor.kill();
    assert!(reported.recv().unwrap());
    settle(&runtime);
}

/// R25: a handler's future that panics when it is dropped after it was ready: a panic of the handler, and the stop hook runs.
#[test]
fn a_future_that_panics_in_drop() {
    let _dog = watchdog!();
    struct Bomb;
    impl Future for Bomb {
        type Output = ();
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
            std::task::Poll::Ready(())
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("future dropped");
        }
    }
    struct Victim(std::sync::mpsc::Sender<String>);
    impl deathwatch::tasks::Actor for Victim {
        async fn stopped(&mut self, reason: &ExitReason, _: &deathwatch::Context<Self>) {
            self.0.send(reason.to_string()).unwrap();
        }
    }
    struct Go;
    impl deathwatch::Message for Go {
        type Reply = ();
    }
    impl deathwatch::tasks::Handler<Go> for Victim {
        fn handle(&mut self, _: Go, _: &deathwatch::Context<Self>) -> impl Future<Output = ()> + Send {
            Bomb
        }
    }
    let runtime = solo();
    let (tell, told) = std::sync::mpsc::channel();
    let victim = runtime.start(Victim(tell)).unwrap();
    victim.send(Go).unwrap();
    assert_eq!(victim.wait_exit().wait().to_string(), "panic: future dropped");
    assert_eq!(told.recv().unwrap(), "panic: future dropped");
}

/// R25: a kill that drops an awaiting handler and the actor, and both panic in their `Drop`.
#[test]
fn two_drops_that_panic() {
    let _dog = watchdog!();
    struct Bomb(&'static str, Tally);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.1.add();
            panic!("drop of {}", self.0);
        }
    }
    struct Victim(Tally, #[expect(dead_code, reason = "for its Drop")] Bomb);
    impl deathwatch::tasks::Actor for Victim {}
    struct Go;
    impl deathwatch::Message for Go {
        type Reply = ();
    }
    impl deathwatch::tasks::Handler<Go> for Victim {
        async fn handle(&mut self, _: Go, _: &deathwatch::Context<Self>) {
            let _local = Bomb("a local", self.0.clone());
            std::future::pending::<()>().await
        }
    }
    let runtime = solo();
    let dropped = Tally::default();
    let bomb = Bomb("the actor", dropped.clone());
    let victim = runtime.start(Victim(dropped.clone(), bomb)).unwrap();
    let mut monitors = deathwatch::Monitors::new();
    monitors.monitor(&victim);
    victim.send(Go).unwrap();
    settle(&runtime);
    assert_eq!(dropped.count(), 0);
    victim.kill();
    assert_eq!(monitors.recv().unwrap().reason, ExitReason::Kill);
    settle(&runtime);
    assert_eq!((dropped.count(), monitors.recv()), (2, None));
    assert_eq!(victim.exit_reason(), Some(ExitReason::Kill));
}

/// Wakers that cannot be cloned, or not be dropped: whoever polls with one has the panic, or not even that; the place where it
/// stood is as good as before, and so are the clock and everybody else.
#[test]
fn wakers_that_panic_otherwise() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let wedge = target.wedge();

    let mut monitors = Monitors::new();
    monitors.monitor(&target);
    let bomb = bomb(true, false);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        Pin::new(&mut monitors).poll_next(&mut TaskContext::from_waker(&bomb))
    }));
    assert!(polled.is_err(), "the waker cannot be cloned");
    let mut waiting = target.wait_exit();
    let polled =
        catch_unwind(AssertUnwindSafe(|| Pin::new(&mut waiting).poll(&mut TaskContext::from_waker(&bomb))));
    assert!(polled.is_err(), "the waker cannot be cloned");
    let mut request = target.request(Note(1)).no_timeout();
    let polled =
        catch_unwind(AssertUnwindSafe(|| Pin::new(&mut request).poll(&mut TaskContext::from_waker(&bomb))));
    assert!(polled.is_err(), "the waker cannot be cloned");

    // Each poll puts another in the place of the one before, whose drop panics; the clock lets go of the last.
    let mut limited = target.request(Note(2)).timeout(Duration::from_millis(20));
    for _ in 0..3 {
        let bomb = self::bomb(false, true);
        assert!(Pin::new(&mut limited).poll(&mut TaskContext::from_waker(&bomb)).is_pending());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(bomb))).is_err());
    }
    drop(limited);
    let other = target.request(Note(3)).timeout(Duration::from_millis(20));
    assert_eq!(futures::executor::block_on(other), Err(RequestError::Timeout));

    drop(wedge);
    assert_eq!(request.wait(), Ok(()));
    target.kill();
    assert_eq!(waiting.wait(), ExitReason::Kill);
    assert_eq!(monitors.recv().unwrap().reason, ExitReason::Kill);
}

/// A waker whose clone panics, or whose drop.
fn bomb(clone_panics: bool, drop_panics: bool) -> Waker {
    use std::task::{RawWaker, RawWakerVTable};
    // Each clone is another, so that it never counts as the one that is there already.
    struct Bomb {
        clone_panics: bool,
        drop_panics: bool,
    }
    fn raw(bomb: Bomb) -> RawWaker {
        unsafe fn clone(data: *const ()) -> RawWaker {
            // SAFETY: made by `raw`, alive as long as the waker.
            let Bomb { clone_panics, drop_panics } = unsafe { &*data.cast::<Bomb>() };
            assert!(!clone_panics, "not to be cloned");
            raw(Bomb { clone_panics: false, drop_panics: *drop_panics })
        }
        unsafe fn wake(data: *const ()) {
            // SAFETY: as in `clone`, and the waker's own.
            unsafe { drop_waker(data) };
        }
        unsafe fn nothing(_: *const ()) {}
        unsafe fn drop_waker(data: *const ()) {
            // SAFETY: made by `raw`, and dropped once.
            let bomb = unsafe { Box::from_raw(data.cast_mut().cast::<Bomb>()) };
            assert!(!bomb.drop_panics, "not to be dropped");
        }
        static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, nothing, drop_waker);
        RawWaker::new(Box::into_raw(Box::new(bomb)).cast_const().cast(), &VTABLE)
    }
    // SAFETY: the functions keep the contract, and nothing in a bomb belongs to a thread.
    unsafe { Waker::from_raw(raw(Bomb { clone_panics, drop_panics })) }
}
