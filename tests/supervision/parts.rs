//! Children that do what a board says, and write on it what happens to them.

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deathwatch::supervisor::{ChildInfo, ChildRef, ChildSpec, ChildState, Kind, Supervisor};
use deathwatch::{ActorRef, Context, ExitReason, ManualClock, Message, Options, Runtime};
use futures::future;

use crate::support::{begun, settle};

pub const SECOND: Duration = Duration::from_secs(1);

/// How long to wait for what must come, until the test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a child does in its `started` hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    Well,
    Panic,
    /// Stops itself, in an orderly way.
    Stop,
    /// Stops itself with an error.
    Fail,
    /// Does not return: awaits for ever, or, on a thread, until the board lets it go.
    Hang,
}

/// What a child does in its `stopped` hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    Well,
    Hang,
}

/// How a child is made to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Normal,
    Shutdown,
    Error,
    Kill,
    Panic,
}

pub const ENDS: [End; 5] = [End::Normal, End::Shutdown, End::Error, End::Kill, End::Panic];

#[derive(Default)]
struct Orders {
    begin: HashMap<&'static str, Vec<Begin>>,
    leave: HashMap<&'static str, Leave>,
    /// Held by whoever hangs on a thread.
    held: Vec<Sender<()>>,
}

/// Where children read what they are to do, and write what they have done.
#[derive(Clone)]
pub struct Board {
    orders: Arc<Mutex<Orders>>,
    told: Sender<String>,
}

/// What was written on a board.
pub struct Told(Receiver<String>);

impl Board {
    pub fn new() -> (Board, Told) {
        let (told, seen) = mpsc::channel();
        (Board { orders: Arc::default(), told }, Told(seen))
    }

    pub fn tell(&self, what: impl Into<String>) {
        let _ = self.told.send(what.into());
    }

    /// What the next incarnations of a child do at the beginning, one after the other; well after that.
    pub fn begin(&self, name: &'static str, orders: &[Begin]) {
        let next = orders.iter().rev().copied().collect();
        self.orders.lock().unwrap().begin.insert(name, next);
    }

    /// What the next incarnations of a child do at the beginning.
    pub fn orders(&self, name: &'static str) -> Vec<Begin> {
        let orders = self.orders.lock().unwrap();
        orders.begin.get(name).map_or_else(Vec::new, |next| next.iter().rev().copied().collect())
    }

    /// What all incarnations of a child do at the end.
    pub fn leave(&self, name: &'static str, leave: Leave) {
        self.orders.lock().unwrap().leave.insert(name, leave);
    }

    fn next_begin(&self, name: &'static str) -> Begin {
        let mut orders = self.orders.lock().unwrap();
        orders.begin.get_mut(name).and_then(Vec::pop).unwrap_or(Begin::Well)
    }

    fn how_to_leave(&self, name: &'static str) -> Leave {
        self.orders.lock().unwrap().leave.get(name).copied().unwrap_or(Leave::Well)
    }

    /// Keeps a thread until the board lets it go.
    fn hold(&self) {
        let (hold, held) = mpsc::channel();
        self.orders.lock().unwrap().held.push(hold);
        let _ = held.recv();
    }

    /// Lets those go who hang on a thread, as soon as somebody does.
    pub fn release(&self) {
        loop {
            let mut orders = self.orders.lock().unwrap();
            if !orders.held.is_empty() {
                orders.held.clear();
                return;
            }
            drop(orders);
            std::thread::yield_now();
        }
    }
}

impl Told {
    /// The next thing, waited for.
    pub fn next(&self) -> String {
        self.0.recv_timeout(PATIENCE).expect("somebody tells something")
    }

    /// So many, waited for.
    pub fn take(&self, many: usize) -> Vec<String> {
        (0..many).map(|_| self.next()).collect()
    }

    /// What was told up to now.
    pub fn ready(&self) -> Vec<String> {
        self.0.try_iter().collect()
    }

    #[track_caller]
    pub fn is(&self, expected: &[&str]) {
        assert_eq!(self.take(expected.len()), expected);
    }
}

/// Makes a child panic in a handler.
pub struct Fall;
impl Message for Fall {
    type Reply = ();
}

/// Is answered.
pub struct Hello;
impl Message for Hello {
    type Reply = &'static str;
}

/// A child, in whichever mode.
pub trait Part: Sized + Send + 'static {
    const THREAD: bool;
    fn spec(name: &'static str, board: &Board) -> ChildSpec<Self>;
    fn fall(to: &ActorRef<Self>);
    fn hello(to: &ActorRef<Self>) -> &'static str;
    fn made(name: &'static str, board: &Board) -> Self;
    fn once(name: &'static str, board: &Board) -> ChildSpec<Self>;
    fn made_by(
        name: &'static str,
        make: impl Fn() -> Result<Self, String> + Send + Sync + 'static,
    ) -> ChildSpec<Self>;
    fn start_with(self, options: Options) -> ActorRef<Self>;
}

/// The same child for a mode. `async` is all the difference, and how it hangs.
macro_rules! part {
    ($name:ident: $mode:ident, $thread:literal, $($asynchronous:tt)?) => {
        pub struct $name {
            name: &'static str,
            board: Board,
        }

        impl deathwatch::$mode::Actor for $name {
            $($asynchronous)? fn started(&mut self, ctx: &Context<Self>) {
                self.board.tell(format!("+{}", self.name));
                match self.board.next_begin(self.name) {
                    Begin::Well => {}
                    Begin::Panic => panic!("{} does not start", self.name),
                    Begin::Stop => ctx.stop(),
                    Begin::Fail => ctx.stop_with(ExitReason::error("did not start")),
                    Begin::Hang => hang!($mode, self.board),
                }
            }

            $($asynchronous)? fn stopped(&mut self, _: &ExitReason, _: &Context<Self>) {
                self.board.tell(format!("-{}", self.name));
                match self.board.how_to_leave(self.name) {
                    Leave::Well => {}
                    Leave::Hang => hang!($mode, self.board),
                }
            }
        }

        impl deathwatch::$mode::Handler<Fall> for $name {
            $($asynchronous)? fn handle(&mut self, _: Fall, _: &Context<Self>) {
                panic!("{} falls", self.name);
            }
        }

        impl deathwatch::$mode::Handler<Hello> for $name {
            $($asynchronous)? fn handle(&mut self, _: Hello, _: &Context<Self>) -> &'static str {
                self.name
            }
        }

        impl Part for $name {
            const THREAD: bool = $thread;

            fn spec(name: &'static str, board: &Board) -> ChildSpec<Self> {
                let board = board.clone();
                ChildSpec::new(name, move || Self::made(name, &board))
            }

            fn fall(to: &ActorRef<Self>) {
                let _ = to.send(Fall);
            }

            fn hello(to: &ActorRef<Self>) -> &'static str {
                to.request(Hello).no_timeout().wait().expect("it lives")
            }

            fn made(name: &'static str, board: &Board) -> Self {
                $name { name, board: board.clone() }
            }

            fn once(name: &'static str, board: &Board) -> ChildSpec<Self> {
                ChildSpec::once(name, Self::made(name, board))
            }

            fn made_by(
                name: &'static str,
                make: impl Fn() -> Result<Self, String> + Send + Sync + 'static,
            ) -> ChildSpec<Self> {
                ChildSpec::try_new(name, make)
            }

            fn start_with(self, options: Options) -> ActorRef<Self> {
                deathwatch::$mode::Actor::start_with(self, options).expect("it can be started")
            }
        }
    };
}

macro_rules! hang {
    (tasks, $board:expr) => {
        future::pending::<()>().await
    };
    (threads, $board:expr) => {
        $board.hold()
    };
}

part!(TaskPart: tasks, false, async);
part!(ThreadPart: threads, true,);

/// A name that is kept for good, for children whose names are many. By itself in the sanitizer's list of leaks.
#[inline(never)]
pub fn leaked(name: String) -> &'static str {
    Box::leak(name.into_boxed_str())
}

/// Has a child end, and waits until everybody has been told.
pub fn end<P: Part>(child: &ActorRef<P>, how: End) -> ExitReason {
    let wait = begun(child.wait_exit());
    match how {
        End::Normal => child.stop(),
        End::Shutdown => child.stop_with(ExitReason::Shutdown),
        End::Error => child.stop_with(ExitReason::error("went wrong")),
        End::Kill => child.kill(),
        End::Panic => P::fall(child),
    }
    wait.wait()
}

/// The present or the next incarnation.
pub fn ready<P: 'static>(child: &ChildRef<P>) -> ActorRef<P> {
    child.ready().wait().expect("somebody starts it")
}

/// Lets so much time pass, so that a child that hangs is killed if that is its limit. Who hangs on a thread returns then, and sees
/// that it was killed.
pub fn overdue<P: Part>(runtime: &Runtime, clock: &ManualClock, board: &Board, time: Duration) {
    settle(runtime); // the limit has begun
    clock.advance(time);
    settle(runtime); // and what it brings is done
    if P::THREAD {
        board.release();
    }
}

/// Starts a supervisor on a runtime.
pub fn start<K: Kind>(supervisor: Supervisor<K>, runtime: &Runtime) -> ActorRef<Supervisor<K>> {
    supervisor.start_with(Options::new().runtime(runtime)).expect("the runtime runs")
}

/// What a supervisor says of its children.
pub fn list<K: Kind>(supervisor: &ActorRef<Supervisor<K>>) -> Vec<ChildInfo> {
    supervisor.which_children().no_timeout().wait().expect("the supervisor lives")
}

/// The same, in words.
pub fn words<K: Kind>(supervisor: &ActorRef<Supervisor<K>>) -> Vec<String> {
    list(supervisor).iter().map(|child| format!("{} {}", child.id, child.state)).collect()
}

/// Waits until a child is in that state, asking again and again: for what nobody tells.
pub fn until<K: Kind>(supervisor: &ActorRef<Supervisor<K>>, child: &str, state: ChildState) {
    while !list(supervisor).iter().any(|info| info.id.name() == child && info.state == state) {
        std::thread::yield_now();
    }
}

/// Runs scenarios with children of either mode.
macro_rules! in_both_modes {
    ($($scenario:ident)*) => {$(
        mod $scenario {
            use $crate::parts::{TaskPart, ThreadPart};

            #[test]
            fn task() {
                let _dog = watchdog!();
                super::$scenario::<TaskPart>();
            }
            #[test]
            fn thread() {
                let _dog = watchdog!();
                super::$scenario::<ThreadPart>();
            }
        }
    )*};
}
