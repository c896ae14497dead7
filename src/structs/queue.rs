//! Multi-producer multi-consumer queues: the one place that names `crossbeam_queue`.
//!
//! Nothing here is ours but the names: [`Queue`] is unbounded, [`Ring`] is bounded. A model build
//! cannot look inside `crossbeam_queue`, so it gets a queue of its own that grants the same
//! happens-before edge (a push to the pop that takes its value) and no other: see `model`.

use core::fmt;

#[cfg(not(dw_loom))]
use crossbeam_queue::{ArrayQueue, SegQueue};

#[cfg(dw_loom)]
use model::{ArrayQueue, SegQueue};

/// An unbounded first-in first-out queue for any number of threads on either end.
pub struct Queue<T>(SegQueue<T>);

impl<T> Queue<T> {
    /// Makes an empty queue; allocates nothing before the first push.
    pub fn new() -> Self {
        Self(SegQueue::new())
    }

    /// Puts `value` at the back.
    pub fn push(&self, value: T) {
        self.0.push(value);
    }

    /// Takes the value at the front.
    pub fn pop(&self) -> Option<T> {
        self.0.pop()
    }

    /// Tells whether nothing was in the queue at some moment during the call.
    ///
    /// A push that ended before the call is seen if the two are ordered, be it by a pair of
    /// `fence(SeqCst)`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts what was in the queue at some moment during the call.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("len", &self.len()).finish()
    }
}

/// A bounded first-in first-out queue for any number of threads on either end.
pub struct Ring<T>(ArrayQueue<T>);

impl<T> Ring<T> {
    /// Makes an empty ring for `capacity` values; the one allocation of its life.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    pub fn new(capacity: usize) -> Self {
        Self(ArrayQueue::new(capacity))
    }

    /// Puts `value` at the back; if the ring is full, takes the value at the front out first and
    /// returns it.
    pub fn force_push(&self, value: T) -> Option<T> {
        self.0.force_push(value)
    }

    /// Takes the value at the front.
    pub fn pop(&self) -> Option<T> {
        self.0.pop()
    }

    /// Counts what was in the ring at some moment during the call.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The number of values the ring has room for.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

/// What stands in for `crossbeam_queue` in a model build.
///
/// LOOM: the list sits behind a lock of `std`, which loom does not see. That is sound because loom runs one thread at a time
/// and switches only before its own atomics: each of those, with what follows it up to the next, is one step. How many
/// values there are is such an atomic, and everybody decides by it. It is `Relaxed`, so a look may be stale, and seeing
/// that there is something orders nothing. What is promised, and all that is, is that a push comes before the pop that takes
/// its value: each value carries that edge.
#[cfg(dw_loom)]
mod model {
    use std::collections::VecDeque;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use crate::sync::atomic::{AtomicUsize, Ordering};
    use crate::sync::model::Edge;

    type List<T> = VecDeque<(T, Edge)>;

    pub(super) struct SegQueue<T> {
        list: Mutex<List<T>>,
        len: AtomicUsize,
    }

    impl<T> SegQueue<T> {
        pub(super) fn new() -> Self {
            Self { list: Mutex::new(VecDeque::new()), len: AtomicUsize::new(0) }
        }

        fn list(&self) -> MutexGuard<'_, List<T>> {
            self.list.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(super) fn push(&self, value: T) {
            // ORDERING: Relaxed, here and in all that follows: see the `LOOM:` note.
            self.len.fetch_add(1, Ordering::Relaxed);
            self.list().push_back((value, Edge::release()));
        }

        pub(super) fn pop(&self) -> Option<T> {
            let taken = self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |len| len.checked_sub(1));
            taken.ok().and_then(|_| self.take_first())
        }

        fn take_first(&self) -> Option<T> {
            let (value, pushed) = self.list().pop_front()?;
            pushed.acquire();
            Some(value)
        }

        pub(super) fn len(&self) -> usize {
            // ORDERING: as in `push`.
            self.len.load(Ordering::Relaxed)
        }

        pub(super) fn is_empty(&self) -> bool {
            self.len() == 0
        }
    }

    pub(super) struct ArrayQueue<T> {
        queue: SegQueue<T>,
        capacity: usize,
    }

    impl<T> ArrayQueue<T> {
        pub(super) fn new(capacity: usize) -> Self {
            assert!(capacity > 0, "capacity must be non-zero");
            Self { queue: SegQueue::new(), capacity }
        }

        /// As in the real one, the value counts from the step on that gives it its place.
        pub(super) fn force_push(&self, value: T) -> Option<T> {
            // ORDERING: as in the queue's `push`.
            let mut len = self.queue.len.load(Ordering::Relaxed);
            loop {
                let full = len == self.capacity;
                let new = len + usize::from(!full);
                match self.queue.len.compare_exchange(len, new, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => {
                        self.queue.list().push_back((value, Edge::release()));
                        return if full { self.queue.take_first() } else { None };
                    }
                    Err(now) => len = now,
                }
            }
        }

        pub(super) fn pop(&self) -> Option<T> {
            self.queue.pop()
        }

        pub(super) fn len(&self) -> usize {
            self.queue.len()
        }

        pub(super) fn capacity(&self) -> usize {
            self.capacity
        }
    }
}

#[cfg(all(test, not(dw_loom)))]
mod tests {
    use super::{Queue, Ring};

    #[test]
    fn queue_is_fifo() {
        let queue = Queue::new();
        assert!(queue.is_empty());
        (0..100).for_each(|n| queue.push(n));
        assert_eq!(queue.len(), 100);
        assert!((0..100).all(|n| queue.pop() == Some(n)));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn ring_refuses_or_displaces() {
        let ring = Ring::new(2);
        assert_eq!((ring.force_push(1), ring.force_push(2)), (None, None));
        assert_eq!(ring.force_push(4), Some(1));
        assert_eq!((ring.len(), ring.capacity()), (2, 2));
        assert_eq!((ring.pop(), ring.pop(), ring.pop()), (Some(2), Some(4), None));
    }
}
