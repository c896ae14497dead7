//! Exits that are told instead of died of.

use deathwatch::{ActorRef, ExitReason, Options};

use crate::doll::{Doll, Play, Way, dies, in_all_combinations, linked, pair};
use crate::support::solo;

in_all_combinations! {
    every_reason_is_told
    last_words_first
    the_killed_are_seen_as_such
    a_kill_cannot_be_trapped
    for_as_long_as_it_is_asked_for
    whoever_looks_decides
    a_full_mailbox_refuses_none
    names_are_told
}

/// R74, R75, R76: an exit comes for every reason, that of a normal end too.
fn every_reason_is_told<A: Doll, B: Doll>() {
    let ways: [Way<B>; 5] = [
        (ActorRef::stop, "exit normal"),
        (|b| b.stop_with(ExitReason::Shutdown), "exit shutdown"),
        (|b| b.stop_with(ExitReason::error("full")), "exit error: full"),
        (|b| b.tell(|_| panic!("boom")), "exit panic: boom"),
        (ActorRef::kill, "exit kill"),
    ];
    for (end, told) in ways {
        let pair = linked::<A, B>();
        let a = pair.a.clone().traps();
        dies(&pair.b, end);
        a.lives();
        assert_eq!(pair.heard.labels(), [told]);
        assert_eq!(a.call(|ctx| ctx.links()), []);
    }
}

/// R74, R17: what the other sent before it died is handled first, also if it had not been handled when the signal came.
fn last_words_first<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let a = pair.a.clone().traps();
    let wedge = a.wedge(|_| ());
    let to = a.clone();
    dies(&pair.b, move |b| {
        b.tell(move |ctx| {
            (0..3).for_each(|n| A::note(&to, n));
            ctx.stop_with(ExitReason::error("full"));
        });
    });
    drop(wedge);
    a.lives();
    assert_eq!(pair.heard.labels(), ["note 0", "note 1", "note 2", "exit error: full"]);
}

/// R76: over a link a kill is told as what it was, and a death by it as one by a link.
fn the_killed_are_seen_as_such<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let a = pair.a.clone().traps();
    let (third, _) = B::on(&pair.runtimes[1]);
    let b = pair.b.clone();
    third.call(move |ctx| ctx.link(&b));
    let middle = pair.b.id();
    dies(&pair.b, |_| third.kill());
    a.lives();
    let exits = pair.heard.exits();
    assert_eq!((exits.len(), exits[0].from), (1, middle));
    let ExitReason::Link(report) = &exits[0].reason else { panic!("it died of a link") };
    assert_eq!((report.from(), report.reason()), (third.id(), &ExitReason::Kill));
}

/// R76: who traps exits is killed all the same.
fn a_kill_cannot_be_trapped<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let (a, b) = (pair.a.clone().traps(), pair.b.clone().traps());
    assert_eq!(dies(&b, ActorRef::kill), ExitReason::Kill);
    a.lives();
    assert_eq!(pair.heard.labels(), ["exit kill"]);
    assert_eq!(pair.seen.until_gone(), [""; 0]);
}

/// R74: trapping can be begun and ended, and says how it was before.
fn for_as_long_as_it_is_asked_for<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let before = pair.a.call(|ctx| [true, true, false, false].map(|on| A::trap_exit(ctx, on)));
    assert_eq!(before, [false, true, true, false]);
    pair.kill();
    assert_eq!(pair.a.wait_exit().wait().root_cause(), &ExitReason::Kill);
    assert_eq!(pair.heard.until_gone(), [""; 0]);
}

/// R74: what decides is whether exits are trapped when the actor looks; what has become a message then stays one.
fn whoever_looks_decides<A: Doll, B: Doll>() {
    let pair = linked::<A, B>();
    let wedge = pair.a.wedge(|ctx| {
        A::trap_exit(ctx, true);
    });
    pair.kill();
    drop(wedge);
    pair.a.lives();
    assert_eq!(pair.heard.labels(), ["exit kill"]);

    let pair = linked::<A, B>();
    let a = pair.a.clone().traps();
    let wedge = a.wedge(|_| ());
    a.tell(|ctx| {
        A::trap_exit(ctx, false);
    });
    pair.kill();
    drop(wedge);
    a.lives();
    assert_eq!(pair.heard.labels(), ["exit kill"]);
}

/// R74: a bounded mailbox that is full takes an exit all the same.
fn a_full_mailbox_refuses_none<A: Doll, B: Doll>() {
    use deathwatch::{Mailbox, OnFull};
    let runtime = solo();
    let (doll, heard) = A::new();
    let mailbox = Mailbox::bounded(2, OnFull::Reject);
    let a = doll.start_with(Options::new().runtime(&runtime).mailbox(mailbox)).expect("the runtime runs");
    let a = a.traps();
    let other = solo();
    let (b, _) = B::on(&other);
    let peer = b.clone();
    a.call(move |ctx| ctx.link(&peer));
    let wedge = a.wedge(|_| ());
    (0..2).for_each(|n| A::note(&a, n));
    dies(&b, ActorRef::kill);
    drop(wedge);
    assert_eq!(heard.first(3), ["note 0", "note 1", "exit kill"]);
}

/// R74: an exit says what the dead was called, and so does the reason of a death over a link.
fn names_are_told<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let a = pair.a.clone().traps();
    let (doll, _) = B::new();
    let named = doll.start_with(Options::new().runtime(&pair.runtimes[1]).name("db")).expect("it runs");
    for peer in [a.handle(), pair.b.handle()] {
        named.call(move |ctx| ctx.link(&peer));
    }
    dies(&named, ActorRef::kill);
    a.lives();
    let exits = pair.heard.exits();
    assert_eq!((exits.len(), exits[0].name.as_deref()), (1, Some("db")));
    let ExitReason::Link(report) = pair.b.wait_exit().wait() else { panic!("it dies of the link") };
    assert_eq!(report.name(), Some("db"));
    assert_eq!(report.to_string(), format!("linked with {} \"db\", which died (kill)", named.id()));
}
