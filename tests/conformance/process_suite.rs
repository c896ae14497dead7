use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use deathwatch::{
    ActorHandle, ActorId, ActorRef, AliasUntil, Context, Demonitor, ExitReason, LookupError, MonitorRef,
    RegisterError,
};

use crate::common::{NoTarget, dies, quiet, say, typed};
use crate::doll::{Doll, Pair, Play, in_all_combinations, pair};
use crate::support::{Event, begun, duo, end, solo, solo_by_hand};

in_all_combinations! {
    t_exit_1
    t_exit_2_other
    t_exit_2_other_normal
    self_exit
    normal_suicide_exit
    abnormal_suicide_exit
    t_exit_2_catch
    trap_exit_badarg
    trap_exit_badarg_in_bif
    exit_and_timeout
    exit_twice
    bad_register
    spawn_request_monitor_demonitor
    spawn_request_monitor_child_exit
    spawn_request_link_child_exit
    spawn_request_link_parent_exit
    spawn_request_link_parent_exit_compound_reason
    processes_this_tab
    alias_bif
    monitor_alias
    spawn_monitor_alias
    demonitor_aliasmonitor
    down_aliasmonitor
    monitor_tag
}

/// As large as the garbage of the original.
fn large() -> String {
    "a lot of data, ".repeat(10_000)
}

/// What the watcher is told, by a monitor as well as by a link, when the target has done that in its turn.
fn told_after<W: Doll, T: Doll>(act: impl FnOnce(&Context<T>) + Send + 'static) -> (Pair<W, T>, ExitReason) {
    let pair = pair::<W, T>();
    let monitor = pair.monitor();
    pair.link();
    pair.target.tell(move |_, ctx| act(ctx));
    let reason = pair.told(monitor);
    (pair, reason)
}

/// R16, R25, R74: who ends itself with a large reason is told of with it, ten times.
fn t_exit_1<A: Doll, B: Doll>() {
    for _ in 0..10 {
        let (_, reason) = told_after::<A, B>(|ctx| ctx.stop_with(ExitReason::error(large())));
        assert_eq!(reason.to_string(), format!("error: {}", large()));
    }
}

/// R16, R25, R74: who is ended by another with a large reason likewise.
fn t_exit_2_other<A: Doll, B: Doll>() {
    for _ in 0..10 {
        let pair = pair::<A, B>();
        let monitor = pair.monitor();
        pair.link();
        pair.target.stop_with(ExitReason::error(large()));
        assert_eq!(pair.told(monitor).to_string(), format!("error: {}", large()));
    }
}

/// R75: the normal end of one who is linked does nothing: the other lives, and is linked no more. A kill still ends it.
fn t_exit_2_other_normal<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let monitor = pair.monitor();
    let (linked, _) = A::on(&pair.stand);
    linked.context().link(&pair.target);
    assert_eq!(pair.target.links(), [linked.id()]);
    end(&linked);
    quiet(&pair.target);
    assert_eq!((pair.target.is_alive(), pair.target.links()), (true, vec![]));
    assert_eq!(pair.seen.labels(), [""; 0]);
    pair.silence();
    pair.target.kill();
    let down = pair.heard.down();
    assert_eq!((down.monitor_ref, down.reason), (monitor, ExitReason::Kill));
}

/// R25, R77: what an actor asks of itself by a handle is no signal, and cannot be trapped: it ends.
fn self_exit<A: Doll, B: Doll>() {
    let stand = solo();
    for _ in 0..if B::THREAD { 20 } else { 200 } {
        let (b, seen) = B::on(&stand);
        let ctx = b.context();
        B::trap_exit(&ctx, true);
        ctx.link(&b); // of itself: none
        drop(ctx);
        b.tell(|_, ctx| ctx.handle().stop_with(ExitReason::error(large())));
        assert_eq!(seen.until_gone(), [&*format!("stopped error: {}", large()), "dropped"]);
    }
}

/// R25, R74, R82: who stops itself, through its context or through a handle as anybody could, ends normally.
fn normal_suicide_exit<A: Doll, B: Doll>() {
    let (_, reason) = told_after::<A, B>(|ctx| ctx.stop());
    assert_eq!(reason, ExitReason::Normal);
    let (pair, reason) = told_after::<A, B>(|ctx| ctx.handle().stop());
    assert_eq!((reason, pair.target.exit_reason()), (ExitReason::Normal, Some(ExitReason::Normal)));
}

/// R25, R74, R82: and with another reason with that.
fn abnormal_suicide_exit<A: Doll, B: Doll>() {
    let (_, reason) = told_after::<A, B>(|ctx| ctx.stop_with(ExitReason::error("eight kilobytes")));
    assert_eq!(reason.to_string(), "error: eight kilobytes");
    let (pair, reason) =
        told_after::<A, B>(|ctx| ctx.handle().stop_with(ExitReason::error("eight kilobytes")));
    assert_eq!(reason.to_string(), "error: eight kilobytes");
    assert_eq!(pair.target.exit_reason().map(|reason| reason.to_string()), Some(reason.to_string()));
}

/// R74, R77: an end that was asked for is not taken back by catching whatever follows.
fn t_exit_2_catch<A: Doll, B: Doll>() {
    let (_, reason) = told_after::<A, B>(|ctx| {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            ctx.stop_with(ExitReason::error("die"));
            std::panic::resume_unwind(Box::new("caught"));
        }));
        assert!(caught.is_err());
    });
    assert_eq!(reason.to_string(), "error: die");
}

/// R16, R25, R74: what a panic says comes as it is, however much it is, ten times.
fn trap_exit_badarg<A: Doll, B: Doll>() {
    for _ in 0..10 {
        // Not by `panic!`, which would print it.
        let (_, reason) = told_after::<A, B>(|_| std::panic::resume_unwind(Box::new(large())));
        assert_eq!(reason.to_string(), format!("panic: {}", large()));
    }
}

/// R7, R25, R72, R74: a child that was given what it cannot start with, ten times.
fn trap_exit_badarg_in_bif<A: Doll, B: Doll>() {
    let stand = solo();
    let (a, heard) = A::on(&stand);
    A::trap_exit(&a.context(), true);
    for _ in 0..10 {
        let (monitored, monitor, linked) = a.call(|_, ctx| {
            let child = || B::new().0.at_start(|_| std::panic::resume_unwind(Box::new("bad argument")));
            let (monitored, monitor) = A::spawn_monitored(ctx, child());
            (monitored, monitor, A::spawn_linked(ctx, child()))
        });
        let (down, exit) = match (heard.next(), heard.next()) {
            (Event::Down(down), Event::Exit(exit)) | (Event::Exit(exit), Event::Down(down)) => (down, exit),
            other => panic!("{other:?}"),
        };
        assert_eq!((down.monitor_ref, down.target), (monitor, monitored.id()));
        assert_eq!(exit.from, linked.id());
        assert_eq!(down.reason.to_string(), "panic: bad argument");
        assert_eq!(exit.reason, down.reason);
    }
}

/// R74, R94: a signal has come, and the time of a timer is over, before the actor can look: it dies of the signal.
fn exit_and_timeout<A: Doll, B: Doll>() {
    let (stand, (stage, clock)) = (solo(), solo_by_hand());
    let ((a, _), (b, seen)) = (A::on(&stand), B::on(&stage));
    let ctx = b.context();
    ctx.link(&a);
    B::note_after(&ctx, Duration::from_secs(1), 1);
    drop(ctx);
    let wedge = b.wedge();
    dies(&a, &ExitReason::error("you are dead"));
    clock.advance(Duration::from_secs(1));
    drop(wedge);
    let ExitReason::Link(report) = b.wait_exit().wait() else { panic!("it dies of the link") };
    assert_eq!((report.from(), &*report.reason().to_string()), (a.id(), "error: you are dead"));
    assert_eq!(seen.until_gone(), ["dropped"]);
}

/// R74, R77: of two reasons, one after the other, the first is the one.
fn exit_twice<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let monitor = pair.monitor();
    pair.link();
    let wedge = pair.target.wedge(); // so that both find it at work
    pair.target.stop_with(ExitReason::error("first"));
    pair.target.stop_with(ExitReason::error("second"));
    drop(wedge);
    assert_eq!(pair.told(monitor).to_string(), "error: first");
    pair.silence();
}

/// R13, R93: the dead cannot have a name, nor can whoever was nobody when a name was looked up; the name stays free. What is no
/// actor does not compile, and what is no name is a name of its own type.
fn bad_register<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let names = pair.stand.registry();
    let name = "a long and unused name";
    pair.stop();
    let dead = RegisterError::Dead { name: name.into(), reason: ExitReason::Normal };
    assert_eq!(names.register(name, &pair.target), Err(dead));
    let nobody = RegisterError::Dead { name: name.into(), reason: ExitReason::NoProc };
    assert_eq!(names.register(name, &names.resolve("nobody")), Err(nobody));
    assert_eq!(
        (names.lookup::<A>(name), names.lookup::<B>(name)),
        (Err(LookupError::Unknown), Err(LookupError::Unknown))
    );
    assert!(names.handle(name).is_none() && names.is_empty());
    A::monitor(&pair.ctx, &names.resolve(name));
    assert_eq!(pair.heard.down().reason, ExitReason::NoProc);

    <MonitorRef as NoTarget<_>>::no_target();
    <ActorId as NoTarget<_>>::no_target();
    <[u8] as NoTarget<_>>::no_target();
    <() as NoTarget<_>>::no_target();
}

/// R7, R37: a monitor that came with its target can be taken back like any other.
fn spawn_request_monitor_demonitor<A: Doll, B: Doll>() {
    let stand = solo();
    let (a, heard) = A::on(&stand);
    let (child, answer) = a.call(|_, ctx| {
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let child = B::new().0.at_start(move |ctx| {
            let _ = gone.recv();
            ctx.stop_with(ExitReason::error("bye"));
        });
        let (child, monitor) = A::spawn_monitored(ctx, child);
        let answer = ctx.demonitor(monitor);
        drop(go);
        (child, answer)
    });
    assert_eq!(answer, Demonitor::Cancelled);
    assert_eq!(begun(child.wait_exit()).wait().to_string(), "error: bye");
    assert_eq!(a.downs(), 0);
    assert!(heard.ready().is_none());
}

/// R7: a child may be dead before its parent knows it, and is told of afterwards.
fn spawn_request_monitor_child_exit<A: Doll, B: Doll>() {
    // Two runtimes' worth of workers: the parent waits in its handler for the child to be dead.
    let stand = crate::support::duo();
    let (a, heard) = A::on(&stand);
    let (child, monitor) = a.call(|doll, ctx| {
        let (dead, died) = std::sync::mpsc::channel::<()>();
        let child = B::new().0.at_start(|ctx| ctx.stop_with(ExitReason::error("bye")));
        let child = child.at_drop(move || drop(dead));
        let (child, monitor) = A::spawn_monitored(ctx, child);
        assert!(died.recv().is_err(), "its value is dropped");
        doll.tell(Event::Note(0)); // the parent goes on
        (child, monitor)
    });
    assert_eq!(heard.label(), "note 0");
    let down = heard.down();
    assert_eq!((down.monitor_ref, down.target), (monitor, child.id()));
    assert_eq!(down.reason.to_string(), "error: bye");
}

/// R72, R74: a child that ends in its start, whether its parent knows it already or not, is told of with what it died of.
fn spawn_request_link_child_exit<A: Doll, B: Doll>() {
    let stand = duo();
    let (a, heard) = A::on(&stand);
    A::trap_exit(&a.context(), true);
    for waits in [false, true] {
        let child = a.call(move |_, ctx| {
            let (dead, died) = mpsc::channel::<()>();
            let child = B::new().0.at_start(|_| std::panic::resume_unwind(Box::new("undefined")));
            let child = A::spawn_linked(ctx, child.at_drop(move || drop(dead)));
            assert!(!waits || died.recv().is_err(), "its value is dropped");
            child
        });
        let exit = heard.exit();
        assert_eq!((exit.from, &*exit.reason.to_string()), (child.id(), "panic: undefined"));
        quiet(&a);
        assert_eq!((heard.labels(), a.links()), (vec![], vec![]));
    }
}

/// Parents that end just after they have started a child; what the child died of is looked at. Of every tenth, the child has
/// begun before.
fn parents_exit<A: Doll, B: Doll>(reason: impl Fn() -> ExitReason, looked_at: impl Fn(&ExitReason)) {
    let stand = duo();
    for round in 0..if A::THREAD || B::THREAD { 50 } else { 500 } {
        let (a, _) = A::on(&stand);
        let (tell, told) = mpsc::channel();
        let reason = reason();
        a.tell(move |_, ctx| {
            let (begins, begun) = mpsc::channel::<()>();
            let child = B::new().0.at_start(move |_| drop(begins));
            tell.send(A::spawn_linked(ctx, child)).unwrap();
            assert!(round % 10 > 0 || begun.recv().is_err());
            ctx.stop_with(reason);
        });
        let child = told.recv().unwrap();
        let died = child.wait_exit().wait();
        let ExitReason::Link(report) = &died else { panic!("it dies of the link, and not of {died}") };
        assert_eq!((report.from(), report.length()), (a.id(), 1));
        looked_at(report.reason());
    }
}

/// R72, R74: a parent that ends just after it has started a child takes it along.
fn spawn_request_link_parent_exit<A: Doll, B: Doll>() {
    parents_exit::<A, B>(|| ExitReason::Kill, |reason| assert_eq!(reason, &ExitReason::Kill));
}

/// R16, R72, R74: likewise with a reason that holds a value: it is that very value.
fn spawn_request_link_parent_exit_compound_reason<A: Doll, B: Doll>() {
    let kaboom = || ExitReason::error(io::Error::other(large()));
    parents_exit::<A, B>(kaboom, |reason| {
        let ExitReason::Error(error) = reason else { panic!("{reason}") };
        assert_eq!(error.downcast_ref::<io::Error>().unwrap().to_string(), large());
    });
}

/// Says so when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// R57: while others come and go, a list of all has each who is there, once, and nobody who is dead.
fn processes_this_tab<A: Doll, B: Doll>() {
    let (stand, over) = (duo(), AtomicBool::new(false));
    let (mut there, mut dead) = (Vec::<(ActorHandle, Box<dyn Fn()>)>::new(), Vec::new());
    thread::scope(|scope| {
        let churn = scope.spawn(|| {
            let mut many = 0;
            loop {
                let ((a, _), (b, _)) = (A::on(&stand), B::on(&stand));
                end(&a);
                b.kill();
                many += 1;
                if over.load(Ordering::Relaxed) {
                    break many;
                }
            }
        });
        let over = Over(&over); // also if this here fails
        for round in 0..100 {
            let ((a, _), (b, _)) = (A::on(&stand), B::on(&stand));
            there.push((a.handle(), Box::new(move || end(&a))));
            there.push((b.handle(), Box::new(move || end(&b))));
            if round % 2 == 1 {
                let (gone, ends) = there.swap_remove(round % there.len());
                ends();
                dead.push(gone.id());
            }
            let listed: Vec<_> = stand.snapshot().actors.iter().map(|actor| actor.id).collect();
            assert!(listed.is_sorted_by(|a, b| a < b), "each is in it once");
            assert!(there.iter().all(|(one, _)| listed.contains(&one.id())));
            assert!(dead.iter().all(|one| !listed.contains(one)));
        }
        drop(over);
        assert!(churn.join().unwrap() > 0);
    });
}

/// R53: an address for many messages is over when it is taken back; one for a reply, with the first message.
fn alias_bif<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let alias = A::alias(&pair.ctx, AliasUntil::Unalias);
    assert_eq!(say(&pair.target, &alias, [1, 2]), [true, true]);
    assert_eq!([pair.heard.label(), pair.heard.label()], ["note 1", "note 2"]);
    assert!(pair.ctx.unalias(&alias));
    assert_eq!(say(&pair.target, &alias, [3, 4]), [false, false]);
    pair.silence();

    let monitor = pair.monitor();
    let alias = A::alias(&pair.ctx, AliasUntil::First);
    let wedge = pair.watcher.wedge(); // so that all are sent before one is handled
    assert_eq!(say(&pair.target, &alias, [1, 2, 3, 4]), [true; 4]);
    pair.stop();
    drop(wedge);
    assert_eq!(pair.heard.label(), "note 1");
    assert_eq!(pair.heard.down().monitor_ref, monitor);
    assert!(!alias.is_active());
    pair.silence();
}

/// Aliases of each kind, of a monitor that has come about in this way.
fn aliases_of_monitors<A: Doll, B: Doll>(
    monitored: impl Fn(&ActorRef<A>) -> (ActorRef<B>, MonitorRef),
    reason: &ExitReason,
) {
    let (stand, stage) = (duo(), solo());
    let (a, heard) = A::on(&stand);
    let ctx = a.context();
    let (other, _) = B::on(&stage);
    let notes = |numbers: [u32; 2]| {
        assert_eq!([heard.label(), heard.label()], numbers.map(|number| format!("note {number}")));
    };
    let down = |monitor| {
        let down = heard.down();
        assert_eq!((down.monitor_ref, &down.reason), (monitor, reason));
    };
    // One that two messages have come by.
    let used = |until: fn(MonitorRef) -> AliasUntil| {
        let (b, monitor) = monitored(&a);
        let alias = A::alias(&ctx, until(monitor));
        assert_eq!(say(&b, &alias, [1, 2]), [true, true]);
        (b, monitor, alias)
    };

    // Until it is taken back.
    let (b, monitor, alias) = used(|_| AliasUntil::Unalias);
    notes([1, 2]);
    assert!(ctx.unalias(&alias));
    assert_eq!(say(&b, &alias, [3, 4]), [false, false]);
    dies(&b, reason);
    down(monitor);

    // Until the monitor is taken back.
    let (b, monitor, alias) = used(AliasUntil::Demonitor);
    notes([1, 2]);
    assert_eq!(ctx.demonitor(monitor), Demonitor::Cancelled);
    let monitor = A::monitor(&ctx, &b);
    assert_eq!(say(&b, &alias, [3, 4]), [false, false]);
    dies(&b, reason);
    down(monitor);

    // Until the `Down`; whoever sends then.
    let (b, monitor, alias) = used(AliasUntil::Demonitor);
    dies(&b, reason);
    notes([1, 2]);
    down(monitor);
    assert_eq!(say(&other, &alias, [3, 4]), [false, false]);

    // Until the `Down`, since no message came.
    let (b, monitor) = monitored(&a);
    let alias = A::alias(&ctx, AliasUntil::Reply(monitor));
    dies(&b, reason);
    down(monitor);
    assert_eq!(say(&other, &alias, [3, 4]), [false, false]);

    // Until the first message, which takes the monitor back.
    let (b, monitor) = monitored(&a);
    let alias = A::alias(&ctx, AliasUntil::Reply(monitor));
    let kept = A::monitor(&ctx, &b);
    let wedge = a.wedge();
    assert_eq!(say(&b, &alias, [1, 2]), [true, true]);
    dies(&b, reason);
    drop(wedge);
    assert_eq!(heard.label(), "note 1");
    down(kept);
    assert_eq!(a.downs(), 5);
    assert!(heard.ready().is_none());
}

/// R53: until it is taken back, until the monitor is, until the first message: of a monitor.
fn monitor_alias<A: Doll, B: Doll>() {
    let stage = solo();
    let monitored = |a: &ActorRef<A>| {
        let (b, _) = B::on(&stage);
        let monitor = A::monitor(&a.context(), &b);
        (b, monitor)
    };
    aliases_of_monitors(monitored, &ExitReason::Normal);
}

/// R7, R53: the same of a monitor that came with its target, and for a reason that holds a value.
fn spawn_monitor_alias<A: Doll, B: Doll>() {
    let monitored = |a: &ActorRef<A>| {
        let (child, monitor) = a.call(|_, ctx| A::spawn_monitored(ctx, B::new().0));
        (typed::<B>(child), monitor)
    };
    aliases_of_monitors(monitored, &ExitReason::Normal);
    aliases_of_monitors(monitored, &ExitReason::error(large()));
}

/// R53: a monitor that is taken back leaves an alias alone that is not its own, whoever sends by it.
fn demonitor_aliasmonitor<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let (far, _) = B::on(&pair.stand);
    let monitor = pair.monitor();
    let alias = A::alias(&pair.ctx, AliasUntil::Unalias);
    assert_eq!(pair.ctx.demonitor(monitor), Demonitor::Cancelled);
    for (by, number) in [(&pair.target, 1), (&far, 2)] {
        assert_eq!(say(by, &alias, [number]), [true]);
        assert_eq!(pair.heard.label(), format!("note {number}"));
    }
    pair.stop();
    pair.silence();
}

/// R53: so does a `Down`.
fn down_aliasmonitor<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let (far, _) = B::on(&pair.stand);
    let monitor = pair.monitor();
    let alias = A::alias(&pair.ctx, AliasUntil::Unalias);
    dies(&pair.target, &ExitReason::error("bye"));
    let down = pair.heard.down();
    assert_eq!((down.monitor_ref, &*down.reason.to_string()), (monitor, "error: bye"));
    assert_eq!(say(&far, &alias, [1]), [true]);
    assert_eq!(pair.heard.label(), "note 1");
    pair.silence();
}

/// R51: a message of the watcher's own, for a death to come, for one that was, and beside ordinary monitors of the same target.
fn monitor_tag<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let tag = |number: u32| {
        A::monitor_then(&pair.ctx, &pair.target, move |doll, down| {
            doll.tell(Event::Note(number));
            doll.tell(Event::Retold(down));
        })
    };
    let told = |number: u32, monitor| {
        assert_eq!(pair.heard.label(), format!("note {number}"));
        let Event::Retold(down) = pair.heard.next() else { panic!("the tag's Down expected") };
        assert_eq!((down.monitor_ref, down.target), (monitor, pair.target.id()));
        assert_eq!(down.reason.to_string(), "error: bye");
    };
    let first = tag(1);
    pair.target.stop_with(ExitReason::error("bye"));
    told(1, first);
    let late = tag(2);
    told(2, late);
    let plain = pair.monitor();
    assert_eq!(pair.heard.down().monitor_ref, plain);
    assert_eq!(pair.watcher.downs(), 1);
    assert!(pair.heard.ready().is_none());
}
