//! How many restarts are too many, and how long to wait for the next one.

use std::time::Duration;

use deathwatch::supervisor::{
    Backoff, ChildId, ChildRef, ChildSpec, ChildState, DynamicSupervisor, Restart, Supervisor,
    SupervisorError,
};
use deathwatch::{ActorRef, ExitReason};

use crate::parts::*;
use crate::support::{settle, solo_by_hand};

in_both_modes! {
    a_sliding_window
    not_one_that_begins_anew
    none_at_all
    one_failure_counts_once
    escalation
    escalation_of_a_dynamic_one
    delays_grow
    delays_begin_anew
    delays_of_its_own
    delays_of_a_group
    stopped_while_it_waits
}

const MOMENT: Duration = Duration::from_nanos(1);

fn error(reason: &ExitReason) -> SupervisorError {
    let ExitReason::Error(report) = reason else { panic!("an error expected, not {reason}") };
    report.downcast_ref::<SupervisorError>().expect("a supervisor's error").clone()
}

/// Has a child fail, and waits for the next incarnation.
fn fail<P: Part>(child: &ChildRef<P>) -> ActorRef<P> {
    end(&ready(child), End::Error);
    ready(child)
}

/// R85: the window slides: at any time, no more than so many restarts lie within the last so many seconds.
fn a_sliding_window<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    let supervisor = start(Supervisor::one_for_one().intensity(2, 10 * SECOND).child(spec), &runtime);
    // At 0, 6; just after 10, which is one of two then; just after 16; and so on: a window that begins anew every ten seconds
    // would see three.
    for pause in
        [Duration::ZERO, 6 * SECOND, 4 * SECOND + MOMENT, 6 * SECOND, 4 * SECOND + MOMENT, 6 * SECOND]
    {
        clock.advance(pause);
        fail(&a);
    }
    // Ten seconds after the last but one to the nanosecond: that is still in it.
    clock.advance(4 * SECOND);
    end(&ready(&a), End::Error);
    let reason = supervisor.wait_exit().wait();
    let expected = SupervisorError::Intensity {
        child: ChildId::from("a"),
        reason: ExitReason::error("went wrong"),
        most: 2,
        within: 10 * SECOND,
    };
    assert_eq!(error(&reason), expected);
    assert_eq!(
        reason.to_string(),
        "error: more than 2 restarts within 10s, the last of a (error: went wrong)"
    );
    assert!(a.ready().wait().is_err());
}

/// R85: what is within the window counts, also when what is older has just left it.
fn not_one_that_begins_anew<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    let supervisor = start(Supervisor::one_for_one().intensity(2, 10 * SECOND).child(spec), &runtime);
    // At 0, 9 and 11, and then at 12: of these, three are within ten seconds.
    for pause in [0, 9, 2] {
        clock.advance(pause * SECOND);
        fail(&a);
    }
    clock.advance(SECOND);
    end(&ready(&a), End::Error);
    assert!(matches!(error(&supervisor.wait_exit().wait()), SupervisorError::Intensity { .. }));
}

/// R85: no restart is allowed: the first failure is one too many. Its children are stopped, in order.
fn none_at_all<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let spec = P::spec("b", &board);
    let b = spec.child_ref();
    let supervisor = Supervisor::one_for_one()
        .intensity(0, SECOND)
        .child(P::spec("a", &board))
        .child(spec)
        .child(P::spec("c", &board));
    let supervisor = start(supervisor, &runtime);
    supervisor.ready().wait().unwrap();
    end(&ready(&b), End::Kill);
    let error = error(&supervisor.wait_exit().wait());
    let SupervisorError::Intensity { child, reason, .. } = error else { panic!() };
    assert_eq!((child.name(), reason), ("b", ExitReason::Kill));
    told.is(&["+a", "+b", "+c", "-c", "-a"]);
}

/// R85: a failure counts once, however many are restarted for it.
fn one_failure_counts_once<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let spec = P::spec("b", &board);
    let b = spec.child_ref();
    let supervisor = Supervisor::one_for_all()
        .intensity(2, SECOND)
        .child(P::spec("a", &board))
        .child(spec)
        .child(P::spec("c", &board));
    let supervisor = start(supervisor, &runtime);
    fail(&b);
    fail(&b);
    until(&supervisor, "c", ChildState::Running);
    assert!(supervisor.is_alive());
    end(&ready(&b), End::Panic);
    assert!(matches!(error(&supervisor.wait_exit().wait()), SupervisorError::Intensity { .. }));
}

/// R85: a supervisor that gives up is restarted by the one above it, with all that is below, until that gives up as well.
fn escalation<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let leaves = [P::spec("a", &board), P::spec("b", &board)];
    let b = leaves[1].child_ref();
    let branch = ChildSpec::new("branch", move || {
        leaves.clone().into_iter().fold(Supervisor::one_for_one().intensity(1, SECOND), Supervisor::child)
    });
    let tree = start(Supervisor::one_for_one().intensity(1, SECOND).child(branch), &runtime);
    tree.ready().wait().unwrap();
    told.is(&["+a", "+b"]);
    end(&ready(&b), End::Error);
    told.is(&["-b", "+b"]);
    end(&ready(&b), End::Error); // too much for the branch
    told.is(&["-b", "-a", "+a", "+b"]);
    end(&ready(&b), End::Error);
    told.is(&["-b", "+b"]);
    end(&ready(&b), End::Error); // too much for the tree
    let SupervisorError::Intensity { child, reason, .. } = error(&tree.wait_exit().wait()) else { panic!() };
    assert_eq!(child.name(), "branch");
    let SupervisorError::Intensity { child, reason, .. } = error(&reason) else { panic!() };
    assert_eq!((child.name(), reason.to_string()), ("b", "error: went wrong".to_owned()));
    told.is(&["-b", "-a"]);
    assert!(b.ready().wait().is_err());
}

/// R85: the same limit for all children of a dynamic supervisor together.
fn escalation_of_a_dynamic_one<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let supervisor = start(DynamicSupervisor::new().intensity(1, SECOND), &runtime);
    let spec = P::spec("a", &board).restart(Restart::Transient);
    let [a, b, c] = [(); 3].map(|()| supervisor.start_child(spec.clone()).wait().unwrap().unwrap());
    fail(&a);
    end(&ready(&b), End::Error);
    let SupervisorError::Intensity { child, .. } = error(&supervisor.wait_exit().wait()) else { panic!() };
    assert_eq!(&child, b.id());
    assert_eq!(child.to_string(), "a.2");
    assert!(c.get().is_none());
}

/// R86: a restart waits for as long as the back-off says, which grows to its limit.
fn delays_grow<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    let supervisor = Supervisor::one_for_one()
        .intensity(usize::MAX, SECOND)
        .backoff(Backoff::exponential(SECOND, 5 * SECOND).factor(2.0))
        .child(spec);
    let supervisor = start(supervisor, &runtime);
    told.is(&["+a"]);
    for delay in [1, 2, 4, 5, 5] {
        end(&ready(&a), End::Error);
        told.is(&["-a"]);
        assert_eq!(words(&supervisor), ["a waiting"]);
        let counts = supervisor.count_children().wait().unwrap();
        assert_eq!((counts.specs, counts.active, counts.waiting), (1, 0, 1));
        assert!(a.get().is_none());
        clock.advance(delay * SECOND - MOMENT);
        words(&supervisor);
        settle(&runtime);
        assert_eq!(told.ready(), [""; 0]);
        clock.advance(MOMENT);
        told.is(&["+a"]);
    }
}

/// R86: a child that was up for as long as the longest delay begins with the shortest again.
fn delays_begin_anew<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    let backoff = Backoff::exponential(SECOND, 4 * SECOND);
    let supervisor = Supervisor::one_for_one().intensity(usize::MAX, SECOND).backoff(backoff).child(spec);
    let supervisor = start(supervisor, &runtime);
    told.is(&["+a"]);
    // How long it was up, and how long its restart takes.
    for (up, delay) in [(0, 1), (3, 2), (3, 4), (4, 1), (0, 2)] {
        let child = ready(&a);
        clock.advance(up * SECOND);
        end(&child, End::Panic);
        words(&supervisor);
        clock.advance(delay * SECOND - MOMENT);
        words(&supervisor);
        settle(&runtime);
        assert_eq!(told.ready(), ["-a"]);
        clock.advance(MOMENT);
        told.is(&["+a"]);
    }
}

/// R86: a child may have a back-off of its own; jitter takes off no more than it may.
fn delays_of_its_own<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    let spec = P::spec("a", &board).backoff(Backoff::constant(10 * SECOND).jitter(0.5));
    let a = spec.child_ref();
    let supervisor =
        start(Supervisor::one_for_one().child(spec).backoff(Backoff::constant(SECOND)), &runtime);
    told.is(&["+a"]);
    end(&ready(&a), End::Error);
    words(&supervisor);
    clock.advance(5 * SECOND - MOMENT);
    words(&supervisor);
    settle(&runtime);
    assert_eq!(told.ready(), ["-a"]);
    clock.advance(5 * SECOND + MOMENT);
    told.is(&["+a"]);
}

/// R86: when several are restarted, the delay is between the stop of all and the start of the first.
fn delays_of_a_group<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    let spec = P::spec("b", &board);
    let b = spec.child_ref();
    let supervisor = Supervisor::one_for_all()
        .backoff(Backoff::constant(SECOND))
        .child(P::spec("a", &board))
        .child(spec)
        .child(P::spec("c", &board));
    let supervisor = start(supervisor, &runtime);
    supervisor.ready().wait().unwrap();
    end(&ready(&b), End::Error);
    told.is(&["+a", "+b", "+c", "-b", "-c", "-a"]);
    while words(&supervisor) != ["a waiting", "b waiting", "c waiting"] {}
    settle(&runtime);
    assert_eq!(told.ready(), [""; 0]);
    clock.advance(SECOND);
    told.is(&["+a", "+b", "+c"]);
}

/// R88: a child that waits for its restart can be stopped by hand, and its supervisor can be stopped.
fn stopped_while_it_waits<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    let specs = ["a", "b"].map(|name| P::spec(name, &board));
    let [a, b] = specs.each_ref().map(ChildSpec::child_ref);
    let supervisor = Supervisor::one_for_one().backoff(Backoff::constant(SECOND));
    let supervisor = start(specs.into_iter().fold(supervisor, Supervisor::child), &runtime);
    supervisor.ready().wait().unwrap();
    end(&ready(&a), End::Error);
    end(&ready(&b), End::Error);
    assert_eq!(words(&supervisor), ["a waiting", "b waiting"]);
    supervisor.stop_child("a").wait().unwrap().unwrap();
    assert_eq!(words(&supervisor), ["a stopped", "b waiting"]);
    assert!(a.ready().wait().is_err(), "nobody is about to start it");
    clock.advance(SECOND);
    end(&ready(&b), End::Kill);
    assert_eq!(words(&supervisor), ["a stopped", "b waiting"]);
    supervisor.stop();
    assert_eq!(supervisor.wait_exit().wait(), ExitReason::Normal);
    clock.advance(10 * SECOND);
    settle(&runtime);
    told.is(&["+a", "+b", "-a", "-b", "+b"]);
    assert_eq!(told.ready(), [""; 0]);
}
