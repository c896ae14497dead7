//! An actor as a sink.

use std::pin::Pin;
use std::task::{Context as Cx, Poll, Waker};

use deathwatch::{ActorSink, ExitReason, OnFull, SendError};
use futures::executor::block_on;
use futures::{Sink, SinkExt, StreamExt, stream};

use super::Clerk;
use crate::clerk::{Bell, Note};
use crate::support::{duo, poll_once};

type Ready = Poll<Result<(), SendError<Option<Note>>>>;

fn ready(sink: &mut ActorSink<Note>, waker: &Waker) -> Ready {
    Pin::new(sink).poll_ready(&mut Cx::from_waker(waker))
}

fn is_ready(sink: &mut ActorSink<Note>) -> bool {
    matches!(ready(sink, Waker::noop()), Poll::Ready(Ok(())))
}

fn put(sink: &mut ActorSink<Note>, n: u32) -> Result<(), SendError<Option<Note>>> {
    Pin::new(sink).start_send(Note(n))
}

/// Back-pressure: ready as long as there is room, and woken when there is again. Nothing is lost, nothing overtakes.
#[test]
fn a_full_mailbox_lets_the_sink_wait() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, told) = Clerk::bounded(&runtime, 2, OnFull::Wait);
    let busy = Clerk::busy(&clerk);
    let mut sink = clerk.sink::<Note, _>();
    for n in 1..=2 {
        assert!(is_ready(&mut sink));
        put(&mut sink, n).unwrap();
    }
    let (bell, waker) = Bell::new();
    assert!(ready(&mut sink, &waker).is_pending());
    assert_eq!(bell.rung(), 0);
    drop(busy);
    assert_eq!([told.recv(), told.recv()], [Ok(1), Ok(2)]);
    assert!(bell.rung() > 0);
    block_on(sink.send(Note(3))).unwrap();
    assert_eq!(told.recv(), Ok(3));
}

/// A stream that is faster than the actor arrives whole and in order, and never more stands in the mailbox than it has room for.
#[test]
fn a_stream_is_forwarded() {
    let _dog = watchdog!();
    const MANY: u32 = 5_000;
    let runtime = duo();
    let (clerk, told) = Clerk::bounded(&runtime, 3, OnFull::Wait);
    block_on(stream::iter(0..MANY).map(|n| Ok(Note(n))).forward(clerk.sink())).unwrap();
    assert!(clerk.mailbox_high_water() <= 3, "{}", clerk.mailbox_high_water());
    assert_eq!(clerk.join().wait(), ExitReason::Normal);
    assert!(told.iter().eq(0..MANY));
}

/// A place belongs to the sink that is ready, and to nobody else: not to `send`, not to its clones. It is given back when the
/// sink is closed, or dropped.
#[test]
fn a_place_is_kept_until_it_is_given_back() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, told) = Clerk::bounded(&runtime, 1, OnFull::Wait);
    let mut sink = clerk.sink::<Note, _>();
    assert!(is_ready(&mut sink) && is_ready(&mut sink), "asked twice, it has one place");
    let mut clone = sink.clone();
    assert!(clerk.send(Note(9)).unwrap_err().is_full());
    assert!(!is_ready(&mut clone));

    block_on(sink.close()).unwrap();
    assert!(is_ready(&mut clone));
    assert!(!is_ready(&mut sink));
    drop(clone);
    assert!(is_ready(&mut sink));
    drop(sink);
    clerk.send(Note(1)).unwrap();
    assert_eq!(clerk.join().wait(), ExitReason::Normal);
    assert_eq!(told.iter().collect::<Vec<_>>(), [1]);
}

/// Sinks that wait are served in the order in which they began to; one that is dropped hands on what it was given.
#[test]
fn sinks_wait_in_line() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, told) = Clerk::bounded(&runtime, 1, OnFull::Wait);
    let busy = Clerk::busy(&clerk);
    clerk.send(Note(1)).unwrap();
    let mut line: Vec<_> = (0..3).map(|_| clerk.sink::<Note, _>()).collect();
    assert!(!line.iter_mut().any(is_ready));
    drop(busy);
    assert_eq!(told.recv(), Ok(1));
    // The first has a place, and does not look.
    assert!(!is_ready(&mut line[1]) && !is_ready(&mut line[2]));
    drop(line.remove(0));
    assert!(!is_ready(&mut line[1]));
    assert!(is_ready(&mut line[0]));
    put(&mut line[0], 2).unwrap();
    assert_eq!(told.recv(), Ok(2));
    block_on(line[1].send(Note(3))).unwrap();
    assert_eq!(told.recv(), Ok(3));
}

/// The dead are an error, and a message that was handed over comes back: also to who had a place.
#[test]
fn the_dead_take_nothing() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, _told) = Clerk::bounded(&runtime, 1, OnFull::Wait);
    let mut placed = clerk.sink::<Note, _>();
    assert!(is_ready(&mut placed));
    clerk.kill();
    clerk.wait_exit().wait();

    let error = put(&mut placed, 7).unwrap_err();
    assert_eq!(error.reason(), Some(&ExitReason::Kill));
    assert_eq!(error.into_message(), Some(Note(7)));
    let mut late = clerk.sink::<Note, _>();
    let Poll::Ready(Err(error)) = ready(&mut late, Waker::noop()) else { panic!("an error") };
    assert_eq!(error.to_string(), "not sent: the actor is dead (kill)");
    assert_eq!(error.into_message(), None);
    assert_eq!(put(&mut late, 8).unwrap_err().into_message(), Some(Note(8)));
}

/// A sink that waits for room is woken by the death.
#[test]
fn who_waits_is_told_of_the_death() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, _told) = Clerk::bounded(&runtime, 1, OnFull::Wait);
    let busy = Clerk::busy(&clerk);
    let mut sink = clerk.sink();
    block_on(sink.send(Note(1))).unwrap();
    let mut waiting = sink.send(Note(2));
    assert!(poll_once(&mut waiting).is_pending());
    clerk.kill();
    drop(busy);
    assert!(matches!(block_on(waiting), Err(SendError::Closed { message: None, .. })));
}

/// What the other mailboxes do when they are full is as of `send`: refused with the message, dropped, or there is always room.
#[test]
fn other_mailboxes_are_always_ready() {
    let _dog = watchdog!();
    let runtime = duo();
    let kept = |on_full, refused: bool| {
        let (clerk, told) = Clerk::bounded(&runtime, 2, on_full);
        let busy = Clerk::busy(&clerk);
        let mut sink = clerk.sink::<Note, _>();
        for n in 1..=4 {
            assert!(is_ready(&mut sink));
            let back = put(&mut sink, n).err().map(|error| (error.is_full(), error.into_message()));
            assert_eq!(back, (refused && n > 2).then_some((true, Some(Note(n)))));
        }
        drop((busy, sink));
        assert_eq!(clerk.join().wait(), ExitReason::Normal);
        told.iter().collect::<Vec<_>>()
    };
    assert_eq!(kept(OnFull::Reject, true), [1, 2]);
    assert_eq!(kept(OnFull::DropNewest, false), [1, 2]);
    assert_eq!(kept(OnFull::DropOldest, false), [3, 4]);

    let (clerk, told) = Clerk::on(&runtime);
    let mut sink = clerk.sink();
    for n in 0..100 {
        assert!(is_ready(&mut sink));
        put(&mut sink, n).unwrap();
    }
    drop(sink);
    assert_eq!(clerk.join().wait(), ExitReason::Normal);
    assert!(told.iter().eq(0..100));
}

/// Against the protocol: who sends without asking whether the sink is ready gets the message back when there is no room.
#[test]
fn sent_without_asking() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, told) = Clerk::bounded(&runtime, 1, OnFull::Wait);
    let busy = Clerk::busy(&clerk);
    let mut sink = clerk.sink();
    put(&mut sink, 1).unwrap();
    let error = put(&mut sink, 2).unwrap_err();
    assert_eq!((error.is_full(), error.into_message()), (true, Some(Note(2))));
    drop(busy);
    assert_eq!(told.recv(), Ok(1));
    // The failed attempt has cost no place.
    block_on(sink.send(Note(3))).unwrap();
    assert_eq!(told.recv(), Ok(3));
}

/// A sink is a strong handle.
#[test]
fn a_sink_keeps_the_actor_running() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, told) = Clerk::on(&runtime);
    let mut sink = clerk.recipient::<Note, _>().into_sink();
    let weak = clerk.downgrade();
    drop(clerk);
    block_on(sink.send(Note(1))).unwrap();
    block_on(sink.close()).unwrap();
    assert_eq!(told.recv(), Ok(1));
    assert!(weak.upgrade().is_some());
    drop(sink);
    assert_eq!(weak.wait_exit().wait(), ExitReason::Normal);
}
