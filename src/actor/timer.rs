//! Messages that an actor sends itself later.

use std::fmt;
use std::time::{Duration, Instant};

use super::context::Context;
use super::message::{SentTo, Told};
use super::stage::Stage;
use crate::clock::{self, Clock};
use crate::id::ActorId;
use crate::mailbox::parcel::Letter;
use crate::monitor::entry::timer::{self, Handle, Missed, TimerCancel, Unset};

/// A timer that was set, by which it can be cancelled. Dropping this does not cancel it.
pub struct TimerRef {
    handle: Handle,
}

impl TimerRef {
    #[track_caller]
    fn set(unset: Unset) -> Self {
        match timer::set(unset) {
            Ok(handle) => TimerRef { handle },
            Err(error) => panic!("the clock cannot have its thread: {error}"),
        }
    }

    /// Sets one that sends a letter when so much time has passed.
    #[track_caller]
    pub(crate) fn after<A: 'static>(
        ctx: &Context<A>,
        delay: Duration,
        letter: impl Letter<Stage<A>>,
    ) -> Self {
        let now = ctx.address().cell().clock().map_or(0, Clock::nanos);
        TimerRef::set(timer::once(ctx.address(), now.saturating_add(clock::nanos(delay)), letter))
    }

    /// Cancels the timer, from any thread. After it has answered [`Cancelled`](TimerCancel::Cancelled), no handling of a
    /// message of this timer begins: neither of one to come, nor of one that stands in the mailbox. That message is dropped by
    /// this call.
    ///
    /// ```
    /// use std::time::Duration;
    /// use deathwatch::{ManualClock, Runtime, TimerCancel, prelude::*};
    ///
    /// struct Sleeper;
    /// struct Alarm;
    /// impl Message for Alarm { type Reply = (); }
    /// impl Actor for Sleeper {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         let timer = ctx.send_after(Duration::from_secs(60), Alarm);
    ///         assert_eq!(timer.cancel(), TimerCancel::Cancelled(Duration::from_secs(60)));
    ///         assert_eq!(timer.cancel(), TimerCancel::Unknown);
    ///         ctx.stop();
    ///     }
    /// }
    /// impl Handler<Alarm> for Sleeper {
    ///     async fn handle(&mut self, _: Alarm, _: &Context<Self>) { unreachable!() }
    /// }
    /// let runtime = Runtime::builder().clock(ManualClock::new()).build()?;
    /// assert_eq!(runtime.start(Sleeper)?.wait_exit().wait(), ExitReason::Normal);
    /// # Ok::<(), deathwatch::StartError>(())
    /// ```
    pub fn cancel(&self) -> TimerCancel {
        self.handle.cancel()
    }

    /// Will it ring, or be handled, some time? False once its message is handled, it was cancelled, or its actor is dead.
    pub fn is_pending(&self) -> bool {
        !self.handle.is_over()
    }

    /// Whose timer it is.
    pub fn actor(&self) -> ActorId {
        self.handle.actor()
    }
}

impl fmt::Debug for TimerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerRef")
            .field("actor", &self.actor())
            .field("pending", &self.is_pending())
            .finish_non_exhaustive()
    }
}

/// Timers: messages that an actor sends itself later.
///
/// A timer belongs to the actor whose context set it, and ends with it, at once and completely. It keeps nobody running: an
/// actor whose last handle is gone stops, whatever timers it has set (see [`detach`](crate::ActorRef::detach) for those that
/// are to live by their timers). Its message goes behind what is in the mailbox when it rings; a bounded mailbox does not refuse
/// it, and does not count it. A timer is one allocation, rings late by however busy the machine is, and never early.
///
/// # Panics
///
/// When the timer is the first thing to need a clock in this runtime, and the system refuses that its thread.
impl<A: Send + 'static> Context<A> {
    /// What time it is for this actor: that of its runtime's clock, which may be a [`ManualClock`](crate::ManualClock).
    pub fn now(&self) -> Instant {
        self.address().cell().clock().map_or_else(clock::real_now, Clock::now)
    }

    /// Sends this actor a message when so much time has passed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use deathwatch::prelude::*;
    ///
    /// struct Egg;
    /// struct Done;
    /// impl Message for Done { type Reply = (); }
    /// impl Actor for Egg {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.send_after(Duration::from_millis(5), Done);
    ///     }
    /// }
    /// impl Handler<Done> for Egg {
    ///     async fn handle(&mut self, _: Done, ctx: &Context<Self>) { ctx.stop(); }
    /// }
    /// assert_eq!(Egg.start().wait_exit().wait(), ExitReason::Normal);
    /// ```
    #[doc(alias = "notify_later")]
    #[doc(alias = "run_later")]
    #[doc(alias = "start_timer")]
    #[doc(alias = "delay")]
    #[track_caller]
    pub fn send_after<M: SentTo<A, K>, K: 'static>(&self, delay: Duration, message: M) -> TimerRef {
        TimerRef::after(self, delay, Told::<M, K>::new(message))
    }

    /// Sends this actor a message at that time; at once if that has passed.
    #[track_caller]
    pub fn send_at<M: SentTo<A, K>, K: 'static>(&self, when: Instant, message: M) -> TimerRef {
        let when = self.address().cell().clock().map_or(0, |clock| clock.nanos_at(when));
        TimerRef::set(timer::once(self.address(), when, Told::<M, K>::new(message)))
    }

    /// Sends this actor a message after each period of time, the first one after the first. `missed` says what becomes of those
    /// that come while the last one is not handled yet; there is never more than one of an interval in the mailbox. Deadlines
    /// are multiples of the period from now, however late single ones ring. A period below a microsecond counts as one.
    ///
    /// `make` runs in this actor's turn, when a message is about to be handled; a panic of it is a panic of the handler.
    ///
    /// ```
    /// use std::time::Duration;
    /// use deathwatch::{Missed, prelude::*};
    ///
    /// struct Pulse(u32);
    /// struct Beat(u32);
    /// impl Message for Beat { type Reply = (); }
    /// impl Actor for Pulse {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         let mut beats = 0..;
    ///         ctx.send_interval(Duration::from_millis(1), move || Beat(beats.next().unwrap()), Missed::Skip);
    ///     }
    /// }
    /// impl Handler<Beat> for Pulse {
    ///     async fn handle(&mut self, Beat(n): Beat, ctx: &Context<Self>) {
    ///         assert_eq!(n, self.0);
    ///         self.0 += 1;
    ///         if self.0 == 3 {
    ///             ctx.stop(); // which ends the interval
    ///         }
    ///     }
    /// }
    /// assert_eq!(Pulse(0).start().wait_exit().wait(), ExitReason::Normal);
    /// ```
    #[doc(alias = "run_interval")]
    #[doc(alias = "send_every")]
    #[track_caller]
    pub fn send_interval<M, K>(
        &self,
        period: Duration,
        mut make: impl FnMut() -> M + Send + 'static,
        missed: Missed,
    ) -> TimerRef
    where
        M: SentTo<A, K>,
        K: 'static,
    {
        let make = move || Told::<M, K>::new(make());
        TimerRef::set(timer::every(self.address(), clock::nanos(period), missed, make))
    }
}
