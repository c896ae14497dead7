//! Messages that are put aside.

use std::time::Duration;

use deathwatch::{
    ActorRef, Demonitor, Down, ExitReason, Group, Mailbox, MonitorRef, OnFull, RequestError, Runtime, Stash,
    TimerCancel,
};
use futures::{StreamExt, stream};

use super::actors::*;
use crate::support::{Idle, Tally, begun, end, poll_once, solo_by_hand};

/// What was put aside is handled before what is newer, in the order in which it came; also what came in between.
#[test]
fn before_what_is_newer() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 8);
    (1..=3).for_each(|n| keeper.send(Note(n)).unwrap());
    assert_eq!(call(&keeper, |keeper, _| keeper.stash.len()), 3);
    let wedge = hold(&keeper);
    keeper.send(Note(4)).unwrap();
    keeper
        .send(job(|keeper: &mut Keeper, _: &_| {
            keeper.open = true;
            assert_eq!(keeper.stash.unstash_all(), 4);
        }))
        .unwrap();
    (5..=6).for_each(|n| keeper.send(Note(n)).unwrap());
    drop(wedge);
    assert_eq!(said.take(6), ["1", "2", "3", "4", "5", "6"]);
}

/// A request that is put aside is answered when it is handled.
#[test]
fn a_reply_that_is_pending() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 8);
    let mut early = keeper.request(Echo(7)).no_timeout();
    assert_eq!(call(&keeper, |keeper, _| keeper.stash.len()), 1);
    assert!(poll_once(&mut early).is_pending());
    open(&keeper);
    assert_eq!(early.wait(), Ok(7));
    assert_eq!(said.next(), "echo 7");
}

/// One at a time; and those that are postponed again keep their order.
#[test]
fn one_at_a_time() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 8);
    (1..=4).for_each(|n| keeper.send(Note(n)).unwrap());
    call(&keeper, |keeper, _| {
        keeper.open = true;
        assert!(keeper.stash.unstash_one() && keeper.stash.unstash_one());
        assert_eq!((keeper.stash.len(), keeper.stash.capacity()), (2, 8));
    });
    assert_eq!(said.take(2), ["1", "2"]);
    call(&keeper, |keeper, _| {
        keeper.open = false;
        assert_eq!(keeper.stash.unstash_all(), 2);
        assert!(!keeper.stash.unstash_one());
    });
    assert_eq!(call(&keeper, |keeper, _| keeper.stash.len()), 2);
    open(&keeper);
    assert_eq!(said.take(2), ["3", "4"]);
}

/// What finds the stash full is handled after all; what is pushed by a handler comes back.
#[test]
fn full() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 2);
    let early = keeper.request(Echo(1)).no_timeout();
    keeper.send(Note(2)).unwrap();
    assert_eq!(keeper.request(Echo(3)).no_timeout().wait(), Ok(3));
    assert_eq!(said.next(), "closed echo 3");
    call(&keeper, |keeper, _| {
        assert!(keeper.stash.is_full());
        let Note(n) = keeper.stash.push(Note(4)).unwrap_err().into_message();
        assert_eq!(n, 4);
        assert!(keeper.stash.unstash_one());
        keeper.stash.push(Note(5)).unwrap();
        keeper.open = true;
        keeper.stash.unstash_all();
    });
    assert_eq!(said.take(3), ["echo 1", "2", "5"]);
    assert_eq!(early.wait(), Ok(1));
}

/// In a hook, too: what is let go by `started` is handled before the first message.
#[test]
fn let_go_by_a_hook() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (mut keeper, said) = Keeper::new(4);
    keeper.stash.push(Note(1)).unwrap();
    keeper.open = true;
    keeper.stash.unstash_all();
    let keeper = keeper.started_with(place(&runtime));
    keeper.send(Note(2)).unwrap();
    assert_eq!(said.take(2), ["1", "2"]);
}

/// R67: requests in the stash of an actor that dies fail at once with its reason, however it dies; messages are dropped.
#[test]
fn the_stash_of_the_dead() {
    let _dog = watchdog!();
    let runtime = runtime();
    let stop = |keeper: &ActorRef<Keeper>| keeper.stop_with(ExitReason::error("enough"));
    let kill = |keeper: &ActorRef<Keeper>| keeper.kill();
    let panic = |keeper: &ActorRef<Keeper>| {
        let _ = keeper.send(job(|_: &mut Keeper, _: &_| boom()));
    };
    for (how, reason) in
        [(&stop as &dyn Fn(&_), "error: enough"), (&kill, "kill"), (&panic, "panic: on purpose")]
    {
        let (keeper, said) = Keeper::on(&runtime, 8);
        let mut early = keeper.request(Echo(1)).no_timeout();
        let let_go = keeper.request(Echo(2)).no_timeout();
        keeper.send(Note(2)).unwrap();
        assert_eq!(call(&keeper, |keeper, _| keeper.stash.len()), 3);
        assert!(poll_once(&mut early).is_pending());
        how(&keeper);
        let Err(RequestError::Exited(is)) = early.wait() else { panic!("no reply") };
        assert_eq!(is.to_string(), reason);
        let Err(RequestError::Exited(is)) = let_go.wait() else { panic!("no reply") };
        assert_eq!(is.to_string(), reason);
        assert_eq!(said.rest(), [""; 0]);
    }
}

/// A stash keeps nobody running: the last handle is gone, and so is what was postponed.
#[test]
fn keeps_nobody_running() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 8);
    let early = keeper.request(Echo(1)).no_timeout();
    drop(keeper);
    assert_eq!(early.wait(), Err(RequestError::Exited(ExitReason::Normal)));
    assert_eq!(said.rest(), [""; 0]);
}

/// A stash that is cleared, or replaced, while its actor lives: requests fail at once, and not with a death.
#[test]
fn cleared_and_replaced() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 8);
    for replace in [false, true] {
        let early = keeper.request(Echo(1)).no_timeout();
        keeper.send(Note(1)).unwrap();
        call(&keeper, move |keeper, _| {
            assert_eq!(keeper.stash.len(), 2);
            if replace {
                keeper.stash = Stash::bounded(8);
            } else {
                keeper.stash.clear();
            }
            assert!(keeper.stash.is_empty());
        });
        assert_eq!(early.wait(), Err(RequestError::Full));
    }
    open(&keeper);
    assert_eq!(said.ready(), [""; 0]);
}

/// R29, R30, R31: a `Down` that is put aside is taken back by `demonitor`, from the actor itself and from elsewhere, and that one
/// only; the rest come out in order.
#[test]
fn a_down_is_exact() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 8);
    let targets: Vec<_> = (0..4).map(|_| runtime.start(Idle).unwrap()).collect();
    let handles: Vec<_> = targets.iter().map(|target| target.handle()).collect();
    let (monitors, ctx) = call(&keeper, move |_, ctx| {
        (handles.iter().map(|target| ctx.monitor(target)).collect::<Vec<_>>(), ctx.clone())
    });
    for (n, target) in targets.iter().enumerate() {
        target.stop_with(ExitReason::error(n.to_string()));
        target.wait_exit().wait();
        until(|| call(&keeper, |keeper, _| keeper.stash.len()) == n + 1);
    }
    let first = monitors[0];
    let Demonitor::Flushed(down) = call(&keeper, move |_, ctx| ctx.demonitor(first)) else { panic!() };
    assert_eq!((down.monitor_ref, down.reason.to_string()), (first, "error: 0".to_owned()));
    let Demonitor::Flushed(down) = ctx.demonitor(monitors[2]) else { panic!() };
    assert_eq!(down.target, targets[2].id());
    assert!(matches!(ctx.demonitor(monitors[2]), Demonitor::Unknown));
    open(&keeper);
    assert_eq!(said.take(2), ["down error: 1", "down error: 3"]);
    keeper.request(Echo(0)).no_timeout().wait().unwrap();
    assert_eq!(said.ready(), ["echo 0"]);
    assert!(matches!(ctx.demonitor(monitors[1]), Demonitor::Unknown));
}

/// A monitor of the keeper's whose `Down` has been put aside.
fn a_down_aside(runtime: &Runtime, keeper: &ActorRef<Keeper>) -> MonitorRef {
    let target = runtime.start(Idle).unwrap();
    let handle = target.handle();
    let monitor = call(keeper, move |_, ctx| ctx.monitor(&handle));
    end(&target);
    until(|| call(keeper, |keeper, _| keeper.stash.len()) == 1);
    monitor
}

/// R46: a `Down` that is dropped with its stash leaves nothing behind: its monitor is over, as if it had been handled.
#[test]
fn a_down_that_is_cleared() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, _said) = Keeper::on(&runtime, 8);
    let monitor = a_down_aside(&runtime, &keeper);
    call(&keeper, move |keeper, ctx| {
        keeper.stash.clear();
        assert!(matches!(ctx.demonitor(monitor), Demonitor::Unknown));
    });
}

/// R29, R30: taken back between being let go and being handled.
#[test]
fn a_down_that_was_let_go() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 8);
    let monitor = a_down_aside(&runtime, &keeper);
    call(&keeper, move |keeper, ctx| {
        keeper.open = true;
        keeper.stash.unstash_all();
        assert!(matches!(ctx.demonitor(monitor), Demonitor::Flushed(_)));
    });
    keeper.request(Echo(0)).no_timeout().wait().unwrap();
    assert_eq!(said.ready(), ["echo 0"]);
}

/// R51: a message of the watcher's own in place of the `Down`, also of the dead, is postponed as any message, and is never handled
/// after a cancel.
#[test]
fn a_down_as_another_message() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 8);
    let target = runtime.start(Idle).unwrap();
    end(&target);
    let handle = target.handle();
    let monitors: Vec<_> = call(&keeper, move |_, ctx| {
        (1..=3).map(|n| ctx.monitor_with(&handle, move |_: Down| Note(n))).collect()
    });
    until(|| call(&keeper, |keeper, _| keeper.stash.len()) == 3);
    let second = monitors[1];
    let Demonitor::Flushed(down) = call(&keeper, move |_, ctx| ctx.demonitor(second)) else { panic!() };
    assert_eq!(down.reason, ExitReason::Normal);
    open(&keeper);
    assert_eq!(said.take(2), ["1", "3"]);
    assert!(call(&keeper, |_, ctx| ctx.monitors()).is_empty());
}

/// R51: what makes the message does not even run when the monitor was taken back before its `Down` had its turn.
#[test]
fn a_down_that_nobody_wants() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 8);
    let target = runtime.start(Idle).unwrap();
    end(&target);
    let (handle, tally) = (target.handle(), Tally::default());
    let count = tally.clone();
    call(&keeper, move |_, ctx| {
        let monitor = ctx.monitor_with(&handle, move |_: Down| {
            count.add();
            Note(1)
        });
        assert!(matches!(ctx.demonitor(monitor), Demonitor::Flushed(_)));
    });
    open(&keeper);
    call(&keeper, |_, _| ());
    assert_eq!((tally.count(), said.ready()), (0, vec![]));
}

/// R94: a timer has fired when its message is put aside, and comes out with the rest.
#[test]
fn timers() {
    let _dog = watchdog!();
    let (runtime, clock) = solo_by_hand();
    let (keeper, said) = Keeper::on(&runtime, 8);
    let timer = call(&keeper, |_, ctx| ctx.send_after(Duration::from_secs(1), Note(1)));
    clock.advance(Duration::from_secs(1));
    assert_eq!(call(&keeper, |keeper, _| keeper.stash.len()), 1);
    assert_eq!(timer.cancel(), TimerCancel::Fired);
    open(&keeper);
    assert_eq!(said.next(), "1");
}

/// R94: what a stream brings counts as unhandled for as long as it is put aside, and is dropped unseen when that is detached.
#[test]
fn streams() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 8);
    let polled = Tally::default();
    let attach = |polled: Tally| {
        call(&keeper, move |_, ctx| {
            let numbers = stream::iter(1..=3).map(move |n| {
                polled.add();
                Note(n)
            });
            ctx.attach_with(numbers, 1, |_| Note(100))
        })
    };
    let first = attach(polled.clone());
    until(|| call(&keeper, |keeper, _| keeper.stash.len()) == 1);
    assert_eq!(polled.count(), 1);
    assert!(first.detach());
    let _second = attach(polled.clone());
    until(|| call(&keeper, |keeper, _| keeper.stash.len()) == 2);
    open(&keeper);
    assert_eq!(said.take(4), ["1", "2", "3", "100"]);
    call(&keeper, |_, _| ());
    assert_eq!(said.ready(), [""; 0]);
}

/// R94: a change of a group that is no longer monitored is dropped unseen.
#[test]
fn groups() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 8);
    let (group, other) = (Group::new(), Group::new());
    let idle = runtime.start(Idle).unwrap();
    group.join(&idle).unwrap();
    other.join(&idle).unwrap();
    call(&keeper, {
        let (group, other) = (group.clone(), other.clone());
        move |_, ctx| {
            let monitor = ctx.monitor_group(&group);
            ctx.monitor_group(&other);
            ctx.send(job(move |keeper: &mut Keeper, ctx: &deathwatch::Context<Keeper>| {
                assert_eq!(keeper.stash.len(), 2);
                assert!(ctx.demonitor_group(&group, monitor));
            }))
            .unwrap();
        }
    });
    call(&keeper, |_, _| ());
    open(&keeper);
    assert_eq!(said.next(), "+1 -0");
    call(&keeper, |_, _| ());
    assert_eq!(said.ready(), [""; 0]);
}

/// What is put aside holds no place in a bounded mailbox, and gives none back twice.
#[test]
fn bounded_mailboxes() {
    let _dog = watchdog!();
    let runtime = runtime();
    for policy in [OnFull::Reject, OnFull::Wait, OnFull::DropNewest, OnFull::DropOldest] {
        let (keeper, said) = Keeper::new(8);
        let options = place(&runtime).mailbox(Mailbox::bounded(2, policy));
        let keeper = keeper.started_with(options);
        for n in 1..=4 {
            keeper.send(Note(n)).unwrap();
            until(|| call(&keeper, |keeper, _| keeper.stash.len()) == n as usize);
        }
        open(&keeper);
        assert_eq!(said.take(4), ["1", "2", "3", "4"]);
        let wedge = hold(&keeper);
        keeper.send(Note(5)).unwrap();
        keeper.send(Note(6)).unwrap();
        let third = keeper.send(Note(7));
        assert_eq!(third.is_err(), matches!(policy, OnFull::Reject | OnFull::Wait));
        drop(wedge);
        let kept = if policy == OnFull::DropOldest { ["6", "7"] } else { ["5", "6"] };
        assert_eq!(said.take(2), kept);
    }
}

/// R24: a panic in `postpone` is a panic in the handler.
#[test]
fn a_panic_while_asked() {
    let _dog = watchdog!();
    let runtime = runtime();
    let fuse = Fuse::on(&runtime);
    let waiting = begun(fuse.wait_exit());
    let asked = fuse.request(Echo(1)).no_timeout();
    assert_eq!(waiting.wait().to_string(), "panic: asked");
    assert!(matches!(asked.wait(), Err(RequestError::Exited(ExitReason::Panic(_)))));
}
