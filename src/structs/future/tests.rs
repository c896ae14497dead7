use core::future::{Future, pending, ready};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::SlotFuture;

fn poll(future: &mut SlotFuture<'_>) -> Poll<()> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn begin<'a>(future: impl Future<Output = ()> + Send + 'a) -> SlotFuture<'a> {
    SlotFuture::begin(future, &mut Context::from_waker(Waker::noop()))
}

/// Ready at the given poll; panics if it is polled in another place than before.
struct Countdown<const SIZE: usize> {
    left: u32,
    place: usize,
    _held: Arc<()>,
    _bulk: [u8; SIZE],
}

impl<const SIZE: usize> Countdown<SIZE> {
    fn new(left: u32, held: &Arc<()>) -> Self {
        Self { left, place: 0, _held: held.clone(), _bulk: [7; SIZE] }
    }
}

impl<const SIZE: usize> Future for Countdown<SIZE> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let here = &raw const *self as usize;
        assert!(self.place == 0 || self.place == here, "it moved");
        self.place = here;
        self.left -= 1;
        assert!(self._bulk.iter().all(|byte| *byte == 7), "it was written over");
        if self.left == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn counts_down<const SIZE: usize>() {
    let held = Arc::new(());
    for begun in [false, true] {
        let mut future = if begun {
            begin(Countdown::<SIZE>::new(4, &held))
        } else {
            SlotFuture::begun(Countdown::<SIZE>::new(3, &held))
        };
        assert_eq!(poll(&mut future), Poll::Pending);
        let mut moved = future;
        assert_eq!(poll(&mut moved), Poll::Pending);
        assert_eq!(poll(&mut moved), Poll::Ready(()));
        assert_eq!(Arc::strong_count(&held), 2, "like a box, it keeps a finished future");
        drop(moved);
        assert_eq!(Arc::strong_count(&held), 1);
    }
    drop(begin(Countdown::<SIZE>::new(2, &held)));
    assert_eq!(Arc::strong_count(&held), 1, "begun, and dropped before its end");
    let over = begin(Countdown::<SIZE>::new(1, &held));
    assert!(over.is_ready());
    assert_eq!(Arc::strong_count(&held), 1, "one that has finished at once is gone");
    drop(SlotFuture::begun(Countdown::<SIZE>::new(1, &held)));
    assert_eq!(Arc::strong_count(&held), 1, "never polled");
}

#[test]
fn polls_and_drops_once() {
    counts_down::<0>();
    counts_down::<100>();
    counts_down::<1_000>();
    counts_down::<10_000>();
}

#[test]
fn ready_is_over_and_stays_so() {
    let mut future = SlotFuture::ready();
    assert!(future.is_ready());
    assert_eq!(poll(&mut future), Poll::Ready(()));
    assert_eq!(poll(&mut future), Poll::Ready(()));
    assert!(!SlotFuture::begun(ready(())).is_ready(), "nobody has polled it");
}

#[test]
fn a_zero_sized_one_works() {
    struct Nothing;

    impl Future for Nothing {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }

    assert_eq!(poll(&mut SlotFuture::begun(Nothing)), Poll::Ready(()));
    assert_eq!(poll(&mut SlotFuture::begun(async {})), Poll::Ready(()));
    assert!(begin(Nothing).is_ready());
}

#[test]
fn an_aligned_one_is_aligned() {
    #[repr(align(64))]
    struct Wide(u8);

    impl Future for Wide {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            let place = (&raw const *self as usize) % 64 + usize::from(self.0);
            if place == 0 { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    let mut futures: Vec<_> = (0..8).map(|_| SlotFuture::begun(Wide(0))).collect();
    assert!(futures.iter_mut().all(|future| poll(future) == Poll::Ready(())));
}

#[test]
fn a_panic_in_poll_leaves_it_droppable() {
    let held = Arc::new(());
    let inside = held.clone();
    let mut future: SlotFuture<'_> = SlotFuture::begun(async move {
        let _inside = inside;
        ready(()).await;
        panic!("planted")
    });
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut future))).is_err());
    drop(future);
    assert_eq!(Arc::strong_count(&held), 1);
}

/// Panics in its Drop, and when it is polled too often.
struct Bomb([u8; 1_000]);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("planted {}", self.0[0]);
    }
}

impl Future for Bomb {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        assert!(self.0[0] > 0, "planted in poll");
        self.0[0] -= 1;
        Poll::Pending
    }
}

#[test]
fn a_panic_in_the_first_poll_drops_it_once_and_frees_the_block() {
    let held = Arc::new(());
    let inside = held.clone();
    let begun = catch_unwind(AssertUnwindSafe(|| {
        begin(async move {
            let _inside = inside;
            panic!("planted")
        })
    }));
    assert!(begun.is_err());
    assert_eq!(Arc::strong_count(&held), 1);

    let place = place_of(&SlotFuture::begun(Countdown::<980>::new(1, &held)));
    // Its Drop panics as well: that is swallowed, not a second panic while the first unwinds.
    let panic = catch_unwind(AssertUnwindSafe(|| begin(Bomb([0; 1_000])))).expect_err("it panics");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"planted in poll"), "the first one comes out");
    let next = SlotFuture::begun(Countdown::<980>::new(1, &held));
    assert!(place_of(&next) == place || cfg!(dw_sanitize), "the block was not freed");
}

#[test]
fn a_panic_in_drop_frees_the_block() {
    let future = SlotFuture::begun(Bomb([1; 1_000]));
    let place = place_of(&future);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(future))).is_err());
    let next = SlotFuture::begun(Countdown::<980>::new(1, &Arc::new(())));
    // Where blocks are not recycled, the tool that wants it so looks for leaks.
    assert!(place_of(&next) == place || cfg!(dw_sanitize), "the block was not freed");
}

fn place_of(future: &SlotFuture<'_>) -> usize {
    future.0.as_ref().map_or(0, |stored| stored.future.as_ptr() as usize)
}

#[test]
fn borrows_and_crosses_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }

    let word = String::from("borrowed");
    let mut future = is_send(SlotFuture::begun(async { assert_eq!(word.len(), 8) }));
    std::thread::scope(|scope| {
        let there = scope.spawn(move || poll(&mut future));
        assert_eq!(there.join().expect("the thread"), Poll::Ready(()));
    });
    assert_eq!(size_of::<SlotFuture<'_>>(), 2 * size_of::<usize>());
    assert!(poll(&mut SlotFuture::begun(pending::<()>())).is_pending());
}
