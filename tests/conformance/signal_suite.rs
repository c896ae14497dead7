use deathwatch::{ExitReason, Options};

use crate::doll::{Doll, Play, in_all_combinations, pair};
use crate::support::{duo, solo};

in_all_combinations! {
    xm_sig_order
    kill2killed
    monitor_order
    contended_signal_handling
}

/// R17: messages and the end of their sender come in the order in which they were sent.
fn xm_sig_order<A: Doll, B: Doll>() {
    for _ in 0..100 {
        let pair = pair::<A, B>();
        pair.monitor();
        let to = pair.watcher.clone();
        pair.target.tell(move |_, ctx| {
            (0..10).for_each(|number| A::note(&to, number));
            ctx.stop();
        });
        for number in 0..10 {
            assert_eq!(pair.heard.label(), format!("note {number}"));
        }
        assert_eq!(pair.heard.down().reason, ExitReason::Normal);
    }
}

/// R76: who is killed is told of as killed, whatever it did about it.
fn kill2killed<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    pair.monitor();
    let wedge = pair.target.wedge();
    pair.target.kill();
    pair.target.stop_with(ExitReason::error("something else"));
    drop(wedge);
    assert_eq!(pair.heard.down().reason, ExitReason::Kill);
    assert_eq!(pair.seen.until_gone(), ["dropped"], "no hook runs");
}

/// R3, R17: a monitor that is made after messages were sent to its target is answered after what those made the target send.
fn monitor_order<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let to = pair.watcher.clone();
    pair.target.tell(move |_, _| A::note(&to, 1));
    let to = pair.watcher.clone();
    pair.target.tell(move |_, ctx| {
        A::note(&to, 2);
        ctx.stop();
    });
    pair.monitor();
    let labels = [pair.heard.label(), pair.heard.label(), pair.heard.label()];
    assert_eq!(labels, ["note 1", "note 2", "down normal"]);
}

/// R14, R31: many send, monitor and cancel at one that is busy, then dies: nothing is lost, nothing comes twice.
fn contended_signal_handling<A: Doll, B: Doll>() {
    const WATCHERS: usize = 8;
    const ROUNDS: usize = 50;
    let (stand, stage) = (duo(), solo());
    let (b, seen) = B::new();
    let b = b.start_with(Options::new().runtime(&stage)).unwrap();
    let watchers: Vec<_> = (0..WATCHERS).map(|_| A::on(&stand)).collect();
    std::thread::scope(|scope| {
        for (a, _) in &watchers {
            let (ctx, b) = (a.context(), &b);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    B::note(b, 0);
                    let monitor = A::monitor(&ctx, b);
                    if round % 2 == 0 {
                        assert_eq!(ctx.demonitor(monitor), deathwatch::Demonitor::Cancelled);
                    }
                }
            });
        }
    });
    assert_eq!(b.monitored_by().len(), WATCHERS * ROUNDS / 2);
    b.tell(|_, ctx| ctx.stop()); // behind everything that was sent
    let notes = seen.until_gone().iter().filter(|label| *label == "note 0").count();
    assert_eq!(notes, WATCHERS * ROUNDS);
    for (a, heard) in &watchers {
        (0..ROUNDS / 2).for_each(|_| assert_eq!(heard.down().target, b.id()));
        assert_eq!(a.downs(), ROUNDS / 2);
    }
}
