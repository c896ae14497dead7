//! What the actors of a runtime share, and its end.

use std::any::Any;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc as StdArc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use super::ShutdownError;
use super::deaths::Deaths;
use super::names::Names;
use crate::actor::blocking;
use crate::actor::nobody::NoLife;
use crate::cell::body::observer;
use crate::cell::{CellRef, Erased, Runnable};
use crate::clock::Clock;
use crate::mailbox::node::Chain;
use crate::monitor::entry::{Firing, let_go};
use crate::observe;
use crate::reason::ExitReason;
use crate::reclaim;
use crate::scheduler::elastic::Elastic;
use crate::scheduler::guest::{Guests, Seat};
use crate::scheduler::{Around, Scheduler};
use crate::structs::queue::Queue;
use crate::structs::waker::AtomicWaker;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What the actors of a runtime share.
pub struct Shared {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) elastic: Arc<Elastic>,
    /// In place of the scheduler, somebody else's executor.
    pub(super) guests: Option<Guests>,
    pub(super) clock: StdArc<Clock>,
    pub(super) name: String,
    pub(super) stack_size: Option<usize>,
    /// Around the life of each thread.
    pub(super) around: Around,
    /// How long a handler may block a worker before that is reported, in debug builds.
    slow: Duration,
    /// Which types of actors have been reported.
    reported: Mutex<BTreeSet<&'static str>>,
    pub(super) names: Names,
    /// The last of them, if they are to be kept.
    pub(super) deaths: Option<Deaths>,
    /// Its death is the runtime's: every actor is tied to it.
    pub(super) root: CellRef,
    /// Does the end begin with a stop, or with a kill?
    in_order: AtomicBool,
    /// Whom the end of the runtime has met.
    condemned: Queue<CellRef>,
    live: AtomicUsize,
    /// How many of the live are no actors of the user's, but feed one with a stream.
    feeders: AtomicUsize,
    /// Threads that belong to one actor and have not ended.
    own_threads: AtomicUsize,
    all_gone: AtomicWaker,
    /// The end is over, but for actors that are stuck.
    ended: AtomicBool,
}

/// How long the end of a runtime waits for killed actors whose handlers do not return.
const PATIENCE: Duration = Duration::from_secs(5);

impl Shared {
    pub(super) fn new(
        (scheduler, guests): (Arc<Scheduler>, Option<Guests>),
        clock: StdArc<Clock>,
        name: String,
        (stack_size, around): (Option<usize>, Around),
        slow: Duration,
        names: Names,
        deaths: Option<Deaths>,
    ) -> StdArc<Self> {
        let shared = StdArc::new_cyclic(|weak: &Weak<Shared>| Shared {
            elastic: {
                let weak = weak.clone();
                let enter = Box::new(move || super::start::enter(weak.clone()));
                Elastic::new(format!("{name}-blocking"), stack_size, enter, around.clone())
            },
            clock,
            root: observer::<Erased, _>(NoLife::default()).cell().clone(),
            in_order: AtomicBool::new(false),
            condemned: Queue::new(),
            live: AtomicUsize::new(0),
            feeders: AtomicUsize::new(0),
            own_threads: AtomicUsize::new(0),
            all_gone: AtomicWaker::new(),
            ended: AtomicBool::new(false),
            reported: Mutex::default(),
            names,
            deaths,
            scheduler,
            guests,
            name,
            stack_size,
            around,
            slow,
        });
        let owner: StdArc<dyn Any + Send + Sync> = shared.clone();
        shared.scheduler.set_owner(StdArc::downgrade(&owner));
        shared
    }

    /// A seat for an actor, where actors have one.
    pub(super) fn seat(&self) -> Option<Arc<Seat>> {
        self.guests.as_ref().map(|_| Seat::new())
    }

    /// Gives the executor what is laid in a seat.
    pub(super) fn invite(self: &StdArc<Self>, seat: Option<Arc<Seat>>, cell: CellRef) {
        if let (Some(guests), Some(seat)) = (&self.guests, seat) {
            let shared = StdArc::downgrade(self);
            guests.invite(seat, cell, move |runnable: Runnable| {
                super::start::inside(&shared, || {
                    if let Some(more) = runnable.run() {
                        more.submit();
                    }
                });
            });
        }
    }

    /// One more actor.
    pub(super) fn one_more(&self) {
        // ORDERING: Relaxed: raised before the actor can be met by the end of the runtime, which waits for zero.
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    /// One more thread that belongs to an actor; counted until what comes back is dropped.
    pub(super) fn one_thread(self: &StdArc<Self>) -> CountedThread {
        // ORDERING: Relaxed: as for actors.
        self.own_threads.fetch_add(1, Ordering::Relaxed);
        CountedThread(StdArc::clone(self))
    }

    /// A handler has kept its worker for so long.
    pub(super) fn note_run(&self, actor: &'static str, took: Duration) {
        if took < self.slow {
            return;
        }
        observe::slow(actor, took);
        if !cfg!(debug_assertions) {
            return;
        }
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.insert(actor) {
            // Not by `eprintln`, which panics when nobody reads it.
            let _ = writeln!(
                std::io::stderr(),
                "deathwatch: a handler of {actor} has kept a worker for {took:?} without yielding; \
                 Backend::Blocking is for that (reported once, in debug builds only)"
            );
        }
    }

    pub(super) fn live(&self) -> usize {
        // ORDERING: Acquire pairs with the Release in `one_gone`: zero means that all is over.
        self.live.load(Ordering::Acquire)
    }

    /// One more that feeds an actor.
    pub(super) fn one_more_feeder(&self) {
        // ORDERING: Relaxed: a count for information.
        self.feeders.fetch_add(1, Ordering::Relaxed);
        self.one_more();
    }

    /// How many actors of the user's there are.
    pub(super) fn live_actors(&self) -> usize {
        // ORDERING: Relaxed: as above. Read first: a feeder that ends in between is counted as an actor rather than one too
        // many taken off.
        let feeders = self.feeders.load(Ordering::Relaxed);
        self.live().saturating_sub(feeders)
    }

    pub(super) fn one_feeder_gone(&self) {
        // ORDERING: Relaxed: as above.
        self.feeders.fetch_sub(1, Ordering::Relaxed);
        self.one_gone();
    }

    pub(super) fn one_gone(&self) {
        // ORDERING: SeqCst: AcqRel for `live`, so that what every actor did is before the waking; and see `end`.
        if self.live.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.all_gone.wake();
            // ORDERING: see `end`.
            if self.ended.load(Ordering::SeqCst) {
                self.clock.stop_soon();
            }
        }
    }

    /// Is neither an actor left nor a thread of one?
    fn is_quiet(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in the drop of `CountedThread`.
        self.live() == 0 && self.own_threads.load(Ordering::Acquire) == 0
    }

    /// Waits until no actor is left; false when the time is over first.
    fn wait_gone(&self, limit: Duration) -> bool {
        let gone = std::future::poll_fn(|cx| {
            self.all_gone.register(cx.waker());
            if self.is_quiet() { Poll::Ready(()) } else { Poll::Pending }
        });
        blocking::block_anywhere(gone, limit).is_some()
    }

    /// An actor that the end of the runtime has met.
    pub(super) fn condemn(&self, actor: CellRef) {
        // ORDERING: Relaxed: written before the root's list was closed, which is what brought us here.
        if self.in_order.load(Ordering::Relaxed) {
            actor.stop(ExitReason::Shutdown);
        } else {
            actor.kill();
        }
        self.condemned.push(actor);
    }

    /// Ends the runtime: in order within the limit, or at once. Later calls find nothing left to do.
    pub(super) fn end(&self, limit: Option<Duration>) -> Result<(), ShutdownError> {
        // ORDERING: Relaxed: see `condemn`.
        self.in_order.store(limit.is_some(), Ordering::Relaxed);
        if self.root.reason.set(ExitReason::Shutdown).is_err() {
            return Ok(());
        }
        let (mut firing, mut waits) = (Firing::default(), Chain::new());
        while !firing.step(&self.root, usize::MAX, &mut waits) {}
        let_go(&mut waits);
        // A worker that waited for the actors of its own runtime would wait for itself.
        let inside = super::start::is_inside(self);
        let stopped = self.is_quiet() || (!inside && limit.is_some_and(|limit| self.wait_gone(limit)));
        let mut error = ShutdownError { killed: 0, stuck: 0 };
        if !stopped {
            error.killed = self.live();
            // All are killed, and so wait to be run, before the first is ended on the spot: otherwise one death could end the next
            // within itself, and so on.
            let condemned: Vec<_> = std::iter::from_fn(|| self.condemned.pop()).collect();
            condemned.iter().for_each(CellRef::kill);
            if let Some(guests) = &self.guests {
                guests.close();
            }
            condemned.iter().for_each(CellRef::end_if_queued);
            drop(condemned);
            if !inside && !self.wait_gone(PATIENCE) {
                // Those behind the ones that do not return are ended here; only these themselves are left.
                self.scheduler.stop();
                self.elastic.stop(Duration::ZERO);
                self.scheduler.abandon();
                error.stuck = self.live();
            }
        }
        let patience = if error.stuck > 0 || inside { Duration::ZERO } else { PATIENCE };
        self.scheduler.stop();
        if !inside {
            self.scheduler.join(Some(patience));
        }
        self.elastic.stop(patience);
        // As long as somebody is stuck, requests to it have their time limits.
        // ORDERING: SeqCst, here and in `one_gone`: of the two, whoever is later sees the other's.
        self.ended.store(true, Ordering::SeqCst);
        if self.live.load(Ordering::SeqCst) == 0 {
            self.clock.stop();
        }
        while self.condemned.pop().is_some() {}
        if let Some(guests) = &self.guests {
            guests.forget();
        }
        reclaim::flush();
        if limit.is_none() || error.killed == 0 { Ok(()) } else { Err(error) }
    }
}

/// A thread that belongs to an actor of this runtime.
pub struct CountedThread(StdArc<Shared>);

impl CountedThread {
    /// The runtime.
    pub(super) fn shared(&self) -> &StdArc<Shared> {
        &self.0
    }
}

impl Drop for CountedThread {
    fn drop(&mut self) {
        // ORDERING: AcqRel: all that the thread did is before the waking.
        self.0.own_threads.fetch_sub(1, Ordering::AcqRel);
        self.0.all_gone.wake();
    }
}
