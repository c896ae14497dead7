//! Room in a mailbox, asked for before the message is there.

use std::mem;
use std::task::{Context, Poll, ready};

use crate::cell::CellRef;
use crate::mailbox::bound::{Admission, Bound, Place};
use crate::sync::Arc;

/// A place in a mailbox that lets wait, kept for a message to come. Dropped, it gives the place back.
pub struct Reservation(State);

enum State {
    /// Nothing is asked for, or nothing needs to be: only a mailbox that lets wait can promise room.
    None,
    Waiting(Place),
    Held(Arc<Bound>),
}

impl Reservation {
    /// Of nothing.
    pub fn new() -> Self {
        Reservation(State::None)
    }

    /// True: there is room, or no promise of it to be had. False: the mailbox is closed.
    pub fn poll(&mut self, cell: &CellRef, cx: &mut Context<'_>) -> Poll<bool> {
        if cell.inbox.is_closed() {
            self.release();
            return Poll::Ready(false);
        }
        loop {
            match &mut self.0 {
                State::Held(_) => return Poll::Ready(true),
                State::None => {
                    let Some(bound) = cell.bound().filter(|bound| bound.waits()) else {
                        return Poll::Ready(true);
                    };
                    self.0 = match bound.admit() {
                        Admission::Push => State::Held(bound.clone()),
                        _ => State::Waiting(Place::new(bound.clone())),
                    };
                }
                State::Waiting(place) => {
                    let granted = ready!(place.poll(cx));
                    self.0 = match cell.bound() {
                        Some(bound) if granted => State::Held(bound.clone()),
                        _ => State::None,
                    };
                    return Poll::Ready(granted);
                }
            }
        }
    }

    /// True: the place is the caller's, for a message that gives it back when it leaves the mailbox.
    #[must_use]
    pub fn take(&mut self) -> bool {
        match mem::replace(&mut self.0, State::None) {
            State::Held(_) => true,
            State::None | State::Waiting(_) => false,
        }
    }

    /// Gives the place back, or stops waiting for one.
    pub fn release(&mut self) {
        if let State::Held(bound) = mem::replace(&mut self.0, State::None) {
            bound.free_place();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release();
    }
}
