//! Actors whose hooks and handlers are `async`: many of them on few threads.
//!
//! Implement [`Actor`] for the state and [`Handler`] for each message. `MyActor.start()` needs no set-up: the scheduler
//! starts by itself. See [`Runtime`](crate::Runtime) for explicit ones.

use std::future::Future;

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

/// An actor with hooks that do nothing, without writing so.
///
/// ```
/// use deathwatch::prelude::*;
///
/// #[derive(Actor)]
/// struct Printer;
///
/// #[derive(Message)]
/// struct Print(String);
///
/// impl Handler<Print> for Printer {
///     async fn handle(&mut self, Print(text): Print, _: &Context<Self>) {
///         println!("{text}");
///     }
/// }
///
/// Printer.start().send(Print("hello".into())).unwrap();
/// ```
///
/// In [`threads`](crate::threads) there is one of the same name for that mode. A generic type is an actor where it is
/// `Send + 'static`. Who re-exports this crate says where it is: `#[deathwatch(crate = path::to::deathwatch)]`.
#[cfg(feature = "macros")]
pub use deathwatch_macros::Actor;

/// The mode of this module, inferred wherever it appears.
#[doc(hidden)]
#[derive(Debug)]
pub enum Tasks {}

/// An actor with `async` hooks and handlers.
///
/// ```
/// use deathwatch::prelude::*;
///
/// struct Greeter { greeted: u32 }
///
/// impl Actor for Greeter {
///     async fn started(&mut self, ctx: &Context<Self>) {
///         println!("{} is up", ctx.id());
///     }
///
///     async fn stopped(&mut self, reason: &ExitReason, _: &Context<Self>) {
///         println!("greeted {} times, now {reason}", self.greeted);
///     }
/// }
///
/// let greeter = Greeter { greeted: 0 }.start();
/// assert_eq!(greeter.join().wait(), ExitReason::Normal);
/// ```
#[doc(alias = "gen_server")]
#[doc(alias = "GenServer")]
pub trait Actor: Sized + Send + 'static {
    /// Runs before the first message is handled. A panic here ends the actor; `stopped` is not called then.
    #[doc(alias = "init")]
    #[doc(alias = "pre_start")]
    #[doc(alias = "on_start")]
    fn started(&mut self, ctx: &Context<Self>) -> impl Future<Output = ()> + Send {
        let _ = ctx;
        async {}
    }

    /// Runs after the last message was handled, also after a handler panicked. Not after a kill, and not after a panic
    /// in `started`. A panic here becomes the exit reason if that was [`Normal`](ExitReason::Normal) or
    /// [`Shutdown`](ExitReason::Shutdown).
    #[doc(alias = "terminate")]
    #[doc(alias = "stopping")]
    #[doc(alias = "post_stop")]
    #[doc(alias = "on_stop")]
    fn stopped(&mut self, reason: &ExitReason, ctx: &Context<Self>) -> impl Future<Output = ()> + Send {
        let _ = (reason, ctx);
        async {}
    }

    /// Where it keeps the messages that it [postpones](Handler::postpone); see [`Stash`], and [`States`](crate::States) for
    /// state machines. Without one, nothing is postponed, and nothing of this costs anything.
    fn stash(&mut self) -> Option<&mut Stash<Self>> {
        None
    }

    /// Starts the actor: on the runtime of the calling actor, elsewhere on the default one.
    ///
    /// # Panics
    ///
    /// When the default runtime cannot be started, or the runtime of the calling actor has been shut down;
    /// [`start_with`](Self::start_with) answers with an error instead.
    #[doc(alias = "spawn")]
    #[track_caller]
    fn start(self) -> ActorRef<Self> {
        match self.start_with(Options::new()) {
            Ok(actor) => actor,
            Err(error) => panic!("cannot start an actor: {error}"),
        }
    }

    /// Starts the actor with a name, a bounded mailbox, or on another runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`] when the runtime was shut down, or cannot be started, or the options make no sense. The actor is
    /// dropped.
    fn start_with(self, options: Options) -> Result<ActorRef<Self>, StartError> {
        runtime::start::<Self, Tasks>(self, options)
    }
}

/// Handles one kind of message.
///
/// Messages are handled one after the other: the next one waits until the future of this one is done.
pub trait Handler<M: Message>: Actor {
    /// Handles the message; what it returns is the reply.
    ///
    /// A panic ends the actor with [`ExitReason::Panic`]. A kill drops the future at an `.await`.
    fn handle(&mut self, message: M, ctx: &Context<Self>) -> impl Future<Output = M::Reply> + Send;

    /// Is this message to be postponed, as things stand? Then it goes into the [stash](Actor::stash), its reply still
    /// pending, and is asked about again when that lets it go. If the stash is full, it is handled after all.
    #[doc(alias = "stash")]
    #[doc(alias = "defer")]
    fn postpone(&self, message: &M) -> bool {
        let _ = message;
        false
    }
}

impl<A: Actor> Hooks<A> for Tasks {
    fn started(stage: &mut Stage<A>) -> impl Future<Output = ()> + Send {
        stage.actor.started(&stage.ctx)
    }

    fn stopped<'a>(stage: &'a mut Stage<A>, reason: &'a ExitReason) -> impl Future<Output = ()> + Send + 'a
    where
        A: 'a,
    {
        stage.actor.stopped(reason, &stage.ctx)
    }

    fn shelf(stage: &mut Stage<A>) -> Option<&mut Shelf<Stage<A>>> {
        stage.actor.stash().map(Stash::shelf)
    }
}

impl<A: Handler<M>, M: Message> SentTo<A, Tasks> for M {
    fn call<'a>(self, actor: &'a mut A, ctx: &'a Context<A>) -> impl Future<Output = M::Reply> + Send + 'a
    where
        A: 'a,
    {
        actor.handle(self, ctx)
    }

    fn stash(stage: &mut Stage<A>) -> Option<&mut Stash<A>> {
        stage.actor.stash()
    }

    fn is_postponed(&self, stage: &Stage<A>) -> bool {
        stage.actor.postpone(self)
    }
}

impl<A: Actor> Starts<Tasks> for A {
    type Hooks = Tasks;
    const MODE: Mode = Mode::Tasks;

    fn backend(asked: Option<Backend>) -> Result<Backend, StartError> {
        Ok(asked.unwrap_or(Backend::Scheduler))
    }
}

/// What a program of this mode needs; the same names as in [`threads::prelude`](crate::threads::prelude).
pub mod prelude {
    pub use super::{Actor, Handler};
    pub use crate::actor::actor_ref::ActorRef;
    pub use crate::actor::context::Context;
    pub use crate::actor::message::Message;
    pub use crate::monitor::Down;
    pub use crate::reason::ExitReason;
}
