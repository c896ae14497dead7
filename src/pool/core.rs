//! What all handles to a pool share: its lanes, and which of them a job goes into.

use std::num::NonZeroUsize;
use std::sync::{Arc as StdArc, OnceLock};

use super::lane::{Admit, Job, Lane};
use super::manager::Hub;
use crate::actor::request::InLine;
use crate::mailbox::bound::OnFull;
use crate::mailbox::node::Unopened;
use crate::observe::{self, Rejection};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The most workers that a pool can have.
pub const MOST_WORKERS: usize = 1024;

/// Shared by the handles, the manager, and who waits for room.
pub struct Core<A: Send + 'static> {
    /// One for each worker, made when it is first needed; or one for all.
    lanes: Box<[OnceLock<Arc<Lane<A>>>]>,
    /// Into how many of them jobs go.
    width: AtomicUsize,
    /// Whose turn it is.
    turn: AtomicUsize,
    /// No more jobs are taken.
    closed: AtomicBool,
    limit: Option<(NonZeroUsize, OnFull)>,
    pub hub: StdArc<Hub<A>>,
}

/// Which lane a job goes into.
#[derive(Clone, Copy)]
pub enum Route {
    /// The next one in turn that has room.
    Turn,
    /// The one of this hash.
    Hash(u64),
}

/// What became of a job that was offered.
#[must_use]
pub enum Offer<A: Send + 'static, T> {
    Taken,
    /// The newest is dropped, and this is it.
    Dropped(T),
    /// There is no room in that lane.
    Full(T, Arc<Lane<A>>),
    /// The pool takes no more.
    Closed(T),
}

impl<A: Send + 'static> Core<A> {
    /// Without a lane that is open.
    pub fn new(shared: bool, limit: Option<(NonZeroUsize, OnFull)>) -> Self {
        let lanes = if shared { 1 } else { MOST_WORKERS };
        Core {
            lanes: (0..lanes).map(|_| OnceLock::new()).collect(),
            width: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            limit,
            hub: StdArc::default(),
        }
    }

    /// Do all workers take from one lane?
    pub fn is_shared(&self) -> bool {
        self.lanes.len() == 1
    }

    /// The lane of a worker.
    pub fn lane(&self, worker: usize) -> &Arc<Lane<A>> {
        let lane = self.lanes.get(worker).unwrap_or(&self.lanes[0]);
        lane.get_or_init(|| Arc::new(Lane::new(self.limit, &self.hub)))
    }

    /// All lanes that were ever used.
    pub fn used(&self) -> impl Iterator<Item = &Arc<Lane<A>>> {
        self.lanes.iter().filter_map(OnceLock::get)
    }

    /// Has jobs go to so many workers.
    pub fn set_width(&self, workers: usize) {
        let width = if self.is_shared() { 1 } else { workers };
        // ORDERING: SeqCst: a lane is open before it counts, and closes when it does not any more; who meets a closed one looks
        // again. Rare, so the simplest.
        let before = self.width.load(Ordering::SeqCst);
        (before..width).for_each(|worker| self.lane(worker).reopen());
        // ORDERING: as above.
        self.width.store(width, Ordering::SeqCst);
        (width..before).for_each(|worker| self.lane(worker).close());
    }

    /// Takes no more jobs?
    pub fn is_closed(&self) -> bool {
        // ORDERING: Relaxed: what decides is the gate of the lane; who meets a closed one looks here again.
        self.closed.load(Ordering::Relaxed)
    }

    /// Takes no more jobs; those that are queued stay.
    pub fn close(&self) {
        // ORDERING: Relaxed: as in `is_closed`.
        self.closed.store(true, Ordering::Relaxed);
        for lane in self.used() {
            lane.close();
            lane.close_bound();
        }
    }

    /// Is it closed, and everything done?
    pub fn is_drained(&self) -> bool {
        self.is_closed() && self.used().all(|lane| lane.is_drained())
    }

    /// How many jobs are queued, and how many are queued or worked on.
    pub fn load(&self) -> (usize, usize) {
        self.used().fold((0, 0), |(queued, all), lane| (queued + lane.queued(), all + lane.inside()))
    }

    /// Drops what is queued, and whatever comes.
    pub fn shut(&self) {
        self.close();
        for lane in self.used() {
            lane.shut();
        }
    }

    fn pick(&self, route: Route) -> &Arc<Lane<A>> {
        // ORDERING: Acquire pairs with the store in `set_width`: the lane is open.
        let width = self.width.load(Ordering::Acquire).max(1);
        let index = match route {
            _ if width == 1 => 0,
            // ORDERING: Relaxed: a count.
            Route::Turn => self.turn.fetch_add(1, Ordering::Relaxed) % width,
            Route::Hash(hash) => draw(hash, width),
        };
        self.lane(index)
    }

    /// Offers a job, of which `seal` makes one when it is taken.
    pub fn offer<T>(&self, route: Route, item: T, seal: impl FnOnce(T) -> Job<A>) -> Offer<A, T> {
        let mut full = 0;
        loop {
            if self.is_closed() {
                observe::rejected(Rejection::Closed);
                return Offer::Closed(item);
            }
            let lane = self.pick(route);
            match lane.admit() {
                Admit::Push { placed } => {
                    Lane::push(lane, Job { placed, ..seal(item) });
                    return Offer::Taken;
                }
                Admit::Drop => {
                    // ORDERING: Relaxed: statistics.
                    self.hub.dropped.fetch_add(1, Ordering::Relaxed);
                    observe::rejected(Rejection::Full);
                    return Offer::Dropped(item);
                }
                Admit::Closed => continue,
                Admit::Full => {
                    full += 1;
                    // ORDERING: Relaxed: how often to try.
                    if matches!(route, Route::Hash(_)) || full >= self.width.load(Ordering::Relaxed) {
                        return Offer::Full(item, Arc::clone(lane));
                    }
                }
            }
        }
    }

    /// Brings a job that was granted a place in a lane; if that is closed meanwhile, it goes elsewhere, whether there is room or
    /// not.
    pub fn bring(&self, route: Route, lane: &Arc<Lane<A>>, granted: bool, mut job: Job<A>) {
        if granted {
            if lane.enter() {
                job.placed = true;
                return Lane::push(lane, job);
            }
            if let Some(bound) = lane.waiting_room() {
                bound.free_place();
            }
        }
        while !self.is_closed() {
            let lane = self.pick(route);
            if lane.enter() {
                return Lane::push(lane, job);
            }
        }
        job.parcel.discard(Unopened::Dying);
    }
}

/// A question that waits for a place in a lane.
pub struct Waiting<A: Send + 'static> {
    pub core: StdArc<Core<A>>,
    pub route: Route,
    pub lane: Arc<Lane<A>>,
    pub job: Job<A>,
}

impl<A: Send + 'static> InLine for Waiting<A> {
    fn proceed(self: Box<Self>, granted: bool) {
        let Waiting { core, route, lane, job } = *self;
        core.bring(route, &lane, granted, job);
    }
}

/// Which of so many lanes a hash belongs to: the one that draws the highest lot for it (rendezvous hashing). When one more comes,
/// each of them gives it an equal share of what it had, and nothing else moves.
fn draw(hash: u64, width: usize) -> usize {
    (0..width).max_by_key(|&lane| mix(hash ^ mix(lane as u64 + 1))).unwrap_or(0)
}

/// Spreads the bits of a number over all of it.
fn mix(mut bits: u64) -> u64 {
    for odd in [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F] {
        bits = bits.wrapping_mul(odd);
        bits ^= bits >> 32;
    }
    bits
}

#[cfg(all(test, not(dw_loom)))]
mod tests {
    use super::draw;

    /// A lane more takes its share from all others, and nothing moves between those.
    #[test]
    fn hashes_stay_where_they_are() {
        let hash = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31);
        for width in 1..40 {
            let moved: Vec<_> =
                (0..10_000).filter(|&n| draw(hash(n), width) != draw(hash(n), width + 1)).collect();
            assert!(moved.iter().all(|&n| draw(hash(n), width + 1) == width));
            let share = 10_000 / (width + 1);
            assert!((share / 2..share * 2).contains(&moved.len()), "{} of 10,000 at {width}", moved.len());
        }
    }
}
