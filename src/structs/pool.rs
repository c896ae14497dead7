//! Blocks for messages, entries, cells and futures, that are handed around instead of being allocated each.
//!
//! A block is asked for and given back by its `Layout`. Sizes up to 1,024 bytes with an alignment of at most 16 are
//! rounded up to one of 29 classes; everything else goes straight to the allocator. Each thread keeps free blocks of a
//! class in two piles of up to a *batch* (about 8 KiB), so that a pair of [`alloc`] and [`free`] costs a few plain loads and
//! stores. What a thread has too many of, it puts in whole batches into the class's [`depot`], which all threads share, and
//! takes from there what it has too few of. So a sender and a receiver on two cores, of which one only takes and the other only
//! gives, touch shared memory once per batch, and the allocator only as far as one gets ahead of the other.
//!
//! # Rules
//!
//! 1. A block belongs to nobody's thread: it **may be freed on another thread than the one that
//!    allocated it**, and then serves that thread.
//! 2. What is kept is bounded: two batches of a class on each thread, and 32 in the depot. What is freed beyond that goes
//!    back to the allocator at once; a small block goes home to its [`slab`], which goes back when all its blocks are home.
//! 3. The piles are plain cells without a destructor of their own and can therefore be used at any
//!    time, also while other thread-locals are being destroyed. A second thread-local, touched
//!    when the thread first needs a pile, empties them at the end of the thread; from then on nothing is kept.
//! 4. Nothing of the user's runs in here: no destructor, no callback. Nobody waits for another thread.
//!
//! A model build bypasses all this, and so do Miri and a build with `--cfg dw_sanitize`, so that each block is a fresh one to
//! the checker.
#![allow(dead_code, reason = "what is bypassed is still compiled, for the models of its parts")]

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::sync;

pub mod depot;
#[cfg(not(any(dw_loom, miri, dw_sanitize)))]
mod piles;
pub mod slab;

/// The largest size that is pooled.
pub const LARGEST: usize = 1024;

/// The largest alignment that is pooled, and that of every pooled block.
pub const ALIGN: usize = 16;

/// Takes a block of at least `layout.size()` bytes at the alignment of `layout`.
///
/// A size of 0 is fine and gets a block as well. Running out of memory ends the process, as it
/// does for `Box`.
#[inline]
pub fn alloc(layout: Layout) -> NonNull<u8> {
    #[cfg(not(any(dw_loom, miri, dw_sanitize)))]
    if let Some(class) = class_of(layout) {
        return piles::take(class);
    }
    // SAFETY: `block_layout` has a size other than zero.
    unsafe { sync::alloc_block(block_layout(layout)) }
}

/// Gives a block back.
///
/// # Safety
///
/// - `block` came from [`alloc`], on whatever thread, with a layout equal to `layout`;
/// - it has not been freed yet, and nobody touches its bytes from now on.
#[inline]
pub unsafe fn free(block: NonNull<u8>, layout: Layout) {
    #[cfg(not(any(dw_loom, miri, dw_sanitize)))]
    if let Some(class) = class_of(layout) {
        // SAFETY: the caller's promise, handed on; the equal layout was of the same class.
        return unsafe { piles::give(class, block) };
    }
    // SAFETY: `alloc` turned the equal layout into the same one, and nobody has the block any more.
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

/// What a block that is not pooled is asked for; never a size of 0.
#[inline]
fn block_layout(layout: Layout) -> Layout {
    // SAFETY: the alignment is a power of two, and the size is that of a layout, but for a byte in place of none.
    unsafe { Layout::from_size_align_unchecked(layout.size().max(1), layout.align()) }
}

const CLASSES: usize = 29;

/// Steps of 16 up to 248, of 32 up to 504, of 128 up to 1,016, and one more for the cells of small actors. Each is 8 less than a
/// multiple of 16: the word in front of a block, which most allocators add, then costs nothing.
const SIZES: [usize; CLASSES] = [
    24, 40, 56, 72, 88, 104, 120, 136, 152, 168, 184, 200, 216, 232, 248, 280, 312, 328, 344, 376, 408, 440,
    472, 504, 632, 760, 888, 1016, LARGEST,
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

/// How many blocks make a batch.
const BATCH: [u32; CLASSES] = {
    let mut batch = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        let many = 8 * 1024 / SIZES[class];
        batch[class] = if many > 128 { 128 } else { many as u32 };
        class += 1;
    }
    batch
};

/// How many blocks are cut from a [`slab`], which has about half a KiB; 0 where each is allocated on its own. Classes up to 56
/// bytes, which are mostly messages, come from slabs: of these there may be very many, and they stay for a short time.
const SLAB: [u32; CLASSES] = {
    let mut blocks = [0; CLASSES];
    let mut class = 0;
    while SIZES[class] <= 56 {
        blocks[class] = (512 / (SIZES[class] + 8)) as u32;
        class += 1;
    }
    blocks
};

#[inline]
const fn class_of(layout: Layout) -> Option<usize> {
    if layout.size() > LARGEST || layout.align() > ALIGN {
        return None;
    }
    Some(CLASS_BY_UNITS[units(layout.size())] as usize)
}

#[cfg(all(test, not(any(dw_loom, miri, dw_sanitize))))]
mod tests;
