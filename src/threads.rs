//! Actors with plain `fn` hooks and handlers, each on an operating-system thread of its own.
//!
//! The same words as in [`tasks`](crate::tasks), without `async`: changing the mode of an actor means to change one
//! import, to remove `async`, and to `.wait()` for what was awaited. Its backend is [`Backend::Thread`]. Handlers may block for as long as they like. An idle actor sleeps in the
//! kernel; nothing spins or polls.
//!
//! A handler that never returns cannot be cut off: a kill is seen before the next message.

use std::future::{Future, ready};

use crate::actor::actor_ref::ActorRef;
use crate::actor::context::Context;
use crate::actor::message::{Message, SentTo};
use crate::actor::stage::Stage;
use crate::actor::stash::Stash;
use crate::mailbox::shelf::Shelf;
use crate::reason::ExitReason;
use crate::runtime::snapshot::Mode;
use crate::runtime::{self, Backend, Options, StartError, Starts};
use crate::turn::Hooks;

/// An actor with hooks that do nothing, as [`tasks`](derive@crate::tasks::Actor) has one.
///
/// ```
/// use deathwatch::threads::prelude::*;
///
/// #[derive(Actor)]
/// struct Printer;
///
/// #[derive(Message)]
/// struct Print(String);
///
/// impl Handler<Print> for Printer {
///     fn handle(&mut self, Print(text): Print, _: &Context<Self>) {
///         println!("{text}");
///     }
/// }
///
/// Printer.start().send(Print("hello".into())).unwrap();
/// ```
#[cfg(feature = "macros")]
pub use deathwatch_macros::ThreadActor as Actor;

/// The mode of this module, inferred wherever it appears.
#[doc(hidden)]
#[derive(Debug)]
pub enum Threads {}

/// An actor with plain hooks and handlers, on a thread of its own.
///
/// ```
/// use deathwatch::threads::{Actor, Handler};
/// use deathwatch::{ActorRef, Context, ExitReason, Message};
///
/// struct Counter(u64);
/// impl Actor for Counter {}
///
/// struct Add(u64);
/// impl Message for Add { type Reply = u64; }
/// impl Handler<Add> for Counter {
///     fn handle(&mut self, Add(n): Add, _: &Context<Self>) -> u64 {
///         self.0 += n;
///         self.0
///     }
/// }
///
/// let counter = Counter(40).start();
/// assert_eq!(counter.request(Add(2)).wait(), Ok(42));
/// assert_eq!(counter.join().wait(), ExitReason::Normal);
/// ```
#[doc(alias = "gen_server")]
#[doc(alias = "GenServer")]
pub trait Actor: Sized + Send + 'static {
    /// Runs before the first message is handled. A panic here ends the actor; `stopped` is not called then.
    #[doc(alias = "init")]
    #[doc(alias = "pre_start")]
    #[doc(alias = "on_start")]
    fn started(&mut self, ctx: &Context<Self>) {
        let _ = ctx;
    }

    /// Runs after the last message was handled, also after a handler panicked. Not after a kill, and not after a panic
    /// in `started`. A panic here becomes the exit reason if that was [`Normal`](ExitReason::Normal) or
    /// [`Shutdown`](ExitReason::Shutdown).
    #[doc(alias = "terminate")]
    #[doc(alias = "stopping")]
    #[doc(alias = "post_stop")]
    #[doc(alias = "on_stop")]
    fn stopped(&mut self, reason: &ExitReason, ctx: &Context<Self>) {
        let _ = (reason, ctx);
    }

    /// Where it keeps the messages that it [postpones](Handler::postpone); see [`Stash`], and [`States`](crate::States) for
    /// state machines. Without one, nothing is postponed, and nothing of this costs anything.
    fn stash(&mut self) -> Option<&mut Stash<Self>> {
        None
    }

    /// Starts the actor on a thread of its own: as part of the runtime of the calling actor, elsewhere of the default
    /// one.
    ///
    /// # Panics
    ///
    /// When the thread or the default runtime cannot be started, or the runtime of the calling actor has been shut
    /// down; [`start_with`](Self::start_with) answers with an error instead.
    #[doc(alias = "spawn")]
    #[track_caller]
    fn start(self) -> ActorRef<Self> {
        match self.start_with(Options::new()) {
            Ok(actor) => actor,
            Err(error) => panic!("cannot start an actor: {error}"),
        }
    }

    /// Starts the actor with a name, a bounded mailbox, or as part of another runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`] when the runtime was shut down, or cannot be started, or the thread cannot, or the options make no
    /// sense: [`Backend::Thread`] is the only backend of this mode. The actor is dropped.
    fn start_with(self, options: Options) -> Result<ActorRef<Self>, StartError> {
        runtime::start::<Self, Threads>(self, options)
    }
}

/// Handles one kind of message.
pub trait Handler<M: Message>: Actor {
    /// Handles the message; what it returns is the reply. A panic ends the actor with [`ExitReason::Panic`].
    fn handle(&mut self, message: M, ctx: &Context<Self>) -> M::Reply;

    /// Is this message to be postponed, as things stand? Then it goes into the [stash](Actor::stash), its reply still
    /// pending, and is asked about again when that lets it go. If the stash is full, it is handled after all.
    #[doc(alias = "stash")]
    #[doc(alias = "defer")]
    fn postpone(&self, message: &M) -> bool {
        let _ = message;
        false
    }
}

impl<A: Actor> Hooks<A> for Threads {
    fn started(stage: &mut Stage<A>) -> impl Future<Output = ()> + Send {
        stage.actor.started(&stage.ctx);
        ready(())
    }

    fn stopped<'a>(stage: &'a mut Stage<A>, reason: &'a ExitReason) -> impl Future<Output = ()> + Send + 'a
    where
        A: 'a,
    {
        stage.actor.stopped(reason, &stage.ctx);
        ready(())
    }

    fn shelf(stage: &mut Stage<A>) -> Option<&mut Shelf<Stage<A>>> {
        stage.actor.stash().map(Stash::shelf)
    }
}

impl<A: Handler<M>, M: Message> SentTo<A, Threads> for M {
    fn call<'a>(self, actor: &'a mut A, ctx: &'a Context<A>) -> impl Future<Output = M::Reply> + Send + 'a
    where
        A: 'a,
    {
        ready(actor.handle(self, ctx))
    }

    fn stash(stage: &mut Stage<A>) -> Option<&mut Stash<A>> {
        stage.actor.stash()
    }

    fn is_postponed(&self, stage: &Stage<A>) -> bool {
        stage.actor.postpone(self)
    }
}

impl<A: Actor> Starts<Threads> for A {
    type Hooks = Threads;
    const MODE: Mode = Mode::Threads;

    fn backend(asked: Option<Backend>) -> Result<Backend, StartError> {
        match asked {
            None | Some(Backend::Thread) => Ok(Backend::Thread),
            Some(other) => Err(StartError::Backend(other)),
        }
    }
}

/// What a program of this mode needs; the same names as in [`tasks::prelude`](crate::tasks::prelude).
pub mod prelude {
    pub use super::{Actor, Handler};
    pub use crate::actor::actor_ref::ActorRef;
    pub use crate::actor::context::Context;
    pub use crate::actor::message::Message;
    pub use crate::monitor::Down;
    pub use crate::reason::ExitReason;
}
