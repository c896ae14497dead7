//! The mailbox: many senders, one consumer that sleeps.

use deathwatch::ExitReason;
use deathwatch::internals::mailbox::inbox::Push;
use deathwatch::internals::mailbox::parcel::Parcel;
use deathwatch::internals::sync::atomic::{AtomicUsize, Ordering};
use deathwatch::internals::sync::{Arc, UnsafeCell};

use crate::fixture::{Heard, Note, Party, monitor, spawn};
use crate::harness::{Bound, model};

fn send(to: &deathwatch::internals::cell::Address<crate::fixture::Desk>, number: u32) -> bool {
    to.push(Parcel::seal(Note::new(number))).is_ok()
}

fn note(heard: &Heard) -> u32 {
    match heard {
        Heard::Note(number) => *number,
        Heard::Down(..) | Heard::Exit(..) => panic!("nobody dies here"),
    }
}

/// Two senders and a consumer that sleeps: everything arrives, each sender's in order, and no wake-up is lost.
#[test]
fn two_pushes_vs_park() {
    model("two_pushes_vs_park", Bound::Preemptions(2), 20_000, || {
        let mut consumer = Party::new();
        let (to, too) = (consumer.address(), consumer.address());
        let senders =
            [spawn(move || assert!(send(&to, 1) && send(&to, 2))), spawn(move || assert!(send(&too, 7)))];
        consumer.hear(3);
        let mut heard: Vec<u32> = consumer.desk.heard.iter().map(note).collect();
        heard.retain(|number| *number != 7);
        assert_eq!(heard, [1, 2]);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_eq!(consumer.end().len(), 3);
    });
}

/// One sender and a consumer that sleeps.
#[test]
fn push_vs_park() {
    model("push_vs_park", Bound::Preemptions(3), 830, || {
        let mut consumer = Party::new();
        let to = consumer.address();
        let sender = spawn(move || assert!(send(&to, 1) && send(&to, 2)));
        consumer.hear(2);
        assert_eq!(consumer.desk.heard, [Heard::Note(1), Heard::Note(2)]);
        sender.join().unwrap();
        consumer.end();
    });
}

/// Two senders, and a consumer that puts in order what has come before it has taken the rest: all arrives, each sender's in
/// order.
#[test]
fn two_pushes_vs_gather() {
    model("two_pushes_vs_gather", Bound::Preemptions(3), 2_700, || {
        let mut consumer = Party::new();
        let (to, too) = (consumer.address(), consumer.address());
        assert!(send(&to, 1) && send(&to, 2));
        let sender = spawn(move || assert!(send(&too, 7) && send(&too, 8)));
        consumer.consumer.gather();
        assert!(send(&to, 3));
        consumer.consumer.gather();
        consumer.hear(5);
        let (foreign, own): (Vec<u32>, Vec<u32>) =
            consumer.desk.heard.iter().map(note).partition(|number| *number > 6);
        assert_eq!((foreign, own), (vec![7, 8], vec![1, 2, 3]));
        sender.join().unwrap();
        consumer.end();
    });
}

/// A push is refused, and the message still the sender's, or it is handled or dropped with the mailbox.
#[test]
fn push_vs_close() {
    model("push_vs_close", Bound::Unbounded, 29, || {
        let mut consumer = Party::new();
        let to = consumer.address();
        let sender = spawn(move || match to.push(Parcel::seal(Note::new(1))) {
            Ok(()) => true,
            Err(refused) => {
                assert_eq!(refused.into_letter().0, 1);
                false
            }
        });
        consumer.handle_all();
        let handled = consumer.desk.heard.len();
        consumer.die(ExitReason::Kill);
        assert!(sender.join().unwrap() || handled == 0);
    });
}

/// A message that keeps its own actor, pushed while that dies, is dropped: or both would live for ever.
#[test]
fn push_of_itself_vs_close() {
    use deathwatch::internals::cell::CellRef;
    use deathwatch::internals::mailbox::parcel::Letter;
    use deathwatch::internals::structs::future::SlotFuture;

    struct Itself(#[expect(dead_code, reason = "it is there to be dropped")] CellRef);
    impl Letter<crate::fixture::Desk> for Itself {
        const COUNTED: bool = true;
        fn open<'a>(self, _: &'a mut crate::fixture::Desk) -> SlotFuture<'a> {
            SlotFuture::ready()
        }
    }

    model("push_of_itself_vs_close", Bound::Unbounded, 67, || {
        let consumer = Party::new();
        let to = consumer.address();
        let sender = spawn(move || {
            let _refused = to.push(Parcel::seal(Itself(to.cell().clone())));
        });
        consumer.die(ExitReason::Kill);
        sender.join().unwrap();
    });
}

/// A consumer that sleeps is woken by a `Down` as by a message.
#[test]
fn down_vs_park() {
    model("down_vs_park", Bound::Preemptions(3), 120, || {
        let (mut watcher, target) = (Party::new(), Party::new());
        let key = monitor(&watcher.address(), &target.cell());
        let exit = spawn(move || target.die(ExitReason::Kill));
        watcher.hear(1);
        assert_eq!(watcher.desk.heard, [Heard::Down(key, ExitReason::Kill)]);
        exit.join().unwrap();
        watcher.end();
    });
}

/// What the consumer has written, for whoever learns by the mailbox alone that it may read it.
struct Written(UnsafeCell<u32>);
// SAFETY: loom checks each access.
unsafe impl Sync for Written {}

impl Written {
    fn write(&self) {
        // SAFETY: loom checks that nobody else is at it.
        self.0.with_mut(|written| unsafe { *written = 7 });
    }

    fn read(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|written| unsafe { *written })
    }
}

/// Who is refused sees what the consumer did before it closed.
#[test]
fn refused_vs_close() {
    model("refused_vs_close", Bound::Unbounded, 29, || {
        let consumer = Party::new();
        let to = consumer.address();
        let written = Arc::new(Written(UnsafeCell::new(0)));
        let sender = spawn({
            let written = written.clone();
            move || assert!(send(&to, 1) || written.read() == 7)
        });
        written.write();
        consumer.die(ExitReason::Kill);
        sender.join().unwrap();
    });
}

/// Who is to wake the consumer sees what it did before it lay down (whom to wake, for one thing), also when it had looked
/// while the consumer lay there before.
#[test]
fn told_to_wake_vs_park() {
    model("told_to_wake_vs_park", Bound::Unbounded, 85, || {
        let mut consumer = Party::new();
        let (to, cell) = (consumer.address(), consumer.cell());
        let parked = Arc::new(AtomicUsize::new(0));
        assert!(consumer.consumer.park());
        let sender = spawn({
            let parked = parked.clone();
            move || {
                // SAFETY: the block is ours, and made for this stage.
                match unsafe { cell.inbox.push(Note::parcel(1).into_raw()) } {
                    Push::Wake => parked.load(Ordering::Relaxed),
                    Push::Queued => 1,
                    Push::Closed => panic!("nobody dies here"),
                }
            }
        });
        assert!(send(&to, 2));
        consumer.handle_all();
        let heard = consumer.desk.heard.len();
        // Relaxed: it is the mailbox that must make it be seen.
        parked.store(1, Ordering::Relaxed);
        let again = consumer.consumer.park();
        let seen = sender.join().unwrap();
        assert!(!again || heard == 2 || seen == 1, "told to wake who lay down later");
        assert_eq!(consumer.end().len(), 2);
    });
}
