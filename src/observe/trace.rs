//! Spans and events, told to the subscriber that the program has installed.
//!
//! Each life and each message is a root of its own: a message is not part of what sent it, and a life that goes on for days is no place for
//! millions of children. What comes of what is said by *follows from*: a life follows from the span in which its actor was started, a message
//! from the life of the actor that handles it.

use std::future::Future;
use std::time::Duration;

use tracing::span::Id;
use tracing::{Instrument, Level, Span, event, span};

use super::{Observed, Spelled};
use crate::guard;
use crate::id::ActorId;
use crate::reason::ExitReason;
use crate::structs::once::Once;
use crate::sync::atomic::{AtomicUsize, Ordering};

pub const ON: bool = true;

/// The first high-water mark that is worth an event; each further one is twice the last.
const FIRST_MARK: usize = 64;

/// Tells, and lets no panic of the subscriber out.
fn quietly(tell: impl FnOnce()) {
    let _ = guard::catch(tell);
}

/// What there is about one actor.
pub struct Trace {
    /// Its span, for as long as it lives.
    life: Once<Id>,
    /// What its mailbox must reach for the next event.
    mark: AtomicUsize,
}

impl Trace {
    pub fn new() -> Self {
        Trace { life: Once::new(), mark: AtomicUsize::new(FIRST_MARK) }
    }

    pub fn handling(
        &self,
        actor: ActorId,
        what: &'static Spelled,
        high_water: impl FnOnce() -> usize,
    ) -> Part {
        let mut span = Span::none();
        quietly(|| span = self.begun(actor, what, high_water()));
        Part { span }
    }

    /// The span of a message that is about to be handled.
    fn begun(&self, actor: ActorId, what: &'static Spelled, high_water: usize) -> Span {
        // ORDERING: Relaxed, both: only the actor's own runs touch it.
        if high_water >= self.mark.load(Ordering::Relaxed) {
            self.mark.store(high_water.saturating_mul(2), Ordering::Relaxed);
            event!(target: "deathwatch", parent: None, Level::WARN, actor = actor.get(), high_water, "a mailbox is fuller than ever");
        }
        let message = span!(target: "deathwatch", parent: None, Level::DEBUG, "message", actor = actor.get(), r#type = what());
        if let Some(life) = self.life.get() {
            message.follows_from(life.clone());
        }
        message
    }
}

/// The span of a life, which ends when this is dropped.
pub struct Life {
    span: Span,
}

/// The life of an actor begins.
pub fn life(observed: &Observed, id: ActorId, actor: Spelled, name: Option<&str>) -> Life {
    let mut life = Life { span: Span::none() };
    quietly(|| {
        life.span = span!(target: "deathwatch", parent: None, Level::INFO, "actor", id = id.get(), r#type = actor(), name);
        life.span.follows_from(Span::current().id());
        if let Some(id) = life.span.id() {
            let _ = observed.trace.life.set(id);
        }
    });
    life
}

/// A call that is made in a span.
pub struct Part {
    span: Span,
}

impl Part {
    /// In none.
    pub fn hook() -> Self {
        Part { span: Span::none() }
    }

    pub fn of<F: Future>(self, call: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        let future = self.span.in_scope(call);
        future.instrument(self.span)
    }
}

/// An actor is gone.
pub fn gone(id: ActorId, actor: Spelled, name: Option<&str>, reason: Option<&ExitReason>) {
    let (actor, id) = (actor(), id.get());
    quietly(|| match reason {
        Some(ExitReason::Panic(report)) => {
            event!(target: "deathwatch", parent: None, Level::ERROR, actor = id, r#type = actor, name, panic = report.message(), "an actor panicked");
        }
        Some(reason) if reason.is_abnormal() => {
            event!(target: "deathwatch", parent: None, Level::WARN, actor = id, r#type = actor, name, %reason, "an actor died");
        }
        Some(reason) => {
            event!(target: "deathwatch", parent: None, Level::INFO, actor = id, r#type = actor, name, %reason, "an actor ended");
        }
        None => {}
    });
}

/// A supervisor has started a child anew.
pub fn restarted(supervisor: ActorId, child: &str, id: ActorId) {
    quietly(|| {
        event!(target: "deathwatch", Level::WARN, supervisor = supervisor.get(), child, actor = id.get(), "a child was restarted");
    });
}

/// A handler has kept its thread for so long without awaiting.
pub fn slow(actor: &'static str, took: Duration) {
    quietly(|| {
        event!(target: "deathwatch", parent: None, Level::WARN, r#type = actor, seconds = took.as_secs_f64(), "a handler keeps a worker");
    });
}
