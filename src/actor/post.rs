//! Sending, written once: for handles, recipients, contexts and requests.

use super::message::{Message, SendError, SentTo, Told};
use super::request::Request;
use super::stage::Stage;
use crate::cell::{Address, CellRef, Strong};
use crate::guard;
use crate::mailbox::bound::Admission;
use crate::mailbox::exchange::{self, Respond};
use crate::mailbox::parcel::{Letter, Parcel};
use crate::observe::{self, Rejection};

/// Sends a message without an asker.
pub fn send<A, M, K>(to: &Address<Stage<A>>, message: M) -> Result<(), SendError<M>>
where
    A: Send + 'static,
    M: SentTo<A, K>,
    K: 'static,
{
    offer_message(to, message).inspect_err(note_full)
}

/// Sends a letter.
pub fn letter<S: 'static, L: Letter<S>>(to: &Address<S>, letter: L) -> Result<(), SendError<L>> {
    offer(to, letter).inspect_err(note_full)
}

/// As [`send`], for who may wait when the mailbox is full, and otherwise says so ([`note_full`]).
pub fn offer_message<A, M, K>(to: &Address<Stage<A>>, message: M) -> Result<(), SendError<M>>
where
    A: Send + 'static,
    M: SentTo<A, K>,
    K: 'static,
{
    offer(to, Told::<M, K>::new(message)).map_err(|error| error.map(Told::into_message))
}

/// A message has come back to its sender; whether because of a full mailbox, is to be seen.
pub fn note_full<M>(error: &SendError<M>) {
    if matches!(error, SendError::Full { .. }) {
        observe::rejected(Rejection::Full);
    }
}

fn offer<S: 'static, L: Letter<S>>(to: &Address<S>, letter: L) -> Result<(), SendError<L>> {
    let Some(bound) = to.cell().bound() else { return push(to, letter) };
    if to.cell().inbox.is_closed() {
        return Err(closed(to.cell(), letter));
    }
    match bound.admit() {
        Admission::Push => push(to, letter).inspect_err(|_| bound.free_place()),
        Admission::Displace => {
            to.push_displacing(bound, Parcel::seal(letter).into_parcel());
            Ok(())
        }
        Admission::Drop => {
            observe::rejected(Rejection::Full);
            guard::drop_quietly(letter);
            Ok(())
        }
        Admission::Full => Err(SendError::Full { message: letter }),
    }
}

/// Pushes a letter whose place is taken, or which needs none.
pub fn push<S: 'static, L: Letter<S>>(to: &Address<S>, letter: L) -> Result<(), SendError<L>> {
    to.push_letter(letter).map_err(|letter| closed(to.cell(), letter))
}

fn closed<M>(cell: &CellRef, message: M) -> SendError<M> {
    observe::rejected(Rejection::Closed);
    SendError::Closed { message, reason: cell.reason().cloned() }
}

/// Sends a message without an asker, whose place is taken.
pub fn send_placed<A, M, K>(to: &Address<Stage<A>>, message: M) -> Result<(), SendError<M>>
where
    A: Send + 'static,
    M: SentTo<A, K>,
    K: 'static,
{
    push(to, Told::<M, K>::new(message)).map_err(|error| error.map(Told::into_message))
}

/// Asks a handler. The place of the message is taken.
#[cfg(feature = "tower")]
pub fn request_placed<A, M, K>(to: &Strong<Stage<A>>, message: M) -> Request<M>
where
    A: Send + 'static,
    M: SentTo<A, K>,
    K: 'static,
{
    let (asker, parcel) = exchange::ask::<Stage<A>, Told<M, K>>(message);
    // Refused, it tells its asker that there will be no answer. The place is nobody's any more: the mailbox is closed.
    if to.push_parcel(parcel).is_err() {
        observe::rejected(Rejection::Closed);
    }
    Request::sent(asker, to.cell().clone())
}

/// Asks a handler.
pub fn request<A, M, K>(to: &Strong<Stage<A>>, message: M) -> Request<M>
where
    A: Send + 'static,
    M: SentTo<A, K>,
    K: 'static,
{
    request_of::<A, M, Told<M, K>>(to, message)
}

/// Asks what `T` has for an answer.
pub fn request_of<A, M, T>(to: &Strong<Stage<A>>, message: M) -> Request<M>
where
    A: Send + 'static,
    M: Message,
    T: Respond<Stage<A>, Question = M, Answer = M::Reply>,
{
    let (asker, parcel) = exchange::ask::<Stage<A>, T>(message);
    let cell = to.cell().clone();
    // A parcel that is refused or dropped here tells its asker so; the request finds out by itself.
    if cell.inbox.is_closed() {
        observe::rejected(Rejection::Closed);
        drop(parcel);
        return Request::sent(asker, cell);
    }
    let admission = cell.bound().map_or(Admission::Push, |bound| bound.admit());
    match (admission, cell.bound()) {
        (Admission::Push, bound) => {
            if to.push_parcel(parcel).is_err() {
                observe::rejected(Rejection::Closed);
                bound.inspect(|bound| bound.free_place());
            }
            Request::sent(asker, cell)
        }
        (Admission::Displace, Some(bound)) => {
            to.push_displacing(bound, parcel);
            Request::sent(asker, cell)
        }
        (Admission::Full, Some(bound)) if bound.waits() => {
            let bound = bound.clone();
            Request::waiting(asker, cell, bound, to.hold(parcel))
        }
        (Admission::Full | Admission::Drop | Admission::Displace, _) => {
            observe::rejected(Rejection::Full);
            drop(parcel);
            Request::refused(asker, cell)
        }
    }
}
