//! What a supervisor does about its children: one event changes how they are, and [`go_on`](Supervisor::go_on) does what is to be
//! done then.
//!
//! Nothing here waits. Children are started and stopped one after the other by a [`Sequence`]: it asks one to stop or starts one,
//! and goes on with the next when the message comes that this has ended, or is up. There is one when the supervisor starts, and one
//! whenever a failure concerns more children than the one that failed. Where each child is for itself, its restart needs none.
//!
//! | a child is | it becomes | when |
//! |---|---|---|
//! | due | starting | its turn comes in the sequence |
//! | delayed | starting | its message comes |
//! | starting | running | it is up |
//! | | due, delayed, stopped, or is forgotten | it did not start |
//! | running | due, delayed | it failed |
//! | | ended, or is forgotten | it ended, and is not restarted |
//! | starting, running | stopping | the sequence, or somebody, stops it |
//! | stopping | due | it has ended, and the sequence starts it again |
//! | | stopped, or is forgotten | it has ended, and somebody stopped it |
//! | ended | due | the sequence starts it again with the others |
//! | ended, stopped | starting, due | somebody restarts it |

use std::pin::Pin;
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use futures::FutureExt;

use super::children::{Incarnation, Reply, State, Then};
use super::errors::{ChildError, SupervisorError};
use super::messages::{Go, Overdue, Retry};
use super::policy::{AutoShutdown, Restart, Shutdown, Strategy};
use super::probe::post;
use super::spec::Fault;
use super::{Kind, Supervisor};
use crate::actor::context::Context;
use crate::actor::exit_wait::ExitWait;
use crate::actor::timer::TimerRef;
use crate::id::ActorId;
use crate::monitor::Down;
use crate::observe;
use crate::reason::ExitReason;
use crate::runtime::has_ended;

/// What is being done with the children from a key on, one after the other.
pub struct Sequence {
    from: u64,
    step: Step,
}

enum Step {
    /// They are stopped, the last one first. Those from `below` on are.
    Stopping { below: u64, delay: Duration },
    /// Some time passes, until the message with this ticket.
    Pausing { ticket: u64, delay: Duration },
    /// Those that are due are started, the first one first. Those before `next` are. The `current` one is in its hook.
    Starting { next: u64, current: Option<u64> },
}

impl Sequence {
    /// All are to be started.
    pub fn start() -> Self {
        Sequence { from: 0, step: Step::Starting { next: 0, current: None } }
    }

    /// Are they being stopped, or are about to be started again, that child among them?
    fn is_before_start_of(&self, key: u64) -> bool {
        key >= self.from && !matches!(self.step, Step::Starting { .. })
    }
}

impl<K: Kind> Supervisor<K> {
    /// Does what is to be done next, if anything is.
    pub(super) fn go_on(&mut self, ctx: &Context<Self>) {
        while let (Some(sequence), false) = (&mut self.sequence, self.over) {
            let from = sequence.from;
            match &mut sequence.step {
                Step::Pausing { .. } => return,
                Step::Stopping { below, delay } => match self.children.last_there(from..*below) {
                    Some((key, child)) => {
                        *below = key + 1;
                        if !matches!(child.state(), State::Stopping { .. }) {
                            self.stop(key, Then::Start, ctx);
                        }
                        return;
                    }
                    None => {
                        let delay = *delay;
                        self.pause(delay, ctx);
                        return;
                    }
                },
                Step::Starting { next, current } => {
                    if let Some(child) = current.and_then(|key| self.children.get(key)) {
                        if matches!(child.state(), State::Starting) {
                            return;
                        }
                    }
                    match self.children.first_due(*next) {
                        Some(key) => {
                            (*next, *current) = (key, Some(key));
                            self.start_now(key, ctx);
                        }
                        None => {
                            self.sequence = None;
                            self.arrive();
                        }
                    }
                }
            }
        }
    }

    /// All that it began with are up.
    fn arrive(&mut self) {
        self.up = true;
        self.waiting.drain(..).for_each(|tell| tell());
    }

    /// Tells somebody when all that it began with are up; at once if they are.
    pub(super) fn when_up(&mut self, tell: impl FnOnce() + Send + 'static) {
        if self.up {
            tell();
        } else {
            self.waiting.push(Box::new(tell));
        }
    }

    /// Between the stop and the start of a sequence.
    fn pause(&mut self, delay: Duration, ctx: &Context<Self>) {
        let ticket = self.next_ticket();
        if let Some(sequence) = &mut self.sequence {
            sequence.step = Step::Pausing { ticket, delay };
        }
        if delay.is_zero() {
            post(ctx.address(), Go { ticket }); // whatever stands in the mailbox is first, be it that somebody stops this
        } else {
            ctx.send_after(delay, Go { ticket });
        }
    }

    pub(super) fn go(&mut self, ticket: u64) {
        if let Some(sequence) = &mut self.sequence {
            if matches!(sequence.step, Step::Pausing { ticket: waited, .. } if waited == ticket) {
                sequence.step = Step::Starting { next: sequence.from, current: None };
            }
        }
    }

    fn next_ticket(&mut self) -> u64 {
        self.ticket += 1;
        self.ticket
    }

    /// Begins to start a child now, or when its turn comes if there is a sequence that comes to it.
    pub(super) fn start_in_turn(&mut self, key: u64, ctx: &Context<Self>) {
        let comes_to = match &self.sequence {
            None => false,
            Some(sequence) => match sequence.step {
                Step::Starting { next, .. } => key > next,
                _ => key >= sequence.from,
            },
        };
        if comes_to {
            self.children.set(key, State::Due);
        } else {
            self.start_now(key, ctx);
        }
    }

    fn start_now(&mut self, key: u64, ctx: &Context<Self>) {
        let Some(child) = self.children.get(key) else { return };
        if self.over {
            return;
        }
        if has_ended(ctx.address().cell()) {
            return self.outlived(key, ctx);
        }
        match child.spec.start(key, ctx) {
            Ok(incarnation) => {
                if child.restarts > 0 {
                    observe::restarted(ctx.id(), child.id().name(), incarnation.id());
                }
                child.incarnation = Some(incarnation);
                self.children.set(key, State::Starting);
            }
            Err(Fault::Failed(reason)) => self.not_started(key, reason, ctx),
            Err(Fault::ShutDown) => self.outlived(key, ctx),
        }
    }

    /// The runtime is at its end, and has met the child before the supervisor: that is no failure, and nobody is started again.
    fn outlived(&mut self, key: u64, ctx: &Context<Self>) {
        self.children.set(key, State::Ended);
        self.end_with(ExitReason::Shutdown, ctx);
    }

    /// The message of a child that its `started` hook has returned.
    pub(super) fn child_up(&mut self, key: u64, actor: ActorId, ctx: &Context<Self>) {
        let Some(child) = self.children.present(key, actor) else { return };
        if !matches!(child.state(), State::Starting) {
            return; // it was asked to stop meanwhile
        }
        child.since = Some(ctx.now());
        if let Some(incarnation) = &child.incarnation {
            incarnation.show();
        }
        self.children.set(key, State::Running);
        self.has_started(key);
    }

    /// Who waits for the start of a child is told.
    fn has_started(&mut self, key: u64) {
        let Some(child) = self.children.get(key) else { return };
        child.fresh = false;
        if let Some(reply) = child.starting.take() {
            reply(Ok(()));
        }
    }

    /// The `Down` of a child.
    pub(super) fn child_ended(&mut self, key: u64, down: Down, ctx: &Context<Self>) {
        let Some(child) = self.children.present(key, down.target) else { return };
        let ended = child.incarnation.take().map(Incarnation::end);
        self.leave(ended);
        let reason = down.reason;
        match self.children.set(key, State::Due) {
            Some(State::Starting) if reason.is_abnormal() => self.not_started(key, reason, ctx),
            Some(State::Starting) => {
                // It stopped itself in its `started` hook, in an orderly way: so it did all that it had to do.
                self.has_started(key);
                self.ended_by_itself(key, reason, ctx);
            }
            Some(State::Stopping { then: Then::Start, timer }) => {
                cancel(timer);
                self.stopped_for_restart(key);
            }
            Some(State::Stopping { then: Then::Stay, timer }) => {
                cancel(timer);
                self.stays(key, State::Stopped);
            }
            _ => self.ended_by_itself(key, reason, ctx),
        }
    }

    /// Keeps what is over when everybody has been told of a child's end, if it is not yet: who found the child by its name may have
    /// monitored it before we did, and is told after us.
    fn leave(&mut self, end: Option<ExitWait>) {
        let is_over = |end: &mut ExitWait| {
            Pin::new(end).poll_unpin(&mut TaskContext::from_waker(Waker::noop())).is_ready()
        };
        while self.leaving.front_mut().is_some_and(is_over) {
            self.leaving.pop_front();
        }
        self.leaving.extend(end.and_then(|mut end| (!is_over(&mut end)).then_some(end)));
    }

    /// Stopped by the sequence, which starts it again unless it is temporary. It is due.
    fn stopped_for_restart(&mut self, key: u64) {
        let temporary =
            self.children.get(key).is_some_and(|child| child.plan().restart == Restart::Temporary);
        if temporary {
            self.children.remove(key);
        }
    }

    /// A child that was up has ended, and nobody had asked it to.
    fn ended_by_itself(&mut self, key: u64, reason: ExitReason, ctx: &Context<Self>) {
        let Some(child) = self.children.get(key) else { return };
        let plan = child.plan();
        if self.sequence.as_ref().is_some_and(|sequence| sequence.is_before_start_of(key)) {
            return self.stopped_for_restart(key);
        }
        let again = match plan.restart {
            Restart::Permanent => true,
            Restart::Transient => reason.is_abnormal(),
            Restart::Temporary => false,
        };
        if again {
            return self.failed(key, reason, ctx);
        }
        self.stays(key, State::Ended);
        let end = plan.significant
            && match self.auto {
                AutoShutdown::Never => false,
                AutoShutdown::AnySignificant => true,
                AutoShutdown::AllSignificant => self.children.significant() == 0,
            };
        if end {
            self.end_with(ExitReason::Shutdown, ctx);
        }
    }

    /// A child is not there any more, and nobody is about to start it.
    fn stays(&mut self, key: u64, state: State) {
        let Some(child) = self.children.get(key) else { return };
        child.spec.slot().close();
        if K::DYNAMIC || child.fresh || child.plan().restart == Restart::Temporary {
            return self.children.remove(key);
        }
        let id = child.id().clone();
        let (starting, stopping) = (child.starting.take(), std::mem::take(&mut child.stopping));
        self.children.set(key, state);
        if let Some(reply) = starting {
            reply(Err(ChildError::Stopped(id)));
        }
        stopping.into_iter().for_each(|reply| reply(Ok(())));
    }

    /// A child did not start. It is due.
    fn not_started(&mut self, key: u64, reason: ExitReason, ctx: &Context<Self>) {
        if has_ended(ctx.address().cell()) {
            return self.outlived(key, ctx);
        }
        let Some(child) = self.children.get(key) else { return };
        let id = child.id().clone();
        if let Some(reply) = child.starting.take() {
            let forget = child.fresh;
            self.children.set(key, State::Stopped);
            if forget {
                self.children.remove(key);
            }
            return reply(Err(ChildError::Start { child: id, reason }));
        }
        if !self.up && child.restarts == 0 {
            self.children.set(key, State::Ended);
            return self.give_up(SupervisorError::Start { child: id, reason }, ctx);
        }
        self.failed(key, reason, ctx);
    }

    /// A child is to be restarted, if there were not too many restarts. It is due.
    fn failed(&mut self, key: u64, reason: ExitReason, ctx: &Context<Self>) {
        if has_ended(ctx.address().cell()) {
            return self.outlived(key, ctx);
        }
        let now = ctx.now();
        let Some(child) = self.children.get(key) else { return };
        if !self.intensity.note(now) {
            let child = child.id().clone();
            let (most, within) = (self.intensity.most, self.intensity.within);
            self.children.set(key, State::Ended);
            return self.give_up(SupervisorError::Intensity { child, reason, most, within }, ctx);
        }
        let backoff = child.plan().backoff.unwrap_or(self.backoff);
        let up_for = child.since.take().map(|since| now.saturating_duration_since(since));
        if up_for.is_some_and(|up_for| up_for >= backoff.proof()) {
            child.streak = 0;
        }
        let delay = backoff.delay(child.streak);
        child.streak = child.streak.saturating_add(1);
        child.restarts += 1;
        match self.strategy {
            Strategy::OneForOne => self.start_later(key, delay, ctx),
            Strategy::OneForAll => self.restart_from(0, delay),
            Strategy::RestForOne => {
                let from = match &self.sequence {
                    None => key,
                    Some(Sequence { step: Step::Starting { next, .. }, .. }) => key.min(*next),
                    Some(sequence) => key.min(sequence.from),
                };
                self.restart_from(from, delay);
            }
        }
    }

    /// The children from there on are to be stopped, and started again.
    fn restart_from(&mut self, from: u64, delay: Duration) {
        self.children.revive(from);
        let pending = match &self.sequence {
            Some(Sequence { step: Step::Stopping { delay, .. } | Step::Pausing { delay, .. }, .. }) => *delay,
            _ => Duration::ZERO,
        };
        let step = Step::Stopping { below: u64::MAX, delay: delay.max(pending) };
        self.sequence = Some(Sequence { from, step });
    }

    /// A child is to be started by itself.
    fn start_later(&mut self, key: u64, delay: Duration, ctx: &Context<Self>) {
        let ticket = self.next_ticket();
        let timer = if delay.is_zero() {
            post(ctx.address(), Retry { key, ticket }); // as in `pause`
            None
        } else {
            Some(ctx.send_after(delay, Retry { key, ticket }))
        };
        self.children.set(key, State::Delayed { ticket, timer });
    }

    pub(super) fn retry(&mut self, key: u64, ticket: u64, ctx: &Context<Self>) {
        let Some(child) = self.children.get(key) else { return };
        if matches!(child.state(), State::Delayed { ticket: waited, .. } if *waited == ticket) {
            self.start_now(key, ctx);
        }
    }

    /// Asks a child to stop, or kills it. It is there.
    pub(super) fn stop(&mut self, key: u64, then: Then, ctx: &Context<Self>) {
        let Some(child) = self.children.get(key) else { return };
        let Some(incarnation) = &child.incarnation else { return };
        incarnation.hide();
        let actor = incarnation.handle();
        let timer = match child.plan().shutdown {
            Shutdown::Kill => {
                actor.kill();
                None
            }
            Shutdown::Infinite => {
                actor.stop_with(ExitReason::Shutdown);
                None
            }
            Shutdown::After(limit) => {
                actor.stop_with(ExitReason::Shutdown);
                Some(ctx.send_after(limit, Overdue { key, child: actor.id() }))
            }
        };
        self.children.set(key, State::Stopping { then, timer });
    }

    /// A child was asked to stop some time ago.
    pub(super) fn overdue(&mut self, key: u64, actor: ActorId) {
        if let Some(incarnation) =
            self.children.present(key, actor).and_then(|child| child.incarnation.as_ref())
        {
            incarnation.handle().kill();
        }
    }

    /// Somebody wants a child to be stopped, and is told by `reply`.
    pub(super) fn stop_by_hand(&mut self, key: u64, reply: Reply, ctx: &Context<Self>) {
        let Some(child) = self.children.get(key) else { return };
        child.stopping.push(reply);
        match child.state() {
            State::Starting | State::Running => {
                child.spec.slot().close();
                self.stop(key, Then::Stay, ctx);
            }
            State::Stopping { .. } => {
                child.spec.slot().close();
                if let Some(State::Stopping { timer, .. }) = self.children.set(key, State::Stopped) {
                    self.children.set(key, State::Stopping { then: Then::Stay, timer });
                }
            }
            State::Due | State::Delayed { .. } => {
                if let Some(State::Delayed { timer, .. }) = self.children.set(key, State::Stopped) {
                    cancel(timer);
                }
                self.stays(key, State::Stopped);
            }
            State::Ended | State::Stopped => self.stays(key, State::Stopped),
        }
    }

    /// Dies of that.
    pub(super) fn give_up(&mut self, error: SupervisorError, ctx: &Context<Self>) {
        self.end_with(ExitReason::error(error), ctx);
    }

    /// Stops, and starts nobody from now on.
    fn end_with(&mut self, reason: ExitReason, ctx: &Context<Self>) {
        self.over = true;
        ctx.stop_with(reason);
    }
}

fn cancel(timer: Option<TimerRef>) {
    if let Some(timer) = timer {
        timer.cancel();
    }
}
