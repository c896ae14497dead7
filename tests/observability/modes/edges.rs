//! Who watches whom, and who is linked with whom.

use deathwatch::{Monitors, Runtime};

use crate::doll::{Doll, Play, in_all_combinations};
use crate::support::{end, settle, solo};

in_all_combinations! {
    both_ends_say_the_same
    what_is_over_does_not_show
    across_runtimes
}

fn two<W: Doll, T: Doll>(runtime: &Runtime) -> (deathwatch::ActorRef<W>, deathwatch::ActorRef<T>) {
    (W::on(runtime).0, T::on(runtime).0)
}

/// R57, R58: a snapshot shows each monitor at both of its ends, once for each, and each link.
fn both_ends_say_the_same<W: Doll, T: Doll>() {
    let runtime = solo();
    let (watcher, target) = two::<W, T>(&runtime);
    let at = target.clone();
    watcher.call(move |_, ctx| {
        W::monitor(ctx, &at);
        W::monitor(ctx, &at);
        W::monitor(ctx, &ctx.handle()); // of oneself: nothing
        ctx.link(&at);
    });
    let mut outside = Monitors::new();
    outside.monitor(&target);
    let snapshot = runtime.snapshot();
    let (left, right) =
        (snapshot.actor(watcher.id()).expect("lives"), snapshot.actor(target.id()).expect("lives"));
    assert_eq!(left.monitors, [target.id(), target.id()]);
    assert!(left.monitored_by.is_empty() && right.monitors.is_empty());
    assert_eq!(right.monitored_by.len(), 3);
    assert_eq!(right.monitored_by.iter().filter(|by| **by == watcher.id()).count(), 2);
    assert_eq!((&*left.links, &*right.links), (&[target.id()][..], &[watcher.id()][..]));
    assert_eq!((left.supervisor, right.supervisor), (None, None), "a link is no supervision");
}

/// R58: what was cancelled, and what has been told, does not show.
fn what_is_over_does_not_show<W: Doll, T: Doll>() {
    let runtime = solo();
    let (watcher, target) = two::<W, T>(&runtime);
    let at = target.clone();
    watcher.call(move |_, ctx| {
        let cancelled = W::monitor(ctx, &at);
        ctx.demonitor(cancelled);
        ctx.link(&at);
        ctx.unlink(&at);
    });
    let snapshot = runtime.snapshot();
    for actor in &snapshot.actors {
        assert!(actor.monitors.is_empty() && actor.monitored_by.is_empty() && actor.links.is_empty());
    }
    let at = target.clone();
    watcher.call(move |_, ctx| W::monitor(ctx, &at));
    assert_eq!(runtime.snapshot().actor(watcher.id()).expect("lives").monitors, [target.id()]);
    end(&target);
    watcher.downs();
    settle(&runtime);
    let snapshot = runtime.snapshot();
    assert_eq!(
        snapshot.actors.len(),
        1 + usize::from(snapshot.actors.len() > 1),
        "the probe may be there still"
    );
    assert!(snapshot.actor(watcher.id()).expect("lives").monitors.is_empty());
    assert!(snapshot.actor(target.id()).is_none());
}

/// An edge leads to who is on another runtime; that one is not in the list.
fn across_runtimes<W: Doll, T: Doll>() {
    let (here, there) = (solo(), solo());
    let ((watcher, _), (target, _)) = (W::on(&here), T::on(&there));
    let at = target.clone();
    watcher.call(move |_, ctx| W::monitor(ctx, &at));
    let (near, far) = (here.snapshot(), there.snapshot());
    assert_eq!((near.actors.len(), far.actors.len()), (1, 1));
    assert_eq!(near.actors[0].monitors, [target.id()]);
    assert_eq!(far.actors[0].monitored_by, [watcher.id()]);
    let dot = far.to_dot();
    assert!(
        dot.contains(&format!("a{} [label=\"{}\", style=dashed]", watcher.id().get(), watcher.id())),
        "{dot}"
    );
}
