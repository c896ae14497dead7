use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::Context as TaskContext;
use std::thread;

use deathwatch::{
    ActorHandle, ActorRef, Alias, AliasUntil, Context, Demonitor, ExitReason, MonitorRef, Monitors, Options,
    Recipient, Registry, Target, WeakActorRef,
};
use futures::StreamExt;

use crate::common::{NoTarget, quiet};
use crate::doll::{Doll, Play, in_all_combinations, pair};
use crate::support::{Event, Note, begun, duo, end, solo, waker_of};

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
    gh_5225_demonitor_alias
    local_remove_monitor
    large_exit
    list_cleanup
    mixer
    named_down
    otp_5827
    monitor_tag_storage
    unexpected_alias_at_demonitor_gh5310
    down_on_alias_gh5310
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

/// R3, R6, R7, R14, R15: a normal end, another end, and one that is over; the same by a name.
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

    // By its name: the `Down` says it.
    let names = stage.registry();
    let jeeves = || {
        let options = Options::new().runtime(&stage).registered("jeeves");
        let b = B::new().0.start_with(options).unwrap();
        (A::monitor(&ctx, &names.resolve("jeeves")), b)
    };
    let (monitor, b) = jeeves();
    end(&b);
    assert_eq!(expect(monitor, &b.handle(), "normal").name.as_deref(), Some("jeeves"));
    let (monitor, b) = jeeves();
    b.stop_with(ExitReason::error("frop"));
    assert_eq!(expect(monitor, &b.handle(), "error: frop").name.as_deref(), Some("jeeves"));

    // Nobody has it any more.
    let monitor = A::monitor(&ctx, &names.resolve("jeeves"));
    let down = heard.down();
    assert_eq!((down.monitor_ref, down.name.as_deref()), (monitor, Some("jeeves")));
    assert_eq!(down.reason, ExitReason::NoProc);
    quiet(&a);
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

/// R33, R53: cancelled when its `Down` has been handled, twice, a monitor has no more aliases; those that are no monitor's stay.
fn gh_5225_demonitor_alias<A: Doll, B: Doll>() {
    let stand = solo();
    let (a, heard) = A::on(&stand);
    let aliases = |ctx: &Context<A>, monitor| {
        [AliasUntil::Unalias, AliasUntil::Demonitor(monitor), AliasUntil::Reply(monitor)]
            .map(|until| A::alias(ctx, until))
    };
    let over = |monitor: MonitorRef, [own, demonitor, reply]: [Alias<Note>; 3]| {
        assert_eq!(heard.down().monitor_ref, monitor);
        let answers = a.call(move |_, ctx| [ctx.demonitor(monitor), ctx.demonitor(monitor)]);
        assert_eq!(answers, [Demonitor::Unknown, Demonitor::Unknown]);
        for alias in [&demonitor, &reply] {
            assert!(!alias.is_active() && alias.send(Note(1)).is_err());
        }
        own.send(Note(2)).unwrap();
        assert_eq!(heard.label(), "note 2");
    };
    // Of a child that ends, and of the dead.
    let (b, monitor, made) = a.call(move |_, ctx| {
        let (b, monitor) = A::spawn_monitored(ctx, B::new().0.at_start(|ctx| ctx.stop()));
        (b, monitor, aliases(ctx, monitor))
    });
    over(monitor, made);
    let (monitor, made) = a.call(move |_, ctx| {
        let monitor = A::monitor(ctx, &b);
        (monitor, aliases(ctx, monitor))
    });
    over(monitor, made);
    assert_eq!(a.downs(), 2);
    assert!(heard.ready().is_none());
}

/// R31, R32: a hundred groups, each with a hundred targets that are dying as they are cancelled: what was taken back is not
/// handled, and what was not is, once. Each group has one at least of each outcome.
fn local_remove_monitor<A: Doll, B: Doll>() {
    // A thread for each of ten thousand would test the machine.
    let (groups, targets) = if B::THREAD { (10, 20) } else { (100, 100) };
    let (stand, stage) = (duo(), duo());
    for group in 0..groups {
        let (a, heard) = A::on(&stand);
        let ctx = a.context();
        let start = || {
            let b = B::new().0.start_with(Options::new().runtime(&stage)).unwrap();
            let monitor = A::monitor(&ctx, &b);
            (b, monitor)
        };
        let ((told_of, handled), (stuck, flushed), (_alive, cancelled)) = (start(), start(), start());
        end(&told_of);
        assert_eq!((heard.down().monitor_ref, a.downs()), (handled, 1));
        let mut wedge = Some(a.wedge()); // it handles nothing for half the time
        end(&stuck);
        // Their handles go, and so they end. One of them, in each group another, is dead when the cancelling begins.
        let mut one_ends = None;
        let mut racing: Vec<_> = (0..targets)
            .map(|at| {
                let (b, monitor) = start();
                if at == group % targets {
                    one_ends = Some(begun(b.wait_exit()));
                }
                monitor
            })
            .collect();
        let dead = racing.remove(group % targets);
        one_ends.expect("one of them").wait();

        assert_eq!(ctx.demonitor(handled), Demonitor::Unknown);
        assert_eq!(ctx.demonitor(cancelled), Demonitor::Cancelled);
        for monitor in [flushed, dead] {
            let answer = ctx.demonitor(monitor);
            assert!(matches!(answer, Demonitor::Flushed(down) if down.monitor_ref == monitor));
        }
        let mut handled = HashSet::new();
        for (at, monitor) in racing.into_iter().enumerate() {
            if at == targets / 2 {
                wedge = None;
            }
            match ctx.demonitor(monitor) {
                Demonitor::Cancelled => {}
                Demonitor::Flushed(down) => assert_eq!(down.monitor_ref, monitor),
                Demonitor::Unknown => assert!(wedge.is_none() && handled.insert(monitor)),
            }
        }
        let told = a.downs() - 1;
        assert_eq!(told, handled.len());
        for _ in 0..told {
            assert!(handled.remove(&heard.down().monitor_ref));
        }
        assert!(heard.ready().is_none());
    }
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

    // By a name.
    let names: Registry = Registry::new();
    names.register("jeeves", &pair.target).unwrap();
    let monitor = A::monitor(&pair.ctx, &names.resolve("jeeves"));
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

/// R6, R18, R93: the name of the target is free when the `Down` comes: who handles it can have the name. The exit is held up in the
/// middle of its telling, by another who watches.
fn named_down<A: Doll, B: Doll>() {
    let rounds = if A::THREAD || B::THREAD { 20 } else { 200 };
    let (stand, stage) = (solo(), solo());
    let names = stage.registry();
    for _ in 0..rounds {
        let options = Options::new().runtime(&stage).registered("the only one");
        let b = B::new().0.start_with(options).unwrap();
        let (tell, told) = mpsc::channel();
        let handled = Arc::new(AtomicBool::new(false));
        let (a, heard) = A::new();
        let (free, seen) = (names.clone(), handled.clone());
        let a = a.at_down(move |ctx| {
            let holders = (free.len(), free.handle("the only one"));
            let _ = tell.send((holders, free.register("the only one", &ctx.handle())));
            seen.store(true, Ordering::Release);
        });
        let a = a.start_with(Options::new().runtime(&stand)).unwrap();
        let mut other = Monitors::new();
        other.monitor(&b);
        let holds_up = waker_of(move || {
            for _ in 0..1_000 {
                if handled.load(Ordering::Acquire) {
                    break;
                }
                thread::yield_now();
            }
        });
        assert!(other.poll_next_unpin(&mut TaskContext::from_waker(&holds_up)).is_pending());
        let monitor = A::monitor(&a.context(), &names.resolve("the only one"));
        b.stop_with(ExitReason::error("bang"));
        let down = heard.down();
        assert_eq!((down.monitor_ref, down.target), (monitor, b.id()));
        assert_eq!((down.name.as_deref(), &*down.reason.to_string()), (Some("the only one"), "error: bang"));
        assert_eq!(told.recv(), Ok(((0, None), Ok(()))));
        assert!(names.unregister("the only one", &a));
    }
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

/// R32, R53: a monitor that was taken back leaves no alias behind: neither for what is on its way, nor for what is sent later.
fn unexpected_alias_at_demonitor_gh5310<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    let kept = pair.monitor();
    let monitor = pair.monitor();
    let alias = A::alias(&pair.ctx, AliasUntil::Reply(monitor));
    let wedge = pair.watcher.wedge();
    alias.send(Note(1)).unwrap();
    assert_eq!(pair.ctx.demonitor(monitor), Demonitor::Cancelled);
    drop(wedge);
    let sent = pair.target.call(move |_, ctx| {
        ctx.stop();
        alias.send(Note(2)).is_ok()
    });
    assert!(!sent);
    let down = pair.heard.down();
    assert_eq!((down.monitor_ref, down.reason), (kept, ExitReason::Normal));
    pair.silence();
}

/// R29, R39, R53: a target ends as it is cancelled: no `Down` is handled after that, and an alias that is not the monitor's stays.
fn down_on_alias_gh5310<A: Doll, B: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (a, heard) = A::on(&stand);
    let ctx = a.context();
    for round in 0..if B::THREAD { 50 } else { 200 } {
        let (b, _) = B::on(&stage);
        let monitor = A::monitor(&ctx, &b);
        let alias = A::alias(&ctx, AliasUntil::Unalias);
        let here = Arc::new(Barrier::new(2));
        let there = here.clone();
        let dead = begun(b.wait_exit());
        b.tell(move |_, ctx| {
            there.wait();
            ctx.stop_with(if round % 2 == 0 { ExitReason::Normal } else { foo() });
        });
        let answer = a.call(move |_, ctx| {
            here.wait();
            ctx.demonitor(monitor)
        });
        assert_ne!(answer, Demonitor::Unknown, "it was in its handler");
        dead.wait();
        assert_eq!(quiet(&a), 0);
        alias.send(Note(round)).unwrap();
        assert_eq!(heard.label(), format!("note {round}"));
    }
}

/// R3, R6, R51, R53: the same for one who is dead already, and for a name that nobody has; there may be an alias beside it, and
/// the watcher may end at once.
fn monitor_3_noproc_gh6185<A: Doll, B: Doll>() {
    let pair = pair::<A, B>();
    pair.stop();
    let monitor = A::monitor_then(&pair.ctx, &pair.target, move |doll, down| doll.tell(Event::Retold(down)));
    let Event::Retold(down) = pair.heard.next() else { panic!("its own message expected") };
    assert_eq!((down.monitor_ref, down.target, down.reason), (monitor, pair.target.id(), ExitReason::Normal));

    let names: Registry = Registry::new();
    for (aliased, tagged) in [(false, false), (true, false), (false, true), (true, true)] {
        let nobody = names.resolve("undefined_name_gh6185");
        let monitor = move |ctx: &Context<A>| {
            let monitor = if tagged { A::monitor_retold(ctx, &nobody) } else { A::monitor(ctx, &nobody) };
            (monitor, aliased.then(|| A::alias(ctx, AliasUntil::Unalias)))
        };
        let at_once = monitor.clone();
        let (monitor, alias) = pair.watcher.call(move |_, ctx| monitor(ctx));
        let down = match pair.heard.next() {
            Event::Down(down) if !tagged => down,
            Event::Retold(down) if tagged => down,
            other => panic!("{other:?}"),
        };
        assert_eq!((down.monitor_ref, down.reason), (monitor, ExitReason::NoProc));
        assert_eq!(down.name.as_deref(), Some("undefined_name_gh6185"));
        if let Some(alias) = alias {
            alias.send(Note(1)).unwrap();
            assert_eq!(pair.heard.label(), "note 1");
            assert!(pair.ctx.unalias(&alias));
            assert!(alias.send(Note(2)).is_err());
        }
        pair.silence();

        let (short, heard) = A::on(&pair.stand);
        let alias = short.call(move |_, ctx| {
            ctx.stop_with(foo());
            at_once(ctx).1
        });
        assert_eq!(short.wait_exit().wait(), foo());
        assert_eq!(heard.until_gone(), ["stopped error: foo", "dropped"]);
        assert!(alias.is_none_or(|alias| !alias.is_active()));
    }
    assert_eq!(pair.watcher.downs(), 2);
}
