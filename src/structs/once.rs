//! A slot that is written once and read by anybody.

use std::mem::MaybeUninit;

use crate::sync::UnsafeCell;
use crate::sync::atomic::{AtomicU8, Ordering};

const EMPTY: u8 = 0;
const WRITING: u8 = 1;
const READY: u8 = 2;

/// Written by whoever comes first, readable from then on. Nobody ever waits: a reader that comes while the writer is
/// at it sees an empty slot, a second writer gets its value back.
///
/// | word | set by | meaning |
/// |---|---|---|
/// | `EMPTY` | `new` | nothing there |
/// | `WRITING` | the first `set` | that thread alone touches the value |
/// | `READY` | the same `set` | the value is constant and shared; never left again |
pub struct Once<T> {
    word: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is handed out by reference to any thread (T: Sync) and moved in and dropped on any (T: Send); the
// word makes sure that no reference exists before READY and no write happens after it.
unsafe impl<T: Send + Sync> Sync for Once<T> {}
// SAFETY: as above; the slot owns the value.
unsafe impl<T: Send> Send for Once<T> {}

impl<T> Once<T> {
    /// An empty slot.
    pub fn new() -> Self {
        Once { word: AtomicU8::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Fills the slot, or gives the value back when somebody was first.
    pub fn set(&self, value: T) -> Result<(), T> {
        // ORDERING: Relaxed on both sides: the claim only decides who writes, nothing is read on the strength of it.
        if self.word.compare_exchange(EMPTY, WRITING, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Err(value);
        }
        self.value.with_mut(|slot| {
            // SAFETY: only the one thread that moved the word to WRITING is here, and readers wait for READY.
            unsafe { (*slot).write(value) };
        });
        // ORDERING: Release pairs with the Acquire in `get`: who sees READY sees the value.
        self.word.store(READY, Ordering::Release);
        Ok(())
    }

    /// The value, if it is there.
    pub fn get(&self) -> Option<&T> {
        // ORDERING: Acquire pairs with the Release store of READY in `set`.
        if self.word.load(Ordering::Acquire) != READY {
            return None;
        }
        // SAFETY: READY is never left, so the value is initialised and nobody writes it while `self` is borrowed.
        Some(self.value.with(|slot| unsafe { (*slot).assume_init_ref() }))
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: `&mut self` means that every other access happened before.
        if self.word.load(Ordering::Relaxed) == READY {
            // SAFETY: initialised (READY), and dropped here only.
            self.value.with_mut(|slot| unsafe { (*slot).assume_init_drop() });
        }
    }
}
