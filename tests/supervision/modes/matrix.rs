//! Who is restarted, by the kind of child, what it ended of, and the strategy.

use deathwatch::supervisor::{ChildRef, DynamicSupervisor, Restart, Strategy, Supervisor};
use deathwatch::{ActorId, ActorRef};

use crate::parts::*;
use crate::support::{settle, solo_by_hand};

in_both_modes! {
    the_whole_matrix
    the_whole_matrix_of_dynamic_ones
}

/// Is a child of that kind, which ended so, restarted?
fn restarted(restart: Restart, how: End) -> bool {
    match (restart, how) {
        (Restart::Permanent, _) => true,
        (Restart::Transient, End::Normal | End::Shutdown) => false,
        (Restart::Transient, End::Error | End::Kill | End::Panic) => true,
        (Restart::Temporary, _) => false,
    }
}

const KINDS: [Restart; 3] = [Restart::Permanent, Restart::Transient, Restart::Temporary];
const STRATEGIES: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];

/// R87: each kind of child, each reason, each strategy: whether it is restarted, who is restarted with it and who is not, and in
/// which order.
fn the_whole_matrix<P: Part>() {
    for strategy in STRATEGIES {
        for restart in KINDS {
            for how in ENDS {
                one_case::<P>(strategy, restart, how);
            }
        }
    }
}

fn one_case<P: Part>(strategy: Strategy, restart: Restart, how: End) {
    let case = format!("{strategy:?}, {restart:?}, {how:?}");
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let specs = [P::spec("a", &board), P::spec("b", &board).restart(restart), P::spec("c", &board)];
    let [a, b, c] = [&specs[0], &specs[1], &specs[2]].map(deathwatch::supervisor::ChildSpec::child_ref);
    let supervisor = specs.into_iter().fold(Supervisor::with_strategy(strategy), Supervisor::child);
    let supervisor = start(supervisor, &runtime);
    supervisor.ready().wait().unwrap();
    told.is(&["+a", "+b", "+c"]);
    let before = [&a, &b, &c].map(|child| child.get().expect("it is up"));

    end(&before[1], how);
    let hook = if how == End::Kill { &[][..] } else { &["-b"] };
    told.is(hook);
    let again = restarted(restart, how);
    let events: &[&str] = match (again, strategy) {
        (false, _) => &[],
        (true, Strategy::OneForOne) => &["+b"],
        (true, Strategy::OneForAll) => &["-c", "-a", "+a", "+b", "+c"],
        (true, Strategy::RestForOne) => &["-c", "+b", "+c"],
    };
    assert_eq!(told.take(events.len()), events, "{case}");
    let was: [ActorId; 3] = before.each_ref().map(ActorRef::id);
    let same = |child: &ChildRef<P>, before: ActorId| ready(child).id() == before;
    assert_eq!(same(&a, was[0]), !again || strategy != Strategy::OneForAll, "{case}");
    assert_eq!(same(&c, was[2]), !again || strategy == Strategy::OneForOne, "{case}");
    if again {
        assert!(!same(&b, was[1]), "{case}: another identity");
    } else {
        assert!(b.ready().wait().is_err(), "{case}: nobody is about to come");
    }
    let expected: &[&str] = match (again, restart) {
        (true, _) => &["a running", "b running", "c running"],
        (false, Restart::Temporary) => &["a running", "c running"],
        (false, _) => &["a running", "b stopped", "c running"],
    };
    assert_eq!(words(&supervisor), expected, "{case}");
    settle(&runtime);
    assert_eq!(told.ready(), [""; 0], "{case}: and nothing else");
    let restarts: Vec<u64> = list(&supervisor).iter().map(|child| child.restarts).collect();
    assert_eq!(restarts.iter().sum::<u64>(), u64::from(again), "{case}");
}

/// R87: the same of a dynamic supervisor, which forgets whom it does not restart.
fn the_whole_matrix_of_dynamic_ones<P: Part>() {
    for restart in KINDS {
        for how in ENDS {
            let case = format!("{restart:?}, {how:?}");
            let (runtime, _clock) = solo_by_hand();
            let (board, told) = Board::new();
            let supervisor = start(DynamicSupervisor::new(), &runtime);
            let other = supervisor.start_child(P::spec("a", &board)).wait().unwrap().unwrap();
            let child =
                supervisor.start_child(P::spec("a", &board).restart(restart)).wait().unwrap().unwrap();
            told.is(&["+a", "+a"]);
            let (first, stays) = (ready(&child), ready(&other));
            end(&first, how);
            told.is(if how == End::Kill { &[] } else { &["-a"] });
            if restarted(restart, how) {
                told.is(&["+a"]);
                assert_ne!(ready(&child).id(), first.id(), "{case}");
                assert_eq!(supervisor.count_children().wait().unwrap().active, 2, "{case}");
            } else {
                assert!(child.ready().wait().is_err(), "{case}");
                assert_eq!(supervisor.count_children().wait().unwrap().specs, 1, "{case}");
            }
            assert_eq!(ready(&other).id(), stays.id(), "{case}");
            settle(&runtime);
            assert_eq!(told.ready(), [""; 0], "{case}");
        }
    }
}
