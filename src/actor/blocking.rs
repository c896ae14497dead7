//! Driving a future on the calling thread.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::clock::Clock;
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
pub fn block_on<F: Future>(future: F) -> F::Output {
    match drive(future, None) {
        Some(output) => output,
        None => unreachable!("no time limit was given"),
    }
}

/// Blocks the calling thread until the future is ready, or for so long.
pub fn block_on_timeout<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    drive(future, Clock::now().checked_add(limit))
}

fn drive<F: Future>(future: F, deadline: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    // No spare at the first wait, and late in the life of a thread.
    let spare = SPARE.try_with(Cell::take).ok().flatten();
    let unpark = spare
        .unwrap_or_else(|| Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) }));
    let waker = Waker::from(Arc::clone(&unpark));
    let output = poll_until(future.as_mut(), &unpark, &mut Context::from_waker(&waker), deadline);
    let _ = SPARE.try_with(|spare| spare.set(Some(unpark)));
    output
}

fn poll_until<F: Future>(
    mut future: Pin<&mut F>,
    unpark: &Unpark,
    cx: &mut Context<'_>,
    deadline: Option<Instant>,
) -> Option<F::Output> {
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Some(output);
        }
        // ORDERING: Acquire pairs with the Release in `wake_by_ref`.
        while !unpark.woken.swap(false, Ordering::Acquire) {
            match deadline {
                None => thread::park(),
                Some(deadline) => match deadline.checked_duration_since(Clock::now()) {
                    Some(left) if !left.is_zero() => thread::park_timeout(left),
                    _ => return None,
                },
            }
        }
    }
}
