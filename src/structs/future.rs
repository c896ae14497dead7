//! A boxed future whose box comes from the [`pool`](super::pool).
//!
//! [`SlotFuture`] is `Pin<Box<dyn Future<Output = T> + Send + 'a>>` by another allocator: two words,
//! always `Unpin`, dropped with its future. In the steady state making one costs no `malloc`. A
//! future of size 0 needs no block, and neither does a result that is there already
//! ([`SlotFuture::ready`]).

use core::alloc::Layout;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::pool;

/// A future of `T` that lives in a block of the pool.
///
/// It does not wipe out its future when that has finished; like a box, it drops it when it is
/// dropped itself.
pub struct SlotFuture<'a, T>(Inner<'a, T>);

enum Inner<'a, T> {
    Ready(Option<T>),
    Stored(Stored<'a, T>),
}

/// Owns the future at `future`, which has the type that `vtable` was made for.
struct Stored<'a, T> {
    future: NonNull<()>,
    vtable: &'a Vtable<T>,
    owns: PhantomData<dyn Future<Output = T> + Send + 'a>,
}

struct Vtable<T> {
    /// # Safety
    ///
    /// The pointer is that of a live future of the type this table was made for, pinned, and
    /// nobody else uses it meanwhile.
    poll: unsafe fn(NonNull<()>, &mut Context<'_>) -> Poll<T>,
    /// Drops the future and frees its block, also when the drop panics.
    ///
    /// # Safety
    ///
    /// As for `poll`; and nobody uses the pointer afterwards.
    drop: unsafe fn(NonNull<()>),
}

/// Carries the vtable of `F`.
struct Of<'a, F>(PhantomData<&'a F>);

impl<'a, F: Future + Send + 'a> Of<'a, F> {
    const LAYOUT: Layout = Layout::new::<F>();
    const VTABLE: &'a Vtable<F::Output> = &Vtable { poll: Self::poll, drop: Self::drop };

    fn store(future: F) -> NonNull<()> {
        let place = if Self::LAYOUT.size() == 0 {
            NonNull::<F>::dangling()
        } else {
            pool::alloc(Self::LAYOUT).cast::<F>()
        };
        // SAFETY: the place is a fresh block for the layout of `F`, or dangling for a size of 0.
        unsafe { place.write(future) };
        place.cast()
    }

    /// # Safety
    ///
    /// See [`Vtable::poll`].
    unsafe fn poll(future: NonNull<()>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: live, of this type and ours alone by the caller's promise; it never moves out of
        // its block, so it is pinned.
        unsafe { Pin::new_unchecked(future.cast::<F>().as_mut()) }.poll(cx)
    }

    /// # Safety
    ///
    /// See [`Vtable::drop`].
    unsafe fn drop(future: NonNull<()>) {
        let place = future.cast::<F>();
        let _block = Block { place: place.cast(), layout: Self::LAYOUT };
        // SAFETY: live, of this type, never used again by the caller's promise.
        unsafe { place.drop_in_place() };
    }
}

/// Frees its block when it goes, so that a panicking destructor leaks nothing.
struct Block {
    place: NonNull<u8>,
    layout: Layout,
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.layout.size() != 0 {
            // SAFETY: `Of::store` took it with this layout; `Of::drop` is its only user and runs
            // once.
            unsafe { pool::free(self.place, self.layout) };
        }
    }
}

impl<'a, T> SlotFuture<'a, T> {
    /// Moves `future` into a block of the pool.
    #[inline]
    pub fn new<F>(future: F) -> Self
    where
        F: Future<Output = T> + Send + 'a,
    {
        Self(Inner::Stored(Stored {
            future: Of::store(future),
            vtable: Of::<'a, F>::VTABLE,
            owns: PhantomData,
        }))
    }

    /// A result that is there already: no block, no future.
    #[inline]
    pub fn ready(value: T) -> Self {
        Self(Inner::Ready(Some(value)))
    }
}

impl<T> Future for SlotFuture<'_, T> {
    type Output = T;

    /// # Panics
    ///
    /// If a [`ready`](SlotFuture::ready) one is polled again after it gave its value, and whenever
    /// the stored future does.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            Inner::Ready(value) => {
                Poll::Ready(value.take().expect("a ready future was polled after it had finished"))
            }
            // SAFETY: the future lives until `Stored` is dropped, and `&mut` makes it ours.
            Inner::Stored(stored) => unsafe { (stored.vtable.poll)(stored.future, cx) },
        }
    }
}

impl<T> Drop for Stored<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: live until here, and never used again.
        unsafe { (self.vtable.drop)(self.future) };
    }
}

// SAFETY: `SlotFuture::new` takes `Send` futures only, and the block may be freed on any thread
// (pool rule 1).
unsafe impl<T> Send for Stored<'_, T> {}

// The value of `Ready` is moved out and never pinned; the stored future does not move with us.
impl<T> Unpin for SlotFuture<'_, T> {}

impl<T> fmt::Debug for SlotFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::Ready(Some(_)) => "SlotFuture(ready)",
            Inner::Ready(None) => "SlotFuture(taken)",
            Inner::Stored(_) => "SlotFuture(stored)",
        })
    }
}

#[cfg(all(test, not(dw_loom)))]
mod tests;
