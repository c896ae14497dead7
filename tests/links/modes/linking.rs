//! Making and ending links.

use std::sync::mpsc;

use deathwatch::{ActorRef, ExitReason, Options, Registry};

use crate::doll::{Doll, Play, dies, in_all_combinations, linked, pair};
use crate::support::solo;

in_all_combinations! {
    one_link_for_two
    ended_from_either_side
    the_dead
    nobody
    unlinked_before_the_look
    unlinked_while_it_stands_in_the_mailbox
    linked_anew
    oneself
    linked_in_the_stop_hook
    children
    a_child_that_fails_at_once
    a_child_that_ends
}

/// R71: linked twice from one side and once from the other: one link, of which both say, and one exit.
fn one_link_for_two<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let a = pair.a.clone().traps();
    pair.link();
    let back = a.clone();
    pair.b.call(move |ctx| ctx.link(&back));
    assert_eq!(a.call(|ctx| ctx.links()), [pair.b.id()]);
    assert_eq!(pair.b.call(|ctx| ctx.links()), [a.id()]);
    assert_eq!((a.links(), pair.b.handle().links()), (vec![pair.b.id()], vec![a.id()]));
    assert_eq!((a.monitors(), a.monitored_by()), (vec![], vec![]), "a link is no monitor");
    pair.kill();
    a.lives();
    let exits = pair.heard.exits();
    assert_eq!(exits.len(), 1);
    assert_eq!((exits[0].from, &exits[0].reason), (pair.b.id(), &ExitReason::Kill));
    assert_eq!(a.call(|ctx| ctx.links()), []);
}

/// R71, R73: who has not made the link can end it, and then neither hears of the other.
fn ended_from_either_side<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let a = pair.a.clone();
    pair.b.call(move |ctx| {
        ctx.unlink(&a);
        ctx.unlink(&a);
    });
    assert_eq!(pair.a.call(|ctx| ctx.links()), []);
    pair.kill();
    pair.a.lives();

    let pair = linked::<A, B>();
    let a = pair.a.clone();
    pair.b.call(move |ctx| ctx.unlink(&a));
    dies(&pair.a, ActorRef::kill);
    pair.b.lives();
}

/// R72: a link to the dead brings a signal that says so, one for each link.
fn the_dead<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    pair.kill();
    let a = pair.a.clone().traps();
    let dead = pair.b.clone();
    a.call(move |ctx| {
        ctx.link(&dead);
        ctx.link(&dead);
    });
    a.lives();
    assert_eq!(pair.heard.labels(), ["exit no such actor"]);
    pair.link();
    a.lives();
    assert_eq!(pair.heard.labels(), ["exit no such actor"]);

    let dead = pair.b.clone();
    a.call(|ctx| A::trap_exit(ctx, false));
    a.tell(move |ctx| ctx.link(&dead));
    let ExitReason::Link(report) = a.wait_exit().wait() else { panic!("it dies of the link") };
    assert_eq!((report.from(), report.reason()), (pair.b.id(), &ExitReason::NoProc));
}

/// R72: the same where nobody has the name.
fn nobody<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let a = pair.a.clone().traps();
    a.call(|ctx| ctx.link(&Registry::current().resolve("nobody of this name")));
    a.lives();
    assert_eq!(pair.heard.labels(), ["exit no such actor"]);
    assert_eq!(a.call(|ctx| ctx.links()), [pair.b.id()]);
}

/// R73: the signal has come, and the actor has not looked at it: unlinked, it does nothing.
fn unlinked_before_the_look<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let b = pair.b.clone();
    let wedge = pair.a.wedge(move |ctx| ctx.unlink(&b));
    pair.kill();
    drop(wedge);
    pair.a.lives();
}

/// R73, R74: the exit stands in the mailbox, behind the message that unlinks: it is dropped.
fn unlinked_while_it_stands_in_the_mailbox<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let a = pair.a.clone().traps();
    let wedge = a.wedge(|_| ());
    let b = pair.b.clone();
    a.tell(move |ctx| ctx.unlink(&b));
    pair.kill();
    drop(wedge);
    a.lives();
    a.lives();
    assert_eq!(pair.heard.labels(), [""; 0]);
}

/// R73: unlinked and linked anew in one handler: the new link is one.
fn linked_anew<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let a = pair.a.clone().traps();
    let b = pair.b.clone();
    a.call(move |ctx| {
        ctx.unlink(&b);
        ctx.link(&b);
        assert_eq!(ctx.links(), [b.id()]);
    });
    // The second time, of one that is dead meanwhile: the exit of the first link is not told.
    let b = pair.b.clone();
    let wedge = a.wedge(move |ctx| {
        ctx.unlink(&b);
        ctx.link(&b);
    });
    pair.kill();
    drop(wedge);
    a.lives();
    a.lives();
    assert_eq!(pair.heard.labels(), ["exit no such actor"]);
}

/// R71: who links itself has no link.
fn oneself<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let a = pair.a.clone().traps();
    let itself = a.clone();
    a.call(move |ctx| {
        ctx.link(&itself);
        assert_eq!(ctx.links(), []);
        ctx.unlink(&itself);
    });
    a.lives();
    assert_eq!(pair.heard.labels(), [""; 0]);
}

/// R71: a link that an actor makes in its stop hook is none.
fn linked_in_the_stop_hook<A: Doll, B: Doll>() {
    let runtime = solo();
    let (b, seen) = B::on(&runtime);
    let b = b.traps();
    let (a, _) = A::new();
    let peer = b.clone();
    let a = a.at_stop(move |ctx| {
        ctx.link(&peer);
        assert_eq!(ctx.links(), []);
    });
    let a = a.start_with(Options::new().runtime(&runtime)).expect("the runtime runs");
    assert_eq!(dies(&a, |a| a.stop_with(ExitReason::error("over"))).to_string(), "error: over");
    b.lives();
    assert_eq!(seen.labels(), [""; 0]);
}

/// R71: a child is linked from the beginning, on both sides.
fn children<P: Doll, C: Doll>() {
    let pair = pair::<P, C>();
    let (child, _) = C::new();
    let child = pair.a.call(move |ctx| {
        let child = child.linked_with(ctx);
        assert_eq!(ctx.links(), [child.id()]);
        child
    });
    assert_eq!(child.call(|ctx| ctx.links()), [pair.a.id()]);
    pair.a.kill();
    let reason = child.wait_exit().wait();
    assert_eq!(reason.root_cause(), &ExitReason::Kill);
}

/// R72: a child that fails in its start hook is no dead one that was linked too late: the parent learns why it failed.
fn a_child_that_fails_at_once<P: Doll, C: Doll>() {
    let pair = pair::<P, C>();
    let (child, _) = C::new();
    let child = child.at_start(|_| panic!("no configuration"));
    let (told, tells) = mpsc::channel();
    pair.a.tell(move |ctx| {
        let _ = told.send(child.linked_with(ctx).id());
    });
    let reason = pair.a.wait_exit().wait();
    let ExitReason::Link(report) = &reason else { panic!("it dies of the link, and not of {reason}") };
    assert_eq!(tells.recv(), Ok(report.from()));
    assert_eq!(report.reason().to_string(), "panic: no configuration");
}

/// R75: a child that ends because its last handle goes does nothing to its parent.
fn a_child_that_ends<P: Doll, C: Doll>() {
    let pair = pair::<P, C>();
    let (child, told) = C::new();
    pair.a.call(move |ctx| drop(child.linked_with(ctx)));
    assert_eq!(told.until_gone(), ["stopped"]);
    pair.a.lives();
}
