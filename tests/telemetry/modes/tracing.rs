//! What a subscriber is told.

use std::time::Duration;

use deathwatch::supervisor::{ChildSpec, Supervisor};
use deathwatch::{ActorId, ActorRef, ExitReason, Options, Runtime};
use tracing::Level;

use crate::doll::{Doll, Play, in_both_modes};
use crate::journal::{Span, UNSPEAKABLE, journal};
use crate::support::{Idle, Note, solo};
use crate::turn;

in_both_modes! {
    a_life_and_its_messages
    a_start_follows
    a_subscriber_that_panics
    a_reason_that_cannot_be_shown
    deaths_by_their_kind
    a_mailbox_that_fills
    a_slow_handler
}

fn life(actor: ActorId) -> Span {
    let mut lives = journal().spans("actor", "id", &actor.to_string()[1..]);
    assert_eq!(lives.len(), 1, "one for each actor");
    lives.remove(0)
}

fn messages(actor: ActorId) -> Vec<Span> {
    journal().spans("message", "actor", &actor.to_string()[1..])
}

fn all_gone(runtime: &Runtime) {
    while runtime.live_actors() > 0 {
        std::thread::yield_now();
    }
}

/// A span for the life, and one for each message: roots, the latter following from the former. What is told in a handler is told in
/// the span of its message.
fn a_life_and_its_messages<D: Doll>() {
    let _turn = turn();
    journal();
    let runtime = solo();
    let doll = D::new().0.start_with(Options::new().runtime(&runtime).name("a doll")).expect("it starts");
    D::note(&doll, 1);
    let id = doll.id();
    doll.call(move |_, _| tracing::info!(target: "deathwatch", actor = id.get(), "inside"));
    let own = life(doll.id());
    assert!(own.root && own.held > 0, "{own:?}");
    assert_eq!(own.fields["type"], std::any::type_name::<D>());
    assert_eq!(own.fields["name"], "a doll");
    doll.stop();
    all_gone(&runtime);
    assert_eq!(life(doll.id()).held, 0, "closed");
    let messages = messages(doll.id());
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].fields["type"], std::any::type_name::<Note>());
    assert!(messages[1].fields["type"].contains("Job"));
    for message in &messages {
        assert!(message.root && message.entered > 0 && message.held == 0, "{message:?}");
        assert_eq!(message.follows, [own.id]);
    }
    let inside = journal().events("inside", "actor", &doll.id().to_string()[1..]);
    assert_eq!(inside.len(), 1);
    assert_eq!(inside[0].within, Some(messages[1].id));
}

/// A life follows from the span in which the actor was started: here, from a message of its parent.
fn a_start_follows<D: Doll>() {
    let _turn = turn();
    journal();
    let runtime = solo();
    let (parent, _) = D::on(&runtime);
    let child = parent.call(|_, ctx| ctx.spawn_linked(Idle).id());
    let message = &messages(parent.id())[0];
    assert_eq!(life(child).follows, [message.id]);
    assert!(life(parent.id()).follows.is_empty(), "started in none");
}

/// It costs the actor its span, and nothing else.
fn a_subscriber_that_panics<D: Doll>() {
    let _turn = turn();
    journal();
    let runtime = solo();
    let doll = D::new().0.start_with(Options::new().runtime(&runtime).name(UNSPEAKABLE)).expect("it starts");
    doll.call(|_, _| ());
    assert_eq!(messages(doll.id()).len(), 1);
    doll.stop();
    all_gone(&runtime);
    assert_eq!(doll.exit_reason(), Some(ExitReason::Normal));
}

/// What died of an error that panics when it is shown: that costs it the event of its death, and nothing else.
fn a_reason_that_cannot_be_shown<D: Doll>() {
    #[derive(Debug)]
    struct Unspeakable;
    impl std::fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("unspeakable")
        }
    }
    impl std::error::Error for Unspeakable {}
    let _turn = turn();
    journal();
    let runtime = solo();
    let ((doll, _), (other, heard)) = (D::on(&runtime), D::on(&runtime));
    D::monitor(&other.context(), &doll);
    doll.stop_with(ExitReason::error(Unspeakable));
    let ExitReason::Error(report) = heard.down().reason else { panic!("not of an error") };
    assert!(report.downcast_ref::<Unspeakable>().is_some());
    while runtime.live_actors() > 1 {
        std::thread::yield_now();
    }
    other.kill();
    all_gone(&runtime);
    let told =
        |doll: &ActorRef<D>| journal().events("an actor died", "actor", &doll.id().to_string()[1..]).len();
    assert_eq!((told(&doll), told(&other)), (0, 1));
}

/// Exits are events: of a panic, of another failure, of an orderly end.
fn deaths_by_their_kind<D: Doll>() {
    let _turn = turn();
    journal();
    let runtime = solo();
    let dolls: Vec<_> = (0..3).map(|_| D::on(&runtime).0).collect();
    let _ = dolls[0].ask(|_, _| -> () { panic!("boom") }).wait();
    dolls[1].kill();
    dolls[2].stop();
    all_gone(&runtime);
    let kinds = [
        ("an actor panicked", Level::ERROR),
        ("an actor died", Level::WARN),
        ("an actor ended", Level::INFO),
    ];
    for (doll, (message, level)) in dolls.iter().zip(kinds) {
        for (other, _) in kinds {
            let told = journal().events(other, "actor", &doll.id().to_string()[1..]);
            assert_eq!(told.len(), usize::from(other == message), "{other}");
            assert!(told.iter().all(|told| told.level == level && told.within.is_none()));
        }
    }
    let panicked = journal().events("an actor panicked", "actor", &dolls[0].id().to_string()[1..]);
    assert_eq!(panicked[0].fields["panic"], "boom");
}

/// A mailbox that has come to 64 messages is told of, and again when it has come to twice as many.
fn a_mailbox_that_fills<D: Doll>() {
    let _turn = turn();
    journal();
    let runtime = solo();
    let (doll, _) = D::on(&runtime);
    let told = || journal().events("a mailbox is fuller than ever", "actor", &doll.id().to_string()[1..]);
    for (many, times) in [(20, 0), (100, 1), (120, 1), (300, 2)] {
        let wedge = doll.wedge();
        (0..many).for_each(|n| D::note(&doll, n));
        drop(wedge);
        doll.call(|_, _| ());
        assert_eq!(told().len(), times, "after {many}");
    }
    assert!(told().iter().all(|told| told.level == Level::WARN));
}

/// A handler that keeps a worker for longer than the limit; threads are there for that.
fn a_slow_handler<D: Doll>() {
    let _turn = turn();
    journal();
    let told = || journal().events("a handler keeps a worker", "type", std::any::type_name::<D>()).len();
    let before = told();
    for (limit, slow) in [(Duration::MAX, false), (Duration::ZERO, true)] {
        let runtime = Runtime::builder().workers(1).slow_handler(limit).build().expect("one worker");
        let (doll, _) = D::on(&runtime);
        doll.call(|_, _| ());
        doll.stop();
        all_gone(&runtime);
        assert_eq!(told() > before, slow && !D::THREAD);
    }
}

/// Restarts are events.
#[test]
fn restarts() {
    let _dog = watchdog!();
    let _turn = turn();
    journal();
    let runtime = solo();
    let child = ChildSpec::new("child", || Idle);
    let found = child.child_ref();
    let tree = Supervisor::one_for_one().child(child);
    let tree =
        deathwatch::tasks::Actor::start_with(tree, Options::new().runtime(&runtime)).expect("it starts");
    let first = found.ready().wait().expect("it starts");
    let told = || journal().events("a child was restarted", "supervisor", &tree.id().to_string()[1..]);
    assert!(told().is_empty());
    first.kill();
    first.wait_exit().wait();
    let second = loop {
        match found.ready().wait() {
            Ok(second) if second.id() != first.id() => break second,
            _ => std::thread::yield_now(),
        }
    };
    let told = told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].fields["child"], "child");
    assert_eq!(told[0].fields["actor"], second.id().to_string()[1..]);
}
