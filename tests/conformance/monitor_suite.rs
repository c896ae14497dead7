use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use deathwatch::{
    ActorHandle, ActorRef, Demonitor, ExitReason, Monitors, Options, Recipient, Target, WeakActorRef,
};

use crate::doll::{Doll, Play, in_all_combinations, pair};
use crate::support::{Event, Note, begun, duo, solo};

in_all_combinations! {
    case_1
    case_1a
    case_2
    case_2a
    mon_e_1
    demon_e_1
    demon_1
    mon_1
    demon_2
    demonitor_flush
    local_remove_monitor
    large_exit
    list_cleanup
    mixer
    named_down
    otp_5827
    monitor_tag_storage
    monitor_3_noproc_gh6185
}

fn foo() -> ExitReason {
    ExitReason::error("foo")
}

/// R44: A monitors B; B ends A, then itself.
fn case_1<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    pair.monitor();
    let a = pair.watcher.handle();
    let ends = [begun(pair.watcher.wait_exit()), begun(pair.target.wait_exit())];
    pair.target.tell(move |_, ctx| {
        a.stop_with(foo());
        ctx.stop();
    });
    assert_eq!(ends.map(|end| end.wait().to_string()), ["error: foo", "normal"]);
    assert!(pair.target.monitored_by().is_empty() && pair.watcher.monitors().is_empty());
}

/// R7, R44: the same, with B started and monitored in one step.
fn case_1a<A: Doll, B: Doll>() {
    let stand = solo();
    let (a, _) = A::on(&stand);
    let (b, _monitor) = a.call(|_, ctx| {
        let a = ctx.handle();
        let (child, _) = B::new();
        A::spawn_monitored(
            ctx,
            child.at_start(move |ctx| {
                a.stop_with(foo());
                ctx.stop();
            }),
        )
    });
    assert_eq!(a.wait_exit().wait().to_string(), "error: foo");
    assert_eq!(b.wait_exit().wait(), ExitReason::Normal);
    // Both began to end before anybody could wait for it.
    while !b.monitored_by().is_empty() {
        std::thread::yield_now();
    }
}

/// R34: A monitors B; B tries to cancel that, ends, and A is told.
fn case_2<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let monitor = pair.monitor();
    let answer = pair.target.call(move |_, ctx| ctx.demonitor(monitor));
    assert_eq!(answer, Demonitor::Unknown);
    pair.stop();
    let down = pair.heard.down();
    assert_eq!((down.monitor_ref, down.target, down.reason), (monitor, pair.target.id(), ExitReason::Normal));
}

/// R7, R34: the same, with B started and monitored in one step.
fn case_2a<A: Doll, B: Doll>() {
    let stand = solo();
    let (a, heard) = A::on(&stand);
    let (b, monitor) = a.call(|_, ctx| {
        let (child, _) = B::new();
        let watcher = ctx.actor_ref();
        A::spawn_monitored(
            ctx,
            child.at_start(move |ctx| {
                let theirs = watcher.monitors()[0].0;
                assert_eq!(ctx.demonitor(theirs), Demonitor::Unknown);
                ctx.stop();
            }),
        )
    });
    let down = heard.down();
    assert_eq!((down.monitor_ref, down.target, down.reason), (monitor, b.id(), ExitReason::Normal));
}

/// R10, R11: what is no actor cannot be monitored: here the compiler says so. Handles of every kind can.
fn mon_e_1<A: Doll, B: Doll>() {
    fn target<T: Target>() {}
    target::<ActorRef<B>>();
    target::<WeakActorRef<B>>();
    target::<ActorHandle>();
    target::<Recipient<Note>>();
    // Compiles only as long as these are no targets: an implementation would make the call ambiguous.
    trait NoTarget<Marker> {
        fn no_target() {}
    }
    impl<T: ?Sized> NoTarget<()> for T {}
    struct IsTarget;
    impl<T: ?Sized + Target> NoTarget<IsTarget> for T {}
    <u64 as NoTarget<_>>::no_target();
    <str as NoTarget<_>>::no_target();
    <deathwatch::ActorId as NoTarget<_>>::no_target();
    <deathwatch::MonitorRef as NoTarget<_>>::no_target();
    <A as NoTarget<_>>::no_target();
}

/// R34: a reference is of no use at the wrong end of its monitor, nor to a third.
fn demon_e_1<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let (third, _) = A::on(&pair.stand);
    let monitor = pair.monitor();
    assert_eq!(pair.target.call(move |_, ctx| ctx.demonitor(monitor)), Demonitor::Unknown);
    assert_eq!(third.context().demonitor(monitor), Demonitor::Unknown);
    assert_eq!(Monitors::new().demonitor(monitor), Demonitor::Unknown);
    assert_eq!(pair.ctx.demonitor(monitor), Demonitor::Cancelled);
}

/// R33: cancelling a reference that was never registered does nothing.
fn demon_1<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let never = A::monitor(&pair.ctx, &pair.watcher); // of oneself
    let kept = pair.monitor();
    assert_eq!(pair.ctx.demonitor(never), Demonitor::Unknown);
    assert_eq!(pair.ctx.monitors(), [(kept, pair.target.id())]);
}

/// R3, R7, R14, R15: a normal end, another end, and one that is over.
fn mon_1<A: Doll, B: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (a, heard) = A::on(&stand);
    let ctx = a.context();
    let expect = |monitor, target: &ActorHandle, reason: &str| {
        let down = heard.down();
        assert_eq!((down.monitor_ref, down.target), (monitor, target.id()));
        assert_eq!(down.reason.to_string(), reason);
        down
    };
    let ended = |reason: fn(&ActorHandle)| {
        let (b, _) = B::on(&stage);
        let monitor = A::monitor(&ctx, &b);
        reason(&b.handle());
        (monitor, b.handle())
    };
    let (monitor, normal) = ended(ActorHandle::stop);
    expect(monitor, &normal, "normal");
    let (monitor, frop) = ended(|b| b.stop_with(ExitReason::error("frop")));
    expect(monitor, &frop, "error: frop");

    // Started and monitored in one step.
    let (child, monitor) = a.call(|_, ctx| A::spawn_monitored(ctx, B::new().0.at_start(|ctx| ctx.stop())));
    expect(monitor, &child, "normal");
    let (child, monitor) = a.call(|_, ctx| {
        let child = B::new().0.at_start(|ctx| ctx.stop_with(ExitReason::error("frop")));
        A::spawn_monitored(ctx, child)
    });
    expect(monitor, &child, "error: frop");

    // It is dead: told at once, and here with the reason it really died of.
    let monitor = A::monitor(&ctx, &frop);
    expect(monitor, &frop, "error: frop");

    // By its name: the `Down` carries it.
    let (b, _) = B::new();
    let b = b.start_with(Options::new().runtime(&stage).name("jeeves")).unwrap();
    let monitor = A::monitor(&ctx, &b);
    b.stop();
    let down = expect(monitor, &b.handle(), "normal");
    assert_eq!(down.name.as_deref(), Some("jeeves"));
    assert!(heard.ready().is_none());
}

/// R5, R14, R33, R37: of oneself; twice; a normal `Down`; cancelled before the death.
fn demon_2<A: Doll, B: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (a, heard) = A::on(&stand);
    let ctx = a.context();
    let own = A::monitor(&ctx, &a);
    assert_eq!([ctx.demonitor(own), ctx.demonitor(own)], [Demonitor::Unknown, Demonitor::Unknown]);
    a.downs();
    assert!(heard.ready().is_none());

    let (b, _) = B::on(&stage);
    let monitor = A::monitor(&ctx, &b);
    b.stop();
    assert_eq!(heard.down().monitor_ref, monitor);

    let (b, _) = B::on(&stage);
    let monitor = A::monitor(&ctx, &b);
    assert_eq!(ctx.demonitor(monitor), Demonitor::Cancelled);
    b.stop_with(ExitReason::error("frop"));
    b.wait_exit().wait();
    assert_eq!(a.downs(), 1);
    assert!(heard.ready().is_none());
}

/// R30, R31, R36: four monitors of one target: cancelled before the death, told, flushed after it, told.
fn demonitor_flush<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let [first, second, third, fourth] = [(); 4].map(|()| pair.monitor());
    assert_eq!(pair.ctx.demonitor(first), Demonitor::Cancelled);
    let wedge = pair.watcher.wedge(); // so that nothing is handled meanwhile
    let end = begun(pair.target.wait_exit());
    pair.target.stop_with(ExitReason::error("bang"));
    end.wait();
    let Demonitor::Flushed(down) = pair.ctx.demonitor(third) else { panic!("it stands in the mailbox") };
    assert_eq!((down.monitor_ref, down.reason.to_string().as_str()), (third, "error: bang"));
    drop(wedge);
    let mut told = [pair.heard.down(), pair.heard.down()].map(|down| down.monitor_ref);
    told.sort();
    assert_eq!(told, [second, fourth]);
    assert_eq!(pair.watcher.downs(), 2);
    assert_eq!(pair.ctx.demonitor(fourth), Demonitor::Unknown);
}

/// R32: a hundred groups, each with a hundred targets that are dying as they are cancelled: what was taken back is not
/// handled, and what was not is, once.
fn local_remove_monitor<A: Doll, B: Doll>() {
    // A thread for each of ten thousand would test the machine.
    let (groups, targets) = if B::THREAD { (10, 20) } else { (100, 100) };
    let (stand, stage) = (duo(), duo());
    let mut outcomes = [0; 3];
    for _ in 0..groups {
        let (a, heard) = A::on(&stand);
        let ctx = a.context();
        let monitors: Vec<_> = (0..targets)
            .map(|_| {
                let b = B::new().0.start_with(Options::new().runtime(&stage)).unwrap();
                A::monitor(&ctx, &b) // `b` goes, and so it ends
            })
            .collect();
        let mut handled = HashSet::new();
        for monitor in monitors {
            match ctx.demonitor(monitor) {
                Demonitor::Cancelled => outcomes[0] += 1,
                Demonitor::Flushed(down) => {
                    assert_eq!(down.monitor_ref, monitor);
                    outcomes[1] += 1;
                }
                Demonitor::Unknown => {
                    outcomes[2] += 1;
                    assert!(handled.insert(monitor));
                }
            }
        }
        let told = a.downs();
        assert_eq!(told, handled.len());
        for _ in 0..told {
            assert!(handled.remove(&heard.down().monitor_ref));
        }
    }
    assert_eq!(outcomes.iter().sum::<usize>(), groups * targets);
}

/// R16: a large reason comes as it is, a hundred times.
fn large_exit<A: Doll, B: Doll>() {
    let stand = duo();
    let (a, heard) = A::on(&stand);
    let ctx = a.context();
    for round in 0..100 {
        let large = format!("{round}, {}", "large ".repeat(10_000));
        let (b, _) = B::on(&stand);
        A::monitor(&ctx, &b);
        let reason = ExitReason::error(large.clone());
        b.tell(move |_, ctx| ctx.stop_with(reason));
        assert_eq!(heard.down().reason.to_string(), format!("error: {large}"));
    }
}

/// R41, R42, R43, R57, R58: both views, through a cancel, a death of the target, and a death of the watcher.
fn list_cleanup<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let shown = || (pair.watcher.monitors(), pair.target.monitored_by());
    let nothing = (vec![], vec![]);
    assert_eq!(shown(), nothing);
    let monitor = pair.monitor();
    assert_eq!(shown(), (vec![(monitor, pair.target.id())], vec![pair.watcher.id()]));
    pair.ctx.demonitor(monitor);
    assert_eq!(shown(), nothing);
    pair.watcher.downs();
    assert!(pair.heard.ready().is_none());

    let monitor = pair.monitor();
    assert_eq!(shown(), (vec![(monitor, pair.target.id())], vec![pair.watcher.id()]));
    pair.stop();
    assert_eq!(pair.heard.down().monitor_ref, monitor);
    pair.watcher.downs();
    assert_eq!(shown(), nothing);

    // The watcher is the one who crashes.
    let (b, _) = B::on(&pair.stage);
    let monitor = A::monitor(&pair.ctx, &b);
    assert_eq!(
        (pair.watcher.monitors(), b.monitored_by()),
        (vec![(monitor, b.id())], vec![pair.watcher.id()])
    );
    let end = begun(pair.watcher.wait_exit());
    pair.watcher.stop_with(ExitReason::error("frop"));
    end.wait();
    assert_eq!((pair.watcher.monitors(), b.monitored_by()), nothing);
    assert!(b.is_alive());
}

/// R41, R42, R43, R45, R58: many that monitor one, and whom it monitors, on one runtime and others, in every order; they die
/// or cancel.
fn mixer<A: Doll, B: Doll>() {
    let runtimes = [solo(), solo(), solo()];
    let ids = |mut of: Vec<deathwatch::ActorId>| {
        of.sort();
        of
    };
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for (both, cancel) in [(false, false), (false, true), (true, false), (true, true)] {
            let (me, heard) = A::on(&runtimes[0]);
            let ctx = me.context();
            let others: Vec<_> = order.iter().chain(&order).map(|&at| B::on(&runtimes[at]).0).collect();
            let everybody = ids(others.iter().map(|b| b.id()).collect());
            let theirs: Vec<_> = others.iter().map(|b| B::monitor(&b.context(), &me)).collect();
            let mine: Vec<_> =
                others.iter().filter(|_| both).map(|b| (A::monitor(&ctx, b), b.id())).collect();
            assert_eq!(ids(me.monitored_by()), everybody);
            assert_eq!(
                ids(me.monitors().into_iter().map(|(_, id)| id).collect()),
                if both { everybody } else { vec![] }
            );
            if cancel {
                for (b, monitor) in others.iter().zip(theirs) {
                    assert_eq!(b.context().demonitor(monitor), Demonitor::Cancelled);
                }
                assert_eq!((me.monitored_by(), me.monitors().len()), (vec![], mine.len()));
                for (monitor, _) in mine {
                    assert_eq!(ctx.demonitor(monitor), Demonitor::Cancelled);
                }
            } else {
                for b in &others {
                    let end = begun(b.wait_exit());
                    b.stop_with(ExitReason::error("flaff"));
                    end.wait();
                    if both {
                        assert_eq!(heard.down().target, b.id());
                    }
                }
            }
            me.downs();
            assert_eq!((me.monitors(), me.monitored_by()), (vec![], vec![]));
            assert!(heard.ready().is_none());
        }
    }
}

/// R18: the `Down` comes when what the target held is free again. (Names are not there yet; here it is a place in a set.)
fn named_down<A: Doll, B: Doll>() {
    let stand = duo();
    let names = Arc::new(Mutex::new(HashSet::from(["the only one"])));
    let (taken, free) = (names.clone(), names.clone());
    let (b, _) = B::new();
    let b = b.at_drop(move || {
        assert!(taken.lock().unwrap().remove("the only one"));
    });
    let b = b.start_with(Options::new().runtime(&stand)).unwrap();
    b.stop_with(ExitReason::error("bang"));
    let (a, heard) = A::new();
    let a = a.at_down(move |_| assert!(free.lock().unwrap().insert("the only one"), "still taken"));
    let a = a.start_with(Options::new().runtime(&stand)).unwrap();
    A::monitor(&a.context(), &b);
    heard.down();
    assert_eq!(a.downs(), 1);
}

/// R13: a handle from a runtime that is gone is answered at once, and nobody waits for ever.
fn otp_5827<A: Doll, B: Doll>() {
    let (stand, gone) = (solo(), solo());
    let (b, _) = B::on(&gone);
    drop(gone);
    let (a, heard) = A::on(&stand);
    let monitor = A::monitor(&a.context(), &b);
    let down = heard.down();
    assert_eq!((down.monitor_ref, down.target, down.reason), (monitor, b.id(), ExitReason::Kill));
}

/// R51, R52: what was given to each of several monitors of one target comes back with its own death, of whatever size.
fn monitor_tag_storage<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let tagged = |size: u32| {
        let tag = vec![size; size as usize];
        A::monitor_then(&pair.ctx, &pair.target, move |doll, down| {
            assert_eq!(tag, vec![size; size as usize]);
            doll.tell(Event::Note(size));
            doll.tell(Event::Retold(down));
        })
    };
    let sizes = [0, 1, 7, 1_000, 100_000];
    let monitors = sizes.map(tagged);
    let cancelled = tagged(3);
    assert_eq!(pair.ctx.demonitor(cancelled), Demonitor::Cancelled);
    pair.stop();
    let mut told: Vec<_> = sizes
        .iter()
        .map(|_| match (pair.heard.next(), pair.heard.next()) {
            (Event::Note(size), Event::Retold(down)) => (down.monitor_ref, size),
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort();
    assert_eq!(told, monitors.into_iter().zip(sizes).collect::<Vec<_>>());
    assert_eq!(pair.watcher.downs(), 0);
    assert!(pair.heard.ready().is_none());
}

/// R3, R51: the same for one who is dead already.
fn monitor_3_noproc_gh6185<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    pair.stop();
    let monitor = A::monitor_then(&pair.ctx, &pair.target, move |doll, down| doll.tell(Event::Retold(down)));
    let Event::Retold(down) = pair.heard.next() else { panic!("its own message expected") };
    assert_eq!((down.monitor_ref, down.target, down.reason), (monitor, pair.target.id(), ExitReason::Normal));
    assert_eq!(pair.watcher.downs(), 0);
}
