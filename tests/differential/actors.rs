//! Plays scripts on actors of both modes. What a step means is said in `script.rs`; `processes.escript` plays the same.

use std::fmt::Write;
use std::sync::mpsc::{self, Sender};

use deathwatch::{
    ActorHandle, ActorId, ActorRef, Context, Demonitor, Down, ExitReason, ExitWait, Message, MonitorRef,
    Options, RequestError, Runtime,
};

use crate::doll::{Doll, Play, TaskDoll, ThreadDoll};
use crate::support::{Event, Events, Held, Hold, begun};

// Where the two sides speak differently. docs/conformance.md says why.

fn reason(word: &str) -> ExitReason {
    if word == "normal" { ExitReason::Normal } else { ExitReason::error(word.to_owned()) }
}

fn class(reason: &ExitReason) -> String {
    match reason {
        ExitReason::Normal => "normal".to_owned(),
        ExitReason::Kill => "killed".to_owned(),
        ExitReason::Panic(_) => "panic".to_owned(),
        other => match other.to_string().strip_prefix("error: ").expect("no other reason is given") {
            "grief" => "grief".to_owned(),
            number => format!("error {number}"),
        },
    }
}

/// With `[flush, info]` Erlang says whether there was a monitor to remove; with `[info]` and a look into the mailbox it says all.
fn answer(demonitor: &Demonitor, how: &str) -> &'static str {
    match (how, demonitor) {
        ("flush", Demonitor::Cancelled) => "true",
        ("flush", _) => "false",
        (_, Demonitor::Cancelled) => "cancelled",
        (_, Demonitor::Flushed(_)) => "flushed",
        (_, _) => "unknown",
    }
}

/// Keeps an actor in a handler. A task awaits, so that a kill cuts in, as in Erlang; a thread blocks.
struct Linger(Sender<()>, Held);
impl Message for Linger {
    type Reply = ();
}

impl deathwatch::tasks::Handler<Linger> for TaskDoll {
    async fn handle(&mut self, Linger(entered, held): Linger, _: &Context<Self>) {
        let _ = entered.send(());
        held.await;
    }
}

impl deathwatch::threads::Handler<Linger> for ThreadDoll {
    fn handle(&mut self, Linger(entered, held): Linger, _: &Context<Self>) {
        let _ = entered.send(());
        futures::executor::block_on(held);
    }
}

trait Lingers: Doll {
    fn linger(to: &ActorRef<Self>, message: Linger);
}
impl Lingers for TaskDoll {
    fn linger(to: &ActorRef<Self>, message: Linger) {
        to.send(message).map_err(drop).expect("it lives");
    }
}
impl Lingers for ThreadDoll {
    fn linger(to: &ActorRef<Self>, message: Linger) {
        to.send(message).map_err(drop).expect("it lives");
    }
}

type Work = Box<dyn FnOnce() + Send>;

/// Dolls of either mode alike.
trait Player {
    fn handle(&self) -> ActorHandle;
    /// Does nothing, in its turn.
    fn probe(&self) -> Result<(), RequestError>;
    /// Does this in its turn, and then ends if it is to.
    fn works(&self, work: Work, end: Option<ExitReason>);
    /// What sends it a note.
    fn noting(&self, number: u32) -> Work;
    fn monitor(&self, target: &ActorHandle, tagged: bool) -> MonitorRef;
    fn demonitor(&self, monitor: MonitorRef, inside: bool) -> Demonitor;
    fn spawn(&self, thread: bool, stillborn: bool) -> (Box<dyn Player>, Events, MonitorRef, Sender<()>);
    fn hold(&self) -> Hold;
}

struct Cast<D>(ActorRef<D>, Context<D>);

fn start<D: Lingers>(runtime: &Runtime, grieves: bool) -> (Box<dyn Player>, Events) {
    let (mut doll, events) = D::new();
    if grieves {
        doll = doll.at_down(|ctx| ctx.stop_with(ExitReason::error("grief")));
    }
    let actor = doll.start_with(Options::new().runtime(runtime)).expect("the runtime runs");
    let ctx = actor.context();
    (Box::new(Cast(actor, ctx)), events)
}

/// A child, which does not go on before it is told.
fn child<W: Doll, D: Lingers>(
    watcher: &ActorRef<W>,
    stillborn: bool,
) -> (Box<dyn Player>, Events, MonitorRef, Sender<()>) {
    let (tell, told) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let (doll, events) = D::new();
    let doll = doll.at_start(move |ctx| {
        tell.send(Cast(ctx.actor_ref(), ctx.clone())).expect("the script waits for it");
        gone.recv().expect("the script lets it go on");
        assert!(!stillborn, "not for this world");
    });
    let (_, monitor) = watcher.call(|_, ctx| W::spawn_monitored(ctx, doll));
    (Box::new(told.recv().expect("it starts")), events, monitor, go)
}

impl<D: Lingers> Player for Cast<D> {
    fn handle(&self) -> ActorHandle {
        self.0.handle()
    }

    fn probe(&self) -> Result<(), RequestError> {
        self.0.ask(|_, _| ()).wait()
    }

    fn works(&self, work: Work, end: Option<ExitReason>) {
        self.0.tell(move |_, ctx| {
            work();
            if let Some(end) = end {
                ctx.stop_with(end);
            }
        });
    }

    fn noting(&self, number: u32) -> Work {
        let to = self.0.clone();
        Box::new(move || D::note(&to, number))
    }

    fn monitor(&self, target: &ActorHandle, tagged: bool) -> MonitorRef {
        if tagged { D::monitor_retold(&self.1, target) } else { D::monitor(&self.1, target) }
    }

    fn demonitor(&self, monitor: MonitorRef, inside: bool) -> Demonitor {
        if inside { self.0.call(move |_, ctx| ctx.demonitor(monitor)) } else { self.1.demonitor(monitor) }
    }

    fn spawn(&self, thread: bool, stillborn: bool) -> (Box<dyn Player>, Events, MonitorRef, Sender<()>) {
        if thread {
            child::<D, ThreadDoll>(&self.0, stillborn)
        } else {
            child::<D, TaskDoll>(&self.0, stillborn)
        }
    }

    fn hold(&self) -> Hold {
        let (entered, inside) = mpsc::channel();
        let (hold, held) = Hold::new();
        D::linger(&self.0, Linger(entered, held));
        inside.recv().expect("the handler begins");
        hold
    }
}

struct Actor {
    player: Box<dyn Player>,
    events: Events,
    thread: bool,
    held: Option<Hold>,
    /// Until it is dead. Over when everybody else was told.
    exit: Option<ExitWait>,
}

struct Monitor {
    reference: MonitorRef,
    owner: usize,
    /// Its target was dead before.
    late: bool,
}

#[derive(Default)]
pub struct Actors {
    /// A step that was skipped made nobody, and no monitor.
    actors: Vec<Option<Actor>>,
    monitors: Vec<Option<Monitor>>,
    died: Vec<(usize, String)>,
}

/// A line for each step.
pub fn play(script: &[String], runtimes: &[Runtime; 2]) -> Vec<String> {
    let mut all = Actors::default();
    let mut lines = Vec::new();
    for (at, step) in script.iter().enumerate() {
        let at = u32::try_from(at).expect("not that long");
        all.died.clear();
        let words: Vec<_> = step.split(' ').collect();
        let answer = all.step(&words, at, runtimes).unwrap_or("skipped");
        all.settle();
        lines.push(all.line(answer));
        // So that the queue of who is held up shows what came in which step.
        for actor in all.actors.iter().flatten().filter(|actor| actor.held.is_some()) {
            actor.player.noting(1000 + at)();
        }
    }
    all.clean_up();
    lines
}

impl Actors {
    fn exists(&self, at: usize) -> Option<&Actor> {
        self.actors[at].as_ref()
    }

    fn alive(&self, at: usize) -> Option<&Actor> {
        self.exists(at).filter(|actor| actor.exit.is_some())
    }

    /// Can it act?
    fn free(&self, at: usize) -> Option<&Actor> {
        self.alive(at).filter(|actor| actor.held.is_none())
    }

    /// `None` if the step makes no sense now.
    fn step(&mut self, words: &[&str], at: u32, runtimes: &[Runtime; 2]) -> Option<&'static str> {
        let number = |at: usize| words[at].parse::<usize>().expect("a number");
        match words[0] {
            "start" => {
                let thread = words[1] == "thread";
                let start = if thread { start::<ThreadDoll> } else { start::<TaskDoll> };
                let (player, events) = start(&runtimes[self.actors.len() % 2], words[2] == "grieves");
                self.joins(player, events, thread);
            }
            "spawn" => {
                let (owner, thread) = (number(1), words[2] == "thread");
                let Some(watcher) = self.free(owner) else {
                    self.actors.push(None);
                    self.monitors.push(None);
                    return None;
                };
                let (player, events, reference, go) = watcher.player.spawn(thread, words[3] == "stillborn");
                self.monitors.push(Some(Monitor { reference, owner, late: false }));
                self.joins(player, events, thread);
                go.send(()).expect("it waits for this");
                self.probe(self.actors.len() - 1);
            }
            "monitor" => {
                let owner = number(1);
                let (Some(watcher), Some(target)) = (self.alive(owner), self.exists(number(2))) else {
                    self.monitors.push(None);
                    return None;
                };
                let reference = watcher.player.monitor(&target.player.handle(), words[3] == "tagged");
                let late = target.exit.is_none();
                self.monitors.push(Some(Monitor { reference, owner, late }));
            }
            "demonitor" => {
                let monitor = self.monitors[number(2)].as_ref()?;
                let by = if words[1] == "owner" { monitor.owner } else { number(1) };
                let by = self.alive(by)?;
                let inside = by.held.is_none() && words[4] == "inside";
                let demonitor = by.player.demonitor(monitor.reference, inside);
                if let Demonitor::Flushed(down) = &demonitor {
                    assert_eq!(down.monitor_ref, monitor.reference);
                    self.told("down", down);
                }
                return Some(answer(&demonitor, words[3]));
            }
            "note" => self.alive(number(1))?.player.noting(at)(),
            "say" => {
                let (from, to) = (self.free(number(1))?, self.alive(number(2))?);
                from.player.works(to.player.noting(at), None);
                self.probe(number(1)); // it was said when this returns
            }
            "last_words" => {
                let (from, to) = (self.free(number(1))?, self.alive(number(2))?);
                if words[1] == words[2] {
                    return None;
                }
                from.player.works(to.player.noting(at), Some(reason(words[3])));
                self.dies(number(1));
            }
            "exit" => {
                self.free(number(1))?.player.works(Box::new(|| ()), Some(reason(words[2])));
                self.dies(number(1));
            }
            "panic" => {
                self.free(number(1))?.player.works(Box::new(|| panic!("as it was told")), None);
                self.dies(number(1));
            }
            "stop" => {
                let actor = self.alive(number(1))?;
                actor.player.handle().stop_with(reason(words[2]));
                if actor.held.is_none() {
                    self.dies(number(1));
                }
            }
            "kill" => {
                let actor = self.alive(number(1))?;
                if actor.held.is_some() && actor.thread {
                    return None;
                }
                actor.player.handle().kill();
                self.dies(number(1));
            }
            "hold" => {
                let hold = self.free(number(1))?.player.hold();
                self.actors[number(1)].as_mut()?.held = Some(hold);
            }
            "let_go" => self.actors[number(1)].as_mut()?.held.take()?.release(),
            other => unreachable!("no step: {other}"),
        }
        Some("done")
    }

    fn joins(&mut self, player: Box<dyn Player>, events: Events, thread: bool) {
        let exit = Some(begun(player.handle().wait_exit()));
        self.actors.push(Some(Actor { player, events, thread, held: None, exit }));
    }

    /// Waits for its end, and until everybody was told.
    fn dies(&mut self, at: usize) {
        let actor = self.actors[at].as_mut().expect("an actor");
        let why = actor.exit.take().expect("once").wait();
        actor.held = None;
        self.died.push((at, class(&why)));
    }

    /// Was it alive when it had done everything that was to do?
    fn probe(&mut self, at: usize) -> bool {
        match self.free(at).map(|actor| actor.player.probe()) {
            None | Some(Ok(())) => true,
            Some(Err(RequestError::Exited(_))) => {
                self.dies(at);
                false
            }
            Some(Err(error)) => panic!("{error}"),
        }
    }

    /// Until nothing more follows from what was done.
    fn settle(&mut self) {
        let all = |this: &mut Self| (0..this.actors.len()).filter(|&at| !this.probe(at)).count();
        while all(self) > 0 {}
    }

    fn number(&self, id: ActorId) -> usize {
        let is = |actor: &Option<Actor>| actor.as_ref().is_some_and(|it| it.player.handle().id() == id);
        self.actors.iter().position(is).expect("one of ours")
    }

    /// What a `Down` says. Of the dead Erlang knows no more than that; here it must be the truth.
    fn told(&self, how: &str, down: &Down) -> String {
        let is = |it: &Option<Monitor>| it.as_ref().is_some_and(|it| it.reference == down.monitor_ref);
        let monitor = self.monitors.iter().position(is).expect("one of ours");
        let target = self.number(down.target);
        let truth = self.exists(target).and_then(|actor| actor.player.handle().exit_reason());
        assert_eq!(truth.as_ref(), Some(&down.reason), "told of {target} by {monitor}");
        let late = self.monitors[monitor].as_ref().is_some_and(|monitor| monitor.late);
        let why = if late { "noproc".to_owned() } else { class(&down.reason) };
        format!("{how} {monitor} of {target} {why}")
    }

    fn line(&mut self, answer: &str) -> String {
        self.died.sort();
        let died: Vec<_> = self.died.iter().map(|(at, why)| format!("{at} {why}")).collect();
        let mut heard = Vec::new();
        let mut views = Vec::new();
        for at in 0..self.actors.len() {
            let Some(actor) = self.exists(at) else { continue };
            let mut told = Vec::new();
            while let Some(event) = actor.events.ready() {
                told.push(match event {
                    Event::Note(number) => format!("note {number}"),
                    Event::Down(down) => self.told("down", &down),
                    Event::Retold(down) => self.told("tagged", &down),
                    Event::Change(_) | Event::Exit(_) | Event::Stopped(_) | Event::Dropped => continue,
                });
            }
            if !told.is_empty() {
                heard.push(format!("{at}:{}", told.join(",")));
            }
            if actor.exit.is_some() {
                let handle = actor.player.handle();
                let list = |of: Vec<ActorId>| {
                    let mut of: Vec<_> = of.into_iter().map(|id| self.number(id)).collect();
                    of.sort();
                    let mut list = String::new();
                    write!(list, "{of:?}").expect("a string takes everything");
                    list.replace(' ', "")
                };
                let watched = handle.monitors().into_iter().map(|(_, id)| id);
                let watched = watched.filter(|&id| self.alive(self.number(id)).is_some()).collect();
                views.push(format!("{at} watches {} by {}", list(watched), list(handle.monitored_by())));
            }
        }
        format!("{answer}|{}|{}|{}", died.join(","), heard.join(";"), views.join(";"))
    }

    fn clean_up(mut self) {
        for at in 0..self.actors.len() {
            if let Some(actor) = &mut self.actors[at] {
                actor.held = None;
                actor.player.handle().kill();
            }
        }
        for at in 0..self.actors.len() {
            if self.alive(at).is_some() {
                self.dies(at);
            }
        }
    }
}
