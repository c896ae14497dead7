//! Actors with a life, for the models of the lifecycle: the message loop of the library over a queue that the model's
//! threads drain.

// Not every model needs all of it.
#![allow(dead_code)]

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use deathwatch::ExitReason;
use deathwatch::internals::actor::stage::Stage;
use deathwatch::internals::cell::{
    Address, Birth, CellRef, Consumer, Erased, Host, Runnable, Strong, spawn as spawn_cell,
};
use deathwatch::internals::clock::Clock;
use deathwatch::internals::exit::{self, Death};
use deathwatch::internals::mailbox::parcel::{Letter, Parcel};
use deathwatch::internals::monitor::entry::{Station, heed};
use deathwatch::internals::structs::future::SlotFuture;
use deathwatch::internals::structs::queue::Queue;
use deathwatch::internals::sync::Arc;
use deathwatch::internals::turn::{Hooks, live};

use crate::fixture::Token;

/// An actor's value: must be dropped, once.
pub struct Sailor(Token);

/// A mode whose hooks do nothing.
pub enum Plain {}

impl Hooks<Sailor> for Plain {
    fn started(_: &mut Stage<Sailor>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    fn stopped<'a>(_: &'a mut Stage<Sailor>, _: &'a ExitReason) -> impl Future<Output = ()> + Send + 'a
    where
        Sailor: 'a,
    {
        std::future::ready(())
    }
}

pub type Deck = Stage<Sailor>;

/// The life of a sailor.
pub fn life(consumer: Consumer<Deck>) -> impl Future<Output = ExitReason> + Send {
    let stage = Stage::new(Sailor(Token::new()), consumer.address());
    live::<Sailor, Plain>(stage, consumer, ())
}

/// What wants to run. Handing over orders a push before the pop that takes it, and nothing else.
#[derive(Clone)]
pub struct Pool(Arc<Queue<Runnable>>);

impl Pool {
    pub fn new() -> Self {
        Pool(Arc::new(Queue::new()))
    }

    /// Runs one; false when there is none.
    pub fn run_one(&self) -> bool {
        let Some(runnable) = self.0.pop() else { return false };
        if let Some(again) = runnable.run() {
            self.0.push(again);
        }
        true
    }

    /// Runs what there is until nothing is left.
    pub fn run(&self) {
        while self.run_one() {}
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An actor that is not queued yet.
    pub fn hire(&self, birth: Birth) -> (Strong<Deck>, Runnable) {
        let strong = spawn_cell(birth, Hosted(self.clone()), life);
        let first = Runnable::first(&strong);
        (strong, first)
    }

    /// An actor that has run for the first time and sleeps.
    pub fn sleeper(&self, birth: Birth) -> Strong<Deck> {
        let (strong, first) = self.hire(birth);
        self.0.push(first);
        self.run();
        strong
    }
}

/// Where a model has its actors run.
pub trait Berth: Send + Sync + 'static {
    fn schedule(&self, runnable: Runnable);
    /// Takes back what waits to be run.
    fn recall(&self) {}
    /// The actor is gone.
    fn leave(&self) {}
}

/// The host of an actor there.
pub struct Hosted<B>(pub B);

impl<B: Berth> Host for Hosted<B> {
    type Death = Death;

    fn heed(&self, cell: &CellRef) -> Option<ExitReason> {
        heed(cell)
    }

    fn schedule(&self, runnable: Runnable) {
        self.0.schedule(runnable);
    }

    fn recall(&self) {
        self.0.recall();
    }

    fn clock(&self) -> Option<&Clock> {
        None
    }

    fn death(&self, reason: ExitReason) -> Death {
        Death::new(reason)
    }

    fn retire(&self, consumer: &mut Consumer<Erased>, death: &mut Death) -> bool {
        let done = exit::retire(consumer, death);
        if done {
            self.0.leave();
        }
        done
    }
}

impl Berth for Pool {
    fn schedule(&self, runnable: Runnable) {
        self.0.push(runnable);
    }
}

/// What the handlers wrote down. The lock is one of `std`, which loom does not see: it must not order anything.
#[derive(Clone, Default)]
pub struct Log(std::sync::Arc<Mutex<Vec<u32>>>);

impl Log {
    pub fn new() -> Self {
        Log::default()
    }

    pub fn note(&self, number: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(number);
    }

    pub fn read(&self) -> Vec<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn sorted(&self) -> Vec<u32> {
        let mut log = self.read();
        log.sort_unstable();
        log
    }
}

/// A message that runs a function when it is handled.
pub struct Do<F>(F, Token);

impl<F: Future<Output = ()> + Send + 'static> Letter<Deck> for Do<F> {
    const COUNTED: bool = true;

    fn open<'a>(self, deck: &'a mut Deck) -> SlotFuture<'a> {
        let Do(work, token) = self;
        let work = async move {
            work.await;
            drop(token);
        };
        deck.cell().with_context(|cx| SlotFuture::begin(work, cx))
    }
}

/// A message that does this.
pub fn parcel(work: impl Future<Output = ()> + Send + 'static) -> Parcel<Deck> {
    Parcel::seal(Do(work, Token::new())).into_parcel()
}

/// A message that is written down.
pub fn note(log: &Log, number: u32) -> Parcel<Deck> {
    let log = log.clone();
    parcel(async move { log.note(number) })
}

/// Sends; false when it was refused.
pub fn send(to: &Address<Deck>, parcel: Parcel<Deck>) -> bool {
    to.push_parcel(parcel).is_ok()
}

/// Runs what there is; the actor is dead then, for this reason.
pub fn ended(pool: &Pool, cell: &CellRef) -> ExitReason {
    pool.run();
    cell.reason().expect("it has ended").clone()
}
