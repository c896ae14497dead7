//! The mailbox: many senders, one consumer that sleeps.

use deathwatch::ExitReason;
use deathwatch::internals::mailbox::parcel::Parcel;

use crate::fixture::{Heard, Note, Party, monitor, spawn};
use crate::harness::{Bound, model};

fn send(to: &deathwatch::internals::cell::Address<crate::fixture::Desk>, number: u32) -> bool {
    to.push(Parcel::seal(Note::new(number))).is_ok()
}

fn note(heard: &Heard) -> u32 {
    match heard {
        Heard::Note(number) => *number,
        Heard::Down(..) => panic!("nobody dies here"),
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
    model("push_vs_park", Bound::Preemptions(3), 570, || {
        let mut consumer = Party::new();
        let to = consumer.address();
        let sender = spawn(move || assert!(send(&to, 1) && send(&to, 2)));
        consumer.hear(2);
        assert_eq!(consumer.desk.heard, [Heard::Note(1), Heard::Note(2)]);
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
        fn open<'a>(self, _: &'a mut crate::fixture::Desk) -> SlotFuture<'a, ()> {
            SlotFuture::ready(())
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
