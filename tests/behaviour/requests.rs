//! Asking an actor.

use std::sync::mpsc;
use std::time::Duration;

use deathwatch::tasks::{Actor, Handler};
use deathwatch::{Context, ExitReason, Mailbox, Message, OnFull, Options, Recipient, RequestError};
use futures::executor::block_on;

use crate::support::*;

const SHORT: Duration = Duration::from_millis(5);

fn exited(reason: ExitReason) -> RequestError {
    RequestError::Exited(reason)
}

/// R66: asking a dead actor fails at once, with the reason it died of; by thread and by future.
#[test]
fn asking_the_dead() {
    let _dog = watchdog!();
    for reason in [ExitReason::Normal, ExitReason::Shutdown, ExitReason::Kill, ExitReason::error("worn out")]
    {
        let dead = corpse(reason.clone());
        assert_eq!(dead.request(Note(1)).no_timeout().wait(), Err(exited(reason.clone())));
        assert_eq!(block_on(dead.request(Note(1)).no_timeout()), Err(exited(reason.clone())));
        let recipient: Recipient<Note> = dead.recipient();
        assert_eq!(recipient.request(Note(1)).timeout(Duration::ZERO).wait(), Err(exited(reason)));
    }
}

/// R67: a request that stands in the queue when the actor dies fails at once, with the reason; so does one that the
/// actor is working on.
#[test]
fn the_target_dies_with_the_request() {
    let _dog = watchdog!();
    let runtime = solo();
    let mut kept = Vec::new();
    for way in 0..4 {
        let (target, _) = Puppet::on(&runtime);
        let (hold, held) = Hold::new();
        let (entered, inside) = mpsc::channel();
        let in_handler = target
            .request(act(move |_, _| {
                Box::pin(async move {
                    entered.send(()).unwrap();
                    held.await;
                    7
                })
            }))
            .no_timeout();
        inside.recv().unwrap();
        let queued: Vec<_> = (0..10).map(|n| target.request(Note(n)).no_timeout()).collect();
        let (expected, handled) = match way {
            0 => {
                target.stop();
                hold.release();
                ("normal", true)
            }
            1 => {
                target.stop_with(ExitReason::error("enough"));
                hold.release();
                ("error: enough", true)
            }
            2 => {
                target.kill();
                kept.push(hold); // it is not let go
                ("kill", false)
            }
            _ => {
                hold.panic("in the middle");
                ("panic: in the middle", false)
            }
        };
        for (n, request) in queued.into_iter().enumerate() {
            let outcome = if n % 2 == 0 { request.wait() } else { block_on(request) };
            let Err(RequestError::Exited(reason)) = outcome else { panic!("{outcome:?}") };
            assert_eq!(reason.to_string(), expected);
        }
        match in_handler.wait() {
            Ok(reply) => assert!(handled && reply == 7),
            Err(RequestError::Exited(reason)) => assert!(!handled && reason.to_string() == expected),
            Err(other) => panic!("{other}"),
        }
    }
}

/// R67: the request that is cut off by the panic of its own handler learns of that very panic.
#[test]
fn the_handler_of_the_request_panics() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let outcome = target.request(call(|_, _| -> u32 { panic!("not like this") })).no_timeout().wait();
    assert_eq!(outcome.unwrap_err().to_string(), "no reply: the actor died (panic: not like this)");
}

/// A reply whose drop is counted.
struct Fetch(Option<Held>, Tally);
impl Message for Fetch {
    type Reply = Counted;
}
impl Handler<Fetch> for Puppet {
    async fn handle(&mut self, Fetch(held, tally): Fetch, _: &Context<Self>) -> Counted {
        if let Some(held) = held {
            held.await;
        }
        tally.one()
    }
}

/// R68: a reply that comes after the time limit is seen by nobody, and dropped once.
#[test]
fn a_late_reply_is_dropped() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    for limit in [Duration::ZERO, SHORT] {
        for by_future in [false, true] {
            let tally = Tally::default();
            let (hold, held) = Hold::new();
            let request = target.request(Fetch(Some(held), tally.clone())).timeout(limit);
            let outcome = if by_future { block_on(request) } else { request.wait() };
            assert_eq!(outcome.err(), Some(RequestError::Timeout));
            assert_eq!(tally.count(), 0);
            hold.release();
            target.call(|_, _| ());
            assert_eq!(tally.count(), 1);
        }
    }
}

/// R68: so is one that comes after the request was dropped, whether it was polled before or not; the message is handled
/// all the same.
#[test]
fn the_reply_to_a_dropped_request_is_dropped() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    for polled in [false, true] {
        let tally = Tally::default();
        let (hold, held) = Hold::new();
        let mut request = target.request(Fetch(Some(held), tally.clone()));
        if polled {
            assert!(poll_once(&mut request).is_pending());
        }
        drop(request);
        hold.release();
        target.call(|_, _| ());
        assert_eq!(tally.count(), 1);
    }
}

/// R68: a reply that is there but never looked at is dropped with the request, once; one that was taken is the caller's.
#[test]
fn a_reply_is_dropped_once() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let tally = Tally::default();
    let request = target.request(Fetch(None, tally.clone()));
    target.call(|_, _| ());
    assert_eq!(tally.count(), 0);
    drop(request);
    assert_eq!(tally.count(), 1);

    let tally = Tally::default();
    let reply = target.request(Fetch(None, tally.clone())).no_timeout().wait().ok().unwrap();
    assert_eq!(tally.count(), 0);
    drop(reply);
    assert_eq!(tally.count(), 1);
}

/// R68: replies race with the dropping of their requests: each is dropped once, whoever does it.
#[test]
fn replies_race_with_dropped_requests() {
    let _dog = watchdog!();
    const ROUNDS: usize = 5_000;
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let tally = Tally::default();
    for n in 0..ROUNDS {
        let mut request = target.request(Fetch(None, tally.clone()));
        // Not polled, polled once, or until it is ready or has been looked at three times.
        for _ in 0..[0, 1, 1, 3][n % 4] {
            if poll_once(&mut request).is_ready() {
                break;
            }
        }
        drop(request);
    }
    target.call(|_, _| ());
    assert_eq!(tally.count(), ROUNDS);
}

/// R68: a limit of zero still takes a reply that is there already; without a limit the request waits as long as it takes.
#[test]
fn no_time_and_all_the_time() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let there = target.request(call(|_, _| 7)).timeout(Duration::ZERO);
    target.call(|_, _| ());
    assert_eq!(there.wait(), Ok(7));
    let there = target.request(call(|_, _| 8)).timeout(Duration::ZERO);
    target.call(|_, _| ());
    assert_eq!(block_on(there), Ok(8));

    let (hold, held) = Hold::new();
    let far = target.request(Fetch(Some(held), Tally::default())).timeout(Duration::MAX);
    hold.release();
    assert!(block_on(far).is_ok());
    let (hold, held) = Hold::new();
    let mut endless = target.request(Fetch(Some(held), Tally::default())).no_timeout();
    assert!(poll_once(&mut endless).is_pending());
    hold.release();
    assert!(endless.wait().is_ok());
}

/// R69: a request is no monitor of its target: nothing shows while it waits, nor after its reply, its time limit, or its
/// end by being dropped. (What is left in memory is counted in `leaks`.)
#[test]
fn a_request_leaves_nothing_at_its_target() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    assert_eq!(target.request(call(|_, _| 1)).no_timeout().wait(), Ok(1));
    let hold = target.hold();
    let mut dropped = target.request(Note(1));
    assert!(poll_once(&mut dropped).is_pending());
    drop(dropped);
    assert_eq!(target.request(Note(1)).timeout(SHORT).wait(), Err(RequestError::Timeout));
    assert!(target.monitored_by().is_empty());
    hold.release();
    end(&target);
}

/// R70: a reply that was given just before the death reaches the caller: the handler stops or kills its own actor and
/// returns, or the next message panics.
#[test]
fn a_reply_just_before_the_death() {
    let _dog = watchdog!();
    let runtime = duo();
    for n in 0..300 {
        let (target, _) = Puppet::on(&runtime);
        let request = target
            .request(call(move |_, ctx| {
                match n % 3 {
                    0 => ctx.stop_with(ExitReason::error("afterwards")),
                    1 => ctx.handle().kill(),
                    _ => {
                        ctx.send(call(|_, _| -> () { std::panic::resume_unwind(Box::new("next")) })).unwrap()
                    }
                }
                n
            }))
            .no_timeout();
        target.wait_exit().wait();
        assert_eq!(request.wait(), Ok(n));
    }
}

/// R67, R68: a request can be awaited inside an actor, and the death of the one asked is told there too.
#[test]
fn asking_from_inside_an_actor() {
    let _dog = watchdog!();
    let runtime = solo();
    let (asker, _) = Puppet::on(&runtime);
    let (asked, _) = Puppet::on(&runtime);
    let to = asked.clone();
    let reply = asker.request(act(move |_, _| {
        Box::pin(async move { to.request(call(|_, ctx| ctx.id())).no_timeout().await })
    }));
    assert_eq!(reply.no_timeout().wait().unwrap(), Ok(asked.id()));

    let to = asked.clone();
    let cut_off = asker.request(act(move |_, _| {
        Box::pin(async move { to.request(call(|_, _| -> u32 { panic!("cut off") })).no_timeout().await })
    }));
    assert!(matches!(cut_off.no_timeout().wait().unwrap(), Err(RequestError::Exited(ExitReason::Panic(_)))));
    let to = asked.clone();
    let dead =
        asker.request(act(move |_, _| Box::pin(async move { to.request(Note(1)).no_timeout().await })));
    assert!(matches!(dead.no_timeout().wait().unwrap(), Err(RequestError::Exited(ExitReason::Panic(_)))));
    assert!(asker.is_alive());
}

/// R68: an actor that asks itself waits for itself until the time is over, no longer.
#[test]
fn asking_oneself_ends_with_the_time_limit() {
    let _dog = watchdog!();
    let runtime = solo();
    let (actor, events) = Puppet::on(&runtime);
    let outcome = actor.request(act(|_, ctx| {
        Box::pin(async move { ctx.actor_ref().request(Note(1)).timeout(SHORT).await })
    }));
    assert_eq!(outcome.no_timeout().wait().unwrap(), Err(RequestError::Timeout));
    assert_eq!(events.label(), "note 1");
}

/// R67: an actor that dies while it awaits a reply takes its request along: the one asked lives on.
#[test]
fn an_asker_that_dies() {
    let _dog = watchdog!();
    let runtime = solo();
    let (asker, _) = Puppet::on(&runtime);
    let (asked, _) = Puppet::on(&runtime);
    let tally = Tally::default();
    let (hold, held) = Hold::new();
    let (to, counted) = (asked.clone(), tally.clone());
    asker
        .send(act(move |_, _| {
            Box::pin(async move { drop(to.request(Fetch(Some(held), counted)).no_timeout().await) })
        }))
        .unwrap();
    settle(&runtime);
    asker.kill();
    asker.wait_exit().wait();
    hold.release();
    asked.call(|_, _| ());
    assert_eq!(tally.count(), 1);
    assert!(asked.is_alive());
}

/// R67: a request may be polled by one task first and by another, or by a thread, later: the one who polled last is
/// woken.
#[test]
fn a_request_may_change_hands() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    for by_thread in [false, true] {
        let (hold, held) = Hold::new();
        let mut request = target.request(Fetch(Some(held), Tally::default())).no_timeout();
        assert!(poll_once(&mut request).is_pending());
        let other = std::thread::spawn(move || if by_thread { request.wait() } else { block_on(request) });
        hold.release();
        assert!(other.join().unwrap().is_ok());
    }
}

/// R67: requests keep no actor running: when the last handle goes, what was asked is answered, and the actor ends.
#[test]
fn a_request_does_not_keep_its_target() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, events) = Puppet::on(&runtime);
    let hold = target.hold();
    let request = target.request(call(|_, _| 7)).no_timeout();
    drop(target);
    hold.release();
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
    assert_eq!(request.wait(), Ok(7));
}

/// R67: many threads ask one actor that dies in the middle: each gets its own reply, or the reason.
#[test]
fn many_ask_while_the_target_dies() {
    let _dog = watchdog!();
    struct Echo(u32);
    impl Actor for Echo {}
    impl Handler<Ping> for Echo {
        async fn handle(&mut self, Ping(n): Ping, ctx: &Context<Self>) -> u32 {
            self.0 += 1;
            if self.0 == 500 {
                ctx.stop_with(ExitReason::error("tired"));
            }
            n
        }
    }
    let runtime = duo();
    for _ in 0..20 {
        let echo = runtime.start(Echo(0)).unwrap();
        let answered: u32 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let echo = &echo;
                    scope.spawn(move || {
                        let mut answered = 0;
                        for n in 0..1_000 {
                            match echo.request(Ping(thread * 1_000 + n)).no_timeout().wait() {
                                Ok(reply) => assert_eq!(reply, thread * 1_000 + n),
                                Err(error) => {
                                    assert_eq!(error, exited(ExitReason::error("tired")));
                                    continue;
                                }
                            }
                            answered += 1;
                        }
                        answered
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(answered, 500);
    }
}

/// R66, R68: the time limit holds in every phase: while the request waits for room, for the reply, and for the end of an
/// actor that will not reply any more but takes its time to stop.
#[test]
fn the_limit_holds_in_every_phase() {
    let _dog = watchdog!();
    #[derive(Default)]
    struct Sulks(Option<mpsc::Sender<()>>);
    impl deathwatch::tasks::Actor for Sulks {
        async fn stopped(&mut self, _: &ExitReason, _: &deathwatch::Context<Self>) {
            if let Some(entered) = &self.0 {
                entered.send(()).unwrap();
            }
            std::future::pending().await
        }
    }
    struct Ask(bool);
    impl deathwatch::Message for Ask {
        type Reply = ();
    }
    impl deathwatch::tasks::Handler<Ask> for Sulks {
        async fn handle(&mut self, Ask(panics): Ask, _: &deathwatch::Context<Self>) {
            assert!(!panics, "asked to");
            std::future::pending().await
        }
    }
    use deathwatch::tasks::Actor;
    let runtime = solo();
    let limit = Duration::from_millis(5);
    let full = Sulks::default()
        .start_with(Options::new().runtime(&runtime).mailbox(Mailbox::bounded(1, OnFull::Wait)))
        .unwrap();
    let mut in_its_handler = full.request(Ask(false)).no_timeout();
    assert!(poll_once(&mut in_its_handler).is_pending());
    settle(&runtime);
    let mut in_its_mailbox = full.request(Ask(false)).no_timeout();
    assert!(poll_once(&mut in_its_mailbox).is_pending());
    assert_eq!(block_on(full.request(Ask(false)).timeout(limit)), Err(RequestError::Timeout), "no room");
    let silent = runtime.start(Sulks::default()).unwrap();
    assert_eq!(block_on(silent.request(Ask(false)).timeout(limit)), Err(RequestError::Timeout), "no reply");
    let (entered, inside) = mpsc::channel();
    let sulking = runtime.start(Sulks(Some(entered))).unwrap();
    assert_eq!(block_on(sulking.request(Ask(true)).timeout(limit)), Err(RequestError::Timeout), "no end");
    inside.recv().unwrap();
    sulking.kill();
    assert!(matches!(sulking.wait_exit().wait(), ExitReason::Panic(_)));
}

/// A request that is polled after it was ready says so, and does not give its reply a second time.
#[test]
#[should_panic(expected = "polled after it was ready")]
fn a_reply_is_given_once() {
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    let mut request = target.request(call(|_, _| vec![1, 2, 3]));
    target.call(|_, _| ());
    assert!(poll_once(&mut request).is_ready());
    let _ = poll_once(&mut request);
}

/// Changing the limit of a request that has been polled is harmless.
#[test]
fn the_limit_can_be_changed_late() {
    let _dog = watchdog!();
    let runtime = solo();
    let (target, _) = Puppet::on(&runtime);
    for _ in 0..100 {
        let (hold, held) = Hold::new();
        let mut request = target.request(Fetch(Some(held), Tally::default()));
        for limit in [20, 5, 1] {
            request = request.timeout(Duration::from_millis(limit));
            assert!(poll_once(&mut request).is_pending());
        }
        hold.release();
        assert!(request.no_timeout().wait().is_ok());
    }
}
