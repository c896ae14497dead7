//! An actor that tells the test what it is sent, squares what it is asked, and stays in a handler for as long as it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::task::{Wake, Waker};

use deathwatch::prelude::*;

/// Is told to the test.
#[derive(Debug, PartialEq, Eq)]
pub struct Note(pub u32);
impl Message for Note {
    type Reply = ();
}

/// Is answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Square(pub u32);
impl Message for Square {
    type Reply = u32;
}

/// Keeps the clerk in its handler until the other end is dropped.
pub struct Stay(pub Sender<()>, pub Receiver<()>);
impl Message for Stay {
    type Reply = ();
}

/// Counts how often it is woken.
#[derive(Default)]
pub struct Bell(AtomicUsize);

impl Bell {
    pub fn new() -> (Arc<Bell>, Waker) {
        let bell = Arc::new(Bell::default());
        (Arc::clone(&bell), Waker::from(bell))
    }

    pub fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The clerk of one mode. `async` is all the difference.
macro_rules! clerk {
    ($mode:ident, $backend:ident, $($asynchronous:tt)?) => {
        use std::sync::mpsc::{self, Receiver, Sender};

        use deathwatch::{ActorRef, Backend, Context, Down, Mailbox, OnFull, Options, Runtime, $mode};

        use $crate::clerk::{Note, Square, Stay};

        pub struct Clerk(Sender<u32>);
        impl $mode::Actor for Clerk {}

        impl $mode::Handler<Note> for Clerk {
            $($asynchronous)? fn handle(&mut self, Note(n): Note, _: &Context<Self>) {
                let _ = self.0.send(n);
            }
        }
        impl $mode::Handler<Square> for Clerk {
            $($asynchronous)? fn handle(&mut self, Square(n): Square, _: &Context<Self>) -> u32 {
                n * n
            }
        }
        impl $mode::Handler<Stay> for Clerk {
            $($asynchronous)? fn handle(&mut self, Stay(entered, until): Stay, _: &Context<Self>) {
                let _ = entered.send(());
                let _ = until.recv();
            }
        }
        /// A Down that somebody forwards.
        impl $mode::Handler<Down> for Clerk {
            $($asynchronous)? fn handle(&mut self, down: Down, _: &Context<Self>) {
                let _ = self.0.send(down.target.get() as u32);
            }
        }

        impl Clerk {
            pub fn with(options: Options) -> (ActorRef<Clerk>, Receiver<u32>) {
                let (tell, told) = mpsc::channel();
                let clerk = $mode::Actor::start_with(Clerk(tell), options.backend(Backend::$backend));
                (clerk.expect("the options make sense"), told)
            }

            pub fn bounded(runtime: &Runtime, room: usize, on_full: OnFull) -> (ActorRef<Clerk>, Receiver<u32>) {
                Clerk::with(Options::new().runtime(runtime).mailbox(Mailbox::bounded(room, on_full)))
            }

            pub fn on(runtime: &Runtime) -> (ActorRef<Clerk>, Receiver<u32>) {
                Clerk::with(Options::new().runtime(runtime))
            }

            /// Keeps it in a handler until what is returned is dropped.
            pub fn busy(clerk: &ActorRef<Clerk>) -> Sender<()> {
                let (entered, inside) = mpsc::channel();
                let (stay, until) = mpsc::channel();
                clerk.send(Stay(entered, until)).expect("there is room");
                inside.recv().expect("the handler begins");
                stay
            }
        }
    };
}
