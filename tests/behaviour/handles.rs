//! Handles: who keeps whom.

use std::collections::HashSet;
use std::sync::mpsc;

use deathwatch::tasks::Actor;
use deathwatch::{ActorHandle, ActorRef, ExitReason, Monitors, Options, Recipient};

use crate::support::*;

/// R12, R25: an actor runs as long as there is a strong handle of any kind; when the last one goes, it finishes its
/// mailbox and stops.
#[test]
fn each_kind_of_handle_keeps_an_actor_running() {
    let _dog = watchdog!();
    let runtime = solo();
    for kind in 0..4 {
        let (actor, events) = Puppet::on(&runtime);
        let kept: Box<dyn std::any::Any> = match kind {
            0 => Box::new(actor.clone()),
            1 => Box::new(actor.handle()),
            2 => Box::new(actor.recipient::<Note, _>()),
            _ => Box::new(actor.call(|_, ctx| ctx.clone())),
        };
        let weak = actor.downgrade();
        actor.send(Note(1)).unwrap();
        drop(actor);
        assert_eq!(events.label(), "note 1");
        settle(&runtime);
        assert!(weak.is_alive());
        drop(kept);
        assert_eq!(weak.wait_exit().wait(), ExitReason::Normal);
        assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
    }
}

/// What was sent through the last handle before it went is handled.
#[test]
fn the_mailbox_is_finished_first() {
    let _dog = watchdog!();
    let runtime = duo();
    for _ in 0..500 {
        let (actor, events) = Puppet::on(&runtime);
        (0..3).for_each(|n| actor.send(Note(n)).unwrap());
        drop(actor);
        assert_eq!(events.until_gone(), ["note 0", "note 1", "note 2", "stopped normal", "dropped"]);
    }
}

/// The same when the last handles go on several threads at once.
#[test]
fn the_last_handles_go_at_once() {
    let _dog = watchdog!();
    let runtime = duo();
    for _ in 0..500 {
        let (actor, events) = Puppet::on(&runtime);
        let weak = actor.downgrade();
        std::thread::scope(|scope| {
            for n in 0..3 {
                let actor = actor.clone();
                scope.spawn(move || actor.send(Note(n)).unwrap());
            }
            scope.spawn(|| drop(weak.upgrade()));
            drop(actor);
        });
        let mut told = events.until_gone();
        told.sort();
        assert_eq!(told, ["dropped", "note 0", "note 1", "note 2", "stopped normal"]);
    }
}

/// A clone of a context is a strong handle that can be used on any thread; the actor's own context is none.
#[test]
fn a_clone_of_the_context() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (actor, events) = Puppet::on(&runtime);
    let ctx = actor.call(|_, ctx| ctx.clone());
    drop(actor);
    let target_in = target.clone();
    let ctx = std::thread::spawn(move || {
        ctx.monitor(&target_in);
        ctx.send(Note(1)).unwrap();
        ctx.clone()
    })
    .join()
    .unwrap();
    assert_eq!(events.label(), "note 1");
    target.kill();
    assert_eq!(events.down().reason, ExitReason::Kill);
    drop(ctx);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// An actor that holds a handle to itself runs until it is stopped; without the handle it would end.
#[test]
fn an_actor_that_holds_itself() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = Puppet::on(&runtime);
    let weak = actor.call(|puppet, ctx| {
        puppet.luggage.push(Box::new(ctx.actor_ref()));
        ctx.actor_ref().downgrade()
    });
    drop(actor);
    settle(&runtime);
    let actor = weak.upgrade().expect("it holds itself");
    actor.stop();
    drop(actor);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
    assert_eq!(weak.wait_exit().wait(), ExitReason::Normal);
    assert!(weak.upgrade().is_none());
}

/// A message in an actor's own mailbox that holds a handle to it keeps it running until it is handled, no longer.
#[test]
fn a_message_that_holds_its_own_actor() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = Puppet::on(&runtime);
    let hold = actor.hold();
    actor.send(Cargo(actor.clone())).unwrap();
    actor.send(Note(1)).unwrap();
    drop(actor);
    hold.release();
    assert_eq!(events.until_gone(), ["note 1", "stopped normal", "dropped"]);
}

/// A handle that an actor makes of itself in its stop hook does not bring it back.
#[test]
fn no_resurrection() {
    let _dog = watchdog!();
    let runtime = solo();
    let (give, given) = mpsc::channel();
    let (puppet, events) = Puppet::new();
    let actor = runtime
        .start(puppet.at_stop(move |_, ctx| give.send((ctx.actor_ref(), ctx.clone())).unwrap()))
        .unwrap();
    drop(actor);
    let (late, ctx) = given.recv().unwrap();
    assert_eq!(late.wait_exit().wait(), ExitReason::Normal);
    assert!(late.send(Note(1)).is_err() && ctx.send(Note(1)).is_err());
    assert!(late.downgrade().upgrade().is_some(), "still a handle, to a dead actor");
    drop((late, ctx));
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// A detached actor lives on without handles: until it stops itself, or its runtime ends.
#[test]
fn detach() {
    let _dog = watchdog!();
    let runtime = solo();
    let (puppet, events) = Puppet::new();
    let (target, _) = Puppet::on(&runtime);
    let stops = runtime.start(puppet.at_down(|_, ctx| ctx.stop())).unwrap();
    let target_in = target.clone();
    stops.call(move |_, ctx| ctx.monitor(&target_in));
    let (other, other_events) = Puppet::on(&runtime);
    let (stops_weak, other_weak) = (stops.downgrade(), other.downgrade());
    stops.detach();
    other.detach();
    settle(&runtime);
    assert!(stops_weak.is_alive() && other_weak.is_alive());
    assert!(stops_weak.upgrade().is_none(), "there is no handle to copy");
    target.kill();
    assert_eq!(events.until_gone(), ["down kill", "stopped normal", "dropped"]);
    assert!(other_weak.is_alive());
    drop(runtime);
    assert_eq!(other_events.until_gone(), ["dropped"]);
    assert_eq!(other_weak.exit_reason(), Some(ExitReason::Kill));
}

/// Detached or not, what other handles there are still work.
#[test]
fn detach_leaves_other_handles() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = Puppet::on(&runtime);
    actor.clone().detach();
    actor.send(Note(1)).unwrap();
    assert_eq!(events.label(), "note 1");
    end(&actor);
    actor.detach(); // a dead one: nothing happens
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// A weak handle keeps nothing running, gives a strong one while there is another, and knows the reason afterwards.
#[test]
fn weak_handles() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = Puppet::on(&runtime);
    let weak = actor.downgrade();
    let second = weak.upgrade().unwrap();
    assert_eq!(second, actor);
    assert_eq!((weak.id(), weak.is_alive(), weak.exit_reason()), (actor.id(), true, None));
    drop(actor);
    second.send(Note(1)).unwrap();
    assert_eq!(events.label(), "note 1");
    drop(second);
    assert_eq!(weak.wait_exit().wait(), ExitReason::Normal);
    assert!(weak.upgrade().is_none() && weak.clone().upgrade().is_none());
    assert!(!weak.is_alive());
    let mut monitors = Monitors::new();
    monitors.monitor(&weak);
    assert_eq!(monitors.recv().unwrap().reason, ExitReason::Normal);
}

/// Handles to one actor are equal and hash alike, whatever way they were made; names are labels.
#[test]
fn equality() {
    let _dog = watchdog!();
    let runtime = solo();
    let options = Options::new().runtime(&runtime).name("twin");
    let (a, _) = Puppet::with(options.clone());
    let (b, _) = Puppet::with(options);
    assert_ne!(a, b);
    assert_eq!((a.name(), a.handle().name()), (Some("twin"), b.name()));
    assert_eq!(a.call(|_, ctx| (ctx.actor_ref(), ctx.handle(), ctx.id())), (a.clone(), a.handle(), a.id()));
    assert_eq!(a.call(|_, ctx| ctx.name().map(str::to_owned)).as_deref(), Some("twin"));
    let refs: HashSet<ActorRef<_>> = [a.clone(), b.clone(), a.downgrade().upgrade().unwrap()].into();
    let handles: HashSet<ActorHandle> = [a.handle(), b.handle(), a.handle()].into();
    assert_eq!((refs.len(), handles.len()), (2, 2));
    let recipient: Recipient<Note> = a.recipient();
    assert_eq!(recipient.clone().id(), a.id());
}

/// A recipient sends to actors of different types, and tells refusal as any handle does.
#[test]
fn recipients() {
    let _dog = watchdog!();
    let runtime = solo();
    let (puppet, events) = Puppet::on(&runtime);
    let idle = runtime.start(Idle).unwrap();
    let everybody: Vec<Recipient<Cargo<u32>>> = vec![puppet.recipient(), idle.recipient()];
    for one in &everybody {
        one.send(Cargo(1)).unwrap();
        assert_eq!(one.request(Cargo(2)).no_timeout().wait(), Ok(()));
    }
    drop((puppet, idle));
    drop(everybody);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);

    let dead = corpse(ExitReason::Kill);
    let recipient: Recipient<Note> = dead.recipient();
    let error = recipient.send(Note(7)).unwrap_err();
    assert_eq!(error.reason(), Some(&ExitReason::Kill));
    assert_eq!(error.into_message(), Note(7));
}

/// The default runtime starts by itself, for plain code on any thread.
#[test]
fn the_default_runtime() {
    let _dog = watchdog!();
    let threads: Vec<_> = (0..4)
        .map(|n| {
            std::thread::spawn(move || {
                let actor = Idle.start();
                assert_eq!(actor.request(Ping(n)).no_timeout().wait(), Ok(n));
                actor.join().wait()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), ExitReason::Normal);
    }
}
