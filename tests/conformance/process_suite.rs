use std::panic::{AssertUnwindSafe, catch_unwind};

use deathwatch::{Context, Demonitor, ExitReason};

use crate::doll::{Doll, Pair, Play, in_all_combinations, pair};
use crate::support::{Event, begun, solo};

in_all_combinations! {
    t_exit_1
    t_exit_2_other
    normal_suicide_exit
    abnormal_suicide_exit
    t_exit_2_catch
    trap_exit_badarg
    trap_exit_badarg_in_bif
    exit_twice
    spawn_request_monitor_demonitor
    spawn_request_monitor_child_exit
    monitor_tag
}

/// As large as the garbage of the original.
fn large() -> String {
    "a lot of data, ".repeat(10_000)
}

/// What the watcher is told when the target has done that in its turn.
fn told_after<W: Doll, T: Doll>(act: impl FnOnce(&Context<T>) + Send + 'static) -> (Pair<W, T>, ExitReason) {
    let pair = pair::<W, T>();
    let monitor = pair.monitor();
    pair.target.tell(move |_, ctx| act(ctx));
    let down = pair.heard.down();
    assert_eq!((down.monitor_ref, down.target), (monitor, pair.target.id()));
    (pair, down.reason)
}

/// R16, R25: who ends itself with a large reason is told of with it, ten times.
fn t_exit_1<A: Doll, B: Doll>() {
    for _ in 0..10 {
        let (_, reason) = told_after::<A, B>(|ctx| ctx.stop_with(ExitReason::error(large())));
        assert_eq!(reason.to_string(), format!("error: {}", large()));
    }
}

/// R16, R25: who is ended by another with a large reason likewise.
fn t_exit_2_other<A: Doll, B: Doll>() {
    for _ in 0..10 {
        let pair = pair::<A, B>();
        pair.monitor();
        pair.target.stop_with(ExitReason::error(large()));
        assert_eq!(pair.heard.down().reason.to_string(), format!("error: {}", large()));
    }
}

/// R25, R82: who stops itself, through its context or through a handle as anybody could, ends normally.
fn normal_suicide_exit<A: Doll, B: Doll>() {
    let (_, reason) = told_after::<A, B>(|ctx| ctx.stop());
    assert_eq!(reason, ExitReason::Normal);
    let (pair, reason) = told_after::<A, B>(|ctx| ctx.handle().stop());
    assert_eq!((reason, pair.target.exit_reason()), (ExitReason::Normal, Some(ExitReason::Normal)));
}

/// R25, R82: and with another reason with that.
fn abnormal_suicide_exit<A: Doll, B: Doll>() {
    let (_, reason) = told_after::<A, B>(|ctx| ctx.stop_with(ExitReason::error("eight kilobytes")));
    assert_eq!(reason.to_string(), "error: eight kilobytes");
    let (pair, reason) =
        told_after::<A, B>(|ctx| ctx.handle().stop_with(ExitReason::error("eight kilobytes")));
    assert_eq!(reason.to_string(), "error: eight kilobytes");
    assert_eq!(pair.target.exit_reason().map(|reason| reason.to_string()), Some(reason.to_string()));
}

/// R77: an end that was asked for is not taken back by catching whatever follows.
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

/// R16, R25: what a panic says comes as it is, however much it is, ten times.
fn trap_exit_badarg<A: Doll, B: Doll>() {
    for _ in 0..10 {
        // Not by `panic!`, which would print it.
        let (_, reason) = told_after::<A, B>(|_| std::panic::resume_unwind(Box::new(large())));
        assert_eq!(reason.to_string(), format!("panic: {}", large()));
    }
}

/// R7, R25: a child that was given what it cannot start with, ten times.
fn trap_exit_badarg_in_bif<A: Doll, B: Doll>() {
    let stand = solo();
    let (a, heard) = A::on(&stand);
    for _ in 0..10 {
        let (child, monitor) = a.call(|_, ctx| {
            let child = B::new().0.at_start(|_| std::panic::resume_unwind(Box::new("bad argument")));
            A::spawn_monitored(ctx, child)
        });
        let down = heard.down();
        assert_eq!((down.monitor_ref, down.target), (monitor, child.id()));
        assert_eq!(down.reason.to_string(), "panic: bad argument");
    }
}

/// R77: of two reasons, one after the other, the first is the one.
fn exit_twice<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    pair.monitor();
    let wedge = pair.target.wedge(); // so that both find it at work
    pair.target.stop_with(ExitReason::error("first"));
    pair.target.stop_with(ExitReason::error("second"));
    drop(wedge);
    assert_eq!(pair.heard.down().reason.to_string(), "error: first");
    assert_eq!(pair.watcher.downs(), 1);
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
