//! An actor that does what it is told, in whichever mode: what is said once holds for tasks, for threads, and between them.
#![allow(dead_code, unused_imports, unused_macros, reason = "shared by several test programs")]

use std::future::Future;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use deathwatch::{
    ActorHandle, ActorRef, Alias, AliasUntil, Attachment, Context, Down, Exit, ExitReason, Group,
    GroupChange, JoinError, Message, Missed, MonitorGuard, MonitorRef, Options, Request, Runtime, SendError,
    StartError, StreamEnd, Target, TimerRef, Topic,
};
use futures::{Stream, StreamExt};

use crate::support::{Event, Events, Note, Retold, Wedge};

/// What a doll is to do, and whom it tells.
pub struct Strings<D> {
    events: Sender<Event>,
    started: Option<Hook<D>>,
    stopped: Option<Hook<D>>,
    on_down: Option<DownHook<D>>,
    on_drop: Option<Box<dyn FnOnce() + Send>>,
    downs: usize,
    /// Whatever it is to hold until it is dropped.
    pub luggage: Option<Box<dyn std::any::Any + Send>>,
}

type Hook<D> = Box<dyn FnOnce(&Context<D>) + Send>;
type DownHook<D> = Box<dyn FnMut(&Context<D>) + Send>;
type Work<D, R> = Box<dyn FnOnce(&mut D, &Context<D>) -> R + Send>;

impl<D> Strings<D> {
    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn pull(hook: &mut Option<Hook<D>>, ctx: &Context<D>) {
        if let Some(f) = hook.take() {
            f(ctx);
        }
    }

    fn down(&mut self, down: Down, ctx: &Context<D>) {
        self.downs += 1;
        self.tell(Event::Down(down));
        if let Some(f) = &mut self.on_down {
            f(ctx);
        }
    }
}

impl<D> Drop for Strings<D> {
    fn drop(&mut self) {
        self.tell(Event::Dropped);
        if let Some(f) = self.on_drop.take() {
            f();
        }
    }
}

/// Something for a doll to do; what it returns is the reply.
pub struct Job<D, R>(Work<D, R>);

impl<D: 'static, R: Send + 'static> Message for Job<D, R> {
    type Reply = R;
}

/// A doll of known mode.
pub enum Either {
    TaskDoll(TaskDoll),
    ThreadDoll(ThreadDoll),
}

/// An actor that does what it is told, in whichever mode.
pub trait Doll: Sized + Send + 'static {
    /// Does it run on a thread of its own?
    const THREAD: bool;

    fn hang(strings: Strings<Self>) -> Self;
    fn strings(&mut self) -> &mut Strings<Self>;
    fn start_with(self, options: Options) -> Result<ActorRef<Self>, StartError>;
    fn send<R: Send + 'static>(to: &ActorRef<Self>, job: Job<Self, R>)
    -> Result<(), SendError<Job<Self, R>>>;
    fn request<R: Send + 'static>(to: &ActorRef<Self>, job: Job<Self, R>) -> Request<Job<Self, R>>;
    fn try_note(to: &ActorRef<Self>, number: u32) -> bool;
    fn note(to: &ActorRef<Self>, number: u32) {
        assert!(Self::try_note(to, number), "the doll lives, and has room");
    }
    fn monitor(ctx: &Context<Self>, target: &impl Target) -> MonitorRef;
    fn monitor_retold(ctx: &Context<Self>, target: &impl Target) -> MonitorRef;
    /// With this to retell the `Down`.
    fn monitor_with(
        ctx: &Context<Self>,
        target: &impl Target,
        retell: impl FnOnce(Down) -> Retold + Send + 'static,
    ) -> MonitorRef;
    /// With a message of its own in place of the `Down`, which does this.
    fn monitor_then(
        ctx: &Context<Self>,
        target: &impl Target,
        f: impl FnOnce(&mut Self, Down) + Send + 'static,
    ) -> MonitorRef;
    /// The `Down` overtakes.
    fn monitor_priority(ctx: &Context<Self>, target: &impl Target) -> MonitorRef;
    fn alias(ctx: &Context<Self>, until: AliasUntil) -> Alias<Note>;
    fn trap_exit(ctx: &Context<Self>, on: bool) -> bool;
    fn monitor_guard(ctx: &Context<Self>, target: &impl Target) -> MonitorGuard;
    fn monitor_group(ctx: &Context<Self>, group: &Group) -> MonitorRef;
    fn subscribe(topic: &Topic<Note>, doll: &ActorRef<Self>) -> Result<bool, JoinError>;
    fn broadcast(group: &Group, number: u32) -> usize;
    fn note_after(ctx: &Context<Self>, delay: Duration, number: u32) -> TimerRef;
    fn note_at(ctx: &Context<Self>, when: Instant, number: u32) -> TimerRef;
    /// Does something later.
    fn after(
        ctx: &Context<Self>,
        delay: Duration,
        f: impl FnOnce(&mut Self, &Context<Self>) + Send + 'static,
    ) -> TimerRef;
    fn note_every(
        ctx: &Context<Self>,
        period: Duration,
        missed: Missed,
        number: impl FnMut() -> u32 + Send + 'static,
    ) -> TimerRef;
    /// A stream of numbers, each a note.
    fn attach(ctx: &Context<Self>, numbers: impl Stream<Item = u32> + Send + 'static) -> Attachment;
    /// With a limit, and something to be done at the end.
    fn attach_with(
        ctx: &Context<Self>,
        numbers: impl Stream<Item = u32> + Send + 'static,
        limit: usize,
        end: impl FnOnce(&mut Self, StreamEnd) + Send + 'static,
    ) -> Attachment;
    fn attach_iter(ctx: &Context<Self>, numbers: impl Iterator<Item = u32> + Send + 'static) -> Attachment;
    fn attach_iter_with(
        ctx: &Context<Self>,
        numbers: impl Iterator<Item = u32> + Send + 'static,
        limit: usize,
        end: impl FnOnce(&mut Self, StreamEnd) + Send + 'static,
    ) -> Attachment;
    fn pipe(ctx: &Context<Self>, number: impl Future<Output = u32> + Send + 'static) -> Attachment;
    fn note_on(
        ctx: &Context<Self>,
        future: impl Future<Output = ()> + Send + 'static,
        number: u32,
    ) -> Attachment;
    fn either(self) -> Either;
    /// Tells the test.
    fn tell(&mut self, event: Event) {
        self.strings().tell(event);
    }

    /// Starts and monitors a child; the only strong handle is what comes back.
    fn spawn_monitored(ctx: &Context<Self>, child: impl Doll) -> (ActorHandle, MonitorRef);
    /// Starts a child and links with it; the same.
    fn spawn_linked(ctx: &Context<Self>, child: impl Doll) -> ActorHandle;

    fn new() -> (Self, Events) {
        let (events, seen) = mpsc::channel();
        let strings = Strings {
            events,
            started: None,
            stopped: None,
            on_down: None,
            on_drop: None,
            downs: 0,
            luggage: None,
        };
        (Self::hang(strings), Events::of(seen))
    }

    fn on(runtime: &Runtime) -> (ActorRef<Self>, Events) {
        let (doll, events) = Self::new();
        (doll.start_with(Options::new().runtime(runtime)).expect("the runtime runs"), events)
    }

    fn at_start(mut self, f: impl FnOnce(&Context<Self>) + Send + 'static) -> Self {
        self.strings().started = Some(Box::new(f));
        self
    }

    fn at_stop(mut self, f: impl FnOnce(&Context<Self>) + Send + 'static) -> Self {
        self.strings().stopped = Some(Box::new(f));
        self
    }

    fn at_down(mut self, f: impl FnMut(&Context<Self>) + Send + 'static) -> Self {
        self.strings().on_down = Some(Box::new(f));
        self
    }

    fn at_drop(mut self, f: impl FnOnce() + Send + 'static) -> Self {
        self.strings().on_drop = Some(Box::new(f));
        self
    }
}

/// The same actor for a mode. `async` and `.await` are all the difference.
macro_rules! doll {
    ($name:ident: $mode:ident, $thread:literal, $($asynchronous:tt)?) => {
        pub struct $name(Strings<$name>);

        impl deathwatch::$mode::Actor for $name {
            $($asynchronous)? fn started(&mut self, ctx: &Context<Self>) {
                Strings::pull(&mut self.0.started, ctx);
            }

            $($asynchronous)? fn stopped(&mut self, reason: &ExitReason, ctx: &Context<Self>) {
                self.0.tell(Event::Stopped(reason.clone()));
                Strings::pull(&mut self.0.stopped, ctx);
            }
        }

        impl deathwatch::$mode::Handler<Down> for $name {
            $($asynchronous)? fn handle(&mut self, down: Down, ctx: &Context<Self>) {
                self.0.down(down, ctx);
            }
        }

        impl deathwatch::$mode::Handler<Retold> for $name {
            $($asynchronous)? fn handle(&mut self, Retold(down): Retold, _: &Context<Self>) {
                self.0.tell(Event::Retold(down));
            }
        }

        impl deathwatch::$mode::Handler<Note> for $name {
            $($asynchronous)? fn handle(&mut self, Note(number): Note, _: &Context<Self>) {
                self.0.tell(Event::Note(number));
            }
        }

        impl deathwatch::$mode::Handler<GroupChange> for $name {
            $($asynchronous)? fn handle(&mut self, change: GroupChange, _: &Context<Self>) {
                self.0.tell(Event::Change(change));
            }
        }

        impl deathwatch::$mode::Handler<Exit> for $name {
            $($asynchronous)? fn handle(&mut self, exit: Exit, _: &Context<Self>) {
                self.0.tell(Event::Exit(exit));
            }
        }

        impl<R: Send + 'static> deathwatch::$mode::Handler<Job<$name, R>> for $name {
            $($asynchronous)? fn handle(&mut self, Job(f): Job<$name, R>, ctx: &Context<Self>) -> R {
                f(self, ctx)
            }
        }

        impl Doll for $name {
            const THREAD: bool = $thread;

            fn hang(strings: Strings<Self>) -> Self {
                $name(strings)
            }

            fn strings(&mut self) -> &mut Strings<Self> {
                &mut self.0
            }

            fn start_with(self, options: Options) -> Result<ActorRef<Self>, StartError> {
                deathwatch::$mode::Actor::start_with(self, options)
            }

            fn send<R: Send + 'static>(
                to: &ActorRef<Self>,
                job: Job<Self, R>,
            ) -> Result<(), SendError<Job<Self, R>>> {
                to.send(job)
            }

            fn request<R: Send + 'static>(to: &ActorRef<Self>, job: Job<Self, R>) -> Request<Job<Self, R>> {
                to.request(job).no_timeout()
            }

            fn try_note(to: &ActorRef<Self>, number: u32) -> bool {
                to.send(Note(number)).is_ok()
            }

            fn monitor(ctx: &Context<Self>, target: &impl Target) -> MonitorRef {
                ctx.monitor(target)
            }

            fn monitor_retold(ctx: &Context<Self>, target: &impl Target) -> MonitorRef {
                ctx.monitor_with(target, Retold)
            }

            fn monitor_with(
                ctx: &Context<Self>,
                target: &impl Target,
                retell: impl FnOnce(Down) -> Retold + Send + 'static,
            ) -> MonitorRef {
                ctx.monitor_with(target, retell)
            }

            fn monitor_then(
                ctx: &Context<Self>,
                target: &impl Target,
                f: impl FnOnce(&mut Self, Down) + Send + 'static,
            ) -> MonitorRef {
                ctx.monitor_with(target, |down| Job::<Self, ()>(Box::new(move |doll, _| f(doll, down))))
            }

            fn monitor_priority(ctx: &Context<Self>, target: &impl Target) -> MonitorRef {
                ctx.monitor_priority(target, |down| down)
            }

            fn alias(ctx: &Context<Self>, until: AliasUntil) -> Alias<Note> {
                ctx.alias(until)
            }

            fn trap_exit(ctx: &Context<Self>, on: bool) -> bool {
                ctx.trap_exit(on)
            }

            fn monitor_guard(ctx: &Context<Self>, target: &impl Target) -> MonitorGuard {
                ctx.monitor_guard(target)
            }

            fn monitor_group(ctx: &Context<Self>, group: &Group) -> MonitorRef {
                ctx.monitor_group(group)
            }

            fn subscribe(topic: &Topic<Note>, doll: &ActorRef<Self>) -> Result<bool, JoinError> {
                topic.subscribe(doll)
            }

            fn broadcast(group: &Group, number: u32) -> usize {
                group.broadcast::<Self, _, _>(Note(number))
            }

            fn note_after(ctx: &Context<Self>, delay: Duration, number: u32) -> TimerRef {
                ctx.send_after(delay, Note(number))
            }

            fn note_at(ctx: &Context<Self>, when: Instant, number: u32) -> TimerRef {
                ctx.send_at(when, Note(number))
            }

            fn after(
                ctx: &Context<Self>,
                delay: Duration,
                f: impl FnOnce(&mut Self, &Context<Self>) + Send + 'static,
            ) -> TimerRef {
                ctx.send_after(delay, Job::<Self, ()>(Box::new(f)))
            }

            fn note_every(
                ctx: &Context<Self>,
                period: Duration,
                missed: Missed,
                mut number: impl FnMut() -> u32 + Send + 'static,
            ) -> TimerRef {
                ctx.send_interval(period, move || Note(number()), missed)
            }

            fn attach(
                ctx: &Context<Self>,
                numbers: impl Stream<Item = u32> + Send + 'static,
            ) -> Attachment {
                ctx.attach(numbers.map(Note))
            }

            fn attach_with(
                ctx: &Context<Self>,
                numbers: impl Stream<Item = u32> + Send + 'static,
                limit: usize,
                end: impl FnOnce(&mut Self, StreamEnd) + Send + 'static,
            ) -> Attachment {
                ctx.attach_with(numbers.map(Note), limit, |why| {
                    Job::<Self, ()>(Box::new(move |doll, _| end(doll, why)))
                })
            }

            fn attach_iter(
                ctx: &Context<Self>,
                numbers: impl Iterator<Item = u32> + Send + 'static,
            ) -> Attachment {
                ctx.attach_iter(numbers.map(Note))
            }

            fn attach_iter_with(
                ctx: &Context<Self>,
                numbers: impl Iterator<Item = u32> + Send + 'static,
                limit: usize,
                end: impl FnOnce(&mut Self, StreamEnd) + Send + 'static,
            ) -> Attachment {
                ctx.attach_iter_with(numbers.map(Note), limit, |why| {
                    Job::<Self, ()>(Box::new(move |doll, _| end(doll, why)))
                })
            }

            fn pipe(ctx: &Context<Self>, number: impl Future<Output = u32> + Send + 'static) -> Attachment {
                ctx.pipe(number, Note)
            }

            fn note_on(
                ctx: &Context<Self>,
                future: impl Future<Output = ()> + Send + 'static,
                number: u32,
            ) -> Attachment {
                ctx.send_message_on(future, Note(number))
            }

            fn either(self) -> Either {
                Either::$name(self)
            }

            fn spawn_monitored(ctx: &Context<Self>, child: impl Doll) -> (ActorHandle, MonitorRef) {
                match child.either() {
                    Either::TaskDoll(child) => {
                        let (child, monitor) = ctx.spawn_monitored(child);
                        (child.handle(), monitor)
                    }
                    Either::ThreadDoll(child) => {
                        let (child, monitor) = ctx.spawn_monitored(child);
                        (child.handle(), monitor)
                    }
                }
            }

            fn spawn_linked(ctx: &Context<Self>, child: impl Doll) -> ActorHandle {
                match child.either() {
                    Either::TaskDoll(child) => ctx.spawn_linked(child).handle(),
                    Either::ThreadDoll(child) => ctx.spawn_linked(child).handle(),
                }
            }
        }
    };
}

doll!(TaskDoll: tasks, false, async);
doll!(ThreadDoll: threads, true,);

/// What is said to a doll that runs.
pub trait Play<D: Doll> {
    fn tell(&self, f: impl FnOnce(&mut D, &Context<D>) + Send + 'static);
    /// Asks, and waits for the reply.
    fn call<R: Send + 'static>(&self, f: impl FnOnce(&mut D, &Context<D>) -> R + Send + 'static) -> R;
    fn ask<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut D, &Context<D>) -> R + Send + 'static,
    ) -> Request<Job<D, R>>;
    /// Its context, to be used from elsewhere.
    fn context(&self) -> Context<D>;
    /// Keeps it in a handler that does not await.
    fn wedge(&self) -> Wedge;
    /// How many `Down`s it has handled. What was in its mailbox before is handled when this returns.
    fn downs(&self) -> usize;
}

impl<D: Doll> Play<D> for ActorRef<D> {
    fn tell(&self, f: impl FnOnce(&mut D, &Context<D>) + Send + 'static) {
        D::send(self, Job(Box::new(f))).map_err(|_| ()).expect("the doll lives");
    }

    fn call<R: Send + 'static>(&self, f: impl FnOnce(&mut D, &Context<D>) -> R + Send + 'static) -> R {
        self.ask(f).wait().expect("the doll lives")
    }

    fn ask<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut D, &Context<D>) -> R + Send + 'static,
    ) -> Request<Job<D, R>> {
        D::request(self, Job(Box::new(f)))
    }

    fn context(&self) -> Context<D> {
        self.call(|_, ctx| ctx.clone())
    }

    fn wedge(&self) -> Wedge {
        wedge_by(|job| D::send(self, job).map_err(|_| ()).expect("the doll lives"))
    }

    fn downs(&self) -> usize {
        self.call(|doll, _| doll.strings().downs)
    }
}

/// Keeps whoever gets this job in a handler that does not await.
pub fn wedge_by<D: Doll>(send: impl FnOnce(Job<D, ()>)) -> Wedge {
    let (entered, inside) = mpsc::channel();
    let (wedge, wedged) = Wedge::new();
    send(Job(Box::new(move |_, _| {
        let _ = entered.send(());
        wedged();
    })));
    inside.recv().expect("the handler begins");
    wedge
}

/// A watcher and a target, each on a runtime of its own.
pub struct Pair<W, T> {
    pub watcher: ActorRef<W>,
    /// What the watcher tells.
    pub heard: Events,
    pub ctx: Context<W>,
    pub target: ActorRef<T>,
    /// What the target tells.
    pub seen: Events,
    pub stand: Runtime,
    pub stage: Runtime,
}

pub fn pair<W: Doll, T: Doll>() -> Pair<W, T> {
    let (stand, stage) = (crate::support::solo(), crate::support::solo());
    let (watcher, heard) = W::on(&stand);
    let (target, seen) = T::on(&stage);
    let ctx = watcher.context();
    Pair { watcher, heard, ctx, target, seen, stand, stage }
}

impl<W: Doll, T: Doll> Pair<W, T> {
    pub fn monitor(&self) -> MonitorRef {
        W::monitor(&self.ctx, &self.target)
    }

    /// The target dies, and is dead for all when this returns.
    pub fn stop(&self) {
        crate::support::end(&self.target);
    }
}

/// Runs scenarios of a watcher and a target in all four combinations of modes.
macro_rules! in_all_combinations {
    ($($scenario:ident)*) => {$(
        mod $scenario {
            use $crate::doll::{TaskDoll, ThreadDoll};

            #[test]
            fn task_watches_task() {
                let _dog = watchdog!();
                super::$scenario::<TaskDoll, TaskDoll>();
            }
            #[test]
            fn task_watches_thread() {
                let _dog = watchdog!();
                super::$scenario::<TaskDoll, ThreadDoll>();
            }
            #[test]
            fn thread_watches_task() {
                let _dog = watchdog!();
                super::$scenario::<ThreadDoll, TaskDoll>();
            }
            #[test]
            fn thread_watches_thread() {
                let _dog = watchdog!();
                super::$scenario::<ThreadDoll, ThreadDoll>();
            }
        }
    )*};
}

/// Runs scenarios of one actor in both modes.
macro_rules! in_both_modes {
    ($($scenario:ident)*) => {$(
        mod $scenario {
            use $crate::doll::{TaskDoll, ThreadDoll};

            #[test]
            fn task() {
                let _dog = watchdog!();
                super::$scenario::<TaskDoll>();
            }
            #[test]
            fn thread() {
                let _dog = watchdog!();
                super::$scenario::<ThreadDoll>();
            }
        }
    )*};
}

pub(crate) use {in_all_combinations, in_both_modes};
