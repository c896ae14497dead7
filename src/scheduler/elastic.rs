//! A pool of threads for actors that block: as many as are needed at a time.
//!
//! Its queue is behind a lock. That is of no consequence here: who runs on it blocks, and a thread that waits for work
//! sleeps in the kernel.

use std::collections::VecDeque;
use std::io;
use std::ptr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Around;
use super::worker::drop_in_turn;
use crate::cell::Runnable;
use crate::sync::Arc;
use crate::sync::thread;

/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// How many threads there may be at a time. Beyond that, actors wait for one.
pub const MOST_THREADS: usize = 512;

/// The pool. See the [module documentation](self).
pub struct Elastic {
    name: String,
    stack_size: Option<usize>,
    /// What a thread does before anything else.
    enter: Box<dyn Fn() + Send + Sync>,
    around: Around,
    state: Mutex<State>,
    work: Condvar,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Runnable>,
    threads: usize,
    idle: usize,
    started: u64,
    stopping: bool,
}

impl Elastic {
    /// A pool without threads.
    pub fn new(
        name: String,
        stack_size: Option<usize>,
        enter: Box<dyn Fn() + Send + Sync>,
        around: Around,
    ) -> Arc<Self> {
        Arc::new(Elastic {
            name,
            stack_size,
            enter,
            around,
            state: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
        })
    }

    /// Has a thread run it; starts one if none is idle.
    ///
    /// A pool that cannot get its first thread, or is stopped, drops it instead, which kills the actor.
    pub fn schedule(this: &Arc<Self>, runnable: Runnable) {
        let mut state = this.state();
        state.queue.push_back(runnable);
        if state.stopping {
            drop(state);
            return this.drop_queued();
        }
        if state.idle >= state.queue.len() {
            drop(state);
            return this.work.notify_one();
        }
        if state.threads == MOST_THREADS {
            return;
        }
        if this.start_thread(&mut state, Arc::clone(this)).is_err() && state.threads == 0 {
            drop(state);
            this.drop_queued();
        }
    }

    /// Kills what is queued, for which there is no thread.
    fn drop_queued(&self) {
        drop_in_turn(ptr::from_ref(self).cast(), || self.state().queue.pop_front());
    }

    fn start_thread(&self, state: &mut State, this: Arc<Self>) -> io::Result<()> {
        state.started += 1;
        let name = format!("{}-{}", self.name, state.started);
        thread::spawn(name, self.stack_size, move || this.around.live(|| this.live()))?;
        state.threads += 1;
        Ok(())
    }

    fn live(&self) {
        (self.enter)();
        let mut state = self.state();
        loop {
            if let Some(runnable) = state.queue.pop_front() {
                drop(state);
                let more = runnable.run();
                state = self.state();
                state.queue.extend(more);
                continue;
            }
            if state.stopping {
                break;
            }
            state.idle += 1;
            let (back, wait) = self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = back;
            state.idle -= 1;
            if wait.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        drop(state);
        self.ended.notify_all();
    }

    /// Ends the threads when their actors give them back; waits for that, but not for ever. What is queued is killed.
    pub fn stop(&self, limit: Duration) {
        let mut state = self.state();
        state.stopping = true;
        drop(state);
        self.work.notify_all();
        self.drop_queued();
        let wait = self.ended.wait_timeout_while(self.state(), limit, |state| state.threads > 0);
        drop(wait);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
