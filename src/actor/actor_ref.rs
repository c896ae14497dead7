//! Handles that know the actor's type.

use std::fmt;

use super::common::{common, same_actor};
use super::exit_wait::ExitWait;
use super::handle::{ActorHandle, sealed};
use super::message::{SendError, SentTo};
use super::post;
use super::recipient::Recipient;
use super::request::Request;
use super::send_wait::SendWait;
#[cfg(feature = "tower")]
use super::service::ActorService;
use super::sink::ActorSink;
use super::stage::Stage;
use crate::cell::{Address, CellRef, Strong};
#[cfg(doc)]
use crate::reason::ExitReason;

/// A strong handle to an actor: it sends, asks, stops, and keeps the actor running.
///
/// When the last strong handle is dropped, the actor handles what is in its mailbox and then stops with
/// [`ExitReason::Normal`]. One pointer wide, also in an `Option`.
///
/// ```
/// use deathwatch::prelude::*;
///
/// struct Greeter;
/// impl Actor for Greeter {}
///
/// struct Greet(&'static str);
/// impl Message for Greet { type Reply = String; }
/// impl Handler<Greet> for Greeter {
///     async fn handle(&mut self, Greet(name): Greet, _: &Context<Self>) -> String {
///         format!("hello {name}")
///     }
/// }
///
/// let greeter = Greeter.start();
/// greeter.send(Greet("nobody")).unwrap();                              // the reply is dropped
/// assert_eq!(greeter.request(Greet("you")).wait().unwrap(), "hello you"); // or `.await` it
/// ```
#[doc(alias = "Addr")]
#[doc(alias = "Address")]
#[doc(alias = "Pid")]
pub struct ActorRef<A> {
    strong: Strong<Stage<A>>,
}

impl<A> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        ActorRef { strong: self.strong.clone() }
    }
}

impl<A> ActorRef<A> {
    pub(crate) fn new(strong: Strong<Stage<A>>) -> Self {
        ActorRef { strong }
    }

    pub(crate) fn strong(&self) -> &Strong<Stage<A>> {
        &self.strong
    }

    fn cell(&self) -> &CellRef {
        self.strong.cell()
    }

    /// A handle that does not know the actor's type.
    pub fn handle(&self) -> ActorHandle {
        ActorHandle::new(self.strong.erased())
    }

    /// A handle that does not keep the actor running.
    pub fn downgrade(&self) -> WeakActorRef<A> {
        WeakActorRef { address: Address::clone(&self.strong) }
    }

    /// Lets the actor live on when all handles are gone: until it stops itself, or is stopped through a handle of its
    /// own making, or through a weak one, or by its runtime. [`upgrade`](WeakActorRef::upgrade) finds nobody then.
    ///
    /// ```
    /// use deathwatch::prelude::*;
    /// # struct Idle; impl Actor for Idle {}
    /// let actor = Idle.start();
    /// let weak = actor.downgrade();
    /// actor.detach();
    /// assert!(weak.is_alive());
    /// ```
    pub fn detach(self) {
        self.strong.cell().life.detach();
    }

    common!();

    /// Gives this handle up and waits for the actor's death, by `.await` or by [`wait`](ExitWait::wait).
    ///
    /// If this was the last strong handle, the actor handles what is in its mailbox and stops.
    pub fn join(self) -> ExitWait {
        self.wait_exit()
    }

    /// The most messages that ever stood in its mailbox when it took them out. (What came since is not counted: a full
    /// mailbox of an actor that is stuck shows nothing.)
    pub fn mailbox_high_water(&self) -> usize {
        self.cell().inbox.high_water()
    }
}

impl<A: Send + 'static> ActorRef<A> {
    /// Sends a message. Never waits; the reply, if the message has one, is dropped.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] when the actor takes no more messages, [`SendError::Full`] when its mailbox is bounded and
    /// full and its policy is [`OnFull::Reject`](crate::OnFull::Reject) or [`OnFull::Wait`](crate::OnFull::Wait). The
    /// message comes back in both.
    ///
    /// A message that the actor has no handler for does not compile:
    ///
    /// ```compile_fail,E0277
    /// use deathwatch::prelude::*;
    ///
    /// struct Idle;
    /// impl Actor for Idle {}
    ///
    /// struct Ping;
    /// impl Message for Ping { type Reply = (); }
    ///
    /// Idle.start().send(Ping).ok();
    /// ```
    #[doc(alias = "tell")]
    #[doc(alias = "cast")]
    #[doc(alias = "do_send")]
    #[doc(alias = "try_send")]
    #[doc(alias = "try_tell")]
    #[doc(alias = "send_message")]
    pub fn send<M: SentTo<A, K>, K: 'static>(&self, message: M) -> Result<(), SendError<M>> {
        post::send(&self.strong, message)
    }

    /// Sends a message, and waits until there is room if the mailbox is bounded with
    /// [`OnFull::Wait`](crate::OnFull::Wait): by `.await` or by [`wait`](SendWait::wait). First come, first served.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// The message is sent when this is first polled, or when there is room. Dropped before, it is not sent, and lost.
    pub fn send_wait<M: SentTo<A, K>, K: 'static>(&self, message: M) -> SendWait<A, M, K> {
        SendWait::new(self.strong.clone(), message)
    }

    /// Asks for a reply: by `.await` or by [`wait`](Request::wait), within 5 seconds unless
    /// [`timeout`](Request::timeout) says otherwise.
    ///
    /// The message is sent by this call, whether the request is then awaited or not; to a mailbox that is full and lets wait,
    /// it is sent by the first poll after there is room. If the actor dies before it has replied, the request fails at once
    /// with its reason.
    ///
    /// # Errors
    ///
    /// When awaited, [`RequestError`](crate::RequestError): the actor's reason, the time limit, or a full mailbox.
    #[doc(alias = "ask")]
    #[doc(alias = "call")]
    #[doc(alias = "rpc")]
    pub fn request<M: SentTo<A, K>, K: 'static>(&self, message: M) -> Request<M> {
        post::request::<A, M, K>(&self.strong, message)
    }

    /// A handle by which only this one message can be sent.
    #[doc(alias = "DerivedActorRef")]
    pub fn recipient<M: SentTo<A, K>, K: 'static>(&self) -> Recipient<M> {
        Recipient::new(self.strong.clone())
    }

    /// This actor as a [`Sink`](futures::Sink) of one kind of message; see [`ActorSink`].
    pub fn sink<M: SentTo<A, K>, K: 'static>(&self) -> ActorSink<M> {
        self.recipient().into_sink()
    }

    /// This actor as a [`Service`](tower_service::Service) of one kind of message; see [`ActorService`].
    #[cfg(feature = "tower")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
    pub fn service<M: SentTo<A, K>, K: 'static>(&self) -> ActorService<M> {
        self.recipient().into_service()
    }
}

impl<A> sealed::HasCell for ActorRef<A> {
    fn cell_for(&self, _: sealed::Token) -> &CellRef {
        self.cell()
    }
}

same_actor!(ActorRef<A>);
same_actor!(WeakActorRef<A>);

impl<A> fmt::Debug for ActorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorRef").field("id", &self.id()).field("name", &self.name()).finish()
    }
}

/// A handle that does not keep the actor running. It can be monitored, waited for, stopped like any other.
///
/// ```
/// use deathwatch::prelude::*;
/// # struct Idle; impl Actor for Idle {}
/// let actor = Idle.start();
/// let weak = actor.downgrade();
/// assert_eq!(weak.upgrade(), Some(actor.clone()));
/// drop(actor);
/// assert_eq!(weak.wait_exit().wait(), ExitReason::Normal);
/// assert_eq!(weak.upgrade(), None);
/// ```
#[doc(alias = "WeakAddr")]
pub struct WeakActorRef<A> {
    address: Address<Stage<A>>,
}

impl<A> Clone for WeakActorRef<A> {
    fn clone(&self) -> Self {
        WeakActorRef { address: self.address.clone() }
    }
}

impl<A> WeakActorRef<A> {
    fn cell(&self) -> &CellRef {
        self.address.cell()
    }

    /// A strong handle, if there is still one.
    pub fn upgrade(&self) -> Option<ActorRef<A>> {
        Strong::upgrade(&self.address).map(ActorRef::new)
    }

    common!();
}

impl<A> sealed::HasCell for WeakActorRef<A> {
    fn cell_for(&self, _: sealed::Token) -> &CellRef {
        self.cell()
    }
}

impl<A> fmt::Debug for WeakActorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakActorRef").field("id", &self.id()).finish()
    }
}
