//! What a signal does to an actor that does not trap exits.

use std::sync::mpsc;
use std::time::Duration;

use deathwatch::{ActorRef, ExitReason, Runtime};

use crate::doll::{Doll, Play, Way, dies, in_all_combinations, linked};
use crate::support::begun;

in_all_combinations! {
    normal_ends_do_nothing
    abnormal_ends_bring_down
    before_what_is_in_the_mailbox
    a_shutdown_stops_in_order
    the_end_of_a_runtime
}

/// R75: stopped, or out of handles: the other lives, and is linked no more.
fn normal_ends_do_nothing<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    assert_eq!(dies(&pair.b, ActorRef::stop), ExitReason::Normal);
    pair.a.lives();
    assert_eq!(pair.a.call(|ctx| ctx.links()), []);

    let pair = linked::<A, B>();
    let end = begun(pair.b.wait_exit());
    drop(pair.b);
    assert_eq!(end.wait(), ExitReason::Normal);
    pair.a.lives();
}

/// R74, R76: any other reason brings the other down, with a reason that says so; that of a kill is one like any other.
fn abnormal_ends_bring_down<A: Doll, B: Doll>() {
    let ways: [Way<B>; 3] = [
        (|b| b.stop_with(ExitReason::error("full")), "error: full"),
        (|b| b.tell(|_| panic!("boom")), "panic: boom"),
        (ActorRef::kill, "kill"),
    ];
    for (end, reason) in ways {
        for linked_by_the_other in [false, true] {
            let pair = crate::doll::pair::<A, B>();
            if linked_by_the_other {
                let a = pair.a.clone();
                pair.b.call(move |ctx| ctx.link(&a));
            } else {
                pair.link();
            }
            end(&pair.b);
            let why = pair.a.wait_exit().wait();
            assert_eq!(why.to_string(), format!("linked with {}, which died ({reason})", pair.b.id()));
            assert!(why.is_abnormal());
            assert_eq!(pair.heard.until_gone(), [""; 0], "no stop hook, as after a kill");
        }
    }
}

/// R74: a signal is looked at before the next message, however long that has stood there.
fn before_what_is_in_the_mailbox<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let wedge = pair.a.wedge(|_| ());
    (0..3).for_each(|n| A::note(&pair.a, n));
    pair.kill();
    drop(wedge);
    assert_eq!(pair.a.wait_exit().wait().root_cause(), &ExitReason::Kill);
    assert_eq!(pair.heard.until_gone(), [""; 0]);
}

/// R75: a shutdown asks the other to stop: it ends the message that it is at, and its stop hook runs.
fn a_shutdown_stops_in_order<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let (told, tells) = mpsc::channel();
    let wedge = pair.a.wedge(move |_| {
        let _ = told.send("through");
    });
    A::note(&pair.a, 1);
    dies(&pair.b, |b| b.stop_with(ExitReason::Shutdown));
    drop(wedge);
    let reason = pair.a.wait_exit().wait();
    assert_eq!(reason.to_string(), format!("linked with {}, which died (shutdown)", pair.b.id()));
    assert!(!reason.is_abnormal());
    assert_eq!(tells.recv(), Ok("through"));
    assert_eq!(pair.heard.until_gone(), ["stopped"]);

    // Over another link it is an orderly end still.
    let pair = linked::<A, B>();
    let (third, heard) = A::on(&pair.runtimes[0]);
    let b = pair.b.clone();
    third.call(move |ctx| ctx.link(&b));
    pair.a.stop_with(ExitReason::Shutdown);
    assert_eq!(third.wait_exit().wait().root_cause(), &ExitReason::Shutdown);
    assert_eq!(heard.until_gone(), ["stopped"]);
    assert_eq!(pair.seen.until_gone(), ["stopped"]);
}

/// R50: a runtime whose actors are linked, each with its neighbours, ends once, in order, and each with its stop hook.
fn the_end_of_a_runtime<A: Doll, B: Doll>() {
    let runtime = Runtime::builder().workers(2).build().expect("two workers");
    let mut told = Vec::new();
    let ring: Vec<(ActorRef<A>, ActorRef<B>)> = (0..8)
        .map(|_| {
            let ((a, heard), (b, seen)) = (A::on(&runtime), B::on(&runtime));
            told.extend([heard, seen]);
            (a, b)
        })
        .collect();
    for (n, (a, b)) in ring.iter().enumerate() {
        let (b, next) = (b.clone(), ring[(n + 1) % ring.len()].0.clone());
        let peer = next.clone();
        a.call({
            let b = b.clone();
            move |ctx| {
                ctx.link(&b);
                ctx.link(&peer);
            }
        });
        b.call(move |ctx| ctx.link(&next));
    }
    runtime.shutdown(Duration::from_secs(30)).expect("in order");
    for events in told {
        assert_eq!(events.until_gone(), ["stopped"]);
    }
    for (a, b) in ring {
        for reason in [a.exit_reason(), b.exit_reason()] {
            assert_eq!(reason.expect("it is dead").root_cause(), &ExitReason::Shutdown);
        }
    }
}
