//! Blocks that are handed around: the depot of batches, and the slabs that small blocks come from and go home to.

use std::ptr::NonNull;

use deathwatch::internals::structs::pool::depot::Depot;
use deathwatch::internals::structs::pool::slab;
use deathwatch::internals::sync::{Arc, UnsafeCell, new_block, take_block};

use crate::fixture::{Token, spawn};
use crate::harness::{Bound, model};

/// Stands for a batch: what is in it was written by the thread that put it into the depot.
struct Batch(UnsafeCell<u32>, #[expect(dead_code, reason = "it is there to be dropped")] Token);

fn batch(number: u32) -> NonNull<u8> {
    let batch = new_block(Batch(UnsafeCell::new(0), Token::new()));
    // SAFETY: fresh, and ours.
    let content = unsafe { &batch.as_ref().0 };
    // SAFETY: as above.
    content.with_mut(|content| unsafe { *content = number });
    batch.cast()
}

fn open(batch: NonNull<u8>) -> u32 {
    // SAFETY: it came out of the depot, so it is ours alone.
    let batch = unsafe { take_block(batch.cast::<Batch>()) };
    // SAFETY: as above.
    batch.0.with(|content| unsafe { *content })
}

/// Two put a batch in, two take one out: each batch is put, with its content, and comes out once. Nobody is left with
/// nothing when there is something.
#[test]
fn puts_vs_takes() {
    model("pool_puts_vs_takes", Bound::Preemptions(3), 950, || {
        let depot = Arc::new(Depot::new());
        let (putter, taker) = (depot.clone(), depot.clone());
        let putter = spawn(move || putter.put(batch(1)).is_ok());
        let taker = spawn(move || taker.take().map(open));
        let put = depot.put(batch(2)).is_ok();
        let mut out: Vec<_> = depot.take().map(open).into_iter().collect();
        assert!(put && putter.join().unwrap(), "there was room for both");
        out.extend(taker.join().unwrap());
        out.extend(std::iter::from_fn(|| depot.take().map(open)));
        out.sort_unstable();
        assert_eq!(out, [1, 2]);
    });
}

/// Three puts for two places, against one that takes: what is refused is given back, and what was put comes out once.
#[test]
fn a_full_depot_vs_take() {
    model("pool_a_full_depot_vs_take", Bound::Unbounded, 5, || {
        let depot = Arc::new(Depot::new());
        assert!(depot.put(batch(1)).is_ok());
        let putter = depot.clone();
        let putter = spawn(move || [2, 3].map(|number| putter.put(batch(number)).map_err(open)));
        let mut out: Vec<_> = depot.take().map(open).into_iter().collect();
        out.extend(putter.join().unwrap().into_iter().filter_map(Result::err));
        out.extend(std::iter::from_fn(|| depot.take().map(open)));
        out.sort_unstable();
        assert_eq!(out, [1, 2, 3]);
    });
}

/// The blocks of a slab go home from three threads, one of which brings two: who is last gives the slab back, once, after everybody's
/// last use of what is in it.
#[test]
fn blocks_go_home_vs_blocks_go_home() {
    model("pool_blocks_go_home_vs_blocks_go_home", Bound::Unbounded, 45, || {
        const SIZE: usize = 24;
        struct Sent(Vec<NonNull<u8>>);
        // SAFETY: a block belongs to nobody's thread.
        unsafe impl Send for Sent {}
        impl Sent {
            fn go_home(self) {
                // SAFETY: the blocks are ours, as large as this, and not used again.
                unsafe {
                    self.0.iter().for_each(|block| block.cast::<[u64; 3]>().write([7; 3]));
                    slab::home(SIZE, self.0);
                }
            }
        }
        let mut blocks = Vec::new();
        slab::cut(SIZE, 4, |block| blocks.push(block));
        assert_eq!(blocks.len(), 4);
        let others: Vec<_> = (0..2)
            .map(|_| Sent(blocks.split_off(blocks.len() - 1)))
            .map(|block| spawn(move || block.go_home()))
            .collect();
        Sent(blocks).go_home();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}
