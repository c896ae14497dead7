//! The limit of a bounded mailbox.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::task::{Context, Waker};

use deathwatch::ExitReason;
use deathwatch::internals::cell::Birth;
use deathwatch::internals::mailbox::bound::{Admission, Bound as Limit, OnFull, Place};
use deathwatch::internals::mailbox::parcel::{Letter, Parcel};
use deathwatch::internals::structs::future::SlotFuture;
use deathwatch::internals::sync::Arc;

use crate::crew::{Deck, Log, Pool, ended, note, parcel, send};
use crate::fixture::spawn;
use crate::harness::{Bound, model};

fn limit(capacity: usize, policy: OnFull) -> Arc<Limit> {
    Arc::new(Limit::new(NonZeroUsize::new(capacity).unwrap(), policy))
}

/// A limit of one whose only place is taken.
fn full() -> Arc<Limit> {
    let bound = limit(1, OnFull::Wait);
    assert_eq!(bound.admit(), Admission::Push);
    assert_eq!(bound.admit(), Admission::Full);
    bound
}

/// Waits for a place; false when the mailbox was closed.
fn wait(bound: &Arc<Limit>) -> bool {
    let mut place = Place::new(bound.clone());
    loom::future::block_on(poll_fn(|cx| place.poll(cx)))
}

/// Exactly one place is free.
fn has_one_place(bound: &Limit) {
    assert_eq!(bound.admit(), Admission::Push, "a place was lost");
    assert_eq!(bound.admit(), Admission::Full, "a place was made");
}

/// The sender that waits gets the place that becomes free.
#[test]
fn wait_vs_free() {
    model("place_wait_vs_free", Bound::Preemptions(3), 700, || {
        let bound = full();
        let other = bound.clone();
        let other = spawn(move || other.free_place());
        assert!(wait(&bound));
        other.join().unwrap();
        bound.free_place();
        has_one_place(&bound);
    });
}

/// Two places become free: who finds one and is granted the other keeps one.
#[test]
fn wait_vs_two_frees() {
    model("place_wait_vs_two_frees", Bound::Preemptions(3), 790, || {
        let bound = limit(2, OnFull::Wait);
        for next in [Admission::Push, Admission::Push, Admission::Full] {
            assert_eq!(bound.admit(), next);
        }
        let other = bound.clone();
        let other = spawn(move || {
            other.free_place();
            other.free_place();
        });
        assert!(wait(&bound));
        other.join().unwrap();
        has_one_place(&bound);
    });
}

/// Two wait, and pass the place on.
#[test]
fn two_waits_vs_free() {
    model("place_two_waits_vs_free", Bound::Preemptions(2), 2_700, || {
        let bound = full();
        let others = [bound.clone(), bound.clone()].map(|bound| {
            spawn(move || {
                assert!(wait(&bound));
                bound.free_place();
            })
        });
        bound.free_place();
        others.into_iter().for_each(|other| other.join().unwrap());
        has_one_place(&bound);
    });
}

/// Who waits while the mailbox is closed gets a place or is told; nobody hangs.
#[test]
fn wait_vs_free_vs_close() {
    model("place_wait_vs_free_vs_close", Bound::Preemptions(3), 36_000, || {
        let bound = full();
        let (freer, closer) = (bound.clone(), bound.clone());
        let freer = spawn(move || freer.free_place());
        let closer = spawn(move || closer.close());
        let _either = wait(&bound);
        freer.join().unwrap();
        closer.join().unwrap();
    });
}

/// Who gives up waiting passes on the place it was granted meanwhile.
#[test]
fn leaving_vs_free_vs_wait() {
    model("place_leaving_vs_free_vs_wait", Bound::Preemptions(2), 6_200, || {
        let bound = full();
        let (leaver, freer) = (bound.clone(), bound.clone());
        let leaver = spawn(move || {
            let mut place = Place::new(leaver.clone());
            if place.poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                leaver.free_place();
            }
        });
        let freer = spawn(move || freer.free_place());
        assert!(wait(&bound));
        leaver.join().unwrap();
        freer.join().unwrap();
        bound.free_place();
        has_one_place(&bound);
    });
}

/// One gives up waiting and tidies the queue, with another's place in its hand, while the mailbox closes: that other is told.
#[test]
fn leaving_vs_close_vs_wait() {
    model("place_leaving_vs_close_vs_wait", Bound::Preemptions(2), 3_600, || {
        let bound = full();
        let (leaver, closer) = (bound.clone(), bound.clone());
        let leaver = spawn(move || {
            let _pending_or_closed = Place::new(leaver).poll(&mut Context::from_waker(Waker::noop()));
        });
        let closer = spawn(move || closer.close());
        assert!(!wait(&bound));
        leaver.join().unwrap();
        closer.join().unwrap();
    });
}

/// A sender that waits for room in the mailbox of an actor that handles: its message arrives.
#[test]
fn waiting_sender_vs_handling() {
    model("waiting_sender_vs_handling", Bound::Preemptions(2), 1_800, || {
        let (pool, log, bound) = (Pool::new(), Log::new(), full());
        let actor = pool.sleeper(Birth { bound: Some(bound.clone()), ..Birth::default() });
        let cell = actor.cell().clone();
        assert!(send(&actor, note(&log, 1))); // `full` took its place
        let runner = spawn({
            let pool = pool.clone();
            move || pool.run()
        });
        assert!(wait(&bound));
        assert!(send(&actor, note(&log, 2)));
        drop(actor);
        runner.join().unwrap();
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
        assert_eq!(log.read(), [1, 2]);
        has_one_place(&bound);
    });
}

/// A mailbox that drops its oldest, with room for all: nothing is lost, whoever pushes the tickets.
#[test]
fn ring_with_room_vs_handling() {
    model("ring_with_room_vs_handling", Bound::Preemptions(2), 9_900, || {
        let (pool, log, bound) = (Pool::new(), Log::new(), limit(2, OnFull::DropOldest));
        let actor = pool.sleeper(Birth { bound: Some(bound.clone()), ..Birth::default() });
        let cell = actor.cell().clone();
        let sender = spawn({
            let (actor, bound, log) = (actor.clone(), bound.clone(), log.clone());
            move || actor.push_displacing(&bound, note(&log, 1))
        });
        let runner = spawn({
            let pool = pool.clone();
            move || pool.run()
        });
        actor.push_displacing(&bound, note(&log, 2));
        sender.join().unwrap();
        runner.join().unwrap();
        pool.run();
        assert_eq!(log.sorted(), [1, 2]);
        drop(actor);
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
    });
}

/// A message that takes no place, like a `Down`.
struct Uncounted(Log, u32);

impl Letter<Deck> for Uncounted {
    const COUNTED: bool = false;

    fn open<'a>(self, _: &'a mut Deck) -> SlotFuture<'a> {
        self.0.note(self.1);
        SlotFuture::ready()
    }
}

/// What stands in the mailbox itself (a `Down`, say) comes after what its sender put into the ring before it, however slow
/// another sender is with its ticket.
#[test]
fn ring_order_of_two_senders() {
    model("ring_order_of_two_senders", Bound::Preemptions(3), 560, || {
        let (pool, log, bound) = (Pool::new(), Log::new(), limit(2, OnFull::DropOldest));
        let actor = pool.sleeper(Birth { bound: Some(bound.clone()), ..Birth::default() });
        let cell = actor.cell().clone();
        let other = spawn({
            let (actor, bound, log) = (actor.clone(), bound.clone(), log.clone());
            move || actor.push_displacing(&bound, note(&log, 1))
        });
        actor.push_displacing(&bound, note(&log, 2));
        assert!(send(&actor, Parcel::seal(Uncounted(log.clone(), 3)).into_parcel()));
        other.join().unwrap();
        pool.run();
        let log = log.read();
        let at = |number| log.iter().position(|&noted| noted == number).expect("handled");
        assert!(at(1) < log.len() && at(2) < at(3), "{log:?}");
        drop(actor);
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
    });
}

/// One sender alone: what it sent last is never the one that is lost.
#[test]
fn ring_drops_the_oldest() {
    model("ring_drops_the_oldest", Bound::Preemptions(3), 480, || {
        let (pool, log, bound) = (Pool::new(), Log::new(), limit(1, OnFull::DropOldest));
        let actor = pool.sleeper(Birth { bound: Some(bound.clone()), ..Birth::default() });
        let cell = actor.cell().clone();
        let runner = spawn({
            let pool = pool.clone();
            move || pool.run()
        });
        (1..=3).for_each(|number| actor.push_displacing(&bound, note(&log, number)));
        runner.join().unwrap();
        pool.run();
        assert_eq!(log.read(), log.sorted(), "in order");
        assert_eq!(log.read().last(), Some(&3));
        drop(actor);
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
    });
}

/// Messages come into the ring while the mailbox closes: they are dropped, once, and not kept by the handles to the dead.
#[test]
fn ring_vs_kill() {
    model("ring_vs_kill", Bound::Preemptions(3), 430, || {
        let (pool, log, bound) = (Pool::new(), Log::new(), limit(1, OnFull::DropOldest));
        let actor = pool.sleeper(Birth { bound: Some(bound.clone()), ..Birth::default() });
        let cell = actor.cell().clone();
        let killer = spawn({
            let (pool, cell) = (pool.clone(), cell.clone());
            move || {
                cell.kill();
                pool.run();
            }
        });
        let content = std::sync::Arc::new(());
        for number in [1, 2] {
            let (held, log) = (content.clone(), log.clone());
            let message = async move {
                log.note(number);
                drop(held);
            };
            actor.push_displacing(&bound, parcel(message));
        }
        killer.join().unwrap();
        assert_eq!(ended(&pool, &cell), ExitReason::Kill);
        assert_eq!(log.read(), log.sorted(), "in order");
        assert_eq!(std::sync::Arc::strong_count(&content), 1, "the messages are gone");
        drop(actor);
    });
}
