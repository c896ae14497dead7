//! A queue of jobs, and the workers that take from it.
//!
//! Each worker has one *token*. It is either a [`Ticket`] in the worker's mailbox, or that ticket being worked on, or a place in
//! the lane's `idle` queue. A ticket that is opened takes the oldest job and does it in the worker's turn, and goes into the
//! mailbox again; if there is no job, the worker is idle. Whoever puts a job in makes a ticket of one idle worker's place. A ticket
//! that is dropped unopened (its worker is dying, or was told to stop) is passed on.
//!
//! Two cases, for a job that comes while a worker goes idle: if the fence in `rouse` is first, the worker sees the job in `rest`; if
//! the one in `rest` is first, whoever brings the job sees the worker. So no job waits while a worker is idle.

use std::num::NonZeroUsize;
use std::sync::Arc as StdArc;

use futures::FutureExt;

use super::gate::Gate;
use super::manager::Hub;
use crate::actor::request::Taker;
use crate::actor::stage::Stage;
use crate::cell::Address;
use crate::guard;
use crate::mailbox::bound::{Admission, Bound, OnFull};
use crate::mailbox::node::Unopened;
use crate::mailbox::parcel::{Letter, Parcel};
use crate::observe::{self, Rejection};
use crate::structs::future::SlotFuture;
use crate::structs::queue::{Queue, Ring};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering, fence};

/// Something for a worker to do.
pub struct Job<A> {
    pub parcel: Parcel<Stage<A>>,
    /// Where an asker looks who took it.
    pub taker: Option<StdArc<Taker>>,
    /// Has it a place of the bound?
    pub placed: bool,
}

enum Jobs<A> {
    Queue(Queue<Job<A>>),
    /// Drops the oldest when it is full.
    Ring(Ring<Job<A>>),
}

/// See the module.
pub struct Lane<A: Send + 'static> {
    /// Inside: the jobs that are queued or worked on, and those who are about to bring one.
    gate: Gate,
    jobs: Jobs<A>,
    bound: Option<Arc<Bound>>,
    idle: Queue<Address<Stage<A>>>,
    /// The pool is over, and its jobs are dropped.
    shut: AtomicBool,
    hub: StdArc<Hub<A>>,
}

/// What a job may do.
#[must_use]
pub enum Admit {
    /// Be [pushed](Lane::push).
    Push {
        /// It has taken a place.
        placed: bool,
    },
    /// Be dropped.
    Drop,
    /// Go back, or wait.
    Full,
    /// Go elsewhere.
    Closed,
}

impl<A: Send + 'static> Lane<A> {
    /// An empty one.
    pub fn new(limit: Option<(NonZeroUsize, OnFull)>, hub: &StdArc<Hub<A>>) -> Self {
        let (jobs, bound) = match limit {
            None => (Jobs::Queue(Queue::new()), None),
            Some((capacity, OnFull::DropOldest)) => (Jobs::Ring(Ring::new(capacity.get())), None),
            Some((capacity, policy)) => {
                (Jobs::Queue(Queue::new()), Some(Arc::new(Bound::new(capacity, policy))))
            }
        };
        Lane {
            gate: Gate::new(),
            jobs,
            bound,
            idle: Queue::new(),
            shut: AtomicBool::new(false),
            hub: StdArc::clone(hub),
        }
    }

    /// The bound for whose places jobs wait, if they do.
    pub fn waiting_room(&self) -> Option<&Arc<Bound>> {
        self.bound.as_ref().filter(|bound| bound.waits())
    }

    /// How many jobs are queued.
    pub fn queued(&self) -> usize {
        match &self.jobs {
            Jobs::Queue(queue) => queue.len(),
            Jobs::Ring(ring) => ring.len(),
        }
    }

    /// How many jobs are queued or worked on.
    pub fn inside(&self) -> usize {
        self.gate.inside()
    }

    /// May a job come in?
    pub fn admit(&self) -> Admit {
        if !self.enter() {
            return Admit::Closed;
        }
        let admit = match self.bound.as_ref().map(|bound| bound.admit()) {
            None => return Admit::Push { placed: false },
            Some(Admission::Push) => return Admit::Push { placed: true },
            Some(Admission::Drop) => Admit::Drop,
            Some(Admission::Full | Admission::Displace) => Admit::Full,
        };
        self.leave();
        admit
    }

    /// Comes in without asking for a place; false when it is closed.
    pub fn enter(&self) -> bool {
        self.gate.enter() || {
            self.leave();
            false
        }
    }

    /// One job is done, or was dropped, or did not come.
    fn leave(&self) {
        if self.gate.leave() {
            self.hub.drained();
        }
    }

    /// Puts a job in that was admitted, or has [come in](Self::enter).
    pub fn push(this: &Arc<Self>, job: Job<A>) {
        match &this.jobs {
            Jobs::Queue(queue) => queue.push(job),
            Jobs::Ring(ring) => {
                if let Some(oldest) = ring.force_push(job) {
                    observe::rejected(Rejection::Displaced);
                    oldest.parcel.discard(Unopened::Displaced);
                    // ORDERING: Relaxed: statistics.
                    this.hub.dropped.fetch_add(1, Ordering::Relaxed);
                    this.leave();
                }
            }
        }
        Self::rouse(this);
        // ORDERING: Relaxed: ordered by the fence in `rouse`, which pairs with the one in `shut`: we see that it is shut, or it
        // sees our job.
        if this.shut.load(Ordering::Relaxed) {
            this.drop_jobs();
        }
    }

    /// The oldest job; its place is free then.
    fn pop(&self) -> Option<Job<A>> {
        let job = match &self.jobs {
            Jobs::Queue(queue) => queue.pop(),
            Jobs::Ring(ring) => ring.pop(),
        }?;
        if let (true, Some(bound)) = (job.placed, &self.bound) {
            bound.free_place();
        }
        Some(job)
    }

    /// A new worker gets its token.
    pub fn employ(this: &Arc<Self>, worker: &Address<Stage<A>>) {
        // Refused, it is dead, and the ticket is passed on.
        let _ = worker.push(Parcel::seal(Ticket(Some(Arc::clone(this)))));
    }

    /// A worker finds nothing to do.
    fn rest(this: &Arc<Self>, worker: Address<Stage<A>>) {
        this.idle.push(worker);
        // ORDERING: SeqCst: see the module.
        fence(Ordering::SeqCst);
        if this.queued() > 0 {
            Self::rouse(this);
        }
    }

    /// Gives one idle worker a ticket.
    fn rouse(this: &Arc<Self>) {
        // ORDERING: SeqCst: see the module.
        fence(Ordering::SeqCst);
        while let Some(worker) = this.idle.pop() {
            match worker.push(Parcel::seal(Ticket(Some(Arc::clone(this))))) {
                Ok(()) => return,
                Err(dead) => dead.into_letter().0 = None, // its place was all that was left of it
            }
        }
    }

    /// Forgets the idle who are dead.
    pub fn sweep(this: &Arc<Self>) {
        for _ in 0..this.idle.len() {
            let Some(worker) = this.idle.pop() else { break };
            if worker.cell().reason().is_none() {
                this.idle.push(worker);
            }
        }
        // Whoever brought a job while a worker was in our hand did not see it.
        // ORDERING: SeqCst: as in `rest`.
        fence(Ordering::SeqCst);
        if this.queued() > 0 {
            Self::rouse(this);
        }
    }

    /// Takes no more jobs.
    pub fn close(&self) {
        self.gate.close();
    }

    /// Takes jobs again.
    pub fn reopen(&self) {
        self.gate.reopen();
    }

    /// Who waits for a place waits no longer.
    pub fn close_bound(&self) {
        if let Some(bound) = &self.bound {
            bound.close();
        }
    }

    /// Is it closed, and all that was in it done?
    pub fn is_drained(&self) -> bool {
        self.gate.is_deserted()
    }

    /// The pool is over: drops all jobs, also those that come later. How many they were.
    pub fn shut(&self) -> usize {
        self.gate.close();
        self.close_bound();
        // ORDERING: Relaxed: ordered by the fence, which pairs with the one in `push`.
        self.shut.store(true, Ordering::Relaxed);
        // ORDERING: SeqCst: as above.
        fence(Ordering::SeqCst);
        while let Some(worker) = self.idle.pop() {
            drop(worker);
        }
        self.drop_jobs()
    }

    fn drop_jobs(&self) -> usize {
        let mut dropped = 0;
        while let Some(job) = self.pop() {
            job.parcel.discard(Unopened::Dying);
            self.leave();
            dropped += 1;
        }
        dropped
    }
}

/// Has its worker do the oldest job of the lane.
struct Ticket<A: Send + 'static>(Option<Arc<Lane<A>>>);

impl<A: Send + 'static> Letter<Stage<A>> for Ticket<A> {
    const COUNTED: bool = false;

    fn open<'a>(mut self, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        let Some(lane) = self.0.take() else { return SlotFuture::ready() };
        let worker = stage.ctx.address().clone();
        let Some(Job { parcel, taker, .. }) = lane.pop() else {
            Lane::rest(&lane, worker);
            return SlotFuture::ready();
        };
        if let Some(taker) = taker {
            let _ = taker.set(worker.cell().clone()); // nobody else takes it
        }
        let mut work = Some(Work { lane, worker, done: false });
        let opened = guard::or_clean(|| parcel.open(stage), || drop(work.take()));
        let Some(work) = work else { return opened };
        if opened.is_ready() {
            work.finish();
            return opened;
        }
        SlotFuture::begun(opened.map(move |()| work.finish()))
    }
}

impl<A: Send + 'static> Drop for Ticket<A> {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            if lane.queued() > 0 {
                Lane::rouse(&lane);
            }
        }
    }
}

/// A job that is worked on.
struct Work<A: Send + 'static> {
    lane: Arc<Lane<A>>,
    worker: Address<Stage<A>>,
    done: bool,
}

impl<A: Send + 'static> Work<A> {
    fn finish(mut self) {
        self.done = true;
    }
}

impl<A: Send + 'static> Drop for Work<A> {
    /// It is done, or its worker is dying.
    fn drop(&mut self) {
        if !self.done {
            // ORDERING: Relaxed: statistics.
            self.lane.hub.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.lane.leave();
        Lane::employ(&self.lane, &self.worker);
    }
}
