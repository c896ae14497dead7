//! Asking an actor.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::blocking;
use super::message::Message;
use crate::cell::{CellRef, Undelivered};
use crate::clock::{self, Clock};
use crate::mailbox::bound::{Bound, Place};
use crate::mailbox::exchange::{Asker, NoAnswer};
use crate::monitor::entry::Wait;
use crate::observe::Waiting;
use crate::reason::ExitReason;
use crate::structs::once::Once;
use crate::sync::Arc;

/// How long a request waits for its reply unless told otherwise.
const DEFAULT_LIMIT: Duration = Duration::from_secs(5);

/// A request on its way: a future, or by [`wait`](Self::wait) the calling thread. Made by
/// [`ActorRef::request`](crate::ActorRef::request).
///
/// It fails at once when the actor dies before it has replied, with the actor's reason. A reply that was given before
/// the death is delivered.
///
/// # Cancel safety
///
/// Dropping it before the reply has come drops the reply, and leaves nothing behind. The message is handled all the
/// same if it was sent.
///
/// ```
/// use std::time::Duration;
/// use deathwatch::{RequestError, prelude::*};
///
/// struct Slow;
/// impl Actor for Slow {}
/// struct Ask; impl Message for Ask { type Reply = u32; }
/// impl Handler<Ask> for Slow {
///     async fn handle(&mut self, _: Ask, _: &Context<Self>) -> u32 { std::future::pending().await }
/// }
///
/// let slow = Slow.start();
/// let impatient = slow.request(Ask).timeout(Duration::from_millis(10));
/// assert_eq!(impatient.wait(), Err(RequestError::Timeout));
/// let patient = slow.request(Ask).no_timeout();
/// slow.kill();
/// assert_eq!(patient.wait(), Err(RequestError::Exited(ExitReason::Kill)));
/// ```
#[must_use = "the reply comes only when awaited or waited for"]
pub struct Request<M: Message> {
    asker: Asker<M, M::Reply>,
    target: CellRef,
    stage: Stage,
    limit: Limit,
    waiting: Waiting,
}

/// Who took a question that any of several actors may take. Set before it is handled.
pub type Taker = Once<CellRef>;

/// A question that waits for a place in a queue which is no mailbox.
pub trait InLine: Send + Sync {
    /// It has one; or, if not `granted`, will never have one.
    fn proceed(self: Box<Self>, granted: bool);
}

/// What the request waits for.
enum Stage {
    /// A place in the mailbox.
    Room(Place, Undelivered),
    /// The reply.
    Reply,
    /// A place in the queue of a pool.
    Line(Place, Box<dyn InLine>, StdArc<Taker>),
    /// The reply of whoever takes the question.
    Pooled(StdArc<Taker>),
    /// The actor's end: there will be no reply.
    End(Wait),
    /// Nothing: it was refused.
    Refused,
    /// Nothing: it has been answered.
    Over,
}

enum Limit {
    None,
    /// Begins with the first poll.
    For(Duration),
    /// Has begun; the alarm tells when it is over.
    Alarmed,
    /// Has begun, without an alarm.
    Until(Instant),
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The actor died before it replied, or was dead already.
    Exited(ExitReason),
    /// The time limit was over first. A reply that comes later is dropped.
    Timeout,
    /// The mailbox was full, or dropped the message to make room for a newer one.
    Full,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Exited(reason) => write!(f, "no reply: the actor died ({reason})"),
            RequestError::Timeout => f.write_str("no reply within the time limit"),
            RequestError::Full => f.write_str("no reply: the mailbox was full"),
        }
    }
}

impl std::error::Error for RequestError {
    /// What lies below the actor's reason, which is part of the text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RequestError::Exited(reason) => reason.source(),
            _ => None,
        }
    }
}

impl<M: Message> Request<M> {
    fn new(asker: Asker<M, M::Reply>, target: CellRef, stage: Stage) -> Self {
        Request { asker, target, stage, limit: Limit::For(DEFAULT_LIMIT), waiting: Waiting::nobody() }
    }

    /// The message is in the mailbox, or was refused because the actor is ending.
    pub(crate) fn sent(asker: Asker<M, M::Reply>, target: CellRef) -> Self {
        Self::new(asker, target, Stage::Reply)
    }

    /// The message waits for room.
    pub(crate) fn waiting(
        asker: Asker<M, M::Reply>,
        target: CellRef,
        bound: Arc<Bound>,
        message: Undelivered,
    ) -> Self {
        Self::new(asker, target, Stage::Room(Place::new(bound), message))
    }

    /// The message is where any of several actors will take it.
    pub(crate) fn pooled(asker: Asker<M, M::Reply>, pool: CellRef, taker: StdArc<Taker>) -> Self {
        Self::new(asker, pool, Stage::Pooled(taker))
    }

    /// The message waits for a place there.
    pub(crate) fn in_line(
        asker: Asker<M, M::Reply>,
        pool: CellRef,
        taker: StdArc<Taker>,
        place: Place,
        line: Box<dyn InLine>,
    ) -> Self {
        Self::new(asker, pool, Stage::Line(place, line, taker))
    }

    /// There was no room.
    pub(crate) fn refused(asker: Asker<M, M::Reply>, target: CellRef) -> Self {
        Self::new(asker, target, Stage::Refused)
    }

    /// Changes the time limit, which is 5 seconds and begins when the request is first polled or waited for.
    ///
    /// To be called before that: later, a new limit is looked at only when something else has the request polled.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Limit::For(limit);
        self
    }

    /// Waits for as long as the actor lives.
    pub fn no_timeout(mut self) -> Self {
        self.limit = Limit::None;
        self
    }

    /// Blocks the calling thread until the reply is there.
    ///
    /// # Panics
    ///
    /// On a worker of a scheduler, when there is no reply yet: the actors that run there would wait, too.
    ///
    /// # Errors
    ///
    /// As for `.await`.
    #[track_caller]
    pub fn wait(mut self) -> Result<M::Reply, RequestError> {
        let real = self.target.clock().is_none_or(Clock::is_real);
        let left = match self.limit {
            Limit::For(limit) if real => limit,
            Limit::Until(deadline) if real => deadline.saturating_duration_since(clock::real_now()),
            // The alarm ends it.
            Limit::None | Limit::For(_) | Limit::Alarmed | Limit::Until(_) => {
                return blocking::block_on(self);
            }
        };
        self.limit = Limit::None;
        blocking::block_on_timeout(self, left).unwrap_or(Err(RequestError::Timeout))
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Reply, RequestError>> {
        loop {
            self.stage = match &mut self.stage {
                Stage::Room(place, _) => match place.poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(_granted) => {
                        let Stage::Room(_, message) = std::mem::replace(&mut self.stage, Stage::Reply) else {
                            continue;
                        };
                        // Refused, it tells the asker that there will be no answer.
                        let _ = message.deliver();
                        Stage::Reply
                    }
                },
                Stage::Reply | Stage::Pooled(_) => match self.asker.poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(reply)) => return Poll::Ready(Ok(reply)),
                    Poll::Ready(Err(NoAnswer::Abandoned)) => Stage::End(Wait::new(self.taker().clone())),
                    Poll::Ready(Err(NoAnswer::Displaced)) => Stage::Refused,
                },
                Stage::Line(place, ..) => match place.poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(granted) => {
                        let Stage::Line(_, line, taker) = std::mem::replace(&mut self.stage, Stage::Reply)
                        else {
                            continue;
                        };
                        line.proceed(granted);
                        Stage::Pooled(taker)
                    }
                },
                Stage::End(wait) => return wait.poll(cx).map(|reason| Err(RequestError::Exited(reason))),
                Stage::Refused => return Poll::Ready(Err(RequestError::Full)),
                Stage::Over => panic!("polled after it was ready"),
            };
        }
    }

    /// Whose death it is that left the question without an answer.
    fn taker(&self) -> &CellRef {
        match &self.stage {
            // Nobody took it: it died with the pool.
            Stage::Pooled(taker) => taker.get().unwrap_or(&self.target),
            _ => &self.target,
        }
    }

    /// Is the time over? Sets the alarm when the limit begins.
    fn is_late(&mut self) -> bool {
        match self.limit {
            Limit::None => false,
            Limit::Alarmed => self.asker.is_expired(),
            Limit::Until(deadline) => self.now() >= deadline,
            Limit::For(Duration::ZERO) => true,
            Limit::For(limit) => {
                let alarm = match self.target.clock() {
                    Some(clock) if !self.asker.is_alarmed() => {
                        self.asker.set_alarm(clock, clock::nanos(limit))
                    }
                    _ => false,
                };
                self.limit = if alarm {
                    Limit::Alarmed
                } else {
                    // The limit is kept whenever the request is polled, unless it is further away than can be told.
                    self.now().checked_add(limit).map_or(Limit::None, Limit::Until)
                };
                false
            }
        }
    }

    fn now(&self) -> Instant {
        self.target.clock().map_or_else(clock::real_now, Clock::now)
    }
}

impl<M: Message> Future for Request<M> {
    type Output = Result<M::Reply, RequestError>;

    /// # Panics
    ///
    /// When polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(outcome) = self.poll_outcome(cx) {
            self.stage = Stage::Over;
            self.waiting.end();
            return Poll::Ready(outcome);
        }
        if !matches!(self.stage, Stage::Reply | Stage::Pooled(_)) {
            self.asker.register(cx); // for the alarm
        }
        if !self.is_late() {
            let this = &mut *self;
            this.waiting.begin(|| this.target.id);
            return Poll::Pending;
        }
        self.stage = Stage::Over;
        self.waiting.end();
        Poll::Ready(Err(RequestError::Timeout))
    }
}

impl<M: Message> Unpin for Request<M> {}

impl<M: Message> fmt::Debug for Request<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("target", &self.target.id).finish_non_exhaustive()
    }
}
