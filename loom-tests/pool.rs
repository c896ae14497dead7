//! Blocks that are handed around: the depot of batches.

use std::ptr::NonNull;

use deathwatch::internals::structs::pool::depot::Depot;
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
