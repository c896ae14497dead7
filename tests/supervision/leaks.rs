#![cfg(not(loom))]
//! What is left when supervisors and their children are gone: nothing. The counts belong to the whole process, and so there is one
//! test here.

#[path = "../behaviour/support.rs"]
#[macro_use]
mod support;

#[path = "parts.rs"]
#[allow(dead_code, unused_macros, reason = "shared by two test programs")]
#[macro_use]
mod parts;
#[path = "../behaviour/turn.rs"]
#[allow(dead_code, reason = "the one test here need not take turns")]
mod turn;

use deathwatch::supervisor::{Backoff, ChildSpec, DynamicSupervisor, Restart, Supervisor};

use parts::*;
use support::solo_by_hand;
use turn::Turn;

/// R90, R46, R47: after children have come and gone, nothing is left of them while their supervisor lives on; and nothing of
/// supervisors that were stopped, killed, or gave up.
#[test]
fn nothing_is_left() {
    let _dog = watchdog!();
    let before = Turn::quiet();
    come_and_go::<TaskPart>(2_000);
    come_and_go::<ThreadPart>(200);
    trees::<TaskPart>();
    trees::<ThreadPart>();
    while Turn::quiet() != before {
        std::thread::yield_now();
    }
}

fn come_and_go<P: Part>(many: usize) {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let supervisor = start(DynamicSupervisor::new().intensity(usize::MAX, SECOND), &runtime);
    let quiet = Turn::quiet();
    for round in 0..many {
        let spec = P::spec("a", &board).restart(Restart::Temporary);
        let child = supervisor.start_child(spec).wait().unwrap().unwrap();
        end(&ready(&child), ENDS[round % ENDS.len()]);
    }
    assert_eq!(list(&supervisor).len(), 0);
    settled(quiet);
    // The same of one that is restarted again and again.
    let child = supervisor.start_child(P::spec("a", &board)).wait().unwrap().unwrap();
    ready(&child);
    let quiet = Turn::quiet();
    for round in 0..many {
        end(&ready(&child), ENDS[round % ENDS.len()]);
    }
    ready(&child);
    settled(quiet);
}

/// As much is there as was, but for what a thread that lives has given up last, and keeps until it gives up more.
#[track_caller]
fn settled(quiet: [usize; 2]) {
    let now = Turn::quiet();
    assert!(now[0] <= quiet[0] + 8 && now[1] <= quiet[1] + 500, "{now:?} from {quiet:?}");
}

/// Trees in the middle of something, which end in different ways.
fn trees<P: Part>() {
    for way in 0..4 {
        let (runtime, _clock) = solo_by_hand();
        let (board, told) = Board::new();
        let leaves = ["a", "b", "c"].map(|name| P::spec(name, &board));
        let found = leaves[1].child_ref();
        let branch = ChildSpec::new("branch", move || {
            let branch = Supervisor::rest_for_one().backoff(Backoff::constant(SECOND));
            leaves.clone().into_iter().fold(branch, Supervisor::child)
        });
        let sessions = ChildSpec::new("sessions", DynamicSupervisor::new);
        let dynamic = sessions.child_ref();
        let tree = Supervisor::one_for_one().intensity(0, SECOND).child(branch).child(sessions);
        let tree = start(tree, &runtime);
        tree.ready().wait().unwrap();
        let sessions = ready(&dynamic);
        let session = sessions.start_child(P::once("d", &board)).wait().unwrap().unwrap();
        end(&ready(&found), End::Error);
        let waits = (found.ready(), session.ready(), sessions.ready());
        drop(sessions);
        match way {
            0 => tree.stop(),
            1 => tree.kill(),
            2 => runtime.shutdown(60 * SECOND).unwrap(),
            _ => drop(list(&tree)[0].actor.take().map(|branch| branch.kill())),
        }
        tree.wait_exit().wait();
        assert!(told.ready().len() >= 4);
        drop(waits);
    }
}
