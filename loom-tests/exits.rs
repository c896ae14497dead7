//! Deaths at the same time.

use deathwatch::internals::cell::{Address, CellRef};
use deathwatch::internals::monitor::entry::{monitored_by, monitors};
use deathwatch::{ExitReason, MonitorRef};

use crate::fixture::{Desk, Heard, Party, is_down, monitor, monitor_plainly, spawn, took_back};
use crate::harness::{Bound, model};

fn both_die(monitor: fn(&Address<Desk>, &CellRef) -> MonitorRef) {
    let (watcher, target) = (Party::new(), Party::new());
    monitor(&watcher.address(), &target.cell());
    let exit = spawn(move || target.die(ExitReason::Kill));
    assert!(watcher.die(ExitReason::Kill).is_empty());
    exit.join().unwrap();
}

/// Watcher and target die: no leak, no touch after the free.
#[test]
fn both_exit() {
    model("both_exit", Bound::Preemptions(4), 2_500, || {
        both_die(monitor);
    });
}

/// Two that monitor each other die.
#[test]
fn mutual_monitors_both_exit() {
    model("mutual_monitors_both_exit", Bound::Preemptions(3), 15_000, || {
        let (one, two) = (Party::new(), Party::new());
        monitor(&one.address(), &two.cell());
        monitor(&two.address(), &one.cell());
        let exit = spawn(move || one.die(ExitReason::Kill));
        two.die(ExitReason::Kill);
        exit.join().unwrap();
    });
}

/// Who monitors itself hears nothing, and whoever wants to take that back is too late.
#[test]
fn self_monitor_vs_exit_vs_demonitor() {
    model("self_monitor_vs_exit_vs_demonitor", Bound::Unbounded, 490, || {
        let (one, two) = (Party::new(), Party::new());
        let (cell, own) = (one.cell(), monitor(&one.address(), &one.cell()));
        let key = monitor(&one.address(), &two.cell());
        let exit = spawn(move || one.die(ExitReason::Kill));
        assert!(!took_back(&cell, own));
        let _either = took_back(&cell, key);
        assert!(exit.join().unwrap().is_empty());
        assert!(two.end().is_empty());
    });
}

/// Looking at who watches whom holds nobody up and finds nothing that is not there.
#[test]
fn looking_vs_both_exits() {
    model("looking_vs_both_exits", Bound::Preemptions(3), 26_000, || {
        let (watcher, target) = (Party::new(), Party::new());
        let (watchers_cell, targets_cell) = (watcher.cell(), target.cell());
        let key = monitor(&watcher.address(), &targets_cell);
        let exits = [watcher, target].map(|party| spawn(move || party.die(ExitReason::Kill)));
        assert!(monitored_by(&targets_cell).iter().all(|id| *id == watchers_cell.id));
        assert!(monitors(&watchers_cell).iter().all(|seen| *seen == (key, targets_cell.id)));
        exits.into_iter().for_each(|exit| assert!(exit.join().unwrap().is_empty()));
        assert!(monitored_by(&targets_cell).is_empty());
        assert!(monitors(&watchers_cell).is_empty());
    });
}

/// The `Down` of a target whose watcher handles it and dies, while the target is still firing.
#[test]
fn exit_vs_handling_vs_looking() {
    model("exit_vs_handling_vs_looking", Bound::Preemptions(3), 24_000, || {
        let (mut watcher, target) = (Party::new(), Party::new());
        let watchers_cell = watcher.cell();
        let key = monitor(&watcher.address(), &target.cell());
        let exit = spawn(move || target.die(ExitReason::Kill));
        let look = spawn(move || assert!(monitors(&watchers_cell).len() <= 1));
        watcher.handle_all();
        let heard = watcher.die(ExitReason::Normal);
        is_down(&heard, key, &ExitReason::Kill);
        exit.join().unwrap();
        look.join().unwrap();
    });
}

/// Who looks at a monitor, which holds neither watcher nor target, finds both, and be it that the last references go meanwhile.
#[test]
fn looking_vs_last_reference() {
    model("looking_vs_last_reference", Bound::Preemptions(3), 48, || {
        let (watcher, target) = (Party::new(), Party::new());
        let key = monitor(&watcher.address(), &target.cell());
        let (cell, lookers) = (watcher.cell(), watcher.cell());
        let looker = spawn(move || assert!(monitors(&lookers).len() <= 1));
        let taker = spawn(move || assert!(took_back(&cell, key)));
        taker.join().unwrap();
        assert!(target.end().is_empty());
        looker.join().unwrap();
        assert!(watcher.end().is_empty());
    });
}

/// Downs of one death that go to one mailbox in one push: each is handled or taken back, in their order.
#[test]
fn downs_in_one_push_vs_demonitor() {
    model("downs_in_one_push_vs_demonitor", Bound::Preemptions(3), 130, || {
        let (mut watcher, target) = (Party::new(), Party::new());
        let keys = [(); 3].map(|()| monitor_plainly(&watcher.address(), &target.cell()));
        let cell = watcher.cell();
        let exit = spawn(move || target.die(ExitReason::Kill));
        let prevented = took_back(&cell, keys[1]);
        watcher.handle_all();
        exit.join().unwrap();
        let heard = watcher.end();
        let told = |key| Heard::Down(key, ExitReason::Kill);
        if prevented {
            assert_eq!(heard, [told(keys[2]), told(keys[0])]);
        } else {
            assert_eq!(heard, [told(keys[2]), told(keys[1]), told(keys[0])]);
        }
    });
}

/// The watcher in the middle goes away while the list is fired: those of the other are told all the same, and nothing is held
/// for ever.
#[test]
fn downs_of_one_with_a_dying_one_between() {
    model("downs_of_one_with_a_dying_one_between", Bound::Preemptions(3), 1_000, || {
        let (watcher, between, target) = (Party::new(), Party::new(), Party::new());
        let key = monitor_plainly(&watcher.address(), &target.cell());
        monitor_plainly(&between.address(), &target.cell());
        let key_two = monitor_plainly(&watcher.address(), &target.cell());
        let exit = spawn(move || between.die(ExitReason::Kill));
        assert!(target.die(ExitReason::Kill).is_empty());
        exit.join().unwrap();
        let told = |key| Heard::Down(key, ExitReason::Kill);
        assert_eq!(watcher.end(), [told(key_two), told(key)]);
    });
}

/// Watcher and target die, of a monitor that is cancelled in one step.
#[test]
fn both_exit_plainly() {
    model("both_exit_plainly", Bound::Preemptions(4), 2_500, || {
        both_die(monitor_plainly);
    });
}

/// A watcher's exit goes over its monitors when their targets may be gone.
#[test]
fn watcher_exit_vs_two_targets() {
    model("watcher_exit_vs_two_targets", Bound::Preemptions(2), 3_300, || {
        let (watcher, one, two) = (Party::new(), Party::new(), Party::new());
        monitor(&watcher.address(), &one.cell());
        monitor_plainly(&watcher.address(), &two.cell());
        let exits = [one, two].map(|party| spawn(move || party.die(ExitReason::Kill)));
        watcher.die(ExitReason::Normal);
        exits.into_iter().for_each(|exit| assert!(exit.join().unwrap().is_empty()));
    });
}
