//! Runtimes and their ends, as the actors of either mode see them.

use std::sync::mpsc;
use std::time::Duration;

use deathwatch::{ExitReason, Monitors, Options, RequestError, Runtime, StartError};

use crate::doll::{Doll, Play, in_all_combinations, in_both_modes};
use crate::support::{Tally, duo, solo};

/// More than any test waits for.
const LONG: Duration = Duration::from_secs(3_600);

in_both_modes! {
    ended_from_its_own_handler
    stopped_in_order
    started_after_the_end
    one_after_another
    greedy
}

in_all_combinations! {
    runtimes_that_watch_each_other
}

/// R50: an actor ends the runtime that it runs on, in order or not: it does not wait for itself; all are killed and told of.
fn ended_from_its_own_handler<D: Doll>() {
    for in_order in [true, false] {
        for workers in [1, 2] {
            let runtime = Runtime::builder().workers(workers).build().unwrap();
            let ((culprit, _), (other, _)) = (D::on(&runtime), D::on(&runtime));
            let mut monitors = Monitors::new();
            monitors.monitor(&culprit);
            monitors.monitor(&other);
            let (report, reported) = mpsc::channel();
            culprit.tell(move |_, _| {
                let ended = if in_order { runtime.shutdown(LONG).is_err() } else { true };
                drop(runtime);
                report.send(ended).unwrap();
            });
            assert!(reported.recv().unwrap(), "it was told that some were killed");
            for down in monitors {
                // The other may have stopped in time, if it was asked to.
                let in_time = in_order && down.target == other.id() && down.reason == ExitReason::Shutdown;
                assert!(in_time || down.reason == ExitReason::Kill, "{down:?}");
            }
        }
    }
}

/// R25, R50: an orderly end runs every stop hook, waits for it, and leaves nobody.
fn stopped_in_order<D: Doll>() {
    let runtime = duo();
    let (stopped, dropped) = (Tally::default(), Tally::default());
    let actors: Vec<_> = (0..20)
        .map(|_| {
            let (doll, _) = D::new();
            let (stopped, dropped) = (stopped.clone(), dropped.one());
            let doll = doll.at_stop(move |_| stopped.add()).at_drop(move || drop(dropped));
            doll.start_with(Options::new().runtime(&runtime)).unwrap()
        })
        .collect();
    runtime.shutdown(LONG).unwrap();
    assert_eq!((stopped.count(), dropped.count(), runtime.live_actors()), (20, 20, 0));
    assert!(actors.iter().all(|actor| actor.exit_reason() == Some(ExitReason::Shutdown)));
}

/// R13: after the end nothing can be started there; the actor that was to be is dropped, and no hook of it runs.
fn started_after_the_end<D: Doll>() {
    let runtime = solo();
    let options = Options::new().runtime(&runtime);
    runtime.shutdown(LONG).unwrap();
    let (doll, events) = D::new();
    assert!(matches!(doll.start_with(options), Err(StartError::ShutDown)));
    assert_eq!(events.until_gone(), ["dropped"]);
}

/// R13, R49: runtimes come and go in one process; what is left of the former ones is answered, and troubles nobody.
fn one_after_another<D: Doll>() {
    let mut former: Vec<deathwatch::ActorRef<D>> = Vec::new();
    for _ in 0..5 {
        let runtime = solo();
        let (actor, _) = D::on(&runtime);
        let (watcher, heard) = D::on(&runtime);
        let ctx = watcher.context();
        for dead in &former {
            D::monitor(&ctx, dead);
            assert_eq!(heard.down().reason, ExitReason::Shutdown);
            let refused = dead.ask(|_, _| ()).wait();
            assert!(matches!(refused, Err(RequestError::Exited(ExitReason::Shutdown))), "{refused:?}");
        }
        assert_eq!(actor.call(|_, _| 7), 7);
        runtime.shutdown(LONG).unwrap();
        former.push(actor);
    }
}

/// R50: a handler that does not return in time is killed, and counts as stuck only if it does not give way then.
fn greedy<D: Doll>() {
    let runtime = duo();
    let ((greedy, _), (other, _)) = (D::on(&runtime), D::on(&runtime));
    let wedge = greedy.wedge();
    // It gives way when the other has ended: after the time limit, or just before.
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            other.wait_exit().wait();
            drop(wedge);
        });
        runtime.shutdown(Duration::ZERO)
    });
    let expected = match ended {
        Ok(()) => ExitReason::Shutdown,
        Err(error) => {
            assert_eq!(error.stuck, 0, "it gave way");
            assert!(error.killed >= 1, "{error}");
            ExitReason::Kill
        }
    };
    let reason = greedy.exit_reason();
    // Killed although it had stopped a moment before, it keeps the earlier reason.
    assert!(reason == Some(expected) || reason == Some(ExitReason::Shutdown), "{reason:?}");
}

/// R11, R25: two runtimes whose actors watch each other: the end of one is told in the other, whose end troubles nobody.
fn runtimes_that_watch_each_other<W: Doll, T: Doll>() {
    let (here, there) = (duo(), duo());
    let pairs: Vec<_> = (0..10)
        .map(|_| {
            let ((one, heard), (two, seen)) = (W::on(&here), T::on(&there));
            W::monitor(&one.context(), &two);
            T::monitor(&two.context(), &one);
            (one, heard, two, seen)
        })
        .collect();
    there.shutdown(LONG).unwrap();
    for (one, heard, two, seen) in &pairs {
        assert_eq!(heard.down().reason, ExitReason::Shutdown);
        assert_eq!(two.exit_reason(), Some(ExitReason::Shutdown));
        assert_eq!(seen.labels(), ["stopped shutdown", "dropped"]);
        one.downs();
        assert!(one.monitors().is_empty() && one.monitored_by().is_empty());
    }
    drop(here);
    assert!(pairs.iter().all(|(one, ..)| one.exit_reason() == Some(ExitReason::Kill)));
}
