//! Who has come and gone, told to those who want to know.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use super::core::Core;
use super::group::Group;
use crate::actor::handle::ActorHandle;
use crate::actor::message::{Message, SentTo, handle, unless_postponed};
use crate::actor::stage::Stage;
use crate::cell::{CellRef, Strong};
use crate::guard;
use crate::id::{ActorId, MonitorRef};
use crate::mailbox::parcel::{Letter, Parcel};
use crate::monitor::entry::{Beside, Station};
use crate::structs::future::SlotFuture;
use crate::sync::atomic::{AtomicBool, Ordering, fence};

/// Who has come to a group and who has gone since the last one of these.
///
/// The first one, after [`Context::monitor_group`](crate::Context::monitor_group), has those who were there. What is told is
/// the difference between what the watcher was told before and what is when this is handled; so who has come and gone in
/// between does not appear at all, and changes that come fast are told together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupChange {
    /// What [`Context::monitor_group`](crate::Context::monitor_group) returned.
    pub monitor_ref: MonitorRef,
    /// Which group.
    pub group: Group,
    /// Who is a member now and was none.
    pub joined: Vec<ActorHandle>,
    /// Who was a member and is none now: it has left, or it is dead.
    pub left: Vec<ActorId>,
}

impl Message for GroupChange {
    type Reply = ();
}

/// How one watcher is told.
pub struct Watch<X: Beside> {
    told: Arc<Told>,
    post: fn(&CellRef, Look<X>),
}

impl<X: Beside> Clone for Watch<X> {
    fn clone(&self) -> Self {
        Watch { told: Arc::clone(&self.told), post: self.post }
    }
}

/// What one watcher knows.
struct Told {
    /// A look is on its way.
    pending: AtomicBool,
    /// The members of which it was told. Locked by the watcher's own turn only, so nobody ever waits.
    members: Mutex<HashSet<ActorId>>,
}

/// Has the watcher look who is there.
pub struct Look<X: Beside> {
    core: Arc<Core<X>>,
    monitor: MonitorRef,
    told: Arc<Told>,
}

impl Watch<()> {
    /// For an actor that handles changes in mode `K`.
    pub fn new<A: Send + 'static, K: 'static>() -> Self
    where
        GroupChange: SentTo<A, K>,
    {
        Watch {
            told: Arc::new(Told { pending: AtomicBool::new(false), members: Mutex::default() }),
            post: post::<A, K>,
        }
    }
}

impl<X: Beside> Watch<X> {
    /// Has the watcher look, if it is not about to.
    pub fn look(&self, core: &Arc<Core<X>>, monitor: MonitorRef, watcher: &CellRef) {
        // ORDERING: Relaxed: whoever comes from a change has passed the fence of `Core::changed`; see `Look::change`.
        if !self.told.pending.swap(true, Ordering::Relaxed) {
            (self.post)(watcher, Look { core: Arc::clone(core), monitor, told: Arc::clone(&self.told) });
        }
    }
}

fn post<A: Send + 'static, K: 'static>(watcher: &CellRef, look: Look<()>)
where
    GroupChange: SentTo<A, K>,
{
    let Some(address) = watcher.address::<Stage<A>>() else { return };
    // Refused: it is dead.
    let _ = address.push_parcel(Parcel::seal(Letting::<K> { look, mode: PhantomData }).into_parcel());
}

/// A look as a message; takes no place in a bounded mailbox, since there is one at a time.
struct Letting<K> {
    look: Look<()>,
    mode: PhantomData<fn(K)>,
}

impl<A: Send + 'static, K: 'static> Letter<Stage<A>> for Letting<K>
where
    GroupChange: SentTo<A, K>,
{
    const COUNTED: bool = false;

    fn open<'a>(self, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        match self.look.change(stage.cell()) {
            Some(change) => Changed::<K> { change, mode: PhantomData }.open(stage),
            None => SlotFuture::ready(),
        }
    }
}

/// What there is to tell, which the watcher may put aside: it is dropped unseen if that watches no more when its turn comes.
struct Changed<K> {
    change: GroupChange,
    mode: PhantomData<fn(K)>,
}

impl<A: Send + 'static, K: 'static> Letter<Stage<A>> for Changed<K>
where
    GroupChange: SentTo<A, K>,
{
    const COUNTED: bool = false;

    fn open<'a>(self, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        if <GroupChange as SentTo<A, K>>::stash(stage).is_some() {
            let GroupChange { group, monitor_ref, .. } = &self.change;
            let watcher = group.core.watchers.find(monitor_ref, |actor, _| actor == stage.cell());
            if watcher != Some(true) {
                return SlotFuture::ready();
            }
        }
        match unless_postponed(self, |changed| &changed.change, stage) {
            Some(Changed { change, .. }) => handle(change, stage, guard::drop_quietly),
            None => SlotFuture::ready(),
        }
    }
}

impl Look<()> {
    /// What there is to tell, if anything, and if it is still wanted.
    fn change(self, watcher: &CellRef) -> Option<GroupChange> {
        // ORDERING: Relaxed, between the fences of `Core::changed` and below: who found a look pending is seen below. A
        // read-modify-write, so that there is no such one whom this has not come after.
        self.told.pending.swap(false, Ordering::Relaxed);
        // ORDERING: SeqCst: see `Core::changed`.
        fence(Ordering::SeqCst);
        self.core.watchers.find(&self.monitor, |actor, _| actor == watcher).filter(|same| *same)?;
        let mut told = self.told.members.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = std::mem::take(&mut *told);
        let mut joined = Vec::new();
        for (id, member, ()) in self.core.members.all() {
            if !left.remove(&id) {
                // Also one without handles, which may end, or make itself one: nobody would have us look again.
                joined.push(ActorHandle::new(Strong::revive(&member.anonymous())));
            }
            told.insert(id);
        }
        drop(told);
        let left: Vec<ActorId> = left.into_iter().collect();
        let nothing = joined.is_empty() && left.is_empty();
        let group = Group { core: self.core };
        (!nothing).then_some(GroupChange { monitor_ref: self.monitor, group, joined, left })
    }
}
