//! Mailboxes and their limits.

use std::task::Poll;

use deathwatch::tasks::Actor;
use deathwatch::{
    ActorRef, ExitReason, Mailbox, OnFull, Options, RequestError, Runtime, SendError, StartError,
};

use crate::support::*;

const POLICIES: [OnFull; 4] = [OnFull::Reject, OnFull::Wait, OnFull::DropNewest, OnFull::DropOldest];

fn bounded(runtime: &Runtime, capacity: usize, policy: OnFull) -> (ActorRef<Puppet>, Events) {
    Puppet::with(Options::new().runtime(runtime).mailbox(Mailbox::bounded(capacity, policy)))
}

/// Misuse: a mailbox without room, or with more than there can be, is an error, and the actor is dropped.
#[test]
fn capacities_that_make_no_sense() {
    let _dog = watchdog!();
    let runtime = solo();
    for policy in POLICIES {
        for capacity in [0, usize::MAX, (1 << 32) + 1] {
            let (puppet, events) = Puppet::new();
            let options = Options::new().runtime(&runtime).mailbox(Mailbox::bounded(capacity, policy));
            let error = puppet.start_with(options).unwrap_err();
            assert!(matches!(error, StartError::Capacity(n) if n == capacity), "{error}");
            assert_eq!(events.until_gone(), ["dropped"]);
        }
    }
    assert_eq!(runtime.live_actors(), 0);
}

/// `Reject`: what does not fit comes back; the message being handled takes no place.
#[test]
fn reject_gives_the_message_back() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = bounded(&runtime, 2, OnFull::Reject);
    let hold = actor.hold();
    actor.send(Note(1)).unwrap();
    actor.send(Note(2)).unwrap();
    let error = actor.send(Note(3)).unwrap_err();
    assert!(error.is_full() && error.reason().is_none());
    assert_eq!(error.into_message(), Note(3));
    assert_eq!(actor.request(Note(4)).no_timeout().wait(), Err(RequestError::Full));
    assert!(actor.send_wait(Note(5)).wait().unwrap_err().is_full(), "there is no waiting with this policy");
    hold.release();
    let told: Vec<_> = (0..2).map(|_| events.label()).collect();
    assert_eq!(told, ["note 1", "note 2"]);
}

/// `DropNewest`: what does not fit is dropped, and the sender not told; a request is.
#[test]
fn drop_newest_drops_silently() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = bounded(&runtime, 2, OnFull::DropNewest);
    let tally = Tally::default();
    let hold = actor.hold();
    actor.send(Note(1)).unwrap();
    actor.send(Note(2)).unwrap();
    actor.send(Cargo(tally.one())).unwrap();
    assert_eq!(tally.count(), 1);
    actor.send(Note(3)).unwrap();
    assert_eq!(actor.request(Note(4)).no_timeout().wait(), Err(RequestError::Full));
    actor.send_wait(Note(5)).wait().unwrap();
    hold.release();
    assert_eq!(actor.join().wait(), ExitReason::Normal);
    assert_eq!(events.until_gone(), ["note 1", "note 2", "stopped normal", "dropped"]);
}

/// `DropOldest`: the oldest makes room, in its order; a request that is driven out learns that, and not when the actor
/// dies but at once.
#[test]
fn drop_oldest_makes_room() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = bounded(&runtime, 3, OnFull::DropOldest);
    let tally = Tally::default();
    let hold = actor.hold();
    actor.send(Cargo(tally.one())).unwrap();
    let driven_out = actor.request(Note(0)).no_timeout();
    let kept = actor.request(Note(1)).no_timeout();
    for n in 2..4 {
        actor.send(Note(n)).unwrap();
    }
    assert_eq!(tally.count(), 1);
    assert_eq!(driven_out.wait(), Err(RequestError::Full));
    hold.release();
    assert_eq!(kept.wait(), Ok(()));
    assert_eq!(actor.join().wait(), ExitReason::Normal);
    assert_eq!(events.until_gone(), ["note 1", "note 2", "note 3", "stopped normal", "dropped"]);
}

/// `DropOldest`: from many threads, with the actor at work: nobody is refused, each sender's messages come in order, and
/// each is either handled or dropped once.
#[test]
fn drop_oldest_under_load() {
    let _dog = watchdog!();
    const EACH: u32 = 5_000;
    let runtime = duo();
    let (actor, events) = bounded(&runtime, 16, OnFull::DropOldest);
    let tally = Tally::default();
    std::thread::scope(|scope| {
        for sender in 0..3 {
            let (actor, tally) = (&actor, &tally);
            scope.spawn(move || {
                for n in 0..EACH {
                    let counted = tally.one();
                    actor
                        .send(call(move |puppet, _| {
                            puppet.events.send(Event::Note(sender * EACH + n)).unwrap();
                            drop(counted);
                        }))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(actor.join().wait(), ExitReason::Normal);
    let mut last = [None; 3];
    let mut handled = 0;
    while let Some(event) = events.ready() {
        if let Event::Note(n) = event {
            let (sender, n) = ((n / EACH) as usize, n % EACH);
            assert!(last[sender].is_none_or(|last| last < n), "in order");
            last[sender] = Some(n);
            handled += 1;
        }
    }
    assert!(handled >= 16, "the last ones at least");
    assert_eq!(tally.count(), 3 * EACH as usize);
}

/// `Wait`: `send` comes back, `send_wait` and `request` wait for room and then go in.
#[test]
fn wait_waits_for_room() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = bounded(&runtime, 1, OnFull::Wait);
    let hold = actor.hold();
    actor.send_wait(Note(1)).wait().unwrap(); // there is room
    assert_eq!(actor.send(Note(9)).unwrap_err().into_message(), Note(9));
    let mut request = actor.request(Note(2)).no_timeout();
    assert!(poll_once(&mut request).is_pending());
    let threads: Vec<_> = (3..6)
        .map(|n| {
            let actor = actor.clone();
            std::thread::spawn(move || match n % 2 {
                0 => actor.send_wait(Note(n)).wait().unwrap(),
                _ => futures::executor::block_on(actor.send_wait(Note(n))).unwrap(),
            })
        })
        .collect();
    hold.release();
    request.wait().unwrap();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(actor.join().wait(), ExitReason::Normal);
    let mut told = events.until_gone();
    assert_eq!(told[..2], ["note 1", "note 2"]);
    told[2..5].sort();
    assert_eq!(told[2..], ["note 3", "note 4", "note 5", "stopped normal", "dropped"]);
}

/// `Wait`: waiting senders are served in the order in which they began to wait, and nobody overtakes them: as long as
/// one waits, `send` finds no room.
#[test]
fn waiting_senders_are_served_in_order() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = bounded(&runtime, 2, OnFull::Wait);
    let hold = actor.hold();
    actor.send(Note(0)).unwrap();
    actor.send(Note(1)).unwrap();
    let mut waiting: Vec<_> = (2..10).map(|n| actor.send_wait(Note(n))).collect();
    assert!(waiting.iter_mut().all(|sender| poll_once(sender).is_pending()));
    hold.release();
    assert_eq!([events.label(), events.label()], ["note 0", "note 1"]);
    settle(&runtime);
    // Two places became free, and belong to the first two who waited.
    assert!(actor.send(Note(99)).unwrap_err().is_full());
    let mut sent = 2;
    let mut waiting = waiting.into_iter().peekable();
    while waiting.peek().is_some() {
        let ready: Vec<_> = waiting.by_ref().take(2).collect();
        for mut sender in ready {
            assert!(poll_once(&mut sender).is_ready(), "it is the turn of {sent}");
            assert_eq!(events.label(), format!("note {sent}"));
            sent += 1;
        }
        settle(&runtime);
        if waiting.peek().is_some() {
            assert!(actor.send(Note(99)).unwrap_err().is_full());
        }
    }
    actor.send(Note(10)).unwrap();
    assert_eq!(events.label(), "note 10");
}

/// `Wait`: one who waits out of turn stays pending until those before it have been served.
#[test]
fn a_later_sender_is_not_served_first() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = bounded(&runtime, 1, OnFull::Wait);
    let hold = actor.hold();
    actor.send(Note(0)).unwrap();
    let (mut first, mut second) = (actor.send_wait(Note(1)), actor.send_wait(Note(2)));
    assert!(poll_once(&mut first).is_pending() && poll_once(&mut second).is_pending());
    hold.release();
    assert_eq!(events.label(), "note 0");
    settle(&runtime);
    assert!(poll_once(&mut second).is_pending(), "the place is the first one's");
    assert!(poll_once(&mut first).is_ready());
    assert_eq!(events.label(), "note 1");
    settle(&runtime);
    assert!(poll_once(&mut second).is_ready());
    assert_eq!(events.label(), "note 2");
}

/// `Wait`: a sender that gives up passes its turn on, whether it had been given a place already or not, and its message
/// is not sent.
#[test]
fn a_sender_that_gives_up_passes_its_place_on() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = bounded(&runtime, 1, OnFull::Wait);
    let hold = actor.hold();
    actor.send(Note(0)).unwrap();
    let tally = Tally::default();
    let mut gives_up_early = actor.send_wait(Cargo(tally.one()));
    let mut gives_up_late = actor.send_wait(Cargo(tally.one()));
    let mut request_too = actor.request(Cargo(tally.one()));
    let mut patient = actor.send_wait(Note(1));
    assert!(poll_once(&mut gives_up_early).is_pending());
    assert!(poll_once(&mut gives_up_late).is_pending());
    assert!(poll_once(&mut request_too).is_pending());
    assert!(poll_once(&mut patient).is_pending());
    drop(gives_up_early);
    assert_eq!(tally.count(), 1);
    hold.release();
    assert_eq!(events.label(), "note 0");
    settle(&runtime);
    assert!(poll_once(&mut patient).is_pending(), "it is not its turn");
    drop(gives_up_late); // it had been given the place
    assert!(poll_once(&mut patient).is_pending());
    drop(request_too);
    assert_eq!(tally.count(), 3);
    assert!(matches!(poll_once(&mut patient), Poll::Ready(Ok(()))));
    assert_eq!(events.label(), "note 1");
}

/// `Wait`: senders that wait are woken by the actor's end, and get their messages back.
#[test]
fn waiting_senders_are_woken_by_the_end() {
    let _dog = watchdog!();
    let runtime = solo();
    for kill in [false, true] {
        let (actor, _events) = bounded(&runtime, 1, OnFull::Wait);
        let hold = actor.hold();
        actor.send(Note(0)).unwrap();
        let mut polled: Vec<_> = (0..3).map(|n| actor.send_wait(Note(n))).collect();
        assert!(polled.iter_mut().all(|sender| poll_once(sender).is_pending()));
        let mut asked = actor.request(Note(7)).no_timeout();
        assert!(poll_once(&mut asked).is_pending());
        let threads: Vec<_> = polled
            .into_iter()
            .map(|sender| std::thread::spawn(move || sender.wait().unwrap_err().into_message()))
            .collect();
        let expected = if kill {
            actor.kill();
            ExitReason::Kill
        } else {
            actor.stop();
            hold.release();
            ExitReason::Normal
        };
        for (n, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), Note(n as u32));
        }
        assert_eq!(asked.wait(), Err(RequestError::Exited(expected.clone())));
        actor.wait_exit().wait();
        assert!(matches!(
            actor.send_wait(Note(9)).wait(),
            Err(SendError::Closed { message: Note(9), reason: Some(reason) }) if reason == expected
        ));
    }
}

/// R66: a mailbox that was full when its actor died is closed, not full: for every policy the dead answer with their
/// reason.
#[test]
fn a_full_mailbox_of_the_dead_is_closed() {
    let _dog = watchdog!();
    let runtime = solo();
    for policy in POLICIES {
        let (actor, _events) = bounded(&runtime, 2, policy);
        let hold = actor.hold();
        let tally = Tally::default();
        for _ in 0..2 {
            actor.send(Cargo(tally.one())).unwrap();
        }
        actor.kill();
        actor.wait_exit().wait();
        drop(hold);
        assert_eq!(tally.count(), 2);
        assert!(matches!(actor.send(Note(1)), Err(SendError::Closed { reason: Some(ExitReason::Kill), .. })));
        assert!(matches!(actor.send_wait(Note(1)).wait(), Err(SendError::Closed { .. })));
        let outcome = actor.request(Note(1)).no_timeout().wait();
        assert_eq!(outcome, Err(RequestError::Exited(ExitReason::Kill)), "{policy:?}");
    }
}

/// `Wait`, under load: nobody is lost and nobody overtakes himself, with room for one.
#[test]
fn waiting_under_load() {
    let _dog = watchdog!();
    const EACH: u32 = 2_000;
    let runtime = duo();
    let (actor, events) = bounded(&runtime, 1, OnFull::Wait);
    std::thread::scope(|scope| {
        for sender in 0..4 {
            let actor = &actor;
            scope.spawn(move || {
                for n in 0..EACH {
                    if n % 7 == 0 {
                        // One that does not wait to the end.
                        let mut fickle = actor.send_wait(Cargo(()));
                        let _ = poll_once(&mut fickle);
                    }
                    actor.send_wait(Note(sender * EACH + n)).wait().unwrap();
                }
            });
        }
    });
    assert!(actor.mailbox_high_water() >= 1);
    assert_eq!(actor.join().wait(), ExitReason::Normal);
    let mut next = [0; 4];
    let mut handled = 0;
    while let Some(event) = events.ready() {
        if let Event::Note(n) = event {
            let sender = (n / EACH) as usize;
            assert_eq!(n % EACH, next[sender]);
            next[sender] += 1;
            handled += 1;
        }
    }
    assert_eq!(handled, 4 * EACH);
}

/// An unbounded mailbox takes what comes, and gives it out in order.
#[test]
fn unbounded_takes_everything() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = Puppet::with(Options::new().runtime(&runtime).mailbox(Mailbox::unbounded()));
    let hold = actor.hold();
    for n in 0..10_000 {
        actor.send(Note(n)).unwrap();
    }
    hold.release();
    for n in 0..10_000 {
        assert_eq!(events.label(), format!("note {n}"));
    }
    assert!(actor.mailbox_high_water() >= 10_000);
}

/// What an actor sends itself counts like anybody's message.
#[test]
fn sending_to_oneself_is_limited_too() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = bounded(&runtime, 2, OnFull::Reject);
    let refused = actor.call(|_, ctx| (0..4).filter(|&n| ctx.send(Note(n)).is_err()).count());
    assert_eq!(refused, 2);
    assert_eq!([events.label(), events.label()], ["note 0", "note 1"]);
}

/// R17 and R67 for a mailbox that drops its oldest, under contention: every request that is not displaced is answered.
#[test]
fn drop_oldest_strands_nothing() {
    let _dog = watchdog!();
    let runtime = duo();
    let (target, _) =
        Puppet::with(Options::new().runtime(&runtime).mailbox(Mailbox::bounded(1_000, OnFull::DropOldest)));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for n in 0..20_000 {
                    // Three are never too many for it, so none is displaced.
                    assert_eq!(target.request(call(move |_, _| n)).no_timeout().wait(), Ok(n));
                }
            });
        }
    });
}

/// A sender that waits for room and gives up leaves nothing behind, however often.
#[test]
fn who_gives_up_waiting_is_forgotten() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, events) =
        Puppet::with(Options::new().runtime(&runtime).mailbox(Mailbox::bounded(1, OnFull::Wait)));
    let hold = target.hold();
    target.send(Note(1)).unwrap();
    let mut patient = target.send_wait(Note(2));
    assert!(poll_once(&mut patient).is_pending());
    for _ in 0..10_000 {
        assert!(poll_once(&mut target.send_wait(Note(3))).is_pending());
    }
    hold.release();
    assert!(patient.wait().is_ok());
    assert_eq!((events.label(), events.label()), ("note 1".to_owned(), "note 2".to_owned()));
}
