//! Waiting for a death, and being tied to one.

use std::task::{Context, Poll, Waker};

use deathwatch::ExitReason;
use deathwatch::internals::monitor::entry::{Tie, Wait};
use deathwatch::internals::sync::Arc;
use deathwatch::internals::sync::atomic::{AtomicUsize, Ordering};

use crate::fixture::{Party, Token, is_down, monitor, spawn};
use crate::harness::{Bound, model};

/// Whoever waits is woken or finds the reason: it never hangs.
#[test]
fn wait_vs_exit() {
    model("wait_vs_exit", Bound::Preemptions(3), 330, || {
        let target = Party::new();
        let mut wait = Wait::new(target.cell());
        let exit = spawn(move || target.die(ExitReason::Kill));
        let reason = loom::future::block_on(std::future::poll_fn(|cx| wait.poll(cx)));
        assert_eq!(reason, ExitReason::Kill);
        drop(wait);
        exit.join().unwrap();
    });
}

/// Two wait for one.
#[test]
fn two_waits_vs_exit() {
    model("two_waits_vs_exit", Bound::Preemptions(2), 9_000, || {
        let target = Party::new();
        let wait = |cell| {
            let mut wait = Wait::new(cell);
            let reason = loom::future::block_on(std::future::poll_fn(|cx| wait.poll(cx)));
            assert_eq!(reason, ExitReason::Kill);
        };
        let cell = target.cell();
        let other = spawn(move || wait(cell));
        let cell = target.cell();
        let exit = spawn(move || target.die(ExitReason::Kill));
        wait(cell);
        other.join().unwrap();
        exit.join().unwrap();
    });
}

/// A wait that began before the death is let go when the others have been told: their `Down`s are in the mailboxes.
#[test]
fn begun_wait_vs_exit() {
    model("begun_wait_vs_exit", Bound::Unbounded, 1_100, || {
        let (target, watcher) = (Party::new(), Party::new());
        let mut wait = Wait::new(target.cell());
        let key = monitor(&watcher.address(), &target.cell());
        assert!(wait.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let exit = spawn(move || target.die(ExitReason::Kill));
        let reason = loom::future::block_on(std::future::poll_fn(|cx| wait.poll(cx)));
        assert_eq!(reason, ExitReason::Kill);
        assert!(is_down(&watcher.end(), key, &ExitReason::Kill));
        exit.join().unwrap();
    });
}

/// A wait that is given up while its target dies leaves nothing behind, whether it was attached or not.
#[test]
fn wait_dropped_vs_exit() {
    model("wait_dropped_vs_exit", Bound::Preemptions(3), 920, || {
        let target = Party::new();
        let mut wait = Wait::new(target.cell());
        let exit = spawn(move || target.die(ExitReason::Kill));
        if let Poll::Ready(reason) = wait.poll(&mut Context::from_waker(Waker::noop())) {
            assert_eq!(reason, ExitReason::Kill);
        }
        drop(wait);
        exit.join().unwrap();
    });
}

/// Waits that are given up while their target lives on are swept out of its list, like monitors.
#[test]
fn waits_dropped_while_the_target_lives() {
    model("waits_dropped_while_the_target_lives", Bound::Preemptions(3), 21_000, || {
        let target = Party::new();
        let give_up = |cell| {
            let mut wait = Wait::new(cell);
            assert!(wait.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        };
        let cell = target.cell();
        let other = spawn(move || give_up(cell));
        give_up(target.cell());
        other.join().unwrap();
        assert_eq!(target.cell().watchers.stale(), 0);
        assert!(target.cell().watchers.is_empty());
        assert!(target.end().is_empty());
    });
}

/// Of a tie that is dropped while its root ends: the callback runs once or is dropped, and never runs after the drop has
/// settled it.
#[test]
fn tie_vs_the_roots_end() {
    model("tie_vs_the_roots_end", Bound::Unbounded, 5_600, || {
        let (root, actor) = (Party::new(), Party::new());
        let called = Arc::new(AtomicUsize::new(0));
        let (calls, token, actors_id) = (called.clone(), Token::new(), actor.cell().id);
        let root_cell = root.cell();
        let end = spawn(move || root.die(ExitReason::Shutdown));
        let tie = Tie::new(&actor.cell(), &root_cell, move |tied| {
            let _dropped_once = token;
            assert_eq!(tied.id, actors_id);
            calls.fetch_add(1, Ordering::Relaxed);
        });
        if tie.is_none() {
            assert_eq!(root_cell.reason(), Some(&ExitReason::Shutdown));
        }
        let tied = tie.is_some();
        drop(tie);
        end.join().unwrap();
        assert!(called.load(Ordering::Relaxed) <= usize::from(tied));
        actor.end();
    });
}

/// A tie that is kept calls back exactly once.
#[test]
fn kept_tie_vs_the_roots_end() {
    model("kept_tie_vs_the_roots_end", Bound::Unbounded, 16, || {
        let (root, actor) = (Party::new(), Party::new());
        let called = Arc::new(AtomicUsize::new(0));
        let (calls, root_cell) = (called.clone(), root.cell());
        let end = spawn(move || root.die(ExitReason::Shutdown));
        let tie = Tie::new(&actor.cell(), &root_cell, move |_| {
            calls.fetch_add(1, Ordering::Relaxed);
        });
        end.join().unwrap();
        assert_eq!(called.load(Ordering::Relaxed), usize::from(tie.is_some()));
        actor.end();
    });
}
