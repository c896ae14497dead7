use std::sync::mpsc;
use std::thread;

use deathwatch::{ActorHandle, AliasUntil, ExitReason, Options, Runtime};

use crate::common::quiet;
use crate::doll::{Doll, Play, in_all_combinations, pair};
use crate::support::{Event, Note, duo, end, solo};

in_all_combinations! {
    xm_sig_order
    kill2killed
    contended_signal_handling
    unlink_exit
    monitor_order
    monitor_named_order_local
    priority_messages_order
}

/// R17, R74: messages and the end of their sender come in the order in which they were sent, the `Down` as well as the `Exit`.
fn xm_sig_order<A: Doll, B: Doll>() {
    for _ in 0..100 {
        let pair = pair::<A, B>();
        let monitor = pair.monitor();
        pair.link();
        let to = pair.watcher.clone();
        pair.target.tell(move |_, ctx| {
            (0..10).for_each(|number| A::note(&to, number));
            ctx.stop();
        });
        for number in 0..10 {
            assert_eq!(pair.heard.label(), format!("note {number}"));
        }
        assert_eq!(pair.told(monitor), ExitReason::Normal);
    }
}

/// R74, R76: who is killed is told of as killed, whatever it did about it; and over any number of links a kill is a reason
/// like any other, which can be trapped.
fn kill2killed<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    pair.monitor();
    let wedge = pair.target.wedge();
    pair.target.kill();
    pair.target.stop_with(ExitReason::error("something else"));
    drop(wedge);
    assert_eq!(pair.heard.down().reason, ExitReason::Kill);
    assert_eq!(pair.seen.until_gone(), ["dropped"], "no hook runs");

    A::trap_exit(&pair.ctx, true);
    let dies_of_it: fn(&ActorHandle) = |it| it.stop_with(ExitReason::Kill);
    for (by_itself, how) in
        [(false, ActorHandle::kill as fn(&_)), (true, ActorHandle::kill), (true, dies_of_it)]
    {
        for length in [1, 2, 9, 10] {
            let mut line = vec![pair.watcher.handle()];
            let mut last: Box<dyn FnOnce()> = Box::new(|| ());
            for at in 0..length {
                let before = &line[at];
                let (next, ends) = match at % 2 {
                    0 => in_line::<B>(&pair.stage, before, by_itself, how),
                    _ => in_line::<A>(&pair.stand, before, by_itself, how),
                };
                line.push(next);
                last = ends;
            }
            last();
            let exit = pair.heard.exit();
            assert_eq!(exit.from, line[1].id());
            match exit.reason {
                ExitReason::Kill => assert_eq!(length, 1),
                ExitReason::Link(report) => {
                    assert_eq!((report.length(), report.root()), (length - 1, line[length].id()));
                    assert_eq!(report.root_cause(), &ExitReason::Kill);
                }
                other => panic!("{other}"),
            }
            pair.silence(); // and it lives
        }
    }
}

/// One that is linked with the one before it, and what ends it.
fn in_line<D: Doll>(
    runtime: &Runtime,
    before: &ActorHandle,
    by_itself: bool,
    how: fn(&ActorHandle),
) -> (ActorHandle, Box<dyn FnOnce()>) {
    let (doll, _) = D::on(runtime);
    doll.context().link(before);
    let handle = doll.handle();
    let ends = move || match by_itself {
        true => doll.tell(move |_, ctx| how(&ctx.handle())),
        false => how(&doll.handle()),
    };
    (handle, Box::new(ends))
}

/// R72, R73: a parent unlinks its child and ends, while the child links it anew: the child has one exit, with `NoProc` if the parent
/// was dead, and otherwise that or the reason.
fn unlink_exit<A: Doll, B: Doll>() {
    let bye = || ExitReason::error("bye");
    let (stand, stage) = (solo(), solo());
    for round in 0..if A::THREAD || B::THREAD { 60 } else { 600 } {
        let ((parent, _), (child, heard)) = (A::on(&stand), B::on(&stage));
        B::trap_exit(&child.context(), true);
        let linked = child.clone();
        parent.call(move |_, ctx| ctx.link(&linked));

        // Of three rounds, one is a race; in one the parent is dead when the child looks, in one it waits for the link.
        let (unlinks, unlinked) = mpsc::channel();
        let (links, linked) = mpsc::channel::<()>();
        let peer = child.clone();
        parent.tell(move |_, ctx| {
            ctx.unlink(&peer);
            unlinks.send(()).unwrap();
            if round % 3 == 2 {
                let _ = linked.recv();
            }
            ctx.stop_with(bye());
        });
        let peer = parent.clone();
        let was_alive = child.call(move |_, ctx| {
            unlinked.recv().unwrap();
            while round % 3 == 1 && peer.is_alive() {
                thread::yield_now();
            }
            let was_alive = peer.is_alive();
            ctx.link(&peer);
            drop(links);
            was_alive
        });
        let exit = heard.exit();
        assert_eq!(exit.from, parent.id());
        match round % 3 {
            1 => assert_eq!((was_alive, exit.reason), (false, ExitReason::NoProc)),
            2 => assert_eq!((was_alive, exit.reason), (true, bye())),
            _ => assert!(exit.reason == ExitReason::NoProc || was_alive && exit.reason == bye(), "{exit:?}"),
        }
        quiet(&child);
        assert_eq!((heard.labels(), child.links()), (vec![], vec![]));
    }
}

/// R3, R17: a monitor that is made after messages were sent to its target is answered after what those made the target send.
fn monitor_order<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let to = pair.watcher.clone();
    pair.target.tell(move |_, _| A::note(&to, 1));
    let to = pair.watcher.clone();
    pair.target.tell(move |_, ctx| {
        A::note(&to, 2);
        ctx.stop();
    });
    pair.monitor();
    let labels = [pair.heard.label(), pair.heard.label(), pair.heard.label()];
    assert_eq!(labels, ["note 1", "note 2", "down normal"]);
}

/// R6, R17, R53: what is sent by a handle, by a name and by aliases comes in the order in which it was sent, and before the
/// `Down` of the sender, who is monitored by its name.
fn monitor_named_order_local<A: Doll, B: Doll>() {
    let (stand, stage) = (solo(), solo());
    let names = stand.registry();
    let (a, heard) = A::new();
    let a = a.start_with(Options::new().runtime(&stand).registered("tester")).unwrap();
    let ctx = a.context();
    let alias = A::alias(&ctx, AliasUntil::Unalias);
    for round in 0..20 {
        let count = 1_000 + round;
        let options = Options::new().runtime(&stage).registered_in(names, "monitor_named_order");
        let b = B::new().0.start_with(options).unwrap();
        let monitor = A::monitor(&ctx, &names.resolve("monitor_named_order"));
        let until_it_ends = A::alias(&ctx, AliasUntil::Demonitor(monitor));
        let (to, names, alias) = (a.clone(), names.clone(), alias.clone());
        b.tell(move |_, ctx| {
            for number in 0..count {
                match number % 4 {
                    0 => A::note(&to, number),
                    1 => A::note(&names.lookup("tester").unwrap(), number),
                    2 => alias.send(Note(number)).unwrap(),
                    _ => until_it_ends.send(Note(number)).unwrap(),
                }
            }
            ctx.stop();
        });
        for number in 0..count {
            assert!(matches!(heard.next(), Event::Note(note) if note == number), "{number}");
        }
        let down = heard.down();
        assert_eq!((down.monitor_ref, down.name.as_deref()), (monitor, Some("monitor_named_order")));
        assert_eq!(down.reason, ExitReason::Normal);
    }
    assert_eq!(a.downs(), 20);
    assert!(heard.ready().is_none());
}

/// R17, R54, R74: `Down`s that were asked for so come before everything else, in the order of the deaths; all else, in its own.
fn priority_messages_order<A: Doll, B: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (a, heard) = A::on(&stand);
    let ctx = a.context();
    A::trap_exit(&ctx, true);
    let targets = || [(); 2].map(|()| B::on(&stage).0);
    let (linked, ordinary, priority) = (targets(), targets(), targets());
    linked.iter().for_each(|peer| ctx.link(peer));
    for (ordinary, priority) in ordinary.iter().zip(&priority) {
        A::monitor(&ctx, ordinary);
        A::monitor_priority(&ctx, priority);
    }

    let wedge = a.wedge();
    A::note(&a, 1);
    end(&linked[1]);
    end(&ordinary[1]);
    end(&priority[1]);
    A::note(&a, 2);
    end(&ordinary[0]);
    A::note(&a, 3);
    end(&linked[0]);
    end(&priority[0]);
    A::note(&a, 4);
    drop(wedge);
    quiet(&a);

    let called = |id| {
        let at = [&linked, &ordinary, &priority].map(|of| of.iter().position(|it| it.id() == id));
        match at {
            [Some(at), ..] => format!("linked {at}"),
            [_, Some(at), _] => format!("ordinary {at}"),
            [.., at] => format!("priority {}", at.expect("one of them")),
        }
    };
    let (mut exits, mut others) = (Vec::new(), Vec::new());
    while let Some(event) = heard.ready() {
        match event {
            Event::Exit(exit) => exits.push(called(exit.from)),
            Event::Down(down) => others.push(called(down.target)),
            event => others.push(event.label()),
        }
    }
    let order =
        ["priority 1", "priority 0", "note 1", "ordinary 1", "note 2", "ordinary 0", "note 3", "note 4"];
    assert_eq!(others, order);
    assert_eq!(exits, ["linked 1", "linked 0"]);
}

/// R14, R31: many send, monitor and cancel at one that is busy, then dies: nothing is lost, nothing comes twice.
fn contended_signal_handling<A: Doll, B: Doll>() {
    const WATCHERS: usize = 8;
    const ROUNDS: usize = 50;
    let (stand, stage) = (duo(), solo());
    let (b, seen) = B::new();
    let b = b.start_with(Options::new().runtime(&stage)).unwrap();
    let watchers: Vec<_> = (0..WATCHERS).map(|_| A::on(&stand)).collect();
    std::thread::scope(|scope| {
        for (a, _) in &watchers {
            let (ctx, b) = (a.context(), &b);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    B::note(b, 0);
                    let monitor = A::monitor(&ctx, b);
                    if round % 2 == 0 {
                        assert_eq!(ctx.demonitor(monitor), deathwatch::Demonitor::Cancelled);
                    }
                }
            });
        }
    });
    assert_eq!(b.monitored_by().len(), WATCHERS * ROUNDS / 2);
    b.tell(|_, ctx| ctx.stop()); // behind everything that was sent
    let notes = seen.until_gone().iter().filter(|label| *label == "note 0").count();
    assert_eq!(notes, WATCHERS * ROUNDS);
    for (a, heard) in &watchers {
        (0..ROUNDS / 2).for_each(|_| assert_eq!(heard.down().target, b.id()));
        assert_eq!(a.downs(), ROUNDS / 2);
    }
}
