//! Monitoring while the target dies, the watcher handles, or the monitor is taken back.

use deathwatch::ExitReason;
use deathwatch::internals::mailbox::parcel::Parcel;

use crate::fixture::monitor_plainly;
use crate::fixture::{Heard, Note, Party, is_down, monitor, spawn, took_back};
use crate::harness::{Bound, model};

/// Attached in time or too late: one `Down` with the true reason, and who sees the death sees why.
#[test]
fn monitor_vs_exit() {
    model("monitor_vs_exit", Bound::Unbounded, 520, || {
        let (watcher, target) = (Party::new(), Party::new());
        let (address, cell) = (watcher.address(), target.cell());
        let exit = spawn(move || target.die(ExitReason::Kill));
        let key = monitor(&address, &cell);
        if let Some(reason) = cell.reason() {
            assert_eq!(reason, &ExitReason::Kill);
        }
        // Before the join, which would order everything.
        let watcher_heard_early = {
            let mut watcher = watcher;
            watcher.handle_all();
            watcher
        };
        exit.join().unwrap();
        assert!(is_down(&watcher_heard_early.end(), key, &ExitReason::Kill));
    });
}

/// A foreign thread monitors for the watcher, which handles its messages meanwhile.
#[test]
fn monitor_in_flight_vs_exit_vs_handling() {
    model("monitor_in_flight_vs_exit_vs_handling", Bound::Preemptions(3), 76, || {
        let (mut watcher, target) = (Party::new(), Party::new());
        let (address, cell) = (watcher.address(), target.cell());
        let exit = spawn(move || target.die(ExitReason::Kill));
        let attach = spawn(move || monitor(&address, &cell));
        watcher.handle_all();
        exit.join().unwrap();
        let key = attach.join().unwrap();
        assert!(is_down(&watcher.end(), key, &ExitReason::Kill));
    });
}

/// A foreign thread monitors for a watcher that dies.
#[test]
fn monitor_in_flight_vs_watcher_exit() {
    model("monitor_in_flight_vs_watcher_exit", Bound::Unbounded, 100, || {
        let (watcher, target) = (Party::new(), Party::new());
        let (address, cell) = (watcher.address(), target.cell());
        let exit = spawn(move || watcher.die(ExitReason::Kill));
        monitor(&address, &cell);
        assert!(exit.join().unwrap().is_empty());
        assert!(target.end().is_empty());
    });
}

/// A foreign thread's monitor is taken back as soon as it can be seen, in one step, while its target dies.
#[test]
fn plain_monitor_in_flight_vs_demonitor_vs_exit() {
    model("plain_monitor_in_flight_vs_demonitor_vs_exit", Bound::Preemptions(3), 1_800, || {
        use deathwatch::internals::monitor::entry::monitors;
        let (watcher, target) = (Party::new(), Party::new());
        let (address, cell) = (watcher.address(), target.cell());
        let attach = spawn(move || monitor_plainly(&address, &cell));
        let exit = spawn(move || target.die(ExitReason::Kill));
        let seen = monitors(&watcher.cell());
        let prevented = seen.iter().any(|(key, _)| took_back(&watcher.cell(), *key));
        let key = attach.join().unwrap();
        exit.join().unwrap();
        assert!(is_down(&watcher.end(), key, &ExitReason::Kill) != prevented);
    });
}

/// The same, of a target that is dead: the thread that monitors fires the entry itself, or finds it cancelled.
#[test]
fn monitor_of_the_dead_vs_watcher_exit() {
    model("monitor_of_the_dead_vs_watcher_exit", Bound::Preemptions(3), 380, || {
        let (watcher, target) = (Party::new(), Party::new());
        let (address, cell) = (watcher.address(), target.cell());
        assert!(target.die(ExitReason::Shutdown).is_empty());
        let exit = spawn(move || watcher.die(ExitReason::Kill));
        monitor(&address, &cell);
        assert!(exit.join().unwrap().is_empty());
    });
}

/// The monitor of a foreign thread is taken back as soon as it can be seen, while another one is swept out.
#[test]
fn monitor_in_flight_vs_demonitor_vs_sweep() {
    model("monitor_in_flight_vs_demonitor_vs_sweep", Bound::Preemptions(3), 10_000, || {
        use deathwatch::internals::monitor::entry::monitors;
        let (watcher, other, target) = (Party::new(), Party::new(), Party::new());
        let (address, cell) = (watcher.address(), target.cell());
        let (others_cell, others) = (other.cell(), monitor(&other.address(), &cell));
        let attach = spawn({
            let cell = cell.clone();
            move || monitor(&address, &cell)
        });
        let sweep = spawn(move || assert!(took_back(&others_cell, others)));
        let seen = monitors(&watcher.cell());
        let prevented = seen.iter().any(|(key, _)| took_back(&watcher.cell(), *key));
        sweep.join().unwrap();
        let key = attach.join().unwrap();
        assert!(other.end().is_empty());
        assert!(target.die(ExitReason::Kill).is_empty());
        assert!(is_down(&watcher.end(), key, &ExitReason::Kill) != prevented);
    });
}

/// What the target sent the watcher before it died is handled before its `Down`, also when the thread that monitors fires
/// it late.
#[test]
fn last_words_before_the_down() {
    model("last_words_before_the_down", Bound::Unbounded, 19, || {
        let (watcher, target) = (Party::new(), Party::new());
        let (address, cell) = (watcher.address(), target.cell());
        let exit = spawn({
            let address = address.clone();
            move || {
                assert!(address.push(Parcel::seal(Note::new(1))).is_ok());
                target.die(ExitReason::Kill)
            }
        });
        let key = monitor(&address, &cell);
        exit.join().unwrap();
        assert_eq!(watcher.end(), [Heard::Note(1), Heard::Down(key, ExitReason::Kill)]);
    });
}

/// The same with a foreign thread that monitors, and a watcher that handles meanwhile.
#[test]
fn last_words_before_a_late_down() {
    model("last_words_before_a_late_down", Bound::Preemptions(3), 160, || {
        let (mut watcher, target) = (Party::new(), Party::new());
        let (address, cell) = (watcher.address(), target.cell());
        let exit = spawn({
            let address = address.clone();
            move || {
                assert!(address.push(Parcel::seal(Note::new(1))).is_ok());
                target.die(ExitReason::Kill)
            }
        });
        let attach = spawn(move || monitor(&address, &cell));
        watcher.handle_all();
        exit.join().unwrap();
        let key = attach.join().unwrap();
        assert_eq!(watcher.end(), [Heard::Note(1), Heard::Down(key, ExitReason::Kill)]);
    });
}
