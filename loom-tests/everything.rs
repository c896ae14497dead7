//! Everything at once.

use deathwatch::ExitReason;

use crate::fixture::{Party, is_down, monitor, spawn, took_back};
use crate::harness::{Bound, model};

/// One target with three watchers: it dies, one monitor is taken back and swept out, one watcher dies, one attaches.
#[test]
fn exit_vs_demonitor_vs_monitor_vs_watcher_exit() {
    model("exit_vs_demonitor_vs_monitor_vs_watcher_exit", Bound::NoMoreThan(1, 2), 460, || {
        let target = Party::new();
        let [dying, cancelled, late] = std::array::from_fn(|_| Party::new());
        monitor(&dying.address(), &target.cell());
        let taken = monitor(&cancelled.address(), &target.cell());
        let (cell, address, targets_cell) = (cancelled.cell(), late.address(), target.cell());
        let exits = [target, dying].map(|party| spawn(move || party.die(ExitReason::Kill)));
        let attach = spawn(move || monitor(&address, &targets_cell));
        let prevented = took_back(&cell, taken);
        exits.into_iter().for_each(|exit| assert!(exit.join().unwrap().is_empty()));
        let key = attach.join().unwrap();
        assert!(is_down(&late.end(), key, &ExitReason::Kill));
        assert!(is_down(&cancelled.end(), taken, &ExitReason::Kill) != prevented);
    });
}
