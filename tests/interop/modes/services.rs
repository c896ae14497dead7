//! An actor as a service of tower's.

use std::task::{Context as Cx, Poll, Waker};
use std::time::Duration;

use deathwatch::{ActorService, ExitReason, ManualClock, OnFull, RequestError, Runtime};
use futures::executor::block_on;
use tower::load_shed::{LoadShed, error::Overloaded};
use tower::{Service, ServiceExt};

use super::Clerk;
use crate::clerk::{Bell, Note, Square};
use crate::support::{duo, poll_once};

fn ready(service: &mut ActorService<Square>) -> Poll<Result<(), RequestError>> {
    service.poll_ready(&mut Cx::from_waker(Waker::noop()))
}

/// A call is a request: it is answered, and fails with the reason of the death.
#[test]
fn a_call_is_a_request() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, _told) = Clerk::on(&runtime);
    let mut service = clerk.service::<Square, _>();
    assert_eq!(block_on(service.ready()).unwrap().recipient().id(), clerk.id());
    assert_eq!(block_on(service.call(Square(7))), Ok(49));

    let busy = Clerk::busy(&clerk);
    let unanswered = block_on(service.ready()).unwrap().call(Square(8));
    clerk.kill();
    drop(busy);
    assert_eq!(block_on(unanswered), Err(RequestError::Exited(ExitReason::Kill)));
    assert_eq!(block_on(service.ready()).map(drop), Err(RequestError::Exited(ExitReason::Kill)));
    assert_eq!(block_on(clerk.service().oneshot(Square(9))), Err(RequestError::Exited(ExitReason::Kill)));
}

/// Not ready while the mailbox is full, and woken when there is room; a layer that sheds load sees it.
#[test]
fn a_full_mailbox_is_not_ready() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, _told) = Clerk::bounded(&runtime, 1, OnFull::Wait);
    let busy = Clerk::busy(&clerk);
    let mut service = clerk.service::<Square, _>();
    let first = block_on(service.ready()).unwrap().call(Square(3));
    let (bell, waker) = Bell::new();
    assert!(service.poll_ready(&mut Cx::from_waker(&waker)).is_pending());

    let mut shedding = LoadShed::new(clerk.service::<Square, _>());
    let shed = block_on(block_on(shedding.ready()).unwrap().call(Square(4))).unwrap_err();
    assert!(shed.is::<Overloaded>(), "{shed}");
    drop(shedding);

    assert_eq!(bell.rung(), 0);
    drop(busy);
    assert_eq!(block_on(first), Ok(9));
    assert_eq!(block_on(block_on(service.ready()).unwrap().call(Square(5))), Ok(25));
    assert!(bell.rung() > 0);
}

/// Who is ready has a place, which nobody else takes: not a clone, not a `send`. Dropped, the service gives it back.
#[test]
fn who_is_ready_has_a_place() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, told) = Clerk::bounded(&runtime, 1, OnFull::Wait);
    let mut service = clerk.service::<Square, _>();
    assert!(ready(&mut service).is_ready() && ready(&mut service).is_ready());
    let mut clone = service.clone();
    assert!(ready(&mut clone).is_pending());
    assert!(clerk.send(Note(1)).unwrap_err().is_full());
    drop(service);
    assert!(ready(&mut clone).is_ready());
    assert_eq!(block_on(clone.call(Square(6))), Ok(36));
    drop(clone);
    clerk.send(Note(2)).unwrap();
    assert_eq!(told.recv(), Ok(2));
}

/// A place gives itself back when its message is handled: as many calls as one likes.
#[test]
fn places_come_back() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, _told) = Clerk::bounded(&runtime, 2, OnFull::Wait);
    let mut service = clerk.service();
    for n in 0..100 {
        assert_eq!(block_on(block_on(service.ready()).unwrap().call(Square(n))), Ok(n * n));
    }
    let many: Vec<_> = (0..100).map(|n| service.clone().oneshot(Square(n))).collect();
    assert!(block_on(futures::future::join_all(many)).into_iter().eq((0..100).map(|n| Ok(n * n))));
}

/// Called without having been ready, the call waits for room itself.
#[test]
fn called_without_asking() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, _told) = Clerk::bounded(&runtime, 1, OnFull::Wait);
    let busy = Clerk::busy(&clerk);
    let mut service = clerk.service();
    let mut calls = [service.call(Square(2)), service.call(Square(3))];
    assert!(calls.iter_mut().all(|call| poll_once(call).is_pending()));
    drop(busy);
    assert_eq!(calls.map(block_on), [Ok(4), Ok(9)]);
}

/// The actor dies between ready and call.
#[test]
fn dead_between_ready_and_call() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, _told) = Clerk::bounded(&runtime, 1, OnFull::Wait);
    let mut service = clerk.service();
    assert_eq!(ready(&mut service), Poll::Ready(Ok(())));
    clerk.stop_with(ExitReason::Shutdown);
    clerk.wait_exit().wait();
    assert_eq!(block_on(service.call(Square(1))), Err(RequestError::Exited(ExitReason::Shutdown)));
    assert_eq!(ready(&mut service), Poll::Ready(Err(RequestError::Exited(ExitReason::Shutdown))));
}

/// Who waits to be ready is told of the death, and why.
#[test]
fn waiting_for_the_dead() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, _told) = Clerk::bounded(&runtime, 1, OnFull::Wait);
    let busy = Clerk::busy(&clerk);
    clerk.send(Note(1)).unwrap();
    let mut service = clerk.service();
    assert!(ready(&mut service).is_pending());
    clerk.kill();
    drop(busy);
    assert_eq!(block_on(service.ready()).map(drop), Err(RequestError::Exited(ExitReason::Kill)));
}

/// Other bounded mailboxes promise nothing: what becomes of a call shows in its reply.
#[test]
fn other_mailboxes_are_always_ready() {
    let _dog = watchdog!();
    let runtime = duo();
    for on_full in [OnFull::Reject, OnFull::DropNewest, OnFull::DropOldest] {
        let (clerk, _told) = Clerk::bounded(&runtime, 1, on_full);
        let busy = Clerk::busy(&clerk);
        let mut service = clerk.service();
        let calls = [1, 2].map(|n| {
            assert_eq!(ready(&mut service), Poll::Ready(Ok(())));
            service.call(Square(n))
        });
        drop(busy);
        let replies = calls.map(block_on);
        match on_full {
            OnFull::DropOldest => assert_eq!(replies, [Err(RequestError::Full), Ok(4)]),
            _ => assert_eq!(replies, [Ok(1), Err(RequestError::Full)]),
        }
    }
}

/// The time limit is the service's: a request's own, another one, or none.
#[test]
fn time_limits() {
    let _dog = watchdog!();
    let clock = ManualClock::new();
    let runtime = Runtime::builder().workers(1).clock(&clock).build().unwrap();
    let (clerk, _told) = Clerk::on(&runtime);
    let busy = Clerk::busy(&clerk);
    let service = clerk.service();
    let mut services =
        [service.clone(), service.clone().timeout(Duration::from_secs(60)), service.no_timeout()];
    let mut calls = services.each_mut().map(|service| service.call(Square(3)));
    assert!(calls.iter_mut().all(|call| poll_once(call).is_pending()));
    clock.advance(Duration::from_secs(5));
    assert_eq!(poll_once(&mut calls[0]), Poll::Ready(Err(RequestError::Timeout)));
    assert!(poll_once(&mut calls[1]).is_pending());
    clock.advance(Duration::from_secs(55));
    assert_eq!(poll_once(&mut calls[1]), Poll::Ready(Err(RequestError::Timeout)));
    clock.advance(Duration::from_secs(100_000));
    assert!(poll_once(&mut calls[2]).is_pending());
    drop(busy);
    let [.., last] = calls;
    assert_eq!(block_on(last), Ok(9));
    // A clone has the limit of what it was cloned from.
    let busy = Clerk::busy(&clerk);
    let mut call = services[1].clone().call(Square(1));
    assert!(poll_once(&mut call).is_pending());
    clock.advance(Duration::from_secs(59));
    assert!(poll_once(&mut call).is_pending());
    clock.advance(Duration::from_secs(1));
    assert_eq!(poll_once(&mut call), Poll::Ready(Err(RequestError::Timeout)));
    drop(busy);
}
