//! What a snapshot says of one actor.

use deathwatch::snapshot::{ActorInfo, ActorState, Mode};
use deathwatch::{ActorRef, Backend, Mailbox, OnFull, Options, Runtime, Snapshot};

use crate::doll::{Doll, Play, in_both_modes};
use crate::support::{Wedge, solo};

in_both_modes! {
    who_it_is
    from_where_one_looks
    what_it_is_about
    in_its_hooks
    a_bounded_mailbox
    a_ring
    an_unbounded_mailbox
    what_it_has_done
}

/// Is it known what actors have done?
const RECORDED: bool = cfg!(feature = "introspection");

fn info<D: Doll>(runtime: &Runtime, doll: &ActorRef<D>) -> ActorInfo {
    runtime.snapshot().actor(doll.id()).expect("it lives").clone()
}

/// Looks until it is so.
fn until<D: Doll>(runtime: &Runtime, doll: &ActorRef<D>, so: impl Fn(&ActorInfo) -> bool) -> ActorInfo {
    loop {
        let info = info(runtime, doll);
        if so(&info) {
            return info;
        }
        std::thread::yield_now();
    }
}

/// Its identity, type, label, names, mode and backend.
fn who_it_is<D: Doll>() {
    let runtime = solo();
    let options = Options::new().runtime(&runtime).name("label").registered("first");
    let doll = D::new().0.start_with(options).expect("it starts");
    runtime.registry().register("another", &doll).expect("the name is free");
    let (other, _) = D::on(&runtime);
    let snapshot = runtime.snapshot();
    assert_eq!(snapshot.actors.iter().map(|actor| actor.id).collect::<Vec<_>>(), [doll.id(), other.id()]);
    assert_eq!(snapshot.runtime, "solo");
    let info = snapshot.actor(doll.id()).expect("it lives");
    assert_eq!(info.actor, std::any::type_name::<D>());
    assert!(info.actor.ends_with(&info.short_type()) && !info.short_type().contains(':'));
    assert_eq!((info.name.as_deref(), info.called()), (Some("label"), Some("label")));
    assert_eq!(info.registered, ["another", "first"]);
    let (mode, backend) =
        if D::THREAD { (Mode::Threads, Backend::Thread) } else { (Mode::Tasks, Backend::Scheduler) };
    assert_eq!((info.mode, info.backend), (mode, backend));
    let other = snapshot.actor(other.id()).expect("it lives");
    assert_eq!((other.called(), other.registered.len()), (None, 0));
}

/// From inside of an actor, one looks at its own runtime.
fn from_where_one_looks<D: Doll>() {
    let runtime = solo();
    let (doll, _) = D::on(&runtime);
    let inside = doll.call(|_, _| Snapshot::current());
    assert_eq!(inside.runtime, "solo");
    assert!(inside.actor(doll.id()).is_some_and(|own| own.state == ActorState::Running));
    assert!(Snapshot::current().actor(doll.id()).is_none(), "outside, at the default one");
}

/// Idle, running, asked to stop, and gone.
fn what_it_is_about<D: Doll>() {
    let runtime = solo();
    let (doll, _) = D::on(&runtime);
    doll.call(|_, _| ());
    until(&runtime, &doll, |info| info.state == ActorState::Idle);
    let wedge = doll.wedge();
    assert_eq!(info(&runtime, &doll).state, ActorState::Running);
    let second = D::on(&runtime).0;
    if !D::THREAD {
        // The one worker is in the handler of the first.
        let expected = if RECORDED { ActorState::Starting } else { ActorState::Queued };
        assert_eq!(info(&runtime, &second).state, expected);
    }
    doll.stop();
    assert_eq!(info(&runtime, &doll).state, ActorState::Stopping);
    drop(wedge);
    doll.wait_exit().wait();
    assert!(runtime.snapshot().actor(doll.id()).is_none());
    assert!(runtime.snapshot().actor(second.id()).is_some());
}

/// In the start hook and in the stop hook.
fn in_its_hooks<D: Doll>() {
    let runtime = solo();
    let (entered, inside) = std::sync::mpsc::channel();
    let entered_too = entered.clone();
    let ((starts, started), (stops, stopped)) = (Wedge::new(), Wedge::new());
    let doll = D::new().0.at_start(move |_| {
        let _ = entered.send(());
        started();
    });
    let doll = doll.at_stop(move |_| {
        let _ = entered_too.send(());
        stopped();
    });
    let doll = doll.start_with(Options::new().runtime(&runtime)).expect("it starts");
    inside.recv().expect("it starts");
    let expected = if RECORDED { ActorState::Starting } else { ActorState::Running };
    assert_eq!(info(&runtime, &doll).state, expected);
    drop(starts);
    doll.call(|_, _| ());
    assert_ne!(info(&runtime, &doll).state, ActorState::Starting);
    doll.stop();
    inside.recv().expect("it stops");
    assert_eq!(info(&runtime, &doll).state, ActorState::Stopping);
    drop(stops);
    doll.wait_exit().wait();
}

fn fill<D: Doll>(runtime: &Runtime, mailbox: Mailbox) -> (ActorRef<D>, Wedge) {
    let doll = D::new().0.start_with(Options::new().runtime(runtime).mailbox(mailbox)).expect("it starts");
    let wedge = doll.wedge();
    (0..3).for_each(|n| D::note(&doll, n));
    (doll, wedge)
}

/// A bounded mailbox is counted in any case: what waits, not what is being handled.
fn a_bounded_mailbox<D: Doll>() {
    let runtime = solo();
    let (doll, wedge) = fill::<D>(&runtime, Mailbox::bounded(4, OnFull::Reject));
    let mailbox = info(&runtime, &doll).mailbox;
    assert_eq!((mailbox.depth, mailbox.capacity), (Some(3), Some(4)));
    assert_eq!(mailbox.to_string(), "3/4, max 1");
    drop(wedge);
    doll.call(|_, _| ());
    let mailbox = info(&runtime, &doll).mailbox;
    assert_eq!((mailbox.depth, mailbox.high_water >= 3), (Some(0), true));
}

/// One that drops its oldest, too.
fn a_ring<D: Doll>() {
    let runtime = solo();
    let (doll, wedge) = fill::<D>(&runtime, Mailbox::bounded(2, OnFull::DropOldest));
    assert_eq!(info(&runtime, &doll).mailbox.depth, Some(2));
    drop(wedge);
    doll.call(|_, _| ());
    assert_eq!(info(&runtime, &doll).mailbox.depth, Some(0));
}

/// An unbounded one is counted with the feature.
fn an_unbounded_mailbox<D: Doll>() {
    let runtime = solo();
    let (doll, wedge) = fill::<D>(&runtime, Mailbox::unbounded());
    let depth = |depth| RECORDED.then_some(depth);
    assert_eq!(info(&runtime, &doll).mailbox.depth, depth(3));
    drop(wedge);
    doll.call(|_, _| ());
    let mailbox = info(&runtime, &doll).mailbox;
    assert_eq!((mailbox.depth, mailbox.capacity), (depth(0), None));
    // A message that is refused was not counted for long.
    let ctx = doll.context();
    doll.stop();
    doll.wait_exit().wait();
    assert!(!D::try_note(&ctx.actor_ref(), 1));
}

/// How many messages it has handled, the last of them, and for how long it has been there.
fn what_it_has_done<D: Doll>() {
    let runtime = solo();
    let (doll, _) = D::on(&runtime);
    (0..3).for_each(|n| D::note(&doll, n));
    let inside = doll.call(|_, ctx| Snapshot::current().actor(ctx.id()).expect("it lives").clone());
    if !RECORDED {
        assert!(inside.handled.is_none() && inside.last_message.is_none() && inside.uptime.is_none());
        return;
    }
    assert_eq!(inside.handled, Some(3), "this one is not over");
    assert!(inside.last_message.is_some_and(|last| last.contains("Job")));
    let seen = until(&runtime, &doll, |info| info.handled == Some(4));
    assert!(seen.uptime >= inside.uptime && inside.uptime.is_some());
    D::note(&doll, 4);
    let seen = until(&runtime, &doll, |info| info.handled == Some(5));
    assert_eq!(seen.last_message, Some(std::any::type_name::<crate::support::Note>()));
    // A `Down` is a message as well.
    let (target, _) = D::on(&runtime);
    let watched = target.clone();
    doll.call(move |_, ctx| D::monitor(ctx, &watched));
    target.kill();
    let seen = until(&runtime, &doll, |info| info.handled == Some(7));
    assert_eq!(seen.last_message, Some(std::any::type_name::<deathwatch::Down>()));
}
