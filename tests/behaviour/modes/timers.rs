//! Messages that an actor sends itself later, by a clock that is moved by hand.

use std::time::Duration;

use deathwatch::{ExitReason, Mailbox, Missed, OnFull, Options, RequestError, TimerCancel};

use crate::doll::{Doll, Play, in_both_modes};
use crate::support::{Event, Tally, begun, end, poll_once, solo_by_hand};

in_both_modes! {
    rings_in_its_time
    at_a_given_time
    cancelled_before_it_rings
    cancelled_in_the_mailbox
    cancelled_too_late
    cancelled_in_its_own_handler
    of_the_dead
    an_interval
    an_interval_that_skips
    an_interval_that_catches_up
    an_interval_whose_maker_panics
    ends_with_its_actor
    set_by_the_dying
    keeps_nobody_running
    a_detached_actor_lives_by_it
    set_from_elsewhere
    a_full_mailbox
    not_shown
    requests_go_by_it
    a_hundred_thousand
}

const SECOND: Duration = Duration::from_secs(1);

/// R94: a timer rings at its time and not before, once; two of the same time in the order in which they were set.
fn rings_in_its_time<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    doll.call(|_, ctx| {
        D::note_after(ctx, 3 * SECOND, 3);
        D::note_after(ctx, 2 * SECOND, 1);
        D::note_after(ctx, 2 * SECOND, 2);
        D::note_after(ctx, Duration::ZERO, 0);
    });
    clock.advance(Duration::ZERO);
    assert_eq!(events.label(), "note 0");
    clock.advance(2 * SECOND - Duration::from_nanos(1));
    doll.downs();
    assert_eq!(events.labels(), [""; 0]);
    clock.advance(Duration::from_nanos(1));
    assert_eq!([events.label(), events.label()], ["note 1", "note 2"]);
    clock.advance(SECOND);
    assert_eq!(events.label(), "note 3");
    clock.advance(100 * SECOND);
    doll.downs();
    assert_eq!(events.labels(), [""; 0]);
}

/// R94: a time that is over is now; one that was told by the actor's own clock is exact.
fn at_a_given_time<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    clock.advance(10 * SECOND);
    let now = clock.now();
    doll.call(move |_, ctx| {
        assert!(ctx.now() == now);
        D::note_at(ctx, now + 5 * SECOND, 2);
        D::note_at(ctx, now - 5 * SECOND, 1);
    });
    clock.advance(Duration::ZERO);
    assert_eq!(events.label(), "note 1");
    clock.advance(4 * SECOND);
    doll.downs();
    assert!(events.ready().is_none());
    clock.advance(SECOND);
    assert_eq!(events.label(), "note 2");
}

/// R94: cancelled before it rings, it never does; its message is dropped at once; the second cancel knows nothing.
fn cancelled_before_it_rings<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    let tally = Tally::default();
    let one = tally.one();
    let timer = doll.call(move |_, ctx| D::after(ctx, 10 * SECOND, move |_, _| drop(one)));
    clock.advance(4 * SECOND);
    assert!(timer.is_pending() && timer.actor() == doll.id());
    assert_eq!(timer.cancel(), TimerCancel::Cancelled(6 * SECOND));
    assert_eq!(tally.count(), 1);
    assert!(!timer.is_pending());
    assert_eq!(timer.cancel(), TimerCancel::Unknown);
    clock.advance(100 * SECOND);
    doll.downs();
    assert_eq!(events.labels(), [""; 0]);
}

/// R94: cancelled when its message stands in the mailbox, that is not handled; others keep their order.
fn cancelled_in_the_mailbox<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    let (first, second) = doll.call(|_, ctx| (D::note_after(ctx, SECOND, 1), D::note_after(ctx, SECOND, 2)));
    let wedge = doll.wedge();
    clock.advance(SECOND);
    D::note(&doll, 3);
    assert_eq!(first.cancel(), TimerCancel::Cancelled(Duration::ZERO));
    drop(wedge);
    assert_eq!([events.label(), events.label()], ["note 2", "note 3"]);
    assert_eq!(second.cancel(), TimerCancel::Fired);
}

/// R94: cancelled after its message was handled, it had fired.
fn cancelled_too_late<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    let timer = doll.call(|_, ctx| D::note_after(ctx, SECOND, 1));
    clock.advance(SECOND);
    assert_eq!(events.label(), "note 1");
    assert_eq!([timer.cancel(), timer.cancel()], [TimerCancel::Fired; 2]);
    assert!(!timer.is_pending());
}

/// R94: a timer that is cancelled by its own handler has fired; an interval comes no more.
fn cancelled_in_its_own_handler<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    doll.call(|_, ctx| {
        let (give, take) = std::sync::mpsc::channel::<deathwatch::TimerRef>();
        let timer = D::after(ctx, SECOND, move |doll, _| {
            assert_eq!(take.recv().expect("sent").cancel(), TimerCancel::Fired);
            doll.tell(Event::Note(1));
        });
        give.send(timer).expect("waited for");
    });
    clock.advance(SECOND);
    assert_eq!(events.label(), "note 1");
    let interval = doll.call(|_, ctx| D::note_every(ctx, SECOND, Missed::CatchUp, || 2));
    clock.advance(SECOND);
    assert_eq!(events.label(), "note 2");
    let cancelled = doll.call(move |_, _| interval.cancel());
    assert_eq!(cancelled, TimerCancel::Cancelled(SECOND));
    clock.advance(100 * SECOND);
    doll.downs();
    assert_eq!(events.labels(), [""; 0]);
}

/// R94: the timers of the dead are over, however it died, and so are those that are set then.
fn of_the_dead<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    for way in 0..4 {
        let (doll, events) = D::on(&runtime);
        let context = doll.context();
        let (timer, interval, in_the_mailbox) = doll.call(|_, ctx| {
            let interval = D::note_every(ctx, SECOND, Missed::Skip, || 2);
            (D::note_after(ctx, 2 * SECOND, 1), interval, D::note_after(ctx, SECOND, 3))
        });
        let wedge = doll.wedge();
        clock.advance(SECOND);
        let gone = begun(doll.wait_exit());
        match way {
            0 => doll.stop(),
            1 => doll.kill(),
            2 => doll.stop_with(ExitReason::error("worn out")),
            _ => {}
        }
        wedge.release_after(move || assert_ne!(way, 3, "boom"));
        gone.wait();
        for timer in [&timer, &interval, &in_the_mailbox] {
            assert!(!timer.is_pending());
            assert_eq!(timer.cancel(), TimerCancel::Unknown);
        }
        let late = D::note_after(&context, SECOND, 4);
        let late_interval = D::note_every(&context, SECOND, Missed::CatchUp, || 5);
        assert_eq!([late.cancel(), late_interval.cancel()], [TimerCancel::Unknown; 2]);
        clock.advance(100 * SECOND);
        assert!(!events.until_gone().iter().any(|label| label.starts_with("note")));
    }
}

/// R94: an interval rings after each period, with what is made for each.
fn an_interval<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    for missed in [Missed::Skip, Missed::CatchUp] {
        let (doll, events) = D::on(&runtime);
        let mut numbers = 1..;
        let interval = doll.call(move |_, ctx| {
            D::note_every(ctx, 10 * SECOND, missed, move || numbers.next().expect("there are many"))
        });
        for n in 1..=5 {
            clock.advance(9 * SECOND);
            doll.downs();
            assert!(events.ready().is_none() && interval.is_pending());
            clock.advance(SECOND);
            assert_eq!(events.label(), format!("note {n}"));
        }
        clock.advance(3 * SECOND);
        assert_eq!(interval.cancel(), TimerCancel::Cancelled(7 * SECOND));
        clock.advance(100 * SECOND);
        doll.downs();
        assert_eq!(events.labels(), [""; 0]);
    }
}

/// R94: what comes while the last one is not handled is left out; the next comes when it would have come anyway.
fn an_interval_that_skips<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    let mut numbers = 1..;
    doll.call(move |_, ctx| {
        D::note_every(ctx, 10 * SECOND, Missed::Skip, move || numbers.next().expect("there are many"))
    });
    let wedge = doll.wedge();
    clock.advance(45 * SECOND);
    drop(wedge);
    doll.downs();
    assert_eq!(events.labels(), ["note 1"]);
    clock.advance(4 * SECOND);
    doll.downs();
    assert!(events.ready().is_none());
    clock.advance(SECOND);
    assert_eq!(events.label(), "note 2");
}

/// R94: what comes while the last one is not handled is counted, and handled one after the other, behind what came between.
fn an_interval_that_catches_up<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    let mut numbers = 1..;
    let interval = doll.call(move |_, ctx| {
        D::note_every(ctx, 10 * SECOND, Missed::CatchUp, move || numbers.next().expect("there are many"))
    });
    let wedge = doll.wedge();
    clock.advance(45 * SECOND);
    D::note(&doll, 99);
    drop(wedge);
    let labels: Vec<_> = (0..5).map(|_| events.label()).collect();
    assert_eq!(labels, ["note 1", "note 99", "note 2", "note 3", "note 4"]);
    clock.advance(5 * SECOND);
    assert_eq!(events.label(), "note 5");
    // Cancelled, it owes nothing.
    let wedge = doll.wedge();
    clock.advance(50 * SECOND);
    assert_eq!(interval.cancel(), TimerCancel::Cancelled(10 * SECOND));
    drop(wedge);
    doll.downs();
    assert_eq!(events.labels(), [""; 0]);
}

/// R94: a panic of what makes the messages is one of the handler.
fn an_interval_whose_maker_panics<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    for missed in [Missed::Skip, Missed::CatchUp] {
        let (doll, _events) = D::on(&runtime);
        let tally = Tally::default();
        let one = tally.one();
        doll.call(move |_, ctx| {
            D::note_every(ctx, SECOND, missed, move || {
                let _held = &one;
                panic!("no more")
            })
        });
        let wedge = doll.wedge();
        clock.advance(3 * SECOND);
        let gone = begun(doll.wait_exit());
        drop(wedge);
        assert_eq!(gone.wait().to_string(), "panic: no more");
        assert_eq!(tally.count(), 1);
    }
}

/// R94: what the timers of an actor hold is dropped with it, and not when they would have rung.
fn ends_with_its_actor<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    for kill in [true, false] {
        let (doll, _events) = D::on(&runtime);
        let tally = Tally::default();
        let ones: Vec<_> = (0..1_000).map(|_| tally.one()).collect();
        let held = tally.one();
        doll.call(move |_, ctx| {
            for (n, one) in ones.into_iter().enumerate() {
                D::after(ctx, n as u32 * SECOND, move |_, _| drop(one));
            }
            D::note_every(ctx, SECOND, Missed::CatchUp, move || {
                let _held = &held;
                1
            });
        });
        clock.advance(10 * SECOND);
        doll.downs();
        assert_eq!(tally.count(), 11);
        if kill {
            let gone = begun(doll.wait_exit());
            doll.kill();
            gone.wait();
        } else {
            end(&doll);
        }
        assert_eq!(tally.count(), 1_001);
    }
}

/// R94: what is set in the stop hook never rings, and leaves nothing behind.
fn set_by_the_dying<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let tally = Tally::default();
    let one = tally.one();
    let (doll, events) = D::new();
    let doll = doll.at_stop(move |ctx| {
        D::note_after(ctx, Duration::ZERO, 1);
        D::after(ctx, SECOND, move |_, _| drop(one));
    });
    let doll = doll.start_with(Options::new().runtime(&runtime)).expect("the runtime runs");
    end(&doll);
    assert_eq!(tally.count(), 1);
    clock.advance(2 * SECOND);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// R94: timers keep nobody running: with the last handle the actor stops, and they go with it.
fn keeps_nobody_running<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    doll.call(|_, ctx| {
        D::note_after(ctx, SECOND, 1);
        D::note_every(ctx, SECOND, Missed::CatchUp, || 2);
    });
    let gone = doll.wait_exit();
    drop(doll);
    assert_eq!(gone.wait(), ExitReason::Normal);
    clock.advance(2 * SECOND);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// R94: one that was detached goes on, by its timers alone.
fn a_detached_actor_lives_by_it<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    doll.call(|_, ctx| {
        D::after(ctx, SECOND, |doll, ctx| {
            D::after(ctx, SECOND, |_, ctx| ctx.stop());
            doll.tell(Event::Note(1));
        });
    });
    let weak = doll.downgrade();
    doll.detach();
    assert!(weak.is_alive());
    clock.advance(SECOND);
    assert_eq!(events.label(), "note 1"); // the second is set
    assert!(weak.is_alive());
    clock.advance(SECOND);
    assert_eq!(weak.wait_exit().wait(), ExitReason::Normal);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// R94: by a context that was taken elsewhere.
fn set_from_elsewhere<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    let context = doll.context();
    let timers: Vec<_> = std::thread::scope(|scope| {
        let set = |n| {
            let context = &context;
            scope.spawn(move || D::note_after(context, SECOND, n))
        };
        let setting: Vec<_> = (0..4).map(set).collect();
        setting.into_iter().map(|one| one.join().expect("it sets")).collect()
    });
    assert!(matches!(timers[0].cancel(), TimerCancel::Cancelled(left) if left == SECOND));
    clock.advance(SECOND);
    let mut labels: Vec<_> = (0..3).map(|_| events.label()).collect();
    labels.sort();
    assert_eq!(labels, ["note 1", "note 2", "note 3"]);
}

/// R94: a full mailbox does not refuse it, and it takes nobody's place.
fn a_full_mailbox<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    for on_full in [OnFull::Reject, OnFull::DropNewest, OnFull::DropOldest] {
        let (doll, events) = D::new();
        let options = Options::new().runtime(&runtime).mailbox(Mailbox::bounded(2, on_full));
        let doll = doll.start_with(options).expect("the runtime runs");
        doll.call(|_, ctx| {
            D::note_after(ctx, SECOND, 7);
            D::note_every(ctx, SECOND, Missed::CatchUp, || 8);
        });
        let wedge = doll.wedge();
        D::note(&doll, 1);
        D::note(&doll, 2);
        clock.advance(SECOND);
        drop(wedge);
        let labels: Vec<_> = (0..4).map(|_| events.label()).collect();
        assert_eq!(labels, ["note 1", "note 2", "note 7", "note 8"]);
        // Nor has it given back a place that it never had.
        if on_full == OnFull::Reject {
            doll.downs();
            let wedge = doll.wedge();
            assert!(D::try_note(&doll, 3) && D::try_note(&doll, 4) && !D::try_note(&doll, 5));
            drop(wedge);
        }
    }
}

/// R57: a timer is no monitor.
fn not_shown<D: Doll>() {
    let (runtime, _clock) = solo_by_hand();
    let (doll, _events) = D::on(&runtime);
    doll.call(|_, ctx| D::note_after(ctx, SECOND, 1));
    assert_eq!((doll.monitored_by(), doll.monitors()), (vec![], vec![]));
}

/// R68, R69: the time limit of a request is over when the target's clock says so, and nothing of it comes later.
fn requests_go_by_it<D: Doll>() {
    let (runtime, clock) = solo_by_hand();
    let (doll, _events) = D::on(&runtime);
    let dropped = Tally::default();
    let (wedge, reply) = (doll.wedge(), dropped.one());
    let mut asked = doll.ask(move |_, _| reply).timeout(10 * SECOND);
    let mut patient = doll.ask(|_, _| 5).no_timeout();
    assert!(poll_once(&mut asked).is_pending() && poll_once(&mut patient).is_pending());
    clock.advance(10 * SECOND - Duration::from_nanos(1));
    assert!(poll_once(&mut asked).is_pending());
    clock.advance(Duration::from_nanos(1));
    assert!(matches!(poll_once(&mut asked), std::task::Poll::Ready(Err(RequestError::Timeout))));
    drop((asked, wedge));
    assert_eq!(patient.wait(), Ok(5));
    assert_eq!(dropped.count(), 1);
}

/// Many at once, in order, and all gone with the actor.
fn a_hundred_thousand<D: Doll>() {
    const MANY: u32 = 100_000;
    let (runtime, clock) = solo_by_hand();
    let (doll, events) = D::on(&runtime);
    doll.call(|_, ctx| {
        for n in 0..MANY {
            // A permutation of the times.
            D::note_after(ctx, Duration::from_micros(u64::from(n) * 7_919 % 100_000 + 1), n);
        }
    });
    clock.advance(Duration::from_micros(50_000));
    let heard = (0..MANY / 2).map(|_| match events.next() {
        Event::Note(n) => u64::from(n) * 7_919 % 100_000,
        other => panic!("{other:?}"),
    });
    assert!(heard.eq(0..50_000));
    end(&doll);
    clock.advance(SECOND);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}
