//! The queue of a mailbox: many senders, one consumer, one word between them.

use std::ptr::{self, NonNull};

use super::node::{Chain, Node};
use crate::observe;
use crate::sync::UnsafeCell;
use crate::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

const PARKED: usize = 1;
const CLOSED: usize = 2;

fn parked() -> *mut Node {
    ptr::without_provenance_mut(PARKED)
}

fn closed() -> *mut Node {
    ptr::without_provenance_mut(CLOSED)
}

/// Lock-free for senders (one compare-and-exchange), wait-free for the consumer (one swap for all that is there).
///
/// The word holds the newest node, behind which the older ones are linked, or one of three other things:
///
/// | word | means | left by |
/// |---|---|---|
/// | null | empty, the consumer is awake | push, park, close |
/// | a node | so many messages, newest first | push, take (to null), close |
/// | `PARKED` | empty, the consumer must be woken by who pushes | push, close, put ahead (to null) |
/// | `CLOSED` | the consumer takes no more: a push is refused | never |
///
/// There is no separate flag for "the consumer sleeps", so no wake-up can be lost between two words: the push that
/// replaces `PARKED` is told to wake. Only the consumer closes, so its own swap can never un-close.
pub struct Inbox {
    word: AtomicPtr<Node>,
    /// The consumer's.
    local: UnsafeCell<Local>,
    /// How many messages are in `local`; the consumer's. For statistics, and so it may wrap, beyond thousands of millions.
    depth: UnsafeCell<u32>,
    high_water: AtomicU32,
}

/// What the consumer has taken from the word, in order of arrival, behind what overtakes.
struct Local {
    chain: Chain,
    /// The last of those at the front that have overtaken the others; null when there is none.
    ahead: *mut Node,
}

// SAFETY: the word is atomic; `local` is touched by the consumer only, of which there is one (contract of the unsafe
// methods); nodes may be sent.
unsafe impl Sync for Inbox {}
// SAFETY: as above.
unsafe impl Send for Inbox {}

/// What the one who pushed owes now.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Push {
    /// Nothing: the consumer is awake.
    Queued,
    /// To wake the consumer.
    Wake,
    /// The mailbox is closed, the node is still the caller's.
    Closed,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// An empty mailbox whose consumer counts as awake.
    pub fn new() -> Self {
        Inbox {
            word: AtomicPtr::new(ptr::null_mut()),
            local: UnsafeCell::new(Local { chain: Chain::new(), ahead: ptr::null_mut() }),
            depth: UnsafeCell::new(0),
            high_water: AtomicU32::new(0),
        }
    }

    /// Queues a node.
    ///
    /// # Safety
    ///
    /// The caller owns the block. It is handed over unless the answer is [`Push::Closed`]; then nothing is linked behind it.
    pub unsafe fn push(&self, node: NonNull<Node>) -> Push {
        // SAFETY: by the contract.
        unsafe { self.push_run(node, node) }
    }

    /// Queues several nodes at once, with nothing between them.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push), for all nodes from `newest` to `oldest`, which are linked in this order.
    pub unsafe fn push_run(&self, newest: NonNull<Node>, oldest: NonNull<Node>) -> Push {
        // ORDERING: Acquire pairs with the Release in `close`: who is refused sees what came before the closing.
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word == closed() {
                // SAFETY: owned by the contract. An attempt that failed has left somebody else's node there.
                unsafe { oldest.as_ref().set_next(ptr::null_mut()) };
                return Push::Closed;
            }
            let behind = if word == parked() { ptr::null_mut() } else { word };
            // SAFETY: owned by the contract.
            unsafe { oldest.as_ref().set_next(behind) };
            // ORDERING: AcqRel: Release publishes the blocks to the consumer's Acquire; Acquire pairs with `park`, so
            // that what the wake-up finds is what the consumer left.
            match self.word.compare_exchange_weak(word, newest.as_ptr(), Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if word == parked() => return Push::Wake,
                Ok(_) => return Push::Queued,
                Err(now) => word = now,
            }
        }
    }

    /// The newest message, if there is one. Only to be compared with.
    pub fn newest(&self) -> Option<NonNull<Node>> {
        // ORDERING: Relaxed: who has heard of a later push reads no older value.
        let word = self.word.load(Ordering::Relaxed);
        if word == parked() || word == closed() { None } else { NonNull::new(word) }
    }

    /// Takes the oldest message.
    ///
    /// # Safety
    ///
    /// The caller is the consumer. It owns the block then.
    pub unsafe fn pop(&self) -> Option<NonNull<Node>> {
        // SAFETY: only the consumer touches `local`.
        let mut node = self.local.with_mut(|local| unsafe { (*local).pop() });
        if node.is_none() {
            // SAFETY: by the contract.
            unsafe { self.gather() };
            // SAFETY: as above.
            node = self.local.with_mut(|local| unsafe { (*local).pop() });
        }
        if node.is_some() {
            // SAFETY: the caller is the consumer.
            unsafe { self.deepen(-1) };
        }
        node
    }

    /// So many more are there now. How many that makes.
    ///
    /// # Safety
    ///
    /// The caller is the consumer.
    unsafe fn deepen(&self, by: isize) -> u32 {
        // SAFETY: only the consumer touches it.
        self.depth.with_mut(|depth| unsafe {
            *depth = (*depth).wrapping_add(by as u32);
            *depth
        })
    }

    /// Takes what has come and puts it in order. `pop` does so when it has nothing left; who has much left should do so now and
    /// then, because each message is touched for it, and those that have just come are still in the cache.
    ///
    /// # Safety
    ///
    /// The caller is the consumer.
    pub unsafe fn gather(&self) {
        // ORDERING: Relaxed: a look whether there is anything; what is there is acquired by the swap.
        let word = self.word.load(Ordering::Relaxed);
        if word.is_null() || word == parked() || word == closed() {
            return;
        }
        // ORDERING: Acquire pairs with the Release of all pushes whose nodes we take (each is a read-modify-write of
        // this word, so the newest one covers the older).
        let newest = self.word.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: the swap made us the owner of all of them.
        unsafe { self.append(newest) };
    }

    /// # Safety
    ///
    /// The caller is the consumer, and has taken the chain out of the word.
    unsafe fn append(&self, newest: *mut Node) {
        // SAFETY: only the consumer touches `local`; the chain is its own.
        let come = self.local.with_mut(|local| unsafe { (*local).chain.append_reversed(newest) });
        // SAFETY: the caller is the consumer.
        let depth = unsafe { self.deepen(come as isize) };
        observe::depth(depth as usize);
        self.mark(depth);
    }

    /// Keeps the greatest depth. The consumer's.
    fn mark(&self, depth: u32) {
        // ORDERING: Relaxed, both: written by the consumer only, read for statistics.
        if depth > self.high_water.load(Ordering::Relaxed) {
            // ORDERING: as above.
            self.high_water.store(depth, Ordering::Relaxed);
        }
    }

    /// Puts messages before all others but those that [overtake](Self::put_ahead).
    ///
    /// # Safety
    ///
    /// The caller is the consumer, for whose stage they were made.
    pub unsafe fn put_in_front(&self, messages: Chain) {
        // SAFETY: only the consumer touches `local`, and that is the caller.
        unsafe {
            let come = self.local.with_mut(|local| (*local).put_in_front(messages));
            self.deepen(come as isize);
        }
    }

    /// Puts messages before all others, but behind those that were put so before.
    ///
    /// # Safety
    ///
    /// The caller is the consumer, for whose stage they were made.
    pub unsafe fn put_ahead(&self, messages: Chain) {
        let Some(last) = messages.last() else { return };
        // SAFETY: only the consumer touches `local`.
        let come = self.local.with_mut(|local| unsafe {
            let come = (*local).put_in_front(messages);
            (*local).ahead = last.as_ptr();
            come
        });
        // SAFETY: the caller is the consumer.
        self.mark(unsafe { self.deepen(come as isize) });
        // Nobody has pushed what wakes it here, so it says by itself that it is awake: a push while it awaits something in a
        // handler owes it no wake-up, and a look finds it busy.
        // ORDERING: Relaxed: gives nothing and takes nothing; as a read-modify-write it leaves what `park` released to the
        // pushes to come.
        let _ = self.word.compare_exchange(parked(), ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Declares that the consumer is about to sleep. False, and nothing changed, when there is a message.
    ///
    /// # Safety
    ///
    /// The caller is the consumer and has popped everything.
    pub unsafe fn park(&self) -> bool {
        // ORDERING: Release pairs with the Acquire of the push that replaces PARKED. Relaxed on failure: the message
        // is acquired by `pop`.
        let word =
            self.word.compare_exchange(ptr::null_mut(), parked(), Ordering::Release, Ordering::Relaxed);
        match word {
            Ok(_) => true,
            Err(word) => word == parked(),
        }
    }

    /// Refuses all further messages. What is queued can still be popped. Idempotent.
    ///
    /// # Safety
    ///
    /// The caller is the consumer.
    pub unsafe fn close(&self) {
        // ORDERING: AcqRel: Acquire as in `gather`, Release pairs with the Acquire of a refused push.
        let newest = self.word.swap(closed(), Ordering::AcqRel);
        if newest.is_null() || newest == parked() || newest == closed() {
            return;
        }
        // SAFETY: as in `gather`.
        unsafe { self.append(newest) };
    }

    /// Puts nodes behind what the consumer has taken out already.
    ///
    /// # Safety
    ///
    /// The caller is the consumer.
    pub unsafe fn put_behind(&self, mut nodes: Chain) {
        // SAFETY: only the consumer touches `local`, and that is the caller; what comes out of a chain is ours.
        unsafe {
            while let Some(node) = nodes.pop() {
                self.local.with_mut(|local| (*local).chain.push(node));
                self.deepen(1);
            }
        }
    }

    /// Does the consumer sleep, with nothing there? A look, on whose strength nothing is done.
    pub fn is_parked(&self) -> bool {
        // ORDERING: Relaxed: statistics.
        self.word.load(Ordering::Relaxed) == parked()
    }

    /// Takes no more messages?
    pub fn is_closed(&self) -> bool {
        // ORDERING: Acquire as for a refused push.
        self.word.load(Ordering::Acquire) == closed()
    }

    /// The most messages that ever stood in the mailbox when its consumer looked.
    pub fn high_water(&self) -> usize {
        // ORDERING: Relaxed: statistics.
        self.high_water.load(Ordering::Relaxed) as usize
    }
}

impl Local {
    fn pop(&mut self) -> Option<NonNull<Node>> {
        let node = self.chain.pop()?;
        if node.as_ptr() == self.ahead {
            self.ahead = ptr::null_mut();
        }
        Some(node)
    }

    /// How many they are.
    fn put_in_front(&mut self, messages: Chain) -> usize {
        let come = messages.count();
        match NonNull::new(self.ahead) {
            // SAFETY: it stands in the chain: `pop` forgets it when it comes out.
            Some(last) => unsafe { self.chain.insert_behind(last, messages) },
            None => self.chain.prepend(messages),
        }
        come
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // SAFETY: `&mut self`: nobody else is the consumer. The chain discards the rest.
        unsafe { self.close() };
    }
}
