//! A million of each.

use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::task::Context as TaskContext;

use deathwatch::census::{Kind, alive, flush};
use deathwatch::tasks::{Actor, Handler};
use deathwatch::{
    ActorHandle, ActorRef, Context, Demonitor, Down, ExitReason, Mailbox, Message, Monitors, OnFull, Options,
    RequestError, Runtime,
};
use futures::StreamExt;

use crate::doll::{Doll, Play};
use crate::support::*;

const MILLION: usize = 1_000_000;
/// Of what costs more than a word or two each: fewer where nothing is optimised.
const MANY: usize = if cfg!(debug_assertions) { 100_000 } else { MILLION };

/// Runs scenarios of one actor in both modes, each when it is its turn: the time before that does not count.
macro_rules! in_turn {
    ($($scenario:ident)*) => {$(
        mod $scenario {
            #[test]
            fn task() {
                let (_turn, _dog) = (super::turn(), watchdog!());
                super::$scenario::<crate::doll::TaskDoll>();
            }
            #[test]
            fn thread() {
                let (_turn, _dog) = (super::turn(), watchdog!());
                super::$scenario::<crate::doll::ThreadDoll>();
            }
        }
    )*};
}

in_turn! {
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
    left(Kind::Entry)
}

/// The same of any kind.
fn left(kind: Kind) -> usize {
    let (mut last, mut same) = (usize::MAX, 0);
    while same < 8 {
        flush();
        let now = alive(kind).unwrap_or(0);
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

/// So many are told in one turn of an exit; the rest of a row of entries, which came together, may come on top.
const CHUNK: usize = 4_096;
/// How many turns of the exit there may be between two of the probe.
const TURNS: usize = 2;

/// Stops an actor, with a probe on the same worker that looks how many have been told. Each must be, and never may many be told
/// without a turn of the probe.
fn all_are_told_and_others_run(
    runtime: &Runtime,
    target: ActorRef<Puppet>,
    watchers: usize,
    told: impl FnMut() -> usize + Send + 'static,
) -> ToldSoFar {
    let (Seen { told: all, longest, turns }, told) = look_at_the_end(runtime, &target, told);
    assert_eq!(all, watchers);
    assert!(longest <= TURNS * CHUNK, "{longest} were told at one go, and {turns} turns in all");
    assert!(turns >= watchers / (TURNS * CHUNK), "{turns}");
    told
}

/// R61, R62: a million watchers of one target: each is told once, and an actor that shares the one worker with the exit has
/// its turns meanwhile, one for each few thousand that are told.
#[test]
fn a_million_watchers_of_one_target() {
    let (_turn, _dog) = (turn(), watchdog!());
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let woken = Tally::default(); // by each watcher, when it is told
    let waker = waker_of({
        let woken = woken.clone();
        move || woken.add()
    });
    let watch = |_| {
        let mut watcher = Monitors::new();
        watcher.monitor(&target);
        assert!(watcher.poll_next_unpin(&mut TaskContext::from_waker(&waker)).is_pending());
        watcher
    };
    let mut watchers: Vec<_> = (0..MANY).map(watch).collect();
    drop(all_are_told_and_others_run(&runtime, target.clone(), MANY, move || woken.count()));
    for watcher in &mut watchers {
        let down = watcher.try_recv().expect("it was told");
        assert_eq!((down.target, down.reason), (target.id(), ExitReason::Normal));
        assert!(watcher.try_recv().is_none() && watcher.is_empty(), "once");
    }
}

/// R61, R62: the same of one watcher with a million monitors.
#[test]
fn a_million_monitors_of_one_target() {
    let (_turn, _dog) = (turn(), watchdog!());
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let mut crowd = Monitors::new();
    for _ in 0..MILLION {
        crowd.monitor(&target);
    }
    let mut told = 0;
    let mut told = all_are_told_and_others_run(&runtime, target, MILLION, move || {
        while let Some(down) = crowd.try_recv() {
            assert_eq!(down.reason, ExitReason::Normal);
            told += 1;
        }
        told + usize::from(told == MILLION && !crowd.is_empty())
    });
    assert_eq!(told(), MILLION, "once each");
}

/// R43, R47: a watcher of very many targets dies, and another with as many monitors of a thousand of them: no target shows
/// them any more, and what is left of all these is what a living target may keep of the cancelled: 64 entries.
#[test]
fn a_watcher_of_a_million_targets_dies() {
    let (_turn, _dog) = (turn(), watchdog!());
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
        for target in handles.iter().cycle().take(MANY) {
            ctx.monitor(target);
        }
    });
    assert_eq!((once.monitors().len(), often.monitors().len()), (MANY, MANY));
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
    let (_turn, _dog) = (turn(), watchdog!());
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
    let (_turn, _dog) = (turn(), watchdog!());
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
    let (_turn, _dog) = (turn(), watchdog!());
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

/// Stays in its start hook, so that what it is sent stays in its mailbox.
struct Bead {
    handled: Tally,
    _counted: Counted,
}
impl Actor for Bead {
    async fn started(&mut self, _: &Context<Self>) {
        std::future::pending().await
    }
}
/// The last handle to the next one, who may be killed with it.
struct Next(ActorRef<Bead>, bool);
impl Message for Next {
    type Reply = ();
}
impl Handler<Next> for Bead {
    async fn handle(&mut self, _: Next, _: &Context<Self>) {
        self.handled.add();
    }
}
impl Drop for Next {
    fn drop(&mut self) {
        if self.1 {
            self.0.kill();
        }
    }
}

/// R45, R50: a chain of mailboxes, each holding, in a message that is never handled, the last handle to the next actor: the first
/// is killed, and each mailbox kills the next one when it is dropped; or all are dropped with their runtime, before any of them has
/// run, or when all have. No recursion, and all is freed.
#[test]
fn a_long_chain_of_mailboxes() {
    let (_turn, _dog) = (turn(), watchdog!());
    for ending in ["a kill", "before they ran", "after they ran"] {
        let before = [Kind::Cell, Kind::Entry].map(left);
        let runtime = solo();
        let (host, _) = Puppet::on(&runtime);
        let wedge = host.wedge();
        let (handled, dropped) = (Tally::default(), Tally::default());
        let bead = || Bead { handled: handled.clone(), _counted: dropped.one() };
        let last = runtime.start(bead()).unwrap();
        let waits = begun(last.wait_exit());
        let mut head = last;
        for _ in 1..MANY {
            let bead = runtime.start(bead()).unwrap();
            bead.send(Next(head, ending == "a kill")).unwrap();
            head = bead;
        }
        assert_eq!(dropped.count(), 0);
        match ending {
            "a kill" => {
                head.kill();
                drop(wedge);
                while runtime.live_actors() > 1 {
                    std::thread::yield_now();
                }
                assert_eq!(dropped.count(), MANY);
                drop(runtime);
            }
            "before they ran" => {
                // The worker itself drops it, and so has not come to any of them.
                wedge.release_after(move || drop(runtime));
                while dropped.count() < MANY {
                    std::thread::yield_now();
                }
            }
            _ => {
                drop(wedge);
                settle(&runtime);
                assert_eq!(dropped.count(), 0);
                drop(runtime);
            }
        }
        assert_eq!((waits.wait(), head.wait_exit().wait()), (ExitReason::Kill, ExitReason::Kill));
        drop((head, host));
        // What another test has left behind, and was counted before, may be gone as well.
        while [Kind::Cell, Kind::Entry].iter().zip(before).any(|(kind, before)| left(*kind) > before) {
            std::thread::yield_now();
        }
        assert_eq!((handled.count(), dropped.count()), (0, MANY), "{ending}");
    }
}
