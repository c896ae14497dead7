//! What each actor has done, and whom it waits for: for snapshots.

use std::cell::RefCell;
use std::future::Future;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Spelled;
use crate::clock::real_now;
use crate::id::ActorId;
use crate::structs::label::Label;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::per_thread;

/// The record of one cell; shared, so that requests on their way can write in it.
#[derive(Clone)]
pub struct Record(Arc<Page>);

/// So many requests that one actor waits for at a time are seen.
const WAITS: usize = 4;

struct Page {
    born: Instant,
    /// Its start hook is over.
    started: AtomicBool,
    /// Raised before a push and lowered after a pop: never below what there is.
    depth: AtomicUsize,
    /// Written by the actor's own runs.
    handled: AtomicU64,
    /// What it handles, or has handled last.
    last: Label<Spelled>,
    /// Whom it waits for; 0: a free place.
    waits: [AtomicU64; WAITS],
}

per_thread! {
    /// Who runs on this thread.
    static CURRENT: RefCell<Option<Record>> = const { RefCell::new(None) };
}

impl Record {
    pub fn new() -> Self {
        Record(Arc::new(Page {
            born: real_now(),
            started: AtomicBool::new(false),
            depth: AtomicUsize::new(0),
            handled: AtomicU64::new(0),
            last: Label::new(),
            waits: [const { AtomicU64::new(0) }; WAITS],
        }))
    }

    pub fn coming(&self, counted: bool) {
        // ORDERING: Relaxed, here and in all that follows: numbers for information, on whose strength nobody does anything.
        self.0.depth.fetch_add(usize::from(counted), Ordering::Relaxed);
    }

    pub fn taken(&self, counted: bool) {
        // ORDERING: as above.
        self.0.depth.fetch_sub(usize::from(counted), Ordering::Relaxed);
    }

    pub fn enter(&self) -> impl Sized + use<> {
        let before = CURRENT.try_with(|current| current.replace(Some(self.clone()))).ok();
        Entered(before)
    }

    pub fn starting(&self) -> Part {
        Part { record: self.clone(), starts: true }
    }

    pub fn handling(&self, what: &'static Spelled) -> Part {
        self.0.last.set(what);
        Part { record: self.clone(), starts: false }
    }

    pub fn look(&self) -> Option<Look> {
        let page = &*self.0;
        // ORDERING: as above, all of them.
        let waits = page.waits.iter().map(|wait| wait.load(Ordering::Relaxed));
        Some(Look {
            uptime: real_now().saturating_duration_since(page.born),
            started: page.started.load(Ordering::Relaxed),
            depth: page.depth.load(Ordering::Relaxed),
            handled: page.handled.load(Ordering::Relaxed),
            last: page.last.get().map(|spelled| spelled()),
            waits_for: waits.filter_map(NonZeroU64::new).map(ActorId::of).collect(),
        })
    }
}

/// What is known of an actor.
pub struct Look {
    /// Since it was made.
    pub uptime: Duration,
    /// Its start hook is over.
    pub started: bool,
    /// How many messages there are in its mailbox, or on the way.
    pub depth: usize,
    /// How many it has handled.
    pub handled: u64,
    /// The type of the last one.
    pub last: Option<&'static str>,
    /// Whose replies it waits for.
    pub waits_for: Vec<ActorId>,
}

/// Who ran on this thread before; nobody knows late in the life of a thread.
struct Entered(Option<Option<Record>>);

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            let _ = CURRENT.try_with(|current| current.replace(before));
        }
    }
}

/// A call that is about to be made.
pub struct Part {
    record: Record,
    starts: bool,
}

impl Part {
    pub fn of<F: Future>(self, call: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        super::during(self, call)
    }
}

impl Drop for Part {
    /// However it ended.
    fn drop(&mut self) {
        let page = &*self.record.0;
        // ORDERING: as above; only the actor's own runs write these.
        if self.starts {
            page.started.store(true, Ordering::Relaxed);
        } else {
            page.handled.store(page.handled.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }
}

/// Counts.
#[derive(Default)]
pub struct Count(usize);

impl Count {
    pub fn one(&mut self, is_monitor: impl FnOnce() -> bool) {
        self.0 += usize::from(is_monitor());
    }

    pub fn get(&self) -> Option<usize> {
        Some(self.0)
    }
}

/// A request that an actor waits for, or nobody does. Dropped, nobody does.
pub struct Waiting(Option<(Record, usize)>);

impl Waiting {
    pub fn nobody() -> Self {
        Waiting(None)
    }

    /// Who runs on this thread waits for that one, unless somebody does already.
    pub fn begin(&mut self, target: impl FnOnce() -> ActorId) {
        if self.0.is_some() {
            return;
        }
        let Some(asker) = CURRENT.try_with(|current| current.borrow().clone()).ok().flatten() else { return };
        let target = target().get();
        // ORDERING: as above; a place is decided by the exchange alone.
        let free = asker.0.waits.iter().position(|place| {
            place.compare_exchange(0, target, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        });
        self.0 = free.map(|place| (asker, place));
    }

    /// Nobody waits any more.
    pub fn end(&mut self) {
        if let Some((asker, place)) = self.0.take() {
            // ORDERING: as above.
            asker.0.waits[place].store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.end();
    }
}
