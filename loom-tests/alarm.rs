//! Alarms on their way to the clock: posted by anybody, laid on a desk by a worker, taken by whoever comes first.
//!
//! The clock of these models has no time. It sleeps until it is woken, or, while it watches the desks, until the others had a
//! chance to run. An alarm that it is never told of leaves it parked for ever, which loom reports as a deadlock.

use core::ptr::NonNull;

use deathwatch::internals::clock::board::{Board, NEVER, Owed};
use deathwatch::internals::structs::alarm::{
    Alarm, AlarmRef, AlarmVtable, Alarms, Batch, Recall, Recallable, Ring,
};
use deathwatch::internals::sync::atomic::{AtomicUsize, Ordering};
use deathwatch::internals::sync::thread::{self, Thread};
use deathwatch::internals::sync::{Arc, new_block, take_block};

use crate::fixture::{Token, spawn};
use crate::harness::{Bound, model};

/// An alarm and nothing around it but a token, and what others may know of it.
#[repr(C)]
struct Block {
    alarm: Recallable,
    fate: Fate,
    token: Token,
}

/// Bit 0: done. Above: how often it was released.
type Fate = Arc<AtomicUsize>;

static VTABLE: AlarmVtable = AlarmVtable {
    ring: |_: NonNull<Alarm>, _: Ring| None,
    // SAFETY: every alarm here is the first field of a live block.
    is_done: |alarm| unsafe { alarm.cast::<Block>().as_ref() }.fate.load(Ordering::Relaxed) & 1 != 0,
    release: |alarm| {
        // SAFETY: made by `alarm`, and owned by the one `AlarmRef`, which goes now.
        let block = unsafe { take_block(alarm.cast::<Block>()) };
        block.fate.fetch_add(2, Ordering::Relaxed);
        drop(block.token);
    },
    recallable: true,
};

fn alarm(when: u64) -> (AlarmRef, Fate) {
    let fate = Arc::new(AtomicUsize::new(0));
    let block = Block { alarm: Recallable::new(when, &VTABLE), fate: fate.clone(), token: Token::new() };
    // SAFETY: a block of its own, which lends this one reference; its functions may be called anywhere.
    (unsafe { AlarmRef::from_raw(new_block(block).cast()) }, fate)
}

/// Takes an alarm back, with the only reference of its block.
fn recall(alarm: AlarmRef) -> Recall {
    let raw = alarm.into_raw();
    // SAFETY: the reference of the `AlarmRef`, which is gone.
    unsafe { Recall::from_raw(raw.cast()) }
}

/// The board, and the thread that is to be woken.
struct Hall {
    board: Board,
    clock: Thread,
}

/// Made on the clock's thread.
fn hall(desks: usize) -> Arc<Hall> {
    Arc::new(Hall { board: Board::new(desks, None), clock: thread::current() })
}

impl Hall {
    fn settle(&self, owed: Owed) {
        if owed == Owed::Wake {
            self.clock.unpark();
        }
    }

    fn post(&self, alarm: AlarmRef) {
        self.settle(self.board.post(alarm).expect("open"));
    }

    fn lay(&self, desk: usize, alarm: AlarmRef) {
        self.settle(self.board.lay(desk, alarm).expect("open"));
    }

    /// As a worker that has nothing to do: what is not done is posted.
    fn clear(&self, desk: usize) {
        let mut late = Batch::new();
        self.board.clear(desk).filter(|alarm| !alarm.is_done()).for_each(|alarm| late.put(alarm));
        if late.len() > 0 {
            self.settle(self.board.post_all(late, 7).expect("open"));
        }
    }

    /// As the clock does, until it has taken so many alarms.
    fn take(&self, many: usize) -> Vec<AlarmRef> {
        let mut taken = Vec::new();
        let mut watching = false;
        while taken.len() < many {
            taken.extend(self.board.take());
            if watching {
                let before = taken.len();
                (0..self.board.desks()).for_each(|desk| taken.extend(self.board.clear(desk)));
                watching = taken.len() > before;
            } else {
                watching = self.board.is_worth_watching();
            }
            if taken.len() < many && self.board.rest(NEVER, watching) {
                if watching { thread::yield_now() } else { thread::park() }
            }
            self.board.rise();
        }
        taken
    }
}

/// Two post while the clock goes to sleep: it gets both.
#[test]
fn posts_vs_rest() {
    model("alarm_posts_vs_rest", Bound::Preemptions(3), 8_000, || {
        let hall = hall(0);
        let posts = [1, 2].map(|when| {
            let hall = hall.clone();
            spawn(move || hall.post(alarm(when).0))
        });
        assert_eq!(hall.take(2).len(), 2);
        posts.into_iter().for_each(|post| post.join().unwrap());
    });
}

/// A worker lays two alarms on its desk, and is then held up, while the clock goes to sleep or watches: it gets both.
#[test]
fn laying_vs_rest() {
    model("alarm_laying_vs_rest", Bound::Preemptions(3), 180, || {
        let hall = hall(1);
        let worker = spawn({
            let hall = hall.clone();
            move || [1, 2].into_iter().for_each(|limit| hall.lay(0, alarm(limit).0))
        });
        let mut limits: Vec<_> = hall.take(2).iter().map(AlarmRef::when).collect();
        limits.sort_unstable();
        assert_eq!(limits, [1, 2]);
        worker.join().unwrap();
    });
}

/// Two workers, each with a desk of its own: the watch over one does not hide what is laid on the other.
#[test]
fn two_desks_vs_rest() {
    model("alarm_two_desks_vs_rest", Bound::Preemptions(3), 6_700, || {
        let hall = hall(2);
        let workers = [0, 1].map(|desk| {
            let hall = hall.clone();
            spawn(move || hall.lay(desk, alarm(1).0))
        });
        assert_eq!(hall.take(2).len(), 2);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

/// A worker clears its desk while the clock does so too: each alarm comes to one of them, and then to the clock; one that is
/// done by then need not.
#[test]
fn clearing_vs_sweep() {
    model("alarm_clearing_vs_sweep", Bound::Preemptions(3), 1_150, || {
        let hall = hall(1);
        let worker = spawn({
            let hall = hall.clone();
            move || {
                let (done, fate) = alarm(1);
                hall.lay(0, done);
                hall.lay(0, alarm(2).0);
                hall.lay(0, alarm(3).0);
                fate.fetch_or(1, Ordering::Relaxed);
                hall.clear(0);
                fate
            }
        });
        let mut taken: Vec<AlarmRef> = Vec::new();
        while taken.iter().filter(|alarm| alarm.when() > 1).count() < 2 {
            taken.extend(hall.take(1));
        }
        let fate = worker.join().unwrap();
        assert!(taken.len() <= 3);
        drop(taken);
        assert_eq!(fate.load(Ordering::Relaxed), 3, "done, and released once");
    });
}

/// The clock stops while one posts, and one lays down and clears: each alarm is told of the end, or comes back.
#[test]
fn close_vs_laying_vs_posting() {
    model("alarm_close_vs_laying_vs_posting", Bound::Preemptions(3), 760, || {
        let hall = hall(1);
        let worker = spawn({
            let hall = hall.clone();
            move || {
                let laid = hall.board.lay(0, alarm(1).0).is_ok();
                let mut late = Batch::new();
                hall.board.clear(0).for_each(|alarm| late.put(alarm));
                let (cleared, back) = (late.len(), hall.board.post_all(late, 1));
                usize::from(laid) - back.map_or(cleared, |_| 0)
            }
        });
        let poster = spawn({
            let hall = hall.clone();
            move || usize::from(hall.board.post(alarm(2).0).is_ok())
        });
        let mut left = 0;
        hall.board.close(|alarms: Alarms| left += alarms.count());
        let set = worker.join().unwrap() + poster.join().unwrap();
        assert_eq!(left, set);
        assert!(hall.board.post(alarm(3).0).is_err() && hall.board.lay(0, alarm(3).0).is_err());
    });
}

/// One takes an alarm back while the clock stops: it is released once, by either, and all that came before is before that.
#[test]
fn recall_vs_close() {
    model("alarm_recall_vs_close", Bound::Unbounded, 3, || {
        let hall = hall(0);
        let other = spawn({
            let hall = hall.clone();
            move || {
                let (alarm, fate) = alarm(1);
                fate.fetch_or(1, Ordering::Relaxed);
                hall.settle(hall.board.recall(recall(alarm)));
                fate
            }
        });
        hall.board.close(|_| ());
        let fate = other.join().unwrap();
        assert_eq!(fate.load(Ordering::Relaxed), 3);
    });
}

/// Two take an alarm each back that the clock has: it hears of both.
#[test]
fn recalls_vs_rest() {
    model("alarm_recalls_vs_rest", Bound::Preemptions(3), 6_300, || {
        let hall = hall(0);
        let (alarms, fates): (Vec<_>, Vec<_>) = [1, 2].map(alarm).into_iter().unzip();
        let recalls = alarms.into_iter().zip(&fates).map(|(alarm, fate)| {
            let (hall, fate) = (hall.clone(), fate.clone());
            spawn(move || {
                fate.fetch_or(1, Ordering::Relaxed);
                hall.settle(hall.board.recall(recall(alarm)));
            })
        });
        let recalls: Vec<_> = recalls.collect();
        let mut given_back = 0;
        let mut watching = false;
        while given_back < 2 {
            if watching {
                let before = given_back;
                given_back += hall.board.recalled().count();
                watching = given_back > before;
            } else {
                watching = hall.board.is_worth_watching();
            }
            if given_back < 2 && hall.board.rest(NEVER, watching) {
                if watching { thread::yield_now() } else { thread::park() }
            }
            hall.board.rise();
        }
        recalls.into_iter().for_each(|recall| recall.join().unwrap());
        assert!(fates.iter().all(|fate| fate.load(Ordering::Relaxed) == 3), "done, and released once");
    });
}
