//! The actors, in both modes.
#![allow(dead_code, reason = "shared by two test programs")]

use std::sync::mpsc::{self, Receiver, Sender};

use deathwatch::{Message, Options, Runtime};

use crate::support::Wedge;

/// What actors say to the test.
pub struct Said(pub Receiver<String>);

impl Said {
    pub fn new() -> (Sender<String>, Said) {
        let (say, said) = mpsc::channel();
        (say, Said(said))
    }

    /// The next, waited for.
    pub fn next(&self) -> String {
        self.0.recv().expect("somebody is there who could say something")
    }

    /// So many.
    pub fn take(&self, many: usize) -> Vec<String> {
        (0..many).map(|_| self.next()).collect()
    }

    /// What was said up to now.
    pub fn ready(&self) -> Vec<String> {
        self.0.try_iter().collect()
    }

    /// All, until nobody can say anything any more.
    pub fn rest(self) -> Vec<String> {
        self.0.iter().collect()
    }
}

pub struct Note(pub u32);
impl Message for Note {
    type Reply = ();
}

/// Comes back as it is.
pub struct Echo(pub u32);
impl Message for Echo {
    type Reply = u32;
}

/// A runtime with a worker for the manager of a pool and one more.
pub fn runtime() -> Runtime {
    crate::support::duo()
}

pub fn on(runtime: &Runtime) -> Options {
    Options::new().runtime(runtime)
}

/// Waits until something is so.
pub fn until(mut what: impl FnMut() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

/// What a handler does that dies.
pub fn boom() {
    panic!("on purpose");
}

/// Has whoever holds the wedge panic.
pub fn let_panic(wedge: Wedge) {
    wedge.release_after(|| panic!("on purpose"));
}

/// The same actors for a mode. `async` is all the difference.
macro_rules! actors {
    ($mode:ident, $backend:ident, $($asynchronous:tt)?) => {
        #[allow(dead_code, unused_imports, reason = "not every scenario needs everything")]
        mod actors {
            use std::sync::mpsc::{self, Sender};

            use deathwatch::$mode::{Actor, Handler};
            use deathwatch::{
                ActorRef, Backend, Context, Down, GroupChange, Message, Options, Pool, PoolBuilder, Request,
                Runtime, Stash,
            };

            pub use crate::actors::*;
            use crate::support::{Counted, Tally, Wedge};

            /// Where its handlers may block.
            pub const BACKEND: Backend = Backend::$backend;

            pub fn place(runtime: &Runtime) -> Options {
                on(runtime).backend(BACKEND)
            }

            /// Does the jobs that it is given.
            pub struct Worker {
                pub place: usize,
                /// Whatever it is to hold until it is dropped.
                pub luggage: Option<Box<dyn std::any::Any + Send>>,
            }

            impl Worker {
                pub fn at(place: usize) -> Worker {
                    Worker { place, luggage: None }
                }
            }

            impl Actor for Worker {}

            pub struct Job<D, R>(Box<dyn FnOnce(&mut D, &Context<D>) -> R + Send>);
            impl<D: 'static, R: Send + 'static> Message for Job<D, R> {
                type Reply = R;
            }

            /// Something to be done by an actor.
            pub fn job<D, R>(f: impl FnOnce(&mut D, &Context<D>) -> R + Send + 'static) -> Job<D, R> {
                Job(Box::new(f))
            }

            /// Something that keeps a worker until the wedge is gone.
            pub fn wedge<D>() -> (Wedge, Job<D, ()>, mpsc::Receiver<()>) {
                let (entered, inside) = mpsc::channel();
                let (wedge, wedged) = Wedge::new();
                let blocks = job(move |_: &mut D, _: &Context<D>| {
                    let _ = entered.send(());
                    wedged();
                });
                (wedge, blocks, inside)
            }

            impl<R: Send + 'static> Handler<Job<Worker, R>> for Worker {
                $($asynchronous)? fn handle(&mut self, Job(f): Job<Worker, R>, ctx: &Context<Self>) -> R {
                    f(self, ctx)
                }
            }

            pub fn builder(runtime: &Runtime) -> PoolBuilder<Worker, deathwatch::OwnQueues> {
                Pool::builder(Worker::at).options(place(runtime))
            }

            /// Keeps a worker of a pool in a job.
            pub fn occupy<Q>(pool: &Pool<Worker, Q>) -> (Wedge, Request<Job<Worker, ()>>) {
                let (wedge, blocks, inside) = wedge();
                let request = pool.request(blocks).no_timeout();
                inside.recv().expect("a worker begins");
                (wedge, request)
            }

            /// Is counted when it is dropped.
            pub struct Counting {
                pub _one: Counted,
            }

            impl Actor for Counting {}

            /// Is counted when it is done.
            pub struct Count(Tally, Option<Box<dyn FnOnce() + Send>>);

            impl Count {
                pub fn of(tally: &Tally) -> Count {
                    Count(tally.clone(), None)
                }

                /// When that is done.
                pub fn after(tally: &Tally, f: impl FnOnce() + Send + 'static) -> Count {
                    Count(tally.clone(), Some(Box::new(f)))
                }
            }

            impl Message for Count {
                type Reply = ();
            }

            impl Handler<Count> for Counting {
                $($asynchronous)? fn handle(&mut self, Count(tally, first): Count, _: &Context<Self>) {
                    if let Some(f) = first {
                        f();
                    }
                    tally.add();
                }
            }

            /// Says what it is told, once it is open.
            pub struct Keeper {
                pub open: bool,
                pub stash: Stash<Self>,
                pub say: Sender<String>,
            }

            impl Keeper {
                pub fn new(capacity: usize) -> (Keeper, Said) {
                    let (say, said) = Said::new();
                    (Keeper { open: false, stash: Stash::bounded(capacity), say }, said)
                }

                pub fn on(runtime: &Runtime, capacity: usize) -> (ActorRef<Keeper>, Said) {
                    let (keeper, said) = Keeper::new(capacity);
                    (keeper.started_with(place(runtime)), said)
                }

                pub fn started_with(self, options: Options) -> ActorRef<Keeper> {
                    self.start_with(options).expect("the runtime runs")
                }

                pub fn say(&self, what: impl std::fmt::Display) {
                    let _ = self.say.send(format!("{}{what}", if self.open { "" } else { "closed " }));
                }
            }

            impl Actor for Keeper {
                fn stash(&mut self) -> Option<&mut Stash<Self>> {
                    Some(&mut self.stash)
                }
            }

            impl<R: Send + 'static> Handler<Job<Keeper, R>> for Keeper {
                $($asynchronous)? fn handle(&mut self, Job(f): Job<Keeper, R>, ctx: &Context<Self>) -> R {
                    f(self, ctx)
                }
            }

            impl Handler<Note> for Keeper {
                fn postpone(&self, _: &Note) -> bool {
                    !self.open
                }
                $($asynchronous)? fn handle(&mut self, Note(n): Note, _: &Context<Self>) {
                    self.say(n);
                }
            }

            impl Handler<Echo> for Keeper {
                fn postpone(&self, _: &Echo) -> bool {
                    !self.open
                }
                $($asynchronous)? fn handle(&mut self, Echo(n): Echo, _: &Context<Self>) -> u32 {
                    self.say(format!("echo {n}"));
                    n
                }
            }

            impl Handler<Down> for Keeper {
                fn postpone(&self, _: &Down) -> bool {
                    !self.open
                }
                $($asynchronous)? fn handle(&mut self, down: Down, _: &Context<Self>) {
                    self.say(format!("down {}", down.reason));
                }
            }

            impl Handler<GroupChange> for Keeper {
                fn postpone(&self, _: &GroupChange) -> bool {
                    !self.open
                }
                $($asynchronous)? fn handle(&mut self, change: GroupChange, _: &Context<Self>) {
                    self.say(format!("+{} -{}", change.joined.len(), change.left.len()));
                }
            }

            /// Cannot be asked whether it postpones.
            pub struct Fuse(Stash<Self>);

            impl Fuse {
                pub fn on(runtime: &Runtime) -> ActorRef<Fuse> {
                    Fuse(Stash::bounded(1)).start_with(place(runtime)).expect("the runtime runs")
                }
            }

            impl Actor for Fuse {
                fn stash(&mut self) -> Option<&mut Stash<Self>> {
                    Some(&mut self.0)
                }
            }

            impl Handler<Echo> for Fuse {
                fn postpone(&self, _: &Echo) -> bool {
                    panic!("asked")
                }
                $($asynchronous)? fn handle(&mut self, Echo(n): Echo, _: &Context<Self>) -> u32 {
                    n
                }
            }

            /// Runs something in the actor's turn, and waits for what it returns.
            pub fn call<D, R>(
                actor: &ActorRef<D>,
                f: impl FnOnce(&mut D, &Context<D>) -> R + Send + 'static,
            ) -> R
            where
                D: Handler<Job<D, R>>,
                R: Send + 'static,
            {
                actor.request(job(f)).no_timeout().wait().expect("the actor lives")
            }

            /// Opens it, and lets everything go.
            pub fn open(keeper: &ActorRef<Keeper>) -> usize {
                call(keeper, |keeper, _| {
                    keeper.open = true;
                    keeper.stash.unstash_all()
                })
            }

            /// Keeps an actor in a handler.
            pub fn hold<D: Handler<Job<D, ()>>>(actor: &ActorRef<D>) -> Wedge {
                let (wedge, blocks, inside) = wedge();
                actor.send(blocks).expect("the actor lives");
                inside.recv().expect("the handler begins");
                wedge
            }

            /// A light that goes through its states.
            pub mod light {
                use std::sync::mpsc::Sender;
                use std::time::Duration;

                use deathwatch::$mode::{Actor, Handler};
                use deathwatch::{
                    ActorRef, Context, Message, Runtime, Stash, StateMachine, StateTimeout, States,
                };

                use super::{Job, Said};

                #[derive(Debug, PartialEq)]
                pub enum Color {
                    Red,
                    Green { cars: u32 },
                    Off,
                }

                pub struct Light {
                    pub state: States<Self>,
                    /// How long it stays green.
                    pub green: Option<Duration>,
                    /// Where it goes from `Off` at once.
                    pub from_off: Option<Color>,
                    pub say: Sender<String>,
                }

                impl Light {
                    pub fn on(runtime: &Runtime, green: Option<Duration>) -> (ActorRef<Light>, Said) {
                        let (say, said) = Said::new();
                        let state = States::with_stash(Color::Red, 8);
                        let light = Light { state, green, from_off: None, say };
                        (light.start_with(super::place(runtime)).expect("the runtime runs"), said)
                    }

                    pub fn say(&self, what: impl std::fmt::Display) {
                        let _ = self.say.send(what.to_string());
                    }
                }

                impl StateMachine for Light {
                    type State = Color;

                    fn states(&mut self) -> &mut States<Self> {
                        &mut self.state
                    }

                    fn enter(&mut self, from: Option<&Color>, ctx: &Context<Self>) {
                        self.say(format!("enter {:?} from {from:?}", *self.state));
                        match (&*self.state, self.green) {
                            (Color::Green { .. }, Some(green)) => self.state.set_timeout(green, ctx),
                            (Color::Off, _) => {
                                if let Some(next) = self.from_off.take() {
                                    self.goto(next, ctx);
                                }
                            }
                            _ => {}
                        }
                    }

                    fn exit(&mut self, to: &Color, _: &Context<Self>) {
                        self.say(format!("exit {:?} to {to:?}", *self.state));
                    }
                }

                impl Actor for Light {
                    $($asynchronous)? fn started(&mut self, ctx: &Context<Self>) {
                        self.begin(ctx);
                    }
                    fn stash(&mut self) -> Option<&mut Stash<Self>> {
                        Some(self.state.stash())
                    }
                }

                impl Handler<StateTimeout> for Light {
                    fn postpone(&self, _: &StateTimeout) -> bool {
                        true // which is never asked
                    }
                    $($asynchronous)? fn handle(&mut self, _: StateTimeout, ctx: &Context<Self>) {
                        self.say(format!("timeout in {:?}", *self.state));
                        self.goto(Color::Red, ctx);
                    }
                }

                /// Passes when it is green; the reply is the how manieth it was.
                pub struct Car;
                impl Message for Car {
                    type Reply = u32;
                }
                impl Handler<Car> for Light {
                    fn postpone(&self, _: &Car) -> bool {
                        *self.state == Color::Red
                    }
                    $($asynchronous)? fn handle(&mut self, _: Car, _: &Context<Self>) -> u32 {
                        match self.state.get_mut() {
                            Color::Green { cars } => {
                                *cars += 1;
                                *cars
                            }
                            Color::Red | Color::Off => 0,
                        }
                    }
                }

                impl<R: Send + 'static> Handler<Job<Light, R>> for Light {
                    $($asynchronous)? fn handle(&mut self, Job(f): Job<Light, R>, ctx: &Context<Self>) -> R {
                        f(self, ctx)
                    }
                }
            }
        }
    };
}
