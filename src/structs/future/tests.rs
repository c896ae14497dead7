use core::future::{Future, pending, ready};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::SlotFuture;

fn poll<T>(future: &mut SlotFuture<'_, T>) -> Poll<T> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
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
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        let here = &raw const *self as usize;
        assert!(self.place == 0 || self.place == here, "it moved");
        self.place = here;
        self.left -= 1;
        if self.left == 0 { Poll::Ready(self._bulk.len() as u32) } else { Poll::Pending }
    }
}

fn counts_down<const SIZE: usize>() {
    let held = Arc::new(());
    let mut future = SlotFuture::new(Countdown::<SIZE>::new(3, &held));
    assert_eq!(poll(&mut future), Poll::Pending);
    let mut moved = future;
    assert_eq!(poll(&mut moved), Poll::Pending);
    assert_eq!(poll(&mut moved), Poll::Ready(SIZE as u32));
    assert_eq!(Arc::strong_count(&held), 2, "like a box, it keeps a finished future");
    drop(moved);
    assert_eq!(Arc::strong_count(&held), 1);
    drop(SlotFuture::new(Countdown::<SIZE>::new(1, &held)));
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
fn ready_stores_nothing() {
    let held = Arc::new(());
    let mut future = SlotFuture::ready(held.clone());
    assert!(poll(&mut future).is_ready());
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut future))).is_err(), "polled again");
    drop(SlotFuture::ready(held.clone()));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_zero_sized_one_works() {
    struct Nothing;

    impl Future for Nothing {
        type Output = &'static str;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<&'static str> {
            Poll::Ready("nothing")
        }
    }

    assert_eq!(poll(&mut SlotFuture::new(Nothing)), Poll::Ready("nothing"));
    assert_eq!(poll(&mut SlotFuture::new(async { 1 })), Poll::Ready(1));
}

#[test]
fn an_aligned_one_is_aligned() {
    #[repr(align(64))]
    struct Wide(u8);

    impl Future for Wide {
        type Output = usize;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<usize> {
            Poll::Ready((&raw const *self as usize) % 64 + usize::from(self.0))
        }
    }

    let mut futures: Vec<_> = (0..8).map(|_| SlotFuture::new(Wide(0))).collect();
    assert!(futures.iter_mut().all(|future| poll(future) == Poll::Ready(0)));
}

#[test]
fn a_panic_in_poll_leaves_it_droppable() {
    let held = Arc::new(());
    let inside = held.clone();
    let mut future: SlotFuture<'_, ()> = SlotFuture::new(async move {
        let _inside = inside;
        ready(()).await;
        panic!("planted")
    });
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut future))).is_err());
    drop(future);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_panic_in_drop_frees_the_block() {
    struct Bomb([u8; 1_000]);

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("planted {}", self.0[0]);
        }
    }

    impl Future for Bomb {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }

    let future = SlotFuture::new(Bomb([1; 1_000]));
    let place = place_of(&future);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(future))).is_err());
    let next = SlotFuture::new(Countdown::<980>::new(1, &Arc::new(())));
    // Where blocks are not recycled, the tool that wants it so looks for leaks.
    assert!(place_of(&next) == place || cfg!(dw_sanitize), "the block was not freed");
}

fn place_of<T>(future: &SlotFuture<'_, T>) -> usize {
    match &future.0 {
        super::Inner::Stored(stored) => stored.future.as_ptr() as usize,
        super::Inner::Ready(_) => 0,
    }
}

#[test]
fn borrows_and_crosses_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }

    let word = String::from("borrowed");
    let mut future = is_send(SlotFuture::new(async { word.len() }));
    std::thread::scope(|scope| {
        let there = scope.spawn(move || poll(&mut future));
        assert_eq!(there.join().expect("the thread"), Poll::Ready(8));
    });
    assert_eq!(size_of::<SlotFuture<'_, ()>>(), 2 * size_of::<usize>());
    assert!(poll(&mut SlotFuture::new(pending::<()>())).is_pending());
}
