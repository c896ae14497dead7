//! Messages for an actor, as a sink.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Sink;

use super::message::{Message, SendError};
use super::recipient::Recipient;
use super::reservation::Reservation;

/// An actor as a [`Sink`]: what streams and other code written for `futures` send to. Made by
/// [`Recipient::into_sink`] and [`ActorRef::sink`](crate::ActorRef::sink).
///
/// A mailbox bounded with [`OnFull::Wait`](crate::OnFull::Wait) exerts back-pressure: the sink is ready when it has a place
/// in the mailbox, first come, first served, as [`send_wait`](crate::ActorRef::send_wait) has. The place is kept until a
/// message is sent, or the sink closed or dropped. Any other mailbox is always ready, and does what its policy says.
///
/// Sent is what stands in the mailbox: flushing waits for nothing, and closing neither stops the actor nor gives the handle
/// up. The sink is a strong handle until it is dropped.
///
/// ```
/// use deathwatch::{Mailbox, OnFull, Options, prelude::*};
/// use futures::{StreamExt, executor::block_on, stream};
///
/// struct Sum(u32);
/// impl Actor for Sum {}
///
/// struct Add(u32); impl Message for Add { type Reply = (); }
/// impl Handler<Add> for Sum {
///     async fn handle(&mut self, Add(n): Add, _: &Context<Self>) { self.0 += n; }
/// }
/// struct Total; impl Message for Total { type Reply = u32; }
/// impl Handler<Total> for Sum {
///     async fn handle(&mut self, _: Total, _: &Context<Self>) -> u32 { self.0 }
/// }
///
/// // Never more than two stand in the mailbox, however fast the stream is.
/// let sum = Sum(0).start_with(Options::new().mailbox(Mailbox::bounded(2, OnFull::Wait)))?;
/// block_on(stream::iter(1..=100).map(|n| Ok(Add(n))).forward(sum.sink()))?;
/// assert_eq!(sum.request(Total).wait()?, 5050);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`SendError::Closed`] when the actor takes no more messages: from `poll_ready` there is no message to come back, from
/// `start_send` it does. [`SendError::Full`], with the message, from `start_send` if the policy is to reject, or if nobody asked
/// `poll_ready` first.
///
/// # Cancel safety
///
/// As futures' own `send`: dropped before it is ready, it has sent nothing, and the message is lost.
pub struct ActorSink<M: Message> {
    to: Recipient<M>,
    room: Reservation,
}

impl<M: Message> ActorSink<M> {
    pub(crate) fn new(to: Recipient<M>) -> Self {
        ActorSink { to, room: Reservation::new() }
    }

    /// Who is sent to.
    pub fn recipient(&self) -> &Recipient<M> {
        &self.to
    }
}

impl<M: Message> Sink<M> for ActorSink<M> {
    type Error = SendError<Option<M>>;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = &mut *self;
        if ready!(this.room.poll(this.to.cell(), cx)) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(SendError::Closed { message: None, reason: this.to.exit_reason() }))
    }

    fn start_send(mut self: Pin<&mut Self>, message: M) -> Result<(), Self::Error> {
        let placed = self.room.take();
        let sent = if placed { self.to.send_placed(message) } else { self.to.send(message) };
        sent.map_err(|error| error.map(Some))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.room.release();
        Poll::Ready(Ok(()))
    }
}

impl<M: Message> Unpin for ActorSink<M> {}

impl<M: Message> Clone for ActorSink<M> {
    /// Without the place that this one may have.
    fn clone(&self) -> Self {
        Self::new(self.to.clone())
    }
}

impl<M: Message> fmt::Debug for ActorSink<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorSink").field("to", &self.to.id()).finish_non_exhaustive()
    }
}
