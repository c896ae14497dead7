//! The build for shuttle: schedules drawn by lot, for more threads than loom can bear. Accesses are sequentially consistent
//! there; orderings are loom's business, and what orders them is not looked at.

use std::alloc::Layout;
use std::num::NonZeroU64;
use std::ptr::NonNull;

pub mod model;

pub(crate) use shuttle::thread_local as per_thread;
pub use std::sync::Arc;

/// Atomic types and fences: each access is a scheduling point.
pub mod atomic {
    pub use shuttle::sync::atomic::{
        AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

/// Hints for waiting loops.
pub mod hint {
    pub use shuttle::hint::spin_loop;

    /// As in the ordinary build; a model has no cache.
    pub fn prefetch<T>(_: *const T) {}
}

/// Threads.
pub mod thread {
    use std::io;
    use std::time::Duration;

    pub use shuttle::thread::{JoinHandle, Thread, current, park, yield_now};
    pub use std::thread::panicking;

    /// Starts a named thread; the stack size is ignored.
    ///
    /// # Errors
    ///
    /// Never here.
    pub fn spawn<F, T>(name: String, _stack_size: Option<usize>, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        shuttle::thread::Builder::new().name(name).spawn(f)
    }

    /// There is no time: as in loom's build the limit is over as soon as the others had a chance to run.
    pub fn park_timeout(_limit: Duration) {
        yield_now();
    }

    /// How many threads to count on.
    pub fn parallelism() -> usize {
        2
    }
}

/// A cell that is shared and written under rules of its owner. All threads of a model are coroutines of one real thread
/// and switch at atomics: what an access that lasts over one meets is counted.
#[derive(Debug, Default)]
pub struct UnsafeCell<T> {
    value: std::cell::UnsafeCell<T>,
    /// How many read; below zero: one writes.
    users: std::cell::Cell<isize>,
}

impl<T> UnsafeCell<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self { value: std::cell::UnsafeCell::new(value), users: std::cell::Cell::new(0) }
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// A read: nobody may write meanwhile.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        assert!(self.users.get() >= 0, "read while it is written");
        let _using = Using::begin(&self.users, 1);
        f(self.value.get())
    }

    /// A write: nobody else may read or write meanwhile.
    #[track_caller]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        assert!(self.users.get() == 0, "written while it is read or written");
        let _using = Using::begin(&self.users, -1);
        f(self.value.get())
    }
}

/// An access goes on.
struct Using<'a>(&'a std::cell::Cell<isize>, isize);

impl<'a> Using<'a> {
    fn begin(users: &'a std::cell::Cell<isize>, change: isize) -> Self {
        users.set(users.get() + change);
        Using(users, change)
    }
}

impl Drop for Using<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - self.1);
    }
}

/// One of two numbers: the ordinary one, and the one of this build, which brings models to the point in few steps.
pub const fn limit(_ordinary: usize, in_models: usize) -> usize {
    in_models
}

/// The life of a heap object; a touch after its end fails the model. The object must live in a block of [`alloc_block`],
/// whose memory stays readable until the iteration ends.
#[derive(Debug)]
pub struct Tracked(model::Life);

impl Tracked {
    /// The object begins.
    pub fn new() -> Self {
        Self(model::Life::begin())
    }

    /// The object is dereferenced.
    #[track_caller]
    pub fn touch(&self) {
        assert!(self.0.goes_on(), "used after it was freed");
    }

    /// The object ends; from here on a touch fails the model.
    #[track_caller]
    pub fn end(&self) {
        assert!(self.0.end(), "freed twice");
    }
}

impl Default for Tracked {
    fn default() -> Self {
        Self::new()
    }
}

/// Memory for one block; never null. A block that is not given back fails the model.
///
/// # Safety
///
/// - `layout` has a size other than zero.
pub unsafe fn alloc_block(layout: Layout) -> NonNull<u8> {
    // SAFETY: the same promise.
    unsafe { model::alloc(layout) }
}

/// Gives a block back: it stays readable until the iteration ends. A block given back twice fails the model.
///
/// # Safety
///
/// - `block` came from [`alloc_block`] with the same `layout`.
pub unsafe fn free_block(block: NonNull<u8>, layout: Layout) {
    model::free(block, layout);
}

/// A number no other actor of this iteration has.
pub fn next_actor_id() -> NonZeroU64 {
    model::next_number()
}

/// A number no other monitor of this iteration has.
pub fn next_monitor_key() -> NonZeroU64 {
    model::next_number()
}
