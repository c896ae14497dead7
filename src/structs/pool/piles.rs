//! A thread's own free blocks.

use core::alloc::Layout;
use core::cell::Cell;
use core::iter;
use core::ptr::{self, NonNull};

use super::depot::Depot;
use super::{ALIGN, BATCH, CLASSES, SIZES, SLAB, slab};
use crate::sync;

static DEPOTS: [Depot; CLASSES] = [const { Depot::new() }; CLASSES];

/// The free blocks of one class. The first word of a free block points to the next one.
struct Piles {
    /// The pile that is taken from and given to.
    top: Cell<*mut u8>,
    /// How many more blocks `top` takes; 0 before the first use and after the thread's end.
    room: Cell<u32>,
    /// A whole batch, or null.
    spare: Cell<*mut u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// Nothing has been needed yet.
    Before,
    Open,
    /// The thread is ending.
    Over,
}

thread_local! {
    // No destructor (rule 3): const-initialised cells of plain data.
    static PILES: [Piles; CLASSES] = const {
        [const { Piles { top: Cell::new(ptr::null_mut()), room: Cell::new(0), spare: Cell::new(ptr::null_mut()) } };
            CLASSES]
    };
    static PHASE: Cell<Phase> = const { Cell::new(Phase::Before) };
    static CLOSER: Closer = const { Closer };
}

/// Empties the piles when it is dropped, at the end of the thread.
struct Closer;

/// Takes a block of the class.
#[inline]
pub(super) fn take(class: usize) -> NonNull<u8> {
    PILES.with(|piles| piles[class].pop().unwrap_or_else(|| piles[class].fetch(class)))
}

/// Takes back a block of the class.
///
/// # Safety
///
/// `block` came from [`take`] for this class, and is the caller's, who does not use it again.
#[inline]
pub(super) unsafe fn give(class: usize, block: NonNull<u8>) {
    PILES.with(|piles| {
        let piles = &piles[class];
        if piles.room.get() == 0 && !piles.make_room(class) {
            // SAFETY: the block is ours by the caller's promise, and of this class.
            return unsafe { free_all(class, [block]) };
        }
        // SAFETY: the block is ours by the caller's promise.
        unsafe { piles.push(block) };
    });
}

impl Piles {
    #[inline]
    fn pop(&self) -> Option<NonNull<u8>> {
        let block = NonNull::new(self.top.get())?;
        // SAFETY: a block in the pile is free, and its first word was written by `push` or by another thread's, which
        // was before the batch came here through the depot.
        self.top.set(unsafe { next(block) });
        self.room.set(self.room.get() + 1);
        Some(block)
    }

    /// # Safety
    ///
    /// `block` is a free block of this class that nobody else touches, and there is room.
    #[inline]
    unsafe fn push(&self, block: NonNull<u8>) {
        // SAFETY: every class has room for a pointer, and an alignment of 16.
        unsafe { block.cast::<*mut u8>().write(self.top.get()) };
        self.top.set(block.as_ptr());
        self.room.set(self.room.get() - 1);
    }

    /// The top pile is empty: puts another in its place, or some fresh blocks, and takes one.
    #[cold]
    fn fetch(&self, class: usize) -> NonNull<u8> {
        if open() {
            let spare = NonNull::new(self.spare.replace(ptr::null_mut()));
            if let Some(batch) = spare.or_else(|| DEPOTS[class].take()) {
                self.top.set(batch.as_ptr());
                self.room.set(0);
                return self.pop().expect("a batch is not empty");
            }
        }
        if SLAB[class] == 0 {
            // SAFETY: no class has a size of 0.
            return unsafe { sync::alloc_block(layout(class)) };
        }
        if !open() {
            let mut only = None;
            slab::cut(SIZES[class], 1, |block| only = Some(block));
            return only.expect("a slab of one");
        }
        self.room.set(BATCH[class]);
        // SAFETY: just cut, ours, and fewer than a batch.
        slab::cut(SIZES[class], SLAB[class], |block| unsafe { self.push(block) });
        self.pop().expect("a slab is not empty")
    }

    /// The top pile is full: puts it away. False when nothing may be kept any more.
    #[cold]
    fn make_room(&self, class: usize) -> bool {
        if !open() {
            return false;
        }
        if !self.top.get().is_null() {
            let full = self.top.replace(ptr::null_mut());
            if let Some(spare) = NonNull::new(self.spare.replace(full)) {
                put_away(class, spare);
            }
        }
        self.room.set(BATCH[class]);
        true
    }
}

/// # Safety
///
/// `block` stands in a pile.
#[inline]
unsafe fn next(block: NonNull<u8>) -> *mut u8 {
    // SAFETY: see `push`, which wrote the first word.
    unsafe { block.cast::<*mut u8>().read() }
}

/// The blocks of a pile. Each is left alone when it has been given out.
fn blocks(mut top: *mut u8) -> impl Iterator<Item = NonNull<u8>> {
    iter::from_fn(move || {
        let block = NonNull::new(top)?;
        // SAFETY: in a pile that is ours.
        top = unsafe { next(block) };
        Some(block)
    })
}

/// Puts a whole batch where others find it, or gives it back to the allocator.
fn put_away(class: usize, batch: NonNull<u8>) {
    if let Err(batch) = DEPOTS[class].put(batch) {
        // SAFETY: a batch of this class, and ours.
        unsafe { free_all(class, blocks(batch.as_ptr())) };
    }
}

/// Gives blocks back to the allocator. What a free block's first word leads to is read before it goes.
///
/// # Safety
///
/// They are of this class, and the caller's, who does not use them again.
unsafe fn free_all(class: usize, blocks: impl IntoIterator<Item = NonNull<u8>>) {
    if SLAB[class] > 0 {
        // SAFETY: by the contract; all blocks of the class were cut from slabs.
        return unsafe { slab::home(SIZES[class], blocks) };
    }
    for block in blocks {
        // SAFETY: by the contract; made with this layout.
        unsafe { sync::free_block(block, layout(class)) };
    }
}

/// What a block of the class is asked for that is not cut from a slab.
fn layout(class: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and no class comes near `isize::MAX`.
    unsafe { Layout::from_size_align_unchecked(SIZES[class], ALIGN) }
}

/// May the thread keep blocks? Sees to it that they are let go at its end.
fn open() -> bool {
    if PHASE.get() == Phase::Before {
        PHASE.set(if CLOSER.try_with(|_| ()).is_ok() { Phase::Open } else { Phase::Over });
    }
    PHASE.get() == Phase::Open
}

impl Drop for Closer {
    fn drop(&mut self) {
        PHASE.set(Phase::Over);
        PILES.with(|piles| {
            for (class, piles) in piles.iter().enumerate() {
                if let Some(spare) = NonNull::new(piles.spare.replace(ptr::null_mut())) {
                    put_away(class, spare);
                }
                // SAFETY: the pile is ours, and of this class.
                unsafe { free_all(class, blocks(piles.top.replace(ptr::null_mut()))) };
                piles.room.set(0);
            }
        });
    }
}

/// How many blocks of the class the thread keeps.
#[cfg(test)]
pub(super) fn kept(class: usize) -> usize {
    let count = |top| blocks(top).count();
    PILES.with(|piles| count(piles[class].top.get()) + count(piles[class].spare.get()))
}
