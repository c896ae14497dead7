//! Exit signals on their way to an actor, which it looks at before anything else.

use std::ptr::{self, NonNull};

use crate::mailbox::node::{Chain, Node, NodeVtable};
use crate::sync::atomic::{AtomicPtr, Ordering};

const CLOSED: usize = 1;
const ON: usize = 1;

fn closed() -> *mut Node {
    ptr::without_provenance_mut(CLOSED)
}

/// A stack that anybody pushes to and the actor's own run takes as a whole, and what the actor wants done with signals.
///
/// | `head` | means | left by |
/// |---|---|---|
/// | null | nothing has come | push, close |
/// | a node | so many signals, newest first | push, take (to null), close |
/// | `CLOSED` | none is taken any more | never |
///
/// | `trap` | a signal that has come |
/// |---|---|
/// | null, or a vtable | ends the actor, if its reason is one that does |
/// | a vtable with `ON` | becomes a message, which the vtable opens |
pub struct Signals {
    head: AtomicPtr<Node>,
    trap: AtomicPtr<NodeVtable>,
}

impl Signals {
    pub(super) fn new() -> Self {
        Signals { head: AtomicPtr::new(ptr::null_mut()), trap: AtomicPtr::new(ptr::null_mut()) }
    }

    /// False: closed, and the node is still the caller's.
    ///
    /// # Safety
    ///
    /// The caller owns the block.
    pub(super) unsafe fn push(&self, node: NonNull<Node>) -> bool {
        // ORDERING: Relaxed: only the expected value below; who finds CLOSED reads nothing more.
        let mut head = self.head.load(Ordering::Relaxed);
        while head != closed() {
            // SAFETY: owned by the contract.
            unsafe { node.as_ref().set_next(head) };
            // ORDERING: Release publishes the block to the Acquire of who takes it.
            match self.head.compare_exchange_weak(head, node.as_ptr(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => head = now,
            }
        }
        false
    }

    /// All that have come, in their order. To be called by the thread that runs the cell.
    pub fn take(&self) -> Chain {
        // ORDERING: Relaxed: a look. Only the calling thread closes, so it cannot be un-closed below.
        if self.head.load(Ordering::Relaxed) == closed() {
            return Chain::new();
        }
        self.replace(ptr::null_mut())
    }

    /// All that have come; none comes any more. To be called by the thread that runs the cell; again, it finds nothing.
    pub(super) fn close(&self) -> Chain {
        // ORDERING: Relaxed: a look; only the calling thread closes.
        if self.head.load(Ordering::Relaxed) == closed() {
            return Chain::new();
        }
        self.replace(closed())
    }

    fn replace(&self, by: *mut Node) -> Chain {
        // ORDERING: Acquire pairs with the Release of all pushes whose nodes come out (each is a read-modify-write of this
        // word). Nothing is published.
        let newest = self.head.swap(by, Ordering::Acquire);
        let mut chain = Chain::new();
        // SAFETY: not closed, as the callers have seen; the swap made us the owner of all of them.
        unsafe { chain.append_reversed(newest) };
        chain
    }

    /// Has signals made messages, opened by the first function of this vtable, or no longer. Was it so before?
    pub fn trap(&self, how: &'static NodeVtable, on: bool) -> bool {
        let how = ptr::from_ref(how).cast_mut().map_addr(|addr| if on { addr | ON } else { addr });
        // ORDERING: Relaxed: the vtable is a constant of the program, and whose turn it is when another thread switches is
        // decided by this word alone.
        self.trap.swap(how, Ordering::Relaxed).addr() & ON != 0
    }

    /// Are signals made messages?
    pub fn traps(&self) -> bool {
        // ORDERING: Relaxed: see `trap`.
        self.trap.load(Ordering::Relaxed).addr() & ON != 0
    }

    /// How a signal is opened that was made a message; also when the actor has ceased to want them since.
    pub fn how(&self) -> Option<&'static NodeVtable> {
        // ORDERING: Relaxed: see `trap`.
        let how = self.trap.load(Ordering::Relaxed).map_addr(|addr| addr & !ON);
        // SAFETY: null, or what `trap` was given.
        unsafe { how.as_ref() }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        drop(self.close()); // discards what nobody has looked at
    }
}
