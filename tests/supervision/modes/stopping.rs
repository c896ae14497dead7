//! How a supervisor ends, and its children with it.

use std::time::Duration;

use deathwatch::supervisor::{ChildSpec, ChildState, DynamicSupervisor, Restart, Shutdown, Supervisor};
use deathwatch::{ExitReason, Monitors, Options, Runtime};

use crate::parts::*;
use crate::support::{Puppet, Told as _, begun, duo, poll_once, settle, solo_by_hand};

in_both_modes! {
    in_reverse_order
    each_has_its_time
    without_a_time_limit
    killed_at_once
    told_after_its_children
    told_after_children_that_ended_just_before
    while_a_child_does_not_start
    killed_it_takes_its_children_along
    killed_trees_leave_nobody
    the_end_of_the_runtime
    the_end_of_the_runtime_is_no_failure
    the_last_handle
    a_tree_stops_from_below
}

/// R83: children stop one after the other, the last one first, each when the one after it has ended.
fn in_reverse_order<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let supervisor = ["a", "b", "c"]
        .into_iter()
        .fold(Supervisor::one_for_one(), |supervisor, name| supervisor.child(P::spec(name, &board)));
    let supervisor = start(supervisor, &runtime);
    supervisor.ready().wait().unwrap();
    let actors: Vec<_> = list(&supervisor).into_iter().map(|child| child.actor.unwrap()).collect();
    supervisor.stop();
    assert_eq!(supervisor.wait_exit().wait(), ExitReason::Normal);
    told.is(&["+a", "+b", "+c", "-c", "-b", "-a"]);
    for actor in actors {
        assert_eq!(actor.exit_reason(), Some(ExitReason::Shutdown));
    }
    assert_eq!(told.ready(), [""; 0]);
}

/// R83: a child that does not end within its time is killed, and only then the next one is stopped.
fn each_has_its_time<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.leave("b", Leave::Hang);
    let specs = [
        P::spec("a", &board),
        P::spec("b", &board).shutdown(Shutdown::After(3 * SECOND)),
        P::spec("c", &board),
    ];
    let [a, b, _] = [&specs[0], &specs[1], &specs[2]].map(ChildSpec::child_ref);
    let supervisor = start(specs.into_iter().fold(Supervisor::one_for_one(), Supervisor::child), &runtime);
    supervisor.ready().wait().unwrap();
    let (a, b) = (ready(&a), ready(&b));
    supervisor.stop();
    told.is(&["+a", "+b", "+c", "-c", "-b"]);
    settle(&runtime);
    clock.advance(3 * SECOND - Duration::from_nanos(1));
    settle(&runtime);
    assert!(b.is_alive());
    overdue::<P>(&runtime, &clock, &board, Duration::from_nanos(1));
    assert_eq!(b.wait_exit().wait(), ExitReason::Kill);
    told.is(&["-a"]);
    assert_eq!(supervisor.wait_exit().wait(), ExitReason::Normal);
    assert_eq!(a.exit_reason(), Some(ExitReason::Shutdown));
}

/// R83: a child without a time limit is waited for, however long that takes.
fn without_a_time_limit<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.leave("a", Leave::Hang);
    let spec = P::spec("a", &board).shutdown(Shutdown::Infinite);
    let a = spec.child_ref();
    let supervisor = start(Supervisor::one_for_one().child(spec), &runtime);
    let child = ready(&a);
    supervisor.stop();
    told.is(&["+a", "-a"]);
    clock.advance(1_000_000 * SECOND);
    assert!(child.is_alive() && supervisor.is_alive());
    child.kill();
    if P::THREAD {
        board.release();
    }
    supervisor.wait_exit().wait();
    assert_eq!(child.exit_reason(), Some(ExitReason::Kill));
}

/// R83: a child that is to be killed is: its stop hook does not run.
fn killed_at_once<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let spec = P::spec("a", &board).shutdown(Shutdown::Kill);
    let a = spec.child_ref();
    let supervisor = start(Supervisor::one_for_one().child(spec), &runtime);
    let child = ready(&a);
    supervisor.stop();
    supervisor.wait_exit().wait();
    assert_eq!(child.exit_reason(), Some(ExitReason::Kill));
    assert_eq!(told.ready(), ["+a"]);
}

/// R84: whoever monitors a supervisor and its children is told of every child first.
fn told_after_its_children<P: Part>() {
    for dynamic in [false, true] {
        let runtime = duo();
        let (board, _told) = Board::new();
        let mut monitors = Monitors::new();
        const MANY: usize = 20;
        let (supervisor, children) = if dynamic {
            let supervisor = start(DynamicSupervisor::new(), &runtime);
            for _ in 0..MANY {
                supervisor.start_child(P::spec("a", &board)).wait().unwrap().unwrap();
            }
            let children = list(&supervisor);
            (supervisor.handle(), children)
        } else {
            let supervisor = (0..MANY).fold(Supervisor::one_for_one(), |supervisor, n| {
                supervisor.child(P::spec(leaked(format!("child {n}")), &board))
            });
            let supervisor = start(supervisor, &runtime);
            supervisor.ready().wait().unwrap();
            let children = list(&supervisor);
            (supervisor.handle(), children)
        };
        monitors.monitor(&supervisor);
        for child in &children {
            monitors.monitor(child.actor.as_ref().unwrap());
        }
        assert_eq!(children.len(), MANY);
        drop(children);
        supervisor.stop();
        let told: Vec<_> = (&mut monitors).into_iter().map(|down| down.target).collect();
        assert_eq!(told.len(), MANY + 1);
        assert_eq!(told.last(), Some(&supervisor.id()), "the supervisor is the last one");
    }
}

/// R84: also of a child that was ending by itself, which takes long because so many are to be told; whether the supervisor was told
/// already or not.
fn told_after_children_that_ended_just_before<P: Part>() {
    const CROWD: usize = 20_000; // told in several steps, between which others run
    for before in [true, false] {
        let (runtime, _clock) = solo_by_hand();
        let (board, _told) = Board::new();
        let spec = P::spec("a", &board).restart(Restart::Temporary);
        let a = spec.child_ref();
        let supervisor = start(Supervisor::one_for_one().child(spec), &runtime);
        let child = ready(&a);
        let mut monitors = Monitors::new();
        monitors.monitor(&supervisor);
        for _ in 0..CROWD {
            monitors.monitor(&child);
        }
        if before {
            child.stop();
            while !list(&supervisor).is_empty() {}
            supervisor.stop();
        } else {
            // The supervisor runs between the first step of the child's end and the second.
            let (puppet, _events) = Puppet::on(&runtime);
            let wedge = puppet.wedge();
            child.stop();
            supervisor.stop();
            wedge.release();
        }
        let told: Vec<_> = (&mut monitors).into_iter().map(|down| down.target).collect();
        let last = told.iter().position(|target| *target == supervisor.id());
        assert_eq!(last, Some(CROWD), "the supervisor is the last one");
    }
}

/// R84, R88: a supervisor whose child hangs in its start hook can be asked, and stopped: the child gets its time, then it is
/// killed.
fn while_a_child_does_not_start<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.begin("b", &[Begin::Hang]);
    let supervisor = Supervisor::one_for_one()
        .child(P::spec("a", &board))
        .child(P::spec("b", &board).shutdown(Shutdown::After(2 * SECOND)))
        .child(P::spec("c", &board));
    let supervisor = start(supervisor, &runtime);
    told.is(&["+a", "+b"]);
    until(&supervisor, "a", ChildState::Running);
    assert_eq!(words(&supervisor), ["a running", "b starting", "c waiting"]);
    let b = list(&supervisor)[1].actor.clone().unwrap();
    let counts = supervisor.count_children().wait().unwrap();
    assert_eq!((counts.specs, counts.active, counts.waiting), (3, 2, 1));
    let mut gone = begun(supervisor.wait_exit());
    supervisor.stop();
    assert!(poll_once(&mut gone).is_pending());
    overdue::<P>(&runtime, &clock, &board, 2 * SECOND);
    assert_eq!(gone.wait(), ExitReason::Normal);
    assert_eq!(b.exit_reason(), Some(ExitReason::Kill));
    told.is(&["-a"]);
}

/// R78, R84: a supervisor that is killed takes its children along, whatever they do.
fn killed_it_takes_its_children_along<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let specs = [P::spec("a", &board), P::spec("b", &board)];
    let [a, b] = [&specs[0], &specs[1]].map(ChildSpec::child_ref);
    let supervisor = start(specs.into_iter().fold(Supervisor::one_for_one(), Supervisor::child), &runtime);
    let (first, second) = (ready(&a), ready(&b));
    supervisor.kill();
    assert_eq!(supervisor.wait_exit().wait(), ExitReason::Kill);
    assert_eq!(first.wait_exit().wait(), ExitReason::Kill);
    assert_eq!(second.wait_exit().wait(), ExitReason::Kill);
    told.is(&["+a", "+b"]);
    assert!(a.ready().wait().is_err() && b.get().is_none(), "nobody is about to start them");
}

/// R78: the same of a tree, and of one that was just being stopped.
fn killed_trees_leave_nobody<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.leave("leaf", Leave::Hang);
    let leaf = P::spec("leaf", &board).shutdown(Shutdown::Infinite);
    let found = leaf.child_ref();
    let branch = ChildSpec::new("branch", move || Supervisor::one_for_all().child(leaf.clone()));
    let tree = start(Supervisor::one_for_one().child(branch), &runtime);
    let leaf = ready(&found);
    let branch = begun(list(&tree)[0].actor.as_ref().unwrap().wait_exit());
    tree.stop();
    told.is(&["+leaf", "-leaf"]);
    assert_eq!(runtime.live_actors(), 3);
    tree.kill();
    assert_eq!(branch.wait(), ExitReason::Kill);
    if P::THREAD {
        board.release();
    }
    assert_eq!(leaf.wait_exit().wait(), ExitReason::Kill);
    tree.wait_exit().wait();
    while runtime.live_actors() > 0 {
        std::thread::yield_now();
    }
}

/// R84: the end of a runtime ends a tree in an orderly way; what is permanent is not started again on the way.
fn the_end_of_the_runtime<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let leaf = P::spec("b", &board);
    let branch = ChildSpec::new("branch", move || Supervisor::one_for_all().child(leaf.clone()));
    let tree = start(Supervisor::rest_for_one().child(P::spec("a", &board)).child(branch), &runtime);
    tree.ready().wait().unwrap();
    runtime.shutdown(60 * SECOND).unwrap();
    assert_eq!(tree.exit_reason(), Some(ExitReason::Shutdown));
    told.is(&["+a", "+b"]);
    let mut rest = told.ready();
    rest.sort();
    assert_eq!(rest, ["-a", "-b"]);
}

/// R84: also where the end of the runtime meets the children first, and their supervisor would have given up at the first failure.
fn the_end_of_the_runtime_is_no_failure<P: Part>() {
    const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for _ in 0..40 {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let (board, _told) = Board::new();
        let supervisor = NAMES
            .into_iter()
            .fold(Supervisor::one_for_one().intensity(0, 3600 * SECOND), |supervisor, name| {
                supervisor.child(P::spec(name, &board))
            });
        let supervisor = start(supervisor, &runtime);
        supervisor.ready().wait().unwrap();
        runtime.shutdown(60 * SECOND).unwrap();
        assert_eq!(supervisor.exit_reason(), Some(ExitReason::Shutdown));
    }
}

/// A supervisor whose last handle is dropped stops, and its children with it.
fn the_last_handle<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    let supervisor = start(Supervisor::one_for_one().child(spec), &runtime);
    let child = ready(&a);
    let gone = begun(supervisor.wait_exit());
    drop(supervisor);
    assert_eq!(gone.wait(), ExitReason::Normal);
    assert_eq!(child.exit_reason(), Some(ExitReason::Shutdown));
    told.is(&["+a", "-a"]);
}

/// R83: in a tree, the whole of a branch ends before what was started before it; nobody cuts a supervisor's time short.
fn a_tree_stops_from_below<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let branch = |name: &'static str, leaves: [&'static str; 2]| {
        let specs = leaves.map(|leaf| P::spec(leaf, &board));
        ChildSpec::new(name, move || {
            specs.clone().into_iter().fold(Supervisor::one_for_one(), Supervisor::child)
        })
    };
    let tree = Supervisor::one_for_one()
        .child(branch("left", ["a", "b"]))
        .child(P::spec("c", &board))
        .child(branch("right", ["d", "e"]));
    let tree = tree.start_with(Options::new().runtime(&runtime).name("tree")).unwrap();
    tree.ready().wait().unwrap();
    told.is(&["+a", "+b", "+c", "+d", "+e"]);
    let kinds: Vec<bool> = list(&tree).iter().map(|child| child.is_supervisor).collect();
    assert_eq!(kinds, [true, false, true]);
    let counts = tree.count_children().wait().unwrap();
    assert_eq!((counts.supervisors, counts.workers), (2, 1));
    tree.stop();
    tree.wait_exit().wait();
    told.is(&["-e", "-d", "-c", "-b", "-a"]);
}
