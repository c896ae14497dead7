//! The build for models: loom, and life cells for heap objects.

use std::alloc::Layout;
use std::num::NonZeroU64;
use std::ptr::NonNull;

use super::model;

pub use loom::sync::Arc;

/// As `std::thread_local`, for the form that is used here.
macro_rules! per_thread {
    ($(#[$attr:meta])* static $name:ident: $type:ty = const { $init:expr };) => {
        loom::thread_local! {
            $(#[$attr])*
            static $name: $type = $init;
        }
    };
}
pub(crate) use per_thread;

/// Atomic types and fences: loom's, with orderings that a mutant may lower (see `weaken`).
pub mod atomic {
    pub use loom::sync::atomic::Ordering;

    use crate::sync::weaken;
    pub use crate::sync::weaken::fence;

    /// LOOM: a load is forgotten as soon as another thread loads the same word. So a thread that loads first and then writes
    /// (every loop around an exchange does) is not tried before that first load, unless something else has brought the two
    /// in that order already: a model in which one side only reads should leave the writing to its main thread, which goes
    /// first. With [`Way::loads`](crate::sync::model::Way) each access goes through this door before, where none is
    /// forgotten. It costs many executions and orders nothing.
    #[derive(Debug)]
    struct Door(Option<loom::sync::atomic::AtomicUsize>);

    impl Door {
        #[track_caller]
        fn new() -> Self {
            Self(crate::sync::model::way().loads.then(|| loom::sync::atomic::AtomicUsize::new(0)))
        }

        #[track_caller]
        fn pass(&self) {
            if let Some(door) = &self.0 {
                // ORDERING: Relaxed, so that the added step orders nothing.
                door.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    macro_rules! atomics {
        ($($name:ident $(<$T:ident>)?, $value:ty, [$($rmw:ident)*];)*) => {$(
            /// As in the standard library.
            #[derive(Debug)]
            pub struct $name $(<$T>)? (loom::sync::atomic::$name $(<$T>)?, Door);

            #[allow(missing_docs, reason = "as in the standard library")]
            impl $(<$T>)? $name $(<$T>)? {
                #[track_caller]
                pub fn new(value: $value) -> Self {
                    Self(loom::sync::atomic::$name::new(value), Door::new())
                }

                #[track_caller]
                pub fn load(&self, ordering: Ordering) -> $value {
                    self.1.pass();
                    self.0.load(weaken::at(ordering))
                }

                #[track_caller]
                pub fn store(&self, value: $value, ordering: Ordering) {
                    self.1.pass();
                    self.0.store(value, weaken::at(ordering));
                }

                #[track_caller]
                pub fn swap(&self, value: $value, ordering: Ordering) -> $value {
                    self.1.pass();
                    self.0.swap(value, weaken::at(ordering))
                }

                #[track_caller]
                pub fn compare_exchange(
                    &self,
                    old: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.1.pass();
                    let (success, failure) = weaken::exchange(success, failure);
                    weaken::ended(self.0.compare_exchange(old, new, success, failure))
                }

                #[track_caller]
                pub fn compare_exchange_weak(
                    &self,
                    old: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.1.pass();
                    let (success, failure) = weaken::exchange(success, failure);
                    weaken::ended(self.0.compare_exchange_weak(old, new, success, failure))
                }

                #[track_caller]
                pub fn fetch_update(
                    &self,
                    success: Ordering,
                    failure: Ordering,
                    f: impl FnMut($value) -> Option<$value>,
                ) -> Result<$value, $value> {
                    self.1.pass();
                    let (success, failure) = weaken::exchange(success, failure);
                    self.0.fetch_update(success, failure, f)
                }

                $(
                    #[track_caller]
                    pub fn $rmw(&self, value: $value, ordering: Ordering) -> $value {
                        self.1.pass();
                        self.0.$rmw(value, weaken::at(ordering))
                    }
                )*
            }
        )*};
    }

    atomics! {
        AtomicBool, bool, [fetch_and fetch_or fetch_xor];
        AtomicIsize, isize, [fetch_add fetch_sub];
        AtomicPtr<T>, *mut T, [];
        AtomicU8, u8, [fetch_and fetch_or fetch_xor];
        AtomicU32, u32, [fetch_add fetch_sub fetch_and fetch_or fetch_xor];
        AtomicU64, u64, [fetch_add fetch_sub fetch_and fetch_or fetch_xor];
        AtomicUsize, usize, [fetch_add fetch_sub fetch_and fetch_or fetch_xor];
    }
}

/// Hints for waiting loops.
pub mod hint {
    pub use loom::hint::spin_loop;

    /// As in the ordinary build; a model has no cache.
    pub fn prefetch<T>(_: *const T) {}
}

/// Threads.
pub mod thread {
    use std::io;
    use std::time::Duration;

    pub use loom::thread::{JoinHandle, Thread, current, panicking, park, yield_now};

    /// Starts a named thread; models ignore the stack size.
    ///
    /// # Errors
    ///
    /// Never here; a sixth thread fails the model.
    pub fn spawn<F, T>(name: String, _stack_size: Option<usize>, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        loom::thread::Builder::new().name(name).spawn(f)
    }

    /// LOOM: there is no time in a model. The limit is over as soon as the others had a chance to run; that is
    /// one of the things a real `park_timeout` may do. A wake-up that must not be lost is modelled with [`park`].
    pub fn park_timeout(_limit: Duration) {
        yield_now();
    }

    /// How many threads to count on.
    pub fn parallelism() -> usize {
        2
    }
}

/// A cell whose reads and writes loom checks against each other.
#[derive(Debug, Default)]
pub struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// Wraps a value.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    /// A read: nobody may write meanwhile.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        self.0.with(f)
    }

    /// A write: nobody else may read or write meanwhile.
    #[track_caller]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(f)
    }
}

/// One of two numbers: the ordinary one, and the one of this build, which brings models to the point in few steps.
pub const fn limit(_ordinary: usize, in_models: usize) -> usize {
    in_models
}

/// The life of a heap object.
///
/// [`touch`](Self::touch) reads it, [`end`](Self::end) writes it: loom then sees each dereference that is not ordered
/// before the end, whether or not it really came too late in this interleaving. The object must live in a block of
/// [`alloc_block`], whose memory stays readable until the iteration ends. It is one life wherever the object is moved to,
/// also when it is taken out of its block first and ended then.
#[derive(Debug)]
pub struct Tracked {
    accesses: loom::cell::UnsafeCell<()>,
    life: model::Life,
}

// SAFETY: the cell holds nothing; it is there for loom to compare the accesses.
unsafe impl Send for Tracked {}
// SAFETY: as above.
unsafe impl Sync for Tracked {}

impl Tracked {
    /// The object begins.
    #[track_caller]
    pub fn new() -> Self {
        Self { accesses: loom::cell::UnsafeCell::new(()), life: model::Life::begin() }
    }

    /// The object is dereferenced.
    #[track_caller]
    pub fn touch(&self) {
        self.accesses.with(|_| ());
        assert!(self.life.goes_on(), "used after it was freed");
    }

    /// The object ends; from here on a touch fails the model.
    #[track_caller]
    pub fn end(&self) {
        self.accesses.with_mut(|_| ());
        assert!(self.life.end(), "freed twice");
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
#[track_caller]
pub unsafe fn alloc_block(layout: Layout) -> NonNull<u8> {
    // SAFETY: the same promise.
    unsafe { model::alloc(layout) }
}

/// Gives a block back: it stays readable until the iteration ends (or, with `DW_LOOM_REUSE=1`, is handed out
/// again, newest first). A block given back twice fails the model.
///
/// # Safety
///
/// - `block` came from [`alloc_block`] with the same `layout`.
#[track_caller]
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
