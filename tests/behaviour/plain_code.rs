//! R56: watching from plain code.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use deathwatch::{Demonitor, ExitReason, Monitors, RecvTimeoutError};
use futures::{Stream, StreamExt};

use crate::support::*;

/// R56: plain code is told by a blocking call, by an iterator, by a future, by a stream, or looks without waiting.
#[test]
fn five_ways_to_be_told() {
    let _dog = watchdog!();
    let runtime = solo();
    let targets: Vec<_> = (0..5).map(|_| Puppet::on(&runtime).0).collect();
    let mut monitors = Monitors::new();
    let refs: Vec<_> = targets.iter().map(|target| monitors.monitor(target)).collect();
    assert!(monitors.try_recv().is_none());
    for (n, target) in targets.iter().enumerate() {
        end(target);
        settle(&runtime);
        let down = match n {
            0 => monitors.try_recv(),
            1 => monitors.recv(),
            2 => monitors.iter().next(),
            3 => futures::executor::block_on(monitors.recv_async()),
            _ => futures::executor::block_on(StreamExt::next(&mut monitors)),
        };
        assert_eq!(down.unwrap().monitor_ref, refs[n]);
    }
    assert!(monitors.try_recv().is_none() && monitors.is_empty());
}

/// R56: when nothing is monitored any more there is nothing to wait for: never monitored, all told, all taken back.
#[test]
fn nothing_to_wait_for() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    assert!(monitors.recv().is_none() && monitors.is_empty());
    assert_eq!(monitors.recv_timeout(Duration::MAX).unwrap_err(), RecvTimeoutError::Empty);
    let monitor = monitors.monitor(&target);
    assert!(!monitors.is_empty());
    assert_eq!(monitors.recv_timeout(Duration::ZERO).unwrap_err(), RecvTimeoutError::Timeout);
    assert_eq!(monitors.recv_timeout(Duration::from_millis(1)).unwrap_err(), RecvTimeoutError::Timeout);
    assert!(matches!(monitors.demonitor(monitor), Demonitor::Cancelled));
    assert!(monitors.recv().is_none());
    assert!(futures::executor::block_on(StreamExt::next(&mut monitors)).is_none());
    // And it goes on as soon as something is.
    monitors.monitor(&target);
    target.kill();
    assert_eq!(monitors.recv_timeout(Duration::MAX).unwrap().reason, ExitReason::Kill);
    assert!(monitors.recv().is_none());
}

/// R56: a flushed Down does not show, also if it was the last.
#[test]
fn a_flushed_down_does_not_show() {
    let _dog = watchdog!();
    let mut monitors = Monitors::new();
    let dead = corpse(ExitReason::Kill);
    let (flushed, kept) = (monitors.monitor(&dead), monitors.monitor(&dead));
    let last = monitors.monitor(&dead);
    assert!(matches!(monitors.demonitor(flushed), Demonitor::Flushed(_)));
    assert_eq!(monitors.try_recv().unwrap().monitor_ref, kept);
    assert!(matches!(monitors.demonitor(last), Demonitor::Flushed(_)));
    assert!(monitors.try_recv().is_none());
    assert!(monitors.recv().is_none());
}

/// R56: a thread that blocks is woken by the death, and by nothing else.
#[test]
fn a_blocked_thread_is_woken() {
    let _dog = watchdog!();
    let runtime = solo();
    let targets: Vec<_> = (0..100).map(|_| runtime.start(Idle).unwrap()).collect();
    let mut monitors = Monitors::new();
    targets.iter().for_each(|target| {
        monitors.monitor(target);
    });
    let reader = std::thread::spawn(move || monitors.into_iter().map(|down| down.target).collect::<Vec<_>>());
    targets.iter().for_each(|target| target.kill());
    let mut told = reader.join().unwrap();
    told.sort();
    assert_eq!(told, targets.iter().map(|target| target.id()).collect::<Vec<_>>());
}

/// R56: a stream wakes the task that polled it last; it goes from one task to another.
#[test]
fn a_stream_may_change_hands() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    monitors.monitor(&target);
    let mut first = TaskContext::from_waker(Waker::noop());
    assert!(Pin::new(&mut monitors).poll_next(&mut first).is_pending());
    assert!(Pin::new(&mut monitors).poll_next(&mut first).is_pending());
    let second = std::thread::spawn(move || futures::executor::block_on(monitors.into_future()).0);
    target.stop();
    assert_eq!(second.join().unwrap().unwrap().reason, ExitReason::Normal);
}

/// R56: the same guarantee when the watcher lives inside an actor: the stream is awaited in a handler.
#[test]
fn a_stream_inside_an_actor() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let (actor, _) = Puppet::on(&runtime);
    let target_in = target.clone();
    let reason = actor.request(act(move |_, _| {
        Box::pin(async move {
            let mut monitors = Monitors::new();
            monitors.monitor(&target_in);
            target_in.kill();
            let told: Vec<_> = StreamExt::map(&mut monitors, |down| down.reason).take(1).collect().await;
            (told, StreamExt::next(&mut monitors).await.is_none())
        })
    }));
    assert_eq!(reason.no_timeout().wait().unwrap(), (vec![ExitReason::Kill], true));
}

/// R56: dropped, it takes its monitors back; also with Downs in it that nobody looked at.
#[test]
fn dropped_it_takes_its_monitors_back() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let dead = corpse(ExitReason::Normal);
    let mut monitors = Monitors::new();
    for _ in 0..10 {
        monitors.monitor(&target);
        monitors.monitor(&dead);
    }
    assert_eq!(target.monitored_by().len(), 10);
    drop(monitors);
    assert!(target.monitored_by().is_empty());
}

/// R56: a pending stream that is woken twice, or polled after it was ready, is none the worse for it.
#[test]
fn a_stream_that_is_polled_too_often() {
    let _dog = watchdog!();
    let dead = corpse(ExitReason::Normal);
    let mut monitors = Monitors::new();
    let mut cx = TaskContext::from_waker(Waker::noop());
    assert!(matches!(Pin::new(&mut monitors).poll_next(&mut cx), Poll::Ready(None)));
    monitors.monitor(&dead);
    assert!(matches!(Pin::new(&mut monitors).poll_next(&mut cx), Poll::Ready(Some(_))));
    assert!(matches!(Pin::new(&mut monitors).poll_next(&mut cx), Poll::Ready(None)));
    assert!(matches!(Pin::new(&mut monitors).poll_next(&mut cx), Poll::Ready(None)));
}
