//! Sweeping cancelled entries out of a target's list. In models every cancelled entry makes its canceller sweep.

use deathwatch::ExitReason;
use deathwatch::MonitorRef;
use deathwatch::internals::cell::{Address, CellRef};

use crate::fixture::{Desk, Party, is_down, monitor, monitor_plainly, spawn, took_back};
use crate::harness::{Bound, model};

/// So many watchers of one target, the oldest monitor first.
fn watched<const N: usize>() -> ([(Party, CellRef, MonitorRef); N], Party) {
    watched_by(monitor)
}

fn watched_by<const N: usize>(
    monitor: fn(&Address<Desk>, &CellRef) -> MonitorRef,
) -> ([(Party, CellRef, MonitorRef); N], Party) {
    let target = Party::new();
    let watchers = std::array::from_fn(|_| {
        let watcher = Party::new();
        let key = monitor(&watcher.address(), &target.cell());
        let cell = watcher.cell();
        (watcher, cell, key)
    });
    (watchers, target)
}

fn two_sweepers(
    ([(one, cell, key), (two, cell_two, key_two)], target): ([(Party, CellRef, MonitorRef); 2], Party),
) {
    let other = spawn(move || assert!(took_back(&cell_two, key_two)));
    assert!(took_back(&cell, key));
    other.join().unwrap();
    assert_eq!(target.cell().watchers.stale(), 0);
    assert!(target.cell().watchers.is_empty());
    [one, two, target].into_iter().for_each(|party| assert!(party.end().is_empty()));
}

fn sweep_vs_exit(cancelled: usize, (watchers, target): ([(Party, CellRef, MonitorRef); 2], Party)) {
    let (_, cell, key) = &watchers[cancelled];
    let (cell, key) = (cell.clone(), *key);
    let exit = spawn(move || target.die(ExitReason::Kill));
    let prevented = took_back(&cell, key);
    exit.join().unwrap();
    for (number, (watcher, _, key)) in watchers.into_iter().enumerate() {
        let told = is_down(&watcher.end(), key, &ExitReason::Kill);
        assert_eq!(told, number != cancelled || !prevented);
    }
}

/// A cancelled entry is swept out at the head while the target dies: the survivor is told once.
#[test]
fn sweep_at_the_head_vs_exit() {
    model("sweep_at_the_head_vs_exit", Bound::Unbounded, 700, || sweep_vs_exit(1, watched()));
}

/// The same further down the list.
#[test]
fn sweep_further_down_vs_exit() {
    model("sweep_further_down_vs_exit", Bound::Unbounded, 1_000, || sweep_vs_exit(0, watched()));
}

/// The same with a monitor that is cancelled in one step.
#[test]
fn sweep_of_a_plain_one_vs_exit() {
    model("sweep_of_a_plain_one_vs_exit", Bound::Unbounded, 280, || {
        sweep_vs_exit(0, watched_by(monitor_plainly))
    });
}

/// Two that cancel and sweep, each the other's entry perhaps: what is given up in one step is freed once.
#[test]
fn two_sweepers_of_plain_ones() {
    model("two_sweepers_of_plain_ones", Bound::Preemptions(3), 1_400, || {
        two_sweepers(watched_by(monitor_plainly));
    });
}

/// The same while a third one attaches.
#[test]
fn sweep_vs_monitor_vs_exit() {
    model("sweep_vs_monitor_vs_exit", Bound::Preemptions(3), 5_500, || {
        let ([(survivor, _, key), (cancelled, cell, taken)], target) = watched::<2>();
        let late = Party::new();
        let (address, targets_cell) = (late.address(), target.cell());
        let exit = spawn(move || target.die(ExitReason::Kill));
        let attach = spawn(move || monitor(&address, &targets_cell));
        let prevented = took_back(&cell, taken);
        exit.join().unwrap();
        let late_key = attach.join().unwrap();
        assert!(is_down(&survivor.end(), key, &ExitReason::Kill));
        assert!(is_down(&late.end(), late_key, &ExitReason::Kill));
        assert!(is_down(&cancelled.end(), taken, &ExitReason::Kill) != prevented);
    });
}

/// Two cancel and sweep: whoever finds the other at it leaves its entry to the other, and none stays behind.
#[test]
fn two_sweepers_leave_nothing_behind() {
    model("two_sweepers_leave_nothing_behind", Bound::Preemptions(3), 4_200, || {
        two_sweepers(watched());
    });
}

/// A sweeps while another attaches at the head.
#[test]
fn sweep_vs_monitor() {
    model("sweep_vs_monitor", Bound::Unbounded, 3, || {
        let ([(cancelled, cell, taken)], target) = watched::<1>();
        let late = Party::new();
        let (address, targets_cell) = (late.address(), target.cell());
        let attach = spawn(move || monitor(&address, &targets_cell));
        assert!(took_back(&cell, taken));
        let key = attach.join().unwrap();
        assert_eq!(target.cell().watchers.stale(), 0);
        assert!(target.die(ExitReason::Kill).is_empty());
        assert!(is_down(&late.end(), key, &ExitReason::Kill));
        assert!(cancelled.end().is_empty());
    });
}

/// Two sweepers and the exit, with a survivor: what is left is given back once, by whoever comes last.
#[test]
fn two_sweepers_vs_exit() {
    model("two_sweepers_vs_exit", Bound::Preemptions(2), 5_400, || {
        let (watchers, target) = watched::<3>();
        let exit = spawn(move || target.die(ExitReason::Kill));
        let [(one, cell, key), (survivor, _, survivors), (two, cell_two, key_two)] = watchers;
        let other = spawn(move || took_back(&cell_two, key_two));
        let prevented = took_back(&cell, key);
        exit.join().unwrap();
        let prevented_two = other.join().unwrap();
        assert!(is_down(&one.end(), key, &ExitReason::Kill) != prevented);
        assert!(is_down(&two.end(), key_two, &ExitReason::Kill) != prevented_two);
        assert!(is_down(&survivor.end(), survivors, &ExitReason::Kill));
    });
}
