//! What cannot be brought about from outside.

use std::time::Duration;

use super::{Backend, Options, Runtime};
use crate::tasks::Actor;
use crate::{ActorRef, ExitReason};

struct Link(#[expect(dead_code, reason = "dropped with it")] Option<ActorRef<Link>>);
impl Actor for Link {}

/// A pool that has ended kills what it is given, on the spot: a long chain of actors, each holding the next, is no deep
/// recursion.
#[test]
fn chains_of_actors_without_a_thread() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let link =
        |next| Link(next).start_with(Options::new().runtime(&runtime).backend(Backend::Blocking)).unwrap();
    let last = link(None);
    let end = last.wait_exit();
    let first = (0..100_000).fold(last, |next, _| link(Some(next)));
    runtime.shared.elastic.stop(Duration::from_secs(3_600));
    drop(first);
    assert_eq!(end.wait(), ExitReason::Kill);
}

/// However many write at once, no more deaths are kept than were asked for.
#[test]
fn deaths_are_kept_in_a_bounded_number() {
    let deaths = super::deaths::Deaths::keeping(3).expect("more than none");
    let noted = || super::deaths::Obituary {
        id: crate::id::ActorId::next(),
        actor: "actor",
        name: None,
        reason: Some(crate::reason::ExitReason::Kill),
        at: crate::clock::real_now(),
        took: std::time::Duration::ZERO,
        told: None,
    };
    std::thread::scope(|scope| {
        (0..4).for_each(|_| _ = scope.spawn(|| (0..1000).for_each(|_| deaths.note(noted()))));
    });
    assert_eq!((deaths.len(), deaths.latest(|_| ()).len()), (3, 3));
    assert!(super::deaths::Deaths::keeping(0).is_none());
}
