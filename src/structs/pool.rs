//! Blocks for messages, entries, cells and futures, that are handed around instead of being allocated each.
//!
//! A block is asked for and given back by its `Layout`. Sizes up to 1,024 bytes with an alignment of at most 16 are
//! rounded up to one of 51 classes; everything else goes straight to the allocator. Blocks of a class are cut from
//! [`chunk`]s of 16 KiB. Each thread keeps free blocks of a class in two piles of up to a *batch* (about 8 KiB), so that a
//! pair of [`alloc`] and [`free`] costs a few plain loads and stores. What a thread has too many of, it puts in whole
//! batches into the class's [`depot`], which all threads share, and takes from there what it has too few of. So a
//! sender and a receiver on two cores, of which one only takes and the other only gives, touch shared memory once per
//! batch and the allocator not at all.
//!
//! # Rules
//!
//! 1. A block belongs to nobody's thread: it **may be freed on another thread than the one that
//!    allocated it**, and then serves that thread.
//! 2. What is kept is bounded: two batches of a class on each thread, and 32 in the depot. What is freed beyond that goes
//!    *home*, to its chunk, which goes back to the allocator when all its blocks are home.
//! 3. The piles are plain cells without a destructor of their own and can therefore be used at any
//!    time, also while other thread-locals are being destroyed. A second thread-local, touched
//!    when the thread first needs a pile, empties them at the end of the thread; from then on nothing is kept, and
//!    what the thread still frees goes home.
//! 4. Nothing of the user's runs in here: no destructor, no callback. Nobody waits for another thread.
//!
//! A model build bypasses all this, and so do Miri and a build with `--cfg dw_sanitize`, so that each
//! block is a fresh one to the checker.
#![allow(dead_code, reason = "what is bypassed is still compiled, for the models of its parts")]

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::sync;

pub mod chunk;
pub mod depot;
#[cfg(not(any(dw_loom, miri, dw_sanitize)))]
mod piles;

/// The largest size that is pooled.
pub const LARGEST: usize = 1024;

/// The largest alignment that is pooled. Every pooled block has that of 8, and this one if its size is a multiple of it.
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

/// What the allocator is asked for where nothing is pooled; never a size of 0.
#[inline]
fn block_layout(layout: Layout) -> Layout {
    // SAFETY: the alignment is a power of two, and the size is that of a layout, but for a byte in place of none.
    unsafe { Layout::from_size_align_unchecked(layout.size().max(1), layout.align()) }
}

const CLASSES: usize = 51;

/// Steps of 8 from 16 to 256, of 16 up to 512, of 128 up to 1,024.
const SIZES: [usize; CLASSES] = {
    let mut sizes = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        sizes[class] = match class {
            0..=30 => 16 + 8 * class,
            31..=46 => 256 + 16 * (class - 30),
            _ => 512 + 128 * (class - 46),
        };
        class += 1;
    }
    sizes
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

#[inline]
const fn class_of(layout: Layout) -> Option<usize> {
    if layout.align() > ALIGN || layout.size() > LARGEST {
        return None;
    }
    // Steps of 8 are too short for an alignment of 16.
    let size = if layout.align() == ALIGN { layout.size().next_multiple_of(ALIGN) } else { layout.size() };
    Some(match size {
        0..=256 => size.saturating_sub(9) / 8,
        257..=512 => 30 + (size - 256).div_ceil(16),
        _ => 46 + (size - 512).div_ceil(128),
    })
}

#[cfg(all(test, not(any(dw_loom, miri, dw_sanitize))))]
mod tests;
