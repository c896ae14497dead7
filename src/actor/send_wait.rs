//! Sending to a mailbox that may be full.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::blocking;
use super::message::{SendError, SentTo};
use super::post;
use super::stage::Stage;
use crate::cell::Strong;
use crate::mailbox::bound::Place;

/// Sends a message when there is room: a future, or by [`wait`](Self::wait) the calling thread. Made by
/// [`ActorRef::send_wait`](crate::ActorRef::send_wait).
#[must_use = "sends only when awaited or told to wait"]
pub struct SendWait<A, M, K> {
    to: Strong<Stage<A>>,
    message: Option<M>,
    place: Option<Place>,
    mode: std::marker::PhantomData<fn(K)>,
}

impl<A: Send + 'static, M: SentTo<A, K>, K: 'static> SendWait<A, M, K> {
    pub(crate) fn new(to: Strong<Stage<A>>, message: M) -> Self {
        SendWait { to, message: Some(message), place: None, mode: std::marker::PhantomData }
    }

    /// Blocks the calling thread until the message is sent.
    ///
    /// # Errors
    ///
    /// As [`ActorRef::send`](crate::ActorRef::send).
    #[track_caller]
    pub fn wait(self) -> Result<(), SendError<M>> {
        blocking::block_on(self)
    }

    fn try_send(&mut self, message: M) -> Poll<Result<(), SendError<M>>> {
        match post::offer_message(&self.to, message) {
            Err(SendError::Full { message }) if self.to.cell().bound().is_some_and(|bound| bound.waits()) => {
                self.message = Some(message);
                Poll::Pending
            }
            outcome => Poll::Ready(outcome.inspect_err(post::note_full)),
        }
    }
}

impl<A: Send + 'static, M: SentTo<A, K>, K: 'static> Future for SendWait<A, M, K> {
    type Output = Result<(), SendError<M>>;

    /// # Panics
    ///
    /// When polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.place.is_none() {
            let message = this.message.take().expect("polled after it was ready");
            if let Poll::Ready(outcome) = this.try_send(message) {
                return Poll::Ready(outcome);
            }
            this.place = this.to.cell().bound().cloned().map(Place::new);
        }
        let Some(place) = &mut this.place else { return Poll::Pending };
        let Poll::Ready(_granted) = place.poll(cx) else { return Poll::Pending };
        this.place = None;
        let message = this.message.take().expect("kept while waiting");
        // Granted: the place is ours. Not granted: the mailbox is closed, and says so.
        Poll::Ready(post::send_placed(&this.to, message))
    }
}

impl<A, M, K> Unpin for SendWait<A, M, K> {}

impl<A, M, K> fmt::Debug for SendWait<A, M, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendWait")
            .field("to", &self.to.cell().id)
            .field("sent", &self.message.is_none())
            .finish()
    }
}
