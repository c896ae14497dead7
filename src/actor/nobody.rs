//! Cells without a life: their death, and for plain code that watches its messages, are all there is to them.

use std::task::Context;

use crate::cell::body::observer;
use crate::cell::{CellRef, Consumer, Erased, Host, Runnable};
use crate::clock::Clock;
use crate::exit::{self, Death};
use crate::reason::ExitReason;
use crate::structs::waker::AtomicWaker;

/// The host of such a cell: whoever takes its messages, if anybody does, is woken, and nothing is ever queued.
#[derive(Default)]
pub struct NoLife {
    waker: AtomicWaker,
}

impl Host for NoLife {
    type Death = Death;

    fn wake(&self, _cell: &CellRef) {
        self.waker.wake();
    }

    fn register(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }

    fn heed(&self, _cell: &CellRef) -> Option<ExitReason> {
        None // nothing is ever run
    }

    fn schedule(&self, _runnable: Runnable) {
        unreachable!("what has no life is never queued");
    }

    fn clock(&self) -> Option<&Clock> {
        None
    }

    fn death(&self, reason: ExitReason) -> Death {
        Death::new(reason)
    }

    fn retire(&self, consumer: &mut Consumer<Erased>, death: &mut Death) -> bool {
        exit::retire(consumer, death)
    }
}

/// Somebody who never was, for whoever asks for an actor that nobody knows.
pub fn nobody() -> CellRef {
    let mut consumer = observer::<Erased, _>(NoLife::default());
    let mut death = Death::new(ExitReason::NoProc);
    while !exit::retire(&mut consumer, &mut death) {}
    consumer.cell().clone()
}
