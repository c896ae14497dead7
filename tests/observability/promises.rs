//! What is promised of a snapshot while actors come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use deathwatch::prelude::*;
use deathwatch::snapshot::ActorState;
use deathwatch::{ActorId, ActorRef, Context, Monitors, Runtime};
use futures::channel::oneshot;

use crate::support::{Idle, Note, Puppet, Told, duo, solo};

const LOOKS: usize = 300;

/// Whoever lives during the whole call is in it, once, with all edges that are there during the whole call; whatever comes and goes
/// beside it.
#[test]
fn those_who_stay_are_always_there() {
    let _dog = watchdog!();
    let runtime = Runtime::builder().workers(2).keep_deaths(8).build().expect("two workers");
    let stayers: Vec<_> = (0..20).map(|_| Puppet::on(&runtime).0).collect();
    for pair in stayers.windows(2) {
        let target = pair[1].clone();
        pair[0].call(move |_, ctx| (ctx.monitor(&target), ctx.link(&target)));
    }
    let over = Arc::new(AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..2 {
            let (over, runtime, stayers) = (&over, &runtime, &stayers);
            scope.spawn(move || {
                let mut monitors = Monitors::new();
                while !over.load(Ordering::Relaxed) {
                    let (goer, _events) = Puppet::on(runtime);
                    // In front of the stayers' monitors, and gone again.
                    let taken_back: Vec<_> = stayers.iter().map(|stayer| monitors.monitor(stayer)).collect();
                    monitors.monitor(&goer);
                    taken_back.into_iter().for_each(|monitor| _ = monitors.demonitor(monitor));
                    goer.kill();
                    monitors.recv();
                }
            });
        }
        for _ in 0..LOOKS {
            let snapshot = runtime.snapshot();
            assert!(snapshot.actors.windows(2).all(|pair| pair[0].id < pair[1].id), "sorted, each once");
            for (at, stayer) in stayers.iter().enumerate() {
                let info = snapshot.actor(stayer.id()).expect("it lives all the time");
                let beside = |at: Option<usize>| at.and_then(|at| stayers.get(at)).map(|one| one.id());
                let (before, behind) = (beside(at.checked_sub(1)), beside(Some(at + 1)));
                assert_eq!(info.monitors, Vec::from_iter(behind));
                let known = |id: &&ActorId| stayers.iter().any(|one| one.id() == **id);
                assert_eq!(
                    info.monitored_by.iter().filter(known).copied().collect::<Vec<_>>(),
                    Vec::from_iter(before)
                );
                assert_eq!(info.links, before.into_iter().chain(behind).collect::<Vec<_>>());
                assert_ne!(info.state, ActorState::Exiting);
            }
            assert!(snapshot.deaths.len() <= 8);
            assert!(snapshot.deaths.windows(2).all(|pair| pair[0].id != pair[1].id));
        }
        over.store(true, Ordering::Relaxed);
    });
    while runtime.live_actors() > stayers.len() {
        thread::yield_now();
    }
    assert_eq!(runtime.snapshot().actors.len(), stayers.len());
    assert_eq!(runtime.snapshot().deaths.len(), 8, "the ring is full, and no fuller");
}

/// Looking keeps nobody running, and no handle is left of it.
#[test]
fn a_look_keeps_nobody() {
    let _dog = watchdog!();
    let runtime = solo();
    let (puppet, _events) = Puppet::on(&runtime);
    let wait = puppet.wait_exit();
    let snapshot = runtime.snapshot();
    drop(puppet);
    assert_eq!(wait.wait().to_string(), "normal");
    assert_eq!(snapshot.actors.len(), 1, "it is plain data");
}

/// It can be made in a handler that holds the only worker, and of a runtime all of whose workers are stuck.
#[test]
fn nobody_is_needed_for_it() {
    let _dog = watchdog!();
    let runtime = duo();
    let stuck: Vec<_> = (0..2).map(|_| Puppet::on(&runtime).0).collect();
    let wedges: Vec<_> = stuck.iter().map(Told::wedge).collect();
    let snapshot = runtime.snapshot();
    assert!(stuck.iter().all(|one| snapshot.actor(one.id()).expect("lives").state == ActorState::Running));
    drop(wedges);
    let held = stuck[0].hold();
    while runtime.snapshot().actor(stuck[0].id()).expect("lives").state != ActorState::Waiting {
        thread::yield_now();
    }
    drop(held);
}

/// From the end of the runtime on the list is empty.
#[test]
fn of_a_runtime_that_has_ended() {
    let _dog = watchdog!();
    let runtime = Runtime::builder().workers(1).keep_deaths(2).build().expect("one worker");
    let (puppet, _events) = Puppet::on(&runtime);
    runtime.shutdown(Duration::from_secs(30)).expect("all stop");
    let snapshot = runtime.snapshot();
    assert!(snapshot.actors.is_empty());
    assert_eq!((snapshot.deaths.len(), snapshot.deaths[0].id), (1, puppet.id()));
}

/// Awaits what it was given when it is told of a death.
struct Mourner {
    target: ActorRef<Idle>,
    over: Option<oneshot::Receiver<()>>,
}
impl Actor for Mourner {
    async fn started(&mut self, ctx: &Context<Self>) {
        ctx.monitor_priority(&self.target, |down| down);
    }
}
impl Handler<Down> for Mourner {
    async fn handle(&mut self, _: Down, _: &Context<Self>) {
        if let Some(over) = self.over.take() {
            let _ = over.await;
        }
    }
}
impl Handler<Note> for Mourner {
    async fn handle(&mut self, _: Note, _: &Context<Self>) {}
}

/// A `Down` that overtakes finds the mailbox of an idle actor empty: in its handler, the actor waits all the same, and is not idle.
#[test]
fn awaiting_in_the_handler_of_a_down_that_overtakes() {
    let _dog = watchdog!();
    let runtime = solo();
    let target = runtime.start(Idle).expect("it starts");
    let (gate, over) = oneshot::channel();
    let mourner = runtime.start(Mourner { target: target.clone(), over: Some(over) }).expect("it starts");
    let seen = |wanted| loop {
        let snapshot = runtime.snapshot();
        let info = snapshot.actor(mourner.id()).expect("it lives");
        if info.state == wanted {
            break info.mailbox.high_water;
        }
        std::thread::yield_now();
    };
    assert_eq!(seen(ActorState::Idle), 0);
    target.kill();
    assert_eq!(seen(ActorState::Waiting), 1);
    mourner.send(Note(1)).expect("it lives");
    assert_eq!(seen(ActorState::Waiting), 1);
    drop(gate);
    assert_eq!(seen(ActorState::Idle), 1);
}
