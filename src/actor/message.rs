//! Messages, and how they reach the handler of an actor.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use futures::FutureExt;

use super::context::Context;
use super::stage::Stage;
use super::stash::Stash;
use crate::guard;
use crate::mailbox::exchange::{Answerer, Respond};
use crate::mailbox::node::Unopened;
use crate::mailbox::parcel::{Letter, Parcel};
use crate::monitor::entry::{Due, Notice, Station, Trap};
use crate::monitor::{Down, Exit};
use crate::reason::ExitReason;
use crate::structs::future::SlotFuture;

/// A [`Message`](trait@Message) without writing so; the reply is `()`, or what `#[reply(Type)]` says.
///
/// ```
/// use deathwatch::prelude::*;
///
/// #[derive(Message)]
/// struct Stop;
///
/// #[derive(Message)]
/// #[reply(u64)]
/// struct Add(u64);
/// ```
///
/// A generic type is a message where it is `Send + 'static`. Who re-exports this crate says where it is:
/// `#[deathwatch(crate = path::to::deathwatch)]`.
#[cfg(feature = "macros")]
pub use deathwatch_macros::Message;

/// Something that can be sent to an actor.
///
/// ```
/// use deathwatch::prelude::*;
///
/// struct Add(u64);
/// impl Message for Add {
///     type Reply = u64;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "this is no message",
    note = "write `#[derive(Message)]` above it, with `#[reply(Type)]` if it is to be answered"
)]
pub trait Message: Send + 'static {
    /// What the handler answers. `()` for a message that is only sent.
    type Reply: Send + 'static;
}

impl Message for Down {
    type Reply = ();
}

impl Message for Exit {
    type Reply = ();
}

/// A message that an actor of type `A` has a handler for, in mode `K`.
///
/// Implemented by the modes for every message that `A` handles; the mode is inferred.
#[diagnostic::on_unimplemented(
    message = "`{A}` has no handler for `{Self}`",
    label = "the actor does not handle this message",
    note = "write `impl Handler<{Self}> for {A}` with `Handler` of the mode in which the actor is written"
)]
pub trait SentTo<A, K>: Message + Sized {
    /// Calls the handler.
    #[doc(hidden)]
    fn call<'a>(self, actor: &'a mut A, ctx: &'a Context<A>) -> impl Future<Output = Self::Reply> + Send + 'a
    where
        A: 'a;

    /// Where the actor keeps what it postpones.
    #[doc(hidden)]
    fn stash(stage: &mut Stage<A>) -> Option<&mut Stash<A>> {
        let _ = stage;
        None
    }

    /// Does the actor postpone this one?
    #[doc(hidden)]
    fn is_postponed(&self, stage: &Stage<A>) -> bool {
        let _ = stage;
        false
    }
}

/// Calls the handler, in sight of whoever observes the actor, and goes on with it up to where it has to wait for something; `then`
/// gets the reply.
pub fn handle<'a, A, K, M>(
    message: M,
    stage: &'a mut Stage<A>,
    then: impl FnOnce(M::Reply) + Send + 'a,
) -> SlotFuture<'a>
where
    A: Send + 'static,
    M: SentTo<A, K>,
    K: 'a,
{
    let (actor, ctx) = (&mut stage.actor, &stage.ctx);
    let cell = ctx.address().cell();
    let part = cell.observed.handling::<M>(cell.id, || cell.inbox.high_water());
    let handling = part.of(move || message.call(actor, ctx)).map(then);
    cell.with_context(|cx| SlotFuture::begin(handling, cx))
}

/// Puts a letter aside if its actor postpones the message in it and has room; otherwise gives it back, to be handled. For an
/// actor without a stash this is nothing at all.
pub fn unless_postponed<A, K, M, L>(letter: L, message: fn(&L) -> &M, stage: &mut Stage<A>) -> Option<L>
where
    A: Send + 'static,
    M: SentTo<A, K>,
    L: Letter<Stage<A>>,
{
    if M::stash(stage).is_none() || !message(&letter).is_postponed(stage) {
        return Some(letter);
    }
    let owner = stage.cell().clone();
    match M::stash(stage).and_then(|stash| stash.room(owner)) {
        Some(shelf) => {
            shelf.keep(Parcel::seal(Again(letter)).into_parcel());
            None
        }
        None => Some(letter),
    }
}

/// A letter that was put aside: it has given its place in a bounded mailbox back.
pub struct Again<L>(pub L);

impl<S, L: Letter<S>> Letter<S> for Again<L> {
    const COUNTED: bool = false;

    fn open<'a>(self, stage: &'a mut S) -> SlotFuture<'a> {
        self.0.open(stage)
    }

    fn discard(self, why: Unopened) {
        self.0.discard(why);
    }
}

/// A message without an asker: the reply is dropped.
pub struct Told<M, K> {
    message: M,
    mode: PhantomData<fn(K)>,
}

impl<M, K> Told<M, K> {
    /// Addresses the message to a handler of mode `K`.
    pub fn new(message: M) -> Self {
        Told { message, mode: PhantomData }
    }

    /// The message itself.
    pub fn into_message(self) -> M {
        self.message
    }
}

impl<A: Send + 'static, K: 'static, M: SentTo<A, K>> Letter<Stage<A>> for Told<M, K> {
    const COUNTED: bool = true;

    fn open<'a>(self, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        match unless_postponed(self, |told| &told.message, stage) {
            Some(told) => handle(told.message, stage, guard::drop_quietly),
            None => SlotFuture::ready(),
        }
    }
}

/// A message whose asker waits for the reply.
struct Asked<M: Message, K> {
    /// Before the message: whoever drops it has the asker told first.
    answerer: Answerer<M, M::Reply>,
    message: M,
    mode: PhantomData<fn(K)>,
}

impl<A: Send + 'static, K: 'static, M: SentTo<A, K>> Letter<Stage<A>> for Asked<M, K> {
    const COUNTED: bool = false;

    fn open<'a>(self, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        match unless_postponed(self, |asked| &asked.message, stage) {
            Some(Asked { answerer, message, .. }) => handle(message, stage, |reply| answerer.answer(reply)),
            None => SlotFuture::ready(),
        }
    }

    fn discard(self, why: Unopened) {
        if why == Unopened::Displaced {
            self.answerer.displace();
        }
    }
}

impl<A: Send + 'static, K: 'static, M: SentTo<A, K>> Respond<Stage<A>> for Told<M, K> {
    type Question = M;
    type Answer = M::Reply;

    fn respond<'a>(message: M, answerer: Answerer<M, M::Reply>, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        Asked::<M, K> { answerer, message, mode: PhantomData }.open(stage)
    }
}

/// A death told as a message that a closure makes of it.
pub struct Retold<F, K> {
    retell: F,
    mode: PhantomData<fn(K)>,
}

impl<F, K> Retold<F, K> {
    /// Has deaths told as what `retell` makes of them.
    pub fn new(retell: F) -> Self {
        Retold { retell, mode: PhantomData }
    }
}

impl<A, K, M, F> Notice<Stage<A>> for Retold<F, K>
where
    A: Send + 'static,
    K: 'static,
    M: SentTo<A, K>,
    F: FnOnce(Down) -> M + Send + 'static,
{
    fn notify<'a>(self, down: Down, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        let message = (self.retell)(down);
        handle(message, stage, guard::drop_quietly)
    }

    fn may_wait(stage: &mut Stage<A>) -> bool {
        M::stash(stage).is_some()
    }

    fn notify_or_wait<'a>(self, down: Down, due: Due, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        let message = (self.retell)(down);
        Mourned::<M, K> { message, due, mode: PhantomData }.open(stage)
    }
}

/// A death as a message, which may be postponed: taken back meanwhile, it is never handled.
struct Mourned<M, K> {
    message: M,
    due: Due,
    mode: PhantomData<fn(K)>,
}

impl<A: Send + 'static, K: 'static, M: SentTo<A, K>> Letter<Stage<A>> for Mourned<M, K> {
    const COUNTED: bool = false;

    fn open<'a>(self, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        let Some(Mourned { message, due, .. }) = unless_postponed(self, |mourned| &mourned.message, stage)
        else {
            return SlotFuture::ready();
        };
        if !due.settle() {
            guard::drop_quietly(message);
            return SlotFuture::ready();
        }
        handle(message, stage, guard::drop_quietly)
    }
}

/// Exits told to a handler of mode `K`.
pub struct Trapped<K>(PhantomData<fn(K)>);

impl<A, K> Trap<Stage<A>> for Trapped<K>
where
    A: Send + 'static,
    K: 'static,
    Exit: SentTo<A, K>,
{
    fn tell(exit: Exit, stage: &mut Stage<A>) -> SlotFuture<'_> {
        handle(exit, stage, guard::drop_quietly)
    }
}

/// A message could not be sent. It comes back.
///
/// ```
/// use deathwatch::{SendError, prelude::*};
/// # struct Idle; impl Actor for Idle {}
/// # #[derive(Debug)] struct Ping; impl Message for Ping { type Reply = (); }
/// # impl Handler<Ping> for Idle { async fn handle(&mut self, _: Ping, _: &Context<Self>) {} }
/// let actor = Idle.start();
/// actor.stop();
/// actor.wait_exit().wait();
/// let error = actor.send(Ping).unwrap_err();
/// assert_eq!(error.reason(), Some(&ExitReason::Normal));
/// let Ping = error.into_message();
/// ```
#[non_exhaustive]
pub enum SendError<M> {
    /// The actor takes no more messages.
    Closed {
        /// What was to be sent.
        message: M,
        /// Why the actor died; `None` while it is still ending.
        reason: Option<ExitReason>,
    },
    /// The mailbox is full.
    Full {
        /// What was to be sent.
        message: M,
    },
    /// The [`Alias`](crate::Alias) is not active any more.
    NoAlias {
        /// What was to be sent.
        message: M,
    },
}

impl<M> SendError<M> {
    /// The message that was not sent.
    pub fn into_message(self) -> M {
        match self {
            SendError::Closed { message, .. }
            | SendError::Full { message }
            | SendError::NoAlias { message } => message,
        }
    }

    /// Why the actor died, if that is why, and known.
    pub fn reason(&self) -> Option<&ExitReason> {
        match self {
            SendError::Closed { reason, .. } => reason.as_ref(),
            SendError::Full { .. } | SendError::NoAlias { .. } => None,
        }
    }

    /// Was there no room?
    pub fn is_full(&self) -> bool {
        matches!(self, SendError::Full { .. })
    }

    /// The same error with the message put differently.
    pub(crate) fn map<N>(self, f: impl FnOnce(M) -> N) -> SendError<N> {
        match self {
            SendError::Closed { message, reason } => SendError::Closed { message: f(message), reason },
            SendError::Full { message } => SendError::Full { message: f(message) },
            SendError::NoAlias { message } => SendError::NoAlias { message: f(message) },
        }
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Closed { reason, .. } => {
                f.debug_struct("Closed").field("reason", reason).finish_non_exhaustive()
            }
            SendError::Full { .. } => f.debug_struct("Full").finish_non_exhaustive(),
            SendError::NoAlias { .. } => f.debug_struct("NoAlias").finish_non_exhaustive(),
        }
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Closed { reason: Some(reason), .. } => {
                write!(f, "not sent: the actor is dead ({reason})")
            }
            SendError::Closed { reason: None, .. } => f.write_str("not sent: the actor is ending"),
            SendError::Full { .. } => f.write_str("not sent: the mailbox is full"),
            SendError::NoAlias { .. } => f.write_str("not sent: the alias is not active any more"),
        }
    }
}

impl<M> std::error::Error for SendError<M> {
    /// What lies below the actor's reason, which is part of the text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.reason()?.source()
    }
}
