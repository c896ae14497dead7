//! An intrusive list that is pushed to at the head, swept in place, and closed once.
//!
//! Entries come one by one from any thread ([`List::push`]). Some of them go *stale* ([`List::note_stale`]); every now
//! and then whoever made one stale sweeps them out, one sweeper at a time behind a try-flag, never waiting. At the
//! end the list is closed ([`List::close`]) and the closer visits every entry that is left.
//!
//! Sweeps are of two kinds. Those who go stale soon after they came stand near the head, so a *short* sweep looks at a few
//! entries there, and comes often; it keeps churn among those who come and go away from the many who stay. A *long* sweep
//! looks at all, when as many are stale as are live.
//!
//! # Rules
//!
//! 1. `head` is `CLOSED` from the moment the closer took the chain; nothing is linked after that.
//! 2. Only the holder of `BUSY` (the sweeper) changes the link of a linked entry or pops the head. Pushes go to the
//!    head only.
//! 3. Each entry leaves the list once, and whoever takes it out is told so: the sweeper for what it unlinked, and for
//!    the rest the closer, or, when a sweeper was in flight while the list was closed, the later of the two.
//! 4. The stale count is only ever lowered by as many as were taken out. It may be ahead of what a sweep can find
//!    (an entry that is not linked yet), so a sweeper goes round again only when it took something out or the count
//!    moved since it got `BUSY`. (From then until it gives `BUSY` back the count only rises. Compared with what it was
//!    before, it may have come down and up again, and the one who raised it has left its entry to us.)
//! 5. Failing to get `BUSY` and giving it back are read-modify-writes of the same word, so that the one who failed is
//!    seen by the one who gives back, who then looks at the count again.
//!
//! The gate word:
//!
//! | bit | set by | cleared by | never together with |
//! |---|---|---|---|
//! | `BUSY` | a sweeper, only while not `EXITED` | the same sweeper | – |
//! | `EXITED` | the closer, after it took the chain | never | – |
//! | `VISITED` | the closer, when it has visited the whole chain | never | absent `EXITED` |

use std::ptr::{self, NonNull};

use crate::reclaim::Guard;
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Tracked, limit};

const BUSY: u32 = 1;
const EXITED: u32 = 2;
const VISITED: u32 = 4;

/// Long sweeps begin when more than this many entries are stale, and more than are still live of those that were live at the
/// last long sweep. So one looks at no more than three entries for each that it takes out, not counting those pushed
/// since the last one, each of which is counted once.
const SWEEP_AT_LEAST: i64 = 64;

/// A short sweep begins when this many more entries are stale than the last sweep left behind.
const SHORT_AFTER: i64 = 64;

/// A short sweep looks at this many entries: two for each that has gone stale since the last sweep.
const SHORT: usize = 2 * SHORT_AFTER as usize;

/// So many entries are taken from the head at once: a push meanwhile makes a sweep look at them again.
const AT_ONCE: usize = 64;

const CLOSED: usize = 1;

/// What an entry must embed to stand in a list.
pub struct Link {
    next: AtomicPtr<Link>,
    tracked: Tracked,
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

impl Link {
    /// The link of an entry that is in no list.
    pub fn new() -> Self {
        Link { next: AtomicPtr::new(ptr::null_mut()), tracked: Tracked::new() }
    }

    /// The block it is embedded in is about to be freed; no walk may be on it any more.
    pub fn end(&self) {
        self.tracked.end();
    }
}

/// What a list needs to know of its entries.
///
/// # Safety
///
/// `link` and `of_link` are inverse to each other and stay within one block.
pub unsafe trait Listed {
    /// The link embedded in the entry.
    fn link(this: NonNull<Self>) -> NonNull<Link>;
    /// The entry that embeds this link.
    fn of_link(link: NonNull<Link>) -> NonNull<Self>;
    /// May the sweeper take it out?
    ///
    /// # Safety
    ///
    /// `this` is alive.
    unsafe fn is_stale(this: NonNull<Self>) -> bool;
}

/// What became of an attempt to push.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Push {
    /// The entry is in the list.
    Linked,
    /// The list was closed before: the entry is not in it.
    Closed,
}

/// The list. See the [module documentation](self).
pub struct List {
    head: AtomicPtr<Link>,
    gate: AtomicU32,
    /// How many entries are stale and in the list; below zero while some were taken out that are not counted yet.
    stale: AtomicU32,
    /// What the last sweeps left behind, see [`Left`].
    left: AtomicU64,
    /// The chain the closer took; written before `VISITED`.
    chain: AtomicPtr<Link>,
}

/// Thresholds, written by the holder of `BUSY`. Too small a number costs a sweep; too large a one would keep stale entries.
#[derive(Clone, Copy)]
struct Left {
    /// How many entries the last long sweep left in, without those that short ones took out since.
    live: u32,
    /// How many stale ones the last sweep, long or short, left in.
    stale: u32,
}

impl Left {
    fn word(self) -> u64 {
        u64::from(self.live) << 32 | u64::from(self.stale)
    }

    fn of(word: u64) -> Self {
        Left { live: (word >> 32) as u32, stale: word as u32 }
    }
}

fn capped(count: usize) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}

fn closed() -> *mut Link {
    ptr::without_provenance_mut(CLOSED)
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// An empty, open list.
    pub fn new() -> Self {
        List {
            head: AtomicPtr::new(ptr::null_mut()),
            gate: AtomicU32::new(0),
            stale: AtomicU32::new(0),
            left: AtomicU64::new(0),
            chain: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Links an entry at the head, unless the list is closed.
    ///
    /// # Safety
    ///
    /// - `entry` is alive, is in no list, and stays in place until it was taken out of this one and every guard pinned
    ///   at that time is gone.
    /// - This list is used with entries of type `E` only.
    pub unsafe fn push<E: Listed>(&self, entry: NonNull<E>) -> Push {
        let link = E::link(entry);
        // ORDERING: Acquire pairs with the closer's swap: who meets CLOSED sees what was written before it (the exit
        // reason). For an ordinary head it is not needed.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if head == closed() {
                return Push::Closed;
            }
            // SAFETY: alive by the contract. ORDERING: Relaxed: published by the exchange below.
            unsafe { link.as_ref() }.next.store(head, Ordering::Relaxed);
            // ORDERING: Release publishes the entry to the Acquire loads of the head by sweeper, closer and walks
            // (later pushes are read-modify-writes and keep the release sequence going); Acquire on failure as above.
            match self.head.compare_exchange_weak(head, link.as_ptr(), Ordering::Release, Ordering::Acquire) {
                Ok(_) => return Push::Linked,
                Err(now) => head = now,
            }
        }
    }

    /// Is nothing in the list, not even what is stale? For models.
    #[cfg(dw_loom)]
    pub fn is_empty(&self) -> bool {
        // ORDERING: Relaxed: compared only.
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// How many entries are stale and not yet taken out.
    pub fn stale(&self) -> usize {
        // ORDERING: Relaxed: statistics.
        (self.stale.load(Ordering::Relaxed) as i32).max(0) as usize
    }

    /// Counts an entry that has gone stale, and sweeps when there are enough of them. `taken` is called for each
    /// entry that this call took out of the list.
    pub fn note_stale<E: Listed>(&self, guard: &Guard, taken: impl FnMut(NonNull<E>)) {
        // ORDERING: Release publishes the entry's stale state to the sweeper's Acquire load of the count. Without it
        // the sweeper sees the count, not the state, and goes round for nothing.
        self.stale.fetch_add(1, Ordering::Release);
        self.sweep(guard, taken);
    }

    /// Is a sweep due, and of how many entries?
    fn due(&self) -> Option<usize> {
        // ORDERING: Relaxed, both: thresholds, any recent value will do; what is to be found is counted under BUSY.
        let (stale, left) = (self.stale.load(Ordering::Relaxed), Left::of(self.left.load(Ordering::Relaxed)));
        let stale = i64::from(stale as i32); // so many entries do not fit into memory
        let live = (i64::from(left.live) - stale).max(SWEEP_AT_LEAST);
        if stale > limit(live as usize, 0) as i64 {
            return Some(usize::MAX);
        }
        (stale > i64::from(left.stale) + SHORT_AFTER).then_some(SHORT)
    }

    fn sweep<E: Listed>(&self, _guard: &Guard, mut taken: impl FnMut(NonNull<E>)) {
        while let Some(looks) = self.due() {
            if !self.sweep_once(looks, &mut taken) {
                return;
            }
        }
    }

    /// As [`note_stale`](Self::note_stale), with a short sweep of so many entries before any other. For models, where all others
    /// are long.
    #[cfg(dw_loom)]
    pub fn note_stale_shortly<E: Listed>(
        &self,
        guard: &Guard,
        looks: usize,
        mut taken: impl FnMut(NonNull<E>),
    ) {
        // ORDERING: as in `note_stale`.
        self.stale.fetch_add(1, Ordering::Release);
        if self.sweep_once(looks, &mut taken) {
            self.sweep(guard, taken);
        }
    }

    /// One sweep, unless somebody else is at it. True: there may be more to do.
    fn sweep_once<E: Listed>(&self, looks: usize, taken: &mut impl FnMut(NonNull<E>)) -> bool {
        if !self.try_begin_sweep() {
            return false;
        }
        // ORDERING: Acquire pairs with the Release in `note_stale`: what is counted is seen to be stale.
        let counted = self.stale.load(Ordering::Acquire);
        let (gone, live) = self.pass(looks, taken);
        // ORDERING: Relaxed: only the number matters; a read-modify-write keeps the raises' Release going.
        let before = self.stale.fetch_sub(gone as u32, Ordering::Relaxed);
        // ORDERING: Relaxed, both: thresholds, and ours alone to write as long as we are BUSY.
        let left = Left::of(self.left.load(Ordering::Relaxed));
        let live = live.map_or(left.live.saturating_sub(capped(gone)), capped);
        let stale = (before.wrapping_sub(gone as u32) as i32).max(0) as u32;
        self.left.store(Left { live, stale }.word(), Ordering::Relaxed);
        self.end_sweep(taken);
        // ORDERING: Relaxed: whose raise came before its failure to get BUSY is seen by rule 5. Where nothing came out and the
        // count did not move, what is left cannot be found yet (rule 4).
        gone != 0 || self.stale.load(Ordering::Relaxed) != counted
    }

    fn try_begin_sweep(&self) -> bool {
        // ORDERING: Relaxed, here and on failure: only the expected value. Who finds EXITED reads nothing more.
        let mut gate = self.gate.load(Ordering::Relaxed);
        loop {
            if gate & EXITED != 0 {
                return false; // the closer visits and frees everything; a late BUSY would free twice
            }
            // ORDERING: AcqRel: Acquire, so that the sweeper sees the links that the holder of BUSY before it left
            // behind; Release, also where BUSY was set already, so that the holder who gives it back sees what we counted
            // (rule 5).
            match self.gate.compare_exchange_weak(gate, gate | BUSY, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(before) => return before & BUSY == 0,
                Err(now) => gate = now,
            }
        }
    }

    fn end_sweep<E: Listed>(&self, taken: &mut impl FnMut(NonNull<E>)) {
        // ORDERING: AcqRel: Release hands the links on to the next sweeper or the closer, Acquire pairs with the
        // failed attempts (rule 5) and with the closer's VISITED.
        let before = self.gate.fetch_and(!BUSY, Ordering::AcqRel);
        if before & VISITED != 0 {
            self.take_chain(taken); // the closer is through already: we are the later one (rule 3)
        }
    }

    /// One walk over so many entries of the list, with `BUSY` held. How many it took out, and how many are left if it saw all.
    fn pass<E: Listed>(
        &self,
        mut looks: usize,
        taken: &mut impl FnMut(NonNull<E>),
    ) -> (usize, Option<usize>) {
        let (mut gone, mut live) = (0, 0);
        // ORDERING: Acquire pairs with the Release of `push`; it covers all older entries too, since every push is a
        // read-modify-write of the head.
        let mut head = self.head.load(Ordering::Acquire);
        // SAFETY: in the list, and the caller's guard is pinned.
        while self.entry(head).is_some_and(|first: NonNull<E>| unsafe { E::is_stale(first) }) {
            let (behind, run) = self.stale_run::<E>(head, looks.min(AT_ONCE));
            // ORDERING: Relaxed: what it leaves at the head was pushed before, and a read-modify-write keeps the Release of that
            // push going; Acquire on failure pairs with the Release of `push`.
            match self.head.compare_exchange(head, behind, Ordering::Relaxed, Ordering::Acquire) {
                Ok(_) => {
                    self.report(head, behind, taken);
                    gone += run;
                    looks = looks.saturating_sub(run);
                    head = behind;
                    if looks == 0 {
                        return (gone, None);
                    }
                }
                Err(now) => head = now, // pushed to or closed: look again from there
            }
        }
        if head == closed() {
            return (gone, None);
        }
        let mut before = head;
        while let Some(at) = NonNull::new(before) {
            live += 1;
            looks = looks.saturating_sub(1);
            if looks == 0 {
                return (gone, None);
            }
            // SAFETY: in the list under the caller's guard; only we change links (rule 2).
            let (link, next) = unsafe { (at.as_ref(), next_of(before)) };
            before = next;
            // SAFETY: as above.
            if self.entry(next).is_some_and(|entry: NonNull<E>| unsafe { E::is_stale(entry) }) {
                let (behind, run) = self.stale_run::<E>(next, looks);
                // ORDERING: Relaxed: see `next_of`.
                link.next.store(behind, Ordering::Relaxed);
                self.report(next, behind, taken);
                gone += run;
                looks = looks.saturating_sub(run).max(1);
                before = behind;
            }
        }
        (gone, Some(live))
    }

    /// Goes over the stale entries that stand one behind the other from here on, the first of which is stale; no more than so
    /// many (and at least one). What stands behind them, and how many they are.
    fn stale_run<E: Listed>(&self, first: *mut Link, most: usize) -> (*mut Link, usize) {
        // SAFETY: here and below, in the list under the caller's guard.
        let (mut behind, mut run) = (unsafe { next_of(first) }, 1);
        // SAFETY: as above.
        while run < most && self.entry(behind).is_some_and(|entry: NonNull<E>| unsafe { E::is_stale(entry) })
        {
            // SAFETY: as above.
            behind = unsafe { next_of(behind) };
            run += 1;
        }
        (behind, run)
    }

    /// Reports those from `first` up to `behind` as taken out.
    fn report<E: Listed>(&self, first: *mut Link, behind: *mut Link, taken: &mut impl FnMut(NonNull<E>)) {
        let mut at = first;
        while let Some(entry) = self.entry(at).filter(|_| at != behind) {
            // SAFETY: not reported yet, so it is alive; read before it is.
            at = unsafe { next_of(at) };
            taken(entry);
        }
    }

    fn entry<E: Listed>(&self, link: *mut Link) -> Option<NonNull<E>> {
        if link == closed() { None } else { NonNull::new(link).map(E::of_link) }
    }

    /// Calls `each` for every entry, stale ones included. Nothing after the list was closed.
    pub fn for_each<E: Listed>(&self, _guard: &Guard, mut each: impl FnMut(NonNull<E>)) {
        // ORDERING: Acquire pairs with the Release of `push`.
        let mut at = self.head.load(Ordering::Acquire);
        while let Some(entry) = self.entry(at) {
            // SAFETY: reached under the guard.
            at = unsafe { next_of(at) };
            each(entry);
        }
    }

    /// Closes the list. The caller must visit all entries through the [`Closing`], and begin with that under the same guard. To be
    /// called once.
    pub fn close(&self, _guard: &Guard) -> Closing {
        // ORDERING: AcqRel: Acquire for all entries pushed so far, Release so that who meets CLOSED sees the reason.
        let chain = self.head.swap(closed(), Ordering::AcqRel);
        // ORDERING: Relaxed: published by VISITED.
        self.chain.store(chain, Ordering::Relaxed);
        // ORDERING: Acquire pairs with `end_sweep`: no sweeper in flight means that its links are visible. Who finds
        // EXITED reads nothing more, so there is nothing to publish.
        let before = self.gate.fetch_or(EXITED, Ordering::Acquire);
        Closing { at: chain, met: if before & BUSY == 0 { Met::Nobody } else { Met::Sweeper } }
    }

    /// Visits up to `budget` entries. With the visit an entry has left the list, or, when a sweeper was in flight at the
    /// closing, at the end; then `taken` is called for it, by whoever is later. True when all have been visited.
    ///
    /// Where there was a sweeper the walk cannot be interrupted, since that may free what it stands on: the budget is
    /// exceeded then, under the guard that the list was closed under.
    pub fn visit<E: Listed>(
        &self,
        closing: &mut Closing,
        _guard: &Guard,
        mut budget: usize,
        mut visit: impl FnMut(NonNull<E>, Visit),
        mut taken: impl FnMut(NonNull<E>),
    ) -> bool {
        let met = closing.met;
        while let Some(entry) = self.entry(closing.at) {
            if budget == 0 && met == Met::Nobody {
                return false;
            }
            budget = budget.saturating_sub(1);
            // SAFETY: ours alone when no sweeper is in flight, otherwise protected by the guard. Read before the
            // visit, after which it is the list's no more.
            closing.at = unsafe { next_of(closing.at) };
            visit(entry, if met == Met::Nobody { Visit::Taken } else { Visit::StaysLinked });
        }
        if met == Met::Sweeper {
            closing.met = Met::Nobody;
            // ORDERING: AcqRel: Release hands the chain to a later sweeper, Acquire takes its links if it is done.
            let before = self.gate.fetch_or(VISITED, Ordering::AcqRel);
            if before & BUSY == 0 {
                self.take_chain(&mut taken);
            }
        }
        true
    }

    /// Reports every entry of the closed chain as taken out (rule 3).
    fn take_chain<E: Listed>(&self, taken: &mut impl FnMut(NonNull<E>)) {
        // ORDERING: Relaxed: the gate word ordered it.
        self.report(self.chain.load(Ordering::Relaxed), ptr::null_mut(), taken);
    }
}

/// # Safety
///
/// `link` is a live link, not null and not `CLOSED`.
unsafe fn next_of(link: *mut Link) -> *mut Link {
    // SAFETY: by the contract.
    let link = unsafe { &*link };
    link.tracked.touch();
    // ORDERING: Relaxed, also where a sweeper rewrites it. Whatever stands behind a link was pushed before its owner, so
    // whoever acquired the owner (from the head, or from whom it was pushed behind) has acquired that too. A link that still
    // leads to what was swept out is met under a guard that is as old; the sweeps themselves are ordered by the gate.
    link.next.load(Ordering::Relaxed)
}

/// Has the entry that is visited left the list?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// Yes: this is also the report that it was taken out.
    Taken,
    /// Not yet: a sweeper may stand on it. The report follows.
    StaysLinked,
}

/// The closer's walk over the list; see [`List::close`].
#[must_use = "every entry must be visited"]
pub struct Closing {
    at: *mut Link,
    met: Met,
}

/// Whom the closer met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// The chain is the closer's alone.
    Nobody,
    /// A sweeper is, or was, in flight. The whole chain is visited under one guard, in one call.
    Sweeper,
}

// SAFETY: a position in a chain that its holder owns; where it does not, it is left in the call that came to it.
unsafe impl Send for Closing {}
