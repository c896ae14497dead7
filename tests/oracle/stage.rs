//! The real thing, step by step beside the model.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use deathwatch::{
    ActorHandle, ActorRef, Context, Demonitor, ExitReason, ExitWait, Mailbox, MonitorGuard, MonitorRef,
    Monitors, OnFull, Options, RequestError, Runtime,
};

use crate::doll::{Doll, Play, TaskDoll, ThreadDoll};
use crate::model::{Actor, Cancel, Cause, Fate, Model, Told};
use crate::script::{How, Last, Step};
use crate::support::{Event, Events, Wedge, begun, poll_once};

/// Dolls of either mode alike.
trait Player {
    fn handle(&self) -> ActorHandle;
    fn monitor(&self, target: &ActorHandle, how: How) -> (MonitorRef, Option<MonitorGuard>);
    fn demonitor(&self, monitor: MonitorRef) -> Demonitor;
    fn spawn_monitored(&self, thread: bool, stillborn: bool) -> Child;
    /// Is there anybody who takes it, or drops it?
    fn note(&self, number: u32) -> bool;
    /// The same, for another to do.
    fn noter(&self) -> Noter;
    /// Sends a note, and ends in the same turn.
    fn last_words(&self, note: Noter, number: u32, how: Last);
    fn ask(&self) -> Result<u8, RequestError>;
    fn stop_from_inside(&self, reason: ExitReason);
    fn panic(&self);
    fn hold(&self) -> Wedge;
    fn detach(self: Box<Self>);
}

/// Sends a note.
type Noter = Box<dyn FnOnce(u32) -> bool + Send>;

/// A handle and a context. The context is what it can be played with by others than itself.
struct Cast<D>(ActorRef<D>, Context<D>);

impl<D: Doll> Cast<D> {
    fn start(options: Options, grieves: bool) -> (Box<dyn Player>, Events) {
        let (mut doll, events) = D::new();
        if grieves {
            doll = doll.at_down(|ctx| ctx.stop_with(ExitReason::error("grief")));
        }
        let actor = doll.start_with(options).expect("the runtime runs");
        let ctx = actor.context();
        (Box::new(Cast(actor, ctx)), events)
    }
}

/// Who was started and monitored. It does not go on before it is told, so that its end can be waited for from the beginning.
type Child = (Box<dyn Player>, Events, MonitorRef, Sender<()>);

/// Starts and monitors a child of this mode.
fn child<W: Doll, D: Doll>(watcher: &ActorRef<W>, stillborn: bool) -> Child {
    let (tell, told) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let (doll, events) = D::new();
    let doll = doll.at_start(move |ctx| {
        tell.send(Cast(ctx.actor_ref(), ctx.clone())).expect("the script waits for it");
        gone.recv().expect("the script lets it go on");
        assert!(!stillborn, "not for this world");
    });
    let (_, monitor) = watcher.call(|_, ctx| W::spawn_monitored(ctx, doll));
    let cast = told.recv().expect("it starts");
    (Box::new(cast), events, monitor, go)
}

impl<D: Doll> Player for Cast<D> {
    fn handle(&self) -> ActorHandle {
        self.0.handle()
    }

    fn monitor(&self, target: &ActorHandle, how: How) -> (MonitorRef, Option<MonitorGuard>) {
        match how {
            How::Plainly => (D::monitor(&self.1, target), None),
            How::WithAMessage => (D::monitor_retold(&self.1, target), None),
            How::ByAGuard => {
                let guard = D::monitor_guard(&self.1, target);
                (guard.monitor_ref(), Some(guard))
            }
        }
    }

    fn demonitor(&self, monitor: MonitorRef) -> Demonitor {
        self.1.demonitor(monitor)
    }

    fn spawn_monitored(&self, thread: bool, stillborn: bool) -> Child {
        if thread {
            child::<D, ThreadDoll>(&self.0, stillborn)
        } else {
            child::<D, TaskDoll>(&self.0, stillborn)
        }
    }

    fn note(&self, number: u32) -> bool {
        D::try_note(&self.0, number)
    }

    fn noter(&self) -> Noter {
        let actor = self.0.clone();
        Box::new(move |number| D::try_note(&actor, number))
    }

    fn last_words(&self, note: Noter, number: u32, how: Last) {
        self.0.tell(move |_, ctx| {
            let _ = note(number);
            match how {
                Last::Stop => ctx.stop(),
                Last::Error(error) => ctx.stop_with(reason(Cause::Error(error))),
                Last::Panic => panic!("as it was told"),
            }
        });
    }

    fn ask(&self) -> Result<u8, RequestError> {
        self.0.ask(|_, _| 7).wait()
    }

    fn stop_from_inside(&self, reason: ExitReason) {
        self.0.tell(|_, ctx| ctx.stop_with(reason));
    }

    fn panic(&self) {
        self.0.tell(|_, _| panic!("as it was told"));
    }

    fn hold(&self) -> Wedge {
        self.0.wedge()
    }

    fn detach(self: Box<Self>) {
        self.0.detach();
    }
}

/// Who takes part: an actor, as long as it is held by a handle, or was detached; or plain code.
enum Part {
    Actor(Box<dyn Player>, Events, Option<Wedge>),
    Detached(Events),
    Plain(Monitors),
    Forgotten,
}

impl Part {
    /// Can it be told to do something?
    fn is_here(&self) -> bool {
        matches!(self, Part::Actor(..) | Part::Plain(_))
    }
}

/// Monitors of actors are made of these, which keep nobody running.
struct Real {
    reference: MonitorRef,
    guard: Option<MonitorGuard>,
}

pub struct Stage {
    model: Model,
    parts: Vec<Part>,
    /// To wait for, and to see the reason of, whom nobody holds.
    exits: Vec<Option<ExitWait>>,
    /// Those who came later, and for whom they wait.
    waits: Vec<(usize, ExitWait)>,
    monitors: Vec<Real>,
    /// Whose mailboxes drop what does not fit.
    droppers: Vec<usize>,
    /// How many notes were sent; each has its number.
    notes: usize,
    /// How often what has happened, to show that nothing was compared with nothing.
    pub seen: BTreeMap<&'static str, usize>,
    /// The last to go: their end waits for those who are held up.
    runtimes: Vec<Runtime>,
}

/// More than any script takes.
const LONG: Duration = Duration::from_secs(3_600);

/// How many actors of one runtime may be held up: each keeps a thread, and others must go on.
const MOST_HELD: usize = 2;

fn new_runtime() -> Runtime {
    Runtime::builder().workers(MOST_HELD + 1).build().expect("a few threads")
}

/// The runtime of plain code.
const NOWHERE: usize = usize::MAX;

fn reason(cause: Cause) -> ExitReason {
    match cause {
        Cause::Normal => ExitReason::Normal,
        Cause::Error(error) => ExitReason::error(format!("{error}")),
        Cause::Kill => ExitReason::Kill,
        Cause::Shutdown => ExitReason::Shutdown,
        Cause::Panic | Cause::Grief => unreachable!("not asked for"),
    }
}

fn same(is: &ExitReason, cause: Cause) -> bool {
    match cause {
        Cause::Normal => *is == ExitReason::Normal,
        Cause::Error(error) => is.to_string() == format!("error: {error}"),
        Cause::Panic => matches!(is, ExitReason::Panic(_)),
        Cause::Kill => *is == ExitReason::Kill,
        Cause::Shutdown => *is == ExitReason::Shutdown,
        Cause::Grief => is.to_string() == "error: grief",
    }
}

/// What an actor was told of a death.
fn down_of(cause: Cause) -> &'static str {
    match cause {
        Cause::Normal => "down normal",
        Cause::Error(_) => "down error",
        Cause::Panic => "down panic",
        Cause::Kill => "down kill",
        Cause::Shutdown => "down shutdown",
        Cause::Grief => "down grief",
    }
}

/// What was heard, or should have been: in order. Of the order of `Down`s with no note between them nothing is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    Down(MonitorRef),
    Note(u32),
}

fn promised(mut heard: Vec<Heard>) -> Vec<Heard> {
    for downs in heard.split_mut(|heard| matches!(heard, Heard::Note(_))) {
        downs.sort();
    }
    heard
}

impl Stage {
    pub fn new() -> Self {
        Stage {
            model: Model::default(),
            parts: Vec::new(),
            exits: Vec::new(),
            waits: Vec::new(),
            droppers: Vec::new(),
            notes: 0,
            seen: BTreeMap::new(),
            monitors: Vec::new(),
            runtimes: vec![new_runtime(), new_runtime()],
        }
    }

    fn joins(&mut self, player: Box<dyn Player>, events: Events) {
        self.exits.push(Some(begun(player.handle().wait_exit())));
        self.parts.push(Part::Actor(player, events, None));
    }

    /// One of those for whom `which` holds; three times in four one of those that are alive.
    fn pick(&self, number: u8, which: impl Fn(&Part) -> bool) -> Option<usize> {
        let number = usize::from(number);
        let any = number % 4 == 0;
        let possible = |&at: &usize| which(&self.parts[at]) && (any || self.model.actors[at].dead.is_none());
        let all: Vec<_> = (0..self.parts.len()).filter(possible).collect();
        all.get(number / 4 % all.len().max(1)).copied()
    }

    fn actor(&self, number: u8) -> Option<usize> {
        self.pick(number, |part| matches!(part, Part::Actor(..)))
    }

    fn player(&self, at: usize) -> &dyn Player {
        let Part::Actor(player, ..) = &self.parts[at] else { unreachable!("picked as an actor") };
        &**player
    }

    /// Can it be told to do something, now?
    fn is_free(&self, at: usize) -> bool {
        self.model.actors[at].dead.is_none() && !self.model.actors[at].held
    }

    pub fn play(&mut self, step: &Step) {
        match *step {
            Step::Start { runtime, thread, grieves, room } => {
                let at = usize::from(runtime) % self.runtimes.len();
                let start = if thread { Cast::<ThreadDoll>::start } else { Cast::<TaskDoll>::start };
                let mut options = Options::new().runtime(&self.runtimes[at]);
                let capacity = room.map(|(room, _)| usize::from(room) + 1);
                if let (Some(capacity), Some((_, drops))) = (capacity, room) {
                    let on_full = if drops { OnFull::DropNewest } else { OnFull::Reject };
                    options = options.mailbox(Mailbox::bounded(capacity, on_full));
                }
                let (player, events) = start(options, grieves);
                let actor =
                    self.model.start(Actor { runtime: at, grieves, room: capacity, ..Actor::default() });
                if room.is_some_and(|(_, drops)| drops) {
                    self.droppers.push(actor);
                }
                self.joins(player, events);
            }
            Step::Plain => {
                self.model.start(Actor { runtime: NOWHERE, held: true, ..Actor::default() });
                self.parts.push(Part::Plain(Monitors::new()));
                self.exits.push(None);
            }
            Step::Monitor { watcher, target, how } => self.monitor(watcher, target, how),
            Step::SpawnMonitored { watcher, thread, stillborn } => {
                let Some(at) = self.actor(watcher).filter(|&at| self.is_free(at)) else { return };
                let (player, events, reference, go) = self.player(at).spawn_monitored(thread, stillborn);
                let runtime = self.model.actors[at].runtime;
                let child = self.model.start(Actor { runtime, ..Actor::default() });
                self.joins(player, events);
                go.send(()).expect("it waits for this");
                self.model.monitor(at, child, false);
                self.monitors.push(Real { reference, guard: None });
                if stillborn {
                    self.model.die(child, Cause::Panic);
                }
            }
            Step::Demonitor { by, monitor } => self.demonitor(by, monitor),
            Step::Receive { plain } => {
                let Some(at) = self.pick(plain, |part| matches!(part, Part::Plain(_))) else { return };
                self.model.receive(at);
            }
            Step::Note { to } => {
                // Every other time to one who may have no room.
                let number = usize::from(to);
                let tight = |&at: &usize| {
                    let this = &self.model.actors[at];
                    matches!(self.parts[at], Part::Actor(..)) && this.held && this.room.is_some()
                };
                let tight: Vec<_> = (0..self.parts.len()).filter(tight).collect();
                let at = match tight.get(number / 2 % tight.len().max(1)) {
                    Some(&at) if number % 2 == 0 => Some(at),
                    _ => self.actor(to),
                };
                let Some(at) = at else { return };
                self.notes += 1;
                let gone = self.model.actors[at].dead.is_some();
                let told = self.model.note(at, self.notes);
                let taken = told || !gone && self.droppers.contains(&at);
                assert_eq!(self.player(at).note(self.notes as u32), taken, "a note to {at}");
                self.saw(match (told, taken, gone) {
                    (true, ..) => "note",
                    (_, true, _) => "note dropped",
                    (.., true) => "note to the dead",
                    _ => "note refused",
                });
            }
            Step::LastWords { actor, to, how } => self.last_words(actor, to, how),
            Step::Ask { of } => {
                let Some(at) = self.actor(of).filter(|&at| !self.model.actors[at].held) else { return };
                match (self.player(at).ask(), self.model.actors[at].dead) {
                    (Ok(7), None) => self.saw("answer"),
                    (Err(RequestError::Exited(why)), Some(cause)) if same(&why, cause) => {
                        self.saw("no answer")
                    }
                    other => panic!("asked, and got {other:?}"),
                }
            }
            Step::Stop { actor, error, from_inside } => {
                let Some(at) = self.actor(actor) else { return };
                let cause = error.map_or(Cause::Normal, Cause::Error);
                if !from_inside {
                    self.player(at).handle().stop_with(reason(cause));
                } else if self.is_free(at) {
                    self.player(at).stop_from_inside(reason(cause));
                } else {
                    return;
                }
                self.model.end(at, cause);
            }
            Step::Kill { actor } => {
                let Some(at) = self.actor(actor) else { return };
                self.player(at).handle().kill();
                self.model.end(at, Cause::Kill);
            }
            Step::Panic { actor } => {
                let Some(at) = self.actor(actor).filter(|&at| self.is_free(at)) else { return };
                self.player(at).panic();
                self.model.die(at, Cause::Panic);
            }
            Step::Hold { actor } => {
                let Some(at) = self.actor(actor).filter(|&at| self.is_free(at)) else { return };
                let here = self.model.actors[at].runtime;
                if self.model.actors.iter().filter(|it| it.runtime == here && it.held).count() == MOST_HELD {
                    return;
                }
                let wedge = self.player(at).hold();
                let Part::Actor(.., held) = &mut self.parts[at] else { unreachable!("an actor") };
                *held = Some(wedge);
                self.model.hold(at);
            }
            Step::LetGo { actor } => {
                let held = |part: &Part| matches!(part, Part::Actor(.., Some(_)));
                let Some(at) = self.pick(actor, held) else { return };
                self.let_go(at);
            }
            Step::Forget { part, detach } => self.forget(part, detach),
            Step::Wait { actor } => {
                let Some(at) = self.actor(actor) else { return };
                self.waits.push((at, begun(self.player(at).handle().wait_exit())));
            }
            Step::EndRuntime { runtime, in_order } => self.end_runtime(runtime, in_order),
        }
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn last_words(&mut self, actor: u8, to: u8, how: Last) {
        let Some(at) = self.actor(actor).filter(|&at| self.is_free(at)) else { return };
        // Three times in four to one who monitors it.
        let watches = |watcher: usize| {
            let its = |it: &crate::model::Monitor| {
                it.watcher == watcher && it.target == at && it.fate == Fate::Active
            };
            self.model.monitors.iter().any(its)
        };
        let watcher = self.pick(to, |part| matches!(part, Part::Actor(..)));
        let watchers = (0..self.parts.len())
            .filter(|&part| matches!(self.parts[part], Part::Actor(..)) && watches(part))
            .collect::<Vec<_>>();
        let number = usize::from(to);
        let to = match watchers.get(number / 4 % watchers.len().max(1)) {
            Some(&to) if number % 4 != 0 => Some(to),
            _ => watcher,
        };
        let Some(to) = to.filter(|&to| to != at) else { return };
        self.notes += 1;
        let watched = watches(to);
        if self.model.note(to, self.notes) && watched {
            self.saw("last words");
        }
        let noter = self.player(to).noter();
        self.player(at).last_words(noter, self.notes as u32, how);
        let cause = match how {
            Last::Stop => Cause::Normal,
            Last::Error(error) => Cause::Error(error),
            Last::Panic => Cause::Panic,
        };
        self.model.die(at, cause);
    }

    fn forget(&mut self, part: u8, detach: bool) {
        let Some(at) = self.pick(part, Part::is_here) else { return };
        match std::mem::replace(&mut self.parts[at], Part::Forgotten) {
            // It could not finish its mailbox.
            here @ Part::Actor(.., Some(_)) => self.parts[at] = here,
            Part::Actor(player, events, None) if detach => {
                player.detach();
                self.parts[at] = Part::Detached(events);
            }
            gone => {
                drop(gone);
                self.model.leave(at);
            }
        }
    }

    fn monitor(&mut self, watcher: u8, target: u8, how: How) {
        let (Some(watcher), Some(target)) = (self.pick(watcher, Part::is_here), self.actor(target)) else {
            return;
        };
        let handle = self.player(target).handle();
        let plain = matches!(self.parts[watcher], Part::Plain(_));
        let (reference, guard) = match &mut self.parts[watcher] {
            Part::Actor(player, ..) => player.monitor(&handle, how),
            Part::Plain(monitors) => (monitors.monitor(&handle), None),
            Part::Detached(_) | Part::Forgotten => unreachable!("not picked"),
        };
        assert!(self.monitors.iter().all(|real| real.reference != reference), "each reference is new");
        self.monitors.push(Real { reference, guard });
        let softened = matches!(how, How::WithAMessage) && !plain;
        self.model.monitor(watcher, target, softened);
    }

    fn demonitor(&mut self, by: Option<u8>, monitor: u16) {
        // Three times in four one of which something may still come.
        let number = usize::from(monitor);
        let possible = |&at: &usize| number % 4 == 0 || self.model.monitors[at].fate != Fate::Over;
        let all: Vec<_> = (0..self.monitors.len()).filter(possible).collect();
        let Some(&monitor) = all.get(number / 4 % all.len().max(1)) else { return };
        let by = match by {
            Some(by) => self.pick(by, Part::is_here),
            None => Some(self.model.monitors[monitor].watcher),
        };
        let Some(by) = by else { return };
        let real = &mut self.monitors[monitor];
        let owner = self.model.monitors[monitor].watcher == by;
        let answer = match (real.guard.take_if(|_| owner), &mut self.parts[by]) {
            (Some(guard), _) => guard.demonitor(),
            (None, Part::Actor(player, ..)) => player.demonitor(real.reference),
            (None, Part::Plain(monitors)) => monitors.demonitor(real.reference),
            (None, Part::Detached(_) | Part::Forgotten) => return,
        };
        let cause = self.model.actors[self.model.monitors[monitor].target].dead;

        let reference = real.reference;
        match (answer, self.model.demonitor(by, monitor)) {
            (Demonitor::Cancelled, Cancel::Cancelled) => self.saw("cancelled"),
            (Demonitor::Unknown, Cancel::Unknown) => self.saw("unknown"),
            (Demonitor::Flushed(down), Cancel::Flushed)
                if down.monitor_ref == reference && cause.is_some_and(|cause| same(&down.reason, cause)) =>
            {
                self.saw("flushed");
            }
            other => panic!("the real one and the model answer {other:?}"),
        }
    }

    fn let_go(&mut self, at: usize) {
        let Part::Actor(.., wedge) = &mut self.parts[at] else { return };
        if wedge.take().is_some() {
            self.model.let_go(at);
            self.settle();
        }
    }

    fn end_runtime(&mut self, runtime: u8, in_order: bool) {
        let at = usize::from(runtime) % self.runtimes.len();
        for actor in 0..self.parts.len() {
            if self.model.actors[actor].runtime == at {
                self.let_go(actor);
            }
        }
        // Another takes its place; the numbers of the ended one are not used again.
        let ended = std::mem::replace(&mut self.runtimes[at], new_runtime());
        if in_order {
            ended.shutdown(LONG).expect("nobody is stuck");
        } else {
            drop(ended);
        }
        let cause = if in_order { Cause::Shutdown } else { Cause::Kill };
        let doomed = self.model.alive_on(at).into_iter().map(|actor| {
            // A griever may have been told of another's death on the way out, and ended of that.
            let real = self.exits[actor].take().expect("it was alive").wait();
            let grief = self.model.actors[actor].grieves && same(&real, Cause::Grief);
            let cause = if grief { Cause::Grief } else { cause };
            assert!(same(&real, cause), "actor {actor} ended with {real}, not {cause:?}");
            (actor, cause)
        });
        let doomed: Vec<_> = doomed.collect();
        self.model.die_together(&doomed);
    }

    /// Waits until everything that follows from what was done has happened.
    fn settle(&mut self) {
        for at in 0..self.parts.len() {
            if self.model.actors[at].dead.is_some() {
                if let Some(wait) = self.exits[at].take() {
                    let why = wait.wait();
                    let cause = self.model.actors[at].dead.expect("it is dead");
                    assert!(same(&why, cause), "actor {at} ended with {why}, not {cause:?}");
                }
            }
        }
        for at in 0..self.parts.len() {
            if let Part::Actor(player, ..) = &self.parts[at] {
                // A note that it has not come to yet may leave no room.
                let mut answer = if self.is_free(at) { player.ask() } else { Ok(7) };
                while answer == Err(RequestError::Full) {
                    std::thread::yield_now();
                    answer = player.ask();
                }
                assert_eq!(answer, Ok(7), "{at} is alive");
            }
        }
    }

    /// Everything that can be seen is as the model says.
    pub fn check(&mut self, when: &str) {
        self.settle();
        for (at, mut wait) in std::mem::take(&mut self.waits) {
            if let Some(cause) = self.model.actors[at].dead {
                let why = wait.wait();
                assert!(same(&why, cause), "{when}: {at} ended with {why}, not {cause:?}");
                self.saw("waited");
            } else {
                assert!(poll_once(&mut wait).is_pending(), "{when}: {at} is alive");
                self.waits.push((at, wait));
            }
        }
        let actors: Vec<_> = self
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Actor(player, ..) => Some(player.handle().id()),
                _ => None,
            })
            .collect();
        for at in 0..self.parts.len() {
            let told = std::mem::take(&mut self.model.actors[at].told);
            let this = &self.model.actors[at];
            let of = |fate| {
                let here = self.model.monitors.iter().zip(&self.monitors);
                let mut all: Vec<_> = here
                    .filter(|(model, _)| model.watcher == at && model.fate == fate)
                    .map(|(_, real)| real.reference)
                    .collect();
                all.sort();
                all
            };
            let expected = told.iter().map(|told| match *told {
                Told::Down(monitor) => Heard::Down(self.monitors[monitor].reference),
                Told::Note(note) => Heard::Note(note as u32),
            });
            let expected: Vec<_> = expected.collect();
            let mut heard = Vec::new();
            let seen = &mut self.seen;
            let mut down = |down: deathwatch::Down| {
                let monitor = self.monitors.iter().position(|real| real.reference == down.monitor_ref);
                let target = self.model.monitors[monitor.expect("a reference of ours")].target;
                let cause = self.model.actors[target].dead.expect("only of the dead");
                assert!(same(&down.reason, cause), "{when}: {at} was told {down:?}, not {cause:?}");
                *seen.entry(down_of(cause)).or_default() += 1;
                Heard::Down(down.monitor_ref)
            };
            let mut shown: Vec<MonitorRef>;
            let mut by = None;
            match &mut self.parts[at] {
                Part::Forgotten => continue,
                Part::Detached(_) if this.dead.is_some() => continue,
                // Nobody can ask it, so it may not have come to them yet; nor what it monitors.
                Part::Detached(events) => {
                    for _ in 0..expected.len() {
                        heard.push(match events.next() {
                            Event::Down(that) | Event::Retold(that) => down(that),
                            other => panic!("{when}: {at} has {other:?}"),
                        });
                    }
                    shown = of(Fate::Active);
                }
                Part::Plain(monitors) => {
                    for _ in 0..expected.len() {
                        heard.push(down(monitors.try_recv().expect("it is there")));
                    }
                    shown = monitors.monitors().iter().map(|(reference, _)| *reference).collect();
                }
                Part::Actor(player, events, _) => {
                    while let Some(event) = events.ready() {
                        match event {
                            Event::Down(that) | Event::Retold(that) => heard.push(down(that)),
                            Event::Note(number) => heard.push(Heard::Note(number)),
                            Event::Change(_) | Event::Exit(_) | Event::Stopped(_) | Event::Dropped => {}
                        }
                    }
                    let handle = player.handle();
                    shown = handle.monitors().iter().map(|(reference, _)| *reference).collect();
                    assert_eq!(handle.is_alive(), this.dead.is_none(), "{when}: {at}");
                    assert_eq!(handle.exit_reason().is_some(), this.dead.is_some(), "{when}: {at}");
                    by = Some(handle.monitored_by());
                }
            }
            if let Some(mut by) = by {
                for monitor in &self.model.monitors {
                    if monitor.target != at || monitor.fate != Fate::Active {
                        continue;
                    }
                    // Plain code has an identity too, but nobody knows it.
                    let found = match &self.parts[monitor.watcher] {
                        Part::Actor(player, ..) => by.iter().position(|id| *id == player.handle().id()),
                        _ => by.iter().position(|id| !actors.contains(id)),
                    };
                    by.swap_remove(found.unwrap_or_else(|| panic!("{when}: {monitor:?} does not show")));
                }
                assert!(by.is_empty(), "{when}: {at} is monitored by {by:?}, too");
            }
            shown.sort();
            if this.dead.is_some() {
                assert!(shown.is_empty(), "{when}: the dead {at} monitors {shown:?}");
                continue; // what it handled on its way out was seen by nobody
            }
            assert_eq!(promised(heard), promised(expected), "{when}: what {at} was told");
            let active = of(Fate::Active);
            shown.retain(|reference| !of(Fate::Queued).contains(reference));
            assert_eq!(shown, active, "{when}: what {at} monitors");
        }
    }
}
