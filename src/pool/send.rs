//! Sending to a pool whose queues may be full.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll};

use super::core::{Offer, Route};
use super::lane::{Job, Lane};
use super::{Handle, told};
use crate::actor::blocking;
use crate::actor::message::{SendError, SentTo};
use crate::mailbox::bound::Place;
use crate::sync::Arc;

/// Sends a job to a pool when there is room: a future, or by [`wait`](Self::wait) the calling thread. Made by
/// [`Pool::send_wait`](crate::Pool::send_wait).
#[must_use = "sends only when awaited or told to wait"]
pub struct PoolSend<A: Send + 'static, M, K> {
    pool: StdArc<Handle<A>>,
    route: Route,
    message: Option<M>,
    place: Option<(Place, Arc<Lane<A>>)>,
    mode: PhantomData<fn(K)>,
}

impl<A: Send + 'static, M: SentTo<A, K>, K: 'static> PoolSend<A, M, K> {
    pub(super) fn new(pool: StdArc<Handle<A>>, route: Route, message: M) -> Self {
        PoolSend { pool, route, message: Some(message), place: None, mode: PhantomData }
    }

    /// Blocks the calling thread until the job is sent.
    ///
    /// # Errors
    ///
    /// As [`Pool::send`](crate::Pool::send).
    ///
    /// # Panics
    ///
    /// On a worker of a scheduler, when there is no room: the actors that run there would wait, too.
    #[track_caller]
    pub fn wait(self) -> Result<(), SendError<M>> {
        blocking::block_on(self)
    }

    /// Sends it if there is room. `None`: there will be, in a place that is waited for now.
    fn try_send(&mut self, message: M) -> Option<Result<(), SendError<M>>> {
        let offer = self.pool.core.offer(self.route, message, told::<A, M, K>);
        if let Offer::Full(message, lane) = offer {
            let Some(room) = lane.waiting_room() else {
                return Some(self.pool.answer(Offer::Full(message, lane)));
            };
            self.place = Some((Place::new(room.clone()), lane));
            self.message = Some(message);
            return None;
        }
        Some(self.pool.answer(offer))
    }
}

impl<A: Send + 'static, M: SentTo<A, K>, K: 'static> Future for PoolSend<A, M, K> {
    type Output = Result<(), SendError<M>>;

    /// # Panics
    ///
    /// When polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let Some((place, lane)) = &mut this.place else {
                let message = this.message.take().expect("polled after it was ready");
                match this.try_send(message) {
                    Some(outcome) => return Poll::Ready(outcome),
                    None => continue,
                }
            };
            let Poll::Ready(granted) = place.poll(cx) else { return Poll::Pending };
            let lane = Arc::clone(lane);
            this.place = None;
            if granted {
                if lane.enter() {
                    let message = this.message.take().expect("kept while waiting");
                    Lane::push(&lane, Job { placed: true, ..told::<A, M, K>(message) });
                    return Poll::Ready(Ok(()));
                }
                if let Some(room) = lane.waiting_room() {
                    room.free_place();
                }
            }
            // The lane or the pool is closed: what there is to say is said next.
        }
    }
}

impl<A: Send + 'static, M, K> Unpin for PoolSend<A, M, K> {}

impl<A: Send + 'static, M, K> fmt::Debug for PoolSend<A, M, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolSend").field("sent", &self.message.is_none()).finish_non_exhaustive()
    }
}
