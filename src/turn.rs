//! The one message loop: an actor's life from its first hook to its last, for every mode.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use crate::actor::stage::Stage;
use crate::cell::Consumer;
use crate::guard;
use crate::mailbox::parcel::Parcel;
use crate::reason::ExitReason;
use crate::structs::future::SlotFuture;

/// How many messages are handled in one go before others may run.
const BUDGET: u32 = 64;

/// What a mode adds to the loop: how it calls the two hooks.
pub trait Hooks<A>: 'static {
    /// Before the first message.
    fn started(stage: &mut Stage<A>) -> impl Future<Output = ()> + Send;
    /// After the last one.
    fn stopped<'a>(stage: &'a mut Stage<A>, reason: &'a ExitReason) -> impl Future<Output = ()> + Send + 'a
    where
        A: 'a;
}

/// The life of an actor. A kill does not end it but drops it, wherever it is.
///
/// Not an `async fn`: that would have room for its arguments twice, and so for the actor's value.
pub fn live<A: Send + 'static, H: Hooks<A>>(
    stage: Stage<A>,
    consumer: Consumer<Stage<A>>,
) -> impl Future<Output = ExitReason> + Send {
    let mut life = Life { stage, consumer, budget: BUDGET };
    async move {
        let reason = match catch(|| SlotFuture::new(H::started(&mut life.stage))).await {
            Err(panic) => {
                life.leave_loop();
                panic
            }
            Ok(()) => {
                let reason = life.handle_messages().await;
                life.leave_loop();
                if life.consumer.cell().life.read().kill() {
                    reason // killed by its own last handler, which did not await: whoever runs the cell knows the reason
                } else {
                    match catch(|| SlotFuture::new(H::stopped(&mut life.stage, &reason))).await {
                        Ok(()) => reason,
                        Err(panic) => reason.or_panic(panic),
                    }
                }
            }
        };
        guard::drop_quietly(life.stage.actor);
        reason
    }
}

struct Life<A> {
    stage: Stage<A>,
    consumer: Consumer<Stage<A>>,
    budget: u32,
}

/// What the loop does next.
enum Next<A> {
    Handle(Parcel<Stage<A>>),
    End(ExitReason),
}

impl<A: Send + 'static> Life<A> {
    async fn handle_messages(&mut self) -> ExitReason {
        loop {
            let parcel = match std::future::poll_fn(|cx| self.next(cx)).await {
                Next::Handle(parcel) => parcel,
                Next::End(reason) => return reason,
            };
            if let Err(panic) = catch(|| parcel.open(&mut self.stage)).await {
                let cell = self.consumer.cell();
                if cell.life.read().kill() {
                    return panic; // the kill was first
                }
                // So that a kill during the stop hook finds why the actor is ending.
                return match cell.cause.set(panic.clone()) {
                    Ok(()) => {
                        cell.life.mark_panicked();
                        panic
                    }
                    Err(panic) => self.cause().or_panic(panic),
                };
            }
        }
    }

    fn next(&mut self, cx: &mut TaskContext<'_>) -> Poll<Next<A>> {
        loop {
            let life = self.consumer.cell().life.read();
            if life.kill() {
                return Poll::Pending; // whoever runs the cell looks at this first, and the kill has it run again
            }
            if life.stop() {
                return Poll::Ready(Next::End(self.cause()));
            }
            if self.budget == 0 {
                self.budget = BUDGET;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(parcel) = self.consumer.pop() {
                self.budget -= 1;
                return Poll::Ready(Next::Handle(parcel));
            }
            // Looked at in this order: who detaches does so before it gives its handle up.
            if self.consumer.is_last() && !self.consumer.cell().life.read().detached() {
                // Whatever was sent through the last handle is in the mailbox by now.
                return Poll::Ready(match self.consumer.pop() {
                    Some(parcel) => Next::Handle(parcel),
                    None => Next::End(ExitReason::Normal),
                });
            }
            if self.consumer.park() {
                self.budget = BUDGET;
                return Poll::Pending;
            }
        }
    }

    /// Why the actor was asked to stop.
    fn cause(&self) -> ExitReason {
        self.consumer.cell().cause.get().cloned().unwrap_or(ExitReason::Normal)
    }

    fn leave_loop(&mut self) {
        self.consumer.cell().life.mark_ending();
        self.consumer.close();
    }
}

/// Calls the user's code and awaits what it returns; a panic in either becomes a reason.
///
/// What panicked belongs to the dying actor: nobody looks at it again but its own `Drop`. The future is in a slot, so that
/// a life is no larger for the hooks it has.
async fn catch<'a>(call: impl FnOnce() -> SlotFuture<'a, ()>) -> Result<(), ExitReason> {
    let mut slot = Quiet(Some(guard::catch(call)?));
    std::future::poll_fn(move |cx| {
        let polled = guard::catch(|| {
            let Some(future) = &mut slot.0 else { return Poll::Ready(()) };
            let polled = Pin::new(future).poll(cx);
            if polled.is_ready() {
                drop(slot.0.take()); // its Drop is the user's code as well
            }
            polled
        });
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// A future of the user's, whose `Drop` may panic when a kill drops it unfinished: the actor's value is dropped next, and
/// a second panic while the first unwinds would end the process.
struct Quiet<'a>(Option<SlotFuture<'a, ()>>);

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        guard::drop_quietly(self.0.take());
    }
}
