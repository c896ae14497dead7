//! Who sleeps, who searches, who must be woken: the park and wake protocol of the workers.
//!
//! Nothing in here knows a task or a queue. Workers are numbers below [`MOST_WORKERS`].
//!
//! # The idle word
//!
//! One word holds the truth about all workers, so each transition is one compare-and-swap:
//!
//! | field | bits | means |
//! |---|---|---|
//! | `head` | 10 | top of the stack of sleepers (number + 1, 0: empty), linked through `Seat::below` |
//! | `watchdog` | 10 | the sleeper that parks with a time-out (number + 1, 0: none); not in the stack |
//! | `sleeping` | 10 | how many sleep: the stack plus the watchdog |
//! | `searching` | 10 | how many look for work in other workers' queues |
//! | `closed` | 1 | set once by [`Idle::close`]; from then on nobody falls asleep |
//! | `tag` | 23 | counts what was put on the stack, against ABA |
//!
//! (ABA: a waker would have to be held up between its load and its compare-and-swap for exactly a
//! multiple of 2²³ falls asleep, and find all other fields as they were.)
//!
//! # The worker word
//!
//! | state | set by | left by | may not be combined with |
//! |---|---|---|---|
//! | `AWAKE` | the worker itself, when it leaves [`Idle::sleep`] | itself, to `SLEEPING`, before it enters the word | a place in the stack, or the post of watchdog |
//! | `SLEEPING` | the worker itself | whoever took it out of the word, to `NOTIFIED`; itself, if that was itself, to `AWAKE` | - |
//! | `NOTIFIED` | the one who took it out of the word | the worker itself, to `AWAKE` | a place in the stack, or the post of watchdog |
//!
//! # Rules
//!
//! 1. Only `Idle::take_one` and `Idle::leave_watch` take a worker out of the word. The taker owes it
//!    `NOTIFIED` and an unpark, unless it took itself.
//! 2. A worker taken out counts as searching from the same step on.
//! 3. Whoever makes a task visible to all calls [`Idle::announce`] afterwards. It wakes one sleeper if
//!    nobody searches.
//! 4. A searcher that found a task and was the last one ([`Found::Last`]) looks at the queues again, and
//!    announces if there is more. One that found nothing goes to sleep, and looks again after it said so.
//! 5. A worker goes to sleep only with an empty slot and an empty queue of its own.
//! 6. A task put into a worker's own slot is visible to its owner and to the watchdog only. It wakes
//!    nobody; but if somebody sleeps and no watchdog is on duty, [`Idle::announce_slot`] appoints one.
//! 7. The watchdog is woken last, so that it seldom has to be replaced. It leaves its post when it is
//!    woken, when it found a worker stuck (and in the same step appoints another), or when all sleep and
//!    nothing has happened for a whole period; in that case it parks without a time-out. So an idle
//!    scheduler uses no processor time.
//!
//! # Why no wake-up is lost
//!
//! Submitting is *put the task, fence, read the idle word*; falling asleep is *enter the idle word, fence,
//! look at the queues*. Two cases, by the order of the two `SeqCst` fences:
//!
//! - The submitter's fence is first: the sleeper's look comes after the task was put and sees it; the sleeper
//!   then announces in the submitter's place.
//! - The sleeper's fence is first: the submitter's read sees the sleeper in the word and, unless another
//!   worker searches, wakes one.
//!
//! If another worker searches in either case, the same argument holds between the submitter and that worker's
//! own end of search (rule 4), because that is a read-modify-write of the same word followed by the same fence
//! and look. So the last one to stop searching sees the task.
//!
//! A searcher that moves more tasks than one into its own queue does not announce them. If it is the last one, it looks
//! itself. If not, its end of search is a Release of the same word, and the last one's, with the fence behind it, an
//! Acquire; so the last one's look sees them.
//!
//! # Why no slot is forgotten
//!
//! [`Idle::announce_slot`] reads the word without a fence. Consider an awake worker with a task in its slot, and
//! somebody asleep. Either a watchdog is on duty and looks at all slots every period; or there is none. The post
//! falls vacant in three ways: the watchdog was the last sleeper and was woken (the next to fall asleep takes the
//! post, since somebody is awake); it replaced itself in the same step; or all slept. The last way lies before our
//! worker's own wake-up in the order of the one word, so its read after filling the slot sees that (or something
//! later, in which the post is filled, and it cannot fall vacant in that way again while our worker is awake).

use core::fmt;
use core::time::Duration;
use std::sync::OnceLock;

use crossbeam_utils::CachePadded;

use crate::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
use crate::sync::thread::{self, Thread};

/// How many workers the word has room for.
pub const MOST_WORKERS: usize = (1 << FIELD) - 2;

const FIELD: u32 = 10;
const MASK: u64 = (1 << FIELD) - 1;
const WATCHDOG: u32 = FIELD;
const SLEEPING_COUNT: u32 = 2 * FIELD;
const SEARCHING: u32 = 3 * FIELD;
const CLOSED: u64 = 1 << (4 * FIELD);
const TAG: u64 = CLOSED << 1;

const AWAKE: u8 = 0;
const SLEEPING: u8 = 1;
const NOTIFIED: u8 = 2;

/// A value of the idle word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Word(u64);

impl Word {
    fn get(self, shift: u32) -> usize {
        // A field has ten bits.
        (self.0 >> shift & MASK) as usize
    }

    fn set(self, shift: u32, value: usize) -> Self {
        debug_assert!(value as u64 <= MASK, "a field of the idle word overflowed");
        Self(self.0 & !(MASK << shift) | (value as u64) << shift)
    }

    fn head(self) -> Option<usize> {
        self.get(0).checked_sub(1)
    }

    fn watchdog(self) -> Option<usize> {
        self.get(WATCHDOG).checked_sub(1)
    }

    fn sleeping(self) -> usize {
        self.get(SLEEPING_COUNT)
    }

    fn searching(self) -> usize {
        self.get(SEARCHING)
    }

    fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    fn with_head(self, head: Option<usize>) -> Self {
        self.set(0, head.map_or(0, |n| n + 1))
    }

    fn with_watchdog(self, watchdog: Option<usize>) -> Self {
        self.set(WATCHDOG, watchdog.map_or(0, |n| n + 1))
    }

    /// One sleeper becomes a searcher.
    fn woken(self) -> Self {
        self.set(SLEEPING_COUNT, self.sleeping() - 1).set(SEARCHING, self.searching() + 1)
    }

    fn pushed(self, worker: usize) -> Self {
        Self(self.0.wrapping_add(TAG)).with_head(Some(worker))
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Word")
            .field("head", &self.head())
            .field("watchdog", &self.watchdog())
            .field("sleeping", &self.sleeping())
            .field("searching", &self.searching())
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// What one worker shares with those who wake it.
struct Seat {
    /// `AWAKE`, `SLEEPING` or `NOTIFIED`; see the module's table.
    state: AtomicU8,
    /// The sleeper below in the stack (number + 1). Written by its owner, or by none: only the owner puts
    /// itself on the stack.
    below: AtomicU32,
    /// Set by the worker before it first enters the word.
    thread: OnceLock<Thread>,
}

/// What a worker that stops searching with a task in hand owes.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nobody else searches: look at the queues, and announce if there is more.
    Last,
    /// Another one searches and will see what is left.
    Others,
}

/// How a sleep ended.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The worker counts as searching now and must end that by [`Idle::found`] or [`Idle::sleep`].
    Searching,
    /// The same; moreover it left the post of watchdog because a worker is stuck with a task in its slot.
    Watchdog,
    /// The scheduler stops. The worker counts as nothing any more.
    Closed,
}

/// What the watchdog saw since it last looked.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Some worker has not moved for a whole period and has a task in its slot.
    Stuck,
    /// Some worker has moved.
    Busy,
    /// Nothing has happened.
    Quiet,
}

/// How a sleeper looks at the rest of the scheduler.
pub trait Outlook {
    /// Tells whether a task is in any queue that all workers may take from.
    fn has_work(&mut self) -> bool;
    /// Looks at all workers as the watchdog does once per period.
    fn watch(&mut self) -> Seen;
}

/// The idle word and the seats of all workers.
pub struct Idle {
    word: CachePadded<AtomicU64>,
    seats: Box<[CachePadded<Seat>]>,
    period: Duration,
}

impl Idle {
    /// Makes the protocol for `workers` awake workers; the watchdog looks once per `period`.
    ///
    /// # Panics
    ///
    /// If `workers` exceeds [`MOST_WORKERS`].
    pub fn new(workers: usize, period: Duration) -> Self {
        assert!(workers <= MOST_WORKERS, "at most {MOST_WORKERS} workers");
        let seat = || {
            CachePadded::new(Seat {
                state: AtomicU8::new(AWAKE),
                below: AtomicU32::new(0),
                thread: OnceLock::new(),
            })
        };
        Self {
            word: CachePadded::new(AtomicU64::new(0)),
            seats: (0..workers).map(|_| seat()).collect(),
            period,
        }
    }

    /// Names the calling thread as that of worker `me`; once, before its first [`sleep`](Self::sleep).
    pub fn register(&self, me: usize) {
        let set = self.seats[me].thread.set(thread::current());
        assert!(set.is_ok(), "a worker registers once");
    }

    fn word(&self) -> Word {
        // ORDERING: Acquire pairs with the Release half of every transition, so that `below` of the head is
        // seen before it is read. The fences around it, not this load, make the Dekker pairs.
        Word(self.word.load(Ordering::Acquire))
    }

    /// Moves the word from `old` to `new`, or answers what it is now.
    fn swap(&self, old: Word, new: Word) -> Result<(), Word> {
        // ORDERING: Release publishes `below` and the `SLEEPING` of the one who enters to the one who takes it
        // out; Acquire is the other end. The load before has acquired too, but a watchdog that was woken and took
        // the post again leaves the same value, and its second `SLEEPING` has to come before our `NOTIFIED`.
        // Failure Acquire as in `word`. The Dekker pairs are made by fences.
        match self.word.compare_exchange_weak(old.0, new.0, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(()),
            Err(now) => Err(Word(now)),
        }
    }

    /// Tells whether [`close`](Self::close) was called.
    #[inline]
    pub fn is_closed(&self) -> bool {
        // ORDERING: Relaxed; a hint between two tasks. Falling asleep, where it counts, meets the bit in its
        // compare-and-swap of the same word.
        Word(self.word.load(Ordering::Relaxed)).is_closed()
    }

    /// Says that a task has been put where all workers find it; wakes one if nobody searches.
    #[inline]
    pub fn announce(&self) {
        // ORDERING: the submitter's half of the Dekker pair told in the module documentation; partner is the
        // fence in `sleep`, or in `found`. Nothing weaker orders our put before the read of the word.
        fence(Ordering::SeqCst);
        let word = self.word();
        if word.searching() == 0 && word.sleeping() != 0 {
            self.wake_unless_searched(word);
        }
    }

    #[cold]
    fn wake_unless_searched(&self, mut word: Word) {
        while word.searching() == 0 && word.sleeping() != 0 {
            match self.take_one(word) {
                Ok(()) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Says that a task has been put into a worker's own empty slot (rule 6).
    ///
    /// To be called by that worker.
    #[inline]
    pub fn announce_slot(&self) {
        // ORDERING: Relaxed; see "Why no slot is forgotten": coherence of the one word is enough.
        let word = Word(self.word.load(Ordering::Relaxed));
        if word.watchdog().is_none() && word.sleeping() != 0 {
            self.appoint();
        }
    }

    /// Gives the vacant post of watchdog to the top of the stack, which goes on sleeping.
    #[cold]
    fn appoint(&self) {
        let mut word = self.word();
        while let (None, Some(top)) = (word.watchdog(), word.head()) {
            let new = word.with_head(self.below(top)).with_watchdog(Some(top));
            match self.swap(word, new) {
                // It wakes up, sees its post in the word, and parks again with a time-out.
                Ok(()) => return self.unpark(top),
                Err(now) => word = now,
            }
        }
    }

    /// Asks for leave to search; refused if half of the workers do so already.
    pub fn try_search(&self) -> bool {
        let mut word = self.word();
        while word.searching() == 0 || word.searching() < self.seats.len() / 2 {
            match self.swap(word, word.set(SEARCHING, word.searching() + 1)) {
                Ok(()) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Ends a search that found a task.
    pub fn found(&self) -> Found {
        // ORDERING: Release of what we moved into our own queue without a word, trusting whoever ends its search last to
        // see it. If that is us, the fence below acquires what this step has read. One step: a searcher's count is above 0,
        // so nothing is borrowed.
        let old = Word(self.word.fetch_sub(1 << SEARCHING, Ordering::Release));
        debug_assert!(old.searching() != 0, "a search ended twice: {old:?}");
        if old.searching() != 1 {
            return Found::Others;
        }
        // ORDERING: the last searcher's half of the Dekker pair; partner is the fence in `announce`. The look
        // that `Found::Last` asks for comes after it, and after what the others moved (Acquire, with their Release above).
        fence(Ordering::SeqCst);
        Found::Last
    }

    /// Ends a search that found nothing (`searching`), or goes to sleep without one; returns when woken.
    pub fn sleep(&self, me: usize, searching: bool, outlook: &mut impl Outlook) -> Woken {
        let seat = &self.seats[me];
        debug_assert!(seat.thread.get().is_some(), "worker {me} sleeps unregistered");
        // ORDERING: Relaxed; published by the Release of the entry below, to whoever takes us out.
        seat.state.store(SLEEPING, Ordering::Relaxed);
        if !self.enter(me, searching) {
            // ORDERING: Relaxed; we are not in the word, nobody reads it.
            seat.state.store(AWAKE, Ordering::Relaxed);
            return Woken::Closed;
        }
        // ORDERING: the sleeper's half of the Dekker pair told in the module documentation; partner is the
        // fence in `announce`. Without it our look could run ahead of our entry.
        fence(Ordering::SeqCst);
        if outlook.has_work() {
            self.wake_unless_searched(self.word());
        }
        let woken = self.park(me, outlook);
        // ORDERING: Relaxed; we are out of the word, nobody reads it.
        seat.state.store(AWAKE, Ordering::Relaxed);
        woken
    }

    /// Enters the word as a sleeper: as the watchdog if the post is vacant and somebody stays awake.
    fn enter(&self, me: usize, searching: bool) -> bool {
        let mut word = self.word();
        loop {
            let idler = word.set(SEARCHING, word.searching() - usize::from(searching));
            let sleepers = word.sleeping() + 1;
            let new = if word.is_closed() {
                idler
            } else if word.watchdog().is_none() && sleepers < self.seats.len() {
                idler.with_watchdog(Some(me)).set(SLEEPING_COUNT, sleepers)
            } else {
                self.link(me, word);
                idler.pushed(me).set(SLEEPING_COUNT, sleepers)
            };
            match self.swap(word, new) {
                Ok(()) => return !word.is_closed(),
                Err(now) => word = now,
            }
        }
    }

    /// Parks until taken out of the word; does the watchdog's rounds while that is our post.
    fn park(&self, me: usize, outlook: &mut impl Outlook) -> Woken {
        loop {
            // ORDERING: Acquire pairs with the Release in `notify`: what the waker did before is seen, the
            // task it announces too.
            if self.seats[me].state.load(Ordering::Acquire) == NOTIFIED {
                return if self.is_closed() { self.end_search() } else { Woken::Searching };
            }
            if self.word().watchdog() != Some(me) {
                thread::park();
                continue;
            }
            thread::park_timeout(self.period);
            match outlook.watch() {
                Seen::Stuck if self.leave_watch(me) => return Woken::Watchdog,
                Seen::Quiet => self.retire_watch(me),
                Seen::Stuck | Seen::Busy => {}
            }
        }
    }

    /// A worker taken out by [`close`](Self::close) does not search.
    fn end_search(&self) -> Woken {
        // ORDERING: Relaxed: it has moved nothing that others trust to see; rule 2 counted us, so nothing is borrowed.
        self.word.fetch_sub(1 << SEARCHING, Ordering::Relaxed);
        Woken::Closed
    }

    /// Leaves the post to search, and appoints the top of the stack in the same step.
    ///
    /// `false`: somebody has taken us out meanwhile, and `NOTIFIED` is on its way.
    fn leave_watch(&self, me: usize) -> bool {
        let mut word = self.word();
        while word.watchdog() == Some(me) {
            let next = word.head();
            let rest = next.map_or(word, |top| word.with_head(self.below(top)));
            match self.swap(word, rest.with_watchdog(next).woken()) {
                Ok(()) => {
                    if let Some(next) = next {
                        self.unpark(next);
                    }
                    return true;
                }
                Err(now) => word = now,
            }
        }
        false
    }

    /// If all workers sleep, goes from the post of watchdog to the stack.
    fn retire_watch(&self, me: usize) {
        let mut word = self.word();
        while word.watchdog() == Some(me) && word.sleeping() == self.seats.len() {
            self.link(me, word);
            match self.swap(word, word.with_watchdog(None).pushed(me)) {
                Ok(()) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Tries once to take a sleeper out of `word`, the watchdog last, and wakes it.
    fn take_one(&self, word: Word) -> Result<(), Word> {
        let (taken, rest) = match (word.head(), word.watchdog()) {
            (Some(top), _) => (top, word.with_head(self.below(top))),
            (None, Some(watchdog)) => (watchdog, word.with_watchdog(None)),
            (None, None) => unreachable!("sleepers are counted but not there: {word:?}"),
        };
        self.swap(word, rest.woken())?;
        // ORDERING: Release pairs with the Acquire in `park`; the task we announce is seen by the woken one.
        let old = self.seats[taken].state.swap(NOTIFIED, Ordering::Release);
        debug_assert_eq!(old, SLEEPING, "a worker was taken out of the word twice");
        self.unpark(taken);
        Ok(())
    }

    /// Ends all sleep for good and wakes everybody.
    pub fn close(&self) {
        // ORDERING: Acquire as in `word`; who meets the bit reads nothing on its strength. No Dekker pair: whoever falls
        // asleep meets the bit in its own read-modify-write of this word, or is in the word that we read next.
        let mut word = Word(self.word.fetch_or(CLOSED, Ordering::Acquire) | CLOSED);
        while word.sleeping() != 0 {
            word = match self.take_one(word) {
                Ok(()) => self.word(),
                Err(now) => now,
            };
        }
    }

    /// Reads the link below `worker`; right only if the word has not changed, which `swap` checks.
    fn below(&self, worker: usize) -> Option<usize> {
        // ORDERING: Relaxed; written before the Release that put `worker` on top, which our Acquire read of the
        // word has seen. If it has been rewritten since, the tag differs and the swap fails.
        (self.seats[worker].below.load(Ordering::Relaxed) as usize).checked_sub(1)
    }

    fn link(&self, me: usize, word: Word) {
        // ORDERING: Relaxed; published by the Release of the swap that puts us on top.
        self.seats[me].below.store(word.get(0) as u32, Ordering::Relaxed);
    }

    fn unpark(&self, worker: usize) {
        if let Some(thread) = self.seats[worker].thread.get() {
            thread.unpark();
        }
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").field("word", &self.word()).field("workers", &self.seats.len()).finish()
    }
}
