//! The harness: a watchdog, an actor that does what it is told, and gates.
#![allow(dead_code, reason = "shared by two test programs")]

use std::future::Future;
use std::io::Write;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use deathwatch::tasks::{Actor, Handler};
use deathwatch::{
    ActorRef, Context, Down, Exit, ExitReason, ExitWait, GroupChange, ManualClock, Message, Options, Runtime,
};
use futures::channel::oneshot;
use futures::future::BoxFuture;

/// How long a test may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Aborts the process, and says which test it was, when a test hangs.
pub struct Watchdog {
    _alive: Sender<()>,
}

impl Watchdog {
    pub fn new(test: &'static str) -> Self {
        let (alive, gone) = mpsc::channel();
        std::thread::spawn(move || {
            if gone.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                // Not through `eprintln`, which the test harness captures.
                let _ = writeln!(std::io::stderr(), "\n{test} hangs");
                std::process::abort();
            }
        });
        Watchdog { _alive: alive }
    }
}

/// Watches over the test in which it stands: `let _dog = watchdog!();`
macro_rules! watchdog {
    () => {{
        fn here() {}
        $crate::support::Watchdog::new(std::any::type_name_of_val(&here).trim_end_matches("::here"))
    }};
}

/// A runtime with one worker.
pub fn solo() -> Runtime {
    Runtime::builder().workers(1).name("solo").build().expect("one worker")
}

/// Gives way once.
pub async fn yield_now() {
    let mut given = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut given, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// A runtime with one worker, and the clock that it goes by.
pub fn solo_by_hand() -> (Runtime, ManualClock) {
    let clock = ManualClock::new();
    let builder = Runtime::builder().workers(1).name("solo");
    (builder.clock(&clock).build().expect("one worker"), clock)
}

/// A runtime with two workers.
pub fn duo() -> Runtime {
    Runtime::builder().workers(2).name("duo").build().expect("two workers")
}

/// Waits until the one worker of a runtime has ended the run that it is in now: whatever was published by that run has
/// been done completely then.
pub fn settle(runtime: &Runtime) {
    let probe = runtime.start(Idle).expect("the runtime runs");
    assert_eq!(probe.request(Ping(0)).no_timeout().wait(), Ok(0));
}

/// An actor that does nothing.
pub struct Idle;
impl Actor for Idle {}

pub struct Ping(pub u32);
impl Message for Ping {
    type Reply = u32;
}
impl Handler<Ping> for Idle {
    async fn handle(&mut self, Ping(n): Ping, _: &Context<Self>) -> u32 {
        n
    }
}

/// Counts what is dropped.
#[derive(Clone, Default)]
pub struct Tally(Arc<AtomicUsize>);

impl Tally {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    /// Something whose drop is counted.
    pub fn one(&self) -> Counted {
        Counted(self.clone())
    }
}

pub struct Counted(Tally);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// What a puppet tells the test.
#[derive(Debug)]
pub enum Event {
    Note(u32),
    Down(Down),
    /// A `Down` that came through `monitor_with`.
    Retold(Down),
    /// How many came to a group, and how many went.
    Change(GroupChange),
    /// A death of one it was linked with, trapped.
    Exit(Exit),
    Stopped(ExitReason),
    Dropped,
}

impl Event {
    /// In one word or two, to be compared.
    pub fn label(&self) -> String {
        match self {
            Event::Note(n) => format!("note {n}"),
            Event::Down(down) => format!("down {}", down.reason),
            Event::Retold(down) => format!("retold {}", down.reason),
            Event::Change(change) => format!("+{} -{}", change.joined.len(), change.left.len()),
            Event::Exit(exit) => format!("exit {}", exit.reason),
            Event::Stopped(reason) => format!("stopped {reason}"),
            Event::Dropped => "dropped".to_owned(),
        }
    }
}

/// What a puppet has told.
pub struct Events(Receiver<Event>);

impl Events {
    pub fn of(told: Receiver<Event>) -> Self {
        Events(told)
    }

    /// The next event, waited for.
    pub fn next(&self) -> Event {
        self.0.recv().expect("the puppet tells something before it is gone")
    }

    pub fn label(&self) -> String {
        self.next().label()
    }

    /// The next event, which must be a `Down`.
    #[track_caller]
    pub fn down(&self) -> Down {
        match self.next() {
            Event::Down(down) => down,
            other => panic!("a Down expected, not {other:?}"),
        }
    }

    /// The next event, which must be an `Exit`.
    #[track_caller]
    pub fn exit(&self) -> Exit {
        match self.next() {
            Event::Exit(exit) => exit,
            other => panic!("an Exit expected, not {other:?}"),
        }
    }

    /// The next event, if there is one already.
    pub fn ready(&self) -> Option<Event> {
        self.0.try_recv().ok()
    }

    /// What was told up to now.
    pub fn labels(&self) -> Vec<String> {
        std::iter::from_fn(|| self.ready()).map(|event| event.label()).collect()
    }

    /// Everything until the puppet is gone.
    pub fn until_gone(&self) -> Vec<String> {
        self.0.iter().map(|event| event.label()).collect()
    }
}

type Started = Box<dyn for<'a> FnOnce(&'a Context<Puppet>) -> BoxFuture<'a, ()> + Send>;
type Stopped = Box<dyn for<'a> FnOnce(&'a ExitReason, &'a Context<Puppet>) -> BoxFuture<'a, ()> + Send>;
type OnDown = Box<dyn FnMut(&Down, &Context<Puppet>) + Send>;

/// An actor that does what the test tells it, and tells the test what happens to it.
pub struct Puppet {
    pub events: Sender<Event>,
    pub downs: usize,
    started: Option<Started>,
    stopped: Option<Stopped>,
    on_down: Option<OnDown>,
    on_drop: Option<Box<dyn FnOnce() + Send>>,
    /// Whatever it is to hold until it is dropped.
    pub luggage: Vec<Box<dyn std::any::Any + Send>>,
}

impl Puppet {
    pub fn new() -> (Puppet, Events) {
        let (events, seen) = mpsc::channel();
        let puppet = Puppet {
            events,
            downs: 0,
            started: None,
            stopped: None,
            on_down: None,
            on_drop: None,
            luggage: Vec::new(),
        };
        (puppet, Events(seen))
    }

    /// Started on that runtime.
    pub fn on(runtime: &Runtime) -> (ActorRef<Puppet>, Events) {
        let (puppet, events) = Puppet::new();
        (runtime.start(puppet).expect("the runtime runs"), events)
    }

    /// Started with those options.
    pub fn with(options: Options) -> (ActorRef<Puppet>, Events) {
        let (puppet, events) = Puppet::new();
        (puppet.start_with(options).expect("the options make sense"), events)
    }

    pub fn at_start(self, f: impl FnOnce(&Context<Puppet>) + Send + 'static) -> Self {
        self.at_start_async(move |ctx| {
            f(ctx);
            Box::pin(async {})
        })
    }

    pub fn at_start_async<F>(mut self, f: F) -> Self
    where
        F: for<'a> FnOnce(&'a Context<Puppet>) -> BoxFuture<'a, ()> + Send + 'static,
    {
        self.started = Some(Box::new(f));
        self
    }

    pub fn at_stop(self, f: impl FnOnce(&ExitReason, &Context<Puppet>) + Send + 'static) -> Self {
        self.at_stop_async(move |reason, ctx| {
            f(reason, ctx);
            Box::pin(async {})
        })
    }

    pub fn at_stop_async<F>(mut self, f: F) -> Self
    where
        F: for<'a> FnOnce(&'a ExitReason, &'a Context<Puppet>) -> BoxFuture<'a, ()> + Send + 'static,
    {
        self.stopped = Some(Box::new(f));
        self
    }

    pub fn at_down(mut self, f: impl FnMut(&Down, &Context<Puppet>) + Send + 'static) -> Self {
        self.on_down = Some(Box::new(f));
        self
    }

    pub fn at_drop(mut self, f: impl FnOnce() + Send + 'static) -> Self {
        self.on_drop = Some(Box::new(f));
        self
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.tell(Event::Dropped);
        if let Some(f) = self.on_drop.take() {
            f();
        }
    }
}

impl Actor for Puppet {
    async fn started(&mut self, ctx: &Context<Self>) {
        if let Some(f) = self.started.take() {
            f(ctx).await;
        }
    }

    async fn stopped(&mut self, reason: &ExitReason, ctx: &Context<Self>) {
        self.tell(Event::Stopped(reason.clone()));
        if let Some(f) = self.stopped.take() {
            f(reason, ctx).await;
        }
    }
}

impl Handler<Down> for Puppet {
    async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        self.downs += 1;
        self.tell(Event::Down(down.clone()));
        if let Some(mut f) = self.on_down.take() {
            f(&down, ctx);
            self.on_down = Some(f);
        }
    }
}

/// A `Down` retold.
pub struct Retold(pub Down);
impl Message for Retold {
    type Reply = ();
}
impl Handler<Retold> for Puppet {
    async fn handle(&mut self, Retold(down): Retold, _: &Context<Self>) {
        self.tell(Event::Retold(down));
    }
}

/// Is told to the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(pub u32);
impl Message for Note {
    type Reply = ();
}
impl Handler<Note> for Puppet {
    async fn handle(&mut self, Note(n): Note, _: &Context<Self>) {
        self.tell(Event::Note(n));
    }
}

/// Carries something that is dropped when it is handled, or with the mailbox.
pub struct Cargo<T>(pub T);
impl<T: Send + 'static> Message for Cargo<T> {
    type Reply = ();
}
impl<T: Send + 'static> Handler<Cargo<T>> for Puppet {
    async fn handle(&mut self, _: Cargo<T>, _: &Context<Self>) {}
}
impl<T: Send + 'static> Handler<Cargo<T>> for Idle {
    async fn handle(&mut self, _: Cargo<T>, _: &Context<Self>) {}
}

/// Has the puppet run a function; the reply is what that returns.
pub struct Call<F, R>(F, PhantomData<fn() -> R>);

pub fn call<F, R>(f: F) -> Call<F, R>
where
    F: FnOnce(&mut Puppet, &Context<Puppet>) -> R + Send + 'static,
{
    Call(f, PhantomData)
}

impl<F: Send + 'static, R: Send + 'static> Message for Call<F, R> {
    type Reply = R;
}

impl<F, R> Handler<Call<F, R>> for Puppet
where
    F: FnOnce(&mut Puppet, &Context<Puppet>) -> R + Send + 'static,
    R: Send + 'static,
{
    async fn handle(&mut self, Call(f, _): Call<F, R>, ctx: &Context<Self>) -> R {
        f(self, ctx)
    }
}

/// Has the puppet await something.
pub struct Act<F, R>(F, PhantomData<fn() -> R>);

pub fn act<F, R>(f: F) -> Act<F, R>
where
    F: for<'a> FnOnce(&'a mut Puppet, &'a Context<Puppet>) -> BoxFuture<'a, R> + Send + 'static,
{
    Act(f, PhantomData)
}

impl<F: Send + 'static, R: Send + 'static> Message for Act<F, R> {
    type Reply = R;
}

impl<F, R> Handler<Act<F, R>> for Puppet
where
    F: for<'a> FnOnce(&'a mut Puppet, &'a Context<Puppet>) -> BoxFuture<'a, R> + Send + 'static,
    R: Send + 'static,
{
    async fn handle(&mut self, Act(f, _): Act<F, R>, ctx: &Context<Self>) -> R {
        f(self, ctx).await
    }
}

/// Told to a puppet in so many words.
pub trait Told {
    /// Runs a function in the actor's turn, and waits for what it returns.
    fn call<R, F>(&self, f: F) -> R
    where
        R: Send + 'static,
        F: FnOnce(&mut Puppet, &Context<Puppet>) -> R + Send + 'static;

    /// Keeps the actor in a handler that awaits.
    fn hold(&self) -> Hold;

    /// Keeps the actor, and the thread it runs on, in a handler that does not await.
    fn wedge(&self) -> Wedge;
}

impl Told for ActorRef<Puppet> {
    #[track_caller]
    fn call<R, F>(&self, f: F) -> R
    where
        R: Send + 'static,
        F: FnOnce(&mut Puppet, &Context<Puppet>) -> R + Send + 'static,
    {
        self.request(call(f)).no_timeout().wait().expect("the puppet lives")
    }

    fn hold(&self) -> Hold {
        let (entered, inside) = mpsc::channel();
        let (hold, held) = Hold::new();
        let message = act(move |_, _| {
            Box::pin(async move {
                let _ = entered.send(());
                held.await;
            })
        });
        self.send(message).expect("the puppet lives");
        inside.recv().expect("the handler begins");
        hold
    }

    fn wedge(&self) -> Wedge {
        let (entered, inside) = mpsc::channel();
        let (wedge, wedged) = Wedge::new();
        let message = call(move |_, _| {
            let _ = entered.send(());
            wedged();
        });
        self.send(message).expect("the puppet lives");
        inside.recv().expect("the handler begins");
        wedge
    }
}

/// Keeps something that awaits `Held` from going on. Dropped, it lets it go on.
pub struct Hold(Option<oneshot::Sender<Option<&'static str>>>);

/// See [`Hold`].
pub struct Held(oneshot::Receiver<Option<&'static str>>);

impl Hold {
    pub fn new() -> (Hold, Held) {
        let (hold, held) = oneshot::channel();
        (Hold(Some(hold)), Held(held))
    }

    /// Lets it go on.
    pub fn release(self) {}

    /// Lets it panic.
    pub fn panic(mut self, text: &'static str) {
        let _ = self.0.take().expect("not used yet").send(Some(text));
    }
}

impl Future for Held {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        match Pin::new(&mut self.0).poll(cx) {
            Poll::Ready(Ok(Some(text))) => panic!("{text}"),
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Keeps a worker thread in a handler. Dropped, it lets it go.
pub struct Wedge(Sender<Box<dyn FnOnce() + Send>>);

impl Wedge {
    /// What is called blocks until the wedge lets it go.
    pub fn new() -> (Self, impl FnOnce() + Send + 'static) {
        let (release, released) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let wedged = move || {
            if let Ok(f) = released.recv() {
                f();
            }
        };
        (Wedge(release), wedged)
    }

    pub fn release(self) {}

    /// Lets the handler do one thing more before it returns.
    pub fn release_after(self, f: impl FnOnce() + Send + 'static) {
        let _ = self.0.send(Box::new(f));
    }
}

/// Polls once, with a waker that does nothing.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut TaskContext::from_waker(Waker::noop()))
}

/// A waker that panics, and counts how often it was woken.
pub fn panicking_waker() -> (Waker, Tally) {
    struct Panicking(Tally);
    impl std::task::Wake for Panicking {
        fn wake(self: Arc<Self>) {
            self.0.add();
            panic!("the waker panics");
        }
    }
    let tally = Tally::default();
    (Waker::from(Arc::new(Panicking(tally.clone()))), tally)
}

/// A waker that calls a function.
pub fn waker_of(f: impl Fn() + Send + Sync + 'static) -> Waker {
    struct Calling<F>(F);
    impl<F: Fn() + Send + Sync + 'static> std::task::Wake for Calling<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }
    Waker::from(Arc::new(Calling(f)))
}

/// An actor that has died of that reason, on a runtime that is gone as well.
pub fn corpse(reason: ExitReason) -> ActorRef<Puppet> {
    let runtime = solo();
    let (actor, _events) = Puppet::on(&runtime);
    actor.stop_with(reason);
    actor.wait_exit().wait();
    drop(runtime);
    actor
}

/// A wait that begins now: it is over when everybody else has been told, and all views are clean. (One that begins after the
/// death is over at once.)
pub fn begun(mut wait: ExitWait) -> ExitWait {
    let _ = poll_once(&mut wait);
    wait
}

/// Stops an actor and waits for its end.
pub fn end<A>(actor: &ActorRef<A>) {
    let end = begun(actor.wait_exit());
    actor.stop();
    end.wait();
}

/// How many have been told up to now.
pub type ToldSoFar = Box<dyn FnMut() -> usize + Send>;

/// What an actor sees that looks at the end of another on the same worker.
#[derive(Default)]
pub struct Seen {
    /// How many had been told at its last turn.
    pub told: usize,
    /// The most that were told between two turns.
    pub longest: usize,
    /// How many turns there were when some had been told.
    pub turns: usize,
}

/// Has turns of its own, one after the other, until the end is over.
struct Probe {
    over: Arc<AtomicBool>,
    told: ToldSoFar,
    seen: Seen,
    report: Sender<(Seen, ToldSoFar)>,
}
impl Actor for Probe {}
struct Look;
impl Message for Look {
    type Reply = ();
}
impl Handler<Look> for Probe {
    async fn handle(&mut self, _: Look, ctx: &Context<Self>) {
        let over = self.over.load(Ordering::SeqCst);
        let told = (self.told)();
        self.seen.longest = self.seen.longest.max(told - self.seen.told);
        self.seen.turns += usize::from(told > 0);
        self.seen.told = told;
        if over {
            let told = std::mem::replace(&mut self.told, Box::new(|| 0));
            self.report.send((std::mem::take(&mut self.seen), told)).unwrap();
        } else {
            ctx.send(Look).unwrap();
        }
    }
}

/// Stops an actor, with another behind it on the same worker that asks in each of its turns how many have been told.
pub fn look_at_the_end(
    runtime: &Runtime,
    dies: &ActorRef<Puppet>,
    told: impl FnMut() -> usize + Send + 'static,
) -> (Seen, ToldSoFar) {
    let over = Arc::new(AtomicBool::new(false));
    // Waits are woken when all others have been told, and the dead one's own monitors are gone.
    let mut wait = dies.wait_exit();
    let is_over = over.clone();
    let waker = waker_of(move || is_over.store(true, Ordering::SeqCst));
    assert!(Pin::new(&mut wait).poll(&mut TaskContext::from_waker(&waker)).is_pending());
    let (report, reported) = mpsc::channel();
    let probe = runtime.start(Probe { over, told: Box::new(told), seen: Seen::default(), report }).unwrap();
    let looks = probe.clone();
    // Both are sent in one turn, so that it is there when the end begins.
    dies.call(move |_, ctx| {
        ctx.stop();
        looks.send(Look).unwrap();
    });
    reported.recv().unwrap()
}
