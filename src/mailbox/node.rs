//! What stands in a mailbox.

use std::alloc::Layout;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use super::segment::Segment;
use crate::observe::Stamp;
use crate::structs::future::SlotFuture;
use crate::sync::{UnsafeCell, hint};

/// The head of every block that can be queued: the link, and how to open or discard the block.
///
/// A block in a mailbox belongs to the mailbox; taken out it belongs to the consumer, who opens or discards it,
/// exactly once.
#[repr(C)]
pub struct Node {
    /// Written by the thread that pushes before the node is published, then by the consumer.
    next: UnsafeCell<*mut Node>,
    vtable: NonNull<NodeVtable>,
    /// For whoever observes.
    stamp: Stamp,
}

/// What can be done with a block taken out of a mailbox.
pub struct NodeVtable {
    /// Consumes the block and begins what it stands for.
    ///
    /// # Safety
    ///
    /// - The block came out of a mailbox and is used up by this call.
    /// - The second argument points to the stage that the block was made for, borrowed exclusively for as long as the
    ///   returned future lives.
    pub open: unsafe fn(NonNull<Node>, NonNull<()>) -> SlotFuture<'static>,
    /// Consumes the block unopened. May run the user's `Drop`, and let a panic of it out after the block is freed.
    ///
    /// # Safety
    ///
    /// The block came out of a mailbox, or never was in one, and is used up by this call.
    pub discard: unsafe fn(NonNull<Node>, Unopened),
    /// Does it take a place in a bounded mailbox?
    pub counted: bool,
    /// Is it a [`Segment`], of letters of this layout?
    pub slot: Option<Layout>,
}

/// Why a block is discarded unopened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// Its consumer is dying or dead.
    Dying,
    /// A newer message took its place in a bounded mailbox.
    Displaced,
}

impl Node {
    /// The head of a block that is in no mailbox.
    pub fn new(vtable: &'static NodeVtable) -> Self {
        Node { next: UnsafeCell::new(ptr::null_mut()), vtable: NonNull::from(vtable), stamp: Stamp::now() }
    }

    /// The head of a block whose vtable is the front of a larger one, which [`vtable_ptr`](Self::vtable_ptr) gives
    /// back.
    ///
    /// # Safety
    ///
    /// The vtable lives for ever.
    pub unsafe fn with_larger(vtable: NonNull<NodeVtable>) -> Self {
        Node { next: UnsafeCell::new(ptr::null_mut()), vtable, stamp: Stamp::now() }
    }

    /// How to open and discard the block.
    pub fn vtable(&self) -> &'static NodeVtable {
        // SAFETY: made from a static reference, or by the contract of `with_larger`.
        unsafe { self.vtable.as_ref() }
    }

    /// When it was made, for whoever observes.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The vtable as it was given.
    pub fn vtable_ptr(&self) -> NonNull<NodeVtable> {
        self.vtable
    }

    /// The node behind this one.
    ///
    /// # Safety
    ///
    /// The caller owns the block, or the chain it stands in.
    pub unsafe fn next(&self) -> *mut Node {
        // SAFETY: by the contract nobody writes it meanwhile.
        self.next.with(|next| unsafe { *next })
    }

    /// Links this node to another.
    ///
    /// # Safety
    ///
    /// The caller owns the block, or the chain it stands in.
    pub unsafe fn set_next(&self, to: *mut Node) {
        // SAFETY: by the contract nobody else reads or writes it meanwhile.
        self.next.with_mut(|next| unsafe { *next = to });
    }
}

/// An owned first-in-first-out chain of nodes, linked through their own links.
pub struct Chain {
    first: *mut Node,
    last: *mut Node,
}

// SAFETY: the chain owns its blocks, and blocks may be sent (see `Parcel`).
unsafe impl Send for Chain {}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// Nothing.
    pub fn new() -> Self {
        Chain { first: ptr::null_mut(), last: ptr::null_mut() }
    }

    /// Counts its nodes, one by one.
    pub fn count(&self) -> usize {
        let (mut count, mut at) = (0, self.first);
        while let Some(node) = NonNull::new(at) {
            // SAFETY: owned by the chain.
            at = unsafe { node.as_ref().next() };
            count += 1;
        }
        count
    }

    /// The first node, which stays.
    pub fn first(&self) -> Option<NonNull<Node>> {
        NonNull::new(self.first)
    }

    /// Puts a node at the end.
    ///
    /// # Safety
    ///
    /// The caller owns the block and hands it over.
    pub unsafe fn push(&mut self, node: NonNull<Node>) {
        // SAFETY: owned by the contract; the last node is owned by the chain.
        unsafe {
            node.as_ref().set_next(ptr::null_mut());
            match NonNull::new(self.last) {
                Some(last) => last.as_ref().set_next(node.as_ptr()),
                None => self.first = node.as_ptr(),
            }
        }
        self.last = node.as_ptr();
    }

    /// Puts another chain before this one.
    pub fn prepend(&mut self, front: Chain) {
        let front = ManuallyDrop::new(front);
        let Some(last) = NonNull::new(front.last) else { return };
        // SAFETY: owned by the chain that is put before this one.
        unsafe { last.as_ref().set_next(self.first) };
        self.first = front.first;
        if self.last.is_null() {
            self.last = front.last;
        }
    }

    /// Puts another chain behind one of this one's nodes.
    ///
    /// # Safety
    ///
    /// `node` stands in this chain.
    pub unsafe fn insert_behind(&mut self, node: NonNull<Node>, chain: Chain) {
        let chain = ManuallyDrop::new(chain);
        let Some(last) = NonNull::new(chain.last) else { return };
        // SAFETY: both are owned by the chains they stand in.
        unsafe {
            last.as_ref().set_next(node.as_ref().next());
            node.as_ref().set_next(chain.first);
        }
        if self.last == node.as_ptr() {
            self.last = chain.last;
        }
    }

    /// The last node, which stays.
    pub fn last(&self) -> Option<NonNull<Node>> {
        NonNull::new(self.last)
    }

    /// Takes the first node out; the caller owns its block then. Of a segment, one letter, which it is to open or discard before
    /// the next.
    #[inline]
    pub fn pop(&mut self) -> Option<NonNull<Node>> {
        let node = NonNull::new(self.first)?;
        // SAFETY: owned by the chain, whose segments are closed, and which has those in it of which something is left.
        if unsafe { node.as_ref() }.vtable().slot.is_some() && !unsafe { Segment::hand(node) } {
            return Some(node);
        }
        // SAFETY: owned by the chain.
        self.first = unsafe { node.as_ref().next() };
        if self.first.is_null() {
            self.last = ptr::null_mut();
        }
        hint::prefetch(self.first);
        Some(node)
    }

    /// Puts a last-in-first-out chain, as senders build it, in its order of arrival behind this one. How many they are.
    ///
    /// # Safety
    ///
    /// The caller owns all blocks of `newest` and hands them over.
    pub unsafe fn append_reversed(&mut self, newest: *mut Node) -> usize {
        let (mut first, mut at, mut count) = (ptr::null_mut(), newest, 0);
        while let Some(node) = NonNull::new(at) {
            // SAFETY: owned by the contract.
            unsafe {
                at = node.as_ref().next();
                node.as_ref().set_next(first);
            }
            first = node.as_ptr();
            // SAFETY: owned by the contract.
            count += unsafe { if node.as_ref().vtable().slot.is_some() { Segment::close(node) } else { 1 } };
        }
        match NonNull::new(self.last) {
            // SAFETY: owned by the chain.
            Some(last) if !first.is_null() => unsafe { last.as_ref().set_next(first) },
            Some(_) => return count,
            None => self.first = first,
        }
        if !newest.is_null() {
            self.last = newest;
        }
        count
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        while let Some(node) = self.pop() {
            crate::guard::drop_quietly(Discard(node, Unopened::Dying));
        }
    }
}

/// Discards a block when it is dropped.
pub struct Discard(pub NonNull<Node>, pub Unopened);

impl Drop for Discard {
    fn drop(&mut self) {
        // SAFETY: who makes a `Discard` owns the block and hands it over.
        unsafe { (self.0.as_ref().vtable().discard)(self.0, self.1) }
    }
}
