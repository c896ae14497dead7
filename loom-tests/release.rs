//! What is lent to actors under a key, and given back when they die.

use std::sync::Arc;

use deathwatch::{ActorId, ExitReason};

use deathwatch::internals::cell::CellRef;
use deathwatch::internals::monitor::entry::{Ledger, Refused};

use crate::fixture::{Party, is_down, monitor, spawn};
use crate::harness::{Bound, model};

type Names = Arc<Ledger<u8, ()>>;

const NAME: u8 = 7;

fn names() -> Names {
    Ledger::new()
}

fn holder(names: &Names) -> Option<ActorId> {
    names.find(&NAME, |cell, ()| cell.id)
}

/// R93: Lent in time or too late, it is given back by the exit, or refused; nothing stays.
#[test]
fn lend_vs_exit() {
    model("lend_vs_exit", Bound::Unbounded, 390, || {
        let (names, target) = (names(), Party::new());
        let cell = target.cell();
        let exit = spawn(move || target.die(ExitReason::Kill));
        if names.lend(&NAME, &cell, (), ()) == Err(Refused::Dead) {
            assert_eq!(cell.reason(), Some(&ExitReason::Kill));
        }
        exit.join().unwrap();
        assert_eq!((names.len(), holder(&names)), (0, None));
    });
}

/// R93: The exit gives back what somebody else takes back at the same time: once, and it can be lent anew.
#[test]
fn take_back_vs_exit() {
    model("take_back_vs_exit", Bound::Preemptions(3), 330, || {
        let (names, target, other) = (names(), Party::new(), Party::new());
        let cell = target.cell();
        names.lend(&NAME, &cell, (), ()).unwrap();
        let exit = spawn(move || target.die(ExitReason::Kill));
        let _either = names.take_back(&NAME, &cell);
        assert_eq!(names.lend(&NAME, &other.cell(), (), ()), Ok(()));
        exit.join().unwrap();
        assert_eq!(holder(&names), Some(other.cell().id));
        other.end();
        assert_eq!(names.len(), 0);
    });
}

/// R18, R93: Who hears of the death finds the name free, in whichever order name and monitor came.
#[test]
fn free_before_the_down() {
    model("free_before_the_down", Bound::Preemptions(3), 260, || {
        let (names, target, mut watcher) = (names(), Party::new(), Party::new());
        let before = monitor(&watcher.address(), &target.cell());
        names.lend(&NAME, &target.cell(), (), ()).unwrap();
        monitor(&watcher.address(), &target.cell());
        let exit = spawn(move || target.die(ExitReason::Kill));
        watcher.hear(1);
        assert_eq!(names.len(), 0);
        assert_eq!(names.lend(&NAME, &watcher.cell(), (), ()), Ok(()));
        exit.join().unwrap();
        assert_eq!(holder(&names), Some(watcher.cell().id));
        watcher.handle_all();
        assert_eq!(watcher.desk.heard.len(), 2);
        let down = &watcher.desk.heard[1..];
        assert!(is_down(down, before, &ExitReason::Kill));
        watcher.end();
    });
}

/// The same where the exit goes on in steps, and the name came first: the last entry that is visited is the first that counts.
#[test]
fn free_before_the_down_in_steps() {
    model("free_before_the_down_in_steps", Bound::Preemptions(3), 150, || {
        let (names, target, mut watcher) = (names(), Party::new(), Party::new());
        names.lend(&NAME, &target.cell(), (), ()).unwrap();
        monitor(&watcher.address(), &target.cell());
        let exit = spawn(move || target.die_in_steps(ExitReason::Kill, 1));
        watcher.hear(1);
        assert_eq!(names.len(), 0);
        exit.join().unwrap();
        watcher.end();
    });
}

/// R93: The name of a target that is dying is lent to it and to another: the other gets it as soon as that is dead, and then
/// keeps it.
#[test]
fn lend_vs_exit_vs_lend() {
    model("lend_vs_exit_vs_lend", Bound::Preemptions(3), 10_900, || {
        let (names, target, other) = (names(), Party::new(), Party::new());
        let cell = target.cell();
        let exit = spawn(move || target.die(ExitReason::Kill));
        let lender = spawn({
            let (names, cell) = (names.clone(), cell.clone());
            move || names.lend(&NAME, &cell, (), ())
        });
        let dead = cell.reason().is_some();
        let lent = names.lend(&NAME, &other.cell(), (), ());
        exit.join().unwrap();
        let first = lender.join().unwrap();
        match lent {
            Ok(()) => assert_eq!(holder(&names), Some(other.cell().id)),
            Err(Refused::Taken(by)) => assert_eq!((by, holder(&names), dead), (cell.id, None, false)),
            Err(Refused::Dead) => panic!("it lives"),
        }
        if let Err(Refused::Taken(by)) = first {
            assert_eq!(by, other.cell().id);
        }
        other.end();
        assert_eq!(names.len(), 0);
    });
}

/// Two claim one name: one gets it, and the other is told who.
#[test]
fn lend_vs_lend() {
    model("lend_vs_lend", Bound::Unbounded, 40, || {
        let (names, one, two) = (names(), Party::new(), Party::new());
        let rival = spawn({
            let (names, cell) = (names.clone(), two.cell());
            move || names.lend(&NAME, &cell, (), ())
        });
        let mine = names.lend(&NAME, &one.cell(), (), ());
        let theirs = rival.join().unwrap();
        if mine.is_ok() {
            assert_eq!((theirs, holder(&names)), (Err(Refused::Taken(one.cell().id)), Some(one.cell().id)));
        } else {
            assert_eq!((mine, holder(&names)), (Err(Refused::Taken(two.cell().id)), Some(two.cell().id)));
        }
        drop((one.end(), two.end()));
        assert_eq!(names.len(), 0);
    });
}

/// Taken back as soon as it can be found, before it is in the list of its holder: nothing of it stays.
#[test]
fn lend_vs_take_back_vs_exit() {
    model("lend_vs_take_back_vs_exit", Bound::Preemptions(2), 1_300, || {
        let (names, target) = (names(), Party::new());
        let cell = target.cell();
        let taker = spawn({
            let (names, cell) = (names.clone(), cell.clone());
            move || names.take_back(&NAME, &cell)
        });
        let exit = spawn(move || target.die(ExitReason::Kill));
        let lent = names.lend(&NAME, &cell, (), ());
        let taken = taker.join().unwrap();
        exit.join().unwrap();
        assert!(lent.is_ok() || lent == Err(Refused::Dead), "{lent:?}, taken {taken}");
        assert_eq!(names.len(), 0);
    });
}

/// What is taken back while its holder lives on is swept out of its list, like monitors.
#[test]
fn taken_back_while_the_target_lives() {
    model("taken_back_while_the_target_lives", Bound::Preemptions(2), 3_300, || {
        let (names, target) = (names(), Party::new());
        let borrow = |names: &Names, key: u8, cell: &CellRef| {
            names.lend(&key, cell, (), ()).unwrap();
            assert!(names.take_back(&key, cell));
        };
        let other = spawn({
            let (names, cell) = (names.clone(), target.cell());
            move || borrow(&names, NAME, &cell)
        });
        borrow(&names, NAME + 1, &target.cell());
        other.join().unwrap();
        assert_eq!((names.len(), target.cell().watchers.stale()), (0, 0));
        assert!(target.cell().watchers.is_empty());
        assert!(target.end().is_empty());
    });
}

/// Who looks finds the holder or nobody, and nothing that is gone.
#[test]
fn find_vs_take_back_vs_exit() {
    model("find_vs_take_back_vs_exit", Bound::NoMoreThan(2, 2), 2_900, || {
        let (names, target) = (names(), Party::new());
        let (cell, id) = (target.cell(), target.cell().id);
        names.lend(&NAME, &cell, (), ()).unwrap();
        let finder = spawn({
            let names = names.clone();
            move || assert!(holder(&names).is_none_or(|found| found == id))
        });
        let taker = spawn({
            let names = names.clone();
            move || names.take_back(&NAME, &cell)
        });
        target.die(ExitReason::Kill);
        finder.join().unwrap();
        taker.join().unwrap();
        assert_eq!(names.len(), 0);
    });
}

/// A ledger that goes gives everything back, also while a holder dies.
#[test]
fn end_of_the_ledger_vs_exit() {
    model("end_of_the_ledger_vs_exit", Bound::Unbounded, 1_270, || {
        let (names, target, other) = (names(), Party::new(), Party::new());
        names.lend(&NAME, &target.cell(), (), ()).unwrap();
        names.lend(&(NAME + 1), &other.cell(), (), ()).unwrap();
        let exit = spawn(move || target.die(ExitReason::Kill));
        drop(names);
        exit.join().unwrap();
        assert!(other.cell().watchers.is_empty());
        assert!(other.end().is_empty());
    });
}
