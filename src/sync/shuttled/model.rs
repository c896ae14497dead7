//! What lives as long as one iteration, as in loom's build, without its bookkeeping of what is ordered.
//!
//! All threads of a model are coroutines of one real thread, so plain cells do here. None of this is a scheduling point.

use std::alloc::Layout;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::ptr::{self, NonNull};

thread_local! {
    /// The values of this iteration, by the address of their static, in the order in which they were made.
    static VALUES: RefCell<Vec<(usize, Box<dyn Any>)>> = const { RefCell::new(Vec::new()) };
}

/// A value that each iteration makes anew and drops at its end.
#[derive(Debug)]
pub struct PerIteration<T: 'static>(fn() -> T);

impl<T: 'static> PerIteration<T> {
    /// `init` makes the value on first use in an iteration.
    pub const fn new(init: fn() -> T) -> Self {
        Self(init)
    }

    /// This iteration's value.
    pub fn get(&'static self) -> &'static T {
        let key = ptr::from_ref(self).addr();
        VALUES.with_borrow_mut(|values| {
            let at = values.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
                values.push((key, Box::new((self.0)())));
                values.len() - 1
            });
            let value: *const T = values[at].1.downcast_ref().expect("the key is that of this static");
            // SAFETY: boxed, so it stays where it is until the iteration ends, and nothing of an iteration outlives it.
            unsafe { &*value }
        })
    }
}

static STATE: PerIteration<State> = PerIteration::new(State::default);

#[derive(Default)]
struct State {
    live: RefCell<HashMap<NonNull<u8>, Layout>>,
    /// Given back; still readable.
    quarantine: RefCell<Vec<(NonNull<u8>, Layout)>>,
    lives: RefCell<Vec<bool>>,
    numbers: Cell<u64>,
}

impl Drop for State {
    fn drop(&mut self) {
        for (block, layout) in self.quarantine.get_mut().drain(..) {
            // SAFETY: it came from `alloc` with this layout and left the live blocks once.
            unsafe { std::alloc::dealloc(block.as_ptr(), layout) }
        }
    }
}

/// Starts an iteration; call it first thing in the model's main thread.
pub fn begin() {
    assert!(VALUES.with_borrow(Vec::is_empty), "the iteration before has not ended");
    STATE.get();
}

/// Ends an iteration, when all its threads have; what is left over fails the model.
pub fn end() {
    let state = STATE.get();
    assert!(state.live.borrow().is_empty(), "{} blocks were not freed", state.live.borrow().len());
    assert!(state.lives.borrow().iter().all(|goes_on| !goes_on), "an object has not ended");
    // Last made, first dropped: the state is needed by all others.
    while let Some(value) = VALUES.with_borrow_mut(Vec::pop) {
        drop(value);
    }
}

/// Here for the sake of loom's build, which can go in other ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Pin, retire and unpin are scheduling points.
    pub pins: bool,
}

/// Pins are scheduling points: nobody counts states here.
pub fn way() -> Way {
    Way { pins: true }
}

pub(super) fn next_number() -> NonZeroU64 {
    let numbers = &STATE.get().numbers;
    numbers.set(numbers.get() + 1);
    NonZeroU64::new(numbers.get()).expect("numbers begin at one")
}

/// One happens-before edge; in this build everything is ordered as it happens.
#[derive(Clone, Copy, Debug)]
pub struct Edge;

impl Edge {
    /// The near end.
    pub fn release() -> Self {
        Edge
    }

    /// The far end.
    pub fn acquire(self) {}
}

/// The number of a life; see [`Tracked`](super::Tracked).
#[derive(Debug)]
pub(super) struct Life(usize);

impl Life {
    pub(super) fn begin() -> Self {
        let mut lives = STATE.get().lives.borrow_mut();
        lives.push(true);
        Life(lives.len() - 1)
    }

    pub(super) fn goes_on(&self) -> bool {
        STATE.get().lives.borrow()[self.0]
    }

    /// False if it had ended before.
    pub(super) fn end(&self) -> bool {
        std::mem::replace(&mut STATE.get().lives.borrow_mut()[self.0], false)
    }
}

/// # Safety
///
/// - `layout` has a size other than zero.
pub(super) unsafe fn alloc(layout: Layout) -> NonNull<u8> {
    // SAFETY: the size is not zero, by the caller's promise.
    let memory = unsafe { std::alloc::alloc(layout) };
    let block = NonNull::new(memory).unwrap_or_else(|| std::alloc::handle_alloc_error(layout));
    STATE.get().live.borrow_mut().insert(block, layout);
    block
}

#[track_caller]
pub(super) fn free(block: NonNull<u8>, layout: Layout) {
    let state = STATE.get();
    let was = state.live.borrow_mut().remove(&block);
    assert_eq!(was, Some(layout), "block freed twice, or never allocated, or with another layout");
    state.quarantine.borrow_mut().push((block, layout));
}
