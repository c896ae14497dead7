//! Several threads at the same supervisor: nothing hangs, nobody is lost, and in the end all is as it should be.

use deathwatch::supervisor::{
    ChildRef, ChildSpec, ChildState, DynamicSupervisor, Restart, Strategy, Supervisor,
};

use crate::parts::*;
use crate::support::duo;

in_both_modes! {
    from_all_sides
    from_all_sides_at_a_dynamic_one
    a_kill_in_the_middle
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const THREADS: u64 = 3;

/// Numbers by lot, the same each time.
struct Lots(u64);

impl Lots {
    fn draw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

fn rounds<P: Part>() -> usize {
    if P::THREAD { 60 } else { 300 }
}

/// Has the child that is there, if one is, end in some way. Nobody waits for that.
fn hit<P: Part>(child: &ChildRef<P>, lots: &mut Lots) {
    let Some(actor) = child.get() else { return };
    match ENDS[lots.draw(ENDS.len())] {
        End::Panic => P::fall(&actor),
        End::Kill => actor.kill(),
        End::Normal => actor.stop(),
        End::Shutdown => actor.stop_with(deathwatch::ExitReason::Shutdown),
        End::Error => actor.stop_with(deathwatch::ExitReason::error("hit")),
    }
}

/// R86, R88, R91: children end, do not start, are stopped, restarted, and added and deleted, all at the same time.
fn from_all_sides<P: Part>() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let runtime = duo();
        let (board, _told) = Board::new();
        let specs = NAMES.map(|name| P::spec(name, &board));
        let children = specs.each_ref().map(ChildSpec::child_ref);
        let supervisor = Supervisor::with_strategy(strategy).intensity(usize::MAX, SECOND);
        let supervisor = start(specs.into_iter().fold(supervisor, Supervisor::child), &runtime);
        supervisor.ready().wait().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (supervisor, children, board) = (&supervisor, &children, &board);
                scope.spawn(move || {
                    let mut lots = Lots(thread);
                    for _ in 0..rounds::<P>() {
                        let at = lots.draw(NAMES.len());
                        match lots.draw(12) {
                            0 => drop(supervisor.stop_child(NAMES[at]).wait().unwrap()),
                            1 => drop(supervisor.restart_child(NAMES[at]).wait().unwrap()),
                            2 => drop(supervisor.start_child(P::once("extra", board)).wait().unwrap()),
                            3 => drop(supervisor.stop_child("extra").wait().unwrap()),
                            4 => board.begin(NAMES[at], &[Begin::Panic, Begin::Fail, Begin::Stop]),
                            5 => {
                                let counts = supervisor.count_children().wait().unwrap();
                                assert!((5..=6).contains(&counts.specs) && counts.active <= counts.specs);
                            }
                            6 => {
                                let infos = list(supervisor);
                                assert!(
                                    NAMES.iter().all(|name| infos.iter().any(|info| info.id.name() == *name))
                                );
                            }
                            7 => drop(supervisor.find_child::<P>(NAMES[at]).wait().unwrap().unwrap().ready()),
                            _ => hit(&children[at], &mut lots),
                        }
                    }
                });
            }
        });
        // All that were stopped are started again, and then all are there.
        NAMES.iter().for_each(|name| board.begin(name, &[]));
        for name in NAMES {
            drop(supervisor.restart_child(name).wait().unwrap());
        }
        drop(supervisor.stop_child("extra").wait().unwrap());
        for (name, child) in NAMES.iter().zip(&children) {
            until(&supervisor, name, ChildState::Running);
            ready(child);
        }
        assert_eq!(list(&supervisor).len(), NAMES.len());
        supervisor.stop();
        supervisor.wait_exit().wait();
        while runtime.live_actors() > 0 {
            std::thread::yield_now();
        }
    }
}

/// R86, R90, R91: the same with children that come and go.
fn from_all_sides_at_a_dynamic_one<P: Part>() {
    let runtime = duo();
    let (board, _told) = Board::new();
    let supervisor = start(DynamicSupervisor::new().intensity(usize::MAX, SECOND), &runtime);
    let kept: Vec<ChildRef<P>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (supervisor, board) = (&supervisor, &board);
                scope.spawn(move || {
                    let mut lots = Lots(thread);
                    let mut mine: Vec<ChildRef<P>> = Vec::new();
                    for _ in 0..rounds::<P>() {
                        match lots.draw(8) {
                            0 | 1 => {
                                let started = supervisor.start_child(P::spec("a", board)).wait().unwrap();
                                mine.extend(started);
                            }
                            2 => drop(
                                supervisor
                                    .start_child(P::once("b", board))
                                    .wait()
                                    .unwrap()
                                    .map(|b| hit(&b, &mut lots)),
                            ),
                            3 if !mine.is_empty() => {
                                let gone = mine.swap_remove(lots.draw(mine.len()));
                                supervisor.stop_child(&gone).wait().unwrap().unwrap();
                                assert!(gone.ready().wait().is_err());
                            }
                            4 => board.begin("a", &[Begin::Panic, Begin::Stop]),
                            _ if !mine.is_empty() => hit(&mine[lots.draw(mine.len())], &mut lots),
                            _ => {}
                        }
                    }
                    mine
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    board.begin("a", &[]);
    kept.iter().for_each(|child| drop(ready(child)));
    // Permanent ones all, and of the temporary ones those whose end was none.
    let infos = list(&supervisor);
    let count = |restart| infos.iter().filter(|info| info.restart == restart).count();
    assert_eq!(count(Restart::Permanent), kept.len());
    drop(infos);
    supervisor.stop();
    supervisor.wait_exit().wait();
    assert!(kept.iter().all(|child| child.ready().wait().is_err()));
    while runtime.live_actors() > 0 {
        std::thread::yield_now();
    }
}

/// R78, R84: a tree that is killed, or stopped, or whose branches are, at any moment of restarts: nobody is left.
fn a_kill_in_the_middle<P: Part>() {
    for round in 0..if P::THREAD { 30 } else { 150 } {
        let runtime = duo();
        let (board, _told) = Board::new();
        let leaves = NAMES.map(|name| P::spec(name, &board));
        let found = leaves.each_ref().map(ChildSpec::child_ref);
        let branch = ChildSpec::new("branch", move || {
            let branch = Supervisor::one_for_all().intensity(3, SECOND);
            leaves.clone().into_iter().fold(branch, Supervisor::child)
        });
        let tree = start(Supervisor::one_for_one().intensity(3, SECOND).child(branch), &runtime);
        let mut lots = Lots(round);
        if lots.draw(3) > 0 {
            let _ = tree.ready().wait();
        }
        for _ in 0..lots.draw(20) {
            hit(&found[lots.draw(found.len())], &mut lots);
        }
        if lots.draw(2) == 0 {
            tree.kill()
        } else {
            tree.stop()
        }
        tree.wait_exit().wait();
        while runtime.live_actors() > 0 {
            std::thread::yield_now(); // those below may be killed later than the tree
        }
        assert!(found.iter().all(|child| child.ready().wait().is_err()));
    }
}
