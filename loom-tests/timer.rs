//! A timer rings while it is cancelled, handled, or its actor dies: its message is handled once or dropped once, and nothing stays.
//!
//! The clock of these models is the main thread, which has the alarm and rings it. (It goes first: see CONTRIBUTING.md.)

use deathwatch::ExitReason;
use deathwatch::internals::monitor::entry::timer::{Missed, TimerCancel, every, once};
use deathwatch::internals::structs::alarm::{AlarmRef, Ring};
use deathwatch::internals::sync::thread::JoinHandle;

use crate::fixture::{Heard, Note, Party, Token, spawn};
use crate::harness::{Bound, model};

/// Rings at these times, for as long as it is to ring again.
fn ring(alarm: Option<AlarmRef>, times: &[u64]) {
    let alarm = alarm.expect("the actor lives");
    for now in times {
        match alarm.ring(Ring::Due(*now)) {
            Some(next) => alarm.set_when(next),
            None => break,
        }
    }
}

/// Handles what there is, on a thread of its own.
fn handling(mut party: Party) -> JoinHandle<Party> {
    spawn(move || {
        party.handle_all();
        party
    })
}

/// What was told, of one whose message is handled at most so often.
fn notes(heard: &[Heard], most: usize) -> usize {
    assert!(heard.iter().all(|heard| *heard == Heard::Note(1)));
    assert!(heard.len() <= most, "{heard:?}");
    heard.len()
}

/// Cancelled, it is not handled; not cancelled, it has fired, and is handled.
#[test]
fn ring_vs_cancel_vs_handling() {
    model("timer_ring_vs_cancel_vs_handling", Bound::Preemptions(2), 27_000, || {
        let party = Party::new();
        let (handle, alarm) = once(&party.address(), 1, Note::new(1));
        let handling = handling(party);
        let cancel = spawn(move || handle.cancel());
        ring(alarm, &[1]);
        let cancelled = cancel.join().unwrap();
        let handled = notes(&handling.join().unwrap().end(), 1);
        match cancelled {
            TimerCancel::Cancelled(_) => assert_eq!(handled, 0),
            TimerCancel::Fired => assert_eq!(handled, 1),
            TimerCancel::Unknown => panic!("nobody else cancels"),
        }
    });
}

/// Its actor dies meanwhile.
#[test]
fn ring_vs_cancel_vs_exit() {
    model("timer_ring_vs_cancel_vs_exit", Bound::NoMoreThan(1, 2), 18_000, || {
        let mut party = Party::new();
        let (handle, alarm) = once(&party.address(), 1, Note::new(1));
        let exit = spawn(move || {
            party.handle_all();
            party.die(ExitReason::Kill)
        });
        let cancel = spawn(move || (handle.cancel(), handle));
        ring(alarm, &[1]);
        let heard = exit.join().unwrap();
        let (cancelled, handle) = cancel.join().unwrap();
        let handled = notes(&heard, 1);
        match cancelled {
            TimerCancel::Cancelled(_) | TimerCancel::Unknown => assert_eq!(handled, 0),
            TimerCancel::Fired => assert_eq!(handled, 1),
        }
        assert_ne!(handle.cancel(), TimerCancel::Cancelled(std::time::Duration::ZERO));
    });
}

/// It is set by another thread while its actor dies.
#[test]
fn setting_vs_exit() {
    model("timer_setting_vs_exit", Bound::Preemptions(3), 3_400, || {
        let party = Party::new();
        let address = party.address();
        let exit = spawn(move || party.die(ExitReason::Kill));
        let (handle, alarm) = once(&address, 1, Note::new(1));
        if let Some(alarm) = alarm {
            assert_eq!(alarm.ring(Ring::Due(1)), None);
        }
        assert!(exit.join().unwrap().is_empty());
        assert_eq!(handle.cancel(), TimerCancel::Unknown);
    });
}

/// What makes the messages of an interval: it must be dropped, once.
fn maker() -> impl FnMut() -> Note + Send + 'static {
    let token = Token::new();
    move || {
        let _held = &token;
        Note::new(1)
    }
}

/// An interval that counts what is missed: each ringing is handled, however the ringing meets the handling.
#[test]
fn interval_vs_handling() {
    model("timer_interval_vs_handling", Bound::Preemptions(3), 1_600, || {
        let party = Party::new();
        let (handle, alarm) = every(&party.address(), 1, Missed::CatchUp, maker());
        let handling = handling(party);
        // The second time it is late by one, and so rings for two.
        ring(alarm, &[1, 3]);
        let mut party = handling.join().unwrap();
        party.handle_all();
        assert!(matches!(handle.cancel(), TimerCancel::Cancelled(_)));
        assert_eq!(notes(&party.end(), 3), 3);
    });
}

/// An interval that skips, cancelled while it rings and while the message of one ringing is made.
#[test]
fn interval_vs_cancel_vs_handling() {
    model("timer_interval_vs_cancel_vs_handling", Bound::NoMoreThan(1, 2), 99_000, || {
        let party = Party::new();
        let (handle, alarm) = every(&party.address(), 1, Missed::Skip, maker());
        let handling = handling(party);
        let cancel = spawn(move || assert!(matches!(handle.cancel(), TimerCancel::Cancelled(_))));
        ring(alarm, &[1, 2]);
        let party = handling.join().unwrap();
        cancel.join().unwrap();
        let before = party.desk.heard.len();
        assert_eq!(notes(&party.end(), 2), before, "cancelled, nothing more is handled");
    });
}

/// An interval whose actor dies.
#[test]
fn interval_vs_exit() {
    model("timer_interval_vs_exit", Bound::Preemptions(3), 16_000, || {
        let mut party = Party::new();
        let (handle, alarm) = every(&party.address(), 1, Missed::CatchUp, maker());
        let exit = spawn(move || {
            party.handle_all();
            party.die(ExitReason::Kill)
        });
        ring(alarm, &[1, 2]);
        notes(&exit.join().unwrap(), 2);
        assert_eq!(handle.cancel(), TimerCancel::Unknown);
    });
}
