//! How a pool is made.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc as StdArc;
use std::time::Duration;

use super::core::{Core, MOST_WORKERS};
use super::errors::PoolError;
use super::manager::{Manager, Start};
use super::{Handle, OwnQueues, Pool, SharedQueue};
use crate::actor::context::Context;
use crate::runtime::{Mailbox, Options, Starts, start_then};
use crate::tasks::Tasks;

/// Chooses how a [`Pool`] is made. Made by [`Pool::builder`].
#[must_use]
pub struct PoolBuilder<A: Send + 'static, Q> {
    hire: Hire<A>,
    workers: usize,
    name: Option<String>,
    queue: Mailbox,
    options: Options,
    restarts: (usize, Duration),
    queues: PhantomData<fn(Q)>,
}

type Hire<A> = Box<dyn FnOnce(Options) -> Start<A> + Send>;

/// Can a pool have so many workers?
pub fn check_size(workers: usize) -> Result<(), PoolError> {
    if (1..=MOST_WORKERS).contains(&workers) { Ok(()) } else { Err(PoolError::Size(workers)) }
}

impl<A: Send + 'static> PoolBuilder<A, OwnQueues> {
    pub(super) fn new<F, K>(mut factory: F) -> Self
    where
        F: FnMut(usize) -> A + Send + 'static,
        A: Starts<K>,
        K: 'static,
    {
        let hire = move |options: Options| -> Start<A> {
            Box::new(move |place, manager: &Context<Manager<A>>| {
                let worker = factory(place);
                let started = manager.spawn_monitored_with::<A, K, Tasks>(worker, options.clone());
                started.map(|(worker, _monitor)| worker)
            })
        };
        PoolBuilder {
            hire: Box::new(hire),
            workers: 4,
            name: None,
            queue: Mailbox::unbounded(),
            options: Options::new(),
            restarts: (10, Duration::from_secs(10)),
            queues: PhantomData,
        }
    }

    /// Has all workers take from one queue: each job goes to whoever is idle first.
    ///
    /// ```
    /// use deathwatch::{Pool, SharedQueue, prelude::*};
    /// # struct Worker; impl Actor for Worker {}
    /// let pool: Pool<Worker, SharedQueue> = Pool::builder(|_| Worker).shared_queue().start()?;
    /// # Ok::<(), deathwatch::PoolError>(())
    /// ```
    ///
    /// Such a pool has no worker of a key:
    ///
    /// ```compile_fail,E0599
    /// use deathwatch::{Pool, prelude::*};
    /// # struct Worker; impl Actor for Worker {}
    /// # struct Job; impl Message for Job { type Reply = (); }
    /// # impl Handler<Job> for Worker { async fn handle(&mut self, _: Job, _: &Context<Self>) {} }
    /// let pool = Pool::builder(|_| Worker).shared_queue().start().unwrap();
    /// pool.send_by("alice", Job).ok();
    /// ```
    pub fn shared_queue(self) -> PoolBuilder<A, SharedQueue> {
        let PoolBuilder { hire, workers, name, queue, options, restarts, .. } = self;
        PoolBuilder { hire, workers, name, queue, options, restarts, queues: PhantomData }
    }
}

impl<A: Send + 'static, Q> PoolBuilder<A, Q> {
    /// How many workers, from 1 to 1,024; 4 unless this says otherwise.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// What the pool is called, in [`Down`](crate::Down)s and logs.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many jobs a queue takes, and what it does with more: each worker's own, or the shared one. Unbounded unless this says
    /// otherwise. What workers work on does not count.
    pub fn queue(mut self, queue: Mailbox) -> Self {
        self.queue = queue;
        self
    }

    /// How workers are started: their runtime, which is also the pool's, their backend, their label. (A name under which they are
    /// registered is for a pool of one.)
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// How many workers may be replaced within a period, whatever they died of; if one more dies, the pool ends with
    /// [`PoolError::Restarts`]. 10 within 10 seconds unless this says otherwise. The period goes by the runtime's clock.
    pub fn restarts(mut self, limit: usize, within: Duration) -> Self {
        self.restarts = (limit, within);
        self
    }

    /// Makes the pool. Its workers start at once; one that cannot be started ends the pool with [`PoolError::Start`].
    ///
    /// # Errors
    ///
    /// [`PoolError::Size`]; [`PoolError::Start`] when the runtime has been shut down or cannot be started, or when there are no
    /// such queues.
    pub fn start(self) -> Result<Pool<A, Q>, PoolError>
    where
        Q: Queues,
    {
        check_size(self.workers)?;
        let core = StdArc::new(Core::new(Q::SHARED, self.queue.checked()?));
        core.set_width(self.workers);
        let mut place = self.options.only_runtime();
        if let Some(name) = self.name {
            place = place.name(name);
        }
        let start = (self.hire)(self.options);
        let manager = Manager::new(StdArc::clone(&core), start, self.workers, self.restarts);
        let (manager, ()) =
            start_then::<_, Tasks, _>(manager, place, |manager| core.hub.set((**manager.strong()).clone()))?;
        manager.clone().detach(); // the last handle has it drain, and only then stop
        Ok(Pool { handle: StdArc::new(Handle { core, manager }), queues: PhantomData })
    }
}

impl<A: Send + 'static, Q> fmt::Debug for PoolBuilder<A, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("workers", &self.workers)
            .field("queue", &self.queue)
            .field("restarts", &self.restarts)
            .finish_non_exhaustive()
    }
}

use private::Queues;

mod private {
    use crate::pool::{OwnQueues, SharedQueue};

    /// Has a pool one queue, or one for each worker?
    pub trait Queues {
        const SHARED: bool;
    }

    impl Queues for OwnQueues {
        const SHARED: bool = false;
    }

    impl Queues for SharedQueue {
        const SHARED: bool = true;
    }
}
