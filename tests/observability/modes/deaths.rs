//! The last deaths.

use deathwatch::{ExitReason, Monitors, Options, Runtime};

use crate::doll::{Doll, Play, in_both_modes};

in_both_modes! {
    the_last_ones
    none_unless_asked_for
    how_many_were_told
    of_those_who_never_ran
}

fn keeping(most: usize) -> Runtime {
    Runtime::builder().workers(1).keep_deaths(most).build().expect("one worker")
}

/// An exit is noted when all of it is over.
fn all_gone(runtime: &Runtime) {
    while runtime.live_actors() > 0 {
        std::thread::yield_now();
    }
}

/// As many as were asked for, the latest first, each with its reason.
fn the_last_ones<D: Doll>() {
    let runtime = keeping(3);
    let mut ids = Vec::new();
    for n in 0..5 {
        let options = Options::new().runtime(&runtime).name(format!("doll {n}"));
        let doll = D::new().0.start_with(options).expect("it starts");
        ids.push(doll.id());
        match n {
            2 => doll.kill(),
            3 => _ = doll.ask(|_, _| -> () { panic!("boom") }).wait(),
            _ => doll.stop_with(ExitReason::error("tired")),
        }
        doll.wait_exit().wait();
        all_gone(&runtime);
    }
    let deaths = runtime.snapshot().deaths;
    let told: Vec<_> = deaths.iter().map(|death| (death.id, death.reason.to_string())).collect();
    assert_eq!(
        told,
        [(ids[4], "error: tired".into()), (ids[3], "panic: boom".into()), (ids[2], "kill".into())]
    );
    assert_eq!(deaths[0].name.as_deref(), Some("doll 4"));
    assert_eq!(deaths[0].actor, std::any::type_name::<D>());
    assert!(deaths[0].age <= deaths[1].age && deaths[1].age <= deaths[2].age);
    assert!(runtime.snapshot().to_string().contains("panic: boom"));
}

/// By default nobody's.
fn none_unless_asked_for<D: Doll>() {
    let runtime = crate::support::solo();
    D::on(&runtime).0.kill();
    all_gone(&runtime);
    assert!(runtime.snapshot().deaths.is_empty());
}

/// Monitors that were told are counted, with the feature; links and cancelled ones are not.
fn how_many_were_told<D: Doll>() {
    let runtime = keeping(1);
    let (target, linked) = (D::on(&runtime).0, D::on(&runtime).0);
    let mut monitors = Monitors::new();
    let taken_back = monitors.monitor(&target);
    (0..7).for_each(|_| _ = monitors.monitor(&target));
    monitors.demonitor(taken_back);
    let at = target.clone();
    linked.call(move |_, ctx| ctx.link(&at));
    target.stop();
    (0..7).for_each(|_| assert_eq!(monitors.recv().expect("it was watched").target, target.id()));
    while runtime.live_actors() > 1 {
        std::thread::yield_now();
    }
    let deaths = runtime.snapshot().deaths;
    assert_eq!(deaths.len(), 1);
    assert_eq!((deaths[0].id, deaths[0].told), (target.id(), cfg!(feature = "introspection").then_some(7)));
}

/// An actor that dies before it ran has died as well.
fn of_those_who_never_ran<D: Doll>() {
    let runtime = keeping(4);
    let taken = D::new().0.start_with(Options::new().runtime(&runtime).registered("it")).expect("it starts");
    assert!(D::new().0.start_with(Options::new().runtime(&runtime).registered("it")).is_err());
    while runtime.live_actors() > 1 {
        std::thread::yield_now();
    }
    let deaths = runtime.snapshot().deaths;
    assert_eq!(deaths.len(), 1);
    assert_eq!(deaths[0].reason, ExitReason::Kill);
    drop(taken);
}
