//! Names: who has them, and when they are free.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use deathwatch::{
    Context, Demonitor, ExitReason, LookupError, Mailbox, MonitorRef, Monitors, OnFull, Options,
    RegisterError, Registry, StartError,
};

use super::deaths::{Scene, ways};
use crate::doll::{Doll, Either, Play, TaskDoll, in_all_combinations, in_both_modes};
use crate::support::{Idle, Puppet, Tally, Told, Wedge, corpse, duo, end, settle, solo};

in_all_combinations! {
    every_way_of_dying_frees_the_name
    free_before_the_first_of_many_downs
    by_name
    by_name_taken_back
}

in_both_modes! {
    nobody_is_told_between_the_steps
    a_failed_start_leaves_the_name_free
    a_name_that_is_taken
    the_start_hook_sees_its_own_name
    lookups
    names_keep_nobody_alive
    later
    of_the_dead
    one_registry_for_each_runtime
    the_names_of_a_runtime_that_has_ended
    keys_of_any_type
    a_key_that_panics_at_the_end
    many_want_one_name
}

/// R18, R93: whatever it dies of, its name is free before anybody is told, and who handles the `Down` can register it.
fn every_way_of_dying_frees_the_name<W: Doll, T: Doll>() {
    for way in ways::<T>() {
        println!("{}", way.name);
        let (stand, stage) = (solo(), solo());
        let names = stage.registry().clone();
        let (watcher, heard) = W::new();
        let (tell, told) = mpsc::channel();
        let seen = names.clone();
        let watcher = watcher.at_down(move |ctx| {
            let free = (seen.len(), seen.handle("victim"));
            let _ = tell.send((free, seen.register("victim", &ctx.actor_ref())));
        });
        let watcher = watcher.start_with(Options::new().runtime(&stand)).unwrap();
        let (victim, _) = T::new();
        let options = Options::new().runtime(&stage).registered("victim");
        let victim = (way.make)(victim).start_with(options).unwrap();
        W::monitor(&watcher.context(), &victim);
        let wedge = victim.wedge();
        assert_eq!(names.lookup::<T>("victim"), Ok(victim.clone()), "{}", way.name);
        let left = (way.end)(Scene { stage, victim, wedge });

        assert_eq!(heard.down().reason.to_string(), way.reason, "{}", way.name);
        assert_eq!(told.recv().unwrap(), ((0, None), Ok(())), "{}", way.name);
        assert_eq!(names.lookup::<W>("victim"), Ok(watcher.clone()), "{}", way.name);
        drop(left);
    }
}

/// R18, R93: also where so many watch that the exit tells them in several runs, and the name is older than all of them.
fn free_before_the_first_of_many_downs<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let names = stage.registry().clone();
    let (target, _) = T::new();
    let target = target.start_with(Options::new().runtime(&stage).registered("target")).unwrap();
    let (watcher, _) = W::new();
    let (tell, told) = mpsc::channel();
    let seen = names.clone();
    let watcher = watcher.at_down(move |_| tell.send(seen.len()).unwrap());
    let watcher = watcher.start_with(Options::new().runtime(&stand)).unwrap();
    let ctx = watcher.context();
    let many = 10_000;
    for _ in 0..many {
        W::monitor(&ctx, &target);
    }
    target.kill();
    assert!((0..many).all(|_| told.recv().unwrap() == 0));
}

/// R18, R93: an exit that goes on in steps lets others run in between: by then nobody has been told who could find the name
/// taken.
fn nobody_is_told_between_the_steps<W: Doll>() {
    let (stand, stage) = (solo(), solo());
    let names = stage.registry().clone();
    // Whoever is woken by the drop of the target runs before the second step.
    let (next, _) = TaskDoll::on(&stage);
    next.call(|_, _| ());
    let (entered, inside) = mpsc::channel();
    let (hold, held) = Wedge::new();
    let (target, _) = TaskDoll::new();
    let target = target.at_drop(move || {
        next.tell(move |_, _| {
            entered.send(()).unwrap();
            held();
        });
    });
    let target = target.start_with(Options::new().runtime(&stage).registered("target")).unwrap();
    let (watcher, _) = W::on(&stand);
    let ctx = watcher.context();
    let many = 10_000;
    for _ in 0..many {
        W::monitor(&ctx, &target);
    }
    target.kill();
    inside.recv().unwrap();
    assert_eq!(target.exit_reason(), Some(ExitReason::Kill), "the first step is over");
    assert_eq!((names.handle("target"), watcher.downs()), (None, 0));
    drop(hold);
    while watcher.downs() < many {}
    assert!(names.is_empty());
}

/// R6: resolved once; the `Down` says the name; nobody of that name is `NoProc`, and a later holder makes no difference.
fn by_name<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let names: Registry = Registry::new();
    let (watcher, heard) = W::on(&stand);
    let ctx = watcher.context();
    let (target, _) = T::new();
    let target = target.start_with(Options::new().runtime(&stage).name("its label")).unwrap();
    names.register("db", &target).unwrap();

    let resolved = names.resolve("db");
    let monitor = W::monitor(&ctx, &resolved);
    let retold = W::monitor_retold(&ctx, &names.resolve("db"));
    let guarded = W::monitor_guard(&ctx, &resolved);
    let by_handle = W::monitor(&ctx, &target);
    let cache = W::monitor(&ctx, &names.resolve("cache"));
    let none = heard.down();
    assert_eq!(
        (none.monitor_ref, none.name.as_deref(), &none.reason),
        (cache, Some("cache"), &ExitReason::NoProc)
    );
    assert_ne!(none.target, target.id());

    // Another gets the name; the monitor stays with whom it was made for.
    assert!(names.unregister("db", &target));
    let (next, _) = T::on(&stage);
    names.register("db", &next).unwrap();
    end(&next);
    assert_eq!((watcher.downs(), ctx.monitors().len()), (1, 4));
    end(&target);
    let mut told: Vec<_> = (0..4)
        .map(|_| match heard.next() {
            crate::support::Event::Down(down) | crate::support::Event::Retold(down) => down,
            other => panic!("{other:?}"),
        })
        .map(|down| {
            assert_eq!((down.target, down.reason), (target.id(), ExitReason::Normal));
            (down.monitor_ref, down.name.as_deref().map(str::to_owned))
        })
        .collect();
    told.sort();
    let name = |name: &str| Some(name.to_owned());
    let expected = [(monitor, "db"), (retold, "db"), (guarded.monitor_ref(), "db"), (by_handle, "its label")];
    assert_eq!(told, expected.map(|(monitor, called)| (monitor, name(called))));

    // Whom a name stood for is the same when it is dead, and when nobody was there.
    let mut plain_code = Monitors::new();
    plain_code.monitor(&resolved);
    let late = plain_code.recv().unwrap();
    assert_eq!(
        (late.target, late.name.as_deref(), late.reason),
        (target.id(), Some("db"), ExitReason::Normal)
    );
}

/// R6, R31: taken back before and after the death; what was flushed says the name.
fn by_name_taken_back<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let names: Registry = Registry::new();
    let (watcher, _) = W::on(&stand);
    let ctx = watcher.context();
    let (target, _) = T::on(&stage);
    names.register("db", &target).unwrap();
    let (first, second) = (W::monitor(&ctx, &names.resolve("db")), W::monitor(&ctx, &names.resolve("db")));
    assert_eq!(ctx.demonitor(first), Demonitor::Cancelled);
    let wedge = watcher.wedge();
    let nobody = W::monitor(&ctx, &names.resolve("nobody"));
    end(&target);
    for (monitor, name, reason) in
        [(second, "db", ExitReason::Normal), (nobody, "nobody", ExitReason::NoProc)]
    {
        let Demonitor::Flushed(down) = ctx.demonitor(monitor) else { panic!("it is in the mailbox") };
        assert_eq!((down.monitor_ref, down.name.as_deref(), down.reason), (monitor, Some(name), reason));
    }
    drop(wedge);
    assert_eq!(watcher.downs(), 0);
}

/// R93: whatever a start fails of, the name is free, and nothing is left of the actor.
fn a_failed_start_leaves_the_name_free<D: Doll>() {
    let runtime = solo();
    let names = runtime.registry().clone();
    let options = || Options::new().runtime(&runtime).registered("one");
    let (stillborn, events) = D::new();
    let stillborn = stillborn.at_start(|_| panic!("stillborn")).start_with(options()).unwrap();
    assert_eq!(stillborn.wait_exit().wait().to_string(), "panic: stillborn");
    assert_eq!(names.handle("one"), None);
    assert_eq!(events.until_gone(), ["dropped"]);

    let (doll, _) = D::new();
    let nowhere = Mailbox::bounded(0, OnFull::Reject);
    assert!(matches!(doll.start_with(options().mailbox(nowhere)), Err(StartError::Capacity(0))));
    assert!(names.is_empty());

    let (doll, _) = D::new();
    let doll = doll.start_with(options()).unwrap();
    assert_eq!(names.lookup("one"), Ok(doll.clone()));
    end(&doll);
    runtime.shutdown(std::time::Duration::from_secs(3_600)).unwrap();
    let (doll, _) = D::new();
    assert!(matches!(doll.start_with(options()), Err(StartError::ShutDown)));
    assert!(names.is_empty());
}

/// R93: a name has one holder: another start of that name fails, says who has it, and takes nothing from it.
fn a_name_that_is_taken<D: Doll>() {
    let runtime = solo();
    let options = || Options::new().runtime(&runtime).registered("one");
    let (holder, _) = D::new();
    let holder = holder.start_with(options()).unwrap();
    let (second, events) = D::new();
    let error = second.start_with(options()).unwrap_err();
    assert_eq!(error.to_string(), format!("the name one is taken, by {}", holder.id()));
    let StartError::Name(error) = error else { panic!("{error:?}") };
    assert_eq!(error, RegisterError::Taken { name: "one".into(), holder: holder.id() });
    assert_eq!(events.until_gone(), ["dropped"], "no hook of it ran");
    assert_eq!(runtime.registry().lookup("one"), Ok(holder.clone()));

    // Also from within, and nothing is monitored.
    let (parent, _) = Puppet::on(&runtime);
    let id = holder.id();
    Told::call(&parent, move |_, ctx| {
        let (third, _) = D::new();
        let error = start_monitored(ctx, third).unwrap_err();
        assert!(matches!(error, StartError::Name(RegisterError::Taken { holder, .. }) if holder == id));
        assert_eq!(ctx.monitors(), []);
        assert!(matches!(ctx.register("one"), Err(RegisterError::Taken { holder, .. }) if holder == id));
    });
    end(&holder);
    let (fourth, _) = D::new();
    let fourth = fourth.start_with(options()).unwrap();
    assert_eq!(runtime.registry().names(), [(Arc::from("one"), fourth.id())]);
}

/// Starts a doll that is to be called `one`, from a puppet that monitors it.
fn start_monitored<D: Doll>(ctx: &Context<Puppet>, doll: D) -> Result<MonitorRef, StartError> {
    let options = Options::new().registered("one");
    match doll.either() {
        Either::TaskDoll(doll) => ctx.spawn_monitored_with(doll, options).map(|(_, monitor)| monitor),
        Either::ThreadDoll(doll) => ctx.spawn_monitored_with(doll, options).map(|(_, monitor)| monitor),
    }
}

/// R93: registered before it runs: its own start hook finds it.
fn the_start_hook_sees_its_own_name<D: Doll>() {
    let runtime = solo();
    let (doll, _) = D::new();
    let (tell, told) = mpsc::channel();
    let doll = doll.at_start(move |ctx| {
        assert_eq!(ctx.registry().lookup::<D>("me"), Ok(ctx.actor_ref()));
        let second = ctx.register("me too");
        tell.send((second, Registry::current().len())).unwrap();
    });
    let doll = doll.start_with(Options::new().runtime(&runtime).registered("me")).unwrap();
    assert_eq!(told.recv().unwrap(), (Ok(()), 2));
    end(&doll);
    assert!(runtime.registry().is_empty());
}

/// R93: found as what it is, or as a handle; never as something else.
fn lookups<D: Doll>() {
    let runtime = solo();
    let names = runtime.registry();
    let (doll, events) = D::on(&runtime);
    names.register("doll", &doll).unwrap();
    D::note(&names.lookup("doll").unwrap(), 1);
    assert_eq!(events.label(), "note 1");
    assert_eq!(names.handle("doll"), Some(doll.handle()));
    let error = names.lookup::<Idle>("doll").unwrap_err();
    assert_eq!(error, LookupError::WrongType { holder: doll.id() });
    assert_eq!(error.to_string(), format!("{}, an actor of another type, has this name", doll.id()));
    assert_eq!(names.lookup::<D>("doll2"), Err(LookupError::Unknown));
    assert_eq!(LookupError::Unknown.to_string(), "nobody has this name");
    assert_eq!(names.handle("doll2"), None);
    assert_eq!(format!("{names:?}"), format!("{{\"doll\": ActorId({})}}", doll.id().get()));

    // By any kind of handle, and the type is known all the same.
    let weak = doll.downgrade();
    names.register("handle", &doll.handle()).unwrap();
    names.register("weak", &weak).unwrap();
    for name in ["handle", "weak"] {
        assert_eq!(names.lookup::<D>(name), Ok(doll.clone()));
    }
    assert_eq!(doll.handle().downcast::<D>(), Ok(doll.clone()));
    assert_eq!(doll.handle().downcast::<Idle>(), Err(doll.handle()));
    assert_eq!((doll.monitored_by(), doll.monitors()), (vec![], vec![]), "a name is no monitor");
}

/// R12, R93: a name keeps nobody alive; who lives on without handles is found by it.
fn names_keep_nobody_alive<D: Doll>() {
    let runtime = solo();
    let names = runtime.registry();
    let options = |name: &str| Options::new().runtime(&runtime).registered(name);
    let (doll, _) = D::new();
    let weak = doll.start_with(options("gone")).unwrap().downgrade();
    assert_eq!(weak.wait_exit().wait(), ExitReason::Normal);
    assert_eq!(names.handle("gone"), None);

    let (doll, _) = D::new();
    let doll = doll.start_with(options("stays")).unwrap();
    let id = doll.id();
    doll.detach();
    settle(&runtime);
    for _ in 0..3 {
        let found = names.lookup::<D>("stays").unwrap();
        assert_eq!((found.id(), found.call(|_, ctx| ctx.id())), (id, id));
    }
    let found = names.handle("stays").unwrap();
    found.stop();
    found.wait_exit().wait();
    assert_eq!(names.handle("stays"), None);
}

/// R19, R23: registered and given up later, exactly: who had a name before never takes it from who has it now.
fn later<D: Doll>() {
    let runtime = solo();
    let names = runtime.registry();
    let ((one, _), (two, _)) = (D::on(&runtime), D::on(&runtime));
    assert_eq!(one.call(|_, ctx| ctx.register("it")), Ok(()));
    assert!(!two.call(|_, ctx| ctx.unregister("it")), "it is not its own");
    assert!(!names.unregister("it", &two));
    assert_eq!(names.lookup("it"), Ok(one.clone()));
    assert!(one.call(|_, ctx| ctx.unregister("it")));
    assert!(!one.call(|_, ctx| ctx.unregister("it")), "not twice");
    assert_eq!(names.handle("it"), None);

    names.register("it", &two).unwrap();
    end(&one);
    assert_eq!(names.lookup("it"), Ok(two.clone()));
    assert!(!names.unregister("it", &one));
    assert!(names.unregister("it", &two));
    names.register("it", &two).unwrap();
    end(&two);

    // The same in a crowd: each of a thousand is the holder after the one before.
    for n in 0..1_000 {
        let (next, _) = D::new();
        let next = next.start_with(Options::new().runtime(&runtime).registered("it")).unwrap();
        assert_eq!(names.lookup("it"), Ok(next.clone()), "{n}");
        if n % 2 == 0 {
            end(&next)
        } else {
            assert!(names.unregister("it", &next))
        }
        if D::THREAD && n == 50 {
            break;
        }
    }
    assert!(names.is_empty());
}

/// R13: the dead are refused, with what they died of.
fn of_the_dead<D: Doll>() {
    let runtime = solo();
    let names = runtime.registry();
    let (doll, _) = D::on(&runtime);
    doll.kill();
    doll.wait_exit().wait();
    let error = names.register("late", &doll).unwrap_err();
    assert_eq!(error, RegisterError::Dead { name: "late".into(), reason: ExitReason::Kill });
    assert_eq!(error.to_string(), "not registered as late: the actor is dead (kill)");
    let dead = corpse(ExitReason::error("gone"));
    assert!(matches!(names.register("late", &dead), Err(RegisterError::Dead { .. })));
    assert!(matches!(names.register("late", &names.resolve("nobody")), Err(RegisterError::Dead { .. })));
    assert!(names.is_empty());

    // Who is ending is not dead: it can have a name, for as long as that lasts.
    let (doll, _) = D::new();
    let (tell, told) = mpsc::channel();
    let doll = doll.at_stop(move |ctx| tell.send(ctx.register("last")).unwrap());
    let doll = doll.start_with(Options::new().runtime(&runtime)).unwrap();
    end(&doll);
    assert_eq!(told.recv(), Ok(Ok(())));
    assert!(names.is_empty());
}

/// R93: the names of one runtime are not those of another, nor the default one's.
fn one_registry_for_each_runtime<D: Doll>() {
    let (here, there) = (solo(), solo());
    let (doll, _) = D::new();
    let doll = doll.start_with(Options::new().runtime(&here).registered("one of each")).unwrap();
    let (other, _) = D::new();
    let other = other.start_with(Options::new().runtime(&there).registered("one of each")).unwrap();
    let default: Registry = Registry::current();
    assert_eq!(default.handle("one of each"), None);
    for (runtime, doll) in [(&here, &doll), (&there, &other)] {
        assert_eq!(runtime.registry().lookup("one of each"), Ok(doll.clone()));
        let own = doll.clone();
        doll.call(move |_, ctx| {
            assert_eq!(ctx.registry().lookup("one of each"), Ok(own.clone()));
            assert_eq!(Registry::current().lookup("one of each"), Ok(own));
        });
    }
    // An actor can have names elsewhere.
    here.registry().register("guest", &other).unwrap();
    assert_eq!(here.registry().lookup("guest"), Ok(other.clone()));
    end(&other);
    assert_eq!(here.registry().names(), [(Arc::from("one of each"), doll.id())]);
}

/// R13: names of a runtime that has ended are answered for at once.
fn the_names_of_a_runtime_that_has_ended<D: Doll>() {
    let runtime = solo();
    let names = runtime.registry().clone();
    let (doll, _) = D::new();
    let doll = doll.start_with(Options::new().runtime(&runtime).registered("doll")).unwrap();
    drop(runtime);
    assert_eq!(names.lookup::<D>("doll"), Err(LookupError::Unknown));
    assert!(names.is_empty());
    assert!(matches!(names.register("doll", &doll), Err(RegisterError::Dead { .. })));
    let mut monitors = Monitors::new();
    monitors.monitor(&names.resolve("doll"));
    assert_eq!(monitors.try_recv().unwrap().reason, ExitReason::NoProc);
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seat {
    table: String,
    number: u32,
}

/// R93: keys of any type, at the start and later; and a registry that goes takes its names along, not its actors.
fn keys_of_any_type<D: Doll>() {
    let runtime = solo();
    let seats: Registry<Seat> = Registry::new();
    let seat = |number| Seat { table: "round".into(), number };
    let (doll, _) = D::new();
    let doll = doll.start_with(Options::new().runtime(&runtime).registered_in(&seats, seat(1))).unwrap();
    assert_eq!(seats.lookup(&seat(1)), Ok(doll.clone()));
    assert_eq!(seats.lookup::<D>(&seat(2)), Err(LookupError::Unknown));
    let error = seats.register(seat(1), &doll).unwrap_err();
    let spelled = "Seat { table: \"round\", number: 1 }";
    assert_eq!(error.to_string(), format!("the name {spelled} is taken, by {}", doll.id()));
    assert_eq!(seats.resolve(seat(1)).name(), spelled);

    let strings: Registry<String> = Registry::new();
    strings.register("it", &doll).unwrap();
    assert_eq!((strings.lookup("it"), strings.resolve("it").name()), (Ok(doll.clone()), "it"));
    let places: Registry<&str> = Registry::new();
    places.register("it", &doll).unwrap();
    assert_eq!(places.resolve("it").name(), "it");
    drop((seats, strings, places));
    assert_eq!(doll.call(|_, _| 1), 1);
    end(&doll);
}

/// Its hash, or its comparison, panics once that is armed.
#[derive(Clone, Debug, Default)]
struct Bomb(Arc<Armed>);

#[derive(Debug, Default)]
struct Armed {
    hash: AtomicBool,
    equality: AtomicBool,
}

impl PartialEq for Bomb {
    fn eq(&self, other: &Self) -> bool {
        assert!(![self, other].iter().any(|bomb| bomb.0.equality.load(Ordering::SeqCst)), "armed");
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Bomb {}

impl Hash for Bomb {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert!(!self.0.hash.load(Ordering::SeqCst), "armed");
        state.write_u8(0);
    }
}

/// R24, R93: keys must not panic. If one does when its name is freed, all are told of the death all the same, and nobody is
/// found.
fn a_key_that_panics_at_the_end<D: Doll>() {
    let runtime = solo();
    for equality in [false, true] {
        let bombs: Registry<Bomb> = Registry::new();
        // Of the same hash, so that keys are compared.
        let (other, beside) = (D::on(&runtime).0, Bomb::default());
        bombs.register(beside.clone(), &other).unwrap();
        let bomb = Bomb::default();
        let arm = |on| {
            let fuse = if equality { &bomb.0.equality } else { &bomb.0.hash };
            fuse.store(on, Ordering::SeqCst);
        };
        let (doll, events) = D::new();
        let options = Options::new().runtime(&runtime).registered_in(&bombs, bomb.clone());
        let doll = doll.start_with(options).unwrap();
        let names = runtime.registry();
        names.register("next to it", &doll).unwrap();
        let mut monitors = Monitors::new();
        monitors.monitor(&doll);
        arm(true);
        end(&doll);
        assert_eq!(monitors.recv().unwrap().reason, ExitReason::Normal);
        assert_eq!((names.len(), bombs.names()), (0, vec![(beside.clone(), other.id())]));
        assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);

        // Nor does it leave anything behind where it is lent.
        let (doll, _) = D::on(&runtime);
        let registers = std::panic::AssertUnwindSafe(|| bombs.register(bomb.clone(), &doll));
        assert!(std::panic::catch_unwind(registers).is_err());
        arm(false);
        assert_eq!(bombs.register(bomb.clone(), &doll), Ok(()));
        assert_eq!(bombs.len(), 2);
        end(&doll);
        assert_eq!(bombs.names(), [(beside, other.id())]);
    }
}

/// R19, R93: many start under one name at the same time, and die: never are there two, and none is left.
fn many_want_one_name<D: Doll>() {
    let runtime = duo();
    let names = runtime.registry();
    let holders = Tally::default();
    let rounds = if D::THREAD { 50 } else { 500 };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let (doll, _) = D::new();
                    match doll.start_with(Options::new().runtime(&runtime).registered("one")) {
                        Ok(doll) => {
                            assert_eq!(
                                names.lookup("one"),
                                Ok(doll.clone()),
                                "it lives, so nobody else can be it"
                            );
                            doll.kill();
                            doll.wait_exit().wait();
                            assert_ne!(names.handle("one").map(|found| found.id()), Some(doll.id()));
                            holders.add();
                        }
                        Err(StartError::Name(RegisterError::Taken { .. })) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert!(holders.count() > 0);
    assert_eq!(names.handle("one"), None);
    drop(runtime);
}
