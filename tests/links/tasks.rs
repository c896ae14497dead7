//! What async actors alone can show: handlers and hooks that wait.

use std::sync::mpsc;

use deathwatch::{ActorRef, ExitReason};

use crate::doll::{Doll, TaskDoll, dies};
use crate::support::{Hold, Puppet, Tally, Told, act, solo};

/// R74: in the middle of a handler that waits, as a kill does: what the handler held is dropped.
#[test]
fn in_the_middle_of_a_handler_that_waits() {
    let _dog = watchdog!();
    let (runtime, other) = (solo(), solo());
    let (puppet, events) = Puppet::on(&runtime);
    let (peer, _) = TaskDoll::on(&other);
    let (tally, link) = (Tally::default(), peer.clone());
    puppet.call(move |_, ctx| ctx.link(&link));
    let (held, entered) = (tally.one(), mpsc::channel());
    let begun = entered.0;
    let waits = act(move |_, _| {
        Box::pin(async move {
            let _held = held;
            let _ = begun.send(());
            std::future::pending::<()>().await;
        })
    });
    puppet.send(waits).expect("the puppet lives");
    entered.1.recv().expect("the handler begins");
    peer.kill();
    assert_eq!(puppet.wait_exit().wait().root_cause(), &ExitReason::Kill);
    assert_eq!(tally.count(), 1);
    assert_eq!(events.until_gone(), ["dropped"]);
}

/// R77: an actor in its stop hook is not hurt by a signal: its own reason stands.
#[test]
fn who_is_ending_is_not_hurt() {
    let _dog = watchdog!();
    let (runtime, other) = (solo(), solo());
    let (peer, _) = TaskDoll::on(&other);
    let (entered, inside) = mpsc::channel();
    let (hold, held) = Hold::new();
    let (puppet, events) = Puppet::new();
    let puppet = puppet.at_stop_async(move |_, _| {
        Box::pin(async move {
            let _ = entered.send(());
            held.await;
        })
    });
    let puppet = runtime.start(puppet).expect("the runtime runs");
    let link = peer.clone();
    puppet.call(move |_, ctx| ctx.link(&link));
    puppet.stop();
    inside.recv().expect("the stop hook begins");
    dies(&peer, ActorRef::kill);
    hold.release();
    assert_eq!(puppet.wait_exit().wait(), ExitReason::Normal);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}
