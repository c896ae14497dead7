//! What stands for a child across its restarts.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::errors::ChildError;
use super::spec::ChildId;
use crate::actor::actor_ref::ActorRef;
use crate::actor::blocking;
use crate::actor::message::{SendError, SentTo};
use crate::actor::request::Request;
use crate::actor::stage::Stage;
use crate::cell::{CellRef, CellSlot, Strong};
use crate::guard;

/// Where the present incarnation of a child is found.
///
/// Finding it takes no lock. The lock is for those who wait for the next one.
#[derive(Default)]
pub struct Slot {
    cell: CellSlot,
    gap: Mutex<Gap>,
}

/// What there is to know when nobody is there.
#[derive(Default)]
struct Gap {
    /// Nobody is about to come.
    closed: bool,
    waiting: BTreeMap<u64, Waker>,
    next: u64,
}

impl Slot {
    fn gap(&self) -> MutexGuard<'_, Gap> {
        self.gap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is a new incarnation.
    pub fn fill(&self, cell: &CellRef) {
        drop(self.cell.put(cell.clone()));
        self.wake(false);
    }

    /// That incarnation is gone; another may come.
    pub fn vacate(&self, cell: &CellRef) {
        drop(self.cell.clear(cell));
    }

    /// Somebody is about to come, where nobody was.
    pub fn open(&self) {
        self.gap().closed = false;
    }

    /// Nobody is about to come.
    pub fn close(&self) {
        self.wake(true);
    }

    fn wake(&self, closed: bool) {
        // The waiting look at the cell under the lock, so who is not woken here sees what came before.
        let mut gap = self.gap();
        gap.closed = closed;
        let waiting = std::mem::take(&mut gap.waiting);
        drop(gap);
        for waker in waiting.into_values() {
            guard::drop_quietly(guard::WakeOnDrop(Some(waker)));
        }
    }

    /// What `find` makes of the present incarnation; or that none will come; or notes whom to wake, under the number that the
    /// waiting one has already.
    fn wait<T>(
        &self,
        number: &mut Option<u64>,
        waker: &Waker,
        find: impl Fn(&CellRef) -> Option<T>,
    ) -> Poll<Option<T>> {
        let waker = waker.clone(); // the user's code, here and in what is dropped at the end: not under the lock
        let mut gap = self.gap();
        let present = self.cell.get();
        let found = present.as_ref().and_then(find);
        let outcome = match found {
            Some(found) => Poll::Ready(Some(found)),
            None if gap.closed => Poll::Ready(None),
            None => Poll::Pending,
        };
        let mut unused = Some(waker);
        if outcome.is_pending() {
            let mine = *number.get_or_insert(gap.next);
            gap.next = gap.next.max(mine + 1);
            unused = unused.and_then(|waker| gap.waiting.insert(mine, waker));
        }
        drop(gap);
        guard::drop_quietly((unused, present));
        outcome
    }

    fn forget(&self, number: u64) {
        let waker = self.gap().waiting.remove(&number);
        guard::drop_quietly(waker);
    }
}

/// Keeps a slot open: as long as there is one of these, somebody may start the child.
pub struct Seat {
    pub slot: Arc<Slot>,
}

impl Seat {
    /// A seat whose child may come.
    pub fn new() -> Arc<Self> {
        Arc::new(Seat { slot: Arc::default() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.slot.close();
    }
}

/// A supervised actor, whichever incarnation of it is there: it stays the same across restarts.
///
/// It keeps nothing running. To be had of [`ChildSpec::child_ref`](super::ChildSpec::child_ref), also before the child is
/// started, or of a running supervisor.
///
/// Between two incarnations there is nobody. Whether to wait then is the choice of who asks: [`get`](Self::get),
/// [`send`](Self::send) and [`request`](Self::request) do not, [`ready`](Self::ready) does. A request that an incarnation did not
/// answer fails with its reason; it is not sent again, since nobody knows how far it was carried out.
///
/// ```
/// use deathwatch::prelude::*;
/// use deathwatch::supervisor::{ChildSpec, Supervisor};
///
/// struct Counter(u32);
/// impl Actor for Counter {}
/// struct Next; impl Message for Next { type Reply = u32; }
/// impl Handler<Next> for Counter {
///     async fn handle(&mut self, _: Next, _: &Context<Self>) -> u32 { self.0 += 1; self.0 }
/// }
///
/// let spec = ChildSpec::new("counter", || Counter(0));
/// let counter = spec.child_ref();
/// let _tree = Supervisor::one_for_one().child(spec).start();
///
/// let first = counter.ready().wait()?;
/// assert_eq!(first.request(Next).wait(), Ok(1));
/// first.kill();
/// first.wait_exit().wait();
/// let second = counter.ready().wait()?; // waits for the restart
/// assert_ne!(first.id(), second.id());
/// assert_eq!(second.request(Next).wait(), Ok(1));
/// # Ok::<(), deathwatch::supervisor::ChildError>(())
/// ```
pub struct ChildRef<A> {
    pub(super) slot: Arc<Slot>,
    pub(super) id: ChildId,
    pub(super) actor: PhantomData<fn(A)>,
}

impl<A> Clone for ChildRef<A> {
    fn clone(&self) -> Self {
        ChildRef { slot: Arc::clone(&self.slot), id: self.id.clone(), actor: PhantomData }
    }
}

impl<A> fmt::Debug for ChildRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = self.slot.cell.get().map(|cell| cell.id);
        f.debug_struct("ChildRef").field("child", &self.id).field("present", &present).finish()
    }
}

impl<A: 'static> ChildRef<A> {
    /// Which child it is, for its supervisor.
    pub fn id(&self) -> &ChildId {
        &self.id
    }

    /// The present incarnation, if there is one that has started and is not dead. Takes no lock, and does not wait.
    pub fn get(&self) -> Option<ActorRef<A>> {
        actor(&self.slot.cell.get()?)
    }

    /// The present incarnation, or the next one: by `.await` or by [`wait`](ChildWait::wait). When the supervisor has ended, this waits as
    /// long as there is a clone of the child's spec, since the whole branch may be started anew with that.
    ///
    /// # Errors
    ///
    /// [`ChildError::Gone`] when there is none, and nobody is about to start it.
    pub fn ready(&self) -> ChildWait<A> {
        ChildWait { child: self.clone(), number: None }
    }
}

/// A handle to an incarnation, if that is not dead.
fn actor<A: 'static>(cell: &CellRef) -> Option<ActorRef<A>> {
    let address = cell.address::<Stage<A>>().filter(|_| cell.reason().is_none())?;
    Strong::reach(&address).map(ActorRef::new)
}

impl<A: Send + 'static> ChildRef<A> {
    /// Sends a message to the present incarnation.
    ///
    /// # Errors
    ///
    /// As [`ActorRef::send`]; [`SendError::Closed`] without a reason when there is no incarnation at present.
    pub fn send<M: SentTo<A, K>, K: 'static>(&self, message: M) -> Result<(), SendError<M>> {
        match self.get() {
            Some(actor) => actor.send(message),
            None => Err(SendError::Closed { message, reason: None }),
        }
    }

    /// Asks the present incarnation.
    ///
    /// # Errors
    ///
    /// As [`ActorRef::request`] when awaited. This, without a request: [`ChildError::Gone`] when there is no incarnation at
    /// present; the message is dropped.
    pub fn request<M: SentTo<A, K>, K: 'static>(&self, message: M) -> Result<Request<M>, ChildError> {
        self.get().map(|actor| actor.request(message)).ok_or_else(|| ChildError::Gone(self.id.clone()))
    }
}

/// Waits for a child to be there: a future, or by [`wait`](Self::wait) the calling thread. Made by [`ChildRef::ready`].
///
/// A handler that awaits it handles nothing else meanwhile; [`Context::pipe`](crate::Context::pipe) is for that.
///
/// # Cancel safety
///
/// Dropping it leaves nothing behind.
#[must_use = "waits only when awaited or told to wait"]
pub struct ChildWait<A> {
    child: ChildRef<A>,
    /// Under which it is known to those who wait.
    number: Option<u64>,
}

impl<A: 'static> ChildWait<A> {
    /// Blocks the calling thread until the child is there.
    ///
    /// # Panics
    ///
    /// On a worker of a scheduler, when the child is not there: the actors that run there would wait, too.
    ///
    /// # Errors
    ///
    /// As for `.await`.
    #[track_caller]
    pub fn wait(self) -> Result<ActorRef<A>, ChildError> {
        blocking::block_on(self)
    }

    /// Blocks the calling thread until the child is there, or for at most `limit`, by the real time.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// Gives the wait back when the time is over; the outcome otherwise, which may be an error as for `.await`.
    #[track_caller]
    pub fn wait_timeout(mut self, limit: Duration) -> Result<Result<ActorRef<A>, ChildError>, Self> {
        blocking::block_on_timeout(&mut self, limit).ok_or(self)
    }
}

impl<A: 'static> Future for ChildWait<A> {
    type Output = Result<ActorRef<A>, ChildError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ChildWait { child, number } = &mut *self;
        if let Some(actor) = child.get() {
            return Poll::Ready(Ok(actor));
        }
        let found = child.slot.wait(number, cx.waker(), actor);
        found.map(|found| found.ok_or_else(|| ChildError::Gone(child.id.clone())))
    }
}

impl<A> Drop for ChildWait<A> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.child.slot.forget(number);
        }
    }
}

impl<A> fmt::Debug for ChildWait<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildWait").field("child", &self.child.id).finish_non_exhaustive()
    }
}
