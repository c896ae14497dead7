//! Deaths as a stream, for plain code: with what `futures` has for streams.

use std::collections::HashSet;

use deathwatch::{ActorId, ExitReason, Monitors};
use futures::executor::block_on;
use futures::{StreamExt, future, stream};

use super::Clerk;
use crate::clerk::Bell;
use crate::support::{duo, poll_once};

/// R14, R56: as many items as monitors, each once, and then the end.
#[test]
fn a_stream_of_deaths_ends() {
    let _dog = watchdog!();
    let runtime = duo();
    let clerks: Vec<_> = (0..100).map(|_| Clerk::on(&runtime).0).collect();
    let mut monitors = Monitors::new();
    let refs: HashSet<_> = clerks.iter().map(|clerk| monitors.monitor(clerk)).collect();
    clerks.iter().for_each(|clerk| clerk.kill());
    let downs: Vec<_> = block_on(monitors.collect());
    assert_eq!(downs.len(), 100);
    assert_eq!(downs.iter().map(|down| down.monitor_ref).collect::<HashSet<_>>(), refs);
    assert!(downs.iter().all(|down| down.reason == ExitReason::Kill));
}

/// R56: the end is not for ever: who monitors anew has further items.
#[test]
fn after_the_end_it_goes_on() {
    let _dog = watchdog!();
    let runtime = duo();
    let mut monitors = Monitors::new();
    for _ in 0..2 {
        assert_eq!(block_on(monitors.next()), None);
        let (clerk, _told) = Clerk::on(&runtime);
        monitors.monitor(&clerk);
        clerk.stop();
        assert_eq!(block_on(monitors.next()).map(|down| down.target), Some(clerk.id()));
    }
}

/// R28, R56: pending until somebody dies, and woken by that.
#[test]
fn pending_until_a_death() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, _told) = Clerk::on(&runtime);
    let mut monitors = Monitors::new();
    monitors.monitor(&clerk);
    let (bell, waker) = Bell::new();
    assert!(monitors.poll_next_unpin(&mut std::task::Context::from_waker(&waker)).is_pending());
    assert_eq!(bell.rung(), 0);
    let mut end = clerk.wait_exit();
    assert!(poll_once(&mut end).is_pending(), "who waits from before is let go last");
    clerk.kill();
    end.wait();
    assert_eq!(bell.rung(), 1);
    assert_eq!(block_on(monitors.next()).map(|down| down.target), Some(clerk.id()));
}

/// R56: merged with another stream, neither holds the other up.
#[test]
fn merged_with_another_stream() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, _told) = Clerk::on(&runtime);
    let mut monitors = Monitors::new();
    monitors.monitor(&clerk);
    // The eleventh number kills the clerk: had the deaths to end first, there would be no end.
    let target = clerk.clone();
    let numbers = stream::iter(0..=10).map(move |n| {
        if n == 10 {
            target.kill();
        }
        None::<ActorId>
    });
    let deaths = monitors.map(|down| Some(down.target));
    let all: Vec<_> = block_on(stream::select(numbers, deaths).collect());
    assert_eq!(all.len(), 12);
    assert_eq!(all.into_iter().flatten().collect::<Vec<_>>(), [clerk.id()]);
}

/// R22, R56: deaths that plain code observes are forwarded to an actor, as messages like any other.
#[test]
fn forwarded_to_an_actor() {
    let _dog = watchdog!();
    let runtime = duo();
    let (mourner, told) = Clerk::on(&runtime);
    let clerks: Vec<_> = (0..10).map(|_| Clerk::on(&runtime).0).collect();
    let mut monitors = Monitors::new();
    for clerk in &clerks {
        monitors.monitor(clerk);
        clerk.stop();
    }
    block_on(monitors.map(Ok).forward(mourner.sink())).unwrap();
    assert_eq!(mourner.join().wait(), ExitReason::Normal);
    let ids: HashSet<_> = clerks.iter().map(|clerk| clerk.id().get() as u32).collect();
    let told: Vec<_> = told.iter().collect();
    assert_eq!((told.len(), told.into_iter().collect::<HashSet<_>>()), (10, ids));
}

/// R29, R56: what was taken back before it was looked at is no item.
#[test]
fn taken_back_it_is_no_item() {
    let _dog = watchdog!();
    let runtime = duo();
    let [a, b] = [Clerk::on(&runtime).0, Clerk::on(&runtime).0];
    let mut monitors = Monitors::new();
    let of_a = monitors.monitor(&a);
    monitors.monitor(&b);
    for clerk in [&a, &b] {
        clerk.kill();
        clerk.wait_exit().wait();
    }
    monitors.demonitor(of_a);
    let targets: Vec<_> = block_on(monitors.map(|down| down.target).collect());
    assert_eq!(targets, [b.id()]);
}

/// R56: `next` that is dropped has taken nothing out.
#[test]
fn a_next_that_is_dropped() {
    let _dog = watchdog!();
    let runtime = duo();
    let (clerk, _told) = Clerk::on(&runtime);
    let mut monitors = Monitors::new();
    monitors.monitor(&clerk);
    // Something else is always ready first.
    for _ in 0..3 {
        block_on(future::select(future::ready(()), monitors.next()));
    }
    clerk.stop();
    assert_eq!(block_on(monitors.next()).map(|down| down.target), Some(clerk.id()));
}
