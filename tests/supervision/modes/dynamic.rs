//! Supervisors with many children that come and go.

use std::collections::HashSet;

use deathwatch::supervisor::{Backoff, ChildState, DynamicSupervisor, Restart, Shutdown, Supervisor};
use deathwatch::{ActorId, ExitReason, Options};

use crate::parts::*;
use crate::support::{Tally, settle, solo, solo_by_hand};

in_both_modes! {
    come_and_go
    forgotten_entirely
    counts_during_restarts
    stopped_all_at_once
    each_limit_from_the_beginning
    many
    many_in_order
}

/// R86: children that come and go, each for itself, of several kinds.
fn come_and_go<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let supervisor = start(DynamicSupervisor::new(), &runtime);
    assert_eq!(supervisor.ready().wait(), Ok(()));
    let spec = P::spec("a", &board);
    let [a, b] = [(); 2].map(|()| supervisor.start_child(spec.clone()).wait().unwrap().unwrap());
    let once = supervisor.start_child(P::once("b", &board)).wait().unwrap().unwrap();
    told.is(&["+a", "+a", "+b"]);
    assert_eq!([a.id(), b.id(), once.id()].map(ToString::to_string), ["a.1", "a.2", "b.3"]);
    let first = ready(&a);
    end(&first, End::Panic);
    told.is(&["-a", "+a"]);
    assert_ne!(ready(&a).id(), first.id());
    assert_eq!(supervisor.find_child::<P>(&a).wait().unwrap().unwrap().get(), a.get());
    supervisor.stop_child(&b).wait().unwrap().unwrap();
    told.is(&["-a"]);
    assert!(b.ready().wait().is_err());
    assert!(supervisor.stop_child(&b).wait().unwrap().is_err(), "it is not known any more");
    assert!(supervisor.stop_child("a").wait().unwrap().is_err(), "nor is a name alone");
    assert_eq!(words(&supervisor), ["a.1 running", "b.3 running"]);
}

/// R90: nothing is left of a temporary child that has ended: not its value, its factory, its place, nor what stood in its name.
fn forgotten_entirely<P: Part>() {
    let runtime = solo();
    let (board, _told) = Board::new();
    let dynamic = start(DynamicSupervisor::new(), &runtime);
    let fixed = start(Supervisor::one_for_one(), &runtime);
    let factories = Tally::default();
    for round in 0..3 {
        let spec = || {
            let (board, held) = (board.clone(), factories.one());
            let made = move || {
                let _ = &held;
                Ok(P::made("a", &board))
            };
            P::made_by("a", made).restart(Restart::Temporary)
        };
        let before = runtime.live_actors();
        let [a, b] = [dynamic.start_child(spec()), fixed.start_child(spec())]
            .map(|started| started.wait().unwrap().unwrap());
        assert_eq!(factories.count(), 2 * round);
        end(&ready(&a), ENDS[round]);
        end(&ready(&b), ENDS[round + 2]);
        assert_eq!((list(&dynamic).len(), list(&fixed).len()), (0, 0));
        assert_eq!(factories.count(), 2 * (round + 1));
        assert!(fixed.delete_child("a").wait().unwrap().is_err());
        while runtime.live_actors() > before {
            std::thread::yield_now();
        }
    }
}

/// R91: at any time while children are restarted, each is listed once, and the counts add up.
fn counts_during_restarts<P: Part>() {
    const MANY: usize = 50;
    let (runtime, clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let supervisor =
        DynamicSupervisor::new().intensity(usize::MAX, SECOND).backoff(Backoff::constant(SECOND));
    let supervisor = start(supervisor, &runtime);
    let spec = P::spec("a", &board);
    let children: Vec<_> =
        (0..MANY).map(|_| supervisor.start_child(spec.clone()).wait().unwrap().unwrap()).collect();
    for round in 1..=3 {
        for (ended, child) in children.iter().enumerate() {
            end(&ready(child), ENDS[ended % ENDS.len()]);
            let counts = supervisor.count_children().wait().unwrap();
            assert_eq!((counts.specs, counts.active, counts.waiting), (MANY, MANY - ended - 1, ended + 1));
            let infos = list(&supervisor);
            let ids: HashSet<_> = infos.iter().map(|info| info.id.clone()).collect();
            let there = infos.iter().filter(|info| info.actor.is_some()).count();
            assert_eq!((infos.len(), ids.len(), there), (MANY, MANY, counts.active));
        }
        clock.advance(SECOND);
        children.iter().for_each(|child| drop(ready(child)));
        let infos = list(&supervisor);
        assert!(infos.iter().all(|info| info.state == ChildState::Running && info.restarts == round));
    }
}

/// R83: children of a dynamic supervisor are all asked at the same time, and each is killed when its own time is over.
fn stopped_all_at_once<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.leave("slow", Leave::Hang);
    let supervisor = start(DynamicSupervisor::new(), &runtime);
    let others = [(); 3].map(|()| supervisor.start_child(P::spec("a", &board)).wait().unwrap().unwrap());
    let slow = P::spec("slow", &board).shutdown(Shutdown::After(3 * SECOND));
    let slow = supervisor.start_child(slow).wait().unwrap().unwrap();
    told.take(4);
    let (slow, others) = (ready(&slow), others.map(|other| ready(&other)));
    supervisor.stop();
    let mut hooks = told.take(4);
    hooks.sort();
    assert_eq!(hooks, ["-a", "-a", "-a", "-slow"], "the last one does not hold up the others");
    for other in others {
        assert_eq!(other.wait_exit().wait(), ExitReason::Shutdown);
    }
    overdue::<P>(&runtime, &clock, &board, 3 * SECOND);
    assert_eq!(supervisor.wait_exit().wait(), ExitReason::Normal);
    assert_eq!(slow.exit_reason(), Some(ExitReason::Kill));
}

/// R83: several limits, all of which begin when the supervisor is stopped.
fn each_limit_from_the_beginning<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    board.leave("slow", Leave::Hang);
    let supervisor = start(DynamicSupervisor::new(), &runtime);
    let limits = [4, 2, 6].map(|seconds| Shutdown::After(seconds * SECOND));
    let children = limits.map(|limit| {
        let spec = P::spec("slow", &board).shutdown(limit);
        ready(&supervisor.start_child(spec).wait().unwrap().unwrap())
    });
    supervisor.stop();
    told.take(6);
    for next in [1, 0, 2] {
        settle(&runtime);
        clock.advance(2 * SECOND);
        settle(&runtime);
        if P::THREAD {
            // All threads are let go; those whose time is not over end in an orderly way.
            board.release();
            break;
        }
        assert_eq!(children[next].wait_exit().wait(), ExitReason::Kill);
    }
    supervisor.wait_exit().wait();
    assert_eq!(children[1].exit_reason(), Some(ExitReason::Kill));
}

/// R92, R91: a great many start and stop, and each is counted.
fn many<P: Part>() {
    let many = if P::THREAD { 200 } else { 20_000 };
    let runtime = solo();
    let (board, _told) = Board::new();
    let supervisor = start(DynamicSupervisor::new().intensity(usize::MAX, SECOND), &runtime);
    let spec = P::spec("a", &board);
    let starting: Vec<_> = (0..many).map(|_| supervisor.start_child(spec.clone())).collect();
    let children: Vec<_> = starting.into_iter().map(|start| start.wait().unwrap().unwrap()).collect();
    let before: Vec<ActorId> = children.iter().map(|child| ready(child).id()).collect();
    let different: HashSet<ActorId> = before.iter().copied().collect();
    assert_eq!((different.len(), supervisor.count_children().wait().unwrap().active), (many, many));
    // All of them fail; all are there again, and others.
    let failing: Vec<_> = children.iter().map(|child| child.get().unwrap()).collect();
    failing.iter().for_each(|child| child.kill());
    failing.iter().for_each(|child| drop(child.wait_exit().wait()));
    for (child, before) in children.iter().zip(before) {
        assert_ne!(ready(child).id(), before);
    }
    let counts = supervisor.count_children().wait().unwrap();
    assert_eq!((counts.specs, counts.active, counts.waiting), (many, many, 0));
    supervisor.stop();
    supervisor.wait_exit().wait();
    assert!(children.iter().all(|child| child.get().is_none()));
    while runtime.live_actors() > 0 {
        std::thread::yield_now();
    }
}

/// R92: the same of a supervisor whose children have an order.
fn many_in_order<P: Part>() {
    let many = if P::THREAD { 100 } else { 5_000 };
    let runtime = solo();
    let (board, told) = Board::new();
    let names: Vec<&'static str> = (0..many).map(|n| leaked(format!("{n}"))).collect();
    let supervisor = names.iter().fold(Supervisor::one_for_all().intensity(1, SECOND), |supervisor, name| {
        supervisor.child(P::spec(name, &board))
    });
    let supervisor = supervisor.start_with(Options::new().runtime(&runtime)).unwrap();
    supervisor.ready().wait().unwrap();
    let up: Vec<String> = names.iter().map(|name| format!("+{name}")).collect();
    let down: Vec<String> = names.iter().rev().map(|name| format!("-{name}")).collect();
    assert_eq!(told.take(many), up);
    let middle = supervisor.find_child::<P>(names[many / 2]).wait().unwrap().unwrap();
    end(&ready(&middle), End::Panic);
    assert_eq!(told.next(), format!("-{}", names[many / 2]));
    let others: Vec<String> =
        down.iter().filter(|event| **event != down[many - 1 - many / 2]).cloned().collect();
    assert_eq!(told.take(many - 1), others);
    assert_eq!(told.take(many), up);
    supervisor.stop();
    supervisor.wait_exit().wait();
    assert_eq!(told.take(many), down);
    settle(&runtime);
    assert_eq!(told.ready(), [""; 0]);
}
