//! What types are, and what they say of themselves.

use std::error::Error;
use std::fmt::Debug;

use deathwatch::supervisor::*;
use deathwatch::{ActorRef, ExitReason};

use crate::parts::{Board, Part, TaskPart};

fn anywhere<T: Send + Sync + 'static>() {}
fn sent<T: Send + 'static>() {}
fn error<T: Error + Send + Sync + 'static>() {}
fn shown<T: Debug>() {}

#[test]
fn types_go_where_they_must() {
    anywhere::<ActorRef<Supervisor>>();
    anywhere::<ActorRef<DynamicSupervisor>>();
    anywhere::<ChildRef<TaskPart>>();
    anywhere::<ChildSpec<TaskPart>>();
    anywhere::<ChildWait<TaskPart>>();
    anywhere::<ChildId>();
    anywhere::<ChildInfo>();
    sent::<Supervisor>();
    sent::<DynamicSupervisor>();
    error::<ChildError>();
    error::<SupervisorError>();
    shown::<Supervisor>();
    shown::<ChildSpec<TaskPart>>();
    shown::<ChildWait<TaskPart>>();
    shown::<StartChild<TaskPart>>();
}

#[test]
fn they_say_what_they_are() {
    let (board, _told) = Board::new();
    let spec = TaskPart::spec("a", &board).restart(Restart::Transient);
    let of = "id: ChildId(a), restart: Transient, shutdown: After(5s), significant: false";
    assert_eq!(format!("{spec:?}"), format!("ChildSpec {{ {of}, .. }}"));
    assert_eq!(format!("{:?}", spec.child_ref()), "ChildRef { child: ChildId(a), present: None }");
    assert_eq!(format!("{:?}", spec.child_ref().ready()), "ChildWait { child: ChildId(a), .. }");
    let supervisor = Supervisor::one_for_all().child(spec);
    assert_eq!(format!("{supervisor:?}"), "Supervisor { strategy: OneForAll, children: 1, .. }");
    let branch = ChildSpec::new("b", Supervisor::one_for_one);
    assert!(format!("{branch:?}").contains("shutdown: Infinite"), "{branch:?}");
    assert_eq!(ChildState::Waiting.to_string(), "waiting");
}

#[test]
fn errors_tell_their_source() {
    /// An error upon an error.
    #[derive(Debug)]
    struct Upper(std::fmt::Error);
    impl std::fmt::Display for Upper {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no configuration")
        }
    }
    impl Error for Upper {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    let below = || ExitReason::error(Upper(std::fmt::Error));
    let child = ChildError::Start { child: "a".into(), reason: below() };
    let supervisor = SupervisorError::Start { child: "a".into(), reason: below() };
    assert_eq!(child.to_string(), supervisor.to_string());
    for error in [&child as &dyn Error, &supervisor] {
        // The reason is part of the text; what lies below it is not.
        assert!(error.source().is_some_and(|source| source.is::<std::fmt::Error>()), "{error}");
    }
    let texts = [
        (ChildError::Unknown("a".into()), "there is no child a"),
        (ChildError::Running("a".into()), "the child a is not stopped"),
        (ChildError::Stopped("a".into()), "the child a was stopped before it had started"),
        (ChildError::WrongType("a".into()), "the child a is an actor of another type"),
        (ChildError::Significant("a".into()), "the child a cannot be significant here"),
    ];
    for (error, text) in texts {
        assert_eq!((error.to_string().as_str(), error.source().is_none()), (text, true));
        assert_eq!(SupervisorError::Spec(error).to_string(), text);
    }
}

#[test]
fn back_off() {
    use std::time::Duration;
    let seconds = Duration::from_secs;
    let backoff = Backoff::exponential(seconds(1), seconds(10)).factor(3.0);
    assert_eq!([0, 1, 2, 3, u32::MAX].map(|n| backoff.delay(n)), [1, 3, 9, 10, 10].map(seconds));
    assert_eq!(Backoff::constant(seconds(2)).delay(7), seconds(2));
    assert_eq!((Backoff::NONE.delay(9), Backoff::default()), (Duration::ZERO, Backoff::NONE));
    // A limit below the beginning, factors and parts that are none.
    assert_eq!(Backoff::exponential(seconds(5), seconds(1)).delay(3), seconds(5));
    assert_eq!(backoff.factor(f64::NAN).delay(3), seconds(1));
    assert_eq!(backoff.jitter(f64::NAN).delay(0), seconds(1));
    assert_eq!(Backoff::exponential(Duration::MAX, Duration::MAX).delay(1), Duration::MAX);
    // By lot, between the half and the whole, and not always the same.
    let lots: Vec<Duration> = (0..100).map(|_| backoff.jitter(0.5).delay(0)).collect();
    assert!(lots.iter().all(|delay| (seconds(1) / 2..=seconds(1)).contains(delay)), "{lots:?}");
    assert!(lots.iter().any(|delay| *delay != lots[0]));
}
