//! Messages in one block: filled by its sender, while the consumer takes it.

use deathwatch::ExitReason;
use deathwatch::internals::cell::Address;

use crate::fixture::{Desk, Heard, Note, Party, is_down, monitor, spawn};
use crate::harness::{Bound, model};

/// In a model, every message that meets another begins a segment, and two fit in.
fn send(to: &Address<Desk>, number: u32) -> bool {
    to.push_letter(Note::new(number)).map_err(|refused| assert_eq!(refused.0, number)).is_ok()
}

fn notes(heard: &[Heard]) -> Vec<u32> {
    let number = |heard: &Heard| match heard {
        Heard::Note(number) => Some(*number),
        Heard::Down(..) | Heard::Exit(..) => None,
    };
    heard.iter().filter_map(number).collect()
}

/// A sender that runs ahead, and a consumer that takes what there is: everything arrives, in order, and no wake-up is lost.
#[test]
fn adding_vs_taking() {
    model("segment_adding_vs_taking", Bound::Preemptions(2), 4_200, || {
        let mut consumer = Party::new();
        let to = consumer.address();
        let sender = spawn(move || (1..5).for_each(|n| assert!(send(&to, n))));
        consumer.hear(4);
        assert_eq!(notes(&consumer.desk.heard), [1, 2, 3, 4]);
        sender.join().unwrap();
        consumer.end();
    });
}

/// The same, where the consumer puts in order what has come before it has handled what it has.
#[test]
fn adding_vs_gathering() {
    model("segment_adding_vs_gathering", Bound::Preemptions(2), 4_600, || {
        let mut consumer = Party::new();
        let to = consumer.address();
        assert!(send(&to, 1));
        let sender = spawn(move || (2..5).for_each(|n| assert!(send(&to, n))));
        consumer.consumer.gather();
        assert!(consumer.handle_one());
        consumer.consumer.gather();
        consumer.hear(4);
        assert_eq!(notes(&consumer.desk.heard), [1, 2, 3, 4]);
        sender.join().unwrap();
        consumer.end();
    });
}

/// The consumer dies: each message is handled, dropped with the mailbox, or the sender's still, and after a refusal all are refused.
#[test]
fn adding_vs_close() {
    model("segment_adding_vs_close", Bound::Preemptions(3), 320, || {
        let mut consumer = Party::new();
        let to = consumer.address();
        assert!(send(&to, 1));
        let sender = spawn(move || [2, 3, 4].map(|n| send(&to, n)));
        consumer.handle_all();
        let heard = notes(&consumer.die(ExitReason::Kill));
        let sent = sender.join().unwrap();
        assert!(sent.is_sorted_by(|before, after| before >= after), "{sent:?}");
        let accepted = 1 + sent.iter().filter(|sent| **sent).count();
        assert!(heard.len() <= accepted && heard.iter().copied().eq(1..=heard.len() as u32), "{heard:?}");
    });
}

/// Two run ahead, each with segments of its own: all arrives, each one's in order.
#[test]
fn two_adding_vs_taking() {
    model("segment_two_adding_vs_taking", Bound::Preemptions(2), 2_700, || {
        let mut consumer = Party::new();
        let (to, too) = (consumer.address(), consumer.address());
        assert!(send(&to, 1));
        let other = spawn(move || assert!(send(&too, 7) && send(&too, 8)));
        assert!(send(&to, 2) && send(&to, 3));
        consumer.hear(5);
        let (foreign, own): (Vec<u32>, Vec<u32>) =
            notes(&consumer.desk.heard).into_iter().partition(|n| *n > 6);
        assert_eq!((foreign, own), (vec![7, 8], vec![1, 2, 3]));
        other.join().unwrap();
        consumer.end();
    });
}

/// A sender that goes from thread to thread, each of which has a segment in the same mailbox: it stays in its order.
#[test]
fn moving_vs_taking() {
    model("segment_moving_vs_taking", Bound::NoMoreThan(1, 2), 5_600, || {
        let mut consumer = Party::new();
        let to = consumer.address();
        assert!(send(&to, 1));
        let sender = spawn(move || {
            assert!(send(&to, 2));
            let there = to.clone();
            spawn(move || assert!(send(&there, 3))).join().unwrap();
            assert!(send(&to, 4));
        });
        consumer.hear(4);
        assert_eq!(notes(&consumer.desk.heard), [1, 2, 3, 4]);
        sender.join().unwrap();
        consumer.end();
    });
}

/// A `Down` comes behind what its target has sent, wherever that stands.
#[test]
fn adding_vs_down() {
    model("segment_adding_vs_down", Bound::Preemptions(2), 4_100, || {
        let (mut watcher, target) = (Party::new(), Party::new());
        let key = monitor(&watcher.address(), &target.cell());
        let to = watcher.address();
        assert!(send(&to, 1));
        let exit = spawn(move || {
            assert!(send(&to, 2) && send(&to, 3));
            target.die(ExitReason::Kill);
        });
        watcher.hear(4);
        assert_eq!(notes(&watcher.desk.heard), [1, 2, 3]);
        assert!(is_down(&watcher.desk.heard[3..], key, &ExitReason::Kill));
        exit.join().unwrap();
        watcher.end();
    });
}
