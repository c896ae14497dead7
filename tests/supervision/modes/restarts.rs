//! Restarts that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deathwatch::supervisor::{
    ChildError, ChildSpec, ChildState, Restart, Strategy, Supervisor, SupervisorError,
};
use deathwatch::{ExitReason, Options, RegisterError, RequestError, StartError};

use crate::parts::*;
use crate::support::{settle, solo_by_hand};

in_both_modes! {
    a_first_start_that_fails
    a_factory_that_panics
    a_factory_that_fails
    factories_that_panic_when_dropped
    a_start_hook_that_fails
    a_start_hook_that_fails_in_a_group
    a_failure_while_others_are_stopped
    a_failure_while_others_are_started
    a_loop_that_never_succeeds
    a_restart_that_hangs
    a_start_that_is_all_there_is
    a_name
    a_name_that_is_taken
    on_another_runtime
    temporary_ones_do_not_come_back
    finished_ones_come_back_with_the_others
}

const STRATEGIES: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];

/// R86: if one of its first children does not start, a supervisor stops those that have, and ends with an error that says which
/// and why.
fn a_first_start_that_fails<P: Part>() {
    for strategy in STRATEGIES {
        for (begin, why) in [(Begin::Panic, "panic: b does not start"), (Begin::Fail, "error: did not start")]
        {
            let (runtime, _clock) = solo_by_hand();
            let (board, told) = Board::new();
            board.begin("b", &[begin]);
            let supervisor =
                ["a", "b", "c"].into_iter().fold(Supervisor::with_strategy(strategy), |supervisor, name| {
                    supervisor.child(P::spec(name, &board))
                });
            let supervisor = start(supervisor, &runtime);
            let Err(RequestError::Exited(reason)) = supervisor.ready().wait() else {
                panic!("it does not start")
            };
            assert_eq!(reason.to_string(), format!("error: the child b did not start ({why})"));
            let ExitReason::Error(report) = &reason else { panic!() };
            let Some(SupervisorError::Start { child, .. }) = report.downcast_ref() else { panic!() };
            assert_eq!(child.name(), "b");
            supervisor.wait_exit().wait();
            let hooks: Vec<String> = told.ready().into_iter().filter(|event| event != "-b").collect();
            assert_eq!(hooks, ["+a", "+b", "-a"]);
        }
    }
}

/// A spec whose factory does what the function says, by how often it was called.
fn counted<P: Part>(
    board: &Board,
    make: impl Fn(usize) -> Result<(), String> + Send + Sync + 'static,
) -> (ChildSpec<P>, Arc<AtomicUsize>) {
    let (calls, board) = (Arc::new(AtomicUsize::new(0)), board.clone());
    let counter = Arc::clone(&calls);
    let spec =
        P::made_by("a", move || make(counter.fetch_add(1, Ordering::SeqCst)).map(|()| P::made("a", &board)));
    (spec, calls)
}

/// R86: a factory that panics in a restart counts as another failure, and is tried again; one too many, and the error says so.
fn a_factory_that_panics<P: Part>() {
    for strategy in STRATEGIES {
        let (runtime, _clock) = solo_by_hand();
        let (board, told) = Board::new();
        let (spec, calls) =
            counted::<P>(&board, |call| if call % 3 == 0 { Ok(()) } else { panic!("no {call}") });
        let a = spec.child_ref();
        let supervisor =
            start(Supervisor::with_strategy(strategy).intensity(4, SECOND).child(spec), &runtime);
        end(&ready(&a), End::Normal);
        let again = ready(&a); // the fourth call
        told.is(&["+a", "-a", "+a"]);
        assert_eq!((calls.load(Ordering::SeqCst), list(&supervisor)[0].restarts), (4, 3));
        end(&again, End::Normal);
        let reason = supervisor.wait_exit().wait();
        let expected = "error: more than 4 restarts within 1s, the last of a (panic: no 4)";
        assert_eq!(reason.to_string(), expected);
    }
}

/// R86: the same of a factory that gives an error.
fn a_factory_that_fails<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let make = |call| if call == 1 { Err("no such file".to_owned()) } else { Ok(()) };
    let (spec, calls) = counted::<P>(&board, make);
    let a = spec.child_ref();
    let supervisor = start(Supervisor::one_for_one().intensity(2, SECOND).child(spec), &runtime);
    end(&ready(&a), End::Kill);
    ready(&a);
    assert_eq!((calls.load(Ordering::SeqCst), list(&supervisor)[0].restarts), (3, 2));
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the factory panics when it is dropped");
    }
}

/// R86, R90: factories that panic when they are dropped hurt nobody: not when a child is forgotten, and not when the supervisor is
/// stopped, or killed, with several of them.
fn factories_that_panic_when_dropped<P: Part>() {
    for kill in [false, true] {
        let (runtime, _clock) = solo_by_hand();
        let (board, _told) = Board::new();
        let spec = |name| {
            let (board, bomb) = (board.clone(), Bomb);
            P::made_by(name, move || {
                let _ = &bomb;
                Ok(P::made(name, &board))
            })
        };
        let supervisor = start(Supervisor::one_for_one().child(spec("a")).child(spec("b")), &runtime);
        let once = supervisor.start_child(spec("c").restart(Restart::Temporary)).wait().unwrap().unwrap();
        end(&ready(&once), End::Normal);
        assert_eq!(
            supervisor.start_child(spec("a")).wait().unwrap().unwrap_err(),
            ChildError::Exists("a".into())
        );
        assert_eq!(words(&supervisor), ["a running", "b running"]);
        let actors: Vec<_> = list(&supervisor).into_iter().filter_map(|child| child.actor).collect();
        if kill {
            supervisor.kill()
        } else {
            supervisor.stop()
        }
        let reason = supervisor.wait_exit().wait();
        assert_eq!(reason, if kill { ExitReason::Kill } else { ExitReason::Normal });
        for actor in actors {
            let reason = actor.wait_exit().wait();
            assert_eq!(reason, if kill { ExitReason::Kill } else { ExitReason::Shutdown });
        }
    }
}

/// R86: a child that does not start again is tried again, each time as a failure of its own.
fn a_start_hook_that_fails<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.begin("a", &[Begin::Well, Begin::Panic, Begin::Fail]);
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    let supervisor = start(Supervisor::one_for_one().child(spec).child(P::spec("b", &board)), &runtime);
    supervisor.ready().wait().unwrap();
    end(&ready(&a), End::Kill);
    ready(&a);
    told.is(&["+a", "+b", "+a", "+a", "-a", "+a"]); // after a panic there is no stop hook
    assert_eq!(list(&supervisor)[0].restarts, 3);
    assert_eq!(words(&supervisor), ["a running", "b running"]);
}

/// R86: if one does not start when several are restarted, it goes on from that one: with all, or with those behind it.
fn a_start_hook_that_fails_in_a_group<P: Part>() {
    for (strategy, then) in [
        (Strategy::OneForAll, &["-a", "+a", "+b", "+c"][..]), // all of them once more
        (Strategy::RestForOne, &["+b", "+c"]),                // `a` is up already
    ] {
        let (runtime, _clock) = solo_by_hand();
        let (board, told) = Board::new();
        board.begin("b", &[Begin::Well, Begin::Panic]);
        let specs = ["a", "b", "c"].map(|name| P::spec(name, &board));
        let [a, _, c] = specs.each_ref().map(ChildSpec::child_ref);
        let supervisor = specs.into_iter().fold(Supervisor::with_strategy(strategy), Supervisor::child);
        let supervisor = start(supervisor, &runtime);
        supervisor.ready().wait().unwrap();
        end(&ready(&a), End::Kill);
        told.is(&["+a", "+b", "+c", "-c", "-b", "+a", "+b"]);
        told.is(then);
        ready(&c);
        until(&supervisor, "c", ChildState::Running);
        assert_eq!(words(&supervisor), ["a running", "b running", "c running"]);
        settle(&runtime);
        assert_eq!(told.ready(), [""; 0]);
    }
}

/// R86: who fails while the others are being stopped for a restart is restarted with them, and does not count.
fn a_failure_while_others_are_stopped<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.leave("c", Leave::Hang);
    let specs = ["a", "b", "c"].map(|name| P::spec(name, &board));
    let [a, b, _] = specs.each_ref().map(ChildSpec::child_ref);
    let supervisor =
        specs.into_iter().fold(Supervisor::one_for_all().intensity(1, SECOND), Supervisor::child);
    let supervisor = start(supervisor, &runtime);
    supervisor.ready().wait().unwrap();
    let (first, second) = (ready(&a), ready(&b));
    end(&first, End::Kill);
    told.is(&["+a", "+b", "+c", "-c"]);
    end(&second, End::Error);
    told.is(&["-b"]);
    assert_eq!(words(&supervisor), ["a waiting", "b waiting", "c stopping"]);
    overdue::<P>(&runtime, &clock, &board, 5 * SECOND);
    told.is(&["+a", "+b", "+c"]);
    assert_ne!(ready(&b).id(), second.id());
}

/// R86: who fails while others are being started is restarted, those behind it are stopped first, and none is forgotten.
fn a_failure_while_others_are_started<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    let specs = ["a", "b", "c", "d"].map(|name| P::spec(name, &board));
    let [a, b, _, d] = specs.each_ref().map(ChildSpec::child_ref);
    let supervisor = specs.into_iter().fold(Supervisor::rest_for_one(), Supervisor::child);
    let supervisor = start(supervisor, &runtime);
    supervisor.ready().wait().unwrap();
    let first = ready(&a);
    board.begin("c", &[Begin::Hang]);
    end(&ready(&b), End::Kill);
    told.is(&["+a", "+b", "+c", "+d", "-d", "-c", "+b", "+c"]);
    end(&ready(&b), End::Kill);
    words(&supervisor);
    overdue::<P>(&runtime, &clock, &board, 5 * SECOND);
    told.is(&["+b", "+c", "+d"]);
    ready(&d);
    until(&supervisor, "d", ChildState::Running);
    assert_eq!(words(&supervisor), ["a running", "b running", "c running", "d running"]);
    assert_eq!(ready(&a).id(), first.id());
}

/// R88: a child that never starts again, under a supervisor that never gives up, can be stopped; so can the supervisor.
fn a_loop_that_never_succeeds<P: Part>() {
    for strategy in STRATEGIES {
        for by_hand in [false, true] {
            let (runtime, _clock) = solo_by_hand();
            let (board, _told) = Board::new();
            let (spec, calls) =
                counted::<P>(&board, |call| if call == 0 { Ok(()) } else { Err("never".to_owned()) });
            let a = spec.child_ref();
            let supervisor = Supervisor::with_strategy(strategy).intensity(usize::MAX, SECOND).child(spec);
            let supervisor = start(supervisor.child(P::spec("b", &board)), &runtime);
            supervisor.ready().wait().unwrap();
            end(&ready(&a), End::Error);
            while calls.load(Ordering::SeqCst) < 100 {
                assert!(list(&supervisor)[0].actor.is_none());
            }
            if by_hand {
                supervisor.stop_child("a").wait().unwrap().unwrap();
                until(&supervisor, "b", ChildState::Running);
                assert_eq!(words(&supervisor), ["a stopped", "b running"]);
            }
            supervisor.stop();
            assert_eq!(supervisor.wait_exit().wait(), ExitReason::Normal);
        }
    }
}

/// R88: a child that hangs in its start hook, in a restart, can be stopped by hand, after its time by a kill; nobody else waits.
fn a_restart_that_hangs<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.begin("a", &[Begin::Well, Begin::Hang]);
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    let supervisor = start(Supervisor::one_for_one().child(spec).child(P::spec("b", &board)), &runtime);
    supervisor.ready().wait().unwrap();
    end(&ready(&a), End::Kill);
    told.is(&["+a", "+b", "+a"]);
    assert_eq!(words(&supervisor), ["a starting", "b running"]);
    let stopping = supervisor.stop_child("a");
    assert_eq!(words(&supervisor), ["a stopping", "b running"]);
    overdue::<P>(&runtime, &clock, &board, 5 * SECOND);
    stopping.wait().unwrap().unwrap();
    assert_eq!(words(&supervisor), ["a stopped", "b running"]);
    supervisor.restart_child("a").wait().unwrap().unwrap();
    ready(&a);
}

/// R86, R80: a child that stops itself in its start hook, in an orderly way, has not failed: it is treated as one that ended.
fn a_start_that_is_all_there_is<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.begin("a", &[Begin::Stop]);
    board.begin("b", &[Begin::Stop]);
    let supervisor = Supervisor::one_for_one()
        .child(P::spec("a", &board).restart(Restart::Transient))
        .child(P::spec("b", &board).restart(Restart::Temporary))
        .child(P::spec("c", &board));
    let supervisor = start(supervisor, &runtime);
    supervisor.ready().wait().unwrap();
    told.is(&["+a", "-a", "+b", "-b", "+c"]);
    assert_eq!(words(&supervisor), ["a stopped", "c running"]);
}

/// R19, R93: a child with a registered name has it again after each restart.
fn a_name<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let spec = P::spec("a", &board).options(Options::new().registered("the name"));
    let a = spec.child_ref();
    let _supervisor = start(Supervisor::one_for_one().intensity(100, SECOND).child(spec), &runtime);
    for how in ENDS {
        let child = ready(&a);
        assert_eq!(runtime.registry().lookup::<P>("the name"), Ok(child.clone()));
        assert_eq!((child.name(), P::hello(&child)), (Some("a"), "a"), "labelled by its child's name");
        end(&child, how);
        assert_ne!(ready(&a).id(), child.id());
    }
}

/// R86, R93: a restart that finds the name taken by a stranger has failed, with an error that says who has it.
fn a_name_that_is_taken<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let spec = P::spec("a", &board).options(Options::new().registered("the name"));
    let a = spec.child_ref();
    let supervisor = start(Supervisor::one_for_one().intensity(1, SECOND).child(spec), &runtime);
    let child = ready(&a);
    let stranger = P::made("stranger", &board).start_with(Options::new().runtime(&runtime));
    assert!(runtime.registry().unregister("the name", &child));
    runtime.registry().register("the name", &stranger).unwrap();
    end(&child, End::Error);
    let ExitReason::Error(report) = supervisor.wait_exit().wait() else { panic!() };
    let Some(SupervisorError::Intensity { reason: ExitReason::Error(report), .. }) = report.downcast_ref()
    else {
        panic!("a restart too many")
    };
    let Some(StartError::Name(RegisterError::Taken { holder, .. })) = report.downcast_ref() else { panic!() };
    assert_eq!(*holder, stranger.id());
    assert!(matches!(a.ready().wait(), Err(ChildError::Gone(_))));
}

/// R13, R86: a child may run on another runtime; when that ends, it cannot be restarted, which is told.
fn on_another_runtime<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (other, _other_clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let spec = P::spec("a", &board).options(Options::new().runtime(&other));
    let a = spec.child_ref();
    let supervisor = start(Supervisor::one_for_one().child(spec), &runtime);
    assert_eq!(P::hello(&ready(&a)), "a");
    assert_eq!((runtime.live_actors(), other.live_actors()), (1, 1));
    other.shutdown(60 * SECOND).unwrap();
    let reason = supervisor.wait_exit().wait();
    let expected =
        "error: more than 3 restarts within 5s, the last of a (error: the runtime has been shut down)";
    assert_eq!(reason.to_string(), expected);
}

/// R86, R90: temporary children are stopped with the others when one fails, and not started again.
fn temporary_ones_do_not_come_back<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    let supervisor = Supervisor::one_for_all()
        .child(spec)
        .child(P::spec("b", &board).restart(Restart::Temporary))
        .child(P::spec("c", &board));
    let supervisor = start(supervisor, &runtime);
    supervisor.ready().wait().unwrap();
    end(&ready(&a), End::Kill);
    told.is(&["+a", "+b", "+c", "-c", "-b", "+a", "+c"]);
    until(&supervisor, "c", ChildState::Running);
    assert_eq!(words(&supervisor), ["a running", "c running"]);
}

/// R86: a transient child that had done its work does it again when all are restarted; one that was stopped by hand stays so.
fn finished_ones_come_back_with_the_others<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let specs = ["a", "b", "c"].map(|name| P::spec(name, &board).restart(Restart::Transient));
    let [a, b, _] = specs.each_ref().map(ChildSpec::child_ref);
    let supervisor = start(specs.into_iter().fold(Supervisor::one_for_all(), Supervisor::child), &runtime);
    supervisor.ready().wait().unwrap();
    end(&ready(&b), End::Normal);
    supervisor.stop_child("c").wait().unwrap().unwrap();
    assert_eq!(words(&supervisor), ["a running", "b stopped", "c stopped"]);
    end(&ready(&a), End::Kill);
    told.is(&["+a", "+b", "+c", "-b", "-c", "+a", "+b"]);
    until(&supervisor, "b", ChildState::Running);
    assert_eq!(words(&supervisor), ["a running", "b running", "c stopped"]);
}
