//! Taking a monitor back while everything else goes on.

use deathwatch::internals::cell::{Address, CellRef};
use deathwatch::{ExitReason, MonitorRef};

use crate::fixture::{Desk, Party, is_down, monitor, monitor_plainly, spawn, took_back};
use crate::harness::{Bound, model};

fn vs_exit(monitor: fn(&Address<Desk>, &CellRef) -> MonitorRef) {
    let (watcher, target) = (Party::new(), Party::new());
    let (cell, key) = (watcher.cell(), monitor(&watcher.address(), &target.cell()));
    let exit = spawn(move || target.die(ExitReason::Kill));
    let prevented = took_back(&cell, key);
    exit.join().unwrap();
    assert!(is_down(&watcher.end(), key, &ExitReason::Kill) != prevented);
}

/// Either it was taken back in time, or its `Down` is told, exactly once: never both, never neither.
#[test]
fn demonitor_vs_exit() {
    model("demonitor_vs_exit", Bound::Unbounded, 550, || {
        vs_exit(monitor);
    });
}

/// The same with nothing to drop, in which case cancelling is one step, after which the entry may be gone.
#[test]
fn plain_demonitor_vs_exit() {
    model("plain_demonitor_vs_exit", Bound::Unbounded, 120, || {
        vs_exit(monitor_plainly);
    });
}

/// The same while the watcher handles its messages.
#[test]
fn demonitor_vs_exit_vs_handling() {
    model("demonitor_vs_exit_vs_handling", Bound::Preemptions(3), 690, || {
        let (mut watcher, target) = (Party::new(), Party::new());
        let (cell, key) = (watcher.cell(), monitor(&watcher.address(), &target.cell()));
        let exit = spawn(move || target.die(ExitReason::Kill));
        let handling = spawn(move || {
            watcher.handle_all();
            watcher
        });
        let prevented = took_back(&cell, key);
        exit.join().unwrap();
        let watcher = handling.join().unwrap();
        assert!(is_down(&watcher.end(), key, &ExitReason::Kill) != prevented);
    });
}

/// Of two that take back one monitor, one does.
#[test]
fn two_demonitors() {
    model("two_demonitors", Bound::Unbounded, 89, || {
        let (watcher, target) = (Party::new(), Party::new());
        let (cell, key) = (watcher.cell(), monitor(&watcher.address(), &target.cell()));
        let other = cell.clone();
        let other = spawn(move || took_back(&other, key));
        let here = took_back(&cell, key);
        assert!(other.join().unwrap() != here);
        assert_eq!(target.cell().watchers.stale(), 0, "nothing is left behind");
        assert!(target.end().is_empty());
        assert!(watcher.end().is_empty());
    });
}

/// The watcher dies while its monitor is taken back by somebody else.
#[test]
fn demonitor_vs_watcher_exit() {
    model("demonitor_vs_watcher_exit", Bound::Unbounded, 98, || {
        let (watcher, target) = (Party::new(), Party::new());
        let (cell, key) = (watcher.cell(), monitor(&watcher.address(), &target.cell()));
        let exit = spawn(move || watcher.die(ExitReason::Kill));
        let _either = took_back(&cell, key);
        assert!(exit.join().unwrap().is_empty());
        assert_eq!(target.cell().watchers.stale(), 0);
        assert!(target.end().is_empty());
    });
}

/// The watcher, its target and who takes the monitor back, all at the same time.
#[test]
fn demonitor_vs_both_exits() {
    model("demonitor_vs_both_exits", Bound::Preemptions(3), 15_000, || {
        let (watcher, target) = (Party::new(), Party::new());
        let (cell, key) = (watcher.cell(), monitor(&watcher.address(), &target.cell()));
        let exits = [watcher, target].map(|party| spawn(move || party.die(ExitReason::Kill)));
        let _either = took_back(&cell, key);
        exits.into_iter().for_each(|exit| assert!(exit.join().unwrap().is_empty()));
    });
}
