//! The one message loop: an actor's life from its first hook to its last, for every mode.

use std::future::Future;
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
    let mut life = Life { stage, consumer, budget: BUDGET, act: Act::Start };
    async move {
        let reason = loop {
            let ended = 'ended: {
                // Nothing but the future is kept while it is awaited: whatever is takes room in every actor.
                let unfinished = match guard::catch(|| life.begin::<H>()) {
                    Ok(future) if future.is_ready() => break 'ended Ok(()), // as most: from message to message without a pause
                    Ok(future) => future,
                    Err(panic) => break 'ended Err(panic),
                };
                Quiet { future: unfinished, pause: Pause::default() }.await
            };
            let mut step = life.after::<H>(ended);
            while let Step::Pause = step {
                Pause::default().await;
                step = life.next();
            }
            if let Step::Over(reason) = step {
                break reason;
            }
        };
        guard::drop_quietly(life.stage.actor);
        guard::drop_quietly(kept);
        reason
    }
}

/// Which part of the user's code is called.
enum Act<A> {
    Start,
    /// The handler, with this message until it is opened.
    Handle(Option<Parcel<Stage<A>>>),
    Stop(ExitReason),
}

struct Life<A> {
    stage: Stage<A>,
    consumer: Consumer<Stage<A>>,
    budget: u32,
    act: Act<A>,
}

/// What the loop does next.
enum Step {
    /// It calls the part of the user's code that `act` says.
    Go,
    /// It lets others run, and then looks again; whatever happens next has it run.
    Pause,
    /// It is over.
    Over(ExitReason),
}

impl<A: Send + 'static> Life<A> {
    /// Calls a part of the user's code, and goes on with it up to where it has to wait for something.
    fn begin<H: Hooks<A>>(&mut self) -> SlotFuture<'_> {
        let Life { stage, consumer, act, .. } = self;
        let cell = consumer.cell();
        match act {
            Act::Start => {
                let starting = cell.observed.starting();
                cell.with_context(|cx| SlotFuture::begin(starting.of(|| H::started(stage)), cx))
            }
            Act::Handle(parcel) => match parcel.take() {
                Some(parcel) => parcel.open(stage),
                None => SlotFuture::ready(),
            },
            Act::Stop(reason) => cell.with_context(|cx| SlotFuture::begin(H::stopped(stage, reason), cx)),
        }
    }

    /// What follows when a part of the user's code is over.
    fn after<H: Hooks<A>>(&mut self, ended: Result<(), ExitReason>) -> Step {
        match (&self.act, ended) {
            (Act::Start | Act::Handle(_), Ok(())) => match self.unshelve::<H>() {
                Ok(()) => self.next(),
                Err(reason) => self.stop(reason),
            },
            (Act::Start, Err(panic)) => {
                self.leave_loop();
                Step::Over(panic)
            }
            (Act::Handle(_), Err(panic)) => {
                let reason = self.panicked(panic);
                self.stop(reason)
            }
            (Act::Stop(reason), Ok(())) => Step::Over(reason.clone()),
            (Act::Stop(reason), Err(panic)) => Step::Over(reason.clone().or_panic(panic)),
        }
    }

    /// The loop is over: what remains is the stop hook.
    fn stop(&mut self, reason: ExitReason) -> Step {
        self.leave_loop();
        if self.consumer.cell().life.read().kill() {
            // Killed by its own last handler, which did not await: whoever runs the cell knows the reason.
            return Step::Over(reason);
        }
        self.act = Act::Stop(reason);
        Step::Go
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

    /// The next message, or what there is to do instead.
    fn next(&mut self) -> Step {
        loop {
            let life = self.consumer.cell().life.read();
            if life.cut() {
                return Step::Pause; // whoever runs the cell looks at this first, and what has come has it run again
            }
            if life.stop() {
                return self.stop(self.cause());
            }
            if self.budget == 0 {
                self.consumer.gather(); // more than a turn's worth has come: while it is in the cache
                self.budget = BUDGET;
                self.consumer.cell().wake();
                return Step::Pause;
            }
            if let Some(parcel) = self.consumer.pop() {
                self.budget -= 1;
                return self.handle(parcel);
            }
            if self.consumer.is_last() {
                // Looked at in this order: who detaches, and who brings a signal, does so before a handle is given up.
                let life = self.consumer.cell().life.read();
                if life.cut() {
                    return Step::Pause;
                }
                if !life.detached() {
                    // Whatever was sent through the last handle is in the mailbox by now.
                    let Some(parcel) = self.consumer.pop() else { return self.stop(ExitReason::Normal) };
                    return self.handle(parcel);
                }
            }
            if self.consumer.park() {
                self.budget = BUDGET;
                return Step::Pause;
            }
        }
    }

    fn handle(&mut self, parcel: Parcel<Stage<A>>) -> Step {
        match &mut self.act {
            Act::Handle(next) => *next = Some(parcel), // as nearly always: one word to write
            act => *act = Act::Handle(Some(parcel)),
        }
        Step::Go
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

/// Lets others run.
#[derive(Default)]
struct Pause {
    over: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut TaskContext<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.over, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Awaits what the user's code has returned; a panic becomes a reason.
///
/// What panicked belongs to the dying actor: nobody looks at it again but its own `Drop`. That of the future may panic as well,
/// when a kill drops it unfinished: the actor's value is dropped next, and a second panic while the first unwinds would end
/// the process.
struct Quiet<'a> {
    future: SlotFuture<'a>,
    /// It has just been polled, and waits: so the run is over. Whoever kills, stops or comes next has his turn in between, as
    /// between any two polls.
    pause: Pause,
}

impl Future for Quiet<'_> {
    type Output = Result<(), ExitReason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        if Pin::new(&mut self.pause).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let polled = guard::catch(|| {
            let polled = Pin::new(&mut self.future).poll(cx);
            if polled.is_ready() {
                self.future = SlotFuture::ready(); // the Drop of what was there is the user's code as well
            }
            polled
        });
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        guard::drop_quietly(std::mem::replace(&mut self.future, SlotFuture::ready()));
    }
}
