use std::sync::mpsc;

use super::*;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, thread};

fn retire(count: &Arc<AtomicUsize>) {
    let count = count.clone();
    let guard = pin();
    // SAFETY: the function frees nothing that is shared through guards.
    unsafe {
        guard.defer(move || {
            // ORDERING: Relaxed: a mere count.
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
}

fn freed(count: &AtomicUsize) -> usize {
    // ORDERING: Relaxed: a mere count; nothing is read that the counting published.
    count.load(Ordering::Relaxed)
}

/// Other tests of this process pin too, for moments, so one flush need not be enough.
fn flush_until(count: &AtomicUsize, wanted: usize) {
    while freed(count) < wanted {
        flush();
        thread::yield_now();
    }
    assert_eq!(freed(count), wanted);
}

#[test]
fn flush_runs_what_was_retired() {
    let count = Arc::new(AtomicUsize::new(0));
    (0..1000).for_each(|_| retire(&count));
    flush_until(&count, 1000);
}

#[test]
fn a_guard_holds_back_what_is_retired_under_it() {
    let count = Arc::new(AtomicUsize::new(0));
    let (pinned, wait) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let reader = thread::spawn("reader".into(), None, move || {
        let _guard = pin();
        pinned.send(()).unwrap();
        gate.recv().unwrap();
    })
    .unwrap();
    wait.recv().unwrap();
    retire(&count);
    (0..100).for_each(|_| flush());
    assert_eq!(freed(&count), 0);
    go.send(()).unwrap();
    reader.join().unwrap();
    flush_until(&count, 1);
}

#[test]
fn nested_guards_are_one() {
    let count = Arc::new(AtomicUsize::new(0));
    let outer = pin();
    drop(pin());
    retire(&count);
    flush();
    assert_eq!(freed(&count), 0);
    drop(outer);
    flush_until(&count, 1);
}

#[test]
fn pinning_works_while_the_thread_ends() {
    struct Late(Arc<AtomicUsize>);
    impl Drop for Late {
        fn drop(&mut self) {
            retire(&self.0);
        }
    }
    thread_local!(static LATE: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) });
    let count = Arc::new(AtomicUsize::new(0));
    let late = Late(count.clone());
    thread::spawn("late".into(), None, move || {
        // First ours, then the participant: destroyed the other way round.
        LATE.with(|own| *own.borrow_mut() = Some(late));
        drop(pin());
    })
    .unwrap()
    .join()
    .unwrap();
    flush_until(&count, 1);
}
