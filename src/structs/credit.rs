//! How much of something one may bring before the other side has used some of it up.
//!
//! One side takes a [`Credit`] for each thing that it brings, and waits when there is none; the other gives each back, by
//! dropping it.
//!
//! Two cases, by the rule of [`AtomicWaker`] (register, then look; bring about, then wake): if the giving back is first, the one who
//! waits finds the credit when it looks again; if the registration is first, it is woken.

use std::task::{Context, Poll};

use super::waker::AtomicWaker;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The account of both sides.
pub struct Account {
    left: AtomicUsize,
    /// Nothing that was brought is to be used any more.
    closed: AtomicBool,
    /// The one who brings.
    waker: AtomicWaker,
}

/// The right to have brought one thing. Given back when it is dropped.
pub struct Credit(Arc<Account>);

impl Account {
    /// So many things at a time, at least one.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Account {
            left: AtomicUsize::new(limit.max(1)),
            closed: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        })
    }

    /// Takes one; by one side only.
    pub fn poll(this: &Arc<Self>, cx: &Context<'_>) -> Poll<Credit> {
        if this.try_take() {
            return Poll::Ready(Credit(Arc::clone(this)));
        }
        this.waker.register(cx.waker());
        if this.try_take() { Poll::Ready(Credit(Arc::clone(this))) } else { Poll::Pending }
    }

    /// Are all given back? Wakes as for one. By the same side.
    pub fn poll_all(this: &Arc<Self>, limit: usize, cx: &Context<'_>) -> Poll<()> {
        this.waker.register(cx.waker());
        // ORDERING: Acquire: as in `try_take`.
        if this.left.load(Ordering::Acquire) == limit.max(1) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn try_take(&self) -> bool {
        // ORDERING: Acquire pairs with the Release of a credit's drop: what was done with the thing is before the next is
        // brought.
        if self.left.load(Ordering::Acquire) == 0 {
            return false;
        }
        // ORDERING: Relaxed: only this side takes, so it is still there.
        self.left.fetch_sub(1, Ordering::Relaxed);
        true
    }

    /// Nothing that was brought is used from now on. True for the first to say so.
    pub fn close(&self) -> bool {
        // ORDERING: AcqRel, for the sake of form: nothing is read on its strength. Who closes and who uses agree by this one word.
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// Is nothing to be used any more?
    pub fn is_closed(&self) -> bool {
        // ORDERING: Acquire: as in `close`.
        self.closed.load(Ordering::Acquire)
    }
}

impl Credit {
    /// The account it belongs to.
    pub fn account(&self) -> &Account {
        &self.0
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        // ORDERING: Release: see `try_take`.
        self.0.left.fetch_add(1, Ordering::Release);
        self.0.waker.wake();
    }
}
