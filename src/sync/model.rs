//! What lives as long as one iteration of a model: memory, numbers, and edges.
//!
//! All threads of a model are coroutines of one real thread, so plain cells do here. None of this is a
//! scheduling point. [`begin`] must come first in the model's main thread (the harness sees to that): whoever
//! makes the state is ordered before everybody who uses it, and only the start of the main thread is so anyway.

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::num::NonZeroU64;
use std::ptr::NonNull;

use loom::lazy_static::Lazy;

/// A value that each iteration makes anew and drops at its end.
#[derive(Debug)]
pub struct PerIteration<T: 'static>(Lazy<T>);

impl<T: 'static> PerIteration<T> {
    /// `init` makes the value on first use in an iteration.
    pub const fn new(init: fn() -> T) -> Self {
        Self(Lazy { init, _p: PhantomData })
    }

    /// This iteration's value.
    pub fn get(&'static self) -> &'static T {
        self.0.get()
    }
}

static STATE: PerIteration<State> = PerIteration::new(State::default);

#[derive(Default)]
struct State {
    blocks: RefCell<Blocks>,
    lives: RefCell<Lives>,
    numbers: Cell<u64>,
    edges: Cell<usize>,
}

/// Starts an iteration; call it first thing in the model's main thread.
pub fn begin() {
    let state = STATE.get();
    assert_eq!(state.edges.get(), 0, "the iteration has begun before");
}

/// How the iterations of the calling thread go, beside what is always checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Freed blocks are handed out again, newest first, so that ABA shows.
    pub reuse: bool,
    /// Pin, retire and unpin are scheduling points.
    pub pins: bool,
    /// Loads are told apart from each other (see `checked`).
    pub loads: bool,
}

thread_local! {
    /// All threads of a model are coroutines of one real thread.
    static WAY: Cell<Way> = const { Cell::new(Way { reuse: false, pins: false, loads: false }) };
}

/// Chooses for the models that the calling thread runs from now on.
pub fn go(way: Way) {
    WAY.set(way);
}

/// What was chosen.
pub fn way() -> Way {
    WAY.get()
}

pub(super) fn next_number() -> NonZeroU64 {
    let numbers = &STATE.get().numbers;
    numbers.set(numbers.get() + 1);
    let n = numbers.get();
    // Not one after the other, which would fall into either half of a table in turn, but two by two: so that a model in which a
    // table grows for the second of two has its first bucket made in the course of it, whichever of them is the lower.
    NonZeroU64::new(n << 1 | n >> 1 & 1).expect("numbers begin at one")
}

const EDGES: usize = 8192;
static SLOTS: [Lazy<()>; EDGES] = [const { Lazy { init: || (), _p: PhantomData } }; EDGES];

/// One happens-before edge: what was done before [`release`](Self::release) is ordered before what follows
/// any [`acquire`](Self::acquire).
///
/// loom orders the first use of a lazy static before all later ones and does not count it as a scheduling point.
/// A fresh one per edge gives that edge and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Edge(usize);

impl Edge {
    /// The near end.
    pub fn release() -> Self {
        let edges = &STATE.get().edges;
        let edge = Edge(edges.get());
        edges.set(edge.0 + 1);
        assert!(edge.0 < EDGES, "one iteration pins too often for this many edges");
        SLOTS[edge.0].get();
        edge
    }

    /// The far end, by any thread, any number of times.
    pub fn acquire(self) {
        SLOTS[self.0].get();
    }
}

/// One entry per life begun, with loom's note that it must end; empty once it has.
#[derive(Default)]
struct Lives(Vec<Option<loom::alloc::Track<()>>>);

impl Drop for Lives {
    fn drop(&mut self) {
        // What has not ended is a leak: forgetting its note is what makes loom report it.
        std::mem::forget(std::mem::take(&mut self.0));
    }
}

/// The number of a life; see [`Tracked`](super::Tracked).
#[derive(Debug)]
pub(super) struct Life(usize);

impl Life {
    #[track_caller]
    pub(super) fn begin() -> Self {
        let note = loom::alloc::Track::new(());
        let mut lives = STATE.get().lives.borrow_mut();
        lives.0.push(Some(note));
        Life(lives.0.len() - 1)
    }

    pub(super) fn goes_on(&self) -> bool {
        STATE.get().lives.borrow().0[self.0].is_some()
    }

    /// False if it had ended before.
    pub(super) fn end(&self) -> bool {
        STATE.get().lives.borrow_mut().0[self.0].take().is_some()
    }
}

/// A live block: how large, and loom's note that it must be given back.
type Live = (Layout, loom::alloc::Track<()>);

struct Blocks {
    live: HashMap<NonNull<u8>, Live>,
    /// Given back, oldest first; still readable.
    quarantine: Vec<(NonNull<u8>, Layout)>,
    reuse: bool,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { live: HashMap::new(), quarantine: Vec::new(), reuse: way().reuse }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        // A live block is a leak: forgetting its note is what makes loom report it. After a panic the notes could not be
        // dropped either, and other coroutines may still hold pointers while they unwind: everything stays.
        std::mem::forget(std::mem::take(&mut self.live));
        if std::thread::panicking() {
            return;
        }
        for (block, layout) in self.quarantine.drain(..) {
            // SAFETY: it came from `alloc` with this layout and left the live blocks once.
            unsafe { std::alloc::dealloc(block.as_ptr(), layout) }
        }
    }
}

/// # Safety
///
/// - `layout` has a size other than zero.
#[track_caller]
pub(super) unsafe fn alloc(layout: Layout) -> NonNull<u8> {
    let note = loom::alloc::Track::new(());
    let mut blocks = STATE.get().blocks.borrow_mut();
    let again =
        if blocks.reuse { blocks.quarantine.iter().rposition(|(_, old)| *old == layout) } else { None };
    let block = match again {
        Some(at) => blocks.quarantine.remove(at).0,
        None => {
            // SAFETY: the size is not zero, by the caller's promise.
            let memory = unsafe { std::alloc::alloc(layout) };
            NonNull::new(memory).unwrap_or_else(|| std::alloc::handle_alloc_error(layout))
        }
    };
    blocks.live.insert(block, (layout, note));
    block
}

#[track_caller]
pub(super) fn free(block: NonNull<u8>, layout: Layout) {
    let mut blocks = STATE.get().blocks.borrow_mut();
    let Some((was, note)) = blocks.live.remove(&block) else {
        drop(blocks);
        panic!("block freed twice, or never allocated");
    };
    drop(note);
    blocks.quarantine.push((block, layout));
    drop(blocks);
    assert_eq!(was, layout, "block freed with another layout");
}
