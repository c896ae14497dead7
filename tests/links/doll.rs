//! An actor that does what it is told, in whichever mode, and tells of the exits that it traps.

use std::sync::mpsc::{self, Receiver, Sender};

use deathwatch::{ActorRef, Context, Exit, ExitReason, Message, Options, RequestError, Runtime, StartError};

use crate::support::{Wedge, begun};

/// What a doll tells.
#[derive(Debug)]
pub enum Event {
    Note(u32),
    Exit(Exit),
    Stopped,
}

impl Event {
    /// In one word or two, to be compared.
    pub fn label(&self) -> String {
        match self {
            Event::Note(n) => format!("note {n}"),
            Event::Exit(exit) => format!("exit {}", exit.reason),
            Event::Stopped => "stopped".to_owned(),
        }
    }
}

/// What a doll has told.
pub struct Events(Receiver<Event>);

impl Events {
    /// What was told up to now.
    pub fn labels(&self) -> Vec<String> {
        self.0.try_iter().map(|event| event.label()).collect()
    }

    /// The first that were told, waited for.
    pub fn first(&self, many: usize) -> Vec<String> {
        self.0.iter().take(many).map(|event| event.label()).collect()
    }

    /// The exits of which was told up to now; nothing else was.
    pub fn exits(&self) -> Vec<Exit> {
        let exit = |event| match event {
            Event::Exit(exit) => exit,
            other => panic!("an exit expected, and not {other:?}"),
        };
        self.0.try_iter().map(exit).collect()
    }

    /// The exits among what was told up to now.
    pub fn exits_among(&self) -> Vec<Exit> {
        let exit = |event| if let Event::Exit(exit) = event { Some(exit) } else { None };
        self.0.try_iter().filter_map(exit).collect()
    }

    /// Everything until the doll is gone.
    pub fn until_gone(&self) -> Vec<String> {
        self.0.iter().map(|event| event.label()).collect()
    }
}

type Hook<D> = Box<dyn FnOnce(&Context<D>) + Send>;

/// What a doll is to do, and whom it tells.
pub struct Strings<D> {
    events: Sender<Event>,
    started: Option<Hook<D>>,
    stopped: Option<Hook<D>>,
}

/// Something for a doll to do; what it returns is the reply.
pub struct Job<D, R>(Work<D, R>);

type Work<D, R> = Box<dyn FnOnce(&Context<D>) -> R + Send>;

impl<D: 'static, R: Send + 'static> Message for Job<D, R> {
    type Reply = R;
}

/// Told to the test.
pub struct Note(pub u32);
impl Message for Note {
    type Reply = ();
}

pub trait Doll: Sized + Send + 'static {
    fn hang(strings: Strings<Self>) -> Self;
    fn strings(&mut self) -> &mut Strings<Self>;
    fn start_with(self, options: Options) -> Result<ActorRef<Self>, StartError>;
    /// Started by another, and linked with it.
    fn linked_with<P: Doll>(self, parent: &Context<P>) -> ActorRef<Self>;
    fn trap_exit(ctx: &Context<Self>, on: bool) -> bool;
    fn note(to: &ActorRef<Self>, number: u32);
    fn request<R: Send + 'static>(to: &ActorRef<Self>, job: Job<Self, R>) -> Result<R, RequestError>;
    fn send<R: Send + 'static>(to: &ActorRef<Self>, job: Job<Self, R>);

    fn new() -> (Self, Events) {
        let (events, told) = mpsc::channel();
        (Self::hang(Strings { events, started: None, stopped: None }), Events(told))
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
}

impl<D> Strings<D> {
    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn pull(hook: &mut Option<Hook<D>>, ctx: &Context<D>) {
        if let Some(f) = hook.take() {
            f(ctx);
        }
    }
}

/// The same actor for a mode. `async` is all the difference.
macro_rules! doll {
    ($name:ident: $mode:ident, $($asynchronous:tt)?) => {
        pub struct $name(Strings<$name>);

        impl deathwatch::$mode::Actor for $name {
            $($asynchronous)? fn started(&mut self, ctx: &Context<Self>) {
                Strings::pull(&mut self.0.started, ctx);
            }

            $($asynchronous)? fn stopped(&mut self, _: &ExitReason, ctx: &Context<Self>) {
                self.0.tell(Event::Stopped);
                Strings::pull(&mut self.0.stopped, ctx);
            }
        }

        impl deathwatch::$mode::Handler<Exit> for $name {
            $($asynchronous)? fn handle(&mut self, exit: Exit, _: &Context<Self>) {
                self.0.tell(Event::Exit(exit));
            }
        }

        impl deathwatch::$mode::Handler<Note> for $name {
            $($asynchronous)? fn handle(&mut self, Note(number): Note, _: &Context<Self>) {
                self.0.tell(Event::Note(number));
            }
        }

        impl<R: Send + 'static> deathwatch::$mode::Handler<Job<$name, R>> for $name {
            $($asynchronous)? fn handle(&mut self, Job(f): Job<$name, R>, ctx: &Context<Self>) -> R {
                f(ctx)
            }
        }

        impl Doll for $name {
            fn hang(strings: Strings<Self>) -> Self {
                $name(strings)
            }

            fn strings(&mut self) -> &mut Strings<Self> {
                &mut self.0
            }

            fn start_with(self, options: Options) -> Result<ActorRef<Self>, StartError> {
                deathwatch::$mode::Actor::start_with(self, options)
            }

            fn linked_with<P: Doll>(self, parent: &Context<P>) -> ActorRef<Self> {
                parent.spawn_linked(self)
            }

            fn trap_exit(ctx: &Context<Self>, on: bool) -> bool {
                ctx.trap_exit(on)
            }

            fn note(to: &ActorRef<Self>, number: u32) {
                to.send(Note(number)).map_err(|_| ()).expect("the doll takes messages");
            }

            fn request<R: Send + 'static>(
                to: &ActorRef<Self>,
                job: Job<Self, R>,
            ) -> Result<R, RequestError> {
                to.request(job).no_timeout().wait()
            }

            fn send<R: Send + 'static>(to: &ActorRef<Self>, job: Job<Self, R>) {
                to.send(job).map_err(|_| ()).expect("the doll takes messages");
            }
        }
    };
}

doll!(TaskDoll: tasks, async);
doll!(ThreadDoll: threads,);

/// What is said to a doll that runs.
pub trait Play<D: Doll> {
    /// Has it do something, and waits for what that returns. It has looked at all signals that had come before.
    fn call<R: Send + 'static>(&self, f: impl FnOnce(&Context<D>) -> R + Send + 'static) -> R;
    fn tell(&self, f: impl FnOnce(&Context<D>) + Send + 'static);
    /// Keeps it in a handler that does not await, at the end of which it does this.
    fn wedge(&self, then: impl FnOnce(&Context<D>) + Send + 'static) -> Wedge;
    /// It has looked at all signals that had come, told of those that it traps, and lives.
    fn lives(&self) {
        self.call(|_| ());
        self.call(|_| ()); // an exit that is trapped is handled behind what was in the mailbox
    }
    fn traps(self) -> Self;
}

impl<D: Doll> Play<D> for ActorRef<D> {
    fn call<R: Send + 'static>(&self, f: impl FnOnce(&Context<D>) -> R + Send + 'static) -> R {
        D::request(self, Job(Box::new(f))).expect("the doll lives")
    }

    fn tell(&self, f: impl FnOnce(&Context<D>) + Send + 'static) {
        D::send(self, Job(Box::new(f)));
    }

    fn wedge(&self, then: impl FnOnce(&Context<D>) + Send + 'static) -> Wedge {
        let (entered, inside) = mpsc::channel();
        let (wedge, wedged) = Wedge::new();
        self.tell(move |ctx| {
            let _ = entered.send(());
            wedged();
            then(ctx);
        });
        inside.recv().expect("the handler begins");
        wedge
    }

    fn traps(self) -> Self {
        self.call(|ctx| D::trap_exit(ctx, true));
        self
    }
}

/// A way to end a doll, and what is told of it.
pub type Way<D> = (fn(&ActorRef<D>), &'static str);

/// Two dolls, each on a runtime of its own.
pub struct Pair<A, B> {
    pub a: ActorRef<A>,
    pub heard: Events,
    pub b: ActorRef<B>,
    pub seen: Events,
    pub runtimes: [Runtime; 2],
}

pub fn pair<A: Doll, B: Doll>() -> Pair<A, B> {
    let runtimes = [(); 2].map(|()| crate::support::solo());
    let (a, heard) = A::on(&runtimes[0]);
    let (b, seen) = B::on(&runtimes[1]);
    Pair { a, heard, b, seen, runtimes }
}

/// The same, linked by the first.
pub fn linked<A: Doll, B: Doll>() -> Pair<A, B> {
    let pair = pair::<A, B>();
    pair.link();
    pair
}

impl<A: Doll, B: Doll> Pair<A, B> {
    pub fn link(&self) {
        let b = self.b.clone();
        self.a.call(move |ctx| ctx.link(&b));
    }

    /// The second dies, and everybody has been told.
    pub fn kill(&self) {
        assert_eq!(dies(&self.b, ActorRef::kill), ExitReason::Kill);
    }
}

/// Ends an actor; everybody has been told when this returns.
pub fn dies<A>(actor: &ActorRef<A>, how: impl FnOnce(&ActorRef<A>)) -> ExitReason {
    let end = begun(actor.wait_exit());
    how(actor);
    end.wait()
}

/// Runs scenarios of two actors in all four combinations of modes.
macro_rules! in_all_combinations {
    ($($scenario:ident)*) => {$(
        mod $scenario {
            use $crate::doll::{TaskDoll, ThreadDoll};

            #[test]
            fn task_and_task() {
                let _dog = watchdog!();
                super::$scenario::<TaskDoll, TaskDoll>();
            }
            #[test]
            fn task_and_thread() {
                let _dog = watchdog!();
                super::$scenario::<TaskDoll, ThreadDoll>();
            }
            #[test]
            fn thread_and_task() {
                let _dog = watchdog!();
                super::$scenario::<ThreadDoll, TaskDoll>();
            }
            #[test]
            fn thread_and_thread() {
                let _dog = watchdog!();
                super::$scenario::<ThreadDoll, ThreadDoll>();
            }
        }
    )*};
}

pub(crate) use in_all_combinations;
