//! What brings an actor messages: streams, iterators, futures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use deathwatch::{ExitReason, Mailbox, OnFull, Options, StreamEnd};
use futures::channel::mpsc::unbounded;
use futures::channel::oneshot;
use futures::{StreamExt, stream};

use crate::doll::{Doll, Play, in_both_modes};
use crate::support::{Event, Tally, begun, duo, end, settle, solo};

in_both_modes! {
    items_and_the_end
    an_iterator
    an_iterator_that_blocks
    no_more_than_the_limit
    ends_with_its_actor
    an_iterator_ends_with_its_actor
    detached
    a_panic_that_is_told
    a_panic_that_is_not_told
    keeps_nobody_running
    a_stream_that_is_always_ready
    a_future_piped
    on_a_future
    of_the_dead
    not_counted_and_not_shown
    a_full_mailbox
}

/// Waits until something is so.
fn until(mut what: impl FnMut() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

/// R94: the items of a stream are handled in their order, and its end is told behind them.
fn items_and_the_end<D: Doll>() {
    let runtime = solo();
    let (doll, events) = D::on(&runtime);
    let (say, said) = unbounded();
    let attachment = doll.call(move |_, ctx| {
        D::attach_with(ctx, said, 3, |doll, why| {
            assert_eq!(why, StreamEnd::Done);
            doll.tell(Event::Note(99));
        })
    });
    assert!(attachment.actor() == doll.id() && attachment.is_attached());
    for n in 0..10 {
        say.unbounded_send(n).expect("attached");
        assert_eq!(events.label(), format!("note {n}"));
    }
    (10..20).for_each(|n| say.unbounded_send(n).expect("attached"));
    drop(say);
    (10..20).for_each(|n| assert_eq!(events.label(), format!("note {n}")));
    assert_eq!(events.label(), "note 99");
    until(|| !attachment.is_attached());
    assert!(!attachment.detach());
    assert!(doll.is_alive());
}

/// R94: so are those of an iterator; the end need not be told.
fn an_iterator<D: Doll>() {
    let runtime = solo();
    let (doll, events) = D::on(&runtime);
    doll.call(|_, ctx| {
        D::attach_iter_with(ctx, 0..100, 1, |doll, why| {
            assert_eq!(why, StreamEnd::Done);
            doll.tell(Event::Note(100));
        })
    });
    (0..=100).for_each(|n| assert_eq!(events.label(), format!("note {n}")));
    let attachment = doll.call(|_, ctx| D::attach_iter(ctx, 0..100));
    (0..100).for_each(|n| assert_eq!(events.label(), format!("note {n}")));
    until(|| !attachment.is_attached());
    doll.downs();
    assert!(events.ready().is_none());
}

/// R94: an iterator that blocks holds up nobody.
fn an_iterator_that_blocks<D: Doll>() {
    let runtime = solo();
    let (doll, events) = D::on(&runtime);
    let (say, said) = mpsc::channel();
    doll.call(move |_, ctx| D::attach_iter(ctx, said.into_iter()));
    D::note(&doll, 1);
    assert_eq!(events.label(), "note 1");
    say.send(2).expect("attached");
    assert_eq!(events.label(), "note 2");
    settle(&runtime);
}

/// R94: a stream is not polled further while so many of its items are unhandled.
fn no_more_than_the_limit<D: Doll>() {
    const LIMIT: usize = 4;
    let runtime = duo();
    let (doll, events) = D::on(&runtime);
    let given = Arc::new(AtomicUsize::new(0));
    let counted = given.clone();
    let numbers = stream::iter(0..1_000).inspect(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let context = doll.context();
    let wedge = doll.wedge();
    D::attach_with(&context, numbers, LIMIT, |doll, why| {
        assert_eq!(why, StreamEnd::Done);
        doll.tell(Event::Note(1_000));
    });
    until(|| given.load(Ordering::SeqCst) == LIMIT);
    (0..10).for_each(|_| settle(&runtime));
    assert_eq!(given.load(Ordering::SeqCst), LIMIT);
    drop(wedge);
    (0..=1_000).for_each(|n| assert_eq!(events.label(), format!("note {n}")));
    assert_eq!(given.load(Ordering::SeqCst), 1_000);
}

/// R94: the actor's end is that of its streams, however it comes: they are dropped, and nothing of them is handled.
fn ends_with_its_actor<D: Doll>() {
    let runtime = solo();
    for way in 0..3 {
        let (doll, events) = D::on(&runtime);
        let tally = Tally::default();
        let (one, two) = (tally.one(), tally.one());
        let (say, said) = unbounded();
        let attachment = doll.call(move |_, ctx| {
            D::attach(
                ctx,
                stream::pending().map(move |n| {
                    let _held = &one;
                    n
                }),
            );
            D::attach(
                ctx,
                said.inspect(move |_| {
                    let _held = &two;
                }),
            )
        });
        let wedge = doll.wedge();
        (0..5).for_each(|n| say.unbounded_send(n).expect("attached"));
        let gone = begun(doll.wait_exit());
        match way {
            0 => doll.stop(),
            1 => doll.kill(),
            _ => {}
        }
        wedge.release_after(move || assert_ne!(way, 2, "boom"));
        gone.wait();
        until(|| tally.count() == 2);
        until(|| !attachment.is_attached());
        assert!(say.unbounded_send(7).is_err());
        drop(doll);
        assert!(!events.until_gone().iter().any(|label| label.starts_with("note")));
    }
}

/// R94: an iterator ends when it returns from what it is doing.
fn an_iterator_ends_with_its_actor<D: Doll>() {
    let runtime = solo();
    let (doll, _events) = D::on(&runtime);
    let tally = Tally::default();
    let one = tally.one();
    let (say, said) = mpsc::channel::<u32>();
    doll.call(move |_, ctx| {
        D::attach_iter(
            ctx,
            said.into_iter().inspect(move |_| {
                let _held = &one;
            }),
        )
    });
    end(&doll);
    let _ = say.send(1);
    until(|| tally.count() == 1);
    assert!(say.send(2).is_err());
}

/// R94: detached, nothing more of it is handled, also not what stands in the mailbox; and it is dropped.
fn detached<D: Doll>() {
    let runtime = duo();
    let (doll, events) = D::on(&runtime);
    let tally = Tally::default();
    let one = tally.one();
    let given = Arc::new(AtomicUsize::new(0));
    let counted = given.clone();
    let (say, said) = unbounded();
    let attachment = doll.call(move |_, ctx| {
        let numbers = said.inspect(move |_| {
            let _held = &one;
            counted.fetch_add(1, Ordering::SeqCst);
        });
        D::attach_with(ctx, numbers, 5, |_, why| panic!("told of its end: {why:?}"))
    });
    say.unbounded_send(1).expect("attached");
    assert_eq!(events.label(), "note 1");
    let wedge = doll.wedge();
    (2..10).for_each(|n| say.unbounded_send(n).expect("attached"));
    until(|| given.load(Ordering::SeqCst) == 6);
    assert!(attachment.detach());
    drop(wedge);
    assert!(!attachment.detach());
    until(|| tally.count() == 1);
    until(|| !attachment.is_attached());
    doll.downs();
    assert_eq!(events.labels(), [""; 0]);
    assert!(doll.is_alive());
}

/// R94: a stream that panics is at its end; what it said is told behind its items.
fn a_panic_that_is_told<D: Doll>() {
    let runtime = solo();
    let (doll, events) = D::on(&runtime);
    let told = |doll: &mut D, why| {
        let StreamEnd::Panicked(reason) = why else { panic!("{why:?}") };
        assert_eq!(reason.to_string(), "panic: broken");
        doll.tell(Event::Note(9));
    };
    doll.call(move |_, ctx| {
        D::attach_with(ctx, stream::iter(0..5).inspect(|n| assert!(*n < 2, "broken")), 9, told)
    });
    assert_eq!([events.label(), events.label(), events.label()], ["note 0", "note 1", "note 9"]);
    doll.call(move |_, ctx| D::attach_iter_with(ctx, (0..5).inspect(|n| assert!(*n < 1, "broken")), 9, told));
    assert_eq!([events.label(), events.label()], ["note 0", "note 9"]);
    // In its drop, which is after its last item.
    struct Broken;
    impl Drop for Broken {
        fn drop(&mut self) {
            panic!("broken");
        }
    }
    let broken = Broken;
    doll.call(move |_, ctx| {
        let numbers = stream::iter(0..1).inspect(move |_| {
            let _held = &broken;
        });
        D::attach_with(ctx, numbers, 9, told)
    });
    assert_eq!([events.label(), events.label()], ["note 0", "note 9"]);
    assert!(doll.is_alive());
}

/// R94: where nobody is told, the panic of a stream, or of a future, is the actor's.
fn a_panic_that_is_not_told<D: Doll>() {
    let runtime = solo();
    for way in 0..4 {
        let (doll, _events) = D::on(&runtime);
        doll.call(move |_, ctx| match way {
            0 => D::attach(ctx, stream::iter(0..5).inspect(|n| assert!(*n < 2, "broken"))),
            1 => D::attach_iter(ctx, (0..5).inspect(|n| assert!(*n < 1, "broken"))),
            2 => D::pipe(ctx, async { panic!("broken") }),
            _ => D::note_on(ctx, async { panic!("broken") }, 1),
        });
        assert_eq!(doll.wait_exit().wait().to_string(), "panic: broken");
    }
}

/// R94: streams keep nobody running: with the last handle the actor stops, and they go with it.
fn keeps_nobody_running<D: Doll>() {
    let runtime = solo();
    let (doll, events) = D::on(&runtime);
    let tally = Tally::default();
    let one = tally.one();
    doll.call(move |_, ctx| {
        D::attach(
            ctx,
            stream::pending().map(move |n| {
                let _held = &one;
                n
            }),
        );
    });
    let gone = doll.wait_exit();
    drop(doll);
    assert_eq!(gone.wait(), ExitReason::Normal);
    until(|| tally.count() == 1);
    assert_eq!(events.until_gone(), ["stopped normal", "dropped"]);
}

/// R94: one that is always ready leaves others their turn.
fn a_stream_that_is_always_ready<D: Doll>() {
    let runtime = solo();
    let (doll, events) = D::on(&runtime);
    let attachments = [
        doll.call(|_, ctx| D::attach(ctx, stream::repeat(1))),
        doll.call(|_, ctx| D::attach_iter(ctx, std::iter::repeat(2))),
    ];
    for _ in 0..10 {
        D::note(&doll, 3);
        while events.label() != "note 3" {}
        settle(&runtime);
    }
    assert!(attachments.iter().all(|attachment| attachment.detach()));
    doll.downs();
    events.labels();
    doll.downs();
    assert_eq!(events.labels(), [""; 0]);
}

/// R94: the output of a future comes as a message, and others are handled meanwhile.
fn a_future_piped<D: Doll>() {
    let runtime = solo();
    let (doll, events) = D::on(&runtime);
    let (say, said) = oneshot::channel();
    let attachment = doll.call(move |_, ctx| D::pipe(ctx, async move { said.await.expect("said") }));
    D::note(&doll, 1);
    assert_eq!(events.label(), "note 1");
    assert!(attachment.is_attached());
    say.send(2).expect("awaited");
    assert_eq!(events.label(), "note 2");
    until(|| !attachment.is_attached());
    // Detached, it is dropped.
    let tally = Tally::default();
    let one = tally.one();
    let attachment = doll.call(move |_, ctx| {
        D::pipe(ctx, async move {
            let _held = one;
            std::future::pending().await
        })
    });
    assert!(attachment.detach());
    until(|| tally.count() == 1);
}

/// R94: a message that waits for a future.
fn on_a_future<D: Doll>() {
    let runtime = solo();
    let (doll, events) = D::on(&runtime);
    let (say, said) = oneshot::channel();
    let other = doll.ask(|_, _| 5);
    doll.call(move |_, ctx| D::note_on(ctx, async move { said.await.expect("said") }, 7));
    assert_eq!(other.wait(), Ok(5));
    doll.downs();
    assert!(events.ready().is_none());
    say.send(()).expect("awaited");
    assert_eq!(events.label(), "note 7");
}

/// R94: what is attached to the dead is dropped, and brings nothing.
fn of_the_dead<D: Doll>() {
    let runtime = solo();
    let (doll, _events) = D::on(&runtime);
    let context = doll.context();
    end(&doll);
    let tally = Tally::default();
    let one = tally.one();
    let attachment = D::attach(
        &context,
        stream::pending().map(move |n| {
            let _held = &one;
            n
        }),
    );
    assert_eq!(tally.count(), 1);
    assert!(!attachment.is_attached() && !attachment.detach());
}

/// R57: what drives a stream is no actor to be counted, and no monitor.
fn not_counted_and_not_shown<D: Doll>() {
    let runtime = solo();
    let (doll, _events) = D::on(&runtime);
    doll.call(|_, ctx| {
        D::attach(ctx, stream::pending());
        D::pipe(ctx, std::future::pending());
    });
    assert_eq!((doll.monitored_by(), doll.monitors()), (vec![], vec![]));
    assert_eq!(runtime.live_actors(), 1);
    end(&doll);
    until(|| runtime.live_actors() == 0);
}

/// R94: a full mailbox refuses none, and loses none.
fn a_full_mailbox<D: Doll>() {
    let runtime = solo();
    for on_full in [OnFull::Reject, OnFull::DropNewest, OnFull::DropOldest] {
        let (doll, events) = D::new();
        let options = Options::new().runtime(&runtime).mailbox(Mailbox::bounded(1, on_full));
        let doll = doll.start_with(options).expect("the runtime runs");
        doll.call(|_, ctx| {
            D::attach_with(ctx, stream::iter(0..100), 10, |doll, _| doll.tell(Event::Note(100)));
        });
        (0..=100).for_each(|n| assert_eq!(events.label(), format!("note {n}")));
        // Nor have they given back places that they never had.
        if on_full == OnFull::Reject {
            doll.downs();
            let wedge = doll.wedge();
            assert!(D::try_note(&doll, 3) && !D::try_note(&doll, 4));
            drop(wedge);
        }
    }
}
