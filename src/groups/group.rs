//! Groups of actors.

use std::fmt;
use std::sync::Arc;

use super::change::{GroupChange, Watch};
use super::core::Core;
use super::errors::JoinError;
use crate::actor::actor_ref::ActorRef;
use crate::actor::context::Context;
use crate::actor::handle::{ActorHandle, Target, cell_of};
use crate::actor::message::{Message, SentTo};
use crate::actor::post;
use crate::actor::stage::Stage;
use crate::cell::{Address, Strong};
use crate::id::MonitorRef;

/// A group of actors, of any types and modes.
///
/// An actor can be in any number of groups, once in each. Being a member keeps nobody alive; who dies is in no group any
/// more, before anybody is told of the death. Who wants to know who comes and goes
/// [monitors](crate::Context::monitor_group) the group, and may be a member, too.
///
/// This is a handle: clones are the same group. A group [of its own](Self::new) or one that everybody finds by a key
/// ([`Groups`](crate::Groups)).
///
/// ```
/// use deathwatch::{Group, prelude::*};
/// struct Worker(u32);
/// impl Actor for Worker {}
/// #[derive(Clone)] struct Pause;
/// impl Message for Pause { type Reply = (); }
/// impl Handler<Pause> for Worker { async fn handle(&mut self, _: Pause, _: &Context<Self>) {} }
///
/// let workers = Group::new();
/// let (one, two) = (Worker(1).start(), Worker(2).start());
/// assert_eq!(workers.join(&one), Ok(true));
/// assert_eq!(workers.join(&one), Ok(false)); // once is enough
/// workers.join(&two)?;
/// assert_eq!(workers.broadcast::<Worker, _, _>(Pause), 2);
///
/// one.kill();
/// one.wait_exit().wait();
/// assert_eq!(workers.members(), [two.handle()]);
/// assert!(workers.leave(&two));
/// # Ok::<(), deathwatch::JoinError>(())
/// ```
#[doc(alias = "pg")]
#[doc(alias = "process group")]
#[derive(Clone)]
pub struct Group {
    pub(super) core: Arc<Core<()>>,
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }
}

impl Eq for Group {}

impl Group {
    /// A group of its own, without members.
    pub fn new() -> Self {
        Group { core: Core::new() }
    }

    /// What it is called among its [`Groups`](crate::Groups), if it is one of them.
    pub fn name(&self) -> Option<&str> {
        self.core.name()
    }

    /// Makes an actor a member, by any kind of handle. False when it was one already: it is one still, and one
    /// [`leave`](Self::leave) ends that.
    ///
    /// # Errors
    ///
    /// [`JoinError`] when the actor is dead.
    pub fn join(&self, actor: &impl Target) -> Result<bool, JoinError> {
        self.core.join(cell_of(actor), ())
    }

    /// Ends a membership; false when there was none.
    pub fn leave(&self, actor: &impl Target) -> bool {
        self.core.leave(cell_of(actor))
    }

    /// Is this actor a member?
    pub fn contains(&self, actor: &impl Target) -> bool {
        self.core.members.find(&cell_of(actor).id, |_, ()| ()).is_some()
    }

    /// The members, in no particular order.
    pub fn members(&self) -> Vec<ActorHandle> {
        self.core.handles()
    }

    /// The members that are of type `A`, in no particular order.
    pub fn members_of<A: 'static>(&self) -> Vec<ActorRef<A>> {
        self.addresses::<A>().filter_map(|address| Strong::reach(&address).map(ActorRef::new)).collect()
    }

    fn addresses<A: 'static>(&self) -> impl Iterator<Item = Address<Stage<A>>> {
        self.core.members.all().into_iter().filter_map(|(_, cell, ())| cell.address::<Stage<A>>())
    }

    /// Sends a message to all members that are of type `A`. Returns how many mailboxes took it: not those that are full.
    ///
    /// For actors of different types, a [`Topic`](crate::Topic).
    pub fn broadcast<A, M, K>(&self, message: M) -> usize
    where
        A: Send + 'static,
        M: Message + SentTo<A, K> + Clone,
        K: 'static,
    {
        self.addresses::<A>().filter(|address| post::send(address, message.clone()).is_ok()).count()
    }

    /// How many members there are. (One that has just died may still be counted.)
    pub fn len(&self) -> usize {
        self.core.members.len()
    }

    /// Is nobody a member?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("name", &self.name()).field("len", &self.len()).finish()
    }
}

impl<A: Send + 'static> Context<A> {
    /// Monitors a group: a [`GroupChange`] comes with those who are members, and then whenever somebody has come or gone,
    /// until [`demonitor_group`](Self::demonitor_group).
    ///
    /// ```
    /// use std::collections::HashSet;
    /// use deathwatch::{ActorId, Group, GroupChange, prelude::*};
    /// # struct Worker; impl Actor for Worker {}
    ///
    /// struct Foreman { workers: Group, known: HashSet<ActorId> }
    /// impl Actor for Foreman {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.monitor_group(&self.workers);
    ///     }
    /// }
    /// impl Handler<GroupChange> for Foreman {
    ///     async fn handle(&mut self, change: GroupChange, ctx: &Context<Self>) {
    ///         self.known.extend(change.joined.iter().map(|worker| worker.id()));
    ///         self.known.retain(|worker| !change.left.contains(worker));
    ///         if self.known.is_empty() {
    ///             ctx.stop(); // the last one has gone
    ///         }
    ///     }
    /// }
    /// # struct Count; impl Message for Count { type Reply = usize; }
    /// # impl Handler<Count> for Foreman {
    /// #     async fn handle(&mut self, _: Count, _: &Context<Self>) -> usize { self.known.len() }
    /// # }
    ///
    /// let workers = Group::new();
    /// let worker = Worker.start();
    /// workers.join(&worker)?;
    /// let foreman = Foreman { workers, known: HashSet::new() }.start();
    /// # while foreman.request(Count).wait() != Ok(1) {}
    /// worker.kill();
    /// assert_eq!(foreman.wait_exit().wait(), ExitReason::Normal);
    /// # Ok::<(), deathwatch::JoinError>(())
    /// ```
    pub fn monitor_group<K: 'static>(&self, group: &Group) -> MonitorRef
    where
        GroupChange: SentTo<A, K>,
    {
        let monitor = MonitorRef::next();
        group.core.watch(monitor, self.address().cell(), Watch::new::<A, K>());
        monitor
    }

    /// Takes a monitor of a group back; false when there is no such one. No [`GroupChange`] of it is handled after this.
    pub fn demonitor_group(&self, group: &Group, monitor: MonitorRef) -> bool {
        group.core.watchers.take_back(&monitor, self.address().cell())
    }
}
