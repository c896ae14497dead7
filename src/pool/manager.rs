//! The actor that starts the workers of a pool, monitors them, and replaces those that die. No job passes through it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc as StdArc, OnceLock};
use std::time::{Duration, Instant};

use super::core::Core;
use super::errors::PoolError;
use super::lane::Lane;
use crate::actor::actor_ref::ActorRef;
use crate::actor::context::Context;
use crate::actor::message::Message;
use crate::actor::post;
use crate::actor::stage::Stage;
use crate::cell::Address;
use crate::id::ActorId;
use crate::monitor::Down;
use crate::reason::ExitReason;
use crate::runtime::{StartError, has_ended};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::tasks::{Actor, Handler, Tasks};

/// How the manager is told, and what is counted.
pub struct Hub<A: Send + 'static> {
    manager: OnceLock<Address<Stage<Manager<A>>>>,
    /// How many workers live.
    pub workers: AtomicUsize,
    /// How many were started in place of one that had died.
    pub restarts: AtomicUsize,
    /// How many jobs were worked on by a worker that died of it, or meanwhile.
    pub lost: AtomicUsize,
    /// How many were dropped because a queue was full.
    pub dropped: AtomicUsize,
}

impl<A: Send + 'static> Default for Hub<A> {
    fn default() -> Self {
        Hub {
            manager: OnceLock::new(),
            workers: AtomicUsize::new(0),
            restarts: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
        }
    }
}

impl<A: Send + 'static> Hub<A> {
    /// That is who is told.
    pub fn set(&self, manager: Address<Stage<Manager<A>>>) {
        let _ = self.manager.set(manager); // once
    }

    fn tell<M: Message>(&self, message: M)
    where
        Manager<A>: Handler<M>,
    {
        // When the pool is over there is nobody to be told, and no send of the user's that is refused.
        if let Some(manager) = self.manager.get().filter(|manager| !manager.cell().inbox.is_closed()) {
            let _ = post::send::<_, _, Tasks>(manager, message);
        }
    }

    /// A lane that is closed has become empty.
    pub fn drained(&self) {
        self.tell(Drained);
    }

    /// The pool is to be drained.
    pub fn drain(&self, limit: Option<Duration>) {
        self.tell(Drain(limit));
    }

    /// The pool is to have so many workers.
    pub fn resize(&self, workers: usize) {
        self.tell(Resize(workers));
    }
}

/// Starts and monitors the worker of this place.
pub type Start<A> = Box<dyn FnMut(usize, &Context<Manager<A>>) -> Result<ActorRef<A>, StartError> + Send>;

/// See the module.
pub struct Manager<A: Send + 'static> {
    core: StdArc<Core<A>>,
    start: Start<A>,
    /// How many workers there are to be.
    size: usize,
    /// So many restarts, within so long.
    limit: (usize, Duration),
    recent: VecDeque<Instant>,
    workers: HashMap<ActorId, Worker<A>>,
    draining: bool,
}

struct Worker<A> {
    actor: ActorRef<A>,
    place: usize,
    /// It was told to stop.
    dismissed: bool,
}

impl<A: Send + 'static> Manager<A> {
    /// Of no workers yet.
    pub fn new(core: StdArc<Core<A>>, start: Start<A>, size: usize, limit: (usize, Duration)) -> Self {
        Manager {
            core,
            start,
            size,
            limit,
            recent: VecDeque::new(),
            workers: HashMap::new(),
            draining: false,
        }
    }

    /// Starts a worker.
    fn hire(&mut self, place: usize, ctx: &Context<Self>) {
        match (self.start)(place, ctx) {
            Ok(actor) => {
                Lane::employ(self.core.lane(place), actor.strong());
                self.workers.insert(actor.id(), Worker { actor, place, dismissed: false });
                self.count();
            }
            Err(error) => ctx.stop_with(ExitReason::error(PoolError::Start(error))),
        }
    }

    fn count(&self) {
        // ORDERING: Relaxed: statistics.
        self.core.hub.workers.store(self.workers.len(), Ordering::Relaxed);
    }

    /// Notes one more restart; the error is that there were too many.
    fn note_restart(&mut self, last: ExitReason, now: Instant) -> Result<(), PoolError> {
        let (limit, within) = self.limit;
        while self.recent.front().is_some_and(|&first| now.saturating_duration_since(first) > within) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        if self.recent.len() > limit {
            return Err(PoolError::Restarts { limit, within, last });
        }
        // ORDERING: Relaxed: statistics.
        self.core.hub.restarts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Is a worker in this place wanted: as one of so many, or for what is left in its lane?
    fn is_wanted(&self, place: usize) -> bool {
        let counts = place < self.size;
        let leftovers = (counts || !self.core.is_shared()) && self.core.lane(place).inside() > 0;
        leftovers || (counts && !self.draining)
    }

    /// Dismisses those who are not wanted any more, and ends when all are gone that were to go.
    fn review(&mut self, ctx: &Context<Self>) {
        let unwanted: Vec<ActorId> = self
            .workers
            .iter()
            .filter(|(_, worker)| !worker.dismissed && !self.is_wanted(worker.place))
            .map(|(id, _)| *id)
            .collect();
        for id in unwanted {
            if let Some(worker) = self.workers.get_mut(&id) {
                worker.dismissed = true;
                worker.actor.stop(); // what it works on, it finishes
            }
        }
        if self.draining && self.workers.is_empty() && self.core.is_drained() {
            ctx.stop();
        }
    }
}

impl<A: Send + 'static> Actor for Manager<A> {
    async fn started(&mut self, ctx: &Context<Self>) {
        (0..self.size).for_each(|place| self.hire(place, ctx));
    }

    /// However it ends, the workers end before.
    async fn stopped(&mut self, reason: &ExitReason, _: &Context<Self>) {
        self.core.shut();
        for worker in self.workers.values() {
            if reason.is_abnormal() {
                worker.actor.kill();
            } else {
                worker.actor.stop_with(ExitReason::Shutdown);
            }
        }
        for worker in self.workers.values() {
            worker.actor.wait_exit().await;
        }
        self.workers.clear();
        self.count();
    }
}

impl<A: Send + 'static> Drop for Manager<A> {
    fn drop(&mut self) {
        self.core.shut();
        for worker in self.workers.values() {
            worker.actor.kill(); // the manager was killed
        }
        self.workers.clear();
        self.count();
    }
}

impl<A: Send + 'static> Handler<Down> for Manager<A> {
    async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        let Some(Worker { place, dismissed, .. }) = self.workers.remove(&down.target) else { return };
        self.count();
        if has_ended(ctx.address().cell()) {
            return ctx.stop_with(ExitReason::Shutdown); // the end of the runtime has met the worker first
        }
        Lane::sweep(self.core.lane(place));
        if self.is_wanted(place) {
            if !dismissed {
                if let Err(error) = self.note_restart(down.reason, ctx.now()) {
                    return ctx.stop_with(ExitReason::error(error));
                }
            }
            self.hire(place, ctx);
        }
        self.review(ctx);
    }
}

struct Resize(usize);
impl Message for Resize {
    type Reply = ();
}
impl<A: Send + 'static> Handler<Resize> for Manager<A> {
    async fn handle(&mut self, Resize(size): Resize, ctx: &Context<Self>) {
        if self.draining {
            return;
        }
        self.size = size;
        self.core.set_width(size);
        let taken: Vec<usize> = self.workers.values().map(|worker| worker.place).collect();
        // Whoever is dismissed and not gone yet is replaced when it is.
        (0..size).filter(|place| !taken.contains(place)).for_each(|place| self.hire(place, ctx));
        self.review(ctx);
    }
}

/// To be drained, within that time.
struct Drain(Option<Duration>);
impl Message for Drain {
    type Reply = ();
}
impl<A: Send + 'static> Handler<Drain> for Manager<A> {
    async fn handle(&mut self, Drain(limit): Drain, ctx: &Context<Self>) {
        self.core.close();
        self.draining = true;
        if let Some(limit) = limit {
            ctx.send_after(limit, TimeUp);
        }
        self.review(ctx);
    }
}

struct Drained;
impl Message for Drained {
    type Reply = ();
}
impl<A: Send + 'static> Handler<Drained> for Manager<A> {
    async fn handle(&mut self, _: Drained, ctx: &Context<Self>) {
        self.review(ctx);
    }
}

struct TimeUp;
impl Message for TimeUp {
    type Reply = ();
}
impl<A: Send + 'static> Handler<TimeUp> for Manager<A> {
    async fn handle(&mut self, _: TimeUp, ctx: &Context<Self>) {
        let (_, unhandled) = self.core.load();
        ctx.stop_with(ExitReason::error(PoolError::Drain { unhandled, killed: self.workers.len() }));
    }
}
