//! Random scripts: children that end and do not start, are stopped, restarted, deleted and added, while time passes; on a
//! supervisor and on the [model](crate::model).

use std::time::Duration;

use deathwatch::supervisor::{Restart, Strategy, Supervisor, SupervisorError};
use deathwatch::{ActorRef, ExitReason};
use proptest::prelude::{Just, Strategy as Draw, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};

use crate::model::{Child, Model, Over, State};
use crate::parts::{Begin, Board, End, Part, TaskPart, ThreadPart, Told, end, start, words};
use crate::support::{settle, solo_by_hand};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Clone, Debug)]
enum Step {
    End(usize, End),
    /// What the next incarnations of a child do at the beginning.
    Begin(usize, Vec<Begin>),
    Pass(u64),
    Stop(usize),
    Restart(usize),
    Delete(usize),
    Add(usize, Restart),
}

#[derive(Clone, Debug)]
struct Script {
    strategy: Strategy,
    most: usize,
    children: Vec<(Restart, Vec<Begin>)>,
    steps: Vec<Step>,
}

/// Seconds.
const WITHIN: u64 = 5;

fn restarts() -> impl Draw<Value = Restart> {
    prop_oneof![3 => Just(Restart::Permanent), 2 => Just(Restart::Transient), 2 => Just(Restart::Temporary)]
}

fn begins() -> impl Draw<Value = Vec<Begin>> {
    let begin = prop_oneof![Just(Begin::Well), Just(Begin::Panic), Just(Begin::Fail), Just(Begin::Stop)];
    proptest::collection::vec(begin, 0..3)
}

fn steps() -> impl Draw<Value = Step> {
    let ends = prop_oneof![
        Just(End::Normal),
        Just(End::Shutdown),
        Just(End::Error),
        Just(End::Kill),
        Just(End::Panic)
    ];
    let child = 0..NAMES.len();
    prop_oneof![
        6 => (child.clone(), ends).prop_map(|(child, how)| Step::End(child, how)),
        3 => (child.clone(), begins()).prop_map(|(child, begin)| Step::Begin(child, begin)),
        3 => (0u64..=WITHIN + 1).prop_map(Step::Pass),
        1 => child.clone().prop_map(Step::Stop),
        1 => child.clone().prop_map(Step::Restart),
        1 => child.clone().prop_map(Step::Delete),
        1 => (child, restarts()).prop_map(|(child, restart)| Step::Add(child, restart)),
    ]
}

fn scripts() -> impl Draw<Value = Script> {
    let strategy =
        prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)];
    // One in eight has children that may not start at the beginning. (None that stops itself then: its restart would not wait
    // for the start of the others.)
    let children = any::<u8>().prop_flat_map(|n| {
        let fails =
            prop_oneof![6 => Just(vec![]), 1 => Just(vec![Begin::Panic]), 1 => Just(vec![Begin::Fail])];
        let begin = if n < 32 { fails.boxed() } else { Just(Vec::new()).boxed() };
        proptest::collection::vec((restarts(), begin), 1..=NAMES.len())
    });
    (strategy, 0usize..6, children, proptest::collection::vec(steps(), 0..30))
        .prop_map(|(strategy, most, children, steps)| Script { strategy, most, children, steps })
}

/// R85, R86, R87, R91: after every step, what the hooks have told, who is there, and what the supervisor died of.
fn agrees<P: Part>(script: &Script) {
    let (runtime, clock) = solo_by_hand();
    let (board, told) = Board::new();
    let mut supervisor =
        Supervisor::with_strategy(script.strategy).intensity(script.most, Duration::from_secs(WITHIN));
    let mut children = Vec::new();
    for (name, (restart, begin)) in NAMES.into_iter().zip(&script.children) {
        board.begin(name, begin);
        supervisor = supervisor.child(P::spec(name, &board).restart(*restart));
        let begin = begin.iter().copied().collect();
        children.push(Child { name, restart: *restart, state: State::Due, begin });
    }
    let supervisor = start(supervisor, &runtime);
    let mut model = Model::new(script.strategy, script.most, WITHIN, children);
    for step in std::iter::once(None).chain(script.steps.iter().map(Some)) {
        if let Some(step) = step {
            play::<P>(step, &supervisor, &board, &clock, &mut model);
        }
        compare(&supervisor, &told, &mut model);
        settle(&runtime);
        assert_eq!(told.ready(), [""; 0], "and nothing else, after {step:?}");
        if model.over.is_some() {
            return;
        }
    }
}

fn play<P: Part>(
    step: &Step,
    supervisor: &ActorRef<Supervisor>,
    board: &Board,
    clock: &deathwatch::ManualClock,
    model: &mut Model,
) {
    match step {
        Step::Pass(seconds) => {
            clock.advance(Duration::from_secs(*seconds));
            model.pass(*seconds);
        }
        Step::Begin(child, begin) => {
            board.begin(NAMES[*child], begin);
            if let Some(at) = model.find(NAMES[*child]) {
                model.children[at].begin = begin.iter().copied().collect();
            }
        }
        Step::End(child, how) => {
            let Some(at) = model.find(NAMES[*child]).filter(|at| model.children[*at].state == State::Up)
            else {
                return;
            };
            let actor = supervisor.find_child::<P>(NAMES[*child]).wait().unwrap().unwrap().get().unwrap();
            end(&actor, *how);
            model.end(at, *how);
        }
        Step::Add(child, restart) => {
            let name = NAMES[*child];
            let known = model.find(name).is_some();
            let begin = if known { Vec::new() } else { board.orders(name) };
            let added = supervisor.start_child(P::spec(name, board).restart(*restart)).wait();
            let begin = begin.into_iter().collect();
            let expected = model.add(Child { name, restart: *restart, state: State::Due, begin });
            // The answer may be lost with a supervisor that gives up at once.
            assert!(added.map_or(model.over.is_some(), |added| added.is_ok() == expected));
        }
        Step::Stop(child) => by_hand(model, *child, |model, at| {
            let stopped = supervisor.stop_child(NAMES[*child]).wait().unwrap();
            assert_eq!(stopped.is_ok(), at.is_some());
            if let Some(at) = at {
                model.stop(at);
            }
        }),
        Step::Restart(child) => by_hand(model, *child, |model, at| {
            let restarted = supervisor.restart_child(NAMES[*child]).wait();
            let expected = at.is_some_and(|at| model.restart_by_hand(at));
            assert!(restarted.map_or(model.over.is_some(), |restarted| restarted.is_ok() == expected));
        }),
        Step::Delete(child) => by_hand(model, *child, |model, at| {
            let deleted = supervisor.delete_child(NAMES[*child]).wait().unwrap();
            assert_eq!(deleted.is_ok(), at.is_some_and(|at| model.delete(at)));
        }),
    }
}

fn by_hand(model: &mut Model, child: usize, f: impl FnOnce(&mut Model, Option<usize>)) {
    let at = model.find(NAMES[child]);
    f(model, at);
}

fn compare(supervisor: &ActorRef<Supervisor>, told: &Told, model: &mut Model) {
    let expected = std::mem::take(&mut model.told);
    assert_eq!(told.take(expected.len()), expected);
    let Some(over) = &model.over else {
        // The last message of all this may be on the way; it is not told.
        let mut words_now = words(supervisor);
        for _ in 0..100_000 {
            if words_now == model.words() {
                break;
            }
            std::thread::yield_now();
            words_now = words(supervisor);
        }
        assert_eq!(words_now, model.words());
        let counts = supervisor.count_children().wait().unwrap();
        let up = model.children.iter().filter(|child| child.state == State::Up).count();
        assert_eq!((counts.specs, counts.active, counts.waiting), (model.children.len(), up, 0));
        return;
    };
    let ExitReason::Error(report) = supervisor.wait_exit().wait() else { panic!("it gives up: {over:?}") };
    let why = match report.downcast_ref() {
        Some(SupervisorError::Start { child, .. }) => Over::Start(known(child.name())),
        Some(SupervisorError::Intensity { child, .. }) => Over::Intensity(known(child.name())),
        other => panic!("another error: {other:?}"),
    };
    assert_eq!(&why, over);
}

fn known(name: &str) -> &'static str {
    NAMES.into_iter().find(|known| *known == name).expect("one of ours")
}

fn run<P: Part>(cases: u32) {
    // `PROPTEST_CASES` says how many, if it is set.
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, |_| Config::default().cases);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    if let Err(error) = runner.run(&scripts(), |script| {
        let _dog = watchdog!();
        agrees::<P>(&script);
        Ok(())
    }) {
        panic!("{error}");
    }
}

#[test]
fn tasks_agree_with_the_model() {
    run::<TaskPart>(200);
}

#[test]
fn threads_agree_with_the_model() {
    run::<ThreadPart>(50);
}
