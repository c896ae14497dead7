//! Children that are started, stopped, restarted and deleted while their supervisor runs.

use deathwatch::supervisor::{
    ChildError, ChildSpec, ChildState, DynamicSupervisor, Restart, Shutdown, Supervisor, SupervisorError,
};
use deathwatch::{ExitReason, RequestError};

use crate::parts::*;
use crate::support::{poll_once, solo_by_hand};

in_both_modes! {
    started
    one_that_does_not_start
    the_same_twice
    once_and_only_once
    stopped_and_restarted
    deleted
    stopped_while_it_starts
    stopped_during_a_restart
    stopped_twice
    started_during_a_restart
    restarted_but_it_does_not_start
    the_supervisor_ends_meanwhile
}

fn unknown(id: &str) -> ChildError {
    ChildError::Unknown(id.into())
}

/// R86: a child is started behind the others, and answered for when its start hook has returned.
fn started<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    let supervisor = start(Supervisor::one_for_one().child(P::spec("a", &board)), &runtime);
    let b = supervisor.start_child(P::spec("b", &board)).wait().unwrap().unwrap();
    assert!(b.get().is_some(), "it is up when this is answered");
    told.is(&["+a", "+b"]);
    board.begin("c", &[Begin::Hang]);
    let mut hangs = supervisor.start_child(P::spec("c", &board));
    told.is(&["+c"]);
    assert_eq!(words(&supervisor), ["a running", "b running", "c starting"]);
    assert!(poll_once(&mut hangs).is_pending());
    supervisor.stop();
    overdue::<P>(&runtime, &clock, &board, 5 * SECOND);
    assert!(hangs.wait().is_err(), "the supervisor has ended");
    told.is(&["-b", "-a"]);
}

/// R86: a child that does not start is forgotten, whoever asked is told why, and it counts as nothing.
fn one_that_does_not_start<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let supervisor =
        start(Supervisor::one_for_all().intensity(0, SECOND).child(P::spec("a", &board)), &runtime);
    let dynamic = start(DynamicSupervisor::new().intensity(0, SECOND), &runtime);
    let a = supervisor.find_child::<P>("a").wait().unwrap().unwrap();
    let before = ready(&a);
    for (begin, why) in [(Begin::Panic, "panic: b does not start"), (Begin::Fail, "error: did not start")] {
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            board.begin("b", &[begin, begin]);
            let spec = P::spec("b", &board).restart(restart);
            let error = supervisor.start_child(spec.clone()).wait().unwrap().unwrap_err();
            assert_eq!(error.to_string(), format!("the child b did not start ({why})"));
            assert!(dynamic.start_child(spec).wait().unwrap().is_err());
            assert_eq!((words(&supervisor), list(&dynamic).len()), (vec!["a running".to_owned()], 0));
        }
    }
    let spec = P::made_by("b", || panic!("no"));
    let error = supervisor.start_child(spec).wait().unwrap().unwrap_err();
    assert_eq!(error, ChildError::Start { child: "b".into(), reason: error_reason(&error) });
    assert_eq!(error_reason(&error).to_string(), "panic: no");
    assert_eq!(ready(&a).id(), before.id());
}

fn error_reason(error: &ChildError) -> ExitReason {
    let ChildError::Start { reason, .. } = error else { panic!("another error: {error}") };
    reason.clone()
}

/// R86: a name is there once, from the beginning and later.
fn the_same_twice<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let supervisor = start(Supervisor::one_for_one().child(P::spec("a", &board)), &runtime);
    let error = supervisor.start_child(P::spec("a", &board)).wait().unwrap().unwrap_err();
    assert_eq!(
        (error.to_string(), error),
        ("there is a child a already".to_owned(), ChildError::Exists("a".into()))
    );
    told.is(&["+a"]);
    let twice = Supervisor::one_for_one().child(P::spec("b", &board)).child(P::spec("b", &board));
    let ExitReason::Error(report) = start(twice, &runtime).wait_exit().wait() else { panic!() };
    let expected = SupervisorError::Spec(ChildError::Exists("b".into()));
    assert_eq!(report.downcast_ref(), Some(&expected));
    assert_eq!(told.ready(), [""; 0], "nobody was started");
}

/// R86: what is there already can be started once.
fn once_and_only_once<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let supervisor = start(DynamicSupervisor::new(), &runtime);
    let spec = P::once("a", &board);
    let a = supervisor.start_child(spec.clone()).wait().unwrap().unwrap();
    let error = supervisor.start_child(spec).wait().unwrap().unwrap_err();
    assert!(error.to_string().contains("can be started once"), "{error}");
    end(&ready(&a), End::Kill);
    assert!(a.ready().wait().is_err());
    assert_eq!(list(&supervisor).len(), 0);
    told.is(&["+a"]);
}

/// R86, R83: stopped by hand, a child stays so, whatever it is; restarted by hand, it is another incarnation in the same place.
fn stopped_and_restarted<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    let specs = ["a", "b"].map(|name| P::spec(name, &board).shutdown(Shutdown::After(SECOND)));
    let [a, _] = specs.each_ref().map(ChildSpec::child_ref);
    let supervisor = start(specs.into_iter().fold(Supervisor::one_for_one(), Supervisor::child), &runtime);
    supervisor.ready().wait().unwrap();
    let first = ready(&a);
    supervisor.stop_child("a").wait().unwrap().unwrap();
    assert_eq!(first.exit_reason(), Some(ExitReason::Shutdown));
    told.is(&["+a", "+b", "-a"]);
    assert_eq!(words(&supervisor), ["a stopped", "b running"]);
    assert!(a.ready().wait().is_err());
    assert_eq!(supervisor.restart_child("b").wait().unwrap(), Err(ChildError::Running("b".into())));
    supervisor.restart_child("a").wait().unwrap().unwrap();
    told.is(&["+a"]);
    let second = a.get().expect("it is up when this is answered");
    assert_ne!(second.id(), first.id());
    assert_eq!(words(&supervisor), ["a running", "b running"]);
    assert_eq!(list(&supervisor)[0].restarts, 0, "it did not fail");

    // One that does not end in its time is killed.
    board.leave("a", Leave::Hang);
    let mut stopping = supervisor.stop_child(&a);
    told.is(&["-a"]);
    assert_eq!(words(&supervisor), ["a stopping", "b running"]);
    assert!(poll_once(&mut stopping).is_pending());
    overdue::<P>(&runtime, &clock, &board, SECOND);
    stopping.wait().unwrap().unwrap();
    assert_eq!(second.exit_reason(), Some(ExitReason::Kill));
    assert_eq!(supervisor.stop_child("nobody").wait().unwrap(), Err(unknown("nobody")));
    assert_eq!(supervisor.restart_child("nobody").wait().unwrap(), Err(unknown("nobody")));
}

/// R86: only who is stopped can be deleted; then the name is free.
fn deleted<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let supervisor = start(Supervisor::one_for_one().child(P::spec("a", &board)), &runtime);
    supervisor.ready().wait().unwrap();
    assert_eq!(supervisor.delete_child("a").wait().unwrap(), Err(ChildError::Running("a".into())));
    supervisor.stop_child("a").wait().unwrap().unwrap();
    assert_eq!(supervisor.delete_child("a").wait().unwrap(), Ok(()));
    assert_eq!(supervisor.delete_child("a").wait().unwrap(), Err(unknown("a")));
    assert_eq!(list(&supervisor).len(), 0);
    supervisor.start_child(P::spec("a", &board)).wait().unwrap().unwrap();
    assert_eq!(words(&supervisor), ["a running"]);
    // One that is temporary is deleted by the stop.
    let spec = P::spec("b", &board).restart(Restart::Temporary);
    supervisor.start_child(spec).wait().unwrap().unwrap();
    supervisor.stop_child("b").wait().unwrap().unwrap();
    assert_eq!(words(&supervisor), ["a running"]);
}

/// R88: a child that hangs in its first start can be stopped; whoever waits for the start is told.
fn stopped_while_it_starts<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.begin("a", &[Begin::Hang]);
    let supervisor = start(Supervisor::one_for_one(), &runtime);
    let starting = supervisor.start_child(P::spec("a", &board));
    told.is(&["+a"]);
    let stopping = supervisor.stop_child("a");
    words(&supervisor);
    overdue::<P>(&runtime, &clock, &board, 5 * SECOND);
    assert_eq!(starting.wait().unwrap().unwrap_err(), ChildError::Stopped("a".into()));
    assert_eq!(stopping.wait().unwrap(), Ok(()));
}

/// R88: a child that is stopped by hand while all are being restarted is not started with them.
fn stopped_during_a_restart<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.leave("c", Leave::Hang);
    let specs = ["a", "b", "c"].map(|name| P::spec(name, &board));
    let [a, ..] = specs.each_ref().map(ChildSpec::child_ref);
    let supervisor = start(specs.into_iter().fold(Supervisor::one_for_all(), Supervisor::child), &runtime);
    supervisor.ready().wait().unwrap();
    end(&ready(&a), End::Kill);
    told.is(&["+a", "+b", "+c", "-c"]);
    let [b, c] = ["b", "c"].map(|name| supervisor.stop_child(name));
    assert_eq!(b.wait().unwrap(), Ok(()));
    assert_eq!(words(&supervisor), ["a waiting", "b stopped", "c stopping"]);
    overdue::<P>(&runtime, &clock, &board, 5 * SECOND);
    assert_eq!(c.wait().unwrap(), Ok(()));
    told.is(&["-b", "+a"]);
    until(&supervisor, "a", ChildState::Running);
    assert_eq!(words(&supervisor), ["a running", "b stopped", "c stopped"]);
}

/// R86: whoever asks for a stop that is on the way is told as well, and so is whoever asks when it is over.
fn stopped_twice<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.leave("a", Leave::Hang);
    let supervisor = start(Supervisor::one_for_one().child(P::spec("a", &board)), &runtime);
    supervisor.ready().wait().unwrap();
    let stopping = [(); 3].map(|()| supervisor.stop_child("a"));
    told.is(&["+a", "-a"]);
    assert_eq!(supervisor.restart_child("a").wait().unwrap(), Err(ChildError::Running("a".into())));
    overdue::<P>(&runtime, &clock, &board, 5 * SECOND);
    for stopping in stopping {
        assert_eq!(stopping.wait().unwrap(), Ok(()));
    }
    assert_eq!(supervisor.stop_child("a").wait().unwrap(), Ok(()));
}

/// R86: a child that is started while all are being restarted starts behind them.
fn started_during_a_restart<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.leave("b", Leave::Hang);
    let specs = ["a", "b"].map(|name| P::spec(name, &board));
    let [a, _] = specs.each_ref().map(ChildSpec::child_ref);
    let supervisor = start(specs.into_iter().fold(Supervisor::one_for_all(), Supervisor::child), &runtime);
    supervisor.ready().wait().unwrap();
    end(&ready(&a), End::Kill);
    told.is(&["+a", "+b", "-b"]);
    let starting = supervisor.start_child(P::spec("c", &board));
    assert_eq!(words(&supervisor), ["a waiting", "b stopping", "c waiting"]);
    overdue::<P>(&runtime, &clock, &board, 5 * SECOND);
    starting.wait().unwrap().unwrap();
    told.is(&["+a", "+b", "+c"]);
    assert_eq!(words(&supervisor), ["a running", "b running", "c running"]);
}

/// R86: a child that is restarted by hand and does not start stays stopped, and counts as nothing.
fn restarted_but_it_does_not_start<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    board.begin("a", &[Begin::Well, Begin::Panic]);
    let supervisor =
        start(Supervisor::one_for_one().intensity(0, SECOND).child(P::spec("a", &board)), &runtime);
    supervisor.ready().wait().unwrap();
    supervisor.stop_child("a").wait().unwrap().unwrap();
    let error = supervisor.restart_child("a").wait().unwrap().unwrap_err();
    assert_eq!(error_reason(&error).to_string(), "panic: a does not start");
    assert_eq!(words(&supervisor), ["a stopped"]);
    supervisor.restart_child("a").wait().unwrap().unwrap();
    assert_eq!(words(&supervisor), ["a running"]);
}

/// R86: who waits for an answer of a supervisor that ends is told so.
fn the_supervisor_ends_meanwhile<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.leave("a", Leave::Hang);
    board.begin("b", &[Begin::Hang]);
    let specs = ["a", "b"].map(|name| P::spec(name, &board).shutdown(Shutdown::Kill));
    let supervisor = specs.into_iter().fold(Supervisor::one_for_one(), Supervisor::child);
    let supervisor = start(supervisor.child(P::spec("c", &board)), &runtime);
    told.is(&["+a", "+b"]);
    let up = supervisor.ready();
    let starting = supervisor.start_child(P::spec("d", &board));
    assert_eq!(words(&supervisor), ["a running", "b starting", "c waiting", "d waiting"]);
    supervisor.stop_with(ExitReason::error("enough"));
    overdue::<P>(&runtime, &clock, &board, SECOND);
    let reason = supervisor.wait_exit().wait();
    assert_eq!(reason.to_string(), "error: enough");
    assert_eq!(up.wait(), Err(RequestError::Exited(reason.clone())));
    assert_eq!(starting.wait().map(drop), Err(RequestError::Exited(reason)));
    assert_eq!(told.ready(), [""; 0], "nobody else was started, and no stop hook was run");
}
