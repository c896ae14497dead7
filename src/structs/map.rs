//! A concurrent map of intrusive entries: a split-ordered list (Shalev and Shavit) over a Harris-Michael list.
//!
//! All entries stand in one list, sorted by a 63-bit *order*; a *bucket* is a sentinel in that list, a place to start
//! from. Growing means to use more buckets: nothing is moved, nobody waits, and a bucket that is not ready yet is
//! replaced by its parent, which only means a longer walk.
//!
//! The map owns no entry and frees none. Who [`remove`](Map::remove)s an entry owns the map's claim on it, and the
//! walk of somebody else may still be on it: it must be reclaimed through an epoch. Therefore every operation takes
//! the caller's [`Guard`].
//!
//! # Rules
//!
//! 1. A link that carries [`MARK`] is frozen: its owner is removed, or the whole map is closed. Nothing is ever linked
//!    behind a frozen link.
//! 2. Whoever sets the mark of an entry has removed it; this happens at most once per entry. Sentinels are marked
//!    by [`close`](Map::close) only.
//! 3. `remove` and `close` return when no walk that begins later can reach the entry (see rule 5), so that reclaiming
//!    it through the epoch is enough.
//! 4. A sentinel whose link is null or carries [`UNLINKED`] is not in the list yet; it must not be used as a start.
//!    Met on a walk, however, it is in the list.
//! 5. The root is frozen first, and every walk looks at the root first. So a walk that begins after an entry was handed
//!    out of a closing map (where it stays linked behind frozen links) does not begin at all. The sentinel that a walk
//!    starts from is not enough to look at: a remover may have met a frozen root, and left its entry linked, while the
//!    links from another sentinel to that entry are not frozen yet.
//! 6. `count` is raised before an entry goes in and lowered after it is out: while it is zero, the list holds no
//!    entry and nobody is about to put one in.

use std::ptr::{self, NonNull};

use crate::reclaim::Guard;
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::sync::{Tracked, limit};

/// The owner of this link is removed (entry), or the map is closed (sentinel).
const MARK: usize = 1;
/// The sentinel that owns this link may not be in the list yet.
const UNLINKED: usize = 2;
const TAGS: usize = MARK | UNLINKED;
/// The end of the list. Null means something else (rule 4).
const END: usize = 8;

/// In `count`: closed by [`Map::close_if_empty`].
const SUPERSEDED: usize = 1 << (usize::BITS - 1);

/// Entries per bucket above which the number of buckets doubles.
const LOAD: usize = limit(2, 1);
const MAX_LOG2: usize = 24;
/// Segment `k` holds the sentinels of the buckets from 2^k up to 2^(k+1).
const SEGMENTS: usize = MAX_LOG2;

/// Where an entry belongs: a 62-bit number, whose uppermost bits choose the bucket. No two entries of one map may share one.
///
/// It is a hash read backwards, and can be made of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order(u64);

impl Order {
    /// Of a number below 2^62.
    pub const fn new(number: u64) -> Self {
        debug_assert!(number < 1 << 62);
        Order(number << 2 | 1) // odd, so that it comes after its bucket's sentinel
    }

    /// The other place of that number: beside the first, and never the same as that of any number.
    pub const fn other(number: u64) -> Self {
        Order(Self::new(number).0 | 2)
    }

    /// Is it the other place of its number?
    pub const fn is_other(self) -> bool {
        self.0 & 2 != 0
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0 >> 2
    }
}

impl From<u64> for Order {
    /// Of a hash below 2^62.
    fn from(hash: u64) -> Self {
        Order(hash.reverse_bits() | 1)
    }
}

/// What an entry must embed to stand in a map.
pub struct Hook {
    next: AtomicPtr<Hook>,
    order: u64,
    tracked: Tracked,
}

impl Hook {
    /// A hook for an entry.
    pub fn new(order: impl Into<Order>) -> Self {
        Self::with_order(order.into().0)
    }

    /// What was given to [`new`](Self::new).
    pub fn order(&self) -> Order {
        Order(self.order)
    }

    /// The hash that the order was made of.
    pub fn hash(&self) -> u64 {
        self.order.reverse_bits() & !(1 << 63)
    }

    fn sentinel(bucket: usize) -> Self {
        // Bit-reversed, so that the buckets of a doubled table split those of the old one; even, so before entries.
        Self::with_order((bucket as u64).reverse_bits())
    }

    fn with_order(order: u64) -> Self {
        Hook { next: AtomicPtr::new(ptr::null_mut()), order, tracked: Tracked::new() }
    }

    /// The block it is embedded in is about to be freed; no walk may be on it any more.
    pub fn end(&self) {
        self.tracked.end();
    }

    /// Was it taken out? Who has it otherwise than by a table sees what was done before.
    pub fn is_removed(&self) -> bool {
        // ORDERING: Relaxed: a look; who acts on the strength of it removes the entry.
        tagged(self.next.load(Ordering::Relaxed), MARK)
    }

    fn is_entry(&self) -> bool {
        self.order & 1 == 1
    }
}

/// What became of an attempt to put an entry in.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Insert {
    /// It is in the map.
    Inserted,
    /// There is one of the same order: this one. Only where that was asked for.
    Occupied(NonNull<Hook>),
    /// The map was closed for good; the entry is not in it.
    Closed,
    /// The map was empty and is being replaced by another; the entry is not in it.
    Superseded,
}

/// The map. See the [module documentation](self).
pub struct Map {
    root: Hook,
    count: AtomicUsize,
    log2: AtomicUsize,
    segments: AtomicPtr<Segments>,
    tracked: Tracked,
}

/// For each range of buckets, the first of its sentinels; as many follow as the first one's number says.
type Segments = [AtomicPtr<Hook>; SEGMENTS];

/// The place in the list where an order belongs: the link before it and what that link held.
struct Place<'a> {
    before: &'a AtomicPtr<Hook>,
    at: *mut Hook,
}

impl Place<'_> {
    /// The entry of this order, which is there or nowhere.
    #[inline]
    fn entry(&self, order: u64) -> Option<NonNull<Hook>> {
        let entry = NonNull::new(self.at).filter(|_| self.at != end())?;
        // SAFETY: reached under the guard that the place was found under, hence not reclaimed.
        let hook = unsafe { entry.as_ref() };
        hook.tracked.touch();
        (hook.order == order).then_some(entry)
    }
}

fn tagged(link: *mut Hook, tags: usize) -> bool {
    link.addr() & tags != 0
}

fn bare(link: *mut Hook) -> *mut Hook {
    link.map_addr(|addr| addr & !TAGS)
}

fn end() -> *mut Hook {
    ptr::without_provenance_mut(END)
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl Map {
    /// An empty map of one bucket.
    pub fn new() -> Self {
        let root = Hook::sentinel(0);
        // ORDERING: Relaxed: the map is not shared yet.
        root.next.store(end(), Ordering::Relaxed);
        Map {
            root,
            count: AtomicUsize::new(0),
            log2: AtomicUsize::new(0),
            segments: AtomicPtr::new(ptr::null_mut()),
            tracked: Tracked::new(),
        }
    }

    /// How many entries are in the map or about to go in.
    pub fn len(&self) -> usize {
        // ORDERING: Relaxed: a snapshot for statistics and for deciding to try; nothing is read on its strength.
        self.count.load(Ordering::Relaxed) & !SUPERSEDED
    }

    /// Leaves a sentinel as a thread does that is stopped as soon as it has claimed it, and that finds the map closed when it
    /// goes on.
    #[cfg(dw_loom)]
    pub fn claim(&self, bucket: usize) {
        let claim = end().map_addr(|addr| addr | UNLINKED);
        // ORDERING: Relaxed: see `link_sentinel`.
        self.slot(bucket).next.store(claim, Ordering::Relaxed);
    }

    /// How many buckets the map has grown to.
    pub fn buckets(&self) -> usize {
        // ORDERING: Relaxed: see `bucket`.
        1 << self.log2.load(Ordering::Relaxed)
    }

    /// Puts an entry in.
    ///
    /// # Safety
    ///
    /// - `entry` is the hook of a live block, is in no map, and stays in place until it was removed and the guards
    ///   pinned at that time are gone.
    /// - No entry of the same order is or was in this map.
    pub unsafe fn insert(&self, entry: NonNull<Hook>, guard: &Guard) -> Insert {
        // SAFETY: by the contract.
        unsafe { self.put::<false>(entry, guard) }
    }

    /// Puts an entry in, unless there is one of the same order. There may have been any number of them before.
    ///
    /// # Safety
    ///
    /// The first of [`insert`](Self::insert); entries of this order come in by this function only.
    pub unsafe fn insert_if_none(&self, entry: NonNull<Hook>, guard: &Guard) -> Insert {
        // SAFETY: by the contract; with the look of `put`, no two of one order are in the map.
        unsafe { self.put::<true>(entry, guard) }
    }

    /// # Safety
    ///
    /// As for [`insert`](Self::insert), or, if it is to look, for [`insert_if_none`](Self::insert_if_none).
    #[inline]
    unsafe fn put<const LOOK: bool>(&self, entry: NonNull<Hook>, guard: &Guard) -> Insert {
        self.tracked.touch();
        // ORDERING: Relaxed, as everywhere on the count: it decides by itself whether the map is superseded, and that
        // gives it to the epoch, which orders its freeing (rule 6).
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        if count & SUPERSEDED != 0 {
            return Insert::Superseded;
        }
        self.grow(count + 1);
        // SAFETY: alive by the contract; shared references only, the link is atomic.
        let hook = unsafe { entry.as_ref() };
        loop {
            let Some(place) = self.find(hook.order, guard) else {
                self.lower();
                return Insert::Closed;
            };
            // Somebody else's of this order would have to come in at this very place, and the exchange below would fail.
            if let Some(other) = place.entry(hook.order).filter(|_| LOOK) {
                self.lower();
                return Insert::Occupied(other);
            }
            // ORDERING: Relaxed: published by the Release below.
            hook.next.store(place.at, Ordering::Relaxed);
            // ORDERING: Release publishes the entry and its link to the Acquire loads of `find`; on failure nothing
            // is read.
            let linked =
                place.before.compare_exchange(place.at, entry.as_ptr(), Ordering::Release, Ordering::Relaxed);
            if linked.is_ok() {
                return Insert::Inserted;
            }
        }
    }

    /// Takes the entry out that belongs there; `None` when there is none (any more). At most one caller gets it.
    pub fn remove(&self, order: impl Into<Order>, guard: &Guard) -> Option<NonNull<Hook>> {
        self.take(order.into().0, |_| true, guard)
    }

    /// Takes this very entry out; false when it is not there (any more). At most one caller gets it.
    ///
    /// # Safety
    ///
    /// The entry is alive, or protected by the guard.
    pub unsafe fn remove_this(&self, entry: NonNull<Hook>, guard: &Guard) -> bool {
        // SAFETY: by the contract.
        let order = unsafe { entry.as_ref() }.order;
        self.take(order, |there| there == entry, guard).is_some()
    }

    /// The entry that belongs there, which stays.
    pub fn get(&self, order: Order, guard: &Guard) -> Option<NonNull<Hook>> {
        self.find(order.0, guard)?.entry(order.0)
    }

    #[inline]
    fn take(
        &self,
        order: u64,
        wanted: impl Fn(NonNull<Hook>) -> bool,
        guard: &Guard,
    ) -> Option<NonNull<Hook>> {
        loop {
            let place = self.find(order, guard)?;
            let entry = place.entry(order).filter(|entry| wanted(*entry))?;
            // SAFETY: reached under the guard, hence not reclaimed.
            let hook = unsafe { entry.as_ref() };
            // ORDERING: Acquire: `next` is linked into the list below, so its content must be visible to whom we
            // hand it to.
            let next = hook.next.load(Ordering::Acquire);
            if tagged(next, MARK) {
                continue; // lost to another remover; `find` unlinks it and then says so
            }
            let marked = next.map_addr(|addr| addr | MARK);
            // ORDERING: Relaxed: the removal is the linearisation point of demonitor, of handling and of the watcher's
            // exit, and atomicity decides it. The mark publishes nothing; whoever goes on through it gets at what `next`
            // points to by the Release that put `next` there, which a read-modify-write keeps going.
            if hook.next.compare_exchange(next, marked, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                continue;
            }
            // ORDERING: Release hands on what we acquired with `next`, see `find`.
            if place.before.compare_exchange(place.at, next, Ordering::Release, Ordering::Relaxed).is_err() {
                // Somebody changed the place; the walk unlinks it, or finds the map closed (rule 3).
                let _ = self.find(order, guard);
            }
            self.lower();
            return Some(entry);
        }
    }

    /// Calls `each` for every entry in the map. Entries that come or go meanwhile may or may not be among them.
    pub fn for_each(&self, _guard: &Guard, mut each: impl FnMut(NonNull<Hook>)) {
        // ORDERING: Acquire, here and below: pairs with the Release of `insert`.
        let mut link = self.root.next.load(Ordering::Acquire);
        if tagged(link, MARK) {
            return; // rule 5
        }
        while let Some(entry) = NonNull::new(bare(link)).filter(|at| at.as_ptr() != end()) {
            // SAFETY: reached under the guard, hence not reclaimed.
            let hook = unsafe { entry.as_ref() };
            hook.tracked.touch();
            // ORDERING: as above.
            link = hook.next.load(Ordering::Acquire);
            if hook.is_entry() && !tagged(link, MARK) {
                each(entry);
            }
        }
    }

    /// Closes the map for good and takes all entries out: `each` is called for those that this call removed.
    ///
    /// Freezes one link after the other, front to back. What a concurrent `insert` links behind the walk is met by
    /// it; what it would link before it meets a frozen link and is refused. To be called once.
    pub fn close(&self, _guard: &Guard, mut each: impl FnMut(NonNull<Hook>)) {
        let mut at = NonNull::from(&self.root);
        while at.as_ptr() != end() {
            // SAFETY: the root is ours; everything behind it is reached under the guard.
            let hook = unsafe { at.as_ref() };
            hook.tracked.touch();
            // ORDERING: Relaxed: only the expected value of the exchange below.
            let mut link = hook.next.load(Ordering::Relaxed);
            // ORDERING: AcqRel: Acquire pairs with the Release of `insert`, so that the rest of the chain is visible.
            // Release: a remover that meets this mark, and hands its entry out still linked, sees the root's mark, which
            // was before; and so does every walk that begins after the entry was retired (rule 5).
            while let Err(now) = hook.next.compare_exchange(
                link,
                link.map_addr(|addr| addr | MARK),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                link = now;
            }
            if hook.is_entry() && !tagged(link, MARK) {
                each(at);
                self.lower();
            }
            match NonNull::new(bare(link)) {
                Some(next) => at = next,
                None => unreachable!("a link in the list is never null"),
            }
        }
    }

    /// Closes the map if it holds nothing, so that it can be replaced by a smaller one. True for exactly one caller.
    pub fn close_if_empty(&self) -> bool {
        // ORDERING: Relaxed: see `insert`.
        self.count.compare_exchange(0, SUPERSEDED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn lower(&self) {
        self.tracked.touch();
        // ORDERING: Relaxed: see `insert`.
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// The place of `order`: the first link whose target is not before it. Unlinks removed entries on the way.
    /// `None` when the map is closed.
    fn find<'a>(&'a self, order: u64, guard: &'a Guard) -> Option<Place<'a>> {
        'again: loop {
            self.tracked.touch();
            // ORDERING: Relaxed: nothing is read behind it. Whoever handed an entry out that is still linked had met the
            // frozen root before, or a frozen sentinel whose Release brings the root's mark; and a walk that may not meet
            // that entry began after it was retired.
            if tagged(self.root.next.load(Ordering::Relaxed), MARK) {
                return None; // rule 5
            }
            let start = self.start(order, guard);
            let mut before = &start.next;
            // ORDERING: Acquire, here and for every link below: pairs with the Release by which it was written.
            let mut at = before.load(Ordering::Acquire);
            if tagged(at, MARK) {
                return None; // a sentinel is marked by `close` only (rule 2)
            }
            loop {
                if at == end() {
                    return Some(Place { before, at });
                }
                // SAFETY: reached under the guard through an unmarked link: it was in the list after the guard was
                // pinned, hence it is not reclaimed. Sentinels live as long as the map.
                let hook = unsafe { &*at };
                hook.tracked.touch();
                // ORDERING: as above.
                let next = hook.next.load(Ordering::Acquire);
                if tagged(next, MARK) {
                    if !hook.is_entry() {
                        return None;
                    }
                    // ORDERING: Release hands on what we acquired with `next`; on failure we start again.
                    if before.compare_exchange(at, bare(next), Ordering::Release, Ordering::Relaxed).is_err()
                    {
                        continue 'again;
                    }
                    at = bare(next);
                    continue;
                }
                if hook.order >= order {
                    return Some(Place { before, at });
                }
                if tagged(next, UNLINKED) {
                    confirm(hook); // met on a walk, so it is in the list (rule 4)
                    continue;
                }
                before = &hook.next;
                at = next;
            }
        }
    }

    /// The sentinel to start from for `order`: that of its bucket, or of the nearest parent that is ready.
    fn start<'a>(&'a self, order: u64, guard: &'a Guard) -> &'a Hook {
        // ORDERING: Relaxed: any value it ever had is a correct one, it only decides how long the walk is.
        let log2 = self.log2.load(Ordering::Relaxed);
        if log2 == 0 {
            return &self.root;
        }
        let mut bucket = (order.reverse_bits() as usize) & ((1 << log2) - 1);
        while bucket != 0 {
            if let Some(sentinel) = self.bucket(bucket, guard) {
                return sentinel;
            }
            bucket = parent(bucket);
        }
        &self.root
    }

    /// The sentinel of a bucket if it is in the list; puts it in if nobody is at it.
    fn bucket<'a>(&'a self, bucket: usize, guard: &'a Guard) -> Option<&'a Hook> {
        let sentinel = self.slot(bucket);
        // ORDERING: Relaxed: a link without tags means that the sentinel is in; what it points to is acquired by `find`,
        // which reads it anew.
        let link = sentinel.next.load(Ordering::Relaxed);
        if link.is_null() {
            return self.link_sentinel(sentinel, guard);
        }
        (!tagged(link, UNLINKED)).then_some(sentinel)
    }

    /// Puts a sentinel into the list, unless somebody else is at it or the map is closed.
    fn link_sentinel<'a>(&'a self, sentinel: &'a Hook, guard: &'a Guard) -> Option<&'a Hook> {
        let claim = end().map_addr(|addr| addr | UNLINKED);
        // ORDERING: Relaxed: the claim only decides who links the sentinel.
        sentinel.next.compare_exchange(ptr::null_mut(), claim, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        loop {
            let place = self.find(sentinel.order, guard)?;
            // ORDERING: Relaxed: ours alone until linked, published by the Release below.
            sentinel.next.store(place.at.map_addr(|addr| addr | UNLINKED), Ordering::Relaxed);
            let this = ptr::from_ref(sentinel).cast_mut();
            // ORDERING: Release publishes the sentinel's link to the Acquire loads of `find`.
            if place.before.compare_exchange(place.at, this, Ordering::Release, Ordering::Relaxed).is_ok() {
                confirm(sentinel);
                return Some(sentinel);
            }
        }
    }

    /// Where the sentinel of a bucket lives; makes its segment on first use.
    fn slot(&self, bucket: usize) -> &Hook {
        let index = bucket.ilog2() as usize;
        let first = 1usize << index;
        let segments = get_or_make(
            &self.segments,
            || Box::into_raw(Box::new(std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())))),
            // SAFETY: just made, and not shared.
            |made| drop(unsafe { Box::<Segments>::from_raw(made) }),
        );
        // SAFETY: set once, to what is freed with the map.
        let segment = &unsafe { &*segments }[index];
        let sentinels = get_or_make(
            segment,
            || Box::into_raw((first..2 * first).map(Hook::sentinel).collect::<Box<[Hook]>>()).cast(),
            // SAFETY: just made, and not shared.
            |made| unsafe { free_sentinels(index, made) },
        );
        // SAFETY: as above; there are `first` of them.
        unsafe { &*sentinels.add(bucket - first) }
    }

    /// Doubles the number of buckets when there are too many entries for it.
    fn grow(&self, count: usize) {
        // ORDERING: Relaxed, both: the number of buckets is a hint, see `start`.
        let log2 = self.log2.load(Ordering::Relaxed);
        if count > LOAD << log2 && log2 < MAX_LOG2 {
            // ORDERING: as above.
            let _ = self.log2.compare_exchange(log2, log2 + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        self.tracked.end();
        self.root.end();
        // ORDERING: Relaxed, both: `&mut self` means that every other access happened before.
        let segments = self.segments.load(Ordering::Relaxed);
        if segments.is_null() {
            return;
        }
        // SAFETY: both kinds of block come from `Box::into_raw` in `slot`, are never replaced, and are freed here only.
        unsafe {
            for (index, segment) in Box::from_raw(segments).iter().enumerate() {
                // ORDERING: as above.
                let segment = segment.load(Ordering::Relaxed);
                if !segment.is_null() {
                    free_sentinels(index, segment);
                }
            }
        }
    }
}

/// Frees the sentinels of one range of buckets.
///
/// # Safety
///
/// `first` is what the segment of this index was set to, or was to be; nobody else has it any more.
unsafe fn free_sentinels(index: usize, first: *mut Hook) {
    // SAFETY: by the contract; so many were made, in one box.
    let sentinels = unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(first, 1 << index)) };
    sentinels.iter().for_each(Hook::end);
}

/// The bucket that a bucket was split from: itself without its highest bit.
fn parent(bucket: usize) -> usize {
    bucket & !(1 << bucket.ilog2())
}

/// Notes in a sentinel's link that it is in the list (rule 4).
fn confirm(sentinel: &Hook) {
    // ORDERING: Relaxed: only the expected value below.
    let mut link = sentinel.next.load(Ordering::Relaxed);
    while tagged(link, UNLINKED) {
        // ORDERING: Release: whoever starts from the sentinel gets at what its link points to, which we have acquired, as
        // the one who links it or as one who met it.
        match sentinel.next.compare_exchange(
            link,
            link.map_addr(|addr| addr & !UNLINKED),
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            Ok(_) => return,
            Err(now) => link = now,
        }
    }
}

/// A pointer that is set once; makes what it points to if it is not there. The loser of a race frees its own.
fn get_or_make<T>(slot: &AtomicPtr<T>, make: impl FnOnce() -> *mut T, free: impl FnOnce(*mut T)) -> *mut T {
    // ORDERING: Acquire pairs with the Release below: who sees the pointer sees what it points to.
    let at = slot.load(Ordering::Acquire);
    if !at.is_null() {
        return at;
    }
    let made = make();
    // ORDERING: Release publishes the content, Acquire on failure as above.
    match slot.compare_exchange(ptr::null_mut(), made, Ordering::Release, Ordering::Acquire) {
        Ok(_) => made,
        Err(theirs) => {
            free(made);
            theirs
        }
    }
}

#[cfg(all(test, not(dw_loom)))]
mod tests;
