//! Messages that are kept for later by the one who was to handle them.

use std::marker::PhantomData;

use super::node::{Chain, Discard, Unopened};
use super::parcel::Parcel;
use crate::guard;

/// Messages for a stage `S`, in order, at most so many: those that are kept, and those that were let go and are to be handled
/// before all that stand in the mailbox.
pub struct Shelf<S> {
    kept: Chain,
    freed: Chain,
    len: usize,
    capacity: usize,
    stage: PhantomData<fn(&mut S)>,
}

// SAFETY: shared references give access to the two numbers only.
unsafe impl<S> Sync for Shelf<S> {}

impl<S: 'static> Shelf<S> {
    /// Keeps one more message, behind the others. To be called when there is [room](Self::has_room).
    pub fn keep(&mut self, parcel: Parcel<S>) {
        debug_assert!(self.has_room(), "the bound holds");
        // SAFETY: the block is the parcel's, and so ours.
        unsafe { self.kept.push(parcel.into_raw()) };
        self.len += 1;
    }
}

impl<S> Shelf<S> {
    /// An empty one.
    pub fn new(capacity: usize) -> Self {
        Shelf { kept: Chain::new(), freed: Chain::new(), len: 0, capacity, stage: PhantomData }
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many can be kept.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Can one more be kept?
    pub fn has_room(&self) -> bool {
        self.len < self.capacity
    }

    /// Lets the first one go; false when there is none.
    pub fn free_one(&mut self) -> bool {
        let Some(node) = self.kept.pop() else { return false };
        self.len -= 1;
        // SAFETY: out of our own chain.
        unsafe { self.freed.push(node) };
        true
    }

    /// Lets all go.
    pub fn free_all(&mut self) -> usize {
        let mut all = std::mem::take(&mut self.kept);
        all.prepend(std::mem::take(&mut self.freed));
        self.freed = all;
        std::mem::take(&mut self.len)
    }

    /// Those that were let go.
    pub fn take_freed(&mut self) -> Option<Chain> {
        self.freed.first().map(|_| std::mem::take(&mut self.freed))
    }

    /// Discards all.
    pub fn clear(&mut self, why: Unopened) {
        self.free_all();
        while let Some(node) = self.freed.pop() {
            guard::drop_quietly(Discard(node, why));
        }
    }
}
