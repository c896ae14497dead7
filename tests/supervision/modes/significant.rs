//! Supervisors that end when their work is done.

use deathwatch::ExitReason;
use deathwatch::supervisor::{
    AutoShutdown, ChildError, ChildSpec, DynamicSupervisor, Restart, Supervisor, SupervisorError,
};

use crate::parts::*;
use crate::support::{settle, solo_by_hand};

in_both_modes! {
    never
    any
    all
    all_of_a_dynamic_one
    only_when_not_restarted
    not_when_stopped_by_hand
    combinations_that_make_no_sense
}

/// Three children: two significant ones of that kind, and one that is not.
fn three<P: Part>(board: &Board, auto: AutoShutdown, restart: Restart) -> (Supervisor, [ChildSpec<P>; 3]) {
    let specs = ["a", "b", "c"].map(|name| {
        let significant = name != "c" && auto != AutoShutdown::Never;
        P::spec(name, board).restart(restart).significant(significant)
    });
    let supervisor = Supervisor::one_for_one().auto_shutdown(auto);
    (specs.clone().into_iter().fold(supervisor, Supervisor::child), specs)
}

const FINITE: [Restart; 2] = [Restart::Transient, Restart::Temporary];

/// R89: without automatic shutdown a supervisor lives on when all its children have ended.
fn never<P: Part>() {
    for restart in FINITE {
        let (runtime, _clock) = solo_by_hand();
        let (board, _told) = Board::new();
        let (supervisor, specs) = three::<P>(&board, AutoShutdown::Never, restart);
        let supervisor = start(supervisor, &runtime);
        supervisor.ready().wait().unwrap();
        for spec in &specs {
            end(&ready(&spec.child_ref()), End::Normal);
        }
        let left = if restart == Restart::Temporary { 0 } else { 3 };
        let counts = supervisor.count_children().wait().unwrap();
        assert_eq!((counts.specs, counts.active), (left, 0));
    }
}

/// R89: the first significant child that ends by itself ends the supervisor, which stops the others, with `Shutdown`.
fn any<P: Part>() {
    for restart in FINITE {
        let (runtime, _clock) = solo_by_hand();
        let (board, told) = Board::new();
        let (supervisor, [a, b, c]) = three::<P>(&board, AutoShutdown::AnySignificant, restart);
        let supervisor = start(supervisor, &runtime);
        supervisor.ready().wait().unwrap();
        end(&ready(&c.child_ref()), End::Normal);
        let counts = supervisor.count_children().wait().unwrap();
        assert_eq!(counts.active, 2, "the third is not significant");
        let first = ready(&a.child_ref());
        end(&ready(&b.child_ref()), End::Shutdown);
        assert_eq!(supervisor.wait_exit().wait(), ExitReason::Shutdown);
        told.is(&["+a", "+b", "+c", "-c", "-b", "-a"]);
        assert_eq!(first.exit_reason(), Some(ExitReason::Shutdown));
    }
}

/// R89: the last significant child that ends by itself ends the supervisor.
fn all<P: Part>() {
    for restart in FINITE {
        let (runtime, _clock) = solo_by_hand();
        let (board, told) = Board::new();
        let (supervisor, [a, b, c]) = three::<P>(&board, AutoShutdown::AllSignificant, restart);
        let supervisor = start(supervisor, &runtime);
        supervisor.ready().wait().unwrap();
        end(&ready(&b.child_ref()), End::Normal);
        assert_eq!(supervisor.count_children().wait().unwrap().active, 2);
        let last = ready(&c.child_ref());
        end(&ready(&a.child_ref()), End::Normal);
        assert_eq!(supervisor.wait_exit().wait(), ExitReason::Shutdown);
        told.is(&["+a", "+b", "+c", "-b", "-a", "-c"]);
        assert_eq!(last.exit_reason(), Some(ExitReason::Shutdown));
    }
}

/// R89: the same of a dynamic supervisor: a batch of jobs whose supervisor ends with the last of them.
fn all_of_a_dynamic_one<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let supervisor = start(DynamicSupervisor::new().auto_shutdown(AutoShutdown::AllSignificant), &runtime);
    let jobs = [(); 5].map(|()| {
        let job = P::once("job", &board).significant(true);
        supervisor.start_child(job).wait().unwrap().unwrap()
    });
    for (done, job) in jobs.iter().enumerate() {
        assert_eq!(supervisor.count_children().wait().unwrap().active, 5 - done);
        end(&ready(job), if done % 2 == 0 { End::Normal } else { End::Panic });
    }
    assert_eq!(supervisor.wait_exit().wait(), ExitReason::Shutdown);
}

/// R89: a significant child that failed and is restarted ends nobody.
fn only_when_not_restarted<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let (supervisor, [a, ..]) = three::<P>(&board, AutoShutdown::AnySignificant, Restart::Transient);
    let supervisor = start(supervisor, &runtime);
    supervisor.ready().wait().unwrap();
    end(&ready(&a.child_ref()), End::Panic);
    end(&ready(&a.child_ref()), End::Kill);
    ready(&a.child_ref());
    assert_eq!(words(&supervisor), ["a running", "b running", "c running"]);
    end(&ready(&a.child_ref()), End::Normal);
    assert_eq!(supervisor.wait_exit().wait(), ExitReason::Shutdown);
}

/// R89: a significant child that is stopped by hand has not ended by itself.
fn not_when_stopped_by_hand<P: Part>() {
    for auto in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
        let (runtime, _clock) = solo_by_hand();
        let (board, _told) = Board::new();
        let (supervisor, [_, b, _]) = three::<P>(&board, auto, Restart::Transient);
        let supervisor = start(supervisor, &runtime);
        supervisor.ready().wait().unwrap();
        supervisor.stop_child("a").wait().unwrap().unwrap();
        assert_eq!(words(&supervisor), ["a stopped", "b running", "c running"]);
        settle(&runtime);
        assert!(supervisor.is_alive());
        end(&ready(&b.child_ref()), End::Normal);
        assert_eq!(supervisor.wait_exit().wait(), ExitReason::Shutdown);
    }
}

/// R89: a permanent child cannot be significant, nor can any where there is no automatic shutdown.
fn combinations_that_make_no_sense<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let bad = [
        (AutoShutdown::AnySignificant, Restart::Permanent),
        (AutoShutdown::Never, Restart::Transient),
        (AutoShutdown::Never, Restart::Temporary),
    ];
    for (auto, restart) in bad {
        let spec = || P::spec("a", &board).restart(restart).significant(true);
        let supervisor = start(Supervisor::one_for_one().child(spec()).auto_shutdown(auto), &runtime);
        let ExitReason::Error(report) = supervisor.wait_exit().wait() else { panic!() };
        let expected = ChildError::Significant("a".into());
        assert_eq!(report.downcast_ref(), Some(&SupervisorError::Spec(expected.clone())));
        let supervisor = start(Supervisor::one_for_one().auto_shutdown(auto), &runtime);
        assert_eq!(supervisor.start_child(spec()).wait().unwrap().unwrap_err(), expected);
        assert_eq!(supervisor.count_children().wait().unwrap().specs, 0);
    }
    assert_eq!(told.ready(), [""; 0], "nobody was started");
}
