//! Blocks for messages, entries, cells and futures, kept in free lists of the thread.
//!
//! A block is asked for and given back by its `Layout`. Sizes up to 1,024 bytes with an alignment
//! of at most 16 are rounded up to one of 28 classes; each thread keeps one list of free blocks
//! per class, so that a pair of [`alloc`] and [`free`] costs a few plain loads and stores: no
//! atomics, no lock. Everything else goes straight to the allocator.
//!
//! # Rules
//!
//! 1. A block belongs to nobody's thread: it **may be freed on another thread than the one that
//!    allocated it**, and then serves that thread.
//! 2. A list holds at most 32 KiB. What is freed beyond that goes back to the allocator at
//!    once, so that a thread which only ever frees does not hoard.
//! 3. The lists are plain cells without a destructor of their own and can therefore be used at any
//!    time, also while other thread-locals are being destroyed. A second thread-local, touched
//!    when the thread frees its first block, empties them at the end of the thread; from then on
//!    `room` is 0 and the head is null, so that both paths lead to the allocator.
//! 4. Nothing of the user's runs in here: no destructor, no callback.
//!
//! A model build bypasses the lists, and so do Miri and builds for the sanitizers, so that each block is a fresh one to
//! the checker.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::sync;

/// The largest size that is kept in a list.
pub const LARGEST: usize = 1024;

/// The largest alignment that is kept in a list, and that of every block in one.
pub const ALIGN: usize = 16;

/// Takes a block of at least `layout.size()` bytes at the alignment of `layout`.
///
/// A size of 0 is fine and gets a block as well. Running out of memory ends the process, as it
/// does for `Box`.
#[inline]
pub fn alloc(layout: Layout) -> NonNull<u8> {
    #[cfg(not(any(dw_loom, dw_sanitize, miri)))]
    if let Some(block) = lists::take(layout) {
        return block;
    }
    fresh(block_layout(layout))
}

/// Gives a block back.
///
/// # Safety
///
/// - `block` came from [`alloc`], on whatever thread, with a layout equal to `layout`;
/// - it has not been freed yet, and nobody touches its bytes from now on.
#[inline]
pub unsafe fn free(block: NonNull<u8>, layout: Layout) {
    #[cfg(not(any(dw_loom, dw_sanitize, miri)))]
    // SAFETY: the caller's promise, handed on unchanged.
    if unsafe { lists::keep(block, layout) } {
        return;
    }
    // SAFETY: `alloc` rounded the equal layout to the same block layout; no list took the block.
    unsafe { sync::free_block(block, block_layout(layout)) };
}

/// Puts a value into a block of its own.
#[inline]
pub fn new_block<T>(value: T) -> NonNull<T> {
    let block = alloc(Layout::new::<T>()).cast::<T>();
    // SAFETY: the block is fresh, ours, and made for a T.
    unsafe { block.write(value) };
    block
}

/// Takes the value out of its block and gives the block back.
///
/// # Safety
///
/// - `block` came from [`new_block`] with this type, on whatever thread, and holds a value;
/// - it was not taken before, and nobody reads it any more.
#[inline]
pub unsafe fn take_block<T>(block: NonNull<T>) -> T {
    // SAFETY: it holds a value that nobody else takes, by the caller's promise; it was made with this layout, and this
    // is its last use.
    unsafe {
        let value = block.read();
        free(block.cast(), Layout::new::<T>());
        value
    }
}

#[cold]
fn fresh(layout: Layout) -> NonNull<u8> {
    // SAFETY: `block_layout` has a size other than zero.
    unsafe { sync::alloc_block(layout) }
}

/// What the allocator is asked for: the size of the class, or the layout itself; never a size of 0.
#[inline]
fn block_layout(layout: Layout) -> Layout {
    match class_of(layout) {
        // SAFETY: the alignment is a power of two, and no class comes near `isize::MAX`.
        Some(class) => unsafe { Layout::from_size_align_unchecked(SIZES[class], ALIGN) },
        // SAFETY: as `layout` itself, but for a byte in place of none.
        None => unsafe { Layout::from_size_align_unchecked(layout.size().max(1), layout.align()) },
    }
}

const CLASSES: usize = 28;

/// Steps of 16 up to 248, of 32 up to 504, of 128 up to 1,016. Each is 8 less than a multiple of 16: the word in front
/// of a block, which most allocators add, then costs nothing.
const SIZES: [usize; CLASSES] = [
    24, 40, 56, 72, 88, 104, 120, 136, 152, 168, 184, 200, 216, 232, 248, 280, 312, 344, 376, 408, 440, 472,
    504, 632, 760, 888, 1016, LARGEST,
];

/// A size needs so many units of 16 bytes, 8 of which are that word.
const fn units(size: usize) -> usize {
    (size + 7) / 16
}

/// The class of a size, by its units.
const CLASS_BY_UNITS: [u8; units(LARGEST) + 1] = {
    let mut map = [0; units(LARGEST) + 1];
    let (mut at, mut class) = (0, 0);
    while at < map.len() {
        if at > units(SIZES[class as usize]) {
            class += 1;
        }
        map[at] = class;
        at += 1;
    }
    map
};

#[inline]
const fn class_of(layout: Layout) -> Option<usize> {
    if layout.size() > LARGEST || layout.align() > ALIGN {
        return None;
    }
    Some(CLASS_BY_UNITS[units(layout.size())] as usize)
}

#[cfg(not(any(dw_loom, dw_sanitize, miri)))]
mod lists {
    use core::alloc::Layout;
    use core::cell::Cell;
    use core::ptr::{self, NonNull};

    use super::{ALIGN, CLASSES, SIZES, class_of};
    use crate::sync;

    /// Bytes kept per class and thread.
    const KEPT: usize = 32 * 1024;

    /// One list of free blocks. The first word of a free block points to the next one.
    struct List {
        head: Cell<*mut u8>,
        /// How many more blocks the list takes; 0 before the first free and after the thread's end.
        room: Cell<usize>,
    }

    thread_local! {
        // No destructor (rule 3): const-initialised cells of plain data.
        static LISTS: [List; CLASSES] = const {
            [const { List { head: Cell::new(ptr::null_mut()), room: Cell::new(0) } }; CLASSES]
        };
        static OPEN: Cell<bool> = const { Cell::new(false) };
        static CLOSER: Closer = const { Closer };
    }

    #[inline]
    pub(super) fn take(layout: Layout) -> Option<NonNull<u8>> {
        let class = class_of(layout)?;
        LISTS.with(|lists| lists[class].pop())
    }

    /// Tells whether the block was kept; if not, the caller still owns it.
    ///
    /// # Safety
    ///
    /// As for [`super::free`].
    #[inline]
    pub(super) unsafe fn keep(block: NonNull<u8>, layout: Layout) -> bool {
        let Some(class) = class_of(layout) else { return false };
        LISTS.with(|lists| {
            let list = &lists[class];
            if list.room.get() == 0 && !(list.head.get().is_null() && open(lists)) {
                return false;
            }
            // SAFETY: the block is ours by the caller's promise and at least 24 bytes long.
            unsafe { list.push(block) };
            true
        })
    }

    impl List {
        #[inline]
        fn pop(&self) -> Option<NonNull<u8>> {
            let block = NonNull::new(self.head.get())?;
            // SAFETY: a block in the list is free memory of at least 24 bytes at alignment 16
            // whose first word `push` wrote; lists belong to one thread.
            self.head.set(unsafe { block.cast::<*mut u8>().read() });
            self.room.set(self.room.get() + 1);
            Some(block)
        }

        /// # Safety
        ///
        /// `block` is free memory of this list's class that nobody else touches.
        #[inline]
        unsafe fn push(&self, block: NonNull<u8>) {
            // SAFETY: large and aligned enough for a pointer, by the caller's promise.
            unsafe { block.cast::<*mut u8>().write(self.head.get()) };
            self.head.set(block.as_ptr());
            self.room.set(self.room.get() - 1);
        }
    }

    /// Opens the lists of the thread unless they are open, or closed for good.
    ///
    /// Answers whether it was this call that opened them.
    #[cold]
    fn open(lists: &[List; CLASSES]) -> bool {
        if OPEN.get() || CLOSER.try_with(|_| ()).is_err() {
            return false;
        }
        OPEN.set(true);
        for (list, size) in lists.iter().zip(SIZES) {
            list.room.set(KEPT / size);
        }
        true
    }

    struct Closer;

    impl Drop for Closer {
        fn drop(&mut self) {
            LISTS.with(|lists| {
                for (list, size) in lists.iter().zip(SIZES) {
                    // SAFETY: as in `super::block_layout`.
                    let layout = unsafe { Layout::from_size_align_unchecked(size, ALIGN) };
                    while let Some(block) = list.pop() {
                        // SAFETY: a block in the list of this class was allocated with its layout.
                        unsafe { sync::free_block(block, layout) };
                    }
                    list.room.set(0);
                }
            });
        }
    }

    /// Counts the blocks in the list for `layout`.
    #[cfg(test)]
    pub(super) fn kept(layout: Layout) -> usize {
        let Some(class) = class_of(layout) else { return 0 };
        let next = |block: &NonNull<u8>| {
            // SAFETY: as in `pop`.
            NonNull::new(unsafe { block.cast::<*mut u8>().read() })
        };
        LISTS.with(|lists| core::iter::successors(NonNull::new(lists[class].head.get()), next).count())
    }
}

#[cfg(all(test, not(any(dw_loom, dw_sanitize, miri))))]
mod tests;
