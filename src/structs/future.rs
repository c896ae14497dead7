//! A boxed future whose box comes from the [`pool`](super::pool).
//!
//! [`SlotFuture`] is `Pin<Box<dyn Future<Output = ()> + Send + 'a>>` by another allocator: two words,
//! always `Unpin`, dropped with its future. In the steady state making one costs no `malloc`. A
//! future of size 0 needs no block, and neither does one that has finished before it was to be
//! handed around ([`SlotFuture::begin`], [`SlotFuture::ready`]).

use core::alloc::Layout;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::pool;
use crate::guard;

/// A future that lives in a block of the pool, or has finished. If it has not, it was polled when it was made, and wakes whoever
/// it was polled for: who gets it need not poll it at once.
///
/// It does not wipe out its future when that has finished; like a box, it drops it when it is
/// dropped itself.
// Nothing but two words, of which the first says everything: no tag that would be written as a byte and read as a word, on
// which a processor waits.
pub struct SlotFuture<'a>(Option<Stored<'a>>);

/// Owns the future at `future`, which has the type that `vtable` was made for.
struct Stored<'a> {
    future: NonNull<()>,
    vtable: &'static Vtable,
    owns: PhantomData<dyn Future<Output = ()> + Send + 'a>,
}

struct Vtable {
    /// # Safety
    ///
    /// The pointer is that of a live future of the type this table was made for, pinned, and
    /// nobody else uses it meanwhile.
    poll: unsafe fn(NonNull<()>, &mut Context<'_>) -> Poll<()>,
    /// Drops the future and frees its block, also when the drop panics.
    ///
    /// # Safety
    ///
    /// As for `poll`; and nobody uses the pointer afterwards.
    drop: unsafe fn(NonNull<()>),
}

/// Carries the vtable of `F`.
struct Of<F>(PhantomData<F>);

impl<F: Future<Output = ()> + Send> Of<F> {
    const LAYOUT: Layout = Layout::new::<F>();
    const VTABLE: &'static Vtable = &Vtable { poll: Self::poll, drop: Self::drop };

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
    unsafe fn poll(future: NonNull<()>, cx: &mut Context<'_>) -> Poll<()> {
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

impl<'a> SlotFuture<'a> {
    /// Moves a future into a block of the pool that has been polled before, or would only poll one that has.
    #[inline]
    pub fn begun<F>(future: F) -> Self
    where
        F: Future<Output = ()> + Send + 'a,
    {
        // SAFETY: stored, of this type, and ours alone.
        unsafe { Self::of::<F>(Of::store(future)) }
    }

    /// # Safety
    ///
    /// The caller has stored an `F` there, and leaves it to us.
    unsafe fn of<F: Future<Output = ()> + Send + 'a>(future: NonNull<()>) -> Self {
        Self(Some(Stored { future, vtable: Of::<F>::VTABLE, owns: PhantomData }))
    }

    /// Moves a future into a block of the pool, and polls it for the first time. One that has finished by that is dropped, and its
    /// block given back, before anything was made of it that can be handed around.
    ///
    /// # Panics
    ///
    /// When the future does; it has been dropped then.
    #[inline]
    pub fn begin<F>(future: F, cx: &mut Context<'_>) -> Self
    where
        F: Future<Output = ()> + Send + 'a,
    {
        let place = Of::store(future);
        // SAFETY: stored, of this type; called once, and nobody uses it afterwards.
        let drop = || unsafe { Of::<F>::drop(place) };
        // SAFETY: stored, of this type, and ours alone.
        match guard::or_clean(|| unsafe { Of::<F>::poll(place, cx) }, drop) {
            Poll::Ready(()) => {
                drop();
                Self::ready()
            }
            // SAFETY: stored above.
            Poll::Pending => unsafe { Self::of::<F>(place) },
        }
    }

    /// One that has finished: no block, no future.
    #[inline]
    pub fn ready() -> Self {
        Self(None)
    }

    /// Has it finished before it was made?
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.0.is_none()
    }
}

impl Future for SlotFuture<'_> {
    type Output = ();

    /// # Panics
    ///
    /// Whenever the stored future does.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            None => Poll::Ready(()),
            // SAFETY: the future lives until `Stored` is dropped, and `&mut` makes it ours.
            Some(stored) => unsafe { (stored.vtable.poll)(stored.future, cx) },
        }
    }
}

impl Drop for Stored<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: live until here, and never used again.
        unsafe { (self.vtable.drop)(self.future) };
    }
}

// SAFETY: `begin` and `begun` take `Send` futures only, and the block may be freed on any thread
// (pool rule 1).
unsafe impl Send for Stored<'_> {}

// The stored future does not move with us.
impl Unpin for SlotFuture<'_> {}

impl fmt::Debug for SlotFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_ready() { "SlotFuture(ready)" } else { "SlotFuture(stored)" })
    }
}

#[cfg(all(test, not(dw_loom)))]
mod tests;
