//! Whose children actors are.

use deathwatch::supervisor::{ChildSpec, Supervisor};
use deathwatch::{ActorRef, Context, Message, Options, Snapshot, Starts};
use futures::stream;

use crate::support::{Idle, Puppet, Told, solo};

struct Threaded;
impl deathwatch::threads::Actor for Threaded {}

struct Number;
impl Message for Number {
    type Reply = ();
}
impl deathwatch::tasks::Handler<Number> for Puppet {
    async fn handle(&mut self, _: Number, _: &Context<Self>) {}
}

fn tree<A: Starts<K> + 'static, K: 'static>(make: fn() -> A) {
    let runtime = solo();
    let leaf = ChildSpec::new("leaf", make);
    let found = leaf.child_ref();
    let below = ChildSpec::new("below", move || Supervisor::one_for_one().child(leaf.clone()));
    let branch = below.child_ref();
    let top = Supervisor::one_for_all().child(below).child(ChildSpec::new("other", make));
    let top = deathwatch::tasks::Actor::start_with(top, Options::new().runtime(&runtime).name("top"))
        .expect("starts");
    top.ready().wait().expect("all have started");
    let leaf: ActorRef<A> = found.ready().wait().expect("it has");
    let branch = branch.ready().wait().expect("it has");
    let check = |snapshot: &Snapshot, leaf: deathwatch::ActorId| {
        let parent = |id| snapshot.actor(id).expect("it lives").supervisor;
        assert_eq!(
            (parent(leaf), parent(branch.id()), parent(top.id())),
            (Some(branch.id()), Some(top.id()), None)
        );
        assert_eq!(
            snapshot.children(top.id()).map(|child| child.called()).collect::<Vec<_>>(),
            [Some("below"), Some("other")]
        );
        let edge = format!("a{} -> a{} [style=bold", branch.id().get(), leaf.get());
        assert!(snapshot.to_dot().contains(&edge));
    };
    check(&runtime.snapshot(), leaf.id());
    // The next incarnation is a child as well, and the one before is nobody's.
    leaf.kill();
    leaf.wait_exit().wait();
    let next = loop {
        match found.ready().wait() {
            Ok(next) if next.id() != leaf.id() => break next,
            _ => std::thread::yield_now(),
        }
    };
    check(&runtime.snapshot(), next.id());
    assert!(runtime.snapshot().actor(leaf.id()).is_none());
}

#[test]
fn children_that_are_async() {
    let _dog = watchdog!();
    tree(|| Idle);
}

#[test]
fn children_with_threads() {
    let _dog = watchdog!();
    tree(|| Threaded);
}

/// What feeds an actor is tied to it, as a child is, and is not in the list.
#[test]
fn a_stream_is_no_actor() {
    let _dog = watchdog!();
    let runtime = solo();
    let (puppet, _events) = Puppet::on(&runtime);
    puppet.call(|_, ctx| ctx.attach(stream::pending::<Number>()));
    let snapshot = runtime.snapshot();
    assert_eq!(snapshot.actors.len(), 1);
    assert_eq!(snapshot.actors[0].id, puppet.id());
}
