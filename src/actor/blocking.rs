//! Driving a future on the calling thread.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::clock::real_now;
use crate::scheduler::{Scheduler, guest};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{per_thread, thread};

per_thread! {
    /// The waker of this thread's last wait, for the next one: waiting allocates once per thread. Taken out while in use,
    /// so that a wait in the middle of another's poll has one of its own. Who still holds a clone of it from an earlier
    /// wait may wake a later one, which costs a poll.
    static SPARE: Cell<Option<Arc<Unpark>>> = const { Cell::new(None) };
}

/// Wakes a thread that waits in [`drive`].
struct Unpark {
    thread: thread::Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release pairs with the Acquire in `drive`: what was done before the waking is seen by the poll.
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Blocks the calling thread until the future is ready.
///
/// # Panics
///
/// When that would block a worker of a scheduler.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    match drive(future, None, Blocking::NotOnWorkers) {
        Some(output) => output,
        None => unreachable!("no time limit was given"),
    }
}

/// Blocks the calling thread until the future is ready, or for at most `limit`.
///
/// # Panics
///
/// As [`block_on`].
#[track_caller]
pub fn block_on_timeout<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    drive(future, real_now().checked_add(limit), Blocking::NotOnWorkers)
}

/// As [`block_on_timeout`], also on a worker: for the end of another runtime, which does not depend on it.
pub fn block_anywhere<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    drive(future, real_now().checked_add(limit), Blocking::Anywhere)
}

/// Which threads may be blocked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blocking {
    NotOnWorkers,
    Anywhere,
}

/// What one waits for may need the very worker that would be blocked; with one worker it always does.
#[track_caller]
fn refuse_on_workers() {
    assert!(
        Scheduler::current().is_none() && !guest::is_running(),
        "waiting here would block a worker of the scheduler: use `.await`, or start the actor with `Backend::Blocking`"
    );
}

#[track_caller]
fn drive<F: Future>(future: F, deadline: Option<Instant>, blocking: Blocking) -> Option<F::Output> {
    let mut future = pin!(future);
    // No spare at the first wait, and late in the life of a thread.
    let spare = SPARE.try_with(Cell::take).ok().flatten();
    let unpark = spare
        .unwrap_or_else(|| Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) }));
    let waker = Waker::from(Arc::clone(&unpark));
    let mut cx = Context::from_waker(&waker);
    let output = match future.as_mut().poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => {
            if blocking == Blocking::NotOnWorkers {
                refuse_on_workers();
            }
            block_until(future, &unpark, &mut cx, deadline)
        }
    };
    let _ = SPARE.try_with(|spare| spare.set(Some(unpark)));
    output
}

/// Blocks the thread until the future, which was pending, is ready.
fn block_until<F: Future>(
    mut future: Pin<&mut F>,
    unpark: &Unpark,
    cx: &mut Context<'_>,
    deadline: Option<Instant>,
) -> Option<F::Output> {
    loop {
        // ORDERING: Acquire pairs with the Release in `wake_by_ref`.
        while !unpark.woken.swap(false, Ordering::Acquire) {
            match deadline {
                None => thread::park(),
                Some(deadline) => match deadline.checked_duration_since(real_now()) {
                    Some(left) if !left.is_zero() => thread::park_timeout(left),
                    _ => return None,
                },
            }
        }
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Some(output);
        }
    }
}
