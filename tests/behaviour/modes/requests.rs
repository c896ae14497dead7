//! One asks, the other answers, or dies.

use std::time::Duration;

use deathwatch::{ActorRef, ExitReason, RequestError};

use crate::doll::{Doll, Play, in_all_combinations, in_both_modes, pair};
use crate::support::{Tally, solo};

in_all_combinations! {
    asked_in_a_handler
    the_asker_dies
}

in_both_modes! {
    the_dead
    queued_or_in_the_handler
    late_replies
    replies_before_the_death
    shows_no_monitor
}

/// R66: asking the dead fails at once, with the reason.
fn the_dead<D: Doll>() {
    let runtime = solo();
    let (doll, _) = D::on(&runtime);
    doll.stop_with(ExitReason::error("tired"));
    doll.wait_exit().wait();
    let Err(RequestError::Exited(reason)) = doll.ask(|_, _| ()).wait() else { panic!("it is dead") };
    assert_eq!(reason.to_string(), "error: tired");
}

/// R67: a request in the queue, and the one in the handler, fail with the reason of the death.
fn queued_or_in_the_handler<D: Doll>() {
    let runtime = solo();
    let (doll, _) = D::on(&runtime);
    let wedge = doll.wedge();
    let fails = doll.ask(|_, _| -> u32 { panic!("boom") });
    let queued = doll.ask(|_, _| 1);
    drop(wedge);
    for asked in [fails, queued] {
        let Err(RequestError::Exited(reason)) = asked.wait() else { panic!("it is dead") };
        assert_eq!(reason.to_string(), "panic: boom");
    }
}

/// R68: a reply that comes after the time limit is seen by nobody, and dropped once.
fn late_replies<D: Doll>() {
    let runtime = solo();
    let (doll, _) = D::on(&runtime);
    let dropped = Tally::default();
    let wedge = doll.wedge();
    let reply = dropped.one();
    let asked = doll.ask(move |_, _| reply).timeout(Duration::ZERO);
    assert!(matches!(asked.wait(), Err(RequestError::Timeout)));
    assert_eq!(dropped.count(), 0);
    drop(wedge);
    doll.downs(); // it has replied
    assert_eq!(dropped.count(), 1);
}

/// R69: a request shows as no monitor, neither while it waits nor after.
fn shows_no_monitor<D: Doll>() {
    let runtime = solo();
    let (doll, _) = D::on(&runtime);
    let wedge = doll.wedge();
    let asked = doll.ask(|_, _| 1);
    assert_eq!(doll.monitored_by(), []);
    drop(wedge);
    assert_eq!(asked.wait(), Ok(1));
    assert_eq!(doll.monitored_by(), []);
}

/// R70: a reply that was given just before the death reaches the caller.
fn replies_before_the_death<D: Doll>() {
    let runtime = solo();
    for kill in [true, false] {
        let (doll, _) = D::on(&runtime);
        let asked = doll.ask(move |_, ctx| {
            if kill {
                ctx.handle().kill()
            } else {
                ctx.stop()
            }
            7
        });
        assert_eq!(asked.wait(), Ok(7));
        doll.wait_exit().wait();
    }
}

/// Asks from inside an actor's own thread of control, and tells what came.
fn ask_inside<W: Doll, T: Doll>(watcher: &ActorRef<W>, target: &ActorRef<T>) -> Result<u32, RequestError> {
    let asked = target.ask(|_, _| 7);
    if W::THREAD { watcher.call(move |_, _| asked.wait()) } else { futures::executor::block_on(asked) }
}

/// R66, R67: requests in all four directions: awaited, or waited for inside the handler of a thread.
fn asked_in_a_handler<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    assert_eq!(ask_inside(&pair.watcher, &pair.target), Ok(7));
    pair.stop();
    let refused = ask_inside(&pair.watcher, &pair.target);
    assert!(matches!(refused, Err(RequestError::Exited(ExitReason::Normal))), "{refused:?}");
}

/// R67, R69: who dies with a request under way takes it along; the one asked lives on.
fn the_asker_dies<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let wedge = pair.target.wedge();
    let asked = pair.target.ask(|_, _| 1);
    pair.watcher.call(move |doll, _| doll.strings().luggage = Some(Box::new(asked)));
    pair.watcher.kill();
    pair.watcher.wait_exit().wait();
    drop(wedge);
    assert_eq!(pair.target.call(|_, _| 2), 2);
}
