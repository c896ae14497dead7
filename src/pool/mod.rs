//! Pools: several workers of one type behind one handle.
//!
//! Jobs go from whoever sends them into a queue ([`lane`]) and are taken out by the workers themselves; which queue, is decided in
//! [`core`]. The [`manager`] is an actor that starts, monitors and replaces the workers, and sees no jobs.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc as StdArc;
use std::time::Duration;

use crate::actor::actor_ref::ActorRef;
use crate::actor::exit_wait::ExitWait;
use crate::actor::handle::{ActorHandle, sealed};
use crate::actor::message::{SendError, SentTo, Told};
use crate::actor::request::{Request, Taker};
use crate::actor::stage::Stage;
use crate::cell::CellRef;
use crate::guard;
use crate::id::ActorId;
use crate::mailbox::bound::Place;
use crate::mailbox::exchange;
use crate::mailbox::parcel::Parcel;
use crate::observe::{self, Rejection};
use crate::reason::ExitReason;
use crate::sync::atomic::Ordering;
use core::{Core, Offer, Route, Waiting};
use lane::Job;
use manager::Manager;

mod builder;
mod core;
mod errors;
pub mod gate;
pub mod lane;
pub mod manager;
mod send;

pub use builder::PoolBuilder;
pub use errors::PoolError;
pub use send::PoolSend;

/// Each worker of a [`Pool`] has a queue of its own: jobs go round, or by a key.
#[derive(Debug)]
pub enum OwnQueues {}

/// All workers of a [`Pool`] take from one queue: each job goes to whoever is idle first.
#[derive(Debug)]
pub enum SharedQueue {}

/// Several workers of one type behind one handle: what is sent to it, one of them handles.
///
/// `A` handles jobs as it handles any message, in either mode, and knows nothing of the pool. A worker that dies is replaced at once
/// by what the factory makes. What is queued for it stays queued, in order; the job that it was working on is lost, as with any
/// actor, and its asker is told so. If workers die too often, the pool ends with a [`PoolError`].
///
/// This is a strong handle; clones are the same pool. When the last one is dropped, the pool is [drained](Self::drain), without a
/// time limit. It can be monitored like an actor: it is one, whose death is the end of the pool.
///
/// ```
/// use deathwatch::{Pool, prelude::*};
///
/// struct Hasher;
/// impl Actor for Hasher {}
/// struct Sum(&'static [u8]);
/// impl Message for Sum { type Reply = u32; }
/// impl Handler<Sum> for Hasher {
///     async fn handle(&mut self, Sum(bytes): Sum, _: &Context<Self>) -> u32 {
///         bytes.iter().map(|&byte| u32::from(byte)).sum()
///     }
/// }
///
/// let pool = Pool::builder(|_| Hasher).workers(4).start()?;
/// let sums: Vec<_> = [&b"to"[..], b"be", b"or"].map(|text| pool.request(Sum(text))).into();
/// let total: u32 = sums.into_iter().map(|sum| sum.wait().unwrap()).sum();
/// assert_eq!(total, 227 + 199 + 225);
/// # Ok::<(), deathwatch::PoolError>(())
/// ```
///
/// # Which worker
///
/// [`OwnQueues`], the default, is *round robin*: the workers' queues in turn, passing over those that are full. With
/// [`send_by`](Self::send_by) and [`request_by`](Self::request_by), jobs of equal keys go to the same worker and are handled in
/// the order in which they were sent, also when that dies and is replaced. A [resize](Self::resize) moves as few keys as can be;
/// those that move begin anew, while what is queued under them finishes where it is.
///
/// [`SharedQueue`] ([`PoolBuilder::shared_queue`]) is *least loaded*: whoever is idle takes the oldest job, so that none waits
/// behind a slow one.
///
/// In neither case is there an actor in between. A job that a worker [postpones](crate::tasks::Handler::postpone) counts as done.
#[doc(alias = "router")]
#[doc(alias = "ActorPool")]
#[doc(alias = "SyncArbiter")]
#[doc(alias = "Factory")]
pub struct Pool<A: Send + 'static, Q = OwnQueues> {
    handle: StdArc<Handle<A>>,
    queues: PhantomData<fn(Q)>,
}

struct Handle<A: Send + 'static> {
    core: StdArc<Core<A>>,
    manager: ActorRef<Manager<A>>,
}

impl<A: Send + 'static> Handle<A> {
    /// What became of a message, for its sender.
    fn answer<M>(&self, offer: Offer<A, M>) -> Result<(), SendError<M>> {
        match offer {
            Offer::Taken => Ok(()),
            Offer::Dropped(message) => {
                guard::drop_quietly(message);
                Ok(())
            }
            Offer::Full(message, _) => {
                observe::rejected(Rejection::Full);
                Err(SendError::Full { message })
            }
            Offer::Closed(message) => Err(SendError::Closed { message, reason: self.manager.exit_reason() }),
        }
    }
}

impl<A: Send + 'static> Drop for Handle<A> {
    fn drop(&mut self) {
        self.core.close();
        self.core.hub.drain(None);
    }
}

/// What a [`Pool`] is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// How many workers live.
    pub workers: usize,
    /// How many jobs are queued.
    pub queued: usize,
    /// How many jobs are being worked on. (One that is just being put in or taken out counts here.)
    pub running: usize,
    /// How many workers were started in place of one that had died.
    pub restarts: usize,
    /// How many jobs were being worked on when their worker died.
    pub lost: usize,
    /// How many jobs were dropped because a queue was full.
    pub dropped: usize,
}

impl<A: Send + 'static> Pool<A> {
    /// A pool of what `factory` makes. It is given the place of the worker, from 0, and runs in an actor: it is not to block. A
    /// panic of it ends the pool.
    ///
    /// ```
    /// use std::time::Duration;
    /// use deathwatch::{Mailbox, OnFull, Options, Pool, prelude::*};
    /// # struct Worker(usize); impl Actor for Worker {}
    /// let pool = Pool::builder(Worker)
    ///     .workers(4)
    ///     .queue(Mailbox::bounded(100, OnFull::Wait))
    ///     .restarts(5, Duration::from_secs(60))
    ///     .options(Options::new().name("worker"))
    ///     .start()?;
    /// # Ok::<(), deathwatch::PoolError>(())
    /// ```
    pub fn builder<F, K>(factory: F) -> PoolBuilder<A, OwnQueues>
    where
        F: FnMut(usize) -> A + Send + 'static,
        A: crate::runtime::Starts<K>,
        K: 'static,
    {
        PoolBuilder::new(factory)
    }

    /// As [`send`](Self::send), to the worker of this key: behind all that was sent with an equal key before. If the queue of that
    /// worker is full, it is full.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// ```
    /// use deathwatch::{Pool, prelude::*};
    /// # struct Ledger; impl Actor for Ledger {}
    /// struct Pay(u32); impl Message for Pay { type Reply = (); }
    /// impl Handler<Pay> for Ledger { async fn handle(&mut self, _: Pay, _: &Context<Self>) {} }
    ///
    /// let pool = Pool::builder(|_| Ledger).workers(3).start()?;
    /// pool.send_by("alice", Pay(1)).unwrap();
    /// pool.send_by("alice", Pay(2)).unwrap(); // is handled after the first
    /// # Ok::<(), deathwatch::PoolError>(())
    /// ```
    pub fn send_by<M: SentTo<A, K>, K: 'static>(
        &self,
        key: &(impl Hash + ?Sized),
        message: M,
    ) -> Result<(), SendError<M>> {
        self.send_to(hash(key), message)
    }

    /// As [`request`](Self::request), to the worker of this key; see [`send_by`](Self::send_by).
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub fn request_by<M: SentTo<A, K>, K: 'static>(
        &self,
        key: &(impl Hash + ?Sized),
        message: M,
    ) -> Request<M> {
        self.request_of(hash(key), message)
    }

    /// As [`send_wait`](Self::send_wait), to the worker of this key; see [`send_by`](Self::send_by).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send_wait`](Self::send_wait).
    pub fn send_wait_by<M: SentTo<A, K>, K: 'static>(
        &self,
        key: &(impl Hash + ?Sized),
        message: M,
    ) -> PoolSend<A, M, K> {
        PoolSend::new(StdArc::clone(&self.handle), hash(key), message)
    }
}

impl<A: Send + 'static, Q> Pool<A, Q> {
    fn cell(&self) -> &CellRef {
        self.handle.manager.strong().cell()
    }

    /// Sends a job. Never waits; the reply, if it has one, is dropped.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] when the pool takes no more, with the reason if it has ended, and [`SendError::Full`] when its queues
    /// are bounded and full and their policy is [`OnFull::Reject`](crate::OnFull::Reject) or
    /// [`OnFull::Wait`](crate::OnFull::Wait). The message comes back in both.
    pub fn send<M: SentTo<A, K>, K: 'static>(&self, message: M) -> Result<(), SendError<M>> {
        self.send_to(Route::Turn, message)
    }

    /// Sends a job, and waits until there is room if the queues are bounded with [`OnFull::Wait`](crate::OnFull::Wait): by `.await`
    /// or by [`wait`](PoolSend::wait). First come, first served, in each queue.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// The job is sent when this is first polled, or when there is room. Dropped before, it is not sent, and lost.
    pub fn send_wait<M: SentTo<A, K>, K: 'static>(&self, message: M) -> PoolSend<A, M, K> {
        PoolSend::new(StdArc::clone(&self.handle), Route::Turn, message)
    }

    /// Asks for a reply; see [`ActorRef::request`](crate::ActorRef::request). If the worker that handles it dies, the request fails
    /// at once with the worker's reason; if the pool ends before one has taken it, with the pool's.
    ///
    /// # Errors
    ///
    /// When awaited, [`RequestError`](crate::RequestError): the reason, the time limit, or full queues. While the pool is drained,
    /// nothing but its end or the time limit answers.
    pub fn request<M: SentTo<A, K>, K: 'static>(&self, message: M) -> Request<M> {
        self.request_of(Route::Turn, message)
    }

    fn send_to<M: SentTo<A, K>, K: 'static>(&self, route: Route, message: M) -> Result<(), SendError<M>> {
        self.handle.answer(self.handle.core.offer(route, message, told::<A, M, K>))
    }

    fn request_of<M: SentTo<A, K>, K: 'static>(&self, route: Route, message: M) -> Request<M> {
        let (asker, parcel) = exchange::ask::<Stage<A>, Told<M, K>>(message);
        let taker = StdArc::new(Taker::new());
        let pool = self.cell().clone();
        let job = Job { parcel, taker: Some(StdArc::clone(&taker)), placed: false };
        match self.handle.core.offer(route, job, |job| job) {
            Offer::Full(job, lane) => {
                if let Some(room) = lane.waiting_room() {
                    let place = Place::new(room.clone());
                    let core = StdArc::clone(&self.handle.core);
                    let line = Box::new(Waiting { core, route, lane, job });
                    return Request::in_line(asker, pool, taker, place, line);
                }
                observe::rejected(Rejection::Full);
                drop(job);
                Request::refused(asker, pool)
            }
            Offer::Dropped(job) => {
                drop(job);
                Request::refused(asker, pool)
            }
            // Dropped here, it tells its asker that there will be no reply.
            Offer::Taken | Offer::Closed(_) => Request::pooled(asker, pool, taker),
        }
    }

    /// Ends the pool in order: from this call on, no job is taken; those that are queued are done; then the workers stop, and the
    /// pool ends with [`Normal`](ExitReason::Normal). What comes back waits for that, but need not be waited for. Workers that die
    /// meanwhile are replaced for as long as there is something left to do.
    ///
    /// When `limit` is over first, what is left is dropped and the workers are killed, and the pool ends with
    /// [`PoolError::Drain`].
    ///
    /// A worker that is killed is waited for, so one whose handler blocks keeps the pool beyond the limit.
    ///
    /// ```
    /// use std::time::Duration;
    /// use deathwatch::{Pool, prelude::*};
    /// # struct Worker; impl Actor for Worker {}
    /// # struct Job; impl Message for Job { type Reply = (); }
    /// # impl Handler<Job> for Worker { async fn handle(&mut self, _: Job, _: &Context<Self>) {} }
    /// let pool = Pool::builder(|_| Worker).workers(2).start()?;
    /// let jobs: Vec<_> = (0..100).map(|_| pool.request(Job)).collect();
    /// let drained = pool.drain(Duration::from_secs(60));
    /// assert!(pool.send(Job).is_err());
    /// assert_eq!(drained.wait(), ExitReason::Normal);
    /// assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
    /// # Ok::<(), deathwatch::PoolError>(())
    /// ```
    pub fn drain(&self, limit: Duration) -> ExitWait {
        self.handle.core.close();
        self.handle.core.hub.drain(Some(limit));
        self.wait_exit()
    }

    /// Changes how many workers there are, from 1 to 1,024: soon, not at once. Workers that are too many finish what is in their own
    /// queues, or, with a shared queue, what they work on.
    ///
    /// # Errors
    ///
    /// [`PoolError::Size`], and nothing changes.
    pub fn resize(&self, workers: usize) -> Result<(), PoolError> {
        builder::check_size(workers)?;
        self.handle.core.hub.resize(workers);
        Ok(())
    }

    /// What it is doing: numbers that were right at some moment, each by itself.
    pub fn stats(&self) -> PoolStats {
        let (queued, all) = self.handle.core.load();
        let hub = &self.handle.core.hub;
        // ORDERING: Relaxed: statistics.
        PoolStats {
            workers: hub.workers.load(Ordering::Relaxed),
            queued,
            running: all.saturating_sub(queued),
            restarts: hub.restarts.load(Ordering::Relaxed),
            lost: hub.lost.load(Ordering::Relaxed),
            // ORDERING: as above.
            dropped: hub.dropped.load(Ordering::Relaxed),
        }
    }

    /// Who it is, in [`Down`](crate::Down)s for instance.
    pub fn id(&self) -> ActorId {
        self.cell().id
    }

    /// Ends the pool: workers finish the job that they work on, and what is queued is dropped; its askers are told.
    pub fn stop(&self) {
        self.stop_with(ExitReason::Normal);
    }

    /// As [`stop`](Self::stop), with a reason. If that is abnormal, the workers are killed.
    pub fn stop_with(&self, reason: ExitReason) {
        self.handle.core.close();
        self.handle.manager.stop_with(reason);
    }

    /// Kills the pool and its workers.
    pub fn kill(&self) {
        self.handle.core.close();
        self.handle.manager.kill();
    }

    /// Has it not ended yet?
    pub fn is_alive(&self) -> bool {
        self.handle.manager.is_alive()
    }

    /// Why it ended; `None` until then.
    pub fn exit_reason(&self) -> Option<ExitReason> {
        self.handle.manager.exit_reason()
    }

    /// Waits for its end, by `.await` or by [`wait`](ExitWait::wait).
    pub fn wait_exit(&self) -> ExitWait {
        self.handle.manager.wait_exit()
    }

    /// A handle by which it can be monitored, waited for and ended, and which does not keep it running.
    pub fn handle(&self) -> ActorHandle {
        self.handle.manager.handle()
    }
}

fn hash(key: &(impl Hash + ?Sized)) -> Route {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    Route::Hash(hasher.finish())
}

/// A message as a job.
fn told<A: Send + 'static, M: SentTo<A, K>, K: 'static>(message: M) -> Job<A> {
    Job { parcel: Parcel::seal(Told::<M, K>::new(message)).into_parcel(), taker: None, placed: false }
}

impl<A: Send + 'static, Q> Clone for Pool<A, Q> {
    fn clone(&self) -> Self {
        Pool { handle: StdArc::clone(&self.handle), queues: PhantomData }
    }
}

impl<A: Send + 'static, Q> sealed::HasCell for Pool<A, Q> {
    fn cell_for(&self, _: sealed::Token) -> &CellRef {
        self.cell()
    }
}

impl<A: Send + 'static, Q> fmt::Debug for Pool<A, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("id", &self.id()).field("stats", &self.stats()).finish()
    }
}
