//! A million of each.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context as TaskContext, Waker};

use deathwatch::census::{Kind, alive, flush};
use deathwatch::tasks::{Actor, Handler};
use deathwatch::{
    ActorHandle, ActorRef, Context, Demonitor, Down, ExitReason, Mailbox, Message, Monitors, OnFull, Options,
    RequestError,
};

use crate::doll::{Doll, Play, in_both_modes};
use crate::support::*;

const MILLION: usize = 1_000_000;
/// Of what costs more than a word or two each: fewer where nothing is optimised.
const MANY: usize = if cfg!(debug_assertions) { 100_000 } else { MILLION };

in_both_modes! {
    a_full_mailbox_of_a_million
    a_million_messages_are_dropped
    a_million_monitors_of_one_that_is_stuck
}

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many entries there are when nothing more goes; none where they are not counted.
fn entries() -> usize {
    let (mut last, mut same) = (usize::MAX, 0);
    while same < 8 {
        flush();
        let now = alive(Kind::Entry).unwrap_or(0);
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

/// Says when all others have been told of a death: a waker is called last.
struct Over(AtomicBool);
impl std::task::Wake for Over {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Has turns of its own, one after the other, until the exit is over, and counts those in the middle of it.
struct Probe {
    target: ActorHandle,
    over: Arc<Over>,
    between: usize,
    report: mpsc::Sender<usize>,
}
impl Actor for Probe {}
struct Look;
impl Message for Look {
    type Reply = ();
}
impl Handler<Look> for Probe {
    async fn handle(&mut self, _: Look, ctx: &Context<Self>) {
        if self.over.0.load(Ordering::SeqCst) {
            self.report.send(self.between).unwrap();
            return;
        }
        self.between += usize::from(!self.target.is_alive());
        ctx.send(Look).unwrap();
    }
}

/// R61, R62: a million monitors of one target: each is told once, and an actor that shares the one worker with the exit has
/// its turns meanwhile, one for each few thousand that are told.
#[test]
fn a_million_watchers_of_one_target() {
    let (_dog, _turn) = (watchdog!(), turn());
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let mut crowd = Monitors::new();
    for _ in 0..MILLION {
        crowd.monitor(&target);
    }
    let over = Arc::new(Over(AtomicBool::new(false)));
    let mut wait = target.wait_exit();
    let waker = Waker::from(over.clone());
    assert!(Pin::new(&mut wait).poll(&mut TaskContext::from_waker(&waker)).is_pending());
    let (report, reported) = mpsc::channel();
    let probe = Probe { target: target.handle(), over, between: 0, report };
    let probe = runtime.start(probe).unwrap();
    let probe_in = probe.clone();
    // Both are sent in one turn, so that the probe is there when the exit begins.
    target.call(move |_, ctx| {
        ctx.stop();
        probe_in.send(Look).unwrap();
    });
    let between = reported.recv().unwrap();
    assert!(between >= MILLION / 10_000, "only {between} turns while a million were told");
    assert_eq!(crowd.iter().filter(|down| down.reason == ExitReason::Normal).count(), MILLION);
    assert!(crowd.is_empty());
}

/// R43, R47: a watcher of very many targets dies, and another with a million monitors of a thousand of them: no target shows
/// them any more, and what is left of all these is what a living target may keep of the cancelled: 64 entries.
#[test]
fn a_watcher_of_a_million_targets_dies() {
    let (_dog, _turn) = (watchdog!(), turn());
    const FEW: usize = 1_000;
    let before = entries();
    let runtime = duo();
    let targets: Vec<_> = (0..MANY).map(|_| runtime.start(Idle).unwrap()).collect();
    let (once, often) = (Puppet::on(&runtime).0, Puppet::on(&runtime).0);
    let handles: Vec<_> = targets.iter().map(ActorRef::handle).collect();
    once.call(move |_, ctx| {
        for target in &handles {
            ctx.monitor(target);
        }
    });
    let handles: Vec<_> = targets[..FEW].iter().map(ActorRef::handle).collect();
    often.call(move |_, ctx| {
        for target in handles.iter().cycle().take(MILLION) {
            ctx.monitor(target);
        }
    });
    assert_eq!((once.monitors().len(), often.monitors().len()), (MANY, MILLION));
    end(&once);
    end(&often);
    assert!(targets.iter().all(|target| target.is_alive() && target.monitored_by().is_empty()));
    // Each target is tied to its runtime; and the epoch holds a few back.
    let most = MANY + (MANY - FEW) + 64 * FEW + 128;
    assert!(entries() <= before + most, "{} entries are left", entries());
    drop((once, often, targets));
    drop(runtime);
    while entries() > before {
        std::thread::yield_now();
    }
}

/// R30, R36, R46: every other one of two million monitors is cancelled, from the last to the first, so that the target's list
/// is full of cancelled entries when it dies: all others are told, none of these.
#[test]
fn a_million_cancelled_entries_in_a_list() {
    let (_dog, _turn) = (watchdog!(), turn());
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    let all: Vec<_> = (0..2 * MANY).map(|_| monitors.monitor(&target)).collect();
    for pair in all.chunks(2).rev() {
        assert!(matches!(monitors.demonitor(pair[0]), Demonitor::Cancelled));
    }
    assert_eq!(target.monitored_by().len(), MANY);
    target.kill();
    let mut told: Vec<_> = monitors.iter().map(|down| down.monitor_ref).collect();
    told.sort();
    assert!(told.iter().eq(all.iter().skip(1).step_by(2)), "{} were told", told.len());
}

/// R30, R31: a million Downs stand in a mailbox and are taken back one by one: the watcher sees none of them, and what was sent
/// after them.
#[test]
fn a_million_flushed_downs() {
    let (_dog, _turn) = (watchdog!(), turn());
    let runtime = duo();
    let (target, _) = Puppet::on(&runtime);
    let (watcher, events) = Puppet::on(&runtime);
    let ctx = watcher.call(|_, ctx| ctx.clone());
    let monitors: Vec<_> = (0..MILLION).map(|_| ctx.monitor(&target)).collect();
    let hold = watcher.hold();
    end(&target);
    watcher.send(Note(1)).unwrap();
    for monitor in monitors.into_iter().rev() {
        let flushed = ctx.demonitor(monitor);
        assert!(matches!(&flushed, Demonitor::Flushed(down) if down.monitor_ref == monitor), "{flushed:?}");
    }
    hold.release();
    assert_eq!(events.label(), "note 1");
    assert_eq!(watcher.call(|puppet, _| puppet.downs), 0);
}

/// R21: a bounded mailbox that is full of a million messages refuses the next one, and not a Down, which comes after them.
fn a_full_mailbox_of_a_million<D: Doll>() {
    let _turn = turn();
    let runtime = duo();
    let options = Options::new().runtime(&runtime).mailbox(Mailbox::bounded(MILLION, OnFull::Reject));
    let (doll, events) = D::new();
    let watcher = doll.start_with(options).unwrap();
    let (target, _) = Puppet::on(&runtime);
    let monitor = D::monitor(&watcher.context(), &target);
    let wedge = watcher.wedge();
    for _ in 0..MILLION {
        D::note(&watcher, 0);
    }
    assert!(matches!(watcher.ask(|_, _| ()).wait(), Err(RequestError::Full)));
    end(&target);
    drop(wedge);
    for _ in 0..MILLION {
        assert!(matches!(events.next(), Event::Note(0)));
    }
    assert_eq!(events.down().monitor_ref, monitor);
}

/// A mailbox with a million messages is dropped without trouble for the stack: each once, and the Down is told.
fn a_million_messages_are_dropped<D: Doll>() {
    let _turn = turn();
    let runtime = solo();
    let (actor, _) = D::on(&runtime);
    let mut monitors = Monitors::new();
    monitors.monitor(&actor);
    let dropped = Tally::default();
    let wedge = actor.wedge();
    for _ in 0..MILLION {
        let counted = dropped.one();
        actor.tell(move |_, _| drop(counted));
    }
    actor.kill();
    drop(wedge);
    assert_eq!(monitors.recv().unwrap().reason, ExitReason::Kill);
    assert_eq!(dropped.count(), MILLION);
}

/// R40, R46: a million monitors of a target that is stuck in a handler are made and cancelled, one after the other: it need
/// not run to forget them.
fn a_million_monitors_of_one_that_is_stuck<D: Doll>() {
    let _turn = turn();
    let before = entries();
    let runtime = duo();
    let (stuck, _) = D::on(&runtime);
    let wedge = stuck.wedge();
    let mut monitors = Monitors::new();
    for _ in 0..MILLION {
        let monitor = monitors.monitor(&stuck);
        assert!(matches!(monitors.demonitor(monitor), Demonitor::Cancelled));
    }
    // 64 in the list, what ties the two to their runtime, and what the epoch holds back.
    assert!(entries() <= before + 64 + 2 + 128, "{} entries are left", entries());
    drop(wedge);
}

/// Watches the next one, and dies when that does.
struct Domino {
    next: Option<ActorHandle>,
    ready: mpsc::Sender<()>,
}
impl Actor for Domino {
    async fn started(&mut self, ctx: &Context<Self>) {
        if let Some(next) = &self.next {
            ctx.monitor(next);
        }
        self.ready.send(()).unwrap();
    }
}
impl Handler<Down> for Domino {
    async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        ctx.stop_with(down.reason);
    }
}

/// R14, R16: a chain of actors, each of which stops when the next one has died: one death brings down all, one after the
/// other, and the reason that the first was told is the last one's.
#[test]
fn a_long_chain_of_deaths() {
    let (_dog, _turn) = (watchdog!(), turn());
    let runtime = duo();
    let (ready, all_ready) = mpsc::channel();
    let mut chain: Vec<ActorRef<Domino>> = Vec::new();
    for _ in 0..MANY {
        let next = chain.last().map(ActorRef::handle);
        chain.push(runtime.start(Domino { next, ready: ready.clone() }).unwrap());
    }
    (0..MANY).for_each(|_| all_ready.recv().unwrap());
    chain[0].stop_with(ExitReason::error("the first"));
    assert_eq!(chain[MANY - 1].wait_exit().wait().to_string(), "error: the first");
    assert!(chain.iter().all(|domino| domino.exit_reason() == chain[0].exit_reason()));
    while runtime.live_actors() > 0 {
        std::thread::yield_now();
    }
}
