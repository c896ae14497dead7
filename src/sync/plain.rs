//! The ordinary build: the standard library, at no cost.

use std::alloc::Layout;
use std::cell::Cell;
use std::num::NonZeroU64;
use std::ptr::NonNull;

pub use std::sync::Arc;
pub(crate) use std::thread_local as per_thread;

/// Atomic types and fences.
pub mod atomic {
    #[cfg(dw_delay)]
    pub use crate::sync::delay::{
        AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    #[cfg(not(dw_delay))]
    pub use std::sync::atomic::{
        AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

/// Hints for the processor.
pub mod hint {
    pub use std::hint::spin_loop;

    /// What the pointer leads to will be needed soon. It need not lead anywhere.
    #[inline]
    pub fn prefetch<T>(pointer: *const T) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: a prefetch reads nothing that the program could see, and never faults.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(pointer.cast());
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = pointer;
    }
}

/// Threads.
pub mod thread {
    use std::io;
    use std::num::NonZeroUsize;

    pub use std::thread::{JoinHandle, Thread, current, panicking, park, park_timeout, yield_now};

    /// Starts a named thread.
    ///
    /// # Errors
    ///
    /// When the operating system refuses the thread.
    pub fn spawn<F, T>(name: String, stack_size: Option<usize>, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let mut builder = std::thread::Builder::new().name(name);
        if let Some(size) = stack_size {
            builder = builder.stack_size(size);
        }
        builder.spawn(f)
    }

    /// How many threads this machine runs at once; 1 where nobody knows.
    pub fn parallelism() -> usize {
        std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
    }
}

/// A cell that is shared and written under rules of its owner; the pointer must not leave the closure.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// Wraps a value.
    #[inline(always)]
    pub fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    /// A read: nobody may write meanwhile.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// A write: nobody else may read or write meanwhile.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// One of two numbers: the one of this build, and the one that brings models to the point in few steps.
pub const fn limit(ordinary: usize, _in_models: usize) -> usize {
    ordinary
}

/// The life of a heap object, watched by models; nothing at all in this build.
#[derive(Debug, Default)]
pub struct Tracked;

impl Tracked {
    /// The object begins.
    #[inline(always)]
    pub fn new() -> Self {
        Tracked
    }

    /// The object is dereferenced.
    #[inline(always)]
    pub fn touch(&self) {}

    /// The object ends; nobody may touch it from here on.
    #[inline(always)]
    pub fn end(&self) {}
}

/// Memory for one block; never null.
///
/// A failed allocation ends the process as in the rest of the language.
///
/// # Safety
///
/// - `layout` has a size other than zero.
#[inline]
pub unsafe fn alloc_block(layout: Layout) -> NonNull<u8> {
    // SAFETY: the size is not zero, by the caller's promise.
    let memory = unsafe { std::alloc::alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| std::alloc::handle_alloc_error(layout))
}

/// Gives a block back.
///
/// # Safety
///
/// - `block` came from [`alloc_block`] with the same `layout`;
/// - it was not given back before, and nobody reads it any more.
#[inline]
pub unsafe fn free_block(block: NonNull<u8>, layout: Layout) {
    // SAFETY: block and layout belong together and this is the last use, by the caller's promise.
    unsafe { std::alloc::dealloc(block.as_ptr(), layout) }
}

/// Keys are handed to a thread in blocks of this many, so that two threads do not share a line per key.
const KEY_BLOCK: u64 = 1 << 12;
/// Keys stay below this: the upper bits are the table's.
const KEY_LIMIT: u64 = 1 << 62;

static ACTORS: atomic::AtomicU64 = atomic::AtomicU64::new(1);
static KEYS: atomic::AtomicU64 = atomic::AtomicU64::new(1);

thread_local! {
    /// Next key of this thread and the end of its block; equal when the block is used up.
    static OWN_KEYS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// A number no other actor of this process has or will have.
pub fn next_actor_id() -> NonZeroU64 {
    // ORDERING: Relaxed. Only that no two callers read the same number matters, and any atomic addition gives that;
    // no other memory is published through the counter.
    let id = ACTORS.fetch_add(1, atomic::Ordering::Relaxed);
    NonZeroU64::new(id).expect("the process has used up all actor ids")
}

/// A number no other monitor of this process has or will have; below 2^62.
#[inline]
pub fn next_monitor_key() -> NonZeroU64 {
    let own = OWN_KEYS.try_with(|own| {
        let (mut next, mut end) = own.get();
        if next == end {
            next = take_keys(KEY_BLOCK);
            end = next + KEY_BLOCK;
        }
        own.set((next + 1, end));
        next
    });
    // Late in the life of a thread its storage is gone; then one key at a time is as good.
    let key = own.unwrap_or_else(|_| take_keys(1));
    NonZeroU64::new(key).expect("keys begin at one")
}

#[cold]
fn take_keys(many: u64) -> u64 {
    // ORDERING: Relaxed, as for actor ids: ranges are disjoint by the addition alone.
    let first = KEYS.fetch_add(many, atomic::Ordering::Relaxed);
    assert!(first < KEY_LIMIT - KEY_BLOCK, "the process has used up all monitor keys");
    first
}

/// For tests: the next key of this thread is that one, or a later one if so many have been used.
#[cfg(test)]
pub fn skip_monitor_keys(to: u64) {
    // ORDERING: Relaxed, as in `take_keys`; the maximum never goes back, so ranges stay disjoint.
    KEYS.fetch_max(to, atomic::Ordering::Relaxed);
    OWN_KEYS.set((0, 0));
}
