//! A question that travels to the consumer and an answer that comes back, in one block.
//!
//! Two sides share it: the [`Asker`], and the answering side, which is the node in the mailbox until it is opened and
//! an [`Answerer`] from then on. An alarm (the time limit) may hold it as well.
//!
//! # Rules
//!
//! 1. The question belongs to the answering side. It is moved out when the node is opened, dropped when discarded.
//! 2. The answer is written by the answering side before it sets `ANSWERED`. It belongs to the asker from then on,
//!    unless `LEFT` was set before: then the answering side drops it. So nobody ever sees an answer that comes late.
//! 3. `ANSWERED` and `ABANDONED` are set once, one of them, and never cleared.
//! 4. The block goes when the count in the upper bits comes to zero. The asker has two to begin with, one of which it lends
//!    with the alarm, of which there is at most one.
//! 5. An asker that has moved the answer out is done with it: it leaves without `LEFT`.
//!
//! | bit | set by | never together with |
//! |---|---|---|
//! | `ANSWERED` | answering side | `ABANDONED` |
//! | `ABANDONED` | answering side, going without an answer | `ANSWERED` |
//! | `DISPLACED` | answering side, with `ABANDONED`: the mailbox dropped the question, its actor lives | – |
//! | `LEFT` | asker, when it goes without having taken an answer | – |
//! | `EXPIRED` | the alarm, when the time limit is over | – |

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use super::node::{Node, NodeVtable, Unopened};
use super::parcel::Parcel;
use crate::clock::Clock;
use crate::guard::{self, WakeOnDrop};
use crate::structs::alarm::{Alarm, AlarmRef, AlarmVtable, Ring};
use crate::structs::future::SlotFuture;
use crate::structs::pool;
use crate::structs::waker::AtomicWaker;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Tracked, UnsafeCell};

const ANSWERED: usize = 1;
const ABANDONED: usize = 2;
const DISPLACED: usize = 4;
const LEFT: usize = 8;
const EXPIRED: usize = 16;
const ONE: usize = 32;

/// What the answering side does with a question, given the stage.
pub trait Respond<S>: 'static {
    /// The question's type.
    type Question: Send + 'static;
    /// The answer's type.
    type Answer: Send + 'static;

    /// Begins to work on the question.
    fn respond<'a>(
        question: Self::Question,
        answerer: Answerer<Self::Question, Self::Answer>,
        stage: &'a mut S,
    ) -> SlotFuture<'a>;
}

#[repr(C)]
struct Exchange<Q, R> {
    node: Node,
    alarm: Alarm,
    word: AtomicUsize,
    waker: AtomicWaker,
    question: UnsafeCell<MaybeUninit<Q>>,
    answer: UnsafeCell<MaybeUninit<R>>,
    tracked: Tracked,
}

/// The side that waits for the answer.
pub struct Asker<Q, R> {
    exchange: NonNull<Exchange<Q, R>>,
    /// The count for the alarm has been lent.
    alarmed: bool,
    /// The answer was moved out.
    taken: bool,
}

/// The side that gives the answer. Dropped without one, it tells the asker that there will be none.
pub struct Answerer<Q, R> {
    exchange: NonNull<Exchange<Q, R>>,
}

// SAFETY: both sides touch the block by the rules of the word only; question and answer may be sent.
unsafe impl<Q: Send, R: Send> Send for Asker<Q, R> {}
// SAFETY: shared references give no access to question or answer.
unsafe impl<Q: Send, R: Send> Sync for Asker<Q, R> {}
// SAFETY: as for the asker.
unsafe impl<Q: Send, R: Send> Send for Answerer<Q, R> {}
// SAFETY: as for the asker.
unsafe impl<Q: Send, R: Send> Sync for Answerer<Q, R> {}

/// There will be no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The answering side is dying or dead.
    Abandoned,
    /// The mailbox dropped the question to make room for a newer message.
    Displaced,
}

/// Makes a question ready to be pushed: the one allocation of a request.
pub fn ask<S: 'static, T: Respond<S>>(question: T::Question) -> (Asker<T::Question, T::Answer>, Parcel<S>) {
    let vtable = const {
        &NodeVtable {
            open: open::<S, T>,
            discard: discard::<T::Question, T::Answer>,
            counted: true,
            slot: None,
        }
    };
    let exchange = pool::new_block(Exchange::<T::Question, T::Answer> {
        node: Node::new(vtable),
        alarm: Alarm::new(0, const { &alarm_vtable::<T::Question, T::Answer>() }),
        word: AtomicUsize::new(3 * ONE),
        waker: AtomicWaker::new(),
        question: UnsafeCell::new(MaybeUninit::new(question)),
        answer: UnsafeCell::new(MaybeUninit::uninit()),
        tracked: Tracked::new(),
    });
    // SAFETY: the node is the first field of the block and was made for S; one count belongs to the parcel.
    (Asker { exchange, alarmed: false, taken: false }, unsafe { Parcel::from_raw(exchange.cast()) })
}

impl<Q, R> Exchange<Q, R> {
    fn read_word(&self) -> usize {
        self.tracked.touch();
        // ORDERING: Acquire pairs with the Release of `settle`: who sees ANSWERED sees the answer.
        self.word.load(Ordering::Acquire)
    }

    /// Sets bits of the answering side and wakes the asker. Gives back what the word was.
    fn settle(&self, bits: usize) -> usize {
        self.tracked.touch();
        // ORDERING: Release publishes the answer. Who finds LEFT here touches only what is its own.
        let before = self.word.fetch_or(bits, Ordering::Release);
        debug_assert_eq!(before & (ANSWERED | ABANDONED), 0, "rule 3");
        if before & LEFT == 0 {
            // Answered, nothing more will happen here; abandoned, the alarm may still ring.
            let last = bits & ANSWERED != 0;
            let waker = if last { self.waker.take_for_good() } else { self.waker.take() };
            guard::drop_quietly(WakeOnDrop(waker)); // the user's waker may panic; that is not the answering side's fault
        }
        before
    }
}

/// Gives up one count; the last one frees the block.
///
/// # Safety
///
/// The caller owns one count and does not use the pointer again.
unsafe fn release<Q, R>(exchange: NonNull<Exchange<Q, R>>) {
    // SAFETY: by the contract.
    unsafe { release_many(exchange, 1) };
}

/// # Safety
///
/// As for [`release`], with so many counts.
unsafe fn release_many<Q, R>(exchange: NonNull<Exchange<Q, R>>, many: usize) {
    // SAFETY: alive, since the caller owns a count.
    let this = unsafe { exchange.as_ref() };
    this.tracked.touch();
    // ORDERING: Release: what this side did with the block is before the freeing.
    let before = this.word.fetch_sub(many * ONE, Ordering::Release);
    if before / ONE == many {
        // ORDERING: Acquire pairs with the Release of the other sides' `release`. A load and not a fence, as for a cell's
        // references.
        this.word.load(Ordering::Acquire);
        // SAFETY: nobody else has a count. Question and answer are gone by rules 1 and 2 (both are MaybeUninit).
        unsafe {
            exchange.as_ref().tracked.end();
            drop(pool::take_block(exchange));
        }
    }
}

impl<Q, R> Asker<Q, R> {
    fn exchange(&self) -> &Exchange<Q, R> {
        // SAFETY: this side owns a count.
        unsafe { self.exchange.as_ref() }
    }

    /// Whom to wake when there is an answer, when there will be none, and when the alarm rings.
    pub fn register(&self, cx: &Context<'_>) {
        self.exchange().waker.register(cx.waker());
    }

    /// The answer, or that there will be none.
    ///
    /// # Panics
    ///
    /// When the answer has been taken before.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, NoAnswer>> {
        if let Some(outcome) = self.try_take() {
            return Poll::Ready(outcome);
        }
        self.exchange().waker.register(cx.waker());
        match self.try_take() {
            Some(outcome) => {
                // It may have come before the waker did: then nobody else takes that out.
                guard::drop_quietly(self.exchange().waker.take());
                Poll::Ready(outcome)
            }
            None => Poll::Pending,
        }
    }

    /// Is the time limit over?
    pub fn is_expired(&self) -> bool {
        // ORDERING: Relaxed: nothing is read on its strength. That it is seen is the business of the waker.
        self.exchange().word.load(Ordering::Relaxed) & EXPIRED != 0
    }

    /// Has an alarm been set?
    pub fn is_alarmed(&self) -> bool {
        self.alarmed
    }

    fn try_take(&mut self) -> Option<Result<R, NoAnswer>> {
        let word = self.exchange().read_word();
        if word & ANSWERED != 0 {
            assert!(!self.taken, "polled after it was ready");
            self.taken = true;
            // SAFETY: initialised before ANSWERED was set, and ours (rule 2): LEFT is not set while we live. It is
            // moved out once, as noted.
            let answer = self.exchange().answer.with(|answer| unsafe { (*answer).assume_init_read() });
            return Some(Ok(answer));
        }
        if word & ABANDONED != 0 {
            return Some(Err(if word & DISPLACED != 0 { NoAnswer::Displaced } else { NoAnswer::Abandoned }));
        }
        None
    }

    /// Has the clock wake the asker when so many nanoseconds are over, unless it is done by then: it [is
    /// expired](Self::is_expired) then. To be called once. False when the clock takes no alarms.
    pub fn set_alarm(&mut self, clock: &Clock, limit: u64) -> bool {
        clock.set_limit(self.lend_alarm(limit)).is_ok()
    }

    /// The block's one alarm, which lasts so many nanoseconds.
    pub fn lend_alarm(&mut self, limit: u64) -> AlarmRef {
        assert!(!self.alarmed, "one alarm");
        self.alarmed = true;
        // SAFETY: derived from the block's pointer, since the vtable finds the block from it; the second count of ours is
        // lent with it, and comes back through the vtable, whose functions do not unwind.
        let alarm = unsafe {
            let place = self.exchange.byte_add(std::mem::offset_of!(Exchange<Q, R>, alarm));
            AlarmRef::from_raw(place.cast())
        };
        alarm.set_when(limit);
        alarm
    }
}

impl<Q, R> Drop for Asker<Q, R> {
    fn drop(&mut self) {
        if !self.taken {
            // ORDERING: Acquire pairs with `settle`: the answer to drop. LEFT itself publishes nothing.
            let before = self.exchange().word.fetch_or(LEFT, Ordering::Acquire);
            if before & ANSWERED != 0 {
                // SAFETY: initialised, ours (rule 2), and not moved out.
                guard::drop_quietly(
                    self.exchange().answer.with(|answer| unsafe { (*answer).assume_init_read() }),
                );
            }
            guard::drop_quietly(self.exchange().waker.take());
        }
        // SAFETY: this side's counts, given up once.
        unsafe { release_many(self.exchange, if self.alarmed { 1 } else { 2 }) };
    }
}

impl<Q, R> Answerer<Q, R> {
    /// Gives the answer.
    pub fn answer(self, answer: R) {
        let exchange = std::mem::ManuallyDrop::new(self).exchange;
        // SAFETY: this side owns a count until `release`; the answer is written before ANSWERED (rule 2), and taken
        // back when the asker had left before.
        unsafe {
            let this = exchange.as_ref();
            this.answer.with_mut(|slot| {
                (*slot).write(answer);
            });
            if this.settle(ANSWERED) & LEFT != 0 {
                guard::drop_quietly(this.answer.with(|answer| (*answer).assume_init_read()));
            }
            release(exchange);
        }
    }
}

impl<Q, R> Answerer<Q, R> {
    /// Goes without an answer, since the question was dropped by an actor that lives.
    pub fn displace(self) {
        self.abandon(ABANDONED | DISPLACED);
    }

    /// Goes without an answer.
    fn abandon(self, bits: usize) {
        let exchange = std::mem::ManuallyDrop::new(self).exchange;
        // SAFETY: this side's count, given up once.
        unsafe {
            exchange.as_ref().settle(bits);
            release(exchange);
        }
    }
}

impl<Q, R> Drop for Answerer<Q, R> {
    fn drop(&mut self) {
        Answerer { exchange: self.exchange }.abandon(ABANDONED);
    }
}

/// # Safety
///
/// See [`NodeVtable::open`].
unsafe fn open<S: 'static, T: Respond<S>>(node: NonNull<Node>, stage: NonNull<()>) -> SlotFuture<'static> {
    let answerer = Answerer { exchange: node.cast::<Exchange<T::Question, T::Answer>>() };
    // SAFETY: the block is an exchange of T's types (it carries this very function); the question is moved out once (rule 1);
    // the stage is an S, borrowed for as long as the future lives.
    unsafe {
        let question = answerer.exchange.as_ref().question.with(|question| (*question).assume_init_read());
        T::respond(question, answerer, &mut *stage.cast::<S>().as_ptr())
    }
}

/// # Safety
///
/// See [`NodeVtable::discard`].
unsafe fn discard<Q, R>(node: NonNull<Node>, why: Unopened) {
    let answerer = Answerer { exchange: node.cast::<Exchange<Q, R>>() };
    // SAFETY: the block is an exchange of Q and R (it carries this very function); the question is moved out once.
    let question =
        unsafe { answerer.exchange.as_ref().question.with(|question| (*question).assume_init_read()) };
    match why {
        Unopened::Dying => drop(answerer), // the asker first: the question's Drop may panic
        Unopened::Displaced => answerer.abandon(ABANDONED | DISPLACED),
    }
    drop(question);
}

const fn alarm_vtable<Q, R>() -> AlarmVtable {
    AlarmVtable {
        ring: ring::<Q, R>,
        is_done: is_done::<Q, R>,
        release: release_alarm::<Q, R>,
        recallable: false,
    }
}

/// The exchange whose alarm this is.
///
/// # Safety
///
/// `alarm` came from [`Asker::alarm`] of an exchange of these types.
unsafe fn of_alarm<Q, R>(alarm: NonNull<Alarm>) -> NonNull<Exchange<Q, R>> {
    // SAFETY: the alarm is a field of the block it came from, and the pointer was derived from the block's.
    unsafe { alarm.byte_sub(std::mem::offset_of!(Exchange<Q, R>, alarm)).cast() }
}

/// The time limit is over.
unsafe fn ring<Q, R>(alarm: NonNull<Alarm>, why: Ring) -> Option<u64> {
    // When the clock stops, its actors are gone, and nobody waits any more who would not be told that.
    if let Ring::Due(_) = why {
        // SAFETY: the service owns a count.
        let exchange = unsafe { of_alarm::<Q, R>(alarm).as_ref() };
        // ORDERING: Relaxed: see `is_expired`; the waker shows it to the poll that follows.
        exchange.word.fetch_or(EXPIRED, Ordering::Relaxed);
        guard::drop_quietly(WakeOnDrop(exchange.waker.take()));
    }
    None
}

unsafe fn is_done<Q, R>(alarm: NonNull<Alarm>) -> bool {
    // SAFETY: the service owns a count.
    let word = unsafe { of_alarm::<Q, R>(alarm).as_ref() }.read_word();
    word & (ANSWERED | LEFT) != 0 // abandoned, its asker waits for the actor's end, within the same limit
}

unsafe fn release_alarm<Q, R>(alarm: NonNull<Alarm>) {
    // SAFETY: the service's count, given up once.
    unsafe { release(of_alarm::<Q, R>(alarm)) };
}
