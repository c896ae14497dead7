//! Small blocks are allocated several at a time.
//!
//! A burst of messages needs more blocks than the piles keep, and then the allocator is the slowest part of a message. So
//! one allocation, a slab, holds some ten of them. In front of each block is a word that leads to the slab's header; it takes
//! the place of the one that most allocators would put there. The header counts the blocks that are out, and who brings the last
//! one *home* gives the slab back to the allocator. A block that stays out keeps its slab, and so at most half a KiB.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::ALIGN;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{self, Tracked};

/// The front of a slab.
struct Header {
    /// Blocks that are not home.
    out: AtomicU32,
    /// How many blocks there are.
    blocks: u32,
    tracked: Tracked,
}

/// What stands in front of a block: where its slab begins.
type Word = NonNull<Header>;

/// How far a block is from the one before, in bytes, but for the block itself. The same on all machines, as the sizes are.
const GAP: usize = 8;
const _: () = assert!(size_of::<Word>() <= GAP);

/// Where the first block begins, behind the header and its word.
const FRONT: usize = (size_of::<Header>() + GAP).next_multiple_of(ALIGN);

/// What a slab of so many blocks of that size is asked for.
fn layout(size: usize, blocks: u32) -> Layout {
    debug_assert!((size + GAP) % ALIGN == 0, "block follows block, each aligned");
    let bytes = FRONT + blocks as usize * (GAP + size) - GAP;
    // SAFETY: the alignment is a power of two, and a slab has some hundred bytes.
    unsafe { Layout::from_size_align_unchecked(bytes, ALIGN) }
}

/// Cuts a fresh slab into so many blocks, at least one, of a size that is 8 less than a multiple of 16. Calls `each` with every
/// block, the last one first: from a pile they then come in the order in which they lie. Each is the caller's until it is
/// brought [`home`].
pub fn cut(size: usize, blocks: u32, mut each: impl FnMut(NonNull<u8>)) {
    // SAFETY: the size is not zero.
    let slab: Word = unsafe { sync::alloc_block(layout(size, blocks)) }.cast();
    // SAFETY: fresh, large enough and aligned.
    unsafe { slab.write(Header { out: AtomicU32::new(blocks), blocks, tracked: Tracked::new() }) };
    for at in (0..blocks as usize).rev() {
        // SAFETY: within the slab, by its layout; the word is just in front of the block.
        let block = unsafe {
            let block = slab.cast::<u8>().add(FRONT + at * (GAP + size));
            block.cast::<Word>().sub(1).write(slab);
            block
        };
        each(block);
    }
}

/// Brings blocks of one size home. Neighbours of one slab that follow each other are counted at once.
///
/// # Safety
///
/// The blocks came from [`cut`] with this size, and are the caller's, who does not use them again.
pub unsafe fn home(size: usize, blocks: impl IntoIterator<Item = NonNull<u8>>) {
    // SAFETY: `cut` wrote the word, and nobody else writes it.
    let mut slabs = blocks.into_iter().map(|block| unsafe { block.cast::<Word>().sub(1).read() }).peekable();
    while let Some(slab) = slabs.next() {
        let mut many = 1;
        while slabs.next_if_eq(&slab).is_some() {
            many += 1;
        }
        // SAFETY: so many blocks were out, and are home now.
        unsafe { give_up(slab, size, many) };
    }
}

/// # Safety
///
/// The caller owns so many of the slab's blocks, and does not use them again.
unsafe fn give_up(slab: Word, size: usize, many: u32) {
    // SAFETY: alive by the blocks that we own.
    let header = unsafe { slab.as_ref() };
    header.tracked.touch();
    let blocks = header.blocks;
    // ORDERING: AcqRel, pairs with itself: Release: our use of the blocks is before the slab is freed; Acquire: who is last frees
    // it after everybody else's use.
    if header.out.fetch_sub(many, Ordering::AcqRel) == many {
        header.tracked.end();
        // SAFETY: from `cut`, with this layout; all blocks are home, so nobody will look at it again.
        unsafe { sync::free_block(slab.cast(), layout(size, blocks)) };
    }
}
