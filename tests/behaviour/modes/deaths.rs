//! Every way of dying, before every kind of observer.

use std::sync::mpsc;
use std::time::Duration;

use deathwatch::{ActorRef, ExitReason, Monitors, Options, RequestError, Runtime};

use crate::doll::{Doll, Play, in_all_combinations, in_both_modes};
use crate::support::{Event, Wedge, duo, poll_once, solo};

in_all_combinations! {
    every_way_of_dying
}

in_both_modes! {
    kills_before_panics
    kills_and_the_panics_of_others
    two_causes
    a_stop_in_the_start_hook
    many_wait_for_one
}

/// What is needed to end the victim.
pub(super) struct Scene<T> {
    pub stage: Runtime,
    pub victim: ActorRef<T>,
    /// It is in a handler, with a request behind it, until this goes.
    pub wedge: Wedge,
}

/// A way of dying: what it is called, how the victim is made, what ends it, and the reason that comes of it. What `end`
/// returns is kept until all is seen.
pub(super) struct Way<T> {
    pub name: &'static str,
    pub make: fn(T) -> T,
    pub end: fn(Scene<T>) -> Option<Runtime>,
    pub reason: &'static str,
}

fn plain<T>(victim: T) -> T {
    victim
}

pub(super) fn ways<T: Doll>() -> Vec<Way<T>> {
    let way = |name, make, end, reason| Way { name, make, end, reason };
    vec![
        way("stop", plain, |it| ended(it, |victim| victim.stop()), "normal"),
        way(
            "stop with an error",
            plain,
            |it| ended(it, |victim| victim.stop_with(ExitReason::error("full"))),
            "error: full",
        ),
        way("its own stop", plain, |it| ended(it, |victim| victim.tell(|_, ctx| ctx.stop())), "normal"),
        way("last handle dropped", plain, |it| ended(it, |_| ()), "normal"),
        way(
            "a panic in a handler",
            plain,
            |it| ended(it, |it| it.tell(|_, _| panic!("boom"))),
            "panic: boom",
        ),
        way(
            "a panic in the stop hook",
            |victim| victim.at_stop(|_| panic!("in stopped")),
            |it| ended(it, |victim| victim.stop()),
            "panic: in stopped",
        ),
        way(
            "a panic in the stop hook after an error",
            |victim| victim.at_stop(|_| panic!("in stopped")),
            |it| ended(it, |victim| victim.stop_with(ExitReason::error("full"))),
            "error: full",
        ),
        way(
            "a panic in the drop of its value",
            |victim| victim.at_drop(|| panic!("in drop")),
            |it| ended(it, |victim| victim.stop()),
            "normal",
        ),
        way("kill", plain, |it| ended(it, |victim| victim.kill()), "kill"),
        way(
            "runtime shut down in time",
            plain,
            |it| {
                drop(it.wedge);
                it.stage.shutdown(Duration::from_secs(3_600)).unwrap();
                None
            },
            "shutdown",
        ),
        way(
            "runtime dropped",
            plain,
            |it| {
                let Scene { stage, victim, wedge } = it;
                // From a thread of its own: the drop waits for the handler, and the kill comes before its end.
                let gone = std::thread::spawn(move || drop(stage));
                let handle = victim.handle();
                handle.kill(); // what the drop does first, so that the order is certain
                drop(wedge);
                gone.join().unwrap();
                None
            },
            "kill",
        ),
    ]
}

fn ended<T>(scene: Scene<T>, end: impl FnOnce(&ActorRef<T>)) -> Option<Runtime> {
    end(&scene.victim);
    Some(scene.stage)
}

/// R25: each way of dying, before: an actor's `Down`, its own message, a guard that stays and one that went, a wait by a
/// thread, a wait by a future, plain code, a pending request; and after the death, all of them again.
/// R81, R82: nobody is let go before, there is no reason before, and the same for ever after.
fn every_way_of_dying<W: Doll, T: Doll>() {
    for way in ways::<T>() {
        println!("{}", way.name);
        let (stand, stage) = (solo(), solo());
        let (watcher, heard) = W::on(&stand);
        let ctx = watcher.context();
        let (victim, _) = T::new();
        let victim = (way.make)(victim).start_with(Options::new().runtime(&stage)).unwrap();
        let wedge = victim.wedge();
        let weak = victim.downgrade();

        let (down, retold) = (W::monitor(&ctx, &weak), W::monitor_retold(&ctx, &weak));
        let guard = W::monitor_guard(&ctx, &weak);
        drop(W::monitor_guard(&ctx, &weak)); // hears nothing
        let mut plain_code = Monitors::new();
        let plain = plain_code.monitor(&weak);
        let mut by_future = weak.wait_exit();
        assert!(poll_once(&mut by_future).is_pending());
        let by_future = std::thread::spawn(move || futures::executor::block_on(by_future));
        let wait = weak.wait_exit();
        let by_thread = std::thread::spawn(move || wait.wait());
        assert!(weak.is_alive() && weak.exit_reason().is_none());
        let left = (way.end)(Scene { stage, victim, wedge });

        let same = |reason: ExitReason| assert_eq!(reason.to_string(), way.reason, "{}", way.name);
        same(weak.wait_exit().wait());
        same(by_future.join().unwrap());
        same(by_thread.join().unwrap());
        let mut told: Vec<_> = (0..3)
            .map(|_| match heard.next() {
                Event::Down(down) => (down.monitor_ref, "down", down.reason),
                Event::Retold(down) => (down.monitor_ref, "retold", down.reason),
                other => panic!("{other:?}"),
            })
            .map(|(monitor, how, reason)| {
                same(reason);
                (monitor, how)
            })
            .collect();
        told.sort();
        assert_eq!(told, [(down, "down"), (retold, "retold"), (guard.monitor_ref(), "down")]);
        let heard_of = plain_code.recv().expect("it was monitored");
        assert_eq!(heard_of.monitor_ref, plain);
        same(heard_of.reason);

        assert!(!weak.is_alive());
        same(weak.exit_reason().expect("it is dead"));
        same(weak.wait_exit().wait());
        let late = W::monitor(&ctx, &weak);
        let down = heard.down();
        assert_eq!(down.monitor_ref, late);
        same(down.reason);
        plain_code.monitor(&weak);
        same(plain_code.try_recv().expect("at once").reason);
        assert_eq!(watcher.downs(), 3);
        same(weak.exit_reason().expect("it is dead"));
        drop(left);
    }
}

/// R67, R77: two causes at once: the first stays, but a kill beats a stop that is not complete.
fn two_causes<D: Doll>() {
    type Causes<D> = fn(&ActorRef<D>);
    let table: [(&str, Causes<D>, &str); 5] = [
        (
            "stop, then another",
            |it| [it.stop_with(ExitReason::error("one")), it.stop()].into_iter().collect(),
            "error: one",
        ),
        ("stop, then kill", |it| [it.stop(), it.kill()].into_iter().collect(), "kill"),
        ("kill, then stop", |it| [it.kill(), it.stop()].into_iter().collect(), "kill"),
        ("kill twice", |it| [it.kill(), it.kill()].into_iter().collect(), "kill"),
        (
            "an error, then kill",
            |it| [it.stop_with(ExitReason::error("one")), it.kill()].into_iter().collect(),
            "kill",
        ),
    ];
    let runtime = solo();
    for (name, causes, reason) in table {
        let (doll, _) = D::on(&runtime);
        let wedge = doll.wedge();
        let asked = doll.ask(|_, _| ());
        causes(&doll);
        drop(wedge);
        assert_eq!(doll.wait_exit().wait().to_string(), reason, "{name}");
        let Err(RequestError::Exited(told)) = asked.wait() else { panic!("{name}: it is dead") };
        assert_eq!(told.to_string(), reason, "{name}");
    }
}

/// R79, R80: a stop that is asked for in the start hook: no message is handled, the stop hook runs. A panic there: it
/// does not.
fn a_stop_in_the_start_hook<D: Doll>() {
    let runtime = solo();
    let options = || Options::new().runtime(&runtime);
    let (doll, events) = D::new();
    let doll = doll.at_start(|ctx| ctx.stop()).start_with(options()).unwrap();
    assert_eq!(doll.wait_exit().wait(), ExitReason::Normal);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
    let (doll, events) = D::new();
    let doll = doll.at_start(|_| panic!("stillborn")).start_with(options()).unwrap();
    assert_eq!(doll.wait_exit().wait().to_string(), "panic: stillborn");
    assert_eq!(events.until_gone(), ["dropped"]);
}

/// R81: any number wait for one death, and all are let go, none before.
fn many_wait_for_one<D: Doll>() {
    let runtime = solo();
    let (doll, events) = D::on(&runtime);
    let wedge = doll.wedge();
    let (tell, told) = mpsc::channel();
    let threads: Vec<_> = (0..10)
        .map(|_| {
            let (wait, tell) = (doll.wait_exit(), tell.clone());
            std::thread::spawn(move || tell.send(wait.wait()).unwrap())
        })
        .collect();
    doll.stop();
    assert!(told.try_recv().is_err(), "it is still in its handler");
    drop((wedge, tell));
    assert_eq!(told.iter().filter(|reason| *reason == ExitReason::Normal).count(), 10);
    assert_eq!(events.labels(), ["stopped normal", "dropped"]);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// R76, R77: a kill, then a panic in the same handler or hook: the kill was first. No hook runs after it.
fn kills_before_panics<D: Doll>() {
    let runtime = solo();
    let (doll, events) = D::on(&runtime);
    doll.tell(|_, ctx| {
        ctx.handle().kill();
        panic!("after the kill");
    });
    assert_eq!(doll.wait_exit().wait(), ExitReason::Kill);
    assert_eq!(events.until_gone(), ["dropped"]);

    let dies_in = |hook: fn(D) -> D| {
        let (doll, events) = D::new();
        let doll = hook(doll).start_with(Options::new().runtime(&runtime)).unwrap();
        doll.stop();
        (doll.wait_exit().wait(), events.until_gone())
    };
    let (reason, told) = dies_in(|doll| {
        doll.at_start(|ctx| {
            ctx.handle().kill();
            panic!("after the kill");
        })
    });
    assert_eq!((reason, told), (ExitReason::Kill, vec!["dropped".to_owned()]));
    let (reason, told) = dies_in(|doll| {
        doll.at_stop(|ctx| {
            ctx.handle().kill();
            panic!("after the kill");
        })
    });
    assert_eq!((reason, told), (ExitReason::Kill, vec!["stopped normal".to_owned(), "dropped".to_owned()]));
}

/// R77: stopped with the panic of somebody else, and killed before that stop is complete: the kill stays. With a panic of
/// its own, that was first.
fn kills_and_the_panics_of_others<D: Doll>() {
    let runtime = duo();
    for own in [false, true] {
        let (victim, _) = D::on(&runtime);
        victim.tell(|_, _| panic!("somebody"));
        let somebodys = victim.wait_exit().wait();

        let (entered, inside) = std::sync::mpsc::channel();
        let (wedge, wedged) = Wedge::new();
        let (doll, _) = D::new();
        let doll = doll.at_stop(move |_| {
            entered.send(()).unwrap();
            wedged();
        });
        let doll = doll.start_with(Options::new().runtime(&runtime)).unwrap();
        if own {
            doll.tell(|_, _| panic!("its own"));
        } else {
            doll.stop_with(somebodys);
        }
        inside.recv().unwrap();
        doll.kill();
        drop(wedge);
        let expected = if own { "panic: its own" } else { "kill" };
        assert_eq!(doll.wait_exit().wait().to_string(), expected);
    }
}
