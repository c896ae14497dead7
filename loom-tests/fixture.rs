//! What the models play with: bare watchers and targets whose messages they take themselves, and a log of what was told.

// One file serves all models; none of them needs all of it.
#![allow(dead_code)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use deathwatch::internals::cell::body::observer;
use deathwatch::internals::cell::{Address, CellRef, Consumer, Erased, Host, Runnable};
use deathwatch::internals::clock::Clock;
use deathwatch::internals::exit::{Death, retire};
use deathwatch::internals::mailbox::node::Chain;
use deathwatch::internals::mailbox::parcel::{Letter, Parcel};
use deathwatch::internals::mailbox::segment;
use deathwatch::internals::monitor::entry::{
    Firing, Notice, Rank, Station, Trap, demonitor, heed, let_go, trap, watch,
};
use deathwatch::internals::structs::future::SlotFuture;
use deathwatch::internals::structs::waker::AtomicWaker;
use deathwatch::internals::sync::{Tracked, thread};
use deathwatch::{ActorId, Demonitor, Down, Exit, ExitReason, MonitorRef};

pub use deathwatch::internals::sync::thread::JoinHandle;
#[cfg(loom)]
pub use loom::future::block_on;
#[cfg(shuttle)]
pub use shuttle::future::block_on;

/// Starts a thread of the model.
pub fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let life = move || {
        let result = f();
        segment::leave_all(); // what a thread has for itself is dropped after it has been joined, which is too late for this
        result
    };
    thread::spawn("other".into(), None, life).unwrap()
}

/// Something that must be dropped, once.
pub struct Token(Tracked);

impl Token {
    pub fn new() -> Self {
        let token = Token(Tracked::new());
        token.0.touch(); // for who drops it to be seen to come later
        token
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What a stage was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Note(u32),
    Down(MonitorRef, ExitReason),
    Exit(ActorId, ExitReason),
}

/// Where a party's messages are opened.
pub struct Desk {
    cell: CellRef,
    pub heard: Vec<Heard>,
}

impl Station for Desk {
    fn cell(&self) -> &CellRef {
        &self.cell
    }
}

/// A message.
pub struct Note(pub u32, Token);

impl Note {
    pub fn new(number: u32) -> Self {
        Note(number, Token::new())
    }

    pub fn parcel(number: u32) -> Parcel<Desk> {
        Parcel::seal(Note::new(number)).into_parcel()
    }
}

impl Letter<Desk> for Note {
    const COUNTED: bool = true;

    fn open<'a>(self, desk: &'a mut Desk) -> SlotFuture<'a> {
        desk.heard.push(Heard::Note(self.0));
        SlotFuture::ready()
    }
}

/// Writes a `Down` down.
struct Tell(#[expect(dead_code, reason = "it is there to be dropped")] Token);

impl Notice<Desk> for Tell {
    fn notify<'a>(self, down: Down, desk: &'a mut Desk) -> SlotFuture<'a> {
        desk.heard.push(Heard::Down(down.monitor_ref, down.reason));
        SlotFuture::ready()
    }
}

/// As `Tell`, with nothing to drop: cancelling such an entry takes one step.
struct TellPlain;

impl Notice<Desk> for TellPlain {
    fn notify<'a>(self, down: Down, desk: &'a mut Desk) -> SlotFuture<'a> {
        desk.heard.push(Heard::Down(down.monitor_ref, down.reason));
        SlotFuture::ready()
    }
}

/// Writes an `Exit` down.
enum TellExit {}

impl Trap<Desk> for TellExit {
    fn tell(exit: Exit, desk: &mut Desk) -> SlotFuture<'_> {
        desk.heard.push(Heard::Exit(exit.from, exit.reason));
        SlotFuture::ready()
    }
}

/// The host of a party, which is never queued. Whoever waits for its messages registers.
struct Bell(AtomicWaker);

impl Host for Bell {
    type Death = Death;

    fn wake(&self, _cell: &CellRef) {
        self.0.wake();
    }

    fn register(&self, cx: &Context<'_>) {
        self.0.register(cx.waker());
    }

    fn heed(&self, _cell: &CellRef) -> Option<ExitReason> {
        None // nothing is ever run
    }

    fn schedule(&self, _runnable: Runnable) {
        unreachable!("a party is never queued");
    }

    fn clock(&self) -> Option<&Clock> {
        None
    }

    fn death(&self, reason: ExitReason) -> Death {
        Death::new(reason)
    }

    fn retire(&self, consumer: &mut Consumer<Erased>, death: &mut Death) -> bool {
        retire(consumer, death)
    }
}

/// A cell whose messages the model takes itself: a watcher, a target, or both.
pub struct Party {
    pub consumer: Consumer<Desk>,
    pub desk: Desk,
}

impl Party {
    pub fn new() -> Self {
        let consumer = observer(Bell(AtomicWaker::new()));
        let desk = Desk { cell: Consumer::cell(&consumer).clone(), heard: Vec::new() };
        Party { consumer, desk }
    }

    /// To hold on to it from elsewhere.
    pub fn address(&self) -> Address<Desk> {
        self.consumer.address().clone()
    }

    pub fn cell(&self) -> CellRef {
        self.desk.cell.clone()
    }

    /// Has exits told instead of dying of them.
    pub fn trap_exit(&self) {
        trap::<_, TellExit>(self.consumer.address(), true);
    }

    /// Looks at the exit signals that have come, as a run does that begins: would it die of one, and for which reason?
    pub fn look(&mut self) -> Option<ExitReason> {
        heed(&self.desk.cell)
    }

    /// Handles one message; false when there is none.
    pub fn handle_one(&mut self) -> bool {
        let Some(parcel) = self.consumer.pop() else { return false };
        poll_now(parcel.open(&mut self.desk));
        true
    }

    pub fn handle_all(&mut self) {
        while self.handle_one() {}
    }

    /// Blocks the model's thread until it has heard so much.
    pub fn hear(&mut self, much: usize) {
        block_on(std::future::poll_fn(|cx| {
            loop {
                self.handle_all();
                if self.desk.heard.len() >= much {
                    return Poll::Ready(());
                }
                self.desk.cell.register(cx);
                if self.consumer.park() {
                    return Poll::Pending;
                }
            }
        }));
    }

    /// Dies, and gives back what it had heard before.
    pub fn die(mut self, reason: ExitReason) -> Vec<Heard> {
        let mut death = Death::new(reason);
        while !retire(&mut self.consumer, &mut death) {}
        self.desk.heard
    }

    /// Tells of its death in steps of so many entries.
    pub fn die_in_steps(mut self, reason: ExitReason, budget: usize) {
        self.consumer.close();
        self.desk.cell.reason.set(reason).expect("it lives");
        let mut firing = Firing::default();
        let mut waits = Chain::new();
        while !firing.step(&self.desk.cell, budget, &mut waits) {}
        let_go(&mut waits);
    }

    /// Handles what is left, dies, and gives back what it has heard.
    pub fn end(mut self) -> Vec<Heard> {
        self.handle_all();
        self.die(ExitReason::Normal)
    }
}

/// Monitors.
pub fn monitor(watcher: &Address<Desk>, target: &CellRef) -> MonitorRef {
    watch(watcher, target, Tell(Token::new()), Rank::Ordinary, None)
}

/// Monitors, with a notice that has nothing to drop, as most have.
pub fn monitor_plainly(watcher: &Address<Desk>, target: &CellRef) -> MonitorRef {
    watch(watcher, target, TellPlain, Rank::Ordinary, None)
}

/// Monitors, so that the `Down` overtakes.
pub fn monitor_priority(watcher: &Address<Desk>, target: &CellRef) -> MonitorRef {
    watch(watcher, target, Tell(Token::new()), Rank::Priority, None)
}

/// Takes a monitor back: was it there?
pub fn took_back(watcher: &CellRef, key: MonitorRef) -> bool {
    match demonitor(watcher, key) {
        Demonitor::Cancelled => true,
        Demonitor::Flushed(down) => {
            assert_eq!(down.monitor_ref, key);
            assert_ne!(down.reason, ExitReason::NoProc, "the true reason is known");
            true
        }
        Demonitor::Unknown => false,
    }
}

/// Is what was heard this one `Down`, or nothing?
pub fn is_down(heard: &[Heard], key: MonitorRef, reason: &ExitReason) -> bool {
    match heard {
        [] => false,
        [Heard::Down(told, why)] => {
            assert_eq!((told, why), (&key, reason));
            true
        }
        more => panic!("more than one Down: {more:?}"),
    }
}

/// Polls a future that must be ready at once.
pub fn poll_now<F: Future + Unpin>(mut future: F) -> F::Output {
    match Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it must be ready at once"),
    }
}

/// A waker that cannot be cloned.
pub fn clone_bomb() -> Waker {
    use std::task::{RawWaker, RawWakerVTable};
    unsafe fn clone(_: *const ()) -> RawWaker {
        // Not `panic!`, whose hook would print it in each iteration.
        std::panic::resume_unwind(Box::new("not to be cloned"))
    }
    unsafe fn nothing(_: *const ()) {}
    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);
    // SAFETY: the functions do nothing with the pointer.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) }
}
