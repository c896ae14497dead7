//! Messages that come faster than they are handled: of one type and of many, from one sender and from several.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context as TaskContext, Poll};
use std::thread;

use deathwatch::prelude::*;
use deathwatch::{ActorRef, Context, Mailbox, OnFull, Options, Runtime, SendError};

use crate::support::*;

/// Which sender's, and which of its messages.
type Mark = (usize, usize);

/// Of several sizes, and one that stands at a distance of its own: each is a type for itself.
struct Small(Mark);
struct Large(Mark, #[expect(dead_code, reason = "it has a size")] [u8; 200]);
#[repr(align(16))]
struct Aligned(Mark);
/// More than any block of many has room for.
#[repr(align(4096))]
struct Page(Mark);
struct Full(#[expect(dead_code, reason = "it has a size")] [u64; 6], Mark);
struct Empty;

/// Says when it is dropped.
struct Counted(Mark, Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// Looks whether each sender's messages come in order.
struct Sink {
    heard: Vec<usize>,
    empty: usize,
}

impl Sink {
    fn of(senders: usize) -> Self {
        Sink { heard: vec![0; senders], empty: 0 }
    }

    fn hear(&mut self, (sender, number): Mark) {
        assert_eq!(self.heard[sender], number, "of sender {sender}");
        self.heard[sender] += 1;
    }
}

impl Actor for Sink {}

macro_rules! heard {
    ($($type:ty: $mark:expr;)*) => {$(
        impl Message for $type {
            type Reply = ();
        }
        impl Handler<$type> for Sink {
            async fn handle(&mut self, message: $type, _: &Context<Self>) {
                let mark: fn(&$type) -> Mark = $mark;
                self.hear(mark(&message));
            }
        }
    )*};
}

heard! {
    Small: |message| message.0;
    Large: |message| message.0;
    Aligned: |message| message.0;
    Page: |message| message.0;
    Full: |message| message.1;
    Counted: |message| message.0;
}

impl Message for Empty {
    type Reply = usize;
}
impl Handler<Empty> for Sink {
    async fn handle(&mut self, _: Empty, _: &Context<Self>) -> usize {
        self.empty += 1;
        self.empty
    }
}

/// What has been handled of each sender.
struct Heard;
impl Message for Heard {
    type Reply = Vec<usize>;
}
impl Handler<Heard> for Sink {
    async fn handle(&mut self, _: Heard, _: &Context<Self>) -> Vec<usize> {
        self.heard.clone()
    }
}

/// Holds it until the gate opens.
struct Hold(mpsc::Sender<()>, mpsc::Receiver<()>);
impl Message for Hold {
    type Reply = ();
}
impl Handler<Hold> for Sink {
    async fn handle(&mut self, Hold(entered, gate): Hold, _: &Context<Self>) {
        let _ = entered.send(());
        let _ = gate.recv();
    }
}

/// The sink is held until what comes back is dropped.
fn hold(sink: &ActorRef<Sink>) -> mpsc::Sender<()> {
    let ((entered, inside), (open, gate)) = (mpsc::channel(), mpsc::channel());
    sink.send(Hold(entered, gate)).map_err(|_| ()).expect("it lives");
    inside.recv().expect("it begins");
    open
}

/// Sends one message of whichever type.
fn send(sink: &ActorRef<Sink>, mark: Mark, kind: usize) {
    let sent = match kind {
        0 => sink.send(Large(mark, [0; 200])).is_ok(),
        1 => sink.send(Aligned(mark)).is_ok(),
        2 => sink.send(Full([0; 6], mark)).is_ok(),
        4 if mark.1 % 64 == 0 => sink.send(Page(mark)).is_ok(),
        3 => {
            drop(sink.request(Small(mark)));
            true
        }
        _ => sink.send(Small(mark)).is_ok(),
    };
    assert!(sent, "it lives");
}

/// Several threads at once, in runs of one type that others break: each sender's messages come in its order.
#[test]
fn each_senders_order() {
    let _dog = watchdog!();
    const SENDERS: usize = 3;
    const EACH: usize = 20_000;
    let runtime = duo();
    let sink = runtime.start(Sink::of(SENDERS)).expect("it starts");
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let sink = sink.clone();
            // Mostly small ones; of each hundred some in a row are of another kind.
            scope.spawn(move || (0..EACH).for_each(|n| send(&sink, (sender, n), n % 100 / (3 + sender))));
        }
    });
    assert_eq!(sink.request(Heard).wait().expect("it lives"), [EACH; SENDERS]);
}

/// Is ready at the second look: its actor goes to the end of the line, and maybe to the other worker.
struct StepAside(bool);
impl Future for StepAside {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Sends from whichever worker it is on.
struct Wanderer {
    sink: ActorRef<Sink>,
    number: usize,
}
impl Actor for Wanderer {}

struct Go(usize);
impl Message for Go {
    type Reply = ();
}
impl Handler<Go> for Wanderer {
    async fn handle(&mut self, Go(many): Go, _: &Context<Self>) {
        for n in 0..many {
            send(&self.sink, (self.number, n), 9);
            if n % 5 == 0 {
                StepAside(false).await;
            }
        }
    }
}

/// Actors that go from worker to worker while they send, all to one: each one's messages come in its order.
#[test]
fn senders_that_move() {
    let _dog = watchdog!();
    const SENDERS: usize = 8;
    const EACH: usize = 5_000;
    let (runtime, elsewhere) = (duo(), solo());
    let sink = elsewhere.start(Sink::of(SENDERS)).expect("it starts");
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| runtime.start(Wanderer { sink: sink.clone(), number }).expect("it starts"))
        .collect();
    let gone: Vec<_> = senders.iter().map(|sender| sender.request(Go(EACH)).no_timeout()).collect();
    gone.into_iter().for_each(|gone| gone.wait().expect("it sends"));
    assert_eq!(sink.request(Heard).wait().expect("it lives"), [EACH; SENDERS]);
}

/// What comes while the actor dies is handled, dropped or given back, each once; and what is given back is what was sent.
#[test]
fn a_flood_of_the_dying() {
    let _dog = watchdog!();
    for _ in 0..200 {
        let runtime = solo();
        let dropped = Arc::new(AtomicUsize::new(0));
        let sink = runtime.start(Sink::of(1)).expect("it starts");
        let held = hold(&sink);
        (0..10).for_each(|n| sink.send(Counted((0, n), dropped.clone())).map_err(|_| ()).expect("it lives"));
        let sender = thread::spawn({
            let (sink, dropped) = (sink.clone(), dropped.clone());
            move || {
                for n in 10.. {
                    if let Err(SendError::Closed { message, .. }) =
                        sink.send(Counted((0, n), dropped.clone()))
                    {
                        assert_eq!(message.0, (0, n));
                        return n + 1;
                    }
                }
                unreachable!("it dies")
            }
        });
        sink.stop();
        drop(held);
        sink.wait_exit().wait();
        let made = sender.join().expect("it was refused in the end");
        runtime.shutdown(std::time::Duration::from_secs(30)).expect("all are gone");
        assert_eq!(dropped.load(Ordering::Relaxed), made);
    }
}

/// A flood of what has no size at all, with a reply or without.
#[test]
fn messages_without_a_size() {
    let _dog = watchdog!();
    let runtime = solo();
    let sink = runtime.start(Sink::of(0)).expect("it starts");
    let held = hold(&sink);
    (0..10_000).for_each(|_| sink.send(Empty).expect("it lives"));
    drop(held);
    assert_eq!(sink.request(Empty).wait().expect("it lives"), 10_001);
}

/// A thread that has many floods to feed at once, more than it keeps in mind: all arrive, in order.
#[test]
fn floods_of_many_actors() {
    let _dog = watchdog!();
    const ACTORS: usize = 1_000;
    let runtime: Runtime = solo();
    let sinks: Vec<_> = (0..ACTORS).map(|_| runtime.start(Sink::of(1)).expect("it starts")).collect();
    let held = hold(&sinks[0]);
    (0..40).for_each(|n| sinks.iter().for_each(|sink| send(sink, (0, n), 9)));
    drop(held);
    assert!(sinks.iter().all(|sink| sink.request(Heard).wait().expect("it lives") == [40]));
}

/// Says when it is dropped, and panics.
struct Bomb(Option<Arc<AtomicUsize>>);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(dropped) = self.0.take() {
            dropped.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose");
        }
    }
}

impl Message for Bomb {
    type Reply = ();
}
impl Handler<Bomb> for Sink {
    async fn handle(&mut self, mut bomb: Bomb, _: &Context<Self>) {
        bomb.0 = None;
    }
}

/// Killed before a flood, or in the middle of one: what is left is dropped, each once, also if that panics.
#[test]
fn a_flood_that_is_left() {
    let _dog = watchdog!();
    const MANY: usize = 100;
    let runtime = solo();
    for handled in [0, 1, 7, MANY - 1] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let sink = runtime.start(Sink::of(1)).expect("it starts");
        let held = hold(&sink);
        (0..MANY).for_each(|n| {
            if n == handled {
                sink.send(Kill).expect("it lives");
            }
            assert!(sink.send(Bomb(Some(dropped.clone()))).is_ok(), "it lives");
        });
        drop(held);
        sink.wait_exit().wait();
        assert_eq!(dropped.load(Ordering::Relaxed), MANY - handled);
    }
}

/// Kills who handles it.
struct Kill;
impl Message for Kill {
    type Reply = ();
}
impl Handler<Kill> for Sink {
    async fn handle(&mut self, _: Kill, ctx: &Context<Self>) {
        ctx.handle().kill();
    }
}

/// A bounded mailbox counts each message, whichever block it stands in.
#[test]
fn a_flood_of_a_bounded_mailbox() {
    let _dog = watchdog!();
    const ROOM: usize = 50;
    let runtime = solo();
    let mailbox = Mailbox::bounded(ROOM, OnFull::Reject);
    let options = Options::new().runtime(&runtime).mailbox(mailbox);
    let sink = Sink::of(1).start_with(options).expect("it starts");
    let mut next = 0;
    for _ in 0..10 {
        let held = hold(&sink);
        let taken = (0..2 * ROOM).filter(|_| {
            let sent = sink.send(Small((0, next))).is_ok();
            next += usize::from(sent);
            sent
        });
        assert_eq!(taken.count(), ROOM);
        drop(held);
        while sink.request(Heard).wait().ok().as_deref() != Some(&[next]) {}
    }
}
