use core::alloc::Layout;
use core::ptr::NonNull;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::{BATCH, CLASSES, SIZES, alloc, class_of, free, piles};

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

fn kept(layout: Layout) -> usize {
    class_of(layout).map_or(0, piles::kept)
}

/// A block to be freed with a layout, wherever this is dropped.
struct Owned(NonNull<u8>, Layout);

// SAFETY: pool rule 1.
unsafe impl Send for Owned {}

impl Owned {
    fn new(layout: Layout) -> Self {
        let block = alloc(layout);
        // SAFETY: fresh and at least this large.
        unsafe { block.write_bytes(0xA5, layout.size()) };
        Self(block, layout)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: from `alloc` with this layout, once.
        unsafe { free(self.0, self.1) };
    }
}

#[test]
fn every_size_and_alignment() {
    for size in 0..=1_100 {
        for align in [1, 8, 16, 32, 64, 4096] {
            let owned = Owned::new(layout(size, align));
            assert_eq!(owned.0.as_ptr() as usize % align, 0, "{size} at {align}");
        }
    }
}

#[test]
fn classes_hold_their_sizes() {
    let mut before = 0;
    for size in 0..=1024 {
        let class = class_of(layout(size, 16)).expect("pooled");
        assert!(
            SIZES[class] >= size && (class == 0 || SIZES[class - 1] < size),
            "{size} is in class {class}"
        );
        assert!(class == before || class == before + 1);
        before = class;
    }
    assert_eq!((before + 1, SIZES[before]), (CLASSES, 1024));
    assert_eq!([class_of(layout(1025, 1)), class_of(layout(24, 32))], [None, None]);
}

#[test]
fn a_block_comes_back() {
    let first = Owned::new(layout(100, 8)).0;
    // Any size of the class; 105 is of another.
    assert_eq!(Owned::new(layout(104, 16)).0, first);
    assert_ne!(Owned::new(layout(105, 16)).0, first);
}

#[test]
fn live_blocks_are_distinct() {
    let blocks: Vec<_> = (0..1_000).map(|_| Owned::new(layout(64, 8))).collect();
    drop(blocks);
    let blocks: Vec<_> = (0..1_000).map(|_| Owned::new(layout(64, 8))).collect();
    let places: HashSet<_> = blocks.iter().map(|owned| owned.0).collect();
    assert_eq!(places.len(), 1_000);
}

#[test]
fn what_a_thread_keeps_is_bounded() {
    for size in [24, 504, 1024] {
        let layout = layout(size, 16);
        let blocks: Vec<_> = (0..20_000).map(|_| Owned::new(layout)).collect();
        drop(blocks);
        let batch = BATCH[class_of(layout).expect("pooled")] as usize;
        assert!((batch + 1..=2 * batch).contains(&kept(layout)), "{} of {size}", kept(layout));
    }
}

/// One thread only takes, the other only gives: what the one gave the other takes again.
#[test]
fn batches_come_back_from_another_thread() {
    let size = layout(330, 8); // a class that no other test uses
    let (there, blocks) = channel::<Vec<Owned>>();
    let (back, freed) = channel();
    let giver = thread::spawn(move || {
        for blocks in blocks {
            let places: Vec<_> = blocks.iter().map(|owned| owned.0.as_ptr() as usize).collect();
            drop(blocks);
            back.send(places).expect("the test listens");
        }
    });
    let mut all = HashSet::new();
    let mut taken = 0;
    for _ in 0..100 {
        let blocks: Vec<_> = (0..100).map(|_| Owned::new(size)).collect();
        taken += blocks.len();
        all.extend(blocks.iter().map(|owned| owned.0));
        there.send(blocks).expect("it lives");
        freed.recv().expect("it lives");
    }
    drop(there);
    giver.join().expect("the thread");
    // Two piles of 23 here, two there, and the blocks on their way.
    assert!(all.len() < 300, "{} places for {taken} blocks", all.len());
}

#[test]
fn blocks_may_change_threads() {
    let size = layout(200, 8);
    let blocks: Vec<_> = (0..30).map(|_| Owned::new(size)).collect();
    let before = kept(size);
    let there = thread::spawn(move || {
        drop(blocks);
        (kept(size), Owned::new(size))
    });
    let (kept_there, block) = there.join().expect("the thread");
    assert_eq!(kept_there, 30);
    drop(block);
    assert_eq!(kept(size), before + 1);
}

/// A thread-local that holds blocks, and frees and takes some while thread-locals are destroyed: before or
/// after the piles were emptied, as the order of first use has it. After that nothing is kept any more.
#[test]
fn usable_while_the_thread_ends() {
    struct Late(Vec<Owned>, Option<Sender<usize>>);

    impl Drop for Late {
        fn drop(&mut self) {
            self.0.clear();
            self.0.push(Owned::new(layout(48, 8)));
            self.0.clear();
            let kept = kept(layout(48, 8));
            self.1.take().expect("used").send(kept).expect("the test listens");
        }
    }

    thread_local!(static LATE: RefCell<Late> = const { RefCell::new(Late(Vec::new(), None)) });

    let (sender, receiver) = channel();
    let fill = |sender| {
        LATE.with_borrow_mut(|late| {
            late.0.extend((0..9).map(|_| Owned::new(layout(48, 8))));
            late.1 = Some(sender);
        });
    };
    let also = sender.clone();
    let late_first = thread::spawn(move || {
        fill(sender);
        drop(Owned::new(layout(48, 8)));
    });
    let piles_first = thread::spawn(move || {
        drop(Owned::new(layout(48, 8)));
        fill(also);
    });
    late_first.join().expect("the thread");
    piles_first.join().expect("the thread");
    let mut kept: Vec<_> = receiver.iter().collect();
    kept.sort_unstable();
    assert!(kept.len() == 2 && kept[0] == 0, "one of the two came after the piles: {kept:?}");
}
