//! One cell on a thread of its own.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use crate::cell::Runnable;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use crate::sync::thread::{self, Thread};

/// Where the cell's one `Runnable` is laid for its thread.
///
/// | `next` | left by |
/// |---|---|
/// | null: nothing to run | `schedule` |
/// | a `Runnable` | the thread, which takes it; or, when the thread is gone, whoever lays it |
///
/// A cell has one `Runnable` at a time, so the place is empty whenever one is laid there.
///
/// Two cases: if the laying is first, the thread finds it when it looks before it parks; if the parking is first, the
/// unpark that follows the laying ends it (a token is kept for a thread that is about to park).
pub struct OwnThread {
    next: AtomicPtr<()>,
    /// The cell is over: the thread ends.
    over: AtomicBool,
    thread: OnceLock<Thread>,
}

impl OwnThread {
    /// A place whose thread has not been started.
    pub fn new() -> Arc<Self> {
        Arc::new(OwnThread {
            next: AtomicPtr::new(ptr::null_mut()),
            over: AtomicBool::new(false),
            thread: OnceLock::new(),
        })
    }

    /// Starts the thread. `around` is run on it and calls what it is given, which returns when the cell is over.
    ///
    /// # Errors
    ///
    /// When the system refuses the thread.
    pub fn start(
        this: &Arc<Self>,
        name: String,
        stack_size: Option<usize>,
        around: impl FnOnce(&mut dyn FnMut()) + Send + 'static,
    ) -> io::Result<()> {
        let place = Arc::clone(this);
        let handle = thread::spawn(name, stack_size, move || around(&mut || place.live()))?;
        let _ = this.thread.set(handle.thread().clone());
        // Laid before the handle was known: the unpark was missing.
        handle.thread().unpark();
        Ok(())
    }

    /// Has the thread run it.
    pub fn schedule(&self, runnable: Runnable) {
        // ORDERING: Release pairs with the Acquire in `live`.
        let before = self.next.swap(runnable.into_raw().as_ptr(), Ordering::Release);
        debug_assert!(before.is_null(), "a cell has one runnable");
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// The cell is over.
    pub fn end(&self) {
        // ORDERING: Relaxed: said and read on the cell's own thread, or before it has one.
        self.over.store(true, Ordering::Relaxed);
    }

    fn live(&self) {
        // ORDERING: Relaxed: see `end`.
        while !self.over.load(Ordering::Relaxed) {
            // ORDERING: Acquire pairs with the Release in `schedule`.
            let Some(raw) = NonNull::new(self.next.swap(ptr::null_mut(), Ordering::Acquire)) else {
                thread::park();
                continue;
            };
            // SAFETY: laid there by `schedule`, taken out once.
            let mut runnable = Some(unsafe { Runnable::from_raw(raw) });
            while let Some(more) = runnable {
                runnable = more.run();
            }
        }
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        // ORDERING: Relaxed: `&mut self`.
        if let Some(raw) = NonNull::new(self.next.load(Ordering::Relaxed)) {
            // SAFETY: laid there by `schedule`, taken out once.
            drop(unsafe { Runnable::from_raw(raw) });
        }
    }
}
