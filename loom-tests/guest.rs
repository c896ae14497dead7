//! An actor on somebody else's executor: what is laid down for its future is run, or the actor is ended, whatever becomes of the future.

use std::sync::{Arc as StdArc, Mutex};
use std::task::{Context, Waker};

use deathwatch::ExitReason;
use deathwatch::internals::cell::{Birth, Runnable, Strong, spawn as spawn_cell};
use deathwatch::internals::monitor::entry::Wait;
use deathwatch::internals::scheduler::guest::{ActorFuture, Guests, Seat};
use deathwatch::internals::sync::Arc;

use crate::crew::{Berth, Deck, Hosted, Log, life, note, send};
use crate::fixture::{block_on, spawn};
use crate::harness::{Bound, model};

/// Lays the cell down in its seat.
struct Inn(Arc<Seat>, StdArc<Guests>);

impl Berth for Inn {
    fn schedule(&self, runnable: Runnable) {
        drop(self.1.lay(&self.0, runnable));
    }

    fn recall(&self) {
        drop(self.0.take());
    }

    fn leave(&self) {
        self.0.end();
    }
}

/// An actor that is laid down for the first time, its future, and its executor.
fn hire() -> (Strong<Deck>, ActorFuture, StdArc<Guests>) {
    // Handed over within one thread.
    let taken: StdArc<Mutex<Option<ActorFuture>>> = StdArc::default();
    let take = taken.clone();
    let guests = StdArc::new(Guests::new(StdArc::new(move |future| *take.lock().unwrap() = Some(future))));
    let seat = Seat::new();
    let strong = spawn_cell(Birth::default(), Hosted(Inn(seat.clone(), guests.clone())), life);
    Runnable::first(&strong).submit();
    guests.invite(seat, strong.cell().clone(), |runnable: Runnable| {
        if let Some(more) = runnable.run() {
            more.submit();
        }
    });
    let future = taken.lock().unwrap().take().unwrap();
    (strong, future, guests)
}

/// The same, after its first run: it sleeps.
fn sleeper() -> (Strong<Deck>, ActorFuture, StdArc<Guests>) {
    let (strong, mut future, guests) = hire();
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    (strong, future, guests)
}

fn is_killed(actor: &Strong<Deck>) -> bool {
    actor.cell().reason() == Some(&ExitReason::Kill)
}

/// Messages while the executor polls: all are handled, and the future is ready when the actor is dead.
#[test]
fn messages_vs_poll() {
    model("guest_messages_vs_poll", Bound::Preemptions(2), 380, || {
        let log = Log::new();
        let (actor, future, _guests) = hire();
        let executor = spawn(move || block_on(future));
        assert!(send(&actor, note(&log, 1)));
        assert!(send(&actor, note(&log, 2)));
        drop(actor);
        executor.join().unwrap();
        assert_eq!(log.read(), [1, 2]);
    });
}

/// A message, and the future is dropped: the actor dies, and only once.
#[test]
fn message_vs_drop() {
    model("guest_message_vs_drop", Bound::Unbounded, 1_400, || {
        let log = Log::new();
        let (actor, future, _guests) = sleeper();
        let sender = spawn({
            let (actor, log) = (actor.clone(), log.clone());
            move || {
                let _ = send(&actor, note(&log, 1));
            }
        });
        drop(future);
        sender.join().unwrap();
        assert!(is_killed(&actor));
        assert_eq!(log.read(), [0; 0], "nobody has run it");
    });
}

/// Nobody says anything to an actor whose future is dropped: it dies all the same, and who waits for that is told.
#[test]
fn wait_vs_drop() {
    model("guest_wait_vs_drop", Bound::Unbounded, 3_800, || {
        let (actor, future, _guests) = sleeper();
        let mut wait = Wait::new(actor.cell().clone());
        let executor = spawn(move || drop(future));
        assert_eq!(block_on(std::future::poll_fn(|cx| wait.poll(cx))), ExitReason::Kill);
        executor.join().unwrap();
    });
}

/// A message, and the executor is not waited for any more: the actor dies without it.
#[test]
fn message_vs_close() {
    model("guest_message_vs_close", Bound::Preemptions(3), 92, || {
        let log = Log::new();
        let (actor, future, guests) = sleeper();
        let sender = spawn({
            let (actor, log) = (actor.clone(), log.clone());
            move || {
                let _ = send(&actor, note(&log, 1));
            }
        });
        guests.close();
        actor.cell().kill();
        actor.cell().end_if_queued();
        sender.join().unwrap();
        assert!(is_killed(&actor));
        block_on(future); // is ready
    });
}

/// The executor polls while the runtime ends: the actor dies once, and its future is ready.
#[test]
fn poll_vs_close() {
    model("guest_poll_vs_close", Bound::Preemptions(3), 430, || {
        let (actor, future, guests) = hire();
        let executor = spawn(move || block_on(future));
        guests.close();
        actor.cell().kill();
        actor.cell().end_if_queued();
        executor.join().unwrap();
        assert!(is_killed(&actor));
    });
}

/// The executor polls, and drops what it polls, while the runtime ends: the actor dies once.
#[test]
fn poll_vs_close_vs_drop() {
    model("guest_poll_vs_close_vs_drop", Bound::Preemptions(3), 700, || {
        let (actor, mut future, guests) = hire();
        let cell = actor.cell().clone();
        let executor = spawn(move || {
            if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                assert!(cell.reason().is_some(), "over, and not dead");
            }
            drop(future);
        });
        guests.close();
        actor.cell().kill();
        actor.cell().end_if_queued();
        executor.join().unwrap();
        assert!(is_killed(&actor));
    });
}
