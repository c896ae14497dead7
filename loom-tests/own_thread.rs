//! An actor that owns a thread: what is laid down for it is found, wherever the thread is on its way to sleep.
//!
//! A lost wake-up leaves the thread parked for ever, which loom reports as too many steps of the one who waits for it.

use deathwatch::ExitReason;
use deathwatch::internals::cell::{Birth, CellRef, Runnable, Strong, spawn as spawn_cell};
use deathwatch::internals::scheduler::own_thread::OwnThread;
use deathwatch::internals::sync::Arc;
use deathwatch::internals::sync::atomic::{AtomicBool, Ordering};
use deathwatch::internals::sync::thread;

use crate::crew::{Berth, Deck, Hosted, Log, life, note, send};
use crate::fixture::spawn;
use crate::harness::{Bound, model};

impl Berth for Arc<OwnThread> {
    fn schedule(&self, runnable: Runnable) {
        OwnThread::schedule(self, runnable);
    }

    fn leave(&self) {
        self.end();
    }
}

/// The thread of an actor has nothing more to do.
type Ashore = Arc<AtomicBool>;

/// By looking, not by sleeping: in loom a thread that is unparked while it joins another fails the model.
fn wait(ashore: &Ashore) {
    while !ashore.load(Ordering::Acquire) {
        thread::yield_now();
    }
}

/// An actor on a thread of its own.
fn hire() -> (Strong<Deck>, Ashore) {
    let place = OwnThread::new();
    let strong = spawn_cell(Birth::default(), Hosted(place.clone()), life);
    let first = Runnable::first(&strong);
    let ashore = Arc::new(AtomicBool::new(false));
    let tell = ashore.clone();
    let around = move |live: &mut dyn FnMut()| {
        live();
        tell.store(true, Ordering::Release);
    };
    OwnThread::start(&place, "own".into(), None, around).unwrap();
    drop(place);
    first.submit();
    (strong, ashore)
}

fn reason(cell: &CellRef) -> Option<ExitReason> {
    cell.reason().cloned()
}

/// Messages by two threads while the thread works, parks, or has not begun: all are handled, each sender's in its order, and
/// the thread ends with its actor.
#[test]
fn messages_vs_park() {
    model("own_thread_messages_vs_park", Bound::Preemptions(2), 30_000, || {
        let log = Log::new();
        let (actor, ashore) = hire();
        let cell = actor.cell().clone();
        let sender = spawn({
            let (actor, log) = (actor.clone(), log.clone());
            move || {
                assert!(send(&actor, note(&log, 1)));
                assert!(send(&actor, note(&log, 2)));
            }
        });
        assert!(send(&actor, note(&log, 7)));
        drop(actor);
        sender.join().unwrap();
        wait(&ashore);
        assert_eq!(log.sorted(), [1, 2, 7]);
        let at = |number| log.read().iter().position(|n| *n == number);
        assert!(at(1) < at(2));
        assert_eq!(reason(&cell), Some(ExitReason::Normal));
    });
}

/// A kill and a stop by two threads: the thread ends, whatever it was about.
#[test]
fn kill_vs_stop_vs_park() {
    model("own_thread_kill_vs_stop_vs_park", Bound::Preemptions(2), 550, || {
        let (actor, ashore) = hire();
        let cell = actor.cell().clone();
        let killer = spawn({
            let cell = cell.clone();
            move || cell.kill()
        });
        cell.stop(ExitReason::Shutdown);
        killer.join().unwrap();
        wait(&ashore);
        assert!(matches!(reason(&cell), Some(ExitReason::Kill | ExitReason::Shutdown)));
        drop(actor);
    });
}
