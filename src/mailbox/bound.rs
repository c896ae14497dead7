//! The limit of a bounded mailbox, and what happens when it is reached.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use super::node::{Discard, Node, Unopened};
use super::parcel::{Letter, Parcel};
use crate::guard;
use crate::observe::{self, Rejection};
use crate::structs::future::SlotFuture;
use crate::structs::queue::{Queue, Ring};
use crate::structs::waker::AtomicWaker;
use crate::sync::atomic::{AtomicBool, AtomicIsize, AtomicU8, AtomicUsize, Ordering, fence};
use crate::sync::{Arc, limit};

/// What a bounded mailbox does with a message when it is full. A [`Down`](crate::Down) takes no place: no mailbox can
/// refuse or drop it.
///
/// ```
/// use deathwatch::{Mailbox, OnFull, Options};
/// let options = Options::new().mailbox(Mailbox::bounded(100, OnFull::DropOldest));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnFull {
    /// The sender gets its message back in [`SendError::Full`](crate::SendError::Full).
    Reject,
    /// As `Reject` for `send`; `send_wait` and `request` wait until there is room, first come, first served.
    Wait,
    /// The message is dropped and the sender not told.
    DropNewest,
    /// The oldest message in the mailbox is dropped to make room.
    DropOldest,
}

/// The places of a bounded mailbox.
///
/// `used` counts the messages that have a place. A place that becomes free is handed to the longest waiting sender if
/// there is one. `Reject`, `Wait` and `DropNewest` take a place before they push; `DropOldest` works through a ring,
/// see [`Ticket`].
pub struct Bound {
    capacity: usize,
    policy: OnFull,
    used: AtomicUsize,
    waiters: Queue<Arc<Waiter>>,
    /// Waiters that have left and may still stand in the queue.
    gone: AtomicUsize,
    closed: AtomicBool,
    ring: Option<Ring<Queued>>,
    /// Tickets in the mailbox. Raised after the push, so that one that was opened at once may make it negative.
    tickets: AtomicIsize,
}

const WAITING: u8 = 0;
const GRANTED: u8 = 1;
const GONE: u8 = 2;

/// A sender that waits for a place.
///
/// | word | set by | meaning |
/// |---|---|---|
/// | `WAITING` | the sender | in the queue |
/// | `GRANTED` | who frees a place | the place is the sender's: it sends, or passes it on |
/// | `GONE` | the sender, or the closing of the mailbox | who frees a place passes it by |
struct Waiter {
    word: AtomicU8,
    waker: AtomicWaker,
}

/// A block that stands in the ring, which owns it.
struct Queued(NonNull<Node>);

// SAFETY: an owned block; blocks may be sent (see `Parcel`).
unsafe impl Send for Queued {}

impl Queued {
    fn into_node(self) -> NonNull<Node> {
        ManuallyDrop::new(self).0
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        guard::drop_quietly(Discard(self.0, Unopened::Dying));
    }
}

/// What a message may do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// Be pushed; the place is taken.
    Push,
    /// Go into the ring, see [`Bound::displace`].
    Displace,
    /// Be dropped.
    Drop,
    /// Go back to its sender, who may wait.
    Full,
}

impl Bound {
    /// Limits a mailbox.
    pub fn new(capacity: NonZeroUsize, policy: OnFull) -> Self {
        let capacity = capacity.get();
        Bound {
            capacity,
            policy,
            used: AtomicUsize::new(0),
            waiters: Queue::new(),
            gone: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            ring: (policy == OnFull::DropOldest).then(|| Ring::new(capacity)),
            tickets: AtomicIsize::new(0),
        }
    }

    /// May a message go in?
    pub fn admit(&self) -> Admission {
        match self.policy {
            OnFull::DropOldest => Admission::Displace,
            _ if self.take_place() => Admission::Push,
            OnFull::DropNewest => Admission::Drop,
            OnFull::Reject | OnFull::Wait => Admission::Full,
        }
    }

    /// How many messages can have a place.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many messages have one.
    pub fn depth(&self) -> usize {
        // ORDERING: Relaxed: statistics.
        self.ring.as_ref().map_or_else(|| self.used.load(Ordering::Relaxed), Ring::len)
    }

    /// Do senders wait for room?
    pub fn waits(&self) -> bool {
        self.policy == OnFull::Wait
    }

    fn take_place(&self) -> bool {
        // ORDERING: Relaxed: the count only counts; messages are ordered by the mailbox word. (The waiting protocol
        // has its own fences.)
        let mut used = self.used.load(Ordering::Relaxed);
        while used < self.capacity {
            // ORDERING: as above.
            match self.used.compare_exchange_weak(used, used + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => used = now,
            }
        }
        false
    }

    /// Frees the place of a message that left the mailbox: hands it to a waiting sender, or back.
    ///
    /// Two cases against [`Place::poll`]: if our fence is first, the waiter's second try sees the lowered count; if its
    /// fence is first, we see it in the queue. So no waiter sleeps while there is room.
    pub fn free_place(&self) {
        loop {
            while let Some(waiter) = self.waiters.pop() {
                if waiter.settle(GRANTED) {
                    return;
                }
            }
            // ORDERING: Relaxed: the count only counts, see `take_place`; the fence puts it before the look below.
            self.used.fetch_sub(1, Ordering::Relaxed);
            // ORDERING: pairs with the fence in `Place::poll`.
            fence(Ordering::SeqCst);
            if self.waiters.is_empty() || !self.take_place() {
                return;
            }
        }
    }

    /// A waiter has left. When more of them stand in the queue than not, takes all of them out, once around. Who comes to
    /// wait meanwhile may overtake some of those who wait already.
    fn waiter_left(&self) {
        // ORDERING: Relaxed, here and below: a count that decides when to tidy up.
        let gone = self.gone.fetch_add(1, Ordering::Relaxed) + 1;
        let around = self.waiters.len();
        // ORDERING: as above. Whoever sets it to zero goes around.
        if gone <= limit(64.max(around / 2), 0) || self.gone.swap(0, Ordering::Relaxed) < gone {
            return;
        }
        for _ in 0..around {
            let Some(waiter) = self.waiters.pop() else { break };
            if waiter.is_waiting() {
                self.waiters.push(waiter);
            }
        }
        // A place that became free while a waiter was in our hand found nobody in the queue.
        // ORDERING: pairs with the fence in `free_place`.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed: ordered by the fence, which pairs with the one in `close` too: it emptied the queue after we
        // gave the waiter back, or we see that it is closed.
        if self.closed.load(Ordering::Relaxed) {
            self.close();
        } else if !self.waiters.is_empty() && self.take_place() {
            self.free_place();
        }
    }

    /// Puts a message into the ring of a `DropOldest` mailbox, dropping the oldest if it is full. True: the mailbox owes
    /// [`ticket`](Self::ticket)s.
    ///
    /// # Safety
    ///
    /// All parcels that are ever given to one `Bound` are for the same type of stage.
    pub unsafe fn displace<S: 'static>(this: &Arc<Self>, parcel: Parcel<S>) -> bool {
        let Some(ring) = this.ring.as_ref() else { return false };
        if let Some(oldest) = ring.force_push(Queued(parcel.into_raw())) {
            observe::rejected(Rejection::Displaced);
            guard::drop_quietly(Discard(oldest.into_node(), Unopened::Displaced));
        }
        // ORDERING: pairs with the fence in `close`: we see `closed`, or it sees our message in the ring.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed: ordered by the fence.
        if this.closed.load(Ordering::Relaxed) {
            this.drain_ring();
            return false;
        }
        true
    }

    /// A ticket to be pushed into the mailbox, if there are fewer than messages in the ring.
    pub fn ticket<S: 'static>(this: &Arc<Self>) -> Option<Parcel<S>> {
        let wanted = this.ring.as_ref().map_or(0, Ring::len);
        // ORDERING: Acquire pairs with the fence of a ticket that is opened: whose message is no longer in the length, its
        // lowering shows in the count.
        fence(Ordering::Acquire);
        // ORDERING: Acquire pairs with the Release in `ticket_pushed`: the tickets we rely on are in the mailbox. Read
        // after the length: see `Ticket`.
        if this.tickets.load(Ordering::Acquire) >= wanted as isize {
            return None;
        }
        Some(Parcel::seal(Ticket::<S> { bound: Arc::clone(this), stage: PhantomData }).into_parcel())
    }

    /// Notes that a ticket stands in the mailbox.
    pub fn ticket_pushed(&self) {
        // ORDERING: Release: the push is before the higher count, see `ticket`.
        self.tickets.fetch_add(1, Ordering::Release);
    }

    /// The mailbox is closed: nobody waits any longer, and what stands in the ring is dropped.
    pub fn close(&self) {
        // ORDERING: Relaxed, ordered by the fence, which pairs with those in `displace` and `Place::poll`: who comes
        // later sees `closed`, who came before is seen below.
        self.closed.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        while let Some(waiter) = self.waiters.pop() {
            let _ = waiter.settle(GONE);
        }
        self.drain_ring();
    }

    fn drain_ring(&self) {
        while let Some(left) = self.ring.as_ref().and_then(Ring::pop) {
            drop(left);
        }
    }
}

impl Waiter {
    fn is_waiting(&self) -> bool {
        // ORDERING: Relaxed: a look; who leaves later is met in the queue.
        self.word.load(Ordering::Relaxed) == WAITING
    }

    /// Ends the waiting, one way or the other. False when it had ended before.
    fn settle(&self, outcome: u8) -> bool {
        // ORDERING: Relaxed: a place carries nothing, whether it is handed over or counted (see `take_place`). That the
        // sender sees the outcome is the business of its waker.
        let won = self.word.compare_exchange(WAITING, outcome, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if won {
            guard::drop_quietly(guard::WakeOnDrop(self.waker.take()));
        }
        won
    }
}

/// Waits for a place in a mailbox; first come, first served. Dropped, it leaves the queue, and passes on a place that
/// it was granted meanwhile.
pub struct Place {
    bound: Arc<Bound>,
    waiter: Option<Arc<Waiter>>,
}

impl Place {
    /// Begins to wait.
    pub fn new(bound: Arc<Bound>) -> Self {
        Place { bound, waiter: None }
    }

    /// True: the place is the caller's. False: the mailbox is closed.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.waiter.is_none() {
            let waiter = Arc::new(Waiter { word: AtomicU8::new(WAITING), waker: AtomicWaker::new() });
            self.waiter = Some(Arc::clone(&waiter));
            self.bound.waiters.push(Arc::clone(&waiter));
            // ORDERING: pairs with the fences in `free_place` and `close`.
            fence(Ordering::SeqCst);
            if self.bound.take_place() {
                if waiter.settle(GONE) {
                    self.waiter = None;
                    self.bound.waiter_left();
                    return Poll::Ready(true);
                }
                self.bound.free_place(); // granted as well: one place is enough
            }
            // ORDERING: Relaxed: ordered by the fence.
            if self.bound.closed.load(Ordering::Relaxed) {
                self.bound.close(); // takes out whoever came too late to be seen, ourselves among them
            }
        }
        let Some(waiter) = &self.waiter else { return Poll::Pending };
        if waiter.is_waiting() {
            waiter.waker.register(cx.waker());
        }
        // ORDERING: Relaxed: as in `settle`; read after the registration.
        match waiter.word.load(Ordering::Relaxed) {
            WAITING => Poll::Pending,
            word => {
                // The queue may keep the waiter for a while, but not the one who waited.
                guard::drop_quietly(waiter.waker.take());
                self.waiter = None;
                Poll::Ready(word == GRANTED)
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        if waiter.settle(GONE) {
            self.bound.waiter_left();
        // ORDERING: Relaxed: as in `settle`, which has just met the outcome.
        } else if waiter.word.load(Ordering::Relaxed) == GRANTED {
            self.bound.free_place();
        }
    }
}

/// Stands in a `DropOldest` mailbox for whatever is oldest in its ring when its turn comes.
///
/// Messages stand in the ring, so that the oldest can be dropped by a sender; tickets stand in the mailbox, so that
/// there is one order for messages and `Down`s. After its message is in the ring, a sender pushes tickets until there are
/// as many as messages, also for others who are slow with theirs. Then the tickets that are there bring out everything in
/// the ring, its message included, and they stand before anything it pushes later. A ticket that finds the ring empty
/// does nothing.
///
/// Why the length is read first: at that moment no more than so many messages are up to and including ours, and they only
/// become fewer. Every ticket counted later is lowered before it takes its message, so all that are counted still bring one
/// out each. Counting too few means to push one too many.
struct Ticket<S> {
    bound: Arc<Bound>,
    stage: PhantomData<fn(S)>,
}

impl<S: 'static> Letter<S> for Ticket<S> {
    const COUNTED: bool = false;

    fn open<'a>(self, stage: &'a mut S) -> SlotFuture<'a> {
        // ORDERING: Relaxed and the fence: lowered before the ring is looked at, so a sender that still counts this
        // ticket put its message there before we look. The fence pairs with the one in `displace`.
        self.bound.tickets.fetch_sub(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        match self.bound.ring.as_ref().and_then(Ring::pop) {
            Some(oldest) => {
                // SAFETY: the ring owned the block, which is for an S by the contract of `displace`.
                let parcel = unsafe { Parcel::<S>::from_raw(oldest.into_node()) };
                observe::waited(parcel.stamp());
                parcel.open(stage)
            }
            None => SlotFuture::ready(),
        }
    }
}
