//! What a supervisor is told, and asked.

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

use super::child_ref::ChildRef;
use super::children::check;
use super::errors::ChildError;
use super::spec::{ChildId, ChildSpec, Described};
use super::{ChildCounts, ChildInfo, Fixed, Kind, Supervisor};
use crate::actor::actor_ref::ActorRef;
use crate::actor::context::Context;
use crate::actor::message::Message;
use crate::actor::post;
use crate::actor::request::Request;
use crate::actor::stage::Stage;
use crate::guard;
use crate::id::ActorId;
use crate::mailbox::exchange::{Answerer, Respond};
use crate::monitor::Down;
use crate::structs::future::SlotFuture;

/// A child's `started` hook has returned.
pub struct Up {
    pub key: u64,
    pub child: ActorId,
}

/// A child has ended.
pub struct Ended {
    pub key: u64,
    pub down: Down,
}

/// It is time to start a child.
pub struct Retry {
    pub key: u64,
    pub ticket: u64,
}

/// It is time to go on with the sequence.
pub struct Go {
    pub ticket: u64,
}

/// A child that was asked to stop has had its time.
pub struct Overdue {
    pub key: u64,
    pub child: ActorId,
}

/// Starts another child: what [`start_child`](ActorRef::start_child) asks.
pub struct StartChild<A>(ChildSpec<A>);
/// Stops a child: what [`stop_child`](ActorRef::stop_child) asks.
#[derive(Debug)]
pub struct StopChild(ChildId);
/// Starts a child again: what [`restart_child`](ActorRef::restart_child) asks.
#[derive(Debug)]
pub struct RestartChild(ChildId);
/// Forgets a child: what [`delete_child`](ActorRef::delete_child) asks.
#[derive(Debug)]
pub struct DeleteChild(ChildId);
/// Finds a child: what [`find_child`](ActorRef::find_child) asks.
#[derive(Debug)]
pub struct FindChild<A>(ChildId, PhantomData<fn(A)>);
/// Waits for the first start: what [`ready`](ActorRef::ready) asks.
#[derive(Debug)]
pub struct Ready(());
/// Lists the children: what [`which_children`](ActorRef::which_children) asks.
#[derive(Debug)]
pub struct WhichChildren(());
/// Counts the children: what [`count_children`](ActorRef::count_children) asks.
#[derive(Debug)]
pub struct CountChildren(());

macro_rules! replies {
    ($($message:ty $([$A:ident])? => $reply:ty;)*) => {$(
        impl$(<$A: Send + 'static>)? Message for $message {
            type Reply = $reply;
        }
    )*};
}

replies! {
    Up => ();
    Ended => ();
    Retry => ();
    Go => ();
    Overdue => ();
    StartChild<A> [A] => Result<ChildRef<A>, ChildError>;
    StopChild => Result<(), ChildError>;
    RestartChild => Result<(), ChildError>;
    DeleteChild => Result<(), ChildError>;
    FindChild<A> [A] => Result<ChildRef<A>, ChildError>;
    Ready => ();
    WhichChildren => Vec<ChildInfo>;
    CountChildren => ChildCounts;
}

/// A question that may be answered later.
trait Ask<K: Kind>: Message {
    fn ask(
        self,
        answer: Answerer<Self, Self::Reply>,
        supervisor: &mut Supervisor<K>,
        ctx: &Context<Supervisor<K>>,
    ) where
        Self: Sized;
}

struct Asked<M>(PhantomData<M>);

impl<K: Kind, M: Ask<K>> Respond<Stage<Supervisor<K>>> for Asked<M> {
    type Question = M;
    type Answer = M::Reply;

    fn respond<'a>(
        question: M,
        answerer: Answerer<M, M::Reply>,
        stage: &'a mut Stage<Supervisor<K>>,
    ) -> SlotFuture<'a> {
        question.ask(answerer, &mut stage.actor, &stage.ctx);
        stage.actor.go_on(&stage.ctx);
        SlotFuture::ready()
    }
}

/// Supervisors: asking them about their children, and to start and stop some.
///
/// They are asked by requests, which are `.await`ed or [waited](Request::wait) for. Those that are answered only when a child
/// has started or ended have no time limit, unless [`timeout`](Request::timeout) gives them one.
impl<K: Kind> ActorRef<Supervisor<K>> {
    fn asks<M: Ask<K>>(&self, question: M) -> Request<M> {
        post::request_of::<_, M, Asked<M>>(self.strong(), question)
    }

    /// Starts another child, behind those that it has. The answer comes when its `started` hook has returned: what stands for
    /// it across its restarts. If it does not start, it is forgotten.
    ///
    /// # Errors
    ///
    /// In the reply: [`ChildError::Exists`], [`ChildError::Start`], [`ChildError::Stopped`], [`ChildError::Significant`].
    pub fn start_child<A: Send + 'static>(&self, spec: ChildSpec<A>) -> Request<StartChild<A>> {
        self.asks(StartChild(spec)).no_timeout()
    }

    /// Stops a child, as its [`Shutdown`](super::Shutdown) says. The answer comes when it has ended. It stays stopped until it is
    /// [restarted](Self::restart_child) by hand; a temporary one, and any of a [`DynamicSupervisor`](super::DynamicSupervisor), is
    /// forgotten. Stopping one that is stopped does nothing.
    ///
    /// Also one that is about to be restarted, or whose hook hangs, can be stopped.
    ///
    /// # Errors
    ///
    /// In the reply: [`ChildError::Unknown`].
    #[doc(alias = "terminate_child")]
    pub fn stop_child(&self, child: impl Into<ChildId>) -> Request<StopChild> {
        self.asks(StopChild(child.into())).no_timeout()
    }

    /// What stands for a child across its restarts.
    ///
    /// # Errors
    ///
    /// In the reply: [`ChildError::Unknown`], [`ChildError::WrongType`].
    pub fn find_child<A: Send + 'static>(&self, child: impl Into<ChildId>) -> Request<FindChild<A>> {
        self.asks(FindChild(child.into(), PhantomData))
    }

    /// Waits until all children that it was made with have started, for the first time.
    ///
    /// # Errors
    ///
    /// When awaited, [`RequestError::Exited`](crate::RequestError::Exited) with a [`SupervisorError`](super::SupervisorError) when
    /// one of them did not.
    pub fn ready(&self) -> Request<Ready> {
        self.asks(Ready(())).no_timeout()
    }

    /// All children, in the order in which they are started.
    pub fn which_children(&self) -> Request<WhichChildren> {
        self.asks(WhichChildren(()))
    }

    /// How many children there are.
    pub fn count_children(&self) -> Request<CountChildren> {
        self.asks(CountChildren(()))
    }
}

impl ActorRef<Supervisor<Fixed>> {
    /// Starts a child that is stopped, be it by hand or because it has ended. The answer comes when its `started` hook has
    /// returned. If it does not start, it stays stopped.
    ///
    /// # Errors
    ///
    /// In the reply: [`ChildError::Unknown`], [`ChildError::Running`], [`ChildError::Start`], [`ChildError::Stopped`].
    pub fn restart_child(&self, child: impl Into<ChildId>) -> Request<RestartChild> {
        self.asks(RestartChild(child.into())).no_timeout()
    }

    /// Forgets a child that is stopped.
    ///
    /// # Errors
    ///
    /// In the reply: [`ChildError::Unknown`], [`ChildError::Running`].
    pub fn delete_child(&self, child: impl Into<ChildId>) -> Request<DeleteChild> {
        self.asks(DeleteChild(child.into()))
    }
}

impl<A: Send + 'static, K: Kind> Ask<K> for StartChild<A> {
    fn ask(
        self,
        answer: Answerer<Self, Self::Reply>,
        supervisor: &mut Supervisor<K>,
        ctx: &Context<Supervisor<K>>,
    ) {
        let mut spec = self.0;
        if K::DYNAMIC {
            spec = spec.numbered(supervisor.children.next_key());
        }
        let child = spec.child_ref();
        let spec: Arc<dyn Described<K>> = Arc::new(spec);
        let added = check(spec.plan(), child.id(), supervisor.auto)
            .and_then(|()| supervisor.children.add(Arc::clone(&spec)));
        let key = match added {
            Ok(key) => key,
            Err(error) => {
                answer.answer(Err(error));
                return guard::drop_quietly(spec); // with the user's factory
            }
        };
        if let Some(added) = supervisor.children.get(key) {
            added.fresh = true;
            added.starting = Some(Box::new(move |started| answer.answer(started.map(|()| child))));
        }
        supervisor.start_in_turn(key, ctx);
    }
}

impl<K: Kind> Ask<K> for StopChild {
    fn ask(
        self,
        answer: Answerer<Self, Self::Reply>,
        supervisor: &mut Supervisor<K>,
        ctx: &Context<Supervisor<K>>,
    ) {
        match supervisor.children.find(&self.0) {
            Some(key) => supervisor.stop_by_hand(key, Box::new(|stopped| answer.answer(stopped)), ctx),
            None => answer.answer(Err(ChildError::Unknown(self.0))),
        }
    }
}

impl Ask<Fixed> for RestartChild {
    fn ask(
        self,
        answer: Answerer<Self, Self::Reply>,
        supervisor: &mut Supervisor<Fixed>,
        ctx: &Context<Supervisor<Fixed>>,
    ) {
        let Some(key) = supervisor.children.find(&self.0) else {
            return answer.answer(Err(ChildError::Unknown(self.0)));
        };
        match supervisor.children.get(key) {
            Some(child) if !child.state().is_expected() => {
                child.starting = Some(Box::new(|started| answer.answer(started)));
                supervisor.start_in_turn(key, ctx);
            }
            _ => answer.answer(Err(ChildError::Running(self.0))),
        }
    }
}

impl Ask<Fixed> for DeleteChild {
    fn ask(
        self,
        answer: Answerer<Self, Self::Reply>,
        supervisor: &mut Supervisor<Fixed>,
        _: &Context<Supervisor<Fixed>>,
    ) {
        let Some(key) = supervisor.children.find(&self.0) else {
            return answer.answer(Err(ChildError::Unknown(self.0)));
        };
        let stopped = supervisor.children.get(key).is_some_and(|child| !child.state().is_expected());
        if stopped {
            supervisor.children.remove(key);
        }
        answer.answer(if stopped { Ok(()) } else { Err(ChildError::Running(self.0)) });
    }
}

impl<A: Send + 'static, K: Kind> Ask<K> for FindChild<A> {
    fn ask(
        self,
        answer: Answerer<Self, Self::Reply>,
        supervisor: &mut Supervisor<K>,
        _: &Context<Supervisor<K>>,
    ) {
        let id = self.0;
        let found = supervisor.children.find(&id).and_then(|key| supervisor.children.get(key));
        answer.answer(match found {
            None => Err(ChildError::Unknown(id)),
            Some(child) if child.spec.actor() != TypeId::of::<A>() => Err(ChildError::WrongType(id)),
            Some(child) => Ok(ChildRef { slot: Arc::clone(child.spec.slot()), id, actor: PhantomData }),
        });
    }
}

impl<K: Kind> Ask<K> for Ready {
    fn ask(
        self,
        answer: Answerer<Self, Self::Reply>,
        supervisor: &mut Supervisor<K>,
        _: &Context<Supervisor<K>>,
    ) {
        supervisor.when_up(|| answer.answer(()));
    }
}

impl<K: Kind> Ask<K> for WhichChildren {
    fn ask(
        self,
        answer: Answerer<Self, Self::Reply>,
        supervisor: &mut Supervisor<K>,
        _: &Context<Supervisor<K>>,
    ) {
        answer.answer(supervisor.children.infos());
    }
}

impl<K: Kind> Ask<K> for CountChildren {
    fn ask(
        self,
        answer: Answerer<Self, Self::Reply>,
        supervisor: &mut Supervisor<K>,
        _: &Context<Supervisor<K>>,
    ) {
        answer.answer(supervisor.children.counts());
    }
}

impl<A> std::fmt::Debug for StartChild<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StartChild").field(&self.0).finish()
    }
}
