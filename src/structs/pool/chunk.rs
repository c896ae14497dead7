//! A piece of memory that blocks are cut from, one size for each chunk.
//!
//! A chunk is aligned to its size, so a block finds it by the upper bits of its own address; no block carries a header. It
//! counts the blocks that are out, plus one for its owner as long as that cuts more from it. Who brings the count to
//! zero gives the chunk back to the allocator.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{self, Tracked, limit};

/// What a chunk is aligned to, in bytes. It is 16 less in size: allocators put a word or two in front, so chunks follow each
/// other without a gap.
const SPAN: usize = 16 * 1024;
const LAYOUT: Layout = match Layout::from_size_align(SPAN - 16, SPAN) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};

/// Where the first block begins: a cache line for itself, so that blocks of whole lines share none.
const FIRST: usize = 64;

/// The front of a chunk.
struct Header {
    /// Blocks that are out, plus one for the owner.
    out: AtomicUsize,
    tracked: Tracked,
}

/// The right to cut blocks from a chunk. There is one for each; dropped, it is given up.
pub struct Owner {
    chunk: NonNull<Header>,
    size: usize,
    cut: usize,
}

impl Owner {
    /// A fresh chunk for blocks of so many bytes: a multiple of 8, at least 16, at most 1,024.
    pub fn new(size: usize) -> Self {
        // SAFETY: the size is not zero.
        let chunk = unsafe { sync::alloc_block(LAYOUT) }.cast::<Header>();
        // SAFETY: fresh, large enough and aligned.
        unsafe { chunk.write(Header { out: AtomicUsize::new(1), tracked: Tracked::new() }) };
        Owner { chunk, size, cut: 0 }
    }

    /// How many more blocks there are in it.
    pub fn left(&self) -> usize {
        limit((SPAN - 16 - FIRST) / self.size, 2) - self.cut
    }

    /// Cuts up to `most` blocks, and calls `each` with every one, the last one first: from a pile they then come in the order
    /// in which they lie, and who walks over what was made of them goes straight through memory. Each is owned by the caller, until it is
    /// [`give_home`]d.
    pub fn cut(&mut self, most: usize, mut each: impl FnMut(NonNull<u8>)) {
        let many = most.min(self.left());
        // SAFETY: alive by the owner's count.
        let header = unsafe { self.chunk.as_ref() };
        header.tracked.touch();
        // ORDERING: Relaxed: our own count keeps it above zero; a block is handed on with an order of its own.
        header.out.fetch_add(many, Ordering::Relaxed);
        for at in (self.cut..self.cut + many).rev() {
            // SAFETY: within the chunk: `left` counts what fits.
            each(unsafe { self.chunk.cast::<u8>().add(FIRST + at * self.size) });
        }
        self.cut += many;
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // SAFETY: the owner's count, given up once.
        unsafe { give_up(self.chunk, 1) };
    }
}

/// Gives blocks back to their chunks. Neighbours of one chunk that follow each other are given back at once.
///
/// # Safety
///
/// The blocks came from [`Owner::cut`], with those pointers' provenance; they are the caller's, who does not use them again.
pub unsafe fn give_home(blocks: impl IntoIterator<Item = NonNull<u8>>) {
    let mut blocks = blocks.into_iter().map(chunk_of).peekable();
    while let Some(chunk) = blocks.next() {
        let mut many = 1;
        while blocks.next_if_eq(&chunk).is_some() {
            many += 1;
        }
        // SAFETY: so many blocks' counts, given up once.
        unsafe { give_up(chunk, many) };
    }
}

/// The chunk that a block was cut from.
fn chunk_of(block: NonNull<u8>) -> NonNull<Header> {
    let chunk = block.as_ptr().map_addr(|addr| addr & !(SPAN - 1));
    // SAFETY: the chunk is at the multiple of SPAN below its blocks, hence not null.
    unsafe { NonNull::new_unchecked(chunk).cast() }
}

/// # Safety
///
/// The caller owns so many of the chunk's count, and does not use the chunk again.
unsafe fn give_up(chunk: NonNull<Header>, many: usize) {
    // SAFETY: alive by the count that we own.
    let header = unsafe { chunk.as_ref() };
    header.tracked.touch();
    // ORDERING: AcqRel: Release: our use of the chunk is before its freeing; Acquire: the last one frees it after
    // everybody else's use.
    if header.out.fetch_sub(many, Ordering::AcqRel) == many {
        header.tracked.end();
        // SAFETY: from `new`, with this layout; nobody has a block of it, and nobody will.
        unsafe { sync::free_block(chunk.cast(), LAYOUT) };
    }
}
