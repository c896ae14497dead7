//! Sending: what a handle queues, and what it puts aside until it can.

use std::mem::ManuallyDrop;

use super::{Address, Erased, Strong};
use crate::mailbox::bound::Bound;
use crate::mailbox::node::{Discard, Unopened};
use crate::mailbox::parcel::{Letter, Parcel, Sealed};
use crate::mailbox::segment::{self, Added};
use crate::observe::{self, Rejection};
use crate::sync::Arc;

impl<S: 'static> Address<S> {
    /// Queues a message; a closed mailbox gives it back.
    pub fn push<L>(&self, sealed: Sealed<S, L>) -> Result<(), Sealed<S, L>> {
        let node = sealed.into_raw();
        // SAFETY: the parcel owned the block, which was made for S, as this cell is; given back as what it was.
        if unsafe { self.cell.push(node) } { Ok(()) } else { Err(unsafe { Sealed::from_raw(node) }) }
    }

    /// Queues a letter; a closed mailbox gives it back.
    #[inline]
    pub fn push_letter<L: Letter<S>>(&self, letter: L) -> Result<(), L> {
        let Some(newest) = self.cell.inbox.newest() else {
            return self.push(Parcel::seal(letter)).map_err(Sealed::into_letter);
        };
        self.cell.observed.coming(L::COUNTED);
        match segment::add::<S, L>(newest, letter) {
            Added::In => Ok(()),
            Added::Alone(letter) => {
                let node = Parcel::<S>::seal(letter).into_raw();
                segment::pushed::<L>(node);
                // SAFETY: as in `push`.
                if unsafe { self.cell.push_observed(node) } {
                    return Ok(());
                }
                // SAFETY: as in `push`.
                Err(unsafe { Sealed::<S, L>::from_raw(node) }.into_letter())
            }
            Added::First(fresh) => {
                fresh.remember();
                // SAFETY: made for S, as this cell is.
                if unsafe { self.cell.push_observed(fresh.node()) } {
                    Ok(())
                } else {
                    Err(fresh.into_letter())
                }
            }
        }
    }

    /// Queues a parcel; a closed mailbox gives it back.
    pub fn push_parcel(&self, parcel: Parcel<S>) -> Result<(), Parcel<S>> {
        let node = parcel.into_raw();
        // SAFETY: as in `push`.
        if unsafe { self.cell.push(node) } { Ok(()) } else { Err(unsafe { Parcel::from_raw(node) }) }
    }

    /// Puts a message into the ring of a mailbox that drops its oldest.
    pub fn push_displacing(&self, bound: &Arc<Bound>, parcel: Parcel<S>) {
        // SAFETY: the bound is this cell's, and parcels come to it through here only, all for S.
        if !unsafe { Bound::displace(bound, parcel) } {
            return;
        }
        // So many tickets as there are places bring out whatever is in the ring now.
        for _ in 0..bound.capacity() {
            let Some(ticket) = Bound::ticket(bound) else { return };
            match self.push_parcel(ticket) {
                Ok(()) => bound.ticket_pushed(),
                // Closed meanwhile: what is in the ring goes as the rest of the mailbox did.
                Err(_) => return bound.close(),
            }
        }
    }
}

/// A message that has not been queued yet, and the actor it is for, which it keeps running.
pub struct Undelivered {
    to: Strong<Erased>,
    node: ManuallyDrop<Discard>,
}

// SAFETY: an owned block; blocks may be sent (see `Parcel`). Shared references give no access to it.
unsafe impl Send for Undelivered {}
// SAFETY: as above.
unsafe impl Sync for Undelivered {}

impl Undelivered {
    /// Queues it; false when the mailbox is closed (the message is dropped then).
    pub fn deliver(self) -> bool {
        let mut this = ManuallyDrop::new(self);
        let node = this.node.0;
        // SAFETY: the block is ours and was made for this cell's stage (see `hold`). `to` is dropped once.
        unsafe {
            let queued = this.to.cell.push(node);
            if !queued {
                observe::rejected(Rejection::Closed);
                crate::guard::drop_quietly(Discard(node, Unopened::Dying));
            }
            std::ptr::drop_in_place(&mut this.to);
            queued
        }
    }
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        // SAFETY: dropped once, here; `deliver` keeps this from running.
        unsafe { ManuallyDrop::drop(&mut self.node) };
    }
}

impl<S: 'static> Strong<S> {
    /// Puts a message aside that cannot be queued yet.
    pub fn hold(&self, parcel: Parcel<S>) -> Undelivered {
        Undelivered {
            to: self.erased(),
            node: ManuallyDrop::new(Discard(parcel.into_raw(), Unopened::Dying)),
        }
    }
}
