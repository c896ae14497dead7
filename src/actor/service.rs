//! An actor as a service of tower's.

use std::fmt;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use tower_service::Service;

use super::exit_wait::ExitWait;
use super::message::Message;
use super::recipient::Recipient;
use super::request::{Request, RequestError};
use super::reservation::Reservation;

/// An actor as a [`Service`]: a call is a request to it. Made by [`Recipient::into_service`] and
/// [`ActorRef::service`](crate::ActorRef::service), with the feature `tower`.
///
/// With a mailbox that is bounded with [`OnFull::Wait`](crate::OnFull::Wait), the service is ready when it has a place in the
/// mailbox, first come, first served, and keeps that place until it is called or dropped. So layers that shed load or balance
/// it see how full the mailbox is. With any other mailbox it is ready as long as the actor takes messages: what the
/// policy does to a full one shows in the reply, as [`RequestError::Full`]. The message that is being handled takes no place.
///
/// A clone has no place of its own yet, as `Service` asks for.
///
/// ```
/// use deathwatch::{Mailbox, OnFull, Options, prelude::*};
/// use tower::{Service, ServiceExt};
///
/// struct Squarer;
/// impl Actor for Squarer {}
/// struct Square(u32); impl Message for Square { type Reply = u32; }
/// impl Handler<Square> for Squarer {
///     async fn handle(&mut self, Square(n): Square, _: &Context<Self>) -> u32 { n * n }
/// }
///
/// let squarer = Squarer.start_with(Options::new().mailbox(Mailbox::bounded(8, OnFull::Wait)))?;
/// futures::executor::block_on(async {
///     let mut service = squarer.service().map_request(Square).map_response(|n| n.to_string());
///     assert_eq!(service.ready().await?.call(7).await?, "49");
///     squarer.kill();
///     squarer.wait_exit().await;
///     let error = service.ready().await.map(drop).unwrap_err();
///     assert_eq!(error, deathwatch::RequestError::Exited(ExitReason::Kill));
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`RequestError`], as of a request. `poll_ready` fails with [`RequestError::Exited`] when the actor is dead; while it
/// is ending, it waits for the reason.
///
/// # Cancel safety
///
/// As [`Request`]'s for what `call` returns. Called without having been ready, it waits for room in what it returns.
pub struct ActorService<M: Message> {
    to: Recipient<M>,
    room: Reservation,
    end: Option<ExitWait>,
    /// `None`: a request's own.
    limit: Option<Limit>,
}

#[derive(Clone, Copy)]
enum Limit {
    None,
    For(Duration),
}

impl<M: Message> ActorService<M> {
    pub(crate) fn new(to: Recipient<M>) -> Self {
        ActorService { to, room: Reservation::new(), end: None, limit: None }
    }

    /// Changes the time limit of the calls to come, which is 5 seconds: see [`Request::timeout`].
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(Limit::For(limit));
        self
    }

    /// Calls wait for as long as the actor lives; for who has a layer for that.
    pub fn no_timeout(mut self) -> Self {
        self.limit = Some(Limit::None);
        self
    }

    /// Who is asked.
    pub fn recipient(&self) -> &Recipient<M> {
        &self.to
    }
}

impl<M: Message> Service<M> for ActorService<M> {
    type Response = M::Reply;
    type Error = RequestError;
    type Future = Request<M>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RequestError>> {
        if ready!(self.room.poll(self.to.cell(), cx)) {
            return Poll::Ready(Ok(()));
        }
        let end = self.end.get_or_insert_with(|| ExitWait::new(self.to.cell().clone()));
        let reason = ready!(end.poll_unpin(cx));
        Poll::Ready(Err(RequestError::Exited(reason)))
    }

    fn call(&mut self, message: M) -> Request<M> {
        let placed = self.room.take();
        let request = if placed { self.to.request_placed(message) } else { self.to.request(message) };
        match self.limit {
            None => request,
            Some(Limit::None) => request.no_timeout(),
            Some(Limit::For(limit)) => request.timeout(limit),
        }
    }
}

impl<M: Message> Clone for ActorService<M> {
    fn clone(&self) -> Self {
        ActorService { limit: self.limit, ..Self::new(self.to.clone()) }
    }
}

impl<M: Message> fmt::Debug for ActorService<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorService").field("to", &self.to.id()).finish_non_exhaustive()
    }
}
