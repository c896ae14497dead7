//! The one message loop: an actor's life from its first hook to its last, for every mode.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use crate::actor::stage::Stage;
use crate::cell::Consumer;
use crate::guard;
use crate::mailbox::parcel::Parcel;
use crate::mailbox::shelf::Shelf;
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
    /// Where the actor keeps messages that it postponed, if it does such a thing.
    fn shelf(stage: &mut Stage<A>) -> Option<&mut Shelf<Stage<A>>> {
        let _ = stage;
        None
    }
}

/// The life of an actor. A kill does not end it but drops it, wherever it is. `kept` is dropped with it.
///
/// Not an `async fn`: that would have room for its arguments twice, and so for the actor's value. And one place where the
/// user's code is awaited, whichever part of it: each would have room of its own.
pub fn live<A: Send + 'static, H: Hooks<A>>(
    stage: Stage<A>,
    consumer: Consumer<Stage<A>>,
    kept: impl Send,
) -> impl Future<Output = ExitReason> + Send {
    let mut life = Life { stage, consumer, budget: BUDGET };
    async move {
        let mut act = Act::Start;
        let reason = loop {
            let ended = Quiet::begin(|| match &mut act {
                Act::Start => {
                    let starting = life.consumer.cell().observed.starting();
                    SlotFuture::new(starting.of(|| H::started(&mut life.stage)))
                }
                Act::Handle(parcel) => match parcel.take() {
                    Some(parcel) => parcel.open(&mut life.stage),
                    None => SlotFuture::ready(()),
                },
                Act::Stop(reason) => SlotFuture::new(H::stopped(&mut life.stage, reason)),
            })
            .await;
            let end = match life.after(act, ended) {
                ControlFlow::Break(reason) => break reason,
                ControlFlow::Continue(end) => end,
            };
            let end = end.or_else(|| life.unshelve::<H>().err());
            let next = match end {
                Some(reason) => Next::End(reason),
                None => std::future::poll_fn(|cx| life.next(cx)).await,
            };
            act = match next {
                Next::Handle(parcel) => Act::Handle(Some(parcel)),
                Next::End(reason) => {
                    life.leave_loop();
                    if life.consumer.cell().life.read().kill() {
                        // Killed by its own last handler, which did not await: whoever runs the cell knows the reason.
                        break reason;
                    }
                    Act::Stop(reason)
                }
            };
        };
        guard::drop_quietly(life.stage.actor);
        guard::drop_quietly(kept);
        reason
    }
}

/// Which part of the user's code is called.
enum Act<A> {
    Start,
    /// The message, until it is opened.
    Handle(Option<Parcel<Stage<A>>>),
    Stop(ExitReason),
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
    /// What follows when a part of the user's code is over: the end of the life, or of the loop, with this reason, or the next
    /// message.
    fn after(
        &mut self,
        act: Act<A>,
        ended: Result<(), ExitReason>,
    ) -> ControlFlow<ExitReason, Option<ExitReason>> {
        match (act, ended) {
            (Act::Start, Err(panic)) => {
                self.leave_loop();
                ControlFlow::Break(panic)
            }
            (Act::Handle(_), Err(panic)) => ControlFlow::Continue(Some(self.panicked(panic))),
            (Act::Start | Act::Handle(_), Ok(())) => ControlFlow::Continue(None),
            (Act::Stop(reason), Ok(())) => ControlFlow::Break(reason),
            (Act::Stop(reason), Err(panic)) => ControlFlow::Break(reason.or_panic(panic)),
        }
    }

    /// What the actor has let go of what it postponed goes before the mailbox. It is the user's code that says where that is.
    fn unshelve<H: Hooks<A>>(&mut self) -> Result<(), ExitReason> {
        let Life { stage, consumer, .. } = self;
        let done = guard::catch(|| {
            if let Some(shelf) = H::shelf(stage) {
                consumer.put_in_front(shelf);
            }
        });
        done.map_err(|panic| self.panicked(panic))
    }

    /// A handler panicked: why the actor ends.
    fn panicked(&self, panic: ExitReason) -> ExitReason {
        let cell = self.consumer.cell();
        if cell.life.read().kill() {
            return panic; // the kill was first
        }
        // So that a kill during the stop hook finds why the actor is ending.
        match cell.cause.set(panic.clone()) {
            Ok(()) => {
                cell.life.mark_panicked();
                panic
            }
            Err(panic) => self.cause().or_panic(panic),
        }
    }

    fn next(&mut self, cx: &mut TaskContext<'_>) -> Poll<Next<A>> {
        loop {
            let life = self.consumer.cell().life.read();
            if life.cut() {
                return Poll::Pending; // whoever runs the cell looks at this first, and what has come has it run again
            }
            if life.stop() {
                return Poll::Ready(Next::End(self.cause()));
            }
            if self.budget == 0 {
                self.consumer.gather(); // more than a turn's worth has come: while it is in the cache
                self.budget = BUDGET;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(parcel) = self.consumer.pop() {
                self.budget -= 1;
                return Poll::Ready(Next::Handle(parcel));
            }
            if self.consumer.is_last() {
                // Looked at in this order: who detaches, and who brings a signal, does so before a handle is given up.
                let life = self.consumer.cell().life.read();
                if life.cut() {
                    return Poll::Pending;
                }
                if !life.detached() {
                    // Whatever was sent through the last handle is in the mailbox by now.
                    return Poll::Ready(match self.consumer.pop() {
                        Some(parcel) => Next::Handle(parcel),
                        None => Next::End(ExitReason::Normal),
                    });
                }
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
/// What panicked belongs to the dying actor: nobody looks at it again but its own `Drop`. That of the future may panic as well,
/// when a kill drops it unfinished: the actor's value is dropped next, and a second panic while the first unwinds would end
/// the process.
struct Quiet<'a>(Option<Result<SlotFuture<'a, ()>, ExitReason>>);

impl<'a> Quiet<'a> {
    fn begin(call: impl FnOnce() -> SlotFuture<'a, ()>) -> Self {
        Quiet(Some(guard::catch(call)))
    }
}

impl Future for Quiet<'_> {
    type Output = Result<(), ExitReason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let polled = guard::catch(|| {
            let Some(Ok(future)) = &mut self.0 else {
                return Poll::Ready(self.0.take().map_or(Ok(()), |begun| begun.map(drop)));
            };
            let polled = Pin::new(future).poll(cx);
            if polled.is_ready() {
                drop(self.0.take()); // its Drop is the user's code as well
            }
            polled.map(Ok)
        });
        polled.unwrap_or_else(|panic| Poll::Ready(Err(panic)))
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        if let Some(begun) = self.0.take() {
            guard::drop_quietly(begun);
        }
    }
}
