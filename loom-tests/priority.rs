//! A `Down` that overtakes goes past the mailbox: what holds of an ordinary one holds of it.

use deathwatch::Down;
use deathwatch::ExitReason;
use deathwatch::internals::cell::Birth;
use deathwatch::internals::mailbox::node::Chain;
use deathwatch::internals::monitor::entry::{Notice, Rank, watch};
use deathwatch::internals::structs::future::SlotFuture;

use crate::crew::{Deck, Log, Pool};
use crate::fixture::{Heard, Note, Party, is_down, monitor_priority, spawn, took_back};
use crate::harness::{Bound, model};

impl Party {
    /// Looks at what has come, and handles all.
    fn look_and_handle(&mut self) {
        assert_eq!(self.look(), None);
        self.handle_all();
    }
}

/// R54: monitored while it dies: one Down.
#[test]
fn priority_attach_vs_exit() {
    model("priority_attach_vs_exit", Bound::Unbounded, 19, || {
        let (mut watcher, target) = (Party::new(), Party::new());
        let (address, cell) = (watcher.address(), target.cell());
        let exit = spawn(move || target.die(ExitReason::Kill));
        let key = monitor_priority(&address, &cell);
        exit.join().unwrap();
        watcher.look_and_handle();
        assert!(is_down(&watcher.end(), key, &ExitReason::Kill));
    });
}

/// R29, R54: taken back while the target dies and the watcher handles what has come: it was taken back, or is told, once.
#[test]
fn priority_demonitor_vs_exit_vs_handling() {
    model("priority_demonitor_vs_exit_vs_handling", Bound::Preemptions(3), 6_000, || {
        let (mut watcher, target) = (Party::new(), Party::new());
        let (cell, key) = (watcher.cell(), monitor_priority(&watcher.address(), &target.cell()));
        let exit = spawn(move || target.die(ExitReason::Kill));
        let handling = spawn(move || {
            watcher.look_and_handle();
            watcher
        });
        let prevented = took_back(&cell, key);
        exit.join().unwrap();
        let mut watcher = handling.join().unwrap();
        watcher.look_and_handle();
        assert!(is_down(&watcher.end(), key, &ExitReason::Kill) != prevented);
    });
}

/// R44, R54: both die at once: nothing is told, nothing is left.
#[test]
fn priority_watcher_exit_vs_target_exit() {
    model("priority_watcher_exit_vs_target_exit", Bound::Preemptions(3), 630, || {
        let (watcher, target) = (Party::new(), Party::new());
        monitor_priority(&watcher.address(), &target.cell());
        let exit = spawn(move || target.die(ExitReason::Kill));
        assert!(watcher.die(ExitReason::Kill).is_empty());
        exit.join().unwrap();
    });
}

/// Two deaths, and a message before each, seen with two looks. How much is handled between them?
fn two_deaths(between: fn(&mut Party)) {
    let (mut watcher, one, other) = (Party::new(), Party::new(), Party::new());
    let address = watcher.address();
    let keys = [&one, &other].map(|target| monitor_priority(&address, &target.cell()));
    let exits = spawn(move || {
        for (number, target) in [(1, one), (2, other)] {
            assert!(address.push_parcel(Note::parcel(number)).is_ok());
            target.die(ExitReason::Kill);
        }
    });
    assert_eq!(watcher.look(), None);
    between(&mut watcher);
    exits.join().unwrap();
    watcher.look_and_handle();
    let (mut downs, mut notes) = (Vec::new(), Vec::new());
    let heard = watcher.end();
    for told in &heard {
        match told {
            Heard::Down(key, _) => downs.push(*key),
            Heard::Note(number) => notes.push(*number),
            Heard::Exit(..) => unreachable!("there is no link"),
        }
    }
    assert_eq!((&downs[..], &notes[..]), (&keys[..], &[1, 2][..]));
    assert!(matches!(heard[3], Heard::Note(2)), "the Downs have overtaken");
}

/// R54: the messages are handled in their order, and the Downs in theirs, before every message that is handled after the look that
/// found them.
#[test]
fn priority_downs_vs_handling() {
    model("priority_downs_vs_looking", Bound::Preemptions(3), 14, || two_deaths(|_| ()));
    model("priority_downs_vs_handling", Bound::Preemptions(3), 34, || {
        two_deaths(|watcher| {
            watcher.handle_one();
        });
    });
}

/// Tells a log of a death.
struct TellLog(Log);

impl Notice<Deck> for TellLog {
    fn notify<'a>(self, _: Down, _: &'a mut Deck) -> SlotFuture<'a> {
        self.0.note(1);
        SlotFuture::ready()
    }
}

/// R54: the target dies, and then the last handle to the watcher goes: what was brought before that is handled, as what was sent is.
#[test]
fn priority_exit_vs_last_handle() {
    model("priority_exit_vs_last_handle", Bound::Preemptions(3), 720, || {
        let (pool, log, target) = (Pool::new(), Log::new(), Party::new());
        let watcher = pool.sleeper(Birth::default());
        watch(&watcher, &target.cell(), TellLog(log.clone()), Rank::Priority, None);
        watcher.cell().wake(); // it looks around while all this happens
        let last = spawn(move || {
            target.die(ExitReason::Kill);
            drop(watcher);
        });
        pool.run();
        last.join().unwrap();
        pool.run();
        assert_eq!(log.read(), [1]);
    });
}

/// R54: in front stands what overtakes, then what was put aside before, then the rest; each kind in its own order.
#[test]
fn those_in_front() {
    fn chain<const N: usize>(numbers: [u32; N]) -> Chain {
        let mut chain = Chain::new();
        for number in numbers {
            // SAFETY: ours.
            unsafe { chain.push(Note::parcel(number).into_raw()) };
        }
        chain
    }
    model("those_in_front", Bound::Unbounded, 1, || {
        let mut party = Party::new();
        let cell = party.cell();
        assert!(party.address().push_parcel(Note::parcel(8)).is_ok());
        // SAFETY: the model is the consumer, and the notes are made for its stage.
        unsafe {
            cell.inbox.gather();
            cell.inbox.put_in_front(chain([6, 7]));
            cell.inbox.put_ahead(chain([0, 1]));
            cell.inbox.put_ahead(chain([2]));
            assert!(party.handle_one() && party.handle_one());
            cell.inbox.put_in_front(chain([4, 5]));
            cell.inbox.put_ahead(chain([3]));
            assert!(party.handle_one() && party.handle_one());
            cell.inbox.put_in_front(chain([]));
            cell.inbox.put_ahead(chain([]));
        }
        let heard = party.end();
        assert_eq!(heard, (0..9).map(Heard::Note).collect::<Vec<_>>());
    });
}
